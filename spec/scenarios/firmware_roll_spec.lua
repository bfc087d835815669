-- One roll with host.firmware and host.enable: every host of two clusters, of different vendors, gets its BIOS settings and its
-- cards with exactly one reboot, and never are two hosts of a cluster out of service.
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local MANNERS = { "dell", "supermicro", "lenovo", "dell-old" }

describe("a roll with BIOS settings and cards", function()
  local l

  setup(function()
    local clusters = {}
    for i, name in ipairs { "gpu-a", "gpu-b" } do
      local hosts = {}
      for k, manner in ipairs(MANNERS) do
        hosts[k] = lab.host(("%s-%d"):format(i == 1 and "a" or "b", k), { above_4g = false,
          bmc = { manner = manner, user = "root", password = "Bmc-secret-1", job_seconds = 10 } })
      end
      clusters[i] = { name = name, hosts = hosts, max_away = 1 }
    end
    l = lab.start { speed = 400, fleet = { clusters = clusters } }
    vcenter.write(l.dir .. "/password", "Bmc-secret-1\n")
  end)
  teardown(function() l:stop() end)

  local function playbook()
    local urls = {}
    for name, url in pairs(l.sim.ready.bmcs) do urls[#urls + 1] = ("[%q] = %q"):format(name, url) end
    return ([[local bmcs = { %s }
      return p.playbook { name = "roll", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:20b5" },
        p.host.firmware { sr_iov = true, bmc = function(host) return bmcs[host.name] end,
          login = p.login("root", p.secret.file %q), ca_file = %q }, p.host.enable {} } }]]):format(table.concat(urls, ", "),
      l.dir .. "/password", l.sim.ready.ca_file)
  end

  it("reboots each host once, never two of a cluster at a time", function()
    local result = l:apply(playbook(), { allow = { "bios", "reboot" } })
    assert.equal("done", result.status, result.message)
    local truth, count, out = l.sim:get "truth", {}, {}
    local cluster_of = {}
    for _, host in ipairs(truth.hosts) do
      cluster_of[host.name] = host.cluster
      assert.same({ true, false }, { host.above_4g, host.maintenance }, host.name)
      for _, card in ipairs(host.cards) do
        if card.address == "0000:3b:00.0" then assert.is_true(card.active, host.name) end
      end
    end
    for _, event in ipairs(truth.timeline) do
      local cluster = cluster_of[event.host or ""]
      if event.kind == "reboot" then
        count[event.host] = (count[event.host] or 0) + 1
        assert.is_nil(out[cluster], ("%s and %s"):format(event.host, tostring(out[cluster])))
        out[cluster] = event.host
      elseif event.kind == "maintenance-exit" then
        out[cluster] = nil
      end
    end
    for name in pairs(cluster_of) do assert.equal(1, count[name], name) end
    assert.same({}, truth.violations)
    for _, bmc in ipairs(truth.bmcs) do assert.same({ 0, 0, {} }, { bmc.sessions, bmc.refused, bmc.pending }, bmc.host) end
    assert.equal("nothing", l:apply(playbook(), { allow = { "bios", "reboot" } }).status)
  end)

  it("reads the BIOS of all hosts of a plan side by side", function()
    local vc, most, open = l:client(), 0, 0
    vc.trace = function(event)
      if event.method:find "^POST .*Sessions" then open = open + 1 end
      if event.method:find "^DELETE" then open = open - 1 end
      most = math.max(most, open)
    end
    assert(l:plan(playbook()))
    vc.trace = nil
    assert.equal(0, open)
    assert.is_true(most > 1, most)
  end)
end)
