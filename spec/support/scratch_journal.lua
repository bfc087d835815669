--- A journal in a folder of its own, with the run r1 and that run's context, for specs of how rows are written.
--   local book = scratch_journal.open()      book.path  book.journal  book.ctx
--   book:rows() -> list     what another process reads       book:commits() -> how many commits the file has seen
--   book:close()
local context = require "gpupt.playbook.context"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local scratch_journal = {}

local Scratch = {}
Scratch.__index = Scratch

function scratch_journal.open()
  local dir = vcenter.shell "mktemp -d":match "%S+"
  local path = dir .. "/journal.db"
  local journal = assert(store.open(path))
  assert(journal:begin { id = "r1", playbook = "x.lua" })
  return setmetatable({ dir = dir, path = path, journal = journal,
    ctx = context.new { journal = journal, run = "r1" } }, Scratch)
end

function Scratch:rows()
  local list, reader = {}, assert(store.read(self.path))
  for row in reader:rows "r1" do list[#list + 1] = row end
  reader:close()
  return list
end

-- Those in SQLite's log, by its documented format: a frame that ends a commit has the size of the database.
function Scratch:commits()
  local log, count = assert(vcenter.read(self.path .. "-wal")), 0
  local page = (">I4"):unpack(log, 9)
  local salt = log:sub(17, 24)
  for at = 33, #log - 23, page + 24 do
    if log:sub(at + 8, at + 15) == salt and (">I4"):unpack(log, at + 4) > 0 then count = count + 1 end
  end
  return count
end

function Scratch:close()
  self.journal:close()
  os.execute("rm -rf " .. self.dir)
end

return scratch_journal
