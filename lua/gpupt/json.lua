--- JSON as printed by `--json` and read from plans and tools.
-- Integers keep all 64 bits, keys are sorted (so that results can be compared with diff), floats have the
-- fewest digits that read back equal. A table with the keys 1..n is an array; an empty table is an object unless
-- `json.array` marked it; decoded arrays are marked. JSON's null is `json.null`.
local core = require "gpupt.core".json
local options = require "gpupt.options"

local json = {
  null = core.null,
  --- Marks a table (a new one when none is given) as an array and returns it.
  array = core.array,
}

local encode_options = options.declare("json.encode", {
  { "indent", "integer", default = 0, doc = "spaces per level; 0 writes one line" },
  { "invalid", "string", choices = { "refuse", "replace" }, default = "refuse",
    doc = "for text that is not UTF-8: refuse it, or replace each malformed sequence by U+FFFD" },
})

--- The value as JSON text; nil, message, "EINVAL" if JSON cannot represent it (the message names the path).
function json.encode(value, opts)
  opts = encode_options:check(opts)
  return core.encode(value, opts.indent, opts.invalid == "replace")
end

--- The value of a JSON text; nil, message, "EPARSE" with line and column.
function json.decode(text) return core.decode(text) end

--- The text that commands print for `--json`: indented by two spaces, with a newline at the end, invalid UTF-8
-- replaced.
function json.document(value)
  local text, message, code = core.encode(value, 2, true)
  if not text then return nil, message, code end
  return text .. "\n"
end

return json
