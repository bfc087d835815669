--- A VM of the name that was in another cluster than `place` says was "nothing to change": the plan compared its folder
-- only, and a folder has VMs of all clusters of its datacenter.
local lab = require "spec.support.lab"

describe("596: a p.vms with a name that exists", function()
  local l
  setup(function()
    l = lab.start { speed = 1000, fleet = { clusters = {
      { name = "ga", hosts = { lab.host "esx-a1", lab.host "esx-a2" } },
      { name = "gb", hosts = { lab.host "esx-b1" } } },
      networks = { "VM Network" }, datastores = { { name = "ds-1" } },
      vms = { { name = "desk-{n}", count = 2, cluster = "ga", memory_mb = 8192, firmware = "efi" } } } }
  end)
  teardown(function() l:stop() end)

  local function plan(place, count)
    return l:command { "plan", l:write(([[return p.playbook { name = "x", p.vms { name = "desk-{n}", count = %d,
      place = { %s, datastore = "ds-1", network = "VM Network" },
      p.vm.create { firmware = "efi", guest = "ubuntu64Guest", cpus = 2, memory = "8 GiB", disk = "60 GiB" } } }]])
      :format(count or 2, place)) }
  end

  it("is refused if the VM is in another cluster, with where it is", function()
    local result = plan 'cluster = "gb"'
    assert.equal(1, result.status, result.out)
    for n = 1, 2 do
      assert.matches(("/DC0/vm/desk%%-%d exists, but on host esx%%-a%%d in /DC0/host/ga, and place says /DC0/host/gb")
        :format(n), result.out .. result.err)
    end
    local other = plan 'host = "esx-b1"'
    assert.equal(1, other.status, other.out)
  end)

  it("is as it should be in its cluster, on whichever host of it", function()
    for _, place in ipairs { 'cluster = "ga"', 'host = "esx-a1"', 'host = "esx-a2"' } do
      local result = plan(place)
      assert.equal(0, result.status, result.err)
      assert.matches("nothing to change", result.out, 1, true)
    end
  end)

  it("names the VMs that are elsewhere, and no others", function()
    local result = plan('cluster = "gb"', 3)
    assert.equal(1, result.status)
    assert.is_nil((result.out .. result.err):find("desk-3 exists", 1, true))
  end)
end)
