--- The snapshots of a VM that gets a card. While it runs with the card none can be taken or restored (vSphere
-- documentation, Add a PCI device), and a restored one is without the card. So a VM with snapshots is refused, unless
-- the playbook accepts them (accept = { "snapshots" }), or has them deleted (snapshots = "delete" and --allow
-- delete-snapshots): with the VM off, before the card goes in, by one RemoveAllSnapshots_Task, which merges the disks.
--
-- Only snapshots that the plan lists are deleted. The list stays with the run (gpupt.playbook.remembered): one that is
-- taken later, by a user or by a backup, also between an interruption and a resume, is refused with its name.
local backup_snapshots = require "gpupt.facts.backup_snapshots"
local units = require "gpupt.units"
local vim = require "gpupt.vim"

local snapshots = {}

snapshots.word = "delete-snapshots"
snapshots.approval = "delete the snapshots of VMs that get a card"
snapshots.verb = "delete snapshots"
snapshots.NEED = "VirtualMachine.State.RemoveSnapshot"

---@class gpupt.Snapshot            a snapshot of a VM
---@field ref userdata
---@field name string
---@field created number?           seconds since 1970

--- The snapshots of a VM (its record), parents first.
---@return gpupt.Snapshot[]
function snapshots.list(vm)
  local list = {}
  local function walk(trees)
    for _, tree in ipairs(trees or {}) do
      list[#list + 1] = { ref = tree.snapshot, name = tree.name, created = vim.seconds(tree.createTime) }
      walk(tree.childSnapshotList)
    end
  end
  walk(vm.snapshot and vm.snapshot.rootSnapshotList)
  return list
end

local function one_text(one)
  return one.created and ("%s (%s)"):format(one.name, os.date("!%Y-%m-%d %H:%MZ", math.floor(one.created))) or one.name
end

local function text_of(list)
  local words = {}
  for i, one in ipairs(list) do words[i] = one_text(one) end
  return table.concat(words, ", ")
end

-- Notes which snapshots a plan lists, for its run, for a saved plan and for a resumed run, whose first plan counts: the
-- references as a set.
local function listed(ctx, target, list)
  local key = "snapshots " .. target.instance.source
  local known = target.remembered and target.remembered[key] and target.remembered[key].listed
  if ctx.planning then
    local refs = known and known[1]
    if not refs then
      refs = {}
      for i, one in ipairs(list) do refs[i] = tostring(one.ref) end
    end
    target.values = target.values or {}
    target.values[key] = { listed = { refs } }
  end
  local set = {}
  local noted = target.values and target.values[key]
  for _, ref in ipairs(noted and noted.listed[1] or {}) do set[ref] = true end
  return set
end

-- Why snapshots are not deleted that the plan does not list, or nil.
local function unlisted(list, known)
  local new = {}
  for _, one in ipairs(list) do if not known[tostring(one.ref)] then new[#new + 1] = one end end
  if #new == 0 then return nil end
  local one = #new == 1
  return ("has %s that the plan did not list: %s. %s not deleted, and the VM gets no card beside %s. Find out whose "
    .. "%s, and plan again"):format(units.count(#new, "snapshot"), text_of(new), one and "It is" or "They are",
    one and "it" or "them", one and "it is" or "they are")
end

local REFUSED = "has snapshots: they cannot be restored while a VM runs with a passed-through card, and none can be "
  .. "taken. Set snapshots = \"delete\" in p.gpu.attach (it needs --allow delete-snapshots), or accept = "
  .. "{ \"snapshots\" } to keep them"

local function accepts(o)
  for _, word in ipairs(o.accept) do if word == "snapshots" then return true end end
  return false
end

--- What is wrong with these options, or nil.
function snapshots.problem(o)
  if o.snapshots == "delete" and accepts(o) then
    return "accept = { \"snapshots\" } keeps the snapshots that snapshots = \"delete\" deletes: use one of them"
  end
end

--- The change that deletes the snapshots of a VM that gets a card; nil: there is nothing to delete; nil, why it is
-- refused. `vm`: its record, nil if it does not exist yet. `attaches`: it gets a card now.
function snapshots.change(ctx, target, vm, attaches)
  local o = target.options
  local list = vm and snapshots.list(vm) or {}
  local deletes = o.snapshots == "delete"
  local known = deletes and listed(ctx, target, list)
  if not (vm and attaches) then return nil end
  if #list == 0 then
    return nil, deletes and vm.consolidation and "has disks of deleted snapshots that were not merged: consolidate "
      .. "them first (in the vSphere Client: Snapshots, Consolidate)" or nil
  end
  if not deletes then return nil, not accepts(o) and REFUSED or nil end
  local why = unlisted(list, known)
  if why then return nil, why end
  for _, one in ipairs(list) do
    local product = backup_snapshots.product(one.name)
    if product and ctx.planning then
      ctx:note(target, ("the snapshot %s is named as those of %s: make sure that no backup of the VM is running")
        :format(one.name, product))
    end
  end
  return { sign = "-", verb = snapshots.verb, allow = snapshots.word, lost = "deleted snapshots", merges = true,
    what = ("delete %s: %s"):format(units.count(#list, "snapshot"), text_of(list)) }
end

-- After the task: the VM as it is now; nil, message, code if a snapshot is left, or a disk was not merged.
local function proved(ctx, target, failure)
  local vm = ctx.fleet:vm(target.ref)
  local left = snapshots.list(vm)
  if vm.consolidation then
    return nil, ("%s: %s. Its disks are not merged completely: free space on the datastore, consolidate them (in the "
      .. "vSphere Client: Snapshots, Consolidate), and resume the run"):format(target.name, failure
      and failure:gsub("%.$", "") or "the snapshots are deleted"), "EPROOF"
  end
  if failure then return nil end
  if #left > 0 then
    return nil, ("%s still has %s: %s"):format(target.name, units.count(#left, "snapshot"), text_of(left)), "EPROOF"
  end
  return vm
end

--- Right before the card goes in, with the VM off (`vm`: its record, read since): one may have been taken while the
-- guest was shut down. Deletes the snapshots if the options want it. Gives the VM as it is then; nil, message, code,
-- detail.
function snapshots.settle(ctx, target, vm)
  local list = snapshots.list(vm)
  if #list == 0 then return vm end
  if target.options.snapshots ~= "delete" then
    if accepts(target.options) then return vm end
    return nil, target.name .. " " .. REFUSED, "EREFUSED"
  end
  local why = unlisted(list, listed(ctx, target, list))
  if why then return nil, target.name .. " " .. why, "EREFUSED" end
  ctx:require_approval(snapshots.word, "deleting the snapshots of " .. target.name)
  local kept = {}
  for i, one in ipairs(list) do kept[i] = { ref = tostring(one.ref), name = one.name, created = one.created } end
  local ok, message, code, detail = ctx:task(target, target.ref, "RemoveAllSnapshots_Task", { consolidate = true },
    { action = "delete-snapshots", text = "RemoveAllSnapshots", detail = { snapshots = kept } })
  if not ok then
    local unmerged
    -- without an answer nothing is known, and the run observes again
    if type(detail) == "table" and detail.fault then unmerged = select(2, proved(ctx, target, message)) end
    return nil, unmerged or ("%s: its snapshots cannot be deleted: %s"):format(target.name, message), code, detail
  end
  vm, message, code = proved(ctx, target)
  if not vm then return nil, message, code end
  ctx:note(target, ("deleted %s"):format(units.count(#list, "snapshot")))
  return vm
end

-- The snapshots that a VM has now, as a set of references. What a run began to delete may not have been deleted.
local function still_there(ctx, target)
  local set, list = {}, target.ref and snapshots.list(ctx.fleet:vm(target.ref)) or {}
  for _, one in ipairs(list) do set[tostring(one.ref)] = true end
  return set
end

--- What an undo says of the snapshots that these changes of a run deleted: a list of texts.
function snapshots.lost(ctx, target, done)
  local there, list
  for _, change in ipairs(done) do
    local gone = {}
    for _, one in ipairs(change.action == "delete-snapshots" and change.detail.snapshots or {}) do
      there = there or still_there(ctx, target)
      if not there[one.ref] then gone[#gone + 1] = one end
    end
    if #gone > 0 then
      list = list or {}
      list[#list + 1] = ("%s that the run deleted: %s"):format(units.count(#gone, "snapshot"), text_of(gone))
    end
  end
  return list or {}
end

return snapshots
