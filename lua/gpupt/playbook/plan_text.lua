--- A plan as text for people: visible lines, without the last line end.
local hosts = require "gpupt.fleet.host"
local limit = require "gpupt.playbook.limit"
local unavailable = require "gpupt.playbook.unavailable"
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

local function widths(list)
  local target, step = 4, 4
  for _, change in ipairs(list) do
    target = math.max(target, visible.width(change.target))
    step = math.max(step, visible.width(change.step))
  end
  return target, step
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

return function(self)
  local lines = { head(self) }
  local list = self:changes()
  local target_width, step_width = widths(list)
  local noted = {}
  local function notes(name)
    for _, event in ipairs(self.notes) do
      if event.target == name and not noted[event] then
        noted[event] = true
        lines[#lines + 1] = "    " .. event.text
      end
    end
  end
  for i, change in ipairs(list) do
    lines[#lines + 1] = ("%s %s  %s  %s"):format(change.sign, visible.pad(change.target, target_width),
      visible.pad(change.step, step_width), change.what)
    local next_one = list[i + 1]
    if not next_one or next_one.target ~= change.target then notes(change.target) end
  end
  for _, event in ipairs(self.notes) do
    if not noted[event] then lines[#lines + 1] = ("  %s: %s"):format(event.target or "", event.text) end
  end
  for _, claim in ipairs(self:claimed()) do lines[#lines + 1] = ("! %s. %s"):format(claim.text, claim.next) end
  for _, text in ipairs(self.over) do lines[#lines + 1] = "! " .. text end
  for _, skip in ipairs(self.skipped) do lines[#lines + 1] = "! " .. skip.text end
  for _, text in ipairs(self.unverified) do lines[#lines + 1] = "! " .. text end
  if #list == 0 then
    lines[#lines + 1] = "nothing to change"
    return visible.lines(lines)
  end
  lines[#lines + 1] = unavailable.line(self.hosts)
  lines[#lines + 1] = limit.of(self):text()
  lines[#lines + 1] = totals(list) .. "."
    .. (#self.words > 0 and " Needs: --allow " .. table.concat(self.words, ",") or "")
  return visible.lines(lines)
end
