-- A roll took hosts down beside HA admission control, which then refused to start VMs, and while vSAN was resynchronizing
-- the data of the host before.
local claim = require "gpupt.playbook.claim"
local lab = require "spec.support.lab"

local function playbook(where, roll)
  return ([[return p.playbook { name = "roll", p.hosts { where = %s, devices = p.gpus { match = "10de:20b5" },
    roll = { %s }, p.host.enable {} } }]]):format(where, roll or "")
end

describe("a roll in a cluster with HA admission control or vSAN", function()
  local l, pause

  before_each(function() pause, claim.PAUSE = claim.PAUSE, 0.2 end)

  after_each(function()
    claim.PAUSE = pause
    if l then l:stop() end
    l = nil
  end)

  local function start(count, more, host)
    local hosts = {}
    for i = 1, count do hosts[i] = lab.host("a-" .. i, host) end
    local cluster = { name = "gpu-a", hosts = hosts, max_away = count }
    for name, value in pairs(more) do cluster[name] = value end
    l = lab.start { speed = 200, fleet = { clusters = { cluster } } }
    l:client()
    l.sim:forget()
  end

  local function outcomes(result)
    local list = {}
    for _, one in ipairs(result.targets) do list[one.target] = one.status end
    return list
  end

  local function most_out()
    local now, most = {}, 0
    for _, event in ipairs(l.sim:get "truth".timeline) do
      if event.kind == "maintenance-enter" then now[event.host] = true end
      if event.kind == "maintenance-exit" then now[event.host] = nil end
      local count = 0
      for _ in pairs(now) do count = count + 1 end
      most = math.max(most, count)
    end
    return most
  end

  it("is refused by the plan if not even one host can be spared", function()
    start(2, { ha = true, host_failures = 1 })
    local plan, message = l:plan(playbook '"/DC0/host/gpu-a/a-1"')
    assert.is_nil(plan)
    assert.matches("roll: gpu-a cannot do without a-1: HA admission control guards 1 host failure(s), and tolerates 1 now. "
      .. "Power off or move VMs, or switch admission control off for the roll", message, 1, true)
    assert.same({}, l:changing())
  end)

  it("takes no more hosts at once than admission control spares, whatever unavailable says", function()
    start(4, { ha = true, host_failures = 2 })
    local result, events = l:apply(playbook('"/DC0/host/gpu-a/*"', 'unavailable = "3/cluster"'), { allow = { "reboot" } })
    assert.same({ ["a-1"] = "changed", ["a-2"] = "changed", ["a-3"] = "changed", ["a-4"] = "changed" }, outcomes(result))
    assert.equal(1, most_out())
    local waited = 0
    for _, event in ipairs(events) do
      if (event.text or ""):find("HA admission control guards 2 host failure(s)", 1, true) then waited = waited + 1 end
    end
    assert.is_true(waited >= 1)
  end)

  it("waits, then defers, while another host is out of service", function()
    start(3, { ha = true, host_failures = 1 })
    l.sim:post("set", { host = "a-3", connection = "notResponding" })
    local text = playbook('"/DC0/host/gpu-a/a-1"', 'unavailable = "2/cluster", claim_within = "1s"')
    assert.matches("HA admission control guards 1 host failure(s), and tolerates 1 now; the run waits for the hosts of "
      .. "gpu-a that are out of service", tostring(assert(l:plan(text))), 1, true)
    local result = l:apply(text, { allow = { "reboot" } })
    assert.same({ ["a-1"] = "deferred" }, outcomes(result))
    assert.matches("deferred and not changed: in gpu-a, HA admission control guards 1 host failure(s), and tolerates 1 now",
      result.targets[1].message, 1, true)
    assert.same({}, l:changing())
    l.sim:post("set", { host = "a-3", connection = "connected" })
    assert.equal("done", l:apply(text, { allow = { "reboot" } }).status)
  end)

  it("computes what a percentage would become without the host", function()
    start(4, { ha = true, ha_percent = 40 }, { memory_gb = 64 })
    assert.equal("done", l:apply(playbook('"/DC0/host/gpu-a/*"', 'unavailable = "2/cluster"'), { allow = { "reboot" } }).status)
    l:stop()
    local vms = {}
    for i = 1, 4 do
      vms[i] = { name = "vm-" .. i, host = "a-" .. i, memory_mb = 40960, memory_lock = true, power = "poweredOn" }
    end
    l = lab.start { speed = 200, fleet = { vms = vms, clusters = { { name = "gpu-a", ha = true, ha_percent = 30, hosts = {
      lab.host("a-1", { memory_gb = 64 }), lab.host("a-2", { memory_gb = 64 }), lab.host("a-3", { memory_gb = 64 }),
      lab.host("a-4", { memory_gb = 64 }) } } } } }
    local plan, message = l:plan(playbook '"/DC0/host/gpu-a/a-1"')
    assert.is_nil(plan)
    assert.matches("HA admission control guards 30 % of the memory: 37 % are free now, and about 16 % would be", message, 1, true)
  end)

  it("waits for vSAN's resynchronization after each host", function()
    start(4, { vsan = true, evacuate_seconds = 300 })
    local result, events = l:apply(playbook '"/DC0/host/gpu-a/*"', { allow = { "reboot" } })
    assert.equal("done", result.status)
    local waited = false
    for _, event in ipairs(events) do
      waited = waited or (event.text or ""):find("vSAN resynchronizes 1 object(s), 1.0 GiB", 1, true) ~= nil
    end
    assert.is_true(waited)
    local syncing = false
    for _, event in ipairs(l.sim:get "truth".timeline) do
      if event.kind == "vsan-resync" then syncing = true end
      if event.kind == "vsan-synced" then syncing = false end
      if event.kind == "maintenance-begin" then assert.is_false(syncing, "at " .. event.t) end
    end
  end)

  it("says what of vSAN it could not read, and goes on", function()
    start(2, { vsan = true })
    l.sim:trouble({ method = "QuerySyncingVsanObjects" }, { kind = "fault", fault = "NoPermission" })
    local result, events = l:apply(playbook '"/DC0/host/gpu-a/a-1"', { allow = { "reboot" } })
    assert.equal("done", result.status)
    local said = 0
    for _, event in ipairs(events) do
      if (event.text or ""):find("vSAN resynchronization: unverified: the account may not read it", 1, true) then said = said + 1 end
    end
    assert.equal(1, said)
  end)
end)
