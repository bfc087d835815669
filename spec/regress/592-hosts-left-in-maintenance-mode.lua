--- A run that failed after the host had entered maintenance mode (the disk of the journal was full, the reboot was
-- refused) left it there, as it must, and its table said only "pending reboot" and the failure. Nobody looked for a host
-- that takes no VM.
local lab = require "spec.support.lab"
local store = require "gpupt.store"

local PLAY = [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/gpu-a/esx-1",
  devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]]

local STAYS = "the host is still in maintenance mode"

describe("592: a host that a failed run leaves in maintenance mode", function()
  local l, disk
  before_each(function()
    l = lab.start { speed = 300, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host("esx-1", { boot_seconds = 1500 }), lab.host "esx-2" } } } } }
    disk = l.dir .. "/disk"
    os.execute("mkdir " .. disk)
  end)
  after_each(function()
    os.execute("umount -l " .. disk .. " 2>/dev/null")
    l:stop()
  end)

  local function judge(run, code, fails)
    local one = run:result().targets[1]
    assert.same({ fails, code }, { one.status, one.code }, one.message)
    assert.is_true(l:truth("hosts", "esx-1").maintenance)
    assert.matches(STAYS, one.message, 1, true)
    assert.matches("esx%-1 +3b:00.0 [^\n]*pending reboot[^\n]*" .. STAYS, tostring(run))
  end

  it("is said to be in it when the journal cannot be written", function()
    if not os.execute("mount -t tmpfs -o size=4m gpupt-spec " .. disk .. " 2>/dev/null") then pending "cannot mount here" return end
    local journal <close> = assert(store.open(disk .. "/journal.db")) -- luacheck: ignore
    local run = assert(assert(l:plan(PLAY)):apply { journal = journal, allow = { "reboot" }, on_event = function(event)
      if event.text == "entered maintenance mode" then os.execute("cat /dev/zero >" .. disk .. "/filler 2>/dev/null") end
    end })
    judge(run, "ENOSPC", "failed")
  end)

  it("is said to be in it when the run is cancelled", function()
    local journal, stop = l:journal(), nil
    local run = assert(assert(l:plan(PLAY)):apply { journal = journal, allow = { "reboot" }, asked = function()
      if stop then return "cancel", "interrupted" end
    end, on_event = function(event) stop = stop or event.text == "rebooting" end })
    local one = run:result().targets[1]
    assert.equal("interrupted", one.status)
    assert.matches(STAYS, tostring(run), 1, true)
    -- the journal has it: status tells as well
    local told
    for row in journal:rows(run:result().id) do
      if row.kind == "target" and row.target == "esx-1" then told = row.detail end
    end
    assert.matches(STAYS, told, 1, true)
  end)

  it("is not said of one that never entered it", function()
    l.sim:trouble({ method = "EnterMaintenanceMode_Task", count = -1 }, { kind = "fault", fault = "NoPermission",
      message = "Permission to perform this operation was denied." })
    local _, _, _, run = l:apply(PLAY, { allow = { "reboot" } })
    assert.equal("failed", run:result().status)
    assert.is_false(l:truth("hosts", "esx-1").maintenance)
    assert.not_matches("still in maintenance mode", tostring(run), 1, true)
  end)
end)
