--- Random documents and edits, held against an independent reading of the grammar in Python (grammar.py).
local gpupt = require "gpupt"

local function hex(text) return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

local function pick(list) return list[math.random(#list)] end

local NAMES = {
  "firmware", "memsize", ".encoding2", "scsi0.present", "scsi0:0.present", "scsi0:0.fileName", "pciPassthru0.id",
  "pciPassthru0.present", "pciPassthru1.id", "pciPassthru.use64bitMMIO", "displayName", "ethernet0.address", "a", "a.b.c", "a.b.d", '"x"',
}
local ENDS = { "\n", "\n", "\r\n", "\r" }

local function any_case(name)
  return (name:gsub("%a", function(c) return math.random(2) == 1 and c:upper() or c:lower() end))
end

local function random_value()
  local parts = {}
  for i = 1, math.random(0, 6) do
    parts[i] = pick { "TRUE", "efi", "0", " ", "#", '"', "|", "|22", "=", "\t", "\195\169", "\n", "\r", "\127", "x y", "\1" }
  end
  return table.concat(parts)
end

local function random_line()
  local blank = pick { "", "", "", " ", "\t " }
  local kind = math.random(12)
  if kind == 1 then return "" end
  if kind == 2 then return blank .. "# comment = 1" end
  if kind == 3 then return pick { "odd", 'a = "1', "= 1", 'a = "1" x', "a b = 1", "   ", "a", '"', "|" } end
  local name = any_case(pick(NAMES))
  if kind == 4 then return blank .. name .. pick { "=", " =", " = ", "= # c" } end
  local value = kind < 8 and pick { "TRUE", "efi", "||22", "|41", 'b"c', "x=y" }
    or '"' .. pick { "TRUE", "efi", "", "a # b", "|22q|22", "|zz|41", "x = y", "caf\195\169", "|4|41" } .. '"'
  return blank .. name .. pick { " = ", "=", "\t=  " } .. value .. pick { "", "", "", " ", " # why", "#why", "\t" }
end

local function random_text()
  local out, usual = {}, pick(ENDS)
  if math.random(8) == 1 then out[1] = "\239\187\191" end
  for _ = 1, math.random(0, 14) do
    out[#out + 1] = random_line()
    out[#out + 1] = math.random(6) == 1 and pick(ENDS) or usual
  end
  if math.random(3) == 1 then out[#out + 1] = random_line() end
  return table.concat(out)
end

describe("random edits of random documents", function()
  it("read and write as the grammar says, and touch no other line (2,000 documents)", function()
    local seed = tonumber(os.getenv "GPUPT_SEED") or 20261122
    math.randomseed(seed)
    local rows, total = {}, 0
    for _ = 1, 2000 do
      local text = random_text()
      local doc = gpupt.check(gpupt.vmx.parse(text))
      local reading = {}
      for key, value in doc:each() do reading[#reading + 1] = key .. "\0" .. value:gsub("%z", "") .. "\0" end
      local edits = {}
      for i = 1, math.random(1, 8) do
        local key = any_case(pick(NAMES))
        if math.random(3) == 1 then
          gpupt.check(doc:unset(key))
          edits[i] = "u:" .. hex(key)
        else
          local value = math.random(3) == 1 and pick { "TRUE", "efi", "" } or random_value()
          gpupt.check(doc:set(key, value))
          edits[i] = "s:" .. hex(key) .. ":" .. hex(value)
        end
      end
      total = total + #edits
      rows[#rows + 1] = ("x%s x%s x%s %s"):format(hex(text), hex(tostring(doc)), hex(table.concat(reading)), table.concat(edits, " "))
    end
    local name = os.tmpname()
    local f = assert(io.open(name, "w"))
    f:write(table.concat(rows, "\n"), "\n")
    f:close()
    local pipe = assert(io.popen("env -u LD_PRELOAD python3 spec/vmx/grammar.py < " .. name .. " 2>&1"))
    local out = pipe:read "a"
    pipe:close()
    os.remove(name)
    assert.equal(("2000 cases, %d edits\n"):format(total), out, "seed " .. seed)
  end)

  it("are judged by a reading that can tell a wrong edit", function()
    local function judge(before, after, reading, edit)
      local pipe = assert(io.popen(("echo 'x%s x%s x%s %s' | env -u LD_PRELOAD python3 spec/vmx/grammar.py")
        :format(hex(before), hex(after), hex(reading), edit)))
      local out = pipe:read "a"
      pipe:close()
      return out
    end
    local set = "s:" .. hex "a" .. ":" .. hex "2"
    assert.equal("1 cases, 1 edits\n", judge('# c\na = "1"\n', '# c\na = "2"\n', "a\0001\0", set))
    assert.matches("another line changed", judge('# c\na = "1"\n', 'a = "2"\n', "a\0001\0", set))
    assert.matches("values differ", judge('a = "1"\n', 'a = "1"\n', "a\0001\0", set))
    assert.matches("the end of line", judge('# c\r\na = "1"\n', '# c\na = "2"\n', "a\0001\0", set))
    assert.matches("moved", judge('a = "1"\n# c\n', '# c\na = "2"\n', "a\0001\0", set))
    assert.matches("became", judge('a = "1" # c\n', 'a = "2"\n', "a\0001\0", set))
    assert.matches("reading differs", judge('a = "1"\n', 'a = "2"\n', "a\0003\0", set))
  end)
end)
