--- XML of answer files: reading (libxml2, by gpupt.iso) and the few helpers for walking the tree and writing texts.
-- The tree is { name=, ns=, attr={}, line=, text=, [1..n]=children }; prefixes are dropped from names, because answer
-- files use only `wcm:` and the default namespace. Document types, and so custom entities, are
-- refused. Errors begin with file and line.
--
--   local xml = require "gpupt.guest.xml"
--   local root = assert(xml.parse(text, "autounattend.xml"))   -- or nil, message, "EPARSE", { line= }
--   xml.first(root, "settings", "component")     --> the first element down that path, or nil
--   xml.text("name", "a < b & c")                --> "a &lt; b &amp; c";  nil, message, "EINVAL" for
-- characters that XML does not allow
local characters = require "gpupt.guest.characters"
local media = require "gpupt.guest.media"

local xml = {}

--- The tree of a document; nil, message, "EPARSE" or "ELIMIT", { line = }; "ENOLIBRARY" without the library.
function xml.parse(source, name)
  local library, message, code = media.library("XML cannot be read")
  if not library then return nil, message, code end
  return library.xml(source, name or "XML")
end

--- All children of that name; with more names, all elements down that path.
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

--- The element's text without blanks at both ends, or "" when there is no such element.
function xml.value(element, ...)
  if ... then element = xml.first(element, ...) end
  return element and element.text:match "^%s*(.-)%s*$" or ""
end

--- Text escaped for an element or an attribute; `name` says in messages what the text is.
function xml.text(name, value)
  local ok, message, code = characters.optional(name, value)
  if not ok then return nil, message, code end
  return (value:gsub('[&<>"]', { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end

return xml
