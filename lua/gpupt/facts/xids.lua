--- NVIDIA's Xids: what the driver reports of a card at work, by number, with what NVIDIA says to do first.
-- Sources: CATALOG for Ampere and newer; ARCHIVE for what only Volta and older report; HEADER for numbers that neither
-- describes. A row is { kind, action, text }.
--   kind    where to look first: "hardware" (the card, its slot, power and cooling), "driver" (NVIDIA's software),
--           "application" (the program), "consequence" (of an earlier error), "event" (nothing is lost)
--   action  "none", "application" (start it again), "gpu" (reset the card), "host" (power the server off and on),
--           "power" (check the cables), "software" (update), "earlier" (see the Xid before)
local xids = {
  CATALOG = "NVIDIA Xid catalog (docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html)",
  ARCHIVE = "NVIDIA Xid errors for Volta and older (docs.nvidia.com/deploy/xid-errors/archive)",
  HEADER = "NVIDIA/open-gpu-kernel-modules, nverror.h",
}

local rows = {
  [8] = { "driver", "application", "the GPU stopped processing (a channel was idle too long)" },
  [11] = { "application", "application", "invalid or corrupted push buffer" },
  [13] = { "application", "application", "graphics engine exception: usually an access out of bounds or an illegal "
    .. "instruction of the program" },
  [25] = { "application", "application", "invalid or illegal push buffer" },
  [31] = { "application", "application", "GPU memory page fault: the program used an address that is not mapped" },
  [32] = { "hardware", "application", "invalid or corrupted push buffer: usually the quality of the PCIe connection, "
    .. "not the program; on a vGPU host of Hopper or Ada also Broadcom KB 394974" },
  [37] = { "driver", "none", "driver firmware error" },
  [38] = { "driver", "none", "driver firmware error (watchdog)" },
  [43] = { "application", "none", "a program's own fault ended it; the card is fine" },
  [44] = { "driver", "none", "graphics engine fault during a context switch" },
  [45] = { "consequence", "earlier", "a program was removed from the card after an error, or because it was stopped" },
  [46] = { "hardware", "gpu", "the GPU stopped processing" },
  [48] = { "hardware", "gpu", "double bit ECC error: memory of the card" },
  [54] = { "hardware", "power", "the auxiliary power of the card is not connected" },
  [60] = { "driver", "application", "video processor exception" },
  [62] = { "hardware", "gpu", "internal micro-controller halt" },
  [63] = { "event", "none", "a page of memory was retired, or a row marked for remapping" },
  [64] = { "hardware", "gpu", "a page or row of memory could not be retired" },
  [66] = { "driver", "none", "illegal access by the driver" },
  [67] = { "driver", "none", "illegal access by the driver" },
  [69] = { "application", "application", "graphics engine class error" },
  [74] = { "hardware", "gpu", "NVLink error: the link, or the device at its other end" },
  [79] = { "hardware", "host", "the GPU has fallen off the bus: its PCIe link is down (power, heat, slot or riser, "
    .. "a reset by the host, or the card itself)" },
  [80] = { "hardware", "application", "corrupted data was sent to the GPU" },
  [92] = { "event", "none", "high rate of single bit ECC errors" },
  [93] = { "event", "none", "the wear limit of the card's InfoROM, set with nvflash, was reached" },
  [94] = { "application", "application", "contained memory error: only the program that met it is lost" },
  [95] = { "hardware", "gpu", "uncontained memory error: all programs on the card are affected" },
  [109] = { "hardware", "gpu", "context switch timeout" },
  [110] = { "hardware", "host", "security fault: undo recent changes of the server's hardware" },
  [119] = { "driver", "gpu", "the card's own processor (GSP) did not answer in time" },
  [120] = { "driver", "gpu", "error of the card's own processor (GSP)" },
  [121] = { "event", "none", "corrected errors of the link to a Grace CPU (C2C)" },
  [136] = { "hardware", "gpu", "NVLink training failed" },
  [137] = { "application", "none", "illegal access to another card over NVLink" },
  [140] = { "hardware", "gpu", "ECC error that could not be recovered" },
  [141] = { "driver", "none", "CUDA fast path error" },
  [142] = { "driver", "software", "video encoder error (NVENC)" },
  [143] = { "hardware", "gpu", "the GPU could not be initialized" },
  [151] = { "driver", "gpu", "key rotation error (confidential computing)" },
  [155] = { "hardware", "gpu", "an NVLink went down" },
  [156] = { "hardware", "gpu", "a defective part of the card was retired" },
  [157] = { "hardware", "none", "a defective part of the card could not be retired: spare parts are used up" },
  [158] = { "hardware", "gpu", "fatal timeout of the GPU" },
  [160] = { "event", "none", "a memory channel was retired" },
  [161] = { "hardware", "none", "a memory channel could not be retired" },
  [162] = { "event", "none", "power smoothing is on again" },
  [163] = { "event", "none", "power smoothing is off (heat, or a timeout)" },
  [164] = { "event", "none", "the parts for power smoothing near the end of their life" },
  [165] = { "event", "none", "the parts for power smoothing are worn out" },
  [167] = { "hardware", "host", "fatal timeout of the PCIe connection" },
  [168] = { "hardware", "gpu", "the card works with less memory: errors in a protected region while ECC is off" },
  [169] = { "hardware", "gpu", "internal micro-controller halt (SEC2)" },
  [171] = { "consequence", "earlier", "detail of Xid 48: the error is in DRAM" },
  [172] = { "consequence", "earlier", "detail of Xid 48: the error is in SRAM" },
}

-- Engines of which a card has several.
local engines = {
  { "copy engine exception", { 39, 40, 41, 70, 71, 72, 75, 76, 77, 85, 126, 127, 128, 129, 130, 131, 132, 133, 134,
    135 } },
  { "video decoder exception (NVDEC)", { 68, 83, 84, 88, 89, 96, 97, 98 } },
  { "JPEG engine error (NVJPG)", { 82, 99, 100, 101, 102, 103, 104, 105 } },
  { "optical flow engine exception (OFA)", { 86, 139 } },
}

for _, engine in ipairs(engines) do
  for _, number in ipairs(engine[2]) do rows[number] = { "driver", "application", engine[1] } end
end
for number = 144, 150 do rows[number] = { "hardware", "gpu", "NVLink error (fifth generation)" } end

local older = {
  [56] = { "driver", "software", "display engine error" },
  [57] = { "hardware", "host", "the interface to the card's memory could not be programmed" },
  [58] = { "hardware", "host", "unstable interface to the card's memory" },
  [59] = { "driver", "software", "internal micro-controller error" },
  [61] = { "hardware", "gpu", "internal micro-controller breakpoint or warning" },
  [65] = { "driver", "software", "video processor exception" },
}

local named = {
  [122] = { "hardware", "host", "the card's SPI flash could not be read" },
  [123] = { "hardware", "host", "the card's SPI flash could not be written" },
  [124] = { "hardware", "host", "the card's SPI flash could not be erased" },
  [125] = { "hardware", "host", "error of the InfoROM's file system" },
}

--- The numbers that are known, sorted: { { number =, kind =, action =, text =, source = }... }.
function xids.list()
  local list = {}
  for source, from in pairs { CATALOG = rows, ARCHIVE = older, HEADER = named } do
    for number, row in pairs(from) do
      list[#list + 1] = { number = number, kind = row[1], action = row[2], text = row[3], source = xids[source] }
    end
  end
  table.sort(list, function(a, b) return a.number < b.number end)
  return list
end

return xids
