-- Values as people write them: a size with its unit was "no power of two" without an answer, vhv.enable = "1" was off, a
-- vendor in four decimal digits had no answer; a window's size was mended on a BIOS VM, where it does nothing; and a
-- dynamic device on a hardware version that does not have it was no finding.
local gpupt = require "gpupt"

local VMX = [[
config.version = "8"
virtualHW.version = "%s"
memsize = "%s"
firmware = "%s"
sched.mem.min = "16384"
sched.mem.pin = "TRUE"
pciBridge4.present = "TRUE"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "00000:066:00.0"
pciPassthru0.deviceId = "0x1eb8"
pciPassthru0.vendorId = "0x10de"
pciPassthru0.systemId = "5f1c-aa"
%s]]

local function examine(text)
  local doc = gpupt.check(gpupt.vmx.parse(text))
  return gpupt.check(gpupt.doctor.examine { vmx = doc }), doc
end

local function the(result, code)
  for _, finding in ipairs(result.findings) do
    if finding.code == code then return finding end
  end
end

describe("a window of", function()
  for value, wanted in pairs { ["64GB"] = "64", ["64 GB"] = "64", ["64g"] = "64", ["100GB"] = "128" } do
    it(value .. " is " .. wanted, function()
      local text = VMX:format("19", "16384", "efi", 'pciPassthru.use64bitMMIO = "TRUE"\npciPassthru.64bitMMIOSizeGB = "' .. value .. '"\n')
      local result, doc = examine(text)
      assert.equal("Set it to " .. wanted .. ".", the(result, "mmio-size").remedy)
      gpupt.doctor.fix(result.findings, doc)
      assert.equal(wanted, (doc:get "pciPassthru.64bitMMIOSizeGB"))
    end)
  end

  it("an invalid size is not fixed on a BIOS VM, where the window does nothing", function()
    local text = VMX:format("19", "16384", "bios", 'pciPassthru.use64bitMMIO = "TRUE"\npciPassthru.64bitMMIOSizeGB = "100"\n')
    local result, doc = examine(text)
    assert.is_false(the(result, "mmio-size").fixable)
    gpupt.doctor.fix(result.findings, doc)
    assert.equal(text, tostring(doc))
  end)
end)

describe("a memory size of", function()
  for value, wanted in pairs { ["16GB"] = "16384", ["16384MB"] = "16384", ["16 G"] = "16384" } do
    it(("%s is proposed as %s"):format(value, wanted), function()
      local finding = the(examine(VMX:format("19", value, "efi", "")), "memory-size")
      assert.equal('memsize = "' .. wanted .. '"', finding.proposal)
      assert.is_false(finding.fixable)
    end)
  end
end)

describe("a switch that excludes a card", function()
  for _, word in ipairs { "1", "yes", "T", "on", "true" } do
    it("is on when it is spelled " .. word, function()
      assert.truthy(the(examine(VMX:format("19", "16384", "efi", 'vhv.enable = "' .. word .. '"\n')), "nested-hv"))
      assert.truthy(the(examine(VMX:format("19", "16384", "efi", 'vcpu.hotadd = "' .. word .. '"\n')), "cpu-hot-add"))
    end)
  end

  it("is off when it is spelled 0, no or FALSE", function()
    for _, word in ipairs { "0", "no", "FALSE", "" } do
      assert.is_nil(the(examine(VMX:format("19", "16384", "efi", 'vhv.enable = "' .. word .. '"\n')), "nested-hv"))
    end
  end)
end)

describe("a vendor in four decimal digits", function()
  it("is proposed as the vendor that it is in decimal", function()
    local finding = the(examine((VMX:format("19", "16384", "efi", ""):gsub('"0x10de"', '"4318"'))), "id-spelling")
    assert.equal('pciPassthru0.vendorId = "0x10de"', finding.proposal)
    finding = the(examine((VMX:format("19", "16384", "efi", ""):gsub('"0x10de"', '"1234"'))), "id-spelling")
    assert.is_nil(finding.proposal)
  end)
end)

describe("a dynamic device", function()
  local function dynamic(version)
    local text = VMX:format(version, "16384", "efi", 'pciPassthru0.allowedDevices = "0x10de:0x1eb8"\n')
    for _, key in ipairs { "id", "deviceId", "vendorId", "systemId" } do text = text:gsub("pciPassthru0%." .. key .. "[^\n]*\n", "") end
    return the(examine(text), "hardware-version")
  end

  it("needs hardware version 17 (vSphere 7.0)", function()
    assert.matches("Dynamic DirectPath needs hardware version 17", dynamic("15").cause)
    assert.is_nil(dynamic "17")
  end)
end)
