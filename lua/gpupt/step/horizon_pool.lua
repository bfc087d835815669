--- horizon.pool: sets a manual desktop pool so that vSphere manages 3D, which desktops with their own card need (vDGA),
-- over the REST interface of a Connection Server. Its update replaces the whole pool: everything is read first and sent
-- back as it was, and read again afterwards. Several VMs may have the same pool: the first one changes it.
local facts = require "gpupt.facts.horizon_rest"
local pool = require "gpupt.horizon.pool"
local session = require "gpupt.step.horizon_session"
local client = require "gpupt.horizon.client"

local renderers = {}
for name in pairs(facts.renderers) do renderers[#renderers + 1] = name end
table.sort(renderers)

local step = {
  name = "horizon.pool", scope = "vms",
  options = {
    { "id", "string", required = true, late = true, doc = "the pool's ID, as Horizon Console shows it" },
    { "server", "string", required = true, doc = "a Connection Server of the pod: its name, or https://NAME:PORT" },
    { "login", "table", required = true,
      doc = "p.login(\"DOMAIN\\\\user\", secret): an account that may manage pools" },
    { "renderer3d", "string", choices = renderers, default = "MANAGE_BY_VSPHERE_CLIENT", doc = "who manages 3D; "
      .. "desktops with their own card need MANAGE_BY_VSPHERE_CLIENT" },
    { "protocol", "string", choices = { "BLAST", "PCOIP", "RDP" }, doc = "the default display protocol; default: "
      .. "unchanged, or BLAST where that is RDP, which has no 3D" },
    { "power_policy", "string", choices = { "TAKE_NO_POWER_ACTION", "ALWAYS_POWERED_ON", "POWER_OFF" },
      doc = "what Horizon does with a VM after logoff; default: unchanged, but SUSPEND is refused" },
    { "ca_file", "string", doc = "PEM file of the CAs to trust; default: those of the system" },
    { "thumbprint", "string", doc = "SHA-256 or SHA-1 thumbprint of the one certificate to trust" },
  },
}

function step.check(o)
  local ok, message = session.account(o.login)
  if not ok then return message end
  ok, message = client.address(o.server)
  if not ok then return message end
  if o.renderer3d ~= "DISABLED" and o.protocol == "RDP" then
    return ("protocol = 'RDP' has no 3D, and renderer3d is %s"):format(o.renderer3d)
  end
end

local function wanted(o) return { renderer3d = o.renderer3d, protocol = o.protocol, power_policy = o.power_policy } end

-- The pool and what has to change; nil, message, code, detail.
local function look(ctx, target)
  local o = target.options
  local opened, message, code, detail = session.open(ctx, o)
  if not opened then return nil, message, code, detail end
  local found
  found, message, code, detail = pool.find(opened, o.id)
  if not found then return nil, message, code, detail end
  local changes
  changes, message, code = pool.compare(found, wanted(o))
  if not changes then return nil, message, code end
  return { session = opened, found = found, changes = changes }
end

local function complain(target, message) return ("%s: horizon.pool: %s"):format(target.name, message) end

function step.observe(ctx, target)
  local seen, message, code, detail = look(ctx, target)
  if not seen then return nil, complain(target, message), code, detail end
  return seen
end

local function shown(value)
  if value == nil then return "(not set)" end
  return tostring(value)
end

function step.plan(ctx, target, seen)
  local list = {}
  for _, one in ipairs(seen.changes) do
    list[#list + 1] = { sign = "~", verb = "pool", lost = ("the settings of pool %s"):format(seen.found.name),
      what = ("pool %s: %s %s -> %s"):format(seen.found.name, one.name, shown(one.before), shown(one.after)),
      settings = { { name = one.name, before = shown(one.before), after = shown(one.after) } } }
  end
  if #list > 0 and ctx.planning and not seen.found.version.sure then
    ctx:note(target, ("version %d of the server's desktop pools: unverified, its shape is inferred, so the pool is "
      .. "compared with what it was"):format(seen.found.version.read))
  end
  return list
end

-- What else the update has changed, as one text; nil if nothing.
local function others(found, list)
  local words = {}
  for i, one in ipairs(list) do
    if i <= 5 then words[i] = ("%s %s -> %s"):format(one.name, shown(one.before), shown(one.after)) end
  end
  if #words == 0 then return nil end
  return ("pool %s is as wanted, but the update, or someone at the same time, also changed: %s. Compare it in Horizon "
    .. "Console"):format(found.name, table.concat(words, "; "))
end

function step.apply(ctx, target)
  local o = target.options
  local token <close> = session.lock(ctx, o.server, o.id):acquire() -- luacheck: ignore
  local seen, message, code, detail = look(ctx, target) -- another VM of the pool may have been first
  if not seen then return nil, complain(target, message), code, detail end
  if #seen.changes == 0 then return true end
  local words, kept = {}, {}
  for i, one in ipairs(seen.changes) do
    words[i] = ("%s %s"):format(one.name, shown(one.after))
    kept[i] = { name = one.name, before = shown(one.before), after = shown(one.after) }
  end
  local what = { action = "pool", text = ("update pool %s: %s"):format(o.id, table.concat(words, ", ")) }
  local number = ctx:row(target, "change", what, { server = seen.session.base, pool = o.id, settings = kept,
    version = seen.found.version.update })
  local list
  list, message, code = pool.update(seen.session, seen.found, seen.changes)
  local why = list and others(seen.found, list)
  if why then list, message, code = nil, why, "EPROOF" end
  ctx:row(target, "result", what, list and { ok = true } or { ok = false, message = message, code = code },
    { of = number })
  if not list then return nil, complain(target, message), code end
  ctx:note(target, what.text)
  return true
end

function step.prove(ctx, target)
  local seen, message, code = look(ctx, target)
  if not seen then return nil, complain(target, message), code end
  local first = seen.changes[1]
  if first then
    return nil, complain(target, ("pool %s: %s is %s, not %s"):format(target.options.id, first.name,
      shown(first.before), shown(first.after))), "EPROOF"
  end
  return ("pool %s: 3D by %s"):format(target.options.id, facts.renderers[target.options.renderer3d])
end

--- The account that changed the pool is not in the journal: the settings before are shown, not set.
function step.undo(_, _, done)
  local lost = {}
  for _, change in ipairs(done) do
    for _, one in ipairs(change.detail.settings or {}) do
      lost[#lost + 1] = ("pool %s at %s: %s was %s before"):format(change.detail.pool, change.detail.server, one.name,
        one.before)
    end
  end
  return { changes = {}, lost = #lost > 0 and lost or nil }
end

return step
