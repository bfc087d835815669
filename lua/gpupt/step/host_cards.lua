--- The cards of a host as host.enable and host.disable configure them (`seen.enable`: which of the two): STAGE and its
-- undo, REBIND, and the proof after the reboot.
local hosts = require "gpupt.fleet.host"

local cards = {}

--- "3b:00.0 86:00.0"
function cards.addresses(list)
  local words = {}
  for i, device in ipairs(list) do words[i] = hosts.short(device.address) end
  return table.concat(words, " ")
end

-- The row's detail, with the values before and after. `active` follows with a reboot.
local function passthrough(list, enabled)
  local values = {}
  for _, device in ipairs(list) do
    values[#values + 1] = { name = "passthruEnabled", key = device.address, before = device.enabled == true,
      after = enabled, active = device.active == true }
  end
  return { values = values }
end

local function action(seen) return seen.enable and "passthrough-enable" or "passthrough-disable" end

local function configure(ctx, target, list, enabled, now, what)
  local config = {}
  for i, device in ipairs(list) do
    config[i] = { _type = "HostPciPassthruConfig", id = device.address, passthruEnabled = enabled, applyNow = now }
  end
  what.detail = passthrough(list, enabled)
  return ctx:call(target, target.record.system, "UpdatePassthruConfig", { config = config }, what)
end

local function word(on) return on and "enabled" or "disabled" end

--- Enables or disables the cards, for the next reboot. true; nil, message, code, detail.
function cards.stage(ctx, target, seen)
  if #seen.stage == 0 then return true end
  local ok, message, code, detail = configure(ctx, target, seen.stage, seen.enable, false,
    { action = action(seen), text = "UpdatePassthruConfig" })
  if not ok then return nil, message, code, detail end
  ctx.fleet:refresh_state(target.record)
  for _, device in ipairs(seen.stage) do
    if target.record.devices[device.address].enabled ~= seen.enable then
      return nil, ("%s: %s is still not %s for passthrough. Check the host's recent tasks and events"):format(
        target.name, hosts.short(device.address), word(seen.enable)), "EPROOF"
    end
  end
  ctx:note(target, ("%s %s%s"):format(word(seen.enable), cards.addresses(seen.stage), seen.enable and ", not active yet"
    or seen.reboots and ", still active" or ""))
  return true
end

--- What this run enabled or disabled, also before an interruption, and no reboot has put into effect yet.
local function staged(ctx, target, seen)
  local list, ours = {}, {}
  local earlier = ctx:did(target, action(seen))
  local config = type(earlier) == "table" and earlier.args and earlier.args.config or {}
  for _, one in ipairs(config) do ours[one.id] = true end
  for _, device in ipairs(seen.stage) do ours[device.address] = true end
  for _, device in ipairs(seen.devices) do
    if ours[device.address] and (device.active == true) ~= seen.enable then list[#list + 1] = device end
  end
  return list
end

--- Undoes STAGE, so that a later reboot by another user does not activate the cards; not if the run goes on by
-- observing again.
function cards.unstage(ctx, target, seen, failure)
  if ctx:observes_again(target, failure[2], failure[3]) then return nil, failure[1], failure[2], failure[3] end
  local list = staged(ctx, target, seen)
  if #list > 0 then
    local ok, message = configure(ctx, target, list, not seen.enable, false,
      { action = "passthrough-restore", text = "UpdatePassthruConfig (undo)" })
    if not ok then
      ctx:note(target, ("the cards are still %s; undoing that failed: %s"):format(word(seen.enable), message))
    end
  end
  return nil, failure[1], failure[2], failure[3]
end

--- Those of the set that are not enabled and active now (host.disable: that still are one of both), as texts.
function cards.missing(record, seen)
  local missing = {}
  for _, device in ipairs(seen.devices) do
    local now = record.devices[device.address]
    if not seen.enable then
      -- a device that was pulled is not passed through either
      if now and (now.enabled or now.active) then
        missing[#missing + 1] = ("%s is %s"):format(hosts.short(device.address), hosts.state(now))
      end
    elseif not now then
      missing[#missing + 1] = hosts.short(device.address) .. " is gone"
    elseif not (now.enabled and now.active) then
      missing[#missing + 1] = hosts.short(device.address) .. " is " .. hosts.state(now)
    end
  end
  return missing
end

--- Those of the set that are not enabled (host.disable: not disabled) any more, as "3b:00.0 86:00.0"; nil if all are.
function cards.changed(record, seen)
  local off = {}
  for _, device in ipairs(seen.devices) do
    local now = record.devices[device.address]
    if (now ~= nil and now.enabled == true) ~= seen.enable then off[#off + 1] = device end
  end
  return #off > 0 and cards.addresses(off) or nil
end

-- Has the host look at its devices again. It changes nothing, so no commit of its own is waited for.
local function refresh(ctx, target)
  ctx:call(target, target.record.system, "Refresh", {}, { text = "Refresh", soon = true })
end

--- Activates the cards, or gives them back to the host, without a reboot; whether that worked.
function cards.rebind(ctx, target, seen)
  local ok, message = configure(ctx, target, seen.devices, seen.enable, true,
    { action = "passthrough-rebind", text = "UpdatePassthruConfig (now)" })
  if not ok then
    ctx:note(target, "not possible without a reboot: " .. message)
    return false
  end
  refresh(ctx, target)
  ctx.fleet:refresh_state(target.record)
  return #cards.missing(target.record, seen) == 0
end

local NO_ROOM = " (if it stays pending after another reboot, check \"above 4G decoding\" in the host's BIOS)"

--- After the reboot: checks that the cards are active, or no longer are.
function cards.settle(ctx, target, seen)
  local record = target.record
  if #seen.devices == 0 then
    ctx.fleet:refresh_host(record)
    return true
  end
  refresh(ctx, target)
  ctx.fleet:refresh_host(record)
  local missing = cards.missing(record, seen)
  if #missing > 0 then
    local what = table.concat(missing, ", ")
    return nil, ("%s came back, but %s%s. It stays in maintenance mode: fix the host, reboot it, and resume the run")
      :format(record.name, what, what:find("pending reboot", 1, true) and NO_ROOM or ""), "EPROOF"
  end
  ctx:note(target, (seen.enable and "active: " or "no longer active: ") .. cards.addresses(seen.devices))
  return true
end

return cards
