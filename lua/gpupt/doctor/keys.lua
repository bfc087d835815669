--- The passthrough keys that public sources name: KBs, vendors' guides, real files of ESXi 5 to 9. Any other key
-- is reported as unknown, not as wrong. A misspelt key and a key at the wrong level are reported.
local nearest = require "gpupt.nearest"

local keys = {}

-- pciPassthru.X: for the VM as a whole. Broadcom KB 323402 (window), 392714 (peer to peer), 88161 (vmiop.enableViommu).
keys.vm_wide = {
  "use64bitMMIO", "64bitMMIOSizeGB", "allowP2P", "RelaxACSforP2P", "useActualBases", "vmiop.enableViommu",
}

-- pciPassthruN.X: of one device. Real files; vSphere documentation; KB 313395 (vectors); VMDirectPath guide of 2009.
-- Those
-- of SR-IOV network functions, from networkId on, are from memory: they only keep such a VM from being called unclear.
keys.device = {
  "present", "id", "deviceId", "vendorId", "systemId", "subDeviceId", "subVendorId", "class", "pciSlotNumber",
    "msiEnabled",
  "maxMSIXvectors", "intrFirstMsixVector", "opromEnabled", "filename", "vgpu", "virtualDev", "allowedDevices",
  "customLabel", "startConnected", "MACAddress", "MACAddressType", "MACAddressOffset",
  "migrateCapable", "deviceGroup", "assignedId", "revisionId", "networkId", "networkName", "pfId", "externalId",
    "dvs.switchId", "dvs.portId", "dvs.portgroupId", "dvs.connectionId", "vlanId", "guestMtuChange",
  "uptCompatibility", "shares", "wakeOnPcktRcv", "addressType", "generatedAddress", "generatedAddressOffset",
}

-- Anything below these belongs to a driver (vGPU plug-in parameters), and is checked by it.
local open_below = { "^cfg%.", "^vmiop%.", "^dvs%.", "^filter%d+%.", "^upt" }

local function has(list, name)
  for _, one in ipairs(list) do
    if one:lower() == name:lower() then return true end
  end
  return false
end

local function below(name)
  for _, pattern in ipairs(open_below) do
    if name:lower():find(pattern) then return true end
  end
  return false
end

--- "known"; "misspelt", right name; "misplaced", right name (or nil where each device has its own), why; or "unknown".
function keys.judge(key)
  local number, name = key:match "^[pP][cC][iI][pP][aA][sS][sS][tT][hH][rR][uU](%d*)%.(.+)$"
  if not name then return "known" end
  local level = number == "" and keys.vm_wide or keys.device
  local other = number == "" and keys.device or keys.vm_wide
  if has(level, name) or below(name) then return "known" end
  if has(other, name) then
    if number ~= "" then return "misplaced", "pciPassthru." .. name end
    return "misplaced", nil
  end
  local prefix = "pciPassthru" .. number .. "."
  if number == "" and name:lower() == "relaxacscheck" then return "misspelt", prefix .. "RelaxACSforP2P" end
  local meant = #name >= 5 and nearest.find(name, level)
  if meant then return "misspelt", prefix .. meant end
  return "unknown"
end

return keys
