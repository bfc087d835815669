--- Who has a device, as esxcli hardware pci list words it under Current Owner and Configured Owner: "VMkernel",
-- "VM Passthru", "passthru".
local owners = {}

--- Whether that is passthrough; nil when the list does not say who has it.
function owners.is_passthru(owner) return owner and owner:lower():find "passthr" ~= nil end

return owners
