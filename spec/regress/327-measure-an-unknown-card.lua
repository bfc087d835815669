-- A card that the table does not have stopped the plan: its BARs had to be found on another computer. A playbook can give
-- them (bars), or have them measured: the cards are attached, the VM is powered on once, its vmware.log is read, and the
-- settings are computed from it.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

-- BARs of a card that the table does not have: 64 MiB below 4 GiB, and 128 GiB and 32 MiB above, or small ones.
local LARGE, SMALL = { "64M:32", "128G:64p", "32M:64p" }, { "16M:32", "256M:64p", "32M:64p" }

describe("a card that is neither in the table nor measured", function()
  local l
  setup(function()
    local function host(name, device, bars)
      return lab.host(name, { memory_gb = 128, cards = {
        lab.card("0000:3b:00.0", { device = device, name = "new card", bars = bars, enabled = true }),
        lab.card("0000:86:00.0", { device = device, name = "new card", bars = bars, enabled = true }) } })
    end
    local function vm(name, host_name)
      return { name = name, host = host_name, guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096, version = "vmx-20",
        installed = "ubuntu", username = "ops", password = "x" }
    end
    l = lab.start { speed = 500, fleet = {
      clusters = { { name = "c", hosts = { host("esx-1", "fff0", LARGE), host("esx-2", "fff1", SMALL) } } },
      vms = { vm("large-1", "esx-1"), vm("large-2", "esx-1"), vm("small-1", "esx-2"), vm("given-1", "esx-2") } } }
  end)
  teardown(function() l:stop() end)

  local function playbook(name, device, more, gpus)
    return ([[return p.playbook { name = "x", p.vms { where = "/DC0/vm/%s",
      p.gpu.attach { devices = p.gpus { match = "10de:%s", %s }, %s } } }]]):format(name, device, gpus or "", more or "")
  end
  local function extra(name, key)
    for _, pair in ipairs(gpupt.check(gpupt.check(l:client():one("/DC0/vm/" .. name)):get "config.extraConfig")) do
      if pair.key == key then return pair.value end
    end
  end
  local function power_ons(name)
    local count, page = 0, l.sim:get "journal"
    local ref = tostring(gpupt.check(l:client():one("/DC0/vm/" .. name))):match ":(.*)$"
    for _, one in ipairs(page.requests or page) do
      if one.method == "PowerOnVM_Task" and tostring(one.this):find(ref, 1, true) then count = count + 1 end
    end
    return count
  end

  it("stops the plan, which says both ways out", function()
    local plan, message, code = l:plan(playbook("large-1", "fff0"))
    assert.is_nil(plan)
    assert.equal("ENOENT", code)
    assert.matches('large-1: 10de:fff0 is not in the table', message, 1, true)
    assert.matches('p.gpus { ..., bars = "16M/32,128G,32M" }; or mmio = "measure" in p.gpu.attach', message, 1, true)
  end)

  it("gets its window from BARs that the playbook gives", function()
    local text = playbook("large-1", "fff0", "count = 2", 'bars = "64M/32,128G,32M"')
    assert.matches("64-bit MMIO 512 GiB (rule safe)", tostring(gpupt.check(l:plan(text))), 1, true)
    local pb, message = gpupt.playbook.load(l:write(playbook("large-1", "fff0", "", 'bars = "64M/33"')))
    assert.is_nil(pb)
    assert.matches("play%-%d+.lua:3: p.gpus: bars: '64M/33': a BAR ends in /32, /64 or /io", message)
  end)

  it("is measured by a power-on that fails, and then has its window and starts", function()
    local text = playbook("large-1", "fff0", 'mmio = "measure"')
    local plan = gpupt.check(l:plan(text))
    assert.matches("? large-1  gpu.attach  power on once to read the BARs of 10de:fff0 from vmware.log, then set the 64-bit MMIO "
      .. "window", tostring(plan), 1, true)
    l.sim:forget()
    local result, events = l:apply(text)
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal(2, power_ons "large-1")
    assert.equal("TRUE", extra("large-1", "pciPassthru.use64bitMMIO"))
    assert.equal("256", extra("large-1", "pciPassthru.64bitMMIOSizeGB"))
    assert.equal("10de:fff0=67108864/32,137438953472,33554432", extra("large-1", "gpupt.bars"))
    local said = false
    for _, event in ipairs(events) do said = said or event.text == "measured 10de:fff0: BARs 64M + 128G + 32M" end
    assert.is_true(said)
    assert.same({}, l.sim:get "truth".violations)
  end)

  it("has nothing to change then", function()
    local plan = gpupt.check(l:plan(playbook("large-1", "fff0", 'mmio = "measure"')))
    assert.equal(0, #plan:changes())
  end)

  it("that starts without a window needs none, and is powered on once", function()
    l.sim:forget()
    local text = playbook("small-1", "fff1", 'mmio = "measure"')
    local result = l:apply(text)
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal(1, power_ons "small-1")
    assert.is_nil(extra("small-1", "pciPassthru.64bitMMIOSizeGB"))
    assert.equal(0, #gpupt.check(l:plan(text)):changes())
  end)

  it("is measured from the log that is there if the run was interrupted after the power-on", function()
    -- as a run leaves it that was killed then: attached, without a window, the power-on failed
    local text = playbook("large-2", "fff0", 'mmio = "measure"')
    local vm = l:attach("c", "esx-1", "0000:86:00.0", "large-2")
    gpupt.check(l.vc:wait(gpupt.check(vm:ReconfigVM_Task { spec = { memoryReservationLockedToMax = true,
      memoryAllocation = { reservation = 4096 } } })))
    local ok = l.vc:wait(gpupt.check(vm:PowerOnVM_Task {}))
    assert.is_nil(ok)
    local result = l:apply(text)
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal("256", extra("large-2", "pciPassthru.64bitMMIOSizeGB"))
  end)

  it("cannot be measured if the VM may not be powered on", function()
    local pb, message = gpupt.playbook.load(l:write(playbook("small-1", "fff1", 'mmio = "measure", power_on = false')))
    assert.is_nil(pb)
    assert.matches("play%-%d+.lua:3: p.gpu.attach: mmio = 'measure' powers the VM on, and power_on = false forbids it", message)
  end)

  it("is reported if its log cannot be read, and measured by the next run", function()
    l.sim:trouble({ method = "HTTP GET", count = -1 }, { kind = "status", code = 404 })
    local text = playbook("given-1", "fff1", 'mmio = "measure"')
    local result = l:apply(text)
    l.sim:calm()
    assert.equal("failed", result.status)
    assert.matches("vmware.log", result.targets[1].message, 1, true)
    assert.is_nil(extra("given-1", "gpupt.bars"))
    assert.equal("done", l:apply(text).status) -- it is read when it is there
  end)
end)
