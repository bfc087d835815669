--- Guest operations: vc.guest. Programs and files inside a VM, through VMware Tools.
--   login = { username =, password = text | function | { file= | command= | env= } }
--   vc.guest:run(vm, login, { program = "/usr/bin/lspci", arguments = "-d 10de:" }) --> { rc=, stdout=, stderr= }
-- A password that a guest refused is not tried on any other VM: another wrong attempt may lock the account
-- (gpupt.logins). Busy or restarting Tools are waited for. Programs run in a script that leaves their outputs and exit
-- codes in one file (gpupt.vim.guest_script).
local attempt = require "gpupt.vim.attempt"
local collect = require "gpupt.vim.collect"
local engine = require "gpupt.loop.engine"
local files = require "gpupt.vim.files"
local guest_folder = require "gpupt.vim.guest_folder"
local guest_family = require "gpupt.facts.guest_family"
local logins = require "gpupt.logins"
local options = require "gpupt.options"
local passwords = require "gpupt.rest.password"
local run_in = require "gpupt.vim.guest_run"
local trust = require "gpupt.vim.trust"

local guest = {}

local Guest = {}
Guest.__index = Guest
Guest.__name = "gpupt.guest"

function guest.new(client)
  return setmetatable({ client = client, managers = nil, endpoints = {} }, Guest)
end

local paths = { "authManager", "processManager", "fileManager" }

-- The managers; behind a vCenter with the same request the host of this VM, over which its files will travel.
local function read_managers(self, vm, manager)
  if self.client.content.about.apiType == "HostAgent" then return manager:get(paths) end
  local list, message, code, detail = collect.all(self.client, { objects = { manager, vm },
    follow = { VirtualMachine = "runtime.host" },
    types = { GuestOperationsManager = paths, VirtualMachine = { "runtime.host" }, HostSystem = trust.paths } })
  if not list then return nil, message, code, detail end
  local found
  for _, object in ipairs(list) do
    if object.ref.type == "GuestOperationsManager" then found = object end
    if object.ref.type == "HostSystem" then self.first_host = object end
  end
  return found or {}
end

local function managers(self, vm)
  if self.managers then return self.managers end
  local manager = self.client.content.guestOperationsManager
  if not manager then return nil, "this server has no guest operations", "NotSupported" end
  local found, message, code, detail = read_managers(self, vm, manager)
  if not found then return nil, message, code, detail end
  if not (found.authManager and found.processManager and found.fileManager) then
    return nil, "this server's guest operations are incomplete", "NotSupported"
  end
  self.managers = found
  return found
end

-- ---- logging in

local function authentication(login)
  if type(login) ~= "table" then error("vc.guest: expected a login: { username =, password = }", 4) end
  local name = login.username or login.user
  if type(name) ~= "string" then error("vc.guest: the login has no username", 4) end
  local password, message, code = passwords.of(login.password)
  if password == nil then
    return nil, message or ("no password was given for the login as '%s'"):format(name), code or "ENOLOGIN"
  end
  return { _type = "NamePasswordAuthentication", interactiveSession = login.interactive or false, username = name,
    password = password }
end

local busy = { GuestOperationsUnavailable = true, TaskInProgress = true }

local function tools_busy(code, message)
  return busy[code] or (code == "SystemError" and message:find("3016", 1, true))
end

logins.kind("guest", {
  noun = "VM", refusal = "InvalidGuestLogin", shared = true,
  refused = function(code) return code == "InvalidGuestLogin" end,
  locked = { SystemError = true, GuestPermissionDenied = true, GuestOperationsFault = true },
  lost = function(code) return logins.lost[code] == true end,
})

-- A login, as the registry takes it.
local function login_of(client, vm, auth, until_time)
  return { kind = "guest", id = client.base .. " " .. tostring(vm), account = auth.username,
    password = auth.password, until_time = until_time,
    target = function() return client:name_of(vm) or tostring(vm) end }
end

local FIRST = 90 -- seconds for the answer to a first login; others may be waiting for it

