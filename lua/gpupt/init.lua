--- gpupt: GPU passthrough on VMware ESXi, from a card in the slot to a guest that sees it.
-- Each module is loaded when it is first used.
local failure = require "gpupt.failure"

local gpupt = { check = failure.check }

local modules = {
  vmx = "vmx", bar = "bar", pci = "pci", vmlog = "vmlog", evidence = "evidence",
  settings = "settings", doctor = "doctor", vim = "vim",
  record = "record", redfish = "redfish",
  loop = "loop", playbook = "playbook", json = "json", fleet = "fleet", logins = "logins", _VERSION = "version",
}

return setmetatable(gpupt, {
  __index = function(self, name)
    if not modules[name] then return nil end
    local module = require("gpupt." .. modules[name])
    rawset(self, name, module)
    return module
  end,
})
