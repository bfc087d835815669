--- The functions of a playbook: p.playbook, p.vars, p.hosts, p.vms, p.gpus, p.login, p.secret, p.answer and the steps.
-- Each call is checked immediately; an unknown name raises with the nearest known one. The steps' functions come from
-- the step files (gpupt.step), so that a step declares its options next to the code that uses them.
local answers = require "gpupt.step.answers"
local canary = require "gpupt.playbook.canary"
local caps = require "gpupt.playbook.caps"
local clock = require "gpupt.clock"
local declare = require "gpupt.playbook.declare"
local failure = require "gpupt.failure"
local find = require "gpupt.playbook.find"
local include = require "gpupt.playbook.include"
local limit = require "gpupt.playbook.limit"
local nearest = require "gpupt.nearest"
local options = require "gpupt.options"
local order = require "gpupt.playbook.order"
local source = require "gpupt.source"
local secret = require "gpupt.secret"
local selector = require "gpupt.fleet.selector"
local step_word = require "gpupt.playbook.step_word"
local steps = require "gpupt.step"
local unavailable = require "gpupt.playbook.unavailable"
local units = require "gpupt.units"
local vcenters = require "gpupt.playbook.vcenters"
local vm_name = require "gpupt.playbook.vm_name"
local waits = require "gpupt.step.waits"
local window = require "gpupt.playbook.window"

local language = {}

