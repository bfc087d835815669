--- Files that a step copies into a guest and removes again.
local sha256 = require "gpupt.sha256"
local units = require "gpupt.units"

local files = {}

local function megabytes(bytes) return ("%d MB"):format((bytes + (1 << 20) - 1) >> 20) end

-- Tools report the guest's file systems: whether `bytes` fit in that of the folder. true; nil, message, "EGUEST".
local function room(target, folder, bytes)
  local props = target.ref:get { "guest.disk" }
  local best
  for _, disk in ipairs(props and props["guest.disk"] or {}) do
    local path = disk.diskPath
    local inside = path and folder:sub(1, #path):lower() == path:lower()
    if inside and (not best or #path > #best.diskPath) then best = disk end
  end
  if not best or not best.freeSpace or best.freeSpace >= bytes then return true end
  return nil, ("%s of the guest has %s free, and %s are needed"):format(best.diskPath, megabytes(best.freeSpace),
    megabytes(bytes)), "EGUEST"
end

--- Copies a local file into a folder of the guest, with a journal row; its path there, the same in a resumed run.
-- o: from, folder (with its separator), prefix (of its name there), within (a duration), room (how many times its size
-- must be free). nil, message, code, detail.
function files.put(ctx, target, session, o)
  local name = o.from:match "[^/]*$"
  local inside = files.path(ctx, target, o)
  local file, why = io.open(o.from, "rb")
  if not file then return nil, "from: " .. why, "ENOENT" end
  local size = file:seek "end"
  file:close()
  local ok, message, code = room(target, o.folder, size * (o.room or 1))
  if not ok then return nil, message, code end
  local detail
  local what = { action = "copy", text = "copy " .. name }
  local number = ctx:row(target, "change", what, { file = inside })
  ok, message, code, detail = ctx.vc.guest:put(target.ref, session.auth, o.from, inside, {
    timeout = units.duration(o.within) })
  ctx:row(target, "result", what, ok and { ok = true } or { ok = false, message = message, code = code },
    { of = number })
  if not ok then return nil, ("the installer cannot be copied into the guest: %s"):format(message), code, detail end
  return inside
end

--- Where put copies it.
function files.path(ctx, target, o)
  return o.folder .. o.prefix .. sha256(ctx.run .. target.name):sub(1, 16) .. o.from:match "%.%w+$"
end

--- Removes what an earlier step of the installation needs no more; a failure is no reason to fail.
function files.remove(ctx, target, session, path)
  pcall(function() ctx.vc.guest:delete(target.ref, session.auth, path) end)
end

return files
