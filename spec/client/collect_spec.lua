local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("collecting properties", function()
  local sim, vc
  local COUNT = 12
  setup(function()
    local hosts = {}
    for i = 1, COUNT do hosts[i] = { name = ("esx-%02d"):format(i), cards = { { address = "0000:3b:00.0", vendor = "10de",
      device = "20b5", bars = { "16M:32", "64G:64p" } } } } end
    sim = vcenter.start { fleet = { clusters = { { name = "many", hosts = hosts } } } }
    vc = sim:connect()
  end)
  teardown(function()
    sim:close_all()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
    assert.are.equal(0, left.views)
    assert.are.equal(0, left.tokens)
  end)
  before_each(function() sim:forget() end)
  after_each(function() sim:calm() end)

  it("gives every object with the paths asked for", function()
    local names = {}
    for object in vc:collect { type = "HostSystem", paths = { "name", "runtime.connectionState" } } do
      assert.are.equal("HostSystem", object.ref.type)
      assert.are.equal("connected", object["runtime.connectionState"])
      names[#names + 1] = object.name
    end
    table.sort(names)
    assert.are.equal(COUNT, #names)
    assert.are.equal("esx-01", names[1])
  end)

  it("reads pages: one more request for each, and one view that is destroyed", function()
    local list = gpupt.check(vc:collect_all { type = "HostSystem", paths = { "name" }, page = 5 })
    assert.are.equal(COUNT, #list)
    assert.are.same({ "CreateContainerView", "RetrievePropertiesEx", "ContinueRetrievePropertiesEx",
      "ContinueRetrievePropertiesEx", "DestroyView" }, sim:calls())
  end)

  it("tells the server when the loop is left early", function()
    for object in vc:collect { type = "HostSystem", paths = { "name" }, page = 2 } do
      if object.name then break end
    end
    local state = sim:get "sessions"
    assert.are.equal(0, state.tokens)
    assert.are.equal(0, state.views)
    assert.are.equal(1, sim:calls "CancelRetrievePropertiesEx")
    local ok, err = pcall(function()
      for _ in vc:collect { type = "HostSystem", paths = { "name" }, page = 2 } do error "enough" end
    end)
    assert.is_false(ok)
    assert.matches("enough", err)
    assert.are.equal(0, sim:get("sessions").views)
  end)

  it("gives back the token of a page that did not come", function()
    local once = sim:connect { retries = 1 }
    for _, trouble in ipairs { { kind = "status", code = 503 }, { kind = "reset-before" } } do
      sim:forget()
      sim:trouble({ method = "ContinueRetrievePropertiesEx", count = -1 }, trouble)
      local ok, err = pcall(function()
        for object in once:collect { type = "HostSystem", paths = { "name" }, page = 2 } do assert(object.name) end
      end)
      assert.is_false(ok)
      assert.is_string(err.code)
      assert.are.equal(2, sim:calls "CancelRetrievePropertiesEx") -- it was tried once more
      sim:calm()
      local state = sim:get "sessions"
      assert.are.equal(0, state.tokens)
      assert.are.equal(0, state.views)
    end
  end)

  it("collects under an object, from a list, and several types at once", function()
    local cluster = gpupt.check(vc:one "/DC0/host/many")
    assert.are.equal(COUNT, #gpupt.check(vc:collect_all { type = "HostSystem", under = cluster, paths = { "name" } }))
    local hosts = gpupt.check(vc:find "/DC0/host/many/esx-0[1-3]")
    assert.are.equal(3, #gpupt.check(vc:collect_all { type = "HostSystem", objects = hosts, paths = { "name" } }))
    assert.are.equal(0, #gpupt.check(vc:collect_all { type = "HostSystem", objects = {}, paths = { "name" } }))
    local kinds = {}
    for object in vc:collect { types = { HostSystem = { "name" }, Datastore = { "name" } } } do
      kinds[object.ref.type] = (kinds[object.ref.type] or 0) + 1
    end
    assert.are.equal(COUNT, kinds.HostSystem)
    assert.are.equal(1, kinds.Datastore)
  end)

  it("reads the PCI lists of all hosts", function()
    for object in vc:collect { type = "HostSystem", paths = { "hardware.pciDevice", "config.pciPassthruInfo" } } do
      local gpu = 0
      for _, device in ipairs(object["hardware.pciDevice"]) do
        if device.vendorId == 0x10de then gpu = gpu + 1 end
      end
      assert.are.equal(1, gpu)
    end
  end)

  it("begins again when a page is lost, and gives each object once", function()
    sim:trouble({ method = "ContinueRetrievePropertiesEx" }, { kind = "reset-before" })
    local seen, count = {}, 0
    for object in vc:collect { type = "HostSystem", paths = { "name" }, page = 5 } do
      assert.is_nil(seen[object.ref])
      seen[object.ref], count = true, count + 1
    end
    assert.are.equal(COUNT, count)
    local state = sim:get "sessions"
    assert.are.same({ 0, 0 }, { state.views, state.tokens })
  end)

  it("raises when a page is refused, and leaves nothing behind", function()
    sim:trouble({ method = "ContinueRetrievePropertiesEx" }, { kind = "fault", fault = "InvalidProperty" })
    local seen = 0
    local ok, err = pcall(function()
      for _ in vc:collect { type = "HostSystem", paths = { "name" }, page = 5 } do seen = seen + 1 end
    end)
    assert.is_false(ok)
    assert.are.equal("InvalidProperty", err.code)
    assert.are.equal(5, seen)
    assert.are.equal(0, sim:get("sessions").views)
    local list, message, code = vc:collect_all { type = "HostSystem", paths = { "name" }, page = 5 }
    assert.is_table(list, message, code)
  end)

  it("gives a failure at its start as a failure", function()
    sim:trouble({ method = "RetrievePropertiesEx" }, { kind = "fault", fault = "NoPermission" })
    local list, message, code = vc:collect_all { type = "HostSystem", paths = { "name" } }
    assert.is_nil(list)
    assert.is_string(message)
    assert.are.equal("NoPermission", code)
    assert.are.equal(0, sim:get("sessions").views)
  end)

  it("raises for misuse, with the nearest name", function()
    for _, case in ipairs {
      { { type = "HostSytem", paths = { "name" } }, "did you mean 'HostSystem'" },
      { { type = "HostSystem", paths = { "nmae" } }, "did you mean 'name'" },
      { { tpye = "HostSystem" }, "did you mean 'type'" },
      { {}, "'type' or 'types' is required" },
    } do
      local ok, message = pcall(function() return vc:collect(case[1]) end)
      assert.is_false(ok)
      assert.matches(case[2], message)
    end
    assert.are.equal(0, #sim:calls())
  end)
end)

describe("collecting what not every user may read", function()
  it("gives what can be read, and the fault of what cannot", function()
    local sim = vcenter.start { fleet = { datacenter = "DC0", datastores = { { name = "ds-1" } },
      clusters = { { name = "open", hosts = { { name = "esx-1" } } }, { name = "shut", hosts = { { name = "esx-2" } } } },
      users = { { name = "half@vsphere.local", password = "Half-reads-1", grants = {
        { path = "/", privileges = { "System.Anonymous", "System.View", "System.Read" } },
        { path = "/DC0/host/shut", role = "NoAccess" } } } } } }
    local vc = sim:connect { username = "half@vsphere.local", password = "Half-reads-1" }
    local seen = {}
    for object in vc:collect { type = "HostSystem", paths = { "name", "summary.hardware", "runtime.bootTime" } } do
      seen[#seen + 1] = object
    end
    table.sort(seen, function(a, b) return a.ref.value < b.ref.value end)
    assert.are.equal(2, #seen)
    assert.are.equal("esx-1", seen[1].name)
    assert.is_nil(seen[1].missing)
    assert.is_nil(seen[2]["summary.hardware"])
    assert.are.equal("NoPermission", gpupt.vim.typeof(seen[2].missing["summary.hardware"].fault))
    assert.are.equal("System.Read", seen[2].missing["summary.hardware"].fault.privilegeId)
    local value, message, code = seen[2].ref:get "summary.hardware"
    assert.is_nil(value)
    assert.are.equal("NoPermission", code)
    assert.matches("summary.hardware of HostSystem:", message, 1, true)
    sim:close_all()
    sim:stop()
  end)
end)

describe("collecting much", function()
  it("makes one object a step and holds one page, not the answer", function()
    local sim = vcenter.start { patience = 60, fleet = { datastores = { { name = "ds-1", capacity_gb = 1 << 20 } },
      clusters = { { name = "c", hosts = { { name = "h1" } } } },
      vms = { { name = "vm-{n:04}", count = 600, cluster = "c", memory_mb = 64, disk_gb = 1 } } } }
    local vc = sim:connect()
    local function memory()
      collectgarbage()
      collectgarbage()
      return collectgarbage "count"
    end
    local before, peak, count = memory(), 0, 0
    for object in vc:collect { type = "VirtualMachine", paths = { "name", "config" }, page = 30 } do
      count = count + 1
      assert.is_table(object.config.hardware)
      if count % 20 == 0 then peak = math.max(peak, memory() - before) end
    end
    assert.are.equal(600, count)
    local list = gpupt.check(vc:collect_all { type = "VirtualMachine", paths = { "name", "config" }, page = 30 })
    local whole = memory() - before
    assert.are.equal(600, #list)
    assert.is_true(whole > 5000, whole) -- KiB
    -- what stays is the 600 references, each once for the connection
    assert.is_true(peak < whole / 15, ("%.0f of %.0f KiB"):format(peak, whole))
    sim:close_all()
    sim:stop()
  end)
end)

describe("inventory paths", function()
  local sim, vc
  setup(function()
    sim = vcenter.start {}
    vc = sim:connect()
    gpupt.check(gpupt.check(vc:one "/DC0/vm"):CreateFolder { name = "with/slash" })
    gpupt.check(gpupt.check(vc:one "/DC0/vm"):CreateFolder { name = "deep" })
    gpupt.check(gpupt.check(vc:one "/DC0/vm/deep"):CreateFolder { name = "deeper" })
  end)
  teardown(function()
    sim:close_all()
    sim:stop()
  end)

  local function paths(pattern, o)
    local list = gpupt.check(vc:find(pattern, o))
    local out = {}
    for i, object in ipairs(list) do out[i] = gpupt.check(vc:path(object)) end
    table.sort(out)
    return out
  end

  it("are absolute, with globs in each part", function()
    assert.are.same({ "/DC0" }, paths "/*")
    assert.are.same({ "/DC0/host/gpu-a/esx-a-1" }, paths "/DC0/host/gpu-a/esx-a-1")
    assert.are.same({ "/DC0/host/gpu-a", "/DC0/host/gpu-b" }, paths "/DC0/host/gpu-?")
    assert.are.same({ "/DC0/host/gpu-a", "/DC0/host/gpu-b" }, paths "/DC*/h[a-z]st/gpu-{a,b}")
    assert.are.same({ "/DC0/host/gpu-b" }, paths "/DC0/host/gpu-[!a]")
    assert.are.same({ "/DC0/host/gpu-a/esx-a-1", "/DC0/host/gpu-b/esx-b-1" }, paths "/DC0/host/*/esx-*")
    assert.are.same({ "/" }, paths "/")
  end)

  it("go any number of levels down with ** or ...", function()
    assert.are.same({ "/DC0/vm/deep/deeper" }, paths "/DC0/**/deeper")
    assert.are.same({ "/DC0/vm/deep/deeper" }, paths "/DC0/.../deeper")
    assert.are.same({ "/DC0/host/gpu-a/esx-a-1", "/DC0/host/gpu-b/esx-b-1" }, paths("/**", { type = "HostSystem" }))
  end)

  it("are relative to the datacenter, or to the type's folder", function()
    assert.are.same({ "/DC0/host/gpu-a", "/DC0/host/gpu-b" }, paths "host/gpu-*")
    assert.are.same({ "/DC0/host/gpu-a/esx-a-1" }, paths("esx-a-1", { type = "HostSystem" }))
    assert.are.same({ "/DC0/host/gpu-a/esx-a-1" }, paths("gpu-a/esx-*", { type = "HostSystem" }))
    assert.are.same({ "/DC0/datastore/ds-1" }, paths("ds-*", { type = "Datastore" }))
  end)

  it("write a slash inside a name as %2f", function()
    assert.are.same({ "/DC0/vm/with%2fslash" }, paths "/DC0/vm/with%2fslash")
    assert.are.same({ "/DC0/vm/with%2fslash" }, paths "/DC0/vm/with*")
  end)

  it("that match nothing say what they looked under", function()
    local list, message, code = vc:find "/DC0/host/gpu-c/esx-*"
    assert.is_nil(list)
    assert.are.equal("ENOENT", code)
    assert.matches("'gpu-c' does not exist", message, 1, true)
    assert.matches("/DC0/host contains: gpu-a, gpu-b", message, 1, true)
    list, message, code = vc:find("/DC0/vm/**", { type = "VirtualMachine" })
    assert.is_nil(list)
    assert.matches("there is no VirtualMachine", message)
    assert.are.equal("ENOENT", code)
  end)

  it("that match several objects name the candidates", function()
    local one, message, code, detail = vc:one "/DC0/host/*"
    assert.is_nil(one)
    assert.are.equal("EAMBIGUOUS", code)
    assert.matches("/DC0/host/gpu-a, /DC0/host/gpu-b", message, 1, true)
    assert.are.equal(2, #detail.candidates)
    assert.are.equal(1, select("#", vc:one "/DC0/host/gpu-a"))
  end)

  it("need a datacenter when there are several", function()
    local second = gpupt.check(vc.content.rootFolder:CreateDatacenter { name = "DC1" })
    local list, message, code = vc:find "host/*"
    assert.is_nil(list)
    assert.are.equal("EAMBIGUOUS", code)
    assert.matches("DC0", message)
    assert.matches("DC1", message)
    local other = sim:connect { datacenter = "DC0" }
    assert.are.equal(2, #gpupt.check(other:find "host/*"))
    other:close()
    other = sim:connect { datacenter = "/DCX" }
    list, message, code = other:find "host/*"
    assert.is_nil(list)
    assert.matches("DC0, DC1", message)
    assert.are.equal("ENOENT", code)
    other:close()
    gpupt.check(vc:wait(gpupt.check(second:Destroy_Task())))
  end)
end)
