--- os.install: an operating system from its ISO, unattended by an answer medium, both on a datastore.
-- The answer medium must bring Tools in (a bare Windows has no guest operations): the installation counts as done when
-- Tools run and guest operations are ready. The VM is marked then (ExtraConfig gpupt.os), so that a later run
-- knows it without starting anything; a run that is resumed in mid-installation goes on waiting.
local answers = require "gpupt.playbook.answers"
local datastore_path = require "gpupt.vim.datastore_path"
local vms = require "gpupt.fleet.vm"
local units = require "gpupt.units"

local step = {
  name = "os.install", scope = "vms",
  options = {
    { "iso", "string", required = true, late = true, doc = "the installation medium, as [datastore] path.iso" },
    { "answer", "string|table", required = true, late = true,
      doc = "the answer medium: [datastore] path.iso, or p.answer to have it made and uploaded" },
    { "tools", "string", late = true,
      doc = "the medium with Tools that the answer's command finds; for Windows the host's own, \"none\" for none" },
    { "within", "string", default = "2h", late = true, doc = "how long an installation may take" },
  },
  needs = { "VirtualMachine.Config.AddRemoveDevice", "VirtualMachine.Config.AdvancedConfig",
    "VirtualMachine.Interact.PowerOn", "VirtualMachine.Interact.SetCDMedia", "VirtualMachine.Interact.DeviceConnection",
    "Datastore.Browse" },
}

--- Where ESXi keeps the Tools of Windows guests; the installation finds the medium by its label.
local HOST_TOOLS = "[] /vmimages/tools-isoimages/windows.iso"

function step.check(o)
  for _, field in ipairs { "iso", "answer", "tools" } do
    local text = o[field]
    if type(text) == "string" and not (field == "tools" and (text == "none" or text == HOST_TOOLS)) then
      local name, rest = datastore_path.parse(text)
      if not name then return ("%s: %s"):format(field, rest) end
      if rest == "" then return ("%s: '%s' names no file: [datastore] folder/file.iso"):format(field, text) end
    end
  end
  if type(o.answer) == "table" and not answers.is(o.answer) then
    return "answer must be [datastore] path.iso or p.answer.windows / p.answer.cloud_init"
  end
  if type(o.within) == "string" then
    local _, message = units.duration(o.within)
    if message then return "within: " .. message end
  end
end

--- The answer medium's file; one that is made lies in the VM's own folder.
local function answer_of(o, vm)
  if type(o.answer) == "string" then return o.answer end
  return vm.path:match "^(%[[^%]]+%] .*)/[^/]*$" .. "/answer.iso"
end

local function media_of(o, vm)
  local list = { o.iso, answer_of(o, vm) }
  local tools = o.tools or (vms.family(vm) == "windows" and HOST_TOOLS or "none")
  if tools ~= "none" then list[3] = tools end
  return list
end

local function file_of(device)
  local backing = device.backing
  return backing and backing._type == "VirtualCdromIsoBackingInfo" and backing.fileName or nil
end

local function media(vm)
  local list = {}
  local _, drives = vms.devices_of(vm, "VirtualCdrom")
  for _, drive in ipairs(drives) do
    local file = file_of(drive)
    if file then list[file] = drive end
  end
  return list
end

function step.observe(ctx, target)
  if not target.ref then return { exists = false, installed = false } end
  local vm = ctx.fleet:vm(target.ref)
  local marked = vm.extra["gpupt.os"]
  return { exists = true, vm = vm, media = media(vm), marked = marked,
    installed = marked ~= nil or (vm.power == "poweredOn" and vm.guest.running) }
end

function step.plan(_, target, seen)
  local o = target.options
  if seen.installed then
    if seen.marked then return {} end
    -- somebody installed it, or our wait was cut off after the end: only the mark is missing
    if not (seen.media[o.iso] and seen.vm.extra["gpupt.run"]) then return {} end
    return { { sign = "~", verb = "finish", what = "finish the installation: eject the media" } }
  end
  if seen.exists and not seen.vm.extra["gpupt.run"] and not seen.media[o.iso] then
    return nil, ("%s is off and was not made by gpupt: whether its disk holds a system cannot be seen. Power it on, or "
      .. "leave os.install out"):format(target.name), "EREFUSED"
  end
  if seen.exists and seen.vm.power == "poweredOn" then
    return { { sign = "~", verb = "wait", what = "wait for the installation that runs" } }, { installs = true }
  end
  return { { sign = "+", verb = "install", what = ("install from %s with %s"):format(o.iso,
    answers.describe(o.answer)) } }, { installs = true }
