--- Fabric Manager, for driver.install: installed in exactly the driver's version, started and proved, in guests with
-- NVSwitches.
local fabric = require "gpupt.guest.fabric"

--- `root`: runs a command as root: root(command, what) -> result. The words for the proof, or false if the guest needs
-- none; nil, message, code.
return function(ctx, target, session, seen, version, root)
  local needed, note = fabric.needed(seen.cards)
  if not needed then
    if note then ctx:note(target, note) end
    return false
  end
  local function look()
    local results, message, code = session:look { fabric.look() }
    if not results then return nil, message, code end
    return fabric.read(results[1].out)
  end
  local now, message, code = look()
  if not now then return nil, message, code end
  local problem = fabric.problem(now, version)
  if not problem then return "Fabric Manager " .. version end
  ctx:note(target, ("%s: %s; %s"):format(needed.board, needed.why, problem))
  if now.version ~= version then
    local package
    package, message, code = fabric.package(seen.family, version)
    if not package then return nil, message, code end
    local ok
    ok, message, code = root.install(package)
    if not ok then
      return nil, ("%s needs Fabric Manager of exactly the driver's version %s: %s. Install a driver for which the "
        .. "repositories have it"):format(needed.board, version, message), code
    end
  end
  local result
  result, message, code = root.run(fabric.start(), "start Fabric Manager")
  if not result then return nil, message, code end
  now, message, code = look()
  if not now then return nil, message, code end
  problem = fabric.problem(now, version)
  if problem then return nil, problem, "EPROOF" end
  return "Fabric Manager " .. version
end
