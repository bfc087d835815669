local gpupt = require "gpupt"
local inventory = require "gpupt.vim.inventory"
local requests = require "spec.support.requests"
local vcenter = require "spec.support.vcenter"

describe("the inventory that is read at once", function()
  local sim, vc, seen, taken

  setup(function()
    sim = vcenter.start { fleet = requests.fleet(12, { vms = 5 }) }
    vc = sim:connect()
    taken = {}
    sim:forget()
    seen = gpupt.check(inventory.read(vc, { VirtualMachine = { "runtime.host" } }, function(object)
      if object.ref.type == "VirtualMachine" then taken[object.name] = object["runtime.host"] end
    end))
  end)
  teardown(function()
    sim:close_all()
    sim:stop()
  end)

  it("takes one collection over one view, which is removed", function()
    assert.same({ "CreateContainerView", "RetrievePropertiesEx", "DestroyView" }, sim:calls())
  end)

  it("gives every object with the further properties, and keeps of a VM its name only", function()
    local vm = gpupt.check(seen:find("/DC0/vm/vm-003"))[1]
    assert.same({ name = "vm-003" }, seen.values[vm])
    assert.equal(gpupt.check(vm:get "runtime.host"), taken["vm-003"])
  end)

  for _, pattern in ipairs { "/", "/*", "/DC0", "/DC0/*", "/DC0/host/*", "/DC0/host/*/*", "/DC0/host/c-01/esx-00[12]",
    "/DC0/vm/vm-00*", "/DC0/**", "/**", "/DC0/host/c-01/Resources", "/DC0/host/c-01/Resources/*", "vm-001", "host/c-01",
    "/DC0/datastore/{ds-1,ds-2}", "/DC0/network/*", "/DC0/vm/../host/c-02", "/nope", "/DC0/host/nope", "../x",
    "VirtualMachine:vm-404", "HostSystem:host-1", "esx-001" } do
    it(("resolves %s as the server is asked for it"):format(pattern), function()
      for _, kind in ipairs { false, "VirtualMachine", "HostSystem", "ComputeResource", "Datastore" } do
        local expected = table.pack(vc:find(pattern, { type = kind or nil }))
        local got = table.pack(seen:find(pattern, { type = kind or nil }))
        for i = 1, 3 do assert.same(expected[i], got[i]) end
      end
    end)
  end

  it("gives the path of every object", function()
    for _, ref in ipairs(gpupt.check(vc:find "/**")) do
      assert.equal(gpupt.check(vc:path(ref)), seen.source:path(ref))
    end
    assert.same({ "/DC0" }, seen:datacenters())
  end)

  it("finds a child by its name and type", function()
    local folder = gpupt.check(vc:one "/DC0/vm")
    assert.equal(gpupt.check(vc:one "/DC0/vm/vm-002"), seen:child(folder, "VirtualMachine", "vm-002"))
    assert.is_nil(seen:child(folder, "VirtualMachine", "vm-999"))
    assert.is_nil(seen:child(folder, "Folder", "vm-002"))
  end)

  it("fails as a whole if a page is refused", function()
    sim:trouble({ method = "RetrievePropertiesEx", count = 1 }, { kind = "fault", fault = "RuntimeFault" })
    local found, message, code = inventory.read(vc, {}, function() end)
    sim:calm()
    assert.is_nil(found)
    assert.is_string(message)
    assert.equal("RuntimeFault", code)
  end)
end)
