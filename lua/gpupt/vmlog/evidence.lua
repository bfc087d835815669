--- What a log itself says about the card of a finding, so that a remedy names figures and ids of this host, never an
-- example's. Where the log does not tell, the remedy says which file would.
local evidence = {}

local function setting(session, key) return session and session.config[key:lower()] end

--- The value of a setting that the log lists, in lower case; nil when it lists none.
function evidence.config(session, key)
  local entry = setting(session, key)
  return entry and entry.value:lower()
end

local function same_card(text, form, address)
  local pci = require "gpupt.pci"
  local one = pci.address(text, form)
  return one and tostring(one):lower() == address:lower()
end

--- Vendor and device ("10de", "20b5") of the card at an address, from the settings or from the line before the message.
function evidence.ids(session, address, found)
  local lead = found and found.lead
  if lead and lead.id then return lead.id:match "^(%x+):(%x+)$" end
  if not address or not session then return nil end
  for lower, id in pairs(session.config) do
    local prefix = lower:match "^(pcipassthru%d+)%.id$"
    if prefix and same_card(id.value, "vmx", address) then
      local vendor, device = setting(session, prefix .. ".vendorId"), setting(session, prefix .. ".deviceId")
      local v, d = vendor and vendor.value:match "(%x%x%x%x)$", device and device.value:match "(%x%x%x%x)$"
      if v and d then return v:lower(), d:lower() end
    end
  end
end

--- Where the log has a finding of that code; nil when it has none.
function evidence.line_of(session, code)
  for _, found in pairs(session and session.findings or {}) do
    if found.entry.code == code then return found.line end
  end
end

--- The line of /etc/vmware/passthru.map that gives a card another reset method.
function evidence.map_line(vendor, device, method) return ("%s  %s  %s  default"):format(vendor, device, method) end

--- "Add the line ... to /etc/vmware/passthru.map": with the card's own ids where the log tells them.
function evidence.map_remedy(session, address, method, found)
  local vendor, device = evidence.ids(session, address, found)
  if vendor then
    return ("Give the card another reset method: the line \"%s\" in /etc/vmware/passthru.map, then reboot the "
      .. "host."):format(
      evidence.map_line(vendor, device, method))
  end
  return ("Give the card another reset method in /etc/vmware/passthru.map: a line of its vendor id, its device id and "
    .. "\"%s  default\", then reboot the host. This log does not tell the ids: pciPassthruN.vendorId and deviceId of "
    .. "the "
    .. ".vmx do, or esxcli hardware pci list%s."):format(method, address and " for " .. address or "")
end

local TOGETHER = "EFI firmware, pciPassthru.use64bitMMIO = \"TRUE\" and pciPassthru.64bitMMIOSizeGB = \"%d\" are "
  .. "needed together"
local UNKNOWN = "EFI firmware, pciPassthru.use64bitMMIO = \"TRUE\" and a pciPassthru.64bitMMIOSizeGB that holds the "
  .. "card's BARs are needed together"
local FIRMWARE = "; firmware cannot be changed under an installed operating system."

--- The settings of the 64-bit window, with a size that is known.
function evidence.window(gb) return TOGETHER:format(gb) .. FIRMWARE end

--- The same from the BARs that the log lists; else where they stand.
function evidence.window_remedy(session)
  local measured = session and session.measured
  local devices = session and (#session.devices > 0 and session.devices or measured and measured.devices) or {}
  local window = #devices > 0 and session:window_of(devices)
  if window and window.safe_gb then return evidence.window(window.safe_gb) end
  return UNKNOWN .. FIRMWARE .. " The size: gpupt log on the VM's vmware.log (its BAR lines), or gpupt bar with the "
    .. "card's "
    .. "id."
end

--- The same as the `remedy` of a message.
function evidence.remedy_of_window(_, session) return evidence.window_remedy(session) end

--- What a pattern captured, as an integer; nil.
function evidence.integer(text) return math.tointeger(tonumber(text)) end

return evidence
