--- The backing that connects a network card to the network of a target: a standard network or a distributed port group.
local check = require "gpupt.failure".check

--- nil if the target's place names no network; raises if the network cannot be read.
return function(target)
  local network = target.network
  if not network then return nil end
  if network.type ~= "DistributedVirtualPortgroup" then
    return { _type = "VirtualEthernetCardNetworkBackingInfo", deviceName = target.network_name }
  end
  local props = check(network:get { "key", "config.distributedVirtualSwitch" })
  local switch = check(props["config.distributedVirtualSwitch"]:get { "uuid" })
  return { _type = "VirtualEthernetCardDistributedVirtualPortBackingInfo",
    port = { switchUuid = switch.uuid, portgroupKey = props.key } }
end
