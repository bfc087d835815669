-- --fix removed a card because a filtered list did not hold it, wrote a key under a guessed name (a relaxation of ACS),
-- and switched off one half of two settings that go together. What is not safe is a proposal with its exact lines.
local command = require "spec.support.command"
local gpupt = require "gpupt"

local CARD = [[
pciPassthru0.present = "TRUE"
pciPassthru0.id = "00000:059:00.0"
pciPassthru0.deviceId = "0x1eb8"
pciPassthru0.vendorId = "0x10de"
pciPassthru0.systemId = "5f1c2b3a-0001-0002-0003-aabbccddeeff"
]]
local BASE = [[
config.version = "8"
virtualHW.version = "20"
memsize = "16384"
firmware = "efi"
sched.mem.min = "16384"
sched.mem.pin = "TRUE"
pciBridge4.present = "TRUE"
]]

local function block(address, vendor, device, class)
  return ([[
0000:%s
   Address: 0000:%s
   Vendor ID: 0x%s
   Device ID: 0x%s
   Device Class: 0x%s
   Configured Owner: VM Passthru
   Current Owner: VM Passthru
   Passthru Capable: true

]]):format(address, address, vendor, device, class)
end
local ROOT = block("00:00.0", "8086", "2020", "0600")
local BMC = block("03:00.0", "1a03", "2000", "0300")

local function list(text, complete)
  local devices = gpupt.check(gpupt.pci.parse(text))
  devices.complete = complete
  return devices
end

local function examine(vmx, given)
  given = given or {}
  given.vmx = gpupt.check(gpupt.vmx.parse(vmx))
  return gpupt.check(gpupt.doctor.examine(given)), given.vmx
end

local function the(result, code)
  for _, finding in ipairs(result.findings) do
    if finding.code == code then return finding end
  end
end

describe("a card that is not in a list", function()
  it("is gone only when the list is complete, and even then its removal is a proposal", function()
    local result, doc = examine(BASE .. CARD, { pci = list(ROOT .. BMC, true) })
    local finding = the(result, "stale-backing")
    assert.equal("error", finding.severity)
    assert.is_false(finding.fixable)
    assert.is_nil(finding.fix)
    assert.matches("remove pciPassthru0.id\n", finding.proposal, 1, true)
    gpupt.doctor.fix(result.findings, doc)
    assert.equal(BASE .. CARD, tostring(doc))
  end)

  for what, complete in pairs { ["is incomplete"] = false, ["may be incomplete"] = "unknown" } do
    it("is asked for when the list " .. what, function()
      local result, doc = examine(BASE .. CARD, { pci = list(ROOT .. BMC, complete) })
      assert.is_nil(the(result, "stale-backing"))
      local finding = the(result, "not-in-list")
      assert.equal("warning", finding.severity)
      assert.matches("not in this list", finding.cause)
      assert.matches("filter", finding.cause)
      assert.is_false(finding.fixable)
      gpupt.doctor.fix(result.findings, doc)
      assert.equal(BASE .. CARD, tostring(doc))
    end)
  end

  it("is asked for when a text holds bridges and no display controller at all", function()
    local result = examine(BASE .. CARD, { pci = list(ROOT .. block("00:01.0", "8086", "2030", "0604")) })
    assert.is_nil(the(result, "stale-backing"))
    assert.truthy(the(result, "not-in-list"))
  end)

  it("is asked for when a text holds no host bridge, as every whole list does", function()
    local result = examine(BASE .. CARD, { pci = list(BMC) })
    assert.is_nil(the(result, "stale-backing"))
    assert.truthy(the(result, "not-in-list"))
    assert.equal("problems", result.verdict)
  end)

  it("is found again at another address of a complete list: the proposal has the exact line", function()
    local result = examine(BASE .. CARD, { pci = list(ROOT .. block("d8:00.0", "10de", "1eb8", "0302"), true) })
    assert.matches('pciPassthru0.id = "00000:216:00.0"', the(result, "stale-backing").proposal, 1, true)
  end)
end)

