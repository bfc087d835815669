--- YAML of cloud-init's files: writing it, and reading files of the user (libyaml, by gpupt.iso).
-- Writing: maps keep the order in which they are given (yaml.map), every text that could be read as another
-- type is quoted, and nothing depends on the reader's YAML version (yes/no, 012, 1:30...).
-- Reading: block and flow style, quotes, anchors with aliases, merge keys and YAML's own tags; one document, as
-- cloud-init reads it. A key that occurs twice in a map is refused, with both lines. A node is
--   { kind = "map", line =, by = { key = node }, [i] = { key =, line =, value = node } }
--   { kind = "list", line =, [i] = node }      { kind = "scalar", line =, value = text, plain = bool }
--
--   yaml.write(yaml.map { { "version", 1 }, { "packages", { "open-vm-tools" } } })
--   local root, message, code, detail = yaml.parse(text, "user-data")   -- false for a file without a value
--   yaml.at(root, "autoinstall", "identity")     --> the node down that path, or nil
local media = require "gpupt.guest.media"

local yaml = {}

local Map = {}
Map.__index = Map

--- A map with an order: a list of { key, value }; a value of nil (or json's null) omits its key.
function yaml.map(pairs_) return setmetatable(pairs_, Map) end

local words = { ["true"] = true, ["false"] = true, yes = true, no = true, on = true, off = true, null = true,
  y = true,
  n = true }

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

-- Characters beyond ASCII that a parser would refuse or treat as a line break.
local function escape_wide(c)
  local code = utf8.len(c) == 1 and utf8.codepoint(c)
  if not code then return nil end
  if code < 0xA0 or code == 0x2028 or code == 0x2029 or code == 0xFEFF or code == 0xFFFE or code == 0xFFFF then
    return ("\\u%04X"):format(code)
  end
end

--- A scalar: plain where it is unambiguous, else in double quotes.
function yaml.scalar(value)
  if type(value) ~= "string" then return tostring(value) end
  if value:find "^[%a/][%w_./-]*$" and not words[value:lower()] then return value end
  return '"' .. value:gsub('[%c"\\\127]', function(c) return escapes[c] or ("\\x%02X"):format(c:byte()) end)
    :gsub("[\xC2-\xF4][\x80-\xBF]+", function(run) return (run:gsub(utf8.charpattern, escape_wide)) end) .. '"'
end

local write_value

local function write_map(out, map, indent)
  for _, pair in ipairs(map) do
    out[#out + 1] = indent .. yaml.scalar(pair[1]) .. ":"
    write_value(out, pair[2], indent .. "  ")
  end
end

-- Appends a value after the key on the last line.
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


-- Reading ---------------------------------------------------------------------------------------------------------

-- Limit of entries added by merge keys, each of which may repeat everything above it.
local MERGED = 1 << 18

local Reading = {}
Reading.__index = Reading

function Reading:fail(line, format, ...)
  error({ message = ("%s:%d: "):format(self.name, line) .. format:format(...), line = line }, 0)
end

function Reading:take(map, key, line, value)
  self.count = self.count + 1
  if self.count > MERGED then self:fail(line, "merge keys add more than %d entries", MERGED) end
  map.by[key] = value
  map[#map + 1] = { key = key, line = line, value = value }
end

-- Adds the entries of the maps of `<<`. A key of the map itself wins, and an earlier map wins over a later one.
function Reading:merge(map, node)
  local list = node.kind == "list" and node or { node }
  for _, one in ipairs(list) do
    if one.kind ~= "map" then self:fail(node.line, "<< needs a map, or a list of maps") end
    for _, entry in ipairs(one) do
      if map.by[entry.key] == nil then self:take(map, entry.key, entry.line, entry.value) end
    end
  end
end

-- Turns the pairs of a map into its entries, recursively.
function Reading:resolve(node)
  if node.kind == "list" then
    for _, item in ipairs(node) do self:resolve(item) end
  elseif node.kind == "map" then
    local pairs_ = table.move(node, 1, #node, 1, {})
    local first, merged = {}, {}
    for i = #node, 1, -1 do node[i] = nil end
    node.by = {}
    for _, pair in ipairs(pairs_) do
      self:resolve(pair.value)
      local key = pair.key
      if key.kind ~= "scalar" then self:fail(key.line, "a key must be a plain value, not a %s", key.kind) end
      if key.value == "<<" and key.plain then
        merged[#merged + 1] = pair.value
      elseif first[key.value] then
        self:fail(key.line, "the key '%s' occurs twice (first on line %d)", key.value, first[key.value])
      else
        first[key.value] = key.line
        self:take(node, key.value, key.line, pair.value)
      end
    end
    for _, value in ipairs(merged) do self:merge(node, value) end
  end
end

--- The value of a text: a node, or false for a file without one. nil, message (beginning with file and line),
-- "EPARSE" or "ELIMIT", { line = }; "ENOLIBRARY" without the library.
function yaml.parse(source, name)
  name = name or "YAML"
  local library, message, code = media.library("YAML cannot be read")
  if not library then return nil, message, code end
  local root, problem, kind, detail = library.yaml(source, name)
  if not root then return root, problem, kind, detail end
  local ok, err = pcall(Reading.resolve, setmetatable({ name = name, count = 0 }, Reading), root)
  if ok then return root end
  if type(err) ~= "table" then error(err, 0) end
  return nil, err.message, "EPARSE", { line = err.line }
end

--- The node down a path of keys, or nil.
function yaml.at(node, ...)
  for _, key in ipairs { ... } do
    if not node or node.kind ~= "map" then return nil end
    node = node.by[key]
  end
  return node
end

--- The text of a scalar; nil for anything else.
function yaml.text(node) return node and node.kind == "scalar" and node.value or nil end

local truth = { ["true"] = true, yes = true, on = true, ["false"] = false, no = false, off = false }

--- True or false for a plain scalar that YAML 1.1 reads so; nil for anything else.
function yaml.truth(node)
  if not node or node.kind ~= "scalar" or not node.plain then return nil end
  return truth[node.value:lower()]
end

--- Whether any scalar in the node, keys included, contains the text.
function yaml.mentions(node, text)
  if node.kind == "scalar" then return node.value:find(text, 1, true) ~= nil end
  for _, one in ipairs(node) do
    if one.key and one.key:find(text, 1, true) then return true end
    if yaml.mentions(one.key and one.value or one, text) then return true end
  end
  return false
end

return yaml
