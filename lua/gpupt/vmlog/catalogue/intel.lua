--- Intel's drivers in a Linux guest: i915 and xe.
return {
  {
    code = "intel-small-bar", severity = "error", address = 1, word = "Failed to resize BAR",
    match = { "%f[%w][ix][%d%w]+ (%x+:%x+:%x+%.%x): .-Failed to resize BAR(%d) to (%d+)M",
      "Failed to resize BAR(%d) to (%d+)M" },
    cause = function(captures)
      local size = captures[3] or captures[2]
      return ("The card's memory BAR could not be made %s MB: the host's firmware left it small (no Resizable BAR, "
        .. "or no MMIO above 4 GB), and a guest cannot enlarge it."):format(size)
    end,
    remedy = "Switch Resizable BAR and above-4G decoding on in the host's BIOS, so that ESXi sees the card with its "
      .. "large BAR; then enlarge the VM's window (see gpupt bar). An Arc card needs a board with Resizable BAR.",
    source = "Linux, i915 intel_region_lmem.c and xe_vram.c; IGCIT/Intel-GPU-Community-Issue-Tracker-IGCIT#1228 (Arc "
      .. "B50, ESXi)",
  },
  {
    code = "intel-not-known", severity = "error", address = 1, word = { "force_probe", "Your graphics device" },
    match = { "(%x+:%x+:%x+%.%x): Your graphics device (%x+) is not properly supported by",
      "(%x+:%x+:%x+%.%x): .-Your graphics device (%x+) is not officially supported", "Your graphics device (%x+) is "
        .. "not .- supported" },
    cause = function(captures) return ("This kernel does not support the graphics device %s yet."):format(captures[2]
      or captures[1]) end,
    remedy = "Use a newer kernel, or try the module option force_probe=ID, as the message says.",
    source = "Linux, i915_pci.c and xe_pci.c",
  },
  {
    code = "intel-guc", severity = "error", address = 1, word = { "GuC initialization failed", "GuC firmware",
      "*ERROR*" },
    match = { "i915 (%x+:%x+:%x+%.%x): .-GuC initialization failed", "i915 (%x+:%x+:%x+%.%x): .-%*ERROR%* GT%d+: GUC: ",
      "xe (%x+:%x+:%x+%.%x): .-%*ERROR%* .-GuC", "i915 (%x+:%x+:%x+%.%x): .-GuC firmware .- fetch failed",
      "i915 (%x+:%x+:%x+%.%x): .-Failed to load GuC firmware" },
    cause = "The card's own processor (GuC) did not start or stopped answering.",
    remedy = "Install the firmware of the distribution's newest linux-firmware; power the VM off and on, then the "
      .. "host.",
    source = "strongtz/i915-sriov-dkms#55, #314; Linux, intel_uc.c and xe_guc.c",
  },
  {
    code = "intel-wedged", severity = "error", consequence = true, address = 1, word = "wedged",
    match = { "i915 (%x+:%x+:%x+%.%x): .-declaring it wedged", "xe (%x+:%x+:%x+%.%x): .-declared wedged",
      "xe (%x+:%x+:%x+%.%x): .-declared device .-wedged" },
    cause = "The driver gave the card up.", remedy = "The lines before it say why; power the VM off and on.",
    source = "Linux, intel_gt.c and xe_device.c; CachyOS/linux-cachyos#892",
  },
  {
    code = "intel-probe", severity = "error", consequence = true, address = 1, word = { "failed with error -",
      "Device initialization failed (" },
    match = { "i915 (%x+:%x+:%x+%.%x): probe with driver i915 failed with error %-(%d+)",
      "i915: probe of (%x+:%x+:%x+%.%x) failed with error %-(%d+)",
      "xe (%x+:%x+:%x+%.%x): probe with driver xe failed with error %-(%d+)", "xe: probe of (%x+:%x+:%x+%.%x) failed "
        .. "with error %-(%d+)",
      "i915 (%x+:%x+:%x+%.%x): .-Device initialization failed %(%-(%d+)%)" },
    cause = function(captures) return ("The driver could not start %s (error -%s)."):format(captures[1],
      captures[2]) end,
    remedy = "The driver's lines before it say why; error -12 or -28 without any: the VM's MMIO window.",
    source = "Linux, drivers/base/dd.c and i915_driver.c",
  },
}
