--- The text of a PCI tool as people paste it: damage is taken away, broken lines are joined, and what is said about
-- the list as a whole is kept: where each device stands, whether the list can be complete, whose it is.
local core = require "gpupt.core".pci
local paste = require "gpupt.paste"

local text = {}

local function is_head(line) return line:find "^%s?%x[%x:]*:%x%x%.%x%s" ~= nil end

local function open_bracket(line)
  local _, opened = line:gsub("[%[(]", "")
  local _, closed = line:gsub("[%])]", "")
  return opened > closed
end

-- How a line begins that does not continue the one before.
local function begins(line)
  if is_head(line) or line:find "^%x+: %x%x%f[^%x]" or line:find "^PS " or line:find "^%s*%[%w+@"
    or line:find "^%s*[%w_.-]+@[%w_.-]+[:%]]" then
    return true
  end
  if line:find "^%s*%[?size=" or line:find "^%s*%a*%-?prefetchable" then return false end
  return line:find "^%s" ~= nil or line:find "^%u[%w ]-:%s" ~= nil or line:find "^[$#%%]" ~= nil
    or line:find "^%[%s*%d" ~= nil
end

local function ends(line)
  if is_head(line) then
    return #line < 45 or line:find "%(rev %x" ~= nil or line:find "%[%x%x%x%x:%x%x%x%x%]%s*$" ~= nil
      or line:find "%s[tf][ra][ul]s?e%s*$" ~= nil
  end
  if line:find "^%s*Region %d: " then return line:find "%[size=" ~= nil and not open_bracket(line) end
  if line:find "%f[%w]pci %x+:%x+:%x+%.%x: " then return not open_bracket(line) end
  return true
end

--- On which line of the file each address stands first.
local function places(lines, numbers, devices)
  local wanted, found = {}, {}
  for _, device in ipairs(devices) do wanted[device.address] = true end
  for i, line in ipairs(lines) do
    -- one long line may hold many, and the first of them are enough to find it
    line = line:sub(1, 4000)
    if line:find ":%x+%.%x" then
      for at in line:gmatch "%x[%x:]*:%x+%.%x+" do
        local domain, bus, slot, func = core.address(at, "hex")
        local address = domain and core.format(domain, bus, slot, func, false)
        if address and wanted[address] and not found[address] then found[address] = numbers and numbers[i] or i end
      end
    end
  end
  return found
end

-- What the text leaves to the command above it: "lspci -vvv -s 13:00.0 | grep Region" prints regions and no address,
-- and a heading may have been run together with its rows and the prompt.
local function with_addresses(lines)
  local out
  local function change(i, line)
    out = out or table.move(lines, 1, #lines, 1, {})
    out[i] = line
  end
  for i, line in ipairs(lines) do
    if #line < 2000 and line:find("lspci", 1, true) then
      local at = line:match "lspci.-%s%-%a*s%s*([%x:]+%.%x)"
      local below = lines[i + 1] or ""
      if at and below:find "%S" and not is_head(below) and core.address(at, "hex") then change(i, at) end
    end
    local rows = line:find "Device ID%s+Enabled%s+%-%-"
    if rows and rows > 1 then change(i, line:sub(rows)) end
  end
  return out
end

--- Reads `plain`, a result of paste.clean. Result: devices, lines that told something, {lines= (by address),
-- damage=}; nil, message, code when memory ran out or a file of names cannot be read.
function text.read(plain, names)
  local lines, numbers, wrapped = paste.join(plain.lines, plain.numbers, begins, ends)
  local added = with_addresses(lines)
  local whole = (wrapped or added) and table.concat(added or lines, "\n") .. "\n" or plain.text
  local devices, recognised, code = core.text(whole, names)
  if not devices then return nil, recognised, code end
  local damage = { table.unpack(plain.damage) }
  if wrapped then damage[#damage + 1] = wrapped end
  for i, line in ipairs(lines) do
    if line:find "^Vendor ID:%s*0x%x" or line:find "^Passthru Capable:" or line:find "^Region %d: Memory at " then
      damage[#damage + 1] = { code = "indentation", line = numbers and numbers[i] or i, count = 1,
        text = paste.sentence "indentation" }
      break
    end
  end
  return devices, recognised, { lines = places(lines, numbers, devices), damage = damage }
end

return text
