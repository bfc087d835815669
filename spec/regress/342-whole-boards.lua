--- A VM could not ask for a whole board: eight cards were taken one by one, from two boards if need be, without the NVSwitches
-- that an HGX board's GPUs need, and a plan did not say that a board or a function group is split. Now `whole` counts sets;
-- boards with NVSwitches need accept = { "nvswitch-passthrough" }, because the vendor does not support them.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

local function hgx()
  local cards = {}
  for n = 0, 7 do
    cards[#cards + 1] = { address = ("0000:%02x:00.0"):format(0x20 + n), vendor = "10de", device = "2330", subvendor = "10de",
      subdevice = "16c1", name = "GH100 [H100 SXM5 80GB]", class = "0302", bars = { "16M:64p", "128G:64p", "32M:64p" } }
  end
  for n = 0, 3 do
    cards[#cards + 1] = { address = ("0000:0%d:00.0"):format(n + 5), vendor = "10de", device = "22a3", subvendor = "10de",
      subdevice = "1796", name = "GH100 [H100 NVSwitch]", class = "0680", bars = { "32M:64" } }
  end
  return cards
end

-- A host with an A16: four GPUs behind the switch of the card.
local function a16()
  local devices, cards = { { address = "0000:00:01.0", vendor = "8086", device = "2030", class = "0604", role = "bridge",
    capable = false }, { address = "0000:10:00.0", vendor = "10b5", device = "8747", class = "0604", role = "bridge",
    capable = false, parent = "0000:00:01.0" } }, {}
  for n = 0, 3 do
    local port = ("0000:11:%02x.0"):format(n * 4)
    devices[#devices + 1] = { address = port, vendor = "10b5", device = "8747", class = "0604", role = "bridge",
      capable = false, parent = "0000:10:00.0" }
    cards[n + 1] = { address = ("0000:%02x:00.0"):format(0x12 + n), vendor = "10de", device = "25b6", subvendor = "10de",
      subdevice = "14a9", name = "GA107GL [A16]", class = "0302", enabled = true, parent = port,
      bars = { "16M:32", "16G:64p", "32M:64p" } }
  end
  return cards, devices
end

local function vm(name, host)
  return { name = name, host = host, memory_mb = 4096, version = "vmx-21", firmware = "efi" }
end

describe("whole boards", function()
  local site
  setup(function()
    local cards, devices = a16()
    site = lab.start { speed = 1000, fleet = { clusters = { { name = "hgx", hosts = { lab.host("esx-hgx", {
      cards = hgx(), rebind_without_reboot = true }) } }, { name = "vdi", hosts = { lab.host("esx-vdi", { cards = cards,
        devices = devices }) } } }, vms = { vm("train", "esx-hgx"), vm("desk-1", "esx-vdi"), vm("desk-2", "esx-vdi") } } }
  end)
  teardown(function() site:stop() end)

  local function train(more)
    return ([[local h100 = p.gpus { match = "10de:2330" }
return p.playbook { name = "x", p.hosts { where = "/DC0/host/hgx", devices = h100, p.host.enable { whole = "board" } },
  p.vms { where = "/DC0/vm/train", p.gpu.attach { devices = h100, whole = "board", %s power_on = false } } }]]):format(more)
  end

  it("of an HGX system are refused without the word, and the vendor is cited", function()
    local plan, message = site:plan(train "")
    assert.is_nil(plan)
    assert.matches('needs accept = { "nvswitch-passthrough" }', message, 1, true)
    assert.matches("NVIDIA AI Enterprise", message, 1, true)
  end)

  it("refuse an unknown word", function()
    local plan, message = gpupt.playbook.load(site:write(train 'accept = { "nvswitch" },'))
    assert.is_nil(plan)
    assert.matches("accept: 'nvswitch' is neither nvswitch-passthrough nor snapshots", message, 1, true)
  end)

  it("are attached with their NVSwitches, whose BARs double the window", function()
    local text = train 'accept = { "nvswitch-passthrough" },'
    local plan = check(site:plan(text))
    assert.matches("64-bit MMIO 4096 GiB", tostring(plan), 1, true)
    assert.matches("unsupported: NVIDIA AI Enterprise documentation", tostring(plan), 1, true)
    local result = check(site:apply(text))
    assert.equal("done", result.status, result.message)
    local held = {}
    for _, device in ipairs(check(check(site:client():one "/DC0/vm/train"):get "config.hardware.device")) do
      if device._type == "VirtualPCIPassthrough" then held[#held + 1] = device.backing.id end
    end
    assert.equal(12, #held)
    assert.same({}, check(site:plan(text)):changes()) -- and are kept
  end)

  it("cannot be combined with a dynamic backing", function()
    local plan, message = gpupt.playbook.load(site:write(train 'backing = "dynamic",'))
    assert.is_nil(plan)
    assert.matches("whole needs backing = 'fixed'", message, 1, true)
  end)

  it("that are split are noted, and are not given as a whole", function()
    local function desk(name, more)
      return site:plan(([[return p.playbook { name = "x", p.vms { where = "/DC0/vm/%s",
        p.gpu.attach { devices = p.gpus { match = "10de:25b6" }, %s power_on = false } } }]]):format(name, more))
    end
    assert.matches("12:00.0 is 1 of the 4 GPUs of an A16 of esx-vdi: the board is split", tostring(check(desk("desk-1", ""))),
      1, true)
    local whole = check(desk("desk-1", 'whole = "board",'))
    assert.equal(4, #whole.vms[1].cards)
    local plan, message = desk("desk-*", 'whole = "board",')
    assert.is_nil(plan)
    assert.matches("desk-2 needs 1 whole board of 10de:25b6 on its host esx-vdi, but only 0 are free", message, 1, true)
  end)
end)
