--- The answer medium that a run creates for a VM: its name, how later runs find it, and how it is deleted.
-- It contains a password, so it must be deleted after the installation, however the run that created it ends:
--
--   1. Before the file exists, its path is written into the VM's ExtraConfig (gpupt.medium). From then on every plan,
--      from any computer, with any journal, even after the VM was renamed, knows that there is a medium to delete.
--   2. The name is unique (gpupt-answer-<16 hexadecimal digits>.iso), so no other file is overwritten and no two runs
--      share a medium. The mark is set with the VM's changeVersion, so that only one of two runs continues.
--   3. Only files with such a name are deleted: a user who may write the ExtraConfig of one VM must not be able to make
--      gpupt delete another file. A medium that the user provides has no mark and is never deleted.
--   4. The mark is removed last, when the file and parts left by a broken upload (NAME.*.part) are deleted.
local loop = require "gpupt.loop"
local values = require "gpupt.step.vm_values"
local vms = require "gpupt.fleet.vm"

local medium = {}

--- The key in ExtraConfig.
medium.KEY = "gpupt.medium"

local NAME = "^gpupt%-answer%-" .. ("%x"):rep(16) .. "%.iso$"

local function random()
  local file, message = io.open("/dev/urandom", "rb")
  local bytes = file and file:read(8)
  if file then file:close() end
  if not bytes or #bytes < 8 then
    return nil, "cannot create a random name: " .. (message or "/dev/urandom returned too few bytes"), "EIO"
  end
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

--- A new path in the VM's own folder; nil, message, code.
function medium.path(vm)
  local word, message, code = random()
  if not word then return nil, message, code end
  local store, folder = vm.path:match "^%[([^%]]+)%] ?(.-)[^/]*$"
  return ("[%s] %sgpupt-answer-%s.iso"):format(store, folder, word)
end

--- Folder and name of such a path; nil for anything else.
local function split(path)
  local store, rest = path:match "^%[([^%[%]/]+)%] ?(.+)$"
  if not store then return nil end
  local folder, name = rest:match "^(.-)/?([^/]+)$"
  if not name or not name:find(NAME) then return nil end
  for part in folder:gmatch "[^/]+" do
    if part == "." or part == ".." then return nil end
  end
  return ("[%s] %s"):format(store, folder), name
end

--- Whether a path is that of a medium that a run created.
function medium.is_generated(path) return split(path) ~= nil end

--- The path in the VM's mark, or nil.
function medium.of(vm)
  local path = vm.extra[medium.KEY]
  return path and split(path) and path or nil
end

--- The drives that contain a file, by file.
function medium.drives(vm)
  local list = {}
  local _, drives = vms.devices_of(vm, "VirtualCdrom")
  for _, drive in ipairs(drives) do
    local backing = drive.backing
    local file = backing and backing._type == "VirtualCdromIsoBackingInfo" and backing.fileName
    if file then list[file] = drive end
  end
  return list
end

--- Changes that eject the files from the VM's drives.
function medium.ejected(vm, files)
  local edits = {}
  for file, drive in pairs(medium.drives(vm)) do
    if files[file] then
      edits[#edits + 1] = { operation = "edit", device = { _type = "VirtualCdrom", key = drive.key,
        controllerKey = drive.controllerKey, unitNumber = drive.unitNumber,
        backing = { _type = "VirtualCdromRemotePassthroughBackingInfo", deviceName = "", exclusive = false },
        connectable = { startConnected = false, allowGuestControl = true, connected = false } } }
    end
  end
  return edits
end

--- Changes that insert the files into drives of the VM: empty ones first, then new ones.
function medium.inserted(vm, files)
  local there, changes, empty, used = medium.drives(vm), {}, {}, {}
  local controller, _ = vms.devices_of(vm, "VirtualAHCIController")
  local key = controller and controller.key or -10
  if not controller then
    changes[1] = { operation = "add", device = { _type = "VirtualAHCIController", key = -10, busNumber = 0 } }
  end
  for _, device in ipairs(vm.devices) do
    if controller and device.controllerKey == key and device.unitNumber then used[device.unitNumber] = true end
    if device._type == "VirtualCdrom" and device.controllerKey == key
      and device.backing._type == "VirtualCdromRemotePassthroughBackingInfo" then
      empty[#empty + 1] = device
    end
  end
  local unit = 0
  for i, file in ipairs(files) do
    if not there[file] then
      local drive = table.remove(empty, 1)
      while not drive and used[unit] do unit = unit + 1 end
      used[unit] = used[unit] or not drive
      changes[#changes + 1] = { operation = drive and "edit" or "add", device = { _type = "VirtualCdrom",
        key = drive and drive.key or -10 - i, controllerKey = key, unitNumber = drive and drive.unitNumber or unit,
        backing = { _type = "VirtualCdromIsoBackingInfo", fileName = file },
        connectable = { startConnected = true, allowGuestControl = true, connected = false } } }
    end
  end
  return changes
