--- Whose driver a driver.install installs. In a VM with cards of several vendors each has its own: it is proved by the
-- cards of its vendor, and has a mark of its own on the VM.
local driver = require "gpupt.guest.driver"

local vendor = {}

local NVIDIA, AMD, INTEL = 0x10de, 0x1002, 0x8086

--- The words of the option.
vendor.names = { "nvidia", "amd", "intel" }

local ids = { nvidia = NVIDIA, amd = AMD, intel = INTEL }

-- How the packages of the vendors' repositories are called: AMD's by ROCm's installation guide, Intel's by the one of
-- its data-center GPUs.
local packages = {
  { "^nvidia", NVIDIA }, { "^cuda", NVIDIA },
  { "^amdgpu", AMD }, { "^rocm", AMD },
  { "^intel", INTEL }, { "^i915", INTEL }, { "^xe%-", INTEL },
}

--- The PCI vendor id of the driver that the options name; nil if they do not say it: a folder, or a file of any name.
function vendor.of(o)
  if o.vendor then return ids[o.vendor] end
  if o.package then
    for _, row in ipairs(packages) do
      if o.package:find(row[1]) then return row[2] end
    end
    return nil
  end
  local file = o.from and o.from:match "[^/]*$"
  return file and (file:find "%.run$" or file:find "%.[Ee][Xx][Ee]$" and driver.run_file(file)) and NVIDIA or nil
end

--- Those of the vendors whose cards prove the driver: its own, if one of the VM's cards is of it.
function vendor.proved(o, vendors)
  local own = vendor.of(o)
  for _, one in ipairs(vendors) do if one == own then return { own } end end
  return vendors
end

-- NVIDIA's, and those of which the vendor is not known, have the key that all had once.
local keys = { [AMD] = "gpupt.driver.amd", [INTEL] = "gpupt.driver.intel" }
local SHARED = "gpupt.driver"

--- The key of the driver's mark.
function vendor.key(o) return keys[vendor.of(o)] or SHARED end

--- The mark of a VM (its record), or "". One that an earlier version of gpupt has set counts until there is another.
function vendor.mark(o, vm) return vm.extra[vendor.key(o)] or vm.extra[SHARED] or "" end

--- Whether a proof ("550.90.07", "amdgpu 6.8.5, 550.90.07") names this version, or the beginning of it.
function vendor.has_version(said, version)
  for one in (said .. ", "):gmatch "(.-), " do
    local bare = one:match "^%a[%w_]* (.+)$" or one
    if one:sub(1, #version) == version or bare:sub(1, #version) == version then return true end
  end
  return false
end

return vendor
