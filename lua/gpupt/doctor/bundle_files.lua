--- The files of an untrusted folder (an unpacked bundle), within limits.
-- Only regular files inside the folder are opened (gpupt.core's folder: no link is followed, no pipe or device is
-- opened). How deep it goes, how many entries it has and how large a file is are bounded; whatever was excluded is
-- told, with the reason.
--
--   local tree <close> = assert(bundle_files.open "esx01-2026-03-01")
--   tree.files                   --> { "commands/lspci.txt", ... } in order, relative to the folder
--   tree:shown(path)             --> the path as people read it
--   tree:text(path)   tree:join(paths)   tree:scan(sources)   tree:logs_beside "vmfs/volumes/ds1/vm/vm.vmx"
--   tree:all_skipped()           --> { { path =, why = }... }
local core = require "gpupt.core".folder
local logs = require "gpupt.vmlog.files"

local bundle_files = {
  DEPTH = 12, ENTRIES = 200000, SKIPPED = 10000,
  TEXT = 64 << 20, -- of a list of devices, all its fragments
  VMX = 16 << 20,
  LOG = 256 << 20, -- unpacked
}

local Tree = {}
Tree.__index = Tree

function Tree:shown(path) return path == "" and self.root or self.root .. "/" .. path end

--- Notes what was excluded; only the first ones are kept, the others are counted.
function Tree:skip(path, why)
  if #self.skipped < bundle_files.SKIPPED then
    table.insert(self.skipped, { path = self:shown(path), why = why })
  else
    self.more = self.more + 1
  end
end

local function walk(self, below, depth)
  if depth > bundle_files.DEPTH then
    return self:skip(below, ("is more than %d folders deep"):format(bundle_files.DEPTH))
  end
  local entries, complete = self.folder:list(below, bundle_files.ENTRIES)
  if not entries then return self:skip(below, "cannot be listed: " .. tostring(complete)) end
  table.sort(entries, function(a, b) return a.name < b.name end)
  self.entries[below] = entries
  for _, entry in ipairs(entries) do
    local path = below == "" and entry.name or below .. "/" .. entry.name
    if self.count >= bundle_files.ENTRIES then
      if not self.full then
        self:skip(below, ("and what comes after: more than %d entries"):format(bundle_files.ENTRIES))
      end
      self.full = true
      return
    end
    self.count = self.count + 1
    if entry.kind == "folder" then
      walk(self, path, depth + 1)
    elseif entry.kind == "file" then
      table.insert(self.files, path)
    else
      self:skip(path, logs.why(entry.kind))
    end
  end
  if not complete and not self.full then self:skip(below, ("has more than %d entries"):format(bundle_files.ENTRIES)) end
end

--- Opens and walks the folder; nil, message, code.
function bundle_files.open(path)
  local folder, message, code = core.open(path)
  if not folder then return nil, message, code end
  local self = setmetatable({ folder = folder, root = path:gsub("(.)/+$", "%1"), files = {}, entries = {}, skipped = {},
    more = 0, count = 0 }, Tree)
  walk(self, "", 1)
  return self
end

function Tree:__close() self.folder:close() end
Tree.__gc = Tree.__close

--- A file's text; nil, message when it cannot be read or has more than `most` bytes.
function Tree:text(path, most)
  most = most or bundle_files.TEXT
  local file, size = self.folder:file(path)
  if not file then return nil, self.root .. "/" .. size end
  local handle <close> = file
  if size > most then return nil, ("%s: larger than the limit of %d bytes"):format(self:shown(path), most) end
  local text, problem = handle:read(most + 1)
  if not text and problem then return nil, ("%s: %s"):format(self:shown(path), problem) end
  text = text or ""
  if #text > most then return nil, ("%s: larger than the limit of %d bytes"):format(self:shown(path), most) end
  return text
end

--- The texts of several files, one after the other; what is too large or cannot be read is skipped.
function Tree:join(paths)
  local parts, left = {}, bundle_files.TEXT
  for _, path in ipairs(paths) do
    local text, message = self:text(path, left)
    if text then
      parts[#parts + 1] = text
      left = left - #text
    else
      self:skip(path, "was not read: " .. message)
    end
  end
  return table.concat(parts)
end

--- A log as gpupt.vmlog.scan's own sources are.
function Tree:log(path)
  return { path = self:shown(path), name = self:shown(path), most = bundle_files.LOG,
    open = function() return self.folder:file(path) end }
end

--- The vmware*.log files in the folder of a .vmx, oldest first.
function Tree:logs_beside(path)
  local below = path:match "^(.*)/[^/]*$" or ""
  local prefix = below == "" and "" or below .. "/"
  return logs.among(self.folder, prefix, self.entries[below] or {}, self:shown(below) .. "/", bundle_files.LOG)
end

--- The scan of such sources, or nil; what was read in part only is said.
function Tree:scan(sources)
  local kept = {}
  for _, source in ipairs(sources) do
    local file, size = source.open()
    if file then
      file:close()
      if size <= bundle_files.LOG then
        kept[#kept + 1] = source
      else
        table.insert(self.skipped, { path = source.name, why = ("is larger than the limit of %d bytes"):format(
          bundle_files.LOG) })
      end
    else
      table.insert(self.skipped, { path = source.name, why = "cannot be read: " .. size })
    end
  end
  if #kept == 0 then return nil end
  local scan = require "gpupt.vmlog.scan"(kept, { sessions = "last" })
  if scan and scan.partial then
    table.insert(self.skipped, { path = kept[1].name, why = "was read in part: " .. scan.problem })
  end
  return scan
end

--- Everything that was excluded.
function Tree:all_skipped()
  if self.more > 0 then
    table.insert(self.skipped, { path = self.root, why = ("has %d more such entries"):format(self.more) })
    self.more = 0
  end
  return self.skipped
end

return bundle_files
