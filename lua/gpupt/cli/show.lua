--- The doctor's findings for people and for `--json`.
local show = {}

local units = require "gpupt.units"
local write = require("gpupt.printer").out

--- "win11.vmx:12: firmware = ..." ; without a line when the evidence is that the setting is absent.
function show.source(evidence)
  return ("%s%s: %s"):format(evidence.file or "?", evidence.line and ":" .. evidence.line or "", evidence.text or "")
end

local function change(one)
  if one.line then return one.text and ("line %d: %s"):format(one.line, (one.text:gsub("\n", " / "))) or
    ("remove line %d"):format(one.line) end
  if one.remove then return ("remove %s"):format(one.key) end
  return ("%s = \"%s\""):format(one.key, one.value)
end

-- Of the repaired lines of a pasted file, a person sees the kind from the first ones.
local SHOWN = 4

local function changes(finding)
  local label = finding.fixable and "fix:" or "change:"
  local lines = finding.changes[1].line ~= nil
  for i, one in ipairs(finding.changes) do
    if lines and i > SHOWN then
      write("  %s and %d lines more", (" "):rep(#label), #finding.changes - SHOWN)
      return
    end
    write("  %s %s", i == 1 and label or (" "):rep(#label), change(one))
  end
end

function show.finding(finding)
  write("%s: %s", finding.severity, finding.code)
  for _, evidence in ipairs(finding.evidence) do write("    %s", show.source(evidence)) end
  for _, evidence in ipairs(finding.consequences or {}) do write("    then %s", show.source(evidence)) end
  write("  %s\n  %s", finding.cause, finding.remedy)
  if finding.changes then changes(finding) end
  local label = "proposal:"
  for line in (finding.proposal or ""):gmatch "[^\n]+" do
    write("  %s %s", label, line)
    label = (" "):rep(#label)
  end
end

function show.findings(findings)
  for i, finding in ipairs(findings) do
    if i > 1 then write "" end
    show.finding(finding)
  end
end

local function count(findings)
  local counts, fixable = { error = 0, warning = 0, info = 0 }, 0
  for _, finding in ipairs(findings) do
    counts[finding.severity] = counts[finding.severity] + 1
    if finding.fixable then fixable = fixable + 1 end
  end
  return counts, fixable
end

local UNKNOWN_SHOWN = 20

local function not_understood(list)
  write "not understood:"
  for i = 1, math.min(#list, UNKNOWN_SHOWN) do write("    %s", show.source(list[i])) end
  if #list > UNKNOWN_SHOWN then write("    and %d more (--json has them all)", #list - UNKNOWN_SHOWN) end
end

--- "problems: 1 error, 0 warnings, 1 fixable", "unclear: 2 lines not understood", "healthy".
function show.verdict(result)
  local counts, fixable = count(result.findings)
  local unknown = #result.not_understood
  if result.verdict == "healthy" then return "healthy" end
  if result.verdict == "unclear" then return ("unclear: %s not understood"):format(units.count(unknown, "line")) end
  return ("problems: %s, %s%s%s"):format(units.count(counts.error, "error"), units.count(counts.warning, "warning"),
    fixable > 0 and (", %d fixable"):format(fixable) or "",
    unknown > 0 and (", %s not understood"):format(units.count(unknown, "line")) or "")
end

function show.result(result)
  show.findings(result.findings)
  if #result.findings > 0 then write "" end
  if #result.not_understood > 0 then
    not_understood(result.not_understood)
    write ""
  end
  write("%s; looked at:", show.verdict(result))
  for _, line in ipairs(result.looked_at) do write("  %s", line) end
end

--- What was fixed, by rule: "fixed: duplicate-key, mmio-window".
function show.made(made, dry_run)
  local codes, seen = {}, {}
  for _, one in ipairs(made) do
    if not seen[one.code] then codes[#codes + 1] = one.code end
    seen[one.code] = true
  end
  if #codes == 0 then
    write "no change is safe to make automatically"
  else
    write("%s: %s", dry_run and "would be fixed" or "fixed", table.concat(codes, ", "))
  end
end

local SKIPPED_SHOWN = 20

function show.bundle(result)
  for _, vm in ipairs(result.vms) do
    write("== %s", vm.vmx)
    show.result(vm.result)
    write ""
  end
  if #result.host > 0 then
    write "== the host"
    show.findings(result.host)
    write ""
  end
  for _, message in ipairs(result.unread) do write("not read: %s", message) end
  for i, one in ipairs(result.skipped) do
    if i > SKIPPED_SHOWN then
      write("skipped: %d more, which --json lists", #result.skipped - SKIPPED_SHOWN)
      break
    end
    write("skipped: %s %s", one.path, one.why)
  end
  if #result.not_understood > 0 then not_understood(result.not_understood) end
  write("%s: %s", result.verdict, result.looked_at[1])
end

function show.rules(rules)
  for _, rule in ipairs(rules) do
    write("%s (%s)\n  %s\n  %s\n  source: %s\n", rule.id, rule.severity, rule.cause, rule.remedy, rule.source)
  end
end

--- Lists that are empty must stay lists.
local function arrays(findings)
  local array = require "gpupt.json".array
  for _, finding in ipairs(findings) do
    array(finding.evidence)
    if finding.consequences then array(finding.consequences) end
    if finding.changes then array(finding.changes) end
  end
  return array(findings)
end

function show.for_json(result, made, saved)
  local array = require "gpupt.json".array
  return { findings = arrays(result.findings), looked_at = array(result.looked_at), healthy = result.healthy,
    verdict = result.verdict, not_understood = array(result.not_understood),
    changes = made and array(made) or nil, saved = made and saved or nil }
end

function show.bundle_for_json(result)
  local array = require "gpupt.json".array
  local vms = array {}
  for i, vm in ipairs(result.vms) do vms[i] = { vmx = vm.vmx, result = show.for_json(vm.result) } end
  return { vms = vms, host = arrays(result.host), unread = array(result.unread), looked_at = array(result.looked_at),
    skipped = array(result.skipped), not_understood = array(result.not_understood),
    verdict = result.verdict, healthy = result.healthy }
end

function show.rules_for_json(rules)
  local list = require "gpupt.json".array {}
  for i, rule in ipairs(rules) do
    list[i] = { id = rule.id, severity = rule.severity, cause = rule.cause, remedy = rule.remedy,
      source = rule.source }
  end
  return list
end

return show
