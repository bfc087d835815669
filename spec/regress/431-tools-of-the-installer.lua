-- An installer may run open-vm-tools itself: vSphere then shows running Tools and an address hours before the end
-- (vmware/packer-plugin-vsphere#127). os.install took them for the installed system: it ejected the media and deleted the
-- answers in the middle of the installation.
local install = require "gpupt.step.os_install"

describe("os.install", function()
  local function installed(host_name, media)
    local ref = { get = function() return host_name end }
    local devices = {}
    if media then
      devices[1] = { _type = "VirtualCdrom", key = 1, backing = { _type = "VirtualCdromIsoBackingInfo", fileName = "[ds] u.iso" } }
    end
    local vm = { power = "poweredOn", guest = { running = true, ready = true }, extra = {}, devices = devices, path = "[ds] a/a.vmx" }
    return install.observe({ fleet = { vm = function() return vm end } },
      { name = "vm-1", ref = ref, options = { iso = "[ds] u.iso", answer = "[ds] a.iso" } }).installed
  end

  it("does not take the Tools of an installer for those of the installed system", function()
    assert.is_false(installed("ubuntu-server", true))
    assert.is_true(installed("train-01", true))
    assert.is_true(installed("ubuntu-server", false)) -- without its media it is what a user has called so
  end)
end)