describe("an unknown key", function()
  it("is never given another name by --fix: a relaxation of ACS least of all", function()
    for _, key in ipairs { "RelaxACSCheck", "use64bitMIMO" } do
      local text = BASE .. CARD .. ("pciPassthru.%s = \"TRUE\"\n"):format(key)
      local result, doc = examine(text)
      gpupt.doctor.fix(result.findings, doc)
      assert.equal(text, tostring(doc))
      local finding = the(result, "unknown-key")
      assert.is_false(finding.fixable)
      assert.is_string(finding.proposal)
    end
  end)
end)

describe("settings that only work together", function()
  it("nested virtualization and VBS are switched off together (KB 437651)", function()
    local result, doc = examine(BASE .. CARD .. 'vhv.enable = "TRUE"\nwindows.vbs.enabled = "TRUE"\n')
    assert.truthy(the(result, "nested-hv"))
    gpupt.doctor.fix(result.findings, doc)
    assert.equal("FALSE", doc:get "vhv.enable")
    assert.equal("FALSE", doc:get "windows.vbs.enabled")
  end)

  it("VBS alone is found as well", function()
    local result, doc = examine(BASE .. CARD .. 'windows.vbs.enabled = "TRUE"\n')
    assert.equal("error", the(result, "nested-hv").severity)
    gpupt.doctor.fix(result.findings, doc)
    assert.equal("FALSE", doc:get "windows.vbs.enabled")
    assert.is_nil((doc:get "vhv.enable"))
  end)

  it("reservation, lock and limit are set together", function()
    local text = (BASE:gsub('sched.mem.min = "16384"\n', "")) .. CARD .. 'sched.mem.max = "8192"\n'
    local result, doc = examine(text)
    gpupt.doctor.fix(result.findings, doc)
    assert.same({ "16384", "TRUE" }, { doc:get "sched.mem.min", (doc:get "sched.mem.pin") })
    assert.is_nil((doc:get "sched.mem.max"))
  end)

  it("a limit is not taken away where the reservation cannot be made", function()
    local text = (BASE:gsub('memsize = "16384"\n', ""):gsub('sched.mem.min = "16384"\n', "")) .. CARD
      .. 'sched.mem.max = "8192"\n'
    local result, doc = examine(text)
    assert.is_false(the(result, "memory-limit").fixable)
    gpupt.doctor.fix(result.findings, doc)
    assert.equal("8192", (doc:get "sched.mem.max"))
  end)

  it("two values of firmware are no choice of ours", function()
    local text = 'firmware = "bios"\n' .. BASE .. CARD
    local result, doc = examine(text)
    assert.is_false(the(result, "duplicate-key").fixable)
    gpupt.doctor.fix(result.findings, doc)
    assert.equal(text, tostring(doc))
  end)
end)

describe("gpupt doctor --fix", function()
  it("with a filtered list leaves the file, asks, and exits with 1", function()
    local c <close> = setmetatable(command.folder(), { __close = function(self) self.remove() end })
    c.write("vm.vmx", BASE .. CARD)
    c.write("filtered.txt", "[root@esx:~] esxcli hardware pci list -c 0x0300 -m 0xff\n" .. BMC)
    local status, out = c.gpupt "doctor --vmx vm.vmx --pci filtered.txt --fix"
    assert.equal(1, status)
    assert.equal(BASE .. CARD, c.read "vm.vmx")
    assert.matches("not in this list", out)
  end)

  it("examines again and lists what is left", function()
    local c <close> = setmetatable(command.folder(), { __close = function(self) self.remove() end })
    c.write("vm.vmx", BASE:gsub('"efi"', '"bios"') .. CARD:gsub("1eb8", "20b5") .. 'vcpu.hotadd = "TRUE"\n')
    local status, out = c.gpupt "doctor --vmx vm.vmx --fix"
    assert.equal(1, status)
    assert.matches("fixed: cpu%-hot%-add\n.*error: mmio%-window\n", out)
    assert.matches("proposal:", out)
    assert.is_nil(out:find("error: cpu-hot-add", 1, true))
  end)
end)
