-- Messages as they also stand: Device Manager's sentence without its number, PowerShell's JSON, a log that lost the tag
-- before the message; and an error number that only begins like ENOMEM's.
local vmlog = require "gpupt.vmlog"

local function codes(text)
  local list = {}
  for i, finding in ipairs(require "gpupt".check(vmlog.scan { text = text .. "\n" }).findings) do list[i] = finding.code end
  return table.concat(list, " ")
end

local cases = {
  { "This device cannot find enough free resources that it can use.", "windows-code-12" },
  { "This device cannot find enough free resources that it can use. (Code 12)", "windows-code-12" },
  { "Windows has stopped this device because it has reported problems.", "windows-code-43" },
  { '    "ConfigManagerErrorCode":  43,', "windows-code-43" },
  { '    "ConfigManagerErrorCode":12', "windows-code-12" },
  { '    "ConfigManagerErrorCode":  430,', "" },
  { '    "ConfigManagerErrorCode":  0,', "" },
  { "vMotion, Storage vMotion, Fault Tolerance, and PCI hot-plug cannot be used for a virtual machine with PCI DirectPath "
    .. "I/O device.", "no-migration" },
  { "A virtual machine with a PCI DirectPath I/O device cannot be suspended when FPT devices in-use have posted "
    .. "interrupts enabled.", "no-suspend" },
  { "amdgpu: probe of 0000:03:00.0 failed with error -12", "amdgpu-memory" },
  { "amdgpu: probe of 0000:03:00.0 failed with error -121", "amdgpu-probe" },
}

describe("a message", function()
  for _, case in ipairs(cases) do
    it(("is %s: %s"):format(case[2] == "" and "none" or case[2], case[1]), function()
      assert.equal(case[2], codes(case[1]))
    end)
  end
end)
