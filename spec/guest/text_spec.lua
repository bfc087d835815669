local text = require "gpupt.text"

local function utf16(s, mark, format)
  local out = { mark }
  for _, c in utf8.codes(s) do
    if c >= 0x10000 then
      c = c - 0x10000
      out[#out + 1] = string.pack(format, 0xD800 + (c >> 10)) .. string.pack(format, 0xDC00 + (c & 0x3ff))
    else
      out[#out + 1] = string.pack(format, c)
    end
  end
  return table.concat(out)
end

describe("text of a guest", function()
  local sample, plain = "Code 43 für Gerät \u{1F4A5}\r\nzwei\r\n", "Code 43 für Gerät \u{1F4A5}\nzwei\n"

  it("is the same from UTF-8, UTF-16LE and UTF-16BE, with and without a mark", function()
    assert.equal(plain, text.plain(sample))
    assert.equal(plain, text.plain("\u{FEFF}" .. sample))
    assert.equal(plain, text.plain(utf16(sample, "\xFF\xFE", "<I2")))
    assert.equal(plain, text.plain(utf16(sample, "\xFE\xFF", ">I2")))
    assert.equal("10de:1eb8\n", text.plain(utf16("10de:1eb8\r\n", "", "<I2")))
    assert.equal("10de:1eb8\n", text.plain(utf16("10de:1eb8\r\n", "", ">I2")))
  end)

  it("survives half a unit and a lone surrogate", function()
    assert.equal("a", text.plain "\xFF\xFEa\0b")
    assert.equal("\u{FFFD}a", text.plain "\xFF\xFE\x00\xD8a\0")
  end)

  it("keeps bytes of another code page", function()
    assert.equal("Ger\x84t\n", text.plain "Ger\x84t\r\n")
  end)

  it("comes line by line, the last one with or without its end", function()
    local got = {}
    for line, number in text.lines "a\r\n\r\nb" do got[number] = line end
    assert.same({ "a", "", "b" }, got)
    for _ in text.lines "" do error "no line was expected" end
  end)
end)
