--- The page as Markdown (CommonMark, as GitHub and most forums show it).
local text = require "gpupt.doctor.report_text"

--- Text in a sentence: every sign that could mean something is escaped, and it stays on one line.
local function escape(value)
  local plain = text.clean(value):gsub("%s+", " ")
  plain = plain:gsub("[\\`*_{}%[%]<>|~&$^]", "\\%0")
  -- at the beginning of a line some more signs mean something
  plain = plain:gsub("^[#+%-=]", "\\%0"):gsub("^(%d+)([.)])", "%1\\%2")
  -- a mention or a link would work behind a backslash as well
  return (plain:gsub("@", "&#64;"):gsub("(%a):(//)", "%1&#58;%2"):gsub("www%.", "www&#46;"))
end

--- A block of code whose fence is longer than any in it.
local function fence(out, value)
  local longest = 2
  local plain = text.clean(value)
  for ticks in plain:gmatch "`+" do longest = math.max(longest, #ticks) end
  local mark = ("`"):rep(longest + 1)
  out[#out + 1] = mark .. "text\n" .. plain .. "\n" .. mark
end

local function lines_of(list)
  local lines = {}
  for i, one in ipairs(list) do lines[i] = text.source(one) .. ": " .. (one.text or ""):gsub("\n", " ") end
  return table.concat(lines, "\n")
end

local function block(out, label, value)
  if not value or value == "" then return end
  out[#out + 1] = label
  fence(out, value)
end

local function finding(out, one)
  out[#out + 1] = ("### %s: %s"):format(escape(one.severity), escape(one.code))
  out[#out + 1] = escape(one.cause)
  out[#out + 1] = escape(one.remedy)
  block(out, one.fixable and "Change (safe while the VM is off):" or "Change:", text.changes(one))
  block(out, "Proposal:", one.proposal)
  block(out, "Evidence:", lines_of(one.evidence))
  if one.consequences then block(out, "What follows from it:", lines_of(one.consequences)) end
  if one.source then out[#out + 1] = "Source: " .. escape(one.source) end
end

return function(page)
  local out = { "# " .. escape(page.title), ("**%s**: %s"):format(escape(page.verdict), escape(page.summary)) }
  for _, section in ipairs(page.sections) do
    out[#out + 1] = "## " .. (section.title and escape(section.title) .. ": " .. escape(section.verdict) or "Findings")
    if #section.findings == 0 then out[#out + 1] = "None." end
    for _, one in ipairs(section.findings) do finding(out, one) end
    if #section.not_understood > 0 then
      out[#out + 1] = "## Not understood"
      fence(out, lines_of(section.not_understood))
      if section.more > 0 then out[#out + 1] = ("and %d more"):format(section.more) end
    end
    out[#out + 1] = "## Looked at"
    local list = {}
    for i, line in ipairs(section.looked_at) do list[i] = "- " .. escape(line) end
    out[#out + 1] = table.concat(list, "\n")
  end
  out[#out + 1] = ("%s. %s"):format(escape(page.version), page.redacted
    and "Names, addresses and serial numbers were replaced; the same name has the same replacement throughout."
    or "The report has names and addresses as they were read: use --redact before you post it.")
  return table.concat(out, "\n\n") .. "\n"
end
