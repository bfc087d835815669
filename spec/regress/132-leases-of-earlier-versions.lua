-- A lease named a UUID and a run, and lasted 4 hours whether the run lived or not. Format 3 of the journal says what a lease is
-- about and which process renews it. Files of the formats before are brought up to date, and their leases stay in force until
-- the time that they were granted for.
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local COMMON = [[
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1])
lease = "CREATE TABLE lease(resource TEXT PRIMARY KEY NOT NULL, run TEXT NOT NULL, at REAL NOT NULL, until REAL NOT NULL) WITHOUT ROWID;"
]]

-- Files of these formats, as written by those versions.
local FORMATS = {
  [1] = [[
db.executescript("""
CREATE TABLE run(id TEXT PRIMARY KEY NOT NULL, playbook TEXT NOT NULL, hash TEXT, endpoint TEXT, who TEXT, whence TEXT,
 note TEXT, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE row(number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES run(id), kind TEXT NOT NULL,
 target TEXT, step TEXT, place TEXT, what TEXT, operation TEXT, detail TEXT, of INTEGER REFERENCES row(number), at REAL NOT NULL);
CREATE INDEX row_of_run ON row(run, number);
INSERT INTO run VALUES('old', 'old.lua', 'x', 'vc', 'me', 'desk', '{}', 1700000000);
PRAGMA user_version=1;
""" + lease)
]],
  [2] = [[
db.executescript("""
CREATE TABLE run(id TEXT PRIMARY KEY NOT NULL, playbook TEXT NOT NULL, hash TEXT, endpoint TEXT, who TEXT, client_host TEXT,
 note TEXT, at REAL NOT NULL, format INTEGER) WITHOUT ROWID;
CREATE TABLE row(number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES run(id), kind TEXT NOT NULL,
 target TEXT, step TEXT, source TEXT, what TEXT, operation TEXT, detail TEXT, of INTEGER REFERENCES row(number), at REAL NOT NULL,
 action TEXT, object TEXT);
CREATE INDEX row_of_run ON row(run, number);
INSERT INTO run VALUES('old', 'old.lua', 'x', 'vc', 'me', 'desk', '{}', 1700000000, 2);
PRAGMA user_version=2;
""" + lease)
]],
}

local LEASES = [[
db.execute("INSERT INTO lease VALUES('host/u-1', 'old', ?, ?)", (time.time(), time.time() + 3600))
db.execute("INSERT INTO lease VALUES('host/u-2', 'old', ?, ?)", (time.time() - 7200, time.time() - 3600))
db.commit()
]]

for format, text in pairs(FORMATS) do
  describe(("a journal of format %d with leases"):format(format), function()
    local folder, path, journal, moment
    before_each(function()
      folder = vcenter.shell "mktemp -d":match "%S+"
      path = folder .. "/journal.db"
      vcenter.write(folder .. "/old.py", COMMON .. text .. LEASES)
      assert(os.execute(("python3 %s/old.py %s"):format(folder, path)))
      journal = assert(store.open(path))
      moment = require "gpupt.clock".read()
      assert(journal:enter(moment, { run = "new", process = "p", pid = 1, seconds = 60 }))
    end)
    after_each(function()
      journal:close()
      os.execute("rm -rf " .. folder)
    end)

    local function claim(run, resource)
      return journal:claim(moment, { run = run, process = "p", resource = resource, what = "host a-1" })
    end

    it("keeps them in force until their time", function()
      local ok, message, code = claim("new", "host/u-1")
      assert.is_nil(ok)
      assert.equal("EHELD", code)
      assert.equal("host a-1 is claimed by run old", message)
      assert.is_true(claim("new", "host/u-2"))
    end)

    it("gives them to their own run, and says from then on what they are about", function()
      assert(journal:enter(moment, { run = "old", process = "p", pid = 1, seconds = 60 }))
      assert.is_true(claim("old", "host/u-1"))
      for lease in journal:leases(moment) do
        if lease.resource == "host/u-1" then assert.equal("host a-1", lease.what) end
      end
    end)

    it("shields new leases from a process of that version that still has the file open", function()
      assert.is_true(claim("new", "host/u-3"))
      local said = vcenter.shell(([[python3 - %s <<'E'
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1])
now = time.time()
c = db.execute("INSERT INTO lease(resource, run, at, until) VALUES(?1, ?2, ?3, ?4) ON CONFLICT(resource) DO UPDATE"
  " SET run = ?2, at = ?3, until = ?4 WHERE run = ?2 OR until <= ?3", ("host/u-3", "old", now, now + 60))
print(c.rowcount)
E]]):format(path))
      assert.equal("0\n", said)
    end)
  end)
end
