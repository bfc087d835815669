--- Secrets that have no value: of logins, answer media, steps' options and variables, each place with its line.
-- The secrets are read and not kept. Commands and functions are not run by a plan (a command may unlock a safe or ask
-- its user); apply runs them before its first change, and --check-logins runs those of logins. A variable that is asked
-- for on the terminal is asked by apply.
local answers = require "gpupt.step.answers"
local declare = require "gpupt.playbook.declare"
local secret = require "gpupt.secret"

local secrets = {}

local MOST_DEPTH = 8

--- All secrets in a value: { secret, source of the innermost node that contains it }.
local function collect(value, source, into, depth, seen)
  if secret.is(value) then
    into[#into + 1] = { secret = value, source = source }
    return
  end
  if type(value) ~= "table" or depth > MOST_DEPTH or seen[value] then return end
  seen[value] = true
  if answers.is(value) then
    collect(value.options, value.source, into, depth + 1, seen)
  elseif declare.is(value) then
    collect(value.options, value.source, into, depth + 1, seen)
  elseif getmetatable(value) == nil then
    for _, one in next, value do collect(one, source, into, depth + 1, seen) end
  end
end

local unread = { command = "plan does not run commands; apply runs it before its first change",
  callback = "plan does not call functions for secrets; apply calls it before its first change",
  asked = "apply asks for it on the terminal" }

--- The secrets of the steps with changes, in order: { secret, source, what, target, need }; logins once a target.
-- A function of `login` that gave none is found here.
local function uses_of(needs, found)
  local list, seen = {}, {}
  for _, need in ipairs(needs) do
    local target, name = need.target, need.target.name
    if need.instance.step.login and not seen[target] then
      seen[target] = true
      local o, message, code = target.scope:resolve(target)
      if not o then
        found:problem { text = message, target = name, code = code }
      elseif o.login then
        list[#list + 1] = { secret = o.login.options.password, source = o.login.source, what = "p.login",
          target = name }
      end
    end
    local own = {}
    collect(need.options, need.instance.source, own, 0, {})
    for _, one in ipairs(own) do
      list[#list + 1] = { secret = one.secret, source = one.source, what = need.instance.name, target = name }
    end
  end
  return list
end

-- Reads a secret once, whatever the number of places: a command may take long, or ask its user.
local function reveal(one, read)
  if read[one.secret] == nil then
    local value, message = secret.reveal(one.secret)
    read[one.secret] = value and true or message
  end
  return read[one.secret] ~= true and read[one.secret] or nil
end

local function complain(one, message, found)
  found:problem { source = one.source, text = ("%s: %s"):format(one.what, message), target = one.target,
    code = "ESECRET" }
end

--- For a plan.
function secrets.plan(_, needs, found, o)
  local uses, read = uses_of(needs, found), {}
  if o.secrets == false then
    if #uses > 0 then found:open { text = "secrets", why = "the plan was made without them; apply reads them" } end
    return
  end
  for _, one in ipairs(uses) do
    local why = unread[one.secret.kind]
    if why then
      found:open { source = one.source, text = ("%s: the secret of %s"):format(one.what, one.secret.origin), why = why }
    else
      local message = reveal(one, read)
      if message then complain(one, message, found) end
    end
  end
end

--- Before a run changes anything: reads every secret, also from commands and functions, and has the steps check what
-- they make of them (an answer file). Adds what is wrong.
function secrets.run(needs, found)
  local read, failed = {}, {}
  for _, one in ipairs(uses_of(needs, found)) do
    local message = reveal(one, read)
    if message then
      failed[one.target] = true
      complain(one, message, found)
    end
  end
  for _, need in ipairs(needs) do
    local step, name = need.instance.step, need.target.name
    if step.secrets and not failed[name] then
      local ok, message, code = step.secrets(need.options, need.changes)
      if ok == nil then found:problem { text = message, target = name, code = code } end
    end
  end
end

return secrets
