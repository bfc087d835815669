--- Files that a step copies into a guest and removes again.
local next_command = require "gpupt.next_command"
local regular = require "gpupt.regular"
local sha256 = require "gpupt.sha256"
local units = require "gpupt.units"

local files = {}

--- "120 MB", rounded up.
function files.megabytes(bytes) return ("%d MB"):format((bytes + (1 << 20) - 1) >> 20) end

--- Tools report the guest's file systems: whether `bytes` fit in that of the folder. true; nil, message, "EGUEST".
function files.room(target, folder, bytes)
  local props = target.ref:get { "guest.disk" }
  local best
  for _, disk in ipairs(props and props["guest.disk"] or {}) do
    local path = disk.diskPath
    local inside = path and folder:sub(1, #path):lower() == path:lower()
    if inside and (not best or #path > #best.diskPath) then best = disk end
  end
  if not best or not best.freeSpace or best.freeSpace >= bytes then return true end
  return nil, ("%s of the guest has %s free, and %s are needed"):format(best.diskPath, files.megabytes(best.freeSpace),
    files.megabytes(bytes)), "EGUEST"
end

local unavailable = { GuestOperationsUnavailable = true, InvalidPowerState = true }

--- Why a copy into the guest ended: what the failure, the guest's file systems and its boot time say, and what to do.
-- message, code. o: folder.
function files.ended(ctx, target, session, o, size, failed)
  local again = next_command.resume(ctx.run or "RUN")
  local fits, full = files.room(target, o.folder, size)
  if not fits then
    return ("the guest's disk filled up while the installer was copied (%s): %s. Free space there, then run: %s")
      :format(failed.message, full, again), "EGUEST"
  end
  local props = target.ref:get { "runtime.powerState", "runtime.bootTime", "guest.guestOperationsReady" } or {}
  local evidence
  if props["runtime.powerState"] and props["runtime.powerState"] ~= "poweredOn" then
    evidence = "the VM is powered off"
  elseif props["guest.guestOperationsReady"] == false or unavailable[failed.code] then
    evidence = "the guest's Tools do not answer: it is restarting, or Tools have stopped"
  elseif session.boot_time and props["runtime.bootTime"] and props["runtime.bootTime"] ~= session.boot_time then
    evidence = "the VM was restarted meanwhile"
  end
  if evidence then
    return ("the installer was not copied into the guest, %s (%s). When the guest is up again, run: %s")
      :format(evidence, failed.message, again), failed.code
  end
  if failed.code ~= "EHTTP" then
    return ("the installer cannot be copied into the guest: %s"):format(failed.message), failed.code
  end
  return ("the installer cannot be copied into the guest: %s. The host gives no reason: look at the free space of %s, "
    .. "and in the guest's log for a restart, then run: %s"):format(failed.message, o.folder, again), failed.code
end

--- Copies a local file into a folder of the guest, with a journal row; its path there, the same in a resumed run.
-- o: from, folder (with its separator), prefix (of its name there), within (a duration), room (how many times its size
-- must be free). nil, message, code, detail.
function files.put(ctx, target, session, o)
  local name = o.from:match "[^/]*$"
  local inside = files.path(ctx, target, o)
  local file, why, failed = regular.open(o.from)
  if not file then return nil, "from: " .. why, failed end
  local size = file:seek "end"
  file:close()
  local ok, message, code = files.room(target, o.folder, size * (o.room or 1))
  if not ok then
    return nil, ("%s. Free space there, then run: %s"):format(message, next_command.resume(ctx.run or "RUN")), code
  end
  local detail
  local what = { action = "copy", text = "copy " .. name }
  local number = ctx:row(target, "change", what, { file = inside })
  ok, message, code, detail = ctx.vc.guest:put(target.ref, session.auth, o.from, inside, {
    timeout = units.duration(o.within) })
  ctx:row(target, "result", what, ok and { ok = true } or { ok = false, message = message, code = code },
    { of = number })
  if ok then return inside end
  message, code = files.ended(ctx, target, session, o, size, { message = message, code = code })
  files.remove(ctx, target, session, inside) -- a part of the file would hold the space that is missing
  return nil, message, code, detail
end

--- Where put copies it.
function files.path(ctx, target, o)
  return o.folder .. o.prefix .. sha256(ctx.run .. target.name):sub(1, 16) .. o.from:match "%.%w+$"
end

--- The command that removes such a file of a Windows guest, for the script of the program that needed it. It says
-- something on stderr if it fails; the status of del is 0 in any case.
function files.removal(path)
  return { program = [[C:\Windows\System32\cmd.exe]], arguments = ('/d /c if exist "%s" del /f /q "%s"'):format(path,
    path) }
end

--- Removes what an earlier step of the installation needs no more; a failure is no reason to fail.
function files.remove(ctx, target, session, path)
  pcall(function() ctx.vc.guest:delete(target.ref, session.auth, path, { timeout = 30 }) end)
end

return files
