--- The fleet as it is now: hosts, machines, and who holds which card. Read in few calls, kept as plain records.
-- One read covers the hosts that the playbook names and all hosts of the clusters in which it makes machines. Claims
-- come from every machine on those hosts, powered-off ones included: a card of a powered-off machine is not free.
local check = require "gpupt.failure".check
local host = require "gpupt.playbook.host"
local vm = require "gpupt.playbook.vm"

local world = {}

local World = {}
World.__index = World

local function as_list(value) return type(value) == "table" and value or { value } end

function world.new(vc)
  return setmetatable({ vc = vc, hosts = {}, by_ref = {}, clusters = {}, claims = {}, dynamic = {}, expected = {},
    system_ids = {} }, World)
end

local function key_of(card) return card.host.uuid .. "/" .. card.address end

--- Notes that the playbook's own hosts will make this card active.
function World:expect_active(card) self.expected[key_of(card)] = true end

--- Whether the card is active, or will be.
function World:will_be_active(card) return (card.enabled and card.active) or self.expected[key_of(card)] == true end

--- References to the hosts that the patterns mean; a pattern may name hosts or clusters. Raises.
function World:resolve_hosts(patterns)
  local list, seen = {}, {}
  local function take(ref)
    if not seen[ref] then
      seen[ref] = true
      list[#list + 1] = ref
    end
  end
  for _, pattern in ipairs(as_list(patterns)) do
    for _, ref in ipairs(check(self.vc:find(pattern))) do
      if ref.type == "HostSystem" then
        take(ref)
      elseif ref.type == "ClusterComputeResource" or ref.type == "ComputeResource" then
        for _, one in ipairs(check(ref:get { "host" }).host or {}) do take(one) end
      end
    end
    if #list == 0 then
      return nil, ("'%s' names no host and no cluster"):format(pattern), "ENOENT"
    end
  end
  return list
end

--- Reads hosts (references) that are not known yet; all in one collect.
function World:read_hosts(refs)
  local missing = {}
  for _, ref in ipairs(refs) do
    if not self.by_ref[ref] then missing[#missing + 1] = ref end
  end
  if #missing == 0 then return true end
  for _, object in ipairs(check(self.vc:collect_all { objects = missing, type = "HostSystem", paths = host.paths })) do
    local record = host.record(object.ref, object)
    self.by_ref[object.ref] = record
    self.hosts[#self.hosts + 1] = record
    self:cluster_of(record)
  end
  return true
end

--- The cluster (or standalone compute resource) of a host record: { ref, name, drs, hosts, pool }.
function World:cluster_of(record)
  local ref = record.parent
  local cluster = self.clusters[ref]
  if not cluster then
    local is_cluster = ref.type == "ClusterComputeResource"
    local props = check(ref:get(is_cluster and { "name", "resourcePool", "host", "configurationEx" }
      or { "name", "resourcePool", "host" }))
    local config = props.configurationEx
    cluster = { ref = ref, name = props.name, pool = props.resourcePool, host_refs = props.host or {}, hosts = {},
      drs = config and config.drsConfig and config.drsConfig.enabled and config.drsConfig.defaultVmBehavior or "off" }
    self.clusters[ref] = cluster
  end
  if record.cluster ~= cluster then
    record.cluster = cluster
    cluster.hosts[#cluster.hosts + 1] = record
  end
  return cluster
end

--- Reads a host again; the record is renewed in place, so that whoever holds it sees the new state.
function World.refresh_host(_, record)
  local props = check(record.ref:get(host.paths))
  local fresh = host.record(record.ref, props)
  for name in pairs(record) do if name ~= "cluster" then record[name] = nil end end
  for name, value in pairs(fresh) do record[name] = value end
  for _, device in pairs(record.devices) do device.host = record end
  return record
end

--- The id by which a fixed backing names its host: QueryConfigTarget knows it. Asked once per host.
function World:system_id(record)
  if self.system_ids[record.ref] then return self.system_ids[record.ref] end
  local browser = check(record.parent:get "environmentBrowser")
  local target = check(browser:QueryConfigTarget { host = record.ref })
  local first = target and target.pciPassthrough and target.pciPassthrough[1]
  if first then self.system_ids[record.ref] = first.systemId end
  return self.system_ids[record.ref]
end

--- Reads which machines hold cards on the known hosts. claims[uuid][address] = list of { name, ref, power }.
function World:read_claims()
  local refs, seen = {}, {}
  for _, record in ipairs(self.hosts) do
    for _, ref in ipairs(record.vms) do
      if not seen[ref] then
        seen[ref] = true
        refs[#refs + 1] = ref
      end
    end
  end
  self.claims, self.dynamic = {}, {}
  if #refs == 0 then return true end
  for _, object in ipairs(check(self.vc:collect_all { objects = refs, type = "VirtualMachine",
    paths = vm.claim_paths })) do
    self:claim_of(object.ref, object)
  end
  return true
end

--- A machine's cards are those of the host it stands on, also when it is a copy whose backing names another host.
function World:claim_of(ref, props)
  local on = self.by_ref[props["runtime.host"]]
  if not on then return end
  for _, card in ipairs(vm.cards(props["config.hardware.device"])) do
    local owner = { ref = ref, name = props.name, power = props["runtime.powerState"] }
    if card.kind == "fixed" then
      local of_host = self.claims[on.uuid] or {}
      self.claims[on.uuid] = of_host
      of_host[card.address] = of_host[card.address] or {}
      table.insert(of_host[card.address], owner)
    elseif card.kind == "dynamic" then
      if card.assigned then
        self.claims[on.uuid] = self.claims[on.uuid] or {}
        local list = self.claims[on.uuid][card.assigned] or {}
        self.claims[on.uuid][card.assigned] = list
        table.insert(list, owner)
      else
        table.insert(self.dynamic, { owner = owner, card = card, host = on })
      end
    end
  end
end

--- Who holds a card: a list of { ref, name, power }, empty when it is free.
function World:owners(card)
  local of_host = self.claims[card.host.uuid]
  return of_host and of_host[card.address] or {}
end

--- The reference of the machine that a target means, or nil: by its name in its folder.
function World:find_machine(target)
  local found = check(self.vc.content.searchIndex:FindChild { entity = target.folder, name = target.name })
  return found or nil
end

--- The record of a machine, read now.
function World.machine(_, ref)
  return vm.record(ref, check(ref:get(vm.paths)))
end

return world
