--- One line of a .vmx: what is between its quotes, whatever is used for quotes, and what follows.
local form_line = {}

-- What is used for a quote, by the code of its fault. 1252: the bytes of windows-1252, in lines that are not UTF-8.
local quotes = {
  { "\u{201c}", "typographic-quotes" }, { "\u{201d}", "typographic-quotes" }, { "\u{201e}", "typographic-quotes" },
  { "\u{201f}", "typographic-quotes" }, { "\u{2033}", "typographic-quotes" }, { "\u{2018}", "typographic-quotes" },
  { "\u{2019}", "typographic-quotes" }, { "\u{201a}", "typographic-quotes" }, { "\u{201b}", "typographic-quotes" },
  { "\u{ab}", "typographic-quotes" }, { "\u{bb}", "typographic-quotes" }, { "\u{ff02}", "typographic-quotes" },
  { "\u{b4}", "typographic-quotes" }, { "\u{2039}", "typographic-quotes" }, { "\u{203a}", "typographic-quotes" },
  { "\u{300c}", "typographic-quotes" }, { "\u{300d}", "typographic-quotes" }, { "\u{300e}", "typographic-quotes" },
  { "\u{300f}", "typographic-quotes" }, { "\u{301d}", "typographic-quotes" }, { "\u{301e}", "typographic-quotes" },
  { "\u{2032}", "typographic-quotes" }, { "\u{2036}", "typographic-quotes" },
  { "&quot;", "html-entities" }, { "&#34;", "html-entities" }, { "&#x22;", "html-entities" },
  { "&ldquo;", "html-entities" }, { "&rdquo;", "html-entities" }, { "&bdquo;", "html-entities" },
  { "&#8220;", "html-entities" }, { "&#8221;", "html-entities" },
  { '\\"', "odd-quotes" }, { "``", "odd-quotes" }, { "''", "odd-quotes" }, { "`", "odd-quotes" }, { "'", "odd-quotes" },
}
local ansi = {
  { "\x93", "typographic-quotes" }, { "\x94", "typographic-quotes" }, { "\x84", "typographic-quotes" },
  { "\x91", "typographic-quotes" }, { "\x92", "typographic-quotes" }, { "\x82", "typographic-quotes" },
}

local blanks = { "\u{a0}", "\u{202f}", "\u{2007}", "\u{3000}", "\u{2002}", "\u{2003}", "&nbsp;", "&#160;" }
local nothing = { "\u{200b}", "\u{200c}", "\u{200d}", "\u{2060}", "\u{feff}", "\u{200e}", "\u{200f}", "\u{ad}" }

--- Free text may be quoted in any way, and has blanks.
local function is_free(key)
  key = key:lower()
  return key == "displayname" or key == "annotation" or key == "machine.id" or key:find "^guestinfo%." ~= nil
    or key:find "name$" ~= nil
end

form_line.is_free = is_free

-- What these settings may be is known: numbers, words and ids. Only in their values signs are changed; the name of a
-- file may hold any of them.
local structured = { "^pcipassthru", "^pcibridge", "^pcihole%.", "^firmware$", "^memsize$", "^numvcpus$", "^cpuid%.",
  "^sched%.", "^virtualhw%.", "^config%.version$", "^hypervisor%.", "^vhv%.", "^vvtd%.", "^windows%.vbs", "^uefi%.",
  "^svga%.", "^mks%.", "^smbios%.", "%.hotadd$", "^guestos$", "^%.encoding$", "^numa%.", "%.present$", "%.virtualdev$" }

local function is_structured(key)
  key = key:lower()
  if is_free(key) then return false end
  for _, pattern in ipairs(structured) do
    if key:find(pattern) then return true end
  end
  return false
end

