--- gpupt doctor, and gpupt vmx check|fix with the same rules.
local command = require "spec.support.command"
local json = require "gpupt.json"

local VMX = [[
config.version = "8"
virtualHW.version = "19"
memsize = "16384"
firmware = "efi"
sched.mem.min = "16384"
sched.mem.pin = "TRUE"
pciBridge4.present = "TRUE"
pciPassthru.use64bitMMIO = "TRUE"
pciPassthru.64bitMMIOSizeGB = "%d"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "00000:066:00.0"
pciPassthru0.deviceId = "0x20b5"
pciPassthru0.vendorId = "0x10de"
pciPassthru0.systemId = "5f1c-aa"
]]

describe("the command", function()
  local folder
  local write, read, gpupt, remove
  before_each(function()
    local made = command.folder()
    folder, write, read, gpupt, remove = made.path, made.write, made.read, made.gpupt, made.remove
    write("good.vmx", VMX:format(256))
    write("bad.vmx", VMX:format(128))
    write("vmware.log", "x\nPCIPassthru: total number of pages needed (33566722) exceeds limit (917504), failing\n")
  end)
  after_each(function() remove() end)

  it("doctor of a healthy VM exits with 0 and says what was looked at", function()
    local status, out, err = gpupt "doctor --vmx good.vmx"
    assert.equal(0, status)
    assert.equal("", err)
    assert.equal([[
healthy; looked at:
  good.vmx: 14 keys, 1 passed-through card; 46 rules
  MMIO: the cards map 128 GiB + 48 MiB and need a window of 256 GB (table); the .vmx offers 256 GB
]], out)
  end)

  it("doctor of a VM that is not exits with 1 and names file and line, cause, remedy and change", function()
    local status, out = gpupt "doctor --vmx bad.vmx --log vmware.log"
    assert.equal(1, status)
    assert.equal([[
error: mmio-window
    vmware.log:2: PCIPassthru: total number of pages needed (33566722) exceeds limit (917504), failing
    bad.vmx:4: firmware = "efi"
    bad.vmx:8: pciPassthru.use64bitMMIO = "TRUE"
    bad.vmx:9: pciPassthru.64bitMMIOSizeGB = "128"
  The cards map 128 GiB + 48 MiB (from the table of cards), and the VM offers a window of 128 GB.
  Set pciPassthru.use64bitMMIO = "TRUE" and pciPassthru.64bitMMIOSizeGB = "256".
  fix: pciPassthru.64bitMMIOSizeGB = "256"

problems: 1 error, 0 warnings, 1 fixable; looked at:
  bad.vmx: 14 keys, 1 passed-through card; 46 rules
  vmware.log: 2 lines of a vmware.log, 1 power-on, BARs of 0 cards
  MMIO: the cards map 128 GiB + 48 MiB and need a window of 256 GB (table); the .vmx offers 128 GB
]], out)
  end)

  it("doctor --fix shows the difference, makes it, and says what is left", function()
    local status, out = gpupt "doctor --vmx bad.vmx --fix --dry-run"
    assert.equal(0, status)
    assert.equal(VMX:format(128), read "bad.vmx")
    assert.truthy(out:find('-pciPassthru.64bitMMIOSizeGB = "128"\n+pciPassthru.64bitMMIOSizeGB = "256"\n', 1, true), out)
    assert.truthy(out:find("would be fixed: mmio-window\n", 1, true), out)
    status, out = gpupt "doctor --vmx bad.vmx --fix"
    assert.equal(0, status)
    assert.truthy(out:find("\nfixed: mmio-window\nhealthy; looked at", 1, true), out)
    assert.equal(VMX:format(256), read "bad.vmx")
  end)

  it("doctor --fix of what is not safe to fix exits with 1 and leaves the file", function()
    local text = VMX:format(256):gsub('"efi"', '"bios"')
    write("bios.vmx", text)
    local status, out = gpupt "doctor --vmx bios.vmx --fix"
    assert.equal(1, status)
    assert.matches("no change is safe to make", out)
    assert.equal(text, read "bios.vmx")
  end)

  it("doctor --fix is refused while the VM runs", function()
    write("bad.vmx.lck", "")
    local status, _, err = gpupt "doctor --vmx bad.vmx --fix"
    assert.equal(1, status)
    assert.matches("bad%.vmx%.lck exists", err)
    assert.equal(VMX:format(128), read "bad.vmx")
  end)

  it("doctor --json is the Lua result under the same names", function()
    local status, out = gpupt "doctor --vmx bad.vmx --log vmware.log --json"
    assert.equal(1, status)
    local result = assert(json.decode(out))
    assert.is_false(result.healthy)
    assert.equal("mmio-window", result.findings[1].code)
    assert.equal(2, result.findings[1].evidence[1].line)
    assert.equal("pciPassthru.64bitMMIOSizeGB", result.findings[1].changes[1].key)
    assert.equal("256", result.findings[1].changes[1].value)
    status, out = gpupt "doctor --vmx good.vmx --json"
    assert.equal(0, status)
    assert.truthy(out:find('"findings": []', 1, true), out)
  end)

  it("doctor --rules lists every rule with its source", function()
    local status, out = gpupt "doctor --rules --json"
    assert.equal(0, status)
    assert.equal(#require "gpupt.doctor".rules(), #json.decode(out))
  end)

  it("doctor without anything to look at, or with too much, is wrong usage", function()
    for _, words in ipairs { "doctor", "doctor --fix --log vmware.log", "doctor --bundle . --vmx good.vmx" } do
      local status, _, err = gpupt(words)
      assert.equal(2, status, words)
      assert.matches("usage: gpupt doctor", err)
    end
  end)

  it("doctor --bundle examines the VMs of a folder", function()
    os.execute(("mkdir -p '%s/b/vmfs/volumes/ds/vm'; cp '%s/bad.vmx' '%s/b/vmfs/volumes/ds/vm/'"):format(folder, folder, folder))
    local status, out = gpupt "doctor --bundle b"
    assert.equal(1, status)
    assert.matches("== b/vmfs/volumes/ds/vm/bad.vmx\nerror: mmio%-window", out)
    status, out = gpupt "doctor --bundle b --json"
    assert.equal(1, status)
    assert.equal("mmio-window", json.decode(out).vms[1].result.findings[1].code)
    assert.equal(1, (gpupt "doctor --bundle nowhere"))
  end)

  it("doctor of an unreadable log fails with its name", function()
    local status, _, err = gpupt "doctor --log nowhere.log"
    assert.equal(1, status)
    assert.matches("nowhere%.log", err)
  end)

  it("vmx check exits by what it finds, for several files at once", function()
    assert.equal(0, (gpupt "vmx check good.vmx"))
    local status, out = gpupt "vmx check good.vmx bad.vmx"
    assert.equal(1, status)
    assert.matches("== good%.vmx\nhealthy; looked at", out)
    assert.matches("== bad%.vmx\nerror: mmio%-window", out)
    status, out = gpupt "vmx check good.vmx bad.vmx nowhere.vmx --json"
    assert.equal(1, status)
    local results = json.decode(out)
    assert.is_true(results[1].healthy)
    assert.is_false(results[2].healthy)
    assert.matches("nowhere%.vmx", results[3].problem)
  end)

  it("vmx fix makes the safe changes", function()
    local status, out = gpupt "vmx fix bad.vmx"
    assert.equal(0, status)
    assert.matches("fixed: mmio%-window", out)
    assert.equal(VMX:format(256), read "bad.vmx")
    status, out = gpupt "vmx fix bad.vmx"
    assert.equal(0, status)
    assert.matches("no change is safe to make automatically\nhealthy; looked at", out)
  end)
end)
