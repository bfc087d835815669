--- gpupt.playbook: the functions that playbooks use, and load(path, vars) for programs that run one.
--
--   local pb   = gpupt.check(gpupt.playbook.load("first_light.lua", { site = "lab" }))
--   local plan = gpupt.check(pb:plan(vc, { limit = "esx-a-*" }))   print(plan)   plan:changes()   plan:save(path)
--   local run  = gpupt.check(plan:apply{ journal =, on_event =, allow = { "reboot" } })    run:result()
--
-- Inside a playbook, `local p = require "gpupt.playbook"` gives p.playbook, p.hosts, p.vms, p.gpus, p.find, p.login,
-- p.secret, p.vars, p.include, p.step and the steps p.host.enable, p.vm.create, p.os.install, p.os.present,
-- p.tools.ensure, p.gpu.attach, p.guest.verify.
local language = require "gpupt.playbook.language"
local options = require "gpupt.options"
local steps = require "gpupt.step"

local playbook = {}

local Playbook = {}
Playbook.__index = Playbook
Playbook.__name = "gpupt.playbook"

local load_options = options.declare("playbook.load", {
  { "expect", "table", doc = "the expected files; if they differ, nothing is executed: a list of "
    .. "{ files = { { path =, hash = }... }, since = 'the plan was created', advice = 'create a new plan' }" },
  { "argv", "table", doc = "the set of names in vars that came from a command line, where secrets are refused" },
  { "since", "string", doc = "when the secrets in vars were omitted, for messages: 'run x was started'" },
})

--- Loads a playbook file; nil, message, code ("EPLAYBOOK" with file:line in the message, "ENOENT", "ESTALE" if it is
-- not as expected, "ESECRET" for a secret without a value, "EUSAGE" for invalid variables). A variable that is a secret
-- may be given as a string, a function or a p.secret; it is never stored.
function playbook.load(path, vars, o)
  if type(path) ~= "string" then error("playbook.load: path must be a string, not a " .. type(path), 2) end
  if vars ~= nil and type(vars) ~= "table" then
    error("playbook.load: vars must be a table, not a " .. type(vars), 2)
  end
  for name in pairs(vars or {}) do
    if type(name) ~= "string" then error("playbook.load: names in vars must be strings, not a " .. type(name), 2) end
  end
  local tree, message, code = require("gpupt.playbook.load").file(path, vars, load_options:check(o))
  if not tree then return nil, message, code end
  return setmetatable(tree, Playbook)
end

--- Reads a plan file of plan:save and loads its playbook, if that and its files have not changed. Its field `saved` is
-- compared at apply. vars: the secrets, which a plan file does not contain.
function playbook.load_plan(path, vars, o)
  if type(path) ~= "string" then error("playbook.load_plan: path must be a string, not a " .. type(path), 2) end
  if vars ~= nil and type(vars) ~= "table" then
    error("playbook.load_plan: vars must be a table, not a " .. type(vars), 2)
  end
  return require("gpupt.playbook.saved").load(path, playbook.load, vars, o)
end

local Undo = {}
Undo.__index = Undo
Undo.__name = "gpupt.undo"

local undo_options = options.declare("playbook.undo", {
  { "vars", "table", default = {}, doc = "variables, including secrets, if the run used steps of the user's own" },
  { "argv", "table", doc = "the set of names in vars that came from a command line, where secrets are refused" },
})

--- What takes back what a run did: its plan(vc) says what can be taken back, what cannot (plan:lost()) and what was
-- changed since and stays (plan:left()); that plan is applied like any other. nil, message, code ("EREFUSED" if a
-- process works on the run, or it was undone already; "EVERSION" for runs of earlier releases).
function playbook.undo(journal, id, o)
  if type(id) ~= "string" then error("playbook.undo: id must be a string, not a " .. type(id), 2) end
  o = undo_options:check(o)
  local record, message, code = require("gpupt.playbook.undo").check(journal, id)
  if not record then return nil, message, code end
  return setmetatable({ journal = journal, record = record, options = o }, Undo)
end

local open_options = options.declare("playbook.open", {
  { "path", "string", doc = "a playbook or a plan file; default with resume: the playbook of the run" },
  { "vars", "table", default = {}, doc = "variables, including secrets" },
  { "argv", "table", doc = "the set of names in vars that came from a command line, where secrets are refused" },
  { "journal", "userdata", doc = "an open journal that contains the run to resume" },
  { "resume", "string", doc = "the run to resume: its id, or the beginning of it" },
})

