-- A file whose last byte was a lone CR had its last line's end taken for CR LF: a line put behind it got another end.
local vmx = require "gpupt.vmx"

describe("a vmx that ends in a lone CR", function()
  it("gives a new last line a CR, too", function()
    local doc = vmx.parse 'a = "1"\r'
    doc:set("b", "2")
    assert.equal('a = "1"\rb = "2"\r', tostring(doc))
  end)
end)
