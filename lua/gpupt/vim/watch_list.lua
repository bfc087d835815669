--- The list of gpupt.vim.watch: one ListView for each session with one filter over it. To wait for an object, it is
-- added to the list, and objects whose wait has ended are removed by the same request:
--
--   ModifyListView add = task 2, remove = task 1     WaitForUpdatesEx: enter task 2 (with all values), leave task 1
--
-- A filter of its own takes two requests for each wait. The list stays until the session ends; the few objects that are
-- left in it cost the server little. A filter of its own still has
--
--   a path that is not in PATHS, which is what the filter over the list watches
--   an object that is in the list already, or whose removal has not been reported: it would not enter again, and the
--     values known of it may be old
--   an object that left the list by itself, or that the server could not add: CreateFilter says why
--   every object of a server that refuses lists
local away = require "gpupt.vim.away"
local task_info = require "gpupt.vim.task_info"

local watch_list = {}

--- What can be waited for in the list: what runs wait for. Few values, which rarely change.
watch_list.PATHS = {
  Task = task_info.paths,
  VirtualMachine = { "guest.toolsRunningStatus", "guest.guestOperationsReady", "runtime.powerState", "runtime.question",
    "runtime.bootTime", "guest.hostName", "guest.guestFamily" },
  HostSystem = { "runtime.connectionState", "runtime.bootTime" },
}

local known = {}
for kind, paths in pairs(watch_list.PATHS) do
  known[kind] = {}
  for _, path in ipairs(paths) do known[kind][path] = true end
end

local ONCE = { retries = 0 } -- the watch repeats

-- ---- what goes where

local function fits(self, entry)
  local paths = known[entry.object.type]
  if entry.own or not paths or self.list and self.list.members[entry.object] then return false end
  for _, path in ipairs(entry.paths) do
    if not paths[path] then return false end
  end
  return true
end

