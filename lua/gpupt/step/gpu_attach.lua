--- gpu.attach: attaches the cards to the VM, with all settings that they need, in one reconfigure.
-- gpupt.settings computes the settings; each difference is a line of the plan. The VM must be powered off: cards cannot
-- be hot-added. changeVersion guards the reconfigure against concurrent edits.
local bar = require "gpupt.bar"
local card_back = require "gpupt.step.card_back"
local check = require "gpupt.failure".check
local devices_per_vm = require "gpupt.facts.devices_per_vm"
local difference = require "gpupt.step.gpu_difference"
local driver = require "gpupt.guest.driver"
local each_model = require "gpupt.fleet.each_model"
local gpu_free = require "gpupt.step.gpu_free"
local hosts = require "gpupt.fleet.host"
local measure = require "gpupt.step.gpu_measure"
local power = require "gpupt.step.vm_power"
local restore = require "gpupt.step.vm_restore"
local settings = require "gpupt.settings"
local snapshots = require "gpupt.step.vm_snapshots"
local units = require "gpupt.units"
local values = require "gpupt.step.vm_values"
local vbs = require "gpupt.step.gpu_vbs"
local vms = require "gpupt.fleet.vm"

local step = {
  name = "gpu.attach", scope = "vms",
  options = {
    { "devices", "table", required = true, late = true, doc = "p.gpus: which cards" },
    { "count", "integer", default = 1, late = true, doc = "how many cards each VM gets; with `whole`, how many sets" },
    { "each", "table", doc = "in place of count, the cards of each model: { ['10de:1eb8'] = 1, ['10de:20b5'] = 2 }; "
      .. "devices has to match all of them" },
    { "whole", "string", choices = { "group", "board" }, late = true,
      doc = "count whole sets: group: cards that depend on each other (dependentDevice); board: all GPUs of a board" },
    { "accept", "table", default = {}, doc = "what is refused otherwise, and you accept: nvswitch-passthrough "
      .. "(whole boards with NVSwitches, which NVIDIA does not support), snapshots (a VM that has some keeps them)" },
    { "snapshots", "string", choices = { "refuse", "delete" }, default = "refuse", late = true,
      doc = "a VM that has snapshots: refuse it, or delete them before the card goes in (needs --allow "
      .. "delete-snapshots); only those that the plan lists" },
    { "vbs", "string", choices = { "refuse", "off" }, default = "refuse", late = true,
      doc = "a VM with virtualization-based security: refuse it, or switch it off, and nested virtualization and the "
      .. "virtual IOMMU with it (needs --allow vbs-off); in the guest it has to be switched off as well" },
    { "backing", "string", choices = { "fixed", "dynamic" }, default = "fixed", late = true,
      doc = "fixed: these cards; dynamic: any card of this model, chosen at power-on (Dynamic DirectPath I/O)" },
    { "mmio", "string|integer", default = "safe", late = true, doc = "min, safe, seed, off or a size in GiB; measure: "
      .. "as safe, and BARs that the table does not have are read from the vmware.log of a first power-on" },
    { "hide_hypervisor", "string|boolean", default = "auto", late = true,
      doc = "auto (by card and driver, also that of a later driver.install), true or false" },
    { "driver", "string", late = true, doc = "version of the driver that the guest will have, if known" },
    { "horizon", "boolean", default = false, late = true, doc = "the VM is a Horizon desktop (vDGA): custom settings "
      .. "of its own video card, without 3D" },
    { "displays", "integer", late = true, doc = "with horizon: displays of the VM's own video card" },
    { "video_memory", "string", late = true, doc = "with horizon: its memory, such as 64 MiB; default: unchanged, or "
      .. "16 MiB for each of displays" },
    { "bars", "table", late = true, doc = "measured BARs of a card that is not in the built-in table" },
    { "power_on", "boolean", default = true, late = true, doc = "power the VM on afterwards" },
  },
  approvals = {
    ["guest-shutdown"] = "shut down the guests of running VMs",
    ["hide-hypervisor"] = "hide the hypervisor from a datacenter card's driver",
    [snapshots.word] = snapshots.approval, [vbs.word] = vbs.approval,
  },
  claims = { "cards" },
  needs = { "VirtualMachine.Config.AddRemoveDevice", "VirtualMachine.Config.AdvancedConfig",
    "VirtualMachine.Config.Resource", "VirtualMachine.Config.Settings", "VirtualMachine.Config.Memory",
    "VirtualMachine.Config.CPUCount", "VirtualMachine.Interact.PowerOn", "VirtualMachine.Interact.PowerOff" },
}

