--- The required order of a VM's steps, checked when a playbook is loaded.
-- Each rule names two steps: if a scope has both, the first must come before the second; the message gives the reason.
-- A custom step may set `after = { ["step.name"] = "reason" }`.
-- Some of these steps do not exist yet; a user's own step may have such a name. A step that runs in the guest of a new
-- VM needs an operating system there first.
local steps = require "gpupt.step"

local order = {}

order.rules = {
  { "host.firmware", "host.enable", "both get by with one reboot, and cards need the BIOS settings to become active" },
  { "host.firmware", "host.disable", "both get by with one reboot" },
  { "vm.create", "os.install", "an operating system needs a VM to be installed on" },
  { "vm.create", "os.present", "the operating system is installed on the VM's disk" },
  { "os.install", "os.present", "nothing is there before the installation" },
  { "vm.create", "gpu.attach", "a card is attached to an existing VM" },
  { "vm.clone", "gpu.attach", "a clone copies the source's devices: clone without the card first, then attach it" },
  { "vm.clone", "tools.ensure", "Tools are configured in the cloned VM" },
  { "doctor.repair", "guest.verify", "the check is of the repaired VM" },
  { "gpu.detach", "gpu.attach", "the VM is shut down once for both, and started with the cards that it gets" },
  { "gpu.detach", "vm.move", "a card does not move with its VM" },
  { "vm.move", "doctor.repair", "what is wrong depends on the host" },
  { "vm.move", "gpu.attach", "a card is attached on the host to which the VM moves" },
  { "vm.move", "tools.ensure", "the VM is shut down to move" },
  { "vm.move", "driver.install", "the VM is shut down to move" },
  { "vm.move", "guest.verify", "the check runs where the VM is then" },
  { "vm.clone", "os.present", "the operating system is on the disks that are cloned" },
  { "vm.clone", "driver.install", "a driver is installed in the clone" },
  { "vm.clone", "guest.verify", "the check runs in the clone" },
  { "vm.create", "tools.ensure", "Tools are installed in the guest operating system" },
  { "vm.create", "driver.install", "a driver is installed in the guest operating system" },
  { "vm.create", "guest.verify", "the check runs in the guest of an existing VM" },
  { "os.install", "tools.ensure", "Tools are installed in the guest operating system" },
  { "os.present", "tools.ensure", "Tools are changed in the guest operating system" },
  { "os.present", "gpu.attach", "the operating system is installed before a card is attached" },
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

--- The steps after which there is an operating system. Steps of the user's own may install one as well.
local provides = { ["os.install"] = true, ["os.present"] = true, ["vm.clone"] = true }

-- Steps of which a scope has only one.
local either = { { "vm.create", "vm.clone", "both make the VM" }, { "vm.clone", "os.install",
  "the clone has the operating system of its source" }, { "vm.create", "vm.move", "a new VM is created where its cards "
    .. "are" }, { "vm.clone", "vm.move", "a clone is made where its cards are" } }

--- A step that runs in the guest of a VM that has a blank disk then; a message, or nil.
local function blank(list)
  local created
  for _, step in ipairs(list) do
    local name = step.step.name
    if name == "vm.create" then
      created = step
    elseif provides[name] or steps.is_own(name) then
      created = nil
    elseif created and step.step.login then
      return ("%s: %s runs in the guest, and vm.create (%s) makes a VM with a blank disk. Put p.os.install, "
        .. "p.os.present {} (installed by PXE or by hand) or a step of your own between them"):format(step.source, name,
        created.source)
    end
  end
end

local function position(list)
  local at = {}
  for i, step in ipairs(list) do
    local name = step.step.name
    if at[name] and not step.step.repeatable then
      return nil, ("%s: %s is used twice (first at %s)"):format(step.source, name, list[at[name]].source)
    end
    at[name] = at[name] or i
  end
  return at
end

--- nil if the order is right, else a message.
function order.problem(list)
  local at, message = position(list)
  if not at then return message end
  local function compare(first, second, reason)
    local a, b = at[first], at[second]
    if a and b and a > b then
      return ("%s: %s must come before %s (%s): %s"):format(list[a].source, first, second, list[b].source, reason)
    end
  end
  for _, pair in ipairs(either) do
    local a, b = at[pair[1]], at[pair[2]]
    if a and b then
      return ("%s: %s and %s (%s) exclude each other: %s"):format(list[a].source, pair[1], pair[2], list[b].source,
        pair[3])
    end
  end
  for _, rule in ipairs(order.rules) do
    local problem = compare(rule[1], rule[2], rule[3])
    if problem then return problem end
  end
  for _, step in ipairs(list) do
    for before, reason in pairs(step.step.after or {}) do
      local problem = compare(before, step.step.name, reason)
      if problem then return problem end
    end
  end
  return blank(list)
end

return order
