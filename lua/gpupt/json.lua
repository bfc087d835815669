--- JSON, as `--json` prints it and as plans and tools read it.
-- Integers keep all 64 bits, keys come out sorted (so that two results can be compared by diff), floats have as few
-- digits as read back equal. A table with the keys 1..n is an array; an empty table is an object unless
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
    doc = "what happens to text that is not UTF-8: an error, or U+FFFD in place of each malformed sequence" },
})

--- The value as JSON text; nil, message, "EINVAL" for what JSON cannot say (the message names the path).
function json.encode(value, opts)
  opts = encode_options:check(opts)
  return core.encode(value, opts.indent, opts.invalid == "replace")
end

--- The value of a JSON text; nil, message, "EPARSE" with line and column.
function json.decode(text) return core.decode(text) end

--- What commands print for `--json`: two spaces of indent, a newline at the end, foreign bytes replaced.
function json.document(value)
  local text, message, code = core.encode(value, 2, true)
  if not text then return nil, message, code end
  return text .. "\n"
end

return json
