--- The architecture of an NVIDIA GPU by its PCI device id, and which kernel modules and driver branches support it.
-- Device ids: the public PCI ID database (NVIDIA assigns them in blocks per chip). Modules and branches: NVIDIA's
-- driver README ("Supported NVIDIA GPU products", "Open Linux kernel modules": Turing and later; Blackwell requires
-- them), and its announcement that 580 is the last branch for Maxwell, Pascal and Volta.
local architectures = {
  Kepler = { closed = true, first = 304, last = 470 },
  Maxwell = { closed = true, first = 346, last = 580 },
  Pascal = { closed = true, first = 367, last = 580 },
  Volta = { closed = true, first = 384, last = 580 },
  Turing = { open = true, closed = true, first = 410 },
  Ampere = { open = true, closed = true, first = 450 },
  Hopper = { open = true, closed = true, first = 515 },
  Ada = { open = true, closed = true, first = 520 },
  Blackwell = { open = true, first = 570 },
}
for name, one in pairs(architectures) do one.name = name end

-- Blocks of device ids: first, last, architecture.
local blocks = {
  { 0x0fc0, 0x103f, "Kepler" }, { 0x1180, 0x12bf, "Kepler" }, { 0x1340, 0x14ff, "Maxwell" },
  { 0x15f0, 0x15ff, "Pascal" }, { 0x1600, 0x17ff, "Maxwell" }, { 0x1b00, 0x1d7f, "Pascal" },
  { 0x1d80, 0x1dff, "Volta" }, { 0x1e00, 0x1fff, "Turing" }, { 0x2080, 0x20ff, "Ampere" },
  { 0x2180, 0x21ff, "Turing" }, { 0x2200, 0x22ff, "Ampere" }, { 0x2300, 0x23ff, "Hopper" },
  { 0x2400, 0x25ff, "Ampere" }, { 0x2600, 0x28ff, "Ada" }, { 0x2900, 0x2fff, "Blackwell" },
  { 0x3100, 0x31ff, "Blackwell" },
}

--- { name =, open = whether the open kernel modules support it, closed =, first = driver branch, last = branch or nil
-- }; nil for a device id of no known block.
return function(device)
  for _, block in ipairs(blocks) do
    if device >= block[1] and device <= block[2] then return architectures[block[3]] end
  end
end
