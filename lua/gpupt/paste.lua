--- Text as people paste it, made plain again: one helper for every reader of texts.
-- What is sent around has been through PowerShell (UTF-16), a terminal (colours, prompts), a web page (HTML entities,
-- typographic quotes, blanks that do not break), a mail program (quote marks, an empty line after each line). None of
-- that changes what the text means, so that it is taken away here, before any form is looked for. Each kind of damage
-- is named once, with its first line and how often it was met.
--
--   local plain = require "gpupt.paste".clean(bytes)
--     plain.text      the text, UTF-8, "\n" at line ends
--     plain.lines     its lines; plain.numbers[i] is the number of line i in what was given
--     plain.damage    {{code=, line=, count=, text=}...}: code is a stable word, text a sentence
--     plain.commands  {{line=, index= (in lines), text=}...}: what was typed at a prompt, as "lspci -d 10de:"
--
-- What is long and has no damage costs a few searches and the cutting into lines.
local plain_text = require "gpupt.text"

local paste = {}

local sentences = {
  ["utf-16"] = "the text is UTF-16, as PowerShell writes it",
  ["colours"] = "the text has terminal colours",
  ["html"] = "the text has HTML entities or tags",
  ["blanks"] = "the text has non-breaking spaces or invisible characters",
  ["quotes"] = "the text has typographic quotes, dashes or dots",
  ["mail"] = "the lines are quoted as in a mail",
  ["numbered"] = "each line has a number before it",
  ["double-spaced"] = "an empty line follows each line",
  ["wrapped"] = "long lines are broken",
  ["indentation"] = "the indentation is lost",
  ["prompt"] = "the text has console prompts",
}

