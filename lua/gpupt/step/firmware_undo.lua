--- The undo of host.firmware: the values before are set, as pending for the same rolling procedure; what was never
-- applied is only taken back, without a reboot. The journal has the address of the BMC and the account, and no
-- password: it is read again from where it came from (a file, a variable), or from GPUPT_BMC_PASSWORD.
local bios = require "gpupt.redfish.bios"
local host_bios = require "gpupt.step.host_bios"
local reboot = require "gpupt.step.host_reboot"
local restore = require "gpupt.step.vm_restore"
local roll = require "gpupt.step.host_roll"
local secret = require "gpupt.secret"

local undo = {}

local VARIABLE = "GPUPT_BMC_PASSWORD"

-- The password by its origin, as gpupt.secret names it.
local function password_of(origin)
  local variable, file = tostring(origin):match "^the variable (.+)$", tostring(origin):match "^the file (.+)$"
  if os.getenv(VARIABLE) then return secret.env(VARIABLE) end
  if variable then return secret.env(variable) end
  if file then return secret.file(file) end
end

-- How the run reached the BMC; nil, message, code.
local function access_of(target, done)
  local known
  for _, change in ipairs(done) do known = type(change.detail.bmc) == "table" and change.detail.bmc or known end
  if not known then return nil, target.name .. ": the journal does not say how its BMC is reached", "ENOLOGIN" end
  local password = password_of(known.origin)
  if not password then
    return nil, ("%s: the password of its BMC came from %s, which only the playbook can read: set %s"):format(
      target.name, tostring(known.origin), VARIABLE), "ENOLOGIN"
  end
  return { url = known.url, account = known.account, password = password, origin = known.origin,
    ca_file = known.ca_file, thumbprint = known.thumbprint }
end

-- What has to be set back: { set = { attribute = value }, withdraw = { names }, waits = { attribute = value } }.
local function judge(now, done, result)
  local due = { set = {}, withdraw = {}, waits = {}, lines = {} }
  for _, one in ipairs((restore.fold(done))) do
    if one.name == "bios" and one.key then
      local name, current, next_value = one.key, now.current[one.key], bios.next_value(now, one.key)
      local verdict, why = restore.judge(one, next_value)
      if verdict == "restore" and bios.same(now, name, current, one.before) then
        table.insert(due.withdraw, name)
        table.insert(due.lines, { name = name, from = next_value, to = one.before, pending = true })
      elseif verdict == "restore" then
        due.set[name] = one.before
        table.insert(due.lines, { name = name, from = current, to = one.before })
      elseif verdict == "nothing" and not bios.same(now, name, current, next_value)
        and restore.is_ours(one, current) then
        due.waits[name] = one.before
      elseif not verdict then
        table.insert(result.left, ("%s in the BIOS: %s"):format(name, why))
      end
    end
  end
  return due
end

local function observe(ctx, target, done, result)
  local record = ctx.planning and target.record or ctx.fleet:refresh_host(target.record)
  target.firmware = nil
  local seen = { record = record, chosen = {}, devices = {}, enable = true }
  local access, message, code = access_of(target, done)
  if not access then return nil, message, code end
  seen.access, seen.companion = access, host_bios.companion(target) ~= nil
  if record.connection ~= "connected" and reboot.started(ctx, target) then
    local did, values = ctx:did(target, "bios-set"), {}
    for _, one in ipairs(did and did.values or {}) do values[one.key] = one.after end
    target.firmware = { access = access, values = values, instance = target.instance }
    seen.away = true
    return seen
  end
  local found, detail
  found, message, code, detail = host_bios.look(ctx, target, access, {})
  if not found then return nil, message, code, detail end
  seen.bios, seen.due = found.bios, judge(found.bios, done, result)
  if next(seen.due.waits) then
    target.firmware = { access = access, values = seen.due.waits, instance = target.instance }
  end
  seen.firmware = not seen.companion and (next(seen.due.set) or next(seen.due.waits)) ~= nil
  return roll.look(ctx, target, seen, not seen.firmware)
end

local function make(done)
  return function(ctx, target)
    local result = { lost = {}, left = {} }
    local seen, message, code, detail = observe(ctx, target, done, result)
    if not seen then return nil, message, code, detail end
    local ok
    if not seen.away and #seen.due.withdraw > 0 then
      ok, message, code = host_bios.take_back(ctx, target, seen.access, seen.due.withdraw, seen.bios.pending,
        seen.bios.current)
      if not ok then return nil, message, code end
    end
    if not seen.away and next(seen.due.set) then
      ok, message, code = host_bios.set(ctx, target, seen.access, seen.bios.current, seen.due.set)
      if not ok then return nil, message, code end
    end
    if seen.companion then return true end
    local changes
    changes, message, code = roll.plan(ctx, target, seen, function() end)
    if not changes then return nil, message, code end
    return roll.apply(ctx, target, changes, seen, function() return observe(ctx, target, done, result) end)
  end
end

--- For a plan: the BIOS of all hosts is read side by side.
function undo.prepare(ctx, target, done)
  local access = access_of(target, done)
  if access and target.record.connection == "connected" then host_bios.read_ahead(ctx, target, access, {}) end
end

--- By the contract of gpupt.step.
function undo.of(ctx, target, done)
  local result = { changes = {}, lost = {}, left = {}, needs = {} }
  local seen, message, code, detail = observe(ctx, target, done, result)
  if not seen then return nil, message, code, detail end
  if seen.companion and seen.away then
    result.forecast = { firmware = true }
    return result
  end
  for i, line in ipairs(seen.due and seen.due.lines or {}) do
    local set = ("%s%s = %s (%s %s)"):format(i == 1 and "BIOS: " or "", line.name, tostring(line.to),
      line.pending and "not applied yet:" or "was", tostring(line.from))
    result.changes[i] = { sign = "~", verb = "bios", allow = "bios", roll = { part = "set", set = set },
      what = ("BIOS: %s %s -> %s%s"):format(line.name, tostring(line.from), tostring(line.to),
        line.pending and ", not applied yet" or ""),
      settings = { { name = line.name, before = line.from, after = line.to } } }
  end
  local waits = seen.due and (next(seen.due.set) or next(seen.due.waits)) ~= nil
  if waits and seen.companion then
    result.forecast = { firmware = true }
  elseif waits or seen.away then
    local more
    more, message, code = roll.plan(ctx, target, seen, function() end)
    if not more then return nil, message, code end
    table.move(more, 1, #more, #result.changes + 1, result.changes)
    result.needs = more.needs
  end
  for i, change in ipairs(result.changes) do change.make = i == 1 and make(done) or nil end
  for _, change in ipairs(done) do
    if change.action == "reboot" then
      result.lost[#result.lost + 1] = "the reboot"
      break
    end
  end
  return result
end

return undo
