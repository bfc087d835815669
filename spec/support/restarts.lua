--- A rollout of one host and one VM during which the vCenter restarts, and what must be true afterwards.
--   local r = restarts.start()     a lab with a host esx-1: one card held by the running VM old-01, one to be enabled
--   r:trouble(...)                 where the vCenter restarts (spec.support.vcenter)
--   r:roll()                       the run's result, its events, its journal rows; checks the end with r:check(...)
local again = require "gpupt.playbook.again"
local claim = require "gpupt.playbook.claim"
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local restarts = {}

local PLAY = [[
local a100 = p.gpus { match = "10de:20b5" }
return p.playbook { name = "restarts",
  p.hosts { where = "/DC0/host/gpu", devices = a100, roll = { guests = "shutdown-idle", resend_after = "10s" }, p.host.enable {} },
  p.vms { name = "train-01", login = p.login("ops", p.secret.callback(function() return "Train-1-pass" end)),
    place = { cluster = "gpu", datastore = "ds-1", network = "VM Network" },
    p.vm.create    { guest = "ubuntu64Guest", cpus = 8, memory = "64 GiB", disk = "100 GiB" },
    p.os.install   { iso = "[ds-1] iso/ubuntu-24.04.iso", answer = p.answer.cloud_init { hostname = "train-01", user = "ops",
      password = p.secret.callback(function() return "Train-1-pass" end) } },
    p.tools.ensure {},
    p.gpu.attach   { devices = a100, count = 1 },
    p.guest.verify {} } }]]

--- What l:state() must give.
restarts.WANTED = { vms = { "old-01 poweredOn true 1", "train-01 poweredOn true 1" }, media = {}, active = { true, true },
  maintenance = false, violations = {}, reboots = 1 }

--- The changes of the rollout, in their order, and requests between them.
restarts.phases = { "UpdatePassthruConfig", "ShutdownGuest", "EnterMaintenanceMode_Task", "RebootHost_Task",
  "ExitMaintenanceMode_Task", "CreateVM_Task", "HTTP PUT", "MoveDatastoreFile_Task", "ReconfigVM_Task", "PowerOnVM_Task",
  "DeleteDatastoreFile_Task", "CreateTemporaryDirectoryInGuest", "StartProgramInGuest", "InitiateFileTransferFromGuest",
  "WaitForUpdatesEx" }

function restarts.start(speed)
  local l = lab.start { speed = speed or 200, fleet = {
    clusters = { { name = "gpu", hosts = { { name = "esx-1", memory_gb = 512, cpus = 64, boot_seconds = 60, cards = {
      lab.card("0000:3b:00.0", { enabled = true }), lab.card "0000:86:00.0" } } } } },
    networks = { "VM Network" },
    datastores = { { name = "ds-1", files = { ["iso/ubuntu-24.04.iso"] = { os = "ubuntu" } } } },
    vms = { { name = "old-01", host = "esx-1", datastore = "ds-1", guest = "ubuntu64Guest", firmware = "efi",
      memory_mb = 8192, memory_lock = true, devices = { "0000:3b:00.0" }, power = "poweredOn", installed = "ubuntu",
      extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } } } } }
  local pauses, pause = again.PAUSES, claim.PAUSE
  again.PAUSES, claim.PAUSE = { 0, 0.2, 1 }, 0.2
  local stop = l.stop
  function l.stop(self)
    again.PAUSES, claim.PAUSE = pauses, pause
    stop(self)
  end
  l.vc = l.sim:connect { retries = 1 }
  local old = gpupt.check(l.vc:one "/DC0/vm/old-01")
  gpupt.check(l.vc:wait_for(old, { "guest.toolsRunningStatus" }, function(v)
    return v["guest.toolsRunningStatus"] == "guestToolsRunning"
  end, { timeout = 20 }))
  l.sim:forget()

  function l.trouble(_, match, what) return l.sim:trouble(match, what) end

  l.PLAY = PLAY
  function l.roll(self, o)
    o = o or {}
    return self:apply(o.play or PLAY, { allow = o.allow or { "reboot", "guest-shutdown" }, journal = o.journal,
      resume = o.resume, limit = o.limit })
  end

  --- The end of a rollout, whatever happened on the way: { field = value }, for assert.same.
  function l.state(self)
    local truth = self.sim:get "truth"
    local vms, reboots = {}, 0
    for _, event in ipairs(truth.timeline) do
      if event.kind == "away" then reboots = reboots + 1 end
    end
    for _, vm in ipairs(truth.vms) do
      vms[#vms + 1] = ("%s %s %s %d"):format(vm.name, vm.power, vm.memory_locked, #vm.devices)
    end
    table.sort(vms)
    local media = {}
    for _, file in ipairs(gpupt.check(self.vc.datastore:list("[ds-1]", { recursive = true, pattern = "gpupt-*" }))) do
      media[#media + 1] = file.path
    end
    local host = self:truth("hosts", "esx-1")
    local active = {}
    for _, card in ipairs(host.cards) do
      if card.id:find "^10de" then active[#active + 1] = card.active end
    end
    return { vms = vms, media = media, active = active, maintenance = host.maintenance, violations = truth.violations,
      reboots = reboots }
  end
  return l
end

return restarts
