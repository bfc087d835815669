--- Versions of VMware Tools.
--   local versions = require "gpupt.guest.tools_version"
--   versions.read("12416").text                                  --> "12.4.0"
--   versions.newer(versions.read "13.0.1", versions.read "12.4") --> true
local versions = {}

--- Reads a Tools version: "12.4.0", "12.4.0.1234", 12, or the packed number of guest.toolsVersion ("12416"
-- is 12.4.0: major * 1024 + minor * 32 + patch). Returns {major=, minor=, patch=, text=}; or nil, message,
-- "EINVAL".
function versions.read(value)
  local major, minor, patch
  local number = math.tointeger(tonumber(value))
  if number and number >= 1024 then
    if number >= 0x7fffffff then
      return nil, "Tools version 2147483647 means that the guest manages its own Tools (open-vm-tools): "
        .. "there is no installer to run", "EINVAL"
    end
    major, minor, patch = number // 1024, number % 1024 // 32, number % 32
  else
    major, minor, patch = tostring(value):match "^(%d+)%.?(%d*)%.?(%d*)[%d%.]*$"
    if not major then
      return nil, ("'%s' is not a version of VMware Tools (such as 12.4.0 or 12416)"):format(tostring(value)), "EINVAL"
    end
    major, minor, patch = tonumber(major), tonumber(minor) or 0, tonumber(patch) or 0
  end
  return { major = major, minor = minor, patch = patch, text = ("%d.%d.%d"):format(major, minor, patch) }
end

--- Whether the version `a` is newer than `b`.
function versions.newer(a, b)
  if a.major ~= b.major then return a.major > b.major end
  if a.minor ~= b.minor then return a.minor > b.minor end
  return a.patch > b.patch
end

return versions
