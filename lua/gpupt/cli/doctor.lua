--- gpupt doctor: why a VM with a card does not start, or its guest does not see the card.
local cli = require "gpupt.cli"
local connection = require "gpupt.cli.connection"
local doctor = require "gpupt.doctor"
local show = require "gpupt.cli.show"
local failure = require "gpupt.failure"
local printer = require "gpupt.printer"
local visible = require "gpupt.visible"

local function print_json(value) failure.check(printer.json(value)) end

local STDIN = "standard input"

local function stdin_count(options)
  local count = (options.vmx == "-" and 1 or 0) + (options.pci == "-" and 1 or 0)
  for _, name in ipairs { "log", "evidence" } do
    for _, path in ipairs(options[name] or {}) do count = count + (path == "-" and 1 or 0) end
  end
  return count
end

--- Fixes what is fixable in the .vmx and examines again; shows the difference. Result, made changes.
local function fix(options, given, result)
  local path, before = given.vmx_name or options.vmx, tostring(given.vmx)
  local again, made, code = doctor.mend(result, given.vmx, function(keys)
    given.changed = keys
    return doctor.examine(given)
  end)
  if not again then failure.check(nil, made, code) end
  -- saved first: what could not be saved must not be shown as fixed
  if not options.dry_run then failure.check(given.vmx:save()) end
  if not options.json then
    local name = visible(path)
    printer.file(require "gpupt.vmx".difference(before, tostring(given.vmx), name, name .. " (fixed)"))
    show.made(made, options.dry_run)
  end
  return again, made
end

--- Writes the report that was asked for, and says so on stderr; true, or nil, message, code.
local function report(options, result)
  if not options.report then return true end
  local ok, message, code = doctor.report(result, options.report, { redact = options.redact })
  if not ok then return nil, message, code end
  cli.complain("the report is in %s", options.report)
  return true
end

local function examine_bundle(options)
  if options.vmx or options.log or options.pci or options.evidence or options.fix then
    return nil, "--bundle cannot be combined with other inputs: it examines every VM in the folder", "EUSAGE"
  end
  local result, message, code = doctor.bundle(options.bundle)
  if not result then return nil, message, code end
  local ok, why, kind = report(options, result)
  if not ok then return nil, why, kind end
  if options.json then
    print_json(show.bundle_for_json(result))
  else
    show.bundle(result)
  end
  return result.healthy and cli.OK or cli.FAILED
end

local function examine_vm(options, words)
  if #words > 1 or options.vmx or options.pci or options.evidence or options.fix or options.bundle then
    return nil, "doctor: a VM of the server can be combined with --log only; to fix it, use a playbook", "EUSAGE"
  end
  if require "gpupt.core".folder.kind(words[1]) then
    return nil, ("doctor: %s is a file here; a VM is named by its inventory path, a file by --vmx, --log or --bundle")
      :format(words[1]), "EUSAGE"
  end
  if not options.url and (os.getenv "GOVC_URL" or "") == "" then -- most often a mistyped file
    return nil, ("doctor: there is no file %s, and no vCenter is given to look for a VM of that name: a file is named "
      .. "by --vmx, --log or --bundle; for a VM set GOVC_URL or --url"):format(words[1]), "ENOLOGIN"
  end
  local vc <close> = connection.open(options)
  local ref, message, code, detail = vc:one(words[1])
  if not ref then return nil, message, code, detail end
  if ref.type ~= "VirtualMachine" then
    return nil, ("%s is a %s, not a VM"):format(words[1], ref.type), "EUSAGE"
  end
  local result
  result, message, code, detail = doctor.examine { vm = ref, log = options.log }
  if not result then return nil, message, code, detail end
  local ok, why, kind = report(options, result)
  if not ok then return nil, why, kind end
  if options.json then print_json(show.for_json(result)) else show.result(result) end
  return result.healthy and cli.OK or cli.FAILED
end

