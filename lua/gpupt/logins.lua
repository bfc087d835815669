--- Which passwords were refused: asked before every login (guests, vCenters, proxies), so that one wrong password does
-- not lock an account.
--
--   local registry = logins.new()                     one for each run; a client without a run has one of its own
--   registry:attempt({ kind = "guest", id = , target = "desk-001", account = "CORP\\ops", password = , until_time = },
--     function(known) return client:call(...) end)    the call's results; or nil, message, code, detail unsent
--
-- For each pair of account and password:
--   new        one attempt goes alone; the others wait for its answer
--   accepted   every target of this kind of endpoint may try it, all at once
--   refused    no other target tries it, of whatever kind. Targets that accepted it before go on, but the next of them
--              goes alone: if it is refused too, the password was changed or the account locked, and all stop
-- An account of a domain has one password everywhere: another password for it is not tried either once one was
-- refused, and an account that is locked is not tried at all. Accounts without a domain (local ones) are told apart by
-- their password only: the same name and password in 40 VMs count as one account.
-- An answer that is lost may have counted as a failed attempt: after two of them (in half an hour) no more is sent.
--
-- Kept is a hash with a key that this process draws at random, never the password; nothing of it leaves the process.
local digest = require("gpupt.net").digest
local engine = require "gpupt.loop.engine"
local wait = require "gpupt.loop.wait"

local logins = {}

--- What tells a refused login at a kind of endpoint.
--   noun       what a target is called: "VM"
--   refusal    the code that a login gets which is not sent, because the password was refused before
--   refused    function(code): whether the server judged the login and refused it
--   locked     codes besides, as a set, whose message may say that the account is locked
--   lost       function(code): whether the server may have judged it, although no answer came
--   shared     whether an account of a domain is the same account at every endpoint of this kind
local kinds = {}

function logins.kind(name, rules)
  for _, field in ipairs { "noun", "refusal", "refused", "lost" } do
    if rules[field] == nil then error(("logins.kind: %s: %s is missing"):format(name, field), 2) end
  end
  kinds[name] = rules
end

--- Codes of a call whose answer is missing or does not say whether the server looked at the password.
logins.lost = { EUNKNOWN = true, ELOST = true, ETIMEDOUT = true, ETRUNCATED = true, EHTTP = true, EXML = true,
  EPROTOCOL = true, ELIMIT = true, EENTITY = true }

-- What servers say about an account that no password opens; the fault's type differs between releases and guests.
-- Letters and blanks only stand between the words, so that the name of a file is not taken for it.
local locked = { "account [%a ]*locked", "locked out", "account [%a ]*disabled", "account [%a ]*expired",
  "password [%a ]*expired", "password must be changed" }

--- Whether a message says that the account is locked, disabled or expired.
function logins.says_locked(message)
  local text = tostring(message or ""):lower()
  for _, pattern in ipairs(locked) do if text:find(pattern) then return true end end
  return false
end

local LOST_MOST, LOST_SECONDS = 2, 1800

local process_key

local function hash(...)
  process_key = process_key or digest.random(32)
  return digest.hmac(process_key, table.concat({ ... }, "\0"))
end

--- The account as the registry knows it, and whether it is of a domain: CORP\Ops, corp\ops and ops@corp.example.com are
-- the same; .\ops is the local ops.
local function identity(account)
  local name = account:lower()
  local domain, user = name:match "^([^\\]*)\\(.*)$"
  if not domain then user, domain = name:match "^(.*)@([^@]*)$" end
  if not domain or domain == "." or domain == "" then return user or name, false end
  return user .. "@" .. domain:match "^[^.]*", true
end

local Registry = {}
Registry.__index = Registry
Registry.__name = "gpupt.logins"

function Registry.__tostring() return "registry of logins" end

--- A registry. What `parent` knows as refused is refused here, too.
function logins.new(parent)
  return setmetatable({ parent = parent, pairs = {}, accounts = {} }, Registry)
end

local function record(list, key)
  local found = list[key]
  if not found then
    found = { accepted = {}, by = {}, lost = {}, trying = {} }
    list[key] = found
  end
  return found
end

--- The keys of a login: of its pair, of its account when that is one account everywhere, and of its target.
local function keys_of(login, kind)
  local account, of_domain = identity(login.account)
  local one = kind.shared and of_domain
  return hash("pair", account, login.password), one and hash("account", account) or nil,
    hash("target", login.kind, login.id)
end

