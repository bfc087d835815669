--- host.firmware: BIOS settings that passthrough needs, over Redfish. Set as pending, applied by the reboot of the
-- rolling procedure (that of host.enable, if it comes later in the scope), and read back after it.
-- Without a BMC the plan says "unverified", and nothing is changed. A host whose IOMMU is off reboots by itself first,
-- because its cards can be enabled only after that.
local bios = require "gpupt.redfish.bios"
local firmware_undo = require "gpupt.step.firmware_undo"
local host_bios = require "gpupt.step.host_bios"
local roll = require "gpupt.step.host_roll"
local secret = require "gpupt.secret"
local settings = require "gpupt.redfish.settings"

local step = {
  name = "host.firmware", scope = "hosts", undo_first = true,
  options = {
    { "above_4g", "boolean", default = true, late = true, doc = "above 4G decoding on" },
    { "iommu", "boolean", default = false, late = true, doc = "the IOMMU (VT-d, AMD-Vi) on" },
    { "sr_iov", "boolean", default = false, late = true, doc = "SR-IOV on" },
    { "set", "table", late = true, doc = "attributes of the server's BIOS with their values" },
    { "bmc", "string", late = true, doc = "https://BMC; without it the settings are unverified, and not changed" },
    { "login", "table", late = true, doc = "p.login: the account at the BMC" },
    { "ca_file", "string", late = true, doc = "PEM file of the CAs that the BMC's certificate is checked with" },
    { "thumbprint", "string", late = true, doc = "SHA-256 or SHA-1 thumbprint of the BMC's certificate" },
    { "foreign_maintenance", "boolean", default = false, late = true,
      doc = "also use hosts in maintenance mode that another user set; they stay in it (--allow foreign-maintenance)" },
  },
  approvals = { bios = "change BIOS settings of hosts" },
  claims = { "host" },
  needs = { "Host.Config.Maintenance" },
}
for word, doc in pairs(roll.approvals) do step.approvals[word] = doc end

function step.also_needs(_, scope) return roll.more_needs(scope) end

local function login_problem(login)
  if login == nil or type(login) == "function" then return nil end
  local password = type(login.options) == "table" and login.options.password
  if login.kind ~= "login" or not secret.is(password) then return "login must be p.login(user, secret)" end
end

function step.check(o)
  local problem = login_problem(o.login)
  if problem then return problem end
  if o.bmc and not o.login then return "bmc needs an account there: set login = p.login(user, secret)" end
  for name, value in pairs(type(o.set) == "table" and o.set or {}) do
    local kind = type(value)
    if type(name) ~= "string" or kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
      return "set must be { ATTRIBUTE = text, number or true or false }"
    end
  end
end

local function wanted_of(o)
  return { above_4g = o.above_4g or nil, iommu = o.iommu or nil, sr_iov = o.sr_iov or nil, set = o.set }
end

-- ---- observe

-- What this run set before, by its journal, unless it took it back: { values = { attribute = value }, boot_time = }.
local function earlier(ctx, target)
  local did = ctx:newer(target, "bios-set", "bios-restore")
  if not did then return nil end
  local values = {}
  for _, one in ipairs(type(did.values) == "table" and did.values or {}) do values[one.key] = one.after end
  return { values = values, boot_time = did.boot_time }
end

--- For a plan: the BIOS of all hosts is read side by side, because a BMC is slow.
function step.prepare(ctx, target, done)
  if done then return firmware_undo.prepare(ctx, target, done) end
  local o = target.options
  if not o.bmc or o.bmc == "" or not o.login or login_problem(o.login) then return end
  if target.record.connection ~= "connected" then return end
  host_bios.read_ahead(ctx, target, host_bios.access(o), wanted_of(o))
end

local function wait_for_reboot(target, access, values)
  target.firmware = { access = access, values = values, instance = target.instance }
end

