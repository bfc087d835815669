--- The BIOS settings of a host over its BMC, as host.firmware, its undo and the rolling procedure use them: set as
-- pending, waiting for the reboot, proved after it, or taken back.
--
-- One reboot serves all steps of a host: settings that host.firmware set wait for the reboot of host.enable, if that
-- comes later in the scope. target.firmware is what waits: { access =, values = { attribute = value }, instance = the
-- step that set them }. The rolling procedure (gpupt.step.host_down, host_roll) looks at it right before the reboot,
-- proves it after, and takes it back if the reboot does not come.
--
-- Each function opens a session at the BMC and ends it: a run lasts longer than a session.
local clock = require "gpupt.clock"
local later = require "gpupt.later"
local logins = require "gpupt.logins"
local loop = require "gpupt.loop"
local units = require "gpupt.units"

local bios, pending = later "gpupt.redfish.bios", later "gpupt.redfish.pending"
local redfish, settings = later "gpupt.redfish", later "gpupt.redfish.settings"

local host_bios = {}

--- Seconds after the reboot within which the BIOS has dealt with what was pending.
host_bios.SETTLE = 300
--- Seconds between two looks.
host_bios.PAUSE = 5

--- How the BMC is reached: { url =, account =, password = secret, ca_file =, thumbprint = }. `origin`: where the
-- password comes from, for the journal, which does not have it.
function host_bios.access(o)
  local login = o.login.options
  return { url = o.bmc, account = login.user, password = login.password, origin = login.password.origin,
    ca_file = o.ca_file, thumbprint = o.thumbprint }
end

--- The part of it that is journalled.
function host_bios.journalled(access)
  return { url = access.url, account = access.account, origin = access.origin, ca_file = access.ca_file,
    thumbprint = access.thumbprint }
end

local function trace_of(ctx)
  local vc = ctx.vc
  if not vc.trace then return nil end
  return function(event)
    vc:emit { operation_id = ctx.run or "plan", object = event.object, method = event.method .. " " .. event.path,
      seconds = event.seconds, status = event.status, code = event.code, request = event.request }
  end
end

local registries = setmetatable({}, { __mode = "k" }) -- by the run's or plan's snapshot of the fleet

-- Calls work(client, seen) with the BIOS as it is now. Its results; nil, message, code.
local function with(ctx, target, access, work)
  local client, message, code, detail = redfish.open { url = access.url, username = access.account,
    password = access.password, ca_file = access.ca_file, thumbprint = access.thumbprint,
    logins = ctx.logins or ctx.vc.logins, trace = trace_of(ctx) }
  if not client then return nil, ("%s: %s"):format(target.name, message), code, detail end
  local closing <close> = client -- luacheck: ignore
  registries[ctx.fleet] = registries[ctx.fleet] or {}
  local seen
  seen, message, code = bios.read(client, { uuid = target.record.uuid, registries = registries[ctx.fleet] })
  if not seen then return nil, ("%s: %s"):format(target.name, message), code end
  return work(client, seen)
end

local look

--- For a plan: reads for `look` what it then gives without a request.
function host_bios.read_ahead(ctx, target, access, wanted)
  target.read_ahead = table.pack(look(ctx, target, access, wanted))
end

--- What the BIOS has: { bios = gpupt.redfish.bios, lines = gpupt.redfish.settings, jobless = whether what is pending
-- would be lost }; nil, message, code.
function host_bios.look(ctx, target, access, wanted)
  local known = target.read_ahead
  target.read_ahead = nil
  if known and ctx.planning then return table.unpack(known, 1, known.n) end
  return look(ctx, target, access, wanted)
end

