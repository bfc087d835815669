--- Rules on the form of a .vmx: what a host could not read, or reads otherwise than it looks.
-- rules.lua describes the shape of a rule.

--- One finding for all lines with the same fault: their first ones are the evidence.
local SHOWN = 6

local function problems_with(code)
  return function(subject, report)
    local evidence, count = {}, 0
    for _, problem in ipairs(subject.doc:problems()) do
      if problem.code == code then
        count = count + 1
        if count <= SHOWN then evidence[count] = subject:line(problem.line) end
      end
    end
    if count == 0 then return end
    if count > SHOWN then
      evidence[SHOWN + 1] = { file = subject.vmx_name, text = ("and %d lines more of this kind"):format(count - SHOWN) }
    end
    report(evidence)
  end
end

local known_firmware = { efi = true, bios = true }

local form = require "gpupt.vmx.form"

-- Where two values stand, neither is ours to choose: what the installed system boots with, and which card is meant.
local function is_delicate(name)
  return name == "firmware" or name == "uefi.secureboot.enabled" or name:find "^pcipassthru%d+%." ~= nil
end

--- "16GB" or "16384 MB" in MB; nil for anything else, and for what is not a multiple of 4.
local function megabytes(value)
  local number, unit = value:match "^%s*(%d+)%s*([gGmM])[iI]?[bB]?%s*$"
  number = math.tointeger(tonumber(number or ""))
  if not number or number <= 0 or number > 1 << 30 then return nil end
  local size = unit:lower() == "g" and number * 1024 or number
  return size % 4 == 0 and size or nil
end

