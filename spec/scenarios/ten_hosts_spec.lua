-- Scenario 5: ten hosts in two clusters, one per cluster. Judged by what the server saw of its hosts, not by what gpupt
-- says: at no moment are two hosts of a cluster out of service, and both clusters are worked on at once.
local lab = require "spec.support.lab"

describe("a roll of ten hosts in two clusters", function()
  local l

  setup(function()
    local clusters = {}
    for i, name in ipairs { "gpu-a", "gpu-b" } do
      local hosts = {}
      for k = 1, 5 do
        hosts[k] = lab.host(("%s-%d"):format(i == 1 and "a" or "b", k), { boot_seconds = 100 + 40 * k, enter_seconds = 10 * k })
      end
      clusters[i] = { name = name, hosts = hosts, max_away = 1 }
    end
    l = lab.start { speed = 300, fleet = { clusters = clusters } }
  end)
  teardown(function() l:stop() end)

  -- Walks through the server's timeline; calls `at` with the hosts that are out of service by cluster, after each event.
  local function walk(at)
    local out, cluster_of = {}, {}
    local truth = l.sim:get "truth"
    for _, host in ipairs(truth.hosts) do cluster_of[host.name], out[host.cluster] = host.cluster, {} end
    local begins = { ["maintenance-begin"] = true, ["maintenance-enter"] = true, away = true }
    local ends = { ["maintenance-exit"] = true, ["maintenance-canceled"] = true }
    for _, event in ipairs(truth.timeline) do
      local cluster = cluster_of[event.host or ""]
      if cluster and begins[event.kind] then out[cluster][event.host] = true end
      if cluster and ends[event.kind] then out[cluster][event.host] = nil end
      if cluster then at(out, event) end
    end
    return truth
  end

  local function size(set)
    local n = 0
    for _ in pairs(set) do n = n + 1 end
    return n
  end

  it("never has two hosts of a cluster out of service, and one of each at the same time", function()
    local result = l:apply([[return p.playbook { name = "ten", p.hosts { where = "/DC0/host/*",
      devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]], { allow = { "reboot" } })
    assert.equal("done", result.status)
    local events, both = 0, false
    local truth = walk(function(out, event)
      events = events + 1
      for cluster, set in pairs(out) do
        assert.is_true(size(set) <= 1, ("%s: %d hosts at %s (%s %s)"):format(cluster, size(set), event.t, event.kind, event.host))
      end
      both = both or size(out["gpu-a"]) == 1 and size(out["gpu-b"]) == 1
    end)
    assert.is_true(events >= 40)
    assert.is_true(both)
    assert.same({}, truth.violations)
    assert.equal(10, l.sim:calls "RebootHost_Task")
    for _, host in ipairs(truth.hosts) do
      for _, card in ipairs(host.cards) do
        if card.address == "0000:3b:00.0" then assert.is_true(card.active, host.name) end
      end
    end
  end)
end)
