--- A row of the journal identified its change only by its text for people, and resume parsed that text: after a change of
-- wording, a host was rebooted twice. Now step, action and object identify a change. An older journal file can be read; its
-- runs can be shown but not resumed, because its rows do not contain enough.
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

-- A journal file of format 1, as written by that version.
local OLD = [[
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.executescript("""
CREATE TABLE run(id TEXT PRIMARY KEY NOT NULL, playbook TEXT NOT NULL, hash TEXT, endpoint TEXT, who TEXT, whence TEXT,
 note TEXT, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE row(number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES run(id), kind TEXT NOT NULL,
 target TEXT, step TEXT, place TEXT, what TEXT, operation TEXT, detail TEXT, of INTEGER REFERENCES row(number), at REAL NOT NULL);
CREATE INDEX row_of_run ON row(run, number);
CREATE TABLE lease(resource TEXT PRIMARY KEY NOT NULL, run TEXT NOT NULL, at REAL NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE TRIGGER run_kept BEFORE UPDATE ON run BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER row_kept BEFORE UPDATE ON row BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
INSERT INTO run VALUES('old-1', 'old.lua', 'x', 'vc', 'me', 'desk', '{}', 1700000000);
INSERT INTO row(run, kind, target, step, place, what, operation, at)
 VALUES('old-1', 'change', 'esx-1', 'host.enable', 'old.lua:3', 'RebootHost', 'old-1-1', 1700000001);
PRAGMA user_version=1;
""")
db.commit()
]]

describe("a journal file of an earlier version", function()
  local folder, path
  before_each(function()
    local pipe = assert(io.popen "mktemp -d")
    folder = pipe:read "l"
    pipe:close()
    path = folder .. "/journal.db"
    vcenter.write(folder .. "/old.py", OLD)
    assert(os.execute(("python3 %s/old.py %s"):format(folder, path)))
  end)
  after_each(function() os.execute("rm -rf " .. folder) end)

  local function command(words)
    local pipe = io.popen(("lua5.4 bin/gpupt %s --journal %s 2>&1; echo status $?"):format(words, path))
    local text = pipe:read "a"
    pipe:close()
    return text
  end

  it("is read: its runs and rows are shown", function()
    local text = command "status old-1"
    assert.matches("by me at desk", text, 1, true)
    assert.matches("RebootHost", text, 1, true)
    assert.matches("status 0\n$", text)
  end)

  it("accepts new runs, whose changes have an action and an object", function()
    local journal <close> = assert(store.open(path))
    assert(journal:begin { id = "new-1", playbook = "new.lua" })
    assert(journal:append { run = "new-1", kind = "change", target = "esx-1", step = "host.enable", action = "reboot",
      object = "HostSystem:host-9", what = "RebootHost" })
    for row in journal:rows "new-1" do
      assert.same({ "reboot", "HostSystem:host-9" }, { row.action, row.object })
    end
  end)

  it("does not allow resuming its run, and reports what to do instead", function()
    local text = command "apply --resume old-1"
    assert.matches("run old-1 was started by an earlier release of gpupt", text, 1, true)
    assert.matches("apply the playbook again", text, 1, true)
    assert.matches("status 1\n$", text)
  end)
end)
