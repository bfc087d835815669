--- The current state of the fleet: hosts, VMs and the owners of cards. Read in a few calls into plain records.
-- It covers the hosts of the playbook and all hosts of the clusters in which it creates VMs. Owners come from all VMs
-- of the inventory, also powered-off ones (gpupt.fleet.ownership).
--
-- A plan reads the inventory once (names, and which VM holds what), then all its hosts, then all its VMs, and the host
-- ids side by side: the number of requests does not depend on the number of VMs. Until the plan is made (planned),
-- what was read is used again. A run reads only what it is about to change.
local admission = require "gpupt.fleet.admission"
local check = require "gpupt.failure".check
local failure = require "gpupt.failure"
local fiber = require "gpupt.loop.fiber"
local host = require "gpupt.fleet.host"
local inventory = require "gpupt.vim.inventory"
local ownership = require "gpupt.fleet.ownership"
local system_ids = require "gpupt.fleet.system_ids"
local vm = require "gpupt.fleet.vm"
local vsan = require "gpupt.fleet.vsan"

local snapshot = {}

local Snapshot = {}
Snapshot.__index = Snapshot

local function as_list(value) return type(value) == "table" and value or { value } end

function snapshot.new(vc)
  return setmetatable({ vc = vc, hosts = {}, by_ref = {}, clusters = {}, claims = {}, expected = {}, records = {},
    kept = {}, read_once = {},
    ids = system_ids.new(vc, true), ownership = ownership.of({}), planning = true }, Snapshot)
end

local function key_of(card) return card.host.uuid .. "/" .. card.address end

--- Records that this playbook will activate the card.
function Snapshot:expect_active(card) self.expected[key_of(card)] = true end

--- Records that this playbook will give the card this hardware label.
function Snapshot.expect_label(_, card, label) card.label = label end

--- Records whether the plan shuts this VM down before its host is rolled, or deletes it.
function Snapshot:expect_off(ref, off)
  self.off = self.off or {}
  self.off[ref] = off or nil
end

--- Whether the plan does that.
function Snapshot:expected_off(ref) return self.off ~= nil and self.off[ref] == true end

--- Whether the card is active, or will be.
function Snapshot:will_be_active(card) return (card.enabled and card.active) or self.expected[key_of(card)] == true end

local function claim_record(object)
  return { ref = object.ref, name = object.name, power = object["runtime.powerState"], host = object["runtime.host"],
    template = object["config.template"] == true or nil, cards = vm.cards(object["config.hardware.device"]) }
end

-- Further properties of the inventory's objects that a plan needs.
local inventory_paths = {
  HostSystem = { "parent" }, ComputeResource = { "host", "resourcePool", "parent" },
  VirtualMachine = { "parent", "config.managedBy", "guest.interactiveGuestOperationsReady",
    "config.memoryAllocation.reservation",
    table.unpack(vm.claim_paths) },
}

local function folder_of(file) return (file or ""):match "^(.*)/[^/]*$" end

-- Notes from which disks of other VMs the disks of a linked clone read: file -> names.
local function take_parents(self, object)
  for _, device in ipairs(object["config.hardware.device"] or {}) do
    local backing = device._type == "VirtualDisk" and device.backing or nil
    local parent = backing and rawget(backing, "parent") -- raw disks and persistent memory have none
    local own = parent and folder_of(backing.fileName)
    while parent do
      if folder_of(parent.fileName) ~= own then
        self.children[parent.fileName] = self.children[parent.fileName] or {}
        table.insert(self.children[parent.fileName], object.name or tostring(object.ref))
      end
      parent = parent.parent
    end
  end
end

-- Of a VM only what says where it is, and its cards: thousands of VMs would fill the memory.
local function take(self, object)
  if object.ref.type ~= "VirtualMachine" then return end
  local claim = claim_record(object)
  take_parents(self, object)
  if #claim.cards > 0 then self.claims[claim.ref] = claim end
  self.vms[claim.ref] = { name = claim.name, host = claim.host, parent = object.parent, power = claim.power,
    template = claim.template, managed = object["config.managedBy"] and true or nil }
  if claim.host and claim.power == "poweredOn" then
    local list = self.running[claim.host] or {}
    self.running[claim.host] = list
    list[#list + 1] = { ref = claim.ref, name = claim.name, managed = object["config.managedBy"],
      session = object["guest.interactiveGuestOperationsReady"] == true, cards = #claim.cards,
      reserved_mb = object["config.memoryAllocation.reservation"] }
  end
