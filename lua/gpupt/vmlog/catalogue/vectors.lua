--- Interrupt vectors of the host: a pool that many cards or virtual functions use up.
local FEWER = "Use fewer virtual functions or cards on this host, or fewer vectors for each: "
  .. "pciPassthruN.maxMSIXvectors in the .vmx (%s). "
local LARGER = "a larger pool of global vectors: esxcli system settings kernel set -s intrFirstMsixVector -v 0x80 "
  .. "(default 0x70), then reboot"

--- What the release that the log names allows: the option is of 7.0.1 to 8.0.
local function pool(session)
  local major, minor, update = (session and session.version or ""):match "ESXi? ?(%d+)%.(%d+)%.?(%d*)"
  local release = major and tonumber(major) * 10000 + tonumber(minor) * 100 + (tonumber(update) or 0)
  if not release then
    return "On 7.0.1 to 8.0 " .. LARGER .. "; 8.0 U1 and later do not need it."
  elseif release < 70001 or release > 80000 then
    return "The option intrFirstMsixVector (7.0.1 to 8.0) does not apply to this host's release."
  end
  return "Or " .. LARGER .. "."
end

local function remedy(captures, session)
  local asked = captures[1] and captures[1]:match "^%d+$"
  return FEWER:format(asked and "it asked for " .. asked
    or "the VMKPCIPassthru lines of vmkernel.log say how many it asks for") .. pool(session)
end

local SOURCE = "Broadcom KB 313395; vSphere 6.5 networking, VFs that use up the interrupt vectors"

return {
  {
    code = "vectors-exhausted", severity = "error", word = "Out of interrupt vectors",
      match = "Out of interrupt vectors",
    cause = "The host has no free interrupt vector left.", remedy = remedy, source = SOURCE,
  },
  {
    code = "vectors-msix", severity = "error", word = "VMKPCIPassthru", consequence = true,
    match = "VMKPCIPassthru: %d+: Failed to allocate (%d+) MSI%-?X? vectors",
    cause = function(captures) return ("A card asked for %s interrupt vectors and got none."):format(captures[1]) end,
    remedy = remedy,
    detail = function(captures) return { vectors = math.tointeger(tonumber(captures[1])) } end,
    source = SOURCE,
  },
  {
    code = "vectors-device", severity = "error", word = "allocate a vector", consequence = true,
    match = "MSI: %d+: Couldn't allocate a vector number %d+ for device (%x+:%x+:%x+%.%x)",
    cause = function(captures) return ("The host found no interrupt vector for %s."):format(captures[1]) end,
    remedy = function(_, session) return remedy({}, session) end, source = SOURCE,
  },
  {
    code = "vectors-vm", severity = "error", form = "vmware.log", word = "PCIPassthruChangeIntrSettings", address = 1,
    match = { "PCIPassthruChangeIntrSettings: ([%x:.]+) failed to register interrupt %(error code (%d+)%)",
      "PCIPassthruChangeIntrSettings: %S+ failed to register interrupt" },
    cause = "ESXi could not give a card of the VM its interrupts: the host's vectors are used up.",
    remedy = function(_, session) return remedy({}, session) end, source = SOURCE,
  },
  {
    code = "vectors-asked", severity = "info", word = "VMKPCIPassthru",
    match = "VMKPCIPassthru: %d+: BDF = (%S+) intrType = %d+ numVectors: (%d+)",
    cause = function(captures) return ("%s asked for %s interrupt vectors."):format(captures[1], captures[2]) end,
    remedy = "No action is needed.", source = SOURCE,
  },
}
