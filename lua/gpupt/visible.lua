--- Makes foreign text safe to print: names, logs, files, a guest's output, faults.
-- Such text may contain escape sequences, characters that change the text direction (bidi), invisible characters, and
-- line ends that fake a line of ours. They are printed as \x1b, \u202e, \n instead. Visible text does not change when
-- it is made visible again.
--
--   visible(text)         one line: line ends and tabs are escaped too
--   visible.lines(list)   several lines as one text, each made visible; the printer keeps its line ends
--   visible.file(text)    the lines of a file: line ends are kept, everything else is made visible
--   visible.width(text)   columns on a terminal      visible.pad(text, columns)
--   visible.table(rows)   a table with aligned columns, as lines
--   visible.json(text)    a JSON text with the same characters as \uXXXX: the value stays exact
local visible = {}

-- Code points beyond ASCII that are escaped, in ascending order.
local hidden = {
  { 0x80, 0x9f },       -- C1: U+009B begins an escape sequence as ESC [ does
  { 0xad, 0xad },       -- soft hyphen
  { 0x034f, 0x034f }, { 0x061c, 0x061c }, { 0x115f, 0x1160 }, { 0x17b4, 0x17b5 }, { 0x180b, 0x180f },
  { 0x200b, 0x200f },   -- zero width, and direction marks
  { 0x2028, 0x202e },   -- line and paragraph separators, bidi embeddings and overrides
  { 0x2060, 0x206f },   -- word joiner, bidi isolates, deprecated formats
  { 0x3164, 0x3164 },
  { 0xe000, 0xf8ff },   -- private use: their look depends on the font
  { 0xfdd0, 0xfdef }, { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 }, { 0xfff0, 0xfffb },
  { 0xfffe, 0xffff },
  { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0000, 0x10ffff },
}

-- Characters that are zero or two columns wide.
local narrow = { { 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd }, { 0x05bf, 0x05c7 }, { 0x0610, 0x061a },
  { 0x064b, 0x065f }, { 0x0670, 0x0670 }, { 0x06d6, 0x06dc }, { 0x06df, 0x06e4 }, { 0x0900, 0x0902 },
  { 0x093a, 0x093a },
  { 0x093c, 0x093c }, { 0x0941, 0x0948 }, { 0x094d, 0x094d }, { 0x0e31, 0x0e31 }, { 0x0e34, 0x0e3a },
  { 0x0e47, 0x0e4e },
  { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x20d0, 0x20f0 }, { 0x302a, 0x302d }, { 0x3099, 0x309a },
  { 0xfe20, 0xfe2f } }
local wide = { { 0x1100, 0x115f }, { 0x2e80, 0x303e }, { 0x3041, 0x33ff }, { 0x3400, 0x4dbf }, { 0x4e00, 0x9fff },
  { 0xa000, 0xa4cf }, { 0xa960, 0xa97f }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe30, 0xfe6f },
  { 0xff01, 0xff60 },
  { 0xffe0, 0xffe6 }, { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd } }

local function within(ranges, code)
  for _, range in ipairs(ranges) do
    if code <= range[2] then return code >= range[1] end
  end
  return false
end

local short = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function control(byte) return short[byte] or ("\\x%02x"):format(byte:byte()) end

-- The replacement of a character, or nil. Most letters of most languages are in one of the two gaps of `hidden` that
-- are checked first.
local function shown(char)
  local code = utf8.codepoint(char)
  if code >= 0xae and code < 0x34f or code >= 0x3165 and code < 0xe000 then return nil end
  if within(hidden, code) then return (code > 0xffff and "\\u{%x}" or "\\u%04x"):format(code) end
end

-- A run of bytes beyond ASCII; bytes that are not UTF-8 are escaped one by one.
local function beyond_ascii(run)
  if utf8.len(run) then return (run:gsub(utf8.charpattern, shown)) end
  local out, at = {}, 1
  while at <= #run do
    local _, bad = utf8.len(run, at)
    bad = bad or #run + 1
    out[#out + 1] = run:sub(at, bad - 1):gsub(utf8.charpattern, shown)
    if bad <= #run then out[#out + 1] = ("\\x%02x"):format(run:byte(bad)) end
    at = bad + 1
  end
  return table.concat(out)
end

local function clean(text, controls)
  if not text:find "[^\32-\126]" then return text end
  return (text:gsub(controls, control):gsub("[\128-\255]+", beyond_ascii))
end

-- The latest texts of visible.lines, so that the printer keeps their line ends. They are compared by content: an equal
-- text is just as safe. A forgotten one is printed in one line.
local composed, ring, latest = {}, {}, 0
local REMEMBERED = 256

--- Several lines as one text; each is made visible. A line may itself be the result of visible.lines.
function visible.lines(list)
  local lines = {}
  for i, line in ipairs(list) do lines[i] = visible(line) end
  local text = table.concat(lines, "\n")
  if not text:find "\n" then return text end
  if not composed[text] then
    latest = latest % REMEMBERED + 1
    if ring[latest] then composed[ring[latest]] = nil end
    ring[latest], composed[text] = text, true
  end
  return text
end

--- The lines of a file.
function visible.file(text) return clean(tostring(text), "[\0-\9\11-\31\127]") end

local function columns_of(text)
  if not text:find "[\128-\255]" then return #text end
  local columns = 0
  for _, code in utf8.codes(text) do
    columns = columns + (code < 0x300 and 1 or within(narrow, code) and 0 or within(wide, code) and 2 or 1)
  end
  return columns
end

--- The width in columns of a text when it is visible.
function visible.width(text) return columns_of(visible(text)) end

--- The visible text, padded with blanks.
function visible.pad(text, columns)
  text = visible(text)
  return text .. (" "):rep(columns - columns_of(text))
end

--- Rows of cells as lines whose columns are aligned, `gap` blanks apart; the last column is not padded.
function visible.table(rows, gap)
  local widths, lines, between = {}, {}, (" "):rep(gap or 2)
  local texts, columns = {}, {} -- of most columns there are few different cells
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      local own = columns[cell]
      if not own then
        texts[cell] = visible(cell)
        own = columns_of(texts[cell])
        columns[cell] = own
      end
      if own > (widths[i] or -1) then widths[i] = own end
    end
  end
  local blanks = {}
  for n, row in ipairs(rows) do
    local cells, last = {}, #row
    for i, cell in ipairs(row) do
      local missing = i < last and widths[i] - columns[cell] or 0
      if missing > 0 then
        blanks[missing] = blanks[missing] or (" "):rep(missing)
        cells[i] = texts[cell] .. blanks[missing]
      else
        cells[i] = texts[cell]
      end
    end
    lines[n] = (table.concat(cells, between):gsub(" +$", ""))
  end
  return lines
end

local function json_escape(char)
  local code = utf8.codepoint(char)
  if code ~= 0x7f and not within(hidden, code) then return nil end
  if code < 0x10000 then return ("\\u%04X"):format(code) end
  code = code - 0x10000
  return ("\\u%04X\\u%04X"):format(0xd800 | code >> 10, 0xdc00 | code & 0x3ff)
end

--- A JSON text (valid UTF-8) that is safe on a terminal and decodes to the same value.
function visible.json(text)
  if not text:find "[\127-\255]" then return text end
  return (text:gsub("[\127-\255][\128-\191]*", json_escape))
end

return setmetatable(visible, { __call = function(_, value)
  local text = tostring(value)
  return composed[text] and text or clean(text, "[\0-\31\127]")
end })
