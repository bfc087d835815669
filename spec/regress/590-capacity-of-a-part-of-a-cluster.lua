--- A plan for one VM read one host of four, and said of the whole cluster "2 cards ... 1 spare GPU: one host down leaves
-- VMs without 1 GPU", although the other hosts had three free cards. With a fuller host it would have said "enough".
local gpupt = require "gpupt"
local json = require "gpupt.json"
local lab = require "spec.support.lab"

local function host(name, ...)
  local cards = {}
  for i, address in ipairs { ... } do cards[i] = lab.card(address, { enabled = true }) end
  return lab.host(name, { cards = cards })
end

local function vm(name, on)
  return { name = name, host = on, datastore = "ds-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 8192,
    memory_lock = true, power = "poweredOff", installed = "ubuntu" }
end

local PLAY = [[return p.playbook { name = "one", p.vms { where = "%s",
  p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]]

describe("590: the capacity of a cluster", function()
  local l
  setup(function()
    l = lab.start { speed = 500, fleet = { datastores = { { name = "ds-1" } },
      clusters = { { name = "vdi", hosts = { host("esx-1", "0000:3b:00.0", "0000:86:00.0"), host("esx-2", "0000:3b:00.0"),
        host("esx-3", "0000:3b:00.0"), host("esx-4", "0000:3b:00.0") } } },
      vms = { vm("desk-1", "esx-1"), vm("desk-2", "esx-2"), vm("desk-3", "esx-3"), vm("desk-4", "esx-4") } } }
  end)
  teardown(function() l:stop() end)

  it("of which one host was read says so, and nothing about spare cards", function()
    local plan = gpupt.check(l:plan(PLAY:format "/DC0/vm/desk-1"))
    assert.matches("\ncapacity vdi: 2 cards on esx-1 (1 of 4 hosts; no other was read); used 0 -> 1, free 2 -> 1\n",
      tostring(plan), 1, true)
    for _, words in ipairs { "spare", "enough", "one host down" } do assert.not_matches(words, tostring(plan), 1, true) end
    assert.same({ { cluster = "vdi", cards = 2, used = 0, used_after = 1, free = 2, free_after = 1, hosts = 1,
      hosts_read = { "esx-1" }, hosts_total = 4 } }, plan:capacity())
  end)

  it("of which two hosts were read is not called enough either", function()
    local plan = gpupt.check(l:plan(PLAY:format "/DC0/vm/desk-[12]"))
    assert.matches("\ncapacity vdi: 3 cards on esx-[1-2] (2 of 4 hosts; no other was read); used 0 -> 2, free 3 -> 1\n",
      tostring(plan), 1, true)
    local one = l:command { "plan", l:write(PLAY:format "/DC0/vm/desk-1"), "--json" }
    assert.is_nil(json.decode(one.out).capacity[1].short)
  end)

  it("that was read as a whole is judged", function()
    local text = tostring(gpupt.check(l:plan(PLAY:format "/DC0/vm/desk-*")))
    assert.matches("\ncapacity vdi: 5 cards; used 0 -> 4, free 5 -> 1\n", text, 1, true)
    local plan = gpupt.check(l:plan [[return p.playbook { name = "wide", p.vms { where = "/DC0/vm/desk-1",
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, backing = "dynamic", power_on = false } } }]])
    assert.equal(4, #plan:capacity()[1].hosts_read)
    assert.equal(0, plan:capacity()[1].short)
  end)

  it("is not that of another one of its name", function()
    local other = lab.start { speed = 500, fleet = { folders = { "/DC0/host/hall 1", "/DC0/host/hall 2" },
      datastores = { { name = "ds-1" } }, clusters = { { name = "vdi", folder = "hall 1", hosts = { host("esx-1", "0000:3b:00.0") } },
        { name = "cad", folder = "hall 2", hosts = { host("esx-2", "0000:3b:00.0"), host("esx-3", "0000:3b:00.0") } } },
      vms = { vm("desk-1", "esx-1"), vm("desk-2", "esx-2") } } }
    local vc = other:client()
    gpupt.check(vc:wait(gpupt.check(gpupt.check(vc:one "/DC0/host/hall 2/cad"):Rename_Task { newName = "vdi" })))
    local plan = gpupt.check(other:plan(PLAY:format "/DC0/vm/desk-*"))
    local list, text = plan:capacity(), tostring(plan)
    other:stop()
    table.sort(list, function(a, b) return a.hosts_total < b.hosts_total end)
    assert.same({ { 1, 1, 1 }, { 1, 1, 2 } }, { { list[1].cards, #list[1].hosts_read, list[1].hosts_total },
      { list[2].cards, #list[2].hosts_read, list[2].hosts_total } })
    assert.same({ 1, nil }, { list[1].short, list[2].short })
    assert.matches("capacity vdi: 1 card on esx-2 (1 of 2 hosts; no other was read); used 0 -> 1", text, 1, true)
  end)
end)
