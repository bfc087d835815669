--- What a card has by its data sheet: memory in GB, the PCIe generation and width of its connector, whether ECC is
-- switched on as shipped. A guest reports them as they work; less is the slot, a riser, a setting, or retired memory.
-- Values of the vendors' data sheets, from memory (M): they are compared for a warning, never for a refusal.
-- Memory: a card reports less than its GB (ECC takes up to a tenth of GDDR); a warning begins below nine tenths.
local rows = {
  -- id, GB, generation, width, ecc
  { "10de:15f8", 16, 3, 16, true }, { "10de:1b38", 24, 3, 16, true }, { "10de:1db1", 16, 3, 16, true },
  { "10de:1db4", 16, 3, 16, true }, { "10de:1db5", 32, 3, 16, true }, { "10de:1db6", 32, 3, 16, true },
  { "10de:1df6", 32, 3, 16, true }, { "10de:1eb8", 16, 3, 16, true }, { "10de:20b0", 40, 4, 16, true },
  { "10de:20f1", 40, 4, 16, true }, { "10de:20b2", 80, 4, 16, true }, { "10de:20b5", 80, 4, 16, true },
  { "10de:20b7", 24, 4, 16, true }, { "10de:2236", 24, 4, 16, true }, { "10de:25b6", 16, 4, 8, true },
  { "10de:2235", 48, 4, 16, true }, { "10de:2230", 48, 4, 16, false }, { "10de:26b5", 48, 4, 16, true },
  { "10de:26b9", 48, 4, 16, true }, { "10de:26ba", 48, 4, 16, true }, { "10de:27b8", 24, 4, 16, true },
  { "10de:2330", 80, 5, 16, true }, { "10de:2331", 80, 5, 16, true }, { "10de:2321", 94, 5, 16, true },
  { "10de:2335", 141, 5, 16, true }, { "10de:233b", 141, 5, 16, true }, { "10de:2901", 180, 5, 16, true },
  { "10de:3182", 288, 6, 16, true }, { "10de:2bb5", 96, 5, 16, true },
  { "1002:7408", 128, 4, 16, true }, { "1002:740f", 64, 4, 16, true }, { "1002:74a1", 192, 5, 16, true },
  { "1002:74a5", 256, 5, 16, true }, { "8086:56c0", 16, 4, 16, true }, { "8086:56c1", 6, 4, 8, true },
  { "8086:e211", 24, 5, 8, false },
}

local by_id = {}
for _, row in ipairs(rows) do
  by_id[row[1]] = { memory_gb = row[2], generation = row[3], width = row[4], ecc = row[5], mark = "M" }
end

--- { memory_gb =, generation =, width =, ecc =, mark = "M" }; nil for a card that is not listed.
return function(vendor, device) return by_id[("%04x:%04x"):format(vendor, device)] end
