--- p.vm.move to a host of another datacenter was refused because the host had neither the datastore nor the network, also
-- if it had one of that name: whoever read that looked for a port group that was there.
local lab = require "spec.support.lab"

local FAR = "esx-b1 is in the datacenter /DC1, and the VM in /DC0: p.vm.move does not move a VM to another datacenter"

describe("615: p.vm.move to another datacenter", function()
  local l
  setup(function()
    local function host(name) return lab.host(name, { cards = { lab.card("0000:3b:00.0", { enabled = true }) } }) end
    l = lab.start { speed = 500, fleet = { datacenters = { { name = "DC1" } }, datastores = { { name = "ds-1" }, { name = "ds-2" } },
      networks = { "VM Network" }, clusters = {
        { name = "ga", hosts = { host "esx-a1", host "esx-a2" }, datastores = { "ds-1" } },
        { name = "gb", datacenter = "DC1", hosts = { host "esx-b1" }, datastores = { "ds-2" } } },
      vms = { { name = "web", host = "esx-a1", datastore = "ds-1", memory_mb = 8192, firmware = "efi" } } } }
  end)
  teardown(function() l:stop() end)

  local function plan(to, more, after)
    return l:command { "plan", l:write(([[return p.playbook { name = "x", p.vms { where = "/DC0/vm/web",
      p.vm.move { to = %s %s }, %s } }]]):format(to, more or "", after or "")) }
  end

  for name, to in pairs { ["a name"] = '"esx-b1"', ["a path of a cluster"] = '"/DC1/host/gb"', ["a pattern"] = '"/DC1/host/*/*"' } do
    it(("is refused for that reason alone, with what to do (%s)"):format(name), function()
      for _, more in ipairs { "", ', datastore = "ds-2"' } do
        local result = plan(to, more)
        assert.equal(1, result.status, result.out)
        assert.matches("play%-%d+.lua:2: p.vm.move: to: no host can take the VM: esx%-b1 is in the datacenter", result.err)
        assert.matches(FAR, result.err, 1, true)
        assert.matches("Migrate it by hand", result.err, 1, true)
        assert.is_nil(result.err:find("does not mount", 1, true) or result.err:find("does not have", 1, true))
      end
    end)
  end

  it("is refused so for a VM that gets a card there", function()
    local result = plan('"esx-b1"', "", 'p.gpu.attach { devices = p.gpus { match = "10de:20b5" } }')
    assert.equal(1, result.status)
    assert.matches(FAR, result.err, 1, true)
  end)

  it("is not chosen where a host of its own can be", function()
    local result = plan '{ "esx-b1", "esx-a2" }'
    assert.equal(0, result.status, result.err)
    assert.matches("web +vm.move +move from esx%-a1 to esx%-a2", result.out)
  end)

  it("names each host with its own reason where none can be", function()
    local result = plan('{ "esx-b1", "esx-a2" }', ', datastore = "ds-2"')
    assert.equal(1, result.status)
    assert.matches(FAR, result.err, 1, true)
    assert.matches("esx-a2 does not mount the datastore ds-2", result.err, 1, true)
  end)
end)
