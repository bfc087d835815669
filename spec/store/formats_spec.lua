-- Journals of earlier releases: a run that was killed, its journal written in each earlier format (by the SQL of that
-- release), is shown, resumed, and undone where its rows have what that needs. Nothing of the old rows changes.
local gpupt = require "gpupt"
local killed = require "spec.support.killed"
local lab = require "spec.support.lab"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local RUN = "CREATE TABLE old.run(id TEXT PRIMARY KEY NOT NULL, playbook TEXT NOT NULL, hash TEXT, endpoint TEXT, who TEXT, %s TEXT,"
  .. " note TEXT, at REAL NOT NULL%s) WITHOUT ROWID;"
local ROW = "CREATE TABLE old.row(number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES run(id), kind TEXT NOT NULL,"
  .. " target TEXT, step TEXT, %s TEXT, what TEXT, operation TEXT, detail TEXT, of INTEGER REFERENCES row(number), at REAL NOT NULL%s);"
  .. "CREATE INDEX old.row_of_run ON row(run, number);"
local LEASE = "CREATE TABLE old.lease(resource TEXT PRIMARY KEY NOT NULL, run TEXT NOT NULL, at REAL NOT NULL, until REAL NOT NULL%s)"
  .. " WITHOUT ROWID;"
local RUNNER = "CREATE TABLE old.runner(run TEXT PRIMARY KEY NOT NULL, process TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT,"
  .. " client_host TEXT, boot TEXT NOT NULL, since REAL NOT NULL, renewed REAL NOT NULL, until REAL NOT NULL,"
  .. " until_wall REAL NOT NULL) WITHOUT ROWID; INSERT INTO old.runner SELECT * FROM main.runner;"

local RUN_COLUMNS = "id, playbook, hash, endpoint, who, client_host, note, at"
local ROW_COLUMNS = "number, run, kind, target, step, source, what, operation, detail, of, at"
local ABOUT = ", what TEXT, host TEXT, vm TEXT, object TEXT, kept TEXT"

-- The tables of each format, filled from a journal of today.
local FORMATS = {
  RUN:format("whence", "") .. ROW:format("place", "") .. LEASE:format ""
    .. ("INSERT INTO old.run SELECT %s FROM main.run; INSERT INTO old.row SELECT %s FROM main.row;"):format(RUN_COLUMNS, ROW_COLUMNS),
  RUN:format("client_host", ", format INTEGER") .. ROW:format("source", ", action TEXT, object TEXT") .. LEASE:format ""
    .. ("INSERT INTO old.run SELECT %s, 2 FROM main.run; INSERT INTO old.row SELECT %s, action, object FROM main.row;"):format(
      RUN_COLUMNS, ROW_COLUMNS),
  RUN:format("client_host", ", format INTEGER") .. ROW:format("source", ", action TEXT, object TEXT") .. LEASE:format(ABOUT) .. RUNNER
    .. ("INSERT INTO old.run SELECT %s, 3 FROM main.run; INSERT INTO old.row SELECT %s, action, object FROM main.row;"):format(
      RUN_COLUMNS, ROW_COLUMNS),
  RUN:format("client_host", ", format INTEGER, kind TEXT, undoes TEXT") .. ROW:format("source", ", action TEXT, object TEXT")
    .. LEASE:format(ABOUT) .. RUNNER
    .. ("INSERT INTO old.run SELECT %s, 4, kind, undoes FROM main.run; INSERT INTO old.row SELECT %s, action, object FROM main.row;")
      :format(RUN_COLUMNS, ROW_COLUMNS),
}

local CONVERT = [[
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("ATTACH ? AS old", (sys.argv[2],))
db.executescript(open(sys.argv[3]).read())
db.close()
]]

-- The journal's rows as text, by the columns that all formats have.
local function rows_of(path)
  local journal <close> = assert(store.read(path))
  local list = {}
  for run in journal:runs() do
    for row in journal:rows(run.id) do
      list[#list + 1] = ("%d %s %s %s %s %s %s"):format(row.number, row.kind, row.target or "-", row.step or "-", row.what or "-",
        row.source or "-", row.detail or "-")
    end
  end
  return list
