--- The page as HTML: one file, no script, nothing from elsewhere, readable on paper and in the dark.
local text = require "gpupt.doctor.report_text"

local function escape(value)
  return (text.clean(value):gsub("[&<>\"']", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;",
    ["'"] = "&#39;" }))
end

local STYLE = [[
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #ffffff; --box: #f6f8fa;
  --error: #b42318; --warning: #9a6700; --info: #0b5cad; --healthy: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --paper: #0d1117;
  --box: #161b22; --error: #ff7b72; --warning: #e3b341; --info: #79c0ff; --healthy: #56d364; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 0; display: flex; gap: .6rem; align-items: baseline; flex-wrap: wrap; }
.verdict { border: 1px solid var(--line); border-left: .4rem solid var(--of); background: var(--box);
  border-radius: .4rem; padding: .8rem 1rem; margin: 1rem 0; }
.verdict strong { color: var(--of); text-transform: capitalize; }
.finding { border: 1px solid var(--line); border-left: .4rem solid var(--of); border-radius: .4rem; margin: 1rem 0;
  padding: .9rem 1rem; break-inside: avoid; } .finding p { margin: .5rem 0; }
.of-error, .of-problems { --of: var(--error); } .of-warning, .of-unclear { --of: var(--warning); }
.of-info { --of: var(--info); } .of-healthy { --of: var(--healthy); }
.badge { color: var(--of); font-weight: 600; text-transform: uppercase; font-size: .75rem; letter-spacing: .04em; }
.code { font-family: ui-monospace, monospace; } .soft { color: var(--soft); font-size: .875rem; }
dl { margin: .6rem 0 0; } dt { color: var(--soft); font-size: .8rem; margin-top: .5rem; } dd { margin: 0; }
pre { background: var(--box); border: 1px solid var(--line); border-radius: .3rem; padding: .5rem .7rem;
  margin: .2rem 0; white-space: pre-wrap; overflow-wrap: anywhere; font: .82rem/1.45 ui-monospace, monospace; }
ul { padding-left: 1.2rem; } li { overflow-wrap: anywhere; }
]]

local function evidence(out, label, list)
  if not list or #list == 0 then return end
  out[#out + 1] = ("<dt>%s</dt><dd>"):format(label)
  for _, one in ipairs(list) do
    out[#out + 1] = ("<div class=\"soft\">%s</div><pre>%s</pre>"):format(escape(text.source(one)), escape(one.text))
  end
  out[#out + 1] = "</dd>"
end

local function block(out, label, value)
  if not value or value == "" then return end
  out[#out + 1] = ("<dt>%s</dt><dd><pre>%s</pre></dd>"):format(label, escape(value))
end

local function finding(out, one)
  out[#out + 1] = ("<article class=\"finding of-%s\">"):format(escape(one.severity))
  out[#out + 1] = ("<h3><span class=\"badge\">%s</span> <span class=\"code\">%s</span></h3>"):format(
    escape(one.severity), escape(one.code))
  out[#out + 1] = ("<p>%s</p><p>%s</p><dl>"):format(escape(one.cause), escape(one.remedy))
  block(out, one.fixable and "Change (safe while the VM is off)" or "Change", text.changes(one))
  block(out, "Proposal", one.proposal)
  evidence(out, "Evidence", one.evidence)
  evidence(out, "What follows from it", one.consequences)
  if one.source then out[#out + 1] = ("<dt>Source</dt><dd class=\"soft\">%s</dd>"):format(escape(one.source)) end
  out[#out + 1] = "</dl></article>"
end

local function section(out, one, several)
  if one.title then out[#out + 1] = ("<h2>%s</h2>"):format(escape(one.title)) end
  if several then
    out[#out + 1] = ("<p class=\"of-%s\"><span class=\"badge\">%s</span></p>"):format(escape(one.verdict),
      escape(one.verdict))
  end
  if #one.findings > 0 then
    if not one.title then out[#out + 1] = "<h2>Findings</h2>" end
    for _, found in ipairs(one.findings) do finding(out, found) end
  end
  if #one.not_understood > 0 then
    out[#out + 1] = "<h2>Not understood</h2>"
    for _, line in ipairs(one.not_understood) do
      out[#out + 1] = ("<div class=\"soft\">%s</div><pre>%s</pre>"):format(escape(text.source(line)), escape(line.text))
    end
    if one.more > 0 then out[#out + 1] = ("<p>and %d more</p>"):format(one.more) end
  end
  out[#out + 1] = "<h2>Looked at</h2><ul>"
  for _, line in ipairs(one.looked_at) do out[#out + 1] = ("<li>%s</li>"):format(escape(line)) end
  out[#out + 1] = "</ul>"
end

return function(page)
  local out = { "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">",
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
    ("<title>%s: %s</title>"):format(escape(page.title), escape(page.verdict)),
    "<style>\n" .. STYLE .. "</style></head><body><main>",
    ("<h1>%s</h1>"):format(escape(page.title)),
    ("<div class=\"verdict of-%s\"><strong>%s</strong>. %s</div>"):format(escape(page.verdict), escape(page.verdict),
      escape(page.summary)) }
  for _, one in ipairs(page.sections) do section(out, one, #page.sections > 1) end
  out[#out + 1] = ("<p class=\"soft\">%s. %s</p>"):format(escape(page.version), page.redacted
    and "Names, addresses and serial numbers were replaced; the same name has the same replacement throughout."
    or "The report has names and addresses as they were read: use --redact before you post it.")
  out[#out + 1] = "</main></body></html>\n"
  return table.concat(out, "\n")
end
