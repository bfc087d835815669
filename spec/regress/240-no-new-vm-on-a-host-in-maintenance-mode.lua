--- A host in maintenance mode whose cards are active (as a run that was killed before its last call leaves it) took new
-- VMs in a plan; apply then failed at CreateVM, which a host in maintenance mode refuses (InvalidState).
local lab = require "spec.support.lab"

local card = lab.card

local PLAY = [[
local a100 = p.gpus { match = "10de:20b5" }
return p.playbook { name = "closed",
  p.hosts { where = "/DC0/host/gpu", devices = a100, p.host.enable {} },
  p.vms { name = "new-{n}", count = %d, place = { cluster = "gpu", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "ubuntu64Guest", cpus = 8, memory = "64 GiB", disk = "100 GiB" }%s } }]]

local ATTACH = ", p.gpu.attach { devices = a100 }"

describe("a host in maintenance mode with active cards", function()
  local l

  setup(function()
    local function host(name)
      return lab.host(name, { memory_gb = 512, cpus = 64, cards = { card("0000:3b:00.0", { enabled = true }) } })
    end
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu", hosts = { host "esx-1", host "esx-2" } } },
      networks = { "VM Network" }, datastores = { { name = "ds-1" } }, vms = { { name = "old-1", host = "esx-1",
        datastore = "ds-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 65536, memory_lock = true,
        devices = { "0000:3b:00.0" }, power = "poweredOff", extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE",
          ["pciPassthru.64bitMMIOSizeGB"] = "256" } } } } }
    l:client()
    l.sim:post("set", { host = "esx-1", maintenance = true })
  end)
  teardown(function() l:stop() end)

  it("takes no new VM with a card: it is skipped by name, and the others go elsewhere", function()
    local plan = assert(l:plan(PLAY:format(2, ATTACH)))
    local text = tostring(plan)
    assert.matches("new%-1  vm.create [^\n]*on esx%-2\n", text)
    assert.not_matches("on esx%-1\n", text)
    assert.matches("! skipped: [^\n]*new%-2 needs 1 free GPU[^\n]*esx%-1 is in maintenance mode", text)
  end)

  it("takes no new VM without a card", function()
    local text = tostring(assert(l:plan(PLAY:format(1, ""))))
    assert.matches("new%-1  vm.create [^\n]*on esx%-2\n", text)
  end)

  it("is named in the plan, with what to do, although nothing of it is to be changed", function()
    local text = tostring(assert(l:plan(PLAY:format(1, ATTACH))))
    assert.matches("! esx-1 is in maintenance mode, and stays in it: no VM is started on it", text, 1, true)
  end)

  it("starts no VM that is on it: the VM is skipped by name", function()
    local text = tostring(assert(l:plan [[
local a100 = p.gpus { match = "10de:20b5" }
return p.playbook { name = "start", p.hosts { where = "/DC0/host/gpu", devices = a100, p.host.enable {} },
  p.vms { where = "/DC0/vm/old-1", p.gpu.attach { devices = a100 } } }]]))
    assert.matches("! old-1 cannot be started, because its host esx-1 is in maintenance mode: skipped", text, 1, true)
  end)

  it("configures a VM that is on it and stays powered off", function()
    local text = tostring(assert(l:plan [[
return p.playbook { name = "set", p.vms { where = "/DC0/vm/old-1",
  p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, mmio = 512, power_on = false } } }]]))
    assert.matches("old-1  gpu.attach", text, 1, true)
    assert.not_matches("skipped", text, 1, true)
  end)
end)
