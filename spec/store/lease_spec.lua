local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local SECONDS = 300

-- A moment of a made-up clock.
local function at(now, more)
  local moment = { now = now, wall = 1700000000 + now, boot = "boot-1" }
  for name, value in pairs(more or {}) do moment[name] = value end
  return moment
end

describe("the store of leases", function()
  local folder, path, journal

  before_each(function()
    folder = vcenter.shell "mktemp -d":match "%S+"
    path = folder .. "/journal.db"
    journal = assert(store.open(path))
  end)
  after_each(function()
    journal:close()
    os.execute("rm -rf " .. folder)
  end)

  local function enter(moment, run, process, more)
    local runner = { run = run, process = process or run .. "-p", pid = 42, started = "7", client_host = "desk",
      seconds = SECONDS }
    for name, value in pairs(more or {}) do runner[name] = value end
    return journal:enter(moment, runner)
  end

  local function claim(moment, run, resource, more)
    local lease = { run = run, process = run .. "-p", resource = resource, what = "the " .. resource }
    for name, value in pairs(more or {}) do lease[name] = value end
    return journal:claim(moment, lease)
  end

  local function leases(moment)
    local list = {}
    for lease in journal:leases(moment) do if lease.in_force == 1 then list[lease.resource] = lease end end
    return list
  end

  it("grants a resource to one run at a time and reports which", function()
    enter(at(0), "r1") enter(at(0), "r2")
    assert.is_true(claim(at(1), "r1", "card"))
    assert.is_true(claim(at(1), "r1", "card"))
    local ok, message, code, detail = claim(at(1), "r2", "card")
    assert.is_nil(ok)
    assert.equal("the card is claimed by run r1", message)
    assert.equal("EHELD", code)
    assert.same({ run = "r1", resource = "card" }, detail)
    assert.is_true(journal:release("r1", "r1-p", "card"))
    assert.is_false(journal:release("r1", "r1-p", "card"))
    assert.is_true(claim(at(1), "r2", "card"))
  end)

  it("grants several resources with one commit, or with none", function()
    local other <close> = assert(store.open(path))
    enter(at(0), "r1")
    assert(journal:begin { id = "r1", playbook = "play.lua" })
    local function seen()
      local list = {}
      for lease in other:leases(at(1)) do list[#list + 1] = lease.resource end
      table.sort(list)
      return list
    end
    assert(journal:gather())
    assert.is_true(claim(at(1), "r1", "a"))
    assert.is_true(claim(at(1), "r1", "b"))
    assert.same({}, seen())
    assert(journal:commit())
    assert.same({ "a", "b" }, seen())
    assert(journal:gather())
    assert.is_true(claim(at(1), "r1", "c"))
    assert.is_nil((journal:append { run = "of nobody", kind = "note" }))
    assert.is_nil((journal:commit()))
    assert.same({ "a", "b" }, seen())
    assert.is_true(claim(at(1), "r1", "c"))
    assert.same({ "a", "b", "c" }, seen())
  end)

  it("lists them with what they are about and who holds them", function()
    enter(at(5), "r1")
    claim(at(6), "r1", "card", { host = "esx-1", vm = "train-1", object = "HostSystem:host-9" })
    local one = leases(at(7)).card
    assert.same({ "r1", "the card", "esx-1", "train-1", "HostSystem:host-9", "r1-p", 42, "7", "desk", "boot-1", 305.0, 1 },
      { one.run, one.what, one.host, one.vm, one.object, one.process, one.pid, one.started, one.client_host, one.boot,
        one["until"], one.running })
  end)

  it("grants nothing to a process that does not work on the run", function()
    local ok, _, code = claim(at(0), "r1", "card")
    assert.same({ nil, "ELAPSED" }, { ok, code })
    enter(at(0), "r1")
    ok, _, code = claim(at(0), "r1", "card", { process = "another" })
    assert.same({ nil, "ELAPSED" }, { ok, code })
  end)

  it("keeps all leases of a run in force while its process renews them, by one write", function()
    enter(at(0), "r1") enter(at(0), "r2")
    claim(at(0), "r1", "a") claim(at(0), "r1", "b")
    assert.is_true(journal:renew(at(SECONDS - 1), "r1", "r1-p", SECONDS))
    assert.is_true(journal:renew(at(SECONDS - 1), "r2", "r2-p", SECONDS))
    assert.equal("EHELD", (select(3, claim(at(SECONDS + 100), "r2", "a"))))
    assert.equal("r1", leases(at(SECONDS + 100)).b.run)
  end)

  it("grants a lease that was not renewed to another run, and tells the first so", function()
    enter(at(0), "r1")
    claim(at(0), "r1", "a")
    local late = at(SECONDS + 1)
    assert.same({}, leases(late))
    enter(late, "r2")
    assert.is_true(claim(late, "r2", "a"))
    local ok, _, code = journal:renew(late, "r1", "r1-p", SECONDS)
    assert.same({ nil, "ELAPSED" }, { ok, code })
    assert.is_false(journal:release("r1", "r1-p", "a"))
    assert.equal("r2", leases(late).a.run)
  end)

  it("does not renew what has expired, even if no other run took it", function()
    enter(at(0), "r1")
    claim(at(0), "r1", "a")
    assert.equal("ELAPSED", (select(3, journal:renew(at(SECONDS + 1), "r1", "r1-p", SECONDS))))
  end)

  it("goes by the wall clock after a reboot, whose other clock has started again", function()
    enter(at(100000), "r1") claim(at(100000), "r1", "a")
    local function rebooted(seconds_later) return at(60, { boot = "boot-2", wall = 1700100000 + seconds_later }) end
    enter(rebooted(200), "r2")
    assert.equal("EHELD", (select(3, claim(rebooted(200), "r2", "a"))))
    assert.is_true(claim(rebooted(SECONDS + 1), "r2", "a"))
    -- and a clock that was set back does not prolong leases of this boot
    enter(at(60, { boot = "boot-2", wall = 0 }), "r3")
    claim(at(60, { boot = "boot-2", wall = 0 }), "r3", "b")
    assert.is_nil(leases(at(60 + SECONDS + 1, { boot = "boot-2", wall = -100000 })).b)
  end)

  describe("that are kept", function()
    it("stay in force without a process, until their run releases them", function()
      enter(at(0), "r1")
      claim(at(0), "r1", "a") claim(at(0), "r1", "b")
      assert.is_true(journal:keep("r1", "r1-p", "a", "host a in maintenance mode"))
      assert(journal:leave("r1", "r1-p"))
      local late = at(1e6)
      assert.same({ "host a in maintenance mode" }, { leases(late).a.kept })
      assert.is_nil(leases(late).b)
      enter(late, "r2")
      assert.equal("EHELD", (select(3, claim(late, "r2", "a"))))
      -- the same run takes it over, and it stays kept: this process may be killed as well
      enter(late, "r1", "r1-second")
      assert.is_true(claim(late, "r1", "a", { process = "r1-second" }))
      assert.equal("host a in maintenance mode", leases(late).a.kept)
      assert.is_true(journal:release("r1", "r1-second", "a"))
      assert.is_true(claim(late, "r2", "a"))
    end)

    it("are not touched by a process whose run another one has taken over", function()
      enter(at(0), "r1")
      claim(at(0), "r1", "a")
      enter(at(SECONDS + 1), "r1", "second")
      assert.is_true(claim(at(SECONDS + 1), "r1", "a", { process = "second" }))
      assert.is_false(journal:keep("r1", "r1-p", "a", "x"))
      assert.is_false(journal:release("r1", "r1-p", "a"))
      assert(journal:leave("r1", "r1-p"))
      assert.equal("second", leases(at(SECONDS + 2)).a.process)
    end)
  end)

  it("lets one process work on a run, and another one instead of a dead one", function()
    assert.is_true(enter(at(0), "r1", "first"))
    assert.equal("EHELD", (select(3, enter(at(1), "r1", "second"))))
    assert.equal("EHELD", (select(3, enter(at(1), "r1", "second", { instead = "somebody" }))))
    assert.is_true(enter(at(1), "r1", "second", { instead = "first" }))
    assert.equal("second", journal:runner(at(1), "r1").process)
    assert.equal("EHELD", (select(3, enter(at(1), "r1", "third", { instead = "first" }))))
    assert(journal:leave("r1", "first"))
    assert.equal(1, journal:runner(at(1), "r1").running)
    assert(journal:leave("r1", "second"))
    assert.is_nil(journal:runner(at(1), "r1"))
  end)

  it("says whether a process works on a run and is in force", function()
    enter(at(0), "r1", "first")
    assert.is_true(journal:works(at(1), "r1", "first"))
    assert.is_false(journal:works(at(1), "r1", "second"))
    assert.is_false(journal:works(at(1), "r2", "first"))
    assert.is_false(journal:works(at(SECONDS + 1), "r1", "first"))
    enter(at(SECONDS + 1), "r1", "second")
    assert.is_false(journal:works(at(SECONDS + 2), "r1", "first"))
    assert.is_true(journal:works(at(SECONDS + 2), "r1", "second"))
    assert(journal:leave("r1", "second"))
    assert.is_false(journal:works(at(SECONDS + 2), "r1", "second"))
    local reader <close> = assert(store.read(path))
    assert.equal("EACCES", (select(3, reader:works(at(1), "r1", "first"))))
  end)

  it("can be written after its runner was read while another process writes", function()
    enter(at(0), "r1")
    assert.equal("r1-p", journal:runner(at(0), "r1").process)
    local other <close> = assert(store.open(path))
    assert(other:begin { id = "other", playbook = "other.lua" })
    assert.is_true(journal:renew(at(1), "r1", "r1-p", SECONDS))
  end)

  it("raises for a clock or a field of the wrong type", function()
    assert.has_error(function() journal:claim({ now = 1, wall = 1 }, {}) end, "field 'boot' must be a string, not nil")
    assert.has_error(function() journal:claim(at(1), { resource = "a", run = "r", process = "p" }) end,
      "field 'what' must be a string, not nil")
  end)

  it("never grants one lease to two processes", function()
    local code = [[
      local moment = { now = 1, wall = 1, boot = "b" }
      local journal = assert(require("gpupt.store").open(%q))
      assert(journal:enter(moment, { run = %q, process = "x", pid = 1, seconds = 60 }))
      local mine = 0
      for i = 1, 60 do
        if journal:claim(moment, { resource = "card/" .. i, run = %q, process = "x", what = "card" }) then mine = mine + 1 end
      end
      io.write(mine)]]
    local pipes, sum = {}, 0
    for p = 1, 3 do
      local script = folder .. "/claim.lua" .. p
      vcenter.write(script, code:format(path, "p" .. p, "p" .. p))
      pipes[p] = io.popen("lua5.4 " .. script)
    end
    for p = 1, 3 do sum = sum + tonumber(pipes[p]:read "a") pipes[p]:close() end
    assert.equal(60, sum)
  end)
end)
