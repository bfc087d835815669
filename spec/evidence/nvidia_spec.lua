local evidence = require "gpupt.evidence"

local function read(text) return assert(evidence.read({ text = text, name = "t.txt" })) end
local function form_of(result) return result.forms[1] and result.forms[1].form end

-- The table of a guest with a card passed through (driver 550), our own values.
local TABLE = [[
user@vm:~$ nvidia-smi
Tue Mar  4 10:22:00 2025
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 550.127.08             Driver Version: 550.127.08     CUDA Version: 12.4     |
|-----------------------------------------+------------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |
|                                         |                        |               MIG M. |
|=========================================+========================+======================|
|   0  NVIDIA A100 80GB PCIe          On  |   00000000:0B:00.0 Off |                    0 |
| N/A   31C    P0             44W /  300W |       1MiB /  81920MiB |      0%      Default |
|                                         |                        |             Disabled |
+-----------------------------------------+------------------------+----------------------+
|   1  Tesla T4                       Off |   00000000:13:00.0 Off |                 ERR! |
| ERR!  ERR! ERR!          N/A  /  ERR! |       0MiB /  15360MiB |    ERR!      Default |
|                                         |                        |                  N/A |
+-----------------------------------------+------------------------+----------------------+

+-----------------------------------------------------------------------------------------+
| Processes:                                                                              |
|  GPU   GI   CI        PID   Type   Process name                              GPU Memory |
|=========================================================================================|
|  No running processes found                                                             |
+-----------------------------------------------------------------------------------------+
]]

-- Older drivers cut the name, Windows shows the driver model.
local WINDOWS = [[
C:\Windows\System32>nvidia-smi
+-----------------------------------------------------------------------------+
| NVIDIA-SMI 472.12       Driver Version: 472.12       CUDA Version: 11.4     |
|-------------------------------+----------------------+----------------------+
| GPU  Name            TCC/WDDM | Bus-Id        Disp.A | Volatile Uncorr. ECC |
| Fan  Temp  Perf  Pwr:Usage/Cap|         Memory-Usage | GPU-Util  Compute M. |
|===============================+======================+======================|
|   0  NVIDIA GeForce ... WDDM  | 00000000:03:00.0 Off |                  N/A |
|  0%   34C    P8    11W / 250W |    411MiB / 11264MiB |      0%      Default |
+-------------------------------+----------------------+----------------------+
]]

-- The vGPU manager on ESXi has no CUDA.
local HOST = TABLE:gsub("user@vm:~%$", "[root@esx01:~]"):gsub("CUDA Version: 12.4 ", "CUDA Version: N/A  ")

local QUERY = [[
==============NVSMI LOG==============

Timestamp                                 : Tue Mar  4 10:22:00 2025
Driver Version                            : 550.127.08
CUDA Version                              : 12.4

Attached GPUs                             : 1
GPU 00000000:0B:00.0
    Product Name                          : NVIDIA A100 80GB PCIe
    Product Brand                         : NVIDIA
    Product Architecture                  : Ampere
    Persistence Mode                      : Enabled
    MIG Mode
        Current                           : Disabled
        Pending                           : Disabled
    Driver Model
        Current                           : N/A
        Pending                           : N/A
    GPU UUID                              : GPU-11111111-2222-3333-4444-555555555555
    GPU Virtualization Mode
        Virtualization Mode               : Pass-Through
        Host VGPU Mode                    : N/A
    vGPU Software Licensed Product
        Product Name                      : NVIDIA Virtual Compute Server
        License Status                    : Unlicensed (Unrestricted)
    PCI
        Bus                               : 0x0B
        Device                            : 0x00
        Domain                            : 0x0000
        Device Id                         : 0x20B510DE
        Bus Id                            : 00000000:0B:00.0
        Sub System Id                     : 0x153310DE
        GPU Link Info
            PCIe Generation
                Max                       : 4
                Current                   : 1
                Device Current            : 1
                Device Max                : 4
                Host Max                  : N/A
            Link Width
                Max                       : 16x
                Current                   : 8x
    FB Memory Usage
        Total                             : 81920 MiB
        Reserved                          : 655 MiB
    BAR1 Memory Usage
        Total                             : 131072 MiB
        Used                              : 1 MiB
]]

