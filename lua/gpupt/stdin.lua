--- All of standard input; it can be read once. Its closed descriptor, or a folder, is a failure as with any other file.
local failure = require "gpupt.failure"

--- The text; raises EIO, and EFBIG beyond `limit` bytes.
return function(limit)
  local text, problem = io.stdin:read(limit and limit + 1 or "a")
  if not text and problem then
    error(failure.new("standard input cannot be read: " .. problem, "EIO"), 0)
  end
  text = text or ""
  if limit and #text > limit then
    error(failure.new("standard input is too large: give a file", "EFBIG"), 0)
  end
  return text
end
