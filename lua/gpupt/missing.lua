--- The stand-in for a value that a journal or a plan file omits.
-- In JSON it is { "$missing": "secret" }, which cannot be confused with a string. Read back, it is an object that
-- raises when it is used as a value, so that a stand-in is never used by mistake: the value must be given again.
local missing = {}

local reasons = setmetatable({}, { __mode = "k" })

local texts = {
  secret = "it is a secret, which is never stored",
  ["function"] = "it was a function",
  depth = "it was nested too deeply",
  number = "it was a number that JSON cannot represent",
}

local function refuse(self)
  error(("this value was omitted (%s). Give it again"):format(texts[reasons[self]] or reasons[self]), 2)
end

local Missing = { __name = "gpupt.missing", __metatable = "gpupt.missing" }
for _, event in ipairs { "index", "newindex", "call", "concat", "tostring", "len", "unm", "bnot", "add", "sub", "mul",
  "div", "mod", "pow", "idiv", "band", "bor", "bxor", "shl", "shr", "lt", "le", "pairs" } do
  Missing["__" .. event] = event == "tostring" and refuse or function(a, b)
    refuse(reasons[a] and a or b)
  end
end

--- The stand-in for an omitted value; reason is "secret", "function", "depth", "number".
function missing.new(reason)
  local self = setmetatable({}, Missing)
  reasons[self] = reason
  return self
end

--- The reason of a stand-in; nil for anything else.
function missing.reason(value) return type(value) == "table" and reasons[value] or nil end

return missing
