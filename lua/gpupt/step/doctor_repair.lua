--- doctor.repair: finds out why VMs with cards do not start, or their guests do not see the card, and repairs what is
-- safe. The rules are the doctor's (gpupt.doctor): settings, the cards of the host, what the last power-on answered,
-- and its vmware.log are the evidence. `fix` says which kinds of causes are repaired; others are shown. The firmware of
-- an installed system is never changed; a stale backing is replaced only by the one free card that matches.
local backing = require "gpupt.step.repair_backing"
local card_back = require "gpupt.step.card_back"
local check = require "gpupt.failure".check
local doctor = require "gpupt.doctor"
local fault = require "gpupt.vim.fault"
local hosts = require "gpupt.fleet.host"
local power = require "gpupt.step.vm_power"
local repair_values = require "gpupt.step.repair_values"
local restore = require "gpupt.step.vm_restore"
local settings = require "gpupt.settings"
local settings_spec = require "gpupt.settings.spec"
local vbs = require "gpupt.step.gpu_vbs"
local values = require "gpupt.step.vm_values"

-- The doctor's findings that each word repairs.
local words = {
  mmio = { "mmio-window", "mmio-size", "mmio-size-alone" }, memory = { "memory-reservation", "memory-limit" },
  ["hot-add"] = { "cpu-hot-add", "memory-hot-add" }, ["stale-backing"] = { "stale-backing" }, ["hide-hypervisor"] = {},
  vbs = { "nested-hv" },
}
local word_of = {}
for word, codes in pairs(words) do for _, code in ipairs(codes) do word_of[code] = word end end

local step = {
  name = "doctor.repair", scope = "vms",
  canary = 1, -- what helped one VM is looked at before it is done to all
  options = {
    { "fix", "table", default = {}, late = true,
      doc = "what is repaired: mmio, memory, hot-add, stale-backing, hide-hypervisor, vbs (needs --allow vbs-off); "
      .. "everything else is only shown" },
    { "driver", "string", late = true, doc = "version of the guest's driver, if known (for hide-hypervisor)" },
    { "sessions", "string", choices = { "skip", "shutdown" }, default = "skip", late = true,
      doc = "a VM in which a user is logged in: skip it, or shut it down (needs --allow sessions)" },
    { "power_on", "boolean", default = true, late = true, doc = "power a repaired VM on afterwards" },
  },
  approvals = {
    ["guest-shutdown"] = "shut down the guests of running VMs",
    ["hide-hypervisor"] = "hide the hypervisor from a datacenter card's driver",
    sessions = "shut down guests in which a user is logged in",
    [vbs.word] = vbs.approval,
  },
  needs = { "VirtualMachine.Config.AddRemoveDevice", "VirtualMachine.Config.AdvancedConfig",
    "VirtualMachine.Config.Resource", "VirtualMachine.Config.Memory", "VirtualMachine.Config.CPUCount",
    "VirtualMachine.Interact.PowerOn", "VirtualMachine.Interact.PowerOff" },
  checks = { "Datastore.Browse" },
}

function step.check(o)
  for _, word in ipairs(type(o.fix) == "table" and o.fix or {}) do
    if not words[word] then
      return ("fix: '%s' is not one of hide-hypervisor, hot-add, memory, mmio, stale-backing, vbs"):format(
        tostring(word))
    end
  end
end

local function set_of(list)
  local set = {}
  for _, one in ipairs(list) do set[one] = true end
  return set
end

