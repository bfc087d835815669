--- Waits for the end of an installation, phase by phase, and says what was seen when it does not come.
--
--   boot     from the power-on until the installer writes to the disk: a VM that never boots its ISO (no EFI loader on
--            it, "Press any key to boot from CD", an empty EFI boot list) writes nothing. Known of a thin disk only:
--            the size of its file (layoutEx, brought up to date by RefreshStorageInfo) grows with what is written
--   install  until Tools of the new system run. Tools of an installer do not count: it may run open-vm-tools itself, so
--            that vSphere shows running Tools and an address hours before the end (vmware/packer-plugin-vsphere#127).
--            The host name tells them apart
--   tools    until guest operations are ready
--
-- A VM that is powered off meanwhile, or that waits for an answer to a question, ends the wait at once. A phase that
-- takes too long fails with what vSphere knows (heartbeat, Tools, address, written bytes) and a picture of the console.
local units = require "gpupt.units"

local waiting = {}

-- Bytes of a disk's file that show that an installer has written to it: more than the metadata of an empty one.
local WRITTEN = 16 << 20

-- Host names of installers that run Tools: casper's of Ubuntu Server, Fedora's live media (both from memory).
local INSTALLERS = { ["ubuntu-server"] = true, ["localhost-live"] = true }

local PATHS = { "guest.toolsRunningStatus", "guest.guestOperationsReady", "guest.hostName", "runtime.powerState",
  "runtime.question" }

local function label(name) return name and name:match "^[^.]*":lower():sub(1, 63) or "" end

--- Whether a host name is that of the installed system. `expected` is the name in the answers, if it is known; a name
-- that Tools have not reported yet is "".
function waiting.is_installed(name, expected)
  name = label(name)
  if INSTALLERS[name] then return false end
  if not expected then return true end
  expected = label(expected)
  return name == expected or name == expected:sub(1, 15) -- NetBIOS
end

-- The state that ends a wait: "off", "question", "ready", "tools" or nil.
local function state_of(props, expected)
  if props["runtime.powerState"] == "poweredOff" then return "off" end
  if props["runtime.question"] then return "question" end
  if props["guest.toolsRunningStatus"] ~= "guestToolsRunning" then return nil end
  if not waiting.is_installed(props["guest.hostName"], expected) then return nil end
  return props["guest.guestOperationsReady"] == true and "ready" or "tools"
end

--- What the installer has written to the VM's first disk: bytes, or nil where its file does not show that, and
-- whether that is all of the disk.
local function written(ctx, target)
  local vm = ctx.fleet:vm(target.ref)
  if not ctx.vc:call(target.ref, "RefreshStorageInfo") then return nil end
  local files = target.ref:get "layoutEx.file"
  local size
  for _, file in ipairs(files or {}) do
    if file.type == "diskExtent" then size = (size or 0) + file.size end
  end
  if not size then return nil end
  for _, device in ipairs(vm.devices) do
    if device._type == "VirtualDisk" then
      local full = size >= (device.capacityInBytes or device.capacityInKB * 1024)
      if full and not (device.backing and device.backing.thinProvisioned) then return nil end -- thick: allocated
      return size, full
    end
  end
end

--- Whether nothing was written to the VM's disk; false where that cannot be seen.
function waiting.untouched(ctx, target)
  local bytes = written(ctx, target)
  return bytes ~= nil and bytes < WRITTEN
end

local function in_gib(bytes)
  return bytes < 1 << 30 and ("%d MiB"):format(bytes >> 20) or ("%.1f GiB"):format(bytes / (1 << 30))
end

-- What is known about the VM now, in words.
local function evidence(target, bytes)
  local seen = target.ref:get { "guestHeartbeatStatus", "guest.toolsRunningStatus", "guest.ipAddress",
    "guest.hostName" }
  local parts = {}
  if bytes then
    parts[1] = (bytes < WRITTEN and "nothing was" or in_gib(bytes) .. " were") .. " written to the disk"
  end
  if seen then
    parts[#parts + 1] = "heartbeat " .. tostring(seen.guestHeartbeatStatus or "unknown")
    local running = seen["guest.toolsRunningStatus"] == "guestToolsRunning"
    local name = seen["guest.hostName"]
    parts[#parts + 1] = running and ("Tools run in a system named '%s'"):format(name and name ~= "" and name or "?")
      or "Tools do not run"
    local address = seen["guest.ipAddress"]
    parts[#parts + 1] = running and address and address ~= "" and "address " .. address or "no address"
  end
  return table.concat(parts, ", ")
end

-- A picture of the console on the VM's datastore: its path, or nil (no permission, for example).
local function picture(ctx, target)
  local ok, path = pcall(ctx.task, ctx, target, target.ref, "CreateScreenshot_Task", {},
    { action = "screenshot", text = "CreateScreenshot (the console of the installation)" })
  return ok and type(path) == "string" and path or nil
end

local function timed_out(ctx, target, phase, what, advice, bytes)
  local path = picture(ctx, target)
  return nil, ("%s: phase %s: %s (%s). %s%s"):format(target.name, phase, what, evidence(target, bytes), advice,
    path and (" The console was: %s"):format(path) or ""), "ETIMEDOUT"
end

local function ended(target, phase, state)
  if state == "off" then
    return nil, ("%s: phase %s: the VM was powered off. If its answers end with a power-off, let them end with a "
      .. "restart; if a user did it, apply again"):format(target.name, phase), "EINSTALL"
  end
  local question = target.ref:get "runtime.question"
  return nil, ("%s: phase %s: the VM waits for an answer (%s). Answer the question in the vSphere Client, and apply "
    .. "again"):format(target.name, phase, question and question.text or "?"), "EINSTALL"
end

-- Waits until guest operations are ready; also for the end of the VM. The state, and the last state that was seen.
local function until_ready(ctx, target, o, seconds)
  local last
  local state, message, code, detail = ctx:wait_for(target.ref, PATHS, function(props)
    last = state_of(props, o.expected)
    if not last and INSTALLERS[label(props["guest.hostName"])] then
      target.installer_runs = true
      if o.typing then o.typing:installer_runs(function() return (written(ctx, target) or 0) >= WRITTEN end) end
    end
    return last ~= "tools" and last or nil
  end, { timeout = seconds })
  if not state and code == "ETIMEDOUT" and last == "tools" then return "tools" end
  return state, message, code, detail
end

-- What to do about a VM whose installer has not started.
local function advice_at_boot(target, o)
  if target.installer_runs then
    return ("The VM has booted %s, and its installer waits for input or has refused its answers: %s. Of keys, %s. "
      .. "Power the VM off before the next attempt."):format(o.iso, o.answers, target.keys or "none were pressed")
  end
  return ("Either the VM does not boot %s (with EFI firmware; a stock Windows medium waits for a key), or its "
    .. "installer waits for input: the answers are %s. Of keys, %s. Power the VM off before the next attempt."):format(
    o.iso, o.answers, target.keys or "none were pressed")
end

--- o: { iso =, answers = in words, expected = host name or nil, boot =, install =, ready = seconds of each phase,
-- typing = who types (gpupt.step.install_keys) or nil }.
-- true, or nil, message, code, detail.
function waiting.wait(ctx, target, o)
  local phase, boot = "boot", math.min(o.boot, o.install)
  local state, message, code, detail = until_ready(ctx, target, o, boot)
  if not state and code == "ETIMEDOUT" then
    local bytes = written(ctx, target)
    if bytes and bytes < WRITTEN then
      return timed_out(ctx, target, phase, "the installer has not started after " .. units.span(boot),
        advice_at_boot(target, o), bytes)
    end
    phase = "install"
    ctx:note(target, bytes and ("the installer has written %s"):format(in_gib(bytes)) or "Tools do not run yet")
    if o.install > boot then
      state, message, code, detail = until_ready(ctx, target, o, o.install - boot)
    end
    if not state and code == "ETIMEDOUT" then
      local now, full = written(ctx, target)
      return timed_out(ctx, target, phase, "Tools are not running after " .. units.span(o.install),
        (full and "The disk is full: give the VM a larger one."
          or ("The answer medium %s must install the system unattended and install Tools."):format(o.answers))
        .. " Power the VM off before the next attempt.", now)
    end
  end
  if state == "tools" then
    phase = "tools"
    state, message, code, detail = until_ready(ctx, target, o, o.ready)
    if state == "tools" or not state and code == "ETIMEDOUT" then
      return timed_out(ctx, target, phase, (state and "guest operations are not ready after "
        or "Tools ran, and do not run again after ") .. units.span(o.ready),
        "Look at VMware Tools in the guest: its service must run, and tools.conf may forbid guest operations. Apply "
        .. "again when it does.")
    end
  end
  if not state then return nil, message, code, detail end
  if state ~= "ready" then return ended(target, phase, state) end
  return true
end

return waiting
