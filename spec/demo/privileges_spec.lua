-- An account with exactly the privileges that the steps declare can apply first light: the declarations are complete.
local first_light = require "spec.support.first_light"
local gpupt = require "gpupt"

local function account(without)
  local set, list = {}, { "System.Anonymous", "System.Read", "System.View" }
  for _, need in ipairs(gpupt.check(gpupt.playbook.load "examples/first_light.lua"):needs()) do
    if not set[need.privilege] and need.privilege ~= without then
      set[need.privilege] = true
      list[#list + 1] = need.privilege
    end
  end
  return function(fleet)
    fleet.users = { { name = "roller@vsphere.local", password = "Least-1-privilege", privileges = list } }
  end
end

local function apply(l)
  return l:run_command({ "apply", l.playbook, "--allow", "reboot" },
    { env = { GOVC_USERNAME = "roller@vsphere.local", GOVC_PASSWORD = "Least-1-privilege" } })
end

describe("the privileges that the steps declare", function()
  local l

  after_each(function()
    if l then l:stop() end
    l = nil
  end)

  it("are named if one is missing", function()
    l = first_light.start { speed = 200, change = account "Host.Config.PciPassthru" }
    local result = apply(l)
    assert.equal(1, result.status)
    assert.matches("host.enable: the account lacks Host.Config.PciPassthru on the hosts esx-a-1, esx-b-1", result.err, 1,
      true)
  end)

  it("are sufficient for first light", function()
    l = first_light.start { speed = 200, change = account() }
    local result = apply(l)
    assert.equal(0, result.status, result.err)
    assert.matches("the guest sees 2", result.out, 1, true)
  end)
end)
