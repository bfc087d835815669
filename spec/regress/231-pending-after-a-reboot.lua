-- "Reboot the host" was all that was said of a card that is enabled and not active, also after the third reboot. Each
-- cause of the loop has its sign: hot-plug, the console card, or neither (switch passthrough off and on).
-- Sources: HPE a00121002en_us; public guides to an integrated GPU on ESXi 8.0 (vga);
-- JeffersonQin/esxi-pci-passthrough-auto-enable.
local doctor = require "gpupt.doctor"

local function device(address, class, vendor, owner)
  return ([[
%s
   Address: %s
   Segment: 0x0000
   Bus: 0x%s
   Slot: 0x00
   Function: 0x0
   VMkernel Name:
   Vendor Name: x
   Device Name: %s
   Configured Owner: %s
   Current Owner: VMkernel
   Vendor ID: 0x%s
   Device ID: 0x1eb8
   Device Class: 0x%s
   Passthru Capable: true
]]):format(address, address, address:sub(6, 7), "card", owner or "VM Passthru", vendor or "10de", class)
end

local BRIDGES = device("0000:00:00.0", "0600", "8086", "VMkernel") .. device("0000:00:1f.0", "0601", "8086", "VMkernel")
local BMC = device("0000:02:00.0", "0300", "1a03", "VMkernel")
local KERNEL = [[
Name  Type  Configured  Runtime  Default  Description
----  ----  ----------  -------  -------  -----------
%s   Bool  %s       %s     TRUE     Enable/Disable VGA support.
]]

local function examine(list, more)
  local given = { pci = { text = list, name = "pci.txt" } }
  for name, value in pairs(more or {}) do given[name] = value end
  local result = assert(doctor.examine(given))
  local found = {}
  for _, one in ipairs(result.findings) do found[#found + 1] = one.code .. ": " .. one.remedy end
  return table.concat(found, "\n"), result
end

describe("a card that is enabled and not active", function()
  it("beside a management controller: reboot, then passthrough off and on", function()
    local text = examine(BRIDGES .. BMC .. device("0000:3b:00.0", "0302"))
    assert.matches("Reboot the host. Should it be pending again", text, 1, true)
    assert.matches("esxcli hardware pci pcipassthru set -a -e FALSE -d 0000:3b:00.0", text, 1, true)
    assert.not_matches("vga", text)
  end)

  it("the host's only display controller: its console", function()
    local text = examine(BRIDGES .. device("0000:3b:00.0", "0300"))
    assert.matches("esxcli system settings kernel set -s vga -v FALSE", text, 1, true)
  end)

  it("vga is FALSE already, but only from the next boot on: reboot", function()
    local text, result = examine(BRIDGES .. device("0000:3b:00.0", "0300"),
      { log = { text = KERNEL:format("vga", "FALSE", "TRUE"), name = "kernel.txt" } })
    assert.matches("Reboot the host: vga is FALSE from the next boot on", text, 1, true)
    local lines = {}
    for _, one in ipairs(result.findings[1].evidence) do lines[#lines + 1] = ("%s:%s"):format(one.file, one.line) end
    assert.matches("kernel.txt:3", table.concat(lines, " "), 1, true)
  end)

  it("vga is off already: that is not the reason", function()
    local text = examine(BRIDGES .. device("0000:3b:00.0", "0300"),
      { log = { text = KERNEL:format("vga", "FALSE", "FALSE"), name = "kernel.txt" } })
    assert.matches("pcipassthru set -a -e FALSE", text, 1, true)
    assert.not_matches("vga", text)
  end)

  it("hot-plug took it away: hot-plug off, with the line", function()
    local text = examine(BRIDGES .. BMC .. device("0000:3b:00.0", "0302"), { log = { name = "vmkernel.log",
      text = "2024-01-10T10:00:00.000Z In(182) vmkernel: cpu98:2097948)PCIEHP: 1496: 0000:3a:01.0: hotplug slot:0x1 (0000:3b:00.0) Adapter removed.\n" } })
    assert.matches("enablePCIEHotplug -v FALSE; then reboot the host", text, 1, true)
    assert.not_matches("pcipassthru set -a", text)
  end)

  it("hot-plug is on: it is the next suspect", function()
    local text = examine(BRIDGES .. BMC .. device("0000:3b:00.0", "0302"),
      { log = { text = KERNEL:format("enablePCIEHotplug", "TRUE", "TRUE"), name = "kernel.txt" } })
    assert.matches("look for PCIEHP lines in vmkernel.log", text, 1, true)
  end)
end)
