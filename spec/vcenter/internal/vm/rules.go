package vm

import "gpupt.test/vcenter/internal/rules"

func rule(id, sure, as, source, text string) string {
	return rules.Add(rules.Rule{ID: id, Sure: sure, As: as, Source: source, Text: text})
}

// The rules of configuration.
var (
	_ = rule("vm.change-version", "documented", "real", "API reference: VirtualMachineConfigSpec.changeVersion, ConcurrentAccess",
		"A ReconfigVM_Task whose changeVersion is not config.changeVersion fails with ConcurrentAccess.")
	_ = rule("vm.firmware-enum", "documented", "real", "API reference: GuestOsDescriptorFirmwareType", "firmware is bios or efi.")
	_ = rule("vm.firmware-off", "documented", "real", "API reference: VirtualMachineConfigSpec, \"powered off\" properties",
		"The firmware changes only while the VM is powered off.")
	_ = rule("vm.secure-boot", "documented", "real", "API reference: VirtualMachineBootOptions.efiSecureBootEnabled; hardware version 13",
		"Secure Boot needs efi and hardware version 13.")
	_ = rule("vm.memory-multiple", "documented", "real", "API reference: VirtualMachineConfigSpec.memoryMB", "Memory is a positive multiple of 4 MB.")
	_ = rule("vm.memory-lock", "documented", "real", "API reference: VirtualMachineConfigInfo.memoryReservationLockedToMax",
		"memoryReservationLockedToMax sets the reservation to the memory and follows it.")
	_ = rule("vm.memory-lock-conflict", "seen", "real", "govmomi#1871", "With the lock, another reservation is InvalidArgument spec.memoryAllocation.reservation.")
	_ = rule("vm.reservation-range", "documented", "real", "API reference: ResourceAllocationInfo", "A reservation does not exceed the memory, nor the limit; so a VM with locked memory has no limit below its memory.")
	_ = rule("vm.hot-add-conflict", "documented", "real", "KB 89638", "A VM with passthrough devices has CPU and memory hot-add off.")
	_ = rule("vm.nested-hv", "seen", "real", "public troubleshooting write-up quoting the sentence",
		"PCI passthrough devices cannot be added when Nested Hardware-Assisted Virtualization is enabled.")
	_ = rule("vm.passthrough-hot-add", "documented", "real", "vSphere docs: DirectPath I/O restrictions", "Passthrough devices are added and removed only while powered off (but see vm.hot-plug).")
	_ = rule("vm.passthrough-id", "documented", "real", "API reference: VirtualPCIPassthroughDeviceBackingInfo, values as retrieved from the host",
		"A fixed backing names a device of the VM's host: id, vendorId (signed), deviceId (hexadecimal text of 16 bits, with or without 0x, or empty).")
	_ = rule("vm.passthrough-system-id", "seen", "real", "public PowerCLI post quoting \"The systemId does not match the current system...\"",
		"systemId is that of the host (VirtualMachinePciPassthroughInfo.systemId), or BYPASS.")
	_ = rule("vm.passthrough-twice", "inferred", "inferred", "a device can be used by one VM device only", "A VM has each device only once.")
	_ = rule("vm.dynamic-version", "documented", "real", "vSphere 7.0 docs: Dynamic DirectPath I/O needs hardware version 17", "A dynamic backing needs hardware version 17.")
	_ = rule("vm.dynamic-allowed", "documented", "real", "API reference: VirtualPCIPassthroughAllowedDevice", "A dynamic backing lists at least one allowed device; ids are 0..65535.")
	_ = rule("vm.device-limit", "documented", "real", "KB 309986", "At most 16 passthrough devices up to hardware version 19, 32 (8.0) or 64 (8.0 U1) at 20, 128 from 21.")
	_ = rule("vm.card-limit", "documented", "real", "VMware configuration maximums: 10 virtual NICs", "A VM has at most ten network cards.")
	_ = rule("vm.device-keys", "inferred", "inferred", "API reference: keys of new devices are negative and distinct", "Two new devices of one spec do not share a key.")
	_ = rule("vm.device-unknown", "documented", "real", "API reference: InvalidDeviceSpec", "Editing or removing a device that the VM does not have is InvalidDeviceSpec.")
	_ = rule("vm.device-concrete", "documented", "real", "API reference: VirtualDevice is abstract", "A device names its concrete type.")
	_ = rule("vm.tools-version", "inferred", "inferred", "guest.toolsVersion of a VM without Tools is 0 in recordings of vCenter 5.5; govc's test object.collect asks every VM for config.tools.toolsVersion", "config.tools.toolsVersion of a VM without Tools is 0, not unset.")
	_ = rule("vm.cdrom-iso", "seen", "real", "jetbrains-infra/packer-builder-vsphere#74: with a wrong path the CD-ROM is created, and connecting it later reports the path; FileNotFound of ReconfigVM_Task",
		"The ISO of a CD-ROM's backing must exist on its datastore when the VM runs; of a VM that is off only the datastore must exist.")
	_ = rule("vm.network", "documented", "real", "API reference: VirtualEthernetCardNetworkBackingInfo", "The network of a card's backing must exist; a card is at unit 7 to 16.")
	_ = rule("vm.disk", "documented", "real", "API reference: VirtualDisk", "A new disk has a controller, a unit number and a capacity.")
	_ = rule("vm.video-card", "documented", "real", "API reference: VirtualMachineVideoCard", "The video card changes only while powered off; use3dRenderer is automatic, software or hardware; there is one card.")
	_ = rule("vm.extra-config", "documented", "real", "govmomi doc of VirtualMachineConfigSpec.ExtraConfig",
		"extraConfig merges: a value replaces, an empty one removes, keys of explicit fields are ignored, values are strings.")
	_ = rule("vm.template-change", "seen", "real", "govc's test vm.markastemplate: template reconfigure only allows name and annotation change", "A template is reconfigured in its name and annotation only; anything else is NotSupported.")
	_ = rule("vm.guest-id", "documented", "real", "API reference: VirtualMachineGuestOsIdentifier", "guestId is a known identifier.")
	_ = rule("vm.version", "documented", "real", "API reference: VirtualMachineConfigSpec.version; KB 1003746", "The hardware version is one that the host supports; it is changed by UpgradeVM_Task only.")
	_ = rule("vm.powered-on-change", "documented", "real", "API reference: VirtualMachineConfigSpec, power state of each property",
		"While powered on, memory and CPUs change only with hot-add enabled; guestId, nestedHV, flags and hot-add switches do not.")
	_ = rule("vm.question", "documented", "laxer: only a test asks, and AnswerVM is not there", "API reference: VirtualMachineRuntimeInfo.question, VirtualMachineQuestionInfo (\"the operation of the virtual machine is suspended\"); msg.hbacommon.outofspace in public reports of vmware.log",
		"A VM that needs an answer shows it in runtime.question, and AnswerVM is not among its disabled methods.")
	_ = rule("vm.name", "documented", "real", "API reference: DuplicateName, InvalidName", "A name has 1 to 80 characters and is unique in its folder.")
	_ = rule("vm.place-host", "documented", "real", "API reference: Folder.CreateVM_Task, parameter host", "The host belongs to the pool's cluster, is connected and not in maintenance; without DRS it must be given.")
	_ = rule("vm.clone-keeps", "documented", "real", "API reference: VirtualMachine.CloneVM_Task", "A clone keeps firmware, memory lock, extraConfig and devices of its source; spec.config refines them.")
	_ = rule("vm.clone-running-passthrough", "inferred", "inferred", "snapshot of a running VM with passthrough devices is refused", "A running VM with passthrough devices is not cloned.")
	_ = rule("vm.destroy-on", "documented", "real", "API reference: InvalidPowerState of Destroy_Task and UnregisterVM", "A running VM is neither destroyed nor unregistered.")
)