end

--- The inventory (gpupt.vim.inventory), read once. Also reads which VMs hold cards: all VMs of the inventory, because a
-- VM may hold a card of a host on which it is not registered.
function Snapshot:whole()
  if not self.inventory then
    self.claims, self.vms, self.running, self.children = {}, {}, {}, {}
    self.inventory = check(inventory.read(self.vc, inventory_paths, function(object) take(self, object) end))
  end
  return self.inventory
end

--- References that an inventory path matches, as vc:find gives them; nil, message, code.
function Snapshot:find(pattern, given) return self:whole():find(pattern, given) end

--- What the inventory says about an object other than a VM: { name, host, resourcePool, parent }; or nil.
function Snapshot:object(ref) return self:whole().values[ref] end

--- Where a VM is: { name, host, parent (its folder), power, template, managed (by a solution or vCenter) }.
function Snapshot:place_of(ref)
  self:whole()
  return self.vms[ref]
end

--- The names of the linked clones whose disks read from this file of another VM.
function Snapshot:children_of(file)
  self:whole()
  return self.children[file] or {}
end

--- The inventory paths of all VMs of this name, sorted.
function Snapshot:vms_named(name)
  local list, whole = {}, self:whole()
  if not self.named then
    self.named = {}
    for ref, place in pairs(self.vms) do
      self.named[place.name or ""] = self.named[place.name or ""] or {}
      table.insert(self.named[place.name or ""], ref)
    end
  end
  for i, ref in ipairs(self.named[name] or {}) do list[i] = whole:path(ref) end
  table.sort(list)
  return list
end

