--- os.install: installs an operating system from its ISO, unattended with an answer medium, both on a datastore.
-- The answer medium must install Tools (a bare Windows has no guest operations): the installation is finished when
-- Tools run and guest operations are ready. Then the VM is marked (ExtraConfig gpupt.os), so that a later run knows it
-- without starting anything; a run that is resumed during an installation continues to wait.
-- A medium that the run creates is deleted before that mark is set, however the step ends (gpupt.step.install_medium).
-- If the run ends right after the power-on, the installer has not read it: without its answers it would wait for input
-- for ever. So the VM is powered off again, and a resumed run installs from the beginning.
local answers = require "gpupt.step.answers"
local datastore_path = require "gpupt.vim.datastore_path"
local failure = require "gpupt.failure"
local guest_family = require "gpupt.facts.guest_family"
local iso_family = require "gpupt.facts.iso_family"
local keys = require "gpupt.guest.keys"
local look = require "gpupt.step.install_iso"
local loop = require "gpupt.loop"
local medium = require "gpupt.step.install_medium"
local nearest = require "gpupt.nearest"
local next_command = require "gpupt.next_command"
local restore = require "gpupt.step.vm_restore"
local units = require "gpupt.units"
local power = require "gpupt.step.vm_power"
local values = require "gpupt.step.vm_values"
local typing = require "gpupt.step.install_keys"
local vms = require "gpupt.fleet.vm"
local waiting = require "gpupt.step.install_wait"
local wait = require "gpupt.loop.wait"

local KEYS = "VirtualMachine.Interact.PutUsbScanCodes"

local step = {
  name = "os.install", scope = "vms",
  options = {
    { "iso", "string", required = true, late = true, doc = "the installation medium: [datastore] path.iso" },
    { "answer", "string|table", required = true, late = true,
      doc = "the answer medium: [datastore] path.iso, or p.answer to create and upload it" },
    { "tools", "string", late = true,
      doc = "the medium with VMware Tools, or \"none\"; default: the host's own for Windows, none for Linux" },
    { "keys", "string|table", default = "auto", late = true,
      doc = "what is typed at the VM's console. \"auto\": for Windows, Enter in the first 30 seconds (a stock medium "
        .. "waits for a key); for Ubuntu, yes where the medium asks \"Continue with autoinstall?\". \"none\": nothing. "
        .. "Or a list of texts, typed after the power-on: { \"<wait 5s><down><enter>\" }" },
    { "boot_within", "string", default = "15m", late = true,
      doc = "how long until the installer writes to the disk (known of thin disks)" },
    { "within", "string", default = "2h", late = true,
      doc = "how long the installation may take, from the power-on until VMware Tools run" },
    { "ready_within", "string", default = "10m", late = true,
      doc = "how long Tools may take until guest operations are ready" },
  },
  needs = { "VirtualMachine.Config.AddRemoveDevice", "VirtualMachine.Config.AdvancedConfig",
    "VirtualMachine.Interact.PowerOn", "VirtualMachine.Interact.SetCDMedia",
    "VirtualMachine.Interact.DeviceConnection" },
  -- PowerOff: only where the run ends before anything is installed (note_power_off)
  checks = { "Datastore.Browse", "VirtualMachine.Interact.CreateScreenshot", "VirtualMachine.Interact.PowerOff", KEYS },
}

