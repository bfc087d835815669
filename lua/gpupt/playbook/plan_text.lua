--- A plan as text for people: visible lines, without the last line end.
local capacity = require "gpupt.playbook.capacity"
local folded = require "gpupt.folded"
local hosts = require "gpupt.fleet.host"
local limit = require "gpupt.playbook.limit"
local plan_groups = require "gpupt.playbook.plan_groups"
local ranges = require "gpupt.ranges"
local roll_text = require "gpupt.playbook.roll_text"
local stops = require "gpupt.playbook.stops"
local units = require "gpupt.units"
local visible = require "gpupt.visible"

--- "vcenter 8.0.3; 2 hosts; 4 GPUs: 4 off; excluded: 2 x 1a03:2000 (...)"
local function head(self)
  local about = self.vc.about
  local words = { ("%s %s"):format(self.vc.host, about.version), units.count(#self.fleet.hosts, "host") }
  local states, order, count = {}, {}, 0
  local left, left_order = {}, {}
  for _, record in ipairs(self.fleet.hosts) do
    for _, card in ipairs(record.cards) do
      local state = hosts.state(card)
      if not states[state] then order[#order + 1] = state end
      states[state] = (states[state] or 0) + 1
      count = count + 1
    end
    for _, out in ipairs(record.left_out) do
      local text = ("%04x:%04x (%s)"):format(out.device.vendor, out.device.device, out.why or "not a GPU")
      if not left[text] then left_order[#left_order + 1] = text end
      left[text] = (left[text] or 0) + 1
    end
  end
  table.sort(order)
  for i, state in ipairs(order) do order[i] = ("%d %s"):format(states[state], state) end
  words[#words + 1] = units.count(count, "GPU") .. (count > 0 and ": " .. table.concat(order, ", ") or "")
  if #left_order > 0 then
    for i, text in ipairs(left_order) do left_order[i] = ("%d x %s"):format(left[text], text) end
    words[#words + 1] = "excluded: " .. table.concat(left_order, ", ")
  end
  return table.concat(words, "; ")
end

--- "reboot x2, create x2"
local function totals(list)
  local counts, order = {}, {}
  for _, change in ipairs(list) do
    local verb = change.verb or "change"
    if not counts[verb] then order[#order + 1] = verb end
    counts[verb] = (counts[verb] or 0) + 1
  end
  for i, verb in ipairs(order) do order[i] = ("%s x%d"):format(verb, counts[verb]) end
  return table.concat(order, ", ")
end

-- Settings of one step that are listed one by one; more are named, and --diff shows their values.
local MOST_SETTINGS = 3

-- The changes of a group as they are printed: many settings of one step in one line.
local function lines_of(group, diff)
  local list, at = {}, 1
  while at <= #group.changes do
    local first, last = group.changes[at], at
    while group.changes[last + 1] and first.verb == "reconfigure" and first.settings
      and group.changes[last + 1].settings and group.changes[last + 1].verb == "reconfigure"
      and group.changes[last + 1].step == first.step do
      last = last + 1
    end
    if not diff and last - at >= MOST_SETTINGS then
      local names = {}
      for i = at, last do
        for _, one in ipairs(group.changes[i].settings) do names[#names + 1] = one.name end
      end
      list[#list + 1] = { sign = first.sign, step = first.step, what = ("%d settings: %s"):format(#names,
        table.concat(names, ", ")) }
      at = last + 1
    else
      list[#list + 1] = first
      at = at + 1
    end
  end
  return list
end

local function shown(value) return value == nil and "(not set)" or tostring(value) end

-- { text, indent of further lines }
local function change_lines(self, groups, diff, add)
  local target_width, step_width = 4, 4
  for _, group in ipairs(groups) do
    -- a long list of names does not push the text of all others to the right
    target_width = math.max(target_width, math.min(24, visible.width(group.label)))
    for _, change in ipairs(group.changes) do step_width = math.max(step_width, visible.width(change.step)) end
  end
  local noted = {}
  local function notes(group)
    local texts, names = {}, {}
    for _, name in ipairs(group.names) do names[name] = true end
    for _, event in ipairs(self.notes) do
      if names[event.target] then
        noted[event] = true
        if not texts[event.text] then
          texts[event.text] = {}
          texts[#texts + 1] = event.text
        end
        table.insert(texts[event.text], event.target)
      end
    end
    for _, text in ipairs(texts) do
      local whose = #texts[text] < #group.names and ranges.text(texts[text]) .. ": " or ""
      add("    " .. whose .. text, 4)
    end
  end
  for _, group in ipairs(groups) do
    for _, change in ipairs(lines_of(group, diff)) do
      local lead = ("%s %s  %s  "):format(change.sign, visible.pad(group.label, target_width),
        visible.pad(change.step, step_width))
      add(lead .. change.what, math.min(visible.width(lead), 40))
      for _, one in ipairs(diff and change.settings or {}) do
        add(("      %s: %s -> %s"):format(one.name, shown(one.before), shown(one.after)), 8)
      end
    end
    if group.place then add("    " .. group.place, 4) end
    notes(group)
  end
  for _, event in ipairs(self.notes) do
    if not noted[event] then
      add(event.target and ("  %s: %s"):format(event.target, event.text) or "  " .. event.text, 4)
    end
  end
end

-- What steps found out about their targets (doctor.repair): one line for each cause.
local function causes(entries)
  local rows = { { "VM", "STATE", "CAUSE (evidence)", "FIX" } }
  for _, entry in ipairs(entries) do
    for _, step in ipairs(entry.steps) do
      for _, row in ipairs(step.changes.rows or {}) do rows[#rows + 1] = row end
    end
  end
  return #rows > 1 and visible.table(rows) or {}
end

-- Of an undo, first what cannot be undone, then what was changed since.
local function undo_lines(self, add)
  local run = self.playbook.undoes
  if not run then return end
  add(("undo of run %s of %s"):format(run.id, os.date("!%Y-%m-%d %H:%M:%SZ", math.floor(run.at))))
  for _, one in ipairs(self:lost()) do add(("! %s: cannot be undone: %s"):format(one.target, one.text)) end
  for _, one in ipairs(self:left()) do add(("! %s: left as it is: %s"):format(one.target, one.text)) end
end

--- o.width: of the terminal; without it lines are not folded. o.diff: each setting before and after.
return function(self, o)
  local lines = {}
  local function add(text, indent)
    for _, line in ipairs(folded(text, o and o.width, indent or 2)) do lines[#lines + 1] = line end
  end
  add(head(self))
  undo_lines(self, add)
  local list = self:changes()
  for _, line in ipairs(causes(self.entries)) do lines[#lines + 1] = line end
  change_lines(self, plan_groups.of(self.entries, true), o and o.diff, add)
  for _, claim in ipairs(self:claimed()) do add(("! %s. %s"):format(claim.text, claim.next)) end
  if self.read_only then add("! " .. self.read_only) end
  for _, text in ipairs(self.over) do add("! " .. text) end
  for _, skip in ipairs(self.skipped) do add("! " .. skip.text) end
  for _, one in ipairs(self:misplaced()) do add("! " .. one.text) end
  for _, text in ipairs(self.unverified) do add("! " .. text) end
  if #list == 0 then
    add(self.playbook.undoes and "nothing is left to undo" or "nothing to change")
    return visible.lines(lines)
  end
  for _, text in ipairs(capacity.lines(self)) do add(text) end
  for _, text in ipairs(stops.lines(self.entries)) do add(text) end
  for _, text in ipairs(roll_text(self)) do add(text) end
  add(limit.of(self):text())
  local lost = self.playbook.undoes and {} or self:irreversible() -- an undo cannot be undone anyway
  add(totals(list) .. "." .. (#lost > 0 and " Not undoable: " .. table.concat(lost, ", ") .. "." or "")
    .. (#self.words > 0 and " Needs: --allow " .. table.concat(self.words, ",") or ""))
  return visible.lines(lines)
end
