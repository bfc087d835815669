local pci = require "gpupt.pci"
local bar = require "gpupt.bar"

local function one(text) return assert(pci.parse(text))[1] end

describe("esxcli hardware pci list", function()
  local block = [[
0000:04:00.0
   Address: 0000:04:00.0
   Segment: 0x0000
   Bus: 0x04
   Slot: 0x00
   Function: 0x0
   VMkernel Name: vmhba2
   Vendor Name: LSI Logic / Symbios Logic
   Device Name: LSI2308_2
   Configured Owner: VM Passthru
   Current Owner: VM Passthru
   Vendor ID: 0x1000
   Device ID: 0x0087
   SubVendor ID: 0x1000
   SubDevice ID: 0x3020
   Device Class: 0x0107
   Device Class Name: Serial Attached SCSI controller
   Programming Interface: 0x00
   Revision ID: 0x05
   Interrupt Line: 0x0b
   IRQ: 255
   Interrupt Vector: 0x00
   PCI Pin: 0x00
   Spawned Bus: 0x00
   Flags: 0x3401
   Module ID: 21
   Module Name: pciPassthru
   Chassis: 0
   Physical Slot: 3
   Slot Description: CPU1 SLOT3 PCI-E 3.0 X16
   Passthru Capable: true
   Parent Device: PCI 0:0:2:0
   Dependent Device: PCI 0:4:0:0
   Reset Method: Function reset
   FPT Sharable: true
]]

  it("gives the whole record", function()
    assert.same({
      address = "0000:04:00.0", domain = 0, bus = 4, slot = 0, func = 0, vendor = 0x1000, device = 0x0087,
      subvendor = 0x1000, subdevice = 0x3020, class = 0x0107, prog_if = 0, revision = 5, vmkernel_name = "vmhba2",
      vendor_name = "LSI Logic / Symbios Logic", device_name = "LSI2308_2", class_name = "Serial Attached SCSI controller",
      owner = "VM Passthru", configured_owner = "VM Passthru", driver = "pciPassthru", physical_slot = "3",
      slot_description = "CPU1 SLOT3 PCI-E 3.0 X16", capable = true, parent = "0000:00:02.0",
      dependent = "0000:04:00.0", reset_method = "Function reset", sharable = true, bars = {}, bytes = 0,
    }, one(block))
  end)

  it("reads the parent's address decimal", function()
    assert.equal("0000:64:1d.0", one(block:gsub("PCI 0:0:2:0", "PCI 0:100:29:0")).parent)
  end)

  it("may have many blocks, CRLF, and values left empty", function()
    local many = block .. "\n" .. block:gsub("04:00.0", "d8:00.0"):gsub("vmhba2", "") .. "\n"
    local list = assert(pci.parse((many:gsub("\n", "\r\n"))))
    assert.equal(2, #list)
    assert.equal("0000:d8:00.0", list[2].address)
    assert.is_nil(list[2].vmkernel_name)
    assert.is_true(list[2].capable)
  end)

  for _, method in ipairs { "Bridge reset", "Link reset", "D3Hot to D0 reset" } do
    it("recognizes the reset method " .. method, function()
      assert.equal(method, one(block:gsub("Function reset", method)).reset_method)
    end)
  end
end)

describe("esxcli hardware pci pcipassthru list", function()
  it("shows what is enabled", function()
    local list = assert(pci.parse "Device ID     Enabled\n------------  -------\n0000:42:00.0     true\n0000:43:00.0    false\n")
    assert.equal(2, #list)
    assert.is_true(list[1].enabled)
    assert.is_false(list[2].enabled)
  end)
  it("adds to the records of another text", function()
    local list = assert(pci.parse "0000:42:00.0 10de:1b38 10de:11d9 passthru\nDevice ID     Enabled\n0000:42:00.0     true\n")
    assert.equal(1, #list)
    assert.equal(0x1b38, list[1].device)
    assert.is_true(list[1].enabled)
  end)
end)

describe("vmkchdev -l", function()
  it("gives ids, owner and name", function()
    local list = assert(pci.parse "0000:42:00.0 10de:1b38 10de:11d9 passthru\n0000:01:00.0 8086:1572 8086:0000 vmkernel vmnic0\n")
    assert.same({ address = "0000:42:00.0", domain = 0, bus = 0x42, slot = 0, func = 0, vendor = 0x10de, device = 0x1b38,
      subvendor = 0x10de, subdevice = 0x11d9, owner = "passthru", bars = {}, bytes = 0 }, list[1])
    assert.equal("vmkernel", list[2].owner)
    assert.equal("vmnic0", list[2].vmkernel_name)
  end)
end)

describe("ESXi's lspci", function()
  it("-p gives ids and module", function()
    local list = assert(pci.parse [[
Segm:Bu:De.F Vend:Dvid Subv:Subd ISA/irq/Vect P M Module       Name
0000:42:00.0 10de:1b38 10de:11d9 255/   /     A P pciPassthru
0000:01:00.0 8086:1572 8086:0000 255/   /0x3b A V i40en        vmnic0
]])
    assert.equal(2, #list)
    assert.equal("pciPassthru", list[1].driver)
    assert.equal("i40en", list[2].driver)
    assert.equal("vmnic0", list[2].vmkernel_name)
  end)
  it("gives names with its own name of the device in brackets", function()
    local list = assert(pci.parse "0000:42:00.0 Display controller: NVIDIA Corporation NVIDIATesla P40 [vmgfx0]\n")
    assert.equal("NVIDIA Corporation NVIDIATesla P40", list[1].device_name)
    assert.equal("vmgfx0", list[1].vmkernel_name)
    assert.equal("Display controller", list[1].class_name)
  end)
end)

describe("lspci", function()
  it("-nn gives class, ids, revision", function()
    local dev = one "65:00.0 3D controller [0302]: NVIDIA Corporation GA100 [A100 PCIe 80GB] [10de:20b5] (rev a1)\n"
    assert.same({ 0x10de, 0x20b5, 0x0302, 0xa1 }, { dev.vendor, dev.device, dev.class, dev.revision })
    assert.equal("NVIDIA Corporation GA100 [A100 PCIe 80GB]", dev.device_name)
    assert.equal("3D controller", dev.class_name)
    assert.is_true(pci.is_gpu(dev))
  end)
  it("-nn with a programming interface", function()
    local dev = one("00:02.0 VGA compatible controller [0300]: ASPEED Technology, Inc. ASPEED Graphics Family [1a03:2000] (rev 41)"
      .. " (prog-if 00 [VGA controller])\n")
    assert.same({ 0x1a03, 0x2000, 0x0300, 0x41, 0 }, { dev.vendor, dev.device, dev.class, dev.revision, dev.prog_if })
    assert.is_false(pci.is_gpu(dev))
  end)
  it("-n gives numbers", function()
    local dev = one "65:00.0 0302: 10de:20b5 (rev a1)\n"
    assert.same({ 0x10de, 0x20b5, 0x0302, 0xa1 }, { dev.vendor, dev.device, dev.class, dev.revision })
    assert.equal(0x0302, one("0000:65:00.0 Class 0302: 10de:20b5\n").class)
  end)
  it("plain gives names only, in any domain", function()
    local dev = one "10000:e1:00.0 Non-Volatile memory controller: Samsung Electronics Co Ltd NVMe SSD Controller\n"
    assert.equal(0x10000, dev.domain)
    assert.is_nil(dev.vendor)
    assert.equal("Non-Volatile memory controller", dev.class_name)
  end)

  local VV = [[
65:00.0 3D controller [0302]: NVIDIA Corporation GA100 [A100 PCIe 80GB] [10de:20b5] (rev a1)
	Subsystem: NVIDIA Corporation Device [10de:1533]
	Physical Slot: 3
	Control: I/O- Mem+ BusMaster+
	NUMA node: 1
	IOMMU group: 23
	Region 0: Memory at d4000000 (32-bit, non-prefetchable) [size=16M]
	Region 1: Memory at 1ff000000000 (64-bit, prefetchable) [size=128G]
	Region 3: Memory at 1fffe0000000 (64-bit, prefetchable) [size=32M]
	Region 5: I/O ports at 5000 [size=128]
	Expansion ROM at d5000000 [disabled] [size=512K]
	Capabilities: [bb0 v1] Physical Resizable BAR
		BAR 0: current size: 16MB, supported: 16MB
		BAR 1: current size: 128GB, supported: 64MB 128MB 256MB 512MB 1GB 2GB 4GB 8GB 16GB 32GB 64GB 128GB
	Capabilities: [bcc v1] Single Root I/O Virtualization (SR-IOV)
		IOVCap:	Migration-, Interrupt Message Number: 000
		Initial VFs: 20, Total VFs: 20, Number of VFs: 4, Function Dependency Link: 00
		VF offset: 4, stride: 1, Device ID: 20b5
		Region 0: Memory at d6000000 (32-bit, non-prefetchable)
		Region 1: Memory at 0000003c00000000 (64-bit, prefetchable)
	Kernel driver in use: vfio-pci
	Kernel modules: nvidiafb, nouveau
]]

  for what, text in pairs { ["with tabs"] = VV, ["with blanks, copied from a terminal"] = VV:gsub("\t", "        ") } do
    it("-vv gives everything, " .. what, function()
      assert.same({
        address = "0000:65:00.0", domain = 0, bus = 0x65, slot = 0, func = 0, vendor = 0x10de, device = 0x20b5,
        subvendor = 0x10de, subdevice = 0x1533, class = 0x0302, revision = 0xa1, numa_node = 1, iommu_group = 23,
        class_name = "3D controller", device_name = "NVIDIA Corporation GA100 [A100 PCIe 80GB]",
        subsystem_name = "NVIDIA Corporation Device", physical_slot = "3", driver = "vfio-pci", rom = 512 << 10,
        bars = {
          { index = 0, kind = "mem32", size = 16 << 20, prefetchable = false, address = 0xd4000000 },
          { index = 1, kind = "mem64", size = 128 << 30, prefetchable = true, address = 0x1ff000000000 },
          { index = 3, kind = "mem64", size = 32 << 20, prefetchable = true, address = 0x1fffe0000000 },
          { index = 5, kind = "io", size = 128, prefetchable = false, address = 0x5000 },
        },
        bytes = (128 << 30) + (48 << 20),
        rebar = {
          { index = 0, current = 16 << 20, supported = { 16 << 20 } },
          { index = 1, current = 128 << 30, supported = { 64 << 20, 128 << 20, 256 << 20, 512 << 20, 1 << 30, 2 << 30,
            4 << 30, 8 << 30, 16 << 30, 32 << 30, 64 << 30, 128 << 30 } },
        },
        sriov = { total = 20, enabled = 4, bars = {} },
      }, one(text))
    end)
  end

  it("-v leaves the index out: registers are counted", function()
    local dev = one [[
65:00.0 3D controller: NVIDIA Corporation Device 20b5 (rev a1)
	Memory at d4000000 (32-bit, non-prefetchable) [size=16M]
	Memory at 1ff000000000 (64-bit, prefetchable) [size=128G]
	Memory at 1fffe0000000 (64-bit, prefetchable) [size=32M]
]]
    assert.same({ 0, 1, 3 }, { dev.bars[1].index, dev.bars[2].index, dev.bars[3].index })
  end)

  it("shows BARs without an address: unassigned, ignored, virtual, disabled", function()
    local dev = one [[
05:00.0 3D controller [0302]: NVIDIA Corporation GP102GL [Tesla P40] [10de:1b38]
	Region 0: Memory at fb000000 (32-bit, non-prefetchable) [disabled] [size=16M]
	Region 1: Memory at <unassigned> (64-bit, prefetchable) [size=32G]
	Region 3: [virtual] Memory at <ignored> (64-bit, prefetchable) [size=32M]
]]
    assert.same({ index = 1, kind = "mem64", size = 32 << 30, prefetchable = true }, dev.bars[2])
    assert.same({ index = 3, kind = "mem64", size = 32 << 20, prefetchable = true }, dev.bars[3])
    assert.equal(64, assert(bar.window { { bars = dev.bars } }).gb)
  end)

  it("leaves out what has no size (a guest's unassigned BAR), or one that no BAR can have", function()
    assert.same({}, one("05:00.0 0302: 10de:1b38\n\tRegion 1: Memory at <unassigned> (64-bit, prefetchable)\n").bars)
    assert.same({}, one("05:00.0 0302: 10de:1b38\n\tRegion 1: Memory at 0 (64-bit, prefetchable) [size=3G]\n").bars)
  end)

  describe("-x", function()
    local function dump(bytes, from, last)
      local lines = {}
      for offset = from, last, 16 do
        local row = {}
        for i = 0, 15 do row[i + 1] = ("%02x"):format(bytes[offset + i] or 0) end
        lines[#lines + 1] = ("%02x: %s"):format(offset, table.concat(row, " "))
      end
      return table.concat(lines, "\n") .. "\n"
    end
    local function put(bytes, offset, value)
      for i = 0, 3 do bytes[offset + i] = value >> (8 * i) & 0xff end
    end
    local bytes = {}
    put(bytes, 0, 0x20b510de)
    put(bytes, 8, 0x030200a1)
    put(bytes, 0x10, 0xd4000000)
    put(bytes, 0x14, 0xf000000c)
    put(bytes, 0x18, 0x00001fe0)
    put(bytes, 0x2c, 0x153310de)

    it("gives ids from the raw bytes, and no sizes", function()
      local dev = one("65:00.0 3D controller: NVIDIA Corporation Device 20b5\n" .. dump(bytes, 0, 48))
      assert.same({ 0x10de, 0x20b5, 0x10de, 0x1533, 0x0302, 0xa1 },
        { dev.vendor, dev.device, dev.subvendor, dev.subdevice, dev.class, dev.revision })
      assert.same({}, dev.bars)
    end)

    it("xxx gives the size of a BAR that Resizable BAR tells", function()
      put(bytes, 0x100, 0x00010015)
      put(bytes, 0x104, 0x00000010 << 17)
      put(bytes, 0x108, 1 | 1 << 5 | 17 << 8)
      local dev = one("65:00.0 3D controller: NVIDIA Corporation Device 20b5\n" .. dump(bytes, 0, 4080))
      assert.same({ { index = 1, kind = "mem64", size = 128 << 30, prefetchable = true, address = 0x1fe0f0000000 } }, dev.bars)
      assert.same({ { index = 1, current = 128 << 30, supported = { 128 << 30 } } }, dev.rebar)
    end)

    it("with a gap, with an odd byte or cut short tells nothing", function()
      local head = "65:00.0 3D controller: NVIDIA Corporation Device 20b5\n"
      assert.is_nil(one(head .. dump(bytes, 16, 64)).vendor)
      assert.is_nil(one(head .. dump(bytes, 0, 32)).vendor)
      assert.is_nil(one(head .. "00: zz 10\n").vendor)
    end)

    it("with a chain of capabilities that is a circle ends", function()
      local circle = {}
      put(circle, 0, 0x20b510de)
      put(circle, 0x100, 0x10010001)
      assert.equal(0x20b5, one("65:00.0 3D controller: x\n" .. dump(circle, 0, 4080)).device)
    end)
  end)
end)

describe("the names of pci.ids", function()
  local ids
  setup(function()
    ids = os.tmpname()
    local file = assert(io.open(ids, "w"))
    file:write "10de  NVIDIA Corporation\n\t20b5  GA100 [A100]\nC 03  Display controller\n\t02  3D controller\n"
    file:close()
  end)
  teardown(function() os.remove(ids) end)
  local function named(text) return assert(pci.parse(text, { names = ids }))[1] end

  it("fill in what a text leaves out", function()
    local dev = named "65:00.0 0302: 10de:20b5\n"
    assert.same({ "NVIDIA Corporation", "GA100 [A100]", "3D controller" },
      { dev.vendor_name, dev.device_name, dev.class_name })
  end)
  it("part the vendor from the device in lspci's one text", function()
    local dev = named "65:00.0 3D controller [0302]: NVIDIA Corporation GA100 [A100 PCIe 80GB] [10de:20b5]\n"
    assert.same({ "NVIDIA Corporation", "GA100 [A100 PCIe 80GB]" }, { dev.vendor_name, dev.device_name })
  end)
  it("leave a text alone that does not begin with the vendor, or says no more", function()
    assert.equal("NVIDIATesla P40", named("65:00.0 3D controller [0302]: NVIDIATesla P40 [10de:20b5]\n").device_name)
    assert.equal("NVIDIA Corporation", named("65:00.0 3D controller [0302]: NVIDIA Corporation [10de:20b5]\n").device_name)
  end)
end)

describe("a text", function()
  it("that holds no device is refused", function()
    for _, text in ipairs { "", "hello\nworld\n", "\0\1\2", "   Vendor ID: 0x10de\n", "no address: here" } do
      local list, message, code = pci.parse(text)
      assert.is_nil(list)
      assert.matches("no PCI device found", message)
      assert.equal("EPARSE", code)
    end
  end)

  it("may be many devices: 65536 of them and no more", function()
    local lines = {}
    for i = 0, 65536 do lines[#lines + 1] = ("%04x:%02x:%02x.0 0302: 10de:20b5"):format(i >> 13, i >> 5 & 255, i & 31) end
    local list, message, code = pci.parse(table.concat(lines, "\n"))
    assert.is_nil(list)
    assert.matches("more than 65536 PCI devices", message)
    assert.equal("ERANGE", code)
    table.remove(lines)
    assert.equal(65536, #assert(pci.parse(table.concat(lines, "\n"))))
  end)

  it("raises when it is none", function() assert.has_error(function() pci.parse(5) end) end)
end)
