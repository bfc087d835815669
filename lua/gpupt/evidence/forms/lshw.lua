--- lshw -class display of a Linux guest.
-- Public samples: ROCm/legacy-rocm-build/issues/1505 (a VMware guest), ROCm/amdgpu/issues/41.
local with_address = require "gpupt.evidence.forms.nvidia".with_address

local lshw = {}

local makers = { ["NVIDIA Corporation"] = 0x10de, ["Advanced Micro Devices, Inc. [AMD/ATI]"] = 0x1002,
  ["Intel Corporation"] = 0x8086, ["VMware"] = 0x15ad }

local function read(doc)
  local card
  for i, line in ipairs(doc.lines) do
    local claimed = doc:free(i) and line:match "^%s*%*%-display:?%d*%s*(%u*)%s*$"
    local key, value = line:match "^%s*(%l[%l ]-):%s*(.-)%s*$"
    if claimed then
      card = doc:card("lshw", i, { class = 0x0300, where = "guest", claimed = claimed ~= "UNCLAIMED" })
      doc:take("lshw", i)
    elseif line:find "^%s*%*%-" or not line:find "%S" then
      card = nil
    elseif card and key and doc:free(i) then
      doc:take("lshw", i)
      if key == "product" then card.device_name = value end
      if key == "vendor" then card.vendor_name, card.vendor = value, makers[value] end
      if key == "bus info" then with_address(card, value:match "^pci@(%S+)") end
      if key == "configuration" then card.driver = value:match "driver=(%S+)" end
    end
  end
end

lshw.form = {
  form = "lshw", title = "lshw -class display", how = "lshw -class display",
  facts = "cards, names, address, driver",
  source = "ROCm/legacy-rocm-build#1505, ROCm/amdgpu#41",
  words = { "*-display" },
  read = read,
}

return lshw
