--- A small XML reader and writer's helper, for answer files.
-- The reader builds a tree of { name=, attr={}, line=, text=, [1..n]=children }; prefixes of names are dropped
-- after their namespace declarations were read, because answer files use only `wcm:` beside the default
-- namespace. Document types, and with them entities of one's own, are refused. Errors say the line.
--
--   local xml = require "gpupt.guest.xml"
--   local root = assert(xml.parse(text))         -- or nil, message, "EPARSE"
--   xml.first(root, "settings", "component")     --> the first element down that path, or nil
--   xml.text("a < b & c")                        --> "a &lt; b &amp; c";  nil, message, "EINVAL" for what XML
-- cannot say
local xml = {}

local named = { lt = "<", gt = ">", amp = "&", quot = '"', apos = "'" }

local function line_at(source, at)
  return select(2, source:sub(1, at - 1):gsub("\n", "")) + 1
end

local function entities(value)
  local bad
  value = value:gsub("&([^;&<]*)(;?)", function(name, stop)
    if stop == "" then
      bad = bad or name
      return ""
    end
    local code = name:match "^#(%d+)$"
    code = code and tonumber(code) or tonumber(name:match "^#x(%x+)$" or "", 16)
    if code and code > 0 and code < 0x110000 then return utf8.char(code) end
    if named[name] then return named[name] end
    bad = bad or name
    return ""
  end)
  return value, bad
end

local function attributes(source)
  local attr, rest = {}, source
  while true do
    rest = rest:match "^%s*(.*)$"
    if rest == "" then return attr end
    local name, quote = rest:match "^([%a_:][%w_:%.%-]*)%s*=%s*([\"'])"
    if not name then return nil, "an attribute is malformed" end
    local value, after = rest:match("^[^=]*=%s*" .. quote .. "([^" .. quote .. "<]*)" .. quote .. "(.*)$")
    if not value then return nil, ("the value of the attribute %s does not end"):format(name) end
    if attr[name] then return nil, ("the attribute %s stands there twice"):format(name) end
    local bad
    attr[name], bad = entities(value)
    if bad then return nil, ("unknown entity &%s;"):format(bad) end
    rest = after
  end
end

local function local_name(name) return name:match ":(.*)$" or name end

-- Skips what is no element; the position after it, or nil and a message.
local function special(source, at)
  if source:sub(at, at + 3) == "<!--" then
    local _, last = source:find("-->", at + 4, true)
    return last and last + 1, "a comment does not end"
  elseif source:sub(at, at + 1) == "<?" then
    local _, last = source:find("?>", at + 2, true)
    return last and last + 1, "a processing instruction does not end"
  end
  return nil, "document types are not accepted"
end

--- The tree of a document; nil, message with the line, "EPARSE".
function xml.parse(source)
  source = source:gsub("^\u{FEFF}", "")
  local stack, root, at = {}, nil, 1
  local function fail(position, message)
    return nil, ("line %d: %s"):format(line_at(source, position), message), "EPARSE"
  end
  local function add_text(value, position)
    local top = stack[#stack]
    if not top then
      if value:find "%S" then return fail(position, "text stands outside of the root element") end
      return true
    end
    local plain, bad = entities(value)
    if bad then return fail(position, ("unknown entity &%s;"):format(bad)) end
    top.text = top.text .. plain
    return true
  end
  while at <= #source do
    local open = source:find("<", at, true)
    if open ~= at then
      local ok, message, code = add_text(source:sub(at, (open or #source + 1) - 1), at)
      if not ok then return nil, message, code end
      if not open then break end
      at = open
    end
    local next_char = source:sub(at + 1, at + 1)
    if source:sub(at, at + 8) == "<![CDATA[" then
      local stop = source:find("]]>", at, true)
      if not stop or not stack[1] then return fail(at, "a CDATA section is out of place or does not end") end
      stack[#stack].text = stack[#stack].text .. source:sub(at + 9, stop - 1)
      at = stop + 3
    elseif next_char == "!" or next_char == "?" then
      local after, message = special(source, at)
      if not after then return fail(at, message) end
      at = after
    elseif next_char == "/" then
      local name, stop = source:match("^</([%w_:%.%-]+)%s*>()", at)
      local top = table.remove(stack)
      if not name or not top or top.whole ~= name then
        return fail(at, ("</%s> does not end the element that is open (%s)")
          :format(name or "", top and top.whole or "none"))
      end
      top.whole = nil
      at = stop
    else
      local name, inner, empty, stop = source:match("^<([%a_:][%w_:%.%-]*)([^<>]-)(/?)>()", at)
      if not name then return fail(at, "a tag is malformed") end
      local attr, message = attributes(inner)
      if not attr then return fail(at, ("<%s>: %s"):format(name, message)) end
      local element = { name = local_name(name), whole = name, attr = attr, line = line_at(source, at), text = "" }
      if stack[1] then
        table.insert(stack[#stack], element)
      elseif root then
        return fail(at, "there is a second root element")
      else
        root = element
      end
      if empty == "/" then element.whole = nil else stack[#stack + 1] = element end
      if #stack > 100 then return fail(at, "nested too deeply") end
      at = stop
    end
  end
  local last = stack[#stack]
  if last then return fail(#source, ("<%s> of line %d does not end"):format(last.whole, last.line)) end
  if not root then return fail(1, "there is no element") end
  return root
end

--- All children of that name; through further names, all down the path.
function xml.all(element, name, ...)
  local found = {}
  for _, child in ipairs(element or {}) do
    if child.name == name then
      if ... then
        for _, deeper in ipairs(xml.all(child, ...)) do found[#found + 1] = deeper end
      else
        found[#found + 1] = child
      end
    end
  end
  return found
end

--- The first element down a path of names, or nil.
function xml.first(element, ...) return xml.all(element, ...)[1] end

--- Its text without blanks around, or "" when there is no such element.
function xml.value(element, ...)
  if ... then element = xml.first(element, ...) end
  return element and element.text:match "^%s*(.-)%s*$" or ""
end

--- Text as it may stand in an element or an attribute.
function xml.text(value)
  if not utf8.len(value) then return nil, "the text is not UTF-8", "EINVAL" end
  if value:find "[\0-\8\11\12\14-\31]" then
    return nil, "the text holds a control character, which XML cannot say", "EINVAL"
  end
  return (value:gsub('[&<>"\r\n\t]', { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;",
    ["\r"] = "&#13;", ["\n"] = "&#10;", ["\t"] = "&#9;" }))
end

return xml
