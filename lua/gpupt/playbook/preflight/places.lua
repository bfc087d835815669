--- Space for the disks of new VMs, summed for each datastore. (Which host can take a VM is decided with its cards.)

local function gib(bytes) return ("%.0f GiB"):format(bytes / 2 ^ 30) end

--- What could not be read of the places of new VMs.
local function unreadable(plan, needs, found)
  for _, need in ipairs(needs) do
    local target, record = need.target, need.target.host
    if need.requires.disk_bytes and record and record.connection == "connected" then
      local one = { source = target.scope.source, target = target.name, needs = "System.Read" }
      if not record.mounts then
        one.text, one.on = "place: the datastores of " .. record.name, "the host and its datastores"
        found:cannot(one)
      end
      local network = target.network and plan.world.networks[target.network]
      if target.network and not (network and network.hosts) then
        one.text, one.on = "place: the hosts of the network " .. target.network_name, "the network"
        found:cannot(one)
      end
    end
  end
end

return function(plan, needs, found)
  unreadable(plan, needs, found)
  local wanted, order = {}, {}
  for _, need in ipairs(needs) do
    local bytes, target = need.requires.disk_bytes, need.target
    local store = bytes and target.host and target.host.mounts and target.host.mounts[target.datastore]
    if store and store.free then
      local one = wanted[store.ref]
      if not one then
        one = { store = store, bytes = 0, now = 0, needs = {} }
        wanted[store.ref], order[#order + 1] = one, one
      end
      one.bytes = one.bytes + bytes
      one.now = one.now + (need.requires.disk_now or 0)
      table.insert(one.needs, need)
    end
  end
  for _, one in ipairs(order) do
    for _, need in ipairs(one.needs) do
      local bytes, free = need.requires.disk_bytes, one.store.free
      local finding = { source = need.instance.source, target = need.target.name, code = "ENOSPACE" }
      if bytes > free then
        finding.text = ("the datastore %s has %s free, and the disk may grow to %s"):format(one.store.name, gib(free),
          gib(bytes))
        found:problem(finding)
      elseif one.now > free then
        finding.text = ("the datastore %s has %s free, and the disks of the new VMs take %s at once"):format(
          one.store.name, gib(free), gib(one.now))
        found:problem(finding)
      elseif one.bytes > free then
        -- the disks are thin: they can be created, but not all of them filled
        finding.text = ("the new disks on the datastore %s"):format(one.store.name)
        finding.why = ("they are thin and may grow to %s, and %s are free"):format(gib(one.bytes), gib(free))
        found:open(finding)
      end
    end
  end
end
