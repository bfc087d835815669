-- Fixing: a size of the window on a BIOS VM was "fixed" by a switch that does nothing there, a device id without 0x
-- left the window too small after the first run, and a file that could not be saved was called fixed.
local command = require "spec.support.command"
local json = require "gpupt.json"

local VMX = [[
config.version = "8"
virtualHW.version = "19"
memsize = "16384"
firmware = "%s"
sched.mem.min = "16384"
sched.mem.pin = "TRUE"
pciBridge4.present = "TRUE"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "%s"
pciPassthru0.deviceId = "%s"
pciPassthru0.vendorId = "0x10de"
pciPassthru0.systemId = "5f1c-aa"
%s]]

describe("fixing a .vmx", function()
  local folder
  local write, read, gpupt, remove
  before_each(function()
    local made = command.folder()
    folder, write, read, gpupt, remove = made.path, made.write, made.read, made.gpupt, made.remove
  end)
  after_each(function() remove() end)

  for _, words in ipairs { "doctor --vmx a.vmx --fix", "vmx fix a.vmx" } do
    it("leaves a window's size without a switch alone on a BIOS VM: " .. words, function()
      local text = VMX:format("bios", "00000:066:00.0", "0x1eb8", 'pciPassthru.64bitMMIOSizeGB = "64"\n')
      write("a.vmx", text)
      local status, out = gpupt(words)
      assert.equal(1, status)
      assert.truthy(out:find("mmio-size-alone", 1, true))
      assert.equal(text, read "a.vmx")
    end)

    it("switches the window on for an EFI VM: " .. words, function()
      write("a.vmx", VMX:format("efi", "00000:066:00.0", "0x1eb8", 'pciPassthru.64bitMMIOSizeGB = "64"\n'))
      assert.equal(0, (gpupt(words)))
      assert.truthy(read "a.vmx":find('pciPassthru.use64bitMMIO = "TRUE"', 1, true))
    end)

    it("is done in one run, whatever becomes known by it: " .. words, function()
      write("a.vmx", VMX:format("efi", "0000:0d:00.0", "20b5",
        'pciPassthru.use64bitMMIO = "TRUE"\npciPassthru.64bitMMIOSizeGB = "100"\n'))
      local status, out = gpupt(words)
      assert.equal(0, status, out)
      local text = read "a.vmx"
      assert.truthy(text:find('pciPassthru.64bitMMIOSizeGB = "256"', 1, true), text)
      assert.truthy(text:find('pciPassthru0.id = "00000:013:00.0"', 1, true), text)
      local _, again = gpupt(words .. " --dry-run --json")
      local result = json.decode(again)
      assert.same({}, (result[1] or result).findings)
    end)

    it("is not said of a file that could not be saved: " .. words, function()
      local text = VMX:format("efi", "0000:0d:00.0", "0x1eb8", "")
      write("a.vmx", text)
      os.execute(("mkdir '%s/a.vmx.lck' && touch '%s/a.vmx.lck/M1.lck'"):format(folder, folder))
      local status, out, err = gpupt(words)
      assert.equal(1, status)
      assert.equal("", out)
      assert.truthy(err:find("a.vmx.lck", 1, true), err)
      assert.equal(text, read "a.vmx")
    end)
  end
end)
