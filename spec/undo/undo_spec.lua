-- gpupt undo: what a run did to existing VMs and hosts is set back to the values before; what was changed since is left and
-- named; and every refusal.
local gpupt = require "gpupt"
local killed = require "spec.support.killed"
local lab = require "spec.support.lab"
local state = require "spec.support.fleet_state"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local HOSTS = [[p.hosts { where = "/DC0/host/gpu-a/*", devices = p.gpus { match = "10de:20b5" }, p.host.enable {} },]]
local ATTACH = [[p.vms { where = "/DC0/vm/old-01", p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = %s } },]]
local CREATE = [[p.vms { name = "new-01", place = { cluster = "gpu-a", datastore = "ds-1", network = "VM Network" },
  p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "2 GiB", disk = "10 GiB" },
  p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = %s } },]]

local function playbook(...) return 'return p.playbook { name = "rollout", ' .. table.concat({ ... }, "\n") .. " }" end

-- A host with two cards, and VMs of users without one.
local OLD = { { name = "old-01", host = "esx-a-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096,
  installed = "ubuntu", extra_config = { ["pciPassthru.64bitMMIOSizeGB"] = "64", mine = "1" } },
  { name = "new-owner", host = "esx-a-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096, memory_lock = true } }

local function fleet(more)
  local one = { vms = OLD, datastores = { { name = "ds-1", capacity_gb = 1000, files = {} } },
    clusters = { { name = "gpu-a", hosts = { lab.host("esx-a-1", { cards = { lab.card "0000:3b:00.0", lab.card "0000:86:00.0" } }) } } } }
  for name, value in pairs(more or {}) do one[name] = value end
  return one
end

local ALLOW = "reboot,delete-vm,guest-shutdown,power-off"

describe("undo", function()
  local l, journal

  local function start(more, speed)
    l = lab.start { speed = speed or 400, fleet = fleet(more) }
    journal = l.dir .. "/journal.db"
    return l
  end

  local function apply(text)
    local done = l:command { "apply", l:write(text), "--allow", "reboot", "--journal", journal }
    assert.equal(0, done.status, done.err)
    return done.err:match "run (rollout%-%S+)"
  end

  local function undo(id, ...) return l:command { "undo", id, "--journal", journal, ... } end

  after_each(function()
    if l then l:stop() end
    l = nil
  end)

  it("sets an existing VM back, field by field, and leaves what was changed since", function()
    start()
    local vm = assert(l:client():one "/DC0/vm/old-01")
    assert(l:client():wait(assert(vm:ReconfigVM_Task { spec = { cpuHotAddEnabled = true } })))
    local before = state.read(l)
    local id = apply(playbook(HOSTS, ATTACH:format "false"))
    assert.equal("256", l:truth("vms", "old-01").extra_config["pciPassthru.64bitMMIOSizeGB"])
    local between = state.read(l)
    local undone = undo(id, "--allow", ALLOW)
    assert.equal(0, undone.status, undone.err)
    assert.matches("detach 3b:00.0", undone.err, 1, true)
    assert.matches("pciPassthru.64bitMMIOSizeGB 256 -> 64", undone.err, 1, true)
    assert.matches("CPU hot-add false -> true", undone.err, 1, true)
    assert.is_true(#state.difference(before, between) > 10)
    assert.same({}, state.difference(before, state.read(l)))

    -- again, with two values changed by hand afterwards
    id = apply(playbook(HOSTS, ATTACH:format "false"))
    assert(l:client():wait(assert(vm:ReconfigVM_Task { spec = { cpuHotAddEnabled = false, extraConfig = {
      { key = "pciPassthru.64bitMMIOSizeGB", value = "1024" }, { key = "mine", value = "2" } } } })))
    undone = undo(id, "--allow", ALLOW)
    assert.equal(0, undone.status, undone.err)
    local text = "old-01: left as it is: pciPassthru.64bitMMIOSizeGB: it is 1024 now, and the run set it from 64 to 256"
    assert.matches("! " .. text, undone.err, 1, true)
    assert.matches("left as it is: old-01: pciPassthru.64bitMMIOSizeGB", undone.out, 1, true)
    local truth = l:truth("vms", "old-01")
    assert.same({ "1024", "2", false }, { truth.extra_config["pciPassthru.64bitMMIOSizeGB"], truth.extra_config.mine,
      truth.memory_locked })
    assert.same({}, truth.devices or {})
  end)

  it("powers a VM off again that was off, and on again that was on; --dry-run --json says it without changing anything", function()
    start()
    local id = apply(playbook(HOSTS, ATTACH:format "true"))
    assert.equal("poweredOn", l:truth("vms", "old-01").power)
    l.sim:forget()
    local dry = undo(id, "--dry-run", "--json")
    assert.same({}, l:changing())
    assert.equal(0, dry.status, dry.err)
    local plan = gpupt.json.decode(dry.out)
    assert.same({ {}, "esx-a-1", "the reboot" }, { plan.left, plan.lost[1].target, plan.lost[1].text })
    assert.matches("detach 3b:00.0", dry.out, 1, true)
    local undone = undo(id, "--allow", ALLOW)
    assert.equal(0, undone.status, undone.err)
    assert.equal("poweredOff", l:truth("vms", "old-01").power)

    local vm = assert(l:client():one "/DC0/vm/old-01")
    local function on() assert(l:client():wait(assert(vm:PowerOnVM_Task {}))) end
    on()
    assert(l:client():wait_for(vm, { "guest.toolsRunningStatus" }, function(v)
      return v["guest.toolsRunningStatus"] == "guestToolsRunning" end, { timeout = 60 }))
    local done = l:command { "apply", l:write(playbook((HOSTS:gsub("p.host.enable", 'roll = { guests = "shutdown-idle" }, p.host.enable')),
      ATTACH:format "true")), "--allow", ALLOW, "--journal", journal }
    assert.equal(0, done.status, done.err)
    undone = undo(done.err:match "run (rollout%-%S+)", "--allow", ALLOW)
    assert.equal(0, undone.status, undone.err)
    local truth = l:truth("vms", "old-01")
    assert.same({ "poweredOn", {} }, { truth.power, truth.devices or {} })
  end)

  it("deletes no VM that carries another run's id, whose disk is elsewhere, or whose run did not create it", function()
    start()
    local id = apply(playbook(HOSTS, CREATE:format "false"))
    local vm = assert(l:client():one "/DC0/vm/new-01")
    assert(l:client():wait(assert(vm:ReconfigVM_Task { spec = { extraConfig = { { key = "gpupt.run", value = "other" } } } })))
    l.sim:forget()
    local undone = undo(id, "--allow", ALLOW)
    assert.equal(0, undone.status, undone.err)
    assert.matches("new-01: left as it is: is not deleted: it carries the id of run other, not of " .. id, undone.err, 1, true)
    assert.is_truthy(l:truth("vms", "new-01"))
    assert.same({}, l:truth("vms", "new-01").devices or {})
    for _, call in ipairs(l:changing()) do assert.is_nil(call:find "^Destroy_Task") end
  end)

  it("takes back only what a killed run had done, its maintenance mode as well", function()
    start(nil, 60)
    local before = state.read(l)
    local path = l:write(playbook(HOSTS, ATTACH:format "false"))
    -- stage, maintenance mode: killed before the reboot
    local k = assert(killed.after(l, { "apply", path, "--allow", "reboot" }, journal, 2))
    local undone
    for _ = 1, 50 do -- the task of the killed run may still be running
      undone = undo(k.id, "--allow", ALLOW)
      if undone.status == 0 then break end
      vcenter.sleep(0.2)
    end
    assert.equal(0, undone.status, undone.err)
    assert.is_nil(undone.err:find("reboot,", 1, true))
    assert.same({}, state.difference(before, state.read(l)))
    assert.equal(0, l.sim:calls "RebootHost_Task")
    -- its claims are gone with it
    local status = l:command { "status", k.id, "--journal", journal }
    assert.is_nil(status.out:find("claimed:", 1, true))
  end)

  it("goes on after it was killed, and ends the same way", function()
    start(nil, 100)
    local before = state.read(l)
    local id = apply(playbook(HOSTS, ATTACH:format "false", CREATE:format "false"))
    for _, count in ipairs { 1, 1, 2 } do assert(killed.after(l, { "undo", id, "--allow", ALLOW }, journal, count)) end
    local undone = undo(id, "--allow", ALLOW)
    assert.equal(0, undone.status, undone.err)
    assert.same({}, state.difference(before, state.read(l)))
    assert.equal(2, l.sim:calls "RebootHost_Task") -- one of the run, one of its undo
    assert.equal(1, l.sim:calls "Destroy_Task")
  end)

  it("leaves a card that another VM has since, and names it", function()
    start()
    local id = apply(playbook(HOSTS))
    l:attach("gpu-a", "esx-a-1", "0000:86:00.0", "new-owner")
    l.sim:forget()
    local undone = undo(id, "--allow", ALLOW)
    assert.equal(0, undone.status, undone.err)
    assert.matches("esx-a-1: left as it is: esx-a-1: 86:00.0 is in the configuration of new-owner (poweredOff)", undone.err
      .. undone.out, 1, true)
    assert.same({}, l:changing())
  end)

  it("says of a step of the user's own without undo what it did; one with undo is called", function()
    start()
    local text = [[
      local function own(name, undo)
        return p.step { name = name, scope = "vms", needs = { "VirtualMachine.Config.Settings" }, undo = undo,
          observe = function(ctx, target) return { vm = ctx.fleet:vm(target.ref) } end,
          plan = function(_, _, seen) return seen.vm.extra[name] and {} or { { what = "note" } } end,
          apply = function(ctx, target)
            return ctx:task(target, target.ref, "ReconfigVM_Task", { spec = { extraConfig = { { key = name, value = "1" } } } },
              { action = "note", text = "note " .. name })
          end,
          prove = function() return "noted" end }
      end
      local with = own("my.with", function(ctx, target, done)
        local vm = ctx.fleet:vm(target.ref)
        if not vm.extra["my.with"] then return { changes = {} } end
        return { changes = { { sign = "-", what = "remove the note of " .. done[1].what, make = function()
          return ctx:task(target, target.ref, "ReconfigVM_Task", { spec = { extraConfig = { { key = "my.with", value = "" } } } },
            { action = "forget", text = "forget" })
        end } } }
      end)
      return p.playbook { name = "rollout", p.vms { where = "/DC0/vm/old-01", own("my.without") {}, with {} } }]]
    local path = l:write(text)
    local planned = l:command { "plan", path }
    assert.matches("Not undoable: my.without", planned.out, 1, true)
    local done = l:command { "apply", path, "--journal", journal }
    assert.equal(0, done.status, done.err)
    local id = done.err:match "run (rollout%-%S+)"
    local undone = undo(id)
    assert.equal(0, undone.status, undone.err)
    assert.matches("! old-01: cannot be undone: what my.without did (note my.without): the step has no undo", undone.err, 1, true)
    assert.matches("- old-01  my.with  remove the note of note my.with", undone.err, 1, true)
    local extra = l:truth("vms", "old-01").extra_config
    assert.same({ "1", nil }, { extra["my.without"], extra["my.with"] })
  end)

  it("has the limits of the run's roll and its waits, also those that are lists", function()
    start()
    local roll = { unavailable = { "1/cluster" }, window = { "Mon-Fri 00:00-24:00", "Sat,Sun 00:00-24:00" }, back_within = "50m" }
    local id = apply(playbook((HOSTS:gsub("p.host.enable", [[roll = { unavailable = { "1/cluster" },
      window = { "Mon-Fri 00:00-24:00", "Sat,Sun 00:00-24:00" }, back_within = "50m" }, p.host.enable]])),
      (ATTACH:format "false":gsub('where = "/DC0/vm/old%-01",', 'where = "/DC0/vm/old-01", shutdown_within = "7m", parallel = { host = 2 },'))))
    local book <close> = assert(store.open(journal))
    local plan = gpupt.check(gpupt.check(gpupt.playbook.undo(book, id)):plan(l:client()))
    local options = plan.hosts[1].scope.options
    for name, value in pairs(roll) do assert.same(value, options.roll[name]) end
    assert.is_truthy(options.roll.opening)
    assert.equal(1, #options.roll.limits)
    options = plan.vms[1].scope.options
    assert.same({ "7m", { host = 2, datastore = 64, vcenter = 128 } }, { options.shutdown_within, options.parallel })
  end)

  it("goes on by apply --resume as well, with what is left of it", function()
    start(nil, 100)
    local before = state.read(l)
    local id = apply(playbook(HOSTS, ATTACH:format "false", CREATE:format "false"))
    local k = assert(killed.after(l, { "undo", id, "--allow", ALLOW }, journal, 3))
    assert.matches("^undo%-rollout", k.id)
    local resumed = l:command { "apply", "--resume", k.id, "--allow", ALLOW, "--journal", journal }
    assert.equal(0, resumed.status, resumed.err)
    assert.matches("run " .. k.id, resumed.err, 1, true)
    assert.same({}, state.difference(before, state.read(l)))
    assert.same({ 2, 1 }, { l.sim:calls "RebootHost_Task", l.sim:calls "Destroy_Task" })
    local again = l:command { "apply", "--resume", k.id, "--allow", ALLOW, "--journal", journal }
    assert.equal(1, again.status)
    assert.matches("was undone already, by run " .. k.id, again.err, 1, true)
  end)

  it("is refused, with what to do, for each reason", function()
    start()
    local id = apply(playbook(HOSTS))
    l.sim:forget()
    local function refused(words, status, text)
      local got = l:command(words)
      assert.equal(status, got.status, got.err)
      assert.matches(text, got.err, 1, true)
    end
    refused({ "undo", "--journal", journal }, 2, "expected one run; list them with: gpupt status --journal")
    refused({ "undo", "ghost", "--journal", journal }, 1, "the journal contains no run 'ghost'; list its runs with: gpupt status")
    refused({ "undo", id, "--journal", l.dir .. "/none.db" }, 1, "there is no journal at")
    refused({ "undo", id, "--allow", "rebot", "--journal", journal }, 2, "--allow rebot: unknown approval")
    refused({ "undo", id, "--events", "--json", "--journal", journal }, 2, "--events and --json cannot be combined")
    refused({ "undo", id, "--journal", journal }, 4, "the plan needs --allow reboot")
    local book = assert(store.open(journal))
    assert(book:begin { id = "elsewhere", playbook = "a.lua", endpoint = "another.example" })
    assert(book:begin { id = "at-work", playbook = "a.lua", endpoint = "127.0.0.1" })
    local moment = require "gpupt.clock".read()
    local this = require "gpupt.process".this()
    require "gpupt.playbook.holder".working["here"] = true
    assert(book:enter(moment, { run = "at-work", process = "here", pid = this.pid, started = this.started,
      client_host = this.client_host, seconds = 300 }))
    book:close()
    refused({ "undo", "elsewhere", "--journal", journal }, 1, "run elsewhere worked on another.example, and this is 127.0.0.1")
    refused({ "undo", "at-work", "--journal", journal }, 1, "cannot be undone now. Wait for its end, or stop it with: gpupt stop at-work")
    vcenter.shell(("python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute(\"INSERT INTO run(id, playbook, at,"
      .. " format) VALUES (\\\"older\\\", \\\"a.lua\\\", 1, 3)\"); d.commit()' %s"):format(journal))
    refused({ "undo", "older", "--journal", journal }, 1, "whose journal does not have the values before its changes: it cannot be undone")
    assert.same({}, l:changing())
  end)
end)
