-- A log of the past beside a .vmx of today. The doctor compares the settings that the log lists with those of the .vmx:
-- it never kept the bridges from the log, so each VM with bridges passed as changed since; and it looked for a key
-- named "pciPassthru*", so a card that was given anew never did.
local gpupt = require "gpupt"

local VMX = [[
config.version = "8"
virtualHW.version = "19"
memsize = "16384"
firmware = "efi"
sched.mem.min = "16384"
sched.mem.pin = "TRUE"
pciBridge0.present = "TRUE"
pciBridge4.present = "TRUE"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "00000:066:00.0"
pciPassthru0.deviceId = "0x1eb8"
pciPassthru0.vendorId = "0x10de"
pciPassthru0.systemId = "5f1c-aa"
]]

local STALE = "The systemId does not match the current system or the deviceId, and the vendorId does not match the "
  .. "device currently at 66:0.0."

local function log_of(settings, message)
  local lines = { "Log for VMware ESX pid=1 version=VMware ESXi 8.0.2 build=build-1 option=Release" }
  for line in settings:gmatch "[^\n]+" do lines[#lines + 1] = "DICT   " .. line end
  lines[#lines + 1] = message
  return { text = table.concat(lines, "\n") .. "\n" }
end

local function examine(vmx, log)
  return gpupt.check(gpupt.doctor.examine { vmx = gpupt.check(gpupt.vmx.parse(vmx)), log = log })
end

describe("a message of a log", function()
  it("on missing slots is no old news when the bridges are what they were", function()
    local result = examine(VMX, log_of(VMX, "No PCIe slot available for SCSI0"))
    assert.equal("no-pcie-slot", result.findings[1].code)
    assert.equal("error", result.findings[1].severity)
    assert.is_false(result.healthy)
  end)

  it("on missing slots is old news once the bridges were added", function()
    local result = examine(VMX, log_of((VMX:gsub("pciBridge[^\n]+\n", "")), "No PCIe slot available for SCSI0"))
    assert.equal("info", result.findings[1].severity)
    assert.is_true(result.healthy)
  end)

  it("on a card of another host is old news once the card was replaced", function()
    local anew = VMX:gsub("00000:066", "00000:098"):gsub("5f1c%-aa", "5f1c-bb")
    assert.is_true(examine(anew, log_of(VMX, STALE)).healthy)
    -- at the same address, too: the right entry must not be removed
    local result = examine(VMX:gsub("5f1c%-aa", "5f1c-bb"), log_of(VMX, STALE))
    assert.is_true(result.healthy)
    assert.is_false(result.findings[1].fixable)
  end)

  it("on a card of another host holds while the entry is the same, whatever the host added to it", function()
    local result = examine(VMX .. 'pciPassthru0.pciSlotNumber = "2208"\n', log_of(VMX, STALE))
    assert.equal("stale-backing", result.findings[1].code)
    assert.is_false(result.healthy)
  end)

  it("on a hexadecimal id is old news once the id is decimal", function()
    local hex = VMX:gsub("00000:066:00.0", "0000:0d:00.0")
    assert.is_true(examine(VMX, log_of(hex, "AH No device hints found")).healthy)
    assert.is_false(examine(VMX, log_of(VMX, "AH No device hints found")).healthy)
  end)

  it("says nothing of a card's entry when the log lists no card", function()
    local cut = 'firmware = "efi"\n'
    assert.is_false(examine(VMX, log_of(cut, "AH No device hints found")).healthy)
  end)
end)