return {
  {
    id = "pasted-text", severity = "error", needs = "vmx",
    cause = "The file was copied from a page, a mail or a terminal, and a host reads it differently than it looks.",
    remedy = "Write plain quotes and one setting on a line.",
    source = "open-vm-tools dictll.c: only \" is a quote, only space and tab are blanks",
    check = function(subject, report)
      local repaired = subject.form
      if not repaired then return end
      local evidence, changes, shown = {}, {}, {}
      for _, fault in ipairs(repaired.faults) do
        for i = 1, math.min(2, #fault.lines) do
          local line = fault.lines[i]
          if #evidence < 6 and not shown[line] then evidence[#evidence + 1] = subject:raw_line(line) end
          shown[line] = true
        end
      end
      for i, one in ipairs(repaired.changes) do
        changes[i] = { line = one.line, text = one.after or nil, remove = not one.after or nil }
      end
      report(evidence, { changes = changes,
        cause = ("The file has %s. A host reads it differently than it looks; gpupt read it as it was meant."):format(
          form.describe(repaired.faults)),
        remedy = "Repair the form of these lines (--fix does); their values stay the same.",
      })
    end,
  },
  {
    id = "utf-16", severity = "error", needs = "vmx",
    cause = "The file is UTF-16, as Notepad and PowerShell save it: no host reads it.",
    remedy = "Convert it: iconv -f UTF-16 -t UTF-8 OLD.vmx > NEW.vmx, or save it as UTF-8.",
    source = "open-vm-tools dictll.c: the text is read byte by byte; ESXi writes .encoding = \"UTF-8\"",
    check = function(subject, report)
      if not subject.utf16 then return end
      report({ { file = subject.vmx_name, text = "UTF-16" } }, {
        remedy = ("Convert it: iconv -f UTF-16 -t UTF-8 %s > new.vmx, or save it as UTF-8."):format(subject.vmx_name) })
    end,
  },
  {
    id = "unbalanced-quote", severity = "error", needs = "vmx",
    cause = "A quoted value has no closing quote, so the VM does not load.",
    remedy = "Close the quote; a quote inside a value is written |22.",
    source = "open-vm-tools dictll.c; sanbarrow FAQ",
    check = problems_with "unbalanced-quote",
  },
  {
    id = "trailing-text", severity = "error", needs = "vmx",
    cause = "A value has unexpected text after it, so hosts ignore the line.",
    remedy = "Put a value with blanks between quotes, and a comment after a #.",
    source = "open-vm-tools dictll.c",
    check = problems_with "trailing-text",
  },
  {
    id = "no-name", severity = "warning", needs = "vmx",
    cause = "A line has a value and no name, and hosts ignore it.", remedy = "Name the setting, or delete the line.",
    source = "open-vm-tools dictll.c",
    check = problems_with "no-name",
  },
  {
    id = "odd-line", severity = "warning", needs = "vmx",
    cause = "A line is neither a comment nor NAME = VALUE, and hosts ignore it.",
    remedy = "Delete it, or put a # before it.",
    source = "open-vm-tools dictll.c",
    check = problems_with "odd-line",
  },
  {
    id = "bad-escape", severity = "warning", needs = "vmx",
    cause = "A | is not followed by two hexadecimal digits and is read unchanged, which other tools refuse.",
    remedy = "Write a | inside a value as |7C.",
    source = "open-vm-tools escape.c; libvirt vmx.c",
    check = problems_with "bad-escape",
  },
  {
    id = "not-utf8", severity = "warning", needs = "vmx",
    cause = "A line is not UTF-8, which a .vmx without .encoding is.",
    remedy = "Convert the file to UTF-8, or set .encoding to its code page.",
    source = "libvirt vmx.c",
    check = problems_with "not-utf8",
  },
  {
    id = "duplicate-key", severity = "error", needs = "vmx",
    cause = "A key is in the file twice, and ESXi refuses that as \"Variable already defined\".",
    remedy = "Leave one line of the key.",
    source = "a guide for ESXi 8.0.2; libvirt case-insensitive keys",
    check = function(subject, report)
      local lines, names, order = {}, {}, {}
      for key, value, line in subject.doc:each() do
        local name = key:lower()
        if not lines[name] then lines[name], order[#order + 1] = {}, name end
        table.insert(lines[name], { line = line, value = value })
        names[name] = key
      end
      for _, name in ipairs(order) do
        local found = lines[name]
        if #found > 1 then
          local evidence, numbers, same = {}, {}, true
          for i, one in ipairs(found) do
            evidence[i], numbers[i] = subject:line(one.line), tostring(one.line)
            same = same and one.value == found[1].value
          end
          local last = found[#found]
          local ours = same or not is_delicate(name)
          local choice = {}
          for i, one in ipairs(found) do choice[i] = ('%s = "%s"'):format(names[name], one.value) end
          report(evidence, {
            cause = ("%s is on lines %s, and ESXi refuses the file (\"Variable already defined\").")
              :format(names[name], table.concat(numbers, ", ")),
            remedy = same and "The values are the same: leave one line."
              or ours and ("Leave one line; the last one, \"%s\", is what was added last."):format(last.value)
              or "Leave one line: the one that is true of the installed system and of the card.",
            changes = ours and { { key = names[name], value = last.value } } or nil,
            proposal = not ours and table.concat(choice, "\nor ") or nil,
          })
        end
      end
    end,
  },
  {
    id = "config-version", severity = "warning", needs = "vmx",
    cause = "config.version is not 8, so a current host does not load this .vmx.",
    remedy = "Set config.version = \"8\".",
    source = "libvirt vmx.c",
    check = function(subject, report)
      local value = subject:get "config.version"
      if value and value ~= "8" then report({ subject:at "config.version" }) end
    end,
  },
  {
    id = "memory-size", severity = "error", needs = "vmx",
    cause = "The memory size is not a multiple of 4 MB, and the VM does not load.",
    remedy = "Make memsize a multiple of 4.",
    source = "sanbarrow FAQ: Memory size 255 not a multiple of 4",
    check = function(subject, report)
      local value = subject:get "memsize"
      if not value then return end
      local size = subject:number "memsize"
      if not size or size <= 0 then
        local meant = megabytes(value)
        report({ subject:at "memsize" }, {
          cause = ("memsize is \"%s\", which is not a number of MB."):format(value),
          remedy = meant and ("Write the number of MB, %d, if that is meant."):format(meant)
            or "Write the number of MB, a multiple of 4.",
          proposal = meant and ('memsize = "%d"'):format(meant) or nil })
      elseif size % 4 ~= 0 then
        local wanted = size + 4 - size % 4
        report({ subject:at "memsize" }, {
          cause = ("memsize is %d, and a host reports \"Memory size %d not a multiple of 4\"."):format(size, size),
          remedy = ("Set memsize to %d."):format(wanted),
          changes = { { key = "memsize", value = tostring(wanted) } },
        })
      end
    end,
  },
  {
    id = "firmware-name", severity = "error", needs = "vmx",
    cause = "firmware is neither efi nor bios.",
    remedy = "Set firmware to what the installed system boots with.",
    source = "vSphere API, GuestOsDescriptorFirmwareType",
    check = function(subject, report)
      local value = subject:get "firmware"
      if value and not known_firmware[value:lower()] then
        report({ subject:at "firmware" }, { cause = ("firmware is \"%s\": hosts know efi and bios."):format(value) })
      end
    end,
  },
}
