local evidence = require "gpupt.evidence"

local function read(text) return assert(evidence.read({ text = text, name = "t.txt" })) end

describe("rocm-smi", function()
  it("gives cards from its lines", function()
    local result = read [[
============================ ROCm System Management Interface ============================
=========================================== ID ===========================================
Driver version: 6.8.5
GPU[0]		: Device Name: 		AMD Instinct MI210
GPU[0]		: Device ID: 		0x740f
GPU[0]		: Device Rev: 		0x02
GPU[0]		: Subsystem ID: 	0x0c34
GPU[0]		: PCI Bus: 0000:0B:00.0
GPU[1]		: Device ID: 		N/A
GPU[0]		: (Topology) Numa Node: 0
================================== End of ROCm SMI Log ===================================
]]
    assert.equal("rocm-smi", result.forms[1].form)
    assert.equal(2, #result.cards)
    local card = result.cards[1]
    assert.same({ 0x1002, 0x740f, 0x0c34, "0000:0b:00.0", "AMD Instinct MI210", "guest", 4 },
      { card.vendor, card.device, card.subdevice, card.address, card.name, card.where, card.line })
    assert.equal(0, result.cards[1].numa_node)
    assert.is_nil(result.cards[2].device)
    assert.same({ "amdgpu", "6.8.5" }, { result.software[1].what, result.software[1].version })
  end)

  it("gives cards from its tables, old and new", function()
    local new = read [[
======================================== Concise Info ========================================
Device  Node  IDs              Temp    Power  Partitions          SCLK    MCLK    Fan  Perf  PwrCap  VRAM%  GPU%
              (DID,     GUID)  (Edge)  (Avg)  (Mem, Compute, ID)
==============================================================================================
0       1     0x74a1,   28851  40.0°C  141.0W  NPS1, SPX, 0       132Mhz  900Mhz  0%   auto  750.0W  0%     0%
1       2     0x74a1,   51499  39.0°C  139.0W  NPS1, SPX, 0       132Mhz  900Mhz  0%   auto  750.0W  0%     0%
]]
    assert.same({ 2, 0x74a1, 1 }, { #new.cards, new.cards[2].device, new.cards[2].index })
    local old = read [[
========================= ROCm System Management Interface =========================
=================================== Concise Info ===================================
GPU  Temp (DieEdge)  AvgPwr  SCLK  MCLK   Fan  Perf  PwrCap  VRAM%  GPU%
0    51.0c           4.0W    0Mhz  96Mhz  0%   auto  100.0W   11%   0%
====================================================================================
]]
    assert.equal(1, #old.cards)
  end)

  it("gives cards from its JSON", function()
    local result = read '{"card0": {"Device Name": "Phoenix3", "Device ID": "0x1900", "GUID": "45560", "PCI Bus": "0000:C4:00.0"}}\n'
    assert.same({ 0x1900, "0000:c4:00.0", "Phoenix3" }, { result.cards[1].device, result.cards[1].address, result.cards[1].name })
  end)

  it("says that the module is missing", function()
    local result = read "ERROR:root:Driver not initialized (amdgpu not found in modules)\n"
    assert.equal("rocm-smi-no-driver", result.signs[1].code)
  end)
end)

describe("amd-smi", function()
  it("ends a card where another kind of device begins", function()
    local result = read [[
GPU: 0
    BDF: 0000:05:00.0
    UUID: adff74a1-0000-1000-8077-eafd8e08eca3

AI_NIC: 0
    BDF: 0000:e2:00.0
    UUID: 00000000-0000-0000-0000-000000000001

CPU: 0
    NODE: 1
]]
    assert.equal(1, #result.cards)
    assert.equal("0000:05:00.0", result.cards[1].address)
    assert.is_nil(result.cards[1].numa_node)
  end)

  it("gives cards and versions from its table", function()
    local result = read [[
+------------------------------------------------------------------------------+
| AMD-SMI 26.1.0+e94df3ed      amdgpu version: 6.14.5   ROCm version: 7.0.1    |
| Platform: Linux Guest (Passthrough)                                          |
|-------------------------------------+----------------------------------------|
| BDF                        GPU-Name | Mem-Uti   Temp   UEC       Power-Usage |
| GPU  HIP-ID  OAM-ID  Partition-Mode | GFX-Uti    Fan               Mem-Usage |
|=====================================+========================================|
| 0000:09:00.0    AMD Instinct MI300X | 0 %      49 °C   0          144/750 W  |
|   0       0       3        SPX/NPS1 | 0 %        N/A           283/196592 MB |
+-------------------------------------+----------------------------------------+
]]
    assert.same({ "0000:09:00.0", "AMD Instinct MI300X", 0, 196592 }, { result.cards[1].address, result.cards[1].name,
      result.cards[1].index, result.cards[1].memory_mb })
    assert.same({ "6.14.5", "7.0.1" }, { result.software[1].version, result.software[2].version })
  end)

  it("gives cards from list and static", function()
    local result = read [[
GPU: 0
    BDF: 0000:09:00.0
    UUID: 11ff74a1-0000-1000-8000-000000000000
    ASIC:
        MARKET_NAME: AMD Instinct MI300X
        VENDOR_ID: 0x1002
        SUBVENDOR_ID: 0x1002
        DEVICE_ID: 0x74a1
        SUBSYSTEM_ID: 0x74a1
    BUS:
        BDF: 0000:09:00.0
        MAX_PCIE_WIDTH: 16
        MAX_PCIE_SPEED: 32 GT/s
    DRIVER:
        NAME: amdgpu
        VERSION: 6.10.5
    NUMA:
        NODE: 1
GPU: 1
    BDF: 0000:0a:00.0
]]
    local card = result.cards[1]
    assert.same({ 0x1002, 0x74a1, 0x74a1, "AMD Instinct MI300X", 1, "6.10.5" }, { card.vendor, card.device, card.subdevice,
      card.name, card.numa_node, card.driver_version })
    assert.same({ max_width = 16, max_speed = 32.0 }, card.link)
    assert.equal("0000:0a:00.0", result.cards[2].address)
  end)

  it("gives versions from amd-smi version", function()
    local result = read "AMDSMI Tool: 25.4.2+aca1101 | AMDSMI Library version: 25.4.0 | ROCm version: 6.4.1 | amdgpu version: 6.10.5 | amd_hsmp version: N/A\n"
    assert.same({ "6.10.5", "6.4.1" }, { result.software[1].version, result.software[2].version })
  end)
end)
