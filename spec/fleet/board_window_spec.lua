-- The BARs of the NVSwitches that go with a whole HGX board count in the MMIO window: one more 32 MiB BAR doubles
-- a safe window.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local lab = require "spec.support.lab"

describe("the MMIO window of a VM with a whole HGX H100 board", function()
  local l
  setup(function()
    local cards = {}
    for n = 0, 7 do
      cards[#cards + 1] = lab.card(("0000:%02x:00.0"):format(0x28 + n), { device = "2330", subdevice = "16c1", enabled = true,
        name = "GH100 [H100 SXM5 80GB]", bars = { "16M:64p", "128G:64p", "32M:64p" } })
    end
    for n = 0, 3 do
      cards[#cards + 1] = lab.card(("0000:%02x:00.0"):format(0x48 + n), { device = "22a3", subdevice = "1796", class = "0680",
        name = "GH100 [H100 NVSwitch]", bars = { "32M:64" }, enabled = true })
    end
    l = lab.start { speed = 1000, fleet = { clusters = { { name = "hgx", hosts = { lab.host("hgx-1", { memory_gb = 2048,
      cards = cards }) } } }, vms = { { name = "train", host = "hgx-1", guest = "ubuntu64Guest", firmware = "efi",
      memory_mb = 65536, version = "vmx-21" } } } }
  end)
  teardown(function() l:stop() end)

  local function playbook(more)
    return ([[return p.playbook { name = "x", p.vms { where = "/DC0/vm/train", p.gpu.attach { %s power_on = false,
      devices = p.gpus { match = "10de:2330" } } } }]]):format(more)
  end

  it("has the BARs of the NVSwitches in it, and says that this is not supported", function()
    local text = playbook 'whole = "board", accept = { "nvswitch-passthrough" },'
    local plan = gpupt.check(l:plan(text))
    assert.matches("64-bit MMIO 4096 GiB (rule safe)", tostring(plan), 1, true)
    assert.matches("unsupported", tostring(plan), 1, true)
    local result, _, rows = l:apply(text)
    assert.equal("done", result.status, result.targets[1].message)
    local spec
    for _, row in ipairs(rows) do
      local detail = row.kind == "change" and json.decode(row.detail)
      if detail and detail.method == "ReconfigVM_Task" and detail.args.spec.deviceChange then spec = detail.args.spec end
    end
    assert.equal(12, #spec.deviceChange)
    local extra = {}
    for _, pair in ipairs(spec.extraConfig) do extra[pair.key] = pair.value end
    assert.equal("4096", extra["pciPassthru.64bitMMIOSizeGB"])
  end)
end)
