-- Which 64-bit MMIO window and which other settings does a VM with these cards need? No server is contacted.
--   lua5.4 examples/window.lua 2 10de:20b5
local gpupt = require "gpupt"

local count = math.tointeger(tonumber(arg[1] or "1"))
local vendor, device = (arg[2] or "10de:20b5"):match "^(%x+):(%x+)$"
if not (count and vendor) then
  io.stderr:write "usage: window.lua COUNT VENDOR:DEVICE\n"
  os.exit(2)
end
local card = { vendor = tonumber(vendor, 16), device = tonumber(device, 16), count = count }

local value = gpupt.check(gpupt.settings.compute { gpus = { card }, memory_mb = 65536, guest = "ubuntu64Guest" })
print(("%d GB by the rule '%s'; the minimum is %d GB"):format(value.window.gb, value.window.rule,
  value.window.min))
for _, choice in ipairs(value.choices) do print(("%s: %s"):format(choice.name, choice.value)) end
