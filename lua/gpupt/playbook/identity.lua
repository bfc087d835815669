--- Which target of a name: two VMs may have the same one, in different folders.
--
--   "HostSystem:host-9", "VirtualMachine:vm-12"   what existed when the plan was made
--   "Folder:group-v3/train-01"                    a VM that a scope names: its folder and name, before and after it is
--                                                 created
--
-- Rows of journals before format 5 have none: there the name alone decides.
local identity = {}

--- The identity of what exists.
function identity.of(ref) return ref and tostring(ref) or nil end

--- The identity of a VM that a scope names; nil without a folder, which is a problem of the plan.
function identity.named(folder, name) return folder and ("%s/%s"):format(tostring(folder), name) or nil end

--- A function(name, identity) that gives the text for a target: its name, and what tells it apart where several of
-- `list` ({ { name =, identity = } }) have that name.
function identity.labels(list)
  local first, several = {}, {}
  for _, one in ipairs(list) do
    if one.identity then
      first[one.name] = first[one.name] or one.identity
      several[one.name] = several[one.name] or first[one.name] ~= one.identity
    end
  end
  return function(name, which) return several[name] and which and ("%s (%s)"):format(name, which) or name end
end

return identity