--- References to all hosts of this name.
function Snapshot:hosts_named(name)
  local list = {}
  for ref, values in pairs(self:whole().values) do
    if ref.type == "HostSystem" and values.name == name then list[#list + 1] = ref end
  end
  return list
end

--- The inventory path of an object of the inventory.
function Snapshot:path(ref) return self:whole():path(ref) end

--- The VMs that ran on a host when the inventory was read: { ref, name, managed, session, cards (how many),
-- reserved_mb (nil: unreadable) }.
function Snapshot:running_on(record)
  self:whole()
  local list = self.running[record.ref] or {}
  if not self.off then return list end
  local left = {}
  for _, one in ipairs(list) do if not self.off[one.ref] then left[#left + 1] = one end end
  return left
end

--- References to the hosts that the patterns match; a pattern may match hosts or clusters. Raises.
function Snapshot:resolve_hosts(patterns)
  local list, seen = {}, {}
  local function add(ref)
    if not seen[ref] then
      seen[ref] = true
      list[#list + 1] = ref
    end
  end
  for _, pattern in ipairs(as_list(patterns)) do
    for _, ref in ipairs(check(self:find(pattern))) do
      if ref.type == "HostSystem" then
        add(ref)
      elseif ref.type == "ClusterComputeResource" or ref.type == "ComputeResource" then
        for _, one in ipairs(self:object(ref).host or {}) do add(one) end
      end
    end
    if #list == 0 then
      return nil, ("'%s' matches no host or cluster"):format(pattern), "ENOENT"
    end
  end
  return list
end

local cluster_paths = { "name", "resourcePool", "host", "environmentBrowser", "configurationEx" }

-- How DRS treats VMs that have a setting of their own.
local function overrides(config)
  local list = {}
  for _, one in ipairs(config and rawget(config, "drsVmConfig") or {}) do
    if one.enabled == false then list[one.key] = "off" else list[one.key] = one.behavior end
  end
  return list
end

-- The cluster (or standalone compute resource): { ref, name, drs, drs_of (by VM), ha, guarded
-- (by HA admission control), vsan, hosts, host_refs, pool, browser }.
local function cluster_record(ref, props)
  local config = props.configurationEx
  local drs = config and ref.type == "ClusterComputeResource" and config.drsConfig
  return { ref = ref, name = props.name, pool = props.resourcePool, host_refs = props.host or {}, hosts = {},
    browser = props.environmentBrowser, guarded = admission.guarded(config), ha = admission.enabled(config),
    vsan = vsan.enabled(config), drs = drs and drs.enabled and drs.defaultVmBehavior or "off",
    drs_of = overrides(config) }
end

local function join_cluster(self, record)
  local cluster = self.clusters[record.parent]
  if not cluster then
    cluster = cluster_record(record.parent, check(record.parent:get(cluster_paths)))
    self.clusters[record.parent] = cluster
  end
  record.cluster, record.browser = cluster, cluster.browser
  cluster.hosts[#cluster.hosts + 1] = record
end

--- Reads the hosts (references) that are not known yet, and their clusters, in one collect.
function Snapshot:read_hosts(refs)
  local missing, seen = {}, {}
  local function want(ref, known)
    if ref and not known[ref] and not seen[ref] then
      seen[ref] = true
      missing[#missing + 1] = ref
    end
  end
  for _, ref in ipairs(refs) do want(ref, self.by_ref) end
  if #missing == 0 then return true end
  for i = 1, #missing do
    local place = self:object(missing[i])
    want(place and place.parent, self.clusters)
  end
  local records = {}
  for object in self.vc:collect { objects = missing, types = { HostSystem = host.paths_of(self.vc),
    ComputeResource = cluster_paths } } do
    if object.ref.type == "HostSystem" then
      records[#records + 1] = host.record(object.ref, object)
    else
      self.clusters[object.ref] = cluster_record(object.ref, object)
    end
  end
  for _, record in ipairs(records) do
    self.by_ref[record.ref] = record
    self.hosts[#self.hosts + 1] = record
    join_cluster(self, record)
  end
  return true
end

-- Updates the host's record in place, so that all users of it see the new state.
local function renew(record, props)
  local fresh = host.record(record.ref, props)
  for name in pairs(record) do if name ~= "cluster" and name ~= "browser" then record[name] = nil end end
  for name, value in pairs(fresh) do record[name] = value end
  for _, device in pairs(record.devices) do device.host = record end
  return record
end

--- Reads a host again.
function Snapshot:refresh_host(record)
  return renew(record, check(record.ref:get(host.paths_of(self.vc))))
end

--- Reads what may have changed of a host since it was read: its state, and how its cards are configured. Not its
-- devices, which change only when it is rebooted, and not its network and storage.
function Snapshot.refresh_state(_, record)
  return host.update(record, check(record.ref:get(host.state_paths)))
end

--- The id by which a fixed backing names this host; asked once per host. nil if the host has no card to pass through;
-- nil, message, code, detail if it cannot be asked.
function Snapshot:system_id(record)
  if self.planning and not self.ids:to_ask(record) then return self.ids.id_of[record.ref] end
  return self.ids:of(record)
end

--- Whether a fixed backing of a VM that is registered on this host names a card of this host.
function Snapshot:names(card, record)
  if card.system_id == "BYPASS" then return true end
  local id = self:system_id(record)
  return card.system_id == id or not id and self.ids:named_by(card.system_id, { host = record.ref }) == record.ref
end

-- What the hosts say of their devices themselves: the account may not see the configuration of every VM.
local function add_bindings(self)
  for _, record in ipairs(self.hosts) do
    for _, one in ipairs(record.bindings or {}) do
      local place = self.vms and self.vms[one.vm]
      self.ownership:bind(record.ref, one.address, one.vm, place and place.name)
    end
  end
end

local function decide(self)
  self.ids:resolve(self.claims, self.hosts)
  self.ownership = ownership.of(self.claims, function(id, one) return self.ids:named_by(id, one) end)
  add_bindings(self)
end

--- Why a host cannot say which of its cards are held, or nil.
function Snapshot:silence(record) return self.ids:silence(record.ref) end

--- Decides who holds the cards of the hosts that were read.
function Snapshot:read_owners()
  self:whole()
  decide(self)
  return true
end

-- More VMs than this that are gone mean that something else is wrong.
local GONE_MOST = 100

-- Reads the host and the VMs on it, and these further VMs as far as they still exist: the list of objects.
local function read_cards(self, record, others)
  local spec = { follow = { HostSystem = "vm" }, types = { HostSystem = host.paths_of(self.vc),
    VirtualMachine = vm.claim_paths } }
  for try = 1, GONE_MOST do
    spec.objects = { record.ref, table.unpack(others) }
    local list, message, code, detail = self.vc:collect_all(spec)
    if list then return list end
    local gone, left = code == "ManagedObjectNotFound" and detail and detail.fault and detail.fault.obj, {}
    for _, ref in ipairs(others) do if ref ~= gone then left[#left + 1] = ref end end
    if #left == #others or try == GONE_MOST then error(failure.new(message, code, detail), 0) end
    others = left
  end
end

--- Reads a host again, and the VMs that may hold its cards, in one request: the VMs that are registered on it now, and
-- those elsewhere that named it when they were read last. Nothing of other hosts is read, so this does not see a VM of
-- another host that was given a backing of this host since the plan: the server does not start two such VMs at once.
-- Returns the target VM's claim { power, cards ... } if `ref` is on this host.
function Snapshot:refresh_cards(record, ref)
  local others, known = {}, {}
  for _, one in ipairs(self.ownership:naming(record.ref)) do known[one] = true end
  for one, claim in pairs(self.claims) do if claim.host == record.ref then known[one] = true end end
  for one in pairs(known) do
    others[#others + 1] = one
    self.claims[one] = nil
  end
  local mine
  for _, object in ipairs(read_cards(self, record, others)) do
    if object.ref.type == "HostSystem" then
      renew(record, object)
    else
      local claim = claim_record(object)
      if #claim.cards > 0 then self.claims[claim.ref] = claim end
      if claim.ref == ref then mine = claim end
    end
  end
  -- the ids of other hosts do not matter here
  self:system_id(record)
  self.ids:learn(self.claims)
  self.ownership = ownership.of(self.claims, function(id) return self.ids.host_of[id] end)
  add_bindings(self)
  return mine
end

--- The VMs that hold a card of a host record: a list of { ref, name, power, template, stale }, empty if none does.
function Snapshot:owners(card) return self.ownership:holders(card.host.ref, card.address) end

--- The reference of the VM of a target, by its name in its folder; or nil.
function Snapshot:find_vm(target)
  if self.planning then return self:whole():child(target.folder, "VirtualMachine", target.name) end
  local found = check(self.vc.content.searchIndex:FindChild { entity = target.folder, name = target.name })
  return found or nil
end

--- Reads these VMs, for the plan: all of them that were not read yet in one collect.
function Snapshot:read_vms(refs)
  local missing = {}
  for _, ref in ipairs(refs) do if not self.records[ref] then missing[#missing + 1] = ref end end
  if #missing == 0 then return end
  for object in self.vc:collect { objects = missing, type = "VirtualMachine", paths = vm.paths } do
    self.records[object.ref] = vm.record(object.ref, object)
  end
end

--- The record of a VM: in a plan as it was read, else read now; or what `keep` kept.
function Snapshot:vm(ref)
  if self.kept[ref] then return self.kept[ref] end
  if self.planning and self.records[ref] then return self.records[ref] end
  local record = vm.record(ref, check(ref:get(vm.paths)))
  self.last = record
  return record
end

--- The record that `vm` read last, if it is that of this VM; only once.
function Snapshot:just_read(ref)
  local last = self.last
  self.last = nil
  return last and last.ref == ref and last or nil
end

--- Until it is called without a record, `vm` of this VM gives that record instead of reading the VM again: for what
-- follows a read at once.
function Snapshot:keep(ref, record) self.kept[ref] = record end

--- Asks these hosts for their ids (system_id), side by side, if they may have one.
function Snapshot:read_system_ids(records)
  local asks, seen = {}, {}
  for _, record in ipairs(records) do
    if not seen[record] and self.ids:to_ask(record) then
      seen[record] = true
      asks[#asks + 1] = function() return self:system_id(record) or false end
    end
  end
  if #asks > 0 then fiber.all(asks) end
end

--- What `read` gives: while a plan is made it is called once for each key, and later each time.
function Snapshot:once(key, read)
  if not self.planning then return read() end
  local known = self.read_once[key]
  if not known then
    known = table.pack(read())
    self.read_once[key] = known
  end
  return table.unpack(known, 1, known.n)
end

--- The plan is made: from now on everything is read again.
function Snapshot:planned()
  self.read_once = {}
  self.planning, self.records, self.inventory, self.vms, self.running, self.off = false, {}, nil, nil, nil, nil
  self.named, self.children = nil, nil
  self.ids:ask_again()
end

return snapshot
