--- Waiting for tasks and properties: one WaitForUpdatesEx per client for everything that is waited for.
--
--   vc:wait(task) ----+                                  +--> entry.values change, entry.event fires
--   vc:wait_for(...) -+--> entries --> filters (batches) --> WaitForUpdatesEx --> updates
--
-- An *entry* is one object with the paths that a caller waits for. Entries added together share one filter; a filter is
-- destroyed when its last entry is removed. Two helpers call the server: one creates and destroys filters, one keeps a
-- single WaitForUpdatesEx in flight while there are filters. They stop when there is nothing to wait for, so an idle
-- client costs its server nothing. The callers' own code (predicates, progress) runs in the callers, never in a helper.
-- A server that does not answer, or that has lost the session, is asked until the last entry's deadline; entries
-- without one are given up after the client's `outage` seconds. A new filter reports every value, so nothing is
-- missed.
local away = require "gpupt.vim.away"
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local fault = require "gpupt.vim.fault"
local fiber = require "gpupt.loop.fiber"
local wait = require "gpupt.loop.wait"

local watch = { MAX_WAIT = 60, QUICK = 0.025 }

local Watch = {}
Watch.__index = Watch

local function of(client)
  local self = client.watch
  if not self then
    self = setmetatable({
      client = client, pending = {}, filters = {}, entries = 0, idle_filters = {}, version = "", tries = 0, silent = 0,
    }, Watch)
    rawset(client, "watch", self)
  end
  return self
end

-- ---- entries

