--- An account with too few privileges for 200 hosts got a line for each host and privilege: thousands. A plan has one
-- line for each privilege that a step lacks, with the number of the objects and the first names.
local lab = require "spec.support.lab"

local function hosts(count)
  local list = {}
  for n = 1, count do list[n] = lab.host("esx-" .. n) end
  return list
end

describe("a privilege that is missing on several objects", function()
  local function plan(count)
    local site = lab.start { speed = 500, fleet = { clusters = { { name = "a", hosts = hosts(count) } },
      users = { { name = "few", password = "Few-1!", privileges = { "System.Anonymous", "System.Read", "System.View",
        "Host.Config.PciPassthru" } } } } }
    local vc = site.sim:connect { username = "few", password = "Few-1!" }
    local result, message = site:load([[return p.playbook { name = "x", p.hosts { where = "/DC0/host/a",
  devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]]):plan(vc)
    site:stop()
    assert.is_nil(result)
    return message
  end

  it("is one line with their names", function()
    assert.matches("host.enable: the account lacks Host.Config.Maintenance on the hosts esx-1, esx-2, esx-3\n", plan(3), 1, true)
  end)

  it("is one line with their number and the first names if they are many", function()
    local message = plan(6)
    assert.matches("host.enable: the account lacks Host.Config.Maintenance on 6 hosts (esx-1, esx-2, esx-3 and 3 more)\n",
      message, 1, true)
    local _, lines = message:gsub("\n", "")
    assert.equal(1, lines, message)
  end)
end)
