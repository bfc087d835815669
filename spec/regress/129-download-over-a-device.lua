-- A download replaced what had the name of its target, also a device or a FIFO: downloading to /dev/null as root deleted
-- the system's /dev/null.
local folder = require "gpupt.core".folder
local vcenter = require "spec.support.vcenter"

describe("a download", function()
  it("does not replace a FIFO or a folder", function()
    local sim = vcenter.start()
    local vc = sim:connect()
    for name, make in pairs { pipe = "mkfifo", folder = "mkdir" } do
      local target = sim.dir .. "/" .. name
      assert(os.execute(("%s '%s'"):format(make, target)))
      local ok, message, code = vc.datastore:download("[ds-1] iso/ubuntu-24.04.iso", target)
      assert.is_nil(ok)
      assert.matches(name, message, 1, true)
      assert.equal("EIO", code)
      assert.equal(name, folder.kind(target))
      assert.is_nil(vcenter.read(target .. ".part"))
    end
    vc:close()
    sim:stop()
  end)
end)
