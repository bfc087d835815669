-- A resumed run that failed before its reboot did not disable what the run had enabled before the interruption. And of two
-- VMs with the same name (in two folders) that were shut down for a reboot, only one was started again.
local lab = require "spec.support.lab"

local card = lab.card

local function playbook(roll)
  return ([[return p.playbook { name = "hosts", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:20b5" },
    %s p.host.enable {} } }]]):format(roll or "")
end

describe("a run", function()
  local l

  after_each(function() l:stop() end)

  local function enabled(address)
    for _, one in ipairs(l:truth("hosts", "esx-1").cards) do if one.address == address then return one.enabled end end
  end

  it("that is resumed disables what it had enabled before, and nothing else", function()
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = { { name = "esx-1", boot_seconds = 60,
      cards = { card "0000:3b:00.0", card("0000:86:00.0", { enabled = true, active = false }) } } } } } } }
    l.sim:trouble({ method = "EnterMaintenanceMode_Task", count = 2 }, { kind = "fault", fault = "InvalidState" })
    l.sim:trouble({ method = "UpdatePassthruConfig", nth = 2 }, { kind = "fault", fault = "InvalidState" })
    local journal = l:journal()
    local first = l:apply(playbook(), { journal = journal, allow = { "reboot" } })
    assert.equal("InvalidState", first.targets[1].code)
    assert.is_true(enabled "0000:3b:00.0", "the first half must have enabled it")
    local again = l:apply(playbook(), { journal = journal, resume = first.id, allow = { "reboot" } })
    assert.equal("InvalidState", again.targets[1].code)
    assert.is_false(enabled "0000:3b:00.0")
    assert.is_true(enabled "0000:86:00.0", "another user enabled this one")
  end)

  it("starts both of two VMs with the same name again", function()
    local function vm_with(name, address)
      return { name = name, host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 8192,
        memory_lock = true, devices = { address }, power = "poweredOn", installed = "ubuntu",
        extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } }
    end
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = { { name = "esx-1", boot_seconds = 60,
      cards = { card "0000:3b:00.0", card("0000:86:00.0", { enabled = true }), card("0000:af:00.0", { enabled = true }) } } } } },
      vms = { vm_with("old", "0000:86:00.0"), vm_with("new", "0000:af:00.0") } } }
    local refs = {}
    for i, name in ipairs { "old", "new" } do
      refs[i] = assert(l:client():one("/DC0/vm/" .. name))
      assert(l.vc:wait_for(refs[i], { "guest.toolsRunningStatus" }, function(v)
        return v["guest.toolsRunningStatus"] == "guestToolsRunning"
      end, { timeout = 20 }))
    end
    local folder = assert(assert(l.vc:one "/DC0/vm"):CreateFolder { name = "two" })
    assert(l.vc:wait(assert(folder:MoveIntoFolder_Task { list = { refs[2] } })))
    assert(l.vc:wait(assert(refs[2]:Rename_Task { newName = "old" })))
    local result = l:apply(playbook 'roll = { guests = "shutdown-idle" },', { allow = { "reboot", "guest-shutdown" } })
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal("poweredOn", assert(refs[1]:get "runtime.powerState"))
    assert.equal("poweredOn", assert(refs[2]:get "runtime.powerState"))
  end)
end)
