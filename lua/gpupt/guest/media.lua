--- The optional library for answer media: gpupt.iso writes the ISO (libarchive) and reads answer files (libxml2,
-- libyaml). Where gpupt was built without it, everything else works, and whoever asks is told what to install.
local media = {}

--- The library; nil, message, "ENOLIBRARY" when gpupt was built without it. `what` could not be done.
function media.library(what)
  local found, library = pcall(require, "gpupt.iso")
  if found then return library end
  return nil, ("%s: gpupt was built without libarchive or libyaml (install libarchive-dev and libyaml-dev and build it "
    .. "again)"):format(what), "ENOLIBRARY"
end

return media
