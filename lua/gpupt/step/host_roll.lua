--- The rolling procedure for the passthrough devices of a host, as host.enable, host.disable and their undo use it:
--   OBSERVE -> VET -> STAGE -> (REBIND) -> DRAIN -> MM -> REBOOT -> AWAY -> PROVE -> EXIT
-- `seen` is what the step observed: record, chosen (the cards that were asked for), devices (the set with what belongs
-- to them), enable (true or false: what becomes of them), stage (those whose configuration differs from that), pending
-- (those that wait for a reboot), away (true: the host is away in the reboot of this run), firmware (what BIOS settings
-- wait for it, see gpupt.step.host_bios).
local cards = require "gpupt.step.host_cards"
local check = require "gpupt.failure".check
local down = require "gpupt.step.host_down"
local drain = require "gpupt.step.host_drain"
local host_bios = require "gpupt.step.host_bios"
local hosts = require "gpupt.fleet.host"
local maintenance = require "gpupt.step.host_maintenance"
local reboot = require "gpupt.step.host_reboot"
local selector = require "gpupt.fleet.selector"
local sets = require "gpupt.fleet.sets"
local units = require "gpupt.units"
local vmotion = require "gpupt.step.host_vmotion"

local roll = {}

roll.approvals = {
  reboot = "reboot hosts", ["guest-shutdown"] = "shut down the guests of running VMs",
  sessions = "shut down VMs while users are logged in",
  ["drain-vmotion"] = "move VMs off hosts by vMotion where DRS does not",
  ["foreign-maintenance"] = "use hosts that another user put into maintenance mode",
}

roll.needs = { "Host.Config.PciPassthru", "Host.Config.Settings", "Host.Config.Maintenance" }

