local pci = require "gpupt.pci"

local function dev(ids, class, more)
  local v, d, sv, sd = ids:match "^(%x+):(%x+):?(%x*):?(%x*)$"
  local record = { vendor = tonumber(v, 16), device = tonumber(d, 16), subvendor = tonumber(sv, 16),
    subdevice = tonumber(sd, 16), class = class, domain = 0, bus = 0x65, slot = 0, func = 0, address = "0000:65:00.0" }
  for k, value in pairs(more or {}) do record[k] = value end
  return record
end

describe("a GPU", function()
  for what, record in pairs {
    ["NVIDIA, 3D controller"] = dev("10de:20b5", 0x0302), ["NVIDIA, VGA"] = dev("10de:2684", 0x0300),
    ["AMD MI210, display controller"] = dev("1002:740f", 0x0380), ["AMD MI300X, accelerator"] = dev("1002:74a1", 0x1200),
    ["Intel Flex 170"] = dev("8086:56c0", 0x0380), ["Habana Gaudi2, accelerator"] = dev("1da3:1020", 0x1200),
  } do
    it("is " .. what, function() assert.is_true(pci.is_gpu(record)) end)
  end

  for what, case in pairs {
    ["a BMC's VGA (ASPEED)"] = { dev("1a03:2000", 0x0300), "ASPEED management graphics" },
    ["a BMC's VGA (Matrox)"] = { dev("102b:0536", 0x0300), "Matrox management graphics" },
    ["VMware's SVGA"] = { dev("15ad:0405", 0x0300), "VMware's virtual display" },
    ["the audio function of a card"] = { dev("10de:22ba", 0x0403), "the audio function of a card" },
    ["an NVSwitch"] = { dev("10de:22a3", 0x0680), "an NVSwitch of an HGX H100 or H200 board" },
    ["a PCI bridge of a card"] = { dev("10de:1234", 0x0680), "a bridge" },
    ["the USB controller of a card"] = { dev("10de:1ad6", 0x0c03), "a USB controller" },
    ["the console"] = { dev("10de:1eb8", 0x0300, { boot_vga = true }), "it is the console %(boot VGA%)" },
    ["the processor's graphics"] = { dev("8086:4680", 0x0300, { bus = 0, slot = 2 }), "Intel graphics of the processor" },
    ["a network card"] = { dev("8086:1572", 0x0200), "class 0200 is neither" },
    ["an accelerator of another vendor"] = { dev("1ac1:089a", 0x1200), "vendor 1ac1 is not known" },
    ["a device of unknown class"] = { dev("10de:20b5", nil), "its class is not known" },
    ["a device of unknown ids"] = { { class = 0x0300 }, "its vendor is not known" },
  } do
    it("is not " .. what .. ", with the reason", function()
      local is, reason = pci.is_gpu(case[1])
      assert.is_false(is)
      assert.matches(case[2], reason)
    end)
  end
end)

describe("a pattern", function()
  local a16 = dev("10de:25b6:10de:14a9", 0x0302)
  for pattern, want in pairs {
    ["10de:25b6"] = true, ["10DE:25B6"] = true, ["10de:*"] = true, ["*:*"] = true, ["*:25b6"] = true, ["10de:25*"] = true,
    ["10de:25b?"] = true, ["10de:25b7"] = false, ["1002:*"] = false, ["10de:25b6:10de:14a9"] = true,
    ["10de:25b6:*:14a9"] = true, ["10de:25b6:10de:157e"] = false, ["10de:25b6:10de"] = true, ["class=0302"] = true,
    ["class=03*"] = true, ["class=0300"] = false, ["0000:65:00.0"] = true, ["65:00.0"] = true, ["00000:101:00.0"] = true,
    ["66:00.0"] = false, gpu = true,
  } do
    it(("'%s' %s"):format(pattern, want and "fits" or "does not fit"), function()
      assert.equal(want, pci.match(a16, pattern))
    end)
  end

  it("tells an A2 from an A16, which share their ids, by the subsystem", function()
    local a2 = dev("10de:25b6:10de:157e", 0x0302)
    assert.is_true(pci.match(a2, "10de:25b6:10de:157e"))
    assert.is_false(pci.match(a16, "10de:25b6:10de:157e"))
  end)

  it("of short ids is filled up with zeros, not taken as a beginning", function()
    assert.is_true(pci.match(dev("00de:0001", 0), "de:1"))
    assert.is_false(pci.match(a16, "10de:25"))
  end)

  it("may be a list, of which one must fit", function()
    assert.is_true(pci.match(a16, { "1002:*", "10de:*" }))
    assert.is_false(pci.match(a16, { "1002:*", "8086:*" }))
    assert.is_false(pci.match(a16, {}))
  end)

  for _, bad in ipairs { "", "10de", "10de:25b6:1:2:3", "xyz:1", "10de:25b67", "class=", "class=xyz", "65:00.9", "1.2" } do
    it(("'%s' is refused"):format(bad), function()
      local fits, message, code = pci.match(a16, bad)
      assert.is_nil(fits)
      assert.matches("is not a pattern", message)
      assert.equal("EINVAL", code)
      assert.equal("EINVAL", select(3, pci.match(a16, { "10de:*", bad })))
    end)
  end

  it("does not fit what is not known", function()
    assert.is_false(pci.match({ vendor = 0x10de }, "10de:25b6"))
    assert.is_true(pci.match({ vendor = 0x10de }, "10de:*"))
  end)
end)

