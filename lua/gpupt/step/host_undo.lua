--- The undo of host.enable and host.disable: the same rolling procedure the other way, for exactly those devices that
-- the run changed and that were not changed since. A run that was killed may also have left the host in maintenance
-- mode, and VMs shut down: that is taken back too (Context:inherit of gpupt.playbook.context).
local cards = require "gpupt.step.host_cards"
local host_bios = require "gpupt.step.host_bios"
local hosts = require "gpupt.fleet.host"
local maintenance = require "gpupt.step.host_maintenance"
local reboot = require "gpupt.step.host_reboot"
local release = require "gpupt.step.host_release"
local restore = require "gpupt.step.vm_restore"
local roll = require "gpupt.step.host_roll"

local undo = {}

-- The state of a device before the run, by address: { enabled =, active = }.
local function before_of(done)
  local list = {}
  for _, change in ipairs(done) do
    for _, entry in ipairs(change.detail.values or {}) do
      if entry.name == "passthruEnabled" and not list[entry.key] then
        list[entry.key] = { enabled = entry.before, active = entry.active }
      end
    end
  end
  return list
end

-- The devices that have to be set back, and what is left as it is.
local function devices_of(record, done, wanted, result)
  local list, before = {}, before_of(done)
  for _, one in ipairs((restore.fold(done))) do
    local device = one.name == "passthruEnabled" and record.devices[one.key]
    local labelled = one.name == "hardwareLabel" and record.devices[one.key]
    if labelled and labelled.label == one.after[#one.after][1] then
      -- the API reference says how a label is set, and nothing of one that is taken away
      result.lost[#result.lost + 1] = ("the label %s of %s stays: the vSphere API documents no way to take a hardware "
        .. "label away. Change it in the client of the host"):format(labelled.label, hosts.short(one.key))
    end
    if one.name == "passthruEnabled" and one.before ~= wanted then
      -- it was so before the run: nothing of it is the run's
      if before[one.key].active ~= one.before then
        result.lost[#result.lost + 1] = ("%s waited for a reboot before the run, and got it"):format(
          hosts.short(one.key))
      end
    elseif one.name == "passthruEnabled" and not device then
      result.left[#result.left + 1] = ("%s: the device is gone"):format(hosts.short(one.key))
    elseif device then
      local verdict, why = restore.judge(one, device.enabled == true)
      -- configured as before, and not yet so in effect: this undo was interrupted before its reboot
      local due = verdict == "nothing" and (device.active == true) ~= wanted and before[one.key].active == wanted
      if verdict == "restore" or due then
        list[#list + 1] = device
      elseif not verdict then
        result.left[#result.left + 1] = ("%s: %s"):format(hosts.short(one.key), why)
      end
    end
  end
  table.sort(list, function(a, b) return a.address < b.address end)
  return list
end

local function look(ctx, target, done, enabled, result)
  local record = ctx.planning and target.record or ctx.fleet:refresh_host(target.record)
  if record.connection ~= "connected" and reboot.started(ctx, target) then
    return { record = record, chosen = {}, devices = {}, enable = not enabled, away = true }
  end
  local devices = devices_of(record, done, not enabled, result)
  -- without a reboot by the run, what is in effect is as it was before the run
  local before, rebooted = before_of(done), false
  for _, device in ipairs(devices) do
    rebooted = rebooted or (before[device.address].active == true) ~= (device.active == true)
  end
  return roll.look(ctx, target, { record = record, chosen = devices, devices = devices, enable = not enabled },
    not rebooted and not host_bios.owed(ctx, target))
end

-- Everything is one procedure: its first line makes the change.
local function as_one(changes, make)
  for i, change in ipairs(changes) do change.make = i == 1 and make or nil end
  return changes
end

local function apply(done, enabled)
  return function(ctx, target)
    local result = { lost = {}, left = {} }
    local function observe() return look(ctx, target, done, enabled, result) end
    local seen = observe()
    local ok, message, code, detail = maintenance.end_earlier(ctx, target)
    if not ok then return nil, message, code, detail end
    local held = enabled and not seen.away and #seen.stage > 0 and release.held_now(ctx, seen.record, seen.stage)
    if held then return nil, held, "EREFUSED" end
    local changes
    changes, message, code = roll.plan(ctx, target, seen, function() end)
    if not changes then return nil, message, code end
    return roll.apply(ctx, target, changes, seen, observe)
  end
end

--- The undo of a step that enabled (or disabled) devices of a host.
function undo.of(ctx, target, done, enabled)
  local result = { changes = {}, lost = {}, left = {} }
  local seen = look(ctx, target, done, enabled, result)
  local changes, message, code = roll.plan(ctx, target, seen, function() end)
  if not changes then return nil, message, code end
  for _, change in ipairs(done) do
    if change.action == "reboot" then
      result.lost[#result.lost + 1] = "the reboot"
      break
    end
  end
  for _, change in ipairs(done) do
    if change.action == "vmotion" and change.ended then
      result.lost[#result.lost + 1] = change.what .. ": the VM stays there"
    end
  end
  if #changes == 0 and maintenance.earlier(ctx, target) then
    changes[1] = { sign = "~", verb = "maintenance exit",
      what = "cancel EnterMaintenanceMode, which the run started, and leave maintenance mode" }
  end
  result.needs = changes.needs
  result.changes = as_one(changes, apply(done, enabled))
  result.proof = #seen.devices > 0 and cards.addresses(seen.devices) .. (enabled and " off" or " active") or nil
  return result
end

return undo
