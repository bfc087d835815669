--- Public reports, as inputs of our own: what people had, written again with other names, addresses and ids of hosts.
-- {id, name, vmx=, log= {name = text}, pci=, expect = {"severity code"...}, verdict=, says = {code = pattern},
-- fixed = verdict after --fix}. docs/notes/doctor-reports-config.md has the sources, and what the doctor said before.
local function vm(hardware, size, more, firmware)
  return ([[
.encoding = "UTF-8"
config.version = "8"
virtualHW.version = "%d"
displayName = "guest-01"
%smemSize = "%d"
sched.mem.min = "%d"
sched.mem.minSize = "%d"
sched.mem.pin = "TRUE"
pciBridge0.present = "TRUE"
pciBridge4.present = "TRUE"
pciBridge4.virtualDev = "pcieRootPort"
pciBridge4.functions = "8"
%s]]):format(hardware, firmware == false and "" or 'firmware = "efi"\n', size, size, size, more)
end

local function card(number, id, vendor, device)
  return ([[
pciPassthru%d.present = "TRUE"
pciPassthru%d.id = "%s"
pciPassthru%d.deviceId = "%s"
pciPassthru%d.vendorId = "%s"
pciPassthru%d.systemId = "5f1c2b3a-0001-0002-0003-aabbccddeeff"
]]):format(number, number, id, number, device, number, vendor, number)
end

local function window(gb) return ('pciPassthru.use64bitMMIO = "TRUE"\npciPassthru.64bitMMIOSizeGB = "%d"\n'):format(gb) end

