--- The customization specification of examples/clone_rollout.lua and horizon_desktops.lua.
local check = require "gpupt".check
local json = require "gpupt.json"
local vcenter = require "spec.support.vcenter"

-- A restart of a simulated guest is over before a busy computer sees it.
local customization = { INIT = "require 'gpupt.step.customization'.RESTART = 2" }

--- Creates it in a vCenter.
function customization.create(vc)
  check(vc.content.customizationSpecManager:CreateCustomizationSpec(check(json.decode(check(vcenter.read "examples/vdi-join.json")))))
end

return customization
