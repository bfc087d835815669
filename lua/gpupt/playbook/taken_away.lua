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

-- The VM of this plan that is given one of these devices of a host, and the step that gives it.
local function given(self, ref, devices)
  local taken = {}
  for _, device in ipairs(devices) do taken[device.address] = true end
  for _, entry in ipairs(self.entries) do
    local target = entry.target
    for _, step in ipairs(target.kind == "vm" and target.host and target.host.ref == ref and entry.steps or {}) do
      for _, card in ipairs(step.instance.name == "gpu.attach" and #step.changes > 0 and target.cards or {}) do
        if taken[card.address] then return target, step.instance, card end
      end
    end
  end
end

-- A card that is taken out of passthrough is given to no VM by the same plan.
local function check_given(self, problem)
  for _, entry in ipairs(self.entries) do
    for _, step in ipairs(entry.steps) do
      for _, change in ipairs(step.changes) do
        local target, instance, card
        if change.disables then target, instance, card = given(self, entry.target.ref, change.disables) end
        if target then
          problem(entry.target.name, step.instance.source, ("%s: %s is given to %s by this plan (gpu.attach "
            .. "at %s). Choose other cards in one of them"):format(entry.target.name, hosts.short(card.address),
            target.name, instance.source), "EREFUSED")
        end
      end
    end
  end
end

-- A card that is taken out of passthrough must not stay in a VM's configuration. An undo leaves such a card as it is.
local function check_held(self, problem)
  for _, entry in ipairs(self.entries) do
    for _, step in ipairs(entry.steps) do
      for _, change in ipairs(step.changes) do
        local held = change.disables and release.held(self.ctx, entry.target.record, change.disables,
          function(owner, address) return freed(self, owner, address) end)
        if held and self.playbook.undoes then
          self.playbook.keep(entry.target, held)
          step.changes, entry.changes = {}, nil
          break
        elseif held then
          problem(entry.target.name, step.instance.source, held, "EREFUSED")
        end
      end
    end
  end
end

--- Adds what is wrong: problem(target, source, message, code). An undo leaves a card that a VM holds as it is.
function taken_away.check(plan, problem)
  check_held(plan, problem)
  check_given(plan, problem)
end

return taken_away
