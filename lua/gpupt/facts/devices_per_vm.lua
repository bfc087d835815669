--- How many passthrough devices a VM may have, by its hardware version and the host's release.
-- Source: Broadcom KB 309986 and the configuration maximums of vSphere 6.5 to 8.0. Hardware version 20 allows 32 on
-- ESXi 8.0 and 64 on 8.0 U1: the release decides. There is no published figure for versions above 21.
local limits = {
  { from = 21, to = 21, most = 128 },
  { from = 20, to = 20, most = 32, since = { release = { 8, 0, 1 }, most = 64 } },
  { from = 11, to = 19, most = 16 },
  { from = 7, to = 10, most = 6 },
}

local devices_per_vm = { source = "Broadcom KB 309986" }

local function reaches(release, wanted)
  local at = 0
  for number in tostring(release):gmatch "%d+" do
    at = at + 1
    if not wanted[at] then break end
    local have = tonumber(number)
    if have ~= wanted[at] then return have > wanted[at] end
  end
  return at >= #wanted
end

--- The limit; nil when none is published for this hardware version. `release` is the host's ("8.0.3"); when it is not
-- known the larger figure counts, and the second result is true: the limit depends on the release.
function devices_per_vm.most(hardware_version, release)
  for _, row in ipairs(limits) do
    if hardware_version and hardware_version >= row.from and hardware_version <= row.to then
      if not row.since then return row.most, false end
      if not release then return row.since.most, true end
      return reaches(release, row.since.release) and row.since.most or row.most, false
    end
  end
  return nil, false
end

return devices_per_vm
