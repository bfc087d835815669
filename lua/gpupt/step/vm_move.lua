--- vm.move: moves a powered-off VM to another host, and its files to another datastore if asked. A running one is shut
-- down first: a card cannot move with a running VM, and the card of one host means nothing on another. So the cards are
-- detached, the VM is relocated, and gpu.attach, which must follow, attaches cards of the new host and proves them.
--
-- Which host and which of its cards is decided when the plan is made, with the other VMs of the plan. Where a card is
-- free only because another VM of the plan moves away from it, gpu.attach waits until that VM has given it up.
local check = require "gpupt.failure".check
local hosts = require "gpupt.fleet.host"
local move_undo = require "gpupt.step.move_undo"
local power = require "gpupt.step.vm_power"
local units = require "gpupt.units"
local values = require "gpupt.step.vm_values"

local step = {
  name = "vm.move", scope = "vms",
  options = {
    { "to", "string|table", required = true, late = true,
      doc = "the hosts it may move to: a name, an inventory path or pattern of hosts or clusters, or a list of them; "
        .. "a VM that is on one of them stays" },
    { "datastore", "string", late = true, doc = "the name of the datastore to move its files to; default: they stay" },
  },
  approvals = { ["guest-shutdown"] = "shut down the guests of running VMs" },
  needs = { "Resource.ColdMigrate", "Resource.AssignVMToPool", "Datastore.AllocateSpace",
    "VirtualMachine.Config.AddRemoveDevice", "VirtualMachine.Config.AdvancedConfig", "VirtualMachine.Interact.PowerOn",
    "VirtualMachine.Interact.PowerOff" },
}

local function store_of(vm) return (vm.path or ""):match "^%[([^%]]+)%]" end

