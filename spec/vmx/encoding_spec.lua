--- `.encoding`: a .vmx of Workstation on Windows names the code page of its text.
local gpupt = require "gpupt"
local vmx = gpupt.vmx

local function parse(text) return gpupt.check(vmx.parse(text)) end

describe("a vmx whose .encoding is windows-1252", function()
  local text = '.encoding = "windows-1252"\r\ndisplayName = "Caf\233 \128|E9"\r\n\252ber = "1"\r\n'

  it("is read as UTF-8 and still written byte for byte", function()
    local doc = parse(text)
    assert.equal("Café €é", doc:get "displayName")
    assert.equal(text, tostring(doc))
    assert.same({}, doc:problems())
  end)

  it("finds a key beyond ASCII by its UTF-8 name", function()
    local doc = parse(text)
    assert.equal("1", doc:get "über")
    assert.equal(3, doc:where "über")
    local keys = {}
    for key in doc:each() do keys[#keys + 1] = key end
    assert.same({ ".encoding", "displayName", "über" }, keys)
    assert.equal(1, doc:unset "über")
    assert.equal(0, doc:unset "中")
    assert.is_nil((doc:get "中"))
  end)

  it("takes text back in its own code page", function()
    local doc = parse(text)
    doc:set("annotation", "naïve – Œuvre ™")
    assert.truthy(tostring(doc):find('annotation = "na\239ve \150 \140uvre \153"', 1, true))
    assert.equal("naïve – Œuvre ™", doc:get "annotation")
  end)

  it("refuses what the code page does not have, and text that is not UTF-8", function()
    for _, value in ipairs { "a中", "a\233" } do
      local doc = parse(text)
      local ok, message, code = doc:set("annotation", value)
      assert.is_nil(ok)
      assert.equal("EENCODING", code)
      assert.truthy(message:find("byte 2 has no place in windows-1252", 1, true), message)
      assert.equal(text, tostring(doc))
    end
  end)

  it("survives every byte both ways", function()
    local bytes = {}
    for byte = 128, 255 do bytes[#bytes + 1] = string.char(byte) end
    local all = table.concat(bytes)
    local doc = parse('.encoding = "windows-1252"\na = "' .. all .. '"\n')
    doc:set("b", doc:get "a")
    assert.truthy(tostring(doc):find('b = "' .. all .. '"', 1, true))
  end)

  it("cannot be renamed while it holds such text", function()
    local doc = parse(text)
    local ok, message, code = doc:set(".encoding", "UTF-8")
    assert.is_nil(ok)
    assert.equal("EENCODING", code)
    assert.truthy(message:find("convert", 1, true))
    assert.equal("EENCODING", (select(3, doc:unset ".encoding")))
  end)
end)

describe("a vmx whose .encoding is neither UTF-8 nor windows-1252", function()
  it("is refused, naming line and encoding, when it holds text beyond ASCII", function()
    local doc, message, code = vmx.parse('a = "1"\n.encoding = "GBK"\nb = "\196\227"\n')
    assert.is_nil(doc)
    assert.equal("EENCODING", code)
    assert.truthy(message:find('line 2: .encoding is "GBK"', 1, true), message)
  end)

  it("is read and edited while all of it is ASCII, and takes nothing else", function()
    local doc = parse '.encoding = "Shift_JIS"\na = "1"\n'
    assert.is_true(doc:set("a", "2"))
    local ok, _, code = doc:set("a", "é")
    assert.is_nil(ok)
    assert.equal("EENCODING", code)
    assert.equal('.encoding = "Shift_JIS"\na = "2"\n', tostring(doc))
  end)

  it("may be made UTF-8 while all of it is ASCII", function()
    local doc = parse '.encoding = "GBK"\na = "1"\n'
    assert.is_true(doc:set(".encoding", "UTF-8"))
    assert.is_true(doc:set("a", "é"))
    assert.equal('.encoding = "UTF-8"\na = "é"\n', tostring(doc))
  end)

  it("is refused when it claims what a line of bytes cannot be", function()
    assert.equal("EENCODING", (select(3, vmx.parse '.encoding = "UTF-16"\n')))
    assert.equal("EENCODING", (select(3, parse('a = "1"\n'):set(".encoding", "UTF-16LE"))))
  end)
end)

describe("a UTF-8 vmx", function()
  it("may say so in any spelling", function()
    for _, name in ipairs { "UTF-8", "utf-8", "utf8", "UTF_8" } do
      assert.equal("é", parse(('.encoding = "%s"\na = "é"\n'):format(name)):get "a")
    end
  end)

  it("gives bytes that are no UTF-8 as they are, and tells the line", function()
    local doc = parse 'a = "caf\233"\n'
    assert.equal("caf\233", doc:get "a")
    assert.equal("not-utf8", doc:problems()[1].code)
  end)
end)
