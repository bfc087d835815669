--- Of several processes that created a journal at the same moment, one could end with "the journal is locked by another
-- process": SQLite does not call its busy handler when a file is switched to its write-ahead log.
local vcenter = require "spec.support.vcenter"

-- Another process in the middle of creating it: it has the lock of a writer, and gives it back a moment later.
local holder = [[
import os, sqlite3, sys, time
path, ready = sys.argv[1:]
db = sqlite3.connect(path, isolation_level=None)
db.execute("BEGIN IMMEDIATE")
open(ready, "w").close()
time.sleep(0.3)
db.execute("COMMIT")
]]

describe("a journal that another process is creating", function()
  local dir
  before_each(function() dir = vcenter.shell "mktemp -d":match "%S+" end)
  after_each(function() os.execute("rm -rf " .. dir) end)

  it("is opened as soon as that process gives up its lock", function()
    vcenter.write(dir .. "/open.lua", 'local store = assert(require "gpupt.store".open(arg[1])) store:close() print "open"')
    vcenter.write(dir .. "/hold.py", holder)
    local text = vcenter.shell(("cd %s && { python3 hold.py run.db ready & while [ ! -e ready ]; do sleep 0.01; done; "
      .. "lua5.4 open.lua run.db 2>&1; wait; }"):format(dir))
    assert.equal("open\n", text)
  end)

  it("is opened by six processes at once", function()
    vcenter.write(dir .. "/open.lua", 'local store = assert(require "gpupt.store".open(arg[1])) store:close() print "open"')
    vcenter.write(dir .. "/all.sh", ("for i in 1 2 3 4 5 6; do lua5.4 %s/open.lua %s/run.db 2>&1 & done\nwait\n"):format(dir, dir))
    assert.equal(("open\n"):rep(6), vcenter.shell(("sh %s/all.sh"):format(dir)))
  end)
end)
