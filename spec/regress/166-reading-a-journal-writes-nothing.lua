--- gpupt status opened the journal for writing: it failed on a full disk and in a folder that cannot be written, which is
-- when an operator looks at it, and it brought an older journal to a new format.
local lab_clock = require "gpupt.clock"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

-- A journal of format 2 (what = 2) or 1, as those releases wrote it.
local OLD = [[
import sqlite3, sys
path, what = sys.argv[1], int(sys.argv[2])
db = sqlite3.connect(path)
old = what == 1
db.executescript("""
CREATE TABLE run(id TEXT PRIMARY KEY NOT NULL, playbook TEXT NOT NULL, hash TEXT, endpoint TEXT, who TEXT, %s TEXT,
 note TEXT, at REAL NOT NULL %s) WITHOUT ROWID;
CREATE TABLE row(number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES run(id), kind TEXT NOT NULL,
 target TEXT, step TEXT, %s TEXT, what TEXT, operation TEXT, detail TEXT, of INTEGER REFERENCES row(number),
 at REAL NOT NULL %s);
CREATE TABLE lease(resource TEXT PRIMARY KEY NOT NULL, run TEXT NOT NULL, at REAL NOT NULL, until REAL NOT NULL)
 WITHOUT ROWID;
""" % (("whence", "", "place", "") if old else ("client_host", ", format INTEGER", "source", ", action TEXT, object TEXT")))
db.execute("INSERT INTO run(id, playbook, who, at) VALUES('old-1', 'old.lua', 'me', 1700000000)")
db.execute("INSERT INTO row(run, kind, target, step, what, operation, at) VALUES('old-1', 'change', 'esx-1', 'host.enable', 'RebootHost', 'o-1', 1700000001)")
db.execute("INSERT INTO lease VALUES('host/x', 'old-1', 1700000000, 9e12)")
db.execute("PRAGMA user_version=%d" % what)
db.commit()
]]

-- kills itself with rows in the log that are in no checkpoint
local KILLED = [[
package.path = "lua/?.lua;lua/?/init.lua;" .. package.path
local store = require "gpupt.store"
local book = assert(store.open(arg[1]))
assert(book:begin { id = "cut-1", playbook = "cut.lua" })
assert(book:append { run = "cut-1", kind = "change", target = "esx-1", what = "RebootHost", operation = "c-1" })
os.execute "kill -9 $PPID"
]]

