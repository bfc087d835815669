-- A VM with a card was to move off its host, which is rebooted in the same playbook, and its new host was in maintenance
-- mode: the plan left the VM out, and had planned its host as if the VM was gone. The run ended where the host was to be
-- drained. The host is planned again, with the VM on it.
local lab = require "spec.support.lab"

local function card(address, active)
  return { address = address, vendor = "10de", device = "1eb8", subvendor = "10de", subdevice = "12a2", name = "Tesla T4",
    class = "0302", bars = { "16M:32", "256M:64p", "32M:64p" }, enabled = true, active = active }
end

describe("a host whose VM was to move away, and is left out", function()
  local l
  setup(function()
    l = lab.start { speed = 400, fleet = { clusters = { { name = "a", max_away = 2, hosts = {
      lab.host("esx-1", { cards = { card("0000:3b:00.0", true), card("0000:5e:00.0", false) } }),
      lab.host("esx-2", { maintenance = true, cards = { card("0000:3b:00.0", true) } }), lab.host("esx-3", { cards = {
        card("0000:3b:00.0", true) } }) } } },
      vms = { { name = "gpu", host = "esx-1", firmware = "efi", memory_mb = 2048, disk_gb = 10, version = "vmx-20", installed = "ubuntu",
        username = "ops", password = "x", power = "poweredOn", memory_lock = true, devices = { "0000:3b:00.0" } } } } }
    local check = require("gpupt").check
    check(l:client():wait_for(check(l:client():one "/DC0/vm/gpu"), { "guest.toolsRunningStatus" }, function(props)
      return props["guest.toolsRunningStatus"] == "guestToolsRunning"
    end, { timeout = 60 }))
  end)
  teardown(function() l:stop() end)

  local function play(to, guests)
    return l:write(([[return p.playbook { name = "stays", p.hosts { where = "/DC0/host/a/esx-1", devices = p.gpus { match = "10de:1eb8" },
      roll = { guests = "%s", unavailable = "2/cluster" }, p.host.enable {} },
      p.vms { where = "/DC0/vm/gpu", p.vm.move { to = "%s" }, p.gpu.attach { devices = p.gpus { match = "10de:1eb8" } } } }]]):format(
      guests, to))
  end

  it("is refused where the VM may not be shut down", function()
    local done = l:command { "plan", play("esx-2", "keep") }
    assert.equal(1, done.status, done.out)
    assert.matches("esx-1: VMs with a passthrough card cannot be migrated (gpu)", done.err, 1, true)
  end)

  it("shuts it down otherwise, with the approval, and starts it again", function()
    local path = play("esx-2", "shutdown-idle")
    local plan = l:command { "plan", path }
    assert.equal(3, plan.status, plan.err)
    assert.matches("-> reboot; gpu shut down (has a card, no session)", plan.out, 1, true)
    assert.matches("Needs: --allow guest-shutdown,reboot", plan.out, 1, true)
    local done = l:command { "apply", path, "--allow", "guest-shutdown,reboot" }
    assert.equal(3, done.status, done.err)
    assert.same({ "esx-1", "poweredOn" }, { l:truth("vms", "gpu").host, l:truth("vms", "gpu").power })
  end)

  it("control: is planned without the VM if that moves", function()
    local plan = l:command { "plan", play("esx-3", "keep") }
    assert.equal(0, plan.status, plan.err)
    assert.matches("move from esx-1 to esx-3", plan.out, 1, true)
  end)
end)