function Watch:add(object, paths, until_time)
  local entry = { object = object, paths = paths, wanted = {}, values = {}, event = engine.event(),
    until_time = until_time }
  for _, path in ipairs(paths) do entry.wanted[path] = true end
  self.entries = self.entries + 1
  self.pending[#self.pending + 1] = entry
  self:keep_going()
  return entry
end

local function changed(entry)
  engine.fire(entry.event)
end

--- Removes an entry that is no longer waited for.
function Watch:remove(entry)
  if entry.removed then return end
  entry.removed = true
  self.entries = self.entries - 1
  local filter = entry.filter
  if not filter then return end
  filter.living = filter.living - 1
  if filter.living == 0 then
    self.filters[filter.ref.value] = nil
    self.idle_filters[#self.idle_filters + 1] = filter.ref
    self:keep_going()
  end
end

local function fail(entry, ...)
  entry.failed = { ... }
  changed(entry)
end

-- Every entry that is waited for.
local function living(self)
  local list = {}
  local function take(entries)
    for _, entry in ipairs(entries) do if not entry.removed then list[#list + 1] = entry end end
  end
  take(self.pending)
  for _, filter in pairs(self.filters) do
    for _, entries in pairs(filter.entries) do take(entries) end
  end
  return list
end

local function fail_all(self, ...)
  for _, entry in ipairs(living(self)) do fail(entry, ...) end
  self.pending, self.filters, self.tries = {}, {}, 0
end

-- The session (or the collector) is gone: every remaining entry gets a new filter.
local function restart(self)
  self.collector, self.version, self.idle_filters = nil, "", {}
  for _, filter in pairs(self.filters) do
    for _, entries in pairs(filter.entries) do
      for _, entry in ipairs(entries) do
        if not entry.removed then
          entry.filter = nil
          self.pending[#self.pending + 1] = entry
        end
      end
    end
  end
  self.filters = {}
end

-- Pauses before the next try, longer each time.
local function back_off(tries)
  wait.wait(engine.event(), engine.now() + math.min(5, 0.2 * 2 ^ tries) * (0.5 + math.random()))
end

-- ---- a server that does not answer

local function unanswered(code, detail) return away.unanswered(code, detail or {}) end

-- After a request without an answer: gives up the entries whose patience has ended, and pauses.
local function endure(self, entries, message, code, detail)
  local client, now = self.client, engine.now()
  self.silent, self.since = self.silent + 1, self.since or now
  local over = self.silent > client.retries + 2 and now - self.since >= client.outage
  local latest = 0
  for _, entry in ipairs(entries) do
    if over and not entry.until_time then fail(entry, message, code, detail) end
    latest = math.max(latest, entry.until_time or self.since + client.outage)
  end
  if self.silent > client.retries then away.announce(client, latest) end
  back_off(self.silent)
end

local function answered(self) self.silent, self.since = 0, nil end

-- ---- filters

local ONCE = { retries = 0 } -- endure repeats

local function collector_of(self)
  if self.collector and self.generation == self.client.generation then return self.collector end
  if self.collector then restart(self) end
  local client = self.client
  local generation = client.generation
  local made, message, code, detail = client:call(client.content.propertyCollector, "CreatePropertyCollector", {}, ONCE)
  if not made then return nil, message, code, detail end
  self.collector, self.generation, self.version = made, generation, ""
  return made
end

local function sets_of(batch)
  local kinds, object_set, seen = {}, {}, {}
  for _, entry in ipairs(batch) do
    local kind = kinds[entry.object.type]
    if not kind then
      kind = {}
      kinds[entry.object.type] = kind
    end
    for _, path in ipairs(entry.paths) do
      if not kind[path] then
        kind[path] = true
        kind[#kind + 1] = path
      end
    end
    if not seen[entry.object] then
      seen[entry.object] = true
      object_set[#object_set + 1] = { obj = entry.object, skip = false }
    end
  end
  local property_sets = {}
  for kind, paths in pairs(kinds) do
    property_sets[#property_sets + 1] = { type = kind, pathSet = table.move(paths, 1, #paths, 1, {}), all = false }
  end
  return { propSet = property_sets, objectSet = object_set }
end

-- No filter could be made for a batch: the server does not answer, or the collector is gone with its session, or the
-- server refuses it. Then its entries are tried one by one, so that a bad one fails alone.
local make_filter

local function no_filter(self, batch, collector, message, code, detail)
  local refusal = detail and detail.fault
  if unanswered(code, detail) then
    endure(self, batch, message, code, detail)
  elseif code == "ManagedObjectNotFound" and collector and rawget(refusal or {}, "obj") == collector
    and self.tries < 3 then
    self.tries = self.tries + 1
    restart(self)
  elseif collector and #batch > 1 and refusal then
    for _, entry in ipairs(batch) do
      if not entry.removed then make_filter(self, { entry }) end
    end
    return
  else
    for _, entry in ipairs(batch) do fail(entry, message, code, detail) end
    return
  end
  for _, entry in ipairs(batch) do
    if not entry.removed and not entry.failed then self.pending[#self.pending + 1] = entry end
  end
end

-- One filter for a batch.
function make_filter(self, batch)
  local collector, message, code, detail = collector_of(self)
  local made
  if collector then
    self.early, self.early_count = {}, 0
    made, message, code, detail = self.client:call(collector, "CreateFilter",
      { spec = sets_of(batch), partialUpdates = false }, ONCE)
  end
  local early = self.early
  self.early = nil
  if not made then return no_filter(self, batch, collector, message, code, detail) end
  answered(self)
  local filter = { ref = made, entries = {}, living = 0 }
  for _, entry in ipairs(batch) do
    if not entry.removed then
      filter.living = filter.living + 1
      entry.filter = filter
      local list = filter.entries[entry.object] or {}
      filter.entries[entry.object] = list
      list[#list + 1] = entry
    end
  end
  if filter.living == 0 then self.idle_filters[#self.idle_filters + 1] = made return end
  self.filters[made.value] = filter
  for _, part in ipairs(early[made.value] or {}) do self:take_part(filter, part) end
end

local function filters_helper(self)
  while not self.stopped and (#self.pending > 0 or #self.idle_filters > 0) do
    local batch = {}
    for _, entry in ipairs(self.pending) do
      if not entry.removed then batch[#batch + 1] = entry end
    end
    self.pending = {}
    if #batch > 0 then
      make_filter(self, batch)
      self:keep_going()
    end
    local idle = table.remove(self.idle_filters)
    if idle and self.collector and self.generation == self.client.generation then
      self.client:call(idle, "DestroyPropertyFilter")
    end
  end
end

-- ---- updates

local function take_change(entry, change)
  local name = change.name
  if not entry.wanted[name] then return end -- another entry's of the same filter
  if change.op == "assign" or change.op == "add" then entry.values[name] = change.val
  elseif change.op == "remove" or change.op == "indirectRemove" then entry.values[name] = nil end
end

local function take_update(filter, update)
  local entries = filter.entries[update.obj]
  for _, entry in ipairs(entries or {}) do
    if update.kind == "enter" then entry.values = {} end -- what is unset is not in it
    if update.kind == "leave" then
      entry.failed = { ("%s no longer exists"):format(tostring(update.obj)), "ManagedObjectNotFound",
        { object = update.obj } }
    else
      for _, change in ipairs(update.changeSet or {}) do take_change(entry, change) end
      for _, missing in ipairs(update.missingSet or {}) do
        local message, code, detail = fault.read(missing.fault)
        entry.failed = { ("%s of %s: %s"):format(missing.path, tostring(update.obj), message), code, detail }
      end
    end
    changed(entry)
  end
end

function Watch.take_part(_, filter, part)
  for _, update in ipairs(part.objectSet or {}) do take_update(filter, update) end
  for _, gone in ipairs(part.missingSet or {}) do
    local message, code, detail = fault.read(gone.fault)
    for _, entry in ipairs(filter.entries[gone.obj] or {}) do
      entry.failed = { ("%s: %s"):format(tostring(gone.obj), message), code, detail }
      changed(entry)
    end
  end
end

-- Updates of filters not registered yet, kept while one is being created. More than this many cannot be ours.
local EARLY_MOST = 10000

local function keep_early(self, name, part)
  self.early_count = self.early_count + 1
  if self.early_count > EARLY_MOST then
    error(failure.new("the server sends updates for filters that were not created here", "EPROTOCOL"), 0)
  end
  self.early[name] = self.early[name] or {}
  table.insert(self.early[name], part)
end

local VERSION_MOST = 4096 -- bytes; it is sent back with each request

local function take(self, set)
  if #set.version > VERSION_MOST then
    error(failure.new(("the server sent a version of %d bytes"):format(#set.version), "EPROTOCOL"), 0)
  end
  for _, part in ipairs(set.filterSet or {}) do
    local name = part.filter.value
    local filter = self.filters[name]
    if filter then
      self:take_part(filter, part)
    elseif self.early then
      -- the wait in flight may report a new filter before the answer to its creation arrives
      keep_early(self, name, part)
    end
  end
  self.version, self.truncated = set.version, set.truncated
end

-- What to do when the wait failed: true continues, false gives up for all entries. `tries` counts refusals since the
-- last answer, across collectors and sessions, so that a server that refuses every wait is not asked forever.
local function recover(self, message, code, detail)
  if self.stopped then return false end
  if code == "RequestCanceled" and not next(self.filters) then return true end
  if unanswered(code, detail) then
    -- a truncated set can be requested only once: start again
    if self.truncated then self.version = "" end
    endure(self, living(self), message, code, detail)
    return true
  end
  answered(self)
  self.tries = self.tries + 1
  local tries = self.tries
  if tries > self.client.retries + 2 then
    fail_all(self, message, code, detail)
    return false
  end
  -- once is normal and needs no pause
  if code == "RequestCanceled" then
    if tries > 1 then back_off(tries) end
    return true
  end
  if code == "InvalidCollectorVersion" then
    self.version = ""
    if tries > 1 then back_off(tries) end
    return true
  end
  if code == "NotAuthenticated" and tries <= 2 then
    local ok, why, failed, more = self.client:login_again(self.generation)
    if ok then
      restart(self)
      self:keep_going()
      return true
    elseif unanswered(failed, more) then
      self.tries = tries - 1
      endure(self, living(self), why, failed, more)
      return true
    end
    fail_all(self, why, failed)
    return false
  end
  if code == "ManagedObjectNotFound" and tries <= 3 then -- the collector was removed with its session
    restart(self)
    self:keep_going()
    return true
  end
  fail_all(self, message, code, detail)
  return false
end

local function updates_helper(self)
  local quick = 0 -- consecutive answers that arrived immediately
  while not self.stopped and next(self.filters) do
    local collector, generation = self.collector, self.generation
    if not collector or generation ~= self.client.generation then
      restart(self)
      self:keep_going()
      return
    end
    self.waiting = true
    local asked = engine.now()
    local set, message, code, detail = self.client:call(collector, "WaitForUpdatesEx",
      { version = self.version, options = { maxWaitSeconds = watch.MAX_WAIT } },
      { timeout = watch.MAX_WAIT + 60, stall_timeout = watch.MAX_WAIT + 45, retries = 0, safe = true, no_login = true })
    self.waiting = false
    if set == nil then
      if not recover(self, message, code, detail) then return end
    else
      self.tries = 0
      answered(self)
      if set then
        take(self, set)
        -- Callers that got their result remove their entries first: often nothing is left to wait for. When answers
        -- arrive in quick succession, a short pause lets one answer carry many changes.
        quick = engine.now() - asked < watch.QUICK and quick + 1 or 0
        local more = set.truncated and set.filterSet -- the rest of a truncated answer
        local patience = quick > 3 and not more and watch.QUICK or 0
        wait.wait(engine.event(), engine.now() + patience)
      end
    end
  end
end

-- No entry is left, but a request is in flight: ask the server to answer it now.
local function cancel_helper(self)
  while not self.stopped and self.waiting and not next(self.filters) and #self.pending == 0 do
    self.client:call(self.collector, "CancelWaitForUpdates", {}, { retries = 0 })
    wait.wait(engine.event(), engine.now() + 0.5)
  end
end

local function helper(self, name, needed, body)
  if self[name] or not needed then return end
  self[name] = true
  fiber.helper(function()
    local ok, err = pcall(body, self)
    self[name] = nil
    if not ok then
      local failed = failure.is(err) and err
        or { message = "internal error while waiting for updates: " .. tostring(err), code = "EFAULT" }
      fail_all(self, failed.message, failed.code)
    elseif not self.stopped then
      self:keep_going()
    end
  end)
end

--- Starts the helpers that have something to do.
function Watch:keep_going()
  if self.stopped then return end
  helper(self, "filtering", #self.pending > 0 or #self.idle_filters > 0, filters_helper)
  helper(self, "updating", next(self.filters) ~= nil, updates_helper)
  helper(self, "cancelling", self.waiting and not next(self.filters) and #self.pending == 0, cancel_helper)
end

--- The client closes: every wait fails. The end of the session removes collector and filters.
function Watch:stop()
  fail_all(self, "the connection was closed while waiting", "ECLOSED")
  self.stopped = true
end

--- Waits until examine(values) gives something that is not nil, and gives it.
function watch.await(client, object, paths, examine, until_time, what)
  local self = of(client)
  if client.closed then return nil, "this connection is closed", "ECLOSED" end
  local entry = self:add(object, paths, until_time)
  while true do
    local stop = wait.wait(entry.event, until_time)
    if stop then
      self:remove(entry)
      error(stop, 0)
    end
    if not entry.event.done then
      self:remove(entry)
      return nil, ("timed out waiting for %s"):format(what), "ETIMEDOUT", { object = object }
    end
    entry.event = engine.event()
    if entry.failed then
      self:remove(entry)
      return nil, table.unpack(entry.failed, 1, 3)
    end
    local ok, results = pcall(function() return table.pack(examine(entry.values)) end)
    if not ok then
      self:remove(entry)
      error(results, 0)
    end
    if results[1] ~= nil or results.n > 1 then
      self:remove(entry)
      return table.unpack(results, 1, results.n)
    end
  end
end

return watch
