--- Normalizes text from guests to UTF-8 with "\n" line ends.
-- PowerShell's `>` writes UTF-16LE with a byte-order mark, cmd.exe writes the console's code page with
-- CRLF, MSI logs are UTF-16LE. All parsers of gpupt.guest pass their input through here first. Bytes that
-- are not UTF-8 are kept: every word that a parser looks for is ASCII.
--
--   local text = require "gpupt.text"
--   text.plain(bytes)                          --> "Code 43\n"
--   for line, number in text.lines(bytes) do ... end
local text = {}

-- UTF-16 code units to UTF-8; a lone surrogate becomes U+FFFD, half a unit at the end is dropped.
local function from_utf16(bytes, format)
  local out, at, last = {}, 1, #bytes - 1
  local plain = format == "<I2" and "([\1-\127])\0" or "\0([\1-\127])"
  local tried = 0
  while at <= last do
    -- logs of installers have megabytes of ASCII: a piece that is nothing else is made plain at once
    while at > tried and at + 4095 <= #bytes do
      local piece = bytes:sub(at, at + 4095):gsub(plain, "%1")
      tried = at + 4095
      if #piece ~= 2048 then break end
      out[#out + 1] = piece
      at = at + 4096
    end
    if at > last then break end
    local unit = string.unpack(format, bytes, at)
    at = at + 2
    if unit >= 0xD800 and unit < 0xDC00 and at <= last then
      local low = string.unpack(format, bytes, at)
      if low >= 0xDC00 and low < 0xE000 then
        unit, at = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00), at + 2
      end
    end
    if unit >= 0xD800 and unit < 0xE000 then unit = 0xFFFD end
    out[#out + 1] = utf8.char(unit)
  end
  return table.concat(out)
end

-- UTF-16 without a mark: in text of western programs every other byte is zero.
local function looks_utf16(bytes)
  local head = bytes:sub(1, 512)
  if #head < 4 or not head:find("\0", 1, true) then return nil end
  local even, odd = 0, 0
  for i = 1, #head do
    if head:byte(i) == 0 then
      if i % 2 == 0 then even = even + 1 else odd = odd + 1 end
    end
  end
  local enough = #head // 2 * 3 // 4
  if even >= enough and odd == 0 then return "<I2" end
  if odd >= enough and even == 0 then return ">I2" end
end

--- The text as UTF-8 with "\n" at line ends, without a byte-order mark.
function text.plain(bytes)
  local mark = bytes:sub(1, 2)
  if mark == "\xFF\xFE" then
    bytes = from_utf16(bytes:sub(3), "<I2")
  elseif mark == "\xFE\xFF" then
    bytes = from_utf16(bytes:sub(3), ">I2")
  elseif bytes:sub(1, 3) == "\xEF\xBB\xBF" then
    bytes = bytes:sub(4)
  else
    local format = looks_utf16(bytes)
    if format then bytes = from_utf16(bytes, format) end
  end
  return (bytes:gsub("\r\n", "\n"):gsub("\r", "\n"))
end

--- Iterates the lines of any such text: line, number.
function text.lines(bytes)
  local plain, number = text.plain(bytes), 0
  if plain ~= "" and plain:sub(-1) ~= "\n" then plain = plain .. "\n" end
  local next_line = plain:gmatch "([^\n]*)\n"
  return function()
    local line = next_line()
    if line == nil then return nil end
    number = number + 1
    return line, number
  end
end

--- Without blanks at both ends.
function text.trim(s) return (s:match "^%s*(.-)%s*$") end

--- The last `most` bytes of a text without the blanks at its end, from the beginning of a character.
function text.tail(s, most)
  local kept = s:gsub("%s+$", "")
  return #kept > most and kept:sub(-most):gsub("^[\128-\191]+", "") or kept
end

return text
