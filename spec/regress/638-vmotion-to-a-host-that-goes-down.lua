-- Two hosts of a cluster at once, with drain = "vmotion": a VM of the first was moved to the second, which had been
-- drained and had not begun to enter maintenance mode. Nothing took the VM from there, and the run ended after
-- drain_within with the server's "Operation timed out." It goes to a host that stays; and where a host does not get
-- empty, the message names the VMs that are there.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local OFF = { cards = { { address = "0000:3b:00.0", vendor = "10de", device = "1eb8", subvendor = "10de", subdevice = "12a2",
  name = "Tesla T4", class = "0302", bars = { "16M:32", "256M:64p", "32M:64p" }, enabled = true, active = false } } }

local function host(name, more)
  local o = { memory_gb = 64, cards = OFF.cards }
  for field, value in pairs(more or {}) do o[field] = value end
  return lab.host(name, o)
end

local function vm(name, on, more)
  local o = { name = name, host = on, firmware = "efi", memory_mb = 2048, disk_gb = 10, power = "poweredOn", installed = "ubuntu",
    username = "ops", password = "x" }
  for field, value in pairs(more or {}) do o[field] = value end
  return o
end

local PLAY = [[return p.playbook { name = "drain", p.hosts { where = { %s }, devices = p.gpus { match = "10de:1eb8" },
  roll = { drain = "vmotion", unavailable = "2/cluster", guests = "shutdown-idle", shutdown_within = "20s", drain_within = "%s" },
  p.host.enable {} } }]]

describe("vMotion in a roll of several hosts at once", function()
  local l
  after_each(function() l:stop() end)

  it("goes to no host that the run takes down itself", function()
    local cards = { { address = "0000:3b:00.0", vendor = "10de", device = "1eb8", subvendor = "10de", subdevice = "12a2",
      name = "Tesla T4", class = "0302", bars = { "16M:32", "256M:64p", "32M:64p" }, enabled = true },
      { address = "0000:5e:00.0", vendor = "10de", device = "1eb8", subvendor = "10de", subdevice = "12a2", name = "Tesla T4",
        class = "0302", bars = { "16M:32", "256M:64p", "32M:64p" }, enabled = true, active = false } }
    l = lab.start { speed = 200, fleet = { clusters = { { name = "a", drs = "manual", max_away = 2, hosts = {
      host "esx-1", host("esx-2", { memory_gb = 512, cards = cards }), host("esx-3", { cards = gpupt.json.array {} }) } } },
      vms = { vm("web", "esx-1"), vm("gpu", "esx-2", { memory_lock = true, version = "vmx-20", devices = { "0000:3b:00.0" } }) } } }
    gpupt.check(l:client():wait_for(gpupt.check(l:client():one "/DC0/vm/gpu"), { "guest.toolsRunningStatus" }, function(props)
      return props["guest.toolsRunningStatus"] == "guestToolsRunning"
    end, { timeout = 60 }))
    -- esx-2, with the most free memory, waits for this guest meanwhile
    l.sim:post("set", { vm = "gpu", seconds = { shutdown = 400 } })
    local done = l:command { "apply", l:write(PLAY:format('"/DC0/host/a/esx-1", "/DC0/host/a/esx-2"', "30m")),
      "--allow", "reboot,drain-vmotion,guest-shutdown" }
    assert.equal(0, done.status, done.err)
    assert.matches("moved web to esx-3", done.err, 1, true)
    assert.equal("esx-3", l:truth("vms", "web").host)
  end)

  it("names the VMs that are there, where a host does not get empty in time", function()
    l = lab.start { speed = 200, fleet = { clusters = { { name = "a", drs = "fullyAutomated", max_away = 2, hosts = {
      host "esx-1", host("esx-2", { memory_gb = 8, cards = gpupt.json.array {} }) } } },
      vms = { vm("big", "esx-1", { memory_mb = 16384, memory_lock = true }) } } }
    local done = l:command { "apply", l:write(PLAY:format('"/DC0/host/a/esx-1"', "1m")), "--allow", "reboot,drain-vmotion" }
    assert.equal(1, done.status, done.err)
    assert.matches("esx-1: EnterMaintenanceMode did not end within 1m (drain_within), because big still runs there. Migrate it, or "
      .. "shut it down, then resume the run", done.err, 1, true)
  end)
end)