--- A generated medium is uploaded, compared and deleted. Keys of the playbook have to be typed. Those of "auto" only
-- where the medium asks: without the privilege the wait says so.
function step.also_needs(o)
  local list = {}
  if not o or type(o.answer) ~= "string" then list = { "Datastore.FileManagement", "Datastore.Browse" } end
  if o and type(o.keys) == "table" then list[#list + 1] = KEYS end
  return list
end

--- The Tools ISO for Windows on an ESXi host; the installation finds the medium by its label.
local HOST_TOOLS = "[] /vmimages/tools-isoimages/windows.iso"

function step.check(o)
  for _, field in ipairs { "iso", "answer", "tools" } do
    local text = o[field]
    if type(text) == "string" and not (field == "tools" and (text == "none" or text == HOST_TOOLS)) then
      local name, rest = datastore_path.parse(text)
      if not name then return ("%s: %s"):format(field, rest) end
      if rest == "" then return ("%s: '%s' is not a file. Use [datastore] folder/file.iso"):format(field, text) end
    end
  end
  if type(o.answer) == "table" and not answers.is(o.answer) then
    return "answer must be [datastore] path.iso, or p.answer.windows, .cloud_init, .kickstart or .autoyast"
  end
  if type(o.keys) == "table" then
    local groups, message = keys.parse(o.keys)
    if not groups then return "keys: " .. message end
  elseif type(o.keys) == "string" and o.keys ~= "auto" and o.keys ~= "none" then
    return ("keys: '%s'%s. Use \"auto\", \"none\", or a list of texts"):format(o.keys,
      nearest.hint(o.keys, { "auto", "none" }))
  end
  for _, field in ipairs { "boot_within", "within", "ready_within" } do
    if type(o[field]) == "string" then
      local _, message = units.duration(o[field])
      if message then return field .. ": " .. message end
    end
  end
end

--- Reads the secrets and creates the answers once, before the run changes anything.
function step.secrets(o, changes)
  for _, change in ipairs(changes) do
    if change.verb == "install" and answers.is(o.answer) then return answers.rehearse(o.answer) end
  end
  return true
end

-- Seconds after the power-on in which the installer may not have read its answers: firmware, kernel and installer start
-- first, from an ISO that a busy datastore delivers slowly.
local ANSWERS_READ = 300

local function verb_of(changes, verb)
  for _, change in ipairs(changes) do if change.verb == verb then return change end end
end

--- The media of an installation that will start.
function step.requires(o, _, changes)
  local install = verb_of(changes, "install")
  if not install then return {} end
  local files = {}
  for _, path in ipairs { o.iso, type(o.answer) == "string" and o.answer or "", o.tools or "" } do
    if path ~= "" and path ~= "none" and path ~= HOST_TOOLS then files[#files + 1] = { path = path } end
  end
  return { files = files, install = { iso = o.iso, keys = o.keys, family = install.family,
    answer = answers.is(o.answer) and o.answer or nil, answers = type(o.answer) == "string" and o.answer or nil } }
end

--- The files to insert into the VM's drives; `answer` is the path of the answer medium, or nil.
local function media_of(o, vm, answer)
  local list = { o.iso, answer }
  local tools = o.tools or (vms.family(vm) == "windows" and HOST_TOOLS or "none")
  if tools ~= "none" then list[#list + 1] = tools end
  return list
end

-- The host name in generated answers, or nil.
local function expected_name(target)
  local answer = target.options.answer
  return answers.is(answer) and answers.host_name(answer, { name = target.name }) or nil
end

function step.observe(ctx, target)
  if not target.ref then return { exists = false, installed = false } end
  local vm = ctx.fleet:vm(target.ref)
  local seen = { exists = true, vm = vm, media = medium.drives(vm), marked = vm.extra["gpupt.os"],
    medium = medium.of(vm) }
  seen.installed = seen.marked ~= nil or (vm.power == "poweredOn" and vm.guest.running)
  if seen.installed and not seen.marked and (seen.medium or seen.media[target.options.iso]) then
    -- the media are still in: the Tools may be those of the installer
    seen.installed = waiting.is_installed(target.ref:get "guest.hostName", expected_name(target))
  end
  return seen
end

--- Adds the deletion of an existing medium as a change of its own.
local function with_deletion(changes, seen)
  if seen.medium then
    changes[#changes + 1] = { sign = "-", verb = "delete",
      what = ("delete the answer medium %s, which contains a password"):format(seen.medium) }
  end
  return changes
end

--- ISO files in the VM's drives that are not of this installation: the VM would boot from them, or has.
local function other_media(o, seen)
  local ours, list = {}, {}
  for _, path in ipairs { o.iso, type(o.answer) == "string" and o.answer or "", o.tools or "", HOST_TOOLS,
    seen.medium or "" } do
    ours[path] = true
  end
  for path in pairs(seen.media) do
    if not ours[path] and not medium.is_generated(path) and not path:find "^%[%]" then list[#list + 1] = path end
  end
  table.sort(list)
  return list
end

-- The family of the VM's guest id, or nil.
local function family_of(target, seen)
  local id = seen.exists and seen.vm.guest_id or target.forecast.guest_id
  return id and guest_family(nil, id) or nil, id
end

-- An installer of another family than the VM's guest id would run, with the wrong virtual hardware. (Where the medium
-- can be read, the preflight refuses it: gpupt.playbook.preflight.install_media.)
local function note_family(ctx, target, seen)
  local of_vm, id = family_of(target, seen)
  local family = iso_family(target.options.iso)
  if not (ctx.planning and of_vm and family) or family == of_vm then return end
  ctx:note(target, ("%s looks like a %s medium, and the guest id is %s"):format(target.options.iso,
    family == "linux" and "Linux" or "Windows", id))
end

-- Guest operations log in to the new system: with another account than that of the answers they are refused, after an
-- hour of installation. (A command of the answers may create it, or a domain that the guest joins.)
local function note_account(ctx, target)
  local made = answers.is(target.options.answer) and answers.account(target.options.answer)
  local scope = ctx.planning and made and target.scope:resolve(target)
  local user = scope and scope.login and scope.login.options.user
  if not user or user:gsub("^%.\\", ""):lower() == made:lower() then return end
  ctx:note(target, ("the answers create the account '%s', and login is '%s': the guest may not know it"):format(made,
    user))
end

-- The run may power off what it has powered on itself, while nothing is written to the disk: take_back, and
-- missed_the_prompt of a resumed run.
local function note_power_off(ctx, target, seen)
  if not ctx.planning then return end
  if answers.is(target.options.answer) then
    ctx:note(target, ("if os.install fails within %d minutes of the power-on, it powers the VM off again: nothing is "
      .. "installed yet, and the answers are deleted"):format(ANSWERS_READ // 60))
  elseif target.options.keys == "auto" and family_of(target, seen) == "windows" then
    ctx:note(target, "if the run is killed before it has pressed the medium's key, the resumed run powers the VM off "
      .. "and starts again")
  end
end

function step.plan(ctx, target, seen)
  local o = target.options
  if seen.installed then
    -- another user installed it, or the run was interrupted after the installation: only the mark is missing
    if not seen.marked and seen.vm.extra["gpupt.run"] and (seen.media[o.iso] or seen.medium) then
      return with_deletion({ { sign = "~", verb = "finish", what = "finish the installation: eject the media" } }, seen)
    end
    return with_deletion({}, seen)
  end
  if seen.exists and not seen.vm.extra["gpupt.run"] and not seen.media[o.iso] then
    return nil, ("%s is powered off and was not created by gpupt, so it is unknown whether an operating system "
      .. "is installed. Power it on, or remove os.install"):format(target.name), "EREFUSED"
  end
  local others = seen.exists and other_media(o, seen) or {}
  if #others > 0 then
    return nil, ("%s has %s in a CD drive, and would %s it, not %s. %s"):format(target.name,
      table.concat(others, " and "), seen.vm.power == "poweredOn" and "be installed from" or "boot from", o.iso,
      seen.vm.power == "poweredOn" and "Set iso to that medium, or power the VM off and eject it"
        or "Eject it, or set iso to that medium"), "EREFUSED"
  end
  if seen.exists and seen.vm.question then
    return nil, ("%s waits for an answer (%s). Answer the question in the vSphere Client"):format(target.name,
      seen.vm.question.text or "?"), "EREFUSED"
  end
  if seen.exists and seen.vm.power == "poweredOn" then
    return with_deletion({ { sign = "~", verb = "wait", lost = "guest installs",
      what = "wait for the running installation" } }, seen),
      { installs = true }
  end
  if answers.is(o.answer) then
    local ok, message, code = answers.fit(o.answer, { name = target.name })
    if not ok then return nil, message, code end
    if ctx.planning then
      for _, line in ipairs(o.answer.warnings or {}) do ctx:note(target, line) end
    end
  end
  note_family(ctx, target, seen)
  note_account(ctx, target)
  note_power_off(ctx, target, seen)
  return with_deletion({ { sign = "+", verb = "install", starts = true, lost = "guest installs",
    family = family_of(target, seen),
    what = ("install from %s with %s"):format(o.iso, answers.describe(o.answer)) } }, seen), { installs = true }
end

-- What the answers take from the VM: its name, and the only edition of a Windows medium if none is chosen.
local function guest_of(ctx, target)
  local o = target.options
  local guest = { name = target.name }
  if not answers.needs_image(o.answer) then return guest end
  ctx.install_isos = ctx.install_isos or {}
  local is, message, code = look.medium(ctx.vc, ctx.install_isos, o.iso)
  if not is then return nil, ("%s: %s"):format(o.iso, message), code end
  guest.image, message = look.edition(is.images or {}, nil)
  if not guest.image then return nil, ("%s: %s"):format(o.iso, is.unread or message), "EMEDIUM" end
  return guest
end

--- Creates the answer medium: first the mark, then the file.
local function make_medium(ctx, target)
  local guest, message, code = guest_of(ctx, target)
  if not guest then return nil, message, code end
  local image
  image, message, code = answers.image(target.options.answer, guest)
  if not image then return nil, message, code end
  local vm = ctx.fleet:vm(target.ref)
  if medium.of(vm) then
    return nil, ("%s: another run is installing this VM (its answer medium is %s). Wait for the end of that run")
      :format(target.name, medium.of(vm)), "EREFUSED"
  end
  local path, ok, detail
  path, message, code = medium.path(vm)
  if not path then return nil, message, code end
  target.answer_medium = path
  ok, message, code, detail = medium.mark(ctx, target, vm, path)
  if not ok then return nil, message, code, detail end
  ok, message, code, detail = answers.upload(ctx, target, image, path)
  if not ok then return nil, message, code, detail end
  return path
end

local function start(ctx, target, seen)
  local o = target.options
  local answer, ok, message, code, detail
  if seen.medium then -- of an earlier attempt
    ok, message, code, detail = medium.remove(ctx, target, seen.medium)
    if not ok then return nil, message, code, detail end
  end
  if type(o.answer) == "table" then
    answer, message, code, detail = make_medium(ctx, target)
    if not answer then return nil, message, code, detail end
  else
    answer = o.answer
  end
  -- the marks of the medium changed the VM
  local vm = (seen.medium or target.answer_medium) and ctx.fleet:vm(target.ref) or seen.vm
  if target.answer_medium and medium.of(vm) ~= target.answer_medium then
    return nil, ("%s: another run has started to install this VM. Wait for the end of that run"):format(target.name),
      "EREFUSED"
  end
  local changes = medium.inserted(vm, media_of(o, vm, answer))
  if #changes > 0 then
    ok, message, code, detail = values.reconfigure(ctx, target, vm, { changeVersion = vm.change_version,
      deviceChange = changes },
      { action = "insert-media", text = "ReconfigVM (installation media)" })
    if not ok then return nil, message, code, detail end
  end
  target.install_started = loop.now()
  return power.start(ctx, target, target.ref, { action = "power-on", text = "PowerOnVM",
    detail = values.power(vm.power, "poweredOn") })
end

-- Takes a power-on back that is so recent that nothing was installed. What the message adds if that fails.
local function take_back(ctx, target)
  local started = target.install_started
  if not started or loop.now() - started > ANSWERS_READ then return "" end
  local ok, message = medium.patiently(function()
    return ctx:task(target, target.ref, "PowerOffVM_Task", {},
      { action = "power-off", text = "PowerOffVM (nothing is installed yet)",
        detail = values.power("poweredOn", "poweredOff") })
  end)
  if ok or ctx.fleet:vm(target.ref).power == "poweredOff" then return "" end -- it was never on
  return ("; the VM cannot be powered off (%s), and its installer has no answers. Power it off, then run: %s"):format(
    tostring(message):gsub("%.$", ""), next_command.resume(ctx.run or "RUN"))
end

-- The same, whatever happens.
local function taken_back(ctx, target)
  local ok, more = pcall(take_back, ctx, target)
  if ok then return more end
  return ("; whether the VM is powered off is unknown (%s)"):format(failure.is(more) and more.message or tostring(more))
end

--- Ejects the media, deletes the generated one, and then marks the VM as installed.
local function finish(ctx, target)
  local o = target.options
  local vm = ctx.fleet:vm(target.ref)
  local marked, own = medium.of(vm), target.answer_medium
  local files, made = {}, {} -- another user may have changed the mark: what this run made is deleted too
  if marked then made[1] = marked end
  if own and own ~= marked then made[#made + 1] = own end
  for _, file in ipairs(made) do files[file] = true end
  if not vm.extra["gpupt.os"] then
    for _, file in ipairs(media_of(o, vm, type(o.answer) == "string" and o.answer or nil)) do files[file] = true end
  end
  local edits = medium.ejected(vm, files)
  local ok, message, code, detail
  if #made > 0 then
    if #edits > 0 then
      ok, message, code, detail = values.reconfigure(ctx, target, vm, { deviceChange = edits },
        { action = "eject-media", text = "ReconfigVM (eject the media)" })
      if not ok then return nil, message, code, detail end
    end
    for _, file in ipairs(made) do
      ok, message, code, detail = medium.erase(ctx, target, file, file == own)
      if not ok then return nil, ("%s: %s"):format(target.name, message), code, detail end
    end
    edits = {}
  end
  local extra = {}
  if not vm.extra["gpupt.os"] then extra[1] = { key = "gpupt.os", value = o.iso } end
  if #made > 0 then extra[#extra + 1] = { key = medium.KEY, value = "" } end
  return values.reconfigure(ctx, target, vm, { extraConfig = extra, deviceChange = #edits > 0 and edits or nil },
    { action = "mark-installed", text = "ReconfigVM (installation done)" })
end

-- A run that was interrupted before it had pressed its keys leaves a stock Windows medium behind its prompt: nothing
-- would ever be installed. So the resumed run powers the VM off and starts again.
local function missed_the_prompt(ctx, target, seen)
  return target.options.keys == "auto" and vms.family(seen.vm) == "windows" and seen.vm.power == "poweredOn"
    and ctx:newer(target, "power-on", "keys") and waiting.untouched(ctx, target)
end

local function install(ctx, target, seen)
  if seen.installed then return finish(ctx, target) end
  local ok, message, code, detail
  if missed_the_prompt(ctx, target, seen) then
    ok, message, code, detail = ctx:task(target, target.ref, "PowerOffVM_Task", {},
      { action = "power-off", text = "PowerOffVM (its medium waits for a key that was not pressed)",
        detail = values.power("poweredOn", "poweredOff") })
    if not ok then return nil, message, code, detail end
    seen.vm = ctx.fleet:vm(target.ref)
  end
  if seen.vm.power ~= "poweredOn" then
    ok, message, code, detail = start(ctx, target, seen)
    if not ok then return nil, message, code, detail end
  end
  local o = target.options
  ctx:note(target, "installing from " .. o.iso)
  local keyboard = typing.begin(ctx, target, { keys = o.keys, iso = o.iso, windows = vms.family(seen.vm) == "windows",
    started = target.install_started ~= nil })
  local results = table.pack(pcall(waiting.wait, ctx, target, { iso = o.iso, answers = answers.describe(o.answer),
    expected = expected_name(target), boot = units.duration(o.boot_within), install = units.duration(o.within),
    ready = units.duration(o.ready_within), typing = keyboard }))
  keyboard:finish()
  if not results[1] then error(results[2], 0) end
  if not results[2] then return nil, table.unpack(results, 3, 5) end
  return finish(ctx, target)
end

--- Deletes the medium after a failure, even if the run was cancelled, but not the medium of another run that has
-- started since. Returns what the message adds.
local function clean(ctx, target, seen, code)
  local path = target.answer_medium or seen.medium
  if not path then return "" end
  local more = ""
  local ok, removed, message = pcall(wait.shield, function()
    if code ~= "ETIMEDOUT" then more = taken_back(ctx, target) end -- a long wait says that it is stuck: a user may look
    local marked, own = medium.of(ctx.fleet:vm(target.ref)), target.answer_medium
    local gone, why = true, nil
    if marked and (marked == own or marked == seen.medium) then
      path = marked
      gone, why = medium.remove(ctx, target, marked)
    end
    if gone and own and own ~= marked then
      path = own
      gone, why = medium.remove(ctx, target, own)
    end
    return gone, why
  end)
  if ok and removed then return more end
  return more .. "; " .. medium.left(path, ok and message or failure.is(removed) and removed.message or nil)
end

function step.apply(ctx, target, _, seen)
  local results = table.pack(pcall(install, ctx, target, seen))
  if results[1] and results[2] ~= nil then return table.unpack(results, 2, results.n) end
  local raised = not results[1] and failure.is(results[2]) and results[2] or nil
  -- the installation may be running, and needs its medium
  if ctx:observes_again(target, raised and raised.code or results[4], raised and raised.detail or results[5]) then
    if results[1] then return nil, table.unpack(results, 3, 5) end
    error(results[2], 0)
  end
  local more = clean(ctx, target, seen, raised and raised.code or results[4])
  if results[1] then return nil, (results[3] or "failed without a message") .. more, results[4], results[5] end
  local err = results[2]
  if more ~= "" and failure.is(err) then err = failure.new(err.message .. more, err.code, err.detail) end
  error(err, 0)
end

function step.prove(ctx, target)
  local seen = step.observe(ctx, target)
  if not seen.installed then return nil, target.name .. ": Tools are not running", "EPROOF" end
  if seen.medium then return nil, ("%s: %s"):format(target.name, medium.left(seen.medium)), "EPROOF" end
  return "installed, Tools " .. (seen.vm.guest.running and "running" or "were running")
end

-- The run's changes but for the mark of an installed system, which stays installed.
local function without_mark(done)
  local list = { run = done.run, all = done.all }
  for i, change in ipairs(done) do
    local set, kept = {}, { action = change.action, object = change.object, ended = change.ended }
    for _, entry in ipairs(change.detail.values or {}) do
      if entry.key ~= "gpupt.os" and entry.key ~= medium.KEY then set[#set + 1] = entry end
    end
    kept.detail = { values = set, devices = change.detail.devices, keys = change.detail.keys }
    list[i] = kept
  end
  return list
end

--- Deletes the answer medium of an installation that was interrupted, and sets the drives back. What was installed on
-- the disk stays.
function step.undo(ctx, target, done)
  if not target.ref then return { changes = {} } end
  local result = restore.undo(ctx, target, without_mark(done))
  local vm = ctx.fleet:vm(target.ref)
  local path = medium.of(vm)
  local own = false
  for _, change in ipairs(done) do
    for _, entry in ipairs(change.detail.values or {}) do
      own = own or entry.key == medium.KEY and entry.after == path
    end
  end
  if path and own then
    table.insert(result.changes, 1, { sign = "-", verb = "delete",
      what = ("delete the answer medium %s, which contains a password"):format(path),
      make = function(again, of) return medium.remove(again, of, path) end })
  end
  if vm.extra["gpupt.os"] then table.insert(result.lost, "the operating system that was installed") end
  return result
end

return step