describe("devices that travel together", function()
  local function at(address, more)
    local a = pci.address(address)
    local record = { address = address, domain = a.domain, bus = a.bus, slot = a.slot, func = a.func, class = 0x0300 }
    for k, v in pairs(more or {}) do record[k] = v end
    return record
  end
  local function names(groups)
    local list = {}
    for i, group in ipairs(groups) do
      local members = {}
      for k, one in ipairs(group.devices) do members[k] = one.address end
      list[i] = table.concat(members, " ")
    end
    return list
  end

  it("are the functions of a card", function()
    local groups = pci.together { at "0000:01:00.0", at "0000:01:00.1", at "0000:02:00.0" }
    assert.same({ "0000:01:00.0 0000:01:00.1", "0000:02:00.0" }, names(groups))
    assert.same({ "functions of one device, 0000:01:00" }, groups[1].reasons)
    assert.same({}, groups[2].reasons)
  end)
  it("are those of one IOMMU group, bridges left out", function()
    local groups = pci.together { at("0000:01:00.0", { iommu_group = 7 }), at("0000:02:00.0", { iommu_group = 7 }),
      at("0000:00:01.0", { iommu_group = 7, class = 0x0604, bridge = true }), at("0000:03:00.0", { iommu_group = 8 }) }
    assert.same({ "0000:01:00.0 0000:02:00.0", "0000:00:01.0", "0000:03:00.0" }, names(groups))
    assert.same({ "IOMMU group 7" }, groups[1].reasons)
  end)
  it("are those that ESXi says depend on each other", function()
    local groups = pci.together { at("0000:04:00.0", { dependent = "0000:04:00.0" }),
      at("0000:05:00.0", { dependent = "0000:06:00.0" }), at("0000:06:00.0", { dependent = "0000:05:00.0" }) }
    assert.same({ "0000:04:00.0", "0000:05:00.0 0000:06:00.0" }, names(groups))
    assert.same({ "0000:05:00.0 depends on 0000:06:00.0" }, groups[2].reasons)
  end)
  it("are joined over several steps", function()
    local groups = pci.together { at("0000:01:00.0", { iommu_group = 1 }), at("0000:01:00.1", { iommu_group = 2 }),
      at("0000:02:00.0", { iommu_group = 2 }), at("0000:03:00.0", { dependent = "0000:02:00.0" }) }
    assert.equal(1, #groups)
    assert.equal(4, #groups[1].devices)
    assert.equal(3, #groups[1].reasons)
  end)
end)

describe("a vSphere HostPciDevice", function()
  it("has signed numbers on the wire, unsigned ones in its record", function()
    assert.same({
      address = "0000:c1:00.0", domain = 0, bus = 0xc1, slot = 0, func = 0, vendor = 0x8086, device = 0xf1a8,
      subvendor = 0x10de, subdevice = 0x8000, class = 0x0302, parent = "0000:c0:00.0", vendor_name = "Intel",
      device_name = "X", bars = {},
    }, pci.from_vim { id = "0000:c1:00.0", classId = 770, bus = -63, slot = 0, ["function"] = 0, vendorId = -32634,
      deviceId = -3672, subVendorId = 4318, subDeviceId = -32768, parentBridge = "0000:c0:00.0", vendorName = "Intel",
      deviceName = "X" })
  end)
  it("with class 1536 is a host bridge", function()
    assert.equal(0x0600, pci.from_vim { id = "0000:00:00.0", classId = 1536, vendorId = -32634 }.class)
  end)
  it("without an address is refused", function()
    assert.equal("EINVAL", select(3, pci.from_vim { id = "none" }))
    assert.has_error(function() pci.from_vim(5) end)
  end)
end)