--- The video card of a Horizon desktop is edited; the log of a VM is read from its datastore; snapshots are deleted.
function step.also_needs(o)
  local list = {}
  if not o or o.horizon ~= false then list[1] = "VirtualMachine.Config.EditDevice" end
  if not o or o.mmio == "measure" or type(o.mmio) == "function" then list[#list + 1] = "Datastore.Browse" end
  if not o or o.snapshots == "delete" or type(o.snapshots) == "function" then list[#list + 1] = snapshots.NEED end
  return list
end

function step.check(o)
  if math.type(o.count) == "integer" and o.count < 1 then return "count must be at least 1" end
  local problem = o.each and each_model.problem(o.each, o) or measure.problem(o.mmio) or snapshots.problem(o)
  if problem then return problem end
  if type(o.video_memory) == "string" then
    local _, message = units.mebibytes(o.video_memory)
    if message then return "video_memory: " .. message end
  end
  if o.horizon == false and (o.displays or o.video_memory) then
    return "displays and video_memory are of the video card of a Horizon desktop, so set horizon = true"
  end
  if o.mmio == "measure" and o.power_on == false then
    return "mmio = 'measure' powers the VM on, and power_on = false forbids it"
  end
  for _, word in ipairs(o.accept) do
    if word ~= "nvswitch-passthrough" and word ~= "snapshots" then
      return ("accept: '%s' is neither nvswitch-passthrough nor snapshots"):format(tostring(word))
    end
  end
  if o.backing == "dynamic" and type(o.devices) == "table" and o.devices.options and o.devices.options.address then
    return "a dynamic backing cannot ask for an address, because the server chooses the card: use match or label"
  end
  if o.whole and o.backing == "dynamic" then
    return "whole needs backing = 'fixed': with a dynamic backing the server chooses the cards"
  end
end

local function cards_of(target, vm)
  local list = {}
  local system_id = target.system_id
  for i, card in ipairs(target.cards or {}) do
    list[i] = { vendor = card.vendor, device = card.device, subvendor = card.subvendor, subdevice = card.subdevice,
      class = card.class, name = card.name, address = card.address, system_id = system_id, label = card.label,
      bars = measure.bars(target, card, vm) }
  end
  return list
end

-- The label of dynamic backings: that of p.gpus; of several, that of the card that stands for the one to come.
local function label_of(o, gpus)
  local label = o.devices.options.label
  if type(label) == "table" then return gpus[1] and gpus[1].label end
  return label
end

-- The version of the driver that a later step of the scope installs, by its file or option; nil: unknown.
local function later_driver(target)
  local after = false
  for _, instance in ipairs(target.scope.children or {}) do
    if after and instance.name == "driver.install" then
      local o = instance:resolve(target)
      local file = o and o.from and driver.run_file(o.from:match "[^/]*$")
      return file and file.version or o and o.version
    end
    after = after or instance == target.instance
  end
end

local function compute(target, vm)
  local o = target.options
  local gpus, memory = cards_of(target, vm), target.forecast.memory_mb or vm and vm.memory_mb
  if not memory then
    return nil, "its memory is not known: the step that creates the VM has to return memory_mb in its forecast",
      "EPLAYBOOK"
  end
  local value, message, code = settings.compute {
    gpus = gpus, memory_mb = memory,
    guest = vm and vm.guest_id or target.forecast.guest_id,
    installed = vm and vm.firmware or target.forecast.firmware, hide_hypervisor = o.hide_hypervisor,
    mmio = o.mmio == "measure" and "safe" or o.mmio,
    driver = o.driver or later_driver(target), horizon = o.horizon, displays = o.displays,
    video_memory_mb = o.video_memory and units.mebibytes(o.video_memory) or nil, backing = o.backing,
    label = o.backing == "dynamic" and label_of(o, gpus) or nil,
  }
  local like = vm or target.forecast.like
  if value and like then value.vbs = vbs.off(like) end
  return value, message, code
end

function step.observe(ctx, target)
  -- A host may not report its id before its first card is active. A plan needs it only to compare it, because each host
  -- has to be asked: see gpupt.playbook.cards.
  local message, code, detail
  local vm = target.ref and ctx.fleet:vm(target.ref) or nil
  local needed = not ctx.planning or vm and vms.names_host(vm) or target.host and ctx.fleet:silence(target.host)
  if target.host and needed then target.system_id, message, code, detail = ctx.fleet:system_id(target.host) end
  if message then
    return nil, ("%s: its host %s"):format(target.name, message), code,
      { away = true, skip = ("is on %s, which %s"):format(target.host.name, detail.skip) }
  end
  return { vm = vm }
end

--- Why no card can be attached to this VM (a record, or nil if it is not known yet), or nil.
local function refusal(target, vm, value)
  if not vm then return end
  if vm.template then return "is a template. Clone it first" end
  local of_vbs = vbs.refusal(vm, target.options)
  if of_vbs then return of_vbs end
  if vm.nested and not vm.vbs then
    return "has nested virtualization enabled, which does not work with a passed-through card"
  end
  if value.backing == "dynamic" and (vm.hardware_version or 99) < 17 then
    return ("has hardware version %d, but a dynamic backing needs 17"):format(vm.hardware_version)
  end
  local most = devices_per_vm.most(vm.hardware_version, target.host and target.host.version)
  if most and #target.cards > most then
    return ("can have %d passthrough devices at hardware version %d, but would get %d (%s)"):format(most,
      vm.hardware_version, #target.cards, devices_per_vm.source)
  end
end

-- Whether one of the changes gives the VM a card.
local function attaches(changes)
  for _, change in ipairs(changes) do if change.verb == "attach" then return true end end
  return false
end

-- " dynamic label=t4-vdi"
local function dynamic_text(target)
  local label = label_of(target.options, target.cards)
  return " dynamic" .. (label and " label=" .. label or "")
end

local function text_of_model(target, list, alike)
  local words = {}
  for i, card in ipairs(list) do words[i] = hosts.short(card.address) end
  local first = list[1]
  return ("%s x%d%s"):format(first.name or ("%04x:%04x"):format(first.vendor, first.device), #list,
    target.options.backing ~= "fixed" and dynamic_text(target) or alike and ""
    or " (" .. table.concat(words, " ") .. ")")
end

local function card_text(target, alike)
  if not target.options.each then return text_of_model(target, target.cards, alike) end
  local words = {}
  for i, one in ipairs((each_model.of(target.options.each))) do
    words[i] = text_of_model(target, each_model.pick({ one }, target.cards), alike)
  end
  return table.concat(words, ", ")
end

local function explain(ctx, target, value)
  if not ctx.planning then return end
  for _, text in ipairs(target.card_notes or {}) do ctx:note(target, text) end
  for _, text in ipairs(value.warnings) do ctx:note(target, text) end
  for _, choice in ipairs(value.choices) do
    if choice.name == "mmio" then ctx:note(target, ("64-bit MMIO: %s (%s)"):format(choice.value, choice.why)) end
    if choice.name == "hypervisor.cpuid.v0" and value.geforce then
      ctx:note(target, ("hypervisor.cpuid.v0: %s (%s)"):format(choice.value, choice.why))
    end
    if choice.name == "pciPassthru.64bitMMIOSizeGB" then
      -- one line for a terminal; `gpupt bar` prints the whole computation
      local asked = math.type(target.options.mmio) and "as asked" or "rule " .. value.window.rule
      ctx:note(target, ("64-bit MMIO %s GiB (%s): the cards map %s; the limit without it is 3.5 GiB")
        :format(choice.value, asked, bar.format(value.window.bytes)))
    end
  end
end

-- The privileges of these changes. After an installation the VM runs and has to be shut down.
local function needs_of(target, changes, value, installed)
  local needs, list = {}, {}
  for _, change in ipairs(changes) do
    if change.verb ~= "power on" then needs.change = true end
    if change.verb == "guest shutdown" then needs.off = true end
    needs.merge = needs.merge or change.merges
  end
  if needs.change then
    list = { "VirtualMachine.Config.AddRemoveDevice", "VirtualMachine.Config.AdvancedConfig",
      "VirtualMachine.Config.Resource", "VirtualMachine.Config.Settings", "VirtualMachine.Config.Memory",
      "VirtualMachine.Config.CPUCount" }
    if value.video then list[#list + 1] = "VirtualMachine.Config.EditDevice" end
    if needs.off or installed then list[#list + 1] = "VirtualMachine.Interact.PowerOff" end
    if needs.merge then list[#list + 1] = snapshots.NEED end
  end
  if target.options.power_on then list[#list + 1] = "VirtualMachine.Interact.PowerOn" end
  for _, change in ipairs(changes) do
    if change.verb == "measure" then list[#list + 1] = "Datastore.Browse" end
  end
  return list
end

-- The change that measures cards; nil if there are none.
local function measuring(unknown)
  if #unknown == 0 then return nil end
  return { sign = "?", verb = "measure", starts = true, what = ("power on once to read the BARs of %s from vmware.log, "
    .. "then set the 64-bit MMIO window"):format(table.concat(unknown, ", ")) }
end

-- The changes of a VM that does not exist yet, or gets its system before the card.
local function plan_new(target, value, unknown)
  local what = ", memory locked and reserved, " .. (#unknown > 0 and "64-bit MMIO as measured"
    or #value.extra > 0 and "64-bit MMIO " .. value.window.gb .. " GiB" or "no 64-bit MMIO needed")
    .. (target.options.power_on and ", then power on" or "")
  local changes = { { sign = "+", verb = "attach", allow = value.allow[1], starts = target.options.power_on,
    what = card_text(target) .. what, same = card_text(target, true) .. what,
    settings = difference.of_new(value, value.gpus) } }
  changes[2] = value.vbs and vbs.change(value.vbs)
  return changes
end

-- Those of a VM that is there: the guest is shut down for them.
local function plan_existing(target, vm, value)
  local changes = difference.list(vm, value, value.gpus)
  if #changes == 0 then return changes end
  changes[1].allow = changes[1].allow or value.allow[1]
  if vm.power == "poweredOn" then
    table.insert(changes, 1, { sign = "-", verb = "guest shutdown", what = "shut down the guest",
      stops = { target.name }, stop_seconds = power.stop_seconds(target),
      allow = power.delivered(vm) and "guest-shutdown" or nil })
  end
  return changes
end

function step.plan(ctx, target, seen)
  if not target.cards then return nil, target.name .. ": no cards were found for this VM", "ENOCARDS" end
  local value, message, code = compute(target, seen.vm)
  if not value and code == "ENOENT" then message = measure.advice(message) end
  if not value then return nil, ("%s: %s"):format(target.name, message), code end
  local unknown = measure.missing(target, seen.vm)
  local vm, like = seen.vm, seen.vm or target.forecast.like -- a clone is like its source
  local new = not vm or target.forecast.installs
  local changes = new and plan_new(target, value, unknown) or plan_existing(target, vm, value)
  local why, deletion = refusal(target, like, value), nil
  if not why then deletion, why = snapshots.change(ctx, target, vm, attaches(changes)) end
  if why then return nil, target.name .. " " .. why, "EREFUSED" end
  why = not new and #changes > 0 and power.refusal(target, vm)
  if why then return nil, why, "EREFUSED" end
  if deletion then table.insert(changes, changes[1].verb == "guest shutdown" and 2 or 1, deletion) end
  if #changes > 0 and #unknown == 0 then explain(ctx, target, value) end
  if value.vbs and ctx.planning then for _, text in ipairs(vbs.notes(like)) do ctx:note(target, text) end end
  changes[#changes + 1] = measuring(unknown)
  if not new and target.options.power_on and (vm.power ~= "poweredOn" or #changes > 0) then
    changes[#changes + 1] = { sign = "~", verb = "power on", what = "power on", starts = true }
  end
  changes.needs = needs_of(target, changes, value, target.forecast.installs)
  return changes
end

--- Deleted snapshots are merged into the disks, which takes space.
function step.requires(_, target, changes)
  for _, change in ipairs(changes) do if change.merges then return { merges = target.ref } end end
  return {}
end

local function reconfigure(ctx, target, vm)
  local value, message, code = compute(target, vm)
  if not value then return nil, message, code end
  if #difference.list(vm, value, value.gpus) == 0 then return true end
  local spec = check(settings.to_spec(value, { change_version = vm.change_version, firmware = false, devices = false,
    video_card = vms.devices_of(vm, "VirtualMachineVideoCard") }))
  spec.deviceChange = difference.device_changes(vm, value, value.gpus, spec.deviceChange)
  spec.flags = value.vbs and value.vbs.flags
  table.insert(spec.extraConfig, { key = "gpupt.run", value = ctx.run })
  table.insert(spec.extraConfig, measure.setting(target))
  -- the proof was for other devices
  if vm.extra["gpupt.proved"] then table.insert(spec.extraConfig, { key = "gpupt.proved", value = "" }) end
  local detail
  local ok
  ok, message, code, detail = values.reconfigure(ctx, target, vm, spec,
    { action = "attach", text = "ReconfigVM (cards and settings)" })
  if not ok then return nil, message, code, detail end
  ctx:note(target, "attached " .. card_text(target))
  return true
end

-- Attaches the cards with all settings that are known. Gives the VM as it is then.
local function configure(ctx, target, vm)
  local wanted = check(compute(target, vm))
  local changes = difference.list(vm, wanted, wanted.gpus)
  if #changes > 0 then
    local detail
    gpu_free.await(ctx, target)
    local ok, message, code = gpu_free.check(ctx, target)
    if not ok then return nil, message, code end
    if vm.power ~= "poweredOff" then
      ok, message, code, detail = power.off(ctx, target, vm)
      if not ok then return nil, message, code, detail end
      vm = ctx.fleet:vm(target.ref)
    end
    if attaches(changes) then
      vm, message, code, detail = snapshots.settle(ctx, target, vm)
      if not vm then return nil, message, code, detail end
    end
    ok, message, code, detail = reconfigure(ctx, target, vm)
    if not ok then return nil, message, code, detail end
    vm, message, code, detail = gpu_free.alone(ctx, target)
    if not vm then return nil, message, code, detail end
    if ctx.attached then ctx.attached(target) end
  end
  return vm
end

-- Powers the VM on for its log, and sets what follows from it. Gives the VM as it is then.
local function settle(ctx, target)
  local vm = ctx.fleet:vm(target.ref)
  if vm.power == "poweredOff" then
    local ok, message, code, detail = power.start(ctx, target, target.ref, { action = "measure",
      text = "PowerOnVM (to read the BARs from vmware.log)" })
    -- cards that need a window do not start without one; what else is wrong the last power-on shows again
    if not ok and not (type(detail) == "table" and detail.fault) then return nil, message, code, detail end
    if not ok then ctx:note(target, "the first power-on failed, as it does with large BARs: " .. message) end
    vm = ctx.fleet:vm(target.ref)
  end
  local ok, message, code = measure.read(ctx, target, vm)
  if not ok then return nil, message, code end
  local wanted = check(compute(target, vm))
  if #difference.list(vm, wanted, wanted.gpus) > 0 then return configure(ctx, target, vm) end
  local detail
  ok, message, code, detail = values.reconfigure(ctx, target, vm, { changeVersion = vm.change_version,
    extraConfig = { measure.setting(target) } }, { action = "measured", text = "ReconfigVM (measured BARs)" })
  if not ok then return nil, message, code, detail end
  return ctx.fleet:vm(target.ref)
end

function step.apply(ctx, target, _, seen)
  local vm = seen.vm or ctx.fleet:vm(target.ref)
  local message, code, detail
  vm, message, code, detail = configure(ctx, target, vm)
  if not vm then return nil, message, code, detail end
  if target.options.mmio == "measure" and #measure.missing(target, ctx.fleet:vm(target.ref)) > 0 then
    vm, message, code, detail = settle(ctx, target)
    if not vm then return nil, message, code, detail end
  end
  if not target.options.power_on then return true end
  return power.on(ctx, target, vm)
end

function step.prove(ctx, target)
  local seen = step.observe(ctx, target)
  if not seen.vm then return nil, target.name .. " does not exist", "EPROOF" end
  local wanted = check(compute(target, seen.vm))
  local changes = difference.list(seen.vm, wanted, wanted.gpus)
  if #changes > 0 then return nil, ("%s: %s"):format(target.name, changes[1].what), "EPROOF" end
  if target.options.power_on and seen.vm.power ~= "poweredOn" then
    return nil, ("%s is %s"):format(target.name, seen.vm.power), "EPROOF"
  end
  return card_text(target) .. (target.options.power_on and ", running" or "")
end

--- Detaches the cards that the run attached, attaches those that they replaced, and sets the settings back to their
-- values before. Deleted snapshots are gone.
function step.undo(ctx, target, done)
  local result = restore.undo(ctx, target, done, card_back.check(ctx, target, target.host))
  for _, text in ipairs(snapshots.lost(ctx, target, done)) do table.insert(result.lost, text) end
  return result
end

return step