function look(ctx, target, access, wanted)
  return with(ctx, target, access, function(client, seen)
    local lines, names = settings.lines(seen, wanted), {}
    for _, line in ipairs(lines) do names[#names + 1] = line.attribute end
    local jobless, message, code = pending.jobless(client, seen, names)
    if jobless == nil then return nil, ("%s: %s"):format(target.name, message), code end
    return { bios = seen, lines = lines, jobless = jobless }
  end)
end

-- ---- set as pending

--- What waits for a reboot of this host: target.firmware; in a plan also what the plan will set. Otherwise nil.
function host_bios.owed(ctx, target)
  if target.firmware then return target.firmware end
  return ctx.planning and target.forecast and target.forecast.firmware or nil
end

--- The later step of the target's scope that reboots the host, if there is one: the settings wait for it.
function host_bios.companion(target)
  local after = false
  for _, instance in ipairs(target.scope.children) do
    if after and (instance.name == "host.enable" or instance.name == "host.disable") then
      local o = instance:resolve(target)
      if o and o.apply ~= "stage" then return instance end
    end
    after = after or instance == target.instance
  end
end

local function values_of(before, after)
  local list, names = {}, {}
  for name in pairs(after) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    list[i] = { name = "bios", key = name, before = before[name], after = after[name] }
  end
  return list
end

-- Calls fn with the target's step being the one that set the settings: its rows are that step's.
local function as_step(target, instance, fn)
  local own = target.instance
  target.instance = instance
  local results = table.pack(pcall(fn))
  target.instance = own
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- A changing request with its rows. `work(client, seen)` makes it. true; nil, message, code. An answer that was lost
-- makes the step observe again (EUNKNOWN).
local function change(ctx, target, access, what, detail, work)
  detail.bmc, detail.boot_time = host_bios.journalled(access), target.record.boot_time
  what.object = target.record.ref
  local number = ctx:row(target, "change", what, detail)
  local ok, message, code, more = with(ctx, target, access, work)
  if ok then
    ctx:row(target, "result", what, { ok = true }, { of = number })
    return true
  end
  if logins.lost[code] and not (more and more.untried) then code = "EUNKNOWN" end
  if not message:find(target.name, 1, true) then message = ("%s: %s"):format(target.name, message) end
  ctx:row(target, "result", what, { ok = false, message = message, code = code }, { of = number })
  return nil, message, code
end

--- Sets attributes for the next boot: true; nil, message, code. `now`: the values before.
function host_bios.set(ctx, target, access, now, values)
  local ok, message, code = change(ctx, target, access, { action = "bios-set", text = "BIOS settings" },
    { values = values_of(now, values) }, function(client, seen) return pending.set(client, seen, values) end)
  if not ok then return nil, message, code end
  target.firmware = { access = access, values = values, instance = target.instance }
  ctx:note(target, ("%s pending in the BIOS"):format(units.count(#values_of({}, values), "setting")))
  return true
end

--- Takes back what is pending: true; nil, message, code. `before`: the values in force.
function host_bios.take_back(ctx, target, access, names, from, before)
  local list = {}
  for i, name in ipairs(names) do list[i] = { name = "bios", key = name, before = from[name], after = before[name] } end
  return change(ctx, target, access, { action = "bios-restore", text = "BIOS settings (undo)" }, { values = list },
    function(client, seen) return pending.withdraw(client, seen, names) end)
end

local function names_of(values)
  local names = {}
  for name in pairs(values) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- ---- in the rolling procedure

--- Right before the reboot: true if it will set what waits; nil, message, code. Nothing waits: true.
function host_bios.ready(ctx, target)
  local waits = target.firmware
  if not waits then return true end
  return with(ctx, target, waits.access, function(client, seen)
    local ok, message, code = pending.ready(client, seen, waits.values)
    if not ok then
      return nil, ("%s: the BIOS settings that this run set are %s. Find out who configures this server, then "
        .. "apply the playbook again"):format(target.name, message), code
    end
    return true
  end)
end

--- The reboot does not come: takes back what waits, so that another user's reboot does not apply it. Notes a failure.
function host_bios.withdraw(ctx, target)
  local waits = target.firmware
  if not waits or not waits.access then return end
  target.firmware = nil
  as_step(target, waits.instance, function()
    local names, current = names_of(waits.values), nil
    local ok, message = with(ctx, target, waits.access, function(_, seen)
      current = seen.current
      return true
    end)
    if ok then ok, message = host_bios.take_back(ctx, target, waits.access, names, waits.values, current) end
    if ok then return ctx:note(target, "the pending BIOS settings were taken back") end
    ctx:note(target, ("the BIOS settings are still pending; taking them back failed: %s"):format(message))
  end)
end

-- What is not as it was set, as text; nil if all is.
local function otherwise(seen, values)
  local list = {}
  for _, name in ipairs(names_of(values)) do
    local now = seen.current[name]
    if not bios.same(seen, name, now, values[name]) then
      list[#list + 1] = ("%s reads back as %s, not %s"):format(name, now == nil and "nothing" or tostring(now),
        tostring(values[name]))
    end
  end
  return #list > 0 and table.concat(list, ", ") or nil
end

--- The failure of a host whose BIOS did not take what was set.
function host_bios.not_taken(target, seen, off)
  local why = #seen.messages > 0 and (" (%s)"):format(table.concat(seen.messages, " "):gsub("%.$", "")) or ""
  return nil, ("%s: after the reboot %s%s. Look at the BIOS setup of the server: another setting may decide over it")
    :format(target.name, off, why), "EPROOF"
end

host_bios.otherwise = otherwise

--- After the reboot: proves what waited. true; nil, message, code. Nothing waited: true.
function host_bios.settle(ctx, target)
  local waits = target.firmware
  if not waits then return true end
  local deadline = clock.now() + host_bios.SETTLE
  local ok, message, code = with(ctx, target, waits.access, function(client, seen)
    local names = names_of(waits.values)
    while true do
      local unfinished, why, failed = pending.unfinished(client, seen, names)
      if unfinished == nil then return nil, ("%s: %s"):format(target.name, why), failed end
      local off = otherwise(seen, waits.values)
      if not off then return true end
      if not unfinished then return host_bios.not_taken(target, seen, off) end
      if clock.now() >= deadline then
        return nil, ("%s: the BIOS has not applied the settings within %s of the reboot: %s"):format(target.name,
          units.span(host_bios.SETTLE), off), "EPROOF"
      end
      loop.sleep(host_bios.PAUSE)
      local again
      again, why, failed = bios.read_current(client, seen)
      if again then again, why, failed = bios.read_pending(client, seen) end
      if not again then return nil, ("%s: %s"):format(target.name, why), failed end
    end
  end)
  if not ok then return nil, message .. ". The host stays in maintenance mode", code end
  target.firmware = nil
  as_step(target, waits.instance, function()
    ctx:note(target, ("read back: %s"):format(host_bios.text(waits.values)))
  end)
  return true
end

--- "MmioAbove4Gb = Enabled, ProcVirtualization = Enabled"
function host_bios.text(values)
  local words = names_of(values)
  for i, name in ipairs(words) do words[i] = ("%s = %s"):format(name, tostring(values[name])) end
  return table.concat(words, ", ")
end

return host_bios
