--- host.disable: takes cards of a host out of passthrough, by the rolling procedure of host.enable: without a reboot if
-- the host supports that, else by the reboot after which they no longer are active. A card that is in the configuration
-- of a VM, running or not, is refused, unless a step of the same plan takes it from that VM (p.gpu.detach): the hosts
-- of this step wait for the VMs of the plan.
local cards = require "gpupt.step.host_cards"
local release = require "gpupt.step.host_release"
local reboot = require "gpupt.step.host_reboot"
local roll = require "gpupt.step.host_roll"

local host_undo = require "gpupt.later" "gpupt.step.host_undo"

local step = {
  name = "host.disable", scope = "hosts", after_vms = true,
  options = {
    { "devices", "table", doc = "p.gpus: which cards; default: the devices of p.hosts" },
    { "apply", "string", choices = { "auto", "reboot", "stage" }, default = "auto", late = true,
      doc = "auto: without a reboot if the host supports it; reboot: always reboot; stage: disable only, no reboot" },
    { "whole", "string", choices = { "board" }, late = true,
      doc = "board: also the other cards and the NVSwitches of the cards' boards" },
    { "foreign_maintenance", "boolean", default = false, late = true,
      doc = "also use hosts in maintenance mode that another user set; they stay in it (--allow foreign-maintenance)" },
  },
  approvals = roll.approvals,
  claims = { "host" },
  needs = roll.needs,
}

function step.also_needs(_, scope) return roll.more_needs(scope) end

function step.observe(ctx, target)
  local record = ctx.planning and target.record or ctx.fleet:refresh_host(target.record)
  local chosen, node = roll.chosen(step.name, target)
  if record.connection ~= "connected" and reboot.started(ctx, target) then
    return { record = record, chosen = chosen, enable = false, away = true }
  end
  if #chosen == 0 then return roll.none(record, node) end
  chosen = roll.whole(target, chosen)
  local seen = { record = record, chosen = chosen, enable = false, devices = roll.closure(record, chosen) }
  return roll.look(ctx, target, seen, target.options.apply == "stage")
end

--- Who holds the cards is checked for the whole plan (gpupt.playbook.plan), because VMs of the plan may free them.
function step.plan(ctx, target, seen) return roll.plan(ctx, target, seen, function() end) end

function step.apply(ctx, target, changes, seen)
  local held = not seen.away and #seen.stage > 0 and release.held_now(ctx, seen.record, seen.stage)
  if held then return nil, held, "EREFUSED" end
  return roll.apply(ctx, target, changes, seen, function() return step.observe(ctx, target) end)
end

function step.prove(ctx, target)
  local seen, message, code = step.observe(ctx, target)
  if not seen then return nil, message, code end
  if target.options.apply == "stage" then return cards.addresses(seen.devices) .. " disabled, pending reboot" end
  local missing = cards.missing(target.record, seen)
  if #missing > 0 then return nil, ("%s: %s"):format(target.name, table.concat(missing, ", ")), "EPROOF" end
  return cards.addresses(seen.devices) .. " no longer passed through"
end

--- What the run disabled is enabled again.
function step.undo(ctx, target, done) return host_undo.of(ctx, target, done, false) end

return step
