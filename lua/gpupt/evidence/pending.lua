--- A card that is enabled for passthrough and not active. One reboot activates it; where it is still so afterwards,
-- something keeps it from passthrough at each boot. Its sign is looked for in what was given:
--   hot-plug   PCIEHP lines of the card in vmkernel.log, or enablePCIEHotplug TRUE (HPE a00121002en_us, Broadcom on
--              PCIe hot-plug)
--   console    the host's only display controller: the host keeps it for its console unless vga is FALSE (public
--              guides to passing an integrated GPU through; what the screen shows then: Broadcom KB 429186)
--   neither    switching passthrough off and on again activates it until the next boot
--              (JeffersonQin/esxi-pci-passthrough-auto-enable: ESXi 7.0 to 8.0 U1)
local pending = {}

local HOTPLUG_OFF = "esxcli system settings kernel set -s enablePCIEHotplug -v FALSE"

-- A setting of the host's kernel as esxcli printed it, or nil.
local function setting(subject, name)
  for _, result in ipairs(subject.evidence or {}) do
    local found = result.host.kernel and result.host.kernel[name]
    if found then return found end
  end
end

local function evidence_of(fact) return { file = fact.file, line = fact.line, text = fact.text } end

local function hotplug_line(subject, address)
  for _, finding in ipairs(subject.log and subject.log.findings or {}) do
    if finding.code:find "^hotplug%-" and finding.severity == "error"
      and (not finding.address or finding.address == address) then
      return finding
    end
  end
end

--- Whether the card is the only display controller of a list that holds every device of the host.
local function is_console(subject, listed)
  if not listed.class or listed.class ~= 0x0300 or subject:list_complete() ~= true then return false end
  for _, other in ipairs(subject.pci) do
    if other.address ~= listed.address and (not other.class or other.class >> 8 == 0x03) then return false end
  end
  return true
end

local function toggle(address)
  local command = "esxcli hardware pci pcipassthru set -a -e %s -d " .. address
  return command:format "FALSE" .. "; " .. command:format "TRUE"
end

local function again(address)
  return " Should it be pending again after that, switch passthrough off and on: " .. toggle(address)
    .. " (a host that needs it at each boot gets these lines in /etc/rc.local.d/local.sh)."
end

--- The remedy for a listed card that is pending, and further evidence for it.
function pending.remedy(subject, listed)
  local address = listed.address
  local lost = hotplug_line(subject, address)
  local hotplug, vga = setting(subject, "enablepciehotplug"), setting(subject, "vga")
  if lost then
    return ("Hot-plug takes the card away while it is reset. Switch it off: %s; then reboot the host."):format(
      HOTPLUG_OFF), { evidence_of(lost) }
  end
  if is_console(subject, listed) then
    if vga and vga.configured == "FALSE" and vga.runtime ~= "FALSE" then
      return "Reboot the host: vga is FALSE from the next boot on, and the host then leaves its only display "
        .. "controller to passthrough.", { evidence_of(vga) }
    elseif not vga or vga.configured ~= "FALSE" then
      return "Reboot the host. If it is pending again, the host keeps its only display controller for its console: "
        .. "esxcli system settings kernel set -s vga -v FALSE and reboot (the host's screen then stays dark).",
        vga and { evidence_of(vga) } or {}
    end
  end
  if hotplug and hotplug.runtime == "TRUE" then
    return ("Reboot the host. If it is pending again, look for PCIEHP lines in vmkernel.log: hot-plug is on; switch it "
      .. "off with %s and reboot."):format(HOTPLUG_OFF), { evidence_of(hotplug) }
  end
  return "Reboot the host." .. again(address), {}
end

return pending
