--- gpu.detach: takes cards from a VM, in one reconfigure with the VM powered off. Its settings stay: another card may
-- need them. settings = "remove" takes those back that gpu.attach writes (the 64-bit keys, the locked and reserved
-- memory), from VMs that carry gpupt.run only. The values from before a run are set back by its undo, not here.
local card_back = require "gpupt.step.card_back"
local hosts = require "gpupt.fleet.host"
local power = require "gpupt.step.vm_power"
local restore = require "gpupt.step.vm_restore"
local selector = require "gpupt.fleet.selector"
local values = require "gpupt.step.vm_values"

local step = {
  name = "gpu.detach", scope = "vms",
  options = {
    { "devices", "table", doc = "p.gpus: which cards; default: all that the VM has" },
    { "settings", "string", choices = { "keep", "remove" }, default = "keep", late = true,
      doc = "remove: also what gpu.attach set for the cards, if the VM has no other card" },
    { "power_on", "boolean", default = true, late = true, doc = "power the VM on afterwards if it was running" },
  },
  approvals = { ["guest-shutdown"] = "shut down the guests of running VMs" },
  claims = { "cards" },
  needs = { "VirtualMachine.Config.AddRemoveDevice", "VirtualMachine.Config.AdvancedConfig",
    "VirtualMachine.Config.Resource", "VirtualMachine.Interact.PowerOn", "VirtualMachine.Interact.PowerOff" },
}

-- What gpu.attach writes into ExtraConfig for the cards.
local KEYS = { "pciPassthru.use64bitMMIO", "pciPassthru.64bitMMIOSizeGB", "gpupt.proved" }

local function matches(node, card, record)
  if not node then return true end
  if card.kind == "fixed" then
    local device = record and record.devices[card.address]
    return device ~= nil and selector.matches(node, device)
  end
  for _, one in ipairs(card.allowed or {}) do
    if selector.matches(node, { vendor = one.vendorId & 0xffff, device = one.deviceId & 0xffff, label = card.label,
      subvendor = one.subVendorId, subdevice = one.subDeviceId }) then
      return true
    end
  end
  return false
end

