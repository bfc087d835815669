--- guest.verify: checks in the guest that it sees its cards: Windows by PnP device and problem code, Linux by lspci.
-- Programs in the guest provide the proof. It is stored on the VM (ExtraConfig gpupt.proved) together with what it
-- depends on: the devices and the boot. A later run accepts it only while both are the same, so that a second run
-- changes nothing and starts nothing.
local cards = require "gpupt.step.guest_cards"
local guest = require "gpupt.step.guest_session"
local plain = require "gpupt.text"
local power = require "gpupt.step.vm_power"
local proof = require "gpupt.guest.proof"
local sha256 = require "gpupt.sha256"
local repair = require "gpupt.step.doctor_repair"
local restore = require "gpupt.step.vm_restore"
local shell = require "gpupt.shell"
local units = require "gpupt.units"
local values = require "gpupt.step.vm_values"
local visible = require "gpupt.visible"
local vms = require "gpupt.fleet.vm"

local step = {
  name = "guest.verify", scope = "vms", login = true,
  options = {
    { "gpus", "integer", late = true, doc = "how many cards the guest must see; default: all attached cards" },
    { "driver", "boolean", default = false, late = true,
      doc = "true: the cards must have a driver; false: the driver is installed later" },
    { "run", "string", late = true,
      doc = "a command of your own that uses the cards, for /bin/bash -c or cmd /c; it must end with 0" },
    { "output", "string", late = true, doc = "text that its output must contain" },
    { "run_within", "string", default = "10m", late = true, doc = "how long it may take" },
    { "repair", "table", late = true,
      doc = "what is repaired as by doctor.repair when the guest does not see its cards: mmio, hide-hypervisor ..." },
    { "within", "string", default = "15m", late = true, doc = "how long to wait for guest operations" },
  },
  approvals = repair.approvals,
  needs = { "VirtualMachine.GuestOperations.Execute", "VirtualMachine.GuestOperations.Query",
    "VirtualMachine.GuestOperations.Modify", "VirtualMachine.Config.AdvancedConfig" },
}

function step.check(o)
  if type(o.repair) == "table" then
    local problem = repair.check { fix = o.repair }
    if problem then return (problem:gsub("^fix", "repair")) end
  end
  if type(o.run) == "string" and not o.run:find "%S" then return "run is empty: set a command that uses the cards" end
  if o.output == "" then return "output is empty: set text that run prints" end
  if o.output and not o.run then return "output is what run prints: set run" end
  for _, name in ipairs { "within", "run_within" } do
    if type(o[name]) == "string" then
      local _, message = units.duration(o[name])
      if message then return name .. ": " .. message end
    end
  end
end

