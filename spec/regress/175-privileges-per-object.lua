--- A missing privilege was found by the call that needed it, in the middle of a run, one at a time. The plan asks for all
-- of them on each object, in one request, and lists every one that is missing with the object's name and the line. A check
-- that the account may not make is printed as unverified, with the privilege that it needs.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local ALL = { "System.Anonymous", "System.View", "System.Read", "Host.Config.PciPassthru", "Host.Config.Settings",
  "Host.Config.Maintenance", "VirtualMachine.Inventory.Create", "VirtualMachine.Config.AddNewDisk",
  "VirtualMachine.Config.AdvancedConfig", "VirtualMachine.Config.AddRemoveDevice", "VirtualMachine.Config.Resource",
  "VirtualMachine.Config.Settings", "VirtualMachine.Config.Memory", "VirtualMachine.Config.CPUCount",
  "VirtualMachine.Interact.PowerOn", "VirtualMachine.Interact.PowerOff", "VirtualMachine.Interact.SetCDMedia",
  "VirtualMachine.Interact.DeviceConnection", "Datastore.AllocateSpace", "Datastore.Browse", "Network.Assign",
  "Resource.AssignVMToPool" }

local function without(...)
  local gone, list = {}, {}
  for _, word in ipairs { ... } do gone[word] = true end
  for _, word in ipairs(ALL) do if not gone[word] then list[#list + 1] = word end end
  return list
end

local function user(name, ...)
  return { name = name, password = "pw-" .. name, grants = { ... } }
end

local function on(path, ...) return { path = path, privileges = without(...) } end

local playbook = [[
local cards = p.gpus { match = "10de:20b5" }
return p.playbook { name = "x",
  p.hosts { where = "/DC0/host/a", devices = cards, p.host.enable { apply = "reboot" } },
  p.vms { count = 2, name = "vm-{n}", place = { cluster = "a", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "ubuntu64Guest", cpus = 4, memory = "16 GiB", disk = "40 GiB" },
    p.os.install { iso = "[ds-1] iso/ubuntu.iso", answer = "[ds-1] iso/answer.iso" },
    p.gpu.attach { devices = cards } },
  p.vms { where = "/DC0/vm/old-*", p.gpu.attach { devices = cards } } }]]

describe("the privileges that a plan needs", function()
  local site
  setup(function()
    site = lab.start { speed = 500, fleet = {
      clusters = { { name = "a", hosts = {
        lab.host("esx-1", { cards = { lab.card "0000:3b:00.0", lab.card "0000:5e:00.0" } }),
        lab.host("esx-2", { cards = { lab.card "0000:3b:00.0", lab.card "0000:5e:00.0" } }) } } },
      datastores = { { name = "ds-1", files = { ["iso/ubuntu.iso"] = { os = "ubuntu" },
        ["iso/answer.iso"] = { source = "builtin:ubuntu-answer" } } } },
      vms = { { name = "busy", host = "esx-1", power = "poweredOn", memory_mb = 2048, firmware = "efi" },
        { name = "old-{n}", count = 2, host = "esx-1", memory_mb = 8192, firmware = "efi", version = "vmx-20" } },
      users = {
        user("all", on "/"),
        user("some", on "/", on("/DC0/host/a/esx-2", "Host.Config.PciPassthru", "Host.Config.Maintenance"),
          on("/DC0/vm", "VirtualMachine.Interact.PowerOn"), on("/DC0/vm/old-2", "VirtualMachine.Config.Resource"),
          on("/DC0/datastore/ds-1", "Datastore.AllocateSpace"), on("/DC0/network/VM Network", "Network.Assign"),
          on("/DC0/host/a/Resources", "Resource.AssignVMToPool")),
        user("blind", on("/", "Datastore.Browse")),
        user("half", on "/", { path = "/DC0/vm/busy", role = "NoAccess" }),
      } } }
  end)
  teardown(function() site:stop() end)

  local function plan_as(name)
    local vc <close> = gpupt.check(gpupt.vim.connect(site.sim:options { username = name, password = "pw-" .. name }))
    site.sim:forget()
    local plan, message, code, detail = site:load(playbook):plan(vc)
    return plan, message and message:gsub("/[%w./-]*play%-%d+%.lua", "play.lua"), code, detail
  end

  it("control: are asked for in one request, and nothing is reported if all are there", function()
    local plan = gpupt.check(plan_as "all")
    assert.is_nil(tostring(plan):find("unverified", 1, true), tostring(plan))
    assert.equal(1, site.sim:calls "HasPrivilegeOnEntities")
  end)

  it("are listed completely, for each object by its name, before any change", function()
    local plan, message, code, detail = plan_as "some"
    assert.is_nil(plan)
    assert.equal("NoPermission", code)
    local wanted = {
      "play.lua:4: host.enable: the account lacks Host.Config.Maintenance on the host esx-2",
      "play.lua:4: host.enable: the account lacks Host.Config.PciPassthru on the host esx-2",
      "play.lua:6: vm.create: the account lacks Resource.AssignVMToPool on the resource pool of a",
      "play.lua:6: vm.create: the account lacks Datastore.AllocateSpace on the datastore ds-1",
      "play.lua:6: vm.create: the account lacks Network.Assign on the network VM Network",
      "play.lua:7: os.install: the account lacks VirtualMachine.Interact.PowerOn on the folder vm",
      "play.lua:9: gpu.attach: the account lacks VirtualMachine.Interact.PowerOn on the VM old-1",
      "play.lua:9: gpu.attach: the account lacks VirtualMachine.Config.Resource on the VM old-2",
    }
    for _, line in ipairs(wanted) do assert.matches(line, message, 1, true) end
    assert.equal(#wanted, #detail.problems, message)
    assert.equal(1, site.sim:calls "HasPrivilegeOnEntities")
    assert.same({}, site:changing())
  end)

  it("that only a check needs leave it unverified, and do not stop the plan", function()
    local plan = gpupt.check(plan_as "blind")
    local text = tostring(plan):gsub("/[%w./-]*play%-%d+%.lua", "play.lua")
    assert.matches("! play.lua:7: os.install: [ds-1] iso/ubuntu.iso: unverified: needs Datastore.Browse on the datastore "
      .. "ds-1 (vm-1, vm-2)", text, 1, true)
    assert.equal(2, #plan.unverified)
  end)

  it("to read what is to be checked leave that unverified", function()
    local plan, message = plan_as "half"
    local text = plan and tostring(plan):gsub("/[%w./-]*play%-%d+%.lua", "play.lua") or message
    assert.matches("! play.lua:9: gpu.attach: the memory of esx-1: unverified: needs System.Read on the VMs that run on it "
      .. "(old-1, old-2)", text, 1, true)
  end)
end)
