-- A .vmx that went through a page, a mail or a terminal gave eight findings on its values ("“64”" is no power of two) or
-- none. Its form is one finding, repaired by --fix, and its values are judged as they were meant.
local command = require "spec.support.command"
local gpupt = require "gpupt"

local PLAIN = [[
.encoding = "UTF-8"
config.version = "8"
virtualHW.version = "19"
displayName = "train-01"
firmware = "efi"
memsize = "16384"
sched.mem.min = "16384"
sched.mem.pin = "TRUE"
pciBridge4.present = "TRUE"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "00000:066:00.0"
pciPassthru0.deviceId = "0x20b5"
pciPassthru0.vendorId = "0x10de"
pciPassthru0.systemId = "5f1c2b3a-0001-0002-0003-aabbccddeeff"
pciPassthru.use64bitMMIO = "TRUE"
pciPassthru.64bitMMIOSizeGB = "256"
]]

local function examine(text)
  local doc = gpupt.check(gpupt.vmx.parse(text))
  return gpupt.check(gpupt.doctor.examine { vmx = doc }), doc
end

local function codes(result)
  local list = {}
  for i, finding in ipairs(result.findings) do list[i] = finding.code end
  return list
end

local function each_line(change)
  return (PLAIN:gsub("[^\n]+", change))
end

-- what happened to the text, and what the finding names
local whole = {
  { "typographic quotes", (PLAIN:gsub('"([^"\n]*)"', "\u{201c}%1\u{201d}")), "typographic quotes on 16 lines" },
  { "German quotes", (PLAIN:gsub('"([^"\n]*)"', "\u{201e}%1\u{201c}")), "typographic quotes" },
  { "French quotes", (PLAIN:gsub('"([^"\n]*)"', "\u{ab}%1\u{bb}")), "typographic quotes" },
  { "primes", (PLAIN:gsub('"([^"\n]*)"', "\u{2033}%1\u{2033}")), "typographic quotes" },
  { "closing quotes only", (PLAIN:gsub('"([^"\n]*)"', "\u{201d}%1\u{201d}")), "typographic quotes" },
  { "quotes of windows-1252", (PLAIN:gsub('"([^"\n]*)"', "\x93%1\x94")), "typographic quotes" },
  { "one plain and one typographic quote", (PLAIN:gsub('"([^"\n]*)"', '"%1\u{201d}')), "typographic quotes" },
  { "&quot;", (PLAIN:gsub('"', "&quot;")), "HTML entities" },
  { "&#34;", (PLAIN:gsub('"', "&#34;")), "HTML entities" },
  { "escaped quotes", (PLAIN:gsub('"', '\\"')), "escaped quotes" },
  { "apostrophes", (PLAIN:gsub('displayName[^\n]*\n', ""):gsub('"', "'")), "apostrophes" },
  { "doubled quotes", (PLAIN:gsub('"', '""')), "doubled" },
  { "non-breaking blanks", (PLAIN:gsub(" = ", "\u{a0}=\u{a0}")), "non%-breaking" },
  { "narrow blanks", (PLAIN:gsub(" = ", " =\u{202f}")), "blanks" },
  { "invisible characters", each_line "\u{200b}%0", "invisible blanks" },
  { "mail quoting", each_line "> %0", "quote marks of a mail on 16 lines" },
  { "mail quoted twice", each_line ">> %0", "quote marks of a mail" },
  { "a bullet list", each_line "- %0", "bullet" },
  { "line numbers of cat -n", (function()
    local number = 0
    return each_line(function(line)
      number = number + 1
      return ("%6d\t%s"):format(number, line)
    end)
  end)(), "line number" },
  { "grep's file names", each_line "vm.vmx:%0", "prefix" },
  { "a log's DICT lines", each_line "2026-02-07T09:29:18.734Z In(05) vmx - DICT   %0", "log's prefix" },
  { "a prompt before and after", "[root@esx:~] cat /vmfs/volumes/ds/a/a.vmx\n" .. PLAIN .. "[root@esx:~] \n", "prompt" },
  { "a fence around it", "```\n" .. PLAIN .. "```\n", "prompt" },
  { "text behind the values", each_line "%0 (was: nothing)", "text behind the value" },
  { "semicolons", each_line "%0;", "text behind the value" },
  { "comments with //", each_line "%0 // as it should be", "text behind the value" },
  { "all settings on one line", (PLAIN:gsub("\n", " ")) .. "\n", "several settings on one line" },
  { "quoted names", (PLAIN:gsub("([%w.]+) =", '"%1" =')), "name between quotes" },
  { "two kinds at once", (PLAIN:gsub('"([^"\n]*)"', "\u{201c}%1\u{201d}"):gsub("([^\n]+)", "> %1")), "quote marks of a mail" },
  { "the signs of an input method", (PLAIN:gsub(" = ", "\u{ff1d}"):gsub('"([^"\n]*)"', "\u{201c}%1\u{201d}"):gsub("\u{ff1d}", " \u{ff1d} ")),
    "another keyboard" },
  { "dashes that a word processor made", (PLAIN:gsub("5f1c2b3a%-0001%-0002%-", "5f1c2b3a\u{2013}0001\u{2011}0002\u{2014}")),
    "another keyboard" },
  { "the columns of the client's table", PLAIN:match "^(.-)pciBridge4" .. (PLAIN:match "pciBridge4.*":gsub(' = "([^"]*)"', "\t%1")),
    "columns or a colon" },
  { "YAML", PLAIN:match "^(.-)pciBridge4" .. (PLAIN:match "pciBridge4.*":gsub("([^\n]+) = ([^\n]+)", "  %1: %2")), "columns or a colon" },
  { "JSON", PLAIN:match "^(.-)pciBridge4" .. (PLAIN:match "pciBridge4.*":gsub('([^\n]+) = ([^\n]+)', '  "%1": %2,')), "columns or a colon" },
  { "a forum's code mark", "[code]\n" .. PLAIN .. "[/code]\n", "prompt or another line" },
  { "marks of a page around each line", each_line "<li>`%0`</li>", "mark of a page" },
  { "CRLF and typographic quotes", (PLAIN:gsub('"([^"\n]*)"', "\u{201c}%1\u{201d}"):gsub("\n", "\r\n")), "typographic" },
}

