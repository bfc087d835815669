--- A plan listed changes that could not be applied: the ISO did not exist, the guest id was misspelt, the datastore was
-- not on the chosen host, the memory was in use. Apply found them one by one, after hours. Now the plan reports all of
-- them at once, each with the line of the playbook and the name of the VM, before anything changes.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local lab = require "spec.support.lab"

local fleet = {
  clusters = {
    { name = "a", datastores = { "ds-1" }, hosts = {
      lab.host("esx-a-1", { memory_gb = 256, networks = { "VM Network" },
        cards = { lab.card("0000:3b:00.0", { enabled = true }), lab.card("0000:5e:00.0", { enabled = true }),
          lab.card("0000:86:00.0", { enabled = true }) } }) } },
    { name = "b", datastores = { "ds-1", "ds-b" }, hosts = { lab.host("esx-b-1", { memory_gb = 64 }) } },
  },
  networks = { "VM Network", "VDI-210" },
  datastores = { { name = "ds-1", capacity_gb = 1000, free_gb = 500, files = { ["iso/ubuntu.iso"] = { os = "ubuntu" },
    ["iso/answer.iso"] = { source = "builtin:ubuntu-answer" } } }, { name = "ds-b", capacity_gb = 1000 } },
  vms = {
    { name = "busy", host = "esx-a-1", power = "poweredOn", memory_mb = 98304, memory_lock = true, firmware = "efi" },
    { name = "old", host = "esx-a-1", power = "poweredOff", memory_mb = 262144, firmware = "efi", version = "vmx-20" },
  },
}

-- A scope on lines of its own; the line of p.vms is the first.
local function vms(o)
  return ([[
  p.vms { count = %d, name = "%s", login = p.login("ops", %s),
    place = { cluster = "%s", datastore = "%s", network = "%s" },
    p.vm.create    { guest = "%s", cpus = 4, memory = "%s", disk = "%s" },
    p.os.install   { iso = "%s", answer = %s },
    p.tools.ensure {},
    p.gpu.attach   { devices = cards },
    p.guest.verify {} },]]):format(o.count or 1, o.name or "vm-{n}", o.secret or 'p.secret.env "HOME"', o.cluster or "a",
    o.datastore or "ds-1", o.network or "VM Network", o.guest or "ubuntu64Guest", o.memory or "16 GiB",
    o.disk or "40 GiB", o.iso or "[ds-1] iso/ubuntu.iso", o.answer or '"[ds-1] iso/answer.iso"')
end

local function playbook(...)
  return 'local cards = p.gpus { match = "10de:20b5" }\nreturn p.playbook { name = "x",\n'
    .. table.concat({ ... }, "\n") .. " }"
end

