--- What keeps any driver from a card in a Linux guest: nouveau, Secure Boot.
return {
  {
    code = "secure-boot-key", severity = "error",
    word = { "Key was rejected by service", "Required key not available", "module with unavailable key",
      "signed with a trusted key",
      "unsigned module loading is restricted" },
    match = { "could not insert '?([%w_]*)'?: Key was rejected by service", "could not insert '?([%w_]*)'?: Required "
      .. "key not available",
      "Loading of module with unavailable key is rejected", "signature not signed with a trusted key",
      "Lockdown: .-unsigned module loading is restricted" },
    cause = "Secure Boot is on in the guest, and the driver's module is not signed with a key that it trusts.",
    remedy = "Enrol the key that signed the module (mokutil --import, then reboot and confirm), take the "
      .. "distribution's signed modules, or switch Secure Boot off for the VM (uefi.secureBoot.enabled = \"FALSE\").",
    source = "NVIDIA/open-gpu-kernel-modules#322; Linux, kernel/module/signing.c",
  },
  {
    code = "nouveau-unknown", severity = "error", address = 1, word = "nouveau",
    match = { "nouveau (%x+:%x+:%x+%.%x): unknown chipset %((%x+)%)", "nouveau (%x+:%x+:%x+%.%x): .-unknown chipset" },
    cause = "nouveau does not support the card, and may keep NVIDIA's driver from using it.",
    remedy = "Blacklist nouveau, install NVIDIA's driver, rebuild the initramfs, reboot the guest.",
    source = "Linux, nouveau nvkm/engine/device/base.c",
  },
  {
    code = "nouveau-failed", severity = "error", address = 1, word = "nouveau",
    match = { "nouveau: probe of (%x+:%x+:%x+%.%x) failed with error", "nouveau (%x+:%x+:%x+%.%x): probe with driver "
      .. "nouveau failed",
      "nouveau (%x+:%x+:%x+%.%x): .-failed to create kernel channel", "nouveau (%x+:%x+:%x+%.%x): .-init failed",
      "nouveau (%x+:%x+:%x+%.%x): .-[Tt]imeout", "nouveau (%x+:%x+:%x+%.%x): bus: MMIO [%w ]+ FAULT" },
    cause = "nouveau holds the card and cannot drive it, so NVIDIA's driver cannot use it.",
    remedy = "Blacklist nouveau, install NVIDIA's driver, rebuild the initramfs, reboot the guest.",
    source = "Linux, drivers/gpu/drm/nouveau",
  },
}
