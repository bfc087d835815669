--- AMD cards in a Linux guest: the version of amdgpu, and the cards that amd-smi or rocm-smi lists.
--   amd.command()        --> a shell text; it fails where neither is installed
--   amd.parse(output)    --> { version = "6.8.5" or nil, cards = { "0000:0b:00.0", ... }, complaint = nil or a line }
-- /sys/module/amdgpu/version is there for amdgpu-dkms; the kernel's own module has none. The forms of amd-smi list
-- (BDF:) and rocm-smi --showbus (PCI Bus:) are those of ROCm's documentation, from memory.
local text = require "gpupt.text"

local amd = {}

function amd.command()
  return "echo version: $(cat /sys/module/amdgpu/version 2>/dev/null); "
    .. "if command -v amd-smi >/dev/null; then amd-smi list 2>&1; "
    .. "elif command -v rocm-smi >/dev/null; then rocm-smi --showbus 2>&1; else exit 127; fi"
end

function amd.parse(output)
  local result = { cards = {} }
  for line in text.lines(output or "") do
    local version = line:match "^version: ([%d.]+)"
    local address = line:match "BDF:%s*(%x+:%x+:%x+%.%x)" or line:match "PCI Bus:%s*(%x+:%x+:%x+%.%x)"
    result.version = result.version or version
    if address then result.cards[#result.cards + 1] = address:lower() end
    if line:find "AMDSMI_STATUS_%u+" or line:find "ERROR:" or line:find "[Nn]ot initialized" then
      result.complaint = result.complaint or text.trim(line)
    end
  end
  return result
end

return amd
