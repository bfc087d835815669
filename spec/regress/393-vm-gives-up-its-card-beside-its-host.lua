-- p.gpu.detach of a running VM beside p.host.disable of its host: the plan demanded guests = "shutdown-idle", although the VM
-- gives its card up and is off meanwhile, and the step powered the VM on again before the host rebooted, so that the host
-- failed. The VM is powered on once its host is done; a resumed run and an undo know that as well.
local killed = require "spec.support.killed"
local lab = require "spec.support.lab"

local TEXT = [[return p.playbook { name = "away",
  p.hosts { where = "/DC0/host/gpu-a/*", devices = p.gpus { match = "10de:20b5" }, %s p.host.disable {} },
  p.vms { where = "/DC0/vm/vm-1", p.gpu.detach { settings = "keep" } } }]]
local ALLOW = "reboot,guest-shutdown,power-off"

describe("a running VM that gives up its card beside its host", function()
  local l, journal
  after_each(function() if l then l:stop() end end)

  local function start(more)
    local host = { cards = { lab.card("0000:3b:00.0", { enabled = true }) } }
    for name, value in pairs(more or {}) do host[name] = value end
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host("esx-1", host) } } },
      vms = { { name = "vm-1", host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096, installed = "ubuntu",
        power = "poweredOn", memory_lock = true, devices = { "0000:3b:00.0" },
        extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } } } } }
    journal = l.dir .. "/journal.db"
    local vm = assert(l:client():one "/DC0/vm/vm-1")
    assert(l:client():wait_for(vm, { "guest.toolsRunningStatus" }, function(v)
      return v["guest.toolsRunningStatus"] == "guestToolsRunning" end, { timeout = 60 }))
    l.sim:forget()
  end

  -- The changing calls that say what waits for what, in their order.
  local KINDS = { ShutdownGuest = "off", PowerOnVM_Task = "on", RebootHost_Task = "reboot", ExitMaintenanceMode_Task = "exit" }
  local function calls()
    local list = {}
    for _, text in ipairs(l:changing()) do
      local kind = KINDS[text:match "^[%w_]+"]
      if kind then list[#list + 1] = kind end
    end
    return list
  end

  local function card()
    for _, one in ipairs(l:truth("hosts", "esx-1").cards) do if one.address == "0000:3b:00.0" then return one end end
  end

  local function is_done()
    local vm, host = l:truth("vms", "vm-1"), l:truth("hosts", "esx-1")
    assert.same({ "poweredOn", {} }, { vm.power, vm.devices or {} })
    assert.same({ false, false, false }, { host.maintenance, card().enabled, card().active })
    assert.same({}, l.sim:get "truth".violations)
  end

  it("is off while the host reboots and on afterwards; undo does the same the other way", function()
    start()
    local path = l:write(TEXT:format "")
    local plan = l:command { "plan", path, "--journal", journal }
    assert.equal(0, plan.status, plan.err)
    assert.matches("power on once its host is done", plan.out, 1, true)
    assert.is_nil(plan.out:find("shut down vm-1", 1, true))
    local done = l:command { "apply", path, "--allow", ALLOW, "--journal", journal }
    assert.equal(0, done.status, done.err)
    assert.same({ "off", "reboot", "exit", "on" }, calls())
    is_done()
    assert.matches("nothing to change", l:command { "apply", path, "--journal", journal }.out, 1, true)

    l.sim:forget()
    local vm = assert(l:client():one "/DC0/vm/vm-1")
    assert(l:client():wait_for(vm, { "guest.toolsRunningStatus" }, function(v)
      return v["guest.toolsRunningStatus"] == "guestToolsRunning" end, { timeout = 60 }))
    local undone = l:command { "undo", done.err:match "run (away%-%S+)", "--allow", ALLOW, "--journal", journal }
    assert.equal(0, undone.status, undone.err)
    assert.same({ "poweredOn", 1 }, { l:truth("vms", "vm-1").power, #l:truth("vms", "vm-1").devices })
    assert.same({ true, true }, { card().enabled, card().active })
    assert.same({}, l.sim:get "truth".violations)
  end)

  it("is planned without a reboot where the host needs none", function()
    start { rebind_without_reboot = true }
    local plan = assert(l:plan(TEXT:format ""))
    assert.same({ "guest-shutdown" }, plan:needs())
    local done = l:command { "apply", l:write(TEXT:format ""), "--allow", "guest-shutdown", "--journal", journal }
    assert.equal(0, done.status, done.err)
    assert.same({ "off", "on" }, calls())
    is_done()
  end)

  for name, changes in pairs { detached = 2, staged = 3, ["in maintenance mode"] = 4, rebooting = 5 } do
    it("is powered on by the resumed run after a kill when the host is " .. name, function()
      start()
      local path = l:write(TEXT:format 'roll = { resend_after = "2s" },')
      local k = assert(killed.after(l, { "apply", path, "--allow", ALLOW }, journal, changes))
      local resumed = l:command { "apply", "--resume", k.id, "--allow", ALLOW, "--journal", journal }
      assert.equal(0, resumed.status, resumed.err)
      is_done()
      local count = {}
      for _, kind in ipairs(calls()) do count[kind] = (count[kind] or 0) + 1 end
      assert.same({ 1, 1, 1 }, { count.off, count.reboot, count.on })
    end)
  end

  it("begins only when the window lets its host go, and is left alone until then", function()
    start()
    local now = os.time()
    local closed = os.date("%H:%M", now + 6 * 3600) .. "-" .. os.date("%H:%M", now + 9 * 3600)
    local done = l:command { "apply", l:write(TEXT:format(('roll = { window = "%s", window_within = "1s" },'):format(closed))),
      "--allow", ALLOW, "--journal", journal }
    assert.equal(1, done.status, done.err)
    assert.same({}, l:changing())
    assert.equal("poweredOn", l:truth("vms", "vm-1").power)
  end)
end)
