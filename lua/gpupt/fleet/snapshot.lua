--- The current state of the fleet: hosts, VMs and the owners of cards. Read in a few calls into plain records.
-- It covers the hosts of the playbook and all hosts of the clusters in which it creates VMs. Owners come from all VMs
-- of the inventory, also powered-off ones (gpupt.fleet.ownership).
local check = require "gpupt.failure".check
local failure = require "gpupt.failure"
local host = require "gpupt.fleet.host"
local ownership = require "gpupt.fleet.ownership"
local system_ids = require "gpupt.fleet.system_ids"
local vm = require "gpupt.fleet.vm"

local snapshot = {}

local Snapshot = {}
Snapshot.__index = Snapshot

local function as_list(value) return type(value) == "table" and value or { value } end

function snapshot.new(vc)
  return setmetatable({ vc = vc, hosts = {}, by_ref = {}, clusters = {}, claims = {}, expected = {},
    ids = system_ids.new(vc), ownership = ownership.of({}) }, Snapshot)
end

local function key_of(card) return card.host.uuid .. "/" .. card.address end

-- The claim properties of these VMs, without those that no longer exist.
local function existing(vc, refs)
  if #refs == 0 then return {} end
  local list, message, code, detail = vc:collect_all { objects = refs, type = "VirtualMachine",
    paths = vm.claim_paths }
  if list then return list end
  if code ~= "ManagedObjectNotFound" then error(failure.new(message, code, detail), 0) end
  list = {}
  for _, ref in ipairs(refs) do
    local one
    one, message, code, detail = vc:collect_all { objects = { ref }, type = "VirtualMachine", paths = vm.claim_paths }
    if one then
      list[#list + 1] = one[1]
    elseif code ~= "ManagedObjectNotFound" then
      error(failure.new(message, code, detail), 0)
    end
  end
  return list
end

--- Records that this playbook will activate the card.
function Snapshot:expect_active(card) self.expected[key_of(card)] = true end

--- Whether the card is active, or will be.
function Snapshot:will_be_active(card) return (card.enabled and card.active) or self.expected[key_of(card)] == true end

--- References to the hosts that the patterns match; a pattern may match hosts or clusters. Raises.
function Snapshot:resolve_hosts(patterns)
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
      return nil, ("'%s' matches no host or cluster"):format(pattern), "ENOENT"
    end
  end
  return list
end

--- Reads the hosts (references) that are not known yet, in one collect.
function Snapshot:read_hosts(refs)
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
function Snapshot:cluster_of(record)
  local ref = record.parent
  local cluster = self.clusters[ref]
  if not cluster then
    local is_cluster = ref.type == "ClusterComputeResource"
    local paths = { "name", "resourcePool", "host", "environmentBrowser" }
    if is_cluster then paths[#paths + 1] = "configurationEx" end
    local props = check(ref:get(paths))
    local config = props.configurationEx
    cluster = { ref = ref, name = props.name, pool = props.resourcePool, host_refs = props.host or {}, hosts = {},
      browser = props.environmentBrowser,
      drs = config and config.drsConfig and config.drsConfig.enabled and config.drsConfig.defaultVmBehavior or "off" }
    self.clusters[ref] = cluster
  end
  if record.cluster ~= cluster then
    record.cluster = cluster
    cluster.hosts[#cluster.hosts + 1] = record
  end
  return cluster
end

--- Reads a host again; the record is updated in place, so that all users of it see the new state.
function Snapshot.refresh_host(_, record)
  local props = check(record.ref:get(host.paths))
  local fresh = host.record(record.ref, props)
  for name in pairs(record) do if name ~= "cluster" then record[name] = nil end end
  for name, value in pairs(fresh) do record[name] = value end
  for _, device in pairs(record.devices) do device.host = record end
  return record
end

--- The id by which a fixed backing names this host; asked once per host. nil if the host has no card to pass through.
function Snapshot:system_id(record)
  return (self.ids:of(record.ref, record.cluster and record.cluster.browser))
end

--- Whether a fixed backing of a VM that is registered on this host names a card of this host.
function Snapshot:names(card, record)
  return card.system_id == "BYPASS" or card.system_id == self:system_id(record)
end

local function claim_record(object)
  return { ref = object.ref, name = object.name, power = object["runtime.powerState"], host = object["runtime.host"],
    template = object["config.template"] == true or nil, cards = vm.cards(object["config.hardware.device"]) }
end

local function decide(self)
  local hosts = {}
  for i, record in ipairs(self.hosts) do
    record.browser = record.cluster and record.cluster.browser
    hosts[i] = record
  end
  self.ids:resolve(self.claims, hosts)
  self.ownership = ownership.of(self.claims, function(id) return self.ids.host_of[id] end)
end

--- Reads which VMs hold cards: all VMs of the inventory, because a VM may hold a card of a host on which it is not
-- registered. Only VMs with a passthrough device are kept.
function Snapshot:read_owners()
  self.claims = {}
  for object in self.vc:collect { type = "VirtualMachine", paths = vm.claim_paths } do
    local record = claim_record(object)
    if #record.cards > 0 then self.claims[record.ref] = record end
  end
  decide(self)
  return true
end

--- Reads again the VMs that may hold a card of this host: those that are registered on it now (refresh_host first), and
-- those whose backing names it.
function Snapshot:refresh_owners(record)
  local refs, seen = {}, {}
  local function take(ref)
    if seen[ref] then return end
    seen[ref] = true
    refs[#refs + 1] = ref
  end
  for _, ref in ipairs(record.vms) do take(ref) end
  if self.ownership then for _, ref in ipairs(self.ownership:naming(record.ref)) do take(ref) end end
  for ref, claim in pairs(self.claims) do if claim.host == record.ref then take(ref) end end
  for ref in pairs(seen) do self.claims[ref] = nil end
  for _, object in ipairs(existing(self.vc, refs)) do
    local claim = claim_record(object)
    if #claim.cards > 0 then self.claims[claim.ref] = claim end
  end
  decide(self)
  return true
end

--- The VMs that hold a card of a host record: a list of { ref, name, power, template, stale }, empty if none does.
function Snapshot:owners(card) return self.ownership:holders(card.host.ref, card.address) end

--- The reference of the VM of a target, by its name in its folder; or nil.
function Snapshot:find_vm(target)
  local found = check(self.vc.content.searchIndex:FindChild { entity = target.folder, name = target.name })
  return found or nil
end

--- The record of a VM, read now.
function Snapshot.vm(_, ref)
  return vm.record(ref, check(ref:get(vm.paths)))
end

return snapshot
