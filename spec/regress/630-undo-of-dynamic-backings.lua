-- An undo that takes a dynamic backing from a VM read `id` of it, a field that only fixed backings have: "internal
-- error" in place of a plan. The same reading of fields failed where a CD drive that a run had added had another kind of
-- backing since. And a fixed backing of the VM's own host that a dynamic one had replaced did not come back.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local T4 = { vendor = "10de", device = "1eb8", subvendor = "10de", subdevice = "12a2", name = "TU104GL [Tesla T4]",
  class = "0302", bars = { "16M:32", "256M:64p", "32M:64p" }, enabled = true }

local function card(address)
  local one = { address = address }
  for name, value in pairs(T4) do one[name] = value end
  return one
end

describe("undo of a VM's dynamic backing", function()
  local l, journal
  setup(function()
    l = lab.start { speed = 400, fleet = { clusters = { { name = "a", hosts = { lab.host("esx-1", { cards = {
      card "0000:3b:00.0", card "0000:5e:00.0" } }) } } }, vms = {
        { name = "new", host = "esx-1", firmware = "efi", memory_mb = 2048, version = "vmx-20", disk_gb = 10,
          cdrom = true },
        { name = "had", host = "esx-1", firmware = "efi", memory_mb = 2048, version = "vmx-20", disk_gb = 10,
          memory_lock = true, devices = { "0000:5e:00.0" } } } } }
    journal = l.dir .. "/journal.db"
  end)
  teardown(function() l:stop() end)

  local function kinds(name)
    local list, vm = {}, gpupt.check(l:client():one("/DC0/vm/" .. name))
    for _, device in ipairs(gpupt.check(vm:get "config.hardware.device")) do
      if device._type == "VirtualPCIPassthrough" then list[#list + 1] = device.backing._type end
    end
    return list
  end

  local function apply(vm, steps)
    local done = l:command { "apply", l:write(('return p.playbook { name = "back", p.vms { where = "/DC0/vm/%s", %s } }')
      :format(vm, steps)), "--journal", journal }
    assert.equal(0, done.status, done.err)
    return (done.err:match "run (back%-%S+)")
  end

  it("detaches it", function()
    local id = apply("new", 'p.gpu.attach { devices = p.gpus { match = "10de:1eb8" }, backing = "dynamic", power_on = false }')
    assert.same({ "VirtualPCIPassthroughDynamicBackingInfo" }, kinds "new")
    local dry = l:command { "undo", id, "--journal", journal, "--dry-run" }
    assert.equal(0, dry.status, dry.err)
    assert.matches("detach a dynamic card", dry.out, 1, true)
    local done = l:command { "undo", id, "--journal", journal }
    assert.equal(0, done.status, done.err)
    assert.same({}, kinds "new")
  end)

  it("sets the fixed one back that it replaced", function()
    local id = apply("had", 'p.gpu.attach { devices = p.gpus { match = "10de:1eb8" }, backing = "dynamic", power_on = false }')
    assert.same({ "VirtualPCIPassthroughDynamicBackingInfo" }, kinds "had")
    local done = l:command { "undo", id, "--journal", journal }
    assert.equal(0, done.status, done.err)
    assert.same({ "VirtualPCIPassthroughDeviceBackingInfo" }, kinds "had")
  end)

  it("removes a CD drive that the run added, though it has no file any more", function()
    local vm = { devices = gpupt.check(gpupt.check(l:client():one "/DC0/vm/new"):get "config.hardware.device") }
    local result = { devices = {}, lines = {}, left = {}, lost = {}, freed = {} }
    require "gpupt.step.restore_devices".compare(vm, { { action = "reconfigure", detail = { keys = {}, devices = { { operation = "add",
      after = { _type = "VirtualCdrom", unitNumber = 0, backing = { _type = "VirtualCdromIsoBackingInfo", fileName = "[ds-1] a.iso" } } }
    } } } }, result)
    assert.same({ "remove the CD drive" }, { result.lines[1].what })
  end)
end)