--- What a proof depends on: the devices and the boot.
local function fingerprint(vm, o)
  local words = { tostring(vm.boot_time), vm.firmware or "", o.driver and "driver" or "", tostring(o.gpus or "") }
  if o.run then table.move({ o.run, o.output or "" }, 1, 2, #words + 1, words) end
  for _, card in ipairs(vm.cards) do
    words[#words + 1] = ("%s/%s/%s"):format(card.kind, card.system_id or card.label or "", card.address or "")
  end
  return sha256(table.concat(words, "\n")):sub(1, 24)
end

function step.observe(ctx, target)
  if not target.ref then return {} end
  local vm = ctx.fleet:vm(target.ref)
  local mark = vm.extra["gpupt.proved"]
  local hash, text = (mark or ""):match "^(%x+) (.*)$"
  return { vm = vm, expected = target.options.gpus or #vm.cards,
    proved = hash == fingerprint(vm, target.options) and vm.power == "poweredOn" and text or nil }
end

function step.plan(_, target, seen)
  if seen.proved then
    target.proof = seen.proved .. ", already verified since the last boot"
    return {}
  end
  -- gpu.attach may add to the cards that the VM has now
  local count = target.options.gpus or math.max(seen.vm and #seen.vm.cards or 0, #(target.cards or {}))
  local change = { sign = "?", verb = "proof",
    what = ("check that the guest sees %d GPU%s"):format(count, count == 1 and "" or "s") }
  if target.options.repair and #target.options.repair > 0 then
    change.what = change.what .. ", otherwise repair " .. table.concat(target.options.repair, ", ")
    change.needs = table.move(repair.needs, 1, #repair.needs, #step.needs + 1, table.move(step.needs, 1, #step.needs, 1,
      {}))
    if seen.vm and seen.vm.power == "poweredOn" and power.delivered(seen.vm) then change.allow = "guest-shutdown" end
  end
  return { change }
end

-- The models that the VM was given; nil if one of them is not known.
local function models_of(target)
  local list = {}
  for i, card in ipairs(target.cards or {}) do
    if not (card.vendor and card.device) then return nil end
    list[i] = { vendor = card.vendor, device = card.device }
  end
  return #list > 0 and list or nil
end

-- Runs the user's own command; the last line of its output, or nil, message, code. Programs print what they like
-- (UTF-16, colors, bytes of a code page), and a VM's configuration and the journal take text only.
local function own_proof(target, session, family)
  local o = target.options
  if family == "windows" and o.run:find "[\r\n]" then
    return nil, target.name .. ": run: cmd.exe takes one line: join the commands with &", "EINVAL"
  end
  local command = family == "windows" and { program = [[C:\Windows\System32\cmd.exe]], arguments = shell.cmd(o.run) }
    or { program = "/bin/bash", arguments = "-c " .. shell.quote(o.run) }
  local result, message, code = session:run(command, { timeout = units.duration(o.run_within) })
  if not result then return nil, ("%s: run: %s"):format(target.name, message), code end
  local output = plain.plain(result.out or "") .. plain.plain(result.err or "")
  local shown = plain.tail(output, 300)
  if result.status ~= 0 then
    return nil, ("%s: run ended with %d: %s"):format(target.name, result.status, shown), "EPROOF"
  end
  if o.output and not output:find(o.output, 1, true) then
    return nil, ("%s: the output of run does not contain '%s': %s"):format(target.name, o.output, shown), "EPROOF"
  end
  return visible(o.output or shown:match "[^\n]*$")
end

local function look(ctx, target, seen)
  local commands = proof.commands(vms.family(seen.vm), { vendors = cards.vendors(target) })
  local function read(outputs)
    return proof.read(vms.family(seen.vm), outputs, { expected = seen.expected, vendors = cards.vendors(target),
      driver = target.options.driver, cards = models_of(target) })
  end
  local family = vms.family(seen.vm)
  local session, message, code = guest.open(ctx, target, { timeout = units.duration(target.options.within),
    vm = seen.vm })
  if not session then return nil, message, code end
  local outputs = cards.kept(target, session, commands)
  local result = outputs and read(outputs)
  if not (result and result.ok) then
    outputs, message, code = cards.outputs(session, commands)
    if not outputs then return nil, ("%s: %s"):format(target.name, message), code end
    result = read(outputs)
  end
  -- the proof is of this boot: prove compares it with the VM's
  seen.vm.boot_time = session.boot_time
  if result.ok and target.options.run then
    local said
    said, message, code = own_proof(target, session, family)
    if not said then return nil, message, code end
    result.said = said
  end
  return result
end

local function describe(result)
  local words = {}
  for _, device in ipairs(result.devices) do
    local text = ("%04x:%04x"):format(device.vendor, device.device)
    if device.problem_code then text = text .. (" (problem code %d)"):format(device.problem_code) end
    words[#words + 1] = text
  end
  return ("the guest sees %d GPU%s: %s"):format(#words, #words == 1 and "" or "s", table.concat(words, ", "))
end

-- Repairs what the proof found and the playbook allows, by doctor.repair: true; false if there is nothing to repair;
-- nil, message, code.
local function repaired(ctx, target, result)
  local allowed, fix = {}, {}
  for _, word in ipairs(target.options.repair or {}) do allowed[word] = true end
  for _, finding in ipairs(result.findings) do
    if finding.fix and allowed[finding.fix] then
      fix[#fix + 1], allowed[finding.fix] = finding.fix, nil
      ctx:note(target, ("repairing %s: %s"):format(finding.fix, finding.cause or finding.text))
    end
  end
  if #fix == 0 then return false end
  local options = { fix = fix, sessions = "skip", power_on = true, driver = result.smi and result.smi[1]
    and result.smi[1].driver_version }
  local one = setmetatable({ options = options }, { __index = target })
  local seen, message, code, detail = repair.observe(ctx, one)
  if not seen then return nil, message, code, detail end
  local changes
  changes, message, code, detail = repair.plan(ctx, one, seen)
  if not changes then return nil, message, code, detail end
  if #changes == 0 then return false end
  for _, change in ipairs(changes) do
    if change.allow then ctx:require_approval(change.allow, "repairing " .. target.name) end
  end
  local ok
  ok, message, code, detail = repair.apply(ctx, one, changes, seen)
  if not ok then return nil, message, code, detail end
  return true
end

function step.apply(ctx, target, _, seen)
  local vm = seen.vm
  if not vm or vm.power ~= "poweredOn" then
    return nil, target.name .. " is not running, so its guest cannot be checked", "EPROOF"
  end
  local result, message, code = look(ctx, target, seen)
  if not result then return nil, message, code end
  if not result.ok then
    local done, why, failed, detail = repaired(ctx, target, result)
    if done == nil then return nil, why, failed, detail end
    if done then
      vm = ctx.fleet:vm(target.ref)
      seen.vm = vm
      result, message, code = look(ctx, target, seen)
      if not result then return nil, message, code end
    end
  end
  if not result.ok then
    return nil, ("%s: %s: %s"):format(target.name, describe(result),
      cards.complaint(result.findings) or "not as expected"), "EPROOF"
  end
  for _, finding in ipairs(result.findings) do
    if finding.severity ~= "error" then ctx:note(target, finding.cause or finding.text) end
  end
  local text = describe(result) .. (result.said and "; run: " .. result.said or "")
  target.proof = text
  return values.reconfigure(ctx, target, vm, { extraConfig = { { key = "gpupt.proved",
    value = fingerprint(vm, target.options) .. " " .. text } } },
    { action = "mark-proof", text = "ReconfigVM (store the proof)" })
end

function step.prove(ctx, target)
  local seen = step.observe(ctx, target)
  if not seen.proved then return nil, target.name .. ": the stored proof cannot be read back", "EPROOF" end
  return seen.proved
end

--- Only the mark of the proof is the run's.
function step.undo(ctx, target, done) return restore.undo(ctx, target, done) end

return step
