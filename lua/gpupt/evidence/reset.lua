--- How a host resets a card, and the line of /etc/vmware/passthru.map that would have it done otherwise.
-- passthru.map's own heading: "vendor-id device-id resetMethod fptShareable", ids in hexadecimal, ffff for any;
-- methods flr, d3d0, link, bridge, default. A bridge reset takes everything behind the bridge down at once, and some
-- hosts stop responding during it (www.unknownfault.com/posts/passthrough-nvidia-p600-esxi).
local reset = {}

--- "bridge", "link", "flr", "d3d0" or nil: the map's word for what esxcli prints.
function reset.method(device)
  local text = (device.reset_method or ""):lower()
  if text:find "bridge" then return "bridge" end
  if text:find "link" then return "link" end
  if text:find "function" or text:find "flr" then return "flr" end
  if text:find "d3" then return "d3d0" end
end

--- The lines of the map that are about a card: its own ones, and those for all of its vendor.
function reset.lines(device, resets)
  local own, all = {}, {}
  for _, line in ipairs(resets or {}) do
    if device.vendor and (line.vendor == device.vendor or line.vendor == 0xffff) then
      if line.device == device.device then
        own[#own + 1] = line
      elseif line.device == 0xffff then
        all[#all + 1] = line
      end
    end
  end
  return own, all
end

local function behind(device, devices)
  local bridge = device.dependent ~= device.address and device.dependent or device.parent
  local names = {}
  for _, other in ipairs(devices or {}) do
    local theirs = other.dependent ~= other.address and other.dependent or other.parent
    if other ~= device and bridge and other.address and theirs == bridge then names[#names + 1] = other.address end
  end
  return bridge, names
end

--- What is to be said of the reset of a card that is passed through; nil when nothing is. Result: {cause=, remedy=,
-- line= (for the map), map= (the map's lines that decide, as evidence)}.
function reset.advice(device, resets, devices)
  local method = reset.method(device)
  if not (device.vendor and device.device) then return nil end
  local own, all = reset.lines(device, resets)
  local map = #own > 0 and own or all
  if #own == 1 and method and own[1].method ~= method and own[1].method ~= "default" then
    return { line = nil, map = own, cause = ("passthru.map sets %s for %04x:%04x, and the host resets %s by %s.")
      :format(own[1].method, device.vendor, device.device, device.address, device.reset_method),
      remedy = "Run /sbin/auto-backup.sh, so that the edited file is kept, and reboot the host." }
  end
  if method ~= "bridge" then return nil end
  local bridge, others = behind(device, devices)
  local shareable = map[1] and map[1].shareable or (device.vendor == 0x10de or device.sharable == false) and "false"
    or "default"
  local line = ("%04x  %04x  d3d0  %s"):format(device.vendor, device.device, shareable)
  local whole = ("\"%s\""):format(line)
  -- the other functions of the card are reset by the same bridge
  for _, other in ipairs(devices or {}) do
    if other ~= device and other.address and other.domain == device.domain and other.bus == device.bus
      and other.slot == device.slot and reset.method(other) == "bridge" and other.vendor and other.device then
      whole = ("%s and, for %s, \"%04x  %04x  d3d0  %s\""):format(whole, other.address, other.vendor, other.device,
        shareable)
    end
  end
  return {
    line = line, map = map,
    cause = ("%s is reset by its bridge%s, which takes %s down as well; hosts have hung in it when the VM stops.")
      :format(device.address, bridge and " (" .. bridge .. ")" or "",
        #others > 0 and table.concat(others, ", ") or "everything behind that bridge"),
    remedy = map[1]
      and ("In /etc/vmware/passthru.map write %s above line %d (\"%s\"), then reboot the host."):format(whole,
        map[1].line, map[1].text:gsub("%s+", " "):match "^%s*(.-)%s*$")
      or ("In /etc/vmware/passthru.map write %s, then reboot the host."):format(whole),
  }
end

--- Lines of the map that contradict each other: {{first, second}...}.
function reset.contradictions(resets)
  local seen, list = {}, {}
  for _, line in ipairs(resets or {}) do
    local key = ("%04x:%04x"):format(line.vendor, line.device)
    local first = seen[key]
    if first and first.method ~= line.method then list[#list + 1] = { first, line } end
    seen[key] = first or line
  end
  return list
end

return reset
