-- Files of which the doctor knew no form counted as read and healthy, "-" was no file, and only one list could be given.
local command = require "spec.support.command"

describe("gpupt doctor", function()
  local c
  before_each(function() c = command.folder() end)
  after_each(function() c.remove() end)

  it("says that a file of no known form is unread, and is not healthy with it", function()
    c.write("notes.txt", "Dear support,\nthe card does not work.\nRegards\n")
    local status, out = c.gpupt "doctor --evidence notes.txt"
    assert.equal(1, status)
    assert.matches("notes.txt", out, 1, true)
    assert.matches("unread", out, 1, true)
    assert.not_matches("nothing wrong found", out, 1, true)
  end)

  it("reads standard input and several files at once", function()
    c.write("smi.txt", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest "
      .. "NVIDIA driver is installed and running.\n")
    local status, out = c.gpupt "doctor --evidence - --evidence smi.txt < smi.txt"
    assert.equal(1, status)
    assert.matches("smi.txt:1: NVIDIA-SMI has failed", out, 1, true)
    assert.matches("standard input:1: NVIDIA-SMI has failed", out, 1, true)
    local code, _, err = c.gpupt "doctor --pci - --evidence smi.txt < /dev/null"
    assert.equal(1, code)
    assert.matches("standard input: no PCI device found", err, 1, true)
  end)

  it("knows a .vmx and a log among the evidence by what is in them", function()
    c.write("a.txt", 'config.version = "8"\nvirtualHW.version = "7"\nfirmware = "efi"\nmemSize = "4096"\npciPassthru0.present = "TRUE"\n')
    c.write("b.txt", "2022-04-22T03:04:15.771Z| vmx| | I005: PCIPassthru: total number of pages needed (4206594) exceeds limit (917504), failing\n")
    local status, out = c.gpupt "doctor --evidence a.txt --evidence b.txt"
    assert.equal(1, status)
    assert.matches("a.txt:5: pciPassthru0.present", out, 1, true)
    assert.matches("b.txt:1: ", out, 1, true)
    assert.not_matches("unread", out, 1, true)
  end)
end)