-- Whether no device of the host is capable of passthrough before the IOMMU is on: then no card can be enabled before
-- the reboot, and the host reboots twice.
local function switches_iommu(seen)
  for _, device in pairs(seen.record.devices) do if device.capable then return false end end
  for _, list in ipairs { seen.set, seen.waits } do
    for _, line in ipairs(list) do if line.key == "iommu" then return true end end
  end
  return false
end

function step.observe(ctx, target)
  local record, o = ctx.planning and target.record or ctx.fleet:refresh_host(target.record), target.options
  target.firmware = nil
  local seen = { record = record, chosen = {}, devices = {}, enable = true, set = {}, waits = {}, lines = {} }
  if not o.bmc or o.bmc == "" then
    seen.unverified = true
    return roll.look(ctx, target, seen, true)
  end
  local problem = not o.login and "bmc needs an account there: set login = p.login(user, secret)"
    or login_problem(o.login)
  if problem then return nil, ("%s: host.firmware: %s"):format(target.name, problem), "EPLAYBOOK" end
  seen.access, seen.companion = host_bios.access(o), host_bios.companion(target) ~= nil
  local before = earlier(ctx, target)
  if record.connection ~= "connected" and before then
    wait_for_reboot(target, seen.access, before.values)
    seen.away = true
    return seen
  end
  local found, message, code, detail = host_bios.look(ctx, target, seen.access, wanted_of(o))
  if not found then return nil, message, code, detail end
  seen.bios, seen.lines = found.bios, found.lines
  if before and before.boot_time ~= record.boot_time then
    local off = host_bios.otherwise(found.bios, before.values)
    local still = off and (function()
      for name in pairs(before.values) do if bios.pending_change(found.bios, name) ~= nil then return true end end
    end)()
    if off and not still then
      if not ctx.planning then return host_bios.not_taken(target, found.bios, off) end
      seen.not_taken = off
      return roll.look(ctx, target, seen, true)
    end
  end
  for _, line in ipairs(found.lines) do
    local waits = line.wanted ~= nil and line.pending ~= nil
      and bios.same(found.bios, line.attribute, line.pending, line.wanted)
    if settings.differs(found.bios, line) or waits and found.jobless then
      seen.set[#seen.set + 1] = line
    elseif waits then
      seen.waits[#seen.waits + 1] = line
    end
  end
  if #seen.waits > 0 then
    local values = {}
    for _, line in ipairs(seen.waits) do values[line.attribute] = line.wanted end
    wait_for_reboot(target, seen.access, values)
  end
  if switches_iommu(seen) then seen.twice, seen.companion = seen.companion, false end
  local reboots = not seen.companion and (#seen.set > 0 or #seen.waits > 0)
  seen.firmware = reboots
  return roll.look(ctx, target, seen, not reboots)
end

-- ---- plan

local function shown(value) return value == nil and "nothing" or tostring(value) end

local function note_lines(ctx, target, seen)
  for _, line in ipairs(seen.lines) do
    if line.none then
      ctx:note(target, ("%s: %s"):format(line.label, line.note))
    elseif line.missing then
      ctx:note(target, ("%s: unverified: %s. Look at it in the BIOS setup"):format(line.label, line.note))
    elseif line.unverified and settings.differs(seen.bios, line) then
      ctx:note(target, ("%s: unverified: that %s is the attribute for it is not from a document"):format(line.label,
        line.attribute))
    end
  end
  if seen.bios.registry_missing then
    ctx:note(target, ("unverified: the values of the BIOS settings: %s"):format(seen.bios.registry_missing))
  end
end

local function line_changes(seen)
  local changes = {}
  for i, line in ipairs(seen.set) do
    local label = line.label ~= line.attribute and (" (%s)"):format(line.label) or ""
    local what = ("BIOS: %s %s -> %s%s"):format(line.attribute, shown(line.current), shown(line.wanted), label)
    local why = line.label ~= line.attribute and line.label .. ", " or ""
    local set = ("%s%s = %s (%swas %s)"):format(i == 1 and "BIOS: " or "", line.attribute, shown(line.wanted), why,
      shown(line.current))
    changes[i] = { what = what, sign = "~", verb = "bios", allow = "bios", roll = { part = "set", set = set },
      settings = { { name = line.attribute, before = line.current, after = line.wanted } } }
  end
  return changes
end

function step.plan(ctx, target, seen)
  if seen.unverified then
    ctx:note(target, "unverified: the BIOS settings (above 4G decoding, IOMMU): no bmc is given for this host. "
      .. "Look at them in its BIOS setup")
    return {}
  end
  if seen.away then
    if seen.companion then return {}, { firmware = true } end
    return roll.plan(ctx, target, seen, function() end)
  end
  if seen.not_taken then
    -- the run fails for this host, and goes on with the others
    ctx:note(target, ("after the reboot of this run %s; it is not set again. Set it in the BIOS setup, then resume")
      :format(seen.not_taken))
    return {}
  end
  note_lines(ctx, target, seen)
  local problems = {}
  for _, line in ipairs(seen.lines) do problems[#problems + 1] = line.problem end
  if #problems > 0 then return nil, ("%s: %s"):format(target.name, table.concat(problems, "; ")), "EREFUSED" end
  local changes = line_changes(seen)
  local owed = #seen.set > 0 or #seen.waits > 0
  if #seen.waits > 0 then
    local names = {}
    for i, line in ipairs(seen.waits) do names[i] = ("%s = %s"):format(line.attribute, shown(line.wanted)) end
    ctx:note(target, ("pending in the BIOS until a reboot: %s"):format(table.concat(names, ", ")))
  end
  changes.needs = {}
  if owed and seen.twice then
    ctx:note(target, "two reboots: with the IOMMU off the host reports no device as capable of passthrough, so its "
      .. "cards can be enabled only after the first")
  end
  if owed and seen.companion then return changes, { firmware = true } end
  local more, message, code = roll.plan(ctx, target, seen, function() end)
  if not more then return nil, message, code end
  table.move(more, 1, #more, #changes + 1, changes)
  table.move(more.needs or {}, 1, #(more.needs or {}), #changes.needs + 1, changes.needs)
  return changes, { capable = owed and switches_iommu(seen) or nil }
end

-- ---- apply, prove

function step.apply(ctx, target, changes, seen)
  if #seen.set > 0 and not seen.away then
    local values = {}
    for _, list in ipairs { seen.set, seen.waits } do
      for _, line in ipairs(list) do values[line.attribute] = line.wanted end
    end
    local ok, message, code, detail = host_bios.set(ctx, target, seen.access, seen.bios.current, values)
    if not ok then return nil, message, code, detail end
  end
  if seen.companion then return true end
  return roll.apply(ctx, target, changes, seen, function() return step.observe(ctx, target) end)
end

function step.prove(ctx, target)
  local seen, message, code = step.observe(ctx, target)
  if not seen then return nil, message, code end
  if seen.unverified then return "unverified: no bmc" end
  if #seen.set > 0 then return nil, ("%s: %s"):format(target.name, line_changes(seen)[1].what), "EPROOF" end
  if #seen.waits > 0 then
    local values = {}
    for _, line in ipairs(seen.waits) do values[line.attribute] = line.wanted end
    if not seen.companion then
      return nil, ("%s: still pending: %s"):format(target.name, host_bios.text(values)), "EPROOF"
    end
    return ("pending until the reboot of %s: %s"):format(host_bios.companion(target).name, host_bios.text(values))
  end
  local words = {}
  for _, line in ipairs(seen.lines) do
    if line.attribute then words[#words + 1] = ("%s = %s"):format(line.attribute, shown(line.current)) end
  end
  return #words > 0 and table.concat(words, ", ") or "no such setting in this server"
end

function step.undo(ctx, target, done) return firmware_undo.of(ctx, target, done) end

return step
