--- Cards that are taken out of passthrough: no VM may name them in its configuration, running or not, because it could
-- not be started any more.
local hosts = require "gpupt.fleet.host"

local release = {}

--- The VMs that hold one of these devices: { device =, owner = }.
local function holders(ctx, record, devices)
  local list = {}
  for _, device in ipairs(devices) do
    for _, owner in ipairs(ctx.fleet:owners(record.devices[device.address] or device)) do
      list[#list + 1] = { device = device, owner = owner }
    end
  end
  return list
end

--- Why these devices cannot be taken, or nil. `freed(owner, address)`: whether the plan takes the device from this VM.
function release.held(ctx, record, devices, freed)
  for _, one in ipairs(holders(ctx, record, devices)) do
    if not (freed and freed(one.owner, one.device.address)) then
      return ("%s: %s is in the configuration of %s (%s). Detach it first (p.gpu.detach)"):format(record.name,
        hosts.short(one.device.address), one.owner.name, one.owner.power)
    end
  end
end

--- The same with the VMs as they are now: for apply.
function release.held_now(ctx, record, devices)
  ctx.fleet:refresh_cards(record)
  return release.held(ctx, record, devices)
end

return release
