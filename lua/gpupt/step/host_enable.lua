--- host.enable: turns the cards of a host into passthrough devices, by the rolling procedure.
--   OBSERVE -> VET -> STAGE -> (REBIND) -> DRAIN -> MM -> REBOOT -> AWAY -> PROVE -> EXIT
-- The run claims the cluster's slot before it calls apply. Enabled is not active: a card counts only when the host
-- reports passthruActive after the reboot. A failure before the reboot undoes the change (UNSTAGE).
local cards = require "gpupt.step.host_cards"
local check = require "gpupt.failure".check
local down = require "gpupt.step.host_down"
local drain = require "gpupt.step.host_drain"
local hosts = require "gpupt.fleet.host"
local labels = require "gpupt.step.host_labels"
local maintenance = require "gpupt.step.host_maintenance"
local reboot = require "gpupt.step.host_reboot"
local selector = require "gpupt.fleet.selector"
local sets = require "gpupt.fleet.sets"
local units = require "gpupt.units"

local step = {
  name = "host.enable", scope = "hosts",
  options = {
    { "devices", "table", late = true, doc = "p.gpus: which cards; default: the devices of p.hosts" },
    { "whole", "string", choices = { "board" }, late = true,
      doc = "board: enable all GPUs of the cards' boards, and the NVSwitches of an HGX board" },
    { "apply", "string", choices = { "auto", "reboot", "stage" }, default = "auto", late = true,
      doc = "auto: without a reboot if the host supports it; reboot: always reboot; stage: enable only, no reboot" },
    { "foreign_maintenance", "boolean", default = false, late = true,
      doc = "also use hosts in maintenance mode that another user set; they stay in it (--allow foreign-maintenance)" },
  },
  approvals = {
    reboot = "reboot hosts", ["guest-shutdown"] = "shut down the guests of running VMs",
    sessions = "shut down VMs while users are logged in",
    ["foreign-maintenance"] = "use hosts that another user put into maintenance mode",
  },
  claims = { "host" },
  needs = { "Host.Config.PciPassthru", "Host.Config.Settings", "Host.Config.Maintenance" },
}

--- VMs that cannot be migrated are shut down, and started again.
function step.also_needs(_, scope)
  if scope and scope.options.roll.guests == "keep" then return {} end
  return { "VirtualMachine.Interact.PowerOff", "VirtualMachine.Interact.PowerOn" }
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

--- The chosen cards and all functions that belong to them (dependentDevice), as device records.
local function closure(record, chosen)
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

local NO_IOMMU = "; no device of this host is. Enable VT-d (AMD: IOMMU) in its BIOS"

local function any_capable(record)
  for _, device in pairs(record.devices) do if device.capable then return true end end
  return false
end

--- The first reason not to pass these devices through, or nil.
local function refusal(record, list, chosen)
  local wanted = {}
  for _, card in ipairs(chosen) do wanted[card.address] = true end
  for _, device in ipairs(list) do
    local reason = record.protected[device.address]
    if reason then
      local how = wanted[device.address] and "" or ", a dependent device of the cards"
      return ("%s: %s%s: %s; it is never passed through"):format(record.name, hosts.short(device.address), how, reason)
    end
    if device.capable == false or device.capable == nil then
      return ("%s: %s (%s) is not capable of passthrough%s"):format(record.name, hosts.short(device.address),
        device.name or "?", any_capable(record) and "" or NO_IOMMU)
    end
    if device.vgpu then return ("%s: %s: %s"):format(record.name, hosts.short(device.address), device.vgpu) end
  end
end

local function chosen_cards(target)
  local node = target.options.devices or check(target.scope:resolve(target)).devices
  check(node, "host.enable: no devices are given. Set devices = p.gpus { ... } in the step or in p.hosts", "EPLAYBOOK")
  local list, others = labels.choose(target.record, node)
  if target.options.whole == "board" then list = with_boards(target.record, list) end
  return list, node, others
end

