--- A VM that exists was compared with `place` by its cluster only: on another datastore or network than the playbook says
-- it was "nothing to change", without a word. The plan says what differs; a VM that was placed is not moved for that.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local lab = require "spec.support.lab"

local check = gpupt.check

describe("616: a VM that exists and is not where place says", function()
  local l
  setup(function()
    l = lab.start { speed = 1000, fleet = { clusters = { { name = "ga", hosts = { lab.host "esx-1", lab.host "esx-2" } } },
      networks = { "VM Network", "VDI 210" }, datastores = { { name = "ds-1" }, { name = "ds-2" } },
      switches = { { name = "dvs", portgroups = { "Desks" } } } } }
  end)
  teardown(function() l:stop() end)

  local function play(place, count)
    return l:write(([[return p.playbook { name = "x", p.vms { name = "desk-{n}", count = %d,
      place = { cluster = "ga", %s },
      p.vm.create { firmware = "efi", guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "60 GiB" } } }]]):format(
      count or 3, place))
  end

  local function command(name, place, ...)
    return l:command { name, play(place), "--journal", l.dir .. "/j.db", ... }
  end

  local AS_MADE = 'datastore = "ds-1", network = "VM Network"'

  it("control: nothing is said of those that are as place says, also if that names less", function()
    assert.equal(0, command("apply", AS_MADE).status)
    for _, place in ipairs { AS_MADE, 'datastore = "ds-1"' } do
      local result = command("plan", place)
      assert.equal(0, result.status, result.err)
      assert.is_nil(result.out:find("place says", 1, true))
    end
  end)

  it("is said in one line for all of which the same differs, by plan and apply, and nothing is changed", function()
    local place = 'datastore = "ds-2", network = "VDI 210"'
    local line = "! desk-[1-3]: its files are on the datastore ds-1, and place says ds-2 (p.vm.move, in a p.vms with where, "
      .. "moves them); it is connected to VM Network, and place says VDI 210 (change that by hand). A VM that exists is left "
      .. "where it is\n"
    local plan = command("plan", place)
    assert.equal(0, plan.status, plan.err)
    assert.matches(line, plan.out, 1, true)
    assert.matches("nothing to change", plan.out, 1, true)
    l:client()
    l.sim:forget()
    local apply = command("apply", place)
    assert.equal(0, apply.status, apply.err)
    assert.matches(line, apply.err, 1, true)
    assert.same({}, l:changing())
    local value = json.decode(command("plan", place, "--json").out)
    assert.same({ { "desk-1", "desk-2", "desk-3" } }, { value.misplaced[1].names })
    assert.equal(1, #value.misplaced)
  end)

  it("is said of each with its own difference, also where others are created", function()
    local vc = l:client()
    local vm = check(vc:one "/DC0/vm/desk-2")
    check(vc:wait(check(vm:RelocateVM_Task { spec = { datastore = check(vc:one "/DC0/datastore/ds-2") } })))
    local result = l:command { "plan", play(AS_MADE, 4) }
    assert.equal(0, result.status, result.err)
    assert.matches("! desk-2: its files are on the datastore ds-2, and place says ds-1 (", result.out, 1, true)
    assert.matches("+ desk-4", result.out, 1, true)
    assert.is_nil(result.out:find("connected to", 1, true))
  end)

  it("is as place says if one of its network adapters is, of a distributed switch as well", function()
    local vc = l:client()
    local vm, group = check(vc:one "/DC0/vm/desk-1"), check(vc:one "/DC0/network/Desks")
    local place = 'datastore = "ds-1", network = "Desks"'
    assert.matches("desk-1: it is connected to VM Network, and place says Desks", l:command { "plan", play(place, 1) }.out, 1, true)
    local props = check(group:get { "key", "config.distributedVirtualSwitch" })
    check(vc:wait(check(vm:ReconfigVM_Task { spec = { deviceChange = { { operation = "add", device = { _type = "VirtualVmxnet3",
      key = -1, backing = { _type = "VirtualEthernetCardDistributedVirtualPortBackingInfo", port = {
        switchUuid = check(props["config.distributedVirtualSwitch"]:get "uuid"), portgroupKey = props.key } } } } } } })))
    for _, one in ipairs { place, AS_MADE } do
      assert.is_nil(l:command { "plan", play(one, 1) }.out:find("place says", 1, true))
    end
  end)
end)
