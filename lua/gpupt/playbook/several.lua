--- A plan for several vCenters: one plan for each (gpupt.playbook.plan), with the methods of a plan. Applied, each is a
-- run of its own in the same journal, all at the same time. A vCenter that cannot be reached, or is lost while its plan
-- is made, stops its own hosts and VMs only; a problem of a plan refuses them all.
local failure = require "gpupt.failure"
local loop = require "gpupt.loop"
local options = require "gpupt.options"
local patterns = require "gpupt.playbook.patterns"
local plan = require "gpupt.playbook.plan"
local vcenters = require "gpupt.playbook.vcenters"
local visible = require "gpupt.visible"

local several = {}

local Plans = {}
Plans.__index = Plans
Plans.__name = "gpupt.plans"

-- The vCenter's fault, not the plan's.
local AWAY = { ECONNECT = true, ELOST = true, ENOLOGIN = true, ETLS = true }

-- What may be its fault: a proxy answers for it, it takes too long, or it refuses to be logged in to again.
local PERHAPS = { EHTTP = true, ETIMEDOUT = true, ETRUNCATED = true, EUNTRUSTED = true, EPROXY = true,
  InvalidLogin = true, NotAuthenticated = true }

local function answers(vc)
  local now, _, code = failure.catch(vc.call, vc, vc.instance, "CurrentTime", {}, { retries = 0 })
  return now ~= nil or not (AWAY[code] or PERHAPS[code])
end

-- Whether the vCenter is why there is no plan. The problem of a step may be one with another server, such as a BMC.
local function is_away(part, code, detail)
  if AWAY[code] and not (type(detail) == "table" and detail.problems) then return true end
  return (AWAY[code] or PERHAPS[code]) and not answers(part.vc)
end

-- Makes the plan of one part; part.plan, or part.message and part.code, or part.nothing: no host or VM is meant.
local function make(self, part, o, limit)
  if part.message then
    part.away = true
    return
  end
  if self.playbook.saved and not part.playbook.saved then
    part.message, part.code, part.away = "was not part of the saved plan", "ESTALE", true
    return
  end
  local made, message, code, detail = plan.make(part.playbook, part.vc, { limit = limit and limit.text,
    patterns = limit, journal = o.journal, check_logins = o.check_logins, secrets = o.secrets })
  part.plan = made
  if made then return end
  part.nothing = limit and code == "ENOENT" and not detail
  part.message, part.code, part.away = message, code, is_away(part, code, detail)
end