--- Calls a guest method, waiting while Tools are busy or not running, until `until_time`. The registry (gpupt.logins)
-- decides whether the login is sent: a password that was refused anywhere is not tried on another VM, and one that no
-- guest has accepted yet is tried on one VM at a time. Between two attempts at busy Tools another VM gets its turn.
-- `safe`: the call may be sent again in any case.
local function operate(self, vm, login, manager, name, arguments, until_time, safe)
  local all, no, refused = managers(self, vm)
  if not all then return nil, no, refused end
  local auth, why, failed = authentication(login)
  if not auth then return nil, why, failed end
  local client = self.client
  local one = login_of(client, vm, auth, until_time)
  arguments.vm, arguments.auth = vm, auth
  local function send(known)
    local left = math.max(1, until_time - engine.now())
    -- a login that may be wrong is not retried when its answer is lost, although the method only reads
    if known then return client:call(all[manager], name, arguments, { timeout = left, safe = safe }) end
    return client:call(all[manager], name, arguments, { timeout = math.min(FIRST, left), safe = false })
  end
  local registry, delay, relogged = login.logins or client.logins, 0.25, false
  while true do
    local results = table.pack(registry:attempt(one, send))
    local message, code, detail = results[2], results[3], results[4]
    if results[1] ~= nil then return table.unpack(results, 1, results.n) end
    if code == "InvalidGuestLogin" and not detail.untried then
      detail.cause = message
      return nil, ("the guest refused the login as '%s': %s"):format(auth.username, message), code, detail
    end
    -- the vCenter's session had ended: the guest was not asked
    local again = code == "NotAuthenticated" and client.session_open and not relogged
    if not again then
      if not tools_busy(code, message) or engine.now() + delay >= until_time then return nil, message, code, detail end
      attempt.pause(delay, until_time)
      delay = math.min(5, delay * 2)
    end
    relogged = relogged or again
  end
end

local timed = options.declare("vc.guest", {
  { "timeout", "number", default = 120, doc = "seconds, including waiting for busy Tools" },
})

local function deadline(given) return engine.now() + timed:check(given).timeout end

local function checked_vm(vm)
  if type(vm) ~= "table" or rawget(vm, "type") ~= "VirtualMachine" then
    error("vc.guest: expected a VirtualMachine", 3)
  end
end

--- Whether the guest accepts the login. true, or nil, message, code (InvalidGuestLogin...).
function Guest:validate(vm, login, given)
  checked_vm(vm)
  return operate(self, vm, login, "authManager", "ValidateCredentialsInGuest", {}, deadline(given))
end

--- Whether this guest has accepted this login before, and it was not refused since. Sends no request.
function Guest:has_accepted(vm, login)
  checked_vm(vm)
  local auth, message, code = authentication(login)
  if not auth then return nil, message, code end
  return (login.logins or self.client.logins):has_accepted(login_of(self.client, vm, auth))
end

local ready_options = options.declare("vc.guest:ready", {
  { "timeout", "number", default = 600, doc = "seconds" },
})

--- Waits until guest operations are ready. true, or nil, message, code.
function Guest:ready(vm, given)
  checked_vm(vm)
  local o = ready_options:check(given)
  return self.client:wait_for(vm, { "guest.guestOperationsReady", "guest.toolsRunningStatus" }, function(values)
    return values["guest.guestOperationsReady"] == true
      and values["guest.toolsRunningStatus"] ~= "guestToolsNotRunning"
  end, { timeout = o.timeout })
end

--- "windows" or "linux": what runs in the guest, else what the VM was configured for.
function Guest.family(_, vm)
  checked_vm(vm)
  local values, message, code, detail = vm:get { "guest.guestFamily", "config.guestId" }
  if not values then return nil, message, code, detail end
  return guest_family(values["guest.guestFamily"], values["config.guestId"])
end

-- ---- files

--- Creates a temporary directory in the guest; gives its path. `prefix`: of its name; default "gpupt-".
function Guest:tempdir(vm, login, given, prefix)
  checked_vm(vm)
  return operate(self, vm, login, "fileManager", "CreateTemporaryDirectoryInGuest",
    { prefix = prefix or "gpupt-", suffix = "" }, deadline(given))
end