--- The entries of a batch for the list, and those that need a filter of their own.
function watch_list.split(self, batch)
  if self.list_refused or not self.client.content.viewManager then return {}, batch end
  local listed, own = {}, {}
  for _, entry in ipairs(batch) do
    local into = fits(self, entry) and listed or own
    into[#into + 1] = entry
  end
  return listed, own
end

--- Whether a path that the server did not give concerns an entry: the filter reads more than it wants.
function watch_list.concerns(entry, path)
  return entry.wanted[path] or not known[entry.object.type][path]
end

-- ---- entries in the list

local function enlist(list, entry)
  local entries = list.entries[entry.object] or {}
  list.entries[entry.object] = entries
  entries[#entries + 1] = entry
  entry.filter, list.living = list, list.living + 1
end

--- Takes an entry out of the list's own book; the object itself is removed by the next request.
function watch_list.delist(list, entry)
  local left = {}
  for _, one in ipairs(list.entries[entry.object] or {}) do if one ~= entry then left[#left + 1] = one end end
  list.entries[entry.object] = left[1] and left or nil
  entry.filter, list.living = nil, list.living - 1
end

-- The entries of an object get a filter of their own.
local function move_out(self, list, object)
  for _, entry in ipairs(list.entries[object] or {}) do
    watch_list.delist(list, entry)
    entry.own = true
    self.pending[#self.pending + 1] = entry
  end
end

--- The server reports that an object is no longer in the list. If it is waited for, a filter of its own shows whether
-- it exists.
function watch_list.left(self, list, object)
  list.members[object] = nil
  move_out(self, list, object)
end

--- The next WaitForUpdatesEx starts over: it reports what is in the list, and nothing of what has left it. What was
-- removed may enter again, and the next request to the list shows which objects no longer exist.
function watch_list.start_over(list)
  for object, state in pairs(list.members) do
    if state == "leaving" then list.members[object] = nil end
  end
  list.check = list.living > 0
end

--- Every wait has failed: nothing is waited for.
function watch_list.clear(list)
  for _, entries in pairs(list.entries) do
    for _, entry in ipairs(entries) do entry.filter = nil end
  end
  list.entries, list.living, list.check = {}, 0, nil
end

-- ---- requests

local function objects_of(batch)
  local objects, seen = {}, {}
  for _, entry in ipairs(batch) do
    if not seen[entry.object] then objects[#objects + 1] = entry.object end
    seen[entry.object] = true
  end
  return objects
end

local function spec_of(view)
  local property_sets = {}
  for kind, paths in pairs(watch_list.PATHS) do
    property_sets[#property_sets + 1] = { type = kind, pathSet = table.move(paths, 1, #paths, 1, {}), all = false }
  end
  return { propSet = property_sets, objectSet = { { obj = view, skip = true, selectSet = { { _type = "TraversalSpec",
    name = "view", type = "ListView", path = "view", skip = false } } } } }
end

-- The first entries: a list of them, and the filter over it.
local function open(self, batch, collector)
  local client, objects = self.client, objects_of(batch)
  local view, message, code, detail = client:call(client.content.viewManager, "CreateListView", { obj = objects }, ONCE)
  local made
  if view then
    made, message, code, detail = self:create_filter(collector, spec_of(view))
    if not made then self.idle[#self.idle + 1] = view end
  end
  local refusal = detail and detail.fault
  if not made and refusal and code ~= "NotAuthenticated" and rawget(refusal, "obj") ~= collector then
    -- an object that no longer exists does not tell whether the server has lists
    self.list_refused = code ~= "ManagedObjectNotFound"
    for _, entry in ipairs(batch) do entry.own = true end
    return self:make_filter(batch)
  elseif not made then
    return self:no_filter(batch, collector, message, code, detail)
  end
  local list = { is_list = true, ref = made, view = view, entries = {}, members = {}, living = 0 }
  for _, object in ipairs(objects) do list.members[object] = "in" end
  for _, entry in ipairs(batch) do if not entry.removed then enlist(list, entry) end end
  self.list = list
  self:take_filter(list)
end

-- The objects that are not waited for any more.
local function unwanted(list)
  local objects = {}
  for object, state in pairs(list.members) do
    if state == "in" and not list.entries[object] then objects[#objects + 1] = object end
  end
  return objects
end

-- Adds and removes. The entries count as listed before the answer arrives, because their first update may come earlier.
local function modify(self, list, batch, objects)
  local remove = unwanted(list)
  for _, object in ipairs(objects) do list.members[object] = "in" end
  for _, entry in ipairs(batch) do enlist(list, entry) end
  local unresolved, message, code, detail = self.client:call(list.view, "ModifyListView",
    { add = objects, remove = remove }, ONCE)
  if self.list ~= list then return end -- the session ended meanwhile: all entries are pending again
  local refusal = detail and detail.fault
  if unresolved ~= nil or refusal then
    for _, object in ipairs(remove) do
      if list.members[object] then list.members[object] = "leaving" end
    end
  end
  if unresolved ~= nil then
    self:answered()
    for _, object in ipairs(type(unresolved) == "table" and unresolved or {}) do watch_list.left(self, list, object) end
    return
  end
  local back = {}
  for _, entry in ipairs(batch) do
    if entry.filter == list then
      watch_list.delist(list, entry)
      back[#back + 1] = entry
    end
  end
  list.check = #batch == 0 and away.unanswered(code, detail or {}) or nil
  if not refusal or code == "NotAuthenticated" or rawget(refusal, "obj") == list.view then
    self:no_filter(back, list.view, message, code, detail)
  elseif #back > 0 then
    self:make_filter(back)
  end
end

--- Waits for a batch of entries in the list.
function watch_list.add(self, batch)
  local collector, message, code, detail = self:collector_of()
  if not collector then return self:no_filter(batch, nil, message, code, detail) end
  local wanted = {}
  for _, entry in ipairs(batch) do if not entry.removed then wanted[#wanted + 1] = entry end end
  if #wanted == 0 then return end
  if self.list then return modify(self, self.list, wanted, objects_of(wanted)) end
  open(self, wanted, collector)
end

--- After `start_over`: asks for all objects again, and thereby which of them no longer exist.
function watch_list.check(self)
  local list = self.list
  list.check = nil
  local objects = {}
  for object in pairs(list.entries) do objects[#objects + 1] = object end
  if #objects > 0 and self:collector_of() and self.list == list then modify(self, list, {}, objects) end
end

return watch_list
