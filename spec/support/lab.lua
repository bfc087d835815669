--- A playbook against a test vCenter, for specs: writes the playbook, plans and applies it, runs the command.
--   local lab = require "spec.support.lab".start{ speed =, fleet = }      lab:load(text)  lab:plan(text)  lab:apply(text)
--   lab:command{ "apply", path, ... } -> { status =, out =, err = }       lab:stop()
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

local lab = {}

local Lab = {}
Lab.__index = Lab

local function with(one, more)
  for name, value in pairs(more or {}) do one[name] = value end
  return one
end

--- An A100 80GB for a fleet's host; `more` adds to its fields.
function lab.card(address, more)
  return with({ address = address, vendor = "10de", device = "20b5", subvendor = "10de", subdevice = "1533",
    name = "GA100 [A100 PCIe 80GB]", class = "0302", bars = { "16M:32", "128G:64p", "32M:64p" } }, more)
end

--- A host with one such card that boots in a minute.
function lab.host(name, more)
  return with({ name = name, boot_seconds = 60, cards = { lab.card "0000:3b:00.0" } }, more)
end

function lab.start(o)
  local self = setmetatable({ sim = vcenter.start(o) }, Lab)
  self.dir = self.sim.dir
  self.count = 0
  return self
end

function Lab:stop()
  self.sim:close_all()
  self.sim:stop()
end

-- The first line of a playbook. Waits for other hosts end soon unless the text says otherwise: where a host stays out of
-- service that should not, its spec fails, and does not hang for a quarter of an hour for each host behind it.
local FIRST = 'local p = require "gpupt.playbook"; '
  .. 'for name, time in pairs { claim_within = "30s", exit_within = "60s", ha_within = "60s" } do '
  .. 'require("gpupt.options").declared["p.hosts roll"].by_name[name].default = time end\n'

--- Writes a playbook; `p` is predefined. Gives its path.
function Lab:write(text)
  self.count = self.count + 1
  local path = ("%s/play-%d.lua"):format(self.dir, self.count)
  vcenter.write(path, FIRST .. text)
  return path
end

function Lab:load(text) return gpupt.check(gpupt.playbook.load(self:write(text))) end

function Lab:client()
  self.vc = self.vc or self.sim:connect()
  return self.vc
end

--- Attaches the card at `address` of a host of the cluster to a VM of /DC0/vm, by a backing that names the host. Gives
-- the VM.
function Lab:attach(cluster, host, address, name)
  local check, vc = gpupt.check, self:client()
  local browser = check(check(vc:one("/DC0/host/" .. cluster)):get "environmentBrowser")
  local target = check(browser:QueryConfigTarget { host = check(vc:one(("/DC0/host/%s/%s"):format(cluster, host))) })
  local card
  for _, one in ipairs(target.pciPassthrough) do
    if one.pciDevice.id == address then card = one end
  end
  assert(card, host .. " has no card " .. address)
  local vm = check(vc:one("/DC0/vm/" .. name))
  check(vc:wait(check(vm:ReconfigVM_Task { spec = { deviceChange = { { operation = "add",
    device = { _type = "VirtualPCIPassthrough", key = -1, backing = { _type = "VirtualPCIPassthroughDeviceBackingInfo",
      deviceName = "", id = address, deviceId = ("%04x"):format(card.pciDevice.deviceId & 0xffff),
      systemId = card.systemId, vendorId = card.pciDevice.vendorId } } } } } })))
  return vm
end

--- Registers a VM on another host of the cluster, with the same .vmx: what copying its folder gives.
function Lab:register_on(cluster, host, vm)
  local check, vc = gpupt.check, self:client()
  local path, name = check(vm:get "config.files.vmPathName"), check(vm:get "name")
  check(vm:UnregisterVM())
  local pool = check(check(vc:one("/DC0/host/" .. cluster)):get "resourcePool")
  check(vc:wait(check(check(vc:one "/DC0/vm"):RegisterVM_Task { path = path, name = name, asTemplate = false, pool = pool,
    host = check(vc:one(("/DC0/host/%s/%s"):format(cluster, host))) })))
end

--- plan, or nil, message, code, detail
function Lab:plan(text, o) return self:load(text):plan(self:client(), o) end

--- A fresh journal in the lab's folder.
function Lab:journal()
  self.count = self.count + 1
  return assert(require "gpupt.store".open(("%s/journal-%d.db"):format(self.dir, self.count)))
end

