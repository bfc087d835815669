--- NVIDIA's driver in a Linux guest (NVRM), except Xids; which flavour of it fits which card; the NVLink fabric.
local evidence = require "gpupt.vmlog.evidence"

local integer = evidence.integer

local window_remedy = evidence.remedy_of_window

local RESET = "Power the VM off and on (a reboot of the guest does not reset the card). If it stays, power the host "
  .. "off and on."

return {
  {
    code = "nvrm-gpu", severity = "info", lead = true, word = "NVRM: ",
    match = "NVRM: The NVIDIA GPU (%x+:%x+:%x+%.%x) %(PCI ID: (%x+:%x+)%)",
    cause = "The card that the next lines are about.", remedy = "See there.",
    source = "NVIDIA kernel module, nv-pci.c",
  },
  {
    code = "nvrm-bar-invalid", severity = "error", word = "NVRM: ",
    match = "NVRM: This PCI I/O region assigned to your NVIDIA device is invalid",
    cause = "The guest's firmware gave a BAR of the card no address: there is no 64-bit window, or it is too small.",
    remedy = window_remedy, source = "NVIDIA kernel module, nv-pci.c",
  },
  {
    code = "nvrm-bar-unassigned", severity = "error", word = "NVRM: ", address = 4,
    match = "NVRM: BAR(%d) is (%d+)M @ (0x%x+) %(PCI:(%x+:%x+:%x+%.%x)%)",
    detail = function(captures)
      if captures[2] ~= "0" and tonumber(captures[3]) ~= 0 then return false end
      return { index = integer(captures[1]), address = captures[4] }
    end,
    cause = function(captures)
      return ("BAR%s of %s has no address in the guest: there is no 64-bit window, or it is too "
        .. "small."):format(captures[1], captures[4])
    end,
    remedy = window_remedy, source = "NVIDIA kernel module, nv-pci.c",
  },
  {
    code = "nvrm-region", severity = "error", word = "NVRM: ",
    match = "NVRM: request_mem_region failed for (%d+)M @ (0x%x+)",
    cause = "Another driver of the guest (often nouveau, or a frame buffer) holds the card's memory.",
    remedy = "Blacklist nouveau, rebuild the initramfs, reboot the guest.",
    source = "NVIDIA kernel module, nv-pci.c",
  },
  {
    code = "nvrm-not-called", severity = "error", word = "NVRM: ",
    match = { "NVRM: The NVIDIA probe routine was not called for (%d+) device",
      "NVRM: This can occur when another driver was loaded and", "NVRM: This can occur when a driver such as" },
    cause = "Another driver of the guest (nouveau most often) took the card before NVIDIA's driver could.",
    remedy = "Blacklist nouveau (a file in /etc/modprobe.d with \"blacklist nouveau\" and \"options nouveau "
      .. "modeset=0\"), rebuild the initramfs, reboot the guest.",
    source = "NVIDIA kernel module, nv.c",
  },
  {
    code = "nvrm-bound", severity = "error", address = 1, word = "is already bound to",
    match = "NVRM: GPU (%x+:%x+:%x+%.%x) is already bound to (%S-)%.?$",
    cause = function(captures)
      return ("Another driver of the guest, %s, holds %s."):format(captures[2], captures[1])
    end,
    remedy = function(captures)
      return ("Keep %s from the card (blacklist it, or remove the card's ids from its options), rebuild the "
        .. "initramfs, reboot the guest."):format(captures[2])
    end,
    source = "NVIDIA kernel module, nv-pci.c; public posts of 2021 to 2026",
  },
  {
    code = "nvrm-no-gpu", severity = "error", word = "NVRM: ", match = "NVRM: No NVIDIA GPU found",
    cause = "The guest has NVIDIA's driver but no card.",
    remedy = "Check with lspci -d 10de: in the guest; if nothing is there, the VM has no card assigned or did not "
      .. "get it.",
    source = "NVIDIA kernel module, nv.c",
  },
  {
    code = "nvrm-probe", severity = "error", word = "NVRM: ", consequence = true,
    match = "NVRM: The NVIDIA probe routine failed for (%d+) device",
    cause = function(captures) return ("The driver could not take over %s of the cards."):format(captures[1]) end,
    remedy = "The lines before it show why: BARs without address, another driver, or a card that this driver does "
      .. "not support.",
    source = "NVIDIA kernel module, nv.c",
  },
  {
    code = "nvrm-none", severity = "error", word = "NVRM: ", consequence = true,
    match = { "NVRM: None of the NVIDIA devices were initialized", "NVRM: No NVIDIA devices probed" },
    cause = "No card could be started by the driver.", remedy = "See the lines before it for the reason.",
    source = "NVIDIA kernel module, nv.c",
  },
  {
    code = "nvrm-probe-error", severity = "error", address = 1, consequence = true, word = "failed with error -",
    match = { "nvidia (%x+:%x+:%x+%.%x): probe with driver nvidia failed with error %-%d+",
      "nvidia: probe of (%x+:%x+:%x+%.%x) failed with error %-%d+" },
    cause = "The kernel says that NVIDIA's driver refused the card.", remedy = "See the NVRM lines before it for the "
      .. "reason.",
    source = "negativo17/nvidia-driver#158; Linux, drivers/base/dd.c",
  },
  {
    code = "nvrm-init", severity = "error", consequence = true, word = { "NVRM: ", "rm_init_adapter failed" },
    match = { "NVRM: GPU (%S+): RmInitAdapter failed! %((%S-)%)", "rm_init_adapter failed" },
    cause = "The driver found the card but could not start it.",
    remedy = function(_, session)
      return "Look, in this order, at the VM's MMIO window (gpupt log on its vmware.log), the flavour of the modules "
        .. "(Blackwell needs the open ones, cards before Turing the closed ones), and power the VM off and on once."
        .. (session.bios_guest and " This guest booted with BIOS firmware: cards with large BARs need EFI." or "")
    end,
    detail = function(captures) return captures[2] and { status = captures[2] } or nil end,
    source = "NVIDIA kernel module, nv.c; NVIDIA/cuda-samples#104 (a VMware guest)",
  },
  {
    code = "guest-bios", severity = "info", bios = true, word = "VMware Virtual Platform/440BX",
    match = "Hardware name: VMware, Inc%. VMware Virtual Platform/440BX.-, BIOS 6%.00",
    cause = "The guest booted with BIOS firmware.",
    remedy = "A card whose BARs exceed 3.5 GiB needs a VM with EFI firmware.",
    source = "NVIDIA/cuda-samples#104",
  },
  {
    code = "nvrm-gsp", severity = "error", word = { "Cannot initialize GSP firmware", "cannot bootstrap riscv/gsp",
      "GFW_BOOT", "GFW boot" },
    match = { "Cannot initialize GSP firmware RM", "cannot bootstrap riscv/gsp", "failed to wait for GFW_BOOT",
      "failed to wait for GFW boot complete" },
    cause = "The card's own processor (GSP) did not start: the card was not reset properly, or driver and firmware "
      .. "do not match.",
    remedy = RESET .. " Then another driver release. With the closed modules, and before Blackwell, try to switch "
      .. "GSP off (NVreg_EnableGpuFirmware=0); the open modules need it.",
    source = "NVIDIA/open-gpu-kernel-modules#433, #789, #820",
  },
  {
    code = "nvrm-wpr2", severity = "error", word = "WPR2 already up",
    match = "unexpected WPR2 already up, cannot proceed with booting GSP",
    cause = "The card still holds the state of an earlier start: it was not reset between two uses.",
    remedy = RESET, source = "NVIDIA/open-gpu-kernel-modules#1230",
  },
  {
    code = "nvrm-fell-off", severity = "error", word = "has fallen off the bus", address = 1,
    match = { "NVRM: GPU at (%x+:%x+:%x+%.%x) has fallen off the bus", "NVRM: GPU (%x+:%x+:%x+%.%x): GPU has fallen "
      .. "off the bus",
      "NVRM: The NVIDIA GPU (%x+:%x+:%x+%.%x).-has fallen off the bus" },
    cause = function(captures)
      return ("%s no longer responds on PCIe: power, heat, slot or riser, or the host reset it."):format(captures[1])
    end,
    remedy = "Look into the host's vmkernel.log of the same minute (resets, PCIEHP, link down); check power cables "
      .. "and cooling; power the host off and on.",
    source = "NVIDIA Xid 79; pastebin.com/xJaypMZt",
  },
  {
    code = "nvrm-needs-open", severity = "error", word = "NVIDIA open kernel modules",
    match = "installed in this system requires use of the NVIDIA open kernel modules",
    cause = function(_, _, found)
      local lead = found and found.lead
      return ("The card%s needs the open kernel modules, and the closed ones are installed."):format(
        lead and lead.id and " " .. lead.address .. " (" .. lead.id .. ")" or "")
    end,
    remedy = "Install the open flavour of the same driver release (nvidia-open, nvidia-driver-NNN-open, or "
      .. "--kernel-module-type=open), rebuild the initramfs, reboot the guest. Blackwell and newer support no other.",
    source = "Start9Labs/start-technologies#3693; NVIDIA driver README, open kernel modules",
  },
  {
    code = "nvrm-needs-closed", severity = "error", word = "is not supported by open",
    match = "installed in this system is not supported by open",
    cause = function(_, _, found)
      local lead = found and found.lead
      return ("The card%s has no GSP (it is older than Turing), and the open kernel modules are installed."):format(
        lead and lead.id and " " .. lead.address .. " (" .. lead.id .. ")" or "")
    end,
    remedy = "Install the closed flavour (proprietary kernel modules): Maxwell, Pascal and Volta need it, and 580 is "
      .. "their last branch.",
    source = "negativo17/nvidia-driver#158; NVIDIA/open-gpu-kernel-modules#322",
  },
  {
    code = "nvrm-open-unsupported", severity = "error", word = "Open nvidia.ko is only ready",
    match = "NVRM: Open nvidia%.ko is only ready for use on Data Center GPUs",
    cause = "The open modules of this old release (515 to 545) do not start workstation and GeForce cards by "
      .. "themselves.",
    remedy = "Install a driver of 550 or later, or set NVreg_OpenRmEnableUnsupportedGpus=1 for the nvidia module.",
    source = "NVIDIA/open-gpu-kernel-modules#230",
  },
  {
    code = "nvrm-version", severity = "error", word = { "NVRM: API mismatch", "Driver/library version mismatch",
      "river/library version" },
    match = { "NVRM: API mismatch: the client has the version ([%d.]+), but this kernel module has the version "
      .. "([%d.]+%d)", "NVRM: API mismatch: the client has the version ([%d.]+)", "NVRM: API mismatch",
      "[Dd]river/library version mismatch" },
    cause = function(captures)
      local which = captures[2] and (" (libraries %s, module %s)"):format(captures[1], captures[2])
        or captures[1] and (" (libraries %s)"):format(captures[1]) or ""
      return ("The kernel module and the libraries are of different driver releases%s: one was updated, and the module "
        .. "was not reloaded yet."):format(which)
    end,
    remedy = "Reboot the guest. If it stays, remove every NVIDIA package and install one release.",
    source = "NVIDIA kernel module, nv.c; public posts 2008 to 2025",
  },
  {
    code = "nvrm-resized-bar", severity = "warning", word = "NVRM: ",
    match = "NVRM: No address space to allocate resized BAR1",
    cause = "The driver tried to enlarge BAR1, and the VM's window has no space for it.",
    remedy = "Resizable BAR is not supported with passthrough on ESXi (Broadcom KB 312208); the size set by the "
      .. "host's firmware is used. Enlarge the window only if the card must have the larger BAR.",
    source = "NVIDIA kernel module, nv-pci.c",
  },
  {
    code = "nvrm-assert", severity = "warning", consequence = true, word = "Assertion failed",
    match = { "NVRM:? .-nvAssert[%w_]*: Assertion failed", "NVRM: .-Assertion failed: " },
    cause = "The driver reached an unexpected state.", remedy = "See the driver's other lines for the "
      .. "consequences.",
    source = "NVIDIA/open-gpu-kernel-modules#433",
  },
  {
    code = "smi-no-driver", severity = "error", form = "guest text", consequence = true,
    word = "couldn't communicate with the NVIDIA driver", match = "NVIDIA%-SMI has failed because it couldn't "
      .. "communicate with the NVIDIA driver",
    cause = "The NVIDIA kernel module is not loaded in the guest, or failed.",
    remedy = "Read dmesg of the guest (NVRM, nouveau, Secure Boot): gpupt log on it says why.",
    source = "cloud-hypervisor#4353; NVIDIA forum posts",
  },
  {
    code = "smi-none", severity = "error", form = "guest text", consequence = true, word = "No devices were found",
    match = "No devices were found",
    cause = "The driver is loaded and started no card.", remedy = "Read dmesg of the guest: the NVRM lines say why.",
    source = "NVIDIA/open-gpu-kernel-modules#789",
  },
  {
    code = "smi-lost", severity = "error", form = "guest text", word = { "Unable to determine the device handle",
      "GPU is lost" },
    match = { "Unable to determine the device handle for [gG][pP][uU]", "GPU is lost" },
    cause = "A card no longer responds to the driver.",
    remedy = "Read dmesg of the guest for an Xid, and the host's vmkernel.log of the same minute.",
    source = "cloud-hypervisor#4353; NVML, NVML_ERROR_GPU_IS_LOST",
  },
  {
    code = "cuda-802", severity = "error", form = "guest text", word = { "Error 802", "system not yet initialized",
      "cudaErrorSystemNotReady" },
    match = { "[Ee]rror 802%f[%D]", "system not yet initialized", "cudaErrorSystemNotReady" },
    cause = "The NVLink fabric of the board is not up: GPUs of a board with NVSwitches work only when the switches "
      .. "are set up by a Fabric Manager of the driver's own version.",
    remedy = "Are the board's NVSwitches with the GPUs (in this VM, or on a host that sets up their partitions)? "
      .. "NVIDIA does not support GPU passthrough of NVSwitch systems on vSphere; a single GPU needs its NVLink "
      .. "switched off or a board without switches.",
    source = "NVIDIA/nvtrust#55, NVIDIA/nvrc#159; NVIDIA AI Enterprise documentation",
  },
  {
    code = "cuda-803", severity = "error", form = "guest text",
    word = { "Error 803", "unsupported display driver", "cudaErrorSystemDriverMismatch" },
    match = { "[Ee]rror 803%f[%D]", "unsupported display driver / cuda driver combination",
      "cudaErrorSystemDriverMismatch" },
    cause = "The CUDA library (libcuda) and the kernel module are of different driver releases.",
    remedy = "Install one driver release; in a container, remove the cuda-compat libraries or take an image for this "
      .. "driver.",
    source = "CUDA runtime API, cudaErrorSystemDriverMismatch",
  },
  {
    code = "fabric-no-switch", severity = "error", word = "NV_WARN_NOTHING_TO_DO",
    match = "query NVSwitch device information from NVSwitch driver failed with error:?%s*WARNING Nothing to do",
    cause = function(_, session)
      if evidence.line_of(session, "cuda-802") then
        return "The guest has GPUs of a board with NVSwitches, but not the switches: the fabric never comes up "
          .. "(Error 802)."
      end
      return "The Fabric Manager finds no NVSwitch in this guest: either the card needs none (then the service is "
        .. "superfluous), or the board's switches were not passed through with its GPUs."
    end,
    remedy = function(_, session)
      if evidence.line_of(session, "cuda-802") then
        return "Pass through the board as a set, or use GPUs without NVSwitch: NVIDIA does not support GPU "
          .. "passthrough of NVSwitch systems on vSphere."
      end
      return "For PCIe cards, also with an NVLink bridge, disable nvidia-fabricmanager. For SXM boards see cuda-802."
    end,
    source = "NVIDIA/gpu-operator#610; data-infra/cube-studio#29",
  },
  {
    code = "fabric-version", severity = "error", word = "driver interface version",
    match = "abric manager NVIDIA GPU driver interface version ([%d.]+) don'?t match with driver version ([%d.]+)",
    cause = function(captures)
      return ("The Fabric Manager is of version %s and the driver of %s; they must be the same."):format(captures[1],
        captures[2])
    end,
    remedy = function(captures) return ("Install the Fabric Manager of version %s."):format(captures[2]) end,
    source = "NVIDIA/nvtrust#55",
  },
  {
    code = "fabric-failed", severity = "error", consequence = true, word = "abricmanager",
    match = { "nvidia%-fabricmanager%.service: .-[Ff]ail", "fabricmanager%.service: Control process exited" },
    cause = "The Fabric Manager did not start.", remedy = "The nv-fabricmanager lines before it say why.",
    source = "NVIDIA/gpu-operator#356, #610",
  },
}
