--- Logs in which nothing is wrong, of any length, with the variety that such logs have: also warnings, errors and resets of
-- disks, networks and tools, which are none of a card. For the specs that say what must not be reported.
local healthy = {}

-- %d and %x are filled with numbers, %a with an address, %t with a thread.
local vmware = {
  "Hostname=esx-01.example.org", "System uptime %d us", "PREF Optional preferences file not found at /etc/vmware/config. Using default values.",
  "Host VT-x Capabilities:", "Basic VMX Information (0x00da%x)", "FeatureCompat: No EVC masks.", "Monitor Mode: CPL0",
  "OvhdMem_PowerOn: initial admission: paged %d nonpaged %d anonymous %d", "VMMEM: Initial Reservation: %dMB (MainMem=%dMB)",
  'DISKLIB-VMFS : "/vmfs/volumes/ds/vm/vm-flat.vmdk" : open successful (10) size = %d, hd = %d. Type 3',
  "DISKLIB-LIB : Opened \"/vmfs/volumes/ds/vm/vm.vmdk\" (flags 0xa, type vmfs).", "SCSI: switching scsi0 to push completion mode",
  "LSI: Invalid PageType [22] pageNo 0 Action 0", "scsi0:0: Command WRITE(10) took 1.%d seconds (ok)", "SVGA: Registering MemSpace at 0x%x",
  "SVGA hiding SVGA", "SVGA-GFB: Config settings: autodetect=0, numDisplays=1", "SVGA: FIFO capabilities 0x0000077f",
  "MKS-RenderMain: PowerOn allowed MKSBasicOps", "MKS VNC: connection closed: connection reset by peer", "USB: Initializing 'Generic' backend",
  "USB: DevID(1000000E0F0003): Resetting device.", "UHCI: HCReset", "EHCI: HCReset", "AHCI-VMM: sata0:0: HBA reset issued",
  "CDROM: Connecting sata0:0 to 'CD/DVD drive 0'. type=2 remote=0", "E1000: E1000 rx ring full, drain packets.",
  "VMXNET3 user: Ethernet0 Driver Info: version = %d gosBits = 2 gosType = 1, gosVer = 0, gosMisc = 0", "Tools: [RunningStatus] Last heartbeat value %d (last "
    .. "received 0s ago)",
  "TOOLS autoupgrade protocol version 2", "TOOLS call to Resolution_Set failed: %d", "Tools: Tools heartbeat timeout.",
  "GuestRpc: Reinitializing Channel 0(toolbox)", "GuestMsg: Channel 0, Cannot unpost because the previous post is already completed",
  "GuestRpc: Channel %d reinitialized.", "Vix: [mainDispatch.c:%d]: VMAutomation_ReportPowerOpFinished: statevar=1, newAppState=1873, success=1 "
    .. "additionalError=0",
  "Vix: [vmxCommands.c:%d]: VMAutomation_Reset", "Guest: toolbox: version: %d", "Guest: Firmware has transitioned to runtime.",
  "Guest: EFI ROM version: VMW71.00V.21100432.B64.2301110304 (64-bit RELEASE)", "Guest: About to do EFI boot: EFI VMware Virtual SCSI Hard Drive (0.0)",
  "MonitorSwitch: vcpu %d resumed", "Checkpoint_Unstun: vm stopped for %d us", "SnapshotVMX_TakeSnapshot start: 'nightly', deviceState=0",
  "PIIX4: PM Soft Off.  Good-bye.", "VMXVmdb_LoadRawConfig: Loading raw config", "FILE: FileLockDynaLink : Further process validation tools are: available",
  "PolicyVMXFindPolicyKey: policy file does not exist.", "ConfigCheck: No rules file found. Checks are disabled.", "Could not expand environment variable "
    .. "'HOME'.",
  "PCI: Registering PCI virtual function device", "pciBridge4:1: ISA/VGA decoding enabled (ctrl 0004)", "PCIBridge7: ISA/VGA decoding enabled (ctrl 0004)",
  "pciPassthru0: PCI bus 2 slot 0 function 0", "PCIPassthru: Device %a barIndex 0 type 2 realaddr 0xd4000000 size 16777216 flags 0",
  "PCIPassthru: successfully created the IOMMU mappings", "PCIPassthru: selected device %a", "PCIPassthru: MSI-X interrupts enabled for %a",
  "DICT        pciPassthru0.id = \"00000:066:00.0\"", "DICT                  scsi0.present = \"TRUE\"", "DICT                   firmware = \"efi\"",
  "HGFileCopyCreateSessionCB: Successfully created the session.", "GuestLib Generated SessionId %d", "ToolsISO: Refreshing imageName for 'ubuntu-64'",
  "VigorTransportProcessClientPayload: opID=%x seq=%d: Receiving MKS.RequestMKSStats request.", "Msg_Question:", "NVME-VMM: Controller level reset of nvme0 "
    .. "done",
  "KHZEstimate %d", "TimeTracker host to guest rate conversion %d @ 2494210000Hz", "Intel VT: FlexPriority enabled", "vAssert support is disabled.",
}