--- Opens what is to be applied: a playbook, a plan file or a run to resume. Returns a playbook whose plan() uses the
-- run and the limit, and refuses a saved plan that no longer holds; nil, message, code.
function playbook.open(o)
  o = open_options:check(o)
  if o.resume and not o.journal then error("playbook.open: resume needs an open journal", 2) end
  if not (o.path or o.resume) then error("playbook.open: path or resume is required", 2) end
  local record = o.resume and playbook.find_run(o.journal, o.resume)
  if record and record.kind == "undo" then
    return playbook.undo(o.journal, record.undoes, { vars = o.vars, argv = o.argv })
  end
  return require "gpupt.playbook.subject"(o, function(tree) return setmetatable(tree, Playbook) end)
end

--- The journal of a --journal value (the user's own file without one): its path, the open journal, one of its runs.
function playbook.journal_path(url) return require("gpupt.playbook.journal").path(url) end
function playbook.open_journal(url) return require("gpupt.playbook.journal").open(url) end
--- The journal, opened for reading only; nil, message, "ENOENT" if there is none yet.
function playbook.read_journal(url) return require("gpupt.playbook.journal").read(url) end
function playbook.find_run(journal, id) return require("gpupt.playbook.journal").find(journal, id) end

--- What became of a run (a record of journal:runs or find_run), see gpupt.playbook.account; and its state alone. Both
-- only read the journal.
function playbook.account(journal, record, o) return require("gpupt.playbook.account").of(journal, record, o) end
function playbook.run_state(journal, record) return (require("gpupt.playbook.account").state(journal, record)) end

--- Follows a run in another process until it ends, see gpupt.playbook.follow.
function playbook.follow(url, id, o) return require("gpupt.playbook.follow").run(url, id, o) end

--- The claims that are in force in a journal, or all of one run: a list of { resource =, what =, host =, vm =, run =,
-- state =, kept =, text =, next = }. `state` is that of the run's process: "running", "stopped", "gone", "unseen"
-- (on another computer), "none" (the run has ended).
function playbook.claims(journal, run) return require("gpupt.playbook.holder").claims(journal, run) end

local stop_options = options.declare("playbook.stop", {
  { "now", "boolean", default = false, doc = "also cancel the steps in progress" },
})

--- Asks the process that works on a run to stop, within seconds: it finishes the steps in progress and starts nothing
-- more. { run =, state =, process = }; nil, message, code ("EENDED" if no process works on it).
function playbook.stop(journal, id, o)
  if type(id) ~= "string" then error("playbook.stop: id must be a string, not a " .. type(id), 2) end
  return require("gpupt.playbook.stop").run(journal, id, stop_options:check(o))
end

local release_options = options.declare("playbook.release", {
  { "force", "table", default = {}, doc = "names of hosts whose claims are released though the run left them out of "
    .. "service" },
})

--- Releases the claims of a run that no process works on, after a look at their hosts: { run =, complete =, claims = {
-- { what =, host =, vm =, state =, released =, kept = why not } } }; nil, message, code ("EREFUSED" if a process does).
function playbook.release(journal, vc, id, o)
  if type(id) ~= "string" then error("playbook.release: id must be a string, not a " .. type(id), 2) end
  return require("gpupt.playbook.release").run(journal, vc, id, release_options:check(o))
end

local evacuate_options = options.declare("playbook.evacuate", {
  { "to", "table", doc = "names or inventory paths of the hosts to use; default: the others of the host's cluster" },
  { "out", "string", doc = "the file to write; default: evacuate-HOST.lua" },
})

--- Writes the playbook that moves the VMs with cards of a host to other hosts: { path =, vms = how many, host =,
-- left = { { name =, why = } } }; nil, message, code.
function playbook.evacuate(vc, host, o)
  if type(host) ~= "string" then error("playbook.evacuate: host must be a string, not a " .. type(host), 2) end
  return require("gpupt.playbook.evacuate").write(vc, host, evacuate_options:check(o))
end

--- The variables in a --var-file; nil, message, code.
function playbook.read_var_file(path) return require("gpupt.playbook.var_file").read(path) end

--- Whether a limit is well-formed: true; nil, message, "EINVAL".
function playbook.check_limit(limit)
  local ok, message, code = require("gpupt.playbook.patterns").compile(limit)
  if not ok then return nil, message, code end
  return true
end

local OVER_COMMIT = { word = "over-commit", doc = "leave fewer cards free than keep_free", steps = {} }

--- The words that --allow accepts, sorted.
function playbook.approval_words()
  local words = table.move(steps.approval_words, 1, #steps.approval_words, 1, {})
  words[#words + 1] = OVER_COMMIT.word
  table.sort(words)
  return words
end

--- The approvals that --allow accepts: { { word =, doc =, steps = { names } } }, sorted by word.
function playbook.approvals()
  local list = steps.approvals()
  list[#list + 1] = OVER_COMMIT
  table.sort(list, function(a, b) return a.word < b.word end)
  return list
end

--- The privileges that all steps together need: { { privilege =, step = }... }.
function playbook.needs_of_all_steps()
  local list = {}
  for _, name in ipairs(steps.names) do
    local step = steps.load(name)
    for _, needs in ipairs { step.needs, step.checks, step.also_needs and step.also_needs() or {} } do
      for _, privilege in ipairs(needs) do list[#list + 1] = { privilege = privilege, step = name } end
    end
  end
  return list
end

local plan_options = options.declare("playbook.plan", {
  { "limit", "string|table", doc = "patterns of host and VM names as in inventory paths, with commas or as a list; "
    .. "!PATTERN excludes; other targets are not changed" },
  { "journal", "userdata", doc = "an open journal, to read the earlier rows of this run and the claims of others" },
  { "run", "string", doc = "the run to resume" },
  { "check_logins", "boolean", default = false,
    doc = "also try the logins in guests that run; reads the passwords, also from commands" },
  { "secrets", "boolean", default = true,
    doc = "false: do not read secrets, for a plan by a user who has none; apply reads them" },
})

--- Logs in to the vCenters that the playbook names with p.vcenter: a list of { name =, host =, vc = client }, or of
-- { name =, url =, message =, code = } for those that cannot be reached. It has a close(). nil, message, code.
function Playbook:connect() return require("gpupt.playbook.vcenters").connect(self) end

--- The names of these vCenters; empty if the connection does not come from the playbook. nil, message, code.
function Playbook:vcenters()
  local nodes, message, code = require("gpupt.playbook.vcenters").of(self)
  if not nodes then return nil, message, code end
  local names = {}
  for i, node in ipairs(nodes) do names[i] = node.options.name end
  return names
end

-- The plan of the vCenter that a run to resume was for.
local function resumed_plan(self, sites, o)
  local site = require("gpupt.playbook.vcenters").by_name(sites)[self.vcenter]
  if not site then error(("playbook.plan: there is no connection to the vCenter '%s'"):format(self.vcenter), 3) end
  if not site.vc then return nil, site.message, site.code end
  return require("gpupt.playbook.plan").make(self, site.vc, o)
end

-- The options of a plan, checked.
local function for_plan(o)
  o = plan_options:check(o)
  for _, one in ipairs(type(o.limit) == "table" and o.limit or {}) do
    if type(one) ~= "string" then error("playbook.plan: limit must be a list of strings, not of " .. type(one), 2) end
  end
  o.new_limit = o.limit ~= nil
  return o
end

--- Reads the fleet and returns what would change. Makes no changing call. `vc` is a client; for a playbook with
-- p.vcenter it is what connect() returned, or a table of clients by the vCenters' names.
function Playbook:plan(vc, o)
  o = for_plan(o)
  o.limit, o.run = o.limit or self.limit, o.run or self.run
  local nodes, message, code = require("gpupt.playbook.vcenters").of(self)
  if not nodes then return nil, message, code end
  if #nodes > 0 then
    if self.vcenter then return resumed_plan(self, vc, o) end
    return require("gpupt.playbook.several").make(self, vc, o)
  end
  local plan, detail
  plan, message, code, detail = require("gpupt.playbook.plan").make(self, vc, o)
  if not plan then return nil, message, code, detail end
  plan.undo = playbook.undo
  return plan
end

--- An undo is of one vCenter, whose connection the caller opens.
function Undo.vcenters() return {} end

--- Reads the fleet and returns what would be taken back. Makes no changing call.
function Undo:plan(vc, o)
  o = for_plan(o)
  local tree, message, code = require("gpupt.failure").catch(require("gpupt.playbook.undo").tree, self.journal, vc,
    self.record.id, self.options)
  if not tree then return nil, message, code end
  o.journal, o.limit, o.run = self.journal, o.limit or tree.limit, tree.run
  return require("gpupt.playbook.plan").make(tree, vc, o)
end

--- The privileges that the steps' calls need: { {privilege=, step=, source=}... }, sorted.
function Playbook:needs()
  local list, seen = {}, {}
  for _, scope in ipairs(self.root.children) do
    for _, instance in ipairs(scope.children) do
      local needs = table.move(instance.step.needs, 1, #instance.step.needs, 1, {})
      table.move(instance.step.checks, 1, #instance.step.checks, #needs + 1, needs)
      local more = instance.step.also_needs and instance.step.also_needs(instance.options, scope) or {}
      for _, privilege in ipairs(table.move(more, 1, #more, #needs + 1, needs)) do
        local key = privilege .. "\0" .. instance.name
        if not seen[key] then
          seen[key] = true
          list[#list + 1] = { privilege = privilege, step = instance.name, source = instance.source }
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

return language.module(playbook)
