-- The plan of p.vm.move named the first network that the new host does not have, and called a distributed port group a
-- network. All that is missing is named, by its kind: what has to be made on the host is not found one plan after the other.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local look = require "gpupt.playbook.preflight.look"

describe("a VM that moves", function()
  local l
  teardown(function() if l then l:stop() end end)

  -- the test vCenter's distributed switches are on all hosts
  it("needs its distributed port groups as well", function()
    local group, vm, host = { type = "DistributedVirtualPortgroup", value = "dvportgroup-7" }, {}, {}
    local world = { networks = { [group] = { name = "Desks 210", hosts = { [{}] = true } } }, networks_of = { [vm] = { group } },
      datacenters = {} }
    local target = { ref = vm, moves = {} }
    assert.equal("does not have the distributed port group Desks 210, to which it is connected", look.unfit(world, target, { ref = host }))
    world.networks[group].hosts[host] = true
    assert.is_nil(look.unfit(world, target, { ref = host }))
  end)

  it("needs its networks on the new host, and the plan names all that are missing", function()
    local function host(name, networks) return lab.host(name, { memory_gb = 64, networks = networks }) end
    l = lab.start { speed = 300, fleet = { networks = { "VM Network", "Lab 7", "Lab 8" }, switches = { { name = "dvs", portgroups = { "Desks 210" } } },
      clusters = { { name = "a", drs = "off", hosts = { host "esx-1", host "esx-2", host("esx-3", { "Lab 7" }) } } },
      vms = { { name = "vm", host = "esx-1", memory_mb = 2048, version = "vmx-20", firmware = "efi" } } } }
    local vc = l:client()
    local check = gpupt.check
    local function add(backing)
      check(vc:wait(check(check(vc:one "/DC0/vm/vm"):ReconfigVM_Task { spec = { deviceChange = { { operation = "add",
        device = { _type = "VirtualVmxnet3", key = -1, backing = backing } } } } })))
    end
    local vm, group = check(vc:one "/DC0/vm/vm"), check(vc:one "/DC0/network/Desks 210")
    local props = check(group:get { "key", "config.distributedVirtualSwitch" })
    add { _type = "VirtualEthernetCardDistributedVirtualPortBackingInfo", port = {
      switchUuid = check(props["config.distributedVirtualSwitch"]:get "uuid"), portgroupKey = props.key } }
    add { _type = "VirtualEthernetCardNetworkBackingInfo", deviceName = "Lab 8" }
    local function play(to)
      return ('return p.playbook { name = "move", p.vms { where = "/DC0/vm/vm", p.vm.move { to = "%s" } } }'):format(to)
    end
    local plan, message = l:plan(play "esx-3")
    assert.is_nil(plan)
    assert.matches("esx-3 does not have the network Lab 8 and the network VM Network, to which it is connected", message, 1, true)
    local result = check(l:apply(play "esx-2"))
    assert.equal("done", result.status, result.targets[1].message)
    local names = {}
    for i, ref in ipairs(check(vm:get "network")) do names[i] = check(ref:get "name") end
    table.sort(names)
    assert.same({ "Desks 210", "Lab 8", "VM Network" }, names)
  end)
end)
