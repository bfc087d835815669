-- `per = "folder"` was refused for every host ("is in no folder that can be read"): the plan did not read in which
-- folder a cluster is. A function of `per` that read a field which a host does not have got nil, where every other
-- function of the playbook is told the nearest name; so did one that read a field of a card.
local lab = require "spec.support.lab"

local fleet = { folders = { "/DC0/host/hall 1", "/DC0/host/hall 2" }, clusters = {
  { name = "a", folder = "hall 1", hosts = { lab.host "esx-a1", lab.host "esx-a2" } },
  { name = "b", folder = "hall 1", hosts = { lab.host "esx-b1" } },
  { name = "c", folder = "hall 2", hosts = { lab.host "esx-c1" } },
  { name = "d", hosts = { lab.host "esx-d1" } } } }

describe("551: hosts by inventory folder", function()
  local l
  setup(function() l = lab.start { speed = 1000, fleet = fleet } end)
  teardown(function() l:stop() end)

  local function plan(roll, devices)
    return l:plan(([[return p.playbook { name = "x", p.hosts { where = "/DC0/host/**", roll = %s,
      devices = %s, p.host.enable {} } }]]):format(roll, devices or 'p.gpus { match = "10de:20b5" }'))
  end

  it("are counted together, in whatever cluster they are", function()
    local made, message = plan '{ unavailable = "1/folder", per = "folder" }'
    local text = tostring(assert(made, message))
    for _, words in ipairs { "1 of 3 hosts of folder /DC0/host/hall 1", "1 of 1 host of folder /DC0/host/hall 2",
      "1 of 1 host of folder /DC0/host" } do assert.matches(words, text, 1, true) end
  end)

  it("a function of `per` may read the name and the cluster, and nothing else", function()
    local _, message = plan '{ unavailable = "1/row", per = function(host) return host.nmae end }'
    assert.matches("a host has no 'nmae' (did you mean 'name'?)", message, 1, true)
    assert(plan '{ unavailable = "1/row", per = function(host) return host.name .. host.cluster end }')
    local _, nothing = plan '{ unavailable = "1/row", per = function(host) end }'
    assert.matches("returned nothing, not a text", nothing, 1, true)
  end)

  it("a misspelt field of a card is an error", function()
    local _, message = plan("{}", 'function(host) return p.gpus { match = "10de:20b5", label = host.cards[1].lable } end')
    assert.matches("a card has no 'lable' (did you mean 'label'?)", message, 1, true)
  end)
end)
