--- vmx: a .vmx file as a lossless document.
-- An edit changes its line and no other; `tostring` of an unedited document is what was read, byte for byte.
--
--   local doc = gpupt.check(gpupt.vmx.open "win11.vmx")
--   doc:set("firmware", "efi")
--   for key, value, line in doc:each "pciPassthru*" do print(line, key, value) end
--   gpupt.check(doc:save())
--
-- Methods in C: get, set, unset, where, line, count, problems, path, changed, close. Keys compare without
-- case; of equal keys the last one counts. Line numbers begin at 1.
local core = require "gpupt.core".vmx

local vmx = {}
local Document = core.methods

-- Declared on first use with options: a plain vmx.open should not pay for the option tables.
local declared
local function options_of(name)
  if not declared then
    local options = require "gpupt.options"
    local limit = { "max_bytes", "integer", default = 16 << 20, doc = "larger texts are refused (EFBIG)" }
    declared = {
      parse = options.declare("vmx.parse", { limit }),
      open = options.declare("vmx.open", { limit }),
      save = options.declare("vmx:save", {
        { "overwrite", "boolean", default = false, doc = "replace an existing file that is not this document's own" },
      }),
    }
  end
  return declared[name]
end

--- The document of a text; nil, message, code (EPARSE for binary content, EFBIG, EENCODING).
function vmx.parse(text, opts)
  if opts == nil then return core.parse(text) end
  return core.parse(text, options_of "parse":check(opts).max_bytes)
end

--- The document of a file, which `save` may then replace.
function vmx.open(path, opts)
  if opts == nil then return core.open(path) end
  return core.open(path, options_of "open":check(opts).max_bytes)
end

--- A shell pattern (* and ?) as a Lua pattern, without case.
local function glob(pattern)
  return "^" .. pattern:lower():gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0"):gsub("%*", ".*"):gsub("%?", ".") .. "$"
end

--- key, value, line of every pair whose key matches the shell pattern (all without one), in file order; a
-- duplicated key comes once for each of its lines. The loop sees the document as it was at its beginning,
-- so it may edit.
function Document:each(pattern)
  local found, at = self:_pairs(), -2
  local match = pattern and glob(pattern)
  return function()
    repeat
      at = at + 3
    until found[at] == nil or not match or found[at]:lower():find(match)
    return found[at], found[at + 1], found[at + 2]
  end
end

--- Values with a type, and the namespaces of the devices: gpupt.vmx.view.
for _, name in ipairs { "boolean", "integer", "namespace", "namespaces" } do
  Document[name] = function(...) return require("gpupt.vmx.view")[name](...) end
end

--- The differences to another document: a list of {key, before, after, line} (`before` or `after` absent for
-- a key that only one of them has) in file order; its `tostring` is a unified diff of the texts.
function Document:diff(other) return require("gpupt.vmx.diff").compare(self, other) end

--- Writes the document to its own file, or to `path`; atomic. Its own file must still be what was read
-- (ECHANGED), and no .lck may say that the VM runs (ELOCKED). Another existing file needs `{overwrite =
-- true}` (EEXIST).
function Document:save(path, opts)
  if opts == nil then return self:_save(path, false) end
  return self:_save(path, options_of "save":check(opts).overwrite)
end

--- Two texts of a .vmx as a unified diff; names of them are printed above it. Empty when they are equal.
function vmx.difference(before, after, before_name, after_name)
  return require "gpupt.vmx.diff".text(before, after, before_name, after_name)
end

--- What a page, a mail or a terminal did to the text of a .vmx, in words ("typographic quotes on 2 lines"); nil for one
-- that is as it was.
function vmx.pasted(text)
  local form = require "gpupt.vmx.form"
  local repaired = form.repair(text)
  return repaired and form.describe(repaired.faults) or nil
end

--- Whether a key or its value has signs that came from a page and would become part of it.
function vmx.is_odd(key, value)
  local line = require "gpupt.vmx.form_line"
  return line.odd_name(key) or line.odd_value(key, value) or false
end

return vmx
