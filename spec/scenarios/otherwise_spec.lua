-- What a roll does where a state of its procedure does not end as it should: a card that cannot be configured, a change
-- without a reboot that does not work, a host that does not leave maintenance mode, a VM that does not start again.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

local function playbook(roll, step)
  return ([[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:20b5" },
    roll = { %s }, p.host.enable { %s } } }]]):format(roll or "", step or "")
end

describe("a roll", function()
  local l
  after_each(function() l:stop() end)

  local function start(hosts, vms)
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = hosts } }, vms = vms } }
    l:client()
    for _, vm in ipairs(vms or {}) do
      if vm.installed then
        assert(l.vc:wait_for(assert(l.vc:one("/DC0/vm/" .. vm.name)), { "guest.toolsRunningStatus" }, function(v)
          return v["guest.toolsRunningStatus"] == "guestToolsRunning"
        end, { timeout = 20 }))
      end
    end
    l.sim:forget()
  end

  local function of(result)
    local list = {}
    for _, one in ipairs(result.targets) do list[one.target] = one end
    return list
  end

  local function state(name)
    for _, card in ipairs(l:truth("hosts", name).cards) do
      if card.address == "0000:3b:00.0" then return { card.enabled, card.active } end
    end
  end

  local OLD = { name = "old-7", host = "a-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 8192, memory_lock = true,
    devices = { "0000:86:00.0" }, power = "poweredOn", installed = "ubuntu", extra_config = {
      ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } }

  local function with_vm(more)
    local one = lab.host("a-1", { cards = { lab.card "0000:3b:00.0", lab.card("0000:86:00.0", { enabled = true }) } })
    for k, v in pairs(more or {}) do one[k] = v end
    return one
  end

  it("that cannot enable the cards (STAGE) disturbs no VM and no other host", function()
    start({ with_vm(), lab.host "a-2" }, { OLD })
    l.sim:trouble({ method = "UpdatePassthruConfig", object = tostring(check(check(l.vc:one "/DC0/host/gpu-a/a-1")
      :get "configManager.pciPassthruSystem")) }, { kind = "fault", fault = "HostConfigFault" })
    local result = l:apply(playbook 'guests = "shutdown-idle"', { allow = { "reboot", "guest-shutdown" } })
    assert.equal("failed", of(result)["a-1"].status)
    assert.equal("changed", of(result)["a-2"].status)
    assert.equal(0, l.sim:calls "ShutdownGuest")
    assert.equal("poweredOn", l:truth("vms", "old-7").power)
    assert.equal(1, l.sim:calls "RebootHost_Task") -- a-2
  end)

  it("whose change without a reboot fails (REBIND) reboots with the approval, and is left enabled without it", function()
    start { lab.host("a-1", { rebind_without_reboot = true }) }
    l.sim:trouble({ method = "UpdatePassthruConfig", nth = 2 }, { kind = "fault", fault = "HostConfigFault" })
    local journal = l:journal()
    local first = l:apply(playbook(), { journal = journal })
    assert.equal("EAPPROVAL", first.targets[1].code)
    assert.matches("the change without a reboot did not work; a reboot needs --allow reboot", first.targets[1].message, 1, true)
    assert.equal(0, l.sim:calls "RebootHost_Task")
    local second = l:apply(playbook("", 'apply = "reboot"'), { journal = journal, allow = { "reboot" } })
    assert.equal("done", second.status, second.targets[1].message)
    assert.same({ true, true }, state "a-1")
  end)

  it("whose change without a reboot fails goes on with a reboot if that is approved", function()
    start { lab.host("a-1", { rebind_without_reboot = true }) }
    l.sim:trouble({ method = "UpdatePassthruConfig", nth = 2 }, { kind = "fault", fault = "HostConfigFault" })
    local result, events = l:apply(playbook(), { allow = { "reboot" } })
    assert.equal("done", result.status, result.targets[1].message)
    local said = {}
    for _, event in ipairs(events) do said[#said + 1] = event.text end
    assert.matches("not possible without a reboot:.*rebooting", table.concat(said, "\n"))
    assert.same({ true, true }, state "a-1")
  end)

  it("whose host does not leave maintenance mode (EXIT) starts no other; a resume completes it without another reboot", function()
    start { lab.host "a-1", lab.host "a-2" }
    l.sim:trouble({ method = "ExitMaintenanceMode_Task", count = 1 }, { kind = "fault", fault = "Timedout" })
    local journal = l:journal()
    local first = l:apply(playbook(), { journal = journal, allow = { "reboot" } })
    local stuck = of(first)["a-1"].status == "failed" and "a-1" or "a-2"
    local other = stuck == "a-1" and "a-2" or "a-1"
    assert.equal("Timedout", of(first)[stuck].code)
    assert.equal("not started", of(first)[other].status)
    assert.is_true(l:truth("hosts", stuck).maintenance)
    assert.same({ true, true }, state(stuck))
    local second = l:apply(playbook(), { journal = journal, resume = first.id, allow = { "reboot" } })
    assert.equal("done", second.status, second.targets[1].message)
    assert.is_false(l:truth("hosts", stuck).maintenance)
    assert.equal(2, l.sim:calls "RebootHost_Task")
  end)

  it("whose VM does not start again (RESTART) fails and names it; a resume starts it", function()
    start({ with_vm() }, { OLD })
    l.sim:trouble({ method = "PowerOnVM_Task", count = 1 }, { kind = "fault", fault = "InsufficientResourcesFault" })
    local journal, text = l:journal(), playbook 'guests = "shutdown-idle"'
    local first = l:apply(text, { journal = journal, allow = { "reboot", "guest-shutdown" } })
    assert.equal("failed", first.targets[1].status)
    assert.matches("old-7 was shut down for the reboot and cannot be started", first.targets[1].message, 1, true)
    assert.is_false(l:truth("hosts", "a-1").maintenance)
    local second = l:apply(text, { journal = journal, resume = first.id, allow = { "reboot", "guest-shutdown" } })
    assert.equal("done", second.status, second.targets[1].message)
    assert.equal("poweredOn", l:truth("vms", "old-7").power)
    assert.equal(1, l.sim:calls "RebootHost_Task")
  end)

  it("does not shut down vCenter's own VMs (vCLS)", function()
    start({ lab.host "a-1" }, { { name = "vCLS-1", host = "a-1", memory_mb = 128, power = "poweredOn" },
      { name = "web-1", host = "a-1", guest = "ubuntu64Guest", memory_mb = 2048, firmware = "efi", power = "poweredOn",
        installed = "ubuntu" } })
    local plan = check(l:plan(playbook 'guests = "shutdown-idle"'))
    assert.same({ "web-1" }, plan:stops().vms[1].names)
    assert.is_nil(tostring(plan):find("vCLS", 1, true))
  end)
end)