end

--- Writes the mark (nil removes it), unless the VM has changed since it was read.
function medium.mark(ctx, target, vm, path)
  return values.reconfigure(ctx, target, vm, { changeVersion = vm.change_version,
    extraConfig = { { key = medium.KEY, value = path or "" } } },
    { action = "mark-medium", text = "ReconfigVM (answer medium)" })
end

local function delete(ctx, target, path)
  local change = { action = "delete-medium", object = path, text = "delete " .. path }
  local number = ctx:row(target, "change", change, { file = path })
  local ok, message, code, detail = ctx.vc.datastore:delete(path)
  if not ok and code == "FileNotFound" then ok = true end
  ctx:row(target, "result", change, ok and { ok = true } or { ok = false, message = message, code = code },
    { of = number })
  if not ok then return nil, message, code, detail end
  return true
end

--- The existing files of the medium: itself, and parts left by an upload.
local function files_of(ctx, path)
  local folder, name = split(path)
  local list, message, code, detail = ctx.vc.datastore:list(folder, { pattern = name .. "*" })
  if not list then
    if code == "FileNotFound" then return {} end
    return nil, message, code, detail
  end
  local files = {}
  for _, entry in ipairs(list) do
    local part = entry.name:sub(1, #name) == name and entry.name:sub(#name + 1):find "^%.%x+%.part$"
    if not entry.folder and (entry.name == name or part) then
      files[#files + 1] = (folder:gsub("([^%] ])$", "%1/") .. entry.name):gsub("^(%[[^%]]*%])%s*", "%1 ")
    end
  end
  return files
end

-- Seconds to retry after a temporary refusal: the power-on of a cancelled run may still be running, or the host may
-- still lock the file.
local PATIENCE = { TaskInProgress = 8, InvalidState = 8, FileLocked = 2, ResourceInUse = 2 }

--- Calls fn(...) again while it is refused for such a reason; its results.
function medium.patiently(fn, ...)
  local started = loop.now()
  while true do
    local results = table.pack(fn(...))
    local patience = results[1] == nil and PATIENCE[results[3]]
    if not patience or loop.now() - started > patience then return table.unpack(results, 1, results.n) end
    loop.sleep(0.3)
  end
end

--- Ejects the medium, deletes it, and then removes the mark. true, or nil, message, code, detail.
function medium.remove(ctx, target, path) return medium.patiently(medium.try, ctx, target, path) end

--- One attempt.
function medium.try(ctx, target, path)
  local vm = ctx.fleet:vm(target.ref)
  local edits = medium.ejected(vm, { [path] = true })
  local ok, message, code, detail = true, nil, nil, nil
  if #edits > 0 then
    ok, message, code, detail = values.reconfigure(ctx, target, vm, { deviceChange = edits },
      { action = "eject-media", text = "ReconfigVM (eject the answer medium)" })
  end
  if ok then ok, message, code, detail = medium.delete_files(ctx, target, path) end
  if ok and medium.of(vm) == path then
    ok, message, code, detail = medium.mark(ctx, target, ctx.fleet:vm(target.ref), nil)
  end
  if not ok then return nil, message, code, detail end
  return true
end

--- Deletes the files of a medium that is already ejected. `whole`: this run has uploaded it, so there is no part of it.
function medium.erase(ctx, target, path, whole)
  return medium.patiently(medium.delete_files, ctx, target, path, whole)
end

function medium.delete_files(ctx, target, path, whole)
  local files, message, code, detail
  if whole then files = { path } else files, message, code, detail = files_of(ctx, path) end
  if not files then
    if code ~= "NoPermission" then return nil, message, code, detail end
    files = { path } -- not allowed to browse: delete it by name
  end
  for _, file in ipairs(files) do
    local ok
    ok, message, code, detail = delete(ctx, target, file)
    if not ok then return nil, message, code, detail end
  end
  return true
end

--- What a message adds if the medium could not be deleted.
function medium.left(path, why)
  return ("the answer medium %s, which contains a password, is still on the datastore%s; the next run deletes it first")
    :format(path, why and " (" .. why .. ")" or "")
end

return medium
