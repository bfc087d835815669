--- Waiting for tasks and properties: one WaitForUpdatesEx per client for everything that is waited for.
--
--   vc:wait(task) ----+                                  +--> entry.values change, entry.event fires
--   vc:wait_for(...) -+--> entries --> filters (batches) --> WaitForUpdatesEx --> updates
--
-- An *entry* is one object with the paths that a caller waits for. Tasks, and the usual paths of VMs and hosts, share
-- the session's list and the one filter over it (gpupt.vim.watch_list). Other entries that are added together share a
-- filter, which is destroyed when its last entry is removed. Two helpers call the server: one creates, changes and
-- destroys filters, one keeps a single WaitForUpdatesEx in flight while something is waited for. They stop when there
-- is nothing to wait for, so an idle client sends nothing. The callers' own code (predicates, progress) runs in the
-- callers, never in a helper.
-- A server that does not answer, or that has lost the session, is asked until the last entry's deadline; entries
-- without one are given up after the client's `outage` seconds. A new filter reports every value, so nothing is
-- missed.
local away = require "gpupt.vim.away"
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local fiber = require "gpupt.loop.fiber"
local wait = require "gpupt.loop.wait"
local watch_list = require "gpupt.vim.watch_list"
local watch_updates = require "gpupt.vim.watch_updates"

--- Seconds: what begins or changes within these goes into one request. A thousand tasks that end in the same second are
-- reported within milliseconds, and not by a thousand answers. Where MANY things are waited for, further ones are added
-- less often: the end of a task that is shorter than that is reported so much later. And an answer with FEW changes of
-- things that were added TOGETHER waits a little for the next one: tasks that began together end together, and what
-- their callers do then begins together.
local watch = { MAX_WAIT = 60, GATHER_UPDATES = 0.004, NOTHING = 0.025, GATHER_WAITS = 0.002, GATHER_MANY = 0.05,
  MANY = 4, GATHER_FEW = 0.015, FEW = 2, TOGETHER = 0.15 }

local Watch = {}
Watch.__index = Watch

local function of(client)
  local self = client.watch
  if not self then
    self = setmetatable({
      client = client, pending = {}, filters = {}, entries = 0, idle = {}, version = "", tries = 0, silent = 0,
    }, Watch)
    rawset(client, "watch", self)
  end
  return self
end

