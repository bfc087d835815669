--- Boards with several GPUs: which GPUs are one board, and which boards have a fabric that needs all of them.
--   card       several GPUs on one PCIe card, behind a switch on the card
--   baseboard  all GPUs of this model in a host are on one baseboard (SXM, OAM)
-- Sources of the ids: NVIDIA open-gpu-kernel-modules README (device and subsystem ids), pci.ids. Number of GPUs: the
-- vendors' product briefs. Marks as in gpupt.bar.builtin (S sourced, M from memory).
local boards = {}

local cards = {
  { match = "10de:25b6:*:14a9", name = "A16", gpus = 4, mark = "S" },
  { match = "10de:13bd:*:1160", name = "Tesla M10", gpus = 4, mark = "S" },
  { match = "10de:13f2", name = "Tesla M60", gpus = 2, mark = "S" },
  { match = "10de:102d", name = "Tesla K80", gpus = 2, mark = "S" },
  { match = "8086:56c1", name = "Data Center GPU Flex 140", gpus = 2, mark = "S" },
}

-- fabric: "switches" if the host has NVSwitches as PCI devices, "always" if the board's switches are not PCI devices.
local baseboards = {
  { ids = { "20b0", "20b2", "20b3", "20bd", "20f3" }, vendor = "10de", name = "HGX A100", fabric = "switches" },
  { ids = { "2324", "2329", "2330", "2335", "2339" }, vendor = "10de", name = "HGX H100 or H200",
    fabric = "switches" },
  { ids = { "2901", "2909" }, vendor = "10de", name = "HGX B200", fabric = "always" },
  { ids = { "3182" }, vendor = "10de", name = "HGX B300", fabric = "always" },
  { ids = { "7408", "740c" }, vendor = "1002", name = "Instinct MI250X" },
  { ids = { "74a1", "74a2", "74a5", "75a0", "75a3" }, vendor = "1002", name = "Instinct MI300" },
  { ids = { "1020", "1060" }, vendor = "1da3", name = "Gaudi" },
}

--- Why a host's NVSwitches and GPUs must be accepted by name.
boards.NVSWITCH = "NVIDIA AI Enterprise documentation: GPU passthrough is not supported on systems that include "
  .. "NVSwitch when using VMware vSphere"

local by_id

local function index()
  by_id = {}
  for _, row in ipairs(cards) do
    local vendor, device, _, subdevice = row.match:match "^(%x+):(%x+):?(%*?):?(%x*)$"
    by_id[vendor .. ":" .. device] = { kind = "card", name = row.name, gpus = row.gpus,
      subdevice = subdevice ~= "" and tonumber(subdevice, 16) or nil }
  end
  for _, row in ipairs(baseboards) do
    for _, id in ipairs(row.ids) do
      by_id[row.vendor .. ":" .. id] = { kind = "baseboard", name = row.name, fabric = row.fabric }
    end
  end
end

--- The board that a GPU ({ vendor =, device =, subdevice = }) is part of: { kind = "card" or "baseboard", name =,
-- gpus =, fabric = }; nil if it is a board by itself, as far as known.
function boards.of(card)
  if not by_id then index() end
  local row = by_id[("%04x:%04x"):format(card.vendor, card.device)]
  if row and row.subdevice and row.subdevice ~= card.subdevice then return nil end
  return row
end

return boards
