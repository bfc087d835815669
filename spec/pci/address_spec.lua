local pci = require "gpupt.pci"

describe("a PCI address", function()
  for text, want in pairs {
    ["0000:65:00.0"] = { 0, 0x65, 0, 0 }, ["65:00.0"] = { 0, 0x65, 0, 0 }, ["0000:8B:1f.7"] = { 0, 0x8b, 0x1f, 7 },
    ["10000:e1:00.0"] = { 0x10000, 0xe1, 0, 0 }, ["00000:101:00.0"] = { 0, 101, 0, 0 },
    ["00000:013:00.0"] = { 0, 13, 0, 0 }, ["PCI 0:4:0:0"] = { 0, 4, 0, 0 }, ["0:101:29:3"] = { 0, 101, 29, 3 },
    ["0:66:0.0"] = { 0, 0x66, 0, 0 }, ["130:00.0"] = { 0, 130, 0, 0 },
  } do
    it(("'%s'"):format(text), function()
      local a = assert(pci.address(text))
      assert.same(want, { a.domain, a.bus, a.slot, a.func })
    end)
  end

  describe("written decimal, as in a .vmx,", function()
    -- the forms met in real files
    for text, want in pairs {
      ["00000:013:00.0"] = "0000:0d:00.0", ["0:66:0.0"] = "0000:42:00.0", ["06:00.0"] = "0000:06:00.0",
      ["130:00.0"] = "0000:82:00.0", ["12:00.0"] = "0000:0c:00.0", ["6:0.0"] = "0000:06:00.0",
      ["97:0.0"] = "0000:61:00.0", ["00000:000:29.0"] = "0000:00:1d.0",
    } do
      it(("'%s' is %s"):format(text, want), function() assert.equal(want, tostring(assert(pci.address(text, "vmx")))) end)
    end
    it("is what :vmx() writes", function()
      assert.equal("00000:101:00.0", pci.address "0000:65:00.0":vmx())
      assert.equal("00000:013:00.0", pci.address "0000:0d:00.0":vmx())
      assert.equal("00000:000:29.0", pci.address "0000:00:1d.0":vmx())
    end)
    it("has no hexadecimal digits", function()
      assert.equal("EINVAL", select(3, pci.address("00000:0d:00.0", "vmx")))
    end)
  end)

  it("that is short is distinguished by its form only", function()
    assert.equal(0x10, pci.address("10:00.0").bus)
    assert.equal(0x10, pci.address("10:00.0", "hex").bus)
    assert.equal(10, pci.address("10:00.0", "vmx").bus)
  end)

  it("goes to text and back for every bus, slot and function", function()
    for bus = 0, 255 do
      local text = ("0000:%02x:%02x.%x"):format(bus, bus % 32, bus % 8)
      local a = assert(pci.address(text))
      assert.equal(text, tostring(a))
      assert.equal(text, tostring(assert(pci.address(a:vmx(), "vmx"))))
    end
    assert.equal("10000:e1:00.0", tostring(pci.address "10000:e1:00.0"))
  end)

  it("compares", function()
    assert.equal(pci.address "65:00.0", pci.address "00000:101:00.0")
    assert.is_true(pci.address "65:00.0" < pci.address "65:00.1")
    assert.is_true(pci.address "65:00.0" <= pci.address "65:00.0")
    assert.is_false(pci.address "10000:00:00.0" < pci.address "ffff:ff:1f.7")
    local a = pci.address "65:00.0"
    assert.equal(a, pci.address(a))
  end)

  for text, code in pairs {
    [""] = "EINVAL", ["x"] = "EINVAL", ["65:00"] = "EINVAL", ["65.00.0"] = "EINVAL", ["65:00.0 "] = "EINVAL",
    ["0000:65:00:00.0"] = "EINVAL", ["0000:65:20.0"] = "ERANGE", ["0000:65:00.8"] = "ERANGE", ["0000:100:00.0 x"] = "EINVAL",
    ["00000:300:00.0"] = "ERANGE", ["123456789:00:00.0"] = "ERANGE", ["1234567890:00:00.0"] = "EINVAL", ["-1:00.0"] = "EINVAL", ["PCI "] = "EINVAL",
    ["65:00.0\0"] = "EINVAL",
  } do
    it(("'%s' is refused (%s)"):format(text, code), function()
      local a, message, got = pci.address(text)
      assert.is_nil(a)
      assert.is_string(message)
      assert.equal(code, got)
    end)
  end

  it("of an unknown form raises", function()
    assert.has_error(function() pci.address("65:00.0", "octal") end)
    assert.has_error(function() pci.address {} end)
  end)
end)
