--- Texts of strangers on a page: valid UTF-8, nothing invisible, nothing that turns the direction of reading.
local report_text = {}

local function visible(code)
  if code == 9 then return "\t" end
  if code < 0x20 then return utf8.char(0x2400 + code) end
  return ("[U+%04X]"):format(code)
end

--- Characters that have no shape of their own, or change how others are shown.
local function is_hidden(code)
  return (code < 0x20 and code ~= 9 and code ~= 10) or (code >= 0x7f and code < 0xa0) or code == 0xad
    or (code >= 0x200b and code <= 0x200f) or (code >= 0x2028 and code <= 0x202e) or (code >= 0x2060 and code <= 0x206f)
    or code == 0xfeff or (code >= 0xfff9 and code <= 0xfffb) or (code >= 0xe0000 and code <= 0xe007f)
    or (code >= 0xd800 and code <= 0xdfff) or code > 0x10ffff
end

--- The text with every byte in a form that can be read.
function report_text.clean(text)
  text = tostring(text or "")
  if not text:find "[^\t\n\x20-\x7e]" then return text end
  local out, at = {}, 1
  while at <= #text do
    local length, bad = utf8.len(text, at)
    local stop = length and #text or bad - 1
    if stop >= at then
      for _, code in utf8.codes(text:sub(at, stop)) do
        out[#out + 1] = is_hidden(code) and visible(code) or utf8.char(code)
      end
    end
    if length then break end
    out[#out + 1] = "\u{fffd}"
    at = bad + 1
  end
  return table.concat(out)
end

--- "win11.vmx:12", or the file alone.
function report_text.source(evidence)
  return (evidence.file or "?") .. (evidence.line and ":" .. evidence.line or "")
end

--- The lines of a finding's changes, as a .vmx would have them.
function report_text.changes(finding)
  local lines = {}
  for i, one in ipairs(finding.changes or {}) do
    if one.line then
      lines[i] = one.text or ("(remove line %d)"):format(one.line)
    else
      lines[i] = one.remove and "remove " .. one.key or ('%s = "%s"'):format(one.key, one.value)
    end
  end
  return table.concat(lines, "\n")
end

return report_text
