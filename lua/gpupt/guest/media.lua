--- The optional library for answer media: gpupt.iso writes the ISO (libarchive) and reads answer files (libxml2,
-- libyaml). Without it everything else works, and the error names what to install.
local media = {}

--- The library; nil, message, "ENOLIBRARY" when gpupt was built without it. `what` is the operation, for the message.
function media.library(what)
  local found, library = pcall(require, "gpupt.iso")
  if found then return library end
  return nil, ("%s: gpupt was built without libarchive or libyaml. Install libarchive-dev and libyaml-dev and build "
    .. "gpupt again"):format(what), "ENOLIBRARY"
end

return media
