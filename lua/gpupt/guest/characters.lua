--- Which characters a text of an answer file may contain. What XML, YAML or the installers' own parsers would refuse,
-- fold or truncate is refused here, before a file is created: text that is not UTF-8 (lone surrogates too), control
-- characters with U+0080 to U+009F, the line breaks of YAML alone (U+2028, U+2029), byte-order marks and
-- noncharacters. The message names the character and never the text, which may be a secret.
--
--   characters.line("user", "ops")            --> true: one line, not empty
--   characters.lines("runcmd", "a\nb\tc")     --> true: line breaks and tabs too
--   characters.line("password", "a\0b")       --> nil, "password: contains the control character U+0000 ...", "EINVAL"
local characters = {}

local function what(code)
  if code < 0x20 or (code >= 0x7F and code < 0xA0) then return "the control character" end
  if code == 0x2028 or code == 0x2029 then return "the line separator" end
  if code == 0xFEFF then return "the byte-order mark" end
  if (code & 0xFFFE) == 0xFFFE or (code >= 0xFDD0 and code <= 0xFDEF) then return "the noncharacter" end
end

local function check(name, value, breaks)
  if type(value) ~= "string" then
    return nil, ("%s: expected a string, not a %s"):format(name, type(value)), "EINVAL"
  end
  if not utf8.len(value) then return nil, name .. ": the text is not UTF-8", "EINVAL" end
  for _, code in utf8.codes(value) do
    local kind = not (breaks and (code == 9 or code == 10)) and what(code)
    if kind then
      return nil, ("%s: contains %s U+%04X, which installers refuse or change"):format(name, kind, code), "EINVAL"
    end
  end
  return true
end

--- One line that may be empty.
function characters.optional(name, value) return check(name, value, false) end

--- One line that is not blank.
function characters.line(name, value)
  local ok, message, code = check(name, value, false)
  if not ok then return nil, message, code end
  if not value:find "%S" then return nil, name .. ": is empty", "EINVAL" end
  return true
end

--- Several lines that are not all blank.
function characters.lines(name, value)
  local ok, message, code = check(name, value, true)
  if not ok then return nil, message, code end
  if not value:find "%S" then return nil, name .. ": is empty", "EINVAL" end
  return true
end

--- A list of such texts (nil is an empty list), or of lists of them; `rule` is characters.line or characters.lines.
function characters.each(name, list, rule)
  for i, value in ipairs(list or {}) do
    local entry = ("%s, entry %d"):format(name, i)
    local ok, message, code
    if type(value) == "table" then
      ok, message, code = characters.each(entry, value, rule)
    else
      ok, message, code = rule(entry, value)
    end
    if not ok then return nil, message, code end
  end
  return true
end

--- A time zone as Linux names it: Europe/Berlin. One of Windows makes an installer stop, or ask.
function characters.linux_zone(value)
  local ok, message, code = characters.line("timezone", value)
  if not ok or value:find "^%a[%w_+/-]*$" then return ok, message, code end
  return nil, ("timezone '%s': use the name of the tz database, such as Europe/Berlin"):format(value), "EINVAL"
end

--- A time zone as Windows names it: W. Europe Standard Time. With one of Linux Setup refuses the file. (Microsoft,
-- "Default Time Zones": no name has a slash, and all but those of UTC are several words.)
function characters.windows_zone(value)
  local ok, message, code = characters.line("timezone", value)
  local utc = ok and value:find "^UTC[%d+-]*$"
  if not ok or utc or value:find "^%a[%w. ()_+-]* [%w. ()_+-]*$" then return ok, message, code end
  return nil, ("timezone '%s': use a name of Windows (tzutil /l), such as W. Europe Standard Time"):format(value),
    "EINVAL"
end

return characters
