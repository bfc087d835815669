--- VMs that exist and are not where `place` says. `place` is for new VMs: a VM that was placed, or was moved by hand
-- since, is left where it is, and the plan says in one line what differs. Another cluster is refused
-- (gpupt.playbook.targets), and in another folder the VM is not found: there a new one is made, with a note.
local ranges = require "gpupt.ranges"

local placed = {}

local function datastore_of(target)
  local now, wanted = ((target.vm or {}).path or ""):match "^%[([^%]]+)%]", target.place.datastore and target.datastore
  if not now or not wanted or now == wanted then return nil end
  return ("its files are on the datastore %s, and place says %s (p.vm.move, in a p.vms with where, moves them)"):format(
    now, wanted)
end

-- A clone may have further adapters, so that one of them is as `place` says.
local function network_of(world, target)
  local refs = target.network and world.networks_of[target.ref]
  if not refs then return nil end
  local names = {}
  for i, ref in ipairs(refs) do
    if ref == target.network then return nil end
    names[i] = (world.networks[ref] or {}).name or tostring(ref)
  end
  table.sort(names)
  return ("it is connected to %s, and place says %s (change that by hand)"):format(#names > 0
    and table.concat(names, " and ") or "no network", target.network_name)
end

--- What differs, of the VMs of a plan: a list of { names =, label = "desk-[01-40]", what =, text = the whole line },
-- VMs with the same difference together. `world`: what gpupt.playbook.preflight.look read.
function placed.otherwise(world, targets)
  local list, by_what = {}, {}
  for _, target in ipairs(targets) do
    if target.place and target.ref and not target.misplaced then
      local words = {}
      words[1] = datastore_of(target)
      words[#words + 1] = network_of(world, target)
      local what = table.concat(words, "; ")
      if what ~= "" and not by_what[what] then
        by_what[what] = { names = {}, what = what }
        list[#list + 1] = by_what[what]
      end
      if what ~= "" then table.insert(by_what[what].names, target.name) end
    end
  end
  for _, one in ipairs(list) do
    one.label = ranges.text(one.names)
    one.text = ("%s: %s. A VM that exists is left where it is"):format(one.label, one.what)
  end
  return list
end

return placed
