-- What a run had changed could not be taken back: its journal had no values from before, and no word that a run is the
-- undo of another. Format 4 has both; files are written in format 5 now. A file of each earlier format is brought up to date, and its runs keep their format.
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local ROW = "CREATE TABLE row(number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES run(id), kind TEXT NOT NULL,"
  .. " target TEXT, step TEXT, %s TEXT, what TEXT, operation TEXT, detail TEXT, of INTEGER REFERENCES row(number), at REAL NOT NULL"
  .. "%s); CREATE INDEX row_of_run ON row(run, number);"
local RUN = "CREATE TABLE run(id TEXT PRIMARY KEY NOT NULL, playbook TEXT NOT NULL, hash TEXT, endpoint TEXT, who TEXT, %s TEXT,"
  .. " note TEXT, at REAL NOT NULL%s) WITHOUT ROWID;"
local LEASE = "CREATE TABLE lease(resource TEXT PRIMARY KEY NOT NULL, run TEXT NOT NULL, at REAL NOT NULL, until REAL NOT NULL%s)"
  .. " WITHOUT ROWID;"

-- Files of these formats, as written by those versions.
local FORMATS = {
  { RUN:format("whence", "") .. ROW:format("place", "") .. LEASE:format ""
    .. "INSERT INTO run VALUES('old', 'old.lua', 'x', 'vc', 'me', 'desk', '{}', 1700000000);" },
  { RUN:format("client_host", ", format INTEGER") .. ROW:format("source", ", action TEXT, object TEXT") .. LEASE:format ""
    .. "INSERT INTO run VALUES('old', 'old.lua', 'x', 'vc', 'me', 'desk', '{}', 1700000000, 2);" },
  { RUN:format("client_host", ", format INTEGER") .. ROW:format("source", ", action TEXT, object TEXT")
    .. LEASE:format ", what TEXT, host TEXT, vm TEXT, object TEXT, kept TEXT"
    .. "CREATE TABLE runner(run TEXT PRIMARY KEY NOT NULL, process TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT,"
    .. " client_host TEXT, boot TEXT NOT NULL, since REAL NOT NULL, renewed REAL NOT NULL, until REAL NOT NULL,"
    .. " until_wall REAL NOT NULL) WITHOUT ROWID;"
    .. "INSERT INTO lease VALUES('host/u-1', 'old', 1700000000, 9e15, 'host a-1', 'a-1', NULL, 'HostSystem:host-1', 'host a-1 rebooting');"
    .. "INSERT INTO run VALUES('old', 'old.lua', 'x', 'vc', 'me', 'desk', '{}', 1700000000, 3);" },
}

local function all(...)
  local list = {}
  for one in ... do list[#list + 1] = one end
  return list
end

for format, made in ipairs(FORMATS) do
  describe(("a journal of format %d"):format(format), function()
    local folder, path
    before_each(function()
      folder = vcenter.shell "mktemp -d":match "%S+"
      path = folder .. "/journal.db"
      vcenter.write(folder .. "/old.sql", made[1]
        .. "INSERT INTO row(run, kind, target, at) VALUES('old', 'change', 'esx-1', 1700000001);"
        .. ("PRAGMA user_version=%d;"):format(format))
      assert(os.execute(("python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(open(sys.argv[2]).read())' %s %s")
        :format(path, folder .. "/old.sql")))
    end)
    after_each(function() os.execute("rm -rf " .. folder) end)

    it("is read without being changed: its runs are of no kind", function()
      local before = vcenter.shell(("sha256sum <%s"):format(path))
      local journal <close> = assert(store.read(path))
      local runs = all(journal:runs())
      assert.same({ "old", format > 1 and format or nil }, { runs[1].id, runs[1].format })
      assert.is_nil(runs[1].kind)
      assert.equal(1, #all(journal:rows "old"))
      assert.equal(before, vcenter.shell(("sha256sum <%s"):format(path)))
    end)

    it("takes undo runs once it is opened; its own run keeps its format, which has no values", function()
      local journal <close> = assert(store.open(path))
      assert(journal:begin { id = "back", playbook = "old.lua", kind = "undo", undoes = "old" })
      local of = {}
      for _, one in ipairs(all(journal:runs())) do of[one.id] = one end
      assert.same({ "undo", "old", 5 }, { of.back.kind, of.back.undoes, of.back.format })
      assert.same({ nil, nil, format > 1 and format or nil }, { of.old.kind, of.old.undoes, of.old.format })
      assert.equal(1, #all(journal:rows "old"))
    end)
  end)
end

describe("the claims of a run that is undone", function()
  local folder, journal, moment
  before_each(function()
    folder = vcenter.shell "mktemp -d":match "%S+"
    journal = assert(store.open(folder .. "/journal.db"))
    moment = require "gpupt.clock".read()
    for _, id in ipairs { "first", "back" } do
      assert(journal:begin { id = id, playbook = "a.lua" })
      assert(journal:enter(moment, { run = id, process = id .. "-p", pid = 1, seconds = 60 }))
    end
    assert(journal:claim(moment, { resource = "host/1", run = "first", process = "first-p", what = "host a-1" }))
    assert(journal:keep("first", "first-p", "host/1", "host a-1 rebooting"))
  end)
  after_each(function()
    journal:close()
    os.execute("rm -rf " .. folder)
  end)

  it("are taken over at once, with what they are kept for", function()
    assert(journal:leave("first", "first-p"))
    assert.equal(1, journal:inherit("back", "back-p", "first"))
    local lease = all(journal:leases(moment))[1]
    assert.same({ "back", "host a-1 rebooting" }, { lease.run, lease.kept })
  end)

  it("stay where a process works on it, and are not given to a process that does not work on the undo", function()
    assert.equal(0, journal:inherit("back", "back-p", "first"))
    assert(journal:leave("first", "first-p"))
    assert.equal(0, journal:inherit("back", "another", "first"))
    assert.equal("first", all(journal:leases(moment))[1].run)
  end)
end)
