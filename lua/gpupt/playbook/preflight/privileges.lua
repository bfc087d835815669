--- The privileges that the planned changes need, on each object, by its name: one HasPrivilegeOnEntities for all of
-- them (several for very many objects).
-- A privilege of hosts is needed on the host of the target, one of VMs on the VM, or on its folder while it does not
-- exist, those of folder, datastore, network and resource pool on those of the placement.
local findings = require "gpupt.playbook.preflight.findings"
local next_command = require "gpupt.next_command"

local names = { Folder = "folder", Datastore = "datastore", Network = "network", ResourcePool = "resource pool",
  DistributedVirtualPortgroup = "network", OpaqueNetwork = "network", VirtualMachine = "VM", HostSystem = "host" }

-- Pairs of object and privilege in one request.
local MOST = 20000

local function store_of(plan, target)
  local name = target.datastore or target.vm and (target.vm.path or ""):match "^%[([^%]]+)%]"
  for _, store in pairs(plan.world.stores) do
    if store.name == name then return store.ref, name end
  end
end

--- The object on which a target needs a privilege, and its name; nil if it is not known.
local function object_of(plan, target, privilege)
  local group = privilege:match "^(%w+)"
  if group == "Host" then return target.ref and target.kind == "host" and target.ref, target.name end
  if group == "VirtualMachine" then
    if target.kind == "vm" and target.ref then return target.ref, target.name end
    local place = target.place
    return target.folder, (place and place.folder or "vm"):match "[^/]+$"
  elseif group == "Datastore" then
    return store_of(plan, target)
  elseif group == "Network" then
    return target.network, target.network_name
  elseif group == "Resource" then
    return target.pool, target.pool and "of " .. (target.host and target.host.cluster.name or target.name)
  end
  return plan.vc.content.rootFolder, "the inventory's root"
end

--- The privileges of one planned step: what its changes say, else what the step declares.
local function privileges_of(need)
  if need.changes.needs then return need.changes.needs end
  local step = need.instance.step
  local list = table.move(step.needs, 1, #step.needs, 1, {})
  local more = step.also_needs and step.also_needs(need.options, need.target.scope) or {}
  return table.move(more, 1, #more, #list + 1, list)
end

--- { object = { ref, name, wanted = { privilege -> { steps } } } }, in order.
local function wanted_of(plan, needs)
  local list, by_ref = {}, {}
  local function want(ref, name, privilege, need)
    local one = by_ref[ref]
    if not one then
      one = { ref = ref, name = name, wanted = {}, order = {} }
      by_ref[ref], list[#list + 1] = one, one
    end
    if not one.wanted[privilege] then
      one.wanted[privilege] = need
      one.order[#one.order + 1] = privilege
    end
  end
  for _, need in ipairs(needs) do
    for _, privilege in ipairs(privileges_of(need)) do
      if type(privilege) == "table" then -- of other objects than the target's own
        for _, object in ipairs(privilege.objects) do want(object.ref, object.name, privilege.privilege, need) end
      else
        local ref, name = object_of(plan, need.target, privilege)
        if ref then want(ref, name, privilege, need) end
      end
    end
  end
  return list
end

-- Objects with the same wanted privileges in groups, so that the pairs of a request stay few.
local function requests_of(list)
  local groups, order = {}, {}
  for _, one in ipairs(list) do
    table.sort(one.order)
    local key = table.concat(one.order, ",")
    if not groups[key] then
      groups[key] = { privileges = one.order, objects = {} }
      order[#order + 1] = groups[key]
    end
    table.insert(groups[key].objects, one)
  end
  local all, union, seen = { privileges = {}, objects = list }, {}, {}
  for _, group in ipairs(order) do
    for _, privilege in ipairs(group.privileges) do
      if not seen[privilege] then
        seen[privilege] = true
        union[#union + 1] = privilege
      end
    end
  end
  all.privileges = union
  if #list * #union <= MOST then return { all } end
  local split = {}
  for _, group in ipairs(order) do
    local size = math.max(1, MOST // #group.privileges)
    for first = 1, #group.objects, size do
      split[#split + 1] = { privileges = group.privileges,
        objects = table.move(group.objects, first, math.min(#group.objects, first + size - 1), 1, {}) }
    end
  end
  return split
end

local function ask(plan, request)
  local refs = {}
  for i, one in ipairs(request.objects) do refs[i] = one.ref end
  return plan.vc:call(plan.vc.content.authorizationManager, "HasPrivilegeOnEntities", { entity = refs,
    sessionId = plan.vc.user.key, privId = request.privileges })
end

--- Adds the privileges that the account lacks on one object to `missing`: of several objects for each step.
local function add_missing(missing, one, answers)
  local lacks = {}
  for _, answer in ipairs(answers) do
    if one.wanted[answer.privId] and answer.isGranted then missing.granted = true end
    if one.wanted[answer.privId] and not answer.isGranted then lacks[#lacks + 1] = answer.privId end
  end
  table.sort(lacks)
  for _, privilege in ipairs(lacks) do
    local instance, kind = one.wanted[privilege].instance, names[one.ref.type] or one.ref.type
    local key = table.concat({ instance.source, instance.name, privilege, kind }, "\0")
    if not missing[key] then
      missing[key] = { source = instance.source, kind = kind, objects = {},
        text = ("%s: the account lacks %s on"):format(instance.name, privilege) }
      missing[#missing + 1] = missing[key]
    end
    table.insert(missing[key].objects, one.name or "?")
  end
end

local function complain(missing, found)
  for _, one in ipairs(missing) do
    local objects = one.objects
    local where = #objects > 4 and ("%d %ss (%s)"):format(#objects, one.kind, findings.names(objects))
      or ("the %s%s %s"):format(one.kind, #objects > 1 and "s" or "", table.concat(objects, ", "))
    found:problem { source = one.source, code = "NoPermission", text = one.text .. " " .. where }
  end
end

return function(plan, needs, found)
  local list = wanted_of(plan, needs)
  if #list == 0 then return end
  local by_ref = {}
  local missing = {}
  for _, one in ipairs(list) do by_ref[one.ref] = one end
  for _, request in ipairs(requests_of(list)) do
    local answer, message, code = ask(plan, request)
    if answer == nil then
      found:open { text = "privileges", why = code == "NoPermission" and "needs System.Read on the objects" or message }
      return
    end
    for _, entity in ipairs(answer) do
      if by_ref[entity.entity] then add_missing(missing, by_ref[entity.entity], entity.privAvailability or {}) end
    end
  end
  local command = next_command.role(plan.playbook.path)
  if #missing > 0 and not missing.granted then
    -- an account that is made for reading: its user wants to see the plan
    plan.read_only = "this account cannot change anything of the plan: apply needs one with the privileges that this "
      .. "lists: " .. command
    return
  end
  if #missing > 0 then plan.advice = "the privileges that apply needs: " .. command end
  complain(missing, found)
end
