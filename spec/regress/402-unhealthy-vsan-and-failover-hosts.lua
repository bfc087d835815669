-- What keeps a host in its cluster was shown for HA's figures and for vSAN's resynchronization only: not for a host whose
-- vSAN membership is unhealthy, nor for the dedicated failover hosts of HA.
local claim = require "gpupt.playbook.claim"
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

local function playbook(host, roll)
  return ([[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/gpu-a/%s", devices = p.gpus { match = "10de:20b5" },
    roll = { %s }, p.host.enable {} } }]]):format(host, roll or "")
end

describe("a host", function()
  local l, pause

  before_each(function() pause, claim.PAUSE = claim.PAUSE, 0.2 end)
  after_each(function()
    claim.PAUSE = pause
    l:stop()
  end)

  local function start(more)
    local cluster = { name = "gpu-a", hosts = { lab.host "a-1", lab.host "a-2", lab.host "a-3" } }
    for name, value in pairs(more) do cluster[name] = value end
    l = lab.start { speed = 200, fleet = { clusters = { cluster } } }
    l:client()
    l.sim:forget()
  end

  it("waits while the host's vSAN membership is unhealthy, then defers it", function()
    start { vsan = true }
    l.sim:post("set", { host = "a-1", vsan_health = "unhealthy" })
    local text = playbook("a-1", 'claim_within = "1s"')
    local result = l:apply(text, { allow = { "reboot" } })
    assert.equal("deferred", result.targets[1].status)
    assert.matches("deferred and not changed: in gpu-a, the host's vSAN membership is unhealthy; waited 1 s", result.targets[1].message,
      1, true)
    assert.same({}, l:changing())
    -- it goes on as soon as it is healthy again
    local plan, waited = check(l:plan(playbook("a-1", 'claim_within = "20s"'))), false
    local run = check(plan:apply { journal = l:journal(), allow = { "reboot" }, on_event = function(event)
      if (event.text or ""):find("waiting for a free slot in gpu-a: the host's vSAN membership is unhealthy", 1, true) then
        waited = true
        l.sim:post("set", { host = "a-1", vsan_health = "healthy" })
      end
    end })
    assert.is_true(waited)
    assert.equal("done", run:result().status)
  end)

  it("whose vSAN health is not known is rolled, and that is said to be unverified", function()
    start { vsan = true }
    l.sim:post("set", { host = "a-1", vsan_health = "unknown" })
    local result, events = l:apply(playbook "a-1", { allow = { "reboot" } })
    assert.equal("done", result.status)
    local said = false
    for _, event in ipairs(events) do said = said or event.text == "vSAN health: unverified: it is unknown" end
    assert.is_true(said)
  end)

  it("that is a dedicated failover host of HA waits for the other one; hosts that are none do not", function()
    start { ha = true, host_failures = 1 }
    local cluster = check(l.vc:one "/DC0/host/gpu-a")
    local hosts = {}
    for i, name in ipairs { "a-1", "a-2" } do hosts[i] = check(l.vc:one("/DC0/host/gpu-a/" .. name)) end
    check(l.vc:wait(check(cluster:ReconfigureComputeResource_Task { modify = true, spec = { _type = "ClusterConfigSpecEx",
      dasConfig = { admissionControlEnabled = true, admissionControlPolicy = {
        _type = "ClusterFailoverHostAdmissionControlPolicy", failoverHosts = hosts } } } })))
    l.sim:forget()
    assert.equal("done", l:apply(playbook "a-3", { allow = { "reboot" } }).status)
    assert.equal("done", l:apply(playbook "a-1", { allow = { "reboot" } }).status)
    l.sim:post("set", { host = "a-1", maintenance = true })
    l.sim:forget()
    local result = l:apply(playbook("a-2", 'claim_within = "1s", unavailable = "2/cluster"'), { allow = { "reboot" } })
    assert.equal("deferred", result.targets[1].status)
    assert.matches("it is a dedicated failover host of HA, and 0 other(s) are ready, of 1 that HA guards",
      result.targets[1].message, 1, true)
    assert.same({}, l:changing())
  end)
end)