local vmkernel = {
  "PCI: 1095: %a: Found support for device 0x8086:0x1572", "PCI: 1104: No driver for %a", "PCI: 545: %a: PCIe v2 PCI Express Root Port",
  "VTD: 1127: Firmware: DRHD for segment 0 at 0xfbffc000", "IOMMU: 2176: Device %a placed in new domain 0x4303%x.", "AMDIommu: 996: IOMMU 0000:a0:00.2: "
    .. "Initialized",
  "PCIPassthru: 3873: pcipDevInfo(0x43174d48%x) allocated for %a", "PCIPassthru: 1750: Disable Domain for device %a",
  "VMKPCIPassthru: 2500: BDF = %a intrType = 4 numVectors: 4", "IntrCookie: 1915: cookie 0x%d moduleID 4111 <nvme0>, vectors 4",
  'ScsiDeviceIO: 4325: Cmd(0x459a%x) 0x1a, CmdSN 0x%x from world 0 to dev "mpx.vmhba32:C0:T0:L0" failed H:0x0 D:0x2 P:0x0 Valid sense data: 0x5 0x24 0x0.',
  "WARNING: ScsiDeviceIO: 1564: Device naa.600%x performance has deteriorated. I/O latency increased from average value of %d microseconds to %d microseconds.",
  "WARNING: NMP: nmp_DeviceRequestFastDeviceProbe:237: NMP device \"naa.600%x\" state in doubt; requested fast path state update...",
  "WARNING: ScsiPath: 9309: Adapter vmhba2 reset issued", "lpfc: lpfc_rportStats:4592: %d:(0) Compression log for fcp target 2, link reset",
  "vmw_ahci[0000001f]: ahciAbortIO:(curr) HWQD: %d BusyL: 0", "WARNING: vmw_ahci[0000001f]: IssueCommand:tag: %d device reset failed once, retried",
  "WARNING: NFS: 4283: Lost connection to the server nas mount point /vol1", "WARNING: iscsi_vmk: iscsivmk_StopConnection:738: vmhba64:CH:0 T:0 CN:0: "
    .. "Connection reset by peer",
  "NetPort: 1881: disabled port 0x%x", "Uplink: 11680: Setting attribute vmnic0", "WARNING: nmlx5_core: %a: vmnic4: rx queue %d reset",
  "ixgben: ixgben_CheckTxHang:1762: %a vmnic2: false hang detected on TX queue %d", "WARNING: LinNet: netdev_watchdog:3678: NETDEV WATCHDOG: vmnic1: transmit "
    .. "timed out",
  "igbn: igbn_CheckLink:%d: Link is up for device 0x%x", "HBX: 3041: 'datastore1': HB at offset 3%d - Waiting for timed out HB:",
    "FS3Misc: 1465: Long VMFS rsv time on 'ds'",
  "DVFilter: 6027: Checking disconnected filters for timeouts", "WARNING: NTPClock: %d: ntp skew %d ppm", "MemSchedAdmit: 477: Admission failure in path: "
    .. "vm.%d:vmm0",
  "Vol3: 1129: Couldn't read volume header from mpx.vmhba32:C0:T0:L0:6: I/O error", "WARNING: LSOM: LSOMVsiGetVirstoInstanceStats:800: Throttled: Attempt to "
    .. "get Virsto stats on unsupported disk",
  "StorageApdHandler: 1203: APD start for 0x43047%x", "UserDump: %d: hostd-worker: Dumping cartel", "WARNING: UserObj: %d: Failed to crossdup fd 6",
    "Config: 723: \"SIOControlFlag2\" = 0",
  "VSCSI: 4062: handle %d(vscsi0:0):Creating Virtual Device for world", "VSCSI: 2639: handle %d(vscsi0:0):Reset request on FSS handle",
    "ALERT: vmsyslog logger 10.0.0.9:514 lost %d log messages",
  "usb-storage 2-1:1.0: usb reset device", "xhci: xhci_bulk_transfer: port %d reset", "CMMDS: AgentReset:%d: reset of the role",
    "Tcpip_Vmk: 190: %d: connection reset",
  "WARNING: smartpqi: pqisrc_wait_for_rescan:%d: reset of path done", "qlnativefc: vmhba3(%a): Loop up", "WARNING: qlnativefc: vmhba3(%a): Async-login failed: "
    .. "handle=0x%x", "BC: %d: Failed to flush %d buffers",
  "nvme_pcie00003b0000:NVMEPCIEAsyncEvent:%d: reset count 0", "World: vm %d: 7076: Starting world vmm0:vm", "Vmxnet3: 18569: indLROPktToGuest: 0, "
    .. "vcd->umkShared->vrrsSelected: 3 port 0x%x",
}

