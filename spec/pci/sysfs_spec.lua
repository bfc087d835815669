-- A copy of a sysfs, built here file by file in the kernel's forms.
local pci = require "gpupt.pci"

local root

local function shell(format, ...) assert(os.execute(format:format(...))) end

local function put(name, content)
  local file = assert(io.open(root .. "/" .. name, "wb"))
  file:write(content)
  file:close()
end

local function hex(value) return ("0x%x\n"):format(value) end

--- Config space: header fields and raw bytes at offsets.
local function config(length, fields)
  local bytes = {}
  for i = 1, length do bytes[i] = 0 end
  for offset, value in pairs(fields) do
    for i = 1, 4 do bytes[offset + i] = value >> (8 * (i - 1)) & 0xff end
  end
  for i = 1, length do bytes[i] = string.char(bytes[i]) end
  return table.concat(bytes)
end

--- A device below its bridge, linked from bus/pci/devices as the kernel does it.
local function device(address, below, files, links)
  local real = "devices/pci0000:00/" .. (below and below .. "/" or "") .. address
  shell("mkdir -p %s/%s %s/bus/pci/devices", root, real, root)
  shell("ln -s ../../../%s %s/bus/pci/devices/%s", real, root, address)
  for name, content in pairs(files) do put(real .. "/" .. name, content) end
  for name, target in pairs(links or {}) do shell("ln -s %s %s/%s/%s", target, root, real, name) end
end

local function resource(lines)
  local text = {}
  for i = 1, 17 do
    local line = lines[i] or { 0, 0, 0 }
    text[i] = ("0x%016x 0x%016x 0x%016x\n"):format(line[1], line[2], line[3])
  end
  return table.concat(text)
end

local function line(start, size, flags) return { start, start + size - 1, flags } end

local MEM32, MEM64, IO = 0x40200, 0x14220c, 0x40101

-- valgrind 3.19 does not know openat2, and without it a link inside a copied sysfs is refused (see csrc/base/folder.h).
if os.getenv "GPUPT_VALGRIND" then return end