function step.observe(ctx, target)
  local record = ctx.planning and target.record or ctx.fleet:refresh_host(target.record)
  local chosen, node, others = chosen_cards(target)
  if record.connection ~= "connected" and reboot.started(ctx, target) then
    -- the card states of such a host are from before the reboot: do not use them
    return { record = record, chosen = chosen, away = true }
  end
  if #chosen == 0 then
    local seen = {}
    for _, card in ipairs(record.cards) do
      seen[#seen + 1] = ("%04x:%04x%s at %s"):format(card.vendor, card.device,
        card.label and " " .. card.label or "", hosts.short(card.address))
    end
    local what = ("%s (its GPUs: %s)"):format(selector.describe(node), #seen > 0 and table.concat(seen, ", ") or "none")
    return nil, ("%s: no card matches %s"):format(record.name, what), "ENOCARDS",
      { skip = "has no card that matches " .. what }
  end
  local list = closure(record, chosen)
  local stage, pending = {}, {}
  for _, device in ipairs(list) do
    if not device.enabled then stage[#stage + 1] = device
    elseif not device.active then pending[#pending + 1] = device end
  end
  local seen = { record = record, chosen = chosen, devices = list, stage = stage, pending = pending, owed = {},
    node = node, others = others }
  if #stage + #pending > 0 and target.options.apply ~= "stage" then
    seen.busy, seen.holders = drain.classify(ctx, record), drain.holders(ctx, record, list)
    if target.scope.options.roll.guests == "shutdown-idle" then
      seen.cannot = drain.cannot_shut_down(ctx, record, seen.busy.bound)
    end
  elseif #stage + #pending == 0 then
    seen.owed = drain.owed(ctx, target)
  end
  return seen
end

--- What a reboot needs and which VMs it affects, as plan lines.
local function reboot_changes(target, seen, changes)
  local record, busy, roll = seen.record, seen.busy, target.scope.options.roll
  local off = #busy.bound > 0 and drain.SHUTDOWN_SECONDS or 0
  local draining, rebooting = units.duration(roll.drain_within), units.duration(roll.back_within)
  local seconds = off + draining + rebooting
  local allow = { what = "reboot"
    .. (#busy.bound > 0 and (", after shutting down %s"):format(drain.names(busy.bound)) or "")
    .. (#busy.movable > 0 and (", with vMotion of %s"):format(drain.names(busy.movable)) or ""),
    sign = "~", allow = "reboot", verb = "reboot", activates = seen.chosen, out = { seconds,
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
      allow = "guest-shutdown", verb = "guest shutdown", stops = drain.all_names(busy.bound), stop_seconds = seconds }
    for _, privilege in ipairs { "VirtualMachine.Interact.PowerOff", "VirtualMachine.Interact.PowerOn" } do
      table.insert(changes.needs, { privilege = privilege, objects = busy.bound })
    end
    local used = drain.in_use(busy.bound)
    if #used > 0 then
      changes[#changes + 1] = { what = "end the user sessions of " .. drain.names(used), sign = "-", allow = "sessions",
        verb = "session" }
    end
  end
  if #busy.movable > 0 and record.cluster.drs ~= "fullyAutomated" then
    return nil, ("%s: %s must be migrated first, but DRS of %s is %s. Migrate the VMs, or set DRS to fully automated")
      :format(record.name, drain.names(busy.movable), record.cluster.name, record.cluster.drs), "EREFUSED"
  end
  changes[#changes + 1] = allow
  table.insert(changes.needs, "Host.Config.Maintenance")
  return true
end

function step.plan(ctx, target, seen)
  local record, changes = seen.record, {}
  if seen.away then
    return { { what = "wait for the host to return from this run's reboot", sign = "~", allow = "reboot",
      verb = "reboot", activates = seen.chosen } }
  end
  local entering = not maintenance.entered(ctx, target)
  local unlabelled, label = labels.missing(seen.node, (labels.choose(record, seen.node)))
  if unlabelled then
    local why = labels.refusal(record)
    if why then return nil, why, "EREFUSED" end
    changes[1] = labels.change(unlabelled, label)
    if #seen.others > 0 then ctx:note(target, "left alone, with another label: " .. labels.others(seen.others)) end
  end
  if #seen.stage == 0 and #seen.pending == 0 then
    if unlabelled then changes.needs = { "Host.Config.PciPassthru" } end
    if record.maintenance and not entering then
      changes[#changes + 1] = { what = "leave maintenance mode, which this run entered", sign = "~",
        verb = "maintenance exit" }
    end
    if #seen.owed > 0 then
      changes[#changes + 1] = { what = ("start %s, which this run shut down"):format(drain.names(seen.owed)),
        sign = "~", verb = "start" }
    end
    return changes
  end
  -- without Host.Config.Settings only Refresh fails, which the run does not depend on
  changes.needs = { "Host.Config.PciPassthru" }
  local why = refusal(record, seen.devices, seen.chosen)
  if why then return nil, why, "EREFUSED" end
  if record.maintenance and entering then
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
      settings[i] = { name = hosts.short(device.address) .. " passthrough", before = "off", after = "enabled" }
    end
    changes[#changes + 1] = { what = "enable " .. cards.addresses(seen.stage), sign = "~", verb = "enable",
      addresses = seen.stage, settings = settings }
  else
    ctx:note(target, cards.addresses(seen.pending) .. ": enabled but not active: pending reboot")
  end
  if target.options.apply == "stage" then return changes end
  if target.options.apply == "auto" and record.rebind and #seen.holders == 0 then
    changes[#changes + 1] = { what = "activate without a reboot", sign = "~", verb = "rebind",
      activates = seen.chosen }
    return changes
  end
  local ok, message, code = reboot_changes(target, seen, changes)
  if not ok then return nil, message, code end
  return changes
end

local function find(changes, verb)
  for _, change in ipairs(changes) do if change.verb == verb then return change end end
end

function step.apply(ctx, target, changes, seen)
  local record = target.record
  if seen.away then
    local ok, message, code, detail = reboot.cycle(ctx, target, nil, function()
      local now, why, how = step.observe(ctx, target)
      if not now then return nil, why, how end
      return not now.away and down.still_enabled(ctx, target, now)
    end)
    if not ok then return nil, message, code, detail end
    seen, message, code = step.observe(ctx, target)
    if not seen then return nil, message, code end
    ok, message, code = cards.settle(ctx, target, seen)
    if not ok then return nil, message, code end
    return down.back_to_work(ctx, target, not maintenance.entered(ctx, target))
  end
  local ok, message, code, detail
  if #seen.stage == 0 and #seen.pending == 0 then
    ok, message, code, detail = labels.set(ctx, target, seen.node)
    if not ok then return nil, message, code, detail end
    return down.back_to_work(ctx, target, not maintenance.entered(ctx, target))
  end
  ok, message, code, detail = cards.stage(ctx, target, seen)
  if not ok then return nil, message, code, detail end
  ok, message, code, detail = labels.set(ctx, target, seen.node)
  if not ok then return nil, message, code, detail end
  if target.options.apply == "stage" then return true end
  if find(changes, "rebind") then
    if cards.rebind(ctx, target, seen) then return true end
    ctx:require_approval("reboot", record.name .. ": activating without a reboot did not work; a reboot")
  end
  local foreign = record.maintenance and not maintenance.entered(ctx, target)
  ok, message, code, detail = down.and_back(ctx, target, seen, foreign)
  if not ok then return nil, message, code, detail end
  ok, message, code = cards.settle(ctx, target, seen)
  if not ok then return nil, message, code end
  return down.back_to_work(ctx, target, foreign)
end

function step.prove(ctx, target)
  local seen, message, code = step.observe(ctx, target)
  if not seen then return nil, message, code end
  local unlabelled, label = labels.missing(seen.node, seen.chosen)
  if unlabelled then
    return nil, ("%s: %s does not have the label %s"):format(target.name, cards.addresses(unlabelled), label), "EPROOF"
  end
  if target.options.apply == "stage" then return cards.addresses(seen.devices) .. " enabled, pending reboot" end
  local missing = cards.missing(target.record, seen.devices)
  if #missing > 0 then return nil, ("%s: %s"):format(target.name, table.concat(missing, ", ")), "EPROOF" end
  return cards.addresses(seen.devices) .. " active"
end

return step
