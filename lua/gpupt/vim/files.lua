--- HTTP transfers other than SOAP: datastore files (/folder) and guest files (/guestFile).
-- A download is written to TARGET.part and renamed at the end; an interrupted one can be resumed. Failed transfers
-- are retried where that is safe.
local away = require "gpupt.vim.away"
local core = require "gpupt.core"
local engine = require "gpupt.loop.engine"
local outage = require "gpupt.vim.outage"
local regular = require "gpupt.regular"
local transport = require "gpupt.rest.transport"
local wait = require "gpupt.loop.wait"

local files = {}

--- Percent-encodes a path, keeping its slashes (or not).
function files.encode(text, slashes)
  return (text:gsub(slashes and "[^%w%-._~/]" or "[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local meanings = {
  [401] = { "the session is not valid", "NotAuthenticated" },
  [403] = { "not permitted", "NoPermission" },
  [404] = { "the file does not exist", "FileNotFound" },
  [405] = { "the server does not allow writing here", "EHTTP" },
  [409] = { "a folder in its path does not exist", "FileNotFound" },
  [416] = { "the file is shorter than the requested range", "ERANGE" },
  [507] = { "the datastore is full", "NoDiskSpace" },
}

-- vSphere's documentation of /folder: reading and writing files of a datastore need it.
local NEEDS = ": it needs Datastore.FileManagement on the datastore"

--- Whether a transfer that failed so may be tried again.
function files.again(code, info)
  return code ~= "ETIMEDOUT" and code ~= "ETRUNCATED" and away.unanswered(code, info or {})
end

local again = files.again

--- Pauses before try `try` + 1, longer each time; not beyond `until_time`.
function files.back_off(try, until_time)
  local till = engine.now() + math.min(5, 0.2 * 2 ^ (try - 1)) * (0.5 + math.random())
  local stop = wait.wait(engine.event(), math.min(till, until_time or math.huge))
  if stop then error(stop, 0) end
end

local back_off = files.back_off

local ATTEMPT = 60 -- seconds for a try that begins after the transfer's own timeout

--- Until when a transfer with a session waits for a server that does not answer; false: it does not wait.
function files.patience(client, what, until_time)
  return what.session and client.outage > 0 and (until_time or engine.now()) + client.outage
end

local function transfer(client, request, what, retries)
  local until_time = request.timeout and engine.now() + request.timeout
  -- what has come into a file is not asked for again: the caller goes on behind it
  local patience = not request.into and files.patience(client, what, until_time)
  local relogged = false
  request.connect_timeout = request.connect_timeout or client.connect_timeout
  request.stall_timeout = request.stall_timeout or client.stall_timeout
  local try = 0
  while true do
    try = try + 1
    if until_time then request.timeout = math.max(patience and ATTEMPT or 0.001, until_time - engine.now()) end
    local generation = client.generation
    if what.session then request.headers = what.session() end
    local result, message, code, info = transport.exchange(client, request, what)
    if result ~= nil then
      if what.session then away.over(client) end
      return result, message
    end
    if what.session then away.failed(client, message, code, info) end
    local meaning = code == "EHTTP" and meanings[info.status]
    if meaning then message, code = ("%s (HTTP %d)"):format(meaning[1], info.status), meaning[2] end
    -- the server does not say which right; transfers with a session are those of datastores
    if code == "NoPermission" and what.session then message = message .. NEEDS end
    message = ("%s: %s"):format(what.name, message)
    if code == "NotAuthenticated" and what.session and not relogged then
      relogged = true
      local ok, why, failed = outage.tries(client, {}):renew(generation)
      if not ok then return nil, why, failed, info end
      try = try - 1
    elseif again(code, info) and patience and engine.now() < patience then
      if try > (retries or 0) then away.announce(client, patience) end
      relogged = false -- a server that restarts may end the new session too
      back_off(try, patience)
    elseif try > (retries or 0) or not again(code, info) or (until_time and engine.now() >= until_time) then
      return nil, message, code, info
    else
      back_off(try, until_time)
    end
  end
end

--- One transfer with repeats. `request` as net.http's, its timeout being that of all tries; `what` = { name =, tick =,
-- headers = {...} }. With `what.session` (gives the headers for the current session) a session that has ended is
-- renewed once, and an outage of the server is waited for (gpupt.vim.outage). Gives the result and info, or nil,
-- message, code, info.
function files.transfer(client, request, what, retries)
  if not client.record then return transfer(client, request, what, retries) end
  local refusal, why = client.record:refuses(request.method or "GET")
  if refusal then return nil, refusal, why, {} end
  local result, message, code, info = transfer(client, request, what, retries)
  local whole = type(result) == "string" and not request.range and result or nil
  local status = result ~= nil and message.status or info and info.status
  local ok, problem, failed = client.record:file(request.url, whole, status, result == nil and code or nil)
  if not ok then return nil, problem, failed, {} end
  return result, message, code, info
