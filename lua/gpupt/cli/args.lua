--- Parses a command line according to a command's declaration.
-- A command declares:
--   { name = "bar", summary = "...", usage = "bar CARD... [options]", details = "text" or a function that gives it,
--     examples = { {cmd, what}... },
--     options = { { "rule", "RULE", choices = {...}, default =, doc = }, { "json", doc = "..." }, ... } }
-- An option with a second word takes a value; without one it is a flag; `many = true` collects a list; `short = "n"`.
-- Result: table of options (dashes become underscores) and a list of positional words; or nil, message.
local nearest = require "gpupt.nearest"

local args = {}

local function key_of(name) return (name:gsub("-", "_")) end

local function store(result, option, value)
  local key = key_of(option[1])
  if option.many then
    result[key] = result[key] or {}
    table.insert(result[key], value)
  else
    result[key] = value
  end
end

local function check_choice(option, value)
  if not option.choices then return true end
  for _, choice in ipairs(option.choices) do
    if choice == value then return true end
  end
  return nil, ("--%s cannot be '%s', only one of %s%s"):format(option[1], value, table.concat(option.choices, ", "),
    nearest.hint(value, option.choices))
end

--- Parses `words` (a list) for `command`. Returns options, positionals; or nil, message (usage error: exit 2).
function args.parse(command, words)
  local by_long, by_short, names = {}, {}, {}
  for _, option in ipairs(command.options or {}) do
    by_long[option[1]] = option
    names[#names + 1] = "--" .. option[1]
    if option.short then by_short[option.short] = option end
  end
  local result, positional = {}, {}
  for _, option in ipairs(command.options or {}) do
    if option.default ~= nil then result[key_of(option[1])] = option.default end
  end
  local i, only_words = 1, false
  while i <= #words do
    local word = words[i]
    if only_words or word == "-" or word:sub(1, 1) ~= "-" then
      positional[#positional + 1] = word
    elseif word == "--" then
      only_words = true
    else
      local name, value = word:match "^%-%-([^=]+)=(.*)$"
      name = name or word:match "^%-%-(.+)$"
      local option = name and by_long[name] or (not name and by_short[word:sub(2)])
      if not option then
        local unknown = word:match "^[^=]*" -- its value may be a secret
        return nil, ("unknown option '%s'%s"):format(unknown, nearest.hint(unknown, names))
      end
      if option[2] then
        if value == nil then
          i = i + 1
          value = words[i]
          if value == nil then return nil, ("%s needs a value: %s %s"):format(word, word, option[2]) end
        end
        local ok, message = check_choice(option, value)
        if not ok then return nil, message end
        store(result, option, value)
      else
        if value ~= nil then return nil, ("--%s takes no value"):format(option[1]) end
        store(result, option, true)
      end
    end
    i = i + 1
  end
  return result, positional
end

--- The help page of a command, as text.
function args.help(command)
  local out = { "usage: gpupt " .. command.usage, "", command.summary }
  local details = command.details
  if type(details) == "function" then details = details() end
  if details then out[#out + 1] = "\n" .. details end
  if command.options and #command.options > 0 then
    out[#out + 1] = "\noptions:"
    for _, option in ipairs(command.options) do
      local left = "  --" .. option[1] .. (option[2] and (" " .. option[2]) or "")
      local default = option.default ~= nil and (" [" .. tostring(option.default) .. "]") or ""
      out[#out + 1] = ("%-26s %s%s"):format(left, option.doc or "", default)
    end
  end
  if command.examples then
    out[#out + 1] = "\nexamples:"
    for _, example in ipairs(command.examples) do
      out[#out + 1] = "  " .. example[1]
      if example[2] then out[#out + 1] = "      " .. example[2] end
    end
  end
  return table.concat(out, "\n") .. "\n"
end

return args
