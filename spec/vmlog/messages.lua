--- code -> { messages that must be found, one for each pattern at least; near miss that must not }.
local P = "2023-07-21T09:40:52.413Z In(05) vmx - "
local K = "cpu12:739725)"

local function xid(number) return "NVRM: Xid (PCI:0000:13:00): " .. number .. ", pid='<unknown>', name=<unknown>, Ch 00000008" end

local messages = {
  -- power
  ["device-power-on"] = {
    { "2022-04-22T03:04:15.771Z| vmx| | I005: Module 'DevicePowerOn' power on failed.",
      "Module DevicePowerOn power on failed. Failed to start the virtual machine.",
      'Fehler: Modul "DevicePowerOn" konnte nicht eingeschaltet werden.', "モジュール「DevicePowerOn」のパワーオンに失敗しました。",
      "Einschalten von DevicePowerOn ist fehlgeschlagen" },
    "Module 'DevicePowerOn' power on succeeded." },
  ["memory-reservation"] = {
    { "Failed - Invalid memory setting: memory reservation (sched.mem.min) should be equal to memsize(16384).",
      "[msg.pciPassthru.memReservation] Ungueltige Speichereinstellung" },
    "Invalid memory setting: memory reservation (sched.mem.min) should be equal to memsize." },
  ["nested-hv"] = {
    { "PCI passthrough devices cannot be added when Nested Hardware-Assisted Virtualization is enabled.",
      "Virtualization is not supported on a virtual machine with a PCI passthrough device." },
    "Nested Hardware-Assisted Virtualization is enabled." },
  ["no-migration"] = {
    { "msg.pciPassthru.noMigration: vMotion, Storage vMotion, Fault Tolerance, and PCI hot-plug cannot be used for a "
      .. "virtual machine with PCI DirectPath I/O device.",
      "vMotion, Storage vMotion, Fault Tolerance, and PCI hot-plug cannot be used for a virtual machine with PCI DirectPath I/O device." },
    "msg.pciPassthru.migration: x" },
  ["no-suspend"] = {
    { "msg.pciPassthru.noSuspend.postedInterrupts: A virtual machine with a PCI DirectPath I/O device "
      .. "cannot be suspended when FPT devices in-use have posted interrupts enabled.",
      "A virtual machine with a PCI DirectPath I/O device cannot be suspended when FPT devices in-use have posted interrupts enabled." },
    "msg.pciPassthru.suspend: x" },
  ["no-pcie-slot"] = {
    { "No PCIe slot available for SCSI0 ... Too many PCI devices are already configured" }, "No PCIe slot available." },
  ["slot-reservation"] = {
    { "Vmxnet3 PCI: failed to reserve slot for vmxnet3 PCIe device" }, "failed to reserve slot in the queue" },
  ["vmx-panic"] = {
    { "PANIC: VERIFY bora/devices/pcipassthru/pciPassthru.c:871" }, "loading devices/pcipassthru" },
  ["prealloc-psod"] = {
    { K .. "0x453:[0x41]VmMemPf_PreallocRange@vmkernel#nover+0x45 stack: 0x0",
      "@BlueScreen: #PF Exception 14 in world 2103:prealloc-1 IP 0x42 addr 0x28" },
    "@BlueScreen: #PF Exception 14 in world 2103:idle1 IP 0x42 addr 0x28" },

  -- device
  ["no-device-hints"] = { { "AH No device hints found" }, "AH 2 device hints found" },
  ["no-predicates"] = {
    { "Failed to generate predicates for pciPassthru0---invalid VM configuration" },
    "Failed to generate predicates for ethernet0---invalid VM configuration" },
  ["no-suitable-device"] = {
    { "AH Failed to find a suitable device for pciPassthru0" }, "AH Found a suitable device for pciPassthru0" },
  ["not-passthrough"] = {
    { "Module DevicePowerOn power on failed. Failed to start the virtual machine. Device 6:0.0 is not a passthrough device.",
      "[msg.pciPassthru.notPassthruDevice] Das Geraet 6:0.0 ist kein Passthrough-Geraet." },
    "Device is not a passthrough device." },
  ["system-id"] = {
    { "The systemId does not match the current system or the deviceId, and the vendorId does not match the device currently at 97:0.0.",
      "[msg.pciPassthru.systemIdMismatch] x", "[msg.pciPassthru.mismatchedDevIdOrSysId] x" },
    "The systemId does not matter." },
  ["register-failed"] = {
    { P .. "PCIPassthru: Failed to register device 0000:0d:00.3 error = 0xffffffff" },
    "PCIPassthru: Registered device 0000:0d:00.3" },
  ["platform-not-supported"] = {
    { "[msg.pciPassthru.createAdapterFailedPlatformNotSupported] Failed to register the device pciPassthru0 for 013:00.3 due to "
      .. "unavailable hardware or software support.",
      "[msg.pciPassthru.createAdapterFailedPlatformNotSupported] ハードウェアまたはソフトウェアのサポートが使用できない" },
    "[msg.pciPassthru.createAdapterFailedInUse] x" },
  ["adapter-failed"] = {
    { "[msg.pciPassthru.createAdapterFailedDeviceInUse] x" },
    "[msg.pciPassthru.createAdapterFailedPlatformNotSupported] Failed to register the device pciPassthru0" },
  ["message-unknown"] = { { "[msg.pciPassthru.somethingNew] x" }, "[msg.pciPassthru.noMigration] x" },
  ["domain-disabled"] = {
    { "2026-02-07T09:29:18.734Z In(182) vmkernel: cpu59:2099897)PCIPassthru: 1750: Disable Domain for device 0000:05:00.0" },
    "PCIPassthru: 1750: Enable Domain for device 0000:05:00.0" },
  ["device-released"] = {
    { "2026-02-07T09:29:18.734Z In(182) vmkernel: cpu59:2099897)PCIPassthru: 1039: pcipdevInfo: 0x4314737b68e0 (0000:05:00.0), state 0, destroyed" },
    "PCIPassthru: 1039: pcipdevInfo: 0x4314737b68e0 (0000:05:00.0), state 0, kept" },
  ["device-taken"] = {
    { "cpu144:15901592)PCIPassthru: 3873: pcipDevInfo(0x43174d483300) allocated for 0000:a9:00.0" },
    "PCIPassthru: 3873: pcipDevInfo(0x43174d483300) freed" },

  -- mmio
  ["mmio-limit"] = {
    { "2022-04-22T03:04:15.771Z| vmx| | I005: PCIPassthru: total number of pages needed (4206594) exceeds limit (917504), failing",
      "2023-07-21T09:40:52.413Z In(05) vmx - PCIPassthru: total number of pages needed (33566722) exceeds limit (917504), failing" },
    "PCIPassthru: total number of pages needed (4206594), limit (917504)" },
  ["mmio-firmware"] = {
    { "The firmware could not allocate 33587200 KB of PCI MMIO. Increase the size of PCI MMIO and try again." },
    "The firmware could not allocate 33587200 KB of memory." },
  ["mmio-error"] = { { P .. "Vigor msg.pciMmioError: x" }, "pciMmioErr: x" },
  ["map-mmio"] = { { "Failed to map MMIO: Failure" }, "Mapped MMIO: Success" },
  ["bar-memory"] = { { "Failed to add BAR memory" }, "Failed to add memory" },
  ["bar-unassigned"] = {
    { "\tRegion 1: Memory at <unassigned> (64-bit, prefetchable)" }, "\tRegion 1: Memory at <ignored> (64-bit, prefetchable)" },
  ["bar-no-space"] = {
    { "pci 0000:13:00.0: BAR 1: failed to assign [mem size 0x1000000000 64bit pref]",
      "pci 0000:13:00.0: BAR 1: no space for [mem size 0x1000000000 64bit pref]",
      "pci 0000:13:00.0: BAR 1 [mem size 0x1000000000 64bit pref]: can't assign; no space" },
    "pci 0000:13:00.0: BAR 1: failed to assign [mem size 0x00001000 64bit pref]" },

  -- reset
  ["reset-pending"] = {
    { K .. "WARNING: PCI: 384: Dev @ 0000:0d:00.3 did not complete its pending transactions prior to being reset; will apply the "
      .. "reset anyway but this may cause PCI errors" },
    "PCI: 384: Dev @ 0000:0d:00.3 has no pending transactions" },
  ["reset-unresponsive"] = {
    { K .. "WARNING: PCI: 471: Dev 0000:0d:00.3 is unresponsive after reset" }, "PCI: 471: Dev 0000:0d:00.3 is responsive after reset" },
  ["link-down"] = {
    { "2026-02-07T09:29:18.734Z In(182) vmkernel: cpu59:2099897)PCI: 1401: "
      .. "Skipping device reset on 0000:05:00.0 because PCIe link to the device is down." },
    "PCIe link to the device is down to 8 GT/s." },
  ["reset-not-ready"] = {
    { "pci 0000:13:00.0: not ready 65535ms after bus reset; giving up" }, "pci 0000:13:00.0: not ready 1023ms after bus reset; waiting" },

  -- vectors
  ["vectors-exhausted"] = { { K .. "WARNING: IntrVector: 290: Out of interrupt vectors" }, "IntrVector: 290: 12 interrupt vectors left" },
  ["vectors-msix"] = {
    { K .. "VMKPCIPassthru: 2454: Failed to allocate 32 MSIX vectors" }, "VMKPCIPassthru: 2454: Allocated 32 MSIX vectors" },
  ["vectors-device"] = {
    { K .. "MSI: 570: Couldn't allocate a vector number 16 for device 000:008:00.0" }, "MSI: 570: Can allocate a vector number 16" },
  ["vectors-vm"] = {
    { "2017-03-07T07:57:31.269Z| vcpu-0| I125: PCIPassthruChangeIntrSettings: 0000:08:10.1 failed to register interrupt (error code 195887110)",
      "PCIPassthruChangeIntrSettings: vf_name failed to register interrupt (error code 195887110)" },
    "PCIPassthruChangeIntrSettings: 0000:08:10.1 registered interrupt" },
  ["vectors-asked"] = {
    { K .. "VMKPCIPassthru: 2500: BDF = 008:00.1 intrType = 4 numVectors: 32" }, "VMKPCIPassthru: 2500: BDF = 008:00.1" },

  -- hot-plug
  ["hotplug-pending"] = {
    { "cpu3:2097947)WARNING: PCIEHP: 641: 0000:a8:01.0: hotplug slot: 0x1: Device insertion detected while prior device 0000:a9:00.0 "
      .. "removal is still pending" },
    "PCIEHP: 641: 0000:a8:01.0: hotplug slot: 0x1: Device insertion detected" },
  ["hotplug-removed"] = {
    { "cpu98:2097948)PCIEHP: 1496: 0000:a8:01.0: hotplug slot:0x1 (0000:a9:00.0) Adapter removed." },
    "PCIEHP: 1496: 0000:a8:01.0: hotplug slot:0x1 (0000:a9:00.0) Adapter present." },
  ["hotplug-inserted"] = {
    { "cpu3:2097947)PCIEHP: 1477: 0000:a8:01.0: hotplug slot:0x1 (0000:a9:00.0) Adapter inserted." },
    "PCIEHP: 1477: 0000:a8:01.0: hotplug slot:0x1 (0000:a9:00.0) Adapter present." },
  ["hotplug-busy"] = {
    { "cpu98:2097948)PCIEHP: 380: 0000:a8:01.0: hotplug slot:0x1: Setting PowerIndicator State BLINKING",
      "cpu98:2097948)PCIEHP: 1048: 0000:a8:01.0: Disabling hotplug slot:0x1", "cpu3:2097947)PCIEHP: 982: 0000:a8:01.0: Enabling hotplug slot:0x1",
      "cpu98:2097948)PCIEHP: 1564: 0000:a8:01.0: hotplug slot:0x1: num reads=1 slot status=0x108." },
    "PCIEHP: 380: 0000:a8:01.0: hotplug slot:0x1: idle" },

  -- reboot
  ["console-given-away"] = { { "Using 'compact' UEFI RTS mapping policy" }, "Using 'sparse' UEFI RTS mapping policy" },

  -- iommu
  ["iommu-fault"] = {
    { "PCI passthru device 0000:0d:00.0 caused an IOMMU fault type 5 at address 0xe0041000.  Powering off the virtual machine.",
      "VMware ESX unrecoverable error: (vmx) PCI passthru device 0000:8b:00.1 caused an IOMMU fault type 4 at address 0x0." },
    "PCI passthru device caused an IOMMU fault" },
  ["iommu-fault-host"] = {
    { "WARNING: VTD: IOMMU Fault IOMMU Unit #0: R/W=W, Device 0000:0d:00.0 Addr = 0xe0041000" },
    "VTD: IOMMU Unit #0: ready" },
  ["iommu-reason"] = {
    { "WARNING: VTD: 307: Reason = 0x5 -> PTE not set to allow Write." }, "VTD: 307: Reason = 0x1 -> root entry not present" },
  ["iommu-psod-driver"] = {
    { "@BlueScreen: IOMMU Fault detected for 0000:da:00.0 (vmgp0/nvidia) IOaddr: 0xa1fc6a000 Mask: 0x6 Domain: 0x430af4e0c460.",
      "IOMMU Fault detected for (vmgp2/nvidia) Reason: 0x6 (PTE not set to allow Read.)" },
    "@BlueScreen: IOMMU Fault detected for 0000:da:00.0 (vmhba2/lsi) IOaddr: 0xa1fc6a000" },
  ["iommu-psod"] = {
    { "@BlueScreen: IOMMU Fault detected for 0000:da:00.0 (vmgfx0/xxxx) IOaddr: 0xa1fc6a000 Mask: 0x6 Domain: 0x430af4e0c460.",
      K .. "0x451a:[0x41]VTDIommuFaultHandler@vmkernel#nover+0x1a", K .. "0x451a:[0x41]IOMMUProcessFaults@vmkernel#nover+0x1a" },
    "IOMMU faults are counted for 0000:da:00.0" },
  ["iommu-invalidation"] = {
    { "IOMMU UNIT 15 did not complete processing of a queued invalidation wait descriptor after 4 secs. This is likely by a known VT -d "
      .. "hardware erratum with a BIOS work-around" },
    "IOMMU UNIT 15 completed a queued invalidation wait descriptor" },
  ["iommu-guest"] = {
    { "DMAR: [DMA Write] Request device [02:00.0] fault addr 7f000 [fault reason 05] PTE Write access is not set",
      "AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000a device=0000:02:00.0 address=0x0 flags=0x0020]",
      "AMD-Vi: Event logged [IO_PAGE_FAULT device=02:00.0 domain=0x000a address=0x0 flags=0x0020]" },
    "DMAR: Request device [02:00.0] mapped" },

  -- vGPU
  ["vgpu-iommu"] = {
    { "The virtual machine cannot be powered on because IOMMU virtualization is not allowed with VGPU" },
    "IOMMU virtualization is not allowed with this licence" },
  ["vgpu-failed"] = {
    { "error: vmiop_log: NVOS status 0x51", "error: vmiop_env_log: Failed to start", "vmx - vmiop_log: error: Initialization: x",
      "vmiop_log: (0x0): Assertion Failed at 0xd7e75811:143" },
    "notice: vmiop_env_log: nvidia-vgpu-mgr daemon started" },
  ["vgpu-graphics-type"] = {
    { "The amount of graphics resource available in the parent resource pool is insufficient for the operation." },
    "The amount of CPU resource available in the parent resource pool is insufficient for the operation." },
  ["vgpu-no-device"] = {
    { "No graphics device is available for vGPU 'nvidia_a40-1a'.", "No graphics device is available for vGPU \\'nvidia_a40-1a\\'." },
    "A graphics device is available for vGPU 'nvidia_a40-1b'." },
  ["hot-add"] = { { "msg.devices.hotadd.failed: Hot-add of pciPassthru26 failed." }, "Hot-add of ethernet1 failed." },
  ["vgpu-xid-78"] = { { xid(78) }, xid(780) },
  ["driver-kind"] = {
    { "NVRM: installed in this system is not supported by the NVIDIA 550.90.07 driver release.",
      "NVRM: installed in this system is not supported by the", "NVRM: installed in this system is not supported by the NVRM: NVIDIA 550.90.07" },
    "NVRM: installed in this system is supported by the NVIDIA 550.90.07 driver release." },

  -- NVIDIA
  ["nvrm-gpu"] = { { "NVRM: The NVIDIA GPU 0000:02:00.0 (PCI ID: 10de:2c31)" }, "NVRM: The NVIDIA GPU 0000:02:00.0" },
  ["nvrm-bar-invalid"] = {
    { "NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:" },
    "This PCI I/O region assigned to your NVIDIA device is valid" },
  ["nvrm-bar-unassigned"] = {
    { "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:05:00.0)", "[    4.1] NVRM: BAR0 is 16M @ 0x0 (PCI:0000:02:00.0)" },
    "NVRM: BAR1 is 256M @ 0xe0000000 (PCI:0000:05:00.0)" },
  ["nvrm-region"] = {
    { "NVRM: request_mem_region failed for 16M @ 0xfb000000. This can occur when a driver such as rivatv is loaded" },
    "NVRM: request_mem_region succeeded" },
  ["nvrm-not-called"] = {
    { "NVRM: The NVIDIA probe routine was not called for 1 device(s).", "NVRM: This can occur when another driver was loaded and",
      "NVRM: This can occur when a driver such as:" },
    "NVRM: The NVIDIA probe routine was called for 1 device(s)." },
  ["nvrm-bound"] = { { "NVRM: GPU 0000:01:00.0 is already bound to vfio-pci." }, "NVRM: GPU 0000:01:00.0 is bound" },
  ["nvrm-no-gpu"] = { { "NVRM: No NVIDIA GPU found." }, "NVRM: NVIDIA GPU found." },
  ["nvrm-probe"] = {
    { "NVRM: The NVIDIA probe routine failed for 1 device(s)." },
    "NVRM: The NVIDIA probe routine was not called for 1 device(s)." },
  ["nvrm-none"] = {
    { "NVRM: None of the NVIDIA devices were initialized.", "NVRM: No NVIDIA devices probed." }, "NVRM: All of the NVIDIA devices were initialized." },
  ["nvrm-probe-error"] = {
    { "nvidia 0000:09:00.0: probe with driver nvidia failed with error -1", "nvidia: probe of 0000:09:00.0 failed with error -1" },
    "nvidia 0000:09:00.0: probe with driver nvidia succeeded" },
  ["nvrm-init"] = {
    { "NVRM: GPU 0000:02:00.0: RmInitAdapter failed! (0x24:0x72:1447)", "rm_init_adapter failed, device minor number 0" },
    "NVRM: GPU 0000:02:00.0: RmInitAdapter done" },
  ["guest-bios"] = {
    { "kernel: Hardware name: VMware, Inc. VMware Virtual Platform/440BX Desktop Reference Platform, BIOS 6.00 11/12/2020" },
    "kernel: Hardware name: VMware, Inc. VMware20,1/440BX Desktop Reference Platform, BIOS VMW201.00V.21805430.B64.2305221830 05/22/2023" },
  ["nvrm-gsp"] = {
    { "NVRM: RmInitAdapter: Cannot initialize GSP firmware RM", "NVRM kgspInitRm_IMPL: cannot bootstrap riscv/gsp: 0xffff",
      "NVRM: gpuWaitForGfwBootComplete_TU102: failed to wait for GFW_BOOT: (progress 0x3)",
      "NVRM: kgspWaitForGfwBootOk_TU102: failed to wait for GFW boot complete: 0x65 VBIOS version 94.02.59.00.05" },
    "NVRM: GSP firmware RM initialized" },
  ["nvrm-wpr2"] = {
    { "NVRM: GPU6 _kgspBootGspRm: unexpected WPR2 already up, cannot proceed with booting GSP" }, "NVRM: GPU6 _kgspBootGspRm: WPR2 up" },
  ["nvrm-fell-off"] = {
    { "NVRM: GPU at 0000:01:00.0 has fallen off the bus.", "NVRM: GPU 0000:2b:00.0: GPU has fallen off the bus.",
      "NVRM: The NVIDIA GPU 0000:2b:00.0 (PCI ID: 10de:2c02) has fallen off the bus" },
    "NVRM: GPU at 0000:01:00.0 is on the bus." },
  ["nvrm-needs-open"] = {
    { "NVRM: installed in this system requires use of the NVIDIA open kernel modules." }, "NVRM: loading NVIDIA open kernel modules" },
  ["nvrm-needs-closed"] = {
    { "NVRM: installed in this system is not supported by open" }, "NVRM: installed in this system is supported by open" },
  ["nvrm-open-unsupported"] = {
    { "NVRM: Open nvidia.ko is only ready for use on Data Center GPUs." }, "NVRM: Open nvidia.ko is ready for use." },
  ["nvrm-version"] = {
    { "NVRM: API mismatch: the client has the version 535.171.04, but this kernel module has the version 535.161.08.",
      "NVRM: API mismatch: the client has the version 535.171.04, but", "NVRM: API mismatch", "Failed to initialize NVML: Driver/library version mismatch" },
    "NVRM: API match: the client has the version 535.171.04" },
  ["nvrm-resized-bar"] = {
    { "NVRM: No address space to allocate resized BAR1." }, "NVRM: resized BAR1." },
  ["nvrm-assert"] = {
    { "NVRM nvAssertFailedNoLog: Assertion failed: status == NV_OK @ kernel_gsp_ga102.c:235", "NVRM: kbus: Assertion failed: 0 @ x.c:1" },
    "NVRM: assertions are on" },
  ["smi-no-driver"] = {
    { "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running." },
    "NVIDIA-SMI 550.90.07 communicates with the NVIDIA driver" },
  ["smi-none"] = { { "No devices were found" }, "2 devices were found" },
  ["smi-lost"] = {
    { "Unable to determine the device handle for GPU 0000:00:03.0: Unknown Error.", "Unable to determine the device handle for gpu 0: x",
      "nvmlInit: GPU is lost" },
    "Determined the device handle for GPU 0000:00:03.0" },
  ["cuda-802"] = {
    { "CUDA initialization: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized", "torch: system not yet initialized",
      "cudaErrorSystemNotReady" },
    "CUDA Error 8020: x" },
  ["cuda-803"] = {
    { "CUDA initialization: Error 803: system has unsupported display driver / cuda driver combination",
      "system has unsupported display driver / cuda driver combination", "cudaErrorSystemDriverMismatch" },
    "CUDA Error 8030: x" },
  ["fabric-no-switch"] = {
    { "nv-fabricmanager[4177]: request to query NVSwitch device information from NVSwitch driver failed with error:WARNING Nothing to do "
      .. "[NV_WARN_NOTHING_TO_DO]" },
    "nv-fabricmanager[4177]: NV_WARN_NOTHING_TO_DO is no error" },
  ["fabric-version"] = {
    { "fabric manager NVIDIA GPU driver interface version 550.90.07 don't match with driver version 550.107.02. Please update with matching NVIDIA driver "
      .. "package" },
    "fabric manager NVIDIA GPU driver interface version 550.90.07 matches" },
  ["fabric-failed"] = {
    { "systemd[1]: nvidia-fabricmanager.service: Failed with result 'exit-code'.", "systemd[1]: nvidia-fabricmanager.service: Control process exited, "
      .. "code=exited, status=1/FAILURE",
      "systemd[1]: fabricmanager.service: Control process exited, code=exited" },
    "systemd[1]: nvidia-fabricmanager.service: Succeeded." },
  ["xid-154"] = {
    { "NVRM: Xid (PCI:0000:13:00): 154, GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)", xid(154),
      "NVRM: Xid (0000:01:00): 154, x" },
    xid(1540) },
  ["xid-other"] = { { xid(9999), "NVRM: Xid (0000:01:00): 3, C 00000005 SC 00000007 M 00001ffc Data ffffffff" }, xid(79) },

  -- AMD
  ["amdgpu-memory"] = {
    { "amdgpu 0000:03:00.0: probe with driver amdgpu failed with error -12", "amdgpu: probe of 0000:03:00.0 failed with error -12" },
    "amdgpu: probe of 0000:03:00.0 failed with error -22" },
  ["amdgpu-probe"] = {
    { "amdgpu: probe of 0000:00:09.0 failed with error -22", "amdgpu 0000:03:00.0: probe with driver amdgpu failed with error -22" },
    "amdgpu: probe of 0000:03:00.0 failed with error -12" },
  ["amdgpu-psp"] = {
    { "[drm:psp_hw_start [amdgpu]] *ERROR* PSP create ring failed!", "amdgpu 0000:01:00.0: amdgpu: PSP tmr init failed!",
      "amdgpu 0000:01:00.0: amdgpu: PSP firmware loading failed", "amdgpu: PSP load kdb failed!",
      "[drm:amdgpu_device_fw_loading [amdgpu]] *ERROR* hw_init of IP block <psp> failed -22",
      "amdgpu 0000:01:00.0: amdgpu: psp gfx command UNKNOWN CMD(0x0) failed and response status is (0x0)" },
    "amdgpu: Will use PSP to load VCN firmware" },
  ["amdgpu-atombios"] = {
    { "[drm:atom_op_jump [amdgpu]] *ERROR* atombios stuck in loop for more than 20secs aborting", "amdgpu: atombios stuck executing D65C" },
    "ATOM BIOS: 113-D1631700-111" },
  ["amdgpu-rom"] = { { "amdgpu 0000:03:00.0: amdgpu: Unable to locate a BIOS ROM" }, "amdgpu: Fetched VBIOS from ROM BAR" },
  ["amdgpu-firmware"] = {
    { "amdgpu 0000:04:00.0: Direct firmware load for amdgpu/psp_13_0_8_toc.bin failed with error -2" },
    "amdgpu 0000:04:00.0: firmware: direct-loading firmware amdgpu/psp_13_0_8_toc.bin" },
  ["amdgpu-timeout"] = {
    { "[drm:amdgpu_job_timedout [amdgpu]] *ERROR* ring gfx timeout, but soft recovered", "amdgpu: ring sdma0 timeout, signaled seq=2, emitted seq=4" },
    "amdgpu: ring gfx uses VM inv eng 0" },
  ["amdgpu-ib-test"] = {
    { "[drm:amdgpu_ib_ring_tests [amdgpu]] *ERROR* IB test failed on vpe (-110).", "amdgpu 0000:c1:00.0: amdgpu: ib ring test failed (-110)." },
    "[drm] ib test on ring 5 succeeded" },
  ["amdgpu-init"] = {
    { "amdgpu 0000:01:00.0: amdgpu: Fatal error during GPU init", "amdgpu 0000:01:00.0: amdgpu: amdgpu_device_ip_init failed",
      "[drm:amdgpu_device_ip_init] *ERROR* sw_init of IP block <gfx_v11_0> failed -2", "[drm:amdgpu_fill_buffer [amdgpu]] *ERROR* Trying to clear memory with "
        .. "ring turned off.",
      "[drm:psp_v13_0_ring_destroy [amdgpu]] *ERROR* Fail to stop psp ring", "amdgpu 0000:04:00.0: amdgpu: fail to request/validate toc microcode",
      "amdgpu 0000:01:00.0: amdgpu: Failed to load toc", "[drm:psp_sw_init] *ERROR* Failed to load psp firmware!" },
    "amdgpu: GPU init done" },
  ["kfd-excluded"] = {
    { "kfd kfd: amdgpu: device 1002:7550 NOT added due to errors" }, "kfd kfd: amdgpu: added device 1002:7550" },
  ["kfd-atomics"] = {
    { "kfd kfd: amdgpu: skipped device 1002:67e3, PCI rejects atomics 730<0", "kfd kfd: skipped device 1002:67df, PCI rejects atomics" },
    "kfd kfd: added device 1002:73bf" },
  ["kfd-iommu"] = { { "kfd kfd: amdgpu: error getting iommu info. is the iommu enabled?" }, "kfd kfd: iommu info read" },

  -- Intel
  ["intel-small-bar"] = {
    { "xe 0000:03:00.0: [drm] Failed to resize BAR2 to 16384M (-ENOSPC). Consider enabling 'Resizable BAR' support in your BIOS",
      "[drm] Failed to resize BAR2 to 8192M (-ENOSPC)" },
    "xe 0000:03:00.0: [drm] BAR2 resized to 16384M" },
  ["intel-not-known"] = {
    { "i915 0000:03:00.0: Your graphics device e20b is not properly supported by i915 in this",
      "xe 0000:03:00.0: [drm] Your graphics device e20b is not officially supported by xe driver in this kernel version. Use xe.force_probe='e20b'",
      "Your graphics device e20b is not officially supported; force_probe" },
    "i915.force_probe=7d67 module_blacklist=xe" },
  ["intel-guc"] = {
    { "i915 0000:03:00.0: [drm] GuC initialization failed -110", "i915 0000:00:02.0: *ERROR* GT0: GUC: CT: Sending action 0x550b failed (-EIO)",
      "xe 0000:03:00.0: [drm] *ERROR* GT0: GuC load failed", "i915 0000:03:00.0: [drm] GuC firmware i915/dg2_guc_70.bin: fetch failed -ENOENT",
      "i915 0000:03:00.0: [drm] *ERROR* Failed to load GuC firmware" },
    "i915 0000:00:02.0: [drm] GT0: GUC: submission enabled" },
  ["intel-wedged"] = {
    { "i915 0000:03:00.0: [drm] *ERROR* Failed to initialize GPU, declaring it wedged!", "xe 0000:03:00.0: [drm] device declared wedged",
      "xe 0000:03:00.0: [drm] *ERROR* CRITICAL: Xe has declared device 0000:03:00.0 as wedged." },
    "i915 0000:03:00.0: the GPU is not wedged" },
  ["intel-probe"] = {
    { "i915 0000:03:00.0: probe with driver i915 failed with error -12", "i915: probe of 0000:03:00.0 failed with error -12",
      "xe 0000:03:00.0: probe with driver xe failed with error -28", "xe: probe of 0000:03:00.0 failed with error -28",
      "i915 0000:03:00.0: Device initialization failed (-19)" },
    "i915 0000:03:00.0: probe with driver i915 succeeded" },

  -- Linux
  ["secure-boot-key"] = {
    { "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service", "modprobe: ERROR: could not insert 'nvidia': Required key not available",
      "Loading of module with unavailable key is rejected", "PKCS#7 signature not signed with a trusted key",
      "Lockdown: modprobe: unsigned module loading is restricted; see man kernel_lockdown.7" },
    "modprobe: ERROR: could not insert 'nvidia': No such device" },
  ["nouveau-unknown"] = {
    { "nouveau 0000:02:00.0: unknown chipset (1b2000a1)", "nouveau 0000:02:00.0: DRM: unknown chipset" }, "nouveau 0000:02:00.0: NVIDIA GP107 (137000a1)" },
  ["nouveau-failed"] = {
    { "nouveau: probe of 0000:02:00.0 failed with error -12", "nouveau 0000:02:00.0: probe with driver nouveau failed with error -12",
      "nouveau 0000:02:00.0: DRM: failed to create kernel channel, -22", "nouveau 0000:02:00.0: gr: init failed, -16", "nouveau 0000:02:00.0: timeout",
      "nouveau 0000:02:00.0: bus: MMIO read of 00000000 FAULT at 619444" },
    "nouveau 0000:02:00.0: fb: 4096 MiB GDDR5" },

  ["amdgpu-no-atomics"] = { { "[drm] PCIE atomic ops is not supported" }, "[drm] PCIE atomic ops is supported" },

  -- Windows
  ["windows-code-other"] = {
    { "This device is disabled. (Code 22)", "ConfigManagerErrorCode : 14", "Problem Code: 52 (0x34)", "Problem : CM_PROB_DISABLED" }, "(Code 43)" },
  ["windows-tdr"] = {
    { "Display driver nvlddmkm stopped responding and has successfully recovered." }, "Display driver nvlddmkm responded" },
  ["windows-gpuid"] = {
    { "Restarting TDR occurred on GPUID:100", "Error occurred on GPUID: 100" }, "TDR has not occurred on GPUID" },
  ["windows-bugcheck-other"] = { { "  BCCode:\t124", "The bugcheck was: 0x0000007e (0x1)" }, "  BCCode:\t116" },
  ["card-named"] = {
    { "Name: NVIDIA GeForce RTX 2080 Ti", "FriendlyName : GeForce RTX 2080 Ti", '"Name":  "AMD Radeon RX 6800 XT",', "Name : Intel(R) Arc(TM) Pro B50 "
      .. "Graphics" },
    "Name : Microsoft Basic Display Adapter" },
  ["driver-named"] = { { "Driver Version: 31.0.15.3713" }, "Driver Version: unknown" },
  ["windows-code-10"] = {
    { "Das Geraet kann nicht gestartet werden. (Code 10)", "ConfigManagerErrorCode : 10", "Problem Code: 10 (0xA)", "Problem : CM_PROB_FAILED_START",
      "This device cannot start." },
    "Problem : CM_PROB_FAILED_STARTED" },
  ["windows-code-12"] = {
    { "x (Code 12)", "ConfigManagerErrorCode : 12", "Problem Code: 12 (0xC)", "Error  Display  NVIDIA A40  PCI\\VEN_10DE  CM_PROB_NORMAL_CONFLICT",
      "This device cannot find enough free resources that it can use." },
    "ConfigManagerErrorCode : 0" },
  ["windows-code-28"] = {
    { "x (Code 28)", "ConfigManagerErrorCode=28", "Problem Code: 28", "CM_PROB_FAILED_INSTALL", "The drivers for this device are not installed." },
      "(Code 2)" },
  ["windows-code-31"] = {
    { "x (Code 31)", "ConfigManagerErrorCode : 31", "Problem Code: 31", "CM_PROB_FAILED_ADD",
      "This device is not working properly because Windows cannot load the drivers required for this device." }, "ConfigManagerErrorCode : 310" },
  ["windows-code-43"] = {
    { "Windows a arr\u{EA}t\u{E9} ce p\u{E9}riph\u{E9}rique (Code 43)", "ConfigManagerErrorCode : 43", "    Problem Code:   43 (0x2B)",
      "CM_PROB_FAILED_POST_START",
      "Windows has stopped this device because it has reported problems." },
    "Problem Code: 4 (0x4)" },
}

for _, row in ipairs { { "116", "VIDEO_TDR_FAILURE" }, { "117", "VIDEO_TDR_TIMEOUT_DETECTED" }, { "119", "VIDEO_SCHEDULER_INTERNAL_ERROR" } } do
  messages["windows-bugcheck-" .. row[1]] = {
    { "Stop code: " .. row[2], "  BCCode:\t" .. row[1], "The computer has rebooted from a bugcheck.  The bugcheck was: 0x00000" .. row[1] .. " (0xffffe00)",
      "*** STOP: 0x00000" .. row[1] .. " (0xFFFFFA80)", "Stop code 0x00000" .. row[1] },
    "BCCode:\t1" .. row[1] }
end

for number = 1, 200 do
  messages["xid-" .. number] = messages["xid-" .. number] or { { xid(number), "NVRM: Xid (0000:01:00): " .. number .. ", x" }, xid(number * 1000) }
end

local known = {}
for _, entry in ipairs(require "gpupt.vmlog".catalogue()) do known[entry.code] = true end
for number = 1, 200 do
  if not known["xid-" .. number] then messages["xid-" .. number] = nil end
end

return messages
