--- The doctor: why a VM with a passed-through card does not start, or its guest does not see the card.
--
--   local result = gpupt.check(gpupt.doctor.examine{ vmx = "win11.vmx", log = "vmware.log", pci = "lspci.txt" })
--   for _, finding in ipairs(result.findings) do print(finding.severity, finding.code, finding.cause) end
--
-- A finding is {code=, severity=, cause=, remedy=, evidence={{file=, line=, text=}...}, fix=, proposal=, fixable=,
-- changes=, consequences=, source=}: two sentences, what they rest on, and the exact change: `fix` where it is safe
-- while
-- the VM is off, else `proposal`, a text with the exact lines for a person to decide on. `consequences` are messages of
-- logs that only follow from it.
-- `result.verdict` is "healthy", "problems" or "unclear": unclear when nothing is wrong that is known, but something
-- was not understood. `result.not_understood` lists that by file and line, `result.looked_at` what was read.
local failure = require "gpupt.failure"
local options = require "gpupt.options"

local doctor = {}

local examine_options = options.declare("doctor.examine", {
  { "vmx", "any", doc = "a document of gpupt.vmx, a path (\"-\" is standard input), or {text=, name=}" },
  { "vmx_name", "string", doc = "what to call a document that has no path" },
  { "log", "any",
    doc = "a result of gpupt.vmlog.scan, a path, or a list of these (vmware.log, dmesg, Windows reports)" },
  { "pci", "any", doc = "the host's devices: a list of gpupt.pci, the path of a text (esxcli, lspci) or of a sysfs, "
    .. "or {text=, name=}" },
  { "evidence", "any",
    doc = "a path, a result of gpupt.evidence, {text=}, or a list of these: outputs of tools, of any form" },
  { "gpus", "table", doc = "the cards for gpupt.bar.window, when the .vmx does not tell them" },
  { "vm", "table", doc = "a reference to a VirtualMachine: its settings, its host's cards and its log are read" },
  { "system_id", "string", doc = "the host's id (esxcli system uuid get)" },
  { "changed", "table", doc = "keys that were changed in the .vmx after the logs were written" },
})

--- Examines what is given. nil, message, code when something cannot be read, or nothing was given.
-- Result: {findings=, looked_at=, not_understood={{file=, line=, text=}...}, verdict="healthy"|"problems"|"unclear",
-- healthy= (verdict is "healthy")}. Findings of severity "info" are no problem.
function doctor.examine(given)
  given = examine_options:check(given)
  return failure.catch(function()
    local load = require "gpupt.doctor.load"
    return require "gpupt.doctor.examination".run(given.vm and load.remote(given) or load.load(given))
  end)
end

--- Makes the changes of the fixable findings in a document; a list of {code=, key=, value= or remove=} (or {code=,
-- line=, text= or remove=}, for lines whose form was repaired) that were made.
function doctor.fix(findings, doc)
  local made = {}
  for _, finding in ipairs(findings) do
    -- form before meaning: the other changes are of the text as it was meant
    if finding.code == "pasted-text" and finding.fixable then
      local repaired, message, code = require "gpupt.vmx.form".apply(doc)
      if message then failure.check(nil, message, code) end
      for _, one in ipairs(repaired and repaired.changes or {}) do
        made[#made + 1] = { code = finding.code, line = one.line, text = one.after or nil,
          remove = not one.after or nil }
      end
    end
  end
  for _, finding in ipairs(findings) do
    for _, change in ipairs(finding.fixable and finding.changes or {}) do
      if change.key then
        if change.remove then
          failure.check(doc:unset(change.key))
        else
          failure.check(doc:set(change.key, change.value))
        end
        made[#made + 1] = { code = finding.code, key = change.key, value = change.value, remove = change.remove }
      end
    end
  end
  return made
end

--- Fixes `doc` until an examination finds nothing more to change: what one change makes readable may show the next.
-- `again(keys)` examines the document as it is; `keys` are those that were changed, which makes a log's messages about
-- them old news (doctor.examine's option `changed`). Result: the last examination, the changes made; nil, message,
-- code.
function doctor.mend(result, doc, again)
  return failure.catch(function()
    local made, keys = {}, {}
    for _ = 1, 6 do
      local before = tostring(doc)
      local now = doctor.fix(result.findings, doc)
      if tostring(doc) == before then break end
      table.move(now, 1, #now, #made + 1, made)
      for _, one in ipairs(now) do keys[#keys + 1] = one.key end
      result = failure.check(again(keys))
    end
    return result, made
  end)
end

--- The rules, for a loop: id, severity, cause, remedy, source.
function doctor.rules()
  local list = {}
  for i, rule in ipairs(require "gpupt.doctor.rules") do list[i] = rule end
  return list
end

--- Examines an unpacked vm-support folder: {vms = {{vmx=, result=}...}, host = findings, looked_at=,
-- healthy=}.
function doctor.bundle(folder) return require "gpupt.doctor.bundle".examine(folder) end

--- Writes the page of a result (of examine or bundle) to a .html or .md file; atomic. `opts`: {redact = true} replaces
-- names, addresses and serial numbers. true, or nil, message, code.
function doctor.report(result, path, opts) return require "gpupt.doctor.report".write(result, path, opts) end

--- The form of a report of that name: "html" or "markdown"; nil, message, code for another ending.
function doctor.report_form(path) return require "gpupt.doctor.report".form_of(path) end

return doctor
