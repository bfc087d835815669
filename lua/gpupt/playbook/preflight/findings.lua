--- The findings of a preflight. The same finding about several targets is one line that names them.
local findings = {}

local Findings = {}
Findings.__index = Findings

function findings.new() return setmetatable({ list = {}, by_key = {} }, Findings) end

--- A list of names in words; of many, the first and how many more.
function findings.names(list)
  if #list <= 4 then return table.concat(list, ", ") end
  return ("%s and %d more"):format(table.concat(list, ", ", 1, 3), #list - 3)
end

local function add(self, kind, one)
  local key = table.concat({ kind, one.source or "", one.text }, "\0")
  local finding = self.by_key[key]
  if not finding then
    finding = { kind = kind, source = one.source, text = one.text, code = one.code, targets = {}, named = {} }
    self.by_key[key], self.list[#self.list + 1] = finding, finding
  end
  if one.target and not finding.named[one.target] then
    finding.named[one.target] = true
    finding.targets[#finding.targets + 1] = one.target
  end
end

--- One problem: { source = "play.lua:12", text =, target = name of the host or VM, code = }.
function Findings:problem(one) add(self, "problem", one) end

--- One check that could not be made: { source =, text = what, needs = privilege, on = object, target = }.
function Findings:cannot(one)
  add(self, "unverified", { source = one.source, target = one.target, text = ("%s: unverified: needs %s%s"):format(
    one.text, one.needs, one.on and " on " .. one.on or "") })
end

--- One check that is not made, and why: { source =, text =, target = }.
function Findings:open(one)
  add(self, "unverified", { source = one.source, target = one.target, text = one.text .. ": unverified: " .. one.why })
end

--- Something that an operator should know, and that changes nothing: { source =, text =, target = }.
function Findings:remark(one) add(self, "unverified", one) end

--- Whether a text contains a name as a whole: not "one" in "none.iso", nor "play.lua:4" in "play.lua:40".
function findings.mentions(text, name)
  local from = 1
  while true do
    local first, last = text:find(name, from, true)
    if not first then return false end
    if not text:sub(first - 1, first - 1):find "[%w_.-]" and not text:sub(last + 1):find "^[%w_-]"
      and not text:sub(last + 1):find "^%.%w" then return true end
    from = first + 1
  end
end

local function line_of(finding)
  local text = finding.source and ("%s: %s"):format(finding.source, finding.text) or finding.text
  local targets = finding.targets
  if #targets == 0 or (#targets == 1 and findings.mentions(text, targets[1])) then return text end
  return ("%s (%s)"):format(text, findings.names(targets))
end

-- In the order of the playbook's lines; findings about the same line stay in the order of the checks.
local function in_order(list)
  local order = {}
  for i, finding in ipairs(list) do
    local file, line = (finding.source or "\255"):match "^(.*):(%d+)$"
    order[i] = { finding = finding, file = file or finding.source or "\255", line = tonumber(line) or 0, index = i }
  end
  table.sort(order, function(a, b)
    if a.file ~= b.file then return a.file < b.file end
    if a.line ~= b.line then return a.line < b.line end
    return a.index < b.index
  end)
  for i, one in ipairs(order) do order[i] = one.finding end
  return order
end

function Findings:problems()
  local list = {}
  for _, finding in ipairs(in_order(self.list)) do
    if finding.kind == "problem" then
      list[#list + 1] = { target = finding.targets[1], text = line_of(finding), code = finding.code or "EPREFLIGHT" }
    end
  end
  return list
end

function Findings:unverified()
  local list = {}
  for _, finding in ipairs(in_order(self.list)) do
    if finding.kind == "unverified" then list[#list + 1] = line_of(finding) end
  end
  return list
end

return findings
