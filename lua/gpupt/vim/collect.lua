--- Properties of many objects: RetrievePropertiesEx with the server's paging, a page at a time in the core.
--   for obj in vc:collect{ type = "VirtualMachine", under = folder, paths = { "name", "runtime.powerState" } } do
--     obj.ref  obj.name  obj["runtime.powerState"]  obj.missing (faults by path, for those that the server refused)
-- One object is created per step; leaving the loop early cancels the rest on the server. Iterators raise on errors.
-- A page is read once. When one is lost, or the session with the view ends, the collection begins again, without the
-- objects that it has given already.
local attempt = require "gpupt.vim.attempt"
local away = require "gpupt.vim.away"
local failure = require "gpupt.failure"
local lost_session = require "gpupt.vim.lost_session"
local net = require "gpupt.net"
local options = require "gpupt.options"
local property_path = require "gpupt.vim.property_path"
local tape_call = require "gpupt.vim.tape_call"
local wait = require "gpupt.loop.wait"

local collect = {}

local declared = options.declare("vc:collect", {
  { "type", "string", doc = "the managed type of the objects" },
  { "types", "table", doc = "{ type = { paths } } instead of type and paths, for several types at once" },
  { "under", "table", doc = "the folder, datacenter... to search; default: everything" },
  { "itself", "boolean", doc = "with under: that container too, which a view of it leaves out" },
  { "objects", "table", doc = "a list of references, instead of under" },
  { "paths", "table", doc = "property paths" },
  { "follow", "table", doc = "with objects: { type = property }; also reads the objects that this property names" },
  { "page", "integer", default = 100, doc = "objects per page (the server may give fewer)" },
  { "timeout", "number", doc = "seconds for each request" },
})

local function request(property_sets, object_set, page)
  return { specSet = { { propSet = property_sets, objectSet = object_set } }, options = { maxObjects = page } }
end

local function read_object(client, object, paths, opts)
  local tape, message, code, detail = tape_call(client, client.content.propertyCollector, "RetrievePropertiesEx",
    request({ { type = object.type, pathSet = paths, all = false } }, { { obj = object, skip = false } }), opts or {})
  if not tape then return nil, message, code, detail end
  local count, wrong, step = tape:page(client.refs, client.make_ref)
  if not count then return nil, wrong, step end -- message, code
  local ref, values, missing = step()
  if not ref then
    return nil, ("%s does not exist"):format(tostring(object)), "ManagedObjectNotFound", { object = object }
  end
  return values, missing
end

--- The properties of one object: values, missing; or nil, message, code, detail.
function collect.object(client, object, paths, opts)
  local generation = client.generation
  local values, missing, code, detail = read_object(client, object, paths, opts)
  if not values or not lost_session.among(client, missing) then return values, missing, code, detail end
  local ok, why, failed, more = lost_session.renew(client, generation, opts)
  if not ok then return nil, why, failed, more end
  return read_object(client, object, paths, opts)
end

-- A view of everything below `under`, which lives as long as the collection.
local function open_view(client, under, kinds)
  return client:call(client.content.viewManager, "CreateContainerView",
    { container = under, type = kinds, recursive = true })
end

