-- Between enabling the cards and the reboot lie minutes of draining. Whoever changed the passthrough configuration in
-- that time (another user, a host profile) was not noticed: the host was rebooted for nothing, with its VMs shut down.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local PLAY = [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/gpu-a/esx-1",
  devices = p.gpus { match = "10de:20b5" }, roll = { guests = "shutdown-idle" }, p.host.enable { %s } } }]]

describe("a host whose cards are disabled before the reboot", function()
  local l

  after_each(function() l:stop() end)

  local function card(address)
    for _, one in ipairs(l:truth("hosts", "esx-1").cards) do if one.address == address then return one end end
  end

  local function disable(address)
    local vc = l:client()
    local system = gpupt.check(gpupt.check(vc:one "/DC0/host/gpu-a/esx-1"):get "configManager.pciPassthruSystem")
    gpupt.check(system:UpdatePassthruConfig { config = { { _type = "HostPciPassthruConfig", id = address,
      passthruEnabled = false, applyNow = false } } })
  end

  local function run(options, watch)
    local plan, told = gpupt.check(l:plan(PLAY:format(options or ""))), nil
    return gpupt.check(plan:apply { journal = l:journal(),
      allow = { "reboot", "guest-shutdown", "foreign-maintenance" }, on_event = function(event)
        if not told and (event.text or ""):find(watch, 1, true) then
          told = true
          disable "0000:3b:00.0"
        end
      end }):result().targets[1]
  end

  it("is not rebooted, and is as before: out of maintenance mode, its VMs running, no card left enabled", function()
    local host = lab.host "esx-1"
    host.cards = { lab.card "0000:3b:00.0", lab.card "0000:5e:00.0", lab.card("0000:86:00.0", { enabled = true }) }
    l = lab.start { speed = 100, fleet = { clusters = { { name = "gpu-a", hosts = { host } } },
      vms = { { name = "old-7", host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 8192,
        memory_lock = true, devices = { "0000:86:00.0" }, power = "poweredOn", installed = "ubuntu",
        extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } } } } }
    local vm = gpupt.check(l:client():one "/DC0/vm/old-7")
    assert(l.vc:wait_for(vm, { "guest.toolsRunningStatus" }, function(v)
      return v["guest.toolsRunningStatus"] == "guestToolsRunning"
    end, { timeout = 20 }))
    local one = run("", "entered maintenance mode")
    assert.same({ "failed", "ESTALE" }, { one.status, one.code })
    assert.matches("esx-1: 3b:00.0: no longer enabled for passthrough", one.message, 1, true)
    assert.matches("The host was not rebooted and is as before", one.message, 1, true)
    assert.equal(0, l.sim:calls "RebootHost_Task")
    assert.equal(1, l.sim:calls "ShutdownGuest")
    assert.is_false(l:truth("hosts", "esx-1").maintenance)
    assert.equal("poweredOn", l:truth("vms", "old-7").power)
    assert.same({ false, false, true }, { card "0000:3b:00.0".enabled, card "0000:5e:00.0".enabled,
      card "0000:86:00.0".enabled })
    assert.same({}, l.sim:get "truth".violations)
  end)

  it("stays in the maintenance mode that another user set", function()
    l = lab.start { speed = 100, fleet = { clusters = { { name = "gpu-a",
      hosts = { lab.host("esx-1", { maintenance = true }) } } } } }
    local one = run("foreign_maintenance = true", "not active yet")
    assert.equal("ESTALE", one.code)
    assert.equal(0, l.sim:calls "RebootHost_Task")
    assert.is_true(l:truth("hosts", "esx-1").maintenance)
  end)
end)