describe("reading a journal", function()
  local dir, path

  before_each(function()
    dir = vcenter.shell "mktemp -d":match "%S+"
    path = dir .. "/journal.db"
  end)
  after_each(function() os.execute(("chmod -R u+rwx '%s'; rm -rf '%s'"):format(dir, dir)) end)

  local function fill(file)
    local book = assert(store.open(file or path))
    assert(book:begin { id = "cut-1", playbook = "cut.lua" })
    assert(book:append { run = "cut-1", kind = "change", target = "esx-1", what = "RebootHost", operation = "c-1" })
    return book
  end

  --- status of the journal, through a pipe; `before` is a shell fragment.
  local function status(before, words)
    local text = vcenter.shell(("(%s bin/gpupt status %s --journal %s) 2>&1; echo status $?"):format(before or "",
      words or "", path))
    return text
  end

  local function listing() return (vcenter.shell(("cd %s && for f in *; do echo $f $(md5sum <$f); done"):format(dir))) end

  local function killed()
    vcenter.write(dir .. "/kill.lua", KILLED)
    os.execute(("lua5.4 %s/kill.lua %s 2>/dev/null"):format(dir, path))
    os.remove(dir .. "/kill.lua")
  end

  -- writes fail as on a full disk, and so does making a file larger
  local FULL = "trap '' XFSZ; ulimit -f 0;"

  it("works on a full disk, of a run that ended and of one that was killed", function()
    fill():close()
    assert.matches("cut%-1.*status 0\n$", status(FULL))
    assert.matches("RebootHost.*status 0\n$", status(FULL, "cut-1"))
    os.execute(("rm %s*"):format(path))
    killed()
    assert.is_truthy(vcenter.read(path .. "-wal"))
    os.remove(path .. "-shm")
    assert.matches("RebootHost.*status 0\n$", status(FULL, "cut-1"))
  end)

  it("works while another process writes it, and sees its last row", function()
    local book = fill()
    assert.matches("RebootHost", status(nil, "cut-1"), 1, true)
    assert(book:append { run = "cut-1", kind = "change", target = "esx-1", what = "ExitMaintenance", operation = "c-2" })
    assert.matches("ExitMaintenance.*status 0\n$", status(FULL, "cut-1"))
    -- also inside a transaction of this process
    local reader = assert(store.read(path))
    local seen = {}
    for row in reader:rows "cut-1" do
      assert(book:append { run = "cut-1", kind = "event", what = "more" })
      seen[#seen + 1] = row.what
    end
    assert.same({ "RebootHost", "ExitMaintenance" }, seen)
    reader:close()
    book:close()
  end)

  it("works in a folder that cannot be written, with and without a log", function()
    -- another user's rights: root may write everywhere
    local function as_nobody(words)
      local text = vcenter.shell(("cp -r bin lua build/lib %s/ 2>/dev/null; mkdir -p %s/build && mv %s/lib %s/build/ 2>/dev/null; "
        .. "chmod -R a+rX,go-w %s; chown -R nobody %s/j; chmod 500 %s/j; "
        .. "(cd %s && setpriv --reuid=65534 --clear-groups bin/gpupt status %s --journal %s/j/journal.db) 2>&1; echo status $?"):format(
        dir, dir, dir, dir, dir, dir, dir, dir, words, dir))
      return text
    end
    if vcenter.shell "id -u" ~= "0\n" then return end
    os.execute("mkdir " .. dir .. "/j")
    path = dir .. "/j/journal.db"
    fill():close()
    assert.matches("RebootHost.*status 0\n$", as_nobody "cut-1")
    os.execute(("chmod 700 %s/j; rm -rf %s/j/*"):format(dir, dir))
    killed()
    os.remove(path .. "-shm")
    assert.matches("RebootHost.*status 0\n$", as_nobody "cut-1")
    assert.equal("journal.db\njournal.db-wal\n", vcenter.shell(("ls %s/j"):format(dir)))
  end)

  for what = 1, 2 do
    it(("leaves a journal of format %d as it is"):format(what), function()
      vcenter.write(dir .. "/old.py", OLD)
      assert(os.execute(("python3 %s/old.py %s %d"):format(dir, path, what)))
      local before = listing()
      local text = status(nil, "old-1")
      assert.matches("esx%-1 +host.enable +RebootHost", text)
      assert.matches("status 0\n$", text)
      assert.equal(before, listing())
      local reader <close> = assert(store.read(path))
      local list = {}
      for lease in reader:leases(lab_clock.read()) do list[#list + 1] = lease.resource .. " " .. lease.in_force end
      assert.same({ "host/x 1" }, list)
      assert.is_nil(reader:runner(lab_clock.read(), "old-1"))
    end)
  end

  it("cannot change anything", function()
    fill():close()
    local reader <close> = assert(store.read(path))
    for _, call in ipairs { function() return reader:begin { id = "r2", playbook = "x" } end,
      function() return reader:append { run = "cut-1", kind = "event" } end,
      function() return reader:leave("cut-1", "p") end } do
      local ok, message, code = call()
      assert.is_nil(ok)
      assert.equal("EACCES", code)
      assert.matches("the journal was opened for reading", message, 1, true)
    end
  end)

  it("refuses a link, a FIFO, an empty file and a missing one, and creates nothing", function()
    fill():close()
    os.execute(("ln -s %s %s/link.db; mkfifo %s/fifo.db; : >%s/empty.db"):format(path, dir, dir, dir))
    for name, wanted in pairs { ["link.db"] = "ELOOP", ["fifo.db"] = "EINVAL", ["empty.db"] = "ENOENT", ["none.db"] = "ENOENT" } do
      local journal, _, code = store.read(dir .. "/" .. name)
      assert.is_nil(journal)
      assert.equal(wanted, code, name)
    end
    assert.is_nil(vcenter.read(dir .. "/none.db"))
    assert.equal("", vcenter.read(dir .. "/empty.db"))
  end)
end)
