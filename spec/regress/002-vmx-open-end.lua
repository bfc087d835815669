-- A line put behind a last line without an end and taken away again left a line end behind.
local vmx = require "gpupt.vmx"

describe("a vmx without a last newline", function()
  it("is as before when a key was added and removed", function()
    local doc = vmx.parse 'a = "1"\nb = "2"'
    doc:set("c", "3")
    doc:unset "c"
    assert.equal('a = "1"\nb = "2"', tostring(doc))
  end)

  it("keeps the line end of a line that had one when the last line goes", function()
    local doc = vmx.parse 'a = "1"\nb = "2"'
    doc:unset "b"
    assert.equal('a = "1"\n', tostring(doc))
  end)
end)
