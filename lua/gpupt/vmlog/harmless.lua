--- Lines that name a card, a driver or passthrough, sound like trouble, and are none: each with where that is said.
local list = {
  -- guests of vSphere: the root ports have no I/O window, and need none
  { "BAR %d+.*%[io ", "VMware guests: the I/O windows of empty PCIe root ports" },
  { "bridge window %[io ", "VMware guests: the I/O windows of empty PCIe root ports" },
  { "BAR %d+%s?: failed to assign %[mem size 0x%x+ pref%]$", "the ROM of an emulated device" },
  { "BAR 6:? ", "an expansion ROM is not needed after the firmware ran" },
  { "ROM %[mem", "an expansion ROM is not needed after the firmware ran" },
  { "can't derive routing for PCI INT", "VMware guests: cards use MSI, and the line of INTx is not needed" },
  { "PCI INT %u: no GSI", "VMware guests: the same" },
  { "can't set Max Payload Size", "Linux, drivers/pci/probe.c: a remark on speed" },
  -- a module that is not the kernel's own; without Secure Boot the kernel loads it
  { "module verification failed: signature and/or required key missing %- tainting kernel", "Linux, kernel/module" },
  { "loading out%-of%-tree module taints kernel", "Linux, kernel/module" },
  { "taints kernel", "Linux, kernel/module" },
  { "inheriting taint", "Linux, kernel/module" },
  -- drivers that say what they did not need
  { "PSP runtime database doesn't exist", "amdgpu_psp.c: said at the level of information" },
  { "ras ta ucode is not available", "amdgpu_psp.c: optional" },
  { "optional %w+ ta ucode is not available", "amdgpu_psp.c: optional" },
  { "SECUREDISPLAY: query securedisplay TA failed", "amdgpu: only for display checks" },
  { "amdgpu.*Runtime PM not available", "amdgpu: a power saving of laptops" },
  { "amdgpu.*SMU driver if version not matched", "amdgpu: says itself that it goes on" },
  { "Cannot find any crtc or sizes", "DRM: no monitor is connected" },
  { "NVRM: Your system is not currently configured to drive a VGA console", "NVIDIA: EFI guests have no VGA console" },
  { "NVRM: requires the use of a text%-mode VGA console", "NVIDIA: the same" },
  { "NVRM: drivers including, but not limited to", "NVIDIA: the same" },
  { "NVRM: corruption and stability problems, and is not supported", "NVIDIA: the same" },
  { "nvidia%-drm%] %[GPU ID 0x%x+%] Failed to grab modeset ownership", "NVIDIA: another program has the screen" },
  { "nvidia%-modeset: WARNING: GPU:%d+: Unable to read EDID", "NVIDIA: no monitor is connected" },
  { "nvidia%-modeset: WARNING: GPU:%d+: Correcting number of heads", "NVIDIA: no monitor is connected" },
  { "nvidia.*No such device.*persistenced", "nvidia-persistenced before the module is loaded" },
  { "DMAR: No ATSR found", "Linux, intel-iommu: a remark" },
  { "DMAR: No RMRR found", "Linux, intel-iommu: a remark" },
  { "DMAR: Host address width", "Linux, intel-iommu: a remark" },
  { "AMD%-Vi: AMD IOMMUv2 functionality not available", "Linux, amd-iommu: a remark" },
  { "AMD%-Vi: .*perf.* not supported", "Linux, amd-iommu: a remark" },
  { "Unable to read/write MSR", "VMware guests" },
  { "pciehp: Slot%(%d+%): Link Up", "Linux: a card came" },
  { "resetting virtual function", "Linux: said as it goes on" },
  -- hosts
  { "PCIPassthru: %d+: .*state %d+, destroyed", "the VM gave the card back" },
  { "VMKPCIPassthru: %d+: .* numVectors: %d+$", "how many interrupts a card asked for" },
}

return function(text)
  for _, entry in ipairs(list) do
    if text:find(entry[1]) then return entry[2] end
  end
end
