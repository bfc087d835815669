--- The preflight of a plan: what would make its apply fail, found before anything changes, all at once.
-- Steps say what they require (`requires` in gpupt.step): files, a guest id, disk space, memory. These are collected
-- over all targets and read in a few requests, whatever the number of VMs:
--
--   preflight.look(plan, targets)        before cards are given to VMs: datastores, networks and memory of the hosts
--   preflight.check(plan, problems)      after all steps are planned: adds its problems, and plan.unverified
--
-- A check that the account may not make is no problem: plan.unverified names it with the privilege that it needs.
local findings = require "gpupt.playbook.preflight.findings"
local look = require "gpupt.playbook.preflight.look"
local secrets = require "gpupt.playbook.preflight.secrets"
local visible = require "gpupt.visible"

local preflight = {}

-- In the order in which their problems are printed.
local checks = { secrets.plan }
for _, name in ipairs { "privileges", "places", "merges", "guests", "media", "install_media", "memory", "dynamic",
  "capacity", "admission", "starts", "logins" } do
  checks[#checks + 1] = require("gpupt.playbook.preflight." .. name)
end

-- The steps after a problem: what they would change is not known, but a step that runs in the guest needs its login.
local function steps_left(entry, list)
  for i = #entry.steps + 1, entry.problem and #entry.target.scope.children or 0 do
    local instance = entry.target.scope.children[i]
    entry.target.instance = instance
    list[#list + 1] = { target = entry.target, instance = instance, changes = { needs = {} }, requires = {},
      options = instance:resolve(entry.target) or {} }
  end
end

--- The requirements of every step with changes: { target, instance, changes, requires, options }.
local function requirements(plan)
  local list = {}
  for _, entry in ipairs(plan.entries) do
    for _, one in ipairs(entry.steps) do
      if #one.changes > 0 then
        local step, o = one.instance.step, one.options or one.instance.options
        list[#list + 1] = { target = entry.target, instance = one.instance, changes = one.changes, options = o,
          requires = step.requires and step.requires(o, entry.target, one.changes) or {} }
      end
    end
    steps_left(entry, list)
  end
  return list
end

--- Reads what decides on which host a VM can be. `vms`: the targets that are VMs.
function preflight.look(plan, vms)
  plan.world = look.read(plan.fleet, vms)
end

--- Adds what is wrong to `problems`, and what could not be checked to plan.unverified. o.check_logins: tries the login
-- of running guests, once for each account.
function preflight.check(plan, problems, o)
  local found = findings.new()
  local needs = requirements(plan)
  plan.world = plan.world or look.read(plan.fleet, {})
  for _, check in ipairs(checks) do check(plan, needs, found, o or {}) end
  for _, problem in ipairs(found:problems()) do problems[#problems + 1] = problem end
  plan.unverified = found:unverified()
end

--- Right before a run: reads the secrets that the plan's changes need once, and does not keep them. true, or nil,
-- message, code with everything that is wrong.
function preflight.secrets(plan)
  local ok, message, code = plan.playbook.variables:ask()
  if not ok then return nil, message, code end
  local found = findings.new()
  secrets.run(requirements(plan), found)
  local lines = {}
  for i, problem in ipairs(found:problems()) do lines[i], code = problem.text, code or problem.code end
  if #lines > 0 then return nil, visible.lines(lines), code end
  return true
end

return preflight