local function recent(list)
  local since, count = engine.now() - LOST_SECONDS, 0
  for _, time in ipairs(list) do if time > since then count = count + 1 end end
  return count
end

--- Why this login must not be sent: the refusal { target, cause, locked }, or nil. `doubt`: it may be, but alone.
local function judged(registry, login, pair_key, account_key, target_key)
  local pair, account = registry.pairs[pair_key], account_key and registry.accounts[account_key]
  if account and account.refused and (account.refused.locked or not (pair and next(pair.accepted))) then
    return account.refused
  end
  if pair and pair.refused then
    if pair.dead or not pair.by[target_key] then return pair.refused end
    return nil, pair.doubt
  end
  if registry.parent then return judged(registry.parent, login, pair_key, account_key, target_key) end
end

local function target_name(login)
  if type(login.target) == "function" then return login.target() end
  return tostring(login.target)
end

local function refuse(login, kind, refusal)
  local state = refusal.locked and "said that the account is locked, disabled or expired" or "refused it"
  return nil, ("the login of '%s' is not tried: %s %s in this run (%s)"):format(login.account, refusal.target, state,
    refusal.cause), kind.refusal, { refused_by = refusal.target, cause = refusal.cause, locked = refusal.locked,
    untried = true }
end

local function lost_too_often(login)
  return nil, ("the login of '%s' is not tried: %d attempts got no answer, and each may have counted as a failed one")
    :format(login.account, LOST_MOST), "EUNKNOWN", { untried = true }
end

--- Writes down how an attempt ended.
local function settle(registry, login, kind, keys, results)
  local pair = record(registry.pairs, keys.pair)
  local account = keys.account and record(registry.accounts, keys.account)
  if results[1] ~= nil then
    pair.accepted[login.kind], pair.by[keys.target], pair.lost = true, true, {}
    if account then account.lost = {} end
    if pair.refused and not pair.dead then pair.doubt = nil end
    return
  end
  local message, code = results[2], results[3]
  local refused = kind.refused(code)
  local is_locked = (refused or kind.locked and kind.locked[code]) and logins.says_locked(message)
  if refused or is_locked then
    local refusal = { target = target_name(login), cause = (message:gsub("%.+$", "")), locked = is_locked or nil }
    -- refused where it was accepted, after a refusal elsewhere: it is not that one target alone
    local again = pair.by[keys.target] and pair.refused
    pair.dead = pair.dead or again ~= nil or next(pair.accepted) == nil or (is_locked and account ~= nil)
    pair.refused, pair.doubt, pair.by[keys.target] = pair.refused or refusal, true, nil
    if account and (not account.refused or is_locked) then account.refused = refusal end
  elseif kind.lost(code) then
    pair.lost[#pair.lost + 1] = engine.now()
    if account then account.lost[#account.lost + 1] = engine.now() end
  end
end

--- Calls send(known) when this login may be tried, `known` when its password was accepted before; gives its results.
-- Else nil, message, code, detail without a call. `login` = { kind, id, target = text | function, account, password,
-- until_time }. What send raises counts as a lost answer.
function Registry:attempt(login, send)
  local kind = kinds[login.kind] or error("logins: there is no kind " .. tostring(login.kind), 2)
  local keys = {}
  keys.pair, keys.account, keys.target = keys_of(login, kind)
  local pair = record(self.pairs, keys.pair)
  local gate = keys.account and record(self.accounts, keys.account) or pair
  while true do
    local refusal, doubt = judged(self, login, keys.pair, keys.account, keys.target)
    if refusal then return refuse(login, kind, refusal) end
    if pair.accepted[login.kind] and not doubt then
      local results = table.pack(send(true))
      settle(self, login, kind, keys, results)
      return table.unpack(results, 1, results.n)
    end
    local trying = gate.trying[login.kind]
    if not trying then break end
    local stop = wait.wait(trying, login.until_time)
    if stop then error(stop, 0) end
    if not trying.done and engine.now() >= login.until_time then
      return nil, ("the first login of '%s' is still under way"):format(login.account), "ETIMEDOUT", { untried = true }
    end
  end
  if recent(gate.lost) >= LOST_MOST then return lost_too_often(login) end
  local event = engine.event()
  gate.trying[login.kind] = event
  local results = table.pack(pcall(send, false))
  if results[1] then
    settle(self, login, kind, keys, table.pack(table.unpack(results, 2, results.n)))
  else
    gate.lost[#gate.lost + 1] = engine.now()
  end
  gate.trying[login.kind] = nil
  engine.fire(event)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

return logins
