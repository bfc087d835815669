--- Runs that are killed at each point of each change, and resumed: the end is that of an undisturbed run, and nothing is
-- done twice. Which changes there are is read from the journal of the undisturbed run, so none can be forgotten.
--   matrix.cases                              { name =, start = () -> lab, prepare = (lab, journal) -> words of the command,
--                                             allow =, long = not in make test, more = { calls more than undisturbed } }
--   matrix.reference(case) -> { kinds = { { key =, step =, action =, method =, task = } }, state =, tasks = }
--   matrix.points(kind, all) -> names         all: also those that differ only in what the journal has
--   matrix.kill(case, reference, kind, point) -> nil, or what is wrong
local first_light = require "spec.support.first_light"
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check
local matrix = {}

-- ---- the fleets

local function t4(address, more)
  local o = { enabled = true, device = "1eb8", name = "TU104GL [Tesla T4]", bars = { "16M:32", "256M:64p", "32M:64p" } }
  for name, value in pairs(more or {}) do o[name] = value end
  return lab.card(address, o)
end

local function host(name, more)
  local o = { memory_gb = 256, cards = { t4 "0000:3b:00.0", t4 "0000:86:00.0" } }
  for field, value in pairs(more or {}) do o[field] = value end
  return lab.host(name, o)
end

local function vm(name, more)
  local o = { name = name, host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096, version = "vmx-20",
    disk_gb = 10, memory_lock = true, datastore = "ds-1", devices = { "0000:3b:00.0" } }
  for field, value in pairs(more or {}) do o[field] = value end
  return o
end

local RUNS = { installed = "ubuntu", power = "poweredOn", username = "ops", password = "x" }
local function running(name, more)
  local o = vm(name, RUNS)
  for field, value in pairs(more or {}) do o[field] = value end
  return o
end

