--- A round of the random soak: a fleet and a playbook by chance, planned, applied, applied again and undone, perhaps
-- killed on the way and resumed.
--   round.case(seed) -> { seed =, fleet =, playbooks = { scopes }, miss =, kill = { what =, where =, point = } }
--   round.run(case)  -> { kind = "applied", ... }, problems: a list of texts, "KIND: what"
local fleet_state = require "spec.support.fleet_state"
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local random_fleet = require "spec.support.random_fleet"
local random_playbook = require "spec.support.random_playbook"

local round = {}

function round.case(seed)
  math.randomseed(seed)
  local chance = math.random
  local case = { seed = seed, fleet = random_fleet.make(chance) }
  -- several playbooks: of one that is refused the refusal is checked, and the next is tried
  case.playbooks = {}
  for i = 1, 8 do case.playbooks[i] = random_playbook.make(chance, case.fleet) end
  case.miss = chance()
  if chance() < 0.34 then
    case.kill = { what = chance() < 0.6 and "apply" or "undo", where = chance(), point = chance() < 0.5 and "before" or "after" }
  end
  return case
end

-- ---- names

-- The names that a text has, those of ranges as vm-[1-3,7] too.
local function names_in(text)
  local set = {}
  for before, list, after in text:gmatch "([%w._-]*)%[([%d,-]+)%]([%w._-]*)" do
    for part in list:gmatch "[^,]+" do
      local first, last = part:match "^(%d+)%-?(%d*)$"
      for n = tonumber(first), tonumber(last ~= "" and last or first) do
        set[("%s%0" .. #first .. "d%s"):format(before, n, after)] = true
      end
    end
  end
  for word in text:gmatch "[%w._-]+" do set[word:gsub("%.+$", "")] = true end
  return set
end

-- The names of the objects that changing calls are sent to.
local function names_of_refs(l)
  local names, truth = {}, l.sim:get "truth"
  for _, one in ipairs(truth.vms or {}) do names["VirtualMachine:" .. one.ref] = one.name end
  for _, one in ipairs(truth.hosts) do
    names["HostSystem:" .. one.ref] = one.name
    local ref = l:client():ref("HostSystem:" .. one.ref)
    names[tostring(gpupt.check(ref:get "configManager.pciPassthruSystem"))] = one.name
  end
  return names
end

local function list_of(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, " ")
end

-- ---- what the server did

local function calls(l)
  local list, page = {}, l.sim:get "journal"
  for _, entry in ipairs(page.requests or page) do
    if entry.changing then list[#list + 1] = entry end
  end
  return list
end

-- Methods that are sent to something other than what they change.
local MAKES = { CreateVM_Task = true, CloneVM_Task = true }

local function vms_of(truth)
  local set = {}
  for _, one in ipairs(truth.vms or {}) do set[one.name] = one end
  return set
end

-- What a run changed: { name = { method = count } }
local function changed(list, refs, made)
  local of = {}
  for _, call in ipairs(list) do
    local name = refs[call.this]
    if not MAKES[call.method] and name then
      of[name] = of[name] or {}
      of[name][call.method] = (of[name][call.method] or 0) + 1
    end
  end
  for name in pairs(made) do of[name] = of[name] or { Create = 1 } end
  return of
end

local function without_noise(truth)
  local copy = {}
  for _, kind in ipairs { "hosts", "vms" } do
    for _, one in ipairs(truth[kind] or {}) do
      one.guest, one.boot_time, one.next_boot = nil, nil, nil
      copy[#copy + 1] = gpupt.json.encode(one)
    end
  end
  table.sort(copy)
  return table.concat(copy, "\n")
end

-- ---- the checks

local BAD = { "EINTERNAL", "traceback", "attempt to ", "%.lua:%d+: in ", "bad argument", "internal error", "table: 0x",
  "function: 0x", "userdata: 0x", "nil value" }

local Round = {}
Round.__index = Round

function Round:problem(kind, format, ...)
  self.problems[#self.problems + 1] = kind .. ": " .. format:format(...)
end

function Round:reads_well(kind, text)
  for _, pattern in ipairs(BAD) do
    if text:find(pattern) then
      self:problem("text of " .. kind, "%s", text)
      self.stop = true
      return
    end
  end
end

function Round:known_names()
  local set = {}
  for _, kind in ipairs { "hosts", "vms" } do
    for _, one in ipairs(self.before[kind] or {}) do set[one.name] = true end
  end
  return set
end

-- A message about a fleet names a host or a VM of it, or one that is to be made.
function Round:names_something(kind, text)
  for name in pairs(names_in(text)) do
    if self:known_names()[name] or name:find "^new%d" or name:find "^cl%-" then return end
  end
  self:problem(kind, "%s", text)
end

function Round:nothing_changed(when)
  local list = calls(self.lab)
  if #list > 0 then self:problem("changed", "%s: %s %s", when, list[1].method, list[1].this) end
end

-- The plan refuses: the message says of what and why, and nothing has changed.
function Round:refused(message, code)
  self:reads_well("refusal", message)
  self:names_something("refusal names nothing", message)
  self:nothing_changed "a refused plan"
  if without_noise(self.lab.sim:get "truth") ~= without_noise(self.before) then
    self:problem("changed", "a refused plan")
  end
  return { kind = "refused", code = code, text = message }
end

function Round:command(words, env)
  words = table.move(words, 1, #words, 1, {})
  table.move({ "--journal", self.journal }, 1, 2, #words + 1, words)
  local done = self.lab:command(words, { env = env })
  done.status = done.status or -1
  if done.status ~= 137 then self:reads_well("text", done.err .. done.out) end
  return done
end

-- The command with its approvals, killed at a row of its journal if it is this round's turn, and resumed.
function Round:carry_out(what, words, needs, rows)
  local list = table.move(words, 1, #words, 1, {})
  if #needs > 0 then table.move({ "--allow", table.concat(needs, ",") }, 1, 2, #list + 1, list) end
  local kill, env = self.case.kill, nil
  if kill and kill.what == what then
    env = { GPUPT_KILL_ROW = ("%d:%s"):format(1 + math.floor(kill.where * rows), kill.point),
      LUA_INIT = "require 'spec.support.kill_at_row'" }
  end
  local done = self:command(list, env)
  self.id = self.id or done.err:match "run (random%-%S+)"
  if env and done.err:find "gpupt: " == nil and done.status > 128 then
    self.killed = what
    local again = { "undo", self.id }
    if what == "apply" then
      if not self.id then
        local book <close> = require "gpupt.store".read(self.journal)
        local newest = book and book:runs()()
        if not newest then -- it died before it began a run
          self.killed = nil
          return self:carry_on(what, self:command(list), needs)
        end
        self.id = newest.id
      end
      again = { "apply", "--resume", self.id }
    end
    if #needs > 0 then table.move({ "--allow", table.concat(needs, ",") }, 1, 2, 3 + #again - 2, again) end
    done = self:command(again)
  end
  return self:carry_on(what, done, needs)
end

-- A run that pauses after its canary goes on.
function Round:carry_on(_, done, needs)
  self.id = self.id or done.err:match "run (random%-%S+)"
  for _ = 1, 5 do
    if done.status ~= 5 then break end
    local again = { "apply", "--resume", self.id }
    if #needs > 0 then table.move({ "--allow", table.concat(needs, ",") }, 1, 2, 4, again) end
    done = self:command(again)
  end
  return done
end

-- Which of the changes of a plan are of which target, by their verbs.
local function planned(changes)
  local of = {}
  for _, change in ipairs(changes) do
    local target = of[change.target] or { text = "" }
    target[change.verb or "change"] = true
    target.text = target.text .. "\n" .. change.what
    of[change.target] = target
  end
  return of
end

-- What each call needs in the plan of its target.
local NEEDS = { RebootHost_Task = "reboot", PowerOffVM_Task = "power off" }

-- What was called is what the plan said.
function Round:as_planned(when, text, changes, refs, made, complete)
  local list = calls(self.lab)
  for _, call in ipairs(list) do
    if call.method == "RelocateVM_Task" or call.method == "MigrateVM_Task" then self.moved[call.this:match ":(.*)"] = true end
  end
  local of, named, plan = changed(list, refs, made), names_in(text), planned(changes)
  for name, methods in pairs(of) do
    if not named[name] then
      self:problem("not named", "%s changed %s (%s), which the plan does not name:\n%s", when, name, list_of(methods), text)
    end
    for method, verb in pairs(NEEDS) do
      if methods[method] and not (plan[name] and plan[name][verb]) and not text:find(verb, 1, true) then
        self:problem("not planned", "%s: %s of %s:\n%s", when, method, name, text)
      end
    end
    if (methods.RebootHost_Task or 0) > 1 then self:problem("twice", "%s rebooted %s twice:\n%s", when, name, text) end
  end
  if complete then
    for name in pairs(plan) do
      if not of[name] then self:problem("not done", "%s did nothing to %s:\n%s", when, name, text) end
    end
  end
end

local function made_between(before, after)
  local set, was, is = {}, vms_of(before), vms_of(after)
  for name in pairs(is) do if not was[name] then set[name] = true end end
  for name in pairs(was) do if not is[name] then set[name] = true end end
  return set
end

-- Applying without one of the approvals: 4, and no changing call.
function Round:missing(words, needs)
  local given, left = {}, 1 + math.floor(self.case.miss * #needs)
  for i, word in ipairs(needs) do if i ~= left then given[#given + 1] = word end end
  local list = table.move(words, 1, #words, 1, {})
  if #given > 0 then table.move({ "--allow", table.concat(given, ",") }, 1, 2, #list + 1, list) end
  local done = self:command(list)
  if done.status ~= 4 then
    self:problem("approval", "%s without %s ends with %s: %s", words[1], needs[left], done.status, done.err)
  end
  self:nothing_changed(words[1] .. " without " .. needs[left])
end

-- What a VM that ran, and a host that booted, leave and no one takes back: logs, what the guest last reported, and which
-- host HA elects.
local TRACES = { "guest%.", "dasHostState", "guestHeartbeatStatus", "vmware%-?%d*%.log", "storage%.perDatastoreUsage",
  "storage%.timestamp", "summary%.storage%.", "freeSpace", "quickStats", "summary%.uncommitted", "layoutEx%.file",
  "layoutEx%.disk", "layoutEx%.snapshot", "consumedOverhead",
  "^%S+ %[%S+%]/[%w%-]+: %d+ %-> %d+$", -- the size of a folder, which grows with its logs where /tmp is in memory
  "runtime%.maxCpuUsage", "runtime%.maxMemoryUsage", "lastPowerOn", "cleanPowerOff", "healthSystem" }

-- `moved`: VMs that this run moved itself; DRS moves others.
local function is_trace(difference, state, moved)
  for _, pattern in ipairs(TRACES) do if difference:find(pattern) then return true end end
  local path = difference:match "^(.-): "
  -- a card that was disabled and active until a reboot: the reboot, or the rebind, has happened
  local host = path:match "^(HostSystem:%S+) "
  if host and (path:find "passthruActive" or path:find "graphicsType" or path:find "rebootRequired") then
    for name, value in pairs(state) do
      if value == true and name:find(host, 1, true) == 1 and name:find "passthruActive$"
        and state[name:gsub("Active$", "Enabled")] == false then return true end
      if value == false and name:find(host, 1, true) == 1 and name:find "passthruActive$"
        and state[name:gsub("Active$", "Enabled")] == true then return true end
    end
  end
  local vm = path:match "^HostSystem:%S+ vm%[(.-)%]" or path:match "^VirtualMachine:(%S+) runtime%.host"
    or path:match "^VirtualMachine:(%S+) summary%.runtime%.host"
  return vm ~= nil and not moved[vm]
end

-- Differences that the plan of the undo announced: those of objects of which it said that something stays.
local function announced(difference, stays, refs)
  for ref in difference:gmatch "%a+:[%a-]+%-%d+" do
    if stays[refs[ref]] then return true end
  end
  for value in difference:gmatch "%[([%a-]+%-%d+)%]" do
    if stays[refs["VirtualMachine:" .. value]] then return true end
  end
end

function Round:undo(state, refs, truth_before)
  local l = self.lab
  l.sim:forget()
  local dry = self:command { "undo", self.id, "--dry-run", "--json" }
  self:nothing_changed "undo --dry-run"
  local plan = dry.status == 0 and gpupt.json.decode(dry.out)
  if self.stop then return end
  if not plan then
    self:names_something("undo refused, and names nothing", dry.err)
    self:problem("undo refused", "%s", dry.err)
    return
  end
  local text = self:command { "undo", self.id, "--dry-run" }.out
  if #plan.allow > 0 then self:missing({ "undo", self.id }, plan.allow) end
  local done = self:carry_out("undo", { "undo", self.id }, plan.allow, 3 * #plan.changes + 2)
  local after = l.sim:get "truth"
  for ref, name in pairs(names_of_refs(l)) do refs[ref] = refs[ref] or name end
  self:as_planned("undo", text, plan.changes, refs, made_between(truth_before, after), done.status == 0)
  if done.status ~= 0 then
    self:names_something("undo failed, and names nothing", done.err)
    self:problem("undo failed", "%s", done.err)
    return done.err
  end
  local stays = {}
  for _, list in ipairs { plan.lost, plan.left, plan.skipped } do
    for _, one in ipairs(list) do
      stays[one.target] = true
      for name in pairs(names_in(one.text or "")) do if self:known_names()[name] then stays[name] = true end end
    end
  end
  local lines = {}
  local now = fleet_state.read(l)
  for _, difference in ipairs(fleet_state.difference(state, now)) do
    if not is_trace(difference, state, self.moved) and not announced(difference, stays, refs) then lines[#lines + 1] = difference end
  end
  if #lines > 0 then
    self:problem("not undone", "%d differences:\n%s\n%s", #lines, table.concat(lines, "\n", 1, math.min(12, #lines)), text)
  end
  l.sim:forget()
  local again = self:command { "undo", self.id }
  if again.status == 0 and not again.out:find "nothing is left" then self:problem("undo again", "%s", again.out .. again.err) end
  self:nothing_changed "a second undo"
end

-- Plans one of the playbooks: the plan, or what else came of it.
function Round:plan(scopes)
  local l = self.lab
  self.path = l:write(random_playbook.text(scopes))
  local pb, message, code = gpupt.playbook.load(self.path)
  if not pb then
    self:reads_well("load", message)
    return nil, { kind = "not loaded", text = message, code = code }
  end
  local plan
  plan, message, code = pb:plan(l:client())
  self:nothing_changed "a plan"
  if not plan then return nil, self:refused(message, code) end
  self:reads_well("plan", plan:text())
  if #plan:changes() > 0 then return plan end
  local done = self:command { "apply", self.path }
  if done.status ~= 0 and done.status ~= 3 then self:problem("nothing", "ends with %s: %s", done.status, done.err) end
  self:nothing_changed "a plan without changes"
  return nil, { kind = "nothing", text = plan:text() }
end

function Round:go()
  local l, case = self.lab, self.case
  random_fleet.prepare(l, case.fleet)
  self.before, self.journal = l.sim:get "truth", l.dir .. "/journal.db"
  l.sim:forget()
  local plan, other, others
  others = {}
  for _, scopes in ipairs(case.playbooks) do
    plan, other = self:plan(scopes)
    self.scopes = scopes
    if plan then break end
    others[#others + 1] = other
  end
  if not plan then
    other.others = others
    return other
  end
  local text, changes, needs = plan:text(), plan:changes(), plan:needs()
  local state, refs = fleet_state.read(l), names_of_refs(l)
  l.sim:forget()
  if #needs > 0 then self:missing({ "apply", self.path }, needs) end
  l.sim:forget()
  local done = self:carry_out("apply", { "apply", self.path }, needs, 3 * #changes + 2)
  local after = l.sim:get "truth"
  for ref, name in pairs(names_of_refs(l)) do refs[ref] = refs[ref] or name end
  local whole = done.status == 0 or done.status == 3
  self:as_planned("apply", text, changes, refs, made_between(self.before, after), whole)
  local result = { kind = whole and "applied" or "failed", text = text, err = done.err, status = done.status,
    needs = needs, others = others }
  if done.status == 0 then
    l.sim:forget()
    local again = self:command { "apply", self.path, "--allow", table.concat(require "gpupt.playbook".approval_words(), ",") }
    if again.status ~= done.status then self:problem("again", "ends with %s: %s%s\nplan was:\n%s", again.status, again.err, again.out, text) end
    if not (again.out .. again.err):find "nothing to change" then
      self:problem("again", "changes something: %s%s\nplan was:\n%s", again.err, again.out, text)
    end
    self:nothing_changed "a second apply"
  elseif done.status ~= 3 then
    self:names_something("failure names nothing", done.err)
    if done.status ~= 1 then self:problem("status", "apply ends with %s: %s", done.status, done.err) end
  end
  if self.id then result.undo = self:undo(state, refs, after) end
  result.killed, result.scopes = self.killed, self.scopes
  return result
end

function round.run(case)
  local self = setmetatable({ case = case, problems = {}, moved = {} }, Round)
  local ok, result = xpcall(function()
    self.lab = lab.start { speed = 1000, fleet = case.fleet.file }
    return self:go()
  end, debug.traceback)
  if not ok then
    self:problem("crash", "%s", result)
    result = { kind = "crash" }
  end
  if self.lab then
    local fine, page = pcall(function() return self.lab.sim:get "truth" end)
    for _, one in ipairs(fine and page.violations or {}) do self:problem("violation", "%s %s (%s)", one.rule, one.what, one.why) end
    self.lab:stop()
  end
  return result, self.problems
end

return round
