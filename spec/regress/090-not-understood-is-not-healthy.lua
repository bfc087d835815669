-- A log of which nothing was understood was "nothing wrong found" with status 0. The examination has a verdict of
-- three words, and what was not understood is listed with its line.
local command = require "spec.support.command"
local gpupt = require "gpupt"
local json = require "gpupt.json"

local VMX = [[
config.version = "8"
virtualHW.version = "19"
memsize = "16384"
firmware = "efi"
sched.mem.min = "16384"
sched.mem.pin = "TRUE"
pciBridge4.present = "TRUE"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "00000:066:00.0"
pciPassthru0.deviceId = "0x1eb8"
pciPassthru0.vendorId = "0x10de"
pciPassthru0.systemId = "5f1c-aa"
%s]]

local function vm(more) return gpupt.check(gpupt.vmx.parse(VMX:format(more or ""))) end

--- A result of gpupt.vmlog.scan without a finding.
local function scan(more)
  local result = { findings = {}, devices = {}, sessions = {}, session_count = 1, config = {}, files = { "vmkernel.log" },
    lines = 9, bytes = 900 }
  for name, value in pairs(more) do result[name] = value end
  return result
end

describe("the verdict of the doctor", function()
  it("is healthy when everything was understood and nothing is wrong", function()
    local result = gpupt.check(gpupt.doctor.examine { vmx = vm(), log = scan { form = "vmkernel" } })
    assert.equal("healthy", result.verdict)
    assert.is_true(result.healthy)
    assert.same({}, result.not_understood)
  end)

  it("is problems when a finding is worse than info", function()
    local result = gpupt.check(gpupt.doctor.examine { vmx = vm 'vcpu.hotadd = "TRUE"\n' })
    assert.equal("problems", result.verdict)
    assert.is_false(result.healthy)
  end)

  it("is unclear when a line of a log was not understood, and the line is listed", function()
    local line = "2012-08-07T07:57:31.269Z cpu9:739725)WARNING: VMKPCIPassthru: 1: something nobody has met"
    local result = gpupt.check(gpupt.doctor.examine { vmx = vm(),
      log = scan { not_understood = { { line = 7, text = line, word = "VMKPCIPassthru" } } } })
    assert.equal("unclear", result.verdict)
    assert.is_false(result.healthy)
    assert.same({ { file = "vmkernel.log", line = 7, text = line, word = "VMKPCIPassthru" } }, result.not_understood)
  end)

  it("is problems, with the list beside it, when both are there", function()
    local result = gpupt.check(gpupt.doctor.examine { vmx = vm 'vcpu.hotadd = "TRUE"\n',
      log = scan { not_understood = { { line = 7, text = "NVRM: x", word = "NVRM" } } } })
    assert.equal("problems", result.verdict)
    assert.equal(1, #result.not_understood)
  end)

  it("takes a line for understood that a finding rests on", function()
    local text = "nv-fabricmanager[4177]: failed with error NV_WARN_NOTHING_TO_DO"
    local doc = gpupt.check(gpupt.vmx.parse((VMX:format(""):gsub("0x1eb8", "0x20b2"))))
    local given = { text = text .. "\n", name = "dmesg.txt" }
    local read = gpupt.check(gpupt.vmlog.scan(given))
    local result = gpupt.check(gpupt.doctor.examine { vmx = doc, log = { given, scan { files = { "dmesg.txt" },
      not_understood = { { line = 1, text = text, word = "nvidia" }, { line = 2, text = "NVRM: x", word = "NVRM" } } } } })
    assert.equal(1, read.lines)
    assert.equal(1, #result.not_understood)
    assert.equal(2, result.not_understood[1].line)
  end)

  it("is unclear when a file has an unknown form", function()
    local result = gpupt.check(gpupt.doctor.examine { vmx = vm(), log = scan { form = "unknown", files = { "x.bin" } } })
    assert.equal("unclear", result.verdict)
    assert.equal("x.bin", result.not_understood[1].file)
    assert.matches("unknown form", result.not_understood[1].text)
  end)

  it("is unclear when a passthrough key is unknown, and the key is listed with its line", function()
    local result = gpupt.check(gpupt.doctor.examine { vmx = vm 'pciPassthru.quantumFlux = "TRUE"\n' })
    assert.equal("unclear", result.verdict)
    assert.same({ 13, 'pciPassthru.quantumFlux = "TRUE"' },
      { result.not_understood[1].line, result.not_understood[1].text })
  end)

  it("recognizes the keys of public KBs: none of them is unknown", function()
    for _, key in ipairs { "pciPassthru.vmiop.enableViommu", "pciPassthru0.maxMSIXvectors", "pciPassthru0.msiEnabled",
      "pciPassthru0.cfg.enable_uvm", "pciPassthru0.intrFirstMsixVector" } do
      local result = gpupt.check(gpupt.doctor.examine { vmx = vm(key .. ' = "31"\n') })
      assert.same({}, result.not_understood, key)
      for _, finding in ipairs(result.findings) do assert.not_equal("unknown-key", finding.code) end
    end
  end)
end)

describe("gpupt doctor", function()
  local c
  before_each(function() c = command.folder() end)
  after_each(function() c.remove() end)

  it("says the verdict, never that nothing is wrong", function()
    c.write("a.vmx", VMX:format "")
    local status, out = c.gpupt "doctor --vmx a.vmx"
    assert.equal(0, status)
    assert.matches("healthy; looked at:\n  a.vmx: 12 keys", out)
    assert.is_nil(out:find("nothing wrong", 1, true))
    assert.equal("healthy", json.decode(select(2, c.gpupt "doctor --vmx a.vmx --json")).verdict)
    assert.is_nil(select(2, c.gpupt "vmx check a.vmx"):find("nothing wrong", 1, true))
  end)

  it("exits with 1 for what is unclear and lists it", function()
    c.write("a.vmx", VMX:format 'pciPassthru.quantumFlux = "TRUE"\n')
    local status, out = c.gpupt "doctor --vmx a.vmx"
    assert.equal(1, status)
    assert.matches('not understood:\n    a.vmx:13: pciPassthru.quantumFlux = "TRUE"', out)
    assert.matches("\nunclear: 1 line not understood; looked at:\n", out)
    status, out = c.gpupt "doctor --vmx a.vmx --json"
    assert.equal(1, status)
    assert.equal("unclear", json.decode(out).verdict)
    assert.equal(13, json.decode(out).not_understood[1].line)
    assert.equal(1, (c.gpupt "vmx check a.vmx"))
  end)

  it("has an empty list in its JSON when everything was understood", function()
    c.write("a.vmx", VMX:format "")
    assert.truthy(select(2, c.gpupt "doctor --vmx a.vmx --json"):find('"not_understood": []', 1, true))
  end)
end)