describe("a sysfs", function()
  local by = {}
  setup(function()
    local pipe = io.popen "mktemp -d"
    root = pipe:read "l"
    pipe:close()
    shell("mkdir -p %s/kernel/iommu_groups/23 %s/bus/pci/drivers/vfio-pci", root, root)
    device("0000:64:00.0", nil, { vendor = hex(0x8086), device = hex(0x347a), class = hex(0x060400),
      secondary_bus_number = "101\n", subordinate_bus_number = "101\n",
      config = config(256, { [0] = 0x347a8086, [8] = 0x06040004, [12] = 0x00010000, [24] = 0x00656564 }) })
    device("0000:65:00.0", "0000:64:00.0", {
      vendor = hex(0x10de), device = hex(0x20b5), subsystem_vendor = hex(0x10de), subsystem_device = hex(0x1533),
      class = hex(0x030200), revision = hex(0xa1), numa_node = "1\n", boot_vga = "0\n",
      sriov_totalvfs = "20\n", sriov_numvfs = "4\n",
      resource = resource { line(0xd4000000, 16 << 20, MEM32), line(0x3b800000000, 128 << 30, MEM64), nil,
        line(0x3b7fe000000, 32 << 20, MEM64), nil, nil, line(0xd5000000, 512 << 10, 0x46200),
        line(0xd6000000, 20 * (256 << 10), MEM32), line(0x3c000000000, 20 * (4 << 30), MEM64) },
      config = config(4096, { [0] = 0x20b510de, [8] = 0x030200a1, [0x2c] = 0x153310de,
        -- Resizable BAR at 0xbb0: 64 MB to 128 GB, BAR 1 at 128 GB; reached from SR-IOV at 0x100
        [0x100] = 0xbb010010, [0x10c] = 0x00140000, [0x110] = 0x00000004,
        [0xbb0] = 0x00010015, [0xbb4] = 0x003ffc00, [0xbb8] = 1 | 1 << 5 | 17 << 8 | 1 << 17 }),
    }, { iommu_group = "../../../../kernel/iommu_groups/23", driver = "../../../../bus/pci/drivers/vfio-pci" })
    device("0000:65:00.4", "0000:64:00.0", { vendor = hex(0x10de), device = hex(0x20b5), class = hex(0x030200),
      resource = resource { line(0xd6000000, 256 << 10, MEM32) } }, { physfn = "../0000:65:00.0" })
    device("0000:03:00.0", nil, { vendor = hex(0x10de), device = hex(0x2f04), class = hex(0x030000), boot_vga = "1\n",
      -- a 64-bit BAR that got no address, and I/O ports
      resource = resource { line(0xf0000000, 64 << 20, MEM32), line(0, 16 << 30, MEM64 | 0x20000000), nil,
        line(0x1000000000, 32 << 20, MEM64), nil, line(0xe000, 128, IO) } })
    device("10000:e1:00.0", nil, { vendor = hex(0x144d), device = hex(0xa80a), class = hex(0x010802) })
    device("0000:02:00.0", nil, { vendor = hex(0x1a03), device = hex(0x2000), class = hex(0x030000) })
    device("0000:7f:00.0", nil, {})
    shell("touch %s/bus/pci/devices/README && ln -s nowhere %s/bus/pci/devices/0000:99:00.0", root, root)
    for _, dev in ipairs(assert(pci.list { root = root, names = false })) do by[dev.address] = dev end
  end)
  teardown(function() os.execute("rm -rf " .. root) end)

  it("is listed in the order of addresses, longer domains last", function()
    local order = {}
    for i, dev in ipairs(assert(pci.list { root = root, names = false })) do order[i] = dev.address end
    assert.same({ "0000:02:00.0", "0000:03:00.0", "0000:64:00.0", "0000:65:00.0", "0000:65:00.4", "0000:7f:00.0",
      "10000:e1:00.0" }, order)
  end)

  it("gives ids, class and revision", function()
    local a100 = by["0000:65:00.0"]
    assert.same({ 0x10de, 0x20b5, 0x10de, 0x1533, 0x0302, 0, 0xa1 }, { a100.vendor, a100.device, a100.subvendor,
      a100.subdevice, a100.class, a100.prog_if, a100.revision })
    assert.same({ 0, 0x65, 0, 0 }, { a100.domain, a100.bus, a100.slot, a100.func })
    assert.equal(0x10000, by["10000:e1:00.0"].domain)
  end)

  it("gives BARs with size, kind, prefetch and address, and the ROM apart", function()
    local a100 = by["0000:65:00.0"]
    assert.same({
      { index = 0, kind = "mem32", size = 16 << 20, prefetchable = false, address = 0xd4000000 },
      { index = 1, kind = "mem64", size = 128 << 30, prefetchable = true, address = 0x3b800000000 },
      { index = 3, kind = "mem64", size = 32 << 20, prefetchable = true, address = 0x3b7fe000000 },
    }, a100.bars)
    assert.equal((128 << 30) + (48 << 20), a100.bytes)
    assert.equal(512 << 10, a100.rom)
  end)

  it("gives a BAR that got no address its size and no address", function()
    local card = by["0000:03:00.0"]
    assert.same({ index = 1, kind = "mem64", size = 16 << 30, prefetchable = true }, card.bars[2])
    assert.same({ index = 5, kind = "io", size = 128, prefetchable = false, address = 0xe000 }, card.bars[4])
    assert.equal((16 << 30) + (96 << 20), card.bytes)
  end)

  it("gives virtual functions: how many, and the BARs of one", function()
    assert.same({ total = 20, enabled = 4, bars = {
      { index = 0, kind = "mem32", size = 256 << 10, prefetchable = false, address = 0xd6000000 },
      { index = 1, kind = "mem64", size = 4 << 30, prefetchable = true, address = 0x3c000000000 },
    } }, by["0000:65:00.0"].sriov)
    assert.is_nil(by["0000:03:00.0"].sriov)
    assert.equal("0000:65:00.0", by["0000:65:00.4"].physfn)
  end)

  it("gives NUMA node, IOMMU group, driver, boot VGA, bridge and parent", function()
    local a100 = by["0000:65:00.0"]
    assert.equal(1, a100.numa_node)
    assert.equal(23, a100.iommu_group)
    assert.equal("vfio-pci", a100.driver)
    assert.is_false(a100.boot_vga)
    assert.is_false(a100.bridge)
    assert.equal("0000:64:00.0", a100.parent)
    assert.is_true(by["0000:03:00.0"].boot_vga)
    local bridge = by["0000:64:00.0"]
    assert.is_true(bridge.bridge)
    assert.equal(101, bridge.secondary_bus)
    assert.is_nil(bridge.parent)
  end)

  it("gives Resizable BAR: current size and what is supported", function()
    local rebar = by["0000:65:00.0"].rebar
    assert.equal(1, #rebar)
    assert.equal(1, rebar[1].index)
    assert.equal(128 << 30, rebar[1].current)
    local want = {}
    for exponent = 26, 37 do want[#want + 1] = 1 << exponent end
    want[#want + 1] = 1 << 49 -- bit 17 of the control register: 2^29 MiB
    assert.same(want, rebar[1].supported)
  end)

  it("says nothing about what a device does not tell", function()
    assert.same({ address = "0000:7f:00.0", domain = 0, bus = 0x7f, slot = 0, func = 0, bars = {}, bytes = 0 },
      by["0000:7f:00.0"])
  end)

  it("shows which devices are GPUs", function()
    assert.is_true(pci.is_gpu(by["0000:65:00.0"]))
    assert.is_false(pci.is_gpu(by["0000:03:00.0"]))
    assert.is_false(pci.is_gpu(by["0000:02:00.0"]))
    assert.is_false(pci.is_gpu(by["0000:64:00.0"]))
  end)

  it("gives the window of its cards", function()
    local w = assert(require "gpupt.bar".window { { bars = by["0000:65:00.0"].bars, count = 2 } })
    assert.equal(512, w.gb)
    assert.equal("measured", w.source)
  end)

  it("may be named by the folder that holds `devices`", function()
    assert.equal(7, #assert(pci.list { root = root .. "/bus/pci", names = false }))
  end)

  it("takes names from a pci.ids", function()
    put("pci.ids", "# comment\n10de  NVIDIA Corporation\n\t20b5  GA100 [A100 PCIe 80GB]\n\t\t10de 1533  A100 board\n"
      .. "\t20b7  GA100GL [A30 PCIe]\n1a03  ASPEED\n" .. ("x"):rep(5000) .. "\nC 03  Display controller\n\t00  VGA compatible controller\n"
      .. "\t02  3D controller\n")
    for _, dev in ipairs(assert(pci.list { root = root, names = root .. "/pci.ids" })) do by[dev.address] = dev end
    local a100 = by["0000:65:00.0"]
    assert.equal("NVIDIA Corporation", a100.vendor_name)
    assert.equal("GA100 [A100 PCIe 80GB]", a100.device_name)
    assert.equal("A100 board", a100.subsystem_name)
    assert.equal("3D controller", a100.class_name)
    assert.equal("ASPEED", by["0000:02:00.0"].vendor_name)
    assert.is_nil(by["0000:02:00.0"].device_name)
    assert.equal("ENOENT", select(3, pci.list { root = root, names = root .. "/no.ids" }))
  end)

  it("that is not there, or no sysfs, is said", function()
    local list, message, code = pci.list { root = "/no/such" }
    assert.is_nil(list)
    assert.matches("/no/such", message)
    assert.equal("ENOENT", code)
    list, message, code = pci.list { root = root .. "/kernel" }
    assert.is_nil(list)
    assert.matches("neither bus/pci/devices nor devices", message)
    assert.equal("ENOENT", code)
    assert.equal("ENOTDIR", select(3, pci.list { root = root .. "/pci.ids" }))
  end)

  it("of this machine is read without an error, if it has one", function()
    local list, _, code = pci.list()
    if not list then assert.equal("ENOENT", code) end
  end)
end)