-- Where each character was: line and count; `pattern` is searched in the text before it is taken away.
local function note(damage, code, text, pattern)
  local first = text:find(pattern)
  if not first then return false end
  local _, line = text:sub(1, first):gsub("\n", "")
  local _, count = text:gsub(pattern, "")
  damage[#damage + 1] = { code = code, line = line + 1, count = count, text = sentences[code] }
  return true
end

local entities = { quot = '"', amp = "&", lt = "<", gt = ">", nbsp = " ", apos = "'", ["#39"] = "'", ["#34"] = '"',
  ["#x27"] = "'", ["#x22"] = '"', ["#160"] = " ", ["#xa0"] = " ", ["#8220"] = '"', ["#8221"] = '"', ["#8217"] = "'",
  ldquo = '"', rdquo = '"', lsquo = "'", rsquo = "'", ndash = "-", mdash = "-", hellip = "..." }

local tags = {}
for tag in ("br p pre code div span li ul ol td tr th table tbody b i strong em a blockquote font html body")
  :gmatch "%a+" do
  tags[tag] = true
end

local BREAK = "\x1D"

local function html(text, damage)
  local found
  for name in text:gmatch "&(#?%w+);" do
    found = found or entities[name:lower()]
    if found then break end
  end
  if not found and not text:find "<[bB][rR] ?/?>" and not text:find "</?[pP][rR]?[eE]?>" then return text end
  local function known(tag) return tags[tag:lower()] end
  local first, count = nil, 0
  local function met(at)
    first, count = first or at, count + 1
  end
  local out = text:gsub("()</?(%a+)[^<>\n]*>", function(at, tag)
    if not known(tag) then return nil end
    met(at)
    -- a line of HTML is several lines of the text, and has one number in the file
    return tag:lower() == "br" and BREAK or ""
  end)
  -- twice: what was escaped by two programs
  for _ = 1, 2 do
    out = out:gsub("()&(#?%w+);", function(at, name)
      local plain = entities[name:lower()]
      if plain then met(at) end
      return plain
    end)
  end
  if count == 0 then return text end
  local _, line = text:sub(1, first):gsub("\n", "")
  damage[#damage + 1] = { code = "html", line = line + 1, count = count, text = sentences.html }
  return out
end

-- UTF-8 of characters and what they stand for; {code, {from = to}}
local characters = {
  { "blanks", { ["\xC2\xA0"] = " ", ["\xE2\x80\xAF"] = " ", ["\xE3\x80\x80"] = " ", ["\xE2\x80\x83"] = " ",
    ["\xE2\x80\x82"] = " ", ["\xE2\x80\x89"] = " ", ["\xE2\x80\x8B"] = "", ["\xE2\x80\x8E"] = "",
    ["\xE2\x80\x8F"] = "", ["\xEF\xBB\xBF"] = "", ["\xE2\x81\xA0"] = "" } },
  { "quotes", { ["\xE2\x80\x9C"] = '"', ["\xE2\x80\x9D"] = '"', ["\xE2\x80\x9E"] = '"', ["\xE2\x80\x9F"] = '"',
    ["\xC2\xAB"] = '"', ["\xC2\xBB"] = '"', ["\xE2\x80\xB3"] = '"', ["\xEF\xBC\x82"] = '"',
    ["\xE2\x80\x98"] = "'", ["\xE2\x80\x99"] = "'", ["\xE2\x80\x9A"] = "'", ["\xE2\x80\xB2"] = "'",
    ["\xE2\x80\x93"] = "-", ["\xE2\x80\x94"] = "-", ["\xE2\x88\x92"] = "-", ["\xE2\x80\x90"] = "-",
    ["\xE2\x80\x91"] = "-", ["\xE2\x80\xA6"] = "..." } },
}

-- Latin-1's non-breaking blank; a byte 0xA0 among others beyond ASCII is a part of something else.
local function latin_blanks(text)
  return (text:gsub("[\128-\255]+", function(run) return run:find "^\xA0+$" and (" "):rep(#run) or nil end))
end

local function plain_characters(text, damage)
  if not text:find "[\x80-\xFF]" then return text end
  if not utf8.len(text) and text:find "[\x93\x94\x91\x92\xA0]" then
    -- the console's or the browser's code page 1252
    if note(damage, "quotes", text, "[\x91-\x94]") then
      text = text:gsub("[\x93\x94]", '"'):gsub("[\x91\x92]", "'")
    end
    if note(damage, "blanks", text, "\xA0") then text = latin_blanks(text) end
  end
  for _, kind in ipairs(characters) do
    local first, count = nil, 0
    local out = text:gsub("()([\xC2\xE2\xE3\xEF][\x80-\xBF][\x80-\xBF]?)", function(at, found)
      local short = found:sub(1, 2)
      local plain, rest = kind[2][found], ""
      if not plain and kind[2][short] then plain, rest = kind[2][short], found:sub(3) end
      if not plain then return nil end
      first, count = first or at, count + 1
      return plain .. rest
    end)
    if first then
      local _, line = text:sub(1, first):gsub("\n", "")
      damage[#damage + 1] = { code = kind[1], line = line + 1, count = count, text = sentences[kind[1]] }
      text = out
    end
  end
  return text
end

--- The lines of a text without their "\n"; a last line that is empty does not count.
function paste.lines(text)
  local lines, n = {}, 0
  if text ~= "" and text:sub(-1) ~= "\n" then text = text .. "\n" end
  for line in text:gmatch "([^\n]*)\n" do
    n = n + 1
    lines[n] = line
  end
  return lines
end

-- Lines with BREAK in them become several, which all have the number of the first.
local function broken(lines)
  local out, numbers = {}, {}
  for i, line in ipairs(lines) do
    if line:sub(-1) == BREAK then line = line:sub(1, -2) end
    for part in (line .. BREAK):gmatch("([^" .. BREAK .. "]*)" .. BREAK) do
      out[#out + 1], numbers[#numbers + 1] = part, i
    end
  end
  return out, numbers
end

-- "> text", ">> text": only when nearly all lines have it.
local function unquote(lines, damage)
  local filled, quoted, first = 0, 0, nil
  for i, line in ipairs(lines) do
    if line:find "%S" then
      filled = filled + 1
      if line:find "^%s?>" then
        quoted, first = quoted + 1, first or i
      end
    end
  end
  if quoted < 2 or quoted < filled * 0.7 then return end
  for i, line in ipairs(lines) do
    if line:find "^%s?>" then lines[i] = line:gsub("^%s?>[> ]-> ?", ""):gsub("^%s?> ?", "") end
  end
  damage[#damage + 1] = { code = "mail", line = first, count = quoted, text = sentences.mail }
end

-- "   12  text", "12: text": only when all lines have it and the numbers follow each other.
local function unnumbered(lines, damage)
  local last, count
  for _, line in ipairs(lines) do
    local number = math.tointeger(tonumber(line:match "^%s*(%d+)[:%.|%s]" or line:match "^%s*(%d+)$" or ""))
    if number and (not last or number == last + 1) then
      last, count = number, (count or 0) + 1
    elseif line:find "%S" then
      return
    end
  end
  if not count or count < 3 then return end
  for i, line in ipairs(lines) do lines[i] = line:match "^%s*%d+[:|](.*)$" or line:gsub("^%s*%d+%.?[ \t]?", "", 1) end
  damage[#damage + 1] = { code = "numbered", line = 1, count = count, text = sentences.numbered }
end

-- What all lines have before them, as in a listing of Markdown, means nothing and is not reported.
local function dedented(lines)
  local common
  for _, line in ipairs(lines) do
    if line:find "%S" then
      local blanks = line:match "^[ \t]*"
      if not common or #blanks < #common then common = blanks end
      if common == "" or line:sub(1, #common) ~= common then return false end
    end
  end
  if not common then return false end
  for i, line in ipairs(lines) do lines[i] = line:sub(#common + 1) end
  return true
end

-- An empty line after each line: the single ones go, of three one stays.
local function single_spaced(lines, damage)
  local filled, followed, last = 0, 0, nil
  for i, line in ipairs(lines) do
    if line:find "%S" then
      filled = filled + 1
      if last and i - last >= 2 then followed = followed + 1 end
      last = i
    end
  end
  if filled < 4 or followed < (filled - 1) * 0.9 then return lines, nil end
  -- records of one line with an empty line between them look the same: those lines stand apart on purpose
  local out, numbers, empty = {}, {}, 0
  for i, line in ipairs(lines) do
    if line:find "%S" then
      if empty >= 2 and #out > 0 then
        out[#out + 1], numbers[#numbers + 1] = "", i - 1
      end
      out[#out + 1], numbers[#numbers + 1] = line, i
      empty = 0
    else
      empty = empty + 1
    end
  end
  damage[#damage + 1] = { code = "double-spaced", line = 1, count = filled, text = sentences["double-spaced"] }
  return out, numbers
end

local prompts = {
  "^%s*%[%w[%w_.-]*@[^%]\n]-%]%s*[#$]?%s*(%a[^\n]*)", -- [root@esx01:~] esxcli ...
  "^%s*%w[%w_.-]*@[%w_.-]+:[^#$\n]-[#$]%s+(%a[^\n]*)", -- user@vm:~$ lspci
  "^%s*PS%s?[^>\n]*>%s*(%a[^\n]*)", -- PS C:\> Get-PnpDevice
  "^%s*%a:\\[^>\n]*>%s*(%a[^\n]*)", -- C:\Windows>nvidia-smi
  "^%s*~%s?[#$]%s+(%a[^\n]*)", -- ~ # esxcli of early ESXi
  "^%$ (%l[%w_./-]*[^\n]*)", -- $ lspci
  "^[#%%] (%l[%w_./-]*[^\n]*)", -- # lspci, which may be a comment
}

-- Behind a mark that also begins comments, only these are commands.
local tools = {}
for word in ("esxcli localcli vim-cmd lspci vmkchdev nvidia-smi rocm-smi amd-smi dmesg cat grep journalctl vmware sudo")
  :gmatch "%S+" do
  tools[word] = true
end

local function commands_of(lines, damage)
  local list = {}
  for i, line in ipairs(lines) do
    -- nothing but a prompt has one of these marks that early
    if line:find "[@>#$%%]" and #line < 1000 then
      for _, pattern in ipairs(prompts) do
        local command = line:match(pattern)
        if command and (pattern ~= prompts[#prompts] or tools[command:match "^%S+"]) then
          list[#list + 1] = { line = i, index = i, text = plain_text.trim(command) }
          break
        end
      end
    end
  end
  if #list > 0 then
    damage[#damage + 1] = { code = "prompt", line = list[1].line, count = #list, text = sentences.prompt }
  end
  return list
end

--- Makes bytes plain. See the head of this file.
function paste.clean(bytes)
  local damage = {}
  local text = plain_text.plain(bytes)
  if bytes:find("\0", 1, true) and not text:find("\0", 1, true) then
    damage[1] = { code = "utf-16", line = 1, count = 1, text = sentences["utf-16"] }
  end
  if text:find("\27", 1, true) and note(damage, "colours", text, "\27%[[%d;?]*[%a]") then
    text = text:gsub("\27%[[%d;?]*[%a]", "")
  end
  text = html(text, damage)
  text = plain_characters(text, damage)
  local lines, split = paste.lines(text), nil
  if text:find(BREAK, 1, true) then lines, split = broken(lines) end
  local changed = #damage
  unquote(lines, damage)
  unnumbered(lines, damage)
  local moved = dedented(lines)
  local single, numbers = single_spaced(lines, damage)
  if split and numbers then
    for i, n in ipairs(numbers) do numbers[i] = split[n] end
  end
  numbers = numbers or split
  local commands = commands_of(single, damage)
  if #damage > changed or numbers or moved then text = table.concat(single, "\n") .. (#single > 0 and "\n" or "") end
  if numbers then
    for _, command in ipairs(commands) do command.line = numbers[command.line] end
  end
  return { text = text, lines = single, numbers = numbers, damage = damage, commands = commands }
end

--- Joins lines that were broken at a width: `begins(line)` says whether a line begins something of its own,
-- `ends(line)` whether one is whole. The rest of a broken line is put behind it.
-- Result: the lines, their numbers in the file, and the damage ({code="wrapped", ...}) when there was any.
function paste.join(lines, numbers, begins, ends)
  local out, places, joined, first = {}, {}, 0, nil
  for i, line in ipairs(lines) do
    local last = out[#out]
    if last and line:find "%S" and last:find "%S" and not ends(last) and not begins(line) then
      out[#out] = last:gsub("%s+$", "") .. " " .. line:gsub("^%s+", "")
      joined, first = joined + 1, first or (numbers and numbers[i] or i)
    else
      out[#out + 1] = line
      places[#places + 1] = numbers and numbers[i] or i
    end
  end
  if joined == 0 then return lines, numbers, nil end
  return out, places, { code = "wrapped", line = first, count = joined, text = sentences.wrapped }
end

--- The sentence for a kind of damage: for readers that find one themselves.
function paste.sentence(code) return sentences[code] end

return paste
