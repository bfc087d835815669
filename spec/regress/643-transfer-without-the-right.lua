-- A file that the account may not write to a datastore: "not permitted (HTTP 403)", without the privilege. role_soak found it.
local vcenter = require "spec.support.vcenter"

describe("a file of a datastore that a server refuses with 403", function()
  local sim
  setup(function() sim = vcenter.start {} end)
  teardown(function() sim:stop() end)

  it("names the privilege that it needs", function()
    local vc <close> = sim:connect() -- luacheck: ignore
    local path = os.tmpname()
    vcenter.write(path, "text")
    sim:trouble({ method = "HTTP PUT", count = -1 }, { kind = "status", code = 403 })
    local ok, message, code = vc.datastore:upload(path, "[ds-1] a.txt")
    os.remove(path)
    assert.is_nil(ok)
    assert.equal("NoPermission", code)
    assert.matches("not permitted (HTTP 403): it needs Datastore.FileManagement on the datastore", message, 1, true)
  end)
end)
