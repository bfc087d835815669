--- The steps: one file each. All of them, also custom steps, follow one contract:
--
--   { name = "gpu.attach", scope = "vms" or "hosts", options = { fields of gpupt.options }, needs = { privileges },
--     approvals = { word = "what for" }, claims = { "host", "cards" },
--     observe(ctx, target) -> seen                     reads the server, changes nothing
--     plan(ctx, target, seen) -> changes[, forecast]   a list; empty = nothing to do. Only computes from seen: its ctx
--                                                      has note, may and did, but no server
--     apply(ctx, target, changes, seen)                makes these changes only, with ctx:call and ctx:task
--     prove(ctx, target) -> text                       reads again; nil, message, code if it is not as wanted
--     undo(ctx, target, done) -> { changes, lost, left, gone }   optional: how what a run did is taken back (below)
--     prepare(ctx, target, done),                      optional: reads from other servers what observe uses, for all
--                                                      hosts of a plan side by side; observe reports what is wrong
--     secrets(options, changes),                       optional: reads and checks its secrets before a run starts
--     place(fleet, target, options) -> { memory_mb =, stores = { datastores that its host must mount } },
--                                                      optional: of the VM that it creates, to choose a host
--     goes(fleet, target, options) -> references       optional: the hosts that an existing VM may be moved to
--     requires(options, target, changes) }             optional: what the plan's preflight checks for these changes:
--       { files = { { path = "[datastore] file" } }, guest = { id =, version = }, disk_bytes = of new disks, once they
--         are full, disk_now = bytes that they use at once }
--
-- A failure is nil, message, code from any of them, or an error raised by gpupt.check. If observe adds a detail
-- { skip = "why" }, a plan skips this host, unless all hosts of the scope fail so. A change is { what = "text", sign =
-- "+" | "~" | "-" | "!" | "?", verb = "reboot", allow = "word", activates = { cards }, starts = true if it powers the
-- VM on, off_meanwhile = true if it shuts the VM down, after_host = true if it is made after a host that waits for its
-- VMs (ctx:after_host), goes = { from =, to = } if it moves the VM from host to host }; its word is one of the step's
-- approvals. The forecast contains the effects of the changes on the target ({ memory_mb =, installs =, ... }); its
-- later steps read it in target.forecast. changes.needs, if set, lists the privileges that these changes need, in place
-- of the step's: names, or { privilege =, objects = { { ref =, name = } } }; changes.lost, or a change's lost, names
-- what no undo takes back; changes.rows are lines of the plan's table of causes { VM, state, cause, fix }. In these
-- functions, target.options are the step's options for this target.
--
-- undo looks at the server like observe, and changes nothing itself; ctx and target are those of the run that undoes.
-- `done` lists what the other run did to this target in this step, from its journal, oldest first: { action, object,
-- what, detail = { method, args, values, devices... }, made = the created object, ended = true unless its outcome is
-- unknown }; done.run is that run's id, done.all are the changes of all steps at this target. The result:
--   changes  what has to be taken back now, in order: as plan's, each with make(ctx, target) -> true, or nil, message,
--            code, detail. One without make belongs to the one before it
--   lost     texts: what cannot be undone. left: texts: what was changed since, which stays
--   gone     true: the target itself goes (its VM is deleted), so its other steps have nothing to undo
--   forecast, needs: as of plan
-- It compares: only what is still as the run left it is taken back, to the value before, which the journal has
-- (gpupt.step.vm_values). When all changes are made it is called again and gives none: that is the proof. So it may be
-- interrupted anywhere, and it must never use target.options: the playbook may have changed since.
local nearest = require "gpupt.nearest"
local options = require "gpupt.options"

---@alias gpupt.Seen table          what observe returned; its fields are the step's own business

---@class gpupt.Change              one line of a plan
---@field what string               for people
---@field sign "+"|"~"|"-"|"!"|"?"
---@field verb string               a stable word: "enable", "reboot", "create", "attach"...
---@field allow string?             the approval that it needs; one of the step's approvals
---@field starts boolean?           it powers the VM on: not possible on a host in maintenance mode
---@field off_meanwhile boolean?    it shuts the VM down, and only a later change starts it
---@field after_host boolean?       it waits for the VM's host, if that waits for its VMs (gpupt.playbook.turns)
---@field goes table?              it moves the VM: { from =, to = }, references to hosts
---@field activates gpupt.Card[]?   cards that are usable once it is done
---@field make function?            of an undo: makes this change

