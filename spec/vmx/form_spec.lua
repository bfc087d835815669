--- Form before meaning, on text made at random: repairing never fails, comes to an end, and leaves plain files alone.
local vmx = require "gpupt.vmx"
local form = require "gpupt.vmx.form"

local function pick(list) return list[math.random(#list)] end

local KEYS = { "firmware", "memsize", "pciPassthru0.id", "displayName", "annotation", ".encoding", "scsi0:0.fileName", "guestinfo.x" }
local VALUES = { "efi", "TRUE", "16384", "00000:066:00.0", "a b", "", "it's", "|22", "x.vmdk", "UTF-8" }
local OPEN = { '"', "\u{201c}", "\u{201d}", "&quot;", "'", '\\"', '""', "\x93", "", "\u{ab}", "`" }
local BEFORE = { "", "", "", "  ", "> ", ">> ", "12: ", "  7\t", "- ", "* ", "\u{a0}", "\u{200b}", "`", "<p>", "vm.vmx:3:",
  "2026-01-01T00:00:00Z In(05) vmx - DICT  " }
local BEHIND = { "", "", "", " # x", " (x)", ";", ",", " // y", ' a = "b"', "\u{a0}", "`", "</p>", "\"", " #", "\t" }
local WHOLE = { "", "# comment", "scsi0.present\tTRUE", "a.b: \"c\",", "[code]", "[root@esx:~] cat "
  .. "x", "EOF", "```", "hello world", "= x", "a =", '"b"', "// c", "\xff\xfe", "~", "a = \"b" }

local function random_line()
  if math.random(5) == 1 then return pick(WHOLE) end
  local quote = pick(OPEN)
  return pick(BEFORE) .. pick(KEYS) .. pick { " = ", "=", "\u{a0}= ", " =", " =\u{202f}" } .. quote .. pick(VALUES)
    .. pick { quote, quote, quote, pick(OPEN) } .. pick(BEHIND)
end

describe("a .vmx made at random", function()
  it("is repaired without failing, once and for all, to something that can be read (4,000 texts)", function()
    math.randomseed(tonumber(os.getenv "GPUPT_SEED") or 20261130)
    local repaired_count = 0
    for _ = 1, 4000 do
      local lines = {}
      for i = 1, math.random(0, 8) do lines[i] = random_line() end
      local text = table.concat(lines, pick { "\n", "\n", "\r\n", "\r" }) .. pick { "\n", "" }
      local now, rounds = text, 0
      while true do
        local repaired = form.repair(now)
        if not repaired then break end
        repaired_count = repaired_count + 1
        rounds = rounds + 1
        assert.truthy(#repaired.faults > 0 and form.describe(repaired.faults) ~= "")
        for _, fault in ipairs(repaired.faults) do assert.truthy(form.names[fault.code], fault.code) end
        -- every line of the new text comes from a line of the given one
        local count = select(2, (repaired.text:gsub("\r\n", "\n"):gsub("\r", "\n"):gsub("[^\n]$", "%0\n")):gsub("\n", ""))
        assert.equal(count, #repaired.origin, text)
        assert.truthy(rounds <= 3, "repairing does not end:\n" .. text .. "\n-- now:\n" .. repaired.text)
        now = repaired.text
      end
      -- what can be read is read without a fault of its form
      local doc = vmx.parse(now)
      if doc then assert.equal(now, tostring(doc)) end
    end
    assert.truthy(repaired_count > 2000, repaired_count)
  end)

  it("that is plain is left alone, whatever stands between its quotes (1,500 texts)", function()
    math.randomseed(tonumber(os.getenv "GPUPT_SEED") or 20261130)
    for _ = 1, 1500 do
      local lines = {}
      for i = 1, math.random(1, 8) do
        lines[i] = pick { ('%s = "%s"'):format(pick(KEYS), pick(VALUES)), ('%s = "%s" # %s'):format(pick(KEYS), pick(VALUES),
          pick { "x", "\u{201c}y\u{201d}", "> z" }), "# " .. pick(WHOLE), "", ('annotation = "%s"'):format(pick { "\u{201c}a\u{201d}",
          "a\u{a0}b", "&quot;", "x // y; z" }) }
      end
      local text = table.concat(lines, "\n") .. "\n"
      assert.is_nil(form.repair(text), text)
    end
  end)

  it("of one enormous line costs no more than reading it", function()
    local started = os.clock()
    for _, text in ipairs { ("x "):rep(2000000), "a = \"" .. (" "):rep(3000000) .. "\"b", (" "):rep(3000000) .. "=", ("\u{a0}"):rep(1500000),
      ("> "):rep(1000000) .. "a = b", ("a = \u{201c}b\u{201d}\n"):rep(20000), ("\n"):rep(1000000) } do
      form.repair(text)
    end
    assert.truthy(os.clock() - started < 20, os.clock() - started)
  end)
end)