local function refusal(self)
  local lines, code = {}, nil
  for _, part in ipairs(self.parts) do
    if part.message and not part.away and not part.nothing then
      code = code or part.code
      for line in part.message:gmatch "[^\n]+" do lines[#lines + 1] = ("vCenter %s: %s"):format(part.name, line) end
    end
  end
  if code then return nil, visible.lines(lines), code end
  return true
end

--- The plan for the sites of vcenters.connect, or for a table of connected clients by the vCenters' names. nil,
-- message, code; "ECONNECT" if none of the vCenters can be reached.
function several.make(pb, sites, o)
  local nodes, message, code = vcenters.of(pb)
  if not nodes then return nil, message, code end
  local limit
  if o.limit then
    limit, message, code = patterns.compile(o.limit)
    if not limit then return nil, message, code end
  end
  local self = setmetatable({ playbook = pb, parts = {}, limit = limit and limit.text }, Plans)
  local by_name = vcenters.by_name(sites)
  for i, node in ipairs(nodes) do
    local name = node.options.name
    local site = by_name[name]
    if not site then error(("playbook.plan: there is no connection to the vCenter '%s'"):format(name), 3) end
    self.parts[i] = { name = name, vc = site.vc, message = site.message, code = site.code,
      playbook = vcenters.part(pb, name) }
  end
  loop.run(function()
    for _, part in ipairs(self.parts) do loop.spawn(make, self, part, o, limit) end
  end)
  local ok
  ok, message, code = refusal(self)
  if not ok then return nil, message, code end
  local reached = false
  for _, part in ipairs(self.parts) do reached = reached or part.plan ~= nil or part.nothing end
  if not reached then return nil, self:away_text(), "ECONNECT" end
  local unmatched = limit and o.new_limit and #self:away() == 0 and limit:unmatched()
  if unmatched then return nil, unmatched, "ENOENT" end
  self.words, self.unverified = self:needs(), self:all "unverified"
  for _, part in ipairs(self.parts) do self.read_only = self.read_only or part.plan and part.plan.read_only end
  return self
end

--- The vCenters whose hosts and VMs are left out: a list of { name =, message =, code = }.
function Plans:away()
  local list = {}
  for _, part in ipairs(self.parts) do
    if part.away then list[#list + 1] = { name = part.name, message = part.message, code = part.code } end
  end
  return list
end

local function away_line(part)
  return ("vCenter %s: %s. Its hosts and VMs are left out"):format(part.name, (part.message:gsub("%.$", "")))
end

--- The same as text.
function Plans:away_text()
  local lines = {}
  for i, part in ipairs(self:away()) do lines[i] = away_line(part) end
  return visible.lines(lines)
end

-- The elements of what `get` gives for each plan, each with its vCenter.
local function gather(self, get)
  local list = {}
  for _, part in ipairs(self.parts) do
    for _, one in ipairs(part.plan and get(part.plan) or {}) do
      if type(one) == "table" then one.vcenter = part.name end
      list[#list + 1] = one
    end
  end
  return list
end

function Plans:all(field) return gather(self, function(one) return one[field] end) end

--- As those of a plan; each table has a field vcenter.
function Plans:changes() return gather(self, function(one) return one:changes() end) end
function Plans:claimed() return gather(self, function(one) return one:claimed() end) end
function Plans:left_out()
  local list = gather(self, function(one) return one:left_out() end)
  for _, part in ipairs(self:away()) do
    list[#list + 1] = { vcenter = part.name, target = part.name, text = away_line(part), unreached = true }
  end
  return list
end
function Plans:misplaced() return gather(self, function(one) return one:misplaced() end) end
function Plans:unreached() return gather(self, function(one) return one:unreached() end) end

function Plans:needs()
  local list, seen = {}, {}
  for _, word in ipairs(gather(self, function(one) return one:needs() end)) do
    if not seen[word] then
      seen[word] = true
      list[#list + 1] = word
    end
  end
  table.sort(list)
  return list
end

function Plans:groups() return gather(self, function(one) return one:groups() end) end
function Plans:capacity() return gather(self, function(one) return one:capacity() end) end
function Plans:stops()
  return { hosts = gather(self, function(one) return one:stops().hosts end),
    vms = gather(self, function(one) return one:stops().vms end) }
end

--- See Plan:text.
function Plans:text(o)
  local lines = {}
  for _, part in ipairs(self.parts) do
    if #lines > 0 then lines[#lines + 1] = "" end
    lines[#lines + 1] = "vCenter " .. part.name
    if part.plan then
      lines[#lines + 1] = part.plan:text(o)
    else
      lines[#lines + 1] = "! " .. (part.nothing and "the limit leaves none of its hosts and VMs" or away_line(part))
    end
  end
  return visible.lines(lines)
end

function Plans:__tostring() return self:text {} end

--- Writes the plan for a later apply; true, or nil, message, code.
function Plans:save(path) return require "gpupt.playbook.saved".write(self, path) end

local Runs = {}
Runs.__index = Runs
Runs.__name = "gpupt.runs"

local apply_options = options.declare("plans.apply", {
  { "journal", "userdata", doc = "an open journal (gpupt.store.open); default: the user's own file" },
  { "on_event", "function", doc = "called with each event, which also has a field vcenter" },
  { "progress", "boolean", default = true, doc = "see plan.apply" },
  { "allow", "table", default = {}, doc = "the approvals" },
  { "asked", "function", doc = "see plan.apply" },
  { "outage", "string|number", default = "15m", doc = "how long to wait for a vCenter that does not answer" },
})

local function apply_part(part, o)
  local on_event = o.on_event and function(event)
    event.vcenter = part.name
    o.on_event(event)
  end
  part.run, part.message, part.code = failure.catch(part.plan.apply, part.plan, { journal = o.journal,
    on_event = on_event, progress = o.progress, allow = o.allow, asked = o.asked, outage = o.outage })
end

--- Applies the plans at the same time, each as a run of its own. Returns the runs, even if some failed; nil, message,
-- code if none was started.
function Plans:apply(o)
  o = apply_options:check(o)
  local given, missing = {}, {}
  for _, word in ipairs(o.allow) do given[word] = true end
  for _, word in ipairs(self.words) do if not given[word] then missing[#missing + 1] = word end end
  if #missing > 0 then
    return nil, ("the plan needs --allow %s"):format(table.concat(missing, ",")), "EAPPROVAL", { words = missing }
  end
  local own
  if not o.journal and #self:changes() > 0 then
    local message, code
    own, message, code = require "gpupt.playbook.journal".open()
    if not own then return nil, message, code end
    o.journal = own
  end
  -- Ctrl-C cancels the fibers: each run then writes its last row, and ends as interrupted
  local ok, err = pcall(loop.run, function()
    for _, part in ipairs(self.parts) do
      if part.plan then loop.spawn(apply_part, part, o) end
    end
  end)
  if own then own:close() end
  if not ok and not (type(err) == "string" and err:find "interrupted!") then error(err, 0) end
  local started = false
  for _, part in ipairs(self.parts) do started = started or part.run ~= nil end
  if not started then
    for _, part in ipairs(self.parts) do
      if part.message and not part.away and not part.nothing then return nil, part.message, part.code end
    end
  end
  return setmetatable({ parts = self.parts }, Runs)
end

-- The worst first.
local WORST = { "interrupted", "failed", "paused", "away", "partial", "done", "nothing" }

--- { status = the worst of all ("away" if a vCenter was left out and all else is done), runs = { { vcenter =, id =,
-- status =, targets =, message = } } }
function Runs:result()
  local list, seen = {}, {}
  for _, part in ipairs(self.parts) do
    local one = part.run and part.run:result()
    if not one and part.nothing then one = { status = "nothing", targets = {} } end
    one = one or { status = part.away and "away" or "failed", targets = {}, message = part.message, code = part.code }
    one.vcenter = part.name
    list[#list + 1], seen[one.status] = one, true
  end
  for _, status in ipairs(WORST) do
    if seen[status] then return { status = status, runs = list } end
  end
end

function Runs:__tostring()
  local lines = {}
  for _, part in ipairs(self.parts) do
    if part.run then
      if #lines > 0 then lines[#lines + 1] = "" end
      lines[#lines + 1] = "vCenter " .. part.name
      lines[#lines + 1] = tostring(part.run)
    end
  end
  return visible.lines(lines)
end

return several
