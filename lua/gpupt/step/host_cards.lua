--- The cards of a host as host.enable configures them: STAGE and its undo, REBIND, and the proof after the reboot.
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

local function configure(ctx, target, list, enabled, now, what)
  local config = {}
  for i, device in ipairs(list) do
    config[i] = { _type = "HostPciPassthruConfig", id = device.address, passthruEnabled = enabled, applyNow = now }
  end
  what.detail = passthrough(list, enabled)
  return ctx:call(target, target.record.system, "UpdatePassthruConfig", { config = config }, what)
end

--- Enables the cards, for the next reboot. true; nil, message, code, detail.
function cards.stage(ctx, target, seen)
  if #seen.stage == 0 then return true end
  local ok, message, code, detail = configure(ctx, target, seen.stage, true, false,
    { action = "passthrough-enable", text = "UpdatePassthruConfig" })
  if not ok then return nil, message, code, detail end
  ctx.fleet:refresh_host(target.record)
  for _, device in ipairs(seen.stage) do
    if not target.record.devices[device.address].enabled then
      return nil, ("%s: %s is still not enabled for passthrough. Check the host's recent tasks and events"):format(
        target.name, hosts.short(device.address)), "EPROOF"
    end
  end
  ctx:note(target, "enabled " .. cards.addresses(seen.stage) .. ", not active yet")
  return true
end

--- What this run enabled, also before an interruption, and what no reboot has activated yet.
local function staged(ctx, target, seen)
  local list, ours = {}, {}
  local earlier = ctx:did(target, "passthrough-enable")
  local config = type(earlier) == "table" and earlier.args and earlier.args.config or {}
  for _, one in ipairs(config) do ours[one.id] = true end
  for _, device in ipairs(seen.stage) do ours[device.address] = true end
  for _, device in ipairs(seen.devices) do
    if ours[device.address] and not device.active then list[#list + 1] = device end
  end
  return list
end

--- Undoes STAGE, so that a later reboot by another user does not activate the cards; not if the run goes on by
-- observing again.
function cards.unstage(ctx, target, seen, failure)
  if ctx:observes_again(target, failure[2], failure[3]) then return nil, failure[1], failure[2], failure[3] end
  local list = staged(ctx, target, seen)
  if #list > 0 then
    local ok, message = configure(ctx, target, list, false, false,
      { action = "passthrough-restore", text = "UpdatePassthruConfig (undo)" })
    if not ok then ctx:note(target, "the cards are still enabled; undoing that failed: " .. message) end
  end
  return nil, failure[1], failure[2], failure[3]
end

--- Those of the list that are not enabled and active now, as texts.
function cards.missing(record, list)
  local missing = {}
  for _, device in ipairs(list) do
    local now = record.devices[device.address]
    if not now then
      missing[#missing + 1] = hosts.short(device.address) .. " is gone"
    elseif not (now.enabled and now.active) then
      missing[#missing + 1] = hosts.short(device.address) .. " is " .. hosts.state(now)
    end
  end
  return missing
end

--- Those of the list that are not enabled any more, as "3b:00.0 86:00.0"; nil if all are.
function cards.disabled(record, list)
  local off = {}
  for _, device in ipairs(list) do
    local now = record.devices[device.address]
    if not (now and now.enabled) then off[#off + 1] = device end
  end
  return #off > 0 and cards.addresses(off) or nil
end

--- Activates the cards without a reboot; whether that worked.
function cards.rebind(ctx, target, seen)
  local ok, message = configure(ctx, target, seen.devices, true, true,
    { action = "passthrough-rebind", text = "UpdatePassthruConfig (now)" })
  if not ok then
    ctx:note(target, "not possible without a reboot: " .. message)
    return false
  end
  ctx:call(target, target.record.system, "Refresh", {}, "Refresh")
  ctx.fleet:refresh_host(target.record)
  return #cards.missing(target.record, seen.devices) == 0
end

local NO_ROOM = " (if it stays pending after another reboot, check \"above 4G decoding\" in the host's BIOS)"

--- After the reboot: checks that the cards are active.
function cards.settle(ctx, target, seen)
  local record = target.record
  ctx:call(target, record.system, "Refresh", {}, "Refresh")
  ctx.fleet:refresh_host(record)
  local missing = cards.missing(record, seen.devices)
  if #missing > 0 then
    local what = table.concat(missing, ", ")
    return nil, ("%s came back, but %s%s. It stays in maintenance mode: fix the host, reboot it, and resume the run")
      :format(record.name, what, what:find("pending reboot", 1, true) and NO_ROOM or ""), "EPROOF"
  end
  ctx:note(target, "active: " .. cards.addresses(seen.devices))
  return true
end

return cards
