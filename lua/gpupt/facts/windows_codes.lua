--- Problem codes of Windows' Device Manager: what each means for a passthrough GPU; the driver that decides Code 43.
-- Sources: Microsoft, "Error codes in Device Manager" (the codes); NVIDIA, release notes of R465 (GeForce passthrough);
-- ReBarUEFI #381 (Code 12 with a window that is too small).
local windows_codes = {
  cause = {
    [10] = "The device cannot start; with a passthrough GPU often a driver that does not support the card or the "
      .. "hypervisor.",
    [12] = "Windows finds no free resources for the card: the MMIO window of the VM is too small for its BARs.",
    [28] = "No driver is installed for the card.",
    [31] = "Windows cannot load the driver of the card: often a driver of another kind (vGPU for passthrough, or the "
      .. "reverse), or a broken installation.",
    [43] = "The driver stopped the card. GeForce drivers before 465 do this when they see a hypervisor.",
  },
  --- The first NVIDIA release whose driver accepts a GeForce in a VM.
  FIRST_DRIVER = 465,
}

--- Whether an NVIDIA driver release ("537.13" or 537) accepts a GeForce in a VM; nil when the release is not known.
function windows_codes.accepts_hypervisor(release)
  local major = release and tonumber(tostring(release):match "^%d+")
  if not major then return nil end
  return major >= windows_codes.FIRST_DRIVER
end

--- The cause as the part of a sentence: without the capital and the full stop.
function windows_codes.clause(number)
  local text = windows_codes.cause[number]:gsub("%.$", "")
  return text:find "^Windows" and text or text:sub(1, 1):lower() .. text:sub(2)
end

return windows_codes
