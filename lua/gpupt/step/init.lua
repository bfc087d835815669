--- The steps: one file each, by one contract, which a user's own step follows as well.
--
--   { name = "gpu.attach", scope = "vms" or "hosts", options = { fields of gpupt.options }, needs = { privileges },
--     approvals = { word = "what for" }, claims = { "host", "cards" },
--     observe(ctx, target) -> seen                     reads the server, changes nothing
--     plan(ctx, target, seen) -> changes[, forecast]   a list; empty = nothing to do. Computes from seen: its ctx has
--                                                      note, may and did, and no server
--     apply(ctx, target, changes, seen)                changes only that, through ctx:call and ctx:task
--     prove(ctx, target) -> text                       reads again; nil, message, code when it does not hold
--     secrets(options, changes) }                      optional: asks and checks its secrets before a run begins
--
-- Failing is nil, message, code from any of them, or an error raised by gpupt.check. A change is { what = "text",
-- sign = "+" | "~" | "-" | "!" | "?", verb = "reboot", allow = "word", activates = { cards } }; its word is one of the
-- step's approvals. The forecast says what the changes will make true of the target ({ memory_mb =, installs =, ... });
-- the target's later steps find it in target.forecast. Within the functions, target.options are the step's options for
-- this target.
local nearest = require "gpupt.nearest"
local options = require "gpupt.options"

local steps = {
  -- in the order in which a playbook uses them
  names = { "host.enable", "vm.create", "os.install", "tools.ensure", "gpu.attach", "guest.verify" },
}

local contract_fields = options.declare("step contract", {
  { "name", "string", required = true, doc = "as group.word" },
  { "scope", "string", required = true, choices = { "hosts", "vms" }, doc = "what it runs on" },
  { "options", "table", default = {}, doc = "the declared options" },
  { "needs", "table", default = {}, doc = "the privileges that its calls need" },
  { "approvals", "table", default = {}, doc = "the --allow words that its changes may ask for: { word = 'what for' }" },
  { "claims", "table", default = {}, doc = "what a run claims for its targets: 'host', 'cards'" },
  { "also_needs", "function", doc = "also_needs(options) -> privileges that depend on the options (nil: all)" },
  { "after", "table", default = {}, doc = "steps that must come before it, each with the reason" },
  { "login", "boolean", default = false, doc = "runs programs inside the guest: p.vms needs a login" },
  { "repeatable", "boolean", default = false, doc = "may stand more than once in a scope" },
  { "check", "function", doc = "check(options) -> message, when the playbook is loaded" },
  { "secrets", "function", doc = "secrets(options, changes): asks and checks its secrets before a run begins" },
  { "observe", "function", required = true, doc = "reads the server" },
  { "plan", "function", required = true, doc = "says what it would change" },
  { "apply", "function", required = true, doc = "changes it" },
  { "prove", "function", required = true, doc = "reads again" },
})

local known = setmetatable({}, { __mode = "k" })

--- Checks a contract; gives the step, or nil, message.
function steps.contract(given)
  if known[given] then return given end
  local problem = contract_fields:problem(given)
  if problem then return nil, problem end
  local step = contract_fields:check(given)
  for _, claim in ipairs(step.claims) do
    if claim ~= "host" and claim ~= "cards" then
      return nil, ("claims: '%s' is neither host nor cards"):format(claim)
    end
  end
  known[step] = true
  return step
end

--- The step of a name.
function steps.load(name)
  local ok = false
  for _, one in ipairs(steps.names) do ok = ok or one == name end
  if not ok then return nil, ("there is no step '%s'%s"):format(name, nearest.hint(name, steps.names)), "ENOENT" end
  local step, message = steps.contract(require("gpupt.step." .. name:gsub("%.", "_")))
  if not step then error(name .. ": " .. message) end
  return step
end

--- The approvals of all steps: { { word =, doc =, steps = { names } } }, by word.
function steps.approvals()
  local by_word, list = {}, {}
  for _, name in ipairs(steps.names) do
    for word, doc in pairs(steps.load(name).approvals) do
      local entry = by_word[word]
      if not entry then
        entry = { word = word, doc = doc, steps = {} }
        by_word[word], list[#list + 1] = entry, entry
      end
      entry.steps[#entry.steps + 1] = name
    end
  end
  table.sort(list, function(a, b) return a.word < b.word end)
  return list
end

local Instance = {}
Instance.__index = Instance

function steps.is_instance(value) return getmetatable(value) == Instance end

--- A step with options, as it stands in a playbook.
function steps.instance(step, given, source, node)
  return setmetatable({ step = step, name = step.name, options = given, source = source, node = node }, Instance)
end

--- The options for one target; nil, message, code.
function Instance:resolve(target)
  if self.node then return self.node:resolve(target) end
  return self.options
end

return steps
