--- How many commits a journal's file has seen: those in SQLite's log, by its documented format: a frame that ends a commit
-- has the size of the database.
--   local before = commits(path); ...; assert.equal(1, commits(path) - before)
local vcenter = require "spec.support.vcenter"

return function(path)
  local log, count = assert(vcenter.read(path .. "-wal")), 0
  local page = (">I4"):unpack(log, 9)
  local salt = log:sub(17, 24)
  for at = 33, #log - 23, page + 24 do
    if log:sub(at + 8, at + 15) == salt and (">I4"):unpack(log, at + 4) > 0 then count = count + 1 end
  end
  return count
end
