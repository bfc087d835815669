--- Changes whose end this run has not seen, because its process was killed or an answer was lost. Their tasks may still
-- work on the server: a clone takes minutes. They are waited for before the fleet is observed again, so that nothing is
-- started twice, and what they made is known.
--
-- Only tasks of VMs: the maintenance mode of a host and its reboot have their own rules (gpupt.step.host_maintenance).
local fiber = require "gpupt.loop.fiber"
local vim_ref = require "gpupt.vim.ref"

local unfinished = {}

unfinished.SECONDS = 3600

local function starts_task(entry)
  return not entry.ended and entry.object ~= nil and not entry.object:find "^HostSystem:"
    and tostring(entry.detail.method):find "_Task$" ~= nil
end

--- The last change of a target, if it started a task whose end is not known.
local function last_of(list)
  local entry = list[#list]
  return entry and starts_task(entry) and entry or nil
end

-- Its task: a reference, or nil if the server never got the call or has forgotten it; nil, message, code.
local function task_of(vc, entry)
  if entry.task then return vc:ref(entry.task) end
  local task, message, code = vc:find_task(vc:ref(entry.object), entry.operation)
  if task or code == "ENOENT" or code == "ManagedObjectNotFound" then return task end
  return nil, message, code
end

-- Waits for the end of an entry's task: { target = { name, identity }, entry, ok, made, message, code, fault } or nil
-- if there is none; nil, message, code if it cannot be known.
local function settle(ctx, target, entry)
  local task, message, code = task_of(ctx.vc, entry)
  if not task then return nil, message, code end
  local result, why, how, detail = ctx.vc:wait(task, { timeout = unfinished.SECONDS })
  if how == "EUNKNOWN" then return nil end -- the server has forgotten it: what is there is observed
  if result == nil and how == "ETIMEDOUT" then
    return nil, ("%s: %s, which this run started before, is still running: %s"):format(target.name, entry.detail.method,
      why), how
  end
  local one = { target = target, entry = entry, ok = result ~= nil }
  if one.ok then
    one.made = vim_ref.is(result) and tostring(result) or nil
    entry.ended, entry.made = true, one.made
  else
    one.message, one.code, one.fault = why, how, type(detail) == "table" and detail.fault or nil
  end
  return one
end

--- Waits for the tasks of all targets (or of the one that is given) that this run started and has not seen the end of:
-- a list of how they ended; nil, message, code.
function unfinished.settle(ctx, only)
  local list, waits, failed = {}, {}, nil
  for _, of in ipairs(only and { { name = only.name, identity = only.identity, changes = ctx.history:of(only) } }
    or ctx.history:all()) do
    local entry = last_of(of.changes)
    if entry then
      waits[#waits + 1] = function()
        local one, message, code = settle(ctx, of, entry)
        list[#list + 1] = one
        if message then failed = failed or { message, code } end
        return true
      end
    end
  end
  if #waits == 1 then waits[1]() elseif #waits > 1 then fiber.all(waits) end
  if failed then return nil, failed[1], failed[2] end
  return list
end

--- Writes the results of settled changes into the journal of the run, and into what its context remembers.
function unfinished.note(ctx, list)
  for _, one in ipairs(list or {}) do
    local entry = one.entry
    ctx:row(nil, "result", { action = entry.action, object = entry.object, text = entry.detail.method },
      one.ok and { ok = true, made = one.made } or { ok = false, message = one.message, code = one.code,
        fault = one.fault }, { of = entry.number, target = one.target.name, identity = one.target.identity,
          step = entry.step })
    local mine = ctx.history:entry(entry.number)
    if mine and one.ok then mine.ended, mine.made = true, one.made end
    if not one.ok and one.fault then ctx.history:forget(entry.number) end
  end
end

return unfinished
