--- Whether what driver.install is to install is there already: by an earlier part of the run, which was interrupted
-- before the proof was stored, or by another run, whose mark the VM has lost or which had other options.
local driver = require "gpupt.guest.driver"
local shell = require "gpupt.shell"
local vendor = require "gpupt.step.driver_vendor"

-- dpkg knows packages that were removed, too.
local INSTALLED = "{ dpkg-query -W -f='${Status}\\n' %s 2>/dev/null | grep -qx 'install ok installed' "
  .. "|| rpm -q %s >/dev/null 2>&1; } && echo there"

-- Whether the distribution's package is installed; nil, message, code.
local function has_package(session, name)
  local bare = shell.quote((name:match "^[^=]+"))
  local results, message, code = session:look { driver.bash(INSTALLED:format(bare, bare)) }
  if not results then return nil, message, code end
  return results[1].out:find "^there" ~= nil
end

--- `said`: the driver that runs all cards now. o: package, version (of the driver, or its beginning), vendor (PCI id of
-- the driver's; nil: all), flavour = a function of what driver.read gave -> { open = } or nil. True and what was read
-- (Linux); false if it has to be installed; nil, message, code.
return function(session, kind, said, o)
  if o.version and not vendor.has_version(said, o.version) then return false end
  if kind == "windows" then return o.version ~= nil end
  if not o.package and not o.version then return false end
  local results, message, code = session:look { driver.look() }
  if not results then return nil, message, code end
  local seen
  seen, message, code = driver.read(results[1].out)
  if not seen then return nil, message, code end
  seen = driver.only(seen, o.vendor)
  local fits = o.flavour(seen)
  if not fits or fits.open ~= nil and seen.module and seen.module.open ~= fits.open then return false end
  if driver.needs_restart(seen) or driver.unbuilt(seen) then return false end
  if not o.package then return true, seen end
  local there
  there, message, code = has_package(session, o.package)
  if there == nil then return nil, message, code end
  return there, seen
end
