-- A host counted as back when it had left maintenance mode, although HA did not count on it yet: the next host of the
-- cluster went down beside it. A roll waits for the HA agent, and does not start another host beside one without it.
local claim = require "gpupt.playbook.claim"
local lab = require "spec.support.lab"

local function playbook(roll, where)
  return ([[return p.playbook { name = "roll", p.hosts { where = "%s", devices = p.gpus { match = "10de:20b5" },
    roll = { %s }, p.host.enable {} } }]]):format(where or "/DC0/host/*", roll or "")
end

describe("in a cluster with HA, a roll", function()
  local l, pause

  before_each(function() pause, claim.PAUSE = claim.PAUSE, 0.2 end)

  after_each(function()
    claim.PAUSE = pause
    if l then l:stop() end
    l = nil
  end)

  local function start(more)
    local cluster = { name = "gpu-a", ha = true, host_failures = 0, hosts = { lab.host "a-1", lab.host "a-2",
      lab.host "a-3" } }
    for name, value in pairs(more or {}) do cluster[name] = value end
    l = lab.start { speed = 100, fleet = { clusters = { cluster } } }
    l:client()
    l.sim:forget()
  end

  local function outcomes(result)
    local list = {}
    for _, one in ipairs(result.targets) do list[one.target] = one.status end
    return list
  end

  local function agent(name)
    local state = assert(l.vc:one("/DC0/host/gpu-a/" .. name)):get "runtime.dasHostState"
    return state and state.state
  end

  it("waits for the agent of each host before the next one leaves", function()
    start()
    local missing = {}
    local plan = assert(l:plan(playbook()))
    local run = assert(plan:apply { journal = l:journal(), allow = { "reboot" }, on_event = function(event)
      if event.text ~= "entered maintenance mode" then return end
      for _, name in ipairs { "a-1", "a-2", "a-3" } do
        local state = agent(name)
        if name ~= event.target and state ~= "master" and state ~= "connectedToMaster" then
          missing[#missing + 1] = ("%s: %s beside %s"):format(name, tostring(state), event.target)
        end
      end
    end })
    assert.same({ ["a-1"] = "changed", ["a-2"] = "changed", ["a-3"] = "changed" }, outcomes(run:result()))
    assert.same({}, missing)
  end)

  it("ends if the agent of a host does not come back: no other host is started, and a resume does not go past it", function()
    start()
    l.sim:post("set", { host = "a-1", ha_agent = "fdmUnreachable" })
    local text, journal = playbook 'ha_within = "1s", claim_within = "1s", unavailable = "1/cluster"', l:journal()
    -- it may leave although it has none: the reboot may mend it
    local first = l:apply(text, { journal = journal, limit = "a-1", allow = { "reboot" } })
    assert.equal("EHA", first.targets[1].code)
    assert.matches("a-1 is in service, but its HA agent is not connected after 1 s (ha_within): fdmUnreachable. Reconfigure "
      .. "the host for vSphere HA, then resume the run", first.targets[1].message, 1, true)
    assert.is_false(l:truth("hosts", "a-1").maintenance)
    for _, one in ipairs(l:truth("hosts", "a-1").cards) do
      if one.address == "0000:3b:00.0" then assert.is_true(one.active) end
    end
    local second = l:apply(text, { journal = journal, allow = { "reboot" } })
    assert.same({ ["a-1"] = "ok", ["a-2"] = "deferred", ["a-3"] = "deferred" }, outcomes(second))
    assert.matches("a-1 has no connected HA agent (fdmUnreachable)", second.targets[2].message, 1, true)
    l.sim:post("set", { host = "a-1", ha_agent = "" })
    assert.equal("done", l:apply(text, { journal = journal, allow = { "reboot" } }).status)
  end)

  it("starts no other host of the run after it", function()
    start()
    local plan, done = assert(l:plan(playbook 'ha_within = "1s"')), nil
    local run = assert(plan:apply { journal = l:journal(), allow = { "reboot" }, on_event = function(event)
      if event.text == "rebooting" then
        done = done or event.target
        l.sim:post("set", { host = event.target, ha_agent = "election" })
      end
    end })
    local states = outcomes(run:result())
    assert.equal("failed", states[done])
    states[done] = nil
    for _, status in pairs(states) do assert.equal("not started", status) end
    assert.matches(done .. " has no connected HA agent: no further hosts will be started",
      run:result().targets[done == "a-1" and 2 or 1].message, 1, true)
  end)

  it("starts the VMs that it shut down all the same", function()
    l = lab.start { speed = 100, fleet = { clusters = { { name = "gpu-a", ha = true, host_failures = 0, hosts = {
      lab.host("a-1", { cards = { lab.card "0000:3b:00.0", lab.card("0000:86:00.0", { enabled = true }) } }), lab.host "a-2" } } },
      vms = { { name = "old-7", host = "a-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 8192, memory_lock = true,
        devices = { "0000:86:00.0" }, power = "poweredOn", installed = "ubuntu", extra_config = {
          ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } } } } }
    assert(l:client():wait_for(assert(l.vc:one "/DC0/vm/old-7"), { "guest.toolsRunningStatus" }, function(v)
      return v["guest.toolsRunningStatus"] == "guestToolsRunning"
    end, { timeout = 20 }))
    l.sim:post("set", { host = "a-1", ha_agent = "election" })
    local result = l:apply(playbook('ha_within = "1s", guests = "shutdown-idle"', "/DC0/host/gpu-a/a-1"),
      { allow = { "reboot", "guest-shutdown" } })
    assert.equal("EHA", result.targets[1].code)
    assert.equal("poweredOn", l:truth("vms", "old-7").power)
  end)
end)
