--- CLAIM: what the cluster must allow before a host leaves it, apart from the number of hosts: HA admission control and
-- vSAN. What cannot be read is noted as unverified, once, and does not stop the run.
local admission = require "gpupt.fleet.admission"
local failure = require "gpupt.failure"
local vsan = require "gpupt.fleet.vsan"

local conditions = {}

local function note_open(ctx, target, text)
  ctx.unverified = ctx.unverified or {}
  local key = target.name .. text
  if ctx.unverified[key] then return end
  ctx.unverified[key] = true
  ctx:note(target, text)
end

local function ha(ctx, target, leaving)
  local cluster = target.record.cluster
  if not cluster.guarded then return nil end
  local state, message = failure.catch(admission.read, ctx.vc, cluster.ref)
  if not state then
    if message then note_open(ctx, target, "HA admission control: unverified: " .. message) end
    return nil
  end
  local why, open = admission.refuses(state, leaving)
  if why then return why, state.kind == "ClusterFailoverHostAdmissionControlPolicy" end
  if open then note_open(ctx, target, "HA admission control: unverified: " .. open) end
end

--- Why a host may not leave its cluster now, or nil; and whether that concerns this host alone. `leaving`: the hosts
-- that are about to leave, itself included.
function conditions.refuse(ctx, target, leaving)
  local why, own = ha(ctx, target, leaving)
  if why then return why, own end
  if not target.record.cluster.vsan then return nil end
  local refused, open = vsan.refuses(target.ref)
  for _, text in ipairs(open or {}) do note_open(ctx, target, text) end
  return refused
end

return conditions
