--- A value that a journal or a plan file left out: what stands in its place, there and after reading it back.
-- In JSON it is { "$missing": "secret" }, which no text can be mistaken for. Read back it is an object that raises
-- whenever it is used as a value, so that nothing is ever done with a stand-in: it has to be given again.
local missing = {}

local reasons = setmetatable({}, { __mode = "k" })

local told = {
  secret = "it is a secret, which is never written down",
  ["function"] = "it was a function",
  depth = "it was nested too deeply",
  number = "it was a number that JSON cannot say",
}

local function refuse(self)
  error(("this value was left out (%s): give it again"):format(told[reasons[self]] or reasons[self]), 2)
end

local Missing = { __name = "gpupt.missing", __metatable = "gpupt.missing" }
for _, event in ipairs { "index", "newindex", "call", "concat", "tostring", "len", "unm", "bnot", "add", "sub", "mul",
  "div", "mod", "pow", "idiv", "band", "bor", "bxor", "shl", "shr", "lt", "le", "pairs" } do
  Missing["__" .. event] = event == "tostring" and refuse or function(a, b)
    refuse(reasons[a] and a or b)
  end
end

--- The stand-in for a value that was left out: reason is "secret", "function", "depth", "number".
function missing.new(reason)
  local self = setmetatable({}, Missing)
  reasons[self] = reason
  return self
end

--- The reason of a stand-in; nil for anything else.
function missing.reason(value) return type(value) == "table" and reasons[value] or nil end

return missing
