--- gpupt.playbook: the words of a playbook, and load(path, vars) for those who run one.
--
--   local pb   = gpupt.check(gpupt.playbook.load("first_light.lua", { site = "lab" }))
--   local plan = gpupt.check(pb:plan(vc, { limit = "esx-a-*" }))   print(plan)   plan:changes()   plan:save(path)
--   local run  = gpupt.check(plan:apply{ journal =, on_event =, allow = { "reboot" } })    run:result()
--
-- Inside a playbook, `local p = require "gpupt.playbook"` gives p.playbook, p.hosts, p.vms, p.gpus, p.login, p.secret
-- and the steps p.host.enable, p.vm.create, p.os.install, p.tools.ensure, p.gpu.attach, p.guest.verify, p.step.
local language = require "gpupt.playbook.language"
local options = require "gpupt.options"

local playbook = {}
for word, value in pairs(language) do if word ~= "strict" then playbook[word] = value end end

local Playbook = {}
Playbook.__index = Playbook
Playbook.__name = "gpupt.playbook"

--- Loads a playbook file; nil, message, code ("EPLAYBOOK" with file:line in the message, "ENOENT").
function playbook.load(path, vars)
  if type(path) ~= "string" then error("playbook.load: a path, not a " .. type(path), 2) end
  if vars ~= nil and type(vars) ~= "table" then error("playbook.load: vars is a table, not a " .. type(vars), 2) end
  local tree, message, code = require("gpupt.playbook.load").file(path, vars)
  if not tree then return nil, message, code end
  return setmetatable(tree, Playbook)
end

--- Reads a plan file of plan:save: the playbook it was made from, loaded, with `saved`, to be compared at apply.
function playbook.load_plan(path) return require("gpupt.playbook.saved").load(path, playbook.load) end

local plan_options = options.declare("playbook.plan", {
  { "limit", "string", doc = "a glob of target names: others are left alone" },
  { "journal", "userdata", doc = "an open journal, to see other runs' leases and this run's rows" },
  { "run", "string", doc = "the run that is resumed" },
})

--- Observes the fleet and says what would change. Makes no changing call.
function Playbook:plan(vc, o)
  return require("gpupt.playbook.plan").make(self, vc, plan_options:check(o))
end

--- The privileges that the steps' calls need: { {privilege=, step=, place=}... }, sorted.
function Playbook:needs()
  local list, seen = {}, {}
  for _, scope in ipairs(self.root.children) do
    for _, instance in ipairs(scope.children) do
      local needs = table.move(instance.step.needs, 1, #instance.step.needs, 1, {})
      local more = instance.step.also_needs and instance.step.also_needs(instance.options) or {}
      for _, privilege in ipairs(table.move(more, 1, #more, #needs + 1, needs)) do
        local key = privilege .. "\0" .. instance.name
        if not seen[key] then
          seen[key] = true
          list[#list + 1] = { privilege = privilege, step = instance.name, place = instance.place }
        end
      end
    end
  end
  table.sort(list, function(a, b)
    if a.privilege ~= b.privilege then return a.privilege < b.privilege end
    return a.step < b.step
  end)
  return list
end

return language.strict("gpupt.playbook", playbook)
