--- Which files a path means: itself, or the vmware*.log files of a folder, oldest first.
-- The folder may be untrusted (an unpacked bundle): only regular files inside it are opened. A pipe, a link or a
-- device of such a name is skipped and listed in the list's `skipped`.
local core = require "gpupt.core"
local vmlog = core.vmlog

local files = {}

--- As many entries of one folder are looked at.
files.MOST = 100000

local any = assert(vmlog.words { "Log for VMware" })

local function first_time(source)
  local file = source.open()
  local reader = file and vmlog.open(file, nil, any)
  if file then file:close() end
  if not reader then return nil end
  local head = reader:head()
  reader:close()
  return head and vmlog.prefix(head).time
end

--- What is said of an entry that is not opened.
function files.why(kind)
  local known = { link = "symbolic link", pipe = "named pipe", socket = "socket", device = "device" }
  return known[kind] and "is a " .. known[kind] or "is no regular file"
end

--- The logs among a folder's entries. ESXi counts rotated files up (vmware-36.log is newer than -35), Workstation down,
-- so the time on a file's first line decides; vmware.log itself is always the newest. `folder` is a handle of
-- core.folder, `below` the path from it ("" or ending in "/"), `shown` what is put before a name for people, `most` the
-- bytes that are read of each.
function files.among(folder, below, entries, shown, most)
  local found = { skipped = {} }
  for _, entry in ipairs(entries) do
    local number = entry.name:match "^vmware%-(%d+)%.log" or (entry.name:match "^vmware%.log" and "-1")
    if number and entry.kind ~= "folder" and (entry.name:match "%.log$" or entry.name:match "%.log%.gz$") then
      local name = shown .. entry.name
      if entry.kind == "file" then
        local source = { path = name, name = name, number = tonumber(number), most = most,
          open = function() return folder:file(below .. entry.name) end }
        source.time = first_time(source) or ""
        found[#found + 1] = source
      else
        table.insert(found.skipped, { path = name, why = files.why(entry.kind) })
      end
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

--- The sources that a path means, with `skipped` = { { path =, why = }... }; nil, message, code.
function files.of(path)
  if path == "-" then return { { path = "-", name = "standard input" }, skipped = {} } end
  local folder, message, code = core.folder.open(path)
  if not folder then
    if code == "ENOTDIR" then return { { path = path, name = path }, skipped = {} } end
    return nil, message, code
  end
  local entries, complete
  entries, complete, code = folder:list("", files.MOST)
  if not entries then return nil, ("%s: %s"):format(path, complete), code end
  local found = files.among(folder, "", entries, path:gsub("/*$", "") .. "/")
  if #found == 0 then
    local skipped = found.skipped[1]
    return nil, path .. ": no vmware*.log in this folder" .. (skipped and (" (%s %s, and is skipped)"):format(
      skipped.path, skipped.why) or ""), "ENOENT"
  end
  if not complete then
    table.insert(found.skipped, { path = path, why = ("has more than %d entries"):format(files.MOST) })
  end
  return found
end

return files
