--- One page of an examination, to hand on: HTML or Markdown by the file's ending, self-contained, everything escaped.
--
--   gpupt.check(gpupt.doctor.report(result, "report.html", { redact = true }))
--
-- A page is {title=, verdict=, summary=, redacted=, version=, sections={{title=, verdict=, findings=, not_understood=,
-- looked_at=}...}}; report_html and report_markdown write it.
local options = require "gpupt.options"
local units = require "gpupt.units"

local report = {}

local report_options = options.declare("doctor.report", {
  { "redact", "boolean", default = false,
    doc = "replace names, addresses, ids of hosts and VMs, and serial numbers" },
})

local MAX_UNKNOWN = 500

local endings = { html = "html", htm = "html", md = "markdown", markdown = "markdown" }

--- How the file would be written; nil, message, code for another ending.
function report.form_of(path)
  local ending = path:match "%.(%w+)$"
  local form = ending and endings[ending:lower()]
  if not form then
    return nil, ("%s: a report is a .html or a .md file"):format(path), "EINVAL"
  end
  return form
end

--- Calls `visit(text, kind)` for every text of a result, and puts what it gives in its place; kind "file" for the
-- names of files.
local function each_text(result, visit)
  local function evidence(list)
    for _, one in ipairs(list or {}) do
      one.file = one.file and visit(one.file, "file")
      one.text = one.text and visit(one.text, "text")
      if one.word then one.word = visit(one.word, "text") end
    end
  end
  for _, finding in ipairs(result.findings) do
    finding.cause, finding.remedy = visit(finding.cause, "text"), visit(finding.remedy, "text")
    if finding.proposal then finding.proposal = visit(finding.proposal, "lines") end
    evidence(finding.evidence)
    evidence(finding.consequences)
    for _, change in ipairs(finding.changes or {}) do
      if change.value then change.value = visit(change.value, "text") end
      if change.text then change.text = visit(change.text, "lines") end
    end
  end
  evidence(result.not_understood)
  for i, line in ipairs(result.looked_at) do result.looked_at[i] = visit(line, "text") end
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local result = {}
  for name, field in pairs(value) do result[name] = copy(field) end
  return result
end

local function by_lines(text, change)
  return (text:gsub("[^\n]+", change))
end

local function redacted(page, named)
  local redact = require "gpupt.doctor.redact".new()
  for kind, names in pairs(named) do
    for _, name in ipairs(names) do redact:name(kind, name) end
  end
  local titles = {}
  for _, section in ipairs(page.sections) do
    if section.title then titles[#titles + 1] = section.title end
    each_text(section, function(text, kind)
      if kind == "file" then redact:file(text) else by_lines(text, function(line) redact:learn(line) end) end
      redact:learn(text)
      return text
    end)
  end
  for _, title in ipairs(titles) do redact:file(title) end
  for _, section in ipairs(page.sections) do
    section.title = section.title and redact:apply(section.title)
    each_text(section, function(text, kind)
      if kind == "file" then return redact:apply(redact:file(text)) end
      return by_lines(text, function(line) return redact:apply(line) end)
    end)
  end
end

local function section_of(result, title)
  local section = copy { findings = result.findings, not_understood = result.not_understood or {},
    looked_at = result.looked_at, verdict = result.verdict }
  section.title = title
  section.more = math.max(0, #section.not_understood - MAX_UNKNOWN)
  for i = #section.not_understood, MAX_UNKNOWN + 1, -1 do section.not_understood[i] = nil end
  return section
end

--- What the verdict rests on, in one sentence.
local function summary_of(page)
  local errors, warnings, unknown = 0, 0, 0
  for _, section in ipairs(page.sections) do
    for _, finding in ipairs(section.findings) do
      if finding.severity == "error" then errors = errors + 1 end
      if finding.severity == "warning" then warnings = warnings + 1 end
    end
    unknown = unknown + #section.not_understood + section.more
  end
  if page.verdict == "healthy" then return "No fault was found, and everything that was read was understood." end
  if page.verdict == "unclear" then
    return ("No known fault was found, and not everything was understood (%s)."):format(units.count(unknown, "line"))
  end
  return ("%s, %s%s."):format(units.count(errors, "error"), units.count(warnings, "warning"),
    unknown > 0 and (", %s not understood"):format(units.count(unknown, "line")) or "")
end

--- The page of a result of doctor.examine or doctor.bundle.
function report.page(result, opts)
  opts = report_options:check(opts)
  local page = { title = "GPU passthrough report", verdict = result.verdict,
    redacted = opts.redact, version = require "gpupt.version", sections = {} }
  local named = {}
  local function take(names)
    for kind, list in pairs(names or {}) do
      named[kind] = named[kind] or {}
      table.move(list, 1, #list, #named[kind] + 1, named[kind])
    end
  end
  take(result.named)
  if result.vms then
    for _, vm in ipairs(result.vms) do
      page.sections[#page.sections + 1] = section_of(vm.result, vm.vmx)
      take(vm.result.named)
    end
    local looked = copy(result.looked_at)
    for _, message in ipairs(result.unread or {}) do looked[#looked + 1] = "not read: " .. message end
    page.sections[#page.sections + 1] = section_of({ findings = result.host, looked_at = looked,
      not_understood = result.not_understood, verdict = result.verdict }, "The host")
  else
    page.sections[1] = section_of(result)
  end
  page.summary = summary_of(page)
  if opts.redact then redacted(page, named) end
  return page
end

--- Writes the page of a result; atomic. true, or nil, message, code (EINVAL for an ending that is neither).
function report.write(result, path, opts)
  local form, message, code = report.form_of(path)
  if not form then return nil, message, code end
  local text = require("gpupt.doctor.report_" .. form)(report.page(result, opts))
  return require "gpupt.core".file.replace(path, text)
end

return report
