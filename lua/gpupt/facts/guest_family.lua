--- Which family a guest belongs to: "windows" or "linux", by what VMware Tools report, else by the guest id.
-- Source: vSphere API reference, GuestInfo.guestFamily and VirtualMachineGuestOsIdentifier (all Windows ids begin with
-- "win": win95Guest, winNetStandardGuest, windows2022srvNext_64Guest).
--- @param reported string|nil  guest.guestFamily ("windowsGuest", "linuxGuest"...)
--- @param ids string|nil ...   guest.guestId, config.guestId: the first that is set counts
return function(reported, ...)
  if reported == "windowsGuest" then return "windows" end
  if reported and reported ~= "" then return "linux" end
  for i = 1, select("#", ...) do
    local id = select(i, ...)
    if id and id ~= "" then return id:lower():find "^win" and "windows" or "linux" end
  end
  return "linux"
end
