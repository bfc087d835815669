local net = require "gpupt.net"
local wire = require "spec.codec.wire"
local codec = net.codec

local function refused(code, text, limits, pattern)
  local tape, message, word = codec.decode("RetrievePropertiesEx", text, limits)
  assert.is_nil(tape)
  assert.equal(code, word, message)
  if pattern then assert.matches(pattern, message) end
end

local function page(xml)
  return wire.page { { "Folder", "f", { { "p", xml } } } }
end

describe("a hostile answer", function()
  it("with a document type is refused at its start, whatever the type holds", function()
    local body = wire.answer("RetrievePropertiesEx"):gsub("^<%?xml.-%?>", "")
    for _, dtd in ipairs { "<!DOCTYPE x>", '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
      '<!DOCTYPE x [<!ENTITY a "b">]>', '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
      '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
        .. '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>' } do
      refused("EENTITY", '<?xml version="1.0"?>' .. dtd .. body)
      for size = 1, 7 do
        local text, chunks = '<?xml version="1.0"?>' .. dtd .. body, {}
        for i = 1, #text, size do chunks[#chunks + 1] = text:sub(i, i + size - 1) end
        refused("EENTITY", chunks)
      end
    end
  end)

  it("with an undeclared entity is refused", function()
    refused("EXML", page '<val xsi:type="xsd:string">&nbsp;</val>')
    refused("EXML", page '<val xsi:type="&lt;&x;">a</val>')
  end)

  it("nested too deeply is refused", function()
    local function nested(depth)
      return page('<val xsi:type="X">' .. ("<a>"):rep(depth) .. ("</a>"):rep(depth) .. "</val>")
    end
    refused("ELIMIT", nested(300), nil, "nested deeper than 200 elements")
    refused("ELIMIT", nested(20), { depth = 10 }, "nested deeper than 10 elements")
    assert.is_truthy(codec.decode("RetrievePropertiesEx", nested(190)))
  end)

  it("too large is refused, in bytes, values and single texts", function()
    local text = page('<val xsi:type="ArrayOfInt">' .. ("<int>1</int>"):rep(1000) .. "</val>")
    refused("ELIMIT", text, { bytes = 4096 }, "larger than 4096 bytes")
    refused("ELIMIT", text, { cells = 500 }, "more than 500 values")
    assert.is_truthy(codec.decode("RetrievePropertiesEx", text, { bytes = #text }))
    local long = page('<val xsi:type="xsd:string">' .. ("x"):rep(70000) .. "</val>")
    refused("ELIMIT", long, { text = 65536 }, "longer than 65536 bytes")
    assert.is_truthy(codec.decode("RetrievePropertiesEx", long, { text = 70000 }))
    local huge = page('<val xsi:type="xsd:string">' .. ("x"):rep(65 << 20) .. "</val>")
    refused("ELIMIT", huge, nil, "longer than 67108864 bytes")
  end)

  it("with too many attributes or namespaces is refused", function()
    local attributes, namespaces = {}, {}
    for i = 1, 100 do
      attributes[i] = ("a%d='x'"):format(i)
      namespaces[i] = ("xmlns:n%d='urn:%d'"):format(i, i)
    end
    refused("ELIMIT", page("<val " .. table.concat(attributes, " ") .. "/>"), nil, "more than 64 attributes")
    refused("ELIMIT", page("<val " .. table.concat(namespaces, " ") .. "/>"), nil, "more than 64 attributes")
    assert.is_truthy(codec.decode("RetrievePropertiesEx",
      page("<val " .. table.concat(attributes, " ") .. "/>"), { attributes = 200 }))
  end)

  it("with endless new names is refused", function()
    local names = {}
    for i = 1, 5000 do names[i] = ("<n%d/>"):format(i) end
    refused("ELIMIT", page('<val xsi:type="X">' .. table.concat(names) .. "</val>"), nil, "unknown element names")
  end)

  it("that is not well-formed names the line", function()
    refused("EXML", page "<val><a></b></val>", nil, "line %d+")
    refused("EXML", "this is no XML at all")
    refused("EXML", page('<val>\1</val>'))
    refused("EXML", page("<val>\xff\xfe</val>"))
    refused("EXML", wire.answer("RetrievePropertiesEx") .. "<more/>")
  end)

  it("that ends early is truncated, never a partial result", function()
    local whole = page '<val xsi:type="xsd:int">5</val>'
    refused("ETRUNCATED", "")
    refused("ETRUNCATED", whole:sub(1, -2))
    refused("ETRUNCATED", (whole:gsub("</soapenv:Envelope>", "")))
  end)

  it("with a second answer after the first one keeps the first", function()
    local twice = wire.envelope('<LogoutResponse xmlns="urn:vim25"/><LogoutResponse xmlns="urn:vim25"/>')
    assert.is_true(assert(codec.decode("Logout", twice)):value())
  end)

  it("keeps its first error", function()
    refused("EENTITY", { '<!DOCTYPE x>', "<<<" }, { bytes = 20 })
  end)
end)
