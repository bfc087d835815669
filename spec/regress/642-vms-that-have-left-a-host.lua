-- The VMs of a host are read when its step begins, and it may wait for its slot for hours. A VM with a card that had been
-- moved to another host meanwhile counted as one of this host: it would have been shut down there.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

describe("the VMs that a host has to get rid of", function()
  local l
  setup(function()
    l = lab.start { speed = 400, fleet = { clusters = { { name = "a", hosts = { lab.host "esx-1", lab.host "esx-2" } } }, vms = {
      { name = "stays", host = "esx-1", memory_mb = 2048, disk_gb = 10, power = "poweredOn" },
      { name = "left", host = "esx-2", memory_mb = 2048, disk_gb = 10, power = "poweredOn" } } } }
  end)
  teardown(function() l:stop() end)

  it("are those that are on it now", function()
    local vc = l:client()
    local function one(path) return gpupt.check(vc:one(path)) end
    -- as it was read before "left" went to esx-2
    local record = { ref = one "/DC0/host/a/esx-1", vms = { one "/DC0/vm/stays", one "/DC0/vm/left" },
      cluster = { host_refs = { 1, 2 }, drs = "fullyAutomated" } }
    local busy, names = require "gpupt.step.host_drain".classify({ vc = vc }, record), {}
    for _, kind in ipairs { "bound", "movable", "own" } do
      for _, entry in ipairs(busy[kind]) do names[#names + 1] = entry.name end
    end
    assert.same({ "stays" }, names)
  end)
end)
