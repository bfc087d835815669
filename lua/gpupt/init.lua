--- gpupt: GPU passthrough on VMware ESXi, from a card in the slot to a guest that sees it.
-- The front loads nothing: each room is required when it is first named.
local failure = require "gpupt.failure"

local gpupt = {
  _VERSION = "gpupt 0.1.0",
  check = failure.check,
}

local rooms = {
  vmx = true, bar = true, pci = true, vmlog = true, evidence = true, settings = true, doctor = true,
  vim = true, loop = true, playbook = true, json = true, fleet = true,
}

return setmetatable(gpupt, {
  __index = function(self, name)
    if not rooms[name] then return nil end
    local room = require("gpupt." .. name)
    rawset(self, name, room)
    return room
  end,
})
