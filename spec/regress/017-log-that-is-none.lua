-- A binary or an empty file was "nothing about passthrough" with status 0; a file of one byte counted none. A hang with a
-- window that is large enough was laid to the window. Two cards without a BAR in the guest's dmesg were one finding. And
-- `gpupt doctor FILE` looked for a vCenter.
local bar = require "gpupt.bar"
local command = require "spec.support.command"
local vmlog = require "gpupt.vmlog"

describe("gpupt log", function()
  local c
  before_each(function() c = command.folder() end)
  after_each(function() c.remove() end)

  it("of an empty file or folder of empty logs says so", function()
    c.write("vmware.log", "")
    local status, out, err = c.gpupt "log vmware.log"
    assert.same({ 1, "" }, { status, out })
    assert.matches("vmware.log is empty: there is nothing to read", err, 1, true)
    assert.equal(1, (c.gpupt "log ."))
    assert.equal(1, (c.gpupt "doctor --log vmware.log"))
    c.write("vmware.log", "x")
    -- a letter is of no known form: unread is not healthy
    assert.equal(1, (c.gpupt "log vmware.log"))
    assert.equal(1, vmlog.scan(c.path .. "/vmware.log").bytes)
  end)

  it("of a program is refused as not a text file, but reads a log with a block of zeros", function()
    c.write("p", "\x7fELF\2\1\1" .. ("\0"):rep(100) .. "\n")
    local status, _, err = c.gpupt "log p"
    assert.equal(1, status)
    assert.matches("p is not a text file: byte 8 is 0", err, 1, true)
    c.write("p", ("\0"):rep(4096) .. "\nPCIPassthru: total number of pages needed (33566722) exceeds limit (917504), failing\n")
    local code, out = c.gpupt "log p"
    assert.equal(1, code)
    assert.matches("mmio-limit", out, 1, true)
  end)

  it("lays a hang to the window only when that is too small", function()
    local function cause(gb)
      local scan = vmlog.scan { text = ('DICT pciPassthru.use64bitMMIO = "TRUE"\nDICT pciPassthru.64bitMMIOSizeGB = "%d"\n'
        .. "PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size 34359738368 flags 12\n"
        .. "PCIPassthru: successfully created the IOMMU mappings\nEFI ROM version: x\n"):format(gb) }
      for _, finding in ipairs(scan.findings) do
        if finding.code == "hang-after-mapping" then return finding.cause, finding.remedy end
      end
    end
    assert.matches("because the MMIO window is too small", (cause(16)), 1, true)
    local safe = bar.window({ { bars = { { index = 1, kind = "mem64", size = 34359738368 } } } }).safe
    local text, remedy = cause(safe)
    assert.matches(("the %d GB that it has hold the cards"):format(safe), text, 1, true)
    assert.matches("start the VM without the card", remedy, 1, true)
  end)

  it("tells two cards of a guest apart", function()
    local scan = vmlog.scan { text = "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:13:00.0)\nNVRM: BAR1 is 0M @ 0x0 (PCI:0000:14:00.0)\n" }
    assert.equal(2, #scan.findings)
    assert.equal("0000:13:00.0", scan.findings[1].address)
  end)
end)

describe("gpupt doctor", function()
  it("of a file here asks for its option", function()
    local c <close> = setmetatable(command.folder(), { __close = function(self) self.remove() end })
    c.write("e.vmx", "")
    local status, _, err = c.gpupt "doctor e.vmx"
    assert.equal(2, status)
    assert.matches("e.vmx is a file here", err, 1, true)
  end)
end)