local function fleet(vms, hosts)
  return function()
    local l = lab.start { speed = 400, fleet = { datastores = { { name = "ds-1" }, { name = "ds-2" } }, networks = { "VM Network" },
      -- long enough to be still running when the run is resumed
      delays = { CloneVM_Task = 200, CreateVM_Task = 200, RelocateVM_Task = 200, RemoveAllSnapshots_Task = 200 },
      clusters = { { name = "vdi", drs = "off", hosts = hosts or { host "esx-1", host "esx-2", host "esx-3" } } }, vms = #vms > 0 and vms or nil } }
    for _, one in ipairs(vms) do
      if one.power == "poweredOn" then
        check(l:client():wait_for(check(l:client():one("/DC0/vm/" .. one.name)), { "guest.toolsRunningStatus" }, function(props)
          return props["guest.toolsRunningStatus"] == "guestToolsRunning"
        end, { timeout = 60 }))
      end
    end
    return l
  end
end

local GOLD = { name = "gold", template = true, installed = "ubuntu", firmware = "efi", memory_mb = 8192, cpus = 2, version = "vmx-20",
  username = "ops", password = "gold-secret" }

local function play(scopes) return ('return p.playbook { name = "kill", %s }'):format(scopes) end

local function applies(scopes)
  return function(l) return { "apply", l:write(play(scopes)) } end
end

local CARDS = 'p.gpus { match = "10de:1eb8" }'
local CREATE = [[p.vms { name = "new-1", place = { cluster = "vdi", datastore = "ds-1", network = "VM Network" },
  p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "10 GiB" } }]]
local CLONE = [[p.vms { name = "clone-1", place = { cluster = "vdi", datastore = "ds-1" },
  p.vm.clone { from = "gold", customization = "own" }, p.gpu.attach { devices = ]] .. CARDS .. [[ } },]]
local MOVE = [[p.vms { where = "/DC0/vm/mover", p.vm.move { to = "esx-2", datastore = "ds-2" },
  p.gpu.attach { devices = ]] .. CARDS .. [[ } },]]

local function applied(l, journal, scopes, allow, env)
  local done = l:command({ "apply", l:write(play(scopes)), "--journal", journal, "--allow", allow }, { env = env })
  assert(done.status == 0, done.err)
  return done.err:match "run (kill%-%S+)"
end

local function add_customization(l)
  check(l:client().content.customizationSpecManager:CreateCustomizationSpec { item = { info = { name = "own", description = "",
    type = "Linux" }, spec = { identity = { _type = "CustomizationLinuxPrep", hostName = { _type = "CustomizationVirtualMachineName" },
    domain = "lab.example" }, globalIPSettings = {}, nicSettingMap = { { adapter = { ip = { _type = "CustomizationDhcpIpGenerator" } } } } } } })
  return l
end

local OFF = host("esx-1", { boot_seconds = 60, cards = { t4("0000:3b:00.0", { enabled = false }), t4 "0000:86:00.0" } })

-- The sample's fleet, with the cards of a host enabled.
local function light()
  return first_light.start { speed = 400, change = function(one)
    for _, card in ipairs(one.clusters[2].hosts[1].cards) do card.enabled = true end
  end }
end
local function password(l) return { LINUX_PASSWORD = l.secrets.linux } end

-- BIOS settings over the host's BMC, with the cards of the same host.
local SERVER = host("esx-1", { boot_seconds = 60, above_4g = false, bmc = { user = "root", password = "Bmc-secret-1" },
  cards = { t4("0000:3b:00.0", { enabled = false }) } })
local function bmc_password() return { BMC_PASSWORD = "Bmc-secret-1" } end
local function firmware(l)
  return ([[p.hosts { where = "/DC0/host/vdi/*", devices = %s, roll = { resend_after = "2s" },
    p.host.firmware { sr_iov = true, bmc = %q, login = p.login("root", p.secret.env "BMC_PASSWORD"), ca_file = %q },
    p.host.enable {} }]]):format(CARDS, l.sim.ready.bmcs["esx-1"], l.sim.ready.ca_file)
end

-- A Windows desktop that waits for the Horizon Agent, and the pool that it belongs to.
local POOL = { name = "W11-GPU", display_name = "Design" }
local function desktop()
  local l = lab.start { speed = 400, fleet = { datastores = { { name = "ds-1" } },
    clusters = { { name = "vdi", hosts = { host "esx-1" } } },
    vms = { { name = "desk-1", host = "esx-1", installed = "windows-11", memory_mb = 4096, power = "poweredOn", version = "vmx-20",
      firmware = "efi", username = "Administrator", password = "Train-1-pass" } },
    horizon = { domain = "CORP", user = "vdi-admin", password = "Hz-s3cret-9c41", pools = { POOL } } } }
  l.installer = l.dir .. "/VMware-Horizon-Agent-x86_64-2312-8.12.0-23142606.exe"
  vcenter.write(l.installer, "VMware Horizon Agent 8.12.0 \n" .. ("\0"):rep(1 << 20))
  check(l:client().guest:ready(check(l:client():one "/DC0/vm/desk-1")))
  return l
end
local function horizon_passwords() return { GUEST_PASSWORD = "Train-1-pass", HORIZON_PASSWORD = "Hz-s3cret-9c41" } end
local function horizon(l)
  return ([[p.vms { where = "/DC0/vm/desk-1", login = p.login("Administrator", p.secret.env "GUEST_PASSWORD"),
    p.horizon.agent { from = %q },
    p.horizon.pool { id = "W11-GPU", server = %q, ca_file = %q,
      login = p.login("CORP\\vdi-admin", p.secret.env "HORIZON_PASSWORD") } }]]):format(l.installer, l.sim.ready.horizon,
    l.sim.ready.ca_file)
end

-- A VM with snapshots and virtualization-based security, in use.
local function secured()
  local desk = vm("secured", { installed = "ubuntu", username = "ops", password = "x", memory_lock = false })
  desk.devices = nil
  local l = fleet { desk } ()
  local one = check(l:client():one "/DC0/vm/secured")
  local function done(task) return check(l:client():wait(check(task))) end
  done(one:ReconfigVM_Task { spec = { nestedHVEnabled = true, flags = { vbsEnabled = true, vvtdEnabled = true } } })
  for _, name in ipairs { "before-patch", "nightly" } do
    done(one:CreateSnapshot_Task { name = name, memory = false, quiesce = false })
  end
  done(one:PowerOnVM_Task {})
  check(l:client():wait_for(one, { "guest.toolsRunningStatus" }, function(props)
    return props["guest.toolsRunningStatus"] == "guestToolsRunning"
  end, { timeout = 60 }))
  return l
end

matrix.cases = {
  { name = "firmware", long = true, allow = "bios,reboot", start = fleet({}, { SERVER }), env = bmc_password,
    prepare = function(l) return { "apply", l:write(play(firmware(l))) } end },
  { name = "undo-bios", long = true, allow = "bios,reboot", start = fleet({}, { SERVER }), env = bmc_password,
    prepare = function(l, journal)
      return { "undo", applied(l, journal, firmware(l), "bios,reboot", bmc_password()) }
    end },
  { name = "horizon", long = true, allow = "guest-shutdown", start = desktop, env = horizon_passwords,
    prepare = function(l) return { "apply", l:write(play(horizon(l))) } end },
  { name = "create", start = fleet {}, prepare = applies(CREATE), allow = "reboot" },
  { name = "enable", allow = "reboot,guest-shutdown", start = fleet({ running("busy", { devices = { "0000:86:00.0" } }) }, { OFF }),
    prepare = applies([[p.hosts { where = "/DC0/host/vdi/*", devices = p.gpus { match = "10de:1eb8", label = "ml" },
      roll = { guests = "shutdown-idle", resend_after = "2s" }, p.host.enable {} }]]) },
  { name = "disable", allow = "reboot,guest-shutdown", start = fleet({ running "busy" }, { host "esx-1" }),
    prepare = applies([[p.hosts { where = "/DC0/host/vdi/*", devices = ]] .. CARDS .. [[,
      roll = { resend_after = "2s" }, p.host.disable {} },
      p.vms { where = "/DC0/vm/busy", p.gpu.detach { settings = "remove" } }]]) },
  { name = "clone", start = function() return add_customization(fleet { GOLD } ()) end, prepare = applies(CLONE),
    allow = "guest-shutdown" },
  { name = "move", start = fleet { running "mover" }, prepare = applies(MOVE), allow = "guest-shutdown" },
  { name = "attach", allow = "guest-shutdown,delete-snapshots,vbs-off", start = secured, prepare = applies([[p.vms { where = "/DC0/vm/secured",
    p.gpu.attach { devices = ]] .. CARDS .. [[, snapshots = "delete", vbs = "off" } }]]) },
  { name = "repair", start = fleet { vm("sick", { memory_lock = false }) }, allow = "guest-shutdown",
    prepare = applies 'p.vms { where = "/DC0/vm/sick", p.doctor.repair { fix = { "memory" } } }' },
  { name = "delete", start = fleet {}, allow = "delete-vm,power-off", prepare = function(l, journal)
    local id = applied(l, journal, CREATE, "reboot")
    return { "apply", l:write(play(('p.vms { where = "/DC0/vm/new-1", p.vm.delete { run = "%s" } }'):format(id))) }
  end },
  { name = "undo", allow = "delete-vm,guest-shutdown,power-off,reboot",
    start = fleet({ running "mover", vm("sick", { host = "esx-3", memory_lock = false }) }, { host "esx-1", host "esx-2", host("esx-3",
      { boot_seconds = 60, cards = { t4 "0000:3b:00.0", t4("0000:86:00.0", { enabled = false }) } }) }),
    prepare = function(l, journal)
      local id = applied(l, journal, [[p.hosts { where = "/DC0/host/vdi/esx-3", devices = p.gpus { match = "10de:1eb8" },
        roll = { resend_after = "2s" }, p.host.enable {} },
        ]] .. MOVE .. CREATE .. [[, p.vms { where = "/DC0/vm/sick", p.doctor.repair { fix = { "memory" }, power_on = false } }]],
        "reboot,guest-shutdown")
      return { "undo", id }
    end },
  { name = "medium", long = true, start = light, env = password, allow = "reboot",
    -- a resumed run makes a new medium: it has a password, and is never used twice
    more = { ReconfigVM_Task = 5, MoveDatastoreFile_Task = 1, DeleteDatastoreFile_Task = 1 }, prepare = applies [[
    p.vms { name = "vm-1", place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" },
      p.vm.create { guest = "ubuntu64Guest", cpus = 8, memory = "64 GiB", disk = "100 GiB" },
      p.os.install { iso = "[ds-1] iso/ubuntu-24.04.iso", answer = p.answer.cloud_init { hostname = "vm-1", user = "ops",
        password = p.secret.env "LINUX_PASSWORD" } } }]] },
  { name = "guest", long = true, start = light, env = password, allow = "reboot,guest-shutdown", prepare = applies [[
    p.vms { name = "vm-1", login = p.login("ops", p.secret.env "LINUX_PASSWORD"),
      place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" },
      p.vm.create { guest = "ubuntu64Guest", cpus = 8, memory = "64 GiB", disk = "100 GiB" },
      p.os.install { iso = "[ds-1] iso/ubuntu-24.04.iso", answer = "[ds-1] iso/train-answer.iso" },
      p.tools.ensure {}, p.gpu.attach { devices = p.gpus { match = "10de:20b5" } },
      p.driver.install { package = "nvidia-driver-550-server" }, p.guest.verify { gpus = 1, driver = true } }]] },
}

-- ---- what is compared

-- What the fleet looks like, without what differs from run to run.
local function state_of(l)
  local truth, lines = l.sim:get "truth", {}
  for _, one in ipairs(truth.hosts) do
    for _, card in ipairs(one.cards) do
      lines[#lines + 1] = ("%s %s enabled=%s active=%s label=%s"):format(one.name, card.address, tostring(card.enabled),
        tostring(card.active), tostring(card.label))
    end
    lines[#lines + 1] = ("%s maintenance=%s %s"):format(one.name, tostring(one.maintenance), one.state)
  end
  for _, one in ipairs(truth.bmcs) do
    lines[#lines + 1] = ("%s BIOS %s pending %s"):format(one.host, gpupt.json.encode(one.current), gpupt.json.encode(one.pending))
  end
  for _, one in ipairs(truth.vms) do
    local devices = {}
    for i, device in ipairs(one.devices or {}) do devices[i] = type(device) == "table" and device.address or tostring(device) end
    table.sort(devices)
    lines[#lines + 1] = ("%s on %s %s %s locked=%s %s MB window=%s snapshots=%s VBS=%s %s"):format(one.name, one.host, one.path, one.power,
      tostring(one.memory_locked), tostring(one.memory_reservation),
      tostring((one.extra_config or {})["pciPassthru.64bitMMIOSizeGB"]), table.concat(one.snapshots, ","), tostring(one.vbs),
      table.concat(devices, " "))
  end
  local setups = 0
  for _, event in ipairs(truth.timeline) do if event.kind == "agent-setup" then setups = setups + 1 end end
  if setups > 0 then lines[#lines + 1] = ("Horizon Agent set up %d times"):format(setups) end
  if l.sim.ready.horizon then
    local text = vcenter.shell(("env -u LD_PRELOAD curl -sS --cacert '%s' '%s/gpsim/state'"):format(l.sim.ready.ca_file,
      l.sim.ready.horizon))
    for _, one in ipairs(assert(gpupt.json.decode(text)).pools) do
      lines[#lines + 1] = ("pool %s: %s"):format(one.name, gpupt.json.encode(one.display_protocol_settings))
    end
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

-- How often each changing method was called that did not fail.
local function tasks_of(l)
  local counts = {}
  local page = l.sim:get "journal"
  for _, entry in ipairs(page.requests or page) do
    if entry.changing and not entry.fault then counts[entry.method] = (counts[entry.method] or 0) + 1 end
  end
  return counts
end

-- ---- the runs

local function env_of(case, l, more)
  local env = case.env and case.env(l) or {}
  for name, value in pairs(more or {}) do env[name] = value end
  return env
end

-- The newest run of the journal: the last that was begun.
local function newest(journal)
  local book <close> = assert(store.read(journal))
  return (book:runs()()).id
end

local function with(words, ...)
  local list = table.move(words, 1, #words, 1, {})
  for _, word in ipairs { ... } do list[#list + 1] = word end
  return list
end

--- The undisturbed run of a case.
function matrix.reference(case)
  local l <close> = setmetatable({}, { __close = function(self) if self.lab then self.lab:stop() end end })
  l.lab = case.start()
  local journal = l.lab.dir .. "/journal.db"
  local words = case.prepare(l.lab, journal)
  l.lab.sim:forget()
  local done = l.lab:command(with(words, "--journal", journal, "--allow", case.allow), { env = env_of(case, l.lab) })
  assert(done.status == 0, case.name .. ": " .. done.err)
  local result = { state = state_of(l.lab), tasks = tasks_of(l.lab), kinds = {} }
  local by_key, of_row = {}, {}
  local book <close> = assert(store.read(journal))
  for row in book:rows(newest(journal)) do
    if row.kind == "change" then
      local key = ("%s|%s"):format(row.step or "", row.action or row.what)
      local detail = gpupt.json.decode(row.detail or "{}")
      if not by_key[key] then
        by_key[key] = { key = key, step = row.step, action = row.action or row.what, method = row.operation and detail.method }
        result.kinds[#result.kinds + 1] = by_key[key]
      end
      of_row[row.number] = by_key[key]
    elseif row.kind == "sent" and of_row[row.of] then
      of_row[row.of].task = true
    end
  end
  return result
end

--- The points at which a kind of change can be killed.
function matrix.points(kind, all)
  if not kind.method then return { "before", "row", "answered" } end
  if kind.task and all then return { "before", "row", "unanswered", "answered", "sent", "ended" } end
  return { "before", "row", "unanswered", "answered" }
end

local function disturbed(case, l, reference, kind, point)
  local journal = l.dir .. "/journal.db"
  local words = case.prepare(l, journal)
  l.sim:forget()
  -- a call without a task is repeated by the client if that is harmless
  if point == "unanswered" then
    l.sim:trouble({ method = kind.method, count = kind.task and -1 or 1 }, { kind = "reset-after" })
  end
  local killed = l:command(with(words, "--journal", journal, "--allow", case.allow), { env = env_of(case, l,
    { GPUPT_KILL = kind.key .. ":" .. point, LUA_INIT = "require 'spec.support.kill_here'" }) })
  l.sim:calm()
  if killed.status == 0 or killed.err:find("gpupt: ", 1, true) then return "not killed: " .. killed.err end
  -- a guest that was customized before the kill has restarted already
  local resumed = l:command({ "apply", "--resume", newest(journal), "--journal", journal, "--allow", case.allow },
    { env = env_of(case, l, { LUA_INIT = "require 'gpupt.step.customization'.RESTART = 0.2" }) })
  if resumed.status ~= 0 then return "the resume fails: " .. resumed.err end
  local state = state_of(l)
  if state ~= reference.state then return ("the end differs:\n%s\nwanted:\n%s"):format(state, reference.state) end
  for method, count in pairs(tasks_of(l)) do
    local most = (reference.tasks[method] or 0) + (case.more and case.more[method] or 0)
    if method:find "_Task$" and count > most then return ("%s %d times, not %d"):format(method, count, most) end
  end
  local wrong = l.sim:get "truth".violations[1]
  return wrong and "violation: " .. wrong.what or nil
end

--- Kills a run of the case at this point, and resumes it: nil, or what is wrong.
function matrix.kill(case, reference, kind, point)
  local l = case.start()
  local ok, problem = pcall(disturbed, case, l, reference, kind, point)
  l:stop()
  if not ok then problem = tostring(problem) end
  return problem and ("%s: %s %s killed at %s: %s"):format(case.name, kind.step, kind.action, point, problem)
end

return matrix
