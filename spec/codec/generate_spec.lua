local wire = require "spec.codec.wire"

describe("the schema generator", function()
  it("writes exactly the table that is committed", function()
    wire.with_folder(function(folder)
      local ok, text = wire.run(wire.python .. " csrc/gen/generate.py -o " .. folder .. "/schema_data.c")
      assert.is_true(ok, text)
      assert.is_true(wire.read(folder .. "/schema_data.c") == wire.read("csrc/gen/schema_data.c"),
        "csrc/gen/schema_data.c is not what the generator writes: run make schema")
    end)
  end)

  it("refuses a version that it does not know", function()
    wire.with_folder(function(folder)
      local ok, text = wire.run(wire.python .. " csrc/gen/generate.py --xsd 1.2.3 " .. folder .. "/x.xsd")
      assert.is_falsy(ok)
      assert.matches("unknown version 1.2.3", text, 1, true)
    end)
  end)

  it("keeps the table in read-only data without relocations", function()
    local ok, text = wire.run("objdump -h build/obj/gen/schema_data.o")
    assert.is_true(ok, text)
    for name, size in text:gmatch("%d+ (%.data%S*)%s+(%x+)") do
      assert.equal(0, tonumber(size, 16), name .. " of schema_data.o is not empty")
    end
    assert.is_nil(text:match("RELOC.-%.rodata"))
    local rodata = tonumber(text:match("%.rodata%s+(%x+)"), 16)
    assert.is_true(rodata < 400 * 1024, "the table has grown to " .. rodata .. " bytes")
  end)
end)
