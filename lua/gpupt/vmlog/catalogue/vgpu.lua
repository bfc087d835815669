--- vGPU and passthrough mistaken for each other: on the host, and the wrong driver in the guest.
return {
  {
    code = "vgpu-iommu", severity = "error", word = "IOMMU virtualization is not allowed",
    match = "IOMMU virtualization is not allowed with VGPU",
    cause = "The VM has a virtual IOMMU and a vGPU, which exclude each other.",
    remedy = "Switch the virtual IOMMU off (vvtd.enable = \"FALSE\", and virtualization-based security with it); "
      .. "newer vGPU releases allow both with pciPassthru.vmiop.enableViommu.",
    source = "Broadcom KB 88161",
  },
  {
    code = "vgpu-graphics-type", severity = "error", word = "The amount of graphics resource available",
    match = "The amount of graphics resource available in the parent resource pool is insufficient",
    cause = "The VM has a vGPU, and no card of the host can serve it: the host's graphics type is not Shared "
      .. "Direct, or its cards have no place for another vGPU of this profile.",
    remedy = "Read esxcli graphics host get: for Shared, set esxcli graphics host set --default-type SharedPassthru "
      .. "with all VMs off, and restart xorg or the host; for SharedPassthru, see the vGPUs in nvidia-smi vgpu.",
    source = "NVIDIA vGPU user guide, Changing the Default Graphics Type in VMware vSphere",
  },
  {
    code = "vgpu-no-device", severity = "error", word = "No graphics device is available for vGPU",
    match = "No graphics device is available for vGPU '?\\?'?([%w_-]+)",
    cause = function(captures)
      return ("No card of the host can serve the vGPU %s now: they are full, or serve profiles of another "
        .. "size."):format(captures[1])
    end,
    remedy = "Compare the profiles that run on each card (nvidia-smi vgpu on the host): unless mixed sizes are on, all "
      .. "vGPUs of a card have one size. A card that is passed through serves none.",
    source = "public notes of 2022-09 (A40, ESXi 7.0.3); NVIDIA vGPU user guide, vGPUs of one or of mixed sizes",
  },
  {
    code = "vgpu-failed", severity = "error", word = "vmiop",
    match = { "error: vmiop_log: ", "error: vmiop_env_log: ", "vmiop_log: error: ",
      "vmiop_log: .-[Aa]ssertion [Ff]ailed" },
    cause = "The host's NVIDIA vGPU manager could not start a vGPU: this VM uses a vGPU, not passthrough.",
    remedy = "Compare the host's driver (esxcli software component list) with the guest's: both must be of "
      .. "compatible vGPU releases; for a card that is passed through, remove the vGPU from the VM.",
    source = "DualCoder/vgpu_unlock#1; pastebin.com/JJLAqG49; NVIDIA vGPU 19.0 release notes, compatibility",
  },
  {
    code = "vgpu-xid-78", severity = "error", side = "guest", form = "dmesg", word = "NVRM: Xid", address = 1,
    match = "NVRM: Xid %(PCI:(%x+:%x+:%x+)%.?%x*%): 78%f[%D]",
    cause = "A vGPU could not be started.", remedy = "See vgpu-failed: the releases of the vGPU manager and of the "
      .. "guest's driver must be compatible.",
    source = "NVIDIA/open-gpu-kernel-modules, nverror.h (VGPU_START_ERROR)",
  },
  {
    code = "driver-kind", severity = "error", side = "guest", form = "dmesg", word = "installed in this system is "
      .. "not supported",
    match = { "installed in this system is not supported by the NVIDIA ([%d.]+) driver release",
      "installed in this system is not supported by the$", "installed in this system is not supported by the%s+NVRM:" },
    cause = function(captures, _, found)
      local id = found and found.lead and found.lead.id
      return ("The driver%s does not support the card%s: a datacentre driver on a vGPU, a vGPU driver on a card that "
        .. "is passed through, or a card older or newer than the driver."):format(
        captures[1] and " " .. captures[1] or "", id and " (" .. id .. ")" or "")
    end,
    remedy = "Passthrough needs NVIDIA's ordinary or datacentre driver, a vGPU the driver of the host's vGPU "
      .. "release. If the kind is right, use a release whose list of supported products (Appendix A of its README) "
      .. "has the card.",
    source = "NVIDIA/nvtrust#55; NVIDIA kernel module, nv-pci.c",
  },
}
