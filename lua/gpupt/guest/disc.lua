--- The image of an installation DVD, read in pieces: its label, its folders, parts of its files. An image is gigabytes
-- on a datastore, and a few sectors of it say what it is.
--
--   local disc = assert(disc.open(function(at, length) return bytes end))     -- or nil, message, code from it
--   disc.label                                --> "SSS_X64FREE_EN-US_DV9"
--   local folder = assert(disc:list "sources")   -- by name in lower case; false if there is no such folder
--   assert(disc:read(folder["install.wim"], 0, 208))
--
-- UDF is read where the image has it (Windows media have their files there only), else Joliet or ISO 9660. The formats
-- are read by gpupt.iso (csrc/media/disc.h); everything is bounded.
local media = require "gpupt.guest.media"

local SECTOR = 2048
local FOLDER = 1 << 20 -- bytes of a folder
local AHEAD, WINDOWS = 128 << 10, 8

local disc = {}

local Disc = {}
Disc.__index = Disc

-- Bytes of the image; nil, message, code if they are not all there.
local function take(self, at, length)
  if at < 0 or length < 0 then return nil, "a position in it is impossible", "EPARSE" end
  local bytes, message, code = self.fetch(at, length)
  if not bytes then return nil, message, code end
  if #bytes < length then return nil, "it is shorter than it says: it was not copied completely", "EPARSE" end
  return bytes
end

local function open_udf(self)
  local library = self.library
  local bytes, message, code = take(self, 256 * SECTOR, SECTOR)
  if not bytes then return nil, message, code end
  local anchor
  anchor, message, code = library.udf_anchor(bytes)
  if not anchor then return nil, message, code end
  bytes, message, code = take(self, anchor.at, math.min(anchor.length, 64 * SECTOR))
  if not bytes then return nil, message, code end
  local volume
  volume, message, code = library.udf_volume(bytes)
  if not volume then return nil, message, code end
  self.partition = volume.partition
  if volume.label ~= "" then self.label = volume.label end
  bytes, message, code = take(self, volume.partition + volume.block * SECTOR, SECTOR)
  if not bytes then return nil, message, code end
  local block
  block, message, code = library.udf_root(bytes)
  if not block then return nil, message, code end
  self.root = { block = block, folder = true }
  return true
end

-- Reads at least AHEAD bytes and keeps the last few: the descriptors and folders of an image lie close together, and
-- each read is a request to a datastore.
local function reading_ahead(fetch)
  local windows = {}
  return function(at, length)
    for _, window in ipairs(windows) do
      local from = at - window.at
      if from >= 0 and from + length <= #window.bytes then return window.bytes:sub(from + 1, from + length) end
    end
    local bytes, message, code = fetch(at, math.max(length, AHEAD))
    if not bytes then return nil, message, code end
    if length < AHEAD then
      table.insert(windows, 1, { at = at, bytes = bytes })
      windows[WINDOWS + 1] = nil
    end
    return bytes:sub(1, length)
  end
end

--- `fetch(at, length)` gives bytes of the image, fewer at its end; nil, message, code. It is asked for more than is
-- needed at once.
function disc.open(fetch)
  local library, message, code = media.library("images of DVDs cannot be read")
  if not library then return nil, message, code end
  local self = setmetatable({ fetch = reading_ahead(fetch), library = library, folders = {} }, Disc)
  local bytes
  bytes, message, code = self.fetch(16 * SECTOR, 32 * SECTOR)
  if not bytes then return nil, message, code end
  local volume
  volume, message, code = library.volume(bytes)
  if not volume then return nil, message, code end
  self.label, self.joliet = volume.label, volume.joliet
  if volume.udf then
    local ok
    ok, message, code = open_udf(self)
    if not ok then return nil, message, code end
  else
    self.root = { folder = true, size = volume.length, { at = volume.at, length = volume.length } }
  end
  return self
end

-- Where the bytes of an entry are: of UDF its own entry says it.
local function located(self, entry)
  if entry.size then return entry end
  local bytes, message, code = take(self, self.partition + entry.block * SECTOR, SECTOR)
  if not bytes then return nil, message, code end
  local file
  file, message, code = self.library.udf_entry(bytes, self.partition)
  if not file then return nil, message, code end
  entry.size, entry.bytes = file.size, file.bytes
  table.move(file, 1, #file, 1, entry)
  return entry
end

--- The size of a file; nil, message, code.
function Disc:size(entry)
  local file, message, code = located(self, entry)
  if not file then return nil, message, code end
  return file.size
end

--- `length` bytes of a file from `offset` on; nil, message, code if it has fewer.
function Disc:read(entry, offset, length)
  local file, message, code = located(self, entry)
  if not file then return nil, message, code end
  if offset < 0 or length < 0 or offset > file.size or length > file.size - offset then
    return nil, "a file of it is shorter than needed", "EPARSE"
  end
  if file.bytes then return file.bytes:sub(offset + 1, offset + length) end
  local parts, from = {}, offset
  for _, piece in ipairs(file) do
    if length > 0 and from < piece.length then
      local count = math.min(length, piece.length - from)
      parts[#parts + 1], message, code = take(self, piece.at + from, count)
      if code then return nil, message, code end
      length, from = length - count, 0
    else
      from = from - piece.length
    end
  end
  return table.concat(parts)
end

local function names(self, folder)
  if self.folders[folder] then return self.folders[folder] end
  local file, message, code = located(self, folder)
  if not file then return nil, message, code end
  if file.size > FOLDER then return nil, "a folder of it is larger than expected", "ELIMIT" end
  local bytes
  bytes, message, code = self:read(file, 0, file.size)
  if not bytes then return nil, message, code end
  local list
  if self.partition then
    list, message, code = self.library.udf_names(bytes)
  else
    list, message, code = self.library.names(bytes, self.joliet)
  end
  if not list then return nil, message, code end
  local by_name = {}
  for _, entry in ipairs(list) do by_name[entry.name:lower()] = entry end
  self.folders[folder] = by_name
  return by_name
end

--- The entries of a folder ("" is the root), by name in lower case; false if there is no such folder; nil, message,
-- code.
function Disc:list(path)
  local folder, message, code = names(self, self.root)
  for part in path:gmatch "[^/]+" do
    if not folder then return nil, message, code end
    local entry = folder[part:lower()]
    if not entry or not entry.folder then return false end
    folder, message, code = names(self, entry)
  end
  if not folder then return nil, message, code end
  return folder
end

return disc
