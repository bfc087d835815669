-- There was no canary: a run went through all of its targets, and could not be looked at in between.
local lab = require "spec.support.lab"

local HOSTS = [[p.hosts { where = "/DC0/host/*", canary = %s, devices = p.gpus { match = "10de:20b5" },
  roll = { back_within = "%s" }, p.host.enable {} }]]

-- A step that changes VMs, without much: it writes a note.
local VMS = [[p.vms { where = "/DC0/vm/*", canary = %s, p.step { name = "my.note", scope = "vms",
  needs = { "VirtualMachine.Config.Annotation" },
  observe = function(ctx, target) return { note = target.ref:get("config.annotation") or "" } end,
  plan = function(_, _, seen)
    return seen.note == "proved" and {} or { { what = "write a note", sign = "~", verb = "note" } }
  end,
  apply = function(ctx, target)
    return ctx:task(target, target.ref, "ReconfigVM_Task", { spec = { annotation = "proved" } },
      { action = "note", text = "ReconfigVM" })
  end,
  prove = function(ctx, target) return target.ref:get("config.annotation") end } {} }]]

local function playbook(...) return ('return p.playbook { name = "canary", %s }'):format(table.concat({ ... }, ", ")) end

local function hosts(count, within) return HOSTS:format(count, within or "45m") end

describe("a canary", function()
  local l

  before_each(function()
    local vms = {}
    for i = 1, 3 do vms[i] = { name = "vm-" .. i, cluster = "gpu-a" } end
    l = lab.start { speed = 200, fleet = { vms = vms, clusters = { { name = "gpu-a", hosts = { lab.host "a-1", lab.host "a-2" } },
      { name = "gpu-b", hosts = { lab.host "b-1" } } } } }
    l:client()
  end)

  after_each(function() l:stop() end)

  local function outcomes(result)
    local list = {}
    for _, one in ipairs(result.targets) do list[one.target] = one.status end
    return list
  end

  local function reboots(name)
    local count = 0
    for _, event in ipairs(l.sim:get "truth".timeline) do
      if event.kind == "away" and event.host == name then count = count + 1 end
    end
    return count
  end

  it("of hosts is done alone; the run ends for a look, and goes on when it is resumed", function()
    local path, journal = l:write(playbook(hosts(1))), l.dir .. "/journal.db"
    local first = l:command { "apply", path, "--allow", "reboot", "--journal", journal }
    assert.equal(5, first.status, first.err)
    assert.matches("pauses for a look after a-1 (canary = 1)", first.err, 1, true)
    local run = first.err:match "run (canary%-%S+)"
    assert.matches(("run %s has paused for a look at the canary a-1; go on with: gpupt apply --resume %s --allow reboot")
      :format(run, run), first.err, 1, true)
    assert.same({ 1, 0, 0 }, { reboots "a-1", reboots "a-2", reboots "b-1" })
    local status = l:command { "status", run, "--journal", journal }
    assert.matches("paused", status.out, 1, true)
    assert.matches("a-2 +not started", status.out)
    -- nothing is held meanwhile
    assert.matches("holds no claims", l:command { "release", run, "--journal", journal }.out, 1, true)
    local second = l:command { "apply", "--resume", run, "--allow", "reboot", "--journal", journal }
    assert.equal(0, second.status, second.err)
    assert.is_nil(second.err:find("pauses for a look", 1, true))
    assert.same({ 1, 1, 1 }, { reboots "a-1", reboots "a-2", reboots "b-1" })
  end)

  it("that fails ends its scope, and comes first again when the run is resumed", function()
    l.sim:post("set", { host = "a-1", boot = "never" })
    local journal, text = l:journal(), playbook(hosts(1, "2s"))
    local first = l:apply(text, { allow = { "reboot" }, journal = journal })
    assert.equal("failed", first.status)
    assert.same({ ["a-1"] = "failed", ["a-2"] = "not started", ["b-1"] = "not started" }, outcomes(first))
    assert.matches("the canary a-1: a-1 did not reconnect within 2 s", first.targets[3].message, 1, true)
    l.sim:post("set", { host = "a-1", boot = "", revive = true })
    local second = l:apply(text, { allow = { "reboot" }, journal = journal, resume = first.id })
    assert.equal("paused", second.status)
    assert.same({ ["a-1"] = "changed", ["a-2"] = "not started", ["b-1"] = "not started" }, outcomes(second))
    assert.equal("EPAUSED", second.targets[3].code)
    assert.equal("done", l:apply(text, { allow = { "reboot" }, journal = journal, resume = first.id }).status)
  end)

  it("of VMs pauses for its scope, each scope once", function()
    local journal, text = l:journal(), playbook(hosts(2), VMS:format(1))
    local first = l:apply(text, { allow = { "reboot" }, journal = journal })
    assert.equal("paused", first.status)
    assert.same({ ["a-1"] = "changed", ["a-2"] = "changed", ["b-1"] = "not started", ["vm-1"] = "changed",
      ["vm-2"] = "not started", ["vm-3"] = "not started" }, outcomes(first))
    local second = l:apply(text, { allow = { "reboot" }, journal = journal, resume = first.id })
    assert.equal("done", second.status)
    assert.equal("changed", outcomes(second)["vm-3"])
  end)

  it("counts only targets with something to change, and is none where nothing is left after it", function()
    local text = playbook(VMS:format(1))
    assert.equal("done", l:apply(text, { limit = "vm-1" }).status)
    local result = l:apply(text)
    assert.same({ ["vm-1"] = "ok", ["vm-2"] = "changed", ["vm-3"] = "not started" }, outcomes(result))
    assert.equal("done", l:apply(text).status)
  end)

  it("is 1 where a step asks for it, unless the playbook says 0", function()
    local asking = VMS:gsub("canary = %%s, ", "%%s "):gsub('scope = "vms"', 'scope = "vms", canary = 1')
    assert.matches("pauses for a look after vm-1 (canary = 1)", tostring(assert(l:plan(playbook(asking:format "")))), 1, true)
    assert.is_nil(tostring(assert(l:plan(playbook(asking:format "canary = 0,")))):find("pauses", 1, true))
    local ok, err = pcall(l.load, l, playbook(asking:format "canary = -1,"))
    assert.is_false(ok)
    assert.matches("canary = -1 is less than 0", tostring(err.message or err), 1, true)
  end)
end)