end

--- Opens a file; `purpose` is for the error message.
function files.open(path, mode, purpose)
  local wrong, kind = regular.problem(path)
  if wrong then return nil, ("cannot %s %s"):format(purpose, wrong), kind end
  local file, message, number = io.open(path, mode)
  if file then return file end
  return nil, ("cannot %s %s"):format(purpose, message), number == 2 and "ENOENT" or number == 13 and "EACCES" or "EIO"
end

--- The size of an open file; nil, message for what has none (a pipe).
function files.size(file)
  local at, message = file:seek()
  if not at then return nil, message end
  local size
  size, message = file:seek "end"
  if not size or not file:seek("set", at) then return nil, message end
  return size
end

-- Whether an answer continues after the first `have` bytes of a file.
local function continues(info, have)
  local first = (info.headers["content-range"] or ""):match "^%s*bytes%s+(%d+)%-"
  return info.status == 206 and tonumber(first) == have
end

--- Opens TARGET.part: readable by its owner only, created by us (or, to resume, ours already), never through a symbolic
-- link.
function files.open_part(part, resume)
  local file, message, code = core.system.open(part, resume and "add" or "new")
  if file then return file end
  return nil, "cannot write " .. message, code
end

--- Closes a complete part and gives it the target's name and the mode of a new file. true, or nil, message, code.
function files.publish(file, part, target)
  local ok, message = core.system.publish(file, part, target)
  file:close()
  if ok then return true end
  return nil, "cannot write " .. message, "EIO"
end

-- The size of an existing part that is to be resumed, else 0; nil, message, code when it may not be resumed.
local function size_of_part(part)
  if not core.folder.kind(part) then return 0 end -- not opened here: a FIFO would wait
  local file, message, code = files.open_part(part, true)
  if not file then return nil, message, code end
  local size = files.size(file)
  file:close()
  return size
end

--- Downloads `request` to the file `target`. o: resume, progress(received, total).
-- Gives the file's size, or nil, message, code.
function files.download(client, request, target, what, o, retries)
  local part = target .. ".part"
  local have = 0
  if o.resume then
    local size, why, failed = size_of_part(part)
    if not size then return nil, why, failed end
    have = size
  end
  local until_time = request.timeout and engine.now() + request.timeout
  local function drop() if not o.resume then os.remove(part) end end
  local patience = files.patience(client, what, until_time)
  local tries, in_vain = 0, 0
  while true do
    if until_time then request.timeout = math.max(patience and ATTEMPT or 0.001, until_time - engine.now()) end
    local file, message, code = files.open_part(part, have > 0)
    if not file then return nil, message, code end
    request.into, request.answer, request.identity = file, "file", true
    request.range = have > 0 and (have .. "-") or nil
    what.headers = { "content-range", "content-length" }
    local base = have
    if o.progress then
      what.tick = function(_, received) o.progress(base + received, nil) end
    end
    local info
    local ok, result
    ok, result, message, code, info = pcall(files.transfer, client, request, what, 0)
    local size = files.size(file) or 0
    if result and ok then
      info = message
      if (have > 0 or info.status == 206) and not continues(info, have) then
        file:close()
        have = 0 -- sent from the beginning, or from another byte: start again
      else
        if o.progress then o.progress(size, size) end
        local published, why, failed = files.publish(file, part, target)
        if published then return size end
        drop()
        return nil, why, failed
      end
    else
      file:close()
      if not ok then
        drop()
        error(result, 0)
      elseif code == "ERANGE" and have > 0 then
        have = 0 -- the file has become another one
      else
        local waiting = patience and engine.now() < patience
        if not again(code, info) or not waiting and (tries >= retries or until_time and engine.now() >= until_time) then
          drop()
          return nil, message, code
        end
        if tries >= retries then away.announce(client, patience) end
        -- received bytes are progress; without any, pause before the next try
        in_vain = size == have and in_vain + 1 or 0
        if in_vain > 0 then
          local waited, stop = pcall(back_off, in_vain, waiting and patience or until_time)
          if not waited then drop() error(stop, 0) end
        end
        have = size
        if waiting then tries = math.min(tries, retries) end
      end
    end
    tries = tries + 1
    if tries > retries + 2 then
      drop()
      return nil, message or "the transfer failed repeatedly", code or "EIO"
    end
  end
end

return files