local function sorted_names(words)
  local names = {}
  for word in pairs(words) do names[#names + 1] = tostring(word) end
  table.sort(names)
  return names
end

-- Raises at the line that uses an unknown name.
local function unknown(name, word, names)
  error(("%s has no '%s'%s; it has %s"):format(name, tostring(word), nearest.hint(word, names),
    table.concat(names, ", ")), 3)
end

--- A table that raises for unknown names, with the nearest known one.
local function strict(name, words)
  local names = sorted_names(words)
  return setmetatable(words, { __index = function(_, word) unknown(name, word, names) end })
end

--- Makes the module from these words and the functions that programs call. While a playbook is loaded, an unknown name
-- is answered with the words alone.
function language.module(functions)
  language.module = nil
  local words, module = sorted_names(language), {}
  for word, value in pairs(language) do module[word] = value end
  for word, value in pairs(functions) do module[word] = value end
  local all = sorted_names(module)
  return setmetatable(module, { __index = function(_, word)
    if require "gpupt.playbook.load".current() then unknown("p", word, words) end
    unknown("gpupt.playbook", word, all)
  end })
end

language.gpus = declare.constructor("p.gpus", "gpus", {
  { "match", "string|table", doc = "vendor:device[:subvendor:subdevice] in hexadecimal, * allowed; or a list of them" },
  { "class", "string|table", doc = "a PCI class such as 0302, or a list" },
  { "address", "string|table", doc = "a PCI address, or a list" },
  { "label", "string|table", doc = "the hardware label of the card, or a list; p.host.enable sets the label of cards "
    .. "that match the other fields and have none" },
  { "bars", "string|table", doc = "measured BARs of cards that the table does not have: 16M/32,128G,32M" },
}, { check = selector.problem })

local found = declare.constructor("p.find", "find", find.fields, { check = find.problem })

--- p.find { path = ... }: existing hosts or VMs, for `where`.
function language.find(given)
  local book, where = require "gpupt.playbook.load".current(), source.of(1)
  local ok, node = pcall(found, given)
  if not ok then error((tostring(node):gsub("^[^:]+:%d+: ", "")), 2) end
  node.source, node.key = where, where
  if book then -- there may be several in one line
    book.finds = book.finds or {}
    book.finds[where] = (book.finds[where] or 0) + 1
    node.key = where .. "#" .. book.finds[where]
  end
  return node
end

local roll_options = options.declare("p.hosts roll", {
  { "unavailable", "string|table", default = "1/cluster", doc = "how many hosts may be out of service at once: "
    .. "N/cluster or P%/cluster (rounded down, at least 1), or N and the word of per, such as 1/rack; "
    .. "or a list of limits" },
  { "per", "string|function", doc = "groups of hosts other than clusters: the name of a custom attribute of the hosts, "
    .. "or else of a tag category (tag:rack: only of a category), folder (the inventory "
    .. "folder), or a function of the host { name, cluster } that returns the group's name" },
  { "guests", "string", choices = { "keep", "shutdown-idle" }, default = "keep",
    doc = "running VMs that have a card and cannot be migrated: keep refuses the host, "
      .. "shutdown-idle shuts idle ones down" },
  { "drain", "string", choices = { "drs", "vmotion" }, default = "drs", doc = "running VMs that fully automated DRS "
    .. "does not move: drs refuses the host, vmotion moves them (--allow drain-vmotion)" },
  { "back_within", "string", default = "45m", doc = "how long a reboot may take" },
  { "resend_after", "string", doc = "after this time a host that is still connected with its old boot time gets the "
    .. "reboot request once more, and never a third time; default: 15m, or half of back_within if that is less" },
  { "drain_within", "string", default = "30m", doc = "how long migrating the VMs to other hosts may take" },
  { "shutdown_within", "string", default = waits.defaults.shutdown_within,
    doc = "how long a guest may take to shut down; if one does not, the host is left as it was" },
  { "power_on_within", "string", default = waits.defaults.power_on_within,
    doc = "how long the power-on of a VM that the run shut down may take" },
  { "exit_within", "string", default = "15m", doc = "how long leaving maintenance mode may take" },
  { "ha_within", "string", default = waits.defaults.ha_within, doc = "in a cluster with HA: how long the HA agent of "
    .. "the host may take to be connected after that; then the host has failed, and no other host is started" },
  { "claim_within", "string", default = "15m",
    doc = "how long to wait for other hosts of the cluster that are out of service; then the host is deferred" },
  { "settle_within", "string", default = waits.defaults.settle_within, doc = "how long a host of another run, which "
    .. "came later, may take to leave maintenance mode to this one" },
  { "answer_within", "string", default = waits.defaults.answer_within,
    doc = "how long the server may take to answer EnterMaintenanceMode; then its task is looked for" },
  { "cancel_after", "string", default = waits.defaults.cancel_after,
    doc = "how long after drain_within, which the server observes, EnterMaintenanceMode is cancelled" },
  { "cancel_within", "string", default = waits.defaults.cancel_within,
    doc = "how long EnterMaintenanceMode may take to end after it was cancelled" },
  { "watch_for", "string", default = waits.defaults.watch_for,
    doc = "how long a run that was resumed watches a host before it sends the second reboot request" },
  { "busy_within", "string", default = waits.defaults.busy_within,
    doc = "how long another task on the host may take, if a change of unknown outcome met it" },
  { "window", "string|table", doc = "when hosts may be rebooted: 22:00-05:00, Mon-Fri 22:00-05:00, or Sat,Sun "
    .. "00:00-24:00 Europe/Berlin (or UTC, +02:00, vcenter: the zone of its appliance; default: the time of this "
    .. "computer); or a list. A reboot that could last (back_within) beyond its end does not start" },
  { "window_within", "string", default = "24h",
    doc = "how long a run waits until the window opens; then the host is deferred" },
  { "max_failures", "integer|string",
    doc = "start no further targets after so many failed hosts of this roll: a count, or a percentage such as 10%" },
})

-- Reads the window: roll.opening. A message, or nil.
local function window_problem(roll)
  if not roll.window then return end
  local opening, message = window.parse(roll.window)
  if not opening then return message end
  local longest = opening:longest(clock.wall())
  if longest < units.duration(roll.back_within) then
    return ("%s is open for %s at most, and a reboot may take back_within = %s"):format(opening.text,
      units.span(longest), roll.back_within)
  end
  roll.opening = opening
end

local function duration_problem(given, names)
  for _, name in ipairs(names) do
    local value = given[name]
    local seconds, message = true, nil
    if value then seconds, message = units.duration(value) end
    if not seconds then return ("%s: %s"):format(name, message) end
  end
end

local canary_option = { "canary", "integer",
  doc = "do so many targets first, then end the run for a look; --resume goes on [0; some steps: 1]" }

local function check_scope_steps(node, scope)
  local wrong = canary.problem(node.options.canary)
  if wrong then return wrong end
  if #node.children == 0 then return "has no steps" end
  for i, child in ipairs(node.children) do
    if not steps.is_instance(child) then
      if type(child) == "table" and type(child.observe) == "function" then
        local step, message = steps.contract(child)
        if not step then return ("entry %d: %s"):format(i, message) end
        node.children[i] = steps.instance(step, {}, node.source)
      else
        return ("entry %d is a %s, not a step"):format(i, declare.is(child) and child.name or type(child))
      end
    end
  end
  for _, child in ipairs(node.children) do
    if child.step.scope ~= scope then
      return ("%s (%s) belongs in p.%s, not in p.%s"):format(child.step.name, child.source, child.step.scope, scope)
    end
  end
  return order.problem(node.children)
end

language.hosts = declare.constructor("p.hosts", "hosts", {
  { "on", "string", doc = "the p.vcenter of these hosts, by its name; required if there are several" },
  { "where", "string|table", required = true,
    doc = "inventory paths of hosts or clusters, such as /DC/host/cluster/*, or p.find" },
  { "devices", "table", late = true, doc = "p.gpus: the default cards of the steps" },
  { "roll", "table", doc = "limits of the rolling reboot: how many hosts at once, and how long to wait" },
  canary_option,
}, { children = true, check = function(node)
  local devices = node.options.devices
  if devices and type(devices) ~= "function" and not declare.is(devices, "gpus") then
    return "devices must be p.gpus { ... }"
  end
  local _, wrong = find.where(node.options.where, "hosts")
  if wrong then return wrong end
  local problem = roll_options:problem(node.options.roll or {})
  if problem then return (problem:gsub("^p%.hosts roll", "roll")) end
  node.options.roll = roll_options:check(node.options.roll)
  node.options.roll.limits, problem = unavailable.limits(node.options.roll)
  if not node.options.roll.limits then return "roll: " .. problem end
  problem = duration_problem(node.options.roll, { "back_within", "resend_after", "drain_within", "shutdown_within",
    "exit_within", "claim_within", "window_within", "power_on_within", "ha_within", "settle_within", "answer_within",
    "cancel_after", "cancel_within", "watch_for", "busy_within" })
  if problem then return "roll: " .. problem end
  problem = window_problem(node.options.roll)
  if problem then return "roll: window: " .. problem end
  problem = limit.problem(node.options.roll.max_failures)
  if problem then return "roll: " .. problem end
  return check_scope_steps(node, "hosts")
end })

local placement_options = options.declare("p.vms place", {
  { "cluster", "string", doc = "name or inventory path of the cluster" },
  { "host", "string", doc = "name or inventory path of one host" },
  { "datastore", "string", doc = "name of the datastore" },
  { "network", "string", doc = "name of the network" },
  { "folder", "string", doc = "the VM folder, relative to the datacenter's VM folder" },
  { "datacenter", "string", doc = "the datacenter, where there are several" },
})

language.vms = declare.constructor("p.vms", "vms", {
  { "on", "string", doc = "the p.vcenter of these VMs, by its name; required if there are several" },
  { "where", "string|table", doc = "inventory paths of existing VMs, or p.find" },
  { "count", "integer", doc = "number of VMs to create" },
  { "name", "string", doc = "their name; {n} or {n:03} stands for the number" },
  { "place", "table", late = true, doc = "where to create the VMs: cluster or host, datastore, network, folder" },
  { "spread", "string", choices = { "even", "pack" }, default = "even",
    doc = "even: spread over all hosts; pack: fill host by host" },
  { "keep_free", "integer", default = 0, doc = "number of cards to keep free in each cluster (--allow over-commit)" },
  { "login", "table", late = true, doc = "p.login: the account inside the guest" },
  canary_option,
  { "shutdown_within", "string", default = waits.defaults.shutdown_within,
    doc = "how long a guest may take to shut down" },
  { "tools_within", "string", default = waits.defaults.tools_within,
    doc = "how long VMware Tools may take to run in a VM that was started a moment ago" },
  { "power_on_within", "string", default = waits.defaults.power_on_within,
    doc = "how long a power-on may take (with locked memory the host gives all of it first)" },
  { "busy_within", "string", default = waits.defaults.busy_within,
    doc = "how long another task on the VM may take, if a change of unknown outcome met it" },
  { "parallel", "table", doc = "how many VMs are worked on at once: { host = 8, datastore = 64, vcenter = 128 }" },
  { "max_failures", "integer|string",
    doc = "start no further targets after so many failed VMs of this scope: a count, or a percentage such as 10%" },
}, { children = true, check = function(node)
  local o = node.options
  if (o.where == nil) == (o.name == nil) then
    return "needs either `where` (existing VMs) or `name`"
  end
  if o.where then
    local _, wrong = find.where(o.where, "vms")
    if wrong then return wrong end
    if o.count or o.place then
      return ("%s is for VMs of a `name`; `where` takes VMs that exist, as many as match"):format(
        o.count and "count" or "place")
    end
  end
  if type(o.place) == "table" then
    local problem = placement_options:problem(o.place)
    if problem then return problem end
  end
  if o.keep_free < 0 then return ("keep_free = %d is less than 0"):format(o.keep_free) end
  local wrong = o.parallel and caps.problem(o.parallel) or duration_problem(o, { "shutdown_within", "tools_within",
    "power_on_within", "busy_within" })
  if wrong then return wrong end
  o.parallel = caps.of(o.parallel)
  if o.name then o.count = o.count or 1 end
  local many = o.name and vm_name.count_problem(o.count)
  if many then return many end
  if o.name and o.count > 1 and not o.name:find "{n" then
    return ("count = %d needs a number in the name, for example '%s-{n}'"):format(o.count, o.name)
  end
  wrong = o.name and vm_name.problem(o.name, o.count)
  if wrong then return wrong end
  if o.login and type(o.login) == "table" and not declare.is(o.login, "login") then
    return "login must be p.login(user, secret)"
  end
  local problem = limit.problem(o.max_failures) or check_scope_steps(node, "vms")
  if problem then return problem end
  for _, child in ipairs(node.children) do
    if child.step.login and not o.login then
      return ("%s (%s) needs an account in the guest: set login = p.login(user, secret)"):format(child.name,
        child.source)
    end
  end
end })

--- p.login(user, secret)
function language.login(user, password)
  if type(user) ~= "string" or user == "" then error("p.login needs a user name", 2) end
  if type(password) == "string" then
    error("p.login: a password must not be written in the playbook. Use p.secret.file, .env, .command or .callback", 2)
  end
  if not secret.is(password) then error("p.login needs a secret: p.secret.file, .env, .command or .callback", 2) end
  local make = declare.constructor("p.login", "login", { { "user", "string" }, { "password", "table" } })
  local node = make { user = user, password = password }
  node.source = source.of(1)
  return node
end

language.vcenter = vcenters.constructor

language.secret = strict("p.secret", { file = secret.file, env = secret.env, command = secret.command,
  callback = secret.callback })

--- p.vars { NAME = { default =, type =, choices =, secret =, doc = } }: declares variables. Returns the table to
-- read them from. A secret is a p.secret, to be passed to p.login and p.answer unchanged.
function language.vars(fields)
  if type(fields) ~= "table" then error("p.vars: expected a table of declarations, not a " .. type(fields), 2) end
  local book = require "gpupt.playbook.load".current()
  if not book then error("p.vars can be used only while a playbook is loaded, not in a function of a step", 2) end
  local vars, message = book.variables:declare(fields)
  if not vars then error("p.vars: " .. message, 2) end
  return vars
end

--- p.include "file.lua": executes a file of the playbook and returns what it returns. A relative name is looked up next
-- to the file that includes it.
function language.include(name)
  local where, from = source.of(1), source.file(1)
  if type(name) ~= "string" or name == "" then
    error("p.include needs the name of a file, for example p.include \"hosts.lua\"", 2)
  end
  local book = require "gpupt.playbook.load".current()
  if not book then error("p.include can be used only while a playbook is loaded, not in a function of a step", 2) end
  local chunk, message, code = include.open(book, name, from)
  if not chunk then
    if code == "ESTALE" then error(failure.new(message, code), 0) end
    error("p.include: " .. message, 2)
  end
  return include.run(book, chunk, where)
end

-- p.answer.KIND(options). A relative name of a file is looked up next to the file of the playbook that names it, and
-- the file is hashed as the playbook is.
local function answer_of(kind)
  return function(given)
    local where, from = source.of(1), source.file(1)
    local made = answers.make(kind, given, where, function(name)
      local book = require "gpupt.playbook.load".current()
      if not book then
        return nil, "file can be used only while a playbook is loaded, not in a function of a step"
      end
      return book.files:bytes(include.beside(from, name))
    end)
    return made -- not a tail call: the caller's line is needed
  end
end

local answer_kinds = {}
for _, kind in ipairs(answers.kinds) do answer_kinds[kind] = answer_of(kind) end
language.answer = strict("p.answer", answer_kinds)

-- By the time of p.playbook the variables have been read: it can declare secrets, but no defaults.
local function declare_late(fields)
  local book = require "gpupt.playbook.load".current()
  if not book then return end
  for name, one in pairs(fields) do
    if type(one) == "table" and one.default ~= nil then
      return ("vars: %s: defaults must be declared with p.vars at the top of the playbook"):format(
        tostring(name))
    end
  end
  local _, message = book.variables:declare(fields)
  return message and "vars: " .. message
end

language.playbook = declare.constructor("p.playbook", "playbook", {
  { "name", "string", required = true, doc = "name of the playbook; run ids begin with it" },
  { "vars", "table", doc = "marks variables as secrets, if p.vars is not used" },
  { "max_failures", "integer|string",
    doc = "start no further targets after so many failed ones, in all scopes without a max_failures of their own "
      .. "[2]: a count, or a percentage such as 10%" },
}, { children = true, check = function(node)
  if not node.options.name:find "%S" then return "name is empty: it tells runs apart in `gpupt status`" end
  local problem = node.options.vars and declare_late(node.options.vars)
  problem = problem or limit.problem(node.options.max_failures)
  if problem then return problem end
  local scopes = false
  for i, child in ipairs(node.children) do
    scopes = scopes or declare.is(child, "hosts") or declare.is(child, "vms")
    if not (declare.is(child, "hosts") or declare.is(child, "vms") or declare.is(child, "vcenter")) then
      return ("entry %d is a %s, not p.hosts, p.vms or p.vcenter"):format(i,
        steps.is_instance(child) and "step (" .. child.step.name .. ")" or type(child))
    end
    child.playbook = node
  end
  if not scopes then return "has neither p.hosts nor p.vms" end
  return canary.conflict(node.children) or vcenters.assign(node)
end })

--- p.step(contract): a constructor for a custom step.
function language.step(contract)
  local step, message = steps.contract(contract)
  if not step then error("p.step: " .. message, 2) end
  local word = step_word(step) -- no tail call: the caller's line is looked up
  return word
end

-- p.host.enable and so on: one function per step file
for _, name in ipairs(steps.names) do
  local group, word = name:match "^(.-)%.(.+)$"
  language[group] = rawget(language, group) or {}
  language[group][word] = step_word.named(name)
end
for _, name in ipairs(steps.names) do
  local group = name:match "^(.-)%."
  if not getmetatable(language[group]) then strict("p." .. group, language[group]) end
end

return language
