--- What pasting does to a text, each kind: what is taken away, how it is named, and what stays as it is.
local paste = require "gpupt.paste"

local function codes(plain)
  local list = {}
  for _, one in ipairs(plain.damage) do list[#list + 1] = ("%s:%d:%d"):format(one.code, one.line, one.count) end
  return table.concat(list, " ")
end

local function utf16(text, big)
  local bytes = big and "\xFE\xFF" or "\xFF\xFE"
  for _, code in utf8.codes(text) do bytes = bytes .. string.pack(big and ">I2" or "<I2", code) end
  return bytes
end

describe("paste.clean", function()
  for what, case in pairs {
    ["plain text, which stays as it is"] = { "a = 1\nb &c; <unassigned> > x\n", "a = 1\nb &c; <unassigned> > x\n", "" },
    ["text without a last line end"] = { "a\nb", "a\nb", "" },
    ["no text"] = { "", "", "" },
    ["CRLF"] = { "a\r\nb\r\n", "a\nb\n", "" },
    ["a byte-order mark"] = { "\xEF\xBB\xBFa\n", "a\n", "" },
    ["UTF-16, little end first"] = { utf16 "é1\r\n2\r\n", "é1\n2\n", "utf-16:1:1" },
    ["UTF-16, big end first"] = { utf16("a\n", true), "a\n", "utf-16:1:1" },
    ["colours"] = { "x\n\27[01;31mred\27[0m \27[Kend\n", "x\nred end\n", "colours:2:3" },
    ["HTML entities"] = { "a = &quot;8&quot;\nPCI\\VEN_10DE&amp;DEV_1EB8&nbsp;x &#39;y&#39;\n", "a = \"8\"\nPCI\\VEN_10DE&DEV_1EB8 x 'y'\n", "html:1:6" },
    ["entities that were escaped twice"] = { "a &amp;quot;b&amp;quot;\n", 'a "b"\n', "html:1:4" },
    ["HTML tags, and none of lspci's"] = { "<pre>\nRegion 1: Memory at <unassigned><br>\n<class> x</pre>\n",
      "\nRegion 1: Memory at <unassigned>\n<class> x\n", "html:1:3" },
    ["line breaks of HTML"] = { "a<br>b<br/>c\n", "a\nb\nc\n", "html:1:2" },
    ["an ampersand of Windows"] = { "PCI\\VEN_10DE&DEV_1EB8&SUBSYS_0&REV_A1\n", "PCI\\VEN_10DE&DEV_1EB8&SUBSYS_0&REV_A1\n", "" },
    ["blanks that do not break"] = { "a\xC2\xA0=\xE2\x80\xAF1\xE2\x80\x8B\n", "a = 1\n", "blanks:1:3" },
    ["typographic quotes and dashes"] = { "a = “TRUE”\nb = „x‟ – ‘y’…\n", 'a = "TRUE"\nb = "x" - \'y\'...\n', "quotes:1:8" },
    ["quotes of code page 1252"] = { "a = \x93TRUE\x94\n", 'a = "TRUE"\n', "quotes:1:2" },
    ["letters of other languages"] = { "Gerätebeschreibung: グラフィックス\n", "Gerätebeschreibung: グラフィックス\n", "" },
    ["quote marks of a mail"] = { "> a\n>    b\n>\n> c\n", "a\n   b\n\nc\n", "mail:1:4" },
    ["quote marks of a mail in a mail"] = { "> > a\n> > b\n", "a\nb\n", "mail:1:2" },
    ["a few lines with >, which are no mail"] = { "a\nb\n> c\nd\n", "a\nb\n> c\nd\n", "" },
    ["an empty line after each line"] = { "a\n\nb\n\nc\n\nd\n\n\n\ne\n\nf\n", "a\nb\nc\nd\n\ne\nf\n", "double-spaced:1:6" },
    ["numbers of cat -n"] = { "     1\t0000:04:00.0\n     2\t   Address: x\n     3\t\n", "0000:04:00.0\n   Address: x\n\n", "numbered:1:3" },
    ["numbers of grep -n"] = { "7:a\n8:  b\n9:c\n", "a\n  b\nc\n", "numbered:1:3" },
    ["numbers that do not follow each other"] = { "1 a\n3 b\n4 c\n", "1 a\n3 b\n4 c\n", "" },
    ["blanks before all lines"] = { "    a\n\n      b\n    c\n", "a\n\n  b\nc\n", "" },
    ["empty lines between blocks"] = { "a\nb\n\nc\nd\n\ne\n", "a\nb\n\nc\nd\n\ne\n", "" },
  } do
    it("of " .. what, function()
      local plain = paste.clean(case[1])
      assert.equal(case[2], plain.text)
      assert.equal(case[3], codes(plain))
      assert.same(plain.lines, paste.lines(plain.text))
    end)
  end

  it("names the lines of the file, whatever it left out", function()
    local plain = paste.clean("a\n\nb\n\nc\n\nd\n\n\n\ne\n")
    assert.same({ 1, 3, 5, 7, 10, 11 }, plain.numbers)
  end)

  it("gives all lines of one line of HTML its number", function()
    local plain = paste.clean("<p>\na<br>b<br>\nc\n")
    assert.same({ "", "a", "b", "c" }, plain.lines)
    assert.same({ 1, 2, 2, 3 }, plain.numbers)
  end)

  for prompt, command in pairs {
    ["[root@esx01:~] esxcli hardware pci list -c 0x0300"] = "esxcli hardware pci list -c 0x0300",
    ["[root@vm ~]# nvidia-smi"] = "nvidia-smi", ["user@vm:~$ lspci -nn | grep -i nvidia"] = "lspci -nn | grep -i nvidia",
    ["PS C:\\Users\\admin> Get-PnpDevice -Class Display"] = "Get-PnpDevice -Class Display",
    ["C:\\Windows\\System32>nvidia-smi"] = "nvidia-smi", ["~ # esxcli graphics device list"] = "esxcli graphics device list",
    ["$ lspci"] = "lspci", ["# dmesg"] = "dmesg",
  } do
    it("finds what was typed: " .. prompt, function()
      local plain = paste.clean("x\n" .. prompt .. "\ny\n")
      assert.same({ { line = 2, index = 2, text = command } }, plain.commands)
      assert.equal("prompt:2:1", codes(plain))
    end)
  end

  it("takes no comment of a file for a command", function()
    assert.same({}, paste.clean("# NVIDIA\n# file format: vendor-id\n#10de ffff\n").commands)
  end)
end)

describe("paste.join", function()
  it("puts the rest of a broken line behind it, and keeps the numbers", function()
    local lines, numbers, damage = paste.join({ "a 1", "2", "", "b", "3" }, nil,
      function(line) return line:find "^%a" ~= nil end, function() return false end)
    assert.same({ "a 1 2", "", "b 3" }, lines)
    assert.same({ 1, 3, 4 }, numbers)
    assert.same({ "wrapped", 2, 2 }, { damage.code, damage.line, damage.count })
  end)
end)
