--- Which reset method a device has, and which to try next: exact lines for /etc/vmware/passthru.map.
local reset = {}

-- In the order in which they are tried: d3d0 resets the device by its power state, link takes its link down.
local ORDER = { "d3d0", "link", "flr", "bridge" }

local by_esxcli = { ["function reset"] = "flr", ["bridge reset"] = "bridge", ["link reset"] = "link" }

--- The method that esxcli's text names: "bridge", "d3d0"...; nil for anything else.
function reset.method(text)
  if not text then return nil end
  local lower = text:lower()
  return by_esxcli[lower] or (lower:find "^d3" and "d3d0") or nil
end

--- The line of a passthru.map that holds for a device: its own before one of the vendor (ffff).
function reset.in_map(map, vendor, device)
  local found
  for _, line in ipairs(map or {}) do
    if line.vendor == vendor and (line.device == device or (line.device == 0xffff and not found)) then found = line end
    if found and found.device == device then return found end
  end
  return found
end

--- The lines to try for a device, its present method left out; `share` is kept as the map has it.
function reset.lines(vendor, device, present, map)
  local known = reset.in_map(map, vendor, device)
  present = present or (known and known.method)
  local lines = {}
  for _, method in ipairs(ORDER) do
    if method ~= present and #lines < 2 and method ~= "bridge" then
      -- ESXi's own file has false for NVIDIA's cards
      local share = known and known.shareable or (vendor == 0x10de and "false") or "default"
      lines[#lines + 1] = ("%04x  %04x  %s  %s"):format(vendor, device, method, share)
    end
  end
  return lines, present
end

return reset