-- Whether anything is waited for: the filter over the list stays when nothing is.
local function busy(self)
  for _, filter in pairs(self.filters) do
    if filter.living > 0 then return true end
  end
  return false
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
  if entry.together then entry.together.living = entry.together.living - 1 end
  local filter = entry.filter
  if not filter then return end
  if filter.is_list then
    watch_list.delist(filter, entry)
    if filter.living == 0 then self:keep_going() end
    return
  end
  filter.living = filter.living - 1
  if filter.living == 0 then
    self.filters[filter.ref.value] = nil
    self.idle[#self.idle + 1] = filter.ref
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
  if self.list then
    watch_list.clear(self.list)
    self.filters[self.list.ref.value] = self.list
  end
end

-- The session (or the collector) is gone: every remaining entry gets a new filter.
local function restart(self)
  self.collector, self.list, self.version, self.idle = nil, nil, "", {}
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

-- The next wait is answered with all values.
local function start_over(self)
  self.version = ""
  if self.list then watch_list.start_over(self.list) end
  self:keep_going()
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

function Watch:answered() self.silent, self.since = 0, nil end

-- ---- filters

local ONCE = { retries = 0 } -- endure repeats

--- The collector of this session, created on first use; nil, message, code, detail.
function Watch:collector_of()
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

--- No filter could be made for a batch: the server does not answer, or the collector (or the view) is gone with its
-- session, or the server refuses it. Then its entries are tried one by one, so that a bad one fails alone.
function Watch:no_filter(batch, collector, message, code, detail)
  local refusal = detail and detail.fault
  if unanswered(code, detail) then
    endure(self, batch, message, code, detail)
  elseif code == "ManagedObjectNotFound" and collector and rawget(refusal or {}, "obj") == collector
    and self.tries < 3 then
    self.tries = self.tries + 1
    restart(self)
  elseif collector and #batch > 1 and refusal then
    for _, entry in ipairs(batch) do
      if not entry.removed then self:make_filter { entry } end
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

--- Creates a filter; its updates that arrive before the answer are kept for take_filter.
function Watch:create_filter(collector, spec)
  self.early, self.early_count = {}, 0
  local made, message, code, detail = self.client:call(collector, "CreateFilter",
    { spec = spec, partialUpdates = false }, ONCE)
  if not made then
    self.early = nil
    return nil, message, code, detail
  end
  self:answered()
  return made
end

--- From now on the updates of a new filter reach its entries, the early ones first.
function Watch:take_filter(filter)
  local name, early = filter.ref.value, self.early
  self.early = nil
  self.filters[name] = filter
  for _, part in ipairs(early[name] or {}) do watch_updates.take_part(self, filter, part) end
end

--- One filter for a batch.
function Watch:make_filter(batch)
  local collector, message, code, detail = self:collector_of()
  local made
  if collector then made, message, code, detail = self:create_filter(collector, sets_of(batch)) end
  if not made then return self:no_filter(batch, collector, message, code, detail) end
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
  if filter.living == 0 then
    self.early = nil
    self.idle[#self.idle + 1] = made
    return
  end
  self:take_filter(filter)
end

local function to_check(self) return self.list ~= nil and self.list.check end

local destroying = { PropertyFilter = "DestroyPropertyFilter", ListView = "DestroyView" }

-- Waits for what else begins to be waited for.
local function gather(self)
  local many = self.added and self.entries - #self.pending >= watch.MANY
  wait.wait(engine.event(), engine.now() + (many and watch.GATHER_MANY or watch.GATHER_WAITS))
  self.added = true
end

-- Notes which entries were added together, or soon after each other.
local function keep_together(self, batch)
  local now, together = engine.now(), self.together
  if not together or now - together.since > watch.TOGETHER then
    together = { since = now, living = 0 }
    self.together = together
  end
  together.living = together.living + #batch
  for _, entry in ipairs(batch) do entry.together = together end
end

local function filters_helper(self)
  while not self.stopped and (#self.pending > 0 or #self.idle > 0 or to_check(self)) do
    if to_check(self) then watch_list.check(self) end
    if #self.pending > 0 then gather(self) end
    local batch = {}
    for _, entry in ipairs(self.pending) do
      if not entry.removed then batch[#batch + 1] = entry end
    end
    self.pending = {}
    keep_together(self, batch)
    if #batch > 0 then
      local listed, own = watch_list.split(self, batch)
      if #listed > 0 then watch_list.add(self, listed) end
      self:keep_going()
      if #own > 0 then self:make_filter(own) end
      self:keep_going()
    end
    local idle = table.remove(self.idle)
    if idle and self.collector and self.generation == self.client.generation then
      self.client:call(idle, destroying[idle.type])
    end
  end
end

-- ---- updates

-- What to do when the wait failed: true continues, false gives up for all entries. `tries` counts refusals since the
-- last answer, across collectors and sessions, so that a server that refuses every wait is not asked forever.
local function recover(self, message, code, detail)
  if self.stopped then return false end
  if code == "RequestCanceled" and not busy(self) then return true end
  if unanswered(code, detail) then
    -- a truncated set can be requested only once: start again
    if self.truncated then start_over(self) end
    endure(self, living(self), message, code, detail)
    return true
  end
  self:answered()
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
    start_over(self)
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
  while not self.stopped and busy(self) do
    local collector, generation = self.collector, self.generation
    if not collector or generation ~= self.client.generation then
      restart(self)
      self:keep_going()
      return
    end
    self.waiting = true
    local set, message, code, detail = self.client:call(collector, "WaitForUpdatesEx",
      { version = self.version, options = { maxWaitSeconds = watch.MAX_WAIT } },
      { timeout = watch.MAX_WAIT + 60, stall_timeout = watch.MAX_WAIT + 45, retries = 0, safe = true, no_login = true })
    self.waiting = false
    if set and watch_updates.session_lost(self, set) then
      set, message, code = nil, "the session ended", "NotAuthenticated"
    end
    if set == nil then
      if not recover(self, message, code, detail) then return end
    else
      self.tries = 0
      self:answered()
      if set then
        if watch_updates.announces(self, set, watch.FEW, watch.MANY) then
          wait.wait(engine.event(), engine.now() + watch.GATHER_FEW)
        end
        watch_updates.take(self, set)
        -- Callers that got their result remove their entries first: often nothing is left to wait for.
        local says_nothing = not set.filterSet or #set.filterSet == 0 -- no server should: do not ask it in a circle
        local more = set.truncated and not says_nothing -- the rest of a truncated answer
        local pause = more and 0 or says_nothing and watch.NOTHING or watch.GATHER_UPDATES
        wait.wait(engine.event(), engine.now() + pause)
      end
    end
  end
end

-- No entry is left, but a request is in flight: ask the server to answer it now.
local function cancel_helper(self)
  while not self.stopped and self.waiting and not busy(self) and #self.pending == 0 do
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
  helper(self, "filtering", #self.pending > 0 or #self.idle > 0 or to_check(self), filters_helper)
  helper(self, "updating", busy(self), updates_helper)
  helper(self, "cancelling", self.waiting and not busy(self) and #self.pending == 0, cancel_helper)
end

--- The client closes: every wait fails. The end of the session removes collector and filters.
function Watch:stop()
  fail_all(self, "the connection was closed while waiting", "ECLOSED")
  self.stopped = true
end

-- Waits until examine(values) gives something that is not nil, and gives it.
local function examined(entry, examine, until_time, what)
  while true do
    local stop = wait.wait(entry.event, until_time)
    if stop then error(stop, 0) end
    if not entry.event.done then
      return nil, ("timed out waiting for %s"):format(what), "ETIMEDOUT", { object = entry.object }
    end
    entry.event = engine.event()
    if entry.failed then return nil, table.unpack(entry.failed, 1, 3) end
    local results = table.pack(examine(entry.values))
    if results[1] ~= nil or results.n > 1 then return table.unpack(results, 1, results.n) end
  end
end

local View = {}
View.__index = View

--- Watches an object until the view is closed: one request, however often its changes are waited for.
function watch.open(client, object, paths)
  return setmetatable({ watch = of(client), entry = of(client):add(object, paths) }, View)
end

--- Waits until examine(values) gives something that is not nil, and gives it. What was seen since the last wait counts.
function View:await(examine, until_time, what)
  local entry = self.entry
  if self.watch.stopped then return nil, "this connection is closed", "ECLOSED" end
  entry.until_time = until_time
  if next(entry.values) and not entry.failed then
    local result = examine(entry.values)
    if result ~= nil then return result end
  end
  return examined(entry, examine, until_time, what)
end

function View:close() self.watch:remove(self.entry) end
View.__close = View.close

--- Waits until examine(values) gives something that is not nil, and gives it. `follow`(client, entry) gets the
-- entry, to whose values it may add.
function watch.await(client, object, paths, examine, until_time, what, follow)
  local self = of(client)
  if client.closed then return nil, "this connection is closed", "ECLOSED" end
  local entry = self:add(object, paths, until_time)
  if follow then follow(client, entry) end
  local results = table.pack(pcall(examined, entry, examine, until_time, what))
  self:remove(entry)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

return watch
