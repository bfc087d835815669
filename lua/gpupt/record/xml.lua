--- The XML of requests and answers as nodes, and nodes as indented text.
--   { name = "returnval", local_name = , attributes = { { name =, value = }... }, children = { node... }, text = }
-- A node has children or text. What is read was accepted by the client's decoder (well-formed, without document types),
-- or was written by it.
local xml = {}

local named = { amp = "&", lt = "<", gt = ">", quot = '"', apos = "'" }

local function unescape(text)
  if not text:find("&", 1, true) then return text end
  return (text:gsub("&(#?)(x?)(%w+);", function(number, hexadecimal, word)
    if number == "" then return named[hexadecimal .. word] end
    local code = tonumber(word, hexadecimal == "x" and 16 or 10)
    return code and code <= 0x10ffff and utf8.char(code) or ""
  end))
end

local escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["\r"] = "&#13;" }

local function escape(text) return (text:gsub('[&<>"\r]', escapes)) end

local function attributes_of(text)
  local list = {}
  for name, quote, rest in text:gmatch "([%w_:.%-]+)%s*=%s*(['\"])()" do
    local value = text:sub(rest, text:find(quote, rest, true) - 1)
    list[#list + 1] = { name = name, value = unescape(value) }
  end
  return list
end

-- The end of a tag: a ">" may be in an attribute's value.
local function tag_end(text, from)
  local at = from
  while true do
    local found = text:find("[>\"']", at)
    if not found then return nil end
    local c = text:sub(found, found)
    if c == ">" then return found end
    local close = text:find(c, found + 1, true)
    if not close then return nil end
    at = close + 1
  end
end

local function node_of(tag)
  local name, rest = tag:match "^([^%s/>]+)(.*)$"
  return { name = name, local_name = name:match "([^:]+)$", attributes = attributes_of(rest), children = {} }
end

-- What begins with "<!" or "<?" at `at`: where it ends, and the text of a CDATA section.
local function special(text, at)
  if text:sub(at, at + 3) == "<!--" then return select(2, text:find("-->", at + 4, true)) end
  if text:sub(at, at + 8) == "<![CDATA[" then
    local first, last = text:find("]]>", at + 9, true)
    return last, first and text:sub(at + 9, first - 1)
  end
  if text:sub(at, at + 1) == "<?" then return select(2, text:find("?>", at, true)) end
  return nil
end

local function add_text(node, text)
  if node and text ~= "" then node.text = (node.text or "") .. text end
end

--- The root of a document; nil, message when it cannot be read.
function xml.parse(text)
  if text:match "^\xef\xbb\xbf" then text = text:sub(4) end
  local encoding = text:match "^%s*<%?xml[^>]-encoding%s*=%s*[\"']([%w%-]+)"
  if not text:find "^%s*<" or encoding and encoding:lower() ~= "utf-8" and encoding:lower() ~= "us-ascii" then
    return nil, "it is not UTF-8"
  end
  local root, stack, at = nil, {}, 1
  while true do
    local open = text:find("<", at, true)
    add_text(stack[#stack], unescape(text:sub(at, (open or 0) - 1)))
    if not open then break end
    local second = text:sub(open + 1, open + 1)
    local close, data
    if second == "!" or second == "?" then
      close, data = special(text, open)
      add_text(stack[#stack], data or "")
    else
      close = tag_end(text, open)
      local tag = close and text:sub(open + 1, close - 1)
      if tag and second == "/" then
        stack[#stack] = nil
      elseif tag then
        local node = node_of(tag)
        if stack[#stack] then table.insert(stack[#stack].children, node) else root = root or node end
        if tag:sub(-1) ~= "/" then stack[#stack + 1] = node end
      end
    end
    if not close then return nil, "it ends in the middle of a tag" end
    at = close + 1
  end
  if not root or #stack > 0 then return nil, "it ends in the middle" end
  return root
end

--- The value of an attribute, by its name without a prefix.
function xml.attribute(node, name)
  for _, one in ipairs(node.attributes) do
    if one.name:match "([^:]+)$" == name then return one.value end
  end
end

--- The first child of that name.
function xml.child(node, name)
  for _, one in ipairs(node.children) do if one.local_name == name then return one end end
end

local function write(node, indent, out)
  local open = { "<", node.name }
  for _, one in ipairs(node.attributes) do open[#open + 1] = (' %s="%s"'):format(one.name, escape(one.value)) end
  local space = ("  "):rep(indent)
  local head = table.concat(open)
  if #node.children > 0 then
    out[#out + 1] = space .. head .. ">"
    for _, one in ipairs(node.children) do write(one, indent + 1, out) end
    out[#out + 1] = ("%s</%s>"):format(space, node.name)
  elseif node.text and node.text ~= "" then
    out[#out + 1] = ("%s%s>%s</%s>"):format(space, head, escape(node.text), node.name)
  else
    out[#out + 1] = space .. head .. "/>"
  end
end

--- A node as text, an element a line.
function xml.text(node)
  local out = {}
  write(node, 0, out)
  out[#out + 1] = ""
  return table.concat(out, "\n")
end

return xml
