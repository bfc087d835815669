local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

describe("gpupt status", function()
  local dir, journal

  setup(function()
    dir = vcenter.shell "mktemp -d":match "%S+"
    journal = dir .. "/journal.db"
    local book = assert(store.open(journal))
    assert(book:begin { id = "light-20260801-aa", playbook = "light.lua", who = "ops", endpoint = "vc.example" })
    local first = assert(book:append { run = "light-20260801-aa", kind = "change", target = "esx-1", step = "host.enable",
      what = "RebootHost", operation = "light-1" })
    assert(book:append { run = "light-20260801-aa", kind = "result", of = first, detail = '{"ok":true}' })
    assert(book:append { run = "light-20260801-aa", kind = "change", target = "vm-1", step = "vm.create", what = "CreateVM",
      operation = "light-2" })
    assert(book:begin { id = "light-20260802-bb", playbook = "light.lua" })
    assert(book:append { run = "light-20260802-bb", kind = "end", what = "done" })
    book:close()
  end)

  teardown(function() os.execute("rm -rf " .. dir) end)

  local function run(words)
    local _, _, status = os.execute(("bin/gpupt status %s >%s/out 2>%s/err"):format(words, dir, dir))
    return status, vcenter.read(dir .. "/out"), vcenter.read(dir .. "/err")
  end

  it("lists runs, newest first, with those that were interrupted", function()
    local status, out = run("--journal " .. journal)
    assert.equal(0, status)
    assert.matches("done +light%-20260802%-bb.*interrupted +light%-20260801%-aa", out)
  end)

  it("shows the result of each change", function()
    local _, out = run("light-20260801 --journal " .. journal)
    assert.matches("esx%-1 +host.enable +RebootHost: done", out)
    assert.matches("vm%-1 +vm.create +CreateVM: interrupted; outcome unknown", out)
  end)

  it("shows the statuses of earlier releases with today's names", function()
    local path = dir .. "/old.db"
    local book = assert(store.open(path))
    assert(book:begin { id = "old-1", playbook = "light.lua" })
    assert(book:append { run = "old-1", kind = "target", target = "esx-1", what = "cut off" })
    assert(book:append { run = "old-1", kind = "target", target = "esx-2", what = "not begun" })
    book:close()
    local _, out = run("old-1 --journal " .. path)
    assert.matches("esx%-1 +interrupted\n", out)
    assert.matches("esx%-2 +not started\n", out)
  end)

  it("refuses an ambiguous run", function()
    local status, _, err = run("light --journal " .. journal)
    assert.equal(1, status)
    assert.matches("'light' is ambiguous: 2 runs begin with it", err, 1, true)
  end)

  it("reports an unknown run, and a missing journal without creating it", function()
    local status, _, err = run("nothing --journal " .. journal)
    assert.equal(1, status)
    assert.matches("the journal contains no run 'nothing'", err, 1, true)
    status, _, err = run("--journal " .. dir .. "/none.db")
    assert.equal(1, status)
    assert.matches("there is no journal at", err, 1, true)
    assert.is_nil(vcenter.read(dir .. "/none.db"))
  end)

  it("refuses an unsupported kind of journal", function()
    local status, _, err = run "--journal postgres://db/x"
    assert.equal(2, status)
    assert.matches("'postgres' is not supported, use sqlite:FILE", err, 1, true)
  end)
end)