--- Creates a directory, with those above it. true, or nil, message, code (FileAlreadyExists).
function Guest:mkdir(vm, login, directory, given)
  checked_vm(vm)
  return operate(self, vm, login, "fileManager", "MakeDirectoryInGuest",
    { directoryPath = directory, createParentDirectories = true }, deadline(given))
end

--- Deletes a directory with everything in it.
function Guest:rmdir(vm, login, directory, given)
  checked_vm(vm)
  return operate(self, vm, login, "fileManager", "DeleteDirectoryInGuest",
    { directoryPath = directory, recursive = true }, deadline(given))
end

function Guest:delete(vm, login, path, given)
  checked_vm(vm)
  return operate(self, vm, login, "fileManager", "DeleteFileInGuest", { filePath = path }, deadline(given))
end

--- The files of a directory: a list of { path, type = "file" | "directory" | "symlink", size, modified }.
function Guest:files(vm, login, directory, given)
  checked_vm(vm)
  local until_time, list, index = deadline(given), {}, 0
  repeat
    local page, message, code, detail = operate(self, vm, login, "fileManager", "ListFilesInGuest",
      { filePath = directory, index = index, maxResults = 200 }, until_time)
    if not page then return nil, message, code, detail end
    for _, file in ipairs(page.files or {}) do
      local attributes = file.attributes
      list[#list + 1] = { path = file.path, type = file.type, size = file.size,
        modified = attributes and rawget(attributes, "modificationTime") }
    end
    index = index + #(page.files or {})
  until (page.remaining or 0) == 0 or #(page.files or {}) == 0
  return list
end

-- The endpoint of a transfer. "*" is the server itself; with a vCenter it is the ESXi host, by its inventory name and
-- with its own certificate, which the vCenter reports. The management address is preferred to the name, which need not
-- resolve here. Gives the HTTP client, the address, and the key under which it is cached.
local function endpoint(self, vm, url)
  local client = self.client
  local scheme, authority, rest = url:match "^(%w+)://([^/]+)(.*)$"
  if not scheme or authority:find "[@?#%s%c]" then
    return nil, "the server gave a transfer address that is not an https:// URL", "EPROTOCOL"
  end
  local host, port = authority:match "^(.-):?(%d*)$"
  local name, literal = host, host:match "^%[" or host:match "^%d+%.%d+%.%d+%.%d+$"
  if host == "*" then
    local own = client.base:match "^%w+://(.*)$"
    return client.http, client.base:match "^(%w+)://" .. "://" .. own .. rest
  end
  if scheme ~= "https" and scheme ~= client.base:match "^%w+" then
    return nil, ("the transfer to %s would not be encrypted: the server gave a URL with %s://"):format(host, scheme),
      "ETLS"
  end
  local own_host = client.base:match "^%w+://(.-):?%d*$"
  local own_port = client.base:match ":(%d+)$" or "443"
  if host == own_host and (port == "" and "443" or port) == own_port then return client.http, url end
  local known = self.endpoints[authority]
  if not known then
    local first = self.first_host
    self.first_host = nil -- read once: whatever is asked for later is asked of the vCenter
    local http, address, code = trust.host_client(client, vm, host, port ~= "" and port or nil, first)
    if not http then return nil, address, code end
    known = { http = http, address = not literal and address or name }
    self.endpoints[authority] = known
  end
  return known.http, ("%s://%s%s%s"):format(scheme, known.address, port ~= "" and ":" .. port or "", rest), authority
end

-- A host that cannot be reached, or has another certificate, is looked up again next time: it may have a new address
-- or have been reinstalled.
local forget = { ECONNECT = true, EUNTRUSTED = true, ETLS = true }

local function transfer(self, vm, url, request, what, retries)
  local http, address, key = endpoint(self, vm, url)
  if not http then return nil, address, key end
  request.url, request.fresh, request.identity = address, true, true
  request.headers = { "User-Agent: " .. self.client.agent }
  local over = setmetatable({ http = http }, { __index = self.client })
  local result, message, code, info = files.transfer(over, request, what, retries)
  if result == nil and key and forget[code] then self.endpoints[key] = nil end -- others may still be using it
  return result, message, code, info
end

