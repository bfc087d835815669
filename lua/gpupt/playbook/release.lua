--- gpupt release: frees the claims of a run whose process is gone, after a look at their hosts. A claim stays if that
-- run left its host out of service: to free it nevertheless, the user names the host (`force`).
local clock = require "gpupt.clock"
local context = require "gpupt.playbook.context"
local holder = require "gpupt.playbook.holder"
local journal = require "gpupt.playbook.journal"
local out_of_service = require "gpupt.playbook.out_of_service"

local release = {}

--- The host of a claim as a reference in a text; nil if the claim does not name one. Those of earlier releases have its
-- UUID only.
local function object_of(vc, claim)
  if claim.object then return claim.object end
  local uuid = claim.resource:match "^host/(.+)$" or claim.resource:match "^card/([^/]+)/"
  local ref = uuid and vc:call(vc.content.searchIndex, "FindByUuid", { uuid = uuid, vmSearch = false })
  return ref and tostring(ref) or nil
end

--- The states of the claims' hosts by claim, as gpupt.playbook.out_of_service reads them; false: it no longer exists.
local function look(vc, store, run, claims)
  local ctx = context.new { journal = store, run = run }
  ctx:remember()
  local objects, names, of = {}, {}, {}
  for _, claim in ipairs(claims) do
    local object = object_of(vc, claim)
    of[claim], objects[#objects + 1] = object, object
    if object then names[object] = claim.host end
  end
  local states = out_of_service.read_all(vc, objects, function(object)
    return names[object] == nil or out_of_service.entered(ctx, names[object], object)
  end)
  local result = {}
  for _, claim in ipairs(claims) do result[claim] = of[claim] and states[of[claim]] or false end
  return result
end

-- { what =, host =, vm =, resource =, state =, released =, kept = reason }
local function judge(claim, state, force)
  local entry = { what = claim.what, host = state and state.name or claim.host, vm = claim.vm,
    resource = claim.resource, state = state and (state.state or state.unread) or "not in the inventory" }
  local why = state and (state.out or state.unread)
  if not why then
    entry.released = true
  elseif force[entry.host or ""] or force[claim.host or ""] then
    entry.released, entry.forced = true, true
  else
    entry.released, entry.kept = false, why
  end
  return entry
end

-- Whether a name given with force belongs to a claim.
local function unknown_force(entries, force)
  local left = {}
  for name in pairs(force) do left[name] = true end
  for _, entry in ipairs(entries) do left[entry.host or ""] = nil end
  return next(left)
end

local function write(store, run, process, entries)
  local row, message, code = store:append { run = run, kind = "release", what = "claims released",
    detail = journal.note { who = journal.who(), client_host = journal.host_name(), claims = entries } }
  if not row then return nil, message, code end
  for _, entry in ipairs(entries) do
    local ok
    if entry.released then
      ok, message, code = store:release(run, process, entry.resource)
    else
      ok, message, code = store:keep(run, process, entry.resource, ("host %s %s"):format(entry.host or "?", entry.kept))
    end
    if ok == nil then return nil, message, code end
    if not ok then
      return nil, ("run %s was resumed just now; its claims stay as they are"):format(run), "EREFUSED"
    end
  end
  return store:leave(run, process)
end

--- Frees the claims of a run: { run =, claims = { { what =, host =, vm =, state =, released =, kept = why not } },
-- complete = }; nil, message, code ("EREFUSED" if a process works on the run). force: a list of host names.
function release.run(store, vc, id, o)
  local record, message, code = journal.find(store, id)
  if not record then return nil, message, code end
  local runner = store:runner(clock.read(), record.id)
  if holder.alive(runner) then
    local clause, advice = holder.words(record.id, runner)
    return nil, ("the claims are not released: they belong to run %s, %s. %s"):format(record.id, clause, advice),
      "EREFUSED"
  end
  local elsewhere = journal.elsewhere(record, vc)
  if elsewhere then return nil, elsewhere .. ": connect to that one to see its hosts", "EINVAL" end
  local claims, force, entries = holder.claims(store, record.id), {}, {}
  for _, name in ipairs(o.force or {}) do force[name] = true end
  local states = look(vc, store, record.id, claims)
  local result = { run = record.id, claims = entries, complete = true }
  for i, claim in ipairs(claims) do
    entries[i] = judge(claim, states[claim], force)
    result.complete = result.complete and entries[i].released
  end
  local unknown = unknown_force(entries, force)
  if unknown then
    return nil, ("run %s holds no claim on a host '%s'"):format(record.id, unknown), "ENOENT"
  end
  if #entries == 0 and not runner then return result end
  local ok
  ok, message, code = write(store, record.id, runner and runner.process or "", entries)
  if not ok then return nil, message, code end
  return result
end

return release
