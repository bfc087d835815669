-- run.lua said that leases were renewed, and nothing did: after 4 hours another run got the same hosts, and the first went on.
-- Now a run that cannot renew its claims makes no further change, and says why.
local clock = require "gpupt.clock"
local lab = require "spec.support.lab"
local leases = require "gpupt.playbook.leases"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local PLAY = [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/gpu-a/*",
  devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]]

describe("a run", function()
  local l, path, journal

  before_each(function()
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "a-1", lab.host "a-2" } } } } }
    path = l.dir .. "/journal.db"
    journal = assert(store.open(path))
    l:client()
  end)
  after_each(function()
    journal:close()
    l:stop()
  end)

  -- Applies, and calls fn once when the text is said.
  local function apply(text, fn)
    local plan = assert(l:plan(PLAY))
    local first = true
    l.sim:forget()
    local run = assert(plan:apply { journal = journal, allow = { "reboot" }, on_event = function(event)
      if first and (event.text or ""):find(text, 1, true) then
        first = false
        fn(event.run)
      end
    end })
    assert.is_false(first, "never said: " .. text)
    return run:result()
  end

  local function of(result, name)
    for _, one in ipairs(result.targets) do if one.target == name then return one end end
  end

  local function held()
    local list = {}
    for lease in journal:leases(clock.read()) do if lease.in_force == 1 then list[#list + 1] = lease.resource end end
    return list
  end

  it("that slept for an hour makes no further change, and can be resumed", function()
    local result = apply("enabled 3b:00.0", function() clock.move(3600) end)
    assert.equal("failed", result.status)
    local one = of(result, "a-1")
    assert.equal("ELAPSED", one.code)
    assert.matches("the claims of run " .. result.id .. " expired: they were not renewed for 60 min", one.message, 1, true)
    assert.matches("its computer slept", one.message, 1, true)
    assert.matches("continue with: gpupt apply --resume " .. result.id, one.message, 1, true)
    assert.equal(0, l.sim:calls "EnterMaintenanceMode_Task")
    assert.equal("not started", of(result, "a-2").status)
    assert.same({}, held())
    local resumed = assert(l:apply(PLAY, { allow = { "reboot" }, journal = journal, resume = result.id }))
    assert.equal("done", resumed.status)
  end)

  it("keeps what it holds while it works for longer than its claims last", function()
    local before = leases.SECONDS
    finally(function() leases.SECONDS = before end)
    local moves = 0
    local plan = assert(l:plan(PLAY))
    local run = assert(plan:apply { journal = journal, allow = { "reboot" }, on_event = function(event)
      if event.kind ~= "note" then return end
      moves = moves + 1
      clock.move(leases.SECONDS - leases.RENEW)
    end })
    assert.equal("done", run:result().status)
    assert.is_true(moves > 3)
  end)

  it("whose claims were released by another process makes no further change", function()
    local result = apply("enabled 3b:00.0", function(id)
      local other <close> = assert(store.open(path))
      assert(other:leave(id, other:runner(clock.read(), id).process))
    end)
    assert.equal("ELAPSED", of(result, "a-1").code)
    assert.matches("were released (gpupt release) while it was working", of(result, "a-1").message, 1, true)
    assert.equal(0, l.sim:calls "EnterMaintenanceMode_Task")
  end)

  it("that another process took over makes no further change, and leaves that process its claims", function()
    local result = apply("enabled 3b:00.0", function(id)
      local other <close> = assert(store.open(path))
      assert(other:enter(clock.read(), { run = id, process = "other", pid = 77, started = "1", client_host = "desk",
        seconds = 60, instead = other:runner(clock.read(), id).process }))
    end)
    assert.matches("was resumed by process 77 on desk, which works on it now", of(result, "a-1").message, 1, true)
    assert.equal(0, l.sim:calls "EnterMaintenanceMode_Task")
    assert.equal("other", journal:runner(clock.read(), result.id).process)
    assert.same(2, #held() - 1) -- both hosts and the roll
  end)

  it("whose journal is on a full disk makes no further change, and can be resumed when there is space", function()
    local disk = l.dir .. "/disk"
    os.execute("mkdir " .. disk)
    if not os.execute("mount -t tmpfs -o size=4m gpupt-spec " .. disk .. " 2>/dev/null") then pending "cannot mount here" return end
    finally(function() os.execute("umount -l " .. disk) end)
    journal:close()
    path = disk .. "/journal.db"
    journal = assert(store.open(path))
    local result = apply("enabled 3b:00.0", function()
      clock.move(leases.RENEW + 1)
      os.execute("cat /dev/zero >" .. disk .. "/filler 2>/dev/null")
    end)
    assert.equal("failed", result.status)
    assert.matches("the claims of run " .. result.id .. " cannot be renewed: cannot renew the claims: no space left for the journal",
      of(result, "a-1").message, 1, true)
    assert.equal(0, l.sim:calls "EnterMaintenanceMode_Task")
    os.remove(disk .. "/filler")
    local resumed = assert(l:apply(PLAY, { allow = { "reboot" }, journal = journal, resume = result.id }))
    assert.equal("done", resumed.status, require "gpupt.json".encode(resumed))
    assert.same({}, held())
  end)

  it("that cannot write the renewal for another reason makes no further change, and names the reason", function()
    local result = apply("enabled 3b:00.0", function()
      clock.move(leases.RENEW + 1)
      vcenter.shell(([[python3 - %s <<'E'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("CREATE TRIGGER refuse BEFORE UPDATE ON runner BEGIN SELECT RAISE(ABORT, 'not today'); END")
db.commit()
E]]):format(path))
    end)
    assert.matches("the claims of run " .. result.id .. " cannot be renewed: ", of(result, "a-1").message, 1, true)
    assert.matches("not today", of(result, "a-1").message, 1, true)
    assert.equal(0, l.sim:calls "EnterMaintenanceMode_Task")
  end)
end)
