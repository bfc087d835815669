--- PCIe hot-plug of the host, which takes a card away from passthrough while it is reset.
local REMEDY = "Switch hot-plug off on the host: esxcli system settings kernel set -s enablePCIEHotplug -v FALSE, "
  .. "reboot, and check with esxcli system settings kernel list -o enablePCIEHotplug."
local SOURCE = "Broadcom on PCIe hot-plug and passthrough; HPE a00121002en_us"

return {
  {
    code = "hotplug-pending", severity = "error", word = "PCIEHP: ", address = 2,
    match = "PCIEHP: %d+: (%x+:%x+:%x+%.%x): hotplug slot:? ?0x%x+: Device insertion detected while prior device "
      .. "(%x+:%x+:%x+%.%x) removal is still pending",
    cause = function(captures)
      return ("The host takes the reset of %s for a removal and an insertion, and passthrough loses the card."):format(
        captures[2])
    end,
    remedy = REMEDY, source = SOURCE,
  },
  {
    code = "hotplug-removed", severity = "error", word = "PCIEHP: ", address = 2,
    match = "PCIEHP: %d+: (%x+:%x+:%x+%.%x): hotplug slot:? ?0x%x+ %((%x+:%x+:%x+%.%x)%) Adapter removed",
    cause = function(captures)
      return ("The host's hot-plug says that %s was removed; with passthrough that is its reset, not a hand."):format(
        captures[2])
    end,
    remedy = REMEDY, source = SOURCE,
  },
  {
    code = "hotplug-inserted", severity = "info", word = "PCIEHP: ", address = 2,
    match = "PCIEHP: %d+: (%x+:%x+:%x+%.%x): hotplug slot:? ?0x%x+ %((%x+:%x+:%x+%.%x)%) Adapter inserted",
    cause = function(captures) return ("The host's hot-plug says that %s was inserted."):format(captures[2]) end,
    remedy = "See hotplug-removed.", source = SOURCE,
  },
  {
    code = "hotplug-busy", severity = "info", word = "PCIEHP: ",
    match = { "PCIEHP: %d+: %S+: hotplug slot:? ?0x%x+: Setting PowerIndicator", "PCIEHP: %d+: %S+: Disabling "
      .. "hotplug slot",
      "PCIEHP: %d+: %S+: Enabling hotplug slot", "PCIEHP: %d+: %S+: hotplug slot:? ?0x%x+: num reads" },
    cause = "The host's hot-plug handled a slot.", remedy = "See hotplug-removed.", source = SOURCE,
  },
}