--- Plans and applies; gives the run's result, the events, and the journal's rows; nil, message, code when it did not
-- begin. o.allow, o.journal, o.resume.
function Lab:apply(text, o)
  o = o or {}
  local journal = o.journal or self:journal()
  local plan, message, code = self:plan(text, { journal = o.resume and journal or nil, run = o.resume, limit = o.limit })
  if not plan then return nil, message, code end
  local events = {}
  local run
  run, message, code = plan:apply { journal = journal, allow = o.allow or {}, run = o.resume,
    on_event = function(event) events[#events + 1] = event end }
  if not run then return nil, message, code end
  local rows = {}
  if run.id then for row in journal:rows(run.id) do rows[#rows + 1] = row end end
  return run:result(), events, rows, run
end

--- Writes the environment of the command, the password in it, to a file; gives the file's name and the words, quoted.
local function prepare(self, words, o)
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = "'" .. word:gsub("'", "'\\''") .. "'" end
  local ready = self.sim.ready
  local environment = { GOVC_URL = ready.url, GOVC_USERNAME = ready.username, GOVC_PASSWORD = ready.password,
    GOVC_TLS_CA_CERTS = ready.ca_file, XDG_STATE_HOME = self.dir .. "/state", TERM = "dumb" }
  for name, value in pairs(o.env or {}) do environment[name] = value or nil end
  -- in a file: nothing of it is on a command line
  local lines = {}
  for name, value in pairs(environment) do
    lines[#lines + 1] = ("export %s='%s'\n"):format(name, (value:gsub("'", "'\\''")))
  end
  vcenter.write(self.dir .. "/environment", table.concat(lines))
  return self.dir .. "/environment", table.concat(quoted, " ")
end

--- Runs the command; the password is passed in the environment.
function Lab:command(words, o)
  o = o or {}
  local environment, quoted = prepare(self, words, o)
  local _, _, status = os.execute((". %s; %s bin/gpupt %s >%s/out 2>%s/err </dev/null"):format(environment,
    o.before or "", quoted, self.dir, self.dir))
  return { status = status, out = vcenter.read(self.dir .. "/out"), err = vcenter.read(self.dir .. "/err") }
end

local Process = {}
Process.__index = Process

--- What the process has written to standard error so far.
function Process:err() return vcenter.read(self.path .. ".err") or "" end

--- Sends a signal to it, by name.
function Process:kill(signal) os.execute(("kill -%s %d"):format(signal, self.pid)) end

--- Waits until its standard error has this text; fails if it ends before.
function Process:says(text)
  for _ = 1, 2000 do
    if self:err():find(text, 1, true) then return true end
    if vcenter.read(self.path .. ".status") then break end
    vcenter.sleep(0.02)
  end
  error(("the command did not say '%s': %s"):format(text, self:err()), 2)
end

--- Waits for its end: { status =, out =, err = }.
function Process:wait()
  for _ = 1, 6000 do
    local status = vcenter.read(self.path .. ".status")
    if status and status ~= "" then
      return { status = math.tointeger(tonumber(status)), out = vcenter.read(self.path .. ".out"), err = self:err() }
    end
    vcenter.sleep(0.02)
  end
  error("the command does not end: " .. self:err(), 2)
end

--- Starts the command, and does not wait for its end.
function Lab:start_command(words, o)
  local environment, quoted = prepare(self, words, o or {})
  self.count = self.count + 1
  local path = ("%s/process-%d"):format(self.dir, self.count)
  vcenter.write(path .. ".sh", (". %s; bin/gpupt %s >%s.out 2>%s.err </dev/null & echo $! >%s.pid; wait $!; echo $? >%s.status\n")
    :format(environment, quoted, path, path, path, path))
  os.execute(("sh %s.sh >/dev/null 2>&1 &"):format(path))
  local pid
  repeat
    vcenter.sleep(0.02)
    pid = (vcenter.read(path .. ".pid") or ""):match "^(%d+)\n"
  until pid
  return setmetatable({ path = path, pid = math.tointeger(tonumber(pid)) }, Process)
end

--- The calls since sim:forget() that changed something, as "Method object".
function Lab:changing()
  local list = {}
  local page = self.sim:get "journal"
  for _, entry in ipairs(page.requests or page) do
    if entry.changing then list[#list + 1] = entry.method .. " " .. tostring(entry.this) end
  end
  return list
end

--- The host or VM of the truth page.
function Lab:truth(kind, name)
  for _, one in ipairs(self.sim:get "truth"[kind] or {}) do
    if one.name == name then return one end
  end
end

return lab
