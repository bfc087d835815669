--- On the only host of a cluster, running VMs without a card were expected to be migrated by DRS, and the run waited for
-- maintenance mode until it timed out. They have nowhere to go: the plan names them and offers to shut them down, with
-- the approval guest-shutdown; the run starts them again. vCenter's own VM and VMs without Tools are refused.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local function playbook(roll)
  return ([[return p.playbook { name = "x", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:20b5" },
  %s p.host.enable { apply = "reboot" } } }]]):format(roll or "")
end
local SHUT = 'roll = { guests = "shutdown-idle" },'

local function vm(name, more)
  local one = { name = name, host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", installed = "ubuntu",
    power = "poweredOn", memory_mb = 2048 }
  for key, value in pairs(more or {}) do one[key] = value end
  return one
end

describe("VMs on the only host of a cluster", function()
  local site

  local function start(o)
    site = lab.start { speed = 300, fleet = { clusters = { o.cluster or { name = "gpu-a", drs = "fullyAutomated",
      hosts = { lab.host "esx-1" } } }, vms = o.vms or { vm "web-1", vm "db-1" } } }
    for _, ref in ipairs(assert(site:client():find "/DC0/vm/*-1")) do
      assert(site.vc:wait_for(ref, { "guest.toolsRunningStatus" }, function(props)
        return props["guest.toolsRunningStatus"] == "guestToolsRunning"
      end, { timeout = 60 }))
    end
    site.sim:forget()
  end

  after_each(function() site:stop() end)

  it("have nowhere to go: the plan names them and offers to shut them down", function()
    start {}
    local plan, message, code = site:plan(playbook())
    assert.is_nil(plan)
    assert.equal("EREFUSED", code)
    assert.matches("esx-1 is the only host of gpu-a, so db-1, web-1 cannot be migrated. Set roll = { guests = "
      .. '"shutdown-idle" } to allow shutting them down', message, 1, true)
    assert.same({}, site:changing())
  end)

  it("are shut down with the approval, and started again", function()
    start {}
    local plan = gpupt.check(site:plan(playbook(SHUT)))
    assert.same({ "guest-shutdown", "reboot" }, plan:needs())
    assert.matches("-> reboot; db-1, web-1 shut down (nowhere to migrate, no session)", tostring(plan), 1, true)
    local result, _, rows = site:apply(playbook(SHUT), { allow = { "reboot", "guest-shutdown" } })
    assert.equal("done", result.status, result.targets[1].message)
    local calls = {}
    for _, row in ipairs(rows) do if row.kind == "change" then calls[#calls + 1] = row.what end end
    local text = table.concat(calls, "|")
    assert.matches("ShutdownGuest db%-1|ShutdownGuest web%-1|EnterMaintenanceMode|.*RebootHost|", text)
    assert.matches("ExitMaintenanceMode|PowerOnVM db%-1|PowerOnVM web%-1$", text)
    assert.equal("poweredOn", site:truth("vms", "web-1").power)
    assert.equal("poweredOn", site:truth("vms", "db-1").power)
  end)

  it("are the same on a standalone host", function()
    start { cluster = { hosts = { lab.host "esx-1" } } }
    local plan, message = site:plan(playbook())
    assert.is_nil(plan)
    assert.matches("esx-1 is not in a cluster, so db-1, web-1 cannot be migrated", message, 1, true)
    assert.same({ "guest-shutdown", "reboot" }, gpupt.check(site:plan(playbook(SHUT))):needs())
  end)

  it("are refused if one has no running Tools: it cannot be shut down", function()
    start { vms = { vm "web-1", vm("old", { installed = "" }) } }
    local plan, message = site:plan(playbook(SHUT))
    assert.is_nil(plan)
    assert.matches("esx-1: old must be shut down for the reboot, but VMware Tools do not run in it", message, 1, true)
  end)

  it("are refused if one of them is vCenter itself", function()
    start {}
    local ip
    gpupt.check(site:client():wait_for(gpupt.check(site:client():one "/DC0/vm/web-1"), { "guest.ipAddress" }, function(props)
      ip = props["guest.ipAddress"]
      return type(ip) == "string"
    end, { timeout = 60 }))
    site:client().host = ip
    local plan, message = site:plan(playbook(SHUT))
    assert.is_nil(plan)
    assert.matches("esx-1: web-1 is the server itself (" .. ip .. "), which is never shut down", message, 1, true)
  end)

  it("control: are migrated if there is another host", function()
    start { cluster = { name = "gpu-a", drs = "fullyAutomated", hosts = { lab.host "esx-1",
      lab.host("esx-2", { cards = { lab.card("0000:3b:00.0", { enabled = true }) } }) } } }
    assert.matches("-> reboot; vMotion of db-1, web-1", tostring(gpupt.check(site:plan(playbook()))), 1, true)
  end)
end)