--- Closes the connections to hosts. The client calls it when it closes.
function Guest:close()
  for _, known in pairs(self.endpoints) do known.http:close() end
  self.endpoints = {}
end

-- An address is good for one transfer, so a failed one starts again with a new address, this many times.
local TRANSFERS = 5

-- Whether a failed transfer is worth another try. A host answers 500 when the guest's Tools went away in the middle, as
-- for every other reason that it does not tell (open-vm-tools issue 78): one more try waits for Tools to come back.
local function worth(code, info, try)
  if code == "EHTTP" and info and info.status == 500 then return try == 1 end
  return files.again(code, info)
end

local put_options = options.declare("vc.guest:put", {
  { "text", "string", doc = "send this text instead of a file" },
  { "permissions", "integer", doc = "mode of a Linux file, such as 493 (0755)" },
  { "overwrite", "boolean", default = true, doc = "false: refuse when the file exists" },
  { "progress", "callable", doc = "called with (bytes sent, total bytes)" },
  { "timeout", "number", default = 3600, doc = "seconds" },
})

--- Sends a local file (or the option text) to `target` in the guest. true, or nil, message, code.
function Guest:put(vm, login, source, target, given)
  checked_vm(vm)
  local o = put_options:check(given)
  local until_time = engine.now() + o.timeout
  local file, size, message, code, detail = nil, o.text and #o.text, nil, nil, nil
  if not o.text then
    file, message, code = files.open(source, "rb", "read")
    if not file then return nil, message, code end
    size = files.size(file)
  end
  local handle <close> = file -- luacheck: ignore
  local attributes = o.permissions and { _type = "GuestPosixFileAttributes", permissions = o.permissions }
    or { _type = "GuestFileAttributes" }
  local info
  for try = 1, TRANSFERS do
    local overwrite = o.overwrite or try > 1
    local url
    url, message, code, detail = operate(self, vm, login, "fileManager", "InitiateFileTransferToGuest",
      { guestFilePath = target, fileAttributes = attributes, fileSize = size, overwrite = overwrite }, until_time,
      overwrite or nil)
    if not url then return nil, message, code, detail end
    local sent
    sent, message, code, info = transfer(self, vm, url, {
      method = "PUT", body = o.text, file = file, offset = 0, length = not o.text and size or nil, answer = "bytes",
      max_bytes = 1 << 20, timeout = math.max(1, until_time - engine.now()),
    }, { name = target, tick = o.progress and function(bytes) o.progress(bytes, size) end }, 0)
    if sent then return true end
    if not worth(code, info, try) or engine.now() >= until_time then break end
    files.back_off(try, until_time)
  end
  return nil, message, code, detail or { status = info and info.status }
end

local get_options = options.declare("vc.guest:get", {
  { "max", "integer", default = 16 << 20, doc = "refuse a longer text" },
  { "progress", "callable", doc = "called with (bytes received)" },
  { "timeout", "number", default = 3600, doc = "seconds" },
})

--- Fetches a guest's file to the local file `target`, or as a text when target is nil.
-- The text or the size, or nil, message, code (FileNotFound).
function Guest:get(vm, login, source, target, given)
  checked_vm(vm)
  local o = get_options:check(given)
  local until_time = engine.now() + o.timeout
  local message, code, detail
  for try = 1, TRANSFERS do
    local info
    info, message, code, detail = operate(self, vm, login, "fileManager", "InitiateFileTransferFromGuest",
      { guestFilePath = source }, until_time)
    if not info then return nil, message, code, detail end
    local got
    local file, why, failed
    if target then
      file, why, failed = files.open_part(target .. ".part")
      if not file then return nil, why, failed end
    end
    local ok, ended
    ok, got, message, code, ended = pcall(transfer, self, vm, info.url, {
      answer = file and "file" or "bytes", into = file, max_bytes = not file and o.max or nil,
      timeout = math.max(1, until_time - engine.now()),
    }, { name = source, tick = o.progress and function(_, bytes) o.progress(bytes) end }, 0)
    if ok and got then
      if not target then return got end
      ok, why, failed = files.publish(file, target .. ".part", target)
      if ok then return got end
      os.remove(target .. ".part")
      return nil, why, failed
    end
    if target then
      file:close()
      os.remove(target .. ".part")
    end
    if not ok then error(got, 0) end
    if not worth(code, ended, try) or engine.now() >= until_time then break end
    files.back_off(try, until_time)
  end
  return nil, message, code, detail
