--- The .vmx document: what it keeps, what it reads, what an edit changes.
-- The grammar is that of open-vm-tools lib/dict/dictll.c and lib/misc/escape.c.
local gpupt = require "gpupt"
local vmx = gpupt.vmx

local function parse(text) return gpupt.check(vmx.parse(text)) end

describe("a vmx that is not edited", function()
  local texts = {
    ["comments, blank and odd lines"] = '# a comment\n\n   \nfirmware = "efi"\nthis line is odd\n\tmemsize=4096\t# why\n',
    ["CR LF"] = 'a = "1"\r\nb = "2"\r\n',
    ["CR alone"] = 'a = "1"\rb = "2"\r',
    ["a mixture of line ends"] = 'a = "1"\rb = "2"\r\n\nc = "3"\n\r\n\r\r\nd = "4"\n',
    ["no last newline"] = 'a = "1"\nb = "2"',
    ["a byte order mark"] = '\239\187\191a = "1"\n',
    ["a shebang"] = '#!/usr/bin/vmware\nconfig.version = "8"\n',
    ["invalid UTF-8"] = 'displayName = "caf\233"\n',
    ["an unbalanced quote"] = 'a = "1\nb = "2"\n',
    ["nothing at all"] = "",
    ["one newline"] = "\n",
    ["only a byte order mark"] = "\239\187\191",
  }
  for what, text in pairs(texts) do
    it("comes out byte for byte: " .. what, function()
      assert.are.equal(text, tostring(parse(text)))
    end)
  end

  it("comes out byte for byte whatever the bytes are (2,000 random texts)", function()
    math.randomseed(20240, 7)
    local alphabet = { "a", "b", "=", " ", "\t", '"', "#", "\n", "\r", "\r\n", "|", "2", "|22", "\239\187\191", "\200", ".", "0", "\127", "\1" }
    for _ = 1, 2000 do
      local parts = {}
      for i = 1, math.random(0, 60) do parts[i] = alphabet[math.random(#alphabet)] end
      local text = table.concat(parts)
      assert.are.equal(text, tostring(parse(text)))
    end
  end)
end)

describe("reading a value", function()
  local cases = {
    -- { line, key, value }; the grammar's cases (dictll.c)
    { 'firmware = "efi"', "firmware", "efi" },
    { 'firmware="efi"', "firmware", "efi" },
    { '\t firmware\t=\t"efi"\t', "firmware", "efi" },
    { 'firmware = efi', "firmware", "efi" },
    { 'firmware = efi # modern', "firmware", "efi" },
    { 'firmware = efi# modern', "firmware", "efi" },
    { 'firmware = "efi" # modern', "firmware", "efi" },
    { 'firmware = "efi"# modern', "firmware", "efi" },
    { "firmware =", "firmware", "" },
    { "firmware = # nothing", "firmware", "" },
    { 'firmware = ""', "firmware", "" },
    { 'annotation = "a # b = c \\ d"', "annotation", "a # b = c \\ d" },
    { "a = b=c", "a", "b=c" },
    { 'a = b"c', "a", 'b"c' },
    { "scsi0:0.present = TRUE", "scsi0:0.present", "TRUE" },
    { '"quoted" = x', '"quoted"', "x" },
    { 'tab = "a\tb"', "tab", "a\tb" },
  }
  for _, case in ipairs(cases) do
    it(("of the line %q"):format(case[1]), function()
      assert.are.equal(case[3], parse(case[1] .. "\n"):get(case[2]))
    end)
  end

  it("finds a key in any case (libvirt's case-insensitive-1.vmx)", function()
    local doc = parse 'FIRMWARE = "efi"\nPCIPASSTHRU0.PRESENT = "TRUE"\n'
    assert.are.equal("efi", doc:get "firmware")
    assert.are.equal("TRUE", doc:get "pciPassthru0.present")
  end)

  it("says that an absent key is absent", function()
    local value, message, code = parse('a = "1"\n'):get "firmware"
    assert.is_nil(value)
    assert.are.equal("firmware is not set", message)
    assert.are.equal("ENOENT", code)
  end)

  it("decodes |XX in quoted and bare values, in either case (escape.c)", function()
    local doc = parse 'a = "x|22y|7Cz|7cw"\nb = x|22y\nc = "|0A|09"\n'
    assert.are.equal('x"y|z|w', doc:get "a")
    assert.are.equal('x"y', doc:get "b")
    assert.are.equal("\n\t", doc:get "c")
  end)

  it("leaves a malformed escape as it stands; a | behind a | begins none (escape.c)", function()
    local doc = parse 'a = "||22"\nb = "|2"\nc = "|zz|41"\nd = "|"\ne = "|4|41"\nf = "||"\ng = "|||41"\n'
    assert.are.equal("||22", doc:get "a")
    assert.are.equal("|2", doc:get "b")
    assert.are.equal("|zzA", doc:get "c")
    assert.are.equal("|", doc:get "d")
    assert.are.equal("|4|41", doc:get "e")
    assert.are.equal("||", doc:get "f")
    assert.are.equal("||A", doc:get "g")
  end)

  it("skips a byte order mark before the first key, and only there", function()
    local doc = parse '\239\187\191a = "1"\n\239\187\191b = "2"\n'
    assert.are.equal("1", doc:get "a")
    assert.is_nil((doc:get "b"))
    assert.are.equal("2", doc:get "\239\187\191b")
  end)

  local odd = {
    'a "1"', "a", '= "1"', ' = 1', 'a = "1', 'a = "1" x', "a = 1 2", 'a b = "1"', 'a = "1" "2"', 'a#b = "1"',
  }
  for _, line in ipairs(odd) do
    it(("keeps the odd line %q as text without a key"):format(line), function()
      local doc = parse(line .. '\nreal = "1"\n')
      local keys = {}
      for key in doc:each() do keys[#keys + 1] = key end
      assert.are.same({ "real" }, keys)
    end)
  end
end)

describe("a vmx with a duplicate key", function()
  local text = 'a = "1"\nfirmware = "bios"\nb = "2"\nFirmware = "efi"\n'

  it("reads the last one and says on which lines", function()
    local doc = parse(text)
    assert.are.equal("efi", doc:get "firmware")
    local problems = doc:problems()
    assert.are.equal(1, #problems)
    assert.are.equal("duplicate-key", problems[1].code)
    assert.are.equal(4, problems[1].line)
    assert.are.equal(2, problems[1].first)
    assert.truthy(problems[1].message:find("Firmware is on line 2 already", 1, true))
  end)

  it("has one left after set, also when the value is the same", function()
    local doc = parse(text)
    doc:set("FIRMWARE", "efi")
    assert.are.equal('a = "1"\nb = "2"\nFirmware = "efi"\n', tostring(doc))
    assert.are.same({}, doc:problems())
  end)

  it("has none left after unset", function()
    local doc = parse(text)
    assert.are.equal(2, doc:unset "firmware")
    assert.are.equal('a = "1"\nb = "2"\n', tostring(doc))
  end)
end)

describe("setting a key", function()
  local function edited(text, key, value)
    local doc = parse(text)
    assert.is_true(gpupt.check(doc:set(key, value)))
    return tostring(doc)
  end

  it("changes the value and keeps the name's spelling, the spacing and the comment", function()
    assert.are.equal('x = "1"\r\n  FirmWare  =\t"efi"  # why\r\ny = 2\r\n',
      edited('x = "1"\r\n  FirmWare  =\t"bios"  # why\r\ny = 2\r\n', "firmware", "efi"))
  end)

  it("quotes a value that was bare or absent", function()
    assert.are.equal('a = "2" # c\n', edited("a = 1 # c\n", "a", "2"))
    assert.are.equal('a = "2"\n', edited("a =\n", "a", "2"))
    assert.are.equal('a="2"', edited("a=", "a", "2"))
    assert.are.equal('a = "2" # c\n', edited("a = # c\n", "a", "2"))
    assert.are.equal('a = "2" #c\n', edited('a = "1"#c\n', "a", "2"))
  end)

  it("changes nothing when the value is the same already", function()
    for _, text in ipairs { "a = 1 # c\n", 'a="1"', 'a = "|31"\n' } do
      local doc = parse(text)
      doc:set("A", "1")
      assert.are.equal(text, tostring(doc))
      assert.is_false(doc:changed())
    end
  end)

  it("escapes what a value cannot contain, and reads it back", function()
    local all = {}
    for byte = 0, 255 do all[#all + 1] = string.char(byte) end
    local value = table.concat(all)
    local doc = parse ""
    doc:set("annotation", value)
    assert.truthy(tostring(doc):find('"|00|01|02|03|04|05|06|07|08\t|0A|0B', 1, true))
    assert.truthy(tostring(doc):find("|7D~|7F\128", 1, true) == nil)
    assert.truthy(tostring(doc):find("{|7C}~|7F\128", 1, true))
    assert.truthy(tostring(doc):find("!|22#", 1, true))
    assert.are.equal(value, doc:get "annotation")
    assert.are.equal(value, parse(tostring(doc)):get "annotation")
  end)

  it("spells true, false and numbers as hosts do", function()
    assert.are.equal('a = "TRUE"\n', edited('a = "1"\n', "a", true))
    assert.are.equal('a = "FALSE"\n', edited('a = "1"\n', "a", false))
    assert.are.equal('memsize = "4096"\n', edited("", "memsize", 4096.0))
    assert.has_error(function() parse(""):set("a", 1.5) end)
    assert.has_error(function() parse(""):set("a", {}) end)
  end)

  it("writes hypervisor.cpuid.v0=false, as guides give it, in the form of a .vmx", function()
    assert.equal("false", parse("hypervisor.cpuid.v0=false\n"):get "hypervisor.cpuid.v0")
    assert.equal('hypervisor.cpuid.v0 = "FALSE"\n', edited("", "hypervisor.cpuid.v0", false))
  end)

  it("puts a new key beside its namespace", function()
    local text = '.encoding = "UTF-8"\nmemsize = "4096"\nscsi0.present = "TRUE"\nscsi0:0.present = "TRUE"\n'
      .. 'pciPassthru0.present = "TRUE"\npciPassthru0.id = "x"\npciPassthru1.present = "TRUE"\nethernet0.present = "TRUE"\n'
    local function line_before(key)
      local doc = parse(text)
      doc:set(key, "new")
      return doc:line(doc:where(key) - 1)
    end
    assert.are.equal('pciPassthru0.id = "x"', line_before "pcipassthru0.systemId")
    assert.are.equal('pciPassthru1.present = "TRUE"', line_before "pciPassthru.use64bitMMIO")
    assert.are.equal('pciPassthru1.present = "TRUE"', line_before "pciPassthru2.present")
    assert.are.equal('scsi0:0.present = "TRUE"', line_before "scsi0:0.fileName")
    assert.are.equal('scsi0:0.present = "TRUE"', line_before "scsi0:1.fileName")
    assert.are.equal('scsi0.present = "TRUE"', line_before "scsi0.virtualDev")
    assert.are.equal('memsize = "4096"', line_before "firmware")
    assert.are.equal('.encoding = "UTF-8"', line_before ".other")
    assert.are.equal('ethernet0.present = "TRUE"', line_before "hypervisor.cpuid.v0")
  end)

  it("puts a first dot-key at the top, behind a shebang and a byte order mark", function()
    assert.are.equal('\239\187\191#!/usr/bin/vmware\n.x = "1"\na = "1"\n', edited('\239\187\191#!/usr/bin/vmware\na = "1"\n', ".x", "1"))
    assert.are.equal('.x = "1"\r\na = "1"\r\n', edited('a = "1"\r\n', ".x", "1"))
  end)

  it("gives a new line the end of its neighbour and keeps a missing last newline missing", function()
    assert.are.equal('a = "1"\r\nb = "2"\r\n', edited('a = "1"\r\n', "b", "2"))
    assert.are.equal('a = "1"\rb = "2"\r', edited('a = "1"\r', "b", "2"))
    assert.are.equal('x.a = "1"\r\na = "1"\r\nb = "2"', edited('x.a = "1"\r\na = "1"', "b", "2"))
    assert.are.equal('a = "1"\nb = "2"', edited('a = "1"', "b", "2"))
    assert.are.equal('b = "2"\n', edited("", "b", "2"))
  end)

  it("refuses a key that cannot be written", function()
    for _, key in ipairs { "", "a b", "a\tb", "a#b", "a=b", "a\nb", "a\rb", "a\0b", "\239\187\191a" } do
      local ok, message, code = parse('a = "1"\n'):set(key, "1")
      assert.is_nil(ok)
      assert.are.equal("EINVAL", code)
      assert.truthy(message:find "key")
    end
  end)

  it("stays small when a key is set for ever", function()
    local doc = parse 'a = "1"\nb = "2"\n'
    collectgarbage()
    for i = 1, 200000 do doc:set("a", i) end
    assert.are.equal('a = "200000"\nb = "2"\n', tostring(doc))
  end)
end)

describe("unsetting a key", function()
  it("removes its line and gives the number of lines removed", function()
    local doc = parse '# c\na = "1"\nb = "2"\n'
    assert.are.equal(1, doc:unset "A")
    assert.are.equal('# c\nb = "2"\n', tostring(doc))
    assert.are.equal(0, doc:unset "a")
  end)

  it("does not let a CR before it and an LF behind it become one line end", function()
    local doc = parse 'a = "1"\rb = "2"\n\nc = "3"\n'
    doc:unset "b"
    assert.are.equal('a = "1"\r\n\nc = "3"\n', tostring(doc))
    assert.are.equal(3, parse(tostring(doc)):count())
  end)
end)

describe("a vmx with a hundred thousand lines of one key", function()
  it("is cleared at once", function()
    local text = ('a = "1"\rb = "2"\n'):rep(50000)
    local doc = parse(text)
    local before = os.clock()
    assert.is_true(doc:set("a", "3"))
    assert.equal(50000, doc:unset "b")
    assert.truthy(os.clock() - before < 2, "it took seconds of processor time")
    assert.equal('a = "3"\r', tostring(doc))
  end)
end)

describe("going through a vmx", function()
  local text = 'pciPassthru0.present = "TRUE"\n# x\nPCIPASSTHRU0.id = "1"\npciPassthru.use64bitMMIO = "TRUE"\nmemsize = "4"\nmemsize = "8"\n'

  it("gives key, value and line for a shell pattern without case", function()
    local seen = {}
    for key, value, line in parse(text):each "pcipassthru?.*" do seen[#seen + 1] = { key, value, line } end
    assert.are.same({ { "pciPassthru0.present", "TRUE", 1 }, { "PCIPASSTHRU0.id", "1", 3 } }, seen)
  end)

  it("gives a duplicated key once for each of its lines", function()
    local lines = {}
    for _, _, line in parse(text):each "memsize" do lines[#lines + 1] = line end
    assert.are.same({ 5, 6 }, lines)
  end)

  it("may be edited meanwhile", function()
    local doc = parse(text)
    for key in doc:each "pciPassthru*" do doc:unset(key) end
    assert.are.equal('# x\nmemsize = "4"\nmemsize = "8"\n', tostring(doc))
  end)

  it("takes other magic characters of Lua patterns literally", function()
    local doc = parse 'a-b = "1"\na.b = "2"\na+b% = "3"\n'
    local keys = {}
    for key in doc:each "a-b" do keys[#keys + 1] = key end
    for key in doc:each "a+b%" do keys[#keys + 1] = key end
    assert.are.same({ "a-b", "a+b%" }, keys)
  end)
end)

describe("a vmx that is wrong", function()
  local cases = {
    { 'a = "1\n', "unbalanced-quote" }, { 'a = "1" 2\n', "trailing-text" }, { "a = 1 2\n", "trailing-text" },
    { '= "1"\n', "no-name" }, { "hello\n", "odd-line" }, { 'a = "||22"\n', "bad-escape" },
    { 'a = "caf\233"\n', "not-utf8" }, { 'a = "1"\nA = "2"\n', "duplicate-key" },
  }
  for _, case in ipairs(cases) do
    it(("is reported with its line: %s"):format(case[2]), function()
      local problems = parse("# first\n" .. case[1]):problems()
      assert.are.equal(1, #problems)
      assert.are.equal(case[2], problems[1].code)
      assert.are.equal(case[2] == "duplicate-key" and 3 or 2, problems[1].line)
      assert.truthy(#problems[1].message > 10)
    end)
  end

  it("has no problem when it is right", function()
    assert.are.same({}, parse('#!/x\n\n.encoding = "UTF-8"\na = "caf\195\169|22"\nb = bare # c\nc =\n'):problems())
  end)

  it("is refused when it is binary, naming the line", function()
    local doc, message, code = vmx.parse("a = 1\nb = \0\n")
    assert.is_nil(doc)
    assert.are.equal("EPARSE", code)
    assert.truthy(message:find("line 2", 1, true))
  end)

  it("is refused when it is UTF-16", function()
    local doc, message, code = vmx.parse "\255\254a\0=\0001\0"
    assert.is_nil(doc)
    assert.are.equal("EENCODING", code)
    assert.truthy(message:find("UTF-16", 1, true))
  end)

  it("is refused above the size limit", function()
    local doc, _, code = vmx.parse(("x"):rep(2000), { max_bytes = 1000 })
    assert.is_nil(doc)
    assert.are.equal("EFBIG", code)
    doc, _, code = vmx.parse(("x"):rep((16 << 20) + 1))
    assert.is_nil(doc)
    assert.are.equal("EFBIG", code)
  end)

  it("is refused with more lines than any .vmx has", function()
    local doc, message, code = vmx.parse(("\n"):rep((1 << 20) + 1))
    assert.is_nil(doc)
    assert.are.equal("EFBIG", code)
    assert.truthy(message:find("lines", 1, true))
  end)
end)

describe("a closed document", function()
  it("raises instead of crashing", function()
    local doc = parse 'a = "1"\n'
    doc:close()
    assert.has_error(function() doc:get "a" end)
    assert.has_error(function() return tostring(doc) end)
    doc:close()
  end)
end)

describe("misuse", function()
  it("raises and names the nearest known option", function()
    local ok, message = pcall(vmx.parse, "", { max_byte = 1 })
    assert.is_false(ok)
    assert.truthy(message:find("did you mean 'max_bytes'?", 1, true))
    assert.has_error(function() vmx.parse(nil) end)
    assert.has_error(function() vmx.open {} end)
  end)
end)
