--- As much YAML as cloud-init's user-data needs: writing it, and an outline of what somebody else wrote.
-- Writing: maps keep the order in which they are given (yaml.map), every text that could be read as something
-- else is quoted, and nothing depends on the reader's YAML version (yes/no, 012, 1:30...). The outline is no
-- YAML parser. It gives the block structure (which key stands below which, on which line, with which plain
-- value), which is what a check for misspelt keys needs, and the mistakes that people make: tabs, a key twice,
-- a quote that does not end. What stands in flow style ({a: b}) or in block scalars is taken as one value.
--
--   yaml.write(yaml.map { { "version", 1 }, { "packages", { "open-vm-tools" } } })
--   local lines, message = yaml.outline(text)
--     --> { { path="autoinstall.identity", key="username", value="ops", line=4, item=nil }, ... }
local yaml = {}

local Map = {}
Map.__index = Map

--- A map with an order: a list of { key, value }; a value of nil (or json's null) leaves its key out.
function yaml.map(pairs_) return setmetatable(pairs_, Map) end

local words = { ["true"] = true, ["false"] = true, yes = true, no = true, on = true, off = true, null = true,
  y = true,
  n = true }

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

--- A scalar: plain where no reader could mistake it, else in double quotes.
function yaml.scalar(value)
  if type(value) ~= "string" then return tostring(value) end
  if value:find "^[%a/][%w_./-]*$" and not words[value:lower()] then return value end
  return '"' .. value:gsub('[%c"\\\127]', function(c) return escapes[c] or ("\\x%02X"):format(c:byte()) end) .. '"'
end

local write_value

local function write_map(out, map, indent)
  for _, pair in ipairs(map) do
    out[#out + 1] = indent .. yaml.scalar(pair[1]) .. ":"
    write_value(out, pair[2], indent .. "  ")
  end
end

-- Appends a value behind a key that stands in the last line already.
function write_value(out, value, indent)
  if type(value) ~= "table" then
    out[#out] = out[#out] .. " " .. yaml.scalar(value)
  elseif getmetatable(value) == Map then
    if #value == 0 then out[#out] = out[#out] .. " {}" end
    write_map(out, value, indent)
  else
    if #value == 0 then out[#out] = out[#out] .. " []" end
    for _, item in ipairs(value) do
      out[#out + 1] = indent .. "-"
      if type(item) == "table" and getmetatable(item) == Map and #item > 0 then
        local inner = {}
        write_map(inner, item, indent .. "  ")
        out[#out] = indent .. "- " .. inner[1]:sub(#indent + 3)
        table.move(inner, 2, #inner, #out + 1, out)
      else
        write_value(out, item, indent .. "  ")
      end
    end
  end
end

--- The map as YAML text.
function yaml.write(map)
  local out = {}
  write_map(out, map, "")
  return table.concat(out, "\n") .. "\n"
end

-- The end of a quoted scalar, or nil.
local function quoted_end(line, at)
  local quote = line:sub(at, at)
  local i = at + 1
  while i <= #line do
    local c = line:sub(i, i)
    if quote == '"' and c == "\\" then
      i = i + 1
    elseif c == quote then
      if quote == "'" and line:sub(i + 1, i + 1) == "'" then i = i + 1 else return i end
    end
    i = i + 1
  end
end

-- "key: value" at the start of a text; nil when it is none.
local function split(body)
  local first = body:sub(1, 1)
  if first == '"' or first == "'" then
    local stop = quoted_end(body, 1)
    local value = stop and body:match("^%s*:(.*)$", stop + 1)
    if value and (value == "" or value:find "^%s") then return body:sub(2, stop - 1), value end
    return nil
  end
  if first == "{" or first == "[" or first == "#" then return nil end
  local key, value = body:match "^([^:#]-)%s*:(.*)$"
  if key and key ~= "" and (value == "" or value:find "^%s") then return key, value end
end

local function plain_value(value)
  value = value:match "^%s*(.-)%s*$"
  local first = value:sub(1, 1)
  if first == '"' or first == "'" then
    local stop = quoted_end(value, 1)
    if not stop then return nil end
    local rest = value:sub(stop + 1)
    if rest ~= "" and not rest:find "^%s+#" then return nil, true end
    return value:sub(2, stop - 1)
  end
  return (value:gsub("%s+#.*$", ""):gsub("^#.*$", ""))
end

--- The outline of a text: a list of { path=, key=, value=, line=, item= }, or nil, message with the line, "EPARSE".
-- `path` is the dotted keys above; entries of a list stand as item = true, without a key when they are plain values.
function yaml.outline(source)
  local entries, stack, number, lines = {}, {}, 0, {}
  local block -- indentation below which a block scalar ends
  local seen = {}
  local function fail(message) return nil, ("line %d: %s"):format(number, message), "EPARSE" end
  for line in (source:gsub("\r\n", "\n") .. "\n"):gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  -- A quoted value may go on over several lines.
  local function value_of(value)
    local first = number
    local text, closed = plain_value(value)
    while not text and not closed and number < #lines do
      number = number + 1
      value = value .. "\n" .. lines[number]
      text, closed = plain_value(value)
    end
    if text then return text end
    number = first
    if closed then
      return fail(("text stands behind a quoted value, or its quote does not end: %s")
        :format(value:match "^%s*([^\n]*)"))
    end
    return fail(("a quoted value does not end: %s"):format(value:match "^%s*([^\n]*)"))
  end
  while number < #lines do
    number = number + 1
    local indent, body = lines[number]:match "^( *)(.*)$"
    local depth = #indent
    if block and (body == "" or depth > block) then goto continue end
    block = nil
    if body == "" or body:sub(1, 1) == "#" or body:find "^%-%-%-" or body == "..." then goto continue end
    if body:find "^\t" then return fail "a tab is used for indentation; YAML allows blanks only" end
    -- a list's entries may stand at the same depth as their key
    while stack[1] and (stack[#stack].depth > depth
      or stack[#stack].depth == depth and not (body:find "^%-" and not stack[#stack].item)) do
      table.remove(stack)
    end
    local item = false
    while body:find "^%-%s" or body == "-" do
      local gap = body:match "^%-%s*"
      item = true
      while stack[1] and stack[#stack].depth >= depth and stack[#stack].item do table.remove(stack) end
      stack[#stack + 1] = { depth = depth, item = true, name = "[]", id = number .. ":" .. depth }
      depth, body = depth + #gap, body:sub(#gap + 1)
    end
    local names = {}
    for i, one in ipairs(stack) do names[i] = one.name end
    local path = table.concat(names, "."):gsub("%.%[%]", "[]")
    local key, value = split(body)
    if key then
      local above = stack[#stack]
      local id = (above and above.id or "") .. "/" .. key
      if seen[id] then return fail(("the key '%s' stands there twice (first on line %d)"):format(key, seen[id])) end
      seen[id] = number
      local at = number
      local text, message, code = value_of(value)
      if not text then return nil, message, code end
      if text:find "^[|>][%d+-]*$" then block = depth end
      entries[#entries + 1] = { path = path, key = key, value = text, line = at, item = item or nil }
      stack[#stack + 1] = { depth = depth, name = key, id = id }
    elseif body ~= "" then
      local at = number
      local text, message, code = value_of(body)
      if not text then return nil, message, code end
      if text:find "^[|>][%d+-]*$" then block = depth - 2 end
      entries[#entries + 1] = { path = path, value = text, line = at, item = item or nil }
    end
    ::continue::
  end
  return entries
end

return yaml
