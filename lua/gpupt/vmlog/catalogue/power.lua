--- Why a VM with a card is not powered on: what the VM's process says, memory, and what excludes a card.
local evidence = require "gpupt.vmlog.evidence"

local integer = evidence.integer

return {
  {
    code = "device-power-on", severity = "error", consequence = true, word = "DevicePowerOn",
    -- the clients translate the sentence, not the module's name
    match = { "Module '?\"?DevicePowerOn'?\"? power on failed", "\"DevicePowerOn\"", "「DevicePowerOn」",
      "[%w']?DevicePowerOn'? .*fehlgeschlagen" },
    cause = "A device of the VM could not be switched on; this message alone does not say why.",
    remedy = "Read the VM's vmware.log from the line before this one, and the host's vmkernel.log of the same "
      .. "minute; through the API, every faultMessage of the fault.",
    source = "Dell KB 000199172; octais.blogspot.com 2020-05 (Japanese), t2.re/archives/1199 (Chinese)",
  },
  {
    code = "memory-reservation", severity = "error", word = { "Invalid memory setting", "pciPassthru" },
    match = { "Invalid memory setting: memory reservation %(sched%.mem%.min%) should be equal to memsize ?%((%d+)%)",
      "msg%.pciPassthru%.mem[%w]*[Rr]eserv" },
    cause = "A VM with a passthrough device must have all its memory reserved, and it is not.",
    remedy = function(captures, session)
      local mb = integer(captures[1]) or integer(evidence.config(session, "memsize"))
      return ("Set the reservation to %s (sched.mem.min and sched.mem.minSize), sched.mem.pin = \"TRUE\", limit "
        .. "unlimited."):format(mb and mb .. " MB" or "the VM's memory size")
    end,
    detail = function(captures) return captures[1] and { memory_mb = integer(captures[1]) } or nil end,
    source = "Broadcom KB 2002779",
  },
  {
    code = "nested-hv", severity = "error",
    word = { "Nested Hardware-Assisted Virtualization", "Virtualization is not supported on a virtual machine with a "
      .. "PCI" },
    match = { "PCI passthrough devices cannot be added when Nested Hardware%-Assisted Virtualization is enabled",
      "Virtualization is not supported on a virtual machine with a PCI passthrough device" },
    cause = "The VM exposes hardware virtualization to its guest, which excludes passthrough.",
    remedy = "Switch it off (vhv.enable = \"FALSE\") together with virtualization-based security "
      .. "(windows.vbs.enabled = \"FALSE\"), which needs it.",
    source = "Broadcom KB 437651",
  },
  {
    code = "no-migration", severity = "info",
    word = { "pciPassthru", "PCI DirectPath I/O device" },
    match = { "msg%.pciPassthru%.noMigration",
      "PCI hot%-plug cannot be used for a virtual machine with PCI DirectPath I/O device" },
    cause = "vMotion, Storage vMotion, Fault Tolerance and hot-plug are off for a VM with a DirectPath I/O device.",
    remedy = "Nothing: plan maintenance of this host with the VM shut down.",
    source = "kubernetes-sigs/vsphere documentation of GenericVmConfigFault; faultMessages of a public report on "
      .. "SR-IOV",
  },
  {
    code = "no-suspend", severity = "info",
    word = { "pciPassthru", "PCI DirectPath I/O device" },
    match = { "msg%.pciPassthru%.noSuspend", "PCI DirectPath I/O device cannot be suspended" },
    cause = "A VM with this device cannot be suspended.", remedy = "Nothing: shut it down instead.",
    source = "faultMessages of a public report on SR-IOV (msg.pciPassthru.noSuspend.postedInterrupts)",
  },
  {
    code = "hot-add", severity = "error", word = "Hot-add of ", match = "Hot%-add of (pciPassthru%d+) failed",
    cause = function(captures)
      return ("%s was added while the VM was running; DirectPath I/O devices cannot be hot-added (but for "
        .. "NVMe)."):format(captures[1])
    end,
    remedy = "Shut the VM down, then add the card.",
    source = "faultMessages of a public report on SR-IOV (msg.devices.hotadd.failed); vSphere documentation, "
      .. "DirectPath I/O",
  },
  {
    code = "no-pcie-slot",
    severity = "error", word = "No PCIe slot available", match = "No PCIe slot available for (%S+)",
    cause = function(captures)
      return ("There is no place on the virtual PCI bus for %s: the .vmx lacks its PCIe bridges, or has too many "
        .. "devices."):format(
        captures[1])
    end,
    remedy = "Give the .vmx pciBridge0.present and pciBridge4 to pciBridge7 with virtualDev = \"pcieRootPort\" and "
      .. "functions = \"8\", or remove devices.",
    source = "foureight84/encs5400-almalinux, docs/ESXI.md; public generators of .vmx files",
  },
  {
    code = "slot-reservation", severity = "error", word = "failed to reserve slot",
    match = "(%S+) PCI: failed to reserve slot for (%S+) PCIe device",
    cause = function(captures) return ("There is no PCIe slot left for the %s."):format(captures[2]) end,
    remedy = "As for no-pcie-slot: the PCIe bridges of the .vmx, or fewer devices.",
    source = "foureight84/encs5400-almalinux, docs/ESXI.md; public generators of .vmx files",
  },
  {
    code = "vmx-panic", severity = "error", word = "devices/pcipassthru",
    match = "VERIFY bora/devices/pcipassthru/([%w_]+%.c:%d+)",
    cause = function(captures) return "The VM's process stopped at a check of its own (" .. captures[1] .. ")." end,
    remedy = "At a power-off: the device did not survive its reset, give it another method in "
      .. "/etc/vmware/passthru.map. At a power-on: undo experimental keys such as pciPassthru.useActualBases. Else "
      .. "update ESXi.",
    source = "foureight84/encs5400-almalinux, docs/ESXI.md",
  },
  {
    code = "prealloc-psod", severity = "error", form = "vmkernel", word = { "VmMemPf_PreallocRange", ":prealloc-" },
    match = { "VmMemPf_PreallocRange", "#PF Exception 14 in world %S*:prealloc%-" },
    cause = "The host crashed in a race between preallocating the memory of a passthrough VM and the end of that VM: "
      .. "a fault of ESXi, not of the card.",
    remedy = "Update the host: fixed in ESX 8.0 U3h and 9.0.1.0. Until then, do not stop a passthrough VM while it "
      .. "powers on.",
    source = "Broadcom KB 428541",
  },
}
