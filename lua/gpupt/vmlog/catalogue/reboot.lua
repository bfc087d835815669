--- A card that stays "pending" after each reboot of the host, and what a host shows whose console card was given away.
-- No log shows that passthrough is enabled and not active: gpupt gpus, gpupt pci and the doctor's rule on the
-- host's list do. These are the signs of its causes.
return {
  {
    code = "console-given-away", severity = "info", form = "vmkernel", word = "UEFI RTS mapping policy",
    match = "Using 'compact' UEFI RTS mapping policy",
    cause = "A host's screen that stops at this line has its console switched off (vga = FALSE) or its console card "
      .. "given to passthrough; the host itself goes on.",
    remedy = "Nothing, if the host answers in the vSphere Client. To have the console back: esxcli system settings "
      .. "kernel set -s vga -v TRUE, and a reboot.",
    source = "Broadcom KB 429186",
  },
}
