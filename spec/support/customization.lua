--- The customization specification of examples/clone_rollout.lua.
local check = require "gpupt".check

-- A restart of a simulated guest is over before a busy computer sees it.
local customization = { INIT = "require 'gpupt.step.customization'.RESTART = 2" }

--- Creates it in a vCenter.
function customization.create(vc)
  check(vc.content.customizationSpecManager:CreateCustomizationSpec { item = { info = { name = "vdi-join",
    description = "", type = "Windows" }, spec = { identity = { _type = "CustomizationSysprep",
    guiUnattended = { timeZone = 85, autoLogon = false, autoLogonCount = 0 }, userData = { fullName = "Ops", orgName = "Lab",
    computerName = { _type = "CustomizationVirtualMachineName" }, productId = "" }, identification = {} }, globalIPSettings = {},
    nicSettingMap = { { adapter = { ip = { _type = "CustomizationDhcpIpGenerator" } } } } } } })
end

return customization
