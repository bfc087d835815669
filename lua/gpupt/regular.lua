--- Files that a user names. A device (/dev/zero) has no end, and opening a named pipe waits until it has a writer:
-- only regular files are read, below a limit, and the pipes that the shell hands over as descriptors (/dev/fd/63 of
-- `<(command)`), whose other end is open already.
local folder = require "gpupt.core".folder

local regular = {}

-- More than any playbook, library or list of certificates has.
regular.LIMIT = 64 << 20

local CHUNK = 64 << 10

local refused = { pipe = "a named pipe", socket = "a socket", device = "a device", other = "a special file" }

local function is_descriptor(path)
  return path == "/dev/stdin" or path:find "^/dev/fd/%d+$" or path:find "^/proc/%w+/fd/%d+$"
end

--- What is wrong with a path as the name of a file, without opening it: message, "EINVAL"; nil if it may be opened.
function regular.problem(path)
  local kind = refused[folder.kind(path)]
  if not kind or kind == refused.pipe and is_descriptor(path) then return nil end
  return ("%s is %s, not a file: give the path of a file"):format(path, kind), "EINVAL"
end

--- Opens a regular file for reading: a Lua file; nil, message, code.
function regular.open(path)
  local problem, kind = regular.problem(path)
  if problem then return nil, problem, kind end
  local file, message, number = io.open(path, "rb")
  if not file then return nil, message, number == 2 and "ENOENT" or "EACCES" end
  return file
end

--- Why a file cannot be read: message, code; nil if it can be.
function regular.missing(path)
  local file, message, code = regular.open(path)
  if not file then return message, code end
  file:close()
end

--- The bytes of a file; nil, message, code: EINVAL (no regular file), ENOENT, EACCES, EIO, and EFBIG beyond `limit`
-- bytes (default: regular.LIMIT).
function regular.read(path, limit)
  limit = limit or regular.LIMIT
  local file, message, code = regular.open(path)
  if not file then return nil, message, code end
  local parts, length, problem = {}, 0
  repeat
    local part
    part, problem = file:read(CHUNK)
    parts[#parts + 1] = part
    length = length + (part and #part or 0)
  until not part or length > limit
  file:close()
  if problem then return nil, ("%s: %s"):format(path, problem), "EIO" end
  if length > limit then
    return nil, ("%s is larger than %d MiB, the limit for such a file"):format(path, limit >> 20), "EFBIG"
  end
  return table.concat(parts)
end

return regular
