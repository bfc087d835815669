--- What is wrong with an answer medium that is already an ISO: its answer files are read out of it and checked, as
-- gpupt.guest.answer does for files. The texts contain passwords: they are in memory only while they are checked, and
-- in no message.
--
--   local problems = assert(answer_iso(read))     -- read(at, length) -> bytes of the image
--     --> { { code="wrong-label", severity="error", message = ... }, ... }
local answer = require "gpupt.guest.answer"
local disc = require "gpupt.guest.disc"

local NAMES = { "autounattend.xml", "user-data", "meta-data", "ks.cfg", "autoinst.xml" }
local LARGEST = 1 << 20 -- bytes: a large answer file has a twentieth of it

--- See above. nil, message, code for what is not an image of a CD.
return function(read)
  local image, message, code = disc.open(read)
  if not image then return nil, message, code end
  local root
  root, message, code = image:list ""
  if not root then return nil, message, code end
  local files, found = {}, false
  for _, name in ipairs(NAMES) do
    local entry = root[name]
    if entry and not entry.folder then
      local size
      size, message, code = image:size(entry)
      if not size then return nil, message, code end
      if size > LARGEST then return nil, name .. " is larger than any answer file", "ELIMIT" end
      files[entry.name], message, code = image:read(entry, 0, size)
      if code then return nil, message, code end
      found = true
    end
  end
  if not found then
    for _, entry in pairs(root) do files[entry.name] = "" end -- for the message, which lists them
  end
  return answer.problems(files, { label = image.label })
end
