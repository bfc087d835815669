-- A VM with snapshots was refused by the plan only if its system was there already, and by apply only before the guest was
-- shut down: with os.install before gpu.attach the refusal came after the installation, and a VM of which a backup took a
-- snapshot during the shutdown got its card beside it.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

local function vm(name, more)
  local one = { name = name, host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096, version = "vmx-20", disk_gb = 40 }
  for field, value in pairs(more or {}) do one[field] = value end
  return one
end

describe("a VM with snapshots that would get a card", function()
  local l, vc
  setup(function()
    l = lab.start { speed = 500, fleet = { clusters = { { name = "c", hosts = { lab.host("esx-1", { memory_gb = 512,
      cards = { lab.card("0000:1b:00.0", { enabled = true }), lab.card("0000:2b:00.0", { enabled = true }) } }) } } },
      datastores = { { name = "ds-1", files = { ["iso/ubuntu.iso"] = { os = "ubuntu" }, ["iso/answer.iso"] = { source = "builtin:ubuntu-answer" } } } },
      vms = { vm("blank", { extra_config = { ["gpupt.run"] = "an-earlier-run" } }), vm("used", { power = "poweredOn", installed = "ubuntu" }) } } }
    vc = l:client()
  end)
  teardown(function() l:stop() end)

  local function take(name)
    check(vc:wait(check(check(vc:one("/DC0/vm/" .. name)):CreateSnapshot_Task { name = "s", memory = false, quiesce = false })))
  end

  it("is refused by the plan, also if a system is installed first", function()
    take "blank"
    local text = [[return p.playbook { name = "i", p.vms { where = "/DC0/vm/blank",
      p.os.install { iso = "[ds-1] iso/ubuntu.iso", answer = "[ds-1] iso/answer.iso" },
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" } %s } } }]]
    local plan, message = l:plan(text:format "")
    assert.is_nil(plan)
    assert.matches("blank has snapshots", message, 1, true)
    assert.matches("delete 1 snapshot: s", tostring(check(l:plan(text:format ', snapshots = "delete"'))), 1, true)
  end)

  it("gets none beside a snapshot that was taken while its guest was shut down", function()
    local used = check(vc:one "/DC0/vm/used")
    check(vc:wait_for(used, { "guest.toolsRunningStatus" }, function(props)
      return props["guest.toolsRunningStatus"] == "guestToolsRunning"
    end, { timeout = 60 }))
    local plan = check(l:plan [[return p.playbook { name = "u", p.vms { where = "/DC0/vm/used",
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" } } } }]])
    local taken = false
    local run = check(plan:apply { journal = l:journal(), allow = { "guest-shutdown" }, on_event = function(event)
      if event.kind == "step" and not taken then
        taken = true
        take "used"
      end
    end })
    local result = run:result()
    assert.equal("failed", result.status)
    assert.matches("used has snapshots", result.targets[1].message, 1, true)
    assert.equal(0, #l:truth("vms", "used").devices)
  end)
end)
