--- Observes and plans one step of one target, for a plan and again in a run right before it changes anything.
-- Observe reads the server; plan computes from the result of observe, with a context without a server.
local failure = require "gpupt.failure"
local loop = require "gpupt.loop"

-- What a step's prove has read is what the next step observes, because nothing is in between but the program's own
-- work; not if that took longer than this.
local KNOWN_SECONDS = 5

-- A VM that an earlier step of this run created has a reference from then on.
local function find_vm(ctx, target)
  if target.kind == "vm" and not target.ref and not ctx.planning then target.ref = ctx.fleet:find_vm(target) end
end

local function observe(ctx, target, instance)
  local known = target.known
  target.known = nil
  if not known or loop.now() - known.at > KNOWN_SECONDS then return instance.step.observe(ctx, target) end
  ctx.fleet:keep(target.ref, known.record)
  local results = table.pack(pcall(instance.step.observe, ctx, target))
  ctx.fleet:keep(target.ref, nil)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- Returns { instance =, seen =, changes =, options = }, or nil, message, code, detail. The effects of the changes are
-- added to target.forecast, for the target's later steps.
---@param ctx gpupt.Context
---@param target gpupt.Target
return function(ctx, target, instance)
  target.instance = instance
  local o, message, code = instance:resolve(target)
  if not o then return nil, message, code end
  target.options = o
  target.forecast = target.forecast or {}
  local seen, changes, forecast, detail
  seen, message, code, detail = failure.catch(function()
    find_vm(ctx, target)
    return observe(ctx, target, instance)
  end)
  if seen == nil then return nil, message or "failed without a message", code, detail end
  changes, forecast, code = failure.catch(instance.step.plan, ctx:for_plan(), target, seen)
  if changes == nil then return nil, forecast or "failed without a message", code end
  for _, change in ipairs(changes) do
    if change.allow and not instance.step.approvals[change.allow] then
      return nil, ("%s: the step %s asks for --allow %s without declaring it. Add approvals = { ['%s'] = 'what for' }")
        :format(instance.source, instance.name, change.allow, change.allow), "EPLAYBOOK"
    end
  end
  for name, value in pairs(type(forecast) == "table" and forecast or {}) do target.forecast[name] = value end
  return { instance = instance, seen = seen, changes = changes, options = o }
end