-- What the server answered to the last power-on, if it failed: a text, or nil.
local function last_refusal(ctx, ref)
  local tasks = check(ref:get "recentTask")
  if not tasks or #tasks == 0 then return nil end
  local last
  local list = ctx.vc:collect_all { objects = tasks, type = "Task", paths = { "info" } }
  for _, one in ipairs(list or {}) do
    local info = one.info
    if info and (info.descriptionId or ""):find "powerOn" and (not last or info.queueTime > last.queueTime) then
      last = info
    end
  end
  if not last or last.state ~= "error" then return nil end
  local message, _, detail = fault.read(last.error)
  local lines = { message }
  for _, one in ipairs(type(detail) == "table" and detail.messages or {}) do
    lines[#lines + 1] = type(one) == "table" and one.message or tostring(one)
  end
  return table.concat(lines, "\n")
end

function step.observe(ctx, target)
  if not target.ref then return nil, target.name .. " does not exist", "ENOENT" end
  local vm = ctx.fleet:vm(target.ref)
  if #vm.cards == 0 then return { vm = vm, findings = {} } end
  local refusal = vm.power == "poweredOff" and last_refusal(ctx, target.ref) or nil
  local result, message, code, detail = doctor.examine { vm = target.ref,
    log = refusal and { text = refusal, name = "PowerOnVM" } or nil }
  if not result then return nil, ("%s: %s"):format(target.name, message), code, detail end
  local session = vm.power == "poweredOn" and target.ref:get "guest.interactiveGuestOperationsReady" == true
  local record = ctx.fleet.by_ref[vm.host]
  if not ctx.planning then ctx.fleet:refresh_cards(record) end
  local system_id
  if record then
    system_id, message, code = ctx.fleet:system_id(record)
    if message then return nil, ("%s: its host %s"):format(target.name, message), code end
  end
  return { vm = vm, findings = result.findings, refusal = refusal, session = session, record = record,
    system_id = system_id, fleet = ctx.fleet }
end

-- The first sentence: a table has no place for more. `gpupt doctor VM` says all of it.
local function short(text) return (text:match "^(.-%.)%s+%u" or text) end

local function evidence_of(finding)
  local one = finding.evidence and finding.evidence[1]
  for _, each in ipairs(finding.evidence or {}) do if each.line then one = each end end
  if not one then return short(finding.cause) end
  local where = one.line and ("%s:%d"):format((one.file or ""):match "[^/]*$", one.line)
  return where and ("%s (%s)"):format(short(finding.cause), where) or short(finding.cause)
end

local function state_of(seen)
  if seen.vm.power == "poweredOn" then return "running" end
  return seen.refusal and "power-on X" or seen.vm.power == "poweredOff" and "off" or seen.vm.power
end

-- The word of `fix` for a finding; nil if it is only shown. Nested virtualization that is not for VBS is its owner's.
local function word_for(finding, vm)
  local word = word_of[finding.code]
  if word == "vbs" and not vm.vbs then return nil end
  return word
end

-- Adds the settings of one finding to the spec: the fix in words, or why there is none.
local function add_finding(spec, vm, finding, fix)
  local word = word_for(finding, vm)
  if (finding.proposal or ""):find "firmware" then
    return nil, "NOT FIXABLE HERE: the firmware of an installed system is never changed. Convert its disk first"
  end
  if not finding.changes then
    return nil, finding.proposal and "proposed: " .. finding.proposal:gsub("\n", "; ")
      or "NOT FIXABLE HERE: " .. short(finding.remedy or "see gpupt doctor")
  end
  if not (word and fix[word]) then
    return nil, word and ("not repaired: fix does not have '%s'"):format(word)
      or "shown only: " .. short(finding.remedy or "see gpupt doctor")
  end
  local texts, seen = {}, {}
  for _, change in ipairs(finding.changes) do
    if not repair_values.add(spec, vm, change) then return nil, "NOT FIXABLE HERE: " .. short(finding.remedy or "") end
    local text = repair_values.text(change)
    if not seen[text] then texts[#texts + 1] = text end
    seen[text] = true
  end
  return table.concat(texts, ", ")
end

-- Stale backings: the device changes, and rows.
local function add_backings(seen, spec, fix, row)
  local list = seen.record and backing.stale(seen.vm, seen.record, seen.system_id) or {}
  if #list == 0 then return false end
  local gpus, removes = {}, {}
  backing.match(seen.fleet, seen.vm, seen.record, list, seen.fleet.repaired or {})
  for _, one in ipairs(list) do
    local cause = ("the backing %s %s"):format(hosts.short(one.address), one.why)
    if one.card and fix["stale-backing"] then
      removes[#removes + 1] = { operation = "remove", device = { _type = "VirtualPCIPassthrough", key = one.key } }
      local card = one.card
      gpus[#gpus + 1] = { vendor = card.vendor, device = card.device, subvendor = card.subvendor,
        subdevice = card.subdevice, name = card.name, address = card.address, system_id = seen.system_id }
      row(cause, "backing " .. backing.text(one), { card = card })
    else
      row(cause, one.card and ("proposed: %s (fix does not have 'stale-backing')"):format(backing.text(one))
        or "proposed: " .. one.problem)
    end
  end
  if #gpus > 0 then
    local added = assert(settings_spec.devices({ gpus = gpus, backing = "fixed" }, -100))
    spec.deviceChange = table.move(added, 1, #added, #removes + 1, removes)
  end
  return true
end

-- hypervisor.cpuid.v0, if the card and the guest need it.
local function add_hypervisor(target, seen, spec, fix, row)
  if not fix["hide-hypervisor"] or seen.vm.extra["hypervisor.cpuid.v0"] then return nil end
  local gpus = {}
  for _, card in ipairs(seen.vm.cards) do
    local device = card.address and seen.record and seen.record.devices[card.address]
    if device then
      -- its BARs do not matter here, and may not be known
      gpus[#gpus + 1] = { vendor = device.vendor, device = device.device, subvendor = device.subvendor,
        subdevice = device.subdevice, name = device.name, address = device.address }
    end
  end
  local value = #gpus > 0 and settings.compute { gpus = gpus, mmio = "off", memory_mb = seen.vm.memory_mb,
    guest = seen.vm.guest_id, installed = seen.vm.firmware, driver = target.options.driver }
  for _, pair in ipairs(value and value.extra or {}) do
    if pair.key == "hypervisor.cpuid.v0" then
      repair_values.add(spec, seen.vm, pair)
      row("Code 43: NVIDIA's driver before 465 refuses a GeForce in a VM", "hypervisor.cpuid.v0 FALSE")
      return value.allow and value.allow[1]
    end
  end
end

-- What the VM has and what is done about it: rows of the table, the spec, cards that are given, the approval.
local function diagnose(target, seen)
  local fix, spec, rows, cards = set_of(target.options.fix), {}, {}, {}
  local state = state_of(seen)
  local function row(cause, fixed, more)
    rows[#rows + 1] = { target.name, state, cause, fixed }
    if more and more.card then cards[#cards + 1] = more.card end
  end
  local by_backing = add_backings(seen, spec, fix, row)
  for _, finding in ipairs(seen.findings) do
    local of_backing = by_backing and (finding.code == "stale-backing" or finding.code == "not-enabled")
    -- a log that ends while the guest starts, of a guest that runs
    local hangs = finding.code == "mmio-window" or finding.code == "hang-after-mapping"
    local passed = hangs and not finding.changes and seen.vm.guest.running
    if finding.severity ~= "info" and not of_backing and not passed then
      local text, why = add_finding(spec, seen.vm, finding, fix)
      row(evidence_of(finding), text or why)
    end
  end
  local allow = add_hypervisor(target, seen, spec, fix, row)
  return { rows = rows, spec = next(spec) and spec or nil, cards = cards, allow = allow }
end

function step.plan(ctx, target, seen)
  local found = diagnose(target, seen)
  local changes = { rows = found.rows }
  local on = { sign = "~", verb = "power on", what = "power on", starts = true }
  if not found.spec then
    -- an interrupted run has shut it down, or repaired it
    local stopped = ctx:newer(target, "repair", "power-on") or ctx:newer(target, "guest-shutdown", "power-on")
    if stopped and target.options.power_on and seen.vm.power == "poweredOff" then changes[1] = on end
    return changes
  end
  local running = seen.vm.power == "poweredOn"
  if running and seen.session and target.options.sessions == "skip" then
    for _, row in ipairs(found.rows) do
      row[4] = "skipped: a user session is active; retry later, or set sessions = 'shutdown'"
    end
    return changes
  end
  if seen.vm.power == "suspended" then
    return nil, target.name .. " is suspended. Power it on or off first", "EREFUSED"
  end
  local why = power.refusal(target, seen.vm)
  if why then return nil, why, "EREFUSED" end
  if seen.fleet and ctx.planning then
    seen.fleet.repaired = seen.fleet.repaired or {}
    for _, card in ipairs(found.cards) do seen.fleet.repaired[card] = true end
  end
  if running then
    changes[1] = { sign = "-", verb = "guest shutdown", what = "shut down the guest", allow = "guest-shutdown" }
    if seen.session then
      changes[2] = { sign = "!", verb = "session", what = "a user is logged in and loses the session",
        allow = "sessions" }
    end
  end
  if found.spec.flags then
    local off = vbs.change(vbs.off(seen.vm))
    off.sign = "!"
    changes[#changes + 1] = off
    for _, text in ipairs(vbs.notes(seen.vm)) do ctx:note(target, text) end
  end
  local texts = {}
  for _, row in ipairs(found.rows) do
    local skipped = row[4]:find "^proposed" or row[4]:find "^NOT" or row[4]:find "^not " or row[4]:find "^shown"
    if not skipped then texts[#texts + 1] = row[4] end
  end
  changes[#changes + 1] = { sign = "~", verb = "repair", what = table.concat(texts, ", "), allow = found.allow }
  if target.options.power_on then changes[#changes + 1] = on end
  return changes
end

function step.apply(ctx, target, _, seen)
  local vm = seen.vm
  local ok, message, code, detail = power.off(ctx, target, vm)
  if not ok then return nil, message, code, detail end
  if vm.power ~= "poweredOff" then
    vm = ctx.fleet:vm(target.ref)
    seen.vm = vm
  end
  local found = diagnose(target, seen)
  if found.spec then
    found.spec.changeVersion = vm.change_version
    if vm.extra["gpupt.proved"] then
      found.spec.extraConfig = found.spec.extraConfig or {}
      table.insert(found.spec.extraConfig, { key = "gpupt.proved", value = "" }) -- the proof was for other settings
    end
    ok, message, code, detail = values.reconfigure(ctx, target, vm, found.spec,
      { action = "repair", text = "ReconfigVM (repair)" })
    if not ok then return nil, message, code, detail end
  end
  if not target.options.power_on then return true end
  return power.on(ctx, target)
end

function step.prove(ctx, target)
  local seen, message, code = step.observe(ctx, target)
  if not seen then return nil, message, code end
  if target.options.power_on and seen.vm.power ~= "poweredOn" then
    return nil, ("%s is %s"):format(target.name, seen.vm.power), "EPROOF"
  end
  local found = diagnose(target, seen)
  if found.spec then return nil, ("%s: still to be repaired: %s"):format(target.name, found.rows[1][3]), "EPROOF" end
  return target.options.power_on and "repaired, running" or "repaired"
end

--- The settings get their values back, and a replaced backing too if its card is there; otherwise the VM keeps the new
-- one.
function step.undo(ctx, target, done)
  return restore.undo(ctx, target, done, card_back.check(ctx, target, target.host))
end

return step
