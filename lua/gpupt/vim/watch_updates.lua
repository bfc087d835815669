--- What an answer of WaitForUpdatesEx says, for gpupt.vim.watch: the new values of each entry, and objects and paths
-- that the server cannot give.
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local fault = require "gpupt.vim.fault"
local lost_session = require "gpupt.vim.lost_session"
local watch_list = require "gpupt.vim.watch_list"

local watch_updates = {}

local function changed(entry) engine.fire(entry.event) end

local function take_change(entry, change)
  local name = change.name
  if not entry.wanted[name] then return end -- another entry's of the same filter
  if change.op == "assign" or change.op == "add" then entry.values[name] = change.val
  elseif change.op == "remove" or change.op == "indirectRemove" then entry.values[name] = nil end
end

local function take_update(self, filter, update)
  if filter.is_list and update.kind == "leave" then
    watch_list.left(self, filter, update.obj)
    return self:keep_going()
  end
  local entries = filter.entries[update.obj]
  for _, entry in ipairs(entries or {}) do
    if update.kind == "enter" then entry.values = {} end -- what is unset is not in it
    if update.kind == "leave" then
      entry.failed = { ("%s no longer exists"):format(tostring(update.obj)), "ManagedObjectNotFound",
        { object = update.obj } }
    else
      for _, change in ipairs(update.changeSet or {}) do take_change(entry, change) end
      for _, missing in ipairs(update.missingSet or {}) do
        if not filter.is_list or watch_list.concerns(entry, missing.path) then
          local message, code, detail = fault.read(missing.fault)
          entry.failed = { ("%s of %s: %s"):format(missing.path, tostring(update.obj), message), code, detail }
        end
      end
    end
    changed(entry)
  end
end

--- The updates of one filter.
function watch_updates.take_part(self, filter, part)
  for _, update in ipairs(part.objectSet or {}) do take_update(self, filter, update) end
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

--- Whether an answer is about at most `few` objects, one of which was added together with others, `many` of which are
-- still waited for: then more changes are about to come.
function watch_updates.announces(self, set, few, many)
  local count, most = 0, 0
  for _, part in ipairs(set.filterSet or {}) do
    local filter = self.filters[part.filter.value]
    count = count + #(part.objectSet or {})
    if count > few then return false end
    for _, update in ipairs(part.objectSet or {}) do
      for _, entry in ipairs(filter and update.kind == "modify" and filter.entries[update.obj] or {}) do
        most = math.max(most, entry.together and entry.together.living or 0)
      end
    end
  end
  return most >= many
end

local function unauthenticated(list)
  for _, one in ipairs(list or {}) do
    if lost_session.says(one.fault) then return true end
  end
end

--- Whether an answer says that the server does not know the session any more (gpupt.vim.lost_session). Only once, until
-- another answer says otherwise: a server that says so with a new session too means a missing right.
function watch_updates.session_lost(self, set)
  local lost = false
  for _, part in ipairs(set.filterSet or {}) do
    lost = lost or unauthenticated(part.missingSet)
    for _, update in ipairs(part.objectSet or {}) do lost = lost or unauthenticated(update.missingSet) end
  end
  local again = self.session_lost
  self.session_lost = lost
  return lost and not again and self.client.session_open
end

--- A whole answer.
function watch_updates.take(self, set)
  if #set.version > VERSION_MOST then
    error(failure.new(("the server sent a version of %d bytes"):format(#set.version), "EPROTOCOL"), 0)
  end
  for _, part in ipairs(set.filterSet or {}) do
    local name = part.filter.value
    local filter = self.filters[name]
    if filter then
      watch_updates.take_part(self, filter, part)
    elseif self.early then
      -- the wait in flight may report a new filter before the answer to its creation arrives
      keep_early(self, name, part)
    end
  end
  self.version, self.truncated = set.version, set.truncated
end

return watch_updates