// The rules of power.
var (
	_ = rule("power.state", "documented", "real", "API reference: InvalidPowerState", "A power operation on a VM that is already in the resulting state is InvalidPowerState.")
	_ = rule("power.maintenance", "documented", "real", "API reference: PowerOnVM_Task, InvalidState", "No VM powers on on a host that is in maintenance mode or cannot be reached.")
	_ = rule("power.device-active", "seen", "real", "HPE hot-plug advisory: \"Device 6:0.0 is not a passthrough device.\"", "Each fixed device must be enabled and active for passthrough on the VM's host.")
	_ = rule("power.device-matches", "seen", "real", "public PowerCLI post: \"The systemId does not match the current system or the deviceId, and the vendorId does not match the device currently at 97:0.0.\"",
		"At power-on a fixed backing must still match the host and the device at its address.")
	_ = rule("power.device-in-use", "documented", "real", "vSphere docs: a DirectPath device serves one running VM", "A device of another running VM is refused.")
	_ = rule("power.dynamic-free", "documented", "real", "vSphere 7.0 docs: Dynamic DirectPath I/O placement", "A dynamic backing takes a free active device of an allowed kind on the host, or on another one of the cluster under DRS.")
	_ = rule("power.reservation", "seen", "real", "KB 2002779: \"Invalid memory setting: memory reservation (sched.mem.min) should be equal to memsize(16384).\"",
		"With passthrough devices the whole memory must be reserved.")
	_ = rule("power.pages", "seen", "real", "Dell KB 000199172: \"total number of pages needed (4206594) exceeds limit (917504), failing\"",
		"Without pciPassthru.use64bitMMIO the memory BARs of a VM's devices must fit in 3.5 GiB: pages + 2 per device.")
	_ = rule("power.window", "seen", "real", "KB 334594: \"The firmware could not allocate 33587200 KB of PCI MMIO.\"",
		"With EFI and pciPassthru.64bitMMIOSizeGB the 64-bit BARs must fit in the window.")
	_ = rule("power.window-size", "documented", "real", "KB 323402: a power of two", "64bitMMIOSizeGB must be a power of two.")
	_ = rule("power.window-default", "inferred", "inferred", "Denneman 2023-05-30: 32 GB by default", "use64bitMMIO alone sets a window of 32 GB; a BAR that does not fit has no address in the guest (Code 12, BAR1 is 0M).")
	_ = rule("power.bios-window", "seen", "real", "public reports: BAR1 <unassigned> until EFI", "Under BIOS the 64-bit keys have no effect: large BARs have no address in the guest.")
	_ = rule("power.host-memory", "documented", "real", "API reference: InsufficientResourcesFault", "Reserved memory must fit into the host's unreserved memory.")
	_ = rule("power.log-rotation", "documented", "real", "vSphere 8.0 docs: settings of the virtual machine log file, log.keepOld", "Each power-on moves vmware.log to vmware-N.log with a growing N; log.keepOld (10) old ones are kept.")
	_ = rule("power.many", "documented", "real", "API reference: Datacenter.PowerOnMultiVM_Task, ClusterPowerOnVmResult", "Each VM that can be placed gets a task of its own in attempted; the others are in notAttempted with their faults.")
	_ = rule("power.media", "inferred", "inferred", "a disconnected backing fails the power-on", "The ISO of a CD-ROM that connects at power-on must exist.")
	_ = rule("power.snapshot", "documented", "real", "vSphere docs: DirectPath I/O restrictions", "No snapshot is taken of a running VM with passthrough devices.")
	_ = rule("power.suspend", "seen", "real", "msg.pciPassthru.noSuspend", "A VM with passthrough devices is not suspended.")
	_ = rule("power.migrate", "seen", "real", "msg.pciPassthru.noMigration", "A running VM with passthrough devices does not move.")
	_ = rule("power.migrate-target", "documented", "real", "API reference: MigrateVM_Task, RelocateVM_Task throw InvalidState, InvalidPowerState", "A running VM does not move to a host that is in maintenance mode or cannot be reached; MigrateVM_Task refuses another power state than the one it names.")
)