return {
  {
    id = "C1", name = "a packer template for ESXi 8: hot-add beside a card, msiEnabled without a number",
    vmx = vm(20, 1024, 'mem.hotadd = "true"\nvcpu.hotadd = "true"\npciPassthru.use64bitMMIO = "true"  # gpu passthru\n'
      .. 'pciPassthru.64bitMMIOSizeGB = "64"    # gpu passthru\npciPassthru.msiEnabled = "false" # gpu passthru\n'
      .. 'hypervisor.cpuid.v0 = "false" # gpu passthru\n' .. card(0, "00000:066:00.0", "0x10de", "0x1b38")),
    expect = { "error cpu-hot-add", "error memory-hot-add", "warning unknown-key", "warning hidden-hypervisor" },
    verdict = "problems", says = { ["unknown-key"] = "for each device" }, fixed = "problems",
  },
  {
    id = "C2", name = "a Tesla P40 on ESXi 8.0.2 with BIOS: BAR1 has no address in the guest",
    vmx = vm(21, 16384, card(0, "0:66:0.0", "0x10de", "0x1b38") .. window(128) .. 'pciPassthru.RelaxACSCheck = "TRUE"\n', false),
    log = { ["vmware.log"] = [[
2024-12-10T09:29:18.734Z In(05) vmx - Log for VMware ESX pid=2101384 version=VMware ESXi 8.0.2 build=build-22380479 option=Release
2024-12-10T09:29:18.734Z In(05) vmx - PCIPassthru: Device 0000:42:00.0 barIndex 0 type 2 realaddr 0xd4000000 size 16777216 flags 0
2024-12-10T09:29:18.734Z In(05) vmx - PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size 34359738368 flags 12
2024-12-10T09:29:18.734Z In(05) vmx - PCIPassthru: Device 0000:42:00.0 barIndex 3 type 3 realaddr 0x3b7fe000000 size 33554432 flags 12
2024-12-10T09:29:18.734Z In(05) vmx - PCIPassthru: successfully created the IOMMU mappings
]], ["dmesg.txt"] = [[
[    8.100] NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:
[    8.100]       NVRM: BAR1 is 0M @ 0x0 (PCI:0000:05:00.0)
[    8.200] NVRM: GPU 0000:05:00.0: RmInitAdapter failed! (0x24:0x72:1447)
]] },
    expect = { "error mmio-window", "warning unknown-key" }, verdict = "problems",
    says = { ["mmio-window"] = "with BIOS %(the default%) firmware", ["unknown-key"] = "not a key that hosts" },
    fixed = "problems",
  },
  {
    id = "C3", name = "a GeForce GTX 960 on ESXi 7: a key of the VM under the device's number, reset through the bridge",
    vmx = vm(17, 16384, card(0, "00000:003:00.0", "0x10de", "0x1401") .. 'pciPassthru0.use64bitMMIO = "TRUE"\n'
      .. 'pciPassthru.64bitMMIOSizeGB = "256"\nsvga.present = "FALSE"\n'),
    log = { ["passthru.map"] = "# file format: vendor-id device-id resetMethod fptShareable\n\n# NVIDIA\n10de  ffff  bridge   false\n" },
    expect = { "warning unknown-key", "warning mmio-size-alone", "info map-bridge-reset" }, verdict = "problems",
    says = { ["unknown-key"] = "for the VM as a whole", ["map-bridge-reset"] = "10de:1401" }, fixed = "problems",
  },
  {
    id = "C4", name = "a restored VM with a fieldbus card: id and systemId of the old host (ESXi 6.7)",
    vmx = vm(14, 8192, card(0, "12:00.0", "0x110a", "0x4069") .. 'pciPassthru0.pciSlotNumber = "160"\n'),
    pci = "0000:00:00.0\n   Address: 0000:00:00.0\n   Vendor ID: 0x8086\n   Device ID: 0x2f00\n   Device Class: 0x0600\n\n"
      .. "0000:06:00.0\n   Address: 0000:06:00.0\n   Vendor ID: 0x110a\n   Device ID: 0x4069\n   Device Class: 0x0280\n"
      .. "   Configured Owner: VM Passthru\n   Current Owner: VM Passthru\n   Passthru Capable: true\n",
    expect = { "error stale-backing" }, verdict = "problems",
    says = { ["stale-backing"] = "no device there" }, proposal = { ["stale-backing"] = 'pciPassthru0.id = "00000:006:00.0"' },
    fixed = "problems",
  },
  {
    id = "C5", name = "the two notations of a deep dive (8.0): a hexadecimal address, and a dynamic A100 without a window",
    vmx = vm(20, 32768, card(0, "0000:AF:00.0", "0x10de", "0x20f1"):gsub('pciPassthru0.systemId[^\n]*\n', "")
      .. 'pciPassthru1.present = "TRUE"\npciPassthru1.allowedDevices = "0x10de:0x20f1"\npciPassthru1.customLabel = "Training"\n'),
    expect = { "error hex-id", "warning incomplete-device", "error mmio-window" }, verdict = "problems",
    says = { ["hex-id"] = "can only be hexadecimal", ["mmio-window"] = "128 GiB" }, fixed = "problems",
  },
  {
    id = "C6", name = "a GeForce RTX 3090 on ESXi 7.0 U3: the BIOS of forums, and a driver that cannot start the card",
    vmx = vm(19, 131072, card(0, "00000:027:00.0", "0x10de", "0x2204") .. 'pciPassthru0.msiEnabled = "FALSE"\n'
      .. 'hypervisor.cpuid.v0 = "FALSE"\n'),
    log = { ["dmesg.txt"] = [[
[   12.699654] NVRM: loading NVIDIA UNIX x86_64 Kernel Module  530.41.03  Thu Mar 16 19:48:20 UTC 2023
[   13.732645] NVRM: GPU 0000:0b:00.0: RmInitAdapter failed! (0x26:0x56:1474)
[   13.732784] NVRM: GPU 0000:0b:00.0: rm_init_adapter failed, device minor number 0
]] },
    expect = { "error nvrm-init", "warning uncertain-bars", "info msi-workaround" }, verdict = "problems",
    says = { ["uncertain-bars"] = "GeForce RTX 3090" }, fixed = "problems",
  },
  {
    id = "C7", name = "an Instinct MI60 on ESXi 8.0 U3: the window is large enough, so it is not the window",
    vmx = vm(21, 32768, card(0, "00000:065:00.0", "0x1002", "0x66a1") .. window(128) .. 'uefi.secureBoot.enabled = "FALSE"\n'),
    log = { ["dmesg.txt"] = [[
[    9.610] amdgpu 0000:0b:00.0: amdgpu: Fatal error during GPU init
[    9.611] amdgpu: probe of 0000:0b:00.0 failed with error -12
]] },
    expect = { "error amdgpu-memory" }, verdict = "problems", fixed = "problems",
  },
  {
    id = "C8", name = "two RTX 3090 by a guide: hexadecimal addresses, and a placeholder for the memory",
    vmx = vm(19, 262144, [[
pciPassthru0.present = "TRUE"
pciPassthru0.id = "0000:04:00.0"    # first 3090
pciPassthru1.present = "TRUE"
pciPassthru1.id = "0000:41:00.0"    # second 3090
sched.mem.shares = "normal"
]] .. window(64)):gsub('sched.mem.min = "%d+"', 'sched.mem.min = "<VM_MEMORY_MB>"'),
    expect = { "error memory-reservation", "warning hex-id", "warning incomplete-device", "warning incomplete-device" },
    verdict = "problems", says = { ["memory-reservation"] = "<VM_MEMORY_MB>", ["hex-id"] = "0000:41:00.0" }, fixed = "problems",
  },
  {
    id = "C9", name = "a VM with SR-IOV network functions beside a network card: nothing is wrong",
    vmx = vm(19, 8192, card(0, "00000:026:01.2", "0x15b3", "0x1016") .. [[
pciPassthru28.deviceId = "0"
pciPassthru28.dvs.portgroupId = "dvportgroup-75"
pciPassthru28.id = "00000:026:00.1"
pciPassthru28.pfId = "00000:026:00.1"
pciPassthru28.present = "TRUE"
pciPassthru28.systemId = "BYPASS"
pciPassthru28.vendorId = "0"
pciPassthru29.deviceId = "0"
pciPassthru29.dvs.portgroupId = "dvportgroup-2637"
pciPassthru29.id = "00000:026:00.1"
pciPassthru29.pfId = "00000:026:00.1"
pciPassthru29.present = "TRUE"
pciPassthru29.systemId = "BYPASS"
pciPassthru29.vendorId = "0"
]]),
    expect = {}, verdict = "healthy",
  },
  {
    id = "C10", name = "an RTX 3060 with its audio function on ESXi 8.0 U3: the settings are right, the GSP firmware is not",
    vmx = vm(21, 32768, card(0, "00000:001:00.0", "0x10de", "0x2504") .. card(1, "00000:001:00.1", "0x10de", "0x228e")
      .. window(64) .. 'hypervisor.cpuid.v0 = "FALSE"\n'),
    log = { ["dmesg.txt"] = "[    9.1] NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.211.01  Release Build\n"
      .. "[    9.9] NVRM: GPU 0000:02:02.0: RmInitAdapter failed! (0x23:0x65:1438)\n" },
    expect = { "error nvrm-init" }, verdict = "problems", fixed = "problems",
  },
  {
    id = "C11", name = "a template that switches nested virtualization on beside a card, with the API's address as id",
    vmx = vm(20, 8192, 'pciPassthru0.present = "TRUE"\npciPassthru0.id = "0000:03:00.0"\nvhv.enable = "TRUE"\n'
      .. 'hypervisor.cpuid.v0 = "FALSE"\n' .. window(64)),
    expect = { "error nested-hv", "warning incomplete-device" }, verdict = "problems",
    says = { ["nested-hv"] = "excludes a passed%-through card" }, fixed = "problems",
  },
  {
    id = "C12", name = "a guide that prints the keys without quotes, four A16 GPUs: 128 GB hold them",
    vmx = vm(19, 204800, card(0, "00000:067:00.0", "0x10de", "0x25b6") .. card(1, "00000:068:00.0", "0x10de", "0x25b6")
      .. card(2, "00000:069:00.0", "0x10de", "0x25b6") .. card(3, "00000:070:00.0", "0x10de", "0x25b6")
      .. "pciPassthru.use64bitMMIO=TRUE\npciPassthru.64bitMMIOSizeGB=128\nhypervisor.cpuid.v0= FALSE\n"),
    expect = { "warning hidden-hypervisor" }, verdict = "problems",
  },
}