return {
  name = "doctor",
  summary = "find out why a VM with a passed-through card fails",
  usage = [=[doctor VM [--log FILE]... [--report FILE [--redact]]
       gpupt doctor [--vmx FILE] [--log FILE]... [--pci FILE]
             [--evidence FILE]... [--fix] [--report FILE [--redact]]
       gpupt doctor --bundle FOLDER [--report FILE [--redact]]]=],
  details = [[
Finds out why a VM does not start, or why its guest does not see the card.
VM is an inventory path: its settings, the cards of its host and its vmware.log
are read from the server. Without a VM, examines the given files together: a
.vmx, logs (vmware.log or its folder, vmkernel.log, dmesg, Windows reports,
passthru.map) and the PCI list of the host (esxcli hardware pci list, lspci, or
a sysfs folder). A FILE may be - (standard input).

Each finding lists its evidence (file and line), the cause, and the exact
change. The verdict is healthy (exit status 0), problems, or unclear when some
input was not understood (exit status 1 for both).

--fix makes the changes that are safe while the VM is off, examines the VM
again and shows what is left. It only proposes to remove a device, to relax a
check, to change the firmware or to rename a misspelt key.

--report writes a page that you can pass on. --redact replaces names of hosts,
VMs and users, IP and MAC addresses, UUIDs, serial numbers, datastores and
paths in it, each name by the same word everywhere.]],
  options = connection.with {
    { "vmx", "FILE", doc = "the VM's .vmx" },
    { "log", "FILE", many = true, doc = "a log, or the VM's folder (repeatable)" },
    { "pci", "FILE", doc = "the host's list of PCI devices" },
    { "evidence", "FILE", many = true, doc = "output of any known tool (repeatable)" },
    { "system-id", "UUID", doc = "the host's id (esxcli system uuid get)" },
    { "bundle", "FOLDER", doc = "an unpacked vm-support folder; all its VMs" },
    { "fix", doc = "make the safe changes in the .vmx" },
    { "dry-run", short = "n", doc = "with --fix: show the diff, save nothing" },
    { "report", "FILE", doc = "write a page (.html or .md) to pass on" },
    { "redact", doc = "replace names, addresses and serials in the report" },
    { "rules", doc = "list the rules with their sources" },
    { "json", doc = "print the result as JSON" },
  },
  examples = {
    { "gpupt doctor --vmx win11.vmx --log vmware.log" },
    { "gpupt doctor --vmx win11.vmx --log . --pci esxcli.txt --fix", "all logs of the folder" },
    { "gpupt doctor /DC0/vm/win11-07" },
    { "gpupt doctor --log dmesg.txt", "what the guest says" },
    { "gpupt doctor --bundle esx-esx01-2026-03-01", "a vm-support bundle" },
    { "gpupt doctor --vmx a.vmx --log vmware.log --report a.html --redact" },
  },
  run = function(options, words)
    if options.rules then
      if options.json then print_json(show.rules_for_json(doctor.rules())) else show.rules(doctor.rules()) end
      return cli.OK
    end
    if options.redact and not options.report then return nil, "doctor: --redact needs --report", "EUSAGE" end
    if options.report then
      local form, message = doctor.report_form(options.report)
      if not form then return nil, "doctor: --report: " .. message, "EUSAGE" end
    end
    if #words > 0 then return examine_vm(options, words) end
    if options.bundle then return examine_bundle(options) end
    if not options.vmx and not options.log and not options.evidence and not options.pci then
      return nil, "doctor: give a VM, --vmx, --log, --pci, --evidence or --bundle", "EUSAGE"
    end
    if options.fix and not options.vmx then return nil, "doctor: --fix needs --vmx", "EUSAGE" end
    local given = { log = options.log, pci = options.pci, system_id = options.system_id, evidence = options.evidence }
    if stdin_count(options) > 1 then return nil, "doctor: standard input can be read once", "EUSAGE" end
    if options.vmx == "-" and options.fix and not options.dry_run then
      return nil, "doctor: standard input cannot be saved: name a file, or give --dry-run", "EUSAGE"
    end
    local input = stdin_count(options) == 1 and { text = require "gpupt.stdin"(), name = STDIN }
    if options.vmx and not options.fix then
      given.vmx = options.vmx == "-" and input or options.vmx
    elseif options.vmx == "-" then
      given.vmx, given.vmx_name = failure.check(require "gpupt.vmx".parse(input.text)), STDIN
    elseif options.vmx then
      given.vmx = failure.check(require "gpupt.vmx".open(options.vmx))
    end
    if options.pci == "-" then given.pci = input end
    for _, name in ipairs { "log", "evidence" } do
      for i, path in ipairs(options[name] or {}) do
        if path == "-" then given[name][i] = input end
      end
    end
    local result, message, code = doctor.examine(given)
    if not result then return nil, message, code end
    local made
    if options.fix then result, made = fix(options, given, result) end
    local ok, why, kind = report(options, result)
    if not ok then return nil, why, kind end
    if options.json then
      print_json(show.for_json(result, made, made and not options.dry_run))
    else
      show.result(result)
    end
    return result.healthy and cli.OK or cli.FAILED
  end,
}
