--- Xids: what NVIDIA's driver says of a card at work, by number. "NVRM: Xid (PCI:0000:13:00): 79, ..."
-- `kind` says where to look first: the card and its power (hardware), the driver, the program that used the card
-- (application), or an event that needs nothing at once (event).
local NVERROR = "NVIDIA Xid errors (docs.nvidia.com/deploy/xid-errors); open-gpu-kernel-modules, nverror.h"
local CATALOG = "NVIDIA Xid catalog (docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html)"

local table_of_xids = {
  { 8, "driver", "the GPU stopped processing (a DMA engine was idle too long)" },
  { 13, "application", "graphics engine exception: an access out of bounds or an illegal instruction of the program" },
  { 31, "application", "GPU memory page fault: the program used an address that is not mapped" },
  { 32, "driver", "invalid or corrupted push buffer: the driver, or the PCIe bus; on a vGPU host of Hopper or Ada "
    .. "also Broadcom KB 394974" },
  { 38, "driver", "driver firmware error", CATALOG },
  { 43, "application", "the GPU stopped processing because of a program; the card is fine" },
  { 44, "driver", "graphics engine fault during a context switch" },
  { 45, "consequence", "channels were removed because of an earlier error" },
  { 46, "hardware", "the GPU stopped processing", CATALOG },
  { 48, "hardware", "double bit ECC error: memory of the card" },
  { 54, "hardware", "the auxiliary power of the card is not connected", CATALOG },
  { 56, "driver", "display engine error" },
  { 57, "hardware", "error in the interface to the card's memory" },
  { 58, "hardware", "unstable interface to the card's memory" },
  { 59, "driver", "internal micro-controller error" },
  { 61, "hardware", "internal micro-controller breakpoint or warning" },
  { 62, "hardware", "internal micro-controller halt" },
  { 63, "event", "a page of memory was retired, or a row marked for remapping" },
  { 64, "hardware", "a page or row of memory could not be retired" },
  { 68, "application", "video decoder exception" },
  { 69, "application", "graphics engine class error" },
  { 74, "hardware", "NVLink error" },
  { 79, "hardware", "the GPU has fallen off the bus: power, heat, slot or riser, or a reset by the host" },
  { 80, "hardware", "corrupted data sent to the GPU" },
  { 92, "hardware", "high rate of single bit ECC errors" },
  { 93, "event", "too many writes to the card's InfoROM" },
  { 94, "application", "contained memory error: only the affected program is lost" },
  { 95, "hardware", "uncontained memory error" },
  { 109, "application", "context switch timeout", CATALOG },
  { 110, "hardware", "security fault", CATALOG },
  { 119, "driver", "the card's own processor (GSP) did not answer in time" },
  { 120, "driver", "error of the card's own processor (GSP)" },
  { 121, "event", "corrected error of the chip-to-chip link" },
  { 122, "hardware", "the card's SPI flash could not be read" },
  { 123, "hardware", "the card's SPI flash could not be written" },
  { 124, "hardware", "the card's SPI flash could not be erased" },
  { 125, "hardware", "error of the InfoROM's file system" },
  { 140, "hardware", "ECC error that could not be recovered", CATALOG },
  { 143, "hardware", "the GPU could not be initialized", CATALOG },
  { 154, "consequence", "the driver says which recovery the card needs now", CATALOG },
}

local remedies = {
  hardware = "Power the host off and on; check power cables, cooling and seat. If it happens again, contact the "
    .. "card's vendor (nvidia-bug-report.sh).",
  driver = "Update driver and the card's firmware; power the VM off and on. If it happens again, contact the vendor.",
  application = "Examine the program (compute-sanitizer for CUDA). The card is at fault only if several programs "
    .. "fail on it.",
  event = "Reset the card (power the VM off and on) at the next opportunity, and watch the count.",
  consequence = "See the Xid before it for the reason.",
}

local function entry(row)
  local number, kind, text, source = row[1], row[2], row[3], row[4]
  return {
    code = "xid-" .. number, word = "NVRM: Xid", address = 1, consequence = kind == "consequence" or nil, covers = 12,
    severity = kind == "event" and "warning" or "error",
    match = { "NVRM: Xid %(PCI:(%x+:%x+:%x+)%.?%x*%): " .. number .. "%f[%D]", "NVRM: Xid %((%x+:%x+:%x+)%): "
      .. number .. "%f[%D]" },
    cause = function(captures)
      return ("Xid %d of %s (%s): %s."):format(number, captures[1], kind == "event" and "event" or kind, text)
    end,
    remedy = remedies[kind],
    detail = function() return { xid = number, kind = kind } end,
    source = source or NVERROR,
  }
end

local list, known = {}, { [78] = true }
for i, row in ipairs(table_of_xids) do
  list[i] = entry(row)
  known[row[1]] = true
end

list[#list + 1] = {
  code = "xid-other", severity = "error", word = "NVRM: Xid", address = 1, covers = 12,
  match = { "NVRM: Xid %(PCI:(%x+:%x+:%x+)%.?%x*%): (%d+)", "NVRM: Xid %((%x+:%x+:%x+)%): (%d+)" },
  detail = function(captures)
    local number = math.tointeger(tonumber(captures[2]))
    if known[number] then return false end
    return { xid = number }
  end,
  cause = function(captures) return ("Xid %s of %s, whose meaning is not in this catalogue."):format(captures[2],
    captures[1]) end,
  remedy = "Look the number up in NVIDIA's Xid catalog (docs.nvidia.com/deploy/xid-errors).",
  source = CATALOG,
}

return list