---@class gpupt.Undo               what undo returns
---@field changes gpupt.Change[]
---@field lost string[]?
---@field left string[]?
---@field gone boolean?
---@field forecast table?
---@field needs table?

local steps = {
  -- in the order in which a playbook uses them
  names = { "host.firmware", "host.enable", "vm.create", "vm.clone", "vm.move", "os.install", "os.present",
    "tools.ensure", "gpu.attach", "doctor.repair", "driver.install", "guest.verify", "horizon.agent", "horizon.pool",
    "gpu.detach", "vm.delete", "host.disable" },
}

--- The words of steps.approvals(), which loads every step. spec/step/approval_words_spec.lua compares the two.
steps.approval_words = { "bios", "delete-snapshots", "delete-vm", "drain-vmotion", "foreign-maintenance",
  "guest-shutdown", "hide-hypervisor", "power-off", "reboot", "sessions", "vbs-off" }

local contract_fields = options.declare("step contract", {
  { "name", "string", required = true, doc = "the name of the step, as group.word" },
  { "scope", "string", required = true, choices = { "hosts", "vms" }, doc = "the targets it runs on" },
  { "options", "table", default = {}, doc = "the declared options" },
  { "needs", "table", default = {}, doc = "the privileges that its calls need" },
  { "checks", "table", default = {}, doc = "the privileges that only a plan's checks need" },
  { "approvals", "table", default = {}, doc = "the approvals that its changes may need: { word = 'what for' }" },
  { "claims", "table", default = {}, doc = "what a run claims for its targets: 'host' or 'cards'" },
  { "also_needs", "function", doc = "also_needs(options, scope) -> privileges that depend on the options (nil: all)" },
  { "after", "table", default = {}, doc = "steps that must come before it, each with the reason" },
  { "login", "boolean", default = false, doc = "it runs programs in the guest: p.vms needs a login" },
  { "repeatable", "boolean", default = false, doc = "may be used more than once in a scope" },
  { "after_vms", "boolean", default = false, doc = "its hosts wait for the VMs of the plan, not these for their host" },
  { "undo_first", "boolean", default = false,
    doc = "its undo comes before that of the target's other steps, whose reboot it needs" },
  { "after_host", "boolean", default = false, doc = "it waits for the VM's host, if that waits for its VMs" },
  { "canary", "integer", doc = "how many targets of a scope with this step are its canary, unless the scope says" },
  { "check", "function", doc = "check(options) -> message or nil, while the playbook is loaded" },
  { "place", "function", doc = "place(fleet, target, options) -> memory and datastores of the VM that it creates" },
  { "goes", "function", doc = "goes(fleet, target, options) -> references to the hosts that the VM may be moved to" },
  { "requires", "function", doc = "requires(options, target, changes) -> what the preflight checks" },
  { "secrets", "function", doc = "secrets(options, changes): reads and checks its secrets before a run starts" },
  { "prepare", "function",
    doc = "prepare(ctx, target, done): reads for all hosts of a plan side by side what observe uses; "
    .. "done: what undo gets" },
  { "observe", "function", required = true, doc = "reads the current state from the server" },
  { "plan", "function", required = true, doc = "returns what it would change" },
  { "apply", "function", required = true, doc = "makes the changes" },
  { "prove", "function", required = true, doc = "reads the state again and proves the result" },
  { "undo", "function", doc = "undo(ctx, target, done): how what a run did to the target is taken back" },
})

local known = setmetatable({}, { __mode = "k" })

--- Checks a contract; returns the step, or nil, message.
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

--- The step with this name.
function steps.load(name)
  if steps.is_own(name) then
    return nil, ("there is no step '%s'%s"):format(name, nearest.hint(name, steps.names)), "ENOENT"
  end
  local step, message = steps.contract(require("gpupt.step." .. name:gsub("%.", "_")))
  if not step then error(name .. ": " .. message) end
  return step
end

--- Whether a step of this name is the user's own.
function steps.is_own(name)
  for _, one in ipairs(steps.names) do if one == name then return false end end
  return true
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

--- A step with its options, as used in a playbook.
function steps.instance(step, given, source, node)
  return setmetatable({ step = step, name = step.name, options = given, source = source, node = node }, Instance)
end

--- The options for one target; nil, message, code.
function Instance:resolve(target)
  if self.node then return self.node:resolve(target) end
  return self.options
end

return steps