end

local PLAY = [[return p.playbook { name = "old",
  p.hosts { where = "/DC0/host/gpu-a/*", devices = p.gpus { match = "10de:20b5" }, roll = { resend_after = "2s" }, p.host.enable {} },
  p.vms { where = "/DC0/vm/desk-1", p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]]

for format, tables in ipairs(FORMATS) do
  describe(("a journal of format %d"):format(format), function()
    local l, old, id, before

    setup(function()
      l = lab.start { speed = 100, fleet = { datastores = { { name = "ds-1" } }, clusters = { { name = "gpu-a", hosts = { lab.host "esx-1" } } },
        vms = { { name = "desk-1", host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096 } } } }
      local now = l.dir .. "/now.db"
      -- enabled, in maintenance mode, about to be rebooted
      id = assert(killed.after(l, { "apply", l:write(PLAY), "--allow", "reboot" }, now, 3)).id
      old = l.dir .. "/old.db"
      vcenter.write(l.dir .. "/old.sql", tables .. ("PRAGMA old.user_version=%d;"):format(format))
      vcenter.write(l.dir .. "/convert.py", CONVERT)
      assert(os.execute(("python3 %s/convert.py %s %s %s/old.sql"):format(l.dir, now, old, l.dir)))
      before = rows_of(old)
      assert.is_true(#before > 8)
    end)
    teardown(function() l:stop() end)

    local function with(words)
      words[#words + 1], words[#words + 2] = "--journal", old
      return l:command(words)
    end

    it("is shown without being changed", function()
      local sum = vcenter.shell("sha256sum <" .. old)
      assert.matches("interrupted +" .. id:gsub("%-", "%%-"), with({ "status" }).out)
      local status = with { "status", id, "--json" }
      assert.equal(0, status.status, status.err)
      local json = gpupt.json.decode(status.out)
      assert.same({ "esx-1", "desk-1" }, { json.targets[1].target, json.targets[2].target })
      assert.equal(sum, vcenter.shell("sha256sum <" .. old))
    end)

    if format == 1 then
      it("has runs that cannot be resumed: it says what to do", function()
        local resumed = with { "apply", "--resume", id, "--allow", "reboot" }
        assert.equal(1, resumed.status)
        assert.matches("whose journal is not detailed enough to resume it. Check the fleet with 'gpupt plan'", resumed.err, 1, true)
      end)
    else
      it("has runs that are resumed: nothing is done twice, and the old rows stay", function()
        local resumed = with { "apply", "--resume", id, "--allow", "reboot" }
        assert.equal(0, resumed.status, resumed.err)
        assert.equal(1, l.sim:calls "RebootHost_Task")
        assert.equal(1, #l:truth("vms", "desk-1").devices)
        local after = rows_of(old)
        assert.same(before, table.move(after, 1, #before, 1, {}))
        assert.is_true(#after > #before)
      end)

      it("has each target of the resumed run once", function()
        local json = gpupt.json.decode(with({ "status", id, "--json" }).out)
        assert.same({ "esx-1", "changed", "desk-1", "changed" }, { json.targets[1].target, json.targets[1].outcome, json.targets[2].target,
          json.targets[2].outcome })
        assert.equal(2, #json.targets)
      end)
    end

    it(format < 4 and "has runs that cannot be undone" or "has runs that are undone", function()
      local undone = with { "undo", id, "--allow", "reboot" }
      if format < 4 then
        assert.equal(1, undone.status)
        assert.matches("was started by an earlier release of gpupt", undone.err, 1, true)
        return
      end
      assert.equal(0, undone.status, undone.err)
      assert.same({}, l:truth("vms", "desk-1").devices or {})
      assert.is_false(l:truth("hosts", "esx-1").cards[1].enabled)
    end)

    it("is of today's format once it was opened for writing", function()
      assert(store.open(old)):close()
      assert.equal("5\n", vcenter.shell(("python3 -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(\"PRAGMA user_version\")"
        .. ".fetchone()[0])' %s"):format(old)))
    end)
  end)
end
