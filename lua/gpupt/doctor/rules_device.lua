--- Rules on pciPassthruN: each must name one card of this host, in the spelling that ESXi reads.
local bar = require "gpupt.bar"
local keys = require "gpupt.doctor.keys"
local is_passthru = require "gpupt.doctor.owners".is_passthru
local pci = require "gpupt.pci"
local pending = require "gpupt.evidence.pending"

-- What names a card; hosts add further keys at power-on, which say nothing.
local NAMING = { "pciPassthru*.id", "pciPassthru*.systemId", "pciPassthru*.deviceId", "pciPassthru*.vendorId" }

local function report_pending(subject, report, evidence, listed)
  local remedy, more = pending.remedy(subject, listed)
  table.move(more, 1, #more, #evidence + 1, evidence)
  report(evidence, { cause = ("%s is enabled for passthrough but not active: its owner is still %s."):format(
    listed.address, listed.owner), remedy = remedy })
end

--- Removing a card is for a person to decide: the lines that would go.
local function removal(device)
  local lines = {}
  for i, key in ipairs(device.keys) do lines[i] = "remove " .. key end
  lines[#lines + 1] = "then add the card of this host"
  return lines
end

local function ids(vendor, device)
  return vendor and device and ("%04x:%04x"):format(vendor, device) or "an unknown card"
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

--- The devices of the PCI list with the ids of an entry that no other entry names.
local function same_model(subject, device)
  local taken, list = {}, {}
  for _, other in ipairs(subject.devices) do
    if other ~= device and other.present and other.address then taken[tostring(other.address)] = true end
  end
  for _, listed in ipairs(subject.pci or {}) do
    if device.device and listed.device == device.device and listed.vendor == device.vendor
      and not taken[listed.address] then
      list[#list + 1] = listed
    end
  end
  return list
end

local function address_line(device, listed)
  return ('%s.id = "%s"'):format(device.prefix, pci.address(listed.address, "hex"):vmx())
end

--- Where the card of an entry is, by the list, or which file would tell.
local function where_is(subject, device)
  local found = same_model(subject, device)
  if #found == 1 then return ("Write %s, where the list has this card."):format(address_line(device, found[1])) end
  if #found > 1 then return "Write the address of one of the cards of this model in the list, in decimal." end
  return "Write segment:bus:slot.function in decimal. The host's list of devices (--pci) shows it."
end

--- The lines that would complete an entry, where list and host tell them; else which files would.
local function completion(subject, device)
  local found = same_model(subject, device)
  local listed = subject:listed(device.address) or (#found == 1 and found[1])
  local lines, unknown = {}, {}
  local function put(name, value, file)
    if device.fields[name:lower()] then return end
    if value then
      lines[#lines + 1] = ('%s.%s = "%s"'):format(device.prefix, name, value)
    else
      unknown[file] = true
    end
  end
  put("id", listed and pci.address(listed.address, "hex"):vmx(), "the host's list of devices (--pci)")
  put("deviceId", listed and listed.device and ("0x%04x"):format(listed.device), "the host's list of devices (--pci)")
  put("vendorId", listed and listed.vendor and ("0x%04x"):format(listed.vendor), "the host's list of devices (--pci)")
  put("systemId", subject.system_id, "esxcli system uuid get on the host (--system-id)")
  local files = {}
  for file in pairs(unknown) do files[#files + 1] = file end
  table.sort(files)
  local remedy = #files == 0 and "Complete the entry with the lines below, or remove it."
    or ("Complete the entry, or remove it. %s would show what is missing."):format(table.concat(files, " and "))
  return lines, remedy
end

--- What an id was meant to be: the number, and how that is known: "signed", "plain" (it can be nothing else) or
-- "listed" (this host has that card there).
local function id_meant(subject, device, name, value)
  local right = name == "vendorId" and device.vendor or name == "deviceId" and device.device or nil
  if right and not device.allowed then
    local signed = value:find "^%-" or value:find "^0[xX][fF][fF][fF][fF]%x%x%x%x$"
    return right, signed and "signed" or "plain"
  end
  local listed = subject:listed(device.address)
  if listed then return name == "vendorId" and listed.vendor or listed.device, "listed" end
  -- four decimal digits may be either: a vendor of GPUs, or the table, may tell one of the two
  local vendor = name == "vendorId" and ({ ["4318"] = 0x10de, ["4098"] = 0x1002 })[value]
  if vendor then return vendor, "table" end
  local decimal = name == "deviceId" and device.vendor and value:match "^%d%d%d%d$"
  local number = decimal and math.tointeger(tonumber(decimal))
  if number and bar.lookup(device.vendor, number) and not bar.lookup(device.vendor, tonumber(decimal, 16)) then
    return number, "table"
  end
end

local function misspelt(device)
  for _, name in ipairs { "vendorid", "deviceid" } do
    local field = device.fields[name]
    if field and not field.value:match "^0[xX]%x%x?%x?%x?$" then return true end
  end
  return false
end

--- The lines of a key that each device has for itself.
local function of_each(subject, key, value)
  local lines = { "remove " .. key }
  for _, device in ipairs(subject:present()) do
    lines[#lines + 1] = ('%s.%s = "%s"'):format(device.prefix, key:match "%.(.*)$", value)
  end
  return lines
end

-- HostPciPassthruInfo.directPathState.mode of 9.1, where it excludes passthrough of the whole card.
local other_modes = {
  host = "the host keeps it", vGpuSameSize = "it serves vGPUs of one size", vGpuMixedSize = "it serves vGPUs of "
    .. "mixed sizes",
}

--- How a card is enabled, by the host's release: esxcli has the command since 7.0.
local function enable_remedy(subject, address)
  local release = subject.facts.release
  if release and release.major < 7 then
    return ("%s: toggle passthrough of %s in the host's client (Manage, Hardware, PCI Devices), then reboot the host.")
      :format(release.text, address)
  end
  return ("Run esxcli hardware pci pcipassthru set -d %s -e true%s, then reboot the host."):format(address,
    release and "" or " (7.0 and later; before, toggle it in the host's client)")
end

return {
  {
    id = "hex-id", severity = "error", needs = "vmx",
    cause = "A card's id is written in hexadecimal, and ESXi reads it as decimal.",
    remedy = "Write segment:bus:slot.function in decimal.",
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
            cause = ("%s.id is \"%s\", which is not a PCI address."):format(device.prefix, device.id),
            remedy = where_is(subject, device),
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
            remedy = ("If %s is meant, write %s (a PCI list of the host, --pci, shows it)."):format(tostring(as_hex),
              as_hex:vmx()), proposal = ('%s.id = "%s"'):format(device.prefix, as_hex:vmx()) })
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
        if #missing > 0 and not device.dynamic then
          local no_id = not device.fields.id
          local lines, remedy = completion(subject, device)
          report({ subject:field(device, "present") }, {
            severity = no_id and "error" or "warning",
            cause = ("%s is present, but %s %s missing%s."):format(device.prefix, table.concat(missing, ", "),
              #missing > 1 and "are" or "is",
              no_id and ", and ESXi reports \"Failed to generate predicates\"" or ""),
            remedy = remedy, proposal = lines,
          })
        end
      end
    end,
  },
  {
    id = "id-spelling", severity = "warning", needs = "vmx",
    cause = "A vendor or device id is not written as 0x and four hexadecimal digits.",
    remedy = "Write it as 0x and four hexadecimal digits.",
    source = "real files; pciPassthruN.deviceId/vendorId; a signed short in HostPciDevice.vendorId",
    keys = NAMING,
    check = function(subject, report)
      for _, device in ipairs(subject.devices) do
        for _, name in ipairs { "vendorId", "deviceId" } do
          local field = device.fields[name:lower()]
          local value = field and field.value
          if value and not device.sriov and not value:match "^0[xX]%x%x?%x?%x?$" then
            local right, how = id_meant(subject, device, name, value)
            local text = right and ("0x%04x"):format(right)
            local guessed = how == "listed" or how == "table"
            report({ subject:line(field.line) }, {
              severity = how == "signed" and "error" or "warning",
              cause = how == "signed"
                and ("%s.%s is \"%s\": a signed short written as it came from the API. ESXi compares it with %s and "
                  .. "finds another device."):format(device.prefix, name, value, text)
                or ("%s.%s is \"%s\", where hosts write 0x and four hexadecimal digits."):format(device.prefix, name,
                  value),
              remedy = text and ("Write %s."):format(text)
                or "Write 0x and four hexadecimal digits. The host's list of devices (--pci) has this card's own.",
              changes = text and not guessed and { { key = field.key, value = text } } or nil,
              proposal = text and guessed and ('%s = "%s"'):format(field.key, text) or nil,
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
        elseif subject:list_complete(device) == true and device.address and not listed
          and confirmed(subject, device) ~= "hex" then
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
        elseif device.address and accused[tostring(device.address)] and not misspelt(device) then
          local finding = accused[tostring(device.address)]
          evidence = { subject:field(device, "id"),
            { file = finding.file, line = finding.line, text = finding.text, code = finding.code } }
          cause = ("ESXi found neither the host nor the card that %s names at %s."):format(device.prefix,
            tostring(device.address))
        end
        if cause then
          local found = same_model(subject, device)
          local elsewhere = #found == 1 and (not listed or listed.address ~= found[1].address)
          local lines = elsewhere and { address_line(device, found[1]) } or removal(device)
          if elsewhere and subject.system_id then
            lines[2] = ('%s.systemId = "%s"'):format(device.prefix, subject.system_id)
          end
          report(evidence, { cause = cause, proposal = lines,
            remedy = elsewhere and ("This host has that model at %s: name it there."):format(found[1].address)
              or ("Remove %s.*, then add the card of this host. Nothing of it is removed by "
                .. "--fix."):format(device.prefix),
          })
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
    id = "not-in-list", severity = "warning", needs = "vmx",
    cause = "A card of the VM is not in the list of devices, and the list may not be whole.",
    remedy = "Give the whole list: esxcli hardware pci list, without a class or an address.",
    source = "esxcli hardware pci list -c CLASS lists one class; a 3D controller is 0302, a display controller 0300",
    check = function(subject, report)
      -- what is no list of devices shows nothing
      if not subject.pci or subject.pci_partial then return end
      for _, device in ipairs(subject:present()) do
        local complete, why = subject:list_complete(device)
        if complete ~= true and device.address and not subject:listed(device.address)
          and confirmed(subject, device) ~= "hex" then
          report({ subject:field(device, "id"),
            { file = subject.pci_name, text = tostring(device.address) .. " is not in it" } }, {
            cause = ("%s names %s, which is not in this list of %d device%s: is it filtered? It may be an excerpt by "
              .. "class, address or grep: %s."):format(device.prefix, tostring(device.address), #subject.pci,
                #subject.pci == 1 and "" or "s", why),
          })
        end
      end
    end,
  },
  {
    id = "held-by-another", severity = "error", needs = "vmx", server = true,
    cause = "Another VM names the same card, and only one of them can be powered on with it.",
    remedy = "Remove the card from one of them, or give it another one (gpupt gpus lists the free ones).",
    source = "vSphere: a device is assigned once; VirtualPCIPassthroughDeviceBackingInfo.systemId",
    check = function(subject, report)
      for _, device in ipairs(subject.others and subject:present() or {}) do
        local address = device.address and tostring(device.address)
        for _, other in ipairs(address and subject.others[address] or {}) do
          local state = other.template and "a template" or other.power == "poweredOn" and "powered on"
            or other.power == "suspended" and "suspended" or "powered off"
          report({ subject:field(device, "id"),
            { file = other.name, text = ("%s is its card as well (%s%s)"):format(address, state,
              other.stale and ", registered on another host" or "") } }, {
            severity = other.power == "poweredOn" and "error" or "warning",
            cause = other.power == "poweredOn"
              and ("%s has the card %s and is powered on, so this VM cannot start with it."):format(other.name, address)
              or ("%s (%s) names the card %s as well: only one of the two can be powered on with it."):format(
                other.name, state, address) })
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
          local evidence = { subject:field(device, "id"), subject:listed_at(device.address) }
          if listed.capable == false then
            report(evidence, { cause = ("The host cannot give %s to a VM (Passthru Capable: false)."):format(text),
              remedy = "Check IOMMU (VT-d, AMD-Vi) in the host's firmware, and the card's slot." })
          elseif other_modes[listed.mode or ""] then
            report(evidence, { cause = ("%s is set to the mode %s on this host: %s."):format(text, listed.mode,
              other_modes[listed.mode]), remedy = "Set its DirectPath mode to directPath; the host's "
                .. "direct-path-devices list (REST, 9.1) says whether that needs maintenance mode or a reboot." })
          elseif listed.enabled == false or (listed.configured_owner and not is_passthru(listed.configured_owner)) then
            report(evidence, { cause = ("%s is not enabled for passthrough on this host."):format(text),
              remedy = enable_remedy(subject, text) })
          elseif listed.owner and not is_passthru(listed.owner)
            and (listed.enabled or is_passthru(listed.configured_owner)) then
            report_pending(subject, report, evidence, listed)
          end
        end
      end
    end,
  },
  {
    id = "host-card", severity = "warning", needs = "pci",
    cause = "A GPU of the host cannot be given to a VM as it is.", remedy = "Reboot the host, or look at its IOMMU.",
    source = "Broadcom KB 309986; esxcli hardware pci pcipassthru",
    check = function(subject, report)
      if subject.doc then return end -- not-enabled judges the VM's own cards
      for _, listed in ipairs(subject.pci) do
        if pci.is_gpu(listed) then
          local evidence = { subject:listed_at(pci.address(listed.address, "hex")) }
          local wanted = listed.enabled or is_passthru(listed.configured_owner)
          if listed.capable == false then
            report(evidence, { cause = ("The host cannot give %s to a VM (Passthru Capable: "
              .. "false)."):format(listed.address),
              remedy = "Check IOMMU (VT-d, AMD-Vi) in the host's firmware, and the card's slot." })
          elseif wanted and listed.owner and not is_passthru(listed.owner) then
            report_pending(subject, report, evidence, listed)
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
      for key, value, line in subject.doc:each "pciPassthru*" do
        local what, right = keys.judge(key)
        if what == "misspelt" or what == "misplaced" then
          local number = key:match "^%a+(%d*)"
          report({ subject:line(line) }, {
            cause = what == "misspelt" and ("%s is not a key that hosts are known to read."):format(key)
              or right and ("%s is set for one device, and hosts read it for the VM as a whole."):format(key)
              or ("%s is set for the VM as a whole, and hosts read it for each device."):format(key),
            remedy = right and ("If %s is meant, write that; a name is not guessed by --fix."):format(right)
              or ("Write it with the number of the device, pciPassthruN.%s, if it is meant."):format(
                key:match "%.(.*)$"),
            proposal = right and { "remove " .. key, ('%s = "%s"'):format(right, value) }
              or number == "" and of_each(subject, key, value) or nil,
          })
        end
      end
    end,
  },
}
