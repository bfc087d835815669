-- An account with exactly the privileges that the steps declare can carry first light out: the declarations are whole.
local first_light = require "spec.support.first_light"
local gpupt = require "gpupt"

describe("the privileges that the steps declare", function()
  it("are all that first light needs", function()
    local set, list = {}, { "System.Anonymous", "System.Read", "System.View" }
    for _, need in ipairs(gpupt.check(gpupt.playbook.load "examples/first_light.lua"):needs()) do
      if not set[need.privilege] then
        set[need.privilege] = true
        list[#list + 1] = need.privilege
      end
    end
    local l = first_light.start { speed = 200, change = function(fleet)
      fleet.users = { { name = "roller@vsphere.local", password = "Least-1-privilege", privileges = list } }
    end }
    local closed <close> = setmetatable({}, { __close = function() l:stop() end }) -- luacheck: ignore
    local result = l:run_command({ "apply", l.playbook, "--allow", "reboot" },
      { env = { GOVC_USERNAME = "roller@vsphere.local", GOVC_PASSWORD = "Least-1-privilege" } })
    assert.equal(0, result.status, result.err)
    assert.matches("the guest sees 2", result.out, 1, true)
  end)
end)
