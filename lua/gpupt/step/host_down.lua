--- A host on its way down and back: DRAIN -> MM -> REBOOT -> AWAY, and everything as before when it must not go on.
--
-- A host that loses its slot to others (gpupt.playbook.claim) starts its VMs again at once and waits with its cards
-- enabled: another host's reboot takes longer than a guest may be missed.
local cards = require "gpupt.step.host_cards"
local drain = require "gpupt.step.host_drain"
local host_bios = require "gpupt.step.host_bios"
local maintenance = require "gpupt.step.host_maintenance"
local reboot = require "gpupt.step.host_reboot"

local down = {}

--- The message when another user takes the host out of service: the cards may be part of that user's work, and a VM
-- cannot be started there.
local function left_alone(ctx, target, message)
  local owed = drain.owed(ctx, target)
  return ("%s: %s. Nothing was undone: the cards stay enabled%s. Resume the run when that is finished"):format(
    target.name, message:gsub("%.$", ""), #owed > 0 and (", and %s, which this run shut down, stays off"):format(
      drain.names(owed)) or "")
end

-- Undoes what waits for the reboot that does not come now: the cards, and BIOS settings (gpupt.step.host_bios).
local function unstage(ctx, target, seen, failure)
  if not ctx:observes_again(target, failure[2], failure[3]) then host_bios.withdraw(ctx, target) end
  return cards.unstage(ctx, target, seen, failure)
end

-- Faults that say that the host did not get empty in time.
local late = { Timedout = true, ETIMEDOUT = true }

-- What is said then: the server's fault does not name the VMs that are still there.
local function not_empty(ctx, target, message)
  local read, list = pcall(drain.still_there, ctx, target.record)
  if not read or #list == 0 then return message end
  return ("%s: EnterMaintenanceMode did not end within %s (drain_within), because %s still %s there. Migrate %s, or "
    .. "shut %s down, then resume the run"):format(target.name, target.scope.options.roll.drain_within,
    drain.names(list), #list == 1 and "runs" or "run", #list == 1 and "it" or "them", #list == 1 and "it" or "them")
end

-- DRAIN and MM. true; false and a text if other hosts of the cluster go first; nil, message, code, detail.
local function empty(ctx, target, seen)
  local ok, message, code, detail = drain.run(ctx, target)
  if not ok then return unstage(ctx, target, seen, { message, code, detail }) end
  if target.record.maintenance then return true end
  ok, message, code, detail = maintenance.enter(ctx, target)
  if ok ~= nil then return ok, message end
  if ctx:observes_again(target, code, detail) then return nil, message, code, detail end
  if late[code] then message = not_empty(ctx, target, message) end
  if maintenance.foreign(ctx, target) then return nil, left_alone(ctx, target, message), code, detail end
  drain.restore(ctx, target)
  return unstage(ctx, target, seen, { message, code, detail })
end

--- Leaves maintenance mode, unless another user set it, waits for HA, and starts the VMs again.
function down.back_to_work(ctx, target, foreign)
  local ready, why, how, more = true, nil, nil, nil
  if not foreign and target.record.maintenance then
    local ok, message, code, detail = maintenance.leave(ctx, target)
    if not ok then return nil, message, code, detail end
    ready, why, how, more = maintenance.await_ha(ctx, target)
  end
  -- the VMs that were shut down are started whatever HA says
  local ok, message, code, detail = drain.restore(ctx, target)
  if not ok then return nil, message, code, detail end
  return ready, why, how, more
end

local CHANGED = "%s: %s: no longer %s for passthrough, although this run had read it back as %s: "
  .. "another user, a host profile or another run changed that. %s. Find out who configures the passthrough devices "
  .. "of this host, then %s"

local function word(seen) return seen.enable and "enabled" or "disabled" end

local ENDED = "%s is not in maintenance mode, which it had entered: another user or another run ended it. The host was "
  .. "not rebooted and is as before. Apply the playbook again"

-- The last look before the reboot: true; false and a text if the slot went to other hosts; nil, message, code if
-- the cards were changed: the host is not rebooted then, and is as before.
local function ready(ctx, target, seen, foreign)
  local slot, others = ctx:slot(target), nil
  if slot then others = slot:last_look() else ctx.fleet:refresh_state(target.record) end
  if not target.record.maintenance then
    drain.restore(ctx, target)
    return cards.unstage(ctx, target, seen, { ENDED:format(target.name), "EPROOF" })
  end
  local off = cards.changed(target.record, seen)
  if off then
    local ok, message, code, detail = down.back_to_work(ctx, target, foreign)
    unstage(ctx, target, seen, {})
    if not ok then return nil, message, code, detail end
    return nil, CHANGED:format(target.name, off, word(seen), word(seen), "The host was not rebooted and is as before",
      "apply the playbook again"), "ESTALE"
  end
  local set, why, how = host_bios.ready(ctx, target)
  if not set then
    local ok, message, code, detail = down.back_to_work(ctx, target, foreign)
    unstage(ctx, target, seen, {})
    if not ok then return nil, message, code, detail end
    return nil, why .. ". The host was not rebooted", how
  end
  local first = slot and (slot:shut() or not foreign and slot:lost(others))
  if first then return false, first end
  return true
end

--- Whether the cards `seen` are still enabled (or disabled), before a second request: true, or nil, message, code. The
-- host stays in maintenance mode: the first request may have arrived.
function down.still_staged(ctx, target, seen)
  ctx.fleet:refresh_state(target.record)
  local off = cards.changed(target.record, seen)
  local shut = ctx:slot(target) and ctx:slot(target):shut()
  if shut then
    return nil, ("%s: %s. The reboot was requested once, without effect, and the host stays in maintenance mode: "
      .. "resume the run when the window is open"):format(target.name, shut), "EWINDOW"
  end
  if not off then return host_bios.ready(ctx, target) end
  return nil, CHANGED:format(target.name, off, word(seen), word(seen), "The reboot was requested once, without effect; "
    .. "it is not requested again, and the host stays in maintenance mode", "resume the run"), "ESTALE"
end

--- Takes the host down and waits until it is back: true; nil, message, code, detail. `foreign`: it is in maintenance
-- mode by another user.
function down.and_back(ctx, target, seen, foreign)
  local slot = ctx:slot(target)
  while true do
    local ok, message, code, detail
    if slot then
      ok, message, code = slot:take()
      if not ok then return unstage(ctx, target, seen, { message, code }) end
    end
    ok, message, code, detail = empty(ctx, target, seen)
    if ok then
      ok, message, code, detail = reboot.cycle(ctx, target,
        function() return ready(ctx, target, seen, foreign) end,
        function() return down.still_staged(ctx, target, seen) end)
    end
    if ok ~= false then return ok, message, code, detail end
    ctx:note(target, ("not rebooted now: %s"):format(message))
    ok, message, code, detail = down.back_to_work(ctx, target, foreign)
    if not ok then return nil, message, code, detail end
    slot:give_back()
    ctx.in_service(target)
  end
end

return down
