-- Two processes on one journal: what each sees of the other, and how an operator goes on from there.
local lab = require "spec.support.lab"
local store = require "gpupt.store"
local clock = require "gpupt.clock"

local PLAY = [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/gpu-a/*",
  devices = p.gpus { match = "10de:20b5" }, roll = { claim_within = "%s" }, p.host.enable {} } }]]

describe("the claims of a run", function()
  local l, path, journal

  local function start(speed)
    l = lab.start { speed = speed, fleet = { clusters = { { name = "gpu-a",
      hosts = { lab.host("a-1", { boot_seconds = 160 }), lab.host("a-2", { boot_seconds = 160 }) } } } } }
    path, journal = l:write(PLAY:format "5s"), l.dir .. "/journal.db"
  end

  after_each(function()
    if l then l:stop() end
    l = nil
  end)

  -- Waits until the first host reboots, and lets no time pass in the fleet from then on, however long the checks take.
  local function rebooting(process)
    process:says "rebooting"
    l.sim:speed(0.01)
  end

  -- The rest goes fast.
  local function go_on() l.sim:speed(400) end

  local function apply(more) return { "apply", more or path, "--allow", "reboot", "--journal", journal } end

  local function id_of(process) return assert(process:err():match "run (roll%-%S+)") end

  local function leases()
    local list = {}
    local book <close> = assert(store.open(journal))
    for lease in book:leases(clock.read()) do
      if lease.in_force == 1 then list[#list + 1] = lease.what .. (lease.kept and ": " .. lease.kept or "") end
    end
    return list
  end

  local function card(name)
    for _, one in ipairs(l:truth("hosts", name).cards) do if one.address == "0000:3b:00.0" then return one end end
  end

  describe("that is working", function()
    it("are named to another run with its process and with what to do, in plan and apply; the other run holds none", function()
      start(20)
      local first = l:start_command(apply())
      rebooting(first)
      local id = id_of(first)
      local line = ("host a%%-[12] is claimed by run %s, which is running %%(process %d on "):format((id:gsub("%-", "%%-")), first.pid)
      local advice = ("Wait for its end, or stop it with: gpupt stop %s"):format(id)
      local second = l:command(apply(l:write((PLAY:format "1s"):gsub("roll", "other", 1))))
      assert.equal(1, second.status)
      assert.matches(line, second.err)
      assert.matches(advice, second.err, 1, true)
      local plan = l:command { "plan", path, "--journal", journal }
      -- a host in maintenance mode cannot be planned at all; one that is rebooting is skipped
      assert.matches(line, plan.out .. plan.err)
      assert.matches(advice, plan.out .. plan.err, 1, true)
      local released = l:command { "release", id, "--journal", journal }
      assert.equal(1, released.status)
      assert.matches("the claims are not released: they belong to run " .. id .. ", which is running", released.err, 1, true)
      go_on()
      assert.equal(0, first:wait().status, first:err())
      assert.same({}, leases())
    end)

    it("are not released while its process is suspended, and it goes on afterwards", function()
      start(20)
      local first = l:start_command(apply())
      rebooting(first)
      first:kill "STOP"
      local released = l:command { "release", id_of(first), "--journal", journal }
      assert.equal(1, released.status)
      assert.matches(("whose process %d on "):format(first.pid), released.err, 1, true)
      assert.matches(("is stopped. Continue that process (kill -CONT %d)"):format(first.pid), released.err, 1, true)
      first:kill "CONT"
      go_on()
      assert.equal(0, first:wait().status, first:err())
    end)

    it("are not shared with a second process of the same run", function()
      start(20)
      local first = l:start_command(apply())
      rebooting(first)
      local second = l:command { "apply", "--resume", id_of(first), "--allow", "reboot", "--journal", journal }
      assert.equal(1, second.status)
      assert.matches(("cannot work on run %s, which is running (process %d"):format(id_of(first), first.pid), second.err, 1, true)
      go_on()
      assert.equal(0, first:wait().status, first:err())
    end)
  end)

  describe("that was killed", function()
    local first, id

    before_each(function()
      start(20)
      first = l:start_command(apply())
      first:says "rebooting"
      first:kill "KILL"
      first:wait()
      id = id_of(first)
      -- the host returns by itself, and stays in maintenance mode
      local host = assert(l:client():one "/DC0/host/gpu-a/a-1")
      assert(l:client():wait_for(host, { "runtime.connectionState" }, function(values)
        return values["runtime.connectionState"] ~= "connected"
      end, { timeout = 60 }))
      go_on()
      assert(l:client():wait_for(host, { "runtime.connectionState" }, function(values)
        return values["runtime.connectionState"] == "connected"
      end, { timeout = 60 }))
    end)

    it("stay for the host that it left out of service, and the slot of its cluster", function()
      local second = l:command(apply(l:write((PLAY:format "1s"):gsub("roll", "other", 1))))
      assert.equal(1, second.status)
      assert.matches(("host a-2 is claimed by run %s, whose process %d on "):format(id, first.pid), second.err, 1, true)
      clock.move(3600)
      assert.same({ "host a-1: host a-1 rebooting", "the roll of cluster gpu-a (host a-1): host a-1 rebooting" }, leases())
      clock.move(-3600)
    end)

    it("are not released while the host is out of service, unless it is named", function()
      local released = l:command { "release", id, "--journal", journal }
      assert.equal(1, released.status)
      assert.matches("host a%-1 +in maintenance mode +kept", released.out)
      assert.matches("host a%-2 +connected +released", released.out)
      assert.matches("host a-1: in maintenance mode, which the run entered", released.err, 1, true)
      assert.matches("gpupt apply --resume " .. id, released.err, 1, true)
      assert.matches(("gpupt release %s --force a-1"):format(id), released.err, 1, true)
      assert.equal(2, #leases())
      local wrong = l:command { "release", id, "--journal", journal, "--force", "a-9" }
      assert.matches("holds no claim on a host 'a-9'", wrong.err, 1, true)
      local forced = l:command { "release", id, "--journal", journal, "--force", "a-1" }
      assert.equal(0, forced.status, forced.err)
      assert.same({}, leases())
      local again = l:command { "release", id, "--journal", journal }
      assert.equal(0, again.status, again.err)
      assert.matches("holds no claims", again.out, 1, true)
    end)

    it("are released once the host is back, and a corrected playbook is applied", function()
      local vc = l:client()
      local host = assert(vc:one "/DC0/host/gpu-a/a-1")
      assert(vc:wait(assert(host:ExitMaintenanceMode_Task { timeout = 0 })))
      local function corrected(within) return apply(l:write((PLAY:format(within)):gsub("roll", "corrected", 1))) end
      local refused = l:command(corrected "1s")
      assert.equal(1, refused.status)
      assert.matches(("host a-2 is claimed by run %s, whose process %d on "):format(id, first.pid), refused.err, 1, true)
      assert.matches(("gpupt release %s"):format(id), refused.err, 1, true)
      local released = l:command { "release", id, "--journal", journal }
      assert.equal(0, released.status, released.err)
      assert.same({}, leases())
      local done = l:command(corrected "10s")
      assert.equal(0, done.status, done.err)
      local book <close> = assert(store.open(journal))
      local kinds = {}
      for row in book:rows(id) do kinds[row.kind] = row.detail end
      assert.matches('"client_host":', kinds.release, 1, true)
      assert.matches('"released":true', kinds.release, 1, true)
    end)

    it("pass to the process that resumes it, and end with it", function()
      local resumed = l:command { "apply", "--resume", id, "--allow", "reboot", "--journal", journal }
      assert.equal(0, resumed.status, resumed.err)
      assert.same({}, leases())
    end)

    it("are not looked at on another vCenter", function()
      local other = lab.start { speed = 200 }
      local released = l:command({ "release", id, "--journal", journal }, { env = {
        GOVC_URL = (other.sim.ready.url:gsub("127%.0%.0%.1", "localhost")), GOVC_USERNAME = other.sim.ready.username,
        GOVC_PASSWORD = other.sim.ready.password, GOVC_TLS_CA_CERTS = other.sim.ready.ca_file } })
      other:stop()
      assert.equal(1, released.status)
      assert.matches("worked on 127.0.0.1, and this is localhost", released.err, 1, true)
    end)
  end)

  describe("that failed", function()
    it("end with it if its hosts are in service: the same host can be corrected at once", function()
      start(200)
      l.sim:trouble({ method = "UpdatePassthruConfig" }, { kind = "fault", fault = "HostConfigFault" })
      local first = l:command(apply())
      assert.equal(1, first.status)
      l.sim:calm()
      assert.same({}, leases())
      local second = l:command(apply(l:write((PLAY:format "5s"):gsub("roll", "corrected", 1))))
      assert.equal(0, second.status, second.err)
    end)
  end)

  describe("gpupt stop", function()
    it("lets the steps in progress finish and starts nothing more", function()
      start(20)
      local first = l:start_command(apply())
      rebooting(first)
      local id = id_of(first)
      local stopped = l:command { "stop", id, "--journal", journal }
      assert.equal(0, stopped.status, stopped.err)
      assert.matches(("run %s (process %d on "):format(id, first.pid), stopped.out, 1, true)
      first:says "(gpupt stop): finishing the steps in progress"
      go_on()
      local ended = first:wait()
      assert.equal(130, ended.status)
      assert.matches("(gpupt stop): finishing the steps in progress, starting nothing more", ended.err, 1, true)
      assert.matches("continue with: gpupt apply --resume " .. id, ended.err, 1, true)
      assert.matches("a%-1 .* active +changed", ended.out)
      assert.is_false(l:truth("hosts", "a-1").maintenance)
      assert.is_false(card("a-2").enabled)
      assert.same({}, leases())
      local again = l:command { "stop", id, "--journal", journal }
      assert.equal(1, again.status)
      assert.matches(("run %s has ended (interrupted): there is nothing to stop"):format(id), again.err, 1, true)
      local resumed = l:command { "apply", "--resume", id, "--allow", "reboot", "--journal", journal }
      assert.equal(0, resumed.status, resumed.err)
      assert.is_true(card("a-2").active)
    end)

    it("with --now cancels them too, and the run can be resumed", function()
      start(20)
      local first = l:start_command(apply())
      rebooting(first)
      local id = id_of(first)
      assert.equal(0, l:command({ "stop", id, "--now", "--journal", journal }).status)
      local ended = first:wait()
      assert.equal(130, ended.status, ended.err)
      assert.same({ "host a-1: host a-1 rebooting", "the roll of cluster gpu-a (host a-1): host a-1 rebooting" }, leases())
      go_on()
      local resumed = l:command { "apply", "--resume", id, "--allow", "reboot", "--journal", journal }
      assert.equal(0, resumed.status, resumed.err)
      assert.same({}, leases())
    end)

    it("says that a killed run has no process, and what to do", function()
      start(20)
      local first = l:start_command(apply())
      first:says "rebooting"
      first:kill "KILL"
      first:wait()
      local id = id_of(first)
      local stopped = l:command { "stop", id, "--journal", journal }
      assert.equal(1, stopped.status)
      assert.matches(("run %s, whose process %d on "):format(id, first.pid), stopped.err, 1, true)
      assert.matches("there is nothing to stop. Continue it with: gpupt apply --resume " .. id, stopped.err, 1, true)
    end)

    it("reports a run or a journal that does not exist", function()
      start(200)
      assert.matches("there is no journal at", l:command({ "stop", "x", "--journal", journal }).err, 1, true)
      store.open(journal):close()
      assert.matches("the journal contains no run 'x'", l:command({ "stop", "x", "--journal", journal }).err, 1, true)
    end)
  end)

  describe("Ctrl-C", function()
    it("lets the steps in progress finish; a second one stops at once", function()
      start(20)
      local first = l:start_command(apply())
      rebooting(first)
      first:kill "INT"
      first:says "interrupted (Ctrl-C again stops at once): finishing the steps in progress"
      go_on()
      local ended = first:wait()
      assert.equal(130, ended.status)
      assert.is_false(l:truth("hosts", "a-1").maintenance)
      assert.is_false(card("a-2").enabled)
      l.sim:speed(20)
      local second = l:start_command { "apply", "--resume", id_of(first), "--allow", "reboot", "--journal", journal }
      rebooting(second)
      second:kill "INT"
      second:says "interrupted (Ctrl-C again stops at once)"
      second:kill "INT"
      ended = second:wait()
      assert.equal(130, ended.status)
      assert.equal(0, l.sim:leftovers().sessions)
      assert.is_true(l:truth("hosts", "a-2").maintenance)
      assert.equal(2, #leases())
      go_on()
      local third = l:command { "apply", "--resume", id_of(first), "--allow", "reboot", "--journal", journal }
      assert.equal(0, third.status, third.err)
      assert.same({}, leases())
    end)
  end)
end)
