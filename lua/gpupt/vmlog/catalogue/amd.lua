--- AMD's driver in a Linux guest: amdgpu, its firmware processor (PSP), and the compute part (kfd).
local evidence = require "gpupt.vmlog.evidence"

local RESET = "Power the VM off and on; if it stays, power the host off and on (many AMD cards do not recover from a "
  .. "reset), and give the card another reset method on the host (d3d0 or bridge in /etc/vmware/passthru.map)."

return {
  {
    code = "amdgpu-memory", severity = "error", word = "failed with error -12", address = 1,
    match = "amdgpu:? ?.-(%x+:%x+:%x+%.%x).*failed with error %-12%f[%D]",
    cause = "amdgpu found no memory BAR for the card (ENOMEM): the window is missing or too small.",
    remedy = evidence.remedy_of_window,
    source = "Linux, amdgpu_drv.c and drivers/base/dd.c (error -12 is ENOMEM); ROCm/amdgpu#157",
  },
  {
    code = "amdgpu-probe", severity = "error", address = 1, consequence = true, word = "failed with error -",
    match = { "amdgpu: probe of (%x+:%x+:%x+%.%x) failed with error %-(%d+)",
      "amdgpu (%x+:%x+:%x+%.%x): probe with driver amdgpu failed with error %-(%d+)" },
    detail = function(captures) return captures[2] ~= "12" and { error = -math.tointeger(tonumber(captures[2])) } end,
    cause = function(captures) return ("amdgpu could not start %s (error -%s)."):format(captures[1], captures[2]) end,
    remedy = "See the amdgpu lines before it for the reason.",
    source = "ROCm/ROCm#545 (legacy-rocm-build)",
  },
  {
    code = "amdgpu-psp", severity = "error", word = { "PSP ", "psp gfx command", "IP block <psp>" },
    match = { "PSP create ring failed", "PSP tmr init failed", "PSP firmware loading failed", "PSP load %w+ failed",
      "hw_init of IP block <psp> failed %-(%d+)", "psp gfx command .- failed" },
    cause = "The card's security processor (PSP) did not take its firmware: the card was not reset before this "
      .. "start, or is defective.",
    remedy = RESET .. " With several cards joined by a bridge, try without the bridge.",
    source = "ROCm/ROCm#2747 (MI210: a defective bridge), isc30/ryzen-gpu-passthrough-proxmox#68",
  },
  {
    code = "amdgpu-atombios", severity = "error", word = "atombios stuck",
    match = { "atombios stuck in loop", "atombios stuck executing" },
    cause = "The card's VBIOS did not finish: the card still has the state of an earlier use.",
    remedy = RESET, source = "ROCm/amdgpu#157 (MI50 in a VM)",
  },
  {
    code = "amdgpu-rom", severity = "error", word = "Unable to locate a BIOS ROM",
    match = "Unable to locate a BIOS ROM",
    cause = "amdgpu found no VBIOS: the guest does not see the card's ROM.",
    remedy = "Keep the card from being the host's console (primary display); else give the VM the VBIOS as a file "
      .. "(pciPassthruN.opromEnabled, pciPassthruN.filename).",
    source = "Linux, amdgpu_bios.c",
  },
  {
    code = "amdgpu-firmware", severity = "error", word = "Direct firmware load for amdgpu",
    match = "Direct firmware load for (amdgpu/[%w_%.%-]+) failed with error %-2",
    cause = function(captures) return ("The guest lacks the firmware file %s."):format(captures[1]) end,
    remedy = "Install the distribution's firmware-amd-graphics or linux-firmware of a newer release, rebuild the "
      .. "initramfs.",
    source = "kernelci/kernelci-core#2238",
  },
  {
    code = "amdgpu-timeout", severity = "error", word = { "amdgpu_job_timedout", " timeout, signaled seq" },
    match = { "amdgpu_job_timedout.-ring (%S+) timeout", "ring (%S+) timeout, signaled seq" },
    cause = function(captures) return ("The card did not finish its work in time (%s)."):format(captures[1]) end,
    remedy = "Update driver and firmware; if it is always the same program, examine that program. " .. RESET,
    source = "Linux, amdgpu_job.c",
  },
  {
    code = "amdgpu-ib-test", severity = "error", word = { "IB test failed on", "ib ring test failed" },
    match = { "IB test failed on ([%w_.]+) %((%-%d+)%)", "ib ring test failed %((%-%d+)%)" },
    cause = function(captures)
      return ("A test command to the card's %s did not complete%s."):format(captures[2] and captures[1] .. " ring"
        or "rings", (captures[2] or captures[1]) == "-110" and " in time" or "")
    end,
    remedy = RESET .. " If it also appears right after a host reboot, install a newer kernel and linux-firmware in the "
      .. "guest.",
    source = "Linux, amdgpu_ib.c; ROCm/ROCm#5745",
  },
  {
    code = "amdgpu-init", severity = "error", consequence = true,
    word = { "Fatal error during GPU init", "amdgpu_device_ip_init failed", "hw_init of IP block",
      "sw_init of IP block",
      "clear memory with ring turned off", "Fail to stop psp ring", "fail to request/validate toc",
        "Failed to load toc",
      "Failed to load psp firmware" },
    unless = { "hw_init of IP block <psp> failed" },
    match = { "Fatal error during GPU init", "amdgpu_device_ip_init failed", "[hs]w_init of IP block <[%w_]+> failed",
      "Trying to clear memory with ring turned off", "Fail to stop psp ring", "fail to request/validate toc microcode",
      "Failed to load toc", "Failed to load psp firmware" },
    cause = "amdgpu gave up while it was starting the card.", remedy = "The lines before it show which part failed. If "
      .. "there are none: " .. RESET,
    source = "ROCm/ROCm#2747, #4017 (MI60 on ESXi 8.0.3), isc30/ryzen-gpu-passthrough-proxmox#68",
  },
  {
    code = "kfd-atomics", severity = "error", word = "PCI rejects atomics",
    match = { "skipped device (%x+:%x+), PCI rejects atomics (%d+)<(%d+)", "skipped device (%x+:%x+), PCI rejects "
      .. "atomics" },
    cause = function(captures)
      local have, need = tonumber(captures[2]), tonumber(captures[3])
      if have and need and need > 0 then
        return ("ROCm excluded %s: without PCIe atomics it needs firmware %d or later, and the card has "
          .. "%d."):format(captures[1],
          need, have)
      end
      return ("ROCm excluded %s: the card needs PCIe atomics, and the VM's PCIe ports do not pass "
        .. "them."):format(captures[1])
    end,
    remedy = function(captures)
      local need = tonumber(captures[3])
      if need and need > 0 then
        return "Install a newer linux-firmware (the MEC firmware of this chip) in the guest; then atomics are not "
          .. "needed."
      end
      return "Use hardware version 19 or later on a host whose root ports complete atomics. Without them a Polaris "
        .. "card does not compute; for a newer card (the line names no firmware that works without atomics, so this "
        .. "kernel knows none) try a newer kernel and linux-firmware. Graphics works without atomics."
    end,
    source = "ROCm/ROCm#307 (ESXi), #910, #1214; Linux, kfd_device.c",
  },
  {
    code = "kfd-excluded", severity = "error", consequence = true, word = "NOT added due to errors",
    match = "kfd kfd: .-device (%x+:%x+) NOT added due to errors",
    cause = function(captures) return ("ROCm excluded %s: kfd could not start it."):format(captures[1]) end,
    remedy = "The lines of kfd and amdgpu before it show which part failed.",
    source = "Linux, kfd_device.c",
  },
  {
    code = "amdgpu-no-atomics", severity = "warning", word = "PCIE atomic ops is not supported",
    match = "PCIE atomic ops is not supported",
    cause = "The VM's PCIe ports do not pass atomics to this card; cards and programs that need them will not compute.",
    remedy = "No action is needed for graphics, or for Vega and newer. For Polaris, see kfd-atomics.",
    source = "Linux, amdgpu_device.c; ROCm/ROCm#307 (ESXi)",
  },
  {
    code = "kfd-iommu", severity = "info", word = "error getting iommu info",
    match = "kfd kfd: .-error getting iommu info",
    cause = "kfd looked for an IOMMU that only APUs need.", remedy = "No action is needed for a card.",
    source = "Linux, kfd_iommu.c",
  },
}