local dmesg = {
  "Linux version 5.15.0-%d-generic (buildd@host)", "DMI: VMware, Inc. VMware20,1/440BX Desktop Reference Platform, BIOS VMW201.00V.%d.B64",
    "Hypervisor detected: VMware",
  "pci %a: [15ad:07a0] type 01 class 0x060400", "pci 0000:00:15.%o: BAR 13: no space for [io  size 0x1000]", "pci 0000:00:15.%o: BAR 13: failed to assign [io  "
    .. "size 0x1000]",
  "pci 0000:00:16.%o: bridge window [io  size 0x1000]: can't assign; no space", "pci 0000:00:0f.0: BAR 6: assigned [mem 0xfff80000-0xfff87fff pref]",
  "pci 0000:02:00.0: reg 0x14: [mem 0x3b800000000-0x3bfffffffff 64bit pref]", "pcieport 0000:00:15.0: pciehp: Slot #160 AttnBtn+ PwrCtrl+ MRL- AttnInd- "
    .. "PwrInd- HotPlug+ Surprise- Interlock- NoCompl+ LLActRep+",
  "shpchp 0000:00:01.0: HPC vendor_id 15ad device_id 7191", "acpiphp: Slot [%d] registered", "vmwgfx 0000:00:0f.0: [drm] Running on SVGA version 2.",
    "piix4_smbus 0000:00:07.3: SMBus Host Controller not enabled!",
  "vmw_vmci 0000:00:07.7: Using capabilities 0x1c", "vmxnet3 0000:0b:00.0 ens192: NIC Link is Up 10000 Mbps", "vmxnet3 0000:0b:00.0 ens192: intr type 3, mode "
    .. "0, 5 vectors allocated", "mptsas: ioc0: attempting host reset!",
  "nvidia: loading out-of-tree module taints kernel.", "nvidia: module license 'NVIDIA' taints kernel.", "nvidia: module verification failed: signature and/or "
    .. "required key missing - tainting kernel",
  "nvidia 0000:02:00.0: can't derive routing for PCI INT A", "nvidia 0000:02:00.0: PCI INT A: no GSI",
  "pci %a: can't set Max Payload Size to 256; if necessary, use \"pci=pcie_bus_safe\" and report a bug",
  "NVRM: Your system is not currently configured to drive a VGA console", "NVRM: corruption and stability problems, and is not supported.",
  "nvidia-nvlink: Nvlink Core is being initialized, major device number 2%d", "nvidia 0000:02:00.0: enabling device (0000 -> 0003)",
    "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  580.%d.05  Release Build",
  "nvidia-modeset: Loading NVIDIA Kernel Mode Setting Driver for UNIX platforms  580.%d.05", "[drm] [nvidia-drm] [GPU ID 0x00000200] Loading driver",
    "[drm] Initialized nvidia-drm 0.0.0 for 0000:02:00.0 on minor %d",
  "nvidia_uvm: module uses symbols nvUvmInterfaceDisableAccessCntr from proprietary module nvidia, inheriting taint.", "nvidia-uvm: Loaded the UVM driver, "
    .. "major device number 5%d", "nvidia 0000:02:00.0: [drm] Cannot find any crtc or sizes",
  "[drm] amdgpu kernel modesetting enabled.", "amdgpu: Virtual CRAT table created for CPU", "amdgpu 0000:03:00.0: amdgpu: Fetched VBIOS from ROM BAR",
    "amdgpu 0000:03:00.0: amdgpu: PSP runtime database doesn't exist",
  "amdgpu 0000:03:00.0: amdgpu: RAS: optional ras ta ucode is not available", "amdgpu 0000:03:00.0: amdgpu: SECUREDISPLAY: query securedisplay TA failed. ret "
    .. "0x0", "amdgpu 0000:03:00.0: amdgpu: SMU driver if version not matched",
  "amdgpu 0000:03:00.0: amdgpu: VRAM: 16368M 0x0000008000000000 - 0x00000083FEFFFFFF (16368M used)", "kfd kfd: amdgpu: added device 1002:73bf",
    "[drm] VCE initialized successfully.",
  "i915 0000:00:02.0: [drm] VT-d active for gfx access", "i915 0000:03:00.0: [drm] Finished loading DMC firmware i915/dg2_dmc_ver2_08.bin (v2.8)",
    "xe 0000:03:00.0: [drm] Using GuC firmware from xe/bmg_guc_70.bin version 70.%d.0",
  "DMAR: Host address width 46", "DMAR: No ATSR found", "iommu: Default domain type: Translated", "AMD-Vi: AMD IOMMUv2 functionality not available on this "
    .. "system - This is not a bug.", "sd 0:0:0:0: [sda] Assuming drive cache: write through",
  "EXT4-fs error count since last fsck: %d", "EXT4-fs (sda2): re-mounted. Quota mode: none.", "random: crng init done", "systemd[1]: Starting Load Kernel "
    .. "Module efi_pstore...", "audit: type=1400 audit(1689932450.%d:2): apparmor=\"STATUS\"",
  "usb 2-1: reset high-speed USB device number %d using ehci-pci", "ata1: SATA link down (SStatus 0 SControl 300)", "ata4.00: exception Emask 0x0 SAct 0x0 "
    .. "SErr 0x0 action 0x6 frozen", "TCP: request_sock_TCP: Possible SYN flooding on port %d.",
  "clocksource: timekeeping watchdog on CPU%d: hpet wd-wd read-back delay", "cgroup: fork rejected by pids controller", "nfs: server nas not responding, timed "
    .. "out", "docker0: port %d(veth) entered disabled state", "x86/fpu: xstate_offset[2]:  576",
  "ACPI: PCI Interrupt Link [LNKA] (IRQs 3 4 5 *10)", "PCI: Using ACPI for IRQ routing", "PCI-DMA: Using software bounce buffering for IO (SWIOTLB)",
    "hv_vmbus: not found", "cirrus: probe skipped",
}

