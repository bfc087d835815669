--- A desktop pool for desktops with their own card (vDGA): reading it, what has to change, and its update, which
-- replaces the whole pool. Shapes and versions: gpupt.facts.horizon_rest.
--
--   pool.find(session, "W11-GPU")        --> { id =, version = row of the facts, info = as the server has it }
--   pool.compare(found, wanted)          --> { { name =, before =, after = }... }; nil, message, "EREFUSED"
--   pool.update(session, found, changes) --> what else changed: { { name =, before =, after = }... }
local facts = require "gpupt.facts.horizon_rest"
local json = require "gpupt.json"

local pool = {}

local function escaped(text)
  return (text:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function path(version, id)
  return ("/inventory/v%d/desktop-pools%s"):format(version, id and "/" .. escaped(id) or "")
end

-- The newest version that the server has. A server answers 404 for the others, and asking for a list needs no pool.
local function version_of(session)
  if session.pool_version then return session.pool_version end
  for _, row in ipairs(facts.versions) do
    local list, message, code = session:get(path(row.read) .. "?page=1&size=1")
    if list then
      session.pool_version = row
      return row
    end
    if code ~= "ENOENT" then return nil, message, code end
  end
  return nil, ("%s has no desktop pools of version 5 or later of its REST interface: pools can be changed from Horizon "
    .. "2111 on"):format(session.base), "ENOTSUP"
end

local function present(value) return value ~= nil and value ~= json.null end

--- Reads a pool by its name. nil, message, code ("ENOENT": there is no such pool, or the account may not see it).
function pool.find(session, name)
  local version, message, code = version_of(session)
  if not version then return nil, message, code end
  local filter = json.encode { type = "Equals", name = "name", value = name }
  local list, answer
  list, answer, code = session:get(path(version.read) .. "?page=1&size=2&filter=" .. escaped(filter))
  if not list then return nil, answer, code end
  local id
  for _, one in ipairs(list) do
    if type(one) == "table" and one.name == name and type(one.id) == "string" then id = one.id end
  end
  if not id and tostring(answer.headers.has_more_records):upper() == "TRUE" then
    return nil, ("%s answers a search for desktop pool '%s' with other pools: its REST interface ignores the filter")
      :format(session.base, name), "EPROTOCOL"
  end
  if not id then
    return nil, ("%s has no desktop pool '%s', or '%s' may not see it"):format(session.base, name, session.account),
      "ENOENT"
  end
  local info
  info, message, code = session:get(path(version.read, id)) -- a list may have less
  if not info then return nil, message, code end
  return { id = id, name = name, version = version, info = info }
end

local kinds = {
  INSTANT_CLONE = "an instant-clone pool: its machines are forked from one running VM, which cannot have a card of its "
    .. "own, and Horizon does not support vDGA with instant clones",
  LINKED_CLONE = "a linked-clone pool, whose machines Horizon makes from one image: a card cannot be in an image",
  RDS = "a pool of a farm: its settings are the farm's",
  UNMANAGED = "a pool of machines that no vCenter manages, so vSphere cannot manage their 3D",
}

-- Why the pool cannot be one of desktops with a card; nil if it can.
local function refusal(info)
  local why = kinds[info.source]
  if not why and info.type == "AUTOMATED" then
    why = "an automated pool: Horizon makes its machines from one image, which cannot have a card. Use a manual pool"
  end
  if not why and (info.type ~= "MANUAL" or info.source ~= "VIRTUAL_CENTER") then
    why = ("of an unknown kind (%s, %s)"):format(tostring(info.type), tostring(info.source))
  end
  if why then return "is " .. why end
  local display = info.display_protocol_settings
  if type(display) ~= "table" then return "has no display settings" end
  if display.grid_vgpus_enabled == true then
    return "is for NVIDIA vGPUs (grid_vgpus_enabled), and a VM with a passed-through card has none. Use another pool"
  end
  for _, name in ipairs(facts.not_manual) do
    if present(info[name]) then
      return ("has %s, which a manual pool does not have: an update would lose it"):format(name)
    end
  end
end

--- What has to change, by the names of the REST interface. `wanted` = { renderer3d =, protocol =, power_policy = }.
-- The side conditions: with 3D users must not choose the protocol, the default is PCOIP or BLAST, and a VM with a card
-- cannot be suspended. nil, message, "EREFUSED" if this pool cannot have it.
function pool.compare(found, wanted)
  local info = found.info
  local why = refusal(info)
  if why then return nil, ("pool %s %s"):format(found.name, why), "EREFUSED" end
  local display, session = info.display_protocol_settings, info.session_settings
  local list = {}
  local function set(part, name, before, after)
    if before ~= after then
      list[#list + 1] = { part = part, name = name, before = present(before) and before or nil, after = after }
    end
  end
  set("display_protocol_settings", "renderer3d", display.renderer3d, wanted.renderer3d)
  if wanted.renderer3d ~= "DISABLED" then
    set("display_protocol_settings", "allow_users_to_choose_protocol", display.allow_users_to_choose_protocol, false)
    local now = display.default_display_protocol
    local protocol = wanted.protocol or (now == "PCOIP" or now == "BLAST") and now or "BLAST"
    set("display_protocol_settings", "default_display_protocol", now, protocol)
  elseif wanted.protocol then
    set("display_protocol_settings", "default_display_protocol", display.default_display_protocol, wanted.protocol)
  end
  local policy = type(session) == "table" and session.power_policy
  if wanted.power_policy then
    set("session_settings", "power_policy", policy, wanted.power_policy)
  elseif policy == "SUSPEND" then
    return nil, ("pool %s suspends its machines after logoff, and a VM with a card cannot be suspended: choose another "
      .. "power_policy"):format(found.name), "EREFUSED"
  end
  return list
end

-- The members of the update that this version takes, with the values of the pool.
local function copy(info, members, spec)
  local result = {}
  for name, first in pairs(members) do
    local value = info[name]
    if type(first) == "table" then
      if type(value) == "table" and present(value) then result[name] = copy(value, first, spec) end
    elseif first <= spec and present(value) then
      result[name] = value
    end
  end
  return result
end

-- What the shapes require and a pool of an earlier release does not show.
local function fill(body, info, spec)
  if spec >= 7 and body.entra_sso_enabled == nil then body.entra_sso_enabled = false end
  local display = body.display_protocol_settings
  if spec >= 4 and display and display.pcoip_ultra_protocol_enabled == nil then
    display.pcoip_ultra_protocol_enabled = false
  end
  if info.user_assignment == "DEDICATED" then
    if body.allow_multiple_user_assignments == nil then body.allow_multiple_user_assignments = false end
  elseif spec >= 3 and body.allow_users_to_choose_machines == nil then
    body.allow_users_to_choose_machines = false
  end
end

--- The body of the update: all that can be updated, as it is, with these changes.
function pool.body(found, changes)
  local body = copy(found.info, facts.members, found.version.spec)
  fill(body, found.info, found.version.spec)
  for _, one in ipairs(changes) do
    body[one.part] = body[one.part] or {}
    body[one.part][one.name] = one.after
  end
  return body
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for name, value in pairs(a) do if not same(value, b[name]) then return false end end
  for name in pairs(b) do if a[name] == nil then return false end end
  return true
end

-- These change by themselves.
local own = { updated_at = true, num_sessions = true, num_application_sessions = true, user_group_count = true,
  provisioning_status_data = true, num_machines = true }

-- What differs between two readings of the pool: { { name = "a.b", before =, after = } }, sorted.
local function differences(before, after, prefix, list)
  local names = {}
  for name in pairs(before) do names[name] = true end
  for name in pairs(after) do names[name] = true end
  for name in pairs(names) do
    local a, b = present(before[name]) and before[name] or nil, present(after[name]) and after[name] or nil
    if type(a) == "table" and type(b) == "table" and not a[1] and not b[1] then
      differences(a, b, prefix .. name .. ".", list)
    elseif not own[name] and not same(a, b) then
      list[#list + 1] = { name = prefix .. name, before = a, after = b }
    end
  end
  return list
end

local function said(value)
  if value == nil then return "(not set)" end
  return type(value) == "table" and (json.encode(value) or "?"):sub(1, 60) or tostring(value)
end

-- What to do about an update that was refused because of a conflict (409): the pool is read once more.
local function conflict(session, found, message)
  local now, why = session:get(path(found.version.read, found.id))
  local what
  if not now then
    what = ("it cannot be read again (%s)"):format(why)
  else
    local list, words = differences(found.info, now, "", {}), {}
    table.sort(list, function(a, b) return a.name < b.name end)
    for i, one in ipairs(list) do
      if i <= 5 then words[i] = ("%s %s -> %s"):format(one.name, said(one.before), said(one.after)) end
    end
    if #list > 5 then words[6] = ("and %d more"):format(#list - 5) end
    what = #list > 0 and "since it was read, another user changed: " .. table.concat(words, "; ")
      or "it is as it was read, so another operation on it may be in progress: wait for its end"
  end
  return ("%s. Nothing of pool %s was updated; %s. Then run gpupt plan again"):format(message:gsub("%.$", ""),
    found.name, what)
end

--- Sends the update and reads the pool back. Returns what else is not as it was: { { name =, before =, after = } };
-- nil, message, code. If the answer is lost, what the pool is then decides.
function pool.update(session, found, changes)
  local ok, message, code, info = session:send("PUT", path(found.version.update, found.id), pool.body(found, changes))
  local lost = not ok and info and info.sent and (info.status or 0) == 0
  if not ok and not lost then
    return nil, info and info.status == 409 and conflict(session, found, message) or message, code
  end
  local now, why, failed = session:get(path(found.version.read, found.id))
  if not now then return nil, why, failed end
  local expected, list = {}, {}
  for _, one in ipairs(changes) do
    expected[one.part .. "." .. one.name] = true
    local part = type(now[one.part]) == "table" and now[one.part] or {}
    if part[one.name] ~= one.after then
      return nil, ok and ("pool %s: %s reads back as %s, not %s"):format(found.name, one.name, tostring(part[one.name]),
        tostring(one.after)) or message, ok and "EPROOF" or code
    end
  end
  for _, one in ipairs(differences(found.info, now, "", {})) do
    if not expected[one.name] then list[#list + 1] = one end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

return pool
