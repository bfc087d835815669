--- Rules on the 64-bit MMIO window: the BARs of the cards must find room in the VM's address space.
local bar = require "gpupt.bar"

local USE, SIZE = "pciPassthru.use64bitMMIO", "pciPassthru.64bitMMIOSizeGB"

local function power_of_two(number) return number and number > 0 and number & (number - 1) == 0 end

local function next_power(number)
  local power = 1
  while power < number do power = power * 2 end
  return power
end

--- The lines that make up the offer.
local function offer_lines(subject)
  return { subject:at "firmware", subject:at(USE), subject:at(SIZE) }
end

local function window_changes(subject, gb)
  local changes = {}
  if subject:truth(USE) ~= true then changes[#changes + 1] = { key = USE, value = "TRUE" } end
  if subject:number(SIZE) ~= gb then changes[#changes + 1] = { key = SIZE, value = tostring(gb) } end
  return changes
end

--- Whether what is missing is asked for by nothing but uncertain rows of the table: the cards whose BARs are sure fit.
local function only_uncertain(subject, window, offer)
  local uncertain = subject:uncertain()
  if #uncertain == 0 or window.source == "log" then return false end
  local doubtful, sure = {}, {}
  for _, one in ipairs(uncertain) do doubtful[one.device.prefix] = true end
  for _, card in ipairs(subject:cards() or {}) do
    if not doubtful[card.prefix or ""] then sure[#sure + 1] = card end
  end
  if #sure == 0 then return true end
  local needed = bar.window(sure, { rule = "safe" })
  return not needed or not needed.needed or offer.gb >= needed.gb
end

--- The window for the cards when each doubtful one has its largest form.
local function largest_window(subject, uncertain)
  local of = {}
  for _, one in ipairs(uncertain) do of[one.device.prefix] = one end
  local cards = {}
  for i, card in ipairs(subject:cards() or {}) do
    local one = of[card.prefix or ""]
    cards[i] = card
    for _, variant in ipairs(one and one.known.variants or {}) do
      if variant.bytes == one.largest then cards[i] = { bars = variant.bars, count = 1 } end
    end
  end
  return #cards > 0 and bar.window(cards, { rule = "safe" }) or nil
end

local function forms_of(known)
  if #known.variants == 1 then return bar.format(known.bytes) .. ", from memory" end
  local list = {}
  for i, variant in ipairs(known.variants) do
    list[i] = ("%s (%s)"):format(bar.format(variant.bytes), variant.variant or "another form")
  end
  return table.concat(list, " or ")
end

return {
  {
    id = "mmio-size", severity = "error", needs = "vmx",
    cause = "The size of the window, in GB, is not a power of two.", remedy = "Use the next power of two.",
    source = "Broadcom KB 323402",
    check = function(subject, report)
      local value = subject:get(SIZE)
      local size = subject:number(SIZE)
      if not value or power_of_two(size) then return end
      -- "64GB" says what it means
      local meant = size or math.tointeger(tonumber(value:match "^%s*(%d+)%s*[gG][iI]?[bB]?%s*$" or ""))
      local wanted = meant and meant > 0 and meant <= 65536 and next_power(meant)
      -- with cards that are known, the window's own rule has the better size
      if subject:window() then wanted = math.max(wanted or 0, subject:window().gb) end
      report({ subject:at(SIZE) }, {
        cause = ("%s is \"%s\", which is not a power of two."):format(SIZE, value),
        remedy = wanted and ("Set it to %d."):format(wanted)
          or "Write a power of two. The BARs of the cards decide it: the vmware.log of a power-on, or lspci -vv, "
            .. "tells them.",
        -- firmware, switch and size work together: where there is no EFI, a size alone is no cure
        changes = wanted and subject:offer().efi and { { key = SIZE, value = tostring(wanted) } } or nil,
        proposal = wanted and not subject:offer().efi and { ('%s = "%d"'):format(SIZE, wanted) } or nil,
      })
    end,
  },
  {
    id = "mmio-window", severity = "error", needs = "vmx",
    cause = "The BARs of the cards need more space than the VM offers.",
    remedy = "EFI firmware, use64bitMMIO and a 64bitMMIOSizeGB that holds them are needed together.",
    source = "Broadcom KB 323402 and 334594; Dell KB 000199172",
    keys = { "firmware", USE, SIZE },
    check = function(subject, report)
      local window = subject:window()
      if not window or not window.needed then return end
      local offer = subject:offer()
      if offer.gb >= window.gb or only_uncertain(subject, window, offer) then return end
      local measured = window.source == "log" and " (from the log)" or window.source == "measured" and " (measured)"
        or window.source == "table" and " (from the table of cards)" or ""
      local need = ("The cards map %s%s"):format(window.text, measured)
      if not offer.efi then
        report(offer_lines(subject), {
          cause = ("%s, above the 3.5 GiB that a VM without a 64-bit window may map, and with %s firmware there is "
            .. "none."):format(need, subject:get "firmware" and "BIOS" or "BIOS (the default)"),
          remedy = ("Convert the installed system to EFI first, or reinstall it with firmware = \"efi\"; then set %s "
            .. "= \"TRUE\" and %s = \"%d\"."):format(USE, SIZE, window.gb),
          proposal = { 'firmware = "efi"', USE .. ' = "TRUE"', ('%s = "%d"'):format(SIZE, window.gb) },
        })
      elseif offer.gb < window.min then
        report(offer_lines(subject), {
          cause = ("%s, and the VM offers %s."):format(need, offer.gb == 0 and "3.5 GiB without a 64-bit window"
            or ("a window of %d GB%s"):format(offer.gb, offer.explicit and "" or " (the default)")),
          remedy = ("Set %s = \"TRUE\" and %s = \"%d\"."):format(USE, SIZE, window.gb),
          changes = window_changes(subject, window.gb),
        })
      else
        report(offer_lines(subject), { severity = "warning",
          cause = ("%s: a window of %d GB holds them only if nothing is lost between the cards."):format(need,
            offer.gb),
          remedy = ("Set %s = \"%d\", which also holds cards behind root ports of their own."):format(SIZE, window.gb),
          changes = window_changes(subject, window.gb),
        })
      end
    end,
  },
  {
    id = "uncertain-bars", severity = "warning", needs = "vmx",
    cause = "The BARs of a card are known from memory only, or its id has several forms.",
    remedy = "Measure them: the vmware.log of a power-on with the card, or lspci -vv of it.",
    source = "the marks of the table of cards (gpupt bar --table)",
    keys = { "firmware", USE, SIZE },
    check = function(subject, report)
      local uncertain, window = subject:uncertain(), subject:window()
      if #uncertain == 0 or (window and window.source == "log") then return end
      local largest = largest_window(subject, uncertain)
      local offer = subject:offer()
      if not largest or not largest.needed or offer.gb >= largest.gb then return end
      local names, evidence = {}, {}
      for _, one in ipairs(uncertain) do
        names[#names + 1] = ("%04x:%04x is a %s, whose BARs are not sure: %s"):format(
          one.known.vendor, one.known.device, one.known.name, forms_of(one.known))
        evidence[#evidence + 1] = subject:field(one.device, one.device.allowed and "alloweddevices" or "deviceid")
      end
      table.move(offer_lines(subject), 1, 3, #evidence + 1, evidence)
      local offers = offer.gb == 0 and "3.5 GiB without a 64-bit window" or ("a window of %d GB"):format(offer.gb)
      report(evidence, {
        cause = ("%s; the VM offers %s."):format(table.concat(names, "; "), offers),
        remedy = "Measure them: the vmware.log of a power-on with the card (--log), or lspci -vv of it (--pci); "
          .. "gpupt bar --learn keeps them. " .. (offer.efi and "The lines below hold the largest form."
          or "The largest form needs EFI firmware as well."),
        proposal = { USE .. ' = "TRUE"', ('%s = "%d"'):format(SIZE, largest.gb) },
      })
    end,
  },
  {
    id = "mmio-without-efi", severity = "warning", needs = "vmx",
    cause = "The keys of the 64-bit window do nothing with BIOS firmware.",
    remedy = "Convert the installed system to EFI, or remove the keys.",
    source = "a write-up of a P40 on ESXi: BAR1 unassigned until EFI",
    check = function(subject, report)
      local window = subject:window()
      if window and window.needed then return end -- mmio-window says more
      if subject:truth(USE) == true and not subject:offer().efi then
        report({ subject:at(USE), subject:at "firmware" }, {
          cause = ("%s is TRUE, and with BIOS firmware%s it does nothing."):format(USE,
            subject:get "firmware" and "" or " (the default)"),
          proposal = subject:get(SIZE) and { "remove " .. USE, "remove " .. SIZE } or { "remove " .. USE } })
      end
    end,
  },
  {
    id = "mmio-size-alone", severity = "warning", needs = "vmx",
    cause = "The window has a size but is not switched on.",
    remedy = ("Set %s = \"TRUE\"."):format(USE),
    source = "Broadcom KB 323402",
    check = function(subject, report)
      local window = subject:window()
      if window and window.needed then return end
      if subject:get(SIZE) and subject:truth(USE) ~= true then
        report({ subject:at(SIZE), subject:at(USE) }, {
          cause = ("%s is set, but %s is not TRUE, so there is no window."):format(SIZE, USE),
          remedy = not subject:offer().efi and ("Remove %s: with BIOS firmware there is no window."):format(SIZE)
            or nil,
          changes = subject:offer().efi and { { key = USE, value = "TRUE" } } or nil,
          proposal = not subject:offer().efi and "remove " .. SIZE or nil })
      end
    end,
  },
  {
    id = "actual-bases", severity = "warning", needs = "vmx",
    cause = "pciPassthru.useActualBases is an experiment that has crashed VMs.", remedy = "Remove it.",
    source = "a write-up of ESXi on ENCS",
    check = function(subject, report)
      if subject:get "pciPassthru.useActualBases" then
        report({ subject:at "pciPassthru.useActualBases" },
          { changes = { { key = "pciPassthru.useActualBases", remove = true } } })
      end
    end,
  },
  {
    id = "low-hole", severity = "warning", needs = "vmx",
    cause = "The 32-bit BARs of the cards do not fit the hole below 4 GB.",
    remedy = "Use fewer cards in this VM, or lower pciHole.start.",
    source = "pciHole keys; 32-bit BARs are not covered by 64bitMMIOSizeGB (inferred)",
    check = function(subject, report)
      local key = subject:number "pciHole.start" and "pciHole.start" or "pciHole.dynStart"
      local start = subject:number(key)
      if not start or start <= 0 or start >= 4096 then return end
      local cards = subject:cards()
      local total = 0
      for _, card in ipairs(cards or {}) do
        local bars = card.bars
        if not bars then
          local known = bar.lookup(card.vendor, card.device)
          bars = known and known.bars or {}
        end
        for _, one in ipairs(bars) do
          if one.kind == "mem32" then total = total + one.size * (card.count or 1) end
        end
      end
      local hole = (4096 - start) << 20
      if total > hole then
        report({ subject:at(key) }, {
          cause = ("The cards' 32-bit BARs take %s, and the hole below 4 GB has %s."):format(bar.format(total),
            bar.format(hole)) })
      end
    end,
  },
  {
    id = "address-width", severity = "warning", needs = "vmx",
    cause = "Memory and window together exceed the address space of a guest.",
    remedy = "Use fewer cards in this VM, or less memory.",
    source = "an EFI guest of hardware version 21: its window ends at 2^45 (seen; that this is the limit is inferred)",
    check = function(subject, report)
      local offer, memory = subject:offer(), subject:number "memsize" or 0
      if offer.gb == 0 or offer.gb * 1024 + memory <= 1 << 25 then return end -- 2^45 bytes in MB
      report({ subject:at(SIZE), subject:at "memsize" }, {
        cause = ("%d MB of memory and a window of %d GB are more than the 32 TiB that a guest is known to address.")
          :format(memory, offer.gb) })
    end,
  },
  {
    id = "window-unproven", severity = "info", needs = "vmx",
    cause = "The window is larger than any that is known to be placed with all its cards.",
    remedy = "Look whether the guest sees every card; if one is missing, use fewer of them in this VM.",
    source = "tianocore/edk2#12997 (OVMF, not ESXi)",
    check = function(subject, report)
      local offer = subject:offer()
      if offer.gb <= bar.LARGEST_PLACED then return end
      report({ subject:at(SIZE) }, {
        cause = ("A window of %d GB is larger than any that is known to be placed with all its cards: an OVMF guest "
          .. "of 46 address bits placed 7 of 8 cards of 512 GB in 8 TB, and all 8 in 16 TB."):format(offer.gb) })
    end,
  },
}
