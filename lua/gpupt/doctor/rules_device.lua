--- Rules on pciPassthruN: each must name one card of this host, in the spelling that ESXi reads.
local nearest = require "gpupt.nearest"
local pci = require "gpupt.pci"

local HOST_WIDE = {
  "use64bitMMIO", "64bitMMIOSizeGB", "allowP2P", "RelaxACSforP2P", "useActualBases",
}

-- What names a card; hosts add further keys at power-on, which say nothing.
local NAMING = { "pciPassthru*.id", "pciPassthru*.systemId", "pciPassthru*.deviceId", "pciPassthru*.vendorId" }

local function remove_all(device)
  local changes = {}
  for i, key in ipairs(device.keys) do changes[i] = { key = key, remove = true } end
  return changes
end

local function ids(vendor, device)
  return vendor and device and ("%04x:%04x"):format(vendor, device) or "an unknown card"
end

--- Dynamic DirectPath names models and a label instead of an address.
local function is_dynamic(device)
  for name in pairs(device.fields) do
    if name:find "^alloweddevice" or name:find "label" then return true end
  end
  return false
end

--- Which of the card's two possible readings the PCI list confirms: "hex", "decimal" or nil.
local function confirmed(subject, device)
  local function fits(address)
    local listed = subject:listed(address)
    return listed and (not device.device or not listed.device
      or (listed.device == device.device and listed.vendor == device.vendor))
  end
  local as_hex, as_decimal = fits(pci.address(device.id, "hex")), fits(device.address)
  if as_hex and not as_decimal then return "hex" end
  if as_decimal then return "decimal" end
end

