--- Which devices travel together: what the IOMMU cannot part, what a reset hits at once, what is one card.
-- Groups are joined step by step (union-find); each joining leaves its reason on the group.

local function find(parents, i)
  while parents[i] ~= i do
    parents[i] = parents[parents[i]]
    i = parents[i]
  end
  return i
end

--- Devices that share `key(dev)` belong together.
local function join_by(devices, parents, reasons, key, reason)
  local first = {}
  for i, dev in ipairs(devices) do
    local k = key(dev)
    if k and not first[k] then
      first[k] = i
    elseif k then
      local a, b = find(parents, first[k]), find(parents, i)
      if a ~= b then
        parents[b] = a
        table.insert(reasons, { i, reason:format(k) })
      end
    end
  end
end

return function(devices)
  local parents, reasons, by_address = {}, {}, {}
  for i, dev in ipairs(devices) do
    parents[i] = i
    if dev.address then by_address[dev.address] = i end
  end
  local function movable(dev) return dev.address and not dev.bridge and dev.class ~= 0x0604 end
  join_by(devices, parents, reasons, function(dev)
    return movable(dev) and ("%04x:%02x:%02x"):format(dev.domain, dev.bus, dev.slot) or nil
  end, "functions of one device, %s")
  join_by(devices, parents, reasons, function(dev)
    return movable(dev) and dev.iommu_group or nil
  end, "IOMMU group %s")
  for i, dev in ipairs(devices) do
    local other = dev.dependent and by_address[dev.dependent]
    if other and other ~= i then
      local a, b = find(parents, other), find(parents, i)
      if a ~= b then
        parents[b] = a
        table.insert(reasons, { i, ("%s depends on %s"):format(dev.address, dev.dependent) })
      end
    end
  end
  local groups, at = {}, {}
  for i, dev in ipairs(devices) do
    local root = find(parents, i)
    if not at[root] then
      at[root] = { devices = {}, reasons = {} }
      groups[#groups + 1] = at[root]
    end
    table.insert(at[root].devices, dev)
  end
  for _, reason in ipairs(reasons) do table.insert(at[find(parents, reason[1])].reasons, reason[2]) end
  return groups
end
