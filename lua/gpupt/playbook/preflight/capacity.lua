--- What the server itself counts (vSphere 9.0, DirectPathProfileManager.QueryCapacity): the devices for a dynamic
-- backing that a cluster or host has left. It counts running VMs only, and how it treats labels is not verified: the
-- plan shows its figure beside ours, and does not decide by it.
local failure = require "gpupt.failure"
local selector = require "gpupt.fleet.selector"
local units = require "gpupt.units"

-- What the VMs of the plan ask a cluster (with DRS) or a host for: { target =, name =, card =, label =, count =,
-- source =, node = }.
local function asked(needs)
  local list, by_key = {}, {}
  for _, need in ipairs(needs) do
    local target = need.target
    local card = need.instance.name == "gpu.attach" and target.dynamic and target.cards and target.cards[1]
    local record = card and (card.host or target.host)
    if record then
      local cluster = record.cluster
      local whole = cluster and cluster.ref.type == "ClusterComputeResource" and cluster.drs ~= "off"
      local place = whole and cluster or record
      local label = target.wanted.options.label
      label = type(label) == "table" and card.label or label
      local key = ("%p %04x:%04x %s"):format(place, card.vendor, card.device, label)
      local one = by_key[key]
      if not one then
        local kind = whole and { _type = "DirectPathProfileManagerTargetCluster", cluster = place.ref }
          or { _type = "DirectPathProfileManagerTargetHost", host = place.ref }
        one = { name = place.name, card = card, label = label, count = 0, source = need.instance.source,
          node = target.wanted, target = kind }
        by_key[key], list[#list + 1] = one, one
      end
      if not (target.vm and #target.vm.cards > 0) then one.count = one.count + #target.cards end
    end
  end
  return list
end

-- CapacityInfo; or nil.
local function capacity(manager, one)
  local card = one.card
  local results = failure.catch(function()
    return failure.check(manager:DirectPathProfileManagerQueryCapacity { target = one.target, querySpec = { {
      _type = "DirectPathProfileManagerCapacityQueryByDeviceConfig", deviceConfig = {
        _type = "DirectPathProfileManagerDynamicDirectPathConfig", dynamicDirectPathBacking = { deviceName = "",
          allowedDevice = { { vendorId = card.vendor, deviceId = card.device } }, customLabel = one.label } } } } })
  end)
  local first = results and results[1]
  return first and first._type == "DirectPathProfileManagerCapacityInfo" and first or nil
end

return function(plan, needs, found)
  local list = plan.pool and asked(needs) or {}
  local manager = #list > 0 and plan.vc.content.directPathProfileManager
  if not manager then return end
  for _, one in ipairs(list) do
    local info = capacity(manager, one)
    if info then
      local less = info.remaining < one.count
      found:open { source = one.source, text = ("the server counts %d of %s of %s in %s as free%s"):format(
        info.remaining, units.count(info.max, "card"), selector.describe(one.node), one.name,
        less and (", fewer than the %d that these VMs need"):format(one.count) or ""),
        why = "it counts running VMs only" }
    end
  end
end
