--- Cards that a plan takes out of passthrough: none may stay in the configuration of a VM, and none is given to one.
local hosts = require "gpupt.fleet.host"
local release = require "gpupt.step.host_release"

local taken_away = {}

-- Whether this plan takes a card from the VM that holds it.
local function freed(self, owner, address)
  for _, target in ipairs(self.vms) do
    local set = target.ref == owner.ref and target.forecast and target.forecast.freed
    if set == true or set and set[address] then return true end
  end
end

-- The changes that take cards out of passthrough: { entry, step, devices } each.
local function disabling(self)
  local list = {}
  for _, entry in ipairs(self.entries) do
    for _, step in ipairs(entry.steps) do
      for _, change in ipairs(step.changes) do
        if change.disables then list[#list + 1] = { entry, step, change.disables } end
      end
    end
  end
  return list
end

-- The cards that VMs of this plan are given, by host and address: { target, the step, card, number in the plan }.
local function given(self)
  local by_host, count = {}, 0
  for _, entry in ipairs(self.entries) do
    local target = entry.target
    for _, step in ipairs(target.kind == "vm" and target.host and entry.steps or {}) do
      for _, card in ipairs(step.instance.name == "gpu.attach" and #step.changes > 0 and target.cards or {}) do
        local of_host = by_host[target.host.ref] or {}
        by_host[target.host.ref], count = of_host, count + 1
        of_host[card.address] = of_host[card.address] or { target, step.instance, card, count }
      end
    end
  end
  return by_host
end

-- The first of them among these devices of a host; or nil.
local function first_of(of_host, devices)
  local first
  for _, device in ipairs(of_host and devices or {}) do
    local one = of_host[device.address]
    if one and (not first or one[4] < first[4]) then first = one end
  end
  return first
end

-- A card that is taken out of passthrough is given to no VM by the same plan.
local function check_given(self, problem)
  local list = disabling(self)
  local by_host = #list > 0 and given(self)
  for _, one in ipairs(list) do
    local target, step = one[1].target, one[2]
    local found = first_of(by_host[target.ref], one[3])
    if found then
      problem(target.name, step.instance.source, ("%s: %s is given to %s by this plan (gpu.attach at %s). Choose other "
        .. "cards in one of them"):format(target.name, hosts.short(found[3].address), found[1].name, found[2].source),
        "EREFUSED")
    end
  end
end

-- A card that is taken out of passthrough must not stay in a VM's configuration. An undo leaves such a card as it is.
local function check_held(self, problem)
  for _, one in ipairs(disabling(self)) do
    local entry, step = one[1], one[2]
    -- a step that the undo gives up has no changes any more
    local held = #step.changes > 0 and release.held(self.ctx, entry.target.record, one[3],
      function(owner, address) return freed(self, owner, address) end)
    if held and self.playbook.undoes then
      self.playbook.keep(entry.target, held)
      step.changes, entry.changes = {}, nil
    elseif held then
      problem(entry.target.name, step.instance.source, held, "EREFUSED")
    end
  end
end

--- Adds what is wrong: problem(target, source, message, code). An undo leaves a card that a VM holds as it is.
function taken_away.check(plan, problem)
  check_held(plan, problem)
  check_given(plan, problem)
end

return taken_away
