--- Typed values and namespaces of a .vmx.
local gpupt = require "gpupt"

local function parse(text) return gpupt.check(gpupt.vmx.parse(text)) end

describe("a typed value", function()
  local doc = parse('a = "TRUE"\nb = "false"\nc = "yes"\nn = "4096"\nneg = "-1"\nhex = "0x10de"\nfloat = "1.5"\n'
    .. 'big = "99999999999999999999"\nbighex = "0x1ffffffffffffffff"\nsched.mem.max = "unlimited"\nempty = ""\n')

  it("is a boolean in any case, and nothing else", function()
    assert.is_true(doc:boolean "a")
    assert.is_false(doc:boolean "B")
    local value, message, code = doc:boolean "c"
    assert.is_nil(value)
    assert.equal('line 3: c is "yes", which is not TRUE or FALSE', message)
    assert.equal("EINVAL", code)
    assert.equal("ENOENT", (select(3, doc:boolean "nope")))
  end)

  it("is a whole number, decimal or 0x, with unlimited as -1 (libvirt vmx.c)", function()
    assert.equal(4096, doc:integer "n")
    assert.equal(-1, doc:integer "neg")
    assert.equal(0x10de, doc:integer "hex")
    assert.equal(-1, doc:integer "sched.mem.max")
    for _, key in ipairs { "float", "big", "bighex", "empty", "a" } do
      assert.equal("EINVAL", (select(3, doc:integer(key))), key)
    end
    assert.equal("ENOENT", (select(3, doc:integer "nope")))
  end)
end)

describe("a namespace", function()
  local text = 'pciPassthru0.present = "TRUE"\nmemsize = "4"\nPCIPASSTHRU0.id = "x"\npciPassthru01.id = "y"\n'
    .. 'sched.cpu.units = "mhz"\nethernet1.present = "FALSE"\n'

  it("reads, sets and unsets the keys below its name", function()
    local doc = parse(text)
    local card = doc:namespace "pciPassthru0"
    assert.equal("x", card:get "id")
    assert.is_true(card:present())
    assert.is_false(doc:namespace "ethernet1":present())
    assert.is_false(doc:namespace "nothing":present())
    card:set("msiEnabled", true)
    assert.is_true(card:boolean "msienabled")
    assert.equal(1, card:unset "id")
    assert.is_nil((card:integer "id"))
  end)

  it("goes through its own keys only", function()
    local seen = {}
    for field, value, line in parse(text):namespace "pciPassthru0":each() do seen[#seen + 1] = { field, value, line } end
    assert.same({ { "present", "TRUE", 1 }, { "id", "x", 3 } }, seen)
    for field in parse(text):namespace "sched":each() do assert.equal("cpu.units", field) end
  end)

  it("is removed whole, and nothing else with it", function()
    local doc = parse(text)
    assert.equal(2, doc:namespace "pciPassthru0":remove())
    assert.equal('memsize = "4"\npciPassthru01.id = "y"\nsched.cpu.units = "mhz"\nethernet1.present = "FALSE"\n', tostring(doc))
  end)

  it("names come once each, in file order", function()
    local names = {}
    for name in parse(text):namespaces() do names[#names + 1] = name end
    assert.same({ "pciPassthru0", "pciPassthru01", "sched", "ethernet1" }, names)
    names = {}
    for name in parse(text):namespaces "pcipassthru?" do names[#names + 1] = name end
    assert.same({ "pciPassthru0" }, names)
  end)
end)