describe("a plan that apply could not carry out", function()
  local site
  setup(function() site = lab.start { speed = 500, fleet = fleet } end)
  teardown(function() site:stop() end)

  -- The problems, with the name of the playbook's file replaced.
  local function problems(...)
    site.sim:forget()
    local plan, message, _, detail = site:plan(playbook(...))
    assert.is_nil(plan)
    assert.same({}, site:changing())
    local text = message:gsub("/[%w./-]*play%-%d+%.lua", "play.lua")
    return text, detail.problems
  end

  local function has(text, wanted) assert.matches(wanted, text, 1, true) end

  it("control: is a plan if everything is in order", function()
    local plan = gpupt.check(site:plan(playbook(vms {})))
    assert.is_nil(tostring(plan):find("unverified", 1, true), tostring(plan))
  end)

  it("reports a missing ISO and a missing answer medium", function()
    local text = problems(vms { iso = "[ds-1] iso/none.iso", answer = '"[ds-1] iso/no-answer.iso"' })
    has(text, "play.lua:7: os.install: [ds-1] iso/none.iso does not exist (vm-1)")
    has(text, "play.lua:7: os.install: [ds-1] iso/no-answer.iso does not exist (vm-1)")
  end)

  it("reports a missing folder, and a datastore that no host has", function()
    local text = problems(vms { iso = "[ds-1] isos/none.iso", answer = '"[nvme] answer.iso"' })
    has(text, "play.lua:7: os.install: [ds-1] isos/none.iso does not exist (vm-1)")
    has(text, "[nvme] answer.iso: there is no datastore 'nvme' on the hosts (they have ds-1) (vm-1)")
  end)

  it("searches a datastore's folder once, whatever the number of VMs", function()
    problems(vms { count = 3, iso = "[ds-1] iso/none.iso" })
    assert.equal(1, site.sim:calls "SearchDatastore_Task")
  end)

  it("reports a guest id that the hosts do not offer, with the nearest one", function()
    has(problems(vms { guest = "ubunto64Guest" }), "play.lua:6: vm.create: guest = 'ubunto64Guest' is not offered by a "
      .. "for its default hardware version (did you mean 'ubuntu64Guest'?) (vm-1)")
  end)

  it("reports a datastore that is not on the hosts of the cluster", function()
    has(problems(vms { datastore = "ds-b" }),
      "play.lua:4: place: no host can take the VM: esx-a-1 does not mount the datastore ds-b (vm-1)")
  end)

  it("reports a network that is not on the hosts of the cluster", function()
    has(problems(vms { network = "VDI-210", count = 2 }),
      "play.lua:4: place: no host can take the VM: esx-a-1 does not have the network VDI-210 (vm-1, vm-2)")
  end)

  it("reports memory that is reserved by running VMs, and by other VMs of the plan", function()
    has(problems(vms { memory = "200 GiB" }), "esx-a-1 has 163840 MiB of unreserved memory, and vm-1 needs 204800 MiB")
    has(problems(vms { memory = "100 GiB", count = 2 }), "esx-a-1 has 61440 MiB of unreserved memory, and vm-2 needs 102400 MiB")
  end)

  it("reports the memory of an existing VM that will be locked", function()
    has(problems [[  p.vms { where = "/DC0/vm/old", p.gpu.attach { devices = cards } },]],
      "old will reserve 262144 MiB more, and its host esx-a-1 has 163840 MiB of unreserved memory")
  end)

  it("reports a disk that is larger than the free space", function()
    has(problems(vms { disk = "600 GiB" }), "play.lua:6: the datastore ds-1 has 500 GiB free, and the disk may grow to "
      .. "600 GiB (vm-1)")
  end)

  it("only mentions thin disks that cannot all be filled", function()
    assert.matches("! play.lua:6: the new disks on the datastore ds-1: unverified: they are thin and may grow to 800 GiB, "
      .. "and 500 GiB are free (vm-1, vm-2)", tostring(gpupt.check(site:plan(playbook(vms { count = 2,
      disk = "400 GiB" })))):gsub("/[%w./-]*play%-%d+%.lua", "play.lua"), 1, true)
  end)

  it("reports everything at once", function()
    local text, list = problems(vms { name = "one-{n}", guest = "ubunto64Guest", iso = "[ds-1] iso/none.iso",
      secret = 'p.secret.env "GPUPT_NO_SUCH_VARIABLE"' }, vms { name = "two-{n}", datastore = "ds-b" },
      vms { name = "three-{n}", disk = "600 GiB", answer = '"[ds-1] iso/no-answer.iso"' })
    for _, wanted in ipairs { "play.lua:4: p.login: the environment variable GPUPT_NO_SUCH_VARIABLE is not set (one-1)",
      "play.lua:7: os.install: [ds-1] iso/none.iso does not exist (one-1)", "guest = 'ubunto64Guest' is not offered",
      "play.lua:11: place: no host can take the VM: esx-a-1 does not mount the datastore ds-b (two-1)",
      "the datastore ds-1 has 500 GiB free", "play.lua:21: os.install: [ds-1] iso/no-answer.iso does not exist (three-1)" } do
      has(text, wanted)
    end
    assert.equal(6, #list, text)
  end)

  it("is refused by apply and for a saved plan as well", function()
    local path = site.dir .. "/saved.plan"
    local text = playbook(vms {})
    gpupt.check(gpupt.check(site:plan(text)):save(path))
    gpupt.check(site:client().datastore:delete "[ds-1] iso/answer.iso")
    local plan, message = gpupt.check(gpupt.playbook.load_plan(path)):plan(site:client())
    assert.is_nil(plan)
    has(message, "[ds-1] iso/answer.iso does not exist")
    local result
    result, message = site:apply(text)
    assert.is_nil(result)
    has(message, "[ds-1] iso/answer.iso does not exist")
  end)
end)

describe("a new VM", function()
  it("is created on a host that has its datastore and network, and the memory for it", function()
    local cards = { lab.card("0000:3b:00.0", { enabled = true }) }
    local site = lab.start { speed = 500, fleet = { networks = { "VM Network", "VDI" },
      clusters = { { name = "a", hosts = {
        lab.host("esx-1", { cards = cards, datastores = { "ds-1" } }),
        lab.host("esx-2", { cards = cards, datastores = { "ds-2" }, networks = { "VM Network" } }),
        lab.host("esx-3", { cards = cards, datastores = { "ds-2" }, memory_gb = 8 }),
        lab.host("esx-4", { cards = cards, datastores = { "ds-2" } }) } } },
      datastores = { { name = "ds-1" }, { name = "ds-2" } }, vms = json.array {} } }
    local plan, message = site:plan [[
return p.playbook { name = "x", p.vms { name = "vm", place = { cluster = "a", datastore = "ds-2", network = "VDI" },
  p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "16 GiB", disk = "10 GiB" },
  p.gpu.attach { devices = p.gpus { match = "10de:20b5" } } } }]]
    site:stop()
    assert.is_truthy(plan, message)
    assert.matches("on esx-4", plan:changes()[1].what, 1, true)
  end)
end)
