--- An unpacked vm-support folder, as ESXi's vm-support lays it out.
local gpupt = require "gpupt"
local doctor = gpupt.doctor

local HOST = "5f1c2b3a-00000001-0002-aabbccddeeff"

local function vm(bus, host, more)
  return ([[
virtualHW.version = "19"
firmware = "efi"
memsize = "16384"
sched.mem.min = "16384"
sched.mem.pin = "TRUE"
pciBridge4.present = "TRUE"
pciPassthru.use64bitMMIO = "TRUE"
pciPassthru.64bitMMIOSizeGB = "64"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "00000:%03d:00.0"
pciPassthru0.deviceId = "0x1b38"
pciPassthru0.vendorId = "0x10de"
pciPassthru0.systemId = "%s"
%s]]):format(bus, host or HOST, more or "")
end

local function esxcli(bus)
  return ([[
0000:%02x:00.0
   Address: 0000:%02x:00.0
   Vendor ID: 0x10de
   Device ID: 0x1b38
   Device Class: 0x0302
   Configured Owner: VM Passthru
   Current Owner: VM Passthru
   Passthru Capable: true

]]):format(bus, bus)
end

describe("a vm-support folder", function()
  local root
  local function write(path, text)
    os.execute(("mkdir -p '%s/%s'"):format(root, path:match "^(.*)/" or "."))
    local f = assert(io.open(root .. "/" .. path, "wb"))
    f:write(text)
    f:close()
  end
  before_each(function()
    local pipe = assert(io.popen "mktemp -d")
    root = pipe:read "l"
    pipe:close()
    write("commands/localcli_system-uuid-get.txt", HOST .. "\n")
    write("commands/localcli_hardware-pci-list.txt.FRAG-00001", esxcli(67))
    write("commands/localcli_hardware-pci-list.txt.FRAG-00000", "ResourceGroup: hardware\n" .. esxcli(66))
    write("vmfs/volumes/ds1/good/good.vmx", vm(66))
    write("vmfs/volumes/ds1/plain/plain.vmx", 'memsize = "1024"\n')
  end)
  after_each(function() os.execute(("rm -rf '%s'"):format(root)) end)

  local function examine() return gpupt.check(doctor.bundle(root)) end

  it("of a healthy host has no finding and says what was looked at", function()
    local result = examine()
    assert.is_true(result.healthy)
    assert.equal(1, #result.vms)
    assert.same({}, result.vms[1].result.findings)
    assert.same({}, result.host)
    assert.matches("2 %.vmx, 1 of them with a card; 2 devices of the host, host " .. HOST:gsub("%-", "%%-"), result.looked_at[1])
  end)

  it("finds a VM that was copied from another host: by the host's id, with both lines", function()
    write("vmfs/volumes/ds1/copied/copied.vmx", vm(67, "11111111-22222222-3333-444444444444"))
    local result = examine()
    assert.is_false(result.healthy)
    local findings = result.vms[1].result.findings
    assert.matches("copied%.vmx$", result.vms[1].vmx)
    assert.equal("stale-backing", findings[1].code)
    assert.equal(13, findings[1].evidence[1].line)
    assert.same({ root .. "/commands/localcli_system-uuid-get.txt", 1 }, { findings[1].evidence[2].file, findings[1].evidence[2].line })
  end)

  it("finds a card that is not there any more, the fragments of the list joined by number", function()
    write("vmfs/volumes/ds1/gone/gone.vmx", vm(68))
    local result = examine()
    for _, one in ipairs(result.vms) do
      local gone = one.vmx:find "gone" ~= nil
      assert.equal(gone and 1 or 0, #one.result.findings)
      if gone then assert.equal("stale-backing", one.result.findings[1].code) end
    end
  end)

  it("reads the VM's own logs, rotated ones before vmware.log", function()
    local begin = " In(05) vmx - Log for VMware ESX version=VMware ESXi 8.0.2 build=build-1 option=Release\n"
    write("vmfs/volumes/ds1/good/vmware-1.log", "2026-01-01T00:00:00.000Z" .. begin
      .. "2026-01-01T00:00:01.000Z In(05) vmx - PCIPassthru: total number of pages needed (33566722) exceeds limit (917504), failing\n")
    write("vmfs/volumes/ds1/good/vmware.log", "2026-01-02T00:00:00.000Z" .. begin
      .. "2026-01-02T00:00:01.000Z In(05) vmx - PCIPassthru: successfully created the IOMMU mappings\n")
    assert.is_true(examine().healthy)
    write("vmfs/volumes/ds1/good/vmware.log", "2026-01-02T00:00:00.000Z" .. begin
      .. "2026-01-02T00:00:01.000Z In(05) vmx - PCI passthru device 0000:42:00.0 caused an IOMMU fault type 5 at address "
      .. "0xe0041000.  Powering off the virtual machine.\n")
    local findings = examine().vms[1].result.findings
    assert.equal("iommu-fault", findings[1].code)
    assert.matches("good/vmware%.log$", findings[1].evidence[1].file)
    assert.equal(2, findings[1].evidence[1].line)
  end)

  it("gives a message of the kernel to the VM whose card it names, the others to the host", function()
    local line = "2026-02-07T09:29:18.734Z In(182) vmkernel: cpu59:2099897)PCI: 1401: Skipping device reset on %s because PCIe "
      .. "link to the device is down.\n"
    write("var/run/log/vmkernel.log", line:format "0000:42:00.0" .. line:format "0000:05:00.0")
    local result = examine()
    assert.is_false(result.healthy)
    assert.equal("link-down", result.vms[1].result.findings[1].code)
    assert.equal(1, #result.host)
    assert.matches("0000:05:00%.0", result.host[1].cause)
    assert.equal(2, result.host[1].evidence[1].line)
  end)

  it("names a .vmx that cannot be read and goes on", function()
    write("vmfs/volumes/ds1/bad/bad.vmx", "pciPassthru0.present = \0\n")
    local result = examine()
    assert.is_false(result.healthy)
    assert.equal(1, #result.vms)
    assert.matches("bad%.vmx: line 1 holds a zero byte", result.unread[1])
  end)

  it("that does not exist is refused", function()
    os.execute(("rm -rf '%s'/*"):format(root))
    local result, message, code = doctor.bundle(root)
    assert.is_nil(result)
    assert.equal("ENOENT", code)
    assert.matches("no vm%-support folder", message)
    assert.equal("ENOENT", (select(3, doctor.bundle(root .. "/nowhere"))))
  end)
end)
