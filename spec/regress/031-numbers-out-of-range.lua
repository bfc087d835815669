--- Numbers beyond their type were taken over as they stood (an int of 2^40), wrapped (a long of 2^63 became negative) or
-- became infinite. A server that sends one does not speak the protocol: EPROTOCOL.
local net = require "gpupt.net"
local wire = require "spec.codec.wire"

local function property(kind, text)
  local tape, message, code = net.codec.decode("RetrievePropertiesEx", wire.page { { "Folder", "f",
    { { "p", ('<val xsi:type="xsd:%s">%s</val>'):format(kind, text) } } } })
  if not tape then return nil, message, code end
  return tape:value().objects[1].propSet[1].val
end

describe("a number in an answer", function()
  for kind, cases in pairs {
    byte = { "256", "-129", "1000" }, short = { "65536", "-32769" },
    int = { "2147483648", "-2147483649", "4294967295", "1099511627776" },
    long = { "9223372036854775808", "-9223372036854775809", "18446744073709551615", "123456789012345678901" },
    float = { "1e39", "-1e39", "1e300" }, double = { "1e309", "-1e309", "1e999999" },
  } do
    it("is refused beyond the range of " .. kind, function()
      for _, text in ipairs(cases) do
        local value, message, code = property(kind, text)
        assert.is_nil(value, text)
        assert.are.equal("EPROTOCOL", code)
        assert.matches(("'%s' is out of the range of %s"):format(text, kind), message, 1, true)
      end
    end)
  end

  it("is read up to the end of its range", function()
    for _, case in ipairs { { "byte", "-128", -128 }, { "byte", "255", -1 }, { "short", "-32768", -32768 },
      { "short", "65535", -1 }, { "int", "2147483647", 2147483647 }, { "int", "-2147483648", -2147483648 },
      { "long", "9223372036854775807", math.maxinteger }, { "long", "-9223372036854775808", math.mininteger },
      { "long", "+00000000000000000000000000005", 5 }, { "double", "1e308", 1e308 }, { "float", "-3e38", -3e38 },
      { "double", "INF", math.huge }, { "float", "-INF", -math.huge }, { "double", "1e-400", 0.0 } } do
      assert.are.equal(case[3], (property(case[1], case[2])))
    end
  end)

  it("is not infinite by a letter before INF", function()
    local value, _, code = property("double", "xINF")
    assert.is_nil(value)
    assert.are.equal("EPROTOCOL", code)
  end)

  it("is checked against its field, whatever its own type", function()
    local function cpus(attributes, text)
      return net.codec.decode("RetrievePropertiesEx", wire.page { { "Folder", "f", { { "p",
        ('<val xsi:type="VirtualHardware"><numCPU%s>%s</numCPU><memoryMB>1</memoryMB></val>'):format(attributes, text) } } } })
    end
    assert.are.equal(4, cpus(' xsi:type="xsd:long"', "4"):value().objects[1].propSet[1].val.numCPU)
    assert.are.equal("EPROTOCOL", select(3, cpus(' xsi:type="xsd:long"', "1099511627776")))
    assert.are.equal("EPROTOCOL", select(3, cpus("", "1099511627776")))
    assert.are.equal("EPROTOCOL", select(3, cpus(' xsi:type="xsd:double"', "4.5")))
  end)
end)
