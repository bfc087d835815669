--- Runs programs in the guest of a target, for steps.
-- The password is read from its secret for each session and passed to the client only; the journal records the program,
-- never its arguments or the password. A refused login is not tried on other VMs of the run, because accounts lock. The
-- run's registry of logins (ctx.logins) ends with the run, so a resumed run tries one VM again.
local guest_family = require "gpupt.facts.guest_family"
local missing = require "gpupt.missing"
local next_command = require "gpupt.next_command"
local secret = require "gpupt.secret"
local sha256 = require "gpupt.sha256"
local vms = require "gpupt.fleet.vm"

local guest = {}

local Session = {}
Session.__index = Session

--- The login of a target, with its password; nil, message, code.
local function credentials(ctx, target)
  local o, message, code = target.scope:resolve(target)
  if not o then return nil, message, code end
  local login = o.login
  if not login then
    return nil, ("%s: there is no account for the guest. Set login = p.login(user, secret) in p.vms")
      :format(target.name), "ENOLOGIN"
  end
  local password
  password, message, code = secret.reveal(login.options.password)
  if not password then return nil, message, code end
  return { username = login.options.user, password = password, logins = ctx.logins }
end

--- Adds what to do about a login that was refused, here or on another VM of the run.
local function advice(ctx, code, message)
  if code ~= "InvalidGuestLogin" then return message end
  return ("%s. Correct the password or unlock the account, then run: %s"):format(
    message:gsub("%.+$", ""), next_command.resume(ctx.run or "RUN"))
end

-- Seconds for the first answer: the other VMs with the same account wait for it.
local ANSWER = 600

local READY = { "guest.toolsRunningStatus", "guest.guestOperationsReady", "runtime.bootTime", "guest.guestFamily" }

--- Waits until guest operations are possible; `vm` is the VM's record, if it was read right before. The VM's boot time
-- then (false: unknown) and its family (nil: unknown); nil, message, code.
function guest.wait(ctx, target, seconds, vm)
  if vm and vm.guest.running and vm.guest.ready then return vm.boot_time or false, vms.family(vm) end
  local boot, family
  local ready, message, code = ctx:wait_for(target.ref, READY, function(props)
    boot = props["runtime.bootTime"]
    local reported, id = props["guest.guestFamily"], vm and vm.guest_id
    family = (reported or id) and guest_family(reported, id) or nil
    return props["guest.toolsRunningStatus"] == "guestToolsRunning" and props["guest.guestOperationsReady"] == true
  end, { timeout = seconds })
  if not ready then return nil, message, code end
  return boot or false, family
end

--- Waits until guest operations are possible, then checks the account, unless this guest has accepted it in this run.
-- o: timeout (seconds), vm (the VM's record, if it was read right before). Gives a session, with boot_time and
-- family ("windows", "linux"; nil if not even Tools say it).
function guest.open(ctx, target, o)
  o = o or {}
  local boot, message, code = guest.wait(ctx, target, o.timeout or 600, o.vm)
  local family = boot ~= nil and message or nil
  if boot == nil then
    return nil, ("%s: guest operations are not ready: %s"):format(target.name, message), code
  end
  local auth
  auth, message, code = credentials(ctx, target)
  if not auth then return nil, message, code end
  local ok, detail
  ok, message, code = ctx.vc.guest:has_accepted(target.ref, auth)
  if ok == false then ok, message, code, detail = ctx.vc.guest:validate(target.ref, auth, { timeout = ANSWER }) end
  if not ok then
    detail = detail or {}
    local why = detail.untried and message
      or ("the guest does not accept the account '%s': %s"):format(auth.username, detail.cause or message)
    return nil, advice(ctx, code, ("%s: %s"):format(target.name, why)), code, detail
  end
  return setmetatable({ ctx = ctx, target = target, auth = auth, boot_time = boot or nil,
    family = family }, Session)
end

--- Deletes what the sessions of a target left in its guest: the folder in which a step's programs run. The run calls
-- it at the end of each step, however that ends, and a step before it restarts the guest.
function guest.leave(target)
  local folder = target.guest_folder
  target.guest_folder = nil
  if folder then folder:close() end
end

local function result_of(one) return { out = one.stdout, err = one.stderr, status = one.rc } end

-- The environment for programs that read secrets ({ NAME = text }) from it: a given one replaces the account's own.
local function environment(self, secrets)
  local list, message, code, detail = self.ctx.vc.guest:environment(self.target.ref, self.auth)
  if not list then return nil, message, code, detail end
  for name, value in pairs(secrets) do list[#list + 1] = name .. "=" .. value end
  return list
end

-- The step's folder in the guest; another one after a restart. Its name has the run's mark: in a resumed run, the first
-- one takes away what the part that was killed has left.
local function folder(self)
  local ctx, target = self.ctx, self.target
  if not target.guest_folder then
    target.guest_folder = ctx.vc.guest:folder(target.ref, self.auth, ctx.run and {
      mark = sha256(ctx.run):sub(1, 12), sweep = ctx.remembered ~= nil and not target.guest_swept })
    target.guest_swept = true
  end
  return target.guest_folder
end

--- The same for `local x <close>`.
function guest.leaving(target) return setmetatable({}, { __close = function() guest.leave(target) end }) end

--- Runs programs that only look, in one go; a list of { out =, err =, status = }. A program that does not end takes the
-- others' outputs with it: then nil, message, "ETIMEDOUT". o: timeout, secrets ({ NAME = text }: variables of their
-- environment, which no script and no journal has).
function Session:look(commands, o)
  local variables, no, refused, fault
  if o and o.secrets then
    variables, no, refused, fault = environment(self, o.secrets)
    if not variables then return nil, advice(self.ctx, refused, no), refused, fault end
  end
  self.target.guest_known = nil -- see gpupt.step.guest_cards
  local list = {}
  for i, command in ipairs(commands) do list[i] = { program = command.program, arguments = command.arguments } end
  local results, message, code, detail = self.ctx.vc.guest:run_all(self.target.ref, self.auth, list,
    { timeout = o and o.timeout or 300, family = self.family, environment = variables, folder = folder(self) })
  if not results then return nil, advice(self.ctx, code, message), code, detail end
  for i, one in ipairs(results) do results[i] = result_of(one) end
  return results
end

--- Runs programs one after the other, in one go; a list as of Session:look. `changing` programs get a journal row
-- before they start: of that with the number `main` (default: the first), whose status the row has.
function Session:run_all(commands, o)
  o = o or {}
  local ctx, target, first = self.ctx, self.target, commands[o.main or 1]
  local number
  if o.changing then
    number = ctx:row(target, "change", o.changing, { program = first.program,
      arguments = first.arguments and missing.new "secret" or nil })
  end
  local results, message, code, detail = self:look(commands, { timeout = o.timeout, secrets = o.secrets })
  if number then
    ctx:row(target, "result", o.changing, results and { ok = true, status = results[o.main or 1].status }
      or { ok = false, message = message, code = code }, { of = number })
  end
  return results, message, code, detail
end

--- Runs a program; returns { out =, err =, status = }. A `changing` program gets a journal row before it starts.
function Session:run(command, o)
  local results, message, code, detail = self:run_all({ command }, o)
  if not results then return nil, message, code, detail end
  return results[1]
end

return guest