describe("nvidia-smi's table", function()
  it("gives cards, driver and CUDA with file and line", function()
    local result = read(TABLE)
    assert.equal("nvidia-smi", form_of(result))
    assert.equal("guest", result.where)
    assert.equal(2, #result.cards)
    local a100, t4 = result.cards[1], result.cards[2]
    assert.same({ "0000:0b:00.0", "NVIDIA A100 80GB PCIe", 81920, "550.127.08", 0, "t.txt", 10 },
      { a100.address, a100.name, a100.memory_mb, a100.driver_version, a100.index, a100.file, a100.line })
    assert.same({ "0000:13:00.0", "Tesla T4", 15360, "ERR!" }, { t4.address, t4.name, t4.memory_mb, t4.state })
    assert.same({ "nvidia-driver", "cuda" }, { result.software[1].what, result.software[2].what })
    assert.same({ "550.127.08", "12.4" }, { result.software[1].version, result.software[2].version })
    assert.equal("nvidia-smi-err", result.signs[1].code)
  end)

  it("of Windows tells the driver model, whatever the name's length", function()
    local result = read(WINDOWS)
    assert.same({ "0000:03:00.0", "WDDM", 11264, "guest" }, { result.cards[1].address, result.cards[1].driver_model,
      result.cards[1].memory_mb, result.where })
    assert.equal("NVIDIA GeForce ...", result.cards[1].name)
  end)

  it("of the vGPU manager is the host's", function()
    local result = read(HOST)
    assert.equal("host", result.where)
    assert.same({}, (function()
      local list = {}
      for _, one in ipairs(result.software) do if one.what == "cuda" then list[1] = one end end
      return list
    end)())
  end)

  it("is read when its rows were broken", function()
    local broken = TABLE:gsub("(\n|   0  NVIDIA A100 80GB PCIe          On  |   00000000:0B:00.0 Off |)( )", "%1\n"):gsub("(CUDA)", "\n%1")
    local result = read(broken)
    assert.same({ "0000:0b:00.0", 81920, "550.127.08" }, { result.cards[1].address, result.cards[1].memory_mb,
      result.cards[1].driver_version })
  end)

  for name, line in pairs {
    ["nvidia-smi-no-driver"] = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the "
      .. "latest NVIDIA driver is installed and running.",
    ["nvidia-smi-no-devices"] = "No devices were found",
    ["nvidia-smi-mismatch"] = "Failed to initialize NVML: Driver/library version mismatch",
    ["nvidia-smi-lost"] = "Unable to determine the device handle for GPU0000:0B:00.0: GPU is lost.  Reboot the system to recover this GPU",
    ["nvidia-smi-no-handle"] = "Unable to determine the device handle for GPU 0000:00:03.0: Unknown Error.",
  } do
    it("says " .. name, function()
      local result = read("$ nvidia-smi\n" .. line .. "\n")
      assert.same({ name, "error", 2 }, { result.signs[1].code, result.signs[1].severity, result.signs[1].line })
      assert.is_false(result.unread)
    end)
  end
end)

describe("nvidia-smi -q", function()
  for how, text in pairs { ["as it is printed"] = QUERY, ["without indentation"] = QUERY:gsub("\n +", "\n"),
    ["with CRLF"] = QUERY:gsub("\n", "\r\n") } do
    it("gives everything that it shows of a card, " .. how, function()
      local result = read(text)
      assert.equal("nvidia-smi -q", form_of(result))
      local card = result.cards[1]
      assert.same({ 0x10de, 0x20b5, 0x10de, 0x1533, "0000:0b:00.0" },
        { card.vendor, card.device, card.subvendor, card.subdevice, card.address })
      assert.same({ max_speed = 16, speed = 2.5, max_width = 16, width = 8 }, card.link)
      assert.same({ { index = 1, kind = "mem64", size = 128 << 30, prefetchable = true } }, card.bars)
      assert.same({ "Pass-Through", "Unlicensed (Unrestricted)", 81920, "Disabled", "550.127.08" },
        { card.virtualization, card.license, card.memory_mb, card.mig, card.driver_version })
    end)
  end

  it("keeps two cards apart", function()
    local second = QUERY:match "GPU 0000.*$":gsub("0B:00", "13:00"):gsub("0x20B510DE", "0x1EB810DE")
    local result = read(QUERY .. second)
    assert.same({ 2, 0x20b5, 0x1eb8 }, { #result.cards, result.cards[1].device, result.cards[2].device })
  end)
end)

describe("nvidia-smi -L", function()
  it("gives number, name and UUID; instances of MIG are no cards", function()
    local result = read("GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-11111111-2222-3333-4444-555555555555)\n"
      .. "  MIG 1g.10gb     Device  0: (UUID: MIG-66666666-2222-3333-4444-555555555555)\n"
      .. "GPU 1: NVIDIA A100-SXM4-80GB (UUID: GPU-11111111-2222-3333-4444-666666666666)\n")
    assert.equal("nvidia-smi -L", form_of(result))
    assert.same({ 2, 1, "NVIDIA A100-SXM4-80GB" }, { #result.cards, result.cards[2].index, result.cards[1].name })
  end)
end)

describe("nvidia-smi topo -m", function()
  local TOPO = "\tGPU0\tGPU1\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\n"
    .. "GPU0\t X \tNV12\tSYS\t0-31\t0\t\tN/A\nGPU1\tNV12\t X \tPHB\t32-63\t1\t\tN/A\nNIC0\tSYS\tPHB\t X \t\t\t\t\n\n"
    .. "Legend:\n\n  X    = Self\n"
  for how, text in pairs { ["with tabs"] = TOPO, ["with blanks"] = TOPO:gsub("\t", "    ") } do
    it("gives the links and the NUMA nodes, " .. how, function()
      local result = read(text)
      assert.equal("nvidia-smi topo", form_of(result))
      assert.same({ { "GPU0", "GPU1", "NV12" } }, result.topology.links)
      assert.equal(2, result.topology.gpus)
      assert.same({ 0, 1 }, { result.cards[1].numa_node, result.cards[2].numa_node })
    end)
  end
end)

describe("nvidia-smi --query-gpu", function()
  it("is read without its heading", function()
    local result = read("Tesla T4, 00000000:0B:00.0, 15360 MiB, 535.183.01\n")
    assert.same({ "0000:0b:00.0", "Tesla T4", 15360 }, { result.cards[1].address, result.cards[1].name, result.cards[1].memory_mb })
  end)
  it("is read with its heading, whatever fields were asked for", function()
    local result = read("pci.bus_id, name, driver_version, memory.total [MiB]\n00000000:0B:00.0, Tesla T4, 535.183.01, 15360 MiB\n")
    assert.same({ "0000:0b:00.0", "Tesla T4", 15360, "535.183.01" }, { result.cards[1].address, result.cards[1].name,
      result.cards[1].memory_mb, result.cards[1].driver_version })
  end)
end)

describe("a driver's name", function()
  it("gives the ids that pci.ids has for it, and none when several have it", function()
    local result = read((TABLE:gsub("NVIDIA A100 80GB PCIe", "NVIDIA A100-SXM4-80GB")))
    local t4 = result.cards[2]
    assert.same({ 0x1eb8, true }, { t4.device, t4.by_name })
    assert.truthy(result.cards[1].device == 0x20b2 or result.cards[1].candidates)
    local none = assert(evidence.read({ text = TABLE, name = "t.txt" }, { names = false }))
    assert.is_nil(none.cards[2].device)
  end)

  it("does not displace the ids of a list", function()
    local devices = evidence.devices { read(TABLE), read "13:00.0 3D controller [0302]: NVIDIA Corporation X [10de:1eba] (rev a1)\n" }
    for _, device in ipairs(devices) do
      if device.address == "0000:13:00.0" then assert.same({ 0x1eba, "Tesla T4", 15360 }, { device.device, device.name, device.memory_mb }) end
    end
    assert.equal(2, #devices)
  end)

  it("that was cut off is none", function()
    assert.is_nil(read(WINDOWS).cards[1].device)
  end)
end)

describe("nvidia-smi's table of other releases", function()
  it("with a KMD version (595) and the driver model in its own column", function()
    local result = read [[
| NVIDIA-SMI 595.71                 KMD Version: 595.79        CUDA UMD Version: 13.2     |
+-----------------------------------------+------------------------+----------------------+
| GPU  Name                  Driver-Model | Bus-Id          Disp.A | Volatile Uncorr. ECC |
|   0  NVIDIA RTX A2000           WDDM    |   00000000:0B:00.0 Off |                  Off |
| 30%   41C    P8              6W /   70W |     123MiB /   6138MiB |      0%      Default |
]]
    assert.same({ "595.79", "13.2" }, { result.software[1].version, result.software[2].version })
    assert.same({ "WDDM", 6138 }, { result.cards[1].driver_model, result.cards[1].memory_mb })
  end)

  it("with MIG devices below, which are no cards", function()
    local result = read(TABLE .. "| MIG devices:                                                                            |\n"
      .. "|  0    1   0   0  |              37MiB / 19968MiB    | 42      0 |  3   0    2    0    0 |\n")
    assert.equal(2, #result.cards)
  end)
end)