local function filler(random)
  local known = { "0000:3b:00.0", "0000:5e:00.1", "0000:af:00.0", "0000:18:00.0" }
  return function(template)
    return (template:gsub("%%([dxato])", function(what)
      if what == "d" then return tostring(random(1, 9999)) end
      if what == "x" then return ("%x"):format(random(4096, 1 << 24)) end
      if what == "o" then return tostring(random(0, 7)) end
      return known[random(#known)]
    end))
  end
end

local function lines_of(templates, prefix, count, seed)
  local state = seed
  local function random(a, b)
    state = (state * 6364136223846793005 + 1442695040888963407)
    local value = state >> 33
    if not b then a, b = 1, a end
    return a + value % (b - a + 1)
  end
  local fill, list = filler(random), {}
  for i = 1, count do
    local template = templates[random(#templates)]
    list[i] = prefix(i, random, template) .. fill(template)
  end
  return table.concat(list, "\n") .. "\n"
end

local threads = { "vmx", "vcpu-0", "vcpu-3", "mks", "svga", "host-2101384", "worker-2101391" }

local function stamp(i) return ("2024-03-%02dT%02d:%02d:%02d.%03dZ"):format(1 + i // 80000 % 28, i // 3600 % 24, i // 60 % 60, i % 60, i % 1000) end

function healthy.vmware(count, seed)
  return lines_of(vmware, function(i, random, template)
    local level = template:find "failed" and "Wa(03)" or template:find "timeout" and "Er(02)" or "In(05)"
    return ("%s %s %s - "):format(stamp(i), level, threads[random(#threads)])
  end, count, seed or 1)
end

function healthy.vmkernel(count, seed)
  return lines_of(vmkernel, function(i, random, template)
    local level = template:find "^WARNING" and "Wa(180)" or template:find "^ALERT" and "Al(177)" or "In(182)"
    return ("%s %s vmkernel: cpu%d:%d)"):format(stamp(i), level, random(0, 63), random(2097152, 2199999))
  end, count, seed or 2)
end

function healthy.dmesg(count, seed)
  return lines_of(dmesg, function(i) return ("[%5d.%06d] "):format(i // 7, i * 137 % 1000000) end, count, seed or 3)
end

return healthy
