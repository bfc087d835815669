-- A run that was killed between the power-on and its keys left a stock Windows medium at a prompt that was over: the resumed
-- run waited for an installation that could not begin. It starts again; where the installer writes, it waits.
local lab = require "spec.support.lab"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local PLAY = [[
local password = p.secret.callback(function() return "Secret-1-of-it" end)
return p.playbook { name = "cut",
  p.vms { name = "vm-1", login = p.login("ops", password), place = { cluster = "gpu-a", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "windows2022srvNext_64Guest", cpus = 2, memory = "4 GiB", disk = "40 GiB" },
    p.os.install { iso = "[ds-1] iso/windows.iso", within = "60s", boot_within = "20s",
      answer = p.answer.windows { computer_name = "CAD-01", password = password, image = 2 } } } }]]

local function run_of(journal)
  local book = assert(store.open(journal))
  local id
  for run in book:runs() do id = id or run.id end
  book:close()
  return id
end

describe("a Windows installation whose run was killed before a key reached the VM", function()
  local l
  after_each(function() l:stop() end)

  -- Kills the run when the guest shows `stage`, and resumes it.
  local function cut(os, stage)
    l = lab.start { speed = 300, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-a-1" } } },
      datastores = { { name = "ds-1", files = { ["iso/windows.iso"] = os } } } } }
    l.sim:trouble({ method = "PutUsbScanCodes" }, { kind = "hold", seconds = 60 })
    local journal = l.dir .. "/cut.db"
    local process = l:start_command { "apply", l:write(PLAY), "--journal", journal }
    local seen
    for _ = 1, 1500 do
      local vm = l:truth("vms", "vm-1")
      seen = vm and vm.guest.stage and vm.guest.stage:find(stage, 1, true)
      if seen then break end
      vcenter.sleep(0.01)
    end
    assert.is_truthy(seen, "the guest does not show " .. stage)
    l.sim:speed(3)
    process:kill "KILL"
    l.sim:calm()
    local resumed = l:start_command { "apply", "--resume", run_of(journal), "--journal", journal }
    vcenter.sleep(1)
    l.sim:speed(300)
    local result = resumed:wait()
    assert.equal(0, result.status, result.err)
    return { on = l.sim:calls "PowerOnVM_Task", off = l.sim:calls "PowerOffVM_Task" }
  end

  it("starts again when nothing was written to the disk", function()
    assert.same({ on = 2, off = 1 }, cut({ os = "windows-prompt", prompt = 2400 }, "Press any key"))
  end)

  it("is waited for when the installer writes to the disk", function()
    assert.same({ on = 1, off = 0 }, cut({ os = "windows" }, "copying files"))
  end)
end)
