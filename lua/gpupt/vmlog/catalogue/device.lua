--- Which card the VM asks for, and whether the host has it to give.
local evidence = require "gpupt.vmlog.evidence"

--- A vendor id that was written as the signed short of the API: "0xffff8086" for 0x8086.
local function sign_extended(session)
  for lower, setting in pairs(session.config) do
    local id = lower:find "^pcipassthru%d+%.vendorid$" and setting.value:lower():match "^0x%x*f%x%x%x%x%x*$"
    local short = id and #id > 6 and id:sub(-4)
    if short then return setting.key, setting.value, short end
  end
end

return {
  {
    code = "no-device-hints", severity = "error", word = "No device hints found", match = "AH No device hints found",
    cause = "No device of the host matches what the VM requests: usually pciPassthruN.id is hexadecimal, and ESXi "
      .. "reads it as decimal.",
    remedy = function(_, session)
      for lower, setting in pairs(session.config) do
        local address = lower:find "^pcipassthru%d+%.id$" and require "gpupt.pci".address(setting.value, "hex")
        if address then
          return ("Compare %s = \"%s\" with the host (esxcli hardware pci list): if the card is at %s, its decimal "
            .. "id is \"%s\"."):format(setting.key, setting.value, tostring(address), address:vmx())
        end
      end
      return "Write the id decimal (gpupt pci prints addresses in both forms, gpupt vmx check finds such ids)."
    end,
    source = "foureight84/encs5400-almalinux, docs/ESXI.md",
  },
  {
    code = "no-predicates", severity = "error", word = "pciPassthru",
    match = "Failed to generate predicates for (pciPassthru%d+)",
    cause = function(captures)
      return captures[1] .. " is incomplete or contradictory, so ESXi cannot look for its device."
    end,
    remedy = function(captures)
      return ("Give %s.id (decimal), deviceId, vendorId and systemId of one device, or remove the device from the VM "
        .. "and add it again."):format(captures[1])
    end,
    source = "foureight84/encs5400-almalinux, docs/ESXI.md",
  },
  {
    code = "no-suitable-device", severity = "error", word = "pciPassthru",
    match = "AH Failed to find a suitable device for (pciPassthru%d+)",
    cause = function(captures)
      return ("This host has no free device that is active for passthrough and matches %s."):format(captures[1])
    end,
    remedy = "Check that the card is enabled and active (after the host's reboot), not held by another VM, and that "
      .. "id, deviceId and vendorId are its own.",
    source = "foureight84/encs5400-almalinux, docs/ESXI.md",
  },
  {
    code = "not-passthrough", severity = "error", word = { "is not a passthrough device", "pciPassthru" },
    match = { "Device (%d+:%d+%.%d) is not a passthrough device", "msg%.pciPassthru%.notPassthr" },
    cause = function(captures, session)
      local place = captures[1] and captures[1]:find ":" and " at " .. captures[1] .. " (decimal)" or ""
      local line = evidence.line_of(session, "hotplug-pending") or evidence.line_of(session, "hotplug-removed")
      return ("The device%s is not available for passthrough on this host now%s."):format(place,
        line and (": PCIe hot-plug took it away (line %d)"):format(line) or "")
    end,
    remedy = function(_, session)
      if evidence.line_of(session, "hotplug-pending") or evidence.line_of(session, "hotplug-removed") then
        return "Switch hot-plug off on the host: esxcli system settings kernel set -s enablePCIEHotplug -v FALSE, "
          .. "and reboot."
      end
      return "Enable it and reboot the host. If it is enabled and loses passthrough at each reboot or power-on, look "
        .. "for PCIEHP lines in vmkernel.log: with them, esxcli system settings kernel set -s enablePCIEHotplug -v "
        .. "FALSE and another reboot."
    end,
    source = "HPE a00121002en_us; Broadcom on PCIe hot-plug",
  },
  {
    code = "system-id", severity = "error", word = { "The systemId does not match", "pciPassthru" },
    match = { "The systemId does not match the current system or the deviceId, and the vendorId does not match the "
      .. "device currently at (%d+:%d+%.%d)", "msg%.pciPassthru%.[%w]*[sS]ystemI[dD]",
      "msg%.pciPassthru%.mismatchedDevIdOrSysId" },
    cause = function(captures, session)
      local key, value = sign_extended(session)
      if key then
        return ("%s is \"%s\": a signed short copied from the API, so that no card matches."):format(key, value)
      end
      return ("The VM was set up for a card of another host, or another card is now installed%s: copied, restored or "
        .. "moved VMs keep the ids of the old one. A script that writes the API's negative vendorId unchanged has "
        .. "the same effect."):format(
        captures[1] and captures[1]:find ":" and " at " .. captures[1] .. " (decimal)" or "")
    end,
    remedy = function(_, session)
      local key, _, short = sign_extended(session)
      if key then return ("Set %s = \"0x%s\"."):format(key, short) end
      return "Remove the device from the VM and add the card of this host; or check pciPassthruN.systemId (esxcli "
        .. "system uuid get), vendorId and deviceId (esxcli hardware pci list)."
    end,
    source = "VMTN, PowerCLI, 2017-07 (powercli46.rssing.com, p448)",
  },
  {
    code = "register-failed", severity = "error", address = 1, word = "PCIPassthru: ",
    match = "PCIPassthru: Failed to register device (%x+:%x+:%x+%.%x) error = (%S+)",
    cause = function(captures)
      return ("ESXi could not take over %s (error %s): usually the device did not recover from its reset."):format(
        captures[1], captures[2])
    end,
    remedy = function(captures, session, found) return evidence.map_remedy(session, captures[1], "d3d0", found) end,
    detail = function(captures) return { reset = true, method = "d3d0", address = captures[1] } end,
    source = "octais.blogspot.com 2020-05 (Matisse USB, ESXi 6.7)",
  },
  {
    code = "platform-not-supported", severity = "error", word = "createAdapterFailedPlatformNotSupported",
      consequence = true,
    match = { "msg%.pciPassthru%.createAdapterFailedPlatformNotSupported%]?:? ?.-(pciPassthru%d+)",
      "msg%.pciPassthru%.createAdapterFailedPlatformNotSupported" },
    cause = "ESXi could not register the device: it did not survive its reset, or the platform (IOMMU, ACS, a device "
      .. "shared with the host) does not allow it.",
    remedy = "vmkernel.log of the same minute shows which: for \"unresponsive after reset\" set another reset method "
      .. "in /etc/vmware/passthru.map; for IOMMU lines check the BIOS.",
    source = "octais.blogspot.com 2020-05",
  },
  {
    code = "adapter-failed", severity = "error", word = "pciPassthru", consequence = true,
    match = "msg%.pciPassthru%.(create[%w]+)",
    detail = function(captures)
      if captures[1] == "createAdapterFailedPlatformNotSupported" then return false end
      return { id = "msg.pciPassthru." .. captures[1] }
    end,
    cause = function(captures) return ("ESXi could not create the VM's passthrough device "
      .. "(%s)."):format(captures[1]) end,
    remedy = "Read the vmkernel.log of the same minute for the device's address.",
    source = "the family of msg.pciPassthru.createAdapterFailedPlatformNotSupported",
  },
  {
    code = "message-unknown", severity = "error", unclear = true, word = "pciPassthru",
    -- the ids that no other entry has
    match = "%f[%w](msg%.pciPassthru%.[%w_.]*[%w_])", unless = { "noMigration", "noSuspend", "create%w+",
      "mem%w*[Rr]eserv",
      "notPassthr", "[sS]ystemI[dD]", "mismatchedDevIdOrSysId" },
    cause = "A message of passthrough that is not in this catalogue.", remedy = "Read its text.",
    source = "octais.blogspot.com 2020-05, for the form of the id",
  },
  {
    code = "domain-disabled", severity = "info", word = "PCIPassthru: ", address = 1, form = "vmkernel",
    match = "PCIPassthru: %d+: Disable Domain for device (%x+:%x+:%x+%.%x)",
    cause = "The VM released the card.", remedy = "No action is needed, unless the VM should have been running.",
    source = "public notes of 2026-02 on a lost card (vmkernel.log of ESXi 8)",
  },
  {
    code = "device-released", severity = "info", word = "PCIPassthru: ", address = 1, form = "vmkernel",
    match = "PCIPassthru: %d+: pcipdevInfo: 0x%x+ ?%((%x+:%x+:%x+%.%x)%), state %d+, destroyed",
    cause = "ESXi closed the card's passthrough state.",
    remedy = "No action is needed, unless the VM should have been running.",
    source = "public notes of 2026-02 on a lost card (vmkernel.log of ESXi 8)",
  },
  {
    code = "device-taken", severity = "info", word = "PCIPassthru: ", address = 1, form = "vmkernel",
    match = "PCIPassthru: %d+: pcipDevInfo%(0x%x+%) allocated for (%x+:%x+:%x+%.%x)",
    cause = "ESXi assigned the card to a VM.", remedy = "Nothing.",
    source = "HPE a00121002en_us; Broadcom on PCIe hot-plug",
  },
}
