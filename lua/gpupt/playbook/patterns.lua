--- The limit of a plan: which of the playbook's hosts and VMs it is for. Patterns are those of a name in an inventory
-- path (gpupt.vim.path), several with commas or as a list; "!PATTERN" excludes. With exclusions only, all others are
-- meant. A backslash takes a comma or an exclamation mark literally.
local options = require "gpupt.options"
local path = require "gpupt.vim.path"

local patterns = {}

local Limit = {}
Limit.__index = Limit

local closing = { ["{"] = "}", ["["] = "]" }

-- The patterns of a text: split at commas that are in neither [ ] nor { }. A bracket that is never closed gets a
-- backslash, so that the patterns can be joined by commas again.
local function split(text)
  local parts, part, at, inside = {}, {}, 1, nil
  while at <= #text do
    local char = text:sub(at, at)
    if char == "\\" then
      at = at + 1
      char = char .. text:sub(at, at)
    elseif inside then
      if char == inside then inside = nil end
    elseif closing[char] then
      if text:find(closing[char], at + 1, true) then inside = closing[char] else char = "\\" .. char end
    elseif char == "," then
      parts[#parts + 1], part, char = table.concat(part), {}, ""
    end
    part[#part + 1] = char
    at = at + 1
  end
  parts[#parts + 1] = table.concat(part)
  for i, one in ipairs(parts) do parts[i] = one:match "^%s*(.-)%s*$" end
  return parts
end

local function fail(format, ...)
  return nil, ("%s: "):format(options.spell "limit") .. format:format(...), "EINVAL"
end

--- The limit of a text or a list of texts; nil, message, "EINVAL". Its `text` is all of it, for the journal.
function patterns.compile(value)
  local list = type(value) == "table" and value or { value }
  local self, texts = setmetatable({ patterns = {} }, Limit), {}
  for _, text in ipairs(list) do
    for _, part in ipairs(split(text)) do
      local excluded = part:match "^!%s*(.*)$"
      if part == "" or excluded == "" then return fail("'%s' has an empty pattern", text) end
      self.patterns[#self.patterns + 1] = { text = part, excludes = excluded ~= nil,
        fits = path.name_matcher(excluded or part) }
      self.includes = self.includes or not excluded
      texts[#texts + 1] = part
    end
  end
  if #self.patterns == 0 then return fail "the list is empty" end
  self.text = table.concat(texts, ",")
  return self
end

--- Whether the target of this name is meant.
function Limit:fits(name)
  local included, excluded = not self.includes, nil
  for _, pattern in ipairs(self.patterns) do
    if pattern.fits(name) then
      pattern.used = true
      if pattern.excludes then excluded = pattern else included = true end
    end
  end
  if included and excluded then self.excluding = excluded end
  return included and not excluded
end

-- [01-40] is what other tools write for numbers; in an inventory path it is one of the characters 0, 1 to 4.
local function hint(list)
  for _, text in ipairs(list) do
    local from, to = text:match "%[(%d+)%-(%d+)%]"
    if from and (#from > 1 or #to > 1) then
      return " ([ ] stands for one character: write " .. text:gsub("%[.*%]", function()
        return ("{%s,%s,...}"):format(from, ("%0" .. #from .. "d"):format(from + 1))
      end) .. " for numbers)"
    end
  end
  return ""
end

--- Which patterns matched none of the names so far: a message, or nil.
function Limit:unmatched()
  local list, quoted = {}, {}
  for _, pattern in ipairs(self.patterns) do
    if not pattern.used then
      list[#list + 1] = pattern.text
      quoted[#list] = "'" .. pattern.text .. "'"
    end
  end
  if #list == 0 then return nil end
  local last = table.remove(quoted)
  return ("%s: %s match%s no hosts or VMs of the playbook%s"):format(options.spell "limit",
    #quoted > 0 and table.concat(quoted, ", ") .. " and " .. last or last, #quoted > 0 and "" or "es", hint(list))
end

--- Why a plan with this limit has no target.
function Limit:nothing_left()
  return self:unmatched() or ("%s: no hosts or VMs of the playbook are left: '%s' excludes all that match"):format(
    options.spell "limit", self.excluding and self.excluding.text or self.text)
end

return patterns
