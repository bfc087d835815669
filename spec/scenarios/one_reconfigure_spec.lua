-- Scenario 10: one reconfigure carries everything, and ids of 0x8000 and above have their forms on the wire: vendorId is
-- a signed short, deviceId hexadecimal text.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local lab = require "spec.support.lab"

local check = gpupt.check

describe("the reconfigure that gives a VM its cards", function()
  local l
  setup(function()
    l = lab.start { speed = 500, fleet = { clusters = { { name = "c", hosts = { lab.host("esx-1", { memory_gb = 256, cards = {
      lab.card("0000:3b:00.0", { vendor = "8086", device = "e20b", subvendor = "8086", subdevice = "1100", class = "0380",
        name = "Battlemage G21 [Arc B580]", bars = { "16M:64", "16G:64p" }, enabled = true }),
      lab.card("0000:86:00.0", { vendor = "8086", device = "e20b", subvendor = "8086", subdevice = "1100", class = "0380",
        name = "Battlemage G21 [Arc B580]", bars = { "16M:64", "16G:64p" }, enabled = true }) } }) } } },
      vms = { { name = "vm", host = "esx-1", firmware = "efi", guest = "ubuntu64Guest", memory_mb = 8192, version = "vmx-20" } } } }
  end)
  teardown(function() l:stop() end)

  it("is one, with lock, reservation, limit, keys and both devices; the ids are right on the wire", function()
    l:client()
    l.sim:forget()
    local result, _, rows = l:apply [[return p.playbook { name = "x", p.vms { where = "/DC0/vm/vm", p.gpu.attach { count = 2,
      devices = p.gpus { match = "8086:e20b", bars = "16M,16G" }, power_on = false } } }]]
    assert.equal("done", result.status, result.targets[1].message)
    local count, spec = 0, nil
    for _, row in ipairs(rows) do
      local detail = row.kind == "change" and json.decode(row.detail)
      if detail and detail.method == "ReconfigVM_Task" and detail.args.spec.deviceChange then
        count, spec = count + 1, detail.args.spec
      end
    end
    assert.equal(1, count)
    assert.equal(true, spec.memoryReservationLockedToMax)
    assert.equal(-1, spec.memoryAllocation.limit)
    assert.equal(8192, spec.memoryAllocation.reservation)
    assert.is_truthy(spec.changeVersion)
    local keys, extra = {}, {}
    for _, change in ipairs(spec.deviceChange) do
      local backing = change.device.backing
      assert.equal(-32634, backing.vendorId) -- 0x8086 as a signed short
      assert.equal("e20b", backing.deviceId)
      assert.is_true(change.device.key < 0)
      assert.is_nil(keys[change.device.key])
      keys[change.device.key] = true
    end
    for _, pair in ipairs(spec.extraConfig) do extra[pair.key] = pair.value end
    assert.equal("TRUE", extra["pciPassthru.use64bitMMIO"])
    assert.is_truthy(extra["pciPassthru.64bitMMIOSizeGB"])
    local vm = check(l.vc:one "/DC0/vm/vm")
    check(l.vc:wait(check(vm:PowerOnVM_Task {}))) -- the server knows the cards again
    assert.same({}, l.sim:get "truth".violations)
  end)
end)
