--- Remembers refused passwords. Consulted before every login (guests, vCenters, proxies), so that one wrong password
-- does not lock an account.
--
--   local registry = logins.new()                     one per run; a client without a run has its own
--   registry:attempt({ kind = "guest", id = , target = "desk-001", account = "CORP\\ops", password = , until_time = },
--     function(known) return client:call(...) end)    the call's results; or nil, message, code, detail without a call
--
-- For each pair of account and password:
--   new        one target tries it; the others wait for the answer
--   accepted   all targets of this kind of endpoint may try it, in parallel
--   refused    no other target of any kind tries it. Targets that accepted it before may continue, but one of them
--              tries first: if it is refused too, the password was changed or the account locked, and all stop
-- A domain account has the same password everywhere: once one password was refused, no other is tried for it, and a
-- locked account is not tried at all. Accounts without a domain (local ones) are distinguished only by name and
-- password: the same name and password in 40 VMs count as one account.
-- A lost answer may have counted as a failed attempt: after two of them within half an hour no further one is sent.
--
-- The registry stores hashes with a random key of this process, never the password; nothing leaves the process.
local digest = require("gpupt.net").digest
local engine = require "gpupt.loop.engine"
local wait = require "gpupt.loop.wait"

local logins = {}

--- How to recognize a refused login for each kind of endpoint.
--   noun       the name of a target: "VM"
--   refusal    the code for a login that is not sent because the password was refused before
--   refused    function(code): whether the server checked the login and refused it
--   locked     the set of other codes whose message may report a locked account
--   lost       function(code): whether the server may have checked it although no answer arrived
--   shared     whether a domain account is the same at every endpoint of this kind
local kinds = {}

function logins.kind(name, rules)
  for _, field in ipairs { "noun", "refusal", "refused", "lost" } do
    if rules[field] == nil then error(("logins.kind: %s: %s is missing"):format(name, field), 2) end
  end
  kinds[name] = rules
end

--- Codes of calls without a usable answer: the server may or may not have checked the password.
logins.lost = { EUNKNOWN = true, ELOST = true, ETIMEDOUT = true, ETRUNCATED = true, EHTTP = true, EXML = true,
  EPROTOCOL = true, ELIMIT = true, EENTITY = true }

-- Messages of servers about an account that no password opens; the fault's type differs between releases and guests.
-- Only letters and blanks may be between the words, so that a file name does not match.
local locked = { "account [%a ]*locked", "locked out", "account [%a ]*disabled", "account [%a ]*expired",
  "password [%a ]*expired", "password must be changed" }

--- Whether a message reports that the account is locked, disabled or expired.
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

--- The normalized account, and whether it is a domain account: CORP\Ops, corp\ops and ops@corp.example.com are the
-- same; .\ops is the local ops.
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

--- A new registry. It also refuses what `parent` refuses.
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

--- The keys of a login: of the pair, of the account if it is the same everywhere, and of the target.
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

--- The refusal { target, cause, locked } of this login, or nil. `doubt`: one target may try it, the others wait.
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
  local state = refusal.locked and "reported that the account is locked, disabled or expired" or "refused it"
  return nil, ("the login as '%s' was not attempted: %s %s in this run (%s)"):format(login.account, refusal.target,
    state, refusal.cause), kind.refusal, { refused_by = refusal.target, cause = refusal.cause,
    locked = refusal.locked, untried = true }
end

local function lost_too_often(login)
  return nil, ("the login as '%s' was not attempted: %d attempts got no response, and each may count as a failed "
    .. "attempt"):format(login.account, LOST_MOST), "EUNKNOWN", { untried = true }
end

--- Records the result of an attempt.
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
    -- a second target refused it that had accepted it before: the password or the account has changed
    local again = pair.by[keys.target] and pair.refused
    pair.dead = pair.dead or again ~= nil or next(pair.accepted) == nil or (is_locked and account ~= nil)
    pair.refused, pair.doubt, pair.by[keys.target] = pair.refused or refusal, true, nil
    if account and (not account.refused or is_locked) then account.refused = refusal end
  elseif kind.lost(code) then
    pair.lost[#pair.lost + 1] = engine.now()
    if account then account.lost[#account.lost + 1] = engine.now() end
  end
end

--- Whether this target has accepted this login, and it was not refused since.
function Registry:has_accepted(login)
  local kind = kinds[login.kind] or error("logins: there is no kind " .. tostring(login.kind), 2)
  local pair_key, _, target_key = keys_of(login, kind)
  local pair = self.pairs[pair_key]
  return pair ~= nil and pair.by[target_key] == true and not pair.refused
end

--- Calls send(known) if this login may be tried, and returns its results; `known`: its password was accepted before.
-- Otherwise nil, message, code, detail without a call. `login` = { kind, id, target = text | function, account,
-- password, until_time }. An error in send counts as a lost answer.
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
      return nil, ("the first login as '%s' has not finished yet"):format(login.account), "ETIMEDOUT",
        { untried = true }
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
