--- vSAN of a host's cluster, as far as vim25 tells: the health that the host reports of its membership, and how many
-- objects are being resynchronized. The rest of vSAN's health is in an interface of its own, which is not read here.
local failure = require "gpupt.failure"
local json = require "gpupt.json"

local vsan = {}

--- Whether vSAN is on, in a cluster's configurationEx.
function vsan.enabled(config)
  local info = config and rawget(config, "vsanConfigInfo") -- a host without a cluster has none
  return info ~= nil and info.enabled == true
end

local function size(bytes)
  return bytes > 0 and (", %.1f GiB"):format(bytes / 2 ^ 30) or ""
end

-- { count =, bytes = } of what QuerySyncingVsanObjects answers; nil if it is not as known.
local function syncing(text)
  local value = type(text) == "string" and json.decode(text)
  local objects = type(value) == "table" and value.dom_objects
  if type(objects) ~= "table" then return nil end
  local count, bytes = 0, 0
  for _, object in pairs(objects) do
    count = count + 1
    local content = type(object) == "table" and object.content
    local left = type(content) == "table" and tonumber(content.bytesToSync)
    bytes = bytes + (left or 0)
  end
  return { count = count, bytes = bytes }
end

local function resync(systems)
  local inner = systems and systems.vsanInternalSystem
  if not inner then return nil, "vSAN resynchronization: unverified: the host has no HostVsanInternalSystem" end
  local text, message, code = failure.catch(inner.QuerySyncingVsanObjects, inner, {})
  local state = text and syncing(text)
  if not state then
    return nil, ("vSAN resynchronization: unverified: %s"):format(code == "NoPermission"
      and "the account may not read it" or message or "the answer is not understood")
  end
  if state.count == 0 then return nil end
  return ("vSAN resynchronizes %d object(s)%s"):format(state.count, size(state.bytes))
end

local function health(systems)
  local system = systems and systems.vsanSystem
  if not system then return nil, "vSAN health: unverified: the host has no HostVsanSystem" end
  local status, message = failure.catch(system.QueryHostStatus, system, {})
  if not status then return nil, ("vSAN health: unverified: %s"):format(message or "no answer") end
  if status.health == "unhealthy" then return "the host's vSAN membership is unhealthy" end
  if status.health ~= "healthy" then return nil, ("vSAN health: unverified: it is %s"):format(status.health or "?") end
end

--- Why a host should not be taken out of its vSAN cluster now, or nil; and what could not be verified, as a list.
function vsan.refuses(ref)
  local systems, unverified = ref:get "configManager", {}
  for _, look in ipairs { health, resync } do
    local why, open = look(systems)
    if why then return why, unverified end
    unverified[#unverified + 1] = open
  end
  return nil, unverified
end

return vsan