describe("a .vmx with", function()
  for _, case in ipairs(whole) do
    it(case[1] .. " has one finding that names it, and is repaired to what it was", function()
      local result, doc = examine(case[2])
      assert.same({ "pasted-text" }, codes(result))
      local finding = result.findings[1]
      assert.matches(case[3], finding.cause)
      assert.is_true(finding.fixable)
      assert.truthy(#finding.evidence >= 1 and #finding.evidence <= 6)
      gpupt.doctor.fix(result.findings, doc)
      local repaired = tostring(doc):gsub("\r\n", "\n"):gsub(" # [^\n]*", "")
      for key, value in gpupt.vmx.parse(PLAIN):each() do
        if not (key == "displayName" and case[1] == "apostrophes") then assert.equal(value, (doc:get(key)), key) end
      end
      if case[1] ~= "apostrophes" then assert.equal(PLAIN, repaired) end
      assert.same({}, codes(examine(tostring(doc))))
    end)
  end

  it("a wrapped value is joined: at a hyphen without, else with a blank", function()
    local text = PLAIN:gsub("0003%-aabb", "0003-\naabb"):gsub('"train%-01"', '"train\n01"')
      :gsub("(use64bitMMIO =) ", "%1\n"):gsub("(64bitMMIOSizeGB) = ", "%1\n= ")
    local result, doc = examine(text)
    assert.same({ "pasted-text" }, codes(result))
    gpupt.doctor.fix(result.findings, doc)
    assert.equal((PLAIN:gsub("train%-01", "train 01")), tostring(doc))
  end)

  it("odd quotes is judged as it was meant: a window that is too small is found as well", function()
    local result, doc = examine((PLAIN:gsub('"256"', '"64"'):gsub('"([^"\n]*)"', "\u{201c}%1\u{201d}")))
    assert.same({ "pasted-text", "mmio-window" }, codes(result))
    local window = result.findings[2]
    assert.equal("pciPassthru.64bitMMIOSizeGB = \u{201c}64\u{201d}", window.evidence[3].text)
    gpupt.doctor.fix(result.findings, doc)
    assert.equal(PLAIN, tostring(doc))
  end)

  it("typographic quotes around .encoding is read, not refused", function()
    assert.truthy(gpupt.vmx.parse ".encoding = \u{201c}UTF-8\u{201d}\ndisplayName = \"\u{e9}\"\n")
    assert.equal("EENCODING", (select(3, gpupt.vmx.parse ".encoding = \u{201c}Big5\u{201d}\n")))
  end)
end)

describe("a healthy .vmx is left alone:", function()
  for _, line in ipairs { 'annotation = "he said \u{201c}hi\u{201d}"', 'guestinfo.title = "\u{201c}best\u{201d}"', "machine.id = it's",
    'guestinfo.x = "&quot;a&quot;"', 'annotation = "a;b // c = d"', "# > a = \"b\"", "x = \"a\" # \u{201c}quoted\u{201d}",
    'scsi0:0.fileName = "a\u{a0}b.vmdk"', 'nvram = "a\u{2013}b\u{a0}c.nvram"', 'migrate.hostLog = "\u{201c}x\u{201d}.hlog"',
    'extendedConfigFile = "a\u{2014}b.vmxf"', "memsize2 = 16384", "# see: docs.x  y", "a = \"\"", "a = ", "b = x#y" } do
    it(line, function()
      local text = PLAIN .. line .. "\n"
      assert.same({}, codes(examine(text)))
    end)
  end
end)

describe("gpupt vmx", function()
  local c
  before_each(function() c = command.folder() end)
  after_each(function() c.remove() end)
  local CURLY = (PLAIN:gsub('"([^"\n]*)"', "\u{201c}%1\u{201d}"))

  it("check names the form once, and fix repairs it and keeps the file's mode", function()
    c.write("a.vmx", CURLY)
    local status, out = c.gpupt "vmx check a.vmx"
    assert.equal(1, status)
    assert.equal(1, select(2, out:gsub("pasted%-text", "")))
    assert.matches("problems: 1 error, 0 warnings, 1 fixable", out)
    status, out = c.gpupt "vmx fix a.vmx"
    assert.equal(0, status)
    assert.matches("fixed: pasted%-text\nhealthy", out)
    assert.equal(PLAIN, c.read "a.vmx")
  end)

  it("get says once on stderr that the form is odd", function()
    c.write("a.vmx", CURLY)
    local _, _, err = c.gpupt "vmx get a.vmx firmware"
    assert.equal(1, select(2, err:gsub("\n", "")))
    assert.matches("a.vmx: typographic quotes on 16 lines", err, 1, true)
    assert.matches("gpupt vmx fix", err, 1, true)
  end)

  it("set refuses typographic quotes and other odd quotes, blanks and names", function()
    c.write("a.vmx", PLAIN)
    for _, word in ipairs { "pciPassthru.64bitMMIOSizeGB=\u{201c}64\u{201d}", "firmware=\u{201d}efi", "firmware=efi\u{201d}",
      "memsize=&quot;64&quot;", "firmware=\u{a0}efi", "\u{201c}firmware\u{201d}=efi", "firmware\u{a0}=efi",
      "firmware=\"efi\"" } do
      local status, out, err = c.gpupt("vmx set a.vmx '" .. word .. "'")
      assert.same({ 1, "" }, { status, out }, word)
      assert.matches("typographic quotes", err)
      assert.equal(PLAIN, c.read "a.vmx")
    end
    assert.equal(0, (c.gpupt("vmx set a.vmx 'annotation=\u{201c}hi\u{201d}'")))
  end)

  it("reads standard input where it only reads, and refuses where it would write", function()
    c.write("a.vmx", PLAIN)
    assert.equal("efi\n", select(2, c.gpupt "vmx get - firmware < a.vmx"))
    assert.equal(0, (c.gpupt "vmx check - < a.vmx"))
    assert.equal(1, (c.gpupt "vmx diff - b.vmx < a.vmx")) -- b.vmx is not there
    c.write("b.vmx", (PLAIN:gsub('"efi"', '"bios"')))
    local status, out = c.gpupt "vmx diff - b.vmx < a.vmx"
    assert.equal(0, status)
    assert.matches('+firmware = "bios"', out, 1, true)
    local _, _, err = c.gpupt "vmx set - firmware=efi < a.vmx"
    assert.matches("standard input cannot be saved", err)
    c.write("c.vmx", CURLY)
    status, out = c.gpupt "vmx fix - --dry-run < c.vmx"
    assert.equal(0, status)
    assert.matches('+firmware = "efi"', out, 1, true)
  end)
end)

describe("gpupt doctor", function()
  it("reads the .vmx, a log or the list from standard input, one of them", function()
    local c <close> = setmetatable(command.folder(), { __close = function(self) self.remove() end })
    c.write("a.vmx", (PLAIN:gsub('"256"', '"128"')))
    local status, out = c.gpupt "doctor --vmx - < a.vmx"
    assert.equal(1, status)
    assert.matches("standard input:16: pciPassthru.64bitMMIOSizeGB", out, 1, true)
    c.write("x.log", "PCIPassthru: total number of pages needed (33566722) exceeds limit (917504), failing\n")
    out = select(2, c.gpupt "doctor --vmx a.vmx --log - < x.log")
    assert.matches("standard input:1: PCIPassthru: total", out, 1, true)
    c.write("l.txt", "0000:00:00.0 Host bridge [0600]: x [8086:2020]\n0000:42:00.0 3D controller [0302]: y [10de:20b5]\n")
    out = select(2, c.gpupt "doctor --vmx a.vmx --pci - < l.txt")
    assert.matches("standard input: 2 devices", out, 1, true)
    local usage, _, err = c.gpupt "doctor --vmx - --log - < a.vmx"
    assert.equal(2, usage)
    assert.matches("standard input can be read once", err)
  end)
end)
