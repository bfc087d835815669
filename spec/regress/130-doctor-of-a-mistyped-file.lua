-- `gpupt doctor vm.vmx` of a file that does not exist answered "no vCenter given": it took the word for a VM; it did
-- not mention the file.
local command = require "spec.support.command"

describe("gpupt doctor of a word that is neither a file nor, without a vCenter, a VM", function()
  local folder
  before_each(function() folder = command.folder() end)
  after_each(function() folder.remove() end)

  it("tells both, and how each is given", function()
    local status, out, err = folder.gpupt("doctor none.vmx", "GOVC_URL=")
    assert.equal(3, status)
    assert.equal("", out)
    assert.matches("there is no file none.vmx, and no vCenter is given", err, 1, true)
    assert.matches("--vmx", err, 1, true)
    assert.matches("GOVC_URL", err, 1, true)
  end)

  it("control: speaks of the vCenter alone once one is given", function()
    local status, _, err = folder.gpupt("doctor none.vmx", "GOVC_URL=https://127.0.0.1:1/sdk GOVC_USERNAME=ops GOVC_PASSWORD=x")
    assert.equal(3, status)
    assert.is_nil(err:find("no file", 1, true), err)
    assert.matches("127.0.0.1", err, 1, true)
  end)
end)