end

-- ---- programs

--- The guest's programs: a list of { pid, name, owner, command, started, ended, rc }. `pids`: only these.
function Guest:list(vm, login, pids, given)
  checked_vm(vm)
  local found, message, code, detail = operate(self, vm, login, "processManager", "ListProcessesInGuest",
    { pids = pids }, deadline(given))
  if not found then return nil, message, code, detail end
  local list = {}
  for i, process in ipairs(found) do
    list[i] = { pid = process.pid, name = process.name, owner = process.owner, command = process.cmdLine,
      started = process.startTime, ended = process.endTime, rc = process.endTime and (process.exitCode or 0) or nil }
  end
  return list
end

--- The environment of programs that this login starts in the guest: a list of "NAME=VALUE". `names`: only these.
function Guest:environment(vm, login, names, given)
  checked_vm(vm)
  return operate(self, vm, login, "processManager", "ReadEnvironmentVariableInGuest", { names = names },
    deadline(given))
end

--- Whether the guest has restarted since a time of its own clock: then all its programs are younger. nil, message,
-- code.
function Guest:restarted(vm, login, since, given)
  local list, message, code, detail = self:list(vm, login, nil, given)
  if not list then return nil, message, code, detail end
  for _, process in ipairs(list) do
    if not process.started or process.started <= since then return false end
  end
  return #list > 0
end

--- Ends a program. true, or nil, message, code (GuestProcessNotFound).
function Guest:kill(vm, login, pid, given)
  checked_vm(vm)
  return operate(self, vm, login, "processManager", "TerminateProcessInGuest", { pid = pid }, deadline(given))
end

--- A temporary folder in the guest for several calls of run and run_all (their option `folder`): each is two requests
-- shorter. The first of them creates it, `folder:close()` deletes it; `<close>` does too. o.mark: a part of its name;
-- o.sweep: true deletes what a killed program has left with the same mark, which is one more request.
function Guest:folder(vm, login, o)
  checked_vm(vm)
  return guest_folder(self, vm, login, true, o)
end

local run_fields = {
  { "program", "string", required = true, doc = "absolute path of the program" },
  { "arguments", "string", doc = "its arguments, as for the guest's shell" },
  { "directory", "string", doc = "working directory; default: the temporary one" },
}
local how_fields = {
  { "environment", "table", doc = "list of NAME=VALUE; replaces the whole environment" },
  { "family", "string", choices = { "windows", "linux" }, doc = "default: as reported by the guest" },
  { "timeout", "number", default = 600, doc = "seconds for the whole call" },
  { "max", "integer", default = 16 << 20, doc = "maximum bytes of each output" },
  { "folder", "table", doc = "of vc.guest:folder, for several calls; default: one of its own" },
}
local program_options = options.declare("vc.guest:run_all", run_fields)
local how_options = options.declare("vc.guest:run_all", how_fields)
local run_options = options.declare("vc.guest:run", table.move(how_fields, 1, #how_fields, #run_fields + 1,
  table.move(run_fields, 1, #run_fields, 1, {})))

--- Runs a program to its end: { rc =, stdout =, stderr =, pid = }; or nil, message, code, detail.
function Guest:run(vm, login, given)
  checked_vm(vm)
  local o = run_options:check(given)
  local list, message, code, detail = run_in(self, operate, vm, login, { o }, o)
  if not list then return nil, message, code, detail end
  return list[1]
end

--- Runs programs one after the other, in one go: a list of { rc =, stdout =, stderr =, pid = }, whatever their exit
-- codes are; or nil, message, code, detail.
function Guest:run_all(vm, login, programs, given)
  checked_vm(vm)
  if type(programs) ~= "table" or #programs == 0 then error("vc.guest:run_all: expected a list of programs", 2) end
  local list = {}
  for i, one in ipairs(programs) do list[i] = program_options:check(one) end
  return run_in(self, operate, vm, login, list, how_options:check(given))
end

return guest