end

local function drives(vm, files)
  local controller = vms.devices_of(vm, "VirtualAHCIController")
  local changes, key = {}, controller and controller.key or -10
  if not controller then
    changes[1] = { operation = "add", device = { _type = "VirtualAHCIController", key = -10, busNumber = 0 } }
  end
  for i, file in ipairs(files) do
    changes[#changes + 1] = { operation = "add", device = { _type = "VirtualCdrom", key = -10 - i, controllerKey = key,
      unitNumber = i - 1, backing = { _type = "VirtualCdromIsoBackingInfo", fileName = file },
      connectable = { startConnected = true, allowGuestControl = true, connected = false } } }
  end
  return changes
end

local function start(ctx, target, seen)
  local o = target.options
  if not seen.media[o.iso] then
    local ok, message, code, detail
    if type(o.answer) == "table" then
      ok, message, code, detail = answers.upload(ctx, target, o.answer, answer_of(o, seen.vm))
      if not ok then return nil, message, code, detail end
    end
    ok, message, code, detail = ctx:task(target, target.ref, "ReconfigVM_Task", { spec = {
      changeVersion = seen.vm.change_version, deviceChange = drives(seen.vm, media_of(o, seen.vm)) } },
      { action = "insert-media", text = "ReconfigVM (installation media)" })
    if not ok then return nil, message, code, detail end
  end
  return ctx:task(target, target.ref, "PowerOnVM_Task", {}, { action = "power-on", text = "PowerOnVM" })
end

local function finish(ctx, target)
  local vm = ctx.fleet:vm(target.ref)
  local ours, edits = {}, {}
  for _, file in ipairs(media_of(target.options, vm)) do ours[file] = true end
  for file, drive in pairs(media(vm)) do
    if ours[file] then
      edits[#edits + 1] = { operation = "edit", device = { _type = "VirtualCdrom", key = drive.key,
        controllerKey = drive.controllerKey, unitNumber = drive.unitNumber,
        backing = { _type = "VirtualCdromRemotePassthroughBackingInfo", deviceName = "", exclusive = false },
        connectable = { startConnected = false, allowGuestControl = true, connected = false } } }
    end
  end
  local ok, message, code, detail = ctx:task(target, target.ref, "ReconfigVM_Task", { spec = {
    extraConfig = { { key = "gpupt.os", value = target.options.iso } },
    deviceChange = #edits > 0 and edits or nil } },
    { action = "mark-installed", text = "ReconfigVM (installation done)" })
  if not ok then return nil, message, code, detail end
  if type(target.options.answer) == "table" then
    return answers.remove(ctx, target, answer_of(target.options, vm))
  end
  return true
end

function step.apply(ctx, target, _, seen)
  if seen.installed then return finish(ctx, target) end
  local ok, message, code, detail
  if seen.vm.power ~= "poweredOn" then
    ok, message, code, detail = start(ctx, target, seen)
    if not ok then return nil, message, code, detail end
  end
  ctx:note(target, "installing from " .. target.options.iso)
  local within = units.duration(target.options.within)
  ok, message, code, detail = ctx:wait_for(target.ref, { "guest.toolsRunningStatus", "guest.guestOperationsReady",
    "runtime.powerState", "runtime.question" }, function(props)
    return props["guest.toolsRunningStatus"] == "guestToolsRunning" and props["guest.guestOperationsReady"] == true
  end, { timeout = within })
  if not ok then
    if code == "ETIMEDOUT" then
      return nil, ("%s: no Tools after %s: the answer medium %s must install the system unattended and bring Tools in")
        :format(target.name, units.span(within), answers.describe(target.options.answer)), code
    end
    return nil, message, code, detail
  end
  return finish(ctx, target)
end

function step.prove(ctx, target)
  local seen = step.observe(ctx, target)
  if not seen.installed then return nil, target.name .. ": Tools do not run", "EPROOF" end
  return "installed, Tools " .. (seen.vm.guest.running and "running" or "were running")
end

return step