local function chosen(target, vm)
  local gone, left = {}, 0
  for _, card in ipairs(vm.cards) do
    if card.kind ~= "other" and card.kind ~= "unknown" and matches(target.options.devices, card, target.host) then
      gone[#gone + 1] = card
    else
      left = left + 1
    end
  end
  return gone, left
end

local function attaches(target)
  for _, instance in ipairs(target.scope.children) do if instance.name == "gpu.attach" then return true end end
  return false
end

-- A card that gpu.attach gives the VM, and that this step would take from it the next time; or nil.
local function given(target)
  for _, card in ipairs(attaches(target) and target.cards or {}) do
    local node = target.options.devices
    if not node or selector.matches(node, card) then return card end
  end
end

function step.observe(ctx, target)
  if not target.ref then return nil, target.name .. " does not exist", "ENOENT" end
  local vm = ctx.fleet:vm(target.ref)
  local gone, left = chosen(target, vm)
  local taken = {} -- what the run claims
  for _, card in ipairs(gone) do
    taken[#taken + 1] = target.host and card.address and target.host.devices[card.address]
  end
  -- those of gpu.attach are the VM's
  if attaches(target) then target.taken = taken else target.cards = taken end
  local strip = target.options.settings == "remove" and left == 0
  return { vm = vm, cards = gone, strip = strip and vm.extra["gpupt.run"] ~= nil,
    foreign = strip and vm.extra["gpupt.run"] == nil, owed = ctx:newer(target, "guest-shutdown", "power-on") ~= nil }
end

-- The reconfigure that detaches the cards and, if wanted, takes the settings back; nil if there is nothing to do.
local function spec_of(seen)
  local vm, spec = seen.vm, {}
  for _, card in ipairs(seen.cards) do
    spec.deviceChange = spec.deviceChange or {}
    table.insert(spec.deviceChange, { operation = "remove", device = { _type = "VirtualPCIPassthrough",
      key = card.key } })
  end
  for _, key in ipairs(seen.strip and KEYS or {}) do
    if vm.extra[key:lower()] and vm.extra[key:lower()] ~= "" then
      spec.extraConfig = spec.extraConfig or {}
      table.insert(spec.extraConfig, { key = key, value = "" })
    end
  end
  if seen.strip and vm.locked then
    spec.memoryReservationLockedToMax, spec.memoryAllocation = false, { reservation = 0 }
  end
  if not next(spec) then return nil end
  spec.changeVersion = vm.change_version
  return spec
end

local function lines(seen, spec)
  local list = {}
  for _, card in ipairs(seen.cards) do
    list[#list + 1] = { sign = "-", verb = "detach",
      what = "detach " .. (card.address and hosts.short(card.address) or "a dynamic card") }
  end
  for _, pair in ipairs(spec.extraConfig or {}) do
    if pair.key ~= "gpupt.proved" then
      list[#list + 1] = { sign = "~", verb = "reconfigure", what = ("%s %s -> (not set)"):format(pair.key,
        seen.vm.extra[pair.key:lower()]) }
    end
  end
  if spec.memoryReservationLockedToMax == false then
    list[#list + 1] = { sign = "~", verb = "reconfigure", what = "memory locked -> neither locked nor reserved" }
  end
  return list
end

-- Powers the VM on again; a host that waits for its VMs, to take cards out of passthrough, goes first.
local function start_again(ctx, target)
  local ok, message, code = ctx:after_host(target)
  if not ok then
    return nil, ("%s. The VM stays powered off; it is powered on when its host is done"):format(message), code
  end
  return power.on(ctx, target)
end

function step.plan(ctx, target, seen)
  local vm, spec = seen.vm, spec_of(seen)
  if vm.template then return nil, target.name .. " is a template. Convert it to a VM first", "EREFUSED" end
  local again = given(target)
  if again then
    return nil, ("%s: gpu.attach gives it %s, and gpu.detach takes such cards. Choose cards with devices, so that both "
      .. "do not match the same, or leave gpu.detach out: a VM that moves gives up its cards in vm.move"):format(
      target.name, hosts.short(again.address)), "EREFUSED"
  end
  if seen.foreign and #seen.cards > 0 then
    ctx:note(target, "its settings stay: it does not carry gpupt.run, so they are not gpupt's")
  end
  local changes = { needs = {} }
  if spec then
    if vm.power ~= "poweredOff" then
      if vm.power ~= "poweredOn" then
        return nil, ("%s is %s. Power it on or off first"):format(target.name, vm.power), "EREFUSED"
      end
      local why = power.refusal(target, vm)
      if why then return nil, why, "EREFUSED" end
      changes[1] = { sign = "-", verb = "guest shutdown", what = "shut down the guest", lost = "guest shutdown",
        allow = power.delivered(vm) and "guest-shutdown" or nil }
    end
    for _, line in ipairs(lines(seen, spec)) do changes[#changes + 1] = line end
  end
  local stops = vm.power == "poweredOn" and #changes > 0
  if target.options.power_on and (stops or vm.power ~= "poweredOn" and seen.owed) then
    changes[#changes + 1] = { sign = "~", verb = "power on", what = "power on", starts = true,
      after_host = target.host_is_late }
  end
  if stops and spec then changes[1].off_meanwhile = true end
  changes.needs = table.move(step.needs, 1, #step.needs, 1, {})
  local freed = {}
  for _, card in ipairs(seen.cards) do if card.address then freed[card.address] = true end end
  return changes, { freed = freed }
end

function step.apply(ctx, target, _, seen)
  local vm = seen.vm
  local ok, message, code, detail
  if spec_of(seen) and vm.power ~= "poweredOff" then
    ok, message, code, detail = power.off(ctx, target, vm)
    if not ok then return nil, message, code, detail end
    seen = step.observe(ctx, target)
    seen.owed = true
  end
  local spec = spec_of(seen)
  if spec then
    ok, message, code, detail = values.reconfigure(ctx, target, seen.vm, spec,
      { action = "remove-cards", text = "ReconfigVM (detach cards)" })
    if not ok then return nil, message, code, detail end
    ctx:note(target, #seen.cards > 0 and "detached" or "settings taken back")
  end
  if target.options.power_on and (vm.power == "poweredOn" or seen.owed) then return start_again(ctx, target) end
  return true
end

function step.prove(ctx, target)
  local seen = step.observe(ctx, target)
  if spec_of(seen) then return nil, target.name .. " still has a card, or settings for it", "EPROOF" end
  return "no such card"
end

--- The cards are attached again, unless another VM has them now.
function step.undo(ctx, target, done)
  return restore.undo(ctx, target, done, card_back.check(ctx, target, target.host))
end

return step