-- References to the hosts that the option names; nil, message, code.
local function hosts_named(fleet, to)
  if to:sub(1, 1) == "/" then return fleet:resolve_hosts { to } end
  local list = fleet:hosts_named(to)
  if #list == 1 then return list end
  if #list == 0 then return nil, ("to = '%s' is no host"):format(to), "ENOENT" end
  return nil, ("to = '%s' is ambiguous: %d hosts have this name. Use an inventory path"):format(to, #list), "EAMBIGUOUS"
end

--- The hosts that the VM may move to; nil, message, code.
function step.goes(fleet, _, o)
  local list, seen = {}, {}
  for _, to in ipairs(type(o.to) == "table" and o.to or { o.to }) do
    local refs, message, code = hosts_named(fleet, to)
    if not refs then return nil, message, code end
    for _, ref in ipairs(refs) do
      if not seen[ref] then list[#list + 1] = ref end
      seen[ref] = true
    end
  end
  return list
end

--- What its new host must have: memory, and the datastores of its files.
function step.place(_, target, o)
  local vm = target.vm
  if not (vm and target.moves) then return nil end
  local stores, seen = {}, {}
  local function want(name)
    if name and not seen[name] then
      seen[name] = true
      stores[#stores + 1] = name
    end
  end
  if o.datastore then
    want(o.datastore)
  else
    want(store_of(vm))
    for _, device in ipairs(vm.devices) do
      if device._type == "VirtualDisk" then want(tostring(device.backing.fileName):match "^%[([^%]]+)%]") end
    end
  end
  return { memory_mb = vm.memory_mb, stores = stores }
end

function step.observe(ctx, target)
  if target.scope.options.name then
    return nil, "vm.move moves existing VMs: select them with where, not name", "EPLAYBOOK"
  end
  local vm, o = ctx.fleet:vm(target.ref), target.options
  local seen = { vm = vm, from = ctx.fleet.by_ref[vm.host] }
  if o.datastore and store_of(vm) ~= o.datastore then
    for _, store in pairs(target.host and target.host.mounts or {}) do
      if store.name == o.datastore then seen.store = store.ref end
    end
    seen.store = seen.store or target.new_store
    target.new_store = seen.store
    if not seen.store then
      return nil, ("%s: datastore = '%s': %s does not mount it"):format(target.name, o.datastore,
        target.host and target.host.name or "its host"), "EPLACE"
    end
  end
  return seen
end

local function attaches(target)
  for _, instance in ipairs(target.scope.children) do if instance.name == "gpu.attach" then return true end end
  return false
end

-- Why this VM cannot move; or nil.
local function refusal(target, vm)
  if vm.template then return "is a template" end
  if vm.power == "suspended" then return "is suspended. Power it on or off first" end
  for _, card in ipairs(vm.cards) do
    if card.kind ~= "fixed" and card.kind ~= "dynamic" then return "has a vGPU, which vm.move does not move" end
  end
  if #vm.cards > 0 and not attaches(target) then
    return ("has %s, and a card does not move with its VM. Add p.gpu.attach after p.vm.move"):format(units.count(
      #vm.cards, "passthrough device"))
  end
end

-- The cards with a fixed backing, without those that an earlier step takes away.
local function fixed_of(vm, freed)
  local list, words = {}, {}
  for _, card in ipairs(vm.cards) do
    if card.kind == "fixed" and not (type(freed) == "table" and freed[card.address]) then
      list[#list + 1] = card
      words[#words + 1] = hosts.short(card.address)
    end
  end
  return list, table.concat(words, " ")
end

local function needs_of(target, seen, other_cluster)
  local list = { "Resource.ColdMigrate" }
  if #seen.vm.cards > 0 then
    list[#list + 1] = "VirtualMachine.Config.AddRemoveDevice"
    list[#list + 1] = "VirtualMachine.Config.AdvancedConfig"
  end
  if seen.vm.power == "poweredOn" then list[#list + 1] = "VirtualMachine.Interact.PowerOff" end
  if seen.vm.power == "poweredOn" and not attaches(target) then list[#list + 1] = "VirtualMachine.Interact.PowerOn" end
  if seen.store then
    list[#list + 1] = { privilege = "Datastore.AllocateSpace",
      objects = { { ref = seen.store, name = target.options.datastore } } }
  end
  if other_cluster then
    list[#list + 1] = { privilege = "Resource.AssignVMToPool",
      objects = { { ref = target.host.cluster.pool, name = "of " .. target.host.cluster.name } } }
  end
  return list
end

-- The pool of the new host, if it is in another cluster; else the VM keeps its own.
local function pool_of(target, seen)
  local to = target.host
  if seen.from and seen.from.parent == to.parent then return nil end
  return to.cluster.pool
end

function step.plan(ctx, target, seen)
  local vm, to = seen.vm, target.host
  if not to then return nil, target.name .. ": no host was found for it", "ENOHOST" end
  local moves = vm.host ~= to.ref
  if not moves and not seen.store then
    -- an interrupted run has shut it down
    if vm.power == "poweredOff" and not attaches(target) and ctx:newer(target, "guest-shutdown", "power-on") then
      return { { sign = "~", verb = "power on", what = "power on", starts = true } }
    end
    return {}
  end
  local why = refusal(target, vm)
  why = why and ("%s %s"):format(target.name, why) or power.refusal(target, vm)
  if why then return nil, why, "EREFUSED" end
  local changes, words = {}, {}
  if vm.power == "poweredOn" then
    changes[1] = { sign = "-", verb = "guest shutdown", what = "shut down the guest",
      allow = power.delivered(vm) and "guest-shutdown" or nil }
  end
  local cards, text = fixed_of(vm, target.forecast.freed)
  if #cards > 0 and moves then
    changes[#changes + 1] = { sign = "-", verb = "detach", what = ("detach %s of %s"):format(text,
      seen.from and seen.from.name or "its host") }
  end
  if moves then words[1] = ("from %s to %s"):format(seen.from and seen.from.name or "its host", to.name) end
  if seen.store then
    words[#words + 1] = ("from datastore %s to %s"):format(store_of(vm) or "?", target.options.datastore)
  end
  changes[#changes + 1] = { sign = "~", verb = "move", what = "move " .. table.concat(words, ", "),
    goes = moves and { from = vm.host, to = to.ref } or nil }
  if vm.power == "poweredOn" and not attaches(target) then
    changes[#changes + 1] = { sign = "~", verb = "power on", what = "power on", starts = true }
  end
  changes.needs = needs_of(target, seen, pool_of(target, seen) ~= nil)
  local freed = {}
  for _, card in ipairs(moves and fixed_of(vm) or {}) do freed[card.address] = true end
  return changes, { memory_mb = vm.memory_mb, installs = attaches(target) and moves or nil, freed = freed }
end

-- Takes the cards of the old host away: there they are free then.
local function detach(ctx, target, vm)
  local list = {}
  for i, card in ipairs((fixed_of(vm))) do
    list[i] = { operation = "remove", device = { _type = "VirtualPCIPassthrough", key = card.key } }
  end
  if #list == 0 then return true end
  return values.reconfigure(ctx, target, vm, { changeVersion = vm.change_version, deviceChange = list,
    extraConfig = { { key = "gpupt.run", value = ctx.run } } },
    { action = "detach", text = "ReconfigVM (detach the cards)" })
end

-- Disks that are on another datastore than the VM's own files, for undo: { key =, datastore = }.
local function disks_apart(vm)
  local list
  for _, device in ipairs(vm.devices) do
    local store = device._type == "VirtualDisk" and tostring(device.backing.fileName):match "^%[([^%]]+)%]"
    if store and store ~= store_of(vm) then
      list = list or {}
      list[#list + 1] = { key = device.key, datastore = store }
    end
  end
  return list
end

local function relocate(ctx, target, seen)
  local vm, to = seen.vm, target.host
  local spec = { datastore = seen.store }
  if vm.host ~= to.ref then spec.host, spec.pool = to.ref, pool_of(target, seen) end
  local before = { host = vm.host, datastore = store_of(vm), disks = seen.store and disks_apart(vm) or nil,
    pool = spec.pool and check(target.ref:get "resourcePool") or nil }
  local after = { host = to.ref, datastore = seen.store and target.options.datastore or store_of(vm) }
  local ok, message, code, detail = ctx:task(target, target.ref, "RelocateVM_Task", { spec = spec },
    { action = "move", text = "RelocateVM", detail = { before = before, after = after } })
  if not ok then return nil, message, code, detail end
  ctx:note(target, "moved to " .. to.name)
  return true
end

function step.apply(ctx, target, _, seen)
  local vm = seen.vm
  local ok, message, code, detail = power.off(ctx, target, vm)
  if ok and vm.power ~= "poweredOff" then vm = ctx.fleet:vm(target.ref) end
  local moves = vm.host ~= target.host.ref
  if ok and moves then ok, message, code, detail = detach(ctx, target, vm) end
  if not ok then return nil, message, code, detail end
  target.released = true
  if moves or seen.store then
    ok, message, code, detail = relocate(ctx, target, seen)
    if not ok then return nil, message, code, detail end
  end
  if not attaches(target) and ctx:newer(target, "guest-shutdown", "power-on") then return power.on(ctx, target) end
  return true
end

function step.prove(ctx, target)
  local vm, o = ctx.fleet:vm(target.ref), target.options
  if vm.host ~= target.host.ref then return nil, ("%s is not on %s"):format(target.name, target.host.name), "EPROOF" end
  if o.datastore and store_of(vm) ~= o.datastore then
    return nil, ("%s is on the datastore %s"):format(target.name, store_of(vm) or "?"), "EPROOF"
  end
  return "on " .. target.host.name .. (o.datastore and ", datastore " .. o.datastore or "")
end

--- The VM goes back to its host and datastore, and gets the cards back that it had there.
function step.undo(ctx, target, done) return move_undo.of(ctx, target, done) end

return step
