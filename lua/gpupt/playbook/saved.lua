--- Saved plans: everything that a plan depends on, stored in a file and compared before the plan is applied.
-- The file is JSON that only its owner can read: the playbook and all files that it loaded with their hashes, its
-- variables (secrets have stand-ins), the changes, and guards: for each host its boot time and the states of its cards,
-- for each VM its changeVersion. The files are compared before any of them is executed. If a guard differs, or the plan
-- would make other changes, it is refused with the differences. A seal (a hash of the content) detects damage and
-- manual edits; it is not a signature, because anyone who can write the file can seal it.
local hosts = require "gpupt.fleet.host"
local identity = require "gpupt.playbook.identity"
local json = require "gpupt.json"
local kept = require "gpupt.playbook.kept"
local missing = require "gpupt.missing"
local options = require "gpupt.options"
local regular = require "gpupt.regular"
local remembered = require "gpupt.playbook.remembered"
local sha256 = require "gpupt.sha256"
local system = require "gpupt.core".system
local visible = require "gpupt.visible"

local saved = {}

local FORMAT = "gpupt plan 2"
local LIMIT = 64 << 20
local SINCE, ADVICE = "the plan was created", "create a new plan"

local function host_guard(record)
  local words = { tostring(record.boot_time), record.maintenance and "maintenance" or "" }
  for _, card in ipairs(record.cards) do words[#words + 1] = card.address .. " " .. hosts.state(card) end
  return table.concat(words, "; ")
end

local function guards(plan)
  local list = {}
  for _, record in ipairs(plan.fleet.hosts) do list["host " .. record.name] = host_guard(record) end
  local label = identity.labels(plan.vms)
  for _, target in ipairs(plan.vms) do
    list["vm " .. label(target.name, target.identity)] = target.vm and tostring(target.vm.change_version)
      or "does not exist"
  end
  return list
end

--- The hash of a plan's content; nil, message, code if JSON cannot represent it.
function saved.seal(content)
  local copy = {}
  for name, value in pairs(content) do if name ~= "seal" then copy[name] = value end end
  local text, message, code = json.encode(copy, { invalid = "replace" })
  if not text then return nil, message, code end
  return sha256(text)
end

-- What a plan of one vCenter is compared with.
local function part_of(plan)
  return { endpoint = plan.vc.host, guards = guards(plan), changes = json.array(plan:changes()),
    remembered = remembered.save(plan) }
end

-- The same for several vCenters.
local function parts_of(plans)
  local content = { parts = {}, guards = {}, changes = json.array(plans:changes()), remembered = {} }
  local hosts_of = {}
  for _, part in ipairs(plans.parts) do
    if part.plan then
      content.parts[part.name] = part_of(part.plan)
      hosts_of[#hosts_of + 1] = part.plan.vc.host
    end
  end
  content.endpoint = table.concat(hosts_of, ", ")
  return content
end

function saved.write(plan, path)
  local playbook = plan.playbook
  local content = { format = FORMAT, playbook = playbook.path, hash = playbook.hash,
    files = json.array(table.move(playbook.files, 1, #playbook.files, 1, {})), vars = kept.variables(playbook.vars),
    limit = plan.limit, text = tostring(plan) }
  for name, value in pairs(plan.parts and parts_of(plan) or part_of(plan)) do content[name] = value end
  local text, message, code
  content.seal, message, code = saved.seal(content)
  if not content.seal then return nil, message, code end
  text, message, code = json.document(content)
  if not text then return nil, message, code end
  return system.write(path, text)
end

-- ---- reading: the content is checked before it is used

local function is_text(value) return type(value) == "string" end
local function is_hash(value) return is_text(value) and #value == 64 and value:find "^%x+$" ~= nil end

--- Whether a value is a list of { path =, hash = }, with the playbook first.
function saved.is_files(value)
  if type(value) ~= "table" or #value == 0 then return false end
  local count = 0
  for name, one in next, value do
    count = count + 1
    if math.type(name) ~= "integer" or type(one) ~= "table" or not is_text(one.path) or not is_hash(one.hash) then
      return false
    end
  end
  return count == #value
end

local function is_table_of_texts(value)
  if type(value) ~= "table" then return false end
  for name, text in next, value do if not is_text(name) or not is_text(text) then return false end end
  return true
end

local function is_variables(value)
  if type(value) ~= "table" then return false end
  for name in next, value do if not is_text(name) then return false end end
  return true
end

local function are_changes(value)
  if type(value) ~= "table" then return false end
  for _, one in next, value do
    if type(one) ~= "table" or not is_text(one.target) or not is_text(one.step) or not is_text(one.sign)
      or not is_text(one.what) then
      return false
    end
  end
  return true
end

local function are_parts(value)
  if value == nil then return true end
  if type(value) ~= "table" then return false end
  for name, part in next, value do
    if not is_text(name) or type(part) ~= "table" or not is_table_of_texts(part.guards) or not are_changes(part.changes)
      or not is_text(part.endpoint) then
      return false
    end
  end
  return true
end

-- What is wrong with the decoded content, or nil.
local function problem_of(value)
  if type(value) ~= "table" or not is_text(value.format) or not value.format:find "^gpupt plan %d+$" then
    return "is not a gpupt plan file", "EFORMAT"
  end
  if value.format ~= FORMAT then
    return ("is a plan file of another gpupt release (%s; this one reads %s): create a new plan"):format(value.format,
      FORMAT),
      "EVERSION"
  end
  local known = { playbook = is_text(value.playbook) and value.playbook ~= "" and not value.playbook:find "%z",
    hash = is_hash(value.hash),
    files = saved.is_files(value.files) and value.files[1].hash == value.hash, vars = is_variables(value.vars),
    guards = is_table_of_texts(value.guards), limit = value.limit == nil or is_text(value.limit),
    endpoint = is_text(value.endpoint), changes = are_changes(value.changes), parts = are_parts(value.parts),
    seal = saved.seal(value) == value.seal }
  for _, name in ipairs { "playbook", "hash", "files", "vars", "guards", "limit", "endpoint", "changes", "parts",
    "seal" } do
    if not known[name] then
      return ("is a damaged plan file (invalid '%s'): create a new plan"):format(name), "EFORMAT"
    end
  end
end

--- The checked content of a plan file; its playbook is not read. nil, message, code.
function saved.read(path)
  local text, unread, why = regular.read(path, LIMIT)
  if why == "EFBIG" then return nil, path .. " is too large for a gpupt plan file", "EFORMAT" end
  if not text then return nil, unread, why end
  local value, message, code = json.decode(text)
  if value == nil then return nil, ("%s: %s"):format(path, message), code end
  local problem
  problem, code = problem_of(value)
  if problem then return nil, ("%s: %s"):format(path, problem), code end
  return value
end

local load_options = options.declare("playbook.load_plan", {
  { "expect", "table", doc = "more expected files, see playbook.load" },
  { "argv", "table", doc = "the set of names in vars that came from a command line" },
})

-- The plan's variables, with the secrets that are given again. Other variables may be given again unchanged.
local function completed(path, value, given)
  local values = kept.restore(value.vars, true)
  for name, one in pairs(given or {}) do
    local planned = values[name]
    if planned ~= nil and missing.reason(planned) == nil and planned ~= one then
      return nil, ("%s: vars.%s is part of the plan and cannot be changed: create a new plan"):format(path,
        tostring(name)),
        "EUSAGE"
    end
    values[name] = one
  end
  return values
end

--- Reads a plan file and its playbook (with `load`), which must not have changed; nil, message, code.
function saved.load(path, load, given, o)
  o = load_options:check(o)
  local value, message, code = saved.read(path)
  if not value then return nil, message, code end
  local values
  values, message, code = completed(path, value, given)
  if not values then return nil, message, code end
  local expect = { { files = value.files, since = SINCE, advice = ADVICE } }
  for _, one in ipairs(o.expect or {}) do expect[#expect + 1] = one end
  local pb
  pb, message, code = load(value.playbook, values, { expect = expect, argv = o.argv, since = SINCE })
  if not pb then return nil, message, code end
  for name in pairs(given or {}) do
    -- the plan may have been made without the value of a secret; any other new variable would change it
    if value.vars[name] == nil and not pb.variables:is_secret(name) then
      return nil, ("%s: vars.%s was not set when the plan was created: create a new plan"):format(path, name), "EUSAGE"
    end
  end
  pb.saved = value
  return pb
end

local function lines_of(changes)
  local set, list = {}, {}
  for _, one in next, changes do
    list[#list + 1] = { name = one.target, identity = is_text(one.identity) and one.identity or nil }
  end
  local label = identity.labels(list)
  for _, one in next, changes do
    set[("%s %s: %s: %s"):format(one.sign, label(one.target, one.identity), one.step, one.what)] = true
  end
  return set
end

-- The guard of a host: boot time, maintenance, and the state of each card, by address.
local function parts(guard)
  local list, states, order = {}, {}, {}
  for word in (guard .. "; "):gmatch "(.-); " do list[#list + 1] = word end
  for i = 3, #list do
    local address, state = list[i]:match "^(%S+) (.*)$"
    if address then
      states[address] = state
      order[#order + 1] = address
    end
  end
  return list[1], list[2], states, order
end

local function host_moved(before, now)
  local boot, maintenance, was, order = parts(before)
  local boot_now, maintenance_now, is, order_now = parts(now)
  local words = {}
  if boot ~= boot_now then words[1] = ("it was booted at %s"):format(boot_now) end
  if maintenance ~= maintenance_now then
    words[#words + 1] = maintenance_now == "" and "it has left maintenance mode" or "it is in maintenance mode"
  end
  for _, address in ipairs(order) do
    if was[address] ~= is[address] then
      words[#words + 1] = ("%s was %s, is %s"):format(hosts.short(address), was[address], is[address] or "gone")
    end
  end
  for _, address in ipairs(order_now) do
    if not was[address] then words[#words + 1] = ("%s is new"):format(hosts.short(address)) end
  end
  return table.concat(words, "; ")
end

-- What has moved between two guards, in words.
local function moved_text(name, before, now)
  if not now then return "it is not part of the plan any more" end
  if name:find "^host " then return host_moved(before, now) end
  if now == "does not exist" then return "it does not exist any more" end
  if before == "does not exist" then return "it was created since" end
  return ("it was changed since (changeVersion %s)"):format(now)
end

-- The refusal of a plan, with one line for each reason.
local function stale(text, reasons)
  table.sort(reasons)
  local lines = { text }
  for i, reason in ipairs(reasons) do lines[i + 1] = "  " .. reason end
  return nil, visible.lines(lines), "ESTALE"
end

-- The changes must be those of the saved plan.
local function compare_changes(plan, value)
  local now, before, other = lines_of(plan:changes()), lines_of(value.changes), {}
  for line in pairs(before) do if not now[line] then other[#other + 1] = "no longer: " .. line end end
  for line in pairs(now) do if not before[line] then other[#other + 1] = "new: " .. line end end
  if #other == 0 then return true end
  return stale("the plan would now contain different changes: create a new plan", other)
end

--- True if nothing that the saved plan depends on has changed; nil, message, "ESTALE".
function saved.compare(plan, value)
  local now, moved = guards(plan), {}
  for name, text in pairs(value.guards) do
    if now[name] ~= text then
      moved[#moved + 1] = ("%s: %s"):format(name, moved_text(name, text, now[name]))
    end
  end
  for name in pairs(now) do
    if value.guards[name] == nil then moved[#moved + 1] = name .. ": is new" end
  end
  if #moved == 0 then return compare_changes(plan, value) end
  return stale("the fleet has changed since the plan was created: create a new plan", moved)
end

return saved