return {
  {
    id = "hex-id", severity = "error", needs = "vmx",
    cause = "A card's id is written in hexadecimal, and ESXi reads it as decimal.",
    remedy = "Write the id decimal, as 00000:013:00.0 for 0000:0d:00.0.",
    source = "ESXi libpci_bus.so (%05d:%03d:%02d.%d); a write-up: AH No device hints found",
    keys = NAMING,
    check = function(subject, report)
      for _, device in ipairs(subject.devices) do
        local as_hex = device.id and pci.address(device.id, "hex")
        if device.id and not device.address and as_hex then
          report({ subject:field(device, "id") }, {
            cause = ("%s.id is \"%s\", which can only be hexadecimal, and ESXi reads decimal (\"No device hints "
              .. "found\")."):format(device.prefix, device.id),
            remedy = ("Write %s for %s."):format(as_hex:vmx(), tostring(as_hex)),
            changes = { { key = device.prefix .. ".id", value = as_hex:vmx() } },
          })
        elseif device.id and not device.address then
          report({ subject:field(device, "id") }, {
            cause = ("%s.id is \"%s\", which is no PCI address."):format(device.prefix, device.id),
            remedy = "Write segment:bus:slot.function in decimal, as 00000:013:00.0 (gpupt pci prints it).",
          })
        elseif device.id and subject.pci and confirmed(subject, device) == "hex" then
          report({ subject:field(device, "id"), subject:listed_at(as_hex) }, {
            cause = ("%s.id is \"%s\": read as decimal, as ESXi does, that is %s, where this host has no such card; "
              .. "read as hexadecimal it is."):format(device.prefix, device.id, tostring(device.address)),
            remedy = ("Write %s for %s."):format(as_hex:vmx(), tostring(as_hex)),
            changes = { { key = device.prefix .. ".id", value = as_hex:vmx() } },
          })
        elseif device.id and not subject.pci and device.id:match "^%x%x%x%x:%d%d:%d%d%.%d$"
          and tostring(as_hex) ~= tostring(device.address) then
          report({ subject:field(device, "id") }, { severity = "warning",
            cause = ("%s.id is \"%s\", spelled as lspci and esxcli spell hexadecimal addresses; ESXi reads it as "
              .. "decimal, which is %s."):format(device.prefix, device.id, tostring(device.address)),
            remedy = ("If %s is meant, write %s (a PCI list of the host, --pci, would tell)."):format(tostring(as_hex),
              as_hex:vmx()) })
        end
      end
    end,
  },
  {
    id = "incomplete-device", severity = "error", needs = "vmx",
    cause = "A card is switched on but not named, so ESXi cannot look for it.",
    remedy = "Give id, deviceId, vendorId and systemId of one device, or remove the entry.",
    source = "a write-up: Failed to generate predicates for pciPassthru0",
    keys = NAMING,
    check = function(subject, report)
      for _, device in ipairs(subject:present()) do
        local missing = {}
        for _, name in ipairs { "id", "deviceId", "vendorId", "systemId" } do
          if not device.fields[name:lower()] then missing[#missing + 1] = device.prefix .. "." .. name end
        end
        if #missing > 0 and not is_dynamic(device) then
          local no_id = not device.fields.id
          report({ subject:field(device, "present") }, {
            severity = no_id and "error" or "warning",
            cause = ("%s is present, but %s %s missing%s."):format(device.prefix, table.concat(missing, ", "),
              #missing > 1 and "are" or "is",
              no_id and ", and ESXi says \"Failed to generate predicates\"" or ""),
          })
        end
      end
    end,
  },
  {
    id = "id-spelling", severity = "warning", needs = "vmx",
    cause = "A vendor or device id is not written as 0x and hexadecimal digits.",
    remedy = "Write it as 0x10de.",
    source = "real files; pciPassthruN.deviceId/vendorId",
    check = function(subject, report)
      for _, device in ipairs(subject.devices) do
        for _, name in ipairs { "vendorId", "deviceId" } do
          local field = device.fields[name:lower()]
          local value = field and field.value
          if value and not value:match "^0[xX]%x%x?%x?%x?$" then
            -- four digits with a letter in them can be nothing but hexadecimal
            local sure = value:match "^%x%x%x%x$" and value:match "%a"
            report({ subject:line(field.line) }, {
              cause = ("%s.%s is \"%s\", where hosts write 0x and four hexadecimal digits."):format(device.prefix,
                name, value),
              changes = sure and { { key = field.key, value = "0x" .. value:lower() } } or nil,
            })
          end
        end
      end
    end,
  },
  {
    id = "same-device", severity = "error", needs = "vmx",
    cause = "Two entries name the same card.", remedy = "Give each entry its own card, or remove one.",
    source = "vSphere: a device is assigned once",
    check = function(subject, report)
      local by_address = {}
      for _, device in ipairs(subject:present()) do
        local text = device.address and tostring(device.address)
        local first = text and by_address[text]
        if first then
          report({ subject:field(first, "id"), subject:field(device, "id") }, {
            cause = ("%s and %s both name %s."):format(first.prefix, device.prefix, text),
          })
        elseif text then
          by_address[text] = device
        end
      end
    end,
  },
  {
    id = "stale-backing", severity = "error", needs = "vmx",
    cause = "The .vmx was copied, restored or moved, and names a card of another host.",
    remedy = "Remove the pciPassthruN entries and add the card of this host.",
    source = "Broadcom: systemId is per host; a public PowerCLI post",
    keys = NAMING,
    check = function(subject, report)
      local accused = {}
      local given_anew = subject:changed_since_log(NAMING)
      for _, finding in ipairs(not given_anew and subject.log and subject.log.findings or {}) do
        local text = finding.code == "system-id" and finding.text:match "currently at (%d+:%d+%.%d)"
        if text then accused[tostring(pci.address(text, "vmx"))] = finding end
      end
      local seen = {}
      for _, device in ipairs(subject:present()) do
        local listed = subject:listed(device.address)
        local evidence, cause
        if subject.system_id and device.system_id and device.system_id:lower() ~= subject.system_id:lower()
          and device.system_id:upper() ~= "BYPASS" then
          evidence = { subject:field(device, "systemid"), subject.system_id_at }
          cause = ("%s was set up on the host %s, and this host is %s."):format(device.prefix, device.system_id,
            subject.system_id)
        elseif subject.pci and subject.pci_complete ~= true and device.address and not listed
          and confirmed(subject, device) ~= "hex" then
          -- only a complete list shows that a card is missing, and what is no list shows nothing
          if not subject.pci_partial then
            report({ subject:field(device, "id"), { file = subject.pci_name, text = "not in this list" } }, {
              severity = "warning",
              cause = ("%s names %s (%s in hexadecimal), which is not in this list; the list may be cut down: %s.")
                :format(device.prefix, device.id, tostring(device.address),
                  subject.pci_complete_why or "its source is not known"),
              remedy = "Give the whole list: esxcli hardware pci list, without -c and without grep." })
          end
        elseif subject.pci and device.address and not listed and confirmed(subject, device) ~= "hex" then
          evidence = { subject:field(device, "id"),
            { file = subject.pci_name, text = tostring(device.address) .. " is not in it" } }
          cause = ("%s names %s (%s in hexadecimal), and this host has no device there."):format(device.prefix,
            device.id, tostring(device.address))
        elseif listed and device.device and listed.device
          and (listed.device ~= device.device or listed.vendor ~= device.vendor)
          and confirmed(subject, device) ~= "hex" then
          evidence = { subject:field(device, "deviceid"), subject:listed_at(device.address) }
          cause = ("%s expects %s at %s, and this host has %s there."):format(device.prefix,
            ids(device.vendor, device.device), tostring(device.address), ids(listed.vendor, listed.device))
        elseif device.address and accused[tostring(device.address)] then
          local finding = accused[tostring(device.address)]
          evidence = { subject:field(device, "id"),
            { file = finding.file, line = finding.line, text = finding.text, code = finding.code } }
          cause = ("ESXi found neither the host nor the card that %s names at %s."):format(device.prefix,
            tostring(device.address))
        end
        if cause then
          report(evidence, { cause = cause, changes = remove_all(device),
            remedy = ("Remove %s.*, then add the card of this host."):format(device.prefix) })
        elseif device.system_id and device.system_id:upper() ~= "BYPASS" then
          local other = next(seen)
          if other and not seen[device.system_id] then
            report({ subject:field(seen[other], "systemid"), subject:field(device, "systemid") }, {
              cause = ("%s and %s were set up on different hosts (%s and %s), and a VM runs on one."):format(
                seen[other].prefix, device.prefix, other, device.system_id),
              remedy = "Remove the entries of the other host, then add the cards of this one.",
            })
          end
          seen[device.system_id] = seen[device.system_id] or device
        end
      end
    end,
  },
  {
    id = "not-enabled", severity = "error", needs = "vmx",
    cause = "The card is not given to passthrough on this host.",
    remedy = "Enable it and reboot the host.",
    source = "Broadcom KB 309986; esxcli hardware pci pcipassthru",
    check = function(subject, report)
      for _, device in ipairs(subject:present()) do
        local listed = subject:listed(device.address)
        if listed then
          local text = listed.address
          local function passthru(owner) return owner and owner:lower():find "passthr" ~= nil end
          local evidence = { subject:field(device, "id"), subject:listed_at(device.address) }
          if listed.capable == false then
            report(evidence, { cause = ("The host cannot give %s to a VM (Passthru Capable: false)."):format(text),
              remedy = "Check IOMMU (VT-d, AMD-Vi) in the host's firmware, and the card's slot." })
          elseif listed.enabled == false or (listed.configured_owner and not passthru(listed.configured_owner)) then
            report(evidence, { cause = ("%s is not enabled for passthrough on this host."):format(text),
              remedy = ("Run esxcli hardware pci pcipassthru set -d %s -e true, then reboot the host."):format(text) })
          elseif listed.owner and not passthru(listed.owner)
            and (listed.enabled or passthru(listed.configured_owner)) then
            report(evidence, { cause = ("%s is enabled for passthrough but not active: its owner is still %s.")
              :format(text, listed.owner), remedy = "Reboot the host." })
          end
        end
      end
    end,
  },
  {
    id = "not-in-effect", severity = "info", needs = "vmx",
    cause = "An entry is there but switched off.", remedy = "Nothing, or set its present to TRUE.",
    source = "sanbarrow: x.present is the main switch of a device",
    check = function(subject, report)
      for _, device in ipairs(subject.devices) do
        if not device.present and device.fields.id then
          report({ subject:field(device, device.fields.present and "present" or "id") }, {
            cause = ("%s.present is not TRUE, so the entry does nothing."):format(device.prefix) })
        end
      end
    end,
  },
  {
    id = "unknown-key", severity = "warning", needs = "vmx",
    cause = "A pciPassthru key is none that is known, so the host ignores it.", remedy = "Check its spelling.",
    source = "Broadcom KB 323402; vSphere documentation of pciPassthru keys",
    check = function(subject, report)
      for key, value, line in subject.doc:each "pciPassthru.*" do
        local name = key:match "%.(.*)$"
        local known
        for _, one in ipairs(HOST_WIDE) do known = known or one:lower() == name:lower() end
        if not known then
          local meant = name:lower() == "relaxacscheck" and "RelaxACSforP2P" or nearest.find(name, HOST_WIDE)
          local right = meant and "pciPassthru." .. meant
          report({ subject:line(line) }, {
            cause = ("%s is no key that hosts are known to read."):format(key),
            remedy = right and ("Write %s."):format(right) or nil,
            -- only a slip of the pen is corrected, and never over a value that is there
            changes = right and not subject:get(right)
              and { { key = key, remove = true }, { key = right, value = value } } or nil,
          })
        end
      end
    end,
  },
}
