local settings = require "gpupt.settings"

local A100 = { vendor = 0x10de, device = 0x20b5, class = 0x0302, name = "GA100 [A100 PCIe 80GB]" }
local T4 = { vendor = 0x10de, device = 0x1eb8, class = 0x0302, name = "TU104GL [Tesla T4]" }
local GEFORCE = { vendor = 0x10de, device = 0x2684, class = 0x0300, name = "AD102 [GeForce RTX 4090]" }

local function card(base, more)
  local copy = {}
  for k, v in pairs(base) do copy[k] = v end
  for k, v in pairs(more or {}) do copy[k] = v end
  return copy
end

local function compute(o)
  o.memory_mb = o.memory_mb or 65536
  return assert(settings.compute(o))
end

local function extra(value)
  local map = {}
  for _, pair in ipairs(value.extra) do map[pair.key] = pair.value end
  return map
end

local function why(value, name)
  for _, choice in ipairs(value.choices) do if choice.name == name then return choice.why, choice.value end end
end

describe("the settings of a VM", function()
  it("with two A100-80 are EFI with a 512 GiB window", function()
    local value = compute { gpus = { card(A100, { count = 2 }) }, guest = "ubuntu64Guest" }
    assert.equal("efi", value.firmware)
    assert.same({ ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "512" }, extra(value))
    assert.equal(512, value.window.gb)
  end)

  it("lock all memory, reserve all of it and set no limit", function()
    local value = compute { gpus = { A100 }, memory_mb = 131072 }
    assert.same({ locked = true, reservation_mb = 131072, limit = -1 }, value.memory)
  end)

  it("have a reason for each choice", function()
    local value = compute { gpus = { A100 }, horizon = true }
    for _, choice in ipairs(value.choices) do
      assert.is_string(choice.why)
      assert.is_true(#choice.why > 10, choice.name)
    end
    assert.is_truthy(why(value, "pciPassthru.64bitMMIOSizeGB"))
    assert.matches("3.5 GiB", why(value, "pciPassthru.use64bitMMIO"))
  end)

  it("prefer measured BARs to the table", function()
    local bars = { { index = 0, kind = "mem32", size = 1 << 24 }, { index = 1, kind = "mem64", size = 1 << 38 } }
    assert.equal("256", extra(compute { gpus = { card(A100, { bars = bars }) } })["pciPassthru.64bitMMIOSizeGB"])
  end)

  describe("below 3.5 GiB of BARs", function()
    it("need no window, with the reason", function()
      local value = compute { gpus = { T4 } }
      assert.same({}, extra(value))
      local reason, choice = why(value, "mmio")
      assert.equal("not needed", choice)
      assert.matches("304 MiB", reason)
      assert.matches("3.5 GiB", reason)
    end)

    it("warn for a guest with BIOS but do not refuse it", function()
      local value = compute { gpus = { T4 }, installed = "bios" }
      assert.equal("bios", value.firmware)
      assert.equal(1, #value.warnings)
    end)

    it("use a requested window", function()
      assert.equal("64", extra(compute { gpus = { T4 }, mmio = 64 })["pciPassthru.64bitMMIOSizeGB"])
    end)

    it("change at twelve T4 cards", function()
      -- a T4 maps 304 MiB: 11 are 3.27 GiB, 12 are 3.56 GiB
      assert.same({}, extra(compute { gpus = { card(T4, { count = 11 }) } }))
      assert.equal("TRUE", extra(compute { gpus = { card(T4, { count = 12 }) } })["pciPassthru.use64bitMMIO"])
    end)
  end)

  describe("refuse", function()
    local function refused(o, code, text)
      o.memory_mb = o.memory_mb or 65536
      local value, message, got = settings.compute(o)
      assert.is_nil(value)
      assert.equal(code, got)
      assert.matches(text, message, 1, true)
    end

    it("to change the firmware of an installed system", function()
      refused({ gpus = { T4 }, installed = "bios", firmware = "efi" }, "EFIRMWARE", "would make the disk unbootable")
    end)
    it("an installed BIOS guest whose cards need the window", function()
      refused({ gpus = { A100 }, installed = "bios" }, "EFIRMWARE", "convert its disk first")
    end)
    it("BIOS for a blank disk whose cards need the window", function()
      refused({ gpus = { A100 }, firmware = "bios" }, "EFIRMWARE", "which needs EFI")
    end)
    it("a window that is too small", function()
      refused({ gpus = { A100 }, mmio = 128 }, "EWINDOW", "at least 256")
    end)
    it("a window that is not a power of two", function()
      refused({ gpus = { A100 }, mmio = 300 }, "EINVAL", "not a power of two")
    end)
    it("mmio = off if a window is needed", function()
      refused({ gpus = { A100 }, mmio = "off" }, "EWINDOW", "more than the")
    end)
    it("an unknown rule", function()
      refused({ gpus = { A100 }, mmio = "huge" }, "EINVAL", "use min, safe, seed")
    end)
    it("memory that no VM can have", function()
      refused({ gpus = { A100 }, memory_mb = 4097 }, "EINVAL", "multiple of 4")
      refused({ gpus = { A100 }, memory_mb = 0 }, "EINVAL", "multiple of 4")
    end)
    it("an unknown card", function()
      refused({ gpus = { { vendor = 0x10de, device = 0xfffe } } }, "ENOENT", "10de:fffe")
    end)
    it("no cards", function() refused({ gpus = {} }, "EINVAL", "no cards") end)
    it("a misspelt option, naming the nearest", function()
      assert.error_matches(function() settings.compute { gpus = { A100 }, memory_mb = 4, horizn = true } end,
        "unknown option 'horizn' (did you mean 'horizon'?)", 1, true)
    end)
  end)

  describe("hide the hypervisor", function()
    local function hidden(o)
      local value = compute(o)
      return extra(value)["hypervisor.cpuid.v0"], value
    end

    it("from a GeForce in Windows whose driver is older than 465", function()
      assert.equal("FALSE", (hidden { gpus = { GEFORCE }, guest = "windows9_64Guest", driver = "461.92" }))
    end)
    it("from a GeForce in Windows whose driver is unknown", function()
      assert.equal("FALSE", (hidden { gpus = { GEFORCE }, guest = "windows9_64Guest" }))
    end)
    it("not from a newer driver", function()
      assert.is_nil((hidden { gpus = { GEFORCE }, guest = "windows9_64Guest", driver = "465.89" }))
    end)
    it("not in Linux", function()
      assert.is_nil((hidden { gpus = { GEFORCE }, guest = "ubuntu64Guest" }))
    end)
    it("not from a datacenter card", function()
      assert.is_nil((hidden { gpus = { A100 }, guest = "windows2022srvNext_64Guest" }))
    end)
    it("from a datacenter card only if requested, which needs an approval", function()
      local set, value = hidden { gpus = { A100 }, hide_hypervisor = true }
      assert.equal("FALSE", set)
      assert.same({ "hide-hypervisor" }, value.allow)
      assert.equal(1, #value.warnings)
    end)
    it("from a GeForce if requested, without an approval", function()
      local _, value = hidden { gpus = { GEFORCE }, hide_hypervisor = true }
      assert.same({}, value.allow)
    end)
    it("never if disabled", function()
      assert.is_nil((hidden { gpus = { GEFORCE }, guest = "windows9_64Guest", hide_hypervisor = false }))
    end)
  end)

  describe("with Horizon", function()
    it("set the video card to custom settings without 3D", function()
      assert.same({ auto_detect = false, enable_3d = false, renderer = "automatic", text = "custom settings, 3D off" },
        compute { gpus = { A100 }, horizon = true }.video)
    end)
    it("give the video card the displays and the memory that they need, or as much as was asked for", function()
      local video = compute { gpus = { A100 }, horizon = true, displays = 2 }.video
      assert.same({ 2, 32 * 1024, "custom settings, 3D off, 2 displays, 32 MiB" }, { video.displays, video.ram_kb, video.text })
      video = compute { gpus = { A100 }, horizon = true, displays = 1, video_memory_mb = 128 }.video
      assert.same({ 1, 128 * 1024, "custom settings, 3D off, 1 display, 128 MiB" }, { video.displays, video.ram_kb, video.text })
    end)
    it("refuse displays of another VM's video card, and no displays", function()
      local _, message, code = settings.compute { gpus = { A100 }, memory_mb = 1024, displays = 2 }
      assert.same({ "EINVAL", true }, { code, message:find("set horizon = true", 1, true) ~= nil })
      _, message = settings.compute { gpus = { A100 }, memory_mb = 1024, horizon = true, displays = 0 }
      assert.equal("displays: 0 is less than 1", message)
    end)
    it("leave the video card unchanged without Horizon", function()
      assert.is_nil(compute { gpus = { A100 } }.video)
    end)
  end)
end)

describe("the settings as a reconfigure", function()
  local host = { address = "0000:3b:00.0", system_id = "5f2c-uuid" }

  it("contain everything in one spec", function()
    local value = compute { gpus = { card(A100, host), card(A100, { address = "0000:86:00.0", system_id = "5f2c-uuid" }) } }
    local spec = assert(settings.to_spec(value, { change_version = "v7" }))
    assert.equal("v7", spec.changeVersion)
    assert.equal("efi", spec.firmware)
    assert.is_true(spec.memoryReservationLockedToMax)
    assert.same({ reservation = 65536, limit = -1 }, spec.memoryAllocation)
    assert.same({ false, false, false }, { spec.cpuHotAddEnabled, spec.memoryHotAddEnabled, spec.nestedHVEnabled })
    assert.same({ { key = "pciPassthru.use64bitMMIO", value = "TRUE" },
      { key = "pciPassthru.64bitMMIOSizeGB", value = "512" } }, spec.extraConfig)
    assert.equal(2, #spec.deviceChange)
    local first, second = spec.deviceChange[1].device, spec.deviceChange[2].device
    assert.is_true(first.key < 0 and second.key < 0 and first.key ~= second.key)
    assert.same({ _type = "VirtualPCIPassthroughDeviceBackingInfo", deviceName = "GA100 [A100 PCIe 80GB]",
      id = "0000:3b:00.0", deviceId = "20b5", systemId = "5f2c-uuid", vendorId = 0x10de }, first.backing)
  end)

  it("encode ids of 0x8000 and above as vim25 does", function()
    local bars = { { index = 0, kind = "mem64", size = 1 << 30 } }
    local value = compute { gpus = { card(host, { vendor = 0x8086, device = 0x8bd5, bars = bars }) } }
    local backing = assert(settings.to_spec(value)).deviceChange[1].device.backing
    assert.equal(-32634, backing.vendorId)
    assert.equal("8bd5", backing.deviceId)
  end)

  it("name card models for a dynamic backing, one device each", function()
    local value = compute { gpus = { card(T4, { count = 2, subvendor = 0x10de, subdevice = 0x12a2 }) },
      backing = "dynamic", label = "t4-vdi" }
    local spec = assert(settings.to_spec(value))
    assert.equal(2, #spec.deviceChange)
    assert.same({ _type = "VirtualPCIPassthroughDynamicBackingInfo", deviceName = "", customLabel = "t4-vdi",
      allowedDevice = { { vendorId = 0x10de, deviceId = 0x1eb8, subVendorId = 0x10de, subDeviceId = 0x12a2 } } },
      spec.deviceChange[2].device.backing)
  end)

  it("edit the video card that the VM has", function()
    local value = compute { gpus = { card(A100, host) }, horizon = true }
    local spec = assert(settings.to_spec(value, { video_card = { key = 500, controllerKey = 100, unitNumber = 0,
      videoRamSizeInKB = 4096, numDisplays = 1, use3dRenderer = "automatic", useAutoDetect = true } }))
    assert.same({ operation = "edit", device = { _type = "VirtualMachineVideoCard", key = 500, controllerKey = 100,
      unitNumber = 0, videoRamSizeInKB = 4096, numDisplays = 1, use3dRenderer = "automatic", useAutoDetect = false,
      enable3DSupport = false } }, spec.deviceChange[1])
  end)

  it("set the displays and the memory of the video card, and the renderer that 3D had", function()
    local value = compute { gpus = { card(A100, host) }, horizon = true, displays = 2, video_memory_mb = 64 }
    local spec = assert(settings.to_spec(value, { video_card = { key = 500, videoRamSizeInKB = 4096, numDisplays = 1,
      use3dRenderer = "hardware", useAutoDetect = false, enable3DSupport = true } }))
    assert.same({ _type = "VirtualMachineVideoCard", key = 500, videoRamSizeInKB = 65536, numDisplays = 2,
      use3dRenderer = "automatic", useAutoDetect = false, enable3DSupport = false }, spec.deviceChange[1].device)
  end)

  it("refuse a fixed backing without an address", function()
    local _, message, code = settings.to_spec(compute { gpus = { A100 } })
    assert.equal("EINVAL", code)
    assert.matches("needs the card's address", message)
  end)
end)

describe("the settings as keys of a .vmx", function()
  -- a document needs get, set and unset; a real one is tested below
  local function document(lines)
    local doc = { keys = {}, touched = {} }
    for key, v in pairs(lines or {}) do doc.keys[key:lower()] = v end
    function doc:get(key) return self.keys[key:lower()] end
    function doc:set(key, v) self.keys[key:lower()] = v self.touched[key] = v end
    function doc:unset(key) self.keys[key:lower()] = nil self.touched[key] = false end
    return doc
  end

  it("write the address in decimal and the ids in hexadecimal", function()
    local doc = document()
    local value = compute { gpus = { card(A100, { address = "0000:3b:00.0", system_id = "u-1" }) } }
    assert.is_true(settings.to_vmx(value, doc))
    assert.same({ "00000:059:00.0", "0x20b5", "0x10de", "u-1", "TRUE" }, { doc:get "pciPassthru0.id",
      doc:get "pciPassthru0.deviceId", doc:get "pciPassthru0.vendorId", doc:get "pciPassthru0.systemId",
      doc:get "pciPassthru0.present" })
    assert.same({ "65536", "65536", "TRUE", "256" }, { doc:get "sched.mem.min",
      doc:get "sched.mem.minSize", doc:get "sched.mem.pin", doc:get "pciPassthru.64bitMMIOSizeGB" })
  end)

  it("remove a memory limit", function()
    local doc = document { ["sched.mem.max"] = "4096" }
    assert(settings.to_vmx(compute { gpus = { T4 } }, doc))
    assert.is_nil(doc:get "sched.mem.max")
  end)

  it("do not change an equal value in other case", function()
    local doc = document { firmware = "EFI", ["sched.mem.pin"] = "true" }
    assert(settings.to_vmx(compute { gpus = { T4 } }, doc))
    assert.is_nil(doc.touched.firmware)
    assert.is_nil(doc.touched["sched.mem.pin"])
  end)

  it("change nothing the second time, in a real document", function()
    local vmx = require "gpupt.vmx"
    local doc = assert(vmx.parse 'displayName = "x"\nmemSize = "4096"\n')
    local value = compute { gpus = { card(A100, { address = "0000:af:00.0", system_id = "u-1" }) } }
    assert(settings.to_vmx(value, doc))
    local once = tostring(doc)
    assert.matches('pciPassthru0.id = "00000:175:00.0"', once, 1, true)
    assert(settings.to_vmx(value, doc))
    assert.equal(once, tostring(doc))
  end)

  it("refuse a card with an invalid address and do not change the document", function()
    local doc = document()
    local ok, _, code = settings.to_vmx(compute { gpus = { card(A100, { address = "slot 3", system_id = "u" }) } }, doc)
    assert.is_nil(ok)
    assert.equal("EINVAL", code)
    assert.same({}, doc.touched)
  end)
end)