local function plain_replace(text, what, by)
  local out, at = {}, 1
  while true do
    local from, to = text:find(what, at, true)
    if not from then break end
    out[#out + 1] = text:sub(at, from - 1)
    out[#out + 1] = by
    at = to + 1
  end
  if at == 1 then return text, false end
  out[#out + 1] = text:sub(at)
  return table.concat(out), true
end

--- The text with plain blanks; whether there were others.
local function plain_blanks(text)
  local any = false
  local function put(what, by)
    local changed
    text, changed = plain_replace(text, what, by)
    any = any or changed
  end
  if text:find "[\x80-\xff]" or text:find("&", 1, true) then
    if utf8.len(text) then
      for _, one in ipairs(blanks) do put(one, " ") end
      for _, one in ipairs(nothing) do put(one, "") end
    else
      put("\xa0", " ")
    end
  end
  return text, any
end

local dashes = { "\u{2010}", "\u{2011}", "\u{2012}", "\u{2013}", "\u{2014}", "\u{2015}", "\u{2212}", "\u{ff0d}" }

--- The text with plain hyphens; whether there were others.
local function plain_dashes(text)
  local any = false
  if not text:find "[\xe2\xef]" then return text, false end
  for _, one in ipairs(dashes) do
    local changed
    text, changed = plain_replace(text, one, "-")
    any = any or changed
  end
  return text, any
end

-- What an input method writes for =.
local WIDE_EQUALS = "\u{ff1d}"

--- The quote that `text` has at its beginning ("ascii", or a fault's code), and its length.
local function opening(text, list)
  if text:sub(1, 1) == '"' then return "ascii", 1 end
  for _, one in ipairs(list) do
    if text:sub(1, #one[1]) == one[1] then return one[2], #one[1] end
  end
end

--- The first quote of any kind in `text` from `at` on: where, its length, its code.
local function closing(text, at, list, single)
  local from, length, code = text:find('"', at, true), 1, "ascii"
  for _, one in ipairs(list) do
    -- an apostrophe inside a value is none that ends it
    local counts = one[2] ~= "odd-quotes" or single
    local found = counts and text:find(one[1], at, true)
    if found and (not from or found < from) then from, length, code = found, #one[1], one[2] end
  end
  return from, length, code
end

local function trimmed(text) return text:match "^%s*(.*%S)" or "" end

--- Name and value of a line that lost its equals sign: columns of a table, YAML or JSON. Only a name with a dot in it
-- is taken for one.
function form_line.columns(text)
  if text:find("=", 1, true) or text:find "^%s*#" then return nil end
  local name, value = text:match "^%s*([%a.][%w:_%-]*%.[%w.:_%-]*%w)\t+%s*(%S.*)$"
  if not name then name, value = text:match "^%s*([%a.][%w:_%-]*%.[%w.:_%-]*%w)   *(%S+)%s*$" end
  if not name then name, value = text:match "^%s*%-?%s*[\"']?([%a.][%w:_%-]*%.[%w._%-]*%w)[\"']?%s*:%s+(.*%S)" end
  if not name then return nil end
  value = value:gsub("%s+$", ""):gsub(",$", "")
  return name, value
end

--- Whether the line is NAME = ..., with plain blanks or others, the name quoted or not.
function form_line.is_setting(text)
  if text:find "^%s*#" then return false end
  if not text:find("=", 1, true) then text = plain_replace(text, WIDE_EQUALS, "=") end
  local name = plain_blanks(text:match "^([^=]*)=" or "")
  name = trimmed(name)
  return name:find "^[%w.:_%-]+$" ~= nil or name:find "^[\"'\u{201c}][%w.:_%-]+[\"'\u{201d}]+$" ~= nil
end

--- Whether a value starts with a plain quote and does not end with one.
function form_line.is_open(text)
  if not text:find("=", 1, true) or not form_line.is_setting(text) then return false end
  local value = trimmed((plain_blanks(text:match "^[^=]*=(.*)$")))
  if value:sub(1, 1) ~= '"' then return false end
  return closing(value, 2, quotes, false) == nil
end

--- What follows a value: kept, made a comment, dropped, or settings of their own.
local function behind(rest, fault)
  if not rest:find "%S" then return "" end
  if rest:find "^%s*#" then return rest:match "^(.*%S)" end
  if rest:find "^%s*[;,]%s*$" or rest:find "^%s*[;,]%s*#" then
    fault "stray-text"
    return (rest:gsub("^%s*[;,]", ""))
  end
  if rest:find "^[%s;,]*[%a.][%w.:_%-]*%s*=%s*[\"\u{201c}%w]" then
    fault "joined-lines"
    return "", rest:match "^[%s;,]*(.*)$"
  end
  fault "stray-text"
  return " # " .. trimmed(rest):gsub("^//%s*", ""):gsub("^;%s*", ""):gsub("^%-%-%s*", "")
end

--- Content and rest of a value, by its quotes; nil when the line is to stay as it is.
local function read_value(value, key, list, fault)
  if value:find '^""[^"]+""%s*$' then
    fault "odd-quotes"
    return value:match '^""([^"]+)""', ""
  end
  local kind, length = opening(value, list)
  if kind == "ascii" then
    local stop = value:find('"', 2, true)
    if stop then
      local inside = value:sub(2, stop - 1)
      local inner, inner_length = opening(inside, list)
      if inner and inner ~= "ascii" and is_structured(key) then
        local from, _, code = closing(inside, inner_length + 1, list, true)
        if from and code ~= "ascii" then
          fault(inner)
          return inside:sub(inner_length + 1, from - 1), value:sub(stop + 1)
        end
      end
      return inside, value:sub(stop + 1), true
    end
    local from, size, code = closing(value, 2, list, false)
    if not from then return nil end
    fault(code)
    return value:sub(2, from - 1), value:sub(from + size)
  elseif kind then
    if kind == "odd-quotes" and is_free(key) and value:sub(1, 1) ~= "\\" then return nil end
    local from, size, code = closing(value, length + 1, list, kind == "odd-quotes")
    if not from then
      if kind == "odd-quotes" then return nil end
      fault(kind)
      return value:match("^%S*", length + 1), value:match("^%S*(.*)$", length + 1)
    end
    if kind == "odd-quotes" and code ~= "odd-quotes" then return nil end
    fault(kind)
    if code ~= "ascii" and code ~= kind then fault(code) end
    return value:sub(length + 1, from - 1), value:sub(from + size)
  end
  local word, rest = value:match "^([^%s#]*)(.*)$"
  for _, one in ipairs(list) do
    if one[2] ~= "odd-quotes" and #word > #one[1] and word:sub(-#one[1]) == one[1] then
      fault(one[2])
      return word:sub(1, -#one[1] - 1), rest
    end
  end
  if rest:find "^%s*$" or rest:find "^%s*#" then return nil end
  -- of a bare value, only one that is whole by itself can have a remark behind it
  local whole = word:find "^%d+$" or word:lower():find "^true$" or word:lower():find "^false$" or word:find "^0[xX]%x+$"
  if not whole then return nil end
  return word, rest
end

--- The settings of a line: itself when nothing is to repair. `fault(code)` is called for what was found.
function form_line.repair(text, html, fault)
  if text:find "^%s*//" then
    fault "stray-text"
    return { (text:gsub("^(%s*)//", "%1#")) }
  end
  if not form_line.is_setting(text) then return { text } end
  if not text:find("=", 1, true) then
    fault "odd-signs"
    text = plain_replace(text, WIDE_EQUALS, "=")
  end
  local name = text:match "^[^=]*"
  local list = utf8.len(text) and quotes or ansi
  local seen = {}
  local function note(code)
    if not seen[code] then fault(code) end
    seen[code] = true
  end
  local plain_name, odd_name = plain_blanks(name)
  local before, key, after = plain_name:match "^(%s*)(%S+)(%s*)$"
  local unquoted = key:gsub("^[\"'\u{201c}]+", ""):gsub("[\"'\u{201d}]+$", "")
  if unquoted ~= key then note "quoted-names" end
  local value = text:sub(#name + 2)
  local plain_value, odd_value = plain_blanks(value)
  if odd_value and not is_structured(unquoted) then
    -- blanks inside the quotes of a free text are its own
    local head, inside = value:match '^([^"]*)(.*)$'
    plain_value, odd_value = plain_blanks(head)
    plain_value = plain_value .. inside
  end
  if is_structured(unquoted) then
    local odd
    plain_value, odd = plain_dashes(plain_value)
    if odd then note "odd-signs" end
  end
  local trimmed_value = trimmed(plain_value)
  if trimmed_value == "" then return { text } end
  local content, rest, as_it_is = read_value(trimmed_value, unquoted, list, note)
  if odd_name or odd_value then note "blanks" end
  local tail, more = "", nil
  if content then
    tail, more = behind(rest, note)
  end
  if next(seen) == nil then return { text } end
  if html and content and not as_it_is then
    content = content:gsub("&amp;", "&"):gsub("&lt;", "<"):gsub("&gt;", ">")
  end
  local gap = plain_value:match "^%s*"
  local written = content and '"' .. trimmed(content) .. '"' .. tail or trimmed_value
  local settings = { before .. unquoted .. after .. "=" .. gap .. written }
  if more then
    for _, one in ipairs(form_line.repair(more, html, fault)) do settings[#settings + 1] = one end
  end
  return settings
end

--- Whether a given value has quotes of another kind around it, or blanks of another kind in it: what.
function form_line.odd_value(key, value)
  if is_free(key) then return nil end
  local list = utf8.len(value) and quotes or ansi
  local kind = opening(value, list)
  local last
  for _, one in ipairs(list) do
    if #value >= #one[1] and value:sub(-#one[1]) == one[1] then last = last or one[2] end
  end
  if kind and kind ~= "ascii" then return kind end
  if kind == "ascii" and #value > 1 and value:sub(-1) == '"' then return "odd-quotes" end
  if last and last ~= "odd-quotes" then return last end
  if select(2, plain_blanks(value)) then return "blanks" end
end

--- The same of a name.
function form_line.odd_name(name)
  if select(2, plain_blanks(name)) then return "blanks" end
  if name:find "^[\"']" or name:find("\u{201c}", 1, true) or name:find("\u{201d}", 1,
    true) then return "quoted-names" end
end

return form_line