local function sets(spec)
  local kinds, property_sets = {}, {}
  for kind, paths in pairs(spec.types or { [spec.type] = spec.paths or {} }) do
    kinds[#kinds + 1] = kind
    property_sets[#property_sets + 1] = { type = kind, pathSet = paths, all = false }
  end
  table.sort(kinds)
  return kinds, property_sets
end

-- `follow`: type -> the property whose objects are read as well.
local function of_list(objects, follow)
  local list = {}
  for i, object in ipairs(objects) do
    local property = follow and follow[object.type]
    list[i] = { obj = object, skip = false, selectSet = property and { { _type = "TraversalSpec", name = "follow",
      type = object.type, path = property, skip = false } } or nil }
  end
  return list
end

local Collection = {}
Collection.__index = Collection

local ONCE = { retries = 1 } -- what is not tidied up ends with the session

-- Gives back token and view.
function Collection:tidy()
  wait.shield(function()
    local client = self.client
    if self.token then
      client:call(client.content.propertyCollector, "CancelRetrievePropertiesEx", { token = self.token }, ONCE)
      self.token = nil
    end
    if self.view then
      client:call(self.view, "DestroyView", {}, ONCE)
      self.view = nil
    end
  end)
end

function Collection:close()
  if self.closed then return end
  self.closed = true
  self:tidy()
end
Collection.__close = Collection.close
Collection.__gc = nil

-- Give up on a server that sends a token with every page but no objects.
local EMPTY_PAGES = 100

-- Takes a page: true, or nil, message, code.
function Collection:page(tape)
  local bytes = tape:bytes()
  local count, token, step = tape:page(self.client.refs, self.client.make_ref)
  if not count then return nil, token, step end -- message, code
  if token == "" then token = nil end
  self.empty = count == 0 and self.empty + 1 or 0
  self.bytes = self.bytes + bytes
  self.token, self.step = token, step
  if self.empty >= EMPTY_PAGES then
    return nil, ("the server sent %d pages without an object and keeps announcing more"):format(EMPTY_PAGES),
      "EPROTOCOL"
  end
  return true
end

-- Whether the collection can go on from its beginning after this failure.
local function passing(self, code, detail)
  if self.again >= self.client.retries then return false end
  return code == "NotAuthenticated" or away.unanswered(code, detail or {}) or self.client.generation ~= self.generation
end

local function raise(message, code, detail)
  error(failure.new(message, code, detail), 0)
end

-- Reads the next page. Raises.
function Collection:turn()
  local client = self.client
  -- the token is valid until an answer arrives: if this call is stopped, close() cancels it
  local tape, message, code, detail = tape_call(client, client.content.propertyCollector,
    "ContinueRetrievePropertiesEx", { token = self.token }, { timeout = self.timeout })
  if tape then
    local ok
    ok, message, code = self:page(tape)
    if ok then return end
  elseif passing(self, code, detail) then
    self.again = self.again + 1
    self:tidy()
    attempt.pause(attempt.back_off(self.again), math.huge)
    local ok
    ok, message, code, detail = self:open()
    if ok then return end
  elseif detail and detail.fault then
    self.token = nil
  end
  self:close()
  raise(message, code, detail)
end

-- After an object whose properties a server without our session refused: begins again with a new one, once. Raises.
function Collection:renew()
  self.renewed = true
  local ok, message, code, detail = lost_session.renew(self.client, self.generation, { timeout = self.timeout })
  if ok then
    self:tidy()
    ok, message, code, detail = self:open()
  end
  if ok then return end
  self:close()
  raise(message, code, detail)
end

function Collection:next()
  while not self.closed do
    local object, values, missing = self.step()
    if not self.renewed and lost_session.among(self.client, missing) then
      self:renew()
    elseif object and not self.given[object] then
      self.given[object] = true
      values.ref, values.missing = object, missing
      return values
    elseif not object and not self.token then
      self:close()
      return nil
    elseif not object then
      self:turn()
    end
    if self.most and self.bytes > self.most then
      self:close()
      raise(("the objects take more than %d bytes: read them one by one with vc:collect"):format(self.most),
        "ELIMIT")
    end
  end
end

-- Creates the view, if one is needed, and reads the first page. true, or nil, message, code, detail.
function Collection:open()
  local client = self.client
  self.generation = client.generation
  local object_set = self.object_set
  if not object_set then
    local view, message, code, detail = open_view(client, self.under, self.kinds)
    if not view then return nil, message, code, detail end
    self.view = view
    object_set = { { obj = view, skip = true, selectSet = {
      { _type = "TraversalSpec", name = "view", type = "ContainerView", path = "view", skip = false },
    } } }
    if self.itself then object_set[2] = { obj = self.under, skip = false } end
  end
  local tape, message, code, detail = tape_call(client, client.content.propertyCollector, "RetrievePropertiesEx",
    request(self.property_sets, object_set, self.page_size), { timeout = self.timeout })
  if tape then return self:page(tape) end
  -- the session ended after the view was created
  if self.view and code == "ManagedObjectNotFound" and passing(self) then
    self.again, self.view = self.again + 1, nil
    return self:open()
  end
  return nil, message, code, detail
end

local function start(client, spec)
  local kinds, property_sets = sets(spec)
  local self = setmetatable({ client = client, timeout = spec.timeout, empty = 0, bytes = 0, again = 0, given = {},
    kinds = kinds, property_sets = property_sets, page_size = spec.page, itself = spec.itself,
    under = spec.under or client.content.rootFolder,
    object_set = spec.objects and of_list(spec.objects, spec.follow) }, Collection)
  if self.object_set and #self.object_set == 0 then
    self.closed = true
    return self
  end
  local ok, opened, message, code, detail = pcall(self.open, self)
  if ok and opened then return self end
  self:close()
  if not ok then error(opened, 0) end
  return nil, message, code, detail
end

-- Types that were looked up: net.schema.type describes the whole type each time.
local known = {}

-- What is wrong with a type's name, or nil.
local function unknown(kind)
  if known[kind] then return nil end
  local found, message = net.schema.type(kind)
  if not found then return message end
  known[kind] = true
end

local function checked(given, level)
  local spec = declared:check(given, level)
  if not spec.type and not spec.types then error("vc:collect: option 'type' or 'types' is required", level + 1) end
  for kind, paths in pairs(spec.types or { [spec.type] = spec.paths or {} }) do
    local message = unknown(kind)
    if message then error("vc:collect: " .. message, level + 1) end
    for _, path in ipairs(paths) do
      message = property_path(kind, path)
      if message then error("vc:collect: " .. message, level + 1) end
    end
  end
  return spec
end

--- An iterator over objects; raises on failure, also at its start.
function collect.each(client, given)
  local self, message, code, detail = start(client, checked(given, 2))
  if not self then raise(message, code, detail) end
  return function() return self:next() end, nil, nil, self
end

--- The list of all objects; or nil, message, code, detail.
function collect.all(client, given)
  local self, message, code, detail = start(client, checked(given, 2))
  if not self then return nil, message, code, detail end
  -- all of them are kept: together they may be as large as one answer
  self.most = client.limits and client.limits.bytes or 1 << 30
  return failure.catch(function()
    local owner <close> = self -- luacheck: ignore
    local list = {}
    for object in function() return self:next() end do list[#list + 1] = object end
    return list
  end)
end

return collect
