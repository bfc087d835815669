--- Reads of single objects that are due in the same turn of the loop go into one request:
--
--   fiber 1: vm-1:get(paths) --+                                            +--> fiber 1: the values of vm-1
--   fiber 2: vm-2:get(paths) --+--> RetrievePropertiesEx of both, one page --+--> fiber 2: those of vm-2
--
-- A batch is of one type and of the same paths. If the server refuses it, because one of the objects does not exist,
-- for example, each object is read by itself.
local collect = require "gpupt.vim.collect"
local engine = require "gpupt.loop.engine"
local fiber = require "gpupt.loop.fiber"
local wait = require "gpupt.loop.wait"

local together = {}

--- Objects of one request at most: their answer is one page.
local MOST = 50

local batches = setmetatable({}, { __mode = "k" }) -- connection -> key -> batch

-- Reads what is in the batch: the values of each object, or its failure.
local function read(client, batch)
  local list, message, code, detail = collect.all(client, { type = batch.type, objects = batch.objects,
    paths = batch.paths, page = #batch.objects })
  if not list and not (detail and detail.fault) then
    batch.failed = { message, code, detail }
    return
  end
  for _, object in ipairs(list or {}) do
    local ref, missing = object.ref, object.missing
    object.ref, object.missing = nil, nil
    batch.values[ref], batch.missing[ref] = object, missing
  end
end

local function run(client, batch)
  local of_client = batches[client]
  if of_client and of_client[batch.key] == batch then of_client[batch.key] = nil end
  -- a single read is made by the fiber that waits for it
  if batch.waiting > 1 then
    local ok, err = pcall(read, client, batch)
    if not ok then batch.raised = err end
  end
  engine.fire(batch.event)
end

local function batch_of(client, object, paths)
  local of_client = batches[client]
  if not of_client then
    of_client = {}
    batches[client] = of_client
  end
  local key = object.type .. " " .. table.concat(paths, " ")
  local batch = of_client[key]
  if batch and #batch.objects < MOST then return batch end
  batch = { key = key, type = object.type, paths = paths, objects = {}, seen = {}, waiting = 0, values = {},
    missing = {}, event = engine.event() }
  of_client[key] = batch
  fiber.helper(run, client, batch)
  return batch
end

--- The properties of one object, like collect.object: values, missing; or nil, message, code, detail.
function together.object(client, object, paths)
  if not wait.can_park() or not fiber.inside() then return collect.object(client, object, paths, {}) end
  local batch = batch_of(client, object, paths)
  if not batch.seen[object] then batch.objects[#batch.objects + 1] = object end
  batch.seen[object], batch.waiting = true, batch.waiting + 1
  local stop = wait.wait(batch.event)
  if stop then error(stop, 0) end
  if batch.raised then error(batch.raised, 0) end
  if batch.failed then return nil, table.unpack(batch.failed, 1, 3) end
  local values = batch.values[object]
  if not values then return collect.object(client, object, paths, {}) end
  local copy = {}
  for path, value in pairs(values) do copy[path] = value end
  return copy, batch.missing[object]
end

return together
