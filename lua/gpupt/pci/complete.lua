--- Whether a list of PCI devices is all that the system has.
-- Only a complete list shows that a card is missing. A list counts as complete when it has what every system has,
-- a host bridge, beside devices of other classes, and no command in the text cut it down.

-- Options of commands that choose: a class, a device, a vendor.
local function filtered(command)
  if not (command:find "lspci" or command:find "esxcli" or command:find "vmkchdev") then return false end
  for _, word in ipairs { "[ef]?grep", "findstr", "[Ww]here", "head", "tail", "awk" } do
    if command:find("|%s*" .. word) then return true end
  end
  if command:find "esxcli" and command:find "hardware%s+pci" and not command:find "pcipassthru" then
    return command:find "%s%-c[%s=]?" ~= nil or command:find "%-%-class" ~= nil
  end
  if command:find "lspci" then
    return command:find "%s%-%a*[ds][%s%x:]" ~= nil
  end
  return false
end

local function class_of(device)
  if device.class then return device.class end
  local name = (device.class_name or ""):lower()
  if name == "host bridge" or name == "bridge host bridge" then return 0x0600 end
  return device.class_name
end

--- true, false or "unknown", and why: `devices.complete`, where who made the list knows it.
-- `commands` are those of paste.clean, where the text had prompts.
return function(devices, commands)
  if devices.complete ~= nil then return devices.complete, "its source says so" end
  for _, command in ipairs(commands or {}) do
    if filtered(command.text) then
      return false, ("the list was made with \"%s\", which chooses"):format(command.text), command.line
    end
  end
  if #devices == 0 then return false, "the list is empty" end
  local classes, count, bridge, unknown = {}, 0, false, 0
  for _, device in ipairs(devices) do
    local class = class_of(device)
    if class == nil then
      unknown = unknown + 1
    elseif not classes[class] then
      classes[class] = true
      count = count + 1
    end
    bridge = bridge or class == 0x0600
  end
  if bridge and count >= 2 then return true, "it has a host bridge and devices of other classes" end
  if #devices == 1 then return false, "it has one device only" end
  if count == 1 and unknown == 0 then return false, "all its devices are of one class" end
  return "unknown", "it has no host bridge, which every host has"
end
