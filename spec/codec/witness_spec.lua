--- pyVmomi writes a value of every data type; we read it and write it again; pyVmomi reads that and finds its own.
-- What the tables say is ours and pyVmomi's alike; how it is put on the wire is not.
local codec = require("gpupt.net").codec
local wire = require "spec.codec.wire"

local function carried(value)
  local body, message = codec.encode("UpdateOptions", "OptionManager", "x",
    { changedValue = { { key = "k", value = value } } })
  if not body then return nil, message end
  local xml = body:bytes():match("</key>(<value.*</value>)</changedValue>")
  return "<val" .. xml:sub(#"<value" + 1, -#"</value>" - 1) .. "</val>"
end

describe("pyVmomi and gpupt", function()
  it("read each other's values of every data type", function()
    wire.with_folder(function(folder)
      local program = wire.python .. " spec/codec/pyvmomi_witness.py "
      local ok, text = wire.run(program .. "write " .. folder .. "/theirs")
      assert.is_true(ok, text)
      local out = {}
      for name, xml in wire.read(folder .. "/theirs"):gmatch("([^\t\n]+)\t([^\n]+)\n") do
        local tape, problem = codec.decode("RetrievePropertiesEx",
          wire.page { { "Folder", "f", { { "p", xml } } } })
        assert.is_truthy(tape, name .. ": " .. tostring(problem))
        local _, _, step = tape:page()
        local ours, message = carried(select(2, step()).p)
        assert.is_truthy(ours, name .. ": " .. tostring(message))
        out[#out + 1] = name .. "\t" .. xml .. "\t" .. ours .. "\n"
      end
      assert.is_true(#out > 2700, #out .. " values")
      wire.write(folder .. "/both", table.concat(out))
      ok, text = wire.run(program .. "read " .. folder .. "/both")
      assert.is_true(ok, text)
      assert.matches("^%d+ values, 0 differ\n$", text)
    end)
  end)
end)
