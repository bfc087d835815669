--- Hosts in maintenance mode, in a plan: which of them leave it by this plan, and which VMs cannot be started on them.
local hosts = require "gpupt.fleet.host"
local out_of_service = require "gpupt.playbook.out_of_service"

local in_maintenance = {}

local function entered(plan, target)
  return out_of_service.entered(plan.ctx, target.record.name, target.identity) or nil
end

--- Of hosts that are planned after their VMs: those that this run put into maintenance mode leave it before these VMs
-- are started.
function in_maintenance.expect(plan, list)
  for _, target in ipairs(list) do
    target.record.leaves = target.record.maintenance and entered(plan, target) or nil
  end
end

--- The plan ends the maintenance mode of a host that this run put into it. The other hosts in maintenance mode stay in
-- it, and no VM can be started on them: `skipped` names them.
function in_maintenance.note(plan, list)
  for _, target in ipairs(list) do
    local record, entry = target.record, target.entry
    if record.maintenance and not entry.skip then
      record.leaves = entry.changes and entered(plan, target) or nil
      if not record.leaves and not entry.problem then
        plan.skipped[#plan.skipped + 1] = { target = record.name, text = ("%s is in maintenance mode, and stays in it: "
          .. "no VM is started on it until it leaves maintenance mode"):format(record.name) }
      end
    end
  end
end

--- A VM that would be started on a host in maintenance mode is left out.
function in_maintenance.leave_out(entry)
  local target = entry.target
  local why = target.ref and target.host and hosts.closed(target.host)
  for _, step in ipairs(why and entry.steps or {}) do
    for _, change in ipairs(step.changes) do
      if change.starts then
        entry.skip, entry.away = ("cannot be started, because its host %s %s"):format(target.host.name, why), true
        entry.problem = entry.problem or {}
      end
    end
  end
end

local STAYS = "the host is still in maintenance mode"

--- What is said of a host whose steps ended early, with the mode in which that left it: the text, which may be nil.
function in_maintenance.add(text, target)
  if not (target and target.kind == "host" and target.record.maintenance) then return text end
  if text and text:find("maintenance mode", 1, true) then return text end
  return text and ("%s; %s"):format((text:gsub("%.$", "")), STAYS) or STAYS
end

return in_maintenance
