local store = require "gpupt.store"

local function scratch()
  local pipe = assert(io.popen "mktemp -d")
  local folder = pipe:read "l"
  pipe:close()
  return folder
end

local function collect(...)
  local list = {}
  for record in ... do list[#list + 1] = record end
  return list
end

describe("the journal", function()
  local folder, path, journal

  before_each(function()
    folder = scratch()
    path = folder .. "/state/gpupt/journal.db"
    journal = assert(store.open(path))
    assert(journal:begin { id = "r1", playbook = "first.lua", who = "me", hash = "abc" })
  end)

  after_each(function()
    journal:close()
    os.execute("rm -rf " .. folder)
  end)

  it("creates its folder and file for the owner only", function()
    local pipe = io.popen(("stat -c %%a %s %s/state/gpupt"):format(path, folder))
    assert.equal("600\n700\n", pipe:read "a")
    pipe:close()
  end)

  it("returns rows in the order in which they were written", function()
    local first = assert(journal:append { run = "r1", kind = "change", target = "esx-1", step = "host.enable",
      source = "first.lua:7", what = "reboot", operation = "r1-1", detail = '{"a":1}' })
    local second = assert(journal:append { run = "r1", kind = "result", of = first, what = "done" })
    local rows = collect(journal:rows "r1")
    assert.equal(2, #rows)
    assert.same({ "change", "esx-1", "host.enable", "first.lua:7", "reboot", "r1-1", '{"a":1}' },
      { rows[1].kind, rows[1].target, rows[1].step, rows[1].source, rows[1].what, rows[1].operation, rows[1].detail })
    assert.equal(first, rows[2].of)
    assert.is_true(rows[1].at <= rows[2].at)
    assert.same({ second }, { collect(journal:rows("r1", first))[1].number })
  end)

  it("lists runs, newest first, with their end", function()
    assert(journal:begin { id = "r2", playbook = "second.lua" })
    assert(journal:append { run = "r1", kind = "end", what = "done" })
    local runs = collect(journal:runs())
    assert.same({ "r2", "r1" }, { runs[1].id, runs[2].id })
    assert.is_nil(runs[1].status)
    assert.equal("done", runs[2].status)
    assert.equal("me", runs[2].who)
  end)

  it("stays intact if a loop over it is left early and it is closed", function()
    for _ = 1, 3 do assert(journal:append { run = "r1", kind = "event" }) end
    for row in journal:rows "r1" do if row.number then break end end
    journal:close()
    assert.has_error(function() journal:runs() end, "calling 'runs' on bad self (the journal is closed)")
  end)

  it("refuses a row of a run that was never started", function()
    local number, message, code = journal:append { run = "ghost", kind = "change" }
    assert.is_nil(number)
    assert.equal("EINVAL", code)
    assert.matches("FOREIGN KEY", message)
  end)

  it("refuses a second run with the same name", function()
    local ok, _, code = journal:begin { id = "r1", playbook = "x" }
    assert.is_nil(ok)
    assert.equal("EINVAL", code)
  end)

  it("raises for a field of the wrong type", function()
    assert.has_error(function() journal:append { run = "r1", kind = 7 } end, "field 'kind' must be a string, not number")
    assert.has_error(function() journal:append { kind = "x" } end, "field 'run' must be a string, not nil")
  end)

  it("cannot be rewritten, not even with SQL", function()
    if not os.execute "command -v python3 >/dev/null" then pending "python3 is not here" return end
    assert(journal:append { run = "r1", kind = "change", what = "reboot" })
    local pipe = io.popen(([[python3 - %s 2>&1 <<'E'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for sql in ("UPDATE row SET what='x'", "DELETE FROM row", "UPDATE run SET who='x'", "DELETE FROM run"):
    try: db.execute(sql); print("done")
    except sqlite3.IntegrityError as e: print(e)
E]]):format(path))
    local said = pipe:read "a"
    pipe:close()
    assert.equal(("the journal is append-only\n"):rep(4), said)
  end)

  it("reports a file that is not a journal", function()
    local other = folder .. "/notes.txt"
    local file = io.open(other, "w")
    file:write(("these are notes\n"):rep(100))
    file:close()
    local got, message, code = store.open(other)
    assert.is_nil(got)
    assert.equal("EFORMAT", code)
    assert.matches("not a journal", message)
    local check = io.open(other)
    assert.equal(1600, #check:read "a")
    check:close()
  end)

  it("reports a folder that cannot be created", function()
    local _, message, code = store.open(folder .. "/state/gpupt/journal.db/x/y.db")
    assert.equal("ENOTDIR", code)
    assert.matches("cannot create the journal's folder .*: Not a directory", message)
  end)

  describe("if its process is killed while it writes", function()
    it("has every row whose number was returned, and is intact", function()
      local script = folder .. "/writer.lua"
      local file = io.open(script, "w")
      file:write(([[
        local journal = assert(require("gpupt.store").open(%q))
        io.stdout:setvbuf "no"
        while true do
          io.write(assert(journal:append { run = "r1", kind = "change", what = ("x"):rep(900) }), "\n")
        end]]):format(path))
      file:close()
      for round = 1, 5 do
        local out = folder .. "/out"
        os.execute(("lua5.4 %s > %s 2>%s.err & echo $! > %s.pid; sleep 0.%d; kill -9 $(cat %s.pid); wait 2>/dev/null")
          :format(script, out, out, out, round + 1, out))
        local last
        for line in io.lines(out) do last = math.tointeger(tonumber(line)) or last end
        assert.is_truthy(last, "the writer wrote nothing in round " .. round)
        local seen = {}
        for row in journal:rows "r1" do
          assert.equal(900, #row.what)
          seen[row.number] = true
        end
        for number = 1, last do assert.is_true(seen[number]) end
      end
      local again = assert(store.open(path))
      assert(again:append { run = "r1", kind = "end", what = "done" })
      again:close()
    end)
  end)
end)
