--- A plan stopped at the first mistake of a VM's place: a wrong datastore hid the wrong network, the misspelt guest id,
-- the missing ISO and the secret that was not set, and too much memory hid the same. An operator needed six plans to
-- see six mistakes. One plan lists all of them.
local lab = require "spec.support.lab"

local fleet = { networks = { "VM Network" },
  clusters = { { name = "a", hosts = { lab.host("esx-1", { memory_gb = 64,
    cards = { lab.card("0000:3b:00.0", { enabled = true }) } }) } } },
  datastores = { { name = "ds-1", capacity_gb = 1000, files = { ["iso/ubuntu.iso"] = { os = "ubuntu" } } } },
  vms = { { name = "old", host = "esx-1", memory_mb = 4096, firmware = "efi", version = "vmx-20" } } }

describe("the plan of a VM with several mistakes", function()
  local site
  setup(function() site = lab.start { speed = 500, fleet = fleet } end)
  teardown(function() site:stop() end)

  local function problems(scopes)
    local plan, message = site:plan(([[local cards = p.gpus { match = "10de:20b5" }
return p.playbook { name = "x",
%s }]]):format(scopes))
    assert.is_nil(plan)
    assert.same({}, site:changing())
    local list = {}
    for line in message:gsub("/[%w./-]*play%-%d+%.lua", "play.lua"):gmatch "[^\n]+" do list[#list + 1] = line end
    return list
  end

  local function new(place, memory)
    return ([[
  p.vms { name = "one", login = p.login("ops", p.secret.env "GPUPT_NO_SUCH_VARIABLE"), place = { %s },
    p.vm.create    { guest = "ubunto64Guest", cpus = 4, memory = "%s", disk = "40 GiB" },
    p.os.install   { iso = "[ds-1] iso/none.iso", answer = "[ds-1] iso/no-answer.iso" },
    p.tools.ensure {},
    p.gpu.attach   { devices = cards },
    p.guest.verify {} }]]):format(place, memory)
  end

  local secret = "play.lua:4: p.login: the environment variable GPUPT_NO_SUCH_VARIABLE is not set (one)"
  local rest = { secret, "play.lua:5: vm.create: guest = 'ubunto64Guest' is not offered by a for its default hardware "
    .. "version (did you mean 'ubuntu64Guest'?) (one)",
    "play.lua:6: os.install: [ds-1] iso/none.iso does not exist (one)",
    "play.lua:6: os.install: [ds-1] iso/no-answer.iso does not exist (one)" }

  it("lists them all if the datastore and the network are wrong", function()
    local list = problems(new('cluster = "a", datastore = "ds-2", network = "VM Netwrk"', "16 GiB"))
    assert.matches("^play.lua:4: place: datastore 'ds%-2': nothing matches", list[1])
    assert.matches("^play.lua:4: place: network 'VM Netwrk': nothing matches", list[2])
    assert.same(rest, table.move(list, 3, #list, 1, {}))
  end)

  it("lists them all, and the memory, if the network is wrong and no host has the memory", function()
    local list = problems(new('cluster = "a", datastore = "ds-1", network = "VM Netwrk"', "1 TiB"))
    assert.matches("^play.lua:4: place: network 'VM Netwrk': nothing matches", list[1])
    assert.matches("^play.lua:8: one needs 1 free GPU of 10de:20b5 on one host: esx%-1 has 65536 MiB", list[2])
    assert.same(rest, table.move(list, 3, #list, 1, {}))
  end)

  it("lists them all if no host has the memory", function()
    local list = problems(new('cluster = "a", datastore = "ds-1", network = "VM Network"', "1 TiB"))
    assert.matches("^play.lua:8: one needs 1 free GPU of 10de:20b5 on one host: esx%-1 has 65536 MiB", list[1])
    assert.same(rest, table.move(list, 2, #list, 1, {}))
  end)

  it("lists what can be known if the cluster is wrong", function()
    local list = problems(new('cluster = "b", datastore = "ds-2", network = "VM Network"', "16 GiB"))
    assert.matches("^play.lua:4: place: cluster 'b': nothing matches", list[1])
    assert.matches("^play.lua:4: place: datastore 'ds%-2': nothing matches", list[2])
    assert.same({ secret }, table.move(list, 3, #list, 1, {}))
  end)

  it("lists the secret of an existing VM for which there are no cards", function()
    local list = problems [[
  p.vms { where = "/DC0/vm/old", login = p.login("ops", p.secret.env "GPUPT_NO_SUCH_VARIABLE"),
    p.gpu.attach { devices = cards, count = 3 }, p.guest.verify {} } ]]
    assert.matches("^play.lua:5: old needs 3 GPUs of 10de:20b5 on its host esx%-1", list[1])
    assert.same({ (secret:gsub("one", "old")) }, table.move(list, 2, #list, 1, {}))
  end)
end)

describe("a problem about one VM", function()
  it("names the VM unless its text names it as a whole", function()
    local findings = require "gpupt.playbook.preflight.findings"
    local function line(text, target)
      local found = findings.new()
      found:problem { text = text, target = target }
      return found:problems()[1].text
    end
    assert.equal("iso/none.iso does not exist (one)", line("iso/none.iso does not exist", "one"))
    assert.equal("iso/vm-1.iso does not exist (vm-1)", line("iso/vm-1.iso does not exist", "vm-1"))
    assert.equal("desk-10 is in the way (desk-1)", line("desk-10 is in the way", "desk-1"))
    assert.equal("one does not exist", line("one does not exist", "one"))
    assert.equal("it is not one.", line("it is not one.", "one"))
    assert.equal("see /DC0/vm/one", line("see /DC0/vm/one", "one"))
  end)
end)