--- VMs that cannot be migrated are shut down, and started again; those that DRS leaves are moved. `scope`: nil for all.
function roll.more_needs(scope)
  local list, limits = {}, scope and scope.options.roll
  if not limits or limits.guests ~= "keep" then
    list = { "VirtualMachine.Interact.PowerOff", "VirtualMachine.Interact.PowerOn" }
  end
  if not limits or limits.drain == "vmotion" then
    list[#list + 1], list[#list + 2] = vmotion.PRIVILEGE, "Resource.AssignVMToPool"
  end
  return list
end

--- The chosen cards and all functions that belong to them (dependentDevice), as device records.
function roll.closure(record, chosen)
  local set, list, queue = {}, {}, {}
  for _, card in ipairs(chosen) do queue[#queue + 1] = card end
  while #queue > 0 do
    local device = table.remove(queue)
    if not set[device.address] then
      set[device.address] = true
      list[#list + 1] = device
      local other = device.dependent and record.devices[device.dependent]
      if other then queue[#queue + 1] = other end
    end
  end
  table.sort(list, function(a, b) return a.address < b.address end)
  return list
end

-- The chosen cards with the other cards and the NVSwitches of their boards.
local function with_boards(record, chosen)
  local list, wanted, taken = {}, {}, {}
  for _, card in ipairs(chosen) do wanted[card] = true end
  local function take(devices)
    for _, device in ipairs(devices) do
      if not taken[device] then list[#list + 1] = device end
      taken[device] = true
    end
  end
  for _, set in ipairs(sets.of(record, "board")) do
    local any = false
    for _, card in ipairs(set.cards) do any = any or wanted[card] end
    if any then
      take(set.cards)
      take(set.switches)
    end
  end
  return list
end

--- The cards of the host that the step or its scope chooses, and the p.gpus.
function roll.chosen(name, target)
  local node = target.options.devices or check(target.scope:resolve(target)).devices
  check(node, name .. ": no devices are given. Set devices = p.gpus { ... } in the step or in p.hosts", "EPLAYBOOK")
  local list = {}
  for _, card in ipairs(target.record.cards) do
    if selector.matches(node, card) then list[#list + 1] = card end
  end
  return list, node
end

--- A list of cards with the rest of their boards, if the step wants whole ones.
function roll.whole(target, list)
  return target.options.whole == "board" and with_boards(target.record, list) or list
end

--- The failure of a host without such a card; a plan skips the host.
function roll.none(record, node)
  local seen = {}
  for _, card in ipairs(record.cards) do
    seen[#seen + 1] = ("%04x:%04x%s at %s"):format(card.vendor, card.device, card.label and " " .. card.label or "",
      hosts.short(card.address))
  end
  local what = ("%s (its GPUs: %s)"):format(selector.describe(node), #seen > 0 and table.concat(seen, ", ") or "none")
  return nil, ("%s: no card matches %s"):format(record.name, what), "ENOCARDS",
    { skip = "has no card that matches " .. what }
end

--- Sorts the set by what has to be done, and reads what that concerns. `stage_only`: no reboot follows.
function roll.look(ctx, target, seen, stage_only)
  local record = seen.record
  seen.stage, seen.pending, seen.owed = {}, {}, {}
  for _, device in ipairs(seen.devices) do
    if (device.enabled == true) ~= seen.enable then table.insert(seen.stage, device)
    elseif (device.active == true) ~= seen.enable then table.insert(seen.pending, device) end
  end
  if not stage_only then seen.firmware = seen.firmware or host_bios.owed(ctx, target) end
  seen.reboots = not stage_only and (seen.firmware and true or #seen.pending > 0 or seen.enable and #seen.stage > 0)
  -- what is not active needs no reboot to be given back
  for _, device in ipairs(stage_only and {} or seen.stage) do seen.reboots = seen.reboots or device.active == true end
  if seen.reboots then
    seen.busy, seen.holders = drain.classify(ctx, record), drain.holders(ctx, record, seen.devices)
    if target.scope.options.roll.guests == "shutdown-idle" then
      seen.cannot = drain.cannot_shut_down(ctx, record, seen.busy.bound)
    end
  else
    seen.owed = drain.owed(ctx, target)
  end
  return seen
end

-- What becomes of VMs that DRS leaves on the host.
local function move_change(target, busy, changes)
  local record, names = target.record, drain.names(busy.left)
  if target.scope.options.roll.drain ~= "vmotion" then
    local why = busy.left[1].drs == record.cluster.drs and "DRS of " .. record.cluster.name or "DRS for "
      .. busy.left[1].name
    return nil, ("%s: %s must be migrated first, but %s is %s. Migrate the VMs, set DRS to fully automated, or set "
      .. "roll = { drain = \"vmotion\" }"):format(record.name, names, why, busy.left[1].drs), "EREFUSED"
  end
  changes[#changes + 1] = { what = ("vMotion of %s (DRS: %s)"):format(names, busy.left[1].drs), sign = "~",
    allow = "drain-vmotion", verb = "vmotion", lost = "vMotion",
    roll = { part = "move", vms = drain.all_names(busy.left), drs = busy.left[1].drs } }
  table.insert(changes.needs, { privilege = vmotion.PRIVILEGE, objects = busy.left })
  return true
end

-- "3b:00.0 enabled, NOT active": devices that wait for a reboot.
local function waiting(seen)
  return cards.addresses(seen.pending) .. (seen.enable and " enabled, NOT active" or " disabled, still active")
end

-- The VMs that DRS moves by itself.
local function left_to_drs(busy)
  local list, ours = {}, {}
  for _, entry in ipairs(busy.left) do ours[entry.ref] = true end
  for _, entry in ipairs(busy.movable) do if not ours[entry.ref] then list[#list + 1] = entry end end
  return list
end

-- The VMs that are shut down, by the reason for it and whether a user is logged in, for the line of their host.
local function shut_down_why(busy)
  local why, stuck = {}, {}
  for _, entry in ipairs(busy.stuck) do stuck[entry.ref] = true end
  for _, entry in ipairs(busy.bound) do
    why[entry.name] = ("%s, %s"):format(stuck[entry.ref] and "nowhere to migrate" or "has a card",
      entry.session and "user logged in" or "no session")
  end
  return why
end

--- What a reboot needs and which VMs it affects, as plan lines.
local function reboot_changes(target, seen, changes)
  local record, busy, limits = seen.record, seen.busy, target.scope.options.roll
  local off = #busy.bound > 0 and units.duration(limits.shutdown_within) or 0
  local draining, rebooting = units.duration(limits.drain_within), units.duration(limits.back_within)
  local seconds = off + draining + rebooting
  local allow = { what = "reboot"
    .. (#busy.bound > 0 and (", after shutting down %s"):format(drain.names(busy.bound)) or "")
    .. (#busy.movable > 0 and (", with vMotion of %s"):format(drain.names(busy.movable)) or ""),
    sign = "~", allow = "reboot", verb = "reboot", lost = "reboot", roll = { part = "reboot",
    set = #seen.pending > 0 and waiting(seen) or nil, vms = drain.all_names(left_to_drs(busy)) },
    activates = seen.enable and seen.chosen or nil, out = { seconds,
      ("%sdrain %s, reboot %s"):format(off > 0 and "shutdown " .. units.span(off) .. ", " or "", units.span(draining),
      units.span(rebooting)) } }
  if #busy.bound > 0 then
    if target.scope.options.roll.guests ~= "shutdown-idle" and #busy.stuck > 0 then
      return nil, ("%s is %s, so %s cannot be migrated. Set roll = { guests = \"shutdown-idle\" } to allow shutting "
        .. "them down"):format(record.name, record.cluster.ref.type == "ClusterComputeResource"
        and "the only host of " .. record.cluster.name or "not in a cluster", drain.names(busy.bound)), "EREFUSED"
    end
    if target.scope.options.roll.guests ~= "shutdown-idle" then
      return nil, ("%s: VMs with a passthrough card cannot be migrated (%s). Set roll = { guests = \"shutdown-idle\" } "
        .. "to allow shutting them down"):format(record.name, drain.names(busy.bound)), "EREFUSED"
    end
    if seen.cannot then return nil, seen.cannot, "EREFUSED" end
    changes[#changes + 1] = { what = "shut down " .. drain.names(busy.bound)
      .. (#busy.stuck > 0 and (" (nowhere to migrate %s)"):format(drain.names(busy.stuck)) or ""), sign = "-",
      allow = "guest-shutdown", verb = "guest shutdown", stops = drain.all_names(busy.bound), stop_seconds = seconds,
      roll = { part = "stop", vms = drain.all_names(busy.bound), why = shut_down_why(busy) } }
    for _, privilege in ipairs { "VirtualMachine.Interact.PowerOff", "VirtualMachine.Interact.PowerOn" } do
      table.insert(changes.needs, { privilege = privilege, objects = busy.bound })
    end
    local used = drain.in_use(busy.bound)
    if #used > 0 then
      changes[#changes + 1] = { what = "end the user sessions of " .. drain.names(used), sign = "-", allow = "sessions",
        verb = "session", roll = { part = "sessions" } }
    end
  end
  if #busy.left > 0 then
    local ok, message, code = move_change(target, busy, changes)
    if not ok then return nil, message, code end
  end
  changes[#changes + 1] = allow
  table.insert(changes.needs, "Host.Config.Maintenance")
  return true
end

local function verb_of(seen) return seen.enable and "enable" or "disable" end

-- Adds what is left to do of an earlier part of this run when no reboot is needed any more.
local function leftovers(seen, entering, changes)
  if seen.record.maintenance and not entering then
    changes[#changes + 1] = { what = "leave maintenance mode, which this run entered", sign = "~",
      verb = "maintenance exit" }
  end
  if #seen.owed > 0 then
    changes[#changes + 1] = { what = ("start %s, which this run shut down"):format(drain.names(seen.owed)),
      sign = "~", verb = "start" }
  end
  return changes
end

--- The changes. `refusal(seen)`: why these cards must not be changed, or nil.
function roll.plan(ctx, target, seen, refusal)
  local record, changes = seen.record, {}
  if seen.away then
    return { { what = "wait for the host to return from this run's reboot", sign = "~", allow = "reboot",
      verb = "wait", activates = seen.chosen } }
  end
  local entering = not maintenance.entered(ctx, target)
  local of_cards = #seen.stage > 0 or #seen.pending > 0
  if not of_cards and not seen.firmware then return leftovers(seen, entering, changes) end
  -- without Host.Config.Settings only Refresh fails, which the run does not depend on
  changes.needs = of_cards and { "Host.Config.PciPassthru" } or {}
  local why = refusal(seen)
  if why then return nil, why, "EREFUSED" end
  -- cards that only wait for a reboot, which this step does not do, need nothing of the host
  if record.maintenance and entering and (#seen.stage > 0 or seen.reboots) then
    if not target.options.foreign_maintenance then
      return nil, ("%s is already in maintenance mode, set by another user or an earlier run. Resume that run "
        .. "(gpupt status, gpupt apply --resume RUN), or set foreign_maintenance = true to use the host as it is")
        :format(record.name), "EREFUSED"
    end
    changes[#changes + 1] = { what = "use the host in maintenance mode that another user set", sign = "!",
      allow = "foreign-maintenance" }
  end
  if #seen.stage > 0 then
    local settings = {}
    for i, device in ipairs(seen.stage) do
      settings[i] = { name = hosts.short(device.address) .. " passthrough", before = seen.enable and "off" or "enabled",
        after = seen.enable and "enabled" or "off" }
    end
    changes[#changes + 1] = { what = verb_of(seen) .. " " .. cards.addresses(seen.stage), sign = "~",
      verb = verb_of(seen), addresses = seen.stage, settings = settings,
      roll = { part = "set", set = verb_of(seen) .. " " .. cards.addresses(seen.stage) },
      disables = not seen.enable and seen.stage or nil }
  elseif of_cards and (not ctx.planning or not seen.reboots) then
    ctx:note(target, ("%s: %s: pending reboot"):format(cards.addresses(seen.pending), seen.enable
      and "enabled but not active" or "disabled but still active"))
  end
  if not seen.reboots then return leftovers(seen, entering, changes) end
  if target.options.apply == "auto" and record.rebind and #seen.holders == 0 and not seen.firmware then
    local what = (seen.enable and "activate" or "take back") .. " without a reboot"
    changes[#changes + 1] = { what = what, sign = "~", verb = "rebind", activates = seen.enable and seen.chosen or nil,
      roll = { part = "rebind", set = #seen.pending > 0 and waiting(seen) or nil, text = what } }
    return leftovers(seen, entering, changes)
  end
  local ok, message, code = reboot_changes(target, seen, changes)
  if not ok then return nil, message, code end
  return changes
end

local function find(changes, verb)
  for _, change in ipairs(changes) do if change.verb == verb then return change end end
end

--- Makes the changes. `observe()`: the step's observation again. `staged()`, if given, is called when the cards are
-- configured, before a reboot.
function roll.apply(ctx, target, changes, seen, observe, staged)
  local record = target.record
  if seen.away then
    local ok, message, code, detail = reboot.cycle(ctx, target, nil, function()
      local now, why, how = observe()
      if not now then return nil, why, how end
      return not now.away and down.still_staged(ctx, target, now)
    end)
    if not ok then return nil, message, code, detail end
    ok, message, code = host_bios.settle(ctx, target)
    if not ok then return nil, message, code end
    seen, message, code = observe()
    if not seen then return nil, message, code end
    ok, message, code = cards.settle(ctx, target, seen)
    if not ok then return nil, message, code end
    return down.back_to_work(ctx, target, not maintenance.entered(ctx, target))
  end
  local ok, message, code, detail = cards.stage(ctx, target, seen)
  if not ok then
    if not ctx:observes_again(target, code, detail) then host_bios.withdraw(ctx, target) end
    return nil, message, code, detail
  end
  if staged then ok, message, code, detail = staged() end
  if not ok then return nil, message, code, detail end
  if #seen.stage == 0 and #seen.pending == 0 and not seen.firmware then
    return down.back_to_work(ctx, target, not maintenance.entered(ctx, target))
  end
  local foreign = record.maintenance and not maintenance.entered(ctx, target)
  if not seen.reboots then return down.back_to_work(ctx, target, foreign) end
  if find(changes, "rebind") then
    if cards.rebind(ctx, target, seen) then return down.back_to_work(ctx, target, foreign) end
    ctx:require_approval("reboot", record.name .. ": the change without a reboot did not work; a reboot")
  end
  ok, message, code, detail = down.and_back(ctx, target, seen, foreign)
  if not ok then return nil, message, code, detail end
  ok, message, code = host_bios.settle(ctx, target)
  if not ok then return nil, message, code end
  ok, message, code = cards.settle(ctx, target, seen)
  if not ok then return nil, message, code end
  return down.back_to_work(ctx, target, foreign)
end

return roll
