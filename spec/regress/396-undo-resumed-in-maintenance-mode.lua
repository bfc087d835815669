-- An undo that was killed while a host was in maintenance mode left out the host's VM when it went on ("cannot be started,
-- because its host is in maintenance mode"), so that the VM, which the undo had shut down, stayed off. The undo takes the host
-- out of maintenance mode itself, and powers the VM on then.
local killed = require "spec.support.killed"
local lab = require "spec.support.lab"
local store = require "gpupt.store"

local ALLOW = "reboot,guest-shutdown,power-off"
local TEXT = [[return p.playbook { name = "give", p.hosts { where = "/DC0/host/gpu-a/*", devices = p.gpus { match = "10de:20b5" },
  roll = { guests = "shutdown-idle", resend_after = "2s" }, p.host.enable {} },
  p.vms { where = "/DC0/vm/vm-1", p.gpu.attach { devices = p.gpus { match = "10de:20b5" } } } }]]

describe("an undo that is killed with a host in maintenance mode", function()
  local l, journal
  after_each(function() if l then l:stop() end end)

  local function await_tools()
    local vm = assert(l:client():one "/DC0/vm/vm-1")
    assert(l:client():wait_for(vm, { "guest.toolsRunningStatus" }, function(v)
      return v["guest.toolsRunningStatus"] == "guestToolsRunning" end, { timeout = 60 }))
  end

  local function start()
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-1" } } }, vms = { { name = "vm-1",
      host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096, installed = "ubuntu", power = "poweredOn" } } } }
    journal = l.dir .. "/journal.db"
    await_tools()
    local done = l:command { "apply", l:write(TEXT), "--allow", ALLOW, "--journal", journal }
    assert.equal(0, done.status, done.err)
    await_tools()
    return done.err:match "run (give%-%S+)"
  end

  it("powers the host's VM on when it goes on", function()
    for changes = 3, 8 do
      local id = start()
      local k = killed.after(l, { "undo", id, "--allow", ALLOW }, journal, changes)
      local host = l:truth("hosts", "esx-1")
      if k and host.maintenance then
        local undone = l:command { "undo", id, "--allow", ALLOW, "--journal", journal }
        assert.equal(0, undone.status, undone.err)
        local vm = l:truth("vms", "vm-1")
        assert.same({ "poweredOn", {} }, { vm.power, vm.devices or {} })
        assert.is_false(l:truth("hosts", "esx-1").maintenance)
        assert.same({}, l.sim:get "truth".violations)
        local book <close> = assert(store.read(journal))
        for row in book:rows(k.id) do assert.is_nil((row.what or ""):find("cannot be started", 1, true)) end
        return
      end
      l:stop()
      l = nil
    end
    error "no kill left the host in maintenance mode"
  end)
end)
