-- `.encoding` could be set to a name beyond ASCII, and the file then not be read again.
local vmx = require "gpupt.vmx"

describe("setting .encoding", function()
  it("refuses a name that makes the file unreadable", function()
    local doc = vmx.parse 'a = "1"\n'
    local ok, _, code = doc:set(".encoding", "windows\195\169")
    assert.is_nil(ok)
    assert.equal("EENCODING", code)
    assert.equal('a = "1"\n', tostring(doc))
  end)
end)
