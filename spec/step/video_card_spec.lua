-- The video card of a Horizon desktop: shown in the plan, set with the card in one reconfigure, and set back by undo.
local lab = require "spec.support.lab"
local state = require "spec.support.fleet_state"

local PLAYBOOK = [[return p.playbook { name = "vdga", p.vms { where = "/DC0/vm/desk-1",
  p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false, %s } } }]]

describe("the video card of a Horizon desktop", function()
  local l, journal

  setup(function()
    l = lab.start { speed = 400, fleet = { datastores = { { name = "ds-1", capacity_gb = 1000 } },
      clusters = { { name = "gpu-a", hosts = { lab.host("esx-a-1", { cards = { lab.card("0000:3b:00.0", { enabled = true }) } }) } } },
      vms = { { name = "desk-1", host = "esx-a-1", guest = "windows9_64Guest", firmware = "efi", memory_mb = 4096 } } } }
    journal = l.dir .. "/journal.db"
    local vm = assert(l:client():one "/DC0/vm/desk-1")
    local card
    for _, device in ipairs(assert(vm:get "config.hardware.device")) do
      if device._type == "VirtualMachineVideoCard" then card = device end
    end
    assert(l:client():wait(assert(vm:ReconfigVM_Task { spec = { deviceChange = { { operation = "edit", device = {
      _type = "VirtualMachineVideoCard", key = card.key, controllerKey = card.controllerKey, unitNumber = card.unitNumber,
      videoRamSizeInKB = 8192, numDisplays = 1, useAutoDetect = true, enable3DSupport = true, use3dRenderer = "hardware" } } } } })))
  end)
  teardown(function() l:stop() end)

  local function video()
    for _, device in ipairs(assert(assert(l:client():one "/DC0/vm/desk-1"):get "config.hardware.device")) do
      if device._type == "VirtualMachineVideoCard" then
        return { device.useAutoDetect, device.enable3DSupport, device.use3dRenderer, device.numDisplays, device.videoRamSizeInKB }
      end
    end
  end

  it("is in the plan, with --diff with its values before and after", function()
    local path = l:write(PLAYBOOK:format "horizon = true, displays = 2, video_memory = '64 MiB'")
    local plan = l:command { "plan", path, "--journal", journal }
    assert.equal(0, plan.status, plan.err)
    assert.matches("video card: automatic settings, video card: 3D, video card: 3D renderer, video card: displays, video card: memory",
      plan.out, 1, true)
    plan = l:command { "plan", path, "--diff", "--journal", journal }
    for _, line in ipairs { "video card: automatic settings: true -> false", "video card: 3D: true -> false",
      "video card: 3D renderer: hardware -> automatic", "video card: displays: 1 -> 2", "video card: memory in KiB: 8192 -> 65536" } do
      assert.matches(line, plan.out, 1, true)
    end
  end)

  it("is set with the card, needs no second change, and is as before after undo", function()
    local before = state.read(l)
    l.sim:forget()
    local path = l:write(PLAYBOOK:format "horizon = true, displays = 2")
    local done = l:command { "apply", path, "--journal", journal }
    assert.equal(0, done.status, done.err)
    assert.same({ false, false, "automatic", 2, 32768 }, video())
    assert.equal(1, l.sim:calls "ReconfigVM_Task")
    assert.matches("nothing to change", l:command({ "apply", path, "--journal", journal }).out, 1, true)
    local undone = l:command { "undo", done.err:match "run (vdga%-%S+)", "--journal", journal }
    assert.equal(0, undone.status, undone.err)
    assert.matches("the video card as before", undone.err, 1, true)
    assert.same({ true, true, "hardware", 1, 8192 }, video())
    assert.same({}, state.difference(before, state.read(l)))
  end)

  it("takes displays and memory with horizon only, and a size that it can read", function()
    for options, message in pairs { ["displays = 2"] = "so set horizon = true", ["horizon = true, video_memory = 'much'"] =
      "video_memory: invalid size 'much'" } do
      local plan = l:command { "plan", l:write(PLAYBOOK:format(options)), "--journal", journal }
      assert.matches(message, plan.err, 1, true)
      assert.matches("play%-%d+%.lua:3: p%.gpu%.attach", plan.err)
    end
  end)
end)
