-- VMs were created, or got their cards, and could not be powered on: HA admission control of their cluster guarded more
-- than it tolerated before. The plan says that now. Where the plan itself takes VMs or hosts away, it says that it cannot
-- know.
local lab = require "spec.support.lab"

local function card(address)
  return { address = address, vendor = "10de", device = "1eb8", subvendor = "10de", subdevice = "12a2", name = "Tesla T4",
    class = "0302", bars = { "16M:32", "256M:64p", "32M:64p" }, enabled = true }
end

describe("a cluster whose HA guards more host failures than it tolerates", function()
  local l
  setup(function()
    l = lab.start { speed = 400, fleet = { clusters = { { name = "a", ha = true, host_failures = 1, hosts = {
      lab.host("esx-1", { cards = { card "0000:3b:00.0", card "0000:5e:00.0" } }) } } }, vms = {
        { name = "off", host = "esx-1", firmware = "efi", memory_mb = 2048, disk_gb = 10, version = "vmx-20" },
        { name = "other", host = "esx-1", firmware = "efi", memory_mb = 2048, disk_gb = 10, version = "vmx-20", memory_lock = true,
          devices = { "0000:3b:00.0" } } } } }
  end)
  teardown(function() l:stop() end)

  local function apply(scopes)
    l.sim:forget()
    return l:command { "apply", l:write(('return p.playbook { name = "ha", %s }'):format(scopes)) }
  end
  local function created(more)
    return ([[p.vms { name = "new", place = { cluster = "a", datastore = "ds-1", network = "VM Network" },
      p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "2 GiB", disk = "10 GiB" }%s }]]):format(more)
  end
  local SAYS = "a admits no power-on: HA admission control guards 1 host failure(s), and tolerates 0 now. Power off VMs or switch "
    .. "admission control off, or set power_on = false"

  it("starts no VM: the plan refuses that, and names it", function()
    local done = apply [[p.vms { where = "/DC0/vm/other", p.gpu.attach { devices = p.gpus { match = "10de:1eb8" } } }]]
    assert.equal(1, done.status, done.err)
    assert.matches(SAYS, done.err, 1, true)
    assert.matches("other", done.err, 1, true)
    assert.same({}, l:changing())
  end)

  it("is unverified where the plan changes hosts or VMs itself", function()
    local done = l:command { "plan", l:write [[return p.playbook { name = "ha",
      p.hosts { where = "/DC0/host/a/*", devices = p.gpus { address = "0000:5e:00.0" }, p.host.disable { apply = "stage" } },
      p.vms { where = "/DC0/vm/other", p.gpu.attach { devices = p.gpus { address = "0000:3b:00.0" } } } }]] }
    assert.equal(0, done.status, done.err)
    assert.matches("a admits no power-on: HA admission control guards 1 host failure(s), and tolerates 0 now: unverified: hosts or VMs "
      .. "change meanwhile (other)", done.out, 1, true)
  end)

  it("gets VMs that are not started", function()
    local done = apply(created "")
    assert.equal(0, done.status, done.err)
  end)
end)
