--- HTTP transfers beside SOAP: datastore files (/folder) and guest files (/guestFile).
-- Downloads go to a file beside the target and get their name at the end; a broken one can be resumed. Transfers that
-- fail on the way are tried again where that is safe.
local engine = require "gpupt.loop.engine"
local transport = require "gpupt.vim.transport"
local wait = require "gpupt.loop.wait"

local files = {}

--- Percent-encodes a path, keeping its slashes (or not).
function files.encode(text, slashes)
  return (text:gsub(slashes and "[^%w%-._~/]" or "[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local meanings = {
  [401] = { "the session is not accepted", "NotAuthenticated" },
  [403] = { "not permitted", "NoPermission" },
  [404] = { "there is no such file", "FileNotFound" },
  [405] = { "this cannot be written", "EHTTP" },
  [409] = { "a folder of its path is missing", "FileNotFound" },
  [416] = { "the file is shorter than the range asked for", "ERANGE" },
  [507] = { "the datastore is full", "NoDiskSpace" },
}

local transient = { [502] = true, [503] = true, [504] = true }

local function again(code, info)
  return code == "ECONNECT" or code == "ELOST" or code == "EHTTP" and transient[info.status]
end

-- Pauses before try `try` + 1, longer each time; not beyond `until_time`.
local function back_off(try, until_time)
  local till = engine.now() + math.min(5, 0.2 * 2 ^ (try - 1)) * (0.5 + math.random())
  local stop = wait.wait(engine.event(), math.min(till, until_time or math.huge))
  if stop then error(stop, 0) end
end

--- One transfer with repeats. `request` as net.http's, its timeout being that of all tries; `what` = { name =, tick =,
-- headers = {...} }. With `what.session` (gives the headers for the session as it is) a session that has ended is
-- renewed once. Gives the result and info, or nil, message, code, info.
function files.transfer(client, request, what, retries)
  local until_time = request.timeout and engine.now() + request.timeout
  local relogged = false
  request.connect_timeout = request.connect_timeout or client.connect_timeout
  request.stall_timeout = request.stall_timeout or client.stall_timeout
  local try = 0
  while true do
    try = try + 1
    if until_time then request.timeout = math.max(0.001, until_time - engine.now()) end
    local generation = client.generation
    if what.session then request.headers = what.session() end
    local result, message, code, info = transport.exchange(client, request, what)
    if result ~= nil then info = message end
    local meaning = info.status and meanings[info.status]
    if result ~= nil and info.status // 100 == 2 then return result, info end
    if result ~= nil or (code == "EHTTP" and meaning) then
      local excerpt = type(result) == "string" and result:sub(1, 200):gsub("<[^>]*>", " "):gsub("%s+", " ") or ""
      message = ("%s: %s (HTTP %d)"):format(what.name, meaning and meaning[1] or excerpt, info.status)
      code = meaning and meaning[2] or "EHTTP"
    end
    if code == "NotAuthenticated" and what.session and not relogged then
      relogged = true
      local ok, why, failed = client:login_again(generation)
      if not ok then return nil, why, failed, info end
      try = try - 1
    elseif try > (retries or 0) or not again(code, info) or (until_time and engine.now() >= until_time) then
      return nil, message, code, info
    else
      back_off(try, until_time)
    end
  end
end

--- Opens a file, saying what for.
function files.open(path, mode, purpose)
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

--- Downloads `request` to the file `target`. o: resume, progress(received, total).
-- Gives the file's size, or nil, message, code.
function files.download(client, request, target, what, o, retries)
  local part = target .. ".part"
  local have = 0
  if o.resume then
    local old = io.open(part, "rb")
    if old then
      have = files.size(old) or 0
      old:close()
    end
  end
  local until_time = request.timeout and engine.now() + request.timeout
  local tries = 0
  while true do
    if until_time then request.timeout = math.max(0.001, until_time - engine.now()) end
    local file, message, code = files.open(part, have > 0 and "ab" or "wb", "write")
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
    local closed, late = file:close()
    if ok and result and not closed then
      if not o.resume then os.remove(part) end
      return nil, ("cannot write %s: %s"):format(part, late), "EIO"
    end
    if not ok then
      if not o.resume then os.remove(part) end
      error(result, 0)
    end
    if result then
      info = message
      if have > 0 and info.status ~= 206 then -- the server sent it from the beginning: what we have is doubled
        have = 0
      else
        if o.progress then o.progress(size, size) end
        local renamed, why = os.rename(part, target)
        if not renamed then
          if not o.resume then os.remove(part) end
          return nil, ("cannot write %s: %s"):format(target, why), "EIO"
        end
        return size
      end
    elseif code == "ERANGE" and have > 0 then
      have = 0 -- the file has become another one
    elseif tries >= retries or not again(code, info) or (until_time and engine.now() >= until_time) then
      if not o.resume then os.remove(part) end
      return nil, message, code
    else
      -- bytes that came are progress; without any the server is given time
      if size == have then
        local waited, stop = pcall(back_off, tries + 1, until_time)
        if not waited then
          if not o.resume then os.remove(part) end
          error(stop, 0)
        end
      end
      have = size
    end
    tries = tries + 1
    if tries > retries + 2 then return nil, message or "the transfer does not come to an end", code or "EIO" end
  end
end

return files
