-- Two hundred VMs that were observed at the same moment were read by two hundred requests.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

local VMS = 60

describe("reads of single objects", function()
  local sim, vc, vms
  setup(function()
    sim = vcenter.start { speed = 1000, fleet = { clusters = { { name = "c", hosts = { { name = "h1" } } } },
      datastores = { { name = "ds-1" } },
      vms = { { name = "vm-{n:02}", count = VMS, cluster = "c", datastore = "ds-1", memory_mb = 256, disk_gb = 1 } } } }
    vc = sim:connect()
    vms = gpupt.check(vc:find("/**", { type = "VirtualMachine" }))
  end)
  teardown(function()
    sim:close_all()
    sim:stop()
  end)
  before_each(function() sim:forget() end)

  local function names(list, paths)
    return loop.run(function()
      local works = {}
      for i, vm in ipairs(list) do
        works[i] = function()
          local values, message, code = vm:get(paths or { "name" })
          return values and values.name or { message, code }
        end
      end
      return loop.all(works)
    end)
  end

  it("that are due in the same turn share a request, of fifty objects at most", function()
    local list = names(vms)
    local seen = {}
    for i, vm in ipairs(vms) do
      assert.equal(vm:get "name", list[i])
      seen[list[i]] = true
    end
    local calls = sim:calls "RetrievePropertiesEx" - VMS -- those of this check
    assert.equal(2, calls)
    local count = 0
    for _ in pairs(seen) do count = count + 1 end
    assert.equal(VMS, count)
  end)

  it("of one object share its values, each with a table of its own", function()
    local both = loop.run(function()
      local function read() return gpupt.check(vms[1]:get { "name", "runtime" }) end
      return loop.all { read, read }
    end)
    assert.equal(1, sim:calls "RetrievePropertiesEx")
    both[1].name = "changed"
    assert.not_equal("changed", both[2].name)
  end)

  it("fail for themselves if an object is gone", function()
    local gone = vc:ref("VirtualMachine", "vm-999999")
    local list = names { vms[1], gone, vms[2] }
    assert.equal("ManagedObjectNotFound", list[2][2])
    assert.same({ vms[1]:get "name", vms[2]:get "name" }, { list[1], list[3] })
  end)

  it("outside a loop are sent at once", function()
    assert.is_string(gpupt.check(vms[1]:get "name"))
    assert.equal(1, sim:calls "RetrievePropertiesEx")
  end)
end)
