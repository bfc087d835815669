--- Of several processes that created a journal at the same moment, one could end with "the journal is locked by another
-- process": SQLite does not wait when a file is switched to its write-ahead log.
local vcenter = require "spec.support.vcenter"

describe("a journal that several processes create at once", function()
  it("is opened by all of them", function()
    local dir = vcenter.shell "mktemp -d":match "%S+"
    finally(function() os.execute("rm -rf " .. dir) end)
    vcenter.write(dir .. "/open.lua", 'local store = assert(require "gpupt.store".open(arg[1])) store:close() print "open"')
    for round = 1, 15 do
      vcenter.write(dir .. "/all.sh", ("for i in 1 2 3 4 5 6; do lua5.4 %s/open.lua %s/%d.db 2>&1 & done\nwait\n"):format(dir,
        dir, round))
      local text = vcenter.shell(("sh %s/all.sh"):format(dir))
      assert.equal(("open\n"):rep(6), text)
    end
  end)
end)
