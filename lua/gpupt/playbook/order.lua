--- The required order of a VM's steps, checked when a playbook is loaded.
-- Each rule names two steps: if a scope has both, the first must come before the second; the message gives the reason.
-- A custom step may set `after = { ["step.name"] = "reason" }`.
-- Some of these steps do not exist yet; a user's own step may have such a name.
local order = {}

order.rules = {
  { "vm.create", "os.install", "an operating system needs a VM to be installed on" },
  { "vm.create", "gpu.attach", "a card is attached to an existing VM" },
  { "vm.clone", "gpu.attach", "a clone copies the source's devices: clone without the card first, then attach it" },
  { "vm.clone", "tools.ensure", "Tools are configured in the cloned VM" },
  { "vm.create", "tools.ensure", "Tools are installed in the guest operating system" },
  { "os.install", "tools.ensure", "Tools are installed in the guest operating system" },
  { "os.install", "gpu.attach",
    "the installer needs a console to draw on, and the firmware must be set before a card is attached" },
  { "tools.ensure", "gpu.attach", "install Tools before the card, because the console may go dark with its driver" },
  { "gpu.attach", "driver.install", "a driver is installed for a card that is present" },
  { "gpu.attach", "guest.verify", "the guest sees no card before one is attached" },
  { "driver.install", "guest.verify", "the driver must be installed before the check" },
  { "gpu.attach", "horizon.agent", "the Horizon agent chooses its mode by the card it finds during its installation" },
  { "driver.install", "horizon.agent", "the Horizon agent needs the card's driver" },
  { "tools.ensure", "horizon.agent", "Tools must be installed before the Horizon agent" },
  { "horizon.agent", "horizon.pool", "a pool needs VMs with the agent" },
}

local function position(steps)
  local at = {}
  for i, step in ipairs(steps) do
    local name = step.step.name
    if at[name] and not step.step.repeatable then
      return nil, ("%s: %s is used twice (first at %s)"):format(step.source, name, steps[at[name]].source)
    end
    at[name] = at[name] or i
  end
  return at
end

--- nil if the order is right, else a message.
function order.problem(steps)
  local at, message = position(steps)
  if not at then return message end
  local function compare(first, second, reason)
    local a, b = at[first], at[second]
    if a and b and a > b then
      return ("%s: %s must come before %s (%s): %s"):format(steps[a].source, first, second, steps[b].source, reason)
    end
  end
  for _, rule in ipairs(order.rules) do
    local problem = compare(rule[1], rule[2], rule[3])
    if problem then return problem end
  end
  for _, step in ipairs(steps) do
    for before, reason in pairs(step.step.after or {}) do
      local problem = compare(before, step.step.name, reason)
      if problem then return problem end
    end
  end
end

return order
