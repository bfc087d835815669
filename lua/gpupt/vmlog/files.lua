--- Which files a path means: itself, or the vmware*.log files of a folder, oldest first.
local core = require "gpupt.core".vmlog

local files = {}

local any = assert(core.words { "Log for VMware" })

local function first_time(path)
  local reader = core.open(path, nil, any)
  if not reader then return nil end
  local head = reader:head()
  reader:close()
  return head and core.prefix(head).time
end

--- The folder's logs. ESXi counts rotated files up (vmware-36.log is newer than -35), Workstation down, so the
-- time on
-- a file's first line decides; vmware.log itself is always the newest.
local function logs_in(folder, names)
  local found = {}
  for _, entry in ipairs(names) do
    local number = entry.name:match "^vmware%-(%d+)%.log" or (entry.name:match "^vmware%.log" and "-1")
    if number and not entry.folder and (entry.name:match "%.log$" or entry.name:match "%.log%.gz$") then
      local path = folder:gsub("/*$", "") .. "/" .. entry.name
      found[#found + 1] = { path = path, name = path, number = tonumber(number), time = first_time(path) or "" }
    end
  end
  table.sort(found, function(a, b)
    if (a.number < 0) ~= (b.number < 0) then return b.number < 0 end
    if a.time ~= b.time then return a.time < b.time end
    if a.number ~= b.number then return a.number < b.number end
    return a.name < b.name
  end)
  return found
end

function files.of(path)
  if path == "-" then return { { path = "-", name = "standard input" } } end
  local names, message, code = core.names(path)
  if not names then
    if code == "ENOTDIR" then return { { path = path, name = path } } end
    return nil, message, code
  end
  local found = logs_in(path, names)
  if #found == 0 then return nil, path .. ": no vmware*.log in this folder", "ENOENT" end
  return found
end

return files
