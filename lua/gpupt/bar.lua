--- BAR arithmetic: which 64-bit MMIO window a VM needs for its cards, and why.
--
--   local w = gpupt.check(gpupt.bar.window({ {vendor=0x10de, device=0x20b5, count=2} }, { rule = "safe" }))
--   w.gb --> 512        the value for pciPassthru.64bitMMIOSizeGB
--
-- A card is {vendor=, device=} (its BARs come from the table) or {bars=...} in the shape that gpupt.vmlog and
-- gpupt.pci give; BARs that were measured always win over the table.
local bar = require "gpupt.bar.window"

--- Takes the BARs of the GPUs in logs, lists and sysfs folders into the user's own table, which every later look-up
-- uses. `sources` is a list of paths or {text=, name=}. Result: {path=, learned={rows}, kept=,
-- skipped={{name=, why=}...}}; nil, message, code (ENOBARS when there is nothing to learn).
function bar.learn(sources, opts) return require("gpupt.bar.learn").learn(sources, opts) end

return bar
