--- What can still make a correctly sized window fail: the space below 4 GiB and the guest's address width.
-- Both limits are inferred from single guests, so they warn and never refuse.
local text = require "gpupt.bar.text"

-- A guest's PCI hole began at 2560 MiB (pciHole.dynStart) and its configuration space at 0xe0000000; the virtual
-- devices of the VM want some of what lies between.
local LOW_ROOM = (0xe0000000 - (2560 << 20)) - (128 << 20)

-- A guest placed its window top-down from 2^45.
local ADDRESS_TOP_GB = 1 << (45 - 30)

-- An OVMF guest of 46 address bits placed 7 of 8 cards of 512 GB in a window of 8 TB, and all 8 in 16 TB
-- (tianocore/edk2#12997; not ESXi: no report of its guests at this size was found).
local LARGEST_PLACED = 4096

return function(result)
  local warnings = {}
  if result.low_bytes > LOW_ROOM then
    warnings[#warnings + 1] = ("the 32-bit BARs sum to %s; below 4 GiB a guest has about %s for them (pciHole.start "
      .. "sets where they begin, in MB)"):format(text.format(result.low_bytes), text.format(LOW_ROOM))
  end
  if result.gb >= ADDRESS_TOP_GB // 2 then
    warnings[#warnings + 1] = ("a window of %d GB takes half or more of the physical addresses that guests were seen "
      .. "to have (45 bits, %d GB): check the host's address width"):format(result.gb, ADDRESS_TOP_GB)
  end
  if result.gb > LARGEST_PLACED and result.gb < ADDRESS_TOP_GB // 2 then
    warnings[#warnings + 1] = ("a window of %d GB: another firmware (OVMF, 46 address bits) placed 7 of 8 cards of "
      .. "512 GB "
      .. "in 8 TB, and all 8 in 16 TB: look whether the guest sees every card"):format(result.gb)
  end
  return warnings
end
