--- Files on datastores: vc.datastore. Paths are written as vSphere does: "[datastore] folder/file".
local collect = require "gpupt.vim.collect"
local datastore_path = require "gpupt.vim.datastore_path"
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local files = require "gpupt.vim.files"
local nearest = require "gpupt.nearest"
local options = require "gpupt.options"
local path = require "gpupt.vim.path"
local secrets = require "gpupt.vim.secrets"
local wait = require "gpupt.loop.wait"

local datastore = {}

local Datastore = {}
Datastore.__index = Datastore
Datastore.__name = "gpupt.datastore"

function datastore.new(client) return setmetatable({ client = client, found = {} }, Datastore) end

--- "[ds] folder/file" as name, path; nil, message, "EINVAL" when it is not one.
function Datastore.split(_, text) return datastore_path.parse(text) end

local location = {
  { "datacenter", "string", doc = "inventory path of the datacenter; default: the client's, or the only one" },
}

local function declare(name, fields)
  return options.declare("vc.datastore:" .. name, table.move(location, 1, #location, #fields + 1, fields))
end

-- The datacenter (reference and path without its first slash) that holds the datastore `name`, and the datastore.
local function locate(self, name, datacenter)
  local client = self.client
  local key = (datacenter or "") .. "\0" .. name
  if self.found[key] then return self.found[key] end
  local wanted = datacenter or client.datacenter
  local centres, message, code, detail
  if wanted then
    centres, message, code, detail = path.find(client, wanted:sub(1, 1) == "/" and wanted or "/" .. wanted,
      { type = "Datacenter" })
  else
    local list
    list, message, code, detail = collect.all(client, { type = "Datacenter", paths = { "name" } })
    centres = {}
    for i, one in ipairs(list or {}) do centres[i] = one.ref end
    if not list then centres = nil end
  end
  if not centres then return nil, message, code, detail end
  local matches, names = {}, {}
  for _, centre in ipairs(centres) do
    local stores
    stores, message, code, detail = collect.all(client,
      { type = "Datastore", under = centre, paths = { "name", "browser" } })
    if not stores then return nil, message, code, detail end
    for _, store in ipairs(stores) do
      names[#names + 1] = store.name -- nil: may not be read
      if store.name == name and store.browser then
        matches[#matches + 1] = { ref = store.ref, browser = store.browser, datacenter = centre }
      end
    end
  end
  if #matches == 0 then
    table.sort(names)
    return nil, ("there is no datastore '%s'%s. Datastores: %s"):format(name, nearest.hint(name, names),
      #names > 0 and table.concat(names, ", ", 1, math.min(#names, 12)) or "none"), "ENOENT"
  end
  if #matches > 1 then
    return nil, ("%d datacenters have a datastore '%s': choose one with the option datacenter"):format(#matches, name),
      "EAMBIGUOUS"
  end
  local where, no, refused = path.of(client, matches[1].datacenter)
  if not where then return nil, no, refused end
  matches[1].path = where:sub(2)
  self.found[key] = matches[1]
  return matches[1]
end

local function address(self, text, o)
  local name, rest, code = self:split(text)
  if not name then return nil, rest, code end
  local place, message, failed = locate(self, name, o.datacenter)
  if not place then return nil, message, failed end
  local client = self.client
  return client.base .. "/folder/" .. files.encode(rest, true) .. "?dcPath=" .. files.encode(place.path) .. "&dsName="
    .. files.encode(name), place
end

-- Gives a function that returns a request's headers for the session in use when the request is sent.
local function session(client, more)
  return function()
    return { "Cookie: vmware_soap_session=" .. tostring(secrets[client].cookie), "User-Agent: " .. client.agent, more }
  end
end

local list_options = declare("list", {
  { "pattern", "string|table", default = "*", doc = "glob that the names must match, or a list of them" },
  { "recursive", "boolean", doc = "include subfolders" },
  { "browser", "table", doc = "the datastore's browser, if it is known: the datastore is not looked up then" },
})

-- The entries of the folders that a search of `where` found.
local function entries(name, where, folders)
  local typeof = require("gpupt.vim").typeof
  local list = {}
  for _, folder in ipairs(folders) do
    if typeof(folder) ~= "HostDatastoreBrowserSearchResults" then
      return nil, "the server listed something other than files", "EPROTOCOL"
    end
    local base = (folder.folderPath or where):match "^%[[^%]]*%]%s*/*(.-)/*$"
    for _, file in ipairs(folder.file or {}) do
      if not base or not datastore_path.is_name(file.path) then
        return nil, ("the server listed a file in %s with an invalid name: '%s'"):format(where, file.path), "EPROTOCOL"
      end
      list[#list + 1] = {
        name = file.path, path = ("[%s] %s%s"):format(name, base ~= "" and base .. "/" or "", file.path),
        size = file.fileSize, modified = file.modification, folder = typeof(file) == "FolderFileInfo",
      }
    end
  end
  return list
end

-- A datastore's browser does one search at a time: a caller that finds it busy waits for its turn, up to a minute.
local PATIENCE = 60

local function search(self, place, method, args)
  local till, forgotten = engine.now() + PATIENCE, 0
  while true do
    local task, message, code, detail = self.client:call(place.browser, method, args)
    local result
    if task then result, message, code, detail = self.client:wait(task) end
    if result ~= nil then return result end
    -- the server restarted, and has forgotten the task: a search changes nothing
    local again = code == "EUNKNOWN" and forgotten < self.client.retries
    if again then
      forgotten = forgotten + 1
    elseif code ~= "TaskInProgress" or engine.now() > till then
      return nil, message, code, detail
    end
    local stop = wait.wait(engine.event(), engine.now() + 0.05 + 0.1 * math.random())
    if stop then error(stop, 0) end
  end
end

--- The files of a folder: a list of { name, path, size, modified, folder }.
function Datastore:list(text, given)
  local o = list_options:check(given)
  local name, rest, code = self:split(text)
  if not name then return nil, rest, code end
  local place, message, failed
  if o.browser then
    place = { browser = o.browser }
  else
    place, message, failed = locate(self, name, o.datacenter)
  end
  if not place then return nil, message, failed end
  local where = ("[%s] %s"):format(name, rest)
  local result, why, kind, detail = search(self, place,
    o.recursive and "SearchDatastoreSubFolders_Task" or "SearchDatastore_Task", {
      datastorePath = where,
      searchSpec = { matchPattern = type(o.pattern) == "table" and o.pattern or { o.pattern }, sortFoldersFirst = true,
        details = { fileType = true, fileSize = true, modification = true, fileOwner = false } },
    })
  if result == nil then return nil, why, kind, detail end
  return entries(name, where, o.recursive and type(result) == "table" and result or { result })
end

--- Whether a file or folder exists: its entry as in list, false, or nil, message, code.
function Datastore:stat(text, given)
  local name, rest, code = self:split(text)
  if not name then return nil, rest, code end
  local folder, file = rest:match "^(.-)/?([^/]+)$"
  if not file then return nil, ("'%s' does not name a file"):format(text), "EINVAL" end
  local list, message, kind, detail = self:list(("[%s] %s"):format(name, folder),
    { pattern = datastore_path.pattern(file), datacenter = given and given.datacenter })
  if not list then
    if kind == "FileNotFound" then return false end
    return nil, message, kind, detail
  end
  for _, entry in ipairs(list) do
    if entry.name == file then return entry end
  end
  return false
end

local download_options = declare("download", {
  { "resume", "boolean", doc = "continue an earlier download from TARGET.part" },
  { "progress", "callable", doc = "called with (bytes received)" },
  { "timeout", "number", doc = "seconds for the whole transfer" },
})

--- Downloads to a local file, which is renamed to its target when it is complete. Its size, or nil, message, code.
function Datastore:download(text, target, given)
  local o = download_options:check(given)
  local url, place, code = address(self, text, o)
  if not url then return nil, place, code end
  return files.download(self.client, { url = url, timeout = o.timeout }, target,
    { name = text, session = session(self.client) }, o, self.client.retries)
end

local read_options = declare("read", {
  { "offset", "integer", default = 0, doc = "first byte" },
  { "length", "integer", doc = "number of bytes; default: to the end" },
  { "chunk", "integer", default = 1 << 20, doc = "bytes per request, and the most in memory" },
})

-- Whether the answer to the range that begins at `at` holds these bytes: true, or nil, message, code.
local function is_range(text, at, info)
  if info.status == 206 then
    local first = tonumber((info.headers["content-range"] or ""):match "^%s*bytes%s+(%d+)%-%d+/")
    if first == at then return true end
    return nil, ("%s: the server did not send the range from byte %d"):format(text, at), "EPROTOCOL"
  end
  if at == 0 then return true end
  return nil, ("%s: the server ignores ranges and sends the file from its beginning: download it whole"):format(text),
    "EPROTOCOL"
end

--- An iterator over the file's bytes, a chunk at a time; memory is bounded by the chunk. Raises on errors.
function Datastore:read(text, given)
  local o = read_options:check(given)
  if o.chunk < 1 or o.offset < 0 or (o.length and o.length < 0) then
    failure.check(nil, "vc.datastore:read: chunk is at least 1, offset and length at least 0", "ERANGE")
  end
  local url, place, code = address(self, text, o)
  if not url then failure.check(nil, place, code) end
  local at, last, done = o.offset, o.length and o.offset + o.length, false
  return function()
    if done or (last and at >= last) then return nil end
    local size = last and math.min(o.chunk, last - at) or o.chunk
    local bytes, info, kind = files.transfer(self.client, {
      url = url, identity = true, range = ("%d-%d"):format(at, at + size - 1),
      timeout = self.client.timeout, answer = "bytes", take = size,
    }, { name = text, headers = { "content-range" }, session = session(self.client) }, self.client.retries)
    if not bytes then
      if kind == "ERANGE" then return nil end
      failure.check(nil, info, kind)
    end
    failure.check(is_range(text, at, info))
    at = at + #bytes
    local total = info.headers["content-range"] and tonumber(info.headers["content-range"]:match "/(%d+)%s*$")
    done = done or #bytes < size or (total and at >= total)
    if #bytes == 0 then return nil end
    return bytes
  end
end

local text_options = declare("text", {
  { "max", "integer", default = 64 << 20, doc = "refuse a file larger than this many bytes" },
})

--- A whole small file (a vmware.log, a .vmx) as text.
function Datastore:text(text, given)
  local o = text_options:check(given)
  local url, place, code = address(self, text, o)
  if not url then return nil, place, code end
  return files.transfer(self.client, { url = url, max_bytes = o.max, answer = "bytes",
    timeout = self.client.timeout }, { name = text, session = session(self.client) }, self.client.retries)
end

-- Bytes that are sent without a look whether the file exists: the move to its name refuses to replace it.
local UNSEEN = 4 << 20

local upload_options = declare("upload", {
  { "progress", "callable", doc = "called with (bytes sent, total bytes)" },
  { "timeout", "number", doc = "seconds for the whole transfer" },
  { "overwrite", "boolean", default = true, doc = "false: refuse when the file exists" },
  { "folders", "boolean", default = true, doc = "create the folders of its path" },
  { "size", "integer", doc = "the size that the local file must have" },
  { "verify", "boolean", default = false,
    doc = "check the size on the datastore before the file is renamed (needs Datastore.Browse)" },
})

local move_options = declare("move", { { "force", "boolean", doc = "replace an existing file" } })

-- The task that moves a file.
local function start_move(self, from, to, o)
  local name, rest, bad = self:split(from)
  if not name then return nil, rest, bad end
  local target, target_path, bad_target = self:split(to)
  if not target then return nil, target_path, bad_target end
  local place, message, code = locate(self, name, o.datacenter)
  if not place then return nil, message, code end
  return self.client:call(self.client.content.fileManager, "MoveDatastoreFile_Task", {
    sourceName = ("[%s] %s"):format(name, rest), sourceDatacenter = place.datacenter,
    destinationName = ("[%s] %s"):format(target, target_path), destinationDatacenter = place.datacenter,
    force = o.force or false,
  })
end

local function put(self, url, file, size, text, o)
  return files.transfer(self.client, {
    url = url, method = "PUT", file = file, offset = 0, length = size, answer = "bytes",
    max_bytes = 1 << 20, timeout = o.timeout,
  }, { name = text, tick = o.progress and function(sent) o.progress(sent, size) end,
    session = session(self.client, "Content-Type: application/octet-stream") }, self.client.retries)
end

-- Whether the datastore holds all of what was sent.
local function verified(self, temporary, size, o)
  local there, message, code, detail = self:stat(temporary, { datacenter = o.datacenter })
  if there == nil then return nil, message, code, detail end
  if there and there.size == size then return true end
  return nil, ("%s: the datastore has %s of the %d bytes that were sent"):format(temporary,
    there and there.size or "none", size), "EIO"
end

--- Uploads a local file (its path, or an open file, which stays open). It is sent under another name and renamed
-- when it is complete. true, or nil, message, code.
function Datastore:upload(source, text, given)
  local o = upload_options:check(given)
  local name, rest, bad = self:split(text)
  if not name then return nil, rest, bad end
  if rest == "" then return nil, ("'%s' does not name a file"):format(text), "EINVAL" end
  if io.type(source) == "closed file" then error("vc.datastore:upload: the file is closed", 2) end
  local file, own = source, nil
  if not io.type(source) then
    local message, code
    file, message, code = files.open(source, "rb", "read")
    if not file then return nil, message, code end
    own = file
  end
  local handle <close> = own -- luacheck: ignore
  local size = files.size(file)
  if not size or (o.size and size ~= o.size) then
    return nil, ("%s: the local file has %s bytes, not %s"):format(text, size or "an unknown number of",
      o.size or "any"), "EIO"
  end
  if not o.overwrite and size > UNSEEN then
    local there, why, kind = self:stat(text, { datacenter = o.datacenter })
    if there == nil then return nil, why, kind end
    if there then return nil, text .. " already exists", "FileAlreadyExists" end
  end
  local folder = rest:match "^(.*)/[^/]*$"
  if o.folders and folder then
    local ok, why, kind = self:mkdir(("[%s] %s"):format(name, folder), { datacenter = o.datacenter })
    if not ok then return nil, why, kind end
  end
  local temporary = ("[%s] %s.%08x.part"):format(name, rest, math.random(0, 0xffffffff))
  local url, place, failed = address(self, temporary, o)
  if not url then return nil, place, failed end
  local moving
  local function work()
    local sent, why, kind = put(self, url, file, size, text, o)
    if not sent then return nil, why, kind end
    if o.verify then
      sent, why, kind = verified(self, temporary, size, o)
      if not sent then return nil, why, kind end
    end
    moving, why, kind = start_move(self, temporary, text, { datacenter = o.datacenter,
      force = o.overwrite })
    if not moving then return nil, why, kind end
    local moved
    moved, why, kind = self.client:wait(moving, { cancel_task = true })
    if moved == nil and kind == "FileAlreadyExists" then why = text .. " already exists" end
    return moved, why, kind
  end
  local ok, sent, why, kind = pcall(work)
  if ok and sent then
    if o.progress then o.progress(size, size) end
    return true
  end
  wait.shield(function()
    -- a move that was cancelled holds the file for a moment
    if moving then self.client:wait(moving, { timeout = 5 }) end
    self:delete(temporary, { datacenter = o.datacenter })
  end)
  if not ok then error(sent, 0) end
  return nil, why, kind
end

local plain_options = declare("mkdir", {})

--- Creates a folder and its parents; it may exist already.
function Datastore:mkdir(text, given)
  local o = plain_options:check(given)
  local name, rest, bad = self:split(text)
  if not name then return nil, rest, bad end
  local place, message, code = locate(self, name, o.datacenter)
  if not place then return nil, message, code end
  local ok, why, kind, detail = self.client:call(self.client.content.fileManager, "MakeDirectory",
    { name = ("[%s] %s"):format(name, rest), datacenter = place.datacenter, createParentDirectories = true },
    { safe = true }) -- a second call finds it already created
  if not ok and kind ~= "FileAlreadyExists" then return nil, why, kind, detail end
  return true
end

--- Moves a file on its datastore (or to another one). The task is cancelled when the caller is stopped.
function Datastore:move(from, to, given)
  local task, message, code, detail = start_move(self, from, to, move_options:check(given))
  if not task then return nil, message, code, detail end
  return self.client:wait(task, { cancel_task = true })
end

--- Deletes a file, or a folder with everything in it. true, or nil, message, code (FileNotFound).
function Datastore:delete(text, given)
  local o = plain_options:check(given)
  local name, rest, bad = self:split(text)
  if not name then return nil, rest, bad end
  local place, message, code = locate(self, name, o.datacenter)
  if not place then return nil, message, code end
  local task, why, kind, detail = self.client:call(self.client.content.fileManager, "DeleteDatastoreFile_Task",
    { name = ("[%s] %s"):format(name, rest), datacenter = place.datacenter })
  if not task then return nil, why, kind, detail end
  return self.client:wait(task)
end

return datastore
