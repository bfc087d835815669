--- Hosts and VMs of a plan that would wait for each other for ever (gpupt.playbook.turns): where VMs exchange hosts
-- that are changed by the same plan. Such a plan is refused: two playbooks, one after the other, have an order.
local turns = require "gpupt.playbook.turns"

local circle = {}

-- A VM has two nodes: "begin", which is also when it has given up its cards and moved away, and its end, which a card
-- holds up that another VM has to give up first.

-- What a node waits for: a list of { target, phase, why }.
local function waits_of(plan, target, phase, hosts, canaries)
  local list = {}
  local function add(other, at, why) if other then list[#list + 1] = { other, at, why } end end
  local function add_canary(one)
    for _, first in ipairs(canaries:before(one) or {}) do add(first, "end", "waits for the canary") end
  end
  local function add_leaving(host)
    for _, vm in ipairs(plan.vms) do
      if turns.host_left(vm, hosts) == host then add(vm, "begin", "is left first by") end
    end
  end
  if target.kind == "host" then
    add_canary(target)
    add_leaving(target)
    for _, vm in ipairs(plan.vms) do
      if turns.late_host(vm, hosts) == target then add(vm, "end", "takes the cards of") end
    end
  elseif phase == "begin" then
    add_canary(target)
    add(turns.host_before(target, hosts), "end", turns.way(target) and "goes to" or "is on")
    local left, late = turns.host_left(target, hosts), turns.late_host(target, hosts)
    if left then add_canary(left) end
    if late and turns.goes_down(target) then
      add_canary(late)
      add_leaving(late)
    end
  else
    add(target, "begin")
    for _, giver in ipairs(target.waits or {}) do add(giver, "begin", "gets a card of") end
  end
  return list
end

-- Depth first: the steps of a circle, { target, why, next target } each; nil if there is none.
local function search(plan, hosts, canaries)
  local state, path = { begin = {}, ["end"] = {} }, {}
  local function visit(target, phase)
    state[phase][target] = "open"
    for _, wait in ipairs(waits_of(plan, target, phase, hosts, canaries)) do
      local other, at = wait[1], wait[2]
      path[#path + 1] = { target, wait[3], other, phase }
      if state[at][other] == "open" then
        while path[1][1] ~= other or path[1][4] ~= at do table.remove(path, 1) end
        return path
      end
      local found = not state[at][other] and visit(other, at)
      if found then return found end
      path[#path] = nil
    end
    state[phase][target] = "done"
  end
  for _, target in ipairs(plan.vms) do
    local found = turns.way(target) and not state["end"][target] and visit(target, "end")
    if found then return found end
  end
end

--- nil; or the problem: { target =, source =, text =, code = }.
function circle.problem(plan, canaries)
  local hosts = {}
  for _, target in ipairs(plan.hosts) do hosts[target.ref] = target end
  local found = search(plan, hosts, canaries)
  if not found then return nil end
  local words, mover = {}, found[1][1]
  for _, one in ipairs(found) do
    if one[2] then words[#words + 1] = ("%s %s %s"):format(one[1].name, one[2], one[3].name) end
    if turns.way(one[1]) then mover = one[1] end
  end
  return { target = mover.name, source = mover.scope.source, code = "EREFUSED", text = ("p.vm.move: these would wait "
    .. "for each other: %s. Move the VMs in a playbook of their own, and change the hosts in another, before it or "
    .. "after it"):format(table.concat(words, ", ")) }
end

return circle
