--- Xids: what NVIDIA's driver says of a card at work. "NVRM: Xid (PCI:0000:13:00): 79, ...". The numbers are in
-- gpupt.facts.xids. In a VM a card is reset by powering the VM off and on.
local xids = require "gpupt.facts.xids"

local VENDOR = " If it happens again, contact the card's vendor (nvidia-bug-report.sh)."

local remedies = {
  none = "Nothing at once; watch whether it comes again." .. VENDOR,
  application = "Start the program again; examine it with compute-sanitizer if it fails again. The card is at fault "
    .. "only if several programs fail on it.",
  gpu = "Power the VM off and on, which resets the card; if that does not help, power the host off and on." .. VENDOR,
  host = "Power the host off and on (not a warm reboot); check power cables, cooling, slot and riser." .. VENDOR,
  power = "Connect the auxiliary power cables of the card; the host must be off.",
  software = "Update the driver and the card's firmware; power the VM off and on." .. VENDOR,
  earlier = "See the Xid before it for the reason.",
}

local function forms(number)
  return { "NVRM: Xid %(PCI:(%x+:%x+:%x+)%.?%x*%): " .. number, "NVRM: Xid %((%x+:%x+:%x+)%): " .. number }
end

local NUMBER = "NVRM: Xid %b(): (%d+)"

local function entry(row)
  return {
    code = "xid-" .. row.number, word = "NVRM: Xid", address = 1, covers = 12, number = tostring(row.number),
    numbered = NUMBER,
    consequence = row.kind == "consequence" or nil,
    severity = row.kind == "event" and "warning" or "error",
    match = forms(row.number .. "%f[%D]"),
    cause = function(captures)
      return ("Xid %d of %s (%s): %s."):format(row.number, captures[1], row.kind, row.text)
    end,
    remedy = remedies[row.action],
    detail = function() return { xid = row.number, kind = row.kind, action = row.action } end,
    source = row.source,
  }
end

local list, known = {}, { [78] = true, [154] = true }
for i, row in ipairs(xids.list()) do
  list[i] = entry(row)
  known[row.number] = true
end

-- "154, GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)"
local recovery = {
  ["None"] = "Nothing: the card needs no recovery any more.",
  ["GPU Reset Required"] = "Stop the programs on the card, then power the VM off and on, which resets it.",
  ["Node Reboot Required"] = "Power the VM off and on; if the message comes again, power the host off and on.",
  ["Drain P2P"] = "Stop the programs that use several cards together; the card itself works on.",
  ["Drain and Reset"] = "Let the programs on the card end and start no others; then power the VM off and on.",
}

list[#list + 1] = {
  code = "xid-154", severity = "error", consequence = true, word = "NVRM: Xid", address = 1, covers = 12,
  number = "154", numbered = NUMBER,
  match = { "NVRM: Xid %(PCI:(%x+:%x+:%x+)%.?%x*%): 154%f[%D].-to 0x%x+ %(([%w ]+)%)", forms("154%f[%D]")[1],
    forms("154%f[%D]")[2] },
  cause = function(captures)
    return ("Xid 154 of %s (consequence): the driver says which recovery the card needs%s."):format(captures[1],
      captures[2] and ": " .. captures[2] or "")
  end,
  remedy = function(captures) return recovery[captures[2]] or remedies.earlier end,
  detail = function() return { xid = 154, kind = "consequence" } end,
  source = xids.CATALOG,
}

list[#list + 1] = {
  code = "xid-other", severity = "error", word = "NVRM: Xid", address = 1, covers = 12,
  match = forms "(%d+)",
  detail = function(captures)
    local number = math.tointeger(tonumber(captures[2]))
    if known[number] then return false end
    return { xid = number }
  end,
  cause = function(captures) return ("Xid %s of %s, whose meaning is not in this catalogue."):format(captures[2],
    captures[1]) end,
  remedy = "Look the number up in NVIDIA's Xid catalog (docs.nvidia.com/deploy/xid-errors).",
  source = xids.CATALOG,
}

return list
