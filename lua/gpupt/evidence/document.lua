--- One text while the forms look through it: its lines, which of them were taken, and the facts so far.
-- A form is a table {form=, title=, how=, source=, words=, read=}: `words` are plain texts of which one must be in
-- the text before `read(doc)` is called; `read` takes the lines that are of its form and adds facts. Lines are numbered
-- as in the file, whatever was joined or left out before.
local paste = require "gpupt.paste"

local Document = {}
Document.__index = Document

-- No form has longer lines; what patterns cost on a line grows faster than its length.
local LONGEST = 4000

local function bounded(lines)
  local out
  for i, line in ipairs(lines) do
    if #line > LONGEST then
      out = out or table.move(lines, 1, #lines, 1, {})
      out[i] = line:sub(1, LONGEST)
    end
  end
  return out or lines
end

--- A document for the bytes of a file. `lines` are cut at 4,000 bytes each, `text` is whole.
function Document.new(bytes, name)
  local plain = paste.clean(bytes)
  return setmetatable({
    name = name, plain = plain, lines = bounded(plain.lines), text = plain.text, commands = plain.commands,
    damage = { table.unpack(plain.damage) }, taken = {}, forms = {}, cards = {}, software = {}, exits = {}, signs = {},
    resets = {}, host = {}, known = {},
  }, Document)
end

--- The number that line i has in the file.
function Document:number(i) return self.plain.numbers and self.plain.numbers[i] or i end

--- Whether line i belongs to no form yet.
function Document:free(i) return self.lines[i] ~= nil and not self.taken[i] end

--- Line i, or lines i to j, belong to `form`.
function Document:take(form, i, j)
  for n = i, j or i do self.taken[n] = form end
  local known = self.forms[form]
  if not known then
    known = { form = form, line = self:number(i) }
    self.forms[form] = known
    self.forms[#self.forms + 1] = known
  end
end

local function placed(self, fact, form, i)
  fact.file, fact.line, fact.form = self.name, self:number(i), form
  fact.text = fact.text or self.lines[i]
  return fact
end

--- Adds a card, found on line i.
function Document:card(form, i, card)
  self.cards[#self.cards + 1] = placed(self, card, form, i)
  return card
end

--- A version: what it is of ("nvidia-driver", "cuda", "rocm", "vmware-tools"...).
function Document:version(form, i, what, version)
  local key = what .. " " .. version
  if self.known[key] then return end
  self.known[key] = true
  self.software[#self.software + 1] = placed(self, { what = what, version = version }, form, i)
end

--- An exit code of a program.
function Document:exit(form, i, exit) self.exits[#self.exits + 1] = placed(self, exit, form, i) end

--- Something wrong that the text itself says: {code=, severity=, cause=, remedy=}; `text` is the line's.
function Document:sign(form, i, sign)
  local key = ("%s %s %s"):format(sign.code, sign.address, sign.index)
  if self.known[key] then return end
  self.known[key] = true
  self.signs[#self.signs + 1] = placed(self, sign, form, i)
end

--- What remains for the next reader: the text with the taken lines left empty.
function Document:rest()
  if next(self.taken) == nil then return self.plain end
  local lines = {}
  for i, line in ipairs(self.plain.lines) do lines[i] = self.taken[i] and "" or line end
  return { text = table.concat(lines, "\n") .. "\n", lines = lines, numbers = self.plain.numbers, damage = {},
    commands = self.commands }
end

-- ESXi writes [root@host:~] and no # behind it, old ones ~ #; Linux writes [root@host ~]#
local function is_esxi(line, command)
  if line:find "^%s*%[%w+@[^%]%s]+:[^%]]*%]%s" and not line:find "%]%s*[#$]" then return true end
  return line:find "^%s*~ [#$] " ~= nil and command:find "esxcli" ~= nil
end

--- Whether the text was made on an ESXi host, as its prompts tell: true, false, or nil when there are none.
function Document:on_esxi()
  if self.esxi == nil then
    self.esxi = #self.commands == 0 and "unknown" or false
    for _, command in ipairs(self.commands) do
      if is_esxi(self.lines[command.index], command.text) then
        self.esxi = true
        break
      end
    end
  end
  if self.esxi ~= "unknown" then return self.esxi end
end

return Document
