-- One printer for all output: what it prints, and that all output uses it.
local visible = require "gpupt.visible"

local function shell(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  return text, pipe:close()
end

--- Whether this code point could deceive a terminal or a reader.
local function dangerous(code)
  return code < 0x20 or (code >= 0x7f and code <= 0x9f) or code == 0x61c or (code >= 0x200b and code <= 0x200f)
    or (code >= 0x2028 and code <= 0x202e) or (code >= 0x2060 and code <= 0x2069) or code == 0xfeff
    or (code >= 0xe0000 and code <= 0xe007f)
end

describe("text made visible", function()
  it("shows every dangerous character, and leaves letters of all languages alone", function()
    local wrong = {}
    for code = 0, 0xe0fff do
      -- every 97th code point in planes of rare letters
      local rare = code > 0x2ffff and code < 0xe0000 and code % 97 ~= 0
      if (code < 0xd800 or code > 0xdfff) and not rare then
        local char = utf8.char(code)
        local text = visible(char)
        local shown = text:find "^\\[xunrt][%x{}]*$" and text ~= char
        if not shown and (dangerous(code) or text ~= char) then wrong[#wrong + 1] = ("%x"):format(code) end
      end
    end
    assert.same({}, wrong)
    local names = "Größe naïve Ελληνικά Русский 日本語 한국어 עברית العربية हिन्दी €"
    assert.equal(names, visible(names))
  end)

  it("shows which character it was", function()
    assert.equal([[\x1b[31m \x00 \x7f \n \t \r \u0085 \u009b \u200b \u202e \u2066 \u2028 \u{e0041}]],
      visible "\27[31m \0 \127 \n \t \r \u{85} \u{9b} \u{200b} \u{202e} \u{2066} \u{2028} \u{e0041}")
  end)

  it("shows bytes that are not UTF-8, and the valid text around them", function()
    assert.equal([[é\x9b31m日\xff\xc3(]], visible "é\x9b31m日\xff\xc3(")
    assert.equal([[\xed\xa0\x80\xc0\x80\xf5]], visible "\xed\xa0\x80\xc0\x80\xf5")
  end)

  it("is printable UTF-8 whatever the bytes are, and does not change the second time", function()
    math.randomseed(7)
    for _ = 1, 3000 do
      local bytes = {}
      for i = 1, math.random(0, 24) do bytes[i] = string.char(math.random(0, 255)) end
      local text = visible(table.concat(bytes))
      assert.is_truthy(utf8.len(text))
      assert.is_nil(text:find "[\0-\31\127]")
      assert.equal(text, visible(text))
    end
  end)

  it("keeps the line ends of its own lines only", function()
    assert.equal("a\\nb\nc", visible.lines { "a\nb", "c" })
    assert.equal("a\\nb\nc", visible(visible.lines { "a\nb", "c" }))
    assert.equal("x\na\\nb\nc", visible.lines { "x", visible.lines { "a\nb", "c" } })
    assert.equal("a\\nb\\nd", visible "a\nb\nd")
    assert.equal("a\\tb\n\\x1b", visible.file "a\tb\n\27")
  end)

  it("counts columns as a terminal does", function()
    assert.equal(4, visible.width "abcd")
    assert.equal(4, visible.width "\27")
    assert.equal(5, visible.width "Größe")
    assert.equal(5, visible.width "Gro\u{308}ße")
    assert.equal(6, visible.width "日本語")
    assert.equal("日本 |", visible.pad("日本", 5) .. "|")
    assert.same({ "NAME    X", "日本    1", "\\u202e  2" },
      visible.table { { "NAME", "X" }, { "日本", "1" }, { "\u{202e}", "2" } })
  end)

  it("of JSON decodes to the same value", function()
    local json = require "gpupt.json"
    local value = "a\27\127\u{85}\u{9b}é日\u{202e}\u{2028}\u{e0041}\u{1f600}\"\\"
    local text = visible.json(assert(json.encode { value }))
    assert.is_nil(text:find "[\0-\31\127]")
    for _, code in utf8.codes(text) do assert.is_false(dangerous(code)) end
    assert.same({ value }, json.decode(text))
  end)
end)

describe("standard output and standard error", function()
  it("are written only by the printer", function()
    local text, ok = shell "lua5.4 build-support/printed.lua"
    assert.is_true(ok, text)
    assert.equal("", text)
  end)

  it("are found by the check, however they are written", function()
    local folder = shell "mktemp -d":match "%S+"
    finally(function() os.execute("rm -rf " .. folder) end)
    os.execute(("mkdir -p %s/lua/gpupt %s/bin %s/csrc/base %s/csrc/lua"):format(folder, folder, folder, folder))
    local ways = { "print(x)", "print 'x'", "local say = print", "_G.print(x)", "io.write(x)", "io.stdout:write(x)",
      "local out = io.stderr", "io.output():write(x)", "io['stdout']:write(x)", "local streams = io",
      "io.open '/dev/stderr'" }
    for i, way in ipairs(ways) do
      local file = assert(io.open(("%s/lua/gpupt/way%d.lua"):format(folder, i), "w"))
      file:write("local x = 1\n", way, "\n")
      file:close()
    end
    local file = assert(io.open(folder .. "/csrc/base/way.c", "w"))
    file:write 'int f(void) {\n    printf("x");\n    fprintf(stderr, "x");\n    perror("x");\n}\n'
    file:close()
    local text = shell(("lua5.4 build-support/printed.lua %s"):format(folder))
    for i, way in ipairs(ways) do assert.is_truthy(text:find(("way%d.lua:2:"):format(i), 1, true), way) end
    assert.equal(3, select(2, text:gsub("way.c:", "")))
  end)

  it("that cannot be written make a command fail", function()
    local text, ok, _, status = shell "bin/gpupt bar 2x10de:20b5 2>&1 >/dev/full"
    assert.is_falsy(ok)
    assert.equal(1, status)
    assert.matches("standard output cannot be written", text, 1, true)
  end)
end)
