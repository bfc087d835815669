-- p.os.present: the operating system comes from elsewhere. The step waits for it, and a second run starts nothing.
local first_light = require "spec.support.first_light"

-- What a PXE server does for a VM, here by its drives: a step of the user's own.
local netboot = [[
local medium = require "gpupt.step.install_medium"
local netboot = { name = "site.netboot", scope = "vms",
  observe = function(ctx, target) return { vm = target.ref and ctx.fleet:vm(target.ref) } end,
  plan = function(_, _, seen)
    if seen.vm and seen.vm.extra["site.netboot"] then return {} end
    return { { sign = "+", what = "enter the VM in the PXE server" } }
  end,
  apply = function(ctx, target)
    return ctx:task(target, target.ref, "ReconfigVM_Task", { spec = {
      extraConfig = { { key = "site.netboot", value = "yes" } },
      deviceChange = medium.inserted(ctx.fleet:vm(target.ref),
        { "[ds-1] iso/ubuntu-24.04.iso", "[ds-1] iso/train-answer.iso" }) } }, { action = "netboot", text = "netboot" })
  end,
  prove = function() return "entered" end }
]]

local function new_vm(o)
  return (o.netboot and netboot or "") .. ([[
return p.playbook { name = "present",
  p.vms { name = "vm-1", place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "ubuntu64Guest", cpus = 8, memory = "64 GiB", disk = "100 GiB" },
    %s
    p.os.present { within = "%s" } } }]]):format(o.netboot and "netboot," or "", o.within or "1h")
end

local function existing(more)
  return ([[return p.playbook { name = "present", p.vms { where = "/DC0/vm/old", p.os.present { within = "1h" %s } } }]])
    :format(more or "")
end

describe("p.os.present", function()
  local l

  local function start(power)
    l = first_light.start { speed = 500, change = function(fleet)
      fleet.vms = { { name = "old", host = "esx-b-1", guest = "ubuntu64Guest", firmware = "efi", installed = "ubuntu",
        username = "ops", password = "secret-of-ops", power = power or "poweredOff" } }
    end }
  end

  after_each(function()
    if l then l:stop() end
    l = nil
  end)

  local function changes(text)
    local list = {}
    for i, change in ipairs(assert(l:plan(text)):changes()) do list[i] = change.sign .. " " .. change.what end
    return list
  end

  it("waits for a VM that is installed by other means, and marks it", function()
    start()
    local result, _, rows = l:apply(new_vm { netboot = true })
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal("the operating system is there, Tools running", result.targets[1].proofs["os.present"])
    local calls = {}
    for _, row in ipairs(rows) do if row.kind == "change" then calls[#calls + 1] = row.what end end
    assert.same({ "CreateVM", "netboot", "PowerOnVM", "ReconfigVM (operating system present)" }, calls)
    assert.same({}, changes(new_vm { netboot = true }))
  end)

  it("says in the plan that it powers the VM on and waits", function()
    start()
    assert.same({ "? power on, and wait up to 1h for the operating system: VMware Tools must run" }, changes(existing()))
  end)

  it("starts nothing in a second run, even if the VM is off", function()
    start()
    assert.equal("done", (l:apply(existing())).status)
    local vc = l:client()
    assert(vc:wait(assert(assert(vc:one "/DC0/vm/old"):PowerOffVM_Task())))
    assert.same({}, changes(existing()))
  end)

  it("has nothing to do in a VM whose Tools run", function()
    start "poweredOn"
    local vm = assert(l:client():one "/DC0/vm/old")
    assert(l:client():wait_for(vm, { "guest.toolsRunningStatus" }, function(props)
      return props["guest.toolsRunningStatus"] == "guestToolsRunning"
    end, { timeout = 60 }))
    assert.same({}, changes(existing()))
  end)

  it("refuses a VM that is off and must not be powered on", function()
    start()
    local plan, message = l:plan(existing ", power_on = false")
    assert.is_nil(plan)
    assert.matches("old is poweredOff, and power_on is false", message, 1, true)
  end)

  it("ends with what to do if no operating system comes", function()
    start()
    local result = l:apply(new_vm { within = "1s" })
    assert.equal("failed", result.status)
    assert.matches("VMware Tools are not running after 1 s. Install the operating system with Tools, then resume the run",
      result.targets[1].message, 1, true)
  end)
end)
