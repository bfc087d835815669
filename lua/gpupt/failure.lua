--- The error object of gpupt.check: {message, code, detail, where} with __tostring.
-- Functions of gpupt return `nil, message, code[, detail]` for bad values and failures;
-- `gpupt.check(...)` passes results through and turns such a failure into a raised object.
local failure = {}

local Failure = {}
Failure.__index = Failure
Failure.__name = "gpupt.failure"

function Failure.__tostring(self)
  local visible = require "gpupt.visible"
  -- the interpreter prints an uncaught error as it is; `message` stays unchanged
  return (self.where and visible(self.where) .. ": " or "") .. visible(self.message)
end

--- A new failure object. `where` is "file:line" of the caller, if known.
function failure.new(message, code, detail, where)
  return setmetatable({ message = message, code = code, detail = detail, where = where }, Failure)
end

--- True for a failure object.
function failure.is(value)
  return getmetatable(value) == Failure
end

--- Returns its arguments, or raises if the first is nil and a message follows.
function failure.check(...)
  local first, message, code, detail = ...
  if first == nil and message ~= nil then
    if failure.is(message) then error(message, 0) end
    local info = debug.getinfo(2, "Sl")
    local where = info and info.currentline > 0 and require("gpupt.source").place(info) or nil
    error(failure.new(tostring(message), code, detail, where), 0)
  end
  return ...
end

--- The reverse: calls `fn(...)` and returns `nil, message, code, detail` for a raised failure object.
-- Any other error (misuse, a bug) is raised again unchanged.
local function settle(ok, ...)
  if ok then return ... end
  local err = ...
  if failure.is(err) then return nil, err.message, err.code, err.detail end
  error(err, 0)
end

function failure.catch(fn, ...)
  return settle(pcall(fn, ...))
end

return failure
