--- What the journal says of a run's scopes, for its undo: the limits of the roll, the steps, and which objects the
-- targets are. Of an undo it says what could not be taken back.
local json = require "gpupt.json"
local note = require "gpupt.playbook.journal".note
local rows_of = require "gpupt.playbook.rows"
local steps_waits = require "gpupt.step.waits"

local scopes = {}

local function scope_note(plan, scope)
  local list, targets = {}, {}
  for i, instance in ipairs(scope.children) do list[i] = { name = instance.name, source = instance.source } end
  for _, of in ipairs { plan.hosts, plan.vms } do
    for _, target in ipairs(of) do
      if target.scope == scope then
        targets[#targets + 1] = { name = target.name, identity = target.identity, ref = target.ref }
      end
    end
  end
  local waits = { parallel = scope.options.parallel }
  for name in pairs(scope.kind == "vms" and steps_waits.defaults or {}) do waits[name] = scope.options[name] end
  return note { kind = scope.kind, waits = waits, roll = scope.options.roll, steps = list, targets = targets }
end

--- Writes the rows of a plan that is applied: true; nil, message, code.
function scopes.write(store, run, plan)
  local rows, tree = {}, plan.playbook
  for _, what in ipairs(tree.undoes and { "lost", "left" } or {}) do
    for _, one in ipairs(tree[what]) do rows[#rows + 1] = { kind = what, target = one.target, identity = one.identity,
      what = one.text } end
  end
  for _, scope in ipairs(tree.undoes and {} or tree.root.children) do
    rows[#rows + 1] = { kind = "scope", source = scope.source, what = "p." .. scope.kind,
      detail = scope_note(plan, scope) }
  end
  for _, row in ipairs(rows) do
    row.run = run
    local ok, message, code = rows_of.add(store, row)
    if not ok then return nil, message, code end
  end
  return true
end

--- A text of a row as a table; an empty one if it is none.
function scopes.decoded(text)
  local value = text and json.decode(text)
  return type(value) == "table" and value or {}
end

--- Names a step or scope of a run: two may be on one line.
function scopes.key_of(name, source) return (source or "?") .. "\0" .. (name or "?") end

-- A scope as its first row describes it.
local function first(row, detail)
  local scope = { kind = detail.kind, source = row.source, roll = detail.roll, waits = detail.waits, order = {},
    step_of = {}, refs = {} }
  for i, one in ipairs(detail.steps or {}) do
    scope.order[i] = scopes.key_of(one.name, one.source)
    scope.step_of[scope.order[i]] = one
  end
  return scope
end

--- The scopes of a run: { kind =, source =, roll =, waits =, step_of = { key -> { name, source } }, order = { keys },
-- refs = {
-- identity, or in an older journal name, -> reference as text } }. A run that was resumed wrote them again.
function scopes.read(store, run)
  local list, by_key = {}, {}
  for row in store:rows(run) do
    if row.kind == "scope" then
      local detail = scopes.decoded(row.detail)
      local key = scopes.key_of(detail.kind, row.source)
      if not by_key[key] then
        by_key[key] = first(row, detail)
        list[#list + 1] = by_key[key]
      end
      for _, target in ipairs(detail.targets or {}) do
        local which = target.identity or target.name
        by_key[key].refs[which] = by_key[key].refs[which] or target.ref or false
      end
    end
  end
  return list
end

return scopes
