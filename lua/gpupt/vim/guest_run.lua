--- Runs programs in a guest by one script in a temporary folder, which it takes away afterwards if it is its own.
local attempt = require "gpupt.vim.attempt"
local engine = require "gpupt.loop.engine"
local new_folder = require "gpupt.vim.guest_folder"
local script = require "gpupt.vim.guest_script"
local start_once = require "gpupt.vim.guest_start"
local wait = require "gpupt.loop.wait"

-- Seconds between two looks at a program: a short one has ended at the first look, a long one is not asked often.
local FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10

-- When a file of the folder was last written, or the folder itself if it has none, by the guest's own clock: the guest
-- ran then. nil, and whether the folder is gone.
local function last_written(self, vm, login, directory, left)
  local list, _, code = self:files(vm, login, directory, left)
  if not list then return nil, code == "FileNotFound" end
  local latest
  for _, file in ipairs(list) do
    if file.type == "file" and file.modified and (not latest or file.modified > latest) then latest = file.modified end
  end
  if latest then return latest end
  local parent, name = directory:match "^(.*[/\\])([^/\\]+)$"
  for _, file in ipairs(parent and self:files(vm, login, parent, left) or {}) do
    if file.path:match "[^/\\]*$" == name then latest = file.modified end
  end
  return latest, false
end

-- Whether the guest has restarted since the script was started: then every program of the guest is younger than what
-- it wrote, or the folder is gone with the other temporary files.
local function restarted(self, vm, login, directory, left)
  local written, gone = last_written(self, vm, login, directory, left)
  if not written then return gone end
  return self:restarted(vm, login, written, left) or false
end

local function too_much(o)
  return ("the program printed more than the %d bytes that are allowed: redirect its output into a file, and "
    .. "show its end"):format(o.max)
end

-- Polls until the script has written its result or has ended without it. The result as a text, or the exit code of the
-- script; nil, message, code ("ERESTARTED": the guest has restarted under it). Most have ended at the first look, so
-- that one is for the result.
local function follow(self, vm, login, one, o, until_time)
  local pid, delay, missed, first = one.pid, FIRST_PAUSE, 0, true
  local function result(left)
    local text, why, failed, more = self:get(vm, login, one.inside .. one.prefix .. script.RESULT, nil,
      { max = o.most, timeout = left.timeout })
    return text, failed == "ELIMIT" and too_much(o) or why, failed, more
  end
  while true do
    if engine.now() >= until_time then return nil, "the program is still running", "ETIMEDOUT" end
    attempt.pause(delay, until_time)
    delay = math.min(LONGEST_PAUSE, delay * 1.6)
    local left = { timeout = math.max(1, until_time - engine.now()) }
    local list, message, code, detail = {}, nil, nil, nil
    if pid and first then
      first = false
      local text, why, failed, more = result(left)
      if text then return text end
      if failed ~= "FileNotFound" then return nil, why, failed, more end
    end
    if pid then list, message, code, detail = self:list(vm, login, { pid }, left) end
    local process = list and list[1]
    local gone = (list and not process) or code == "GuestProcessNotFound"
    if not list and not gone then return nil, message, code, detail end
    if gone or process.ended then
      local text, why, failed, more = result(left)
      if text then return text end
      if failed ~= "FileNotFound" then return nil, why, failed, more end
      missed = missed + 1
      -- the process list may lag behind the start, and restarted Tools list nothing: the file alone decides, unless
      -- the process is listed as ended and left no file
      if process and process.ended and missed >= 2 then return process.rc end
      if missed % 3 == 2 and restarted(self, vm, login, one.directory, left) then
        return nil, "the guest restarted while the program ran, so its exit code is lost", "ERESTARTED"
      end
    end
  end
end

-- Ends a script with everything that it has started. In Windows a process does not end with its parent, so the whole
-- tree is ended.
local function stop(self, operate, vm, login, pid, family)
  wait.shield(function()
    local program, arguments = script.ending(family, pid)
    if not program or not operate(self, vm, login, "processManager", "StartProgramInGuest", { spec = {
      _type = "GuestProgramSpec", programPath = program, arguments = arguments } }, engine.now() + 5) then
      self:kill(vm, login, pid, { timeout = 5 })
    end
  end)
end

-- What a script that ended without a complete result left of its programs: their own exit codes where it has written
-- them; `rc` is that of the script, which was ended by someone. It cannot write on a full disk, which says nothing of
-- the programs.
local function pieces(self, vm, login, one, programs, rc, o)
  local list, inside = {}, one.inside .. one.prefix
  for i = 1, #programs do
    local head, why, failed, more = self:get(vm, login, inside .. "head-" .. i, nil, { max = 128, timeout = 60 })
    if not head and failed ~= "FileNotFound" then return nil, why, failed, more end
    local own = head and script.read_head(head)
    if not own and (head or rc == script.UNWRITTEN) then
      return nil, ("the guest could not write how the program ended into %s: its disk may be full"):format(one.inside),
        "NoDiskSpace"
    end
    list[i] = { rc = own or rc }
    for stream, name in pairs { stdout = "out-", stderr = "err-" } do
      local bytes, message, code, detail = self:get(vm, login, inside .. name .. i, nil, { max = o.max, timeout = 60 })
      if code == "ELIMIT" then return nil, too_much(o), code end
      if not bytes and code ~= "FileNotFound" then return nil, message, code, detail end
      list[i][stream] = bytes or ""
    end
  end
  return list
end

local function too_long(list, o)
  for _, one in ipairs(list) do
    if #one.stdout > o.max or #one.stderr > o.max then return too_much(o) end
  end
end

-- Puts the script into the folder, where it has to be a file, and starts it. `one` gets directory, inside, prefix and
-- pid (false: it has started, and its pid is not known). true; nil, message, code, detail.
local function begin(self, operate, vm, login, one, programs, o, until_time)
  local directory, message, code, detail = one.folder:open { timeout = o.timeout }
  if not directory then return nil, message, code, detail end
  local prefix = one.folder:prefix()
  local name, text, inside = script.of(one.family, directory, programs, prefix)
  one.directory, one.inside, one.prefix = directory, inside, prefix
  local program = { _type = "GuestProgramSpec", workingDirectory = directory, envVariables = o.environment }
  program.programPath, program.arguments = script.command(one.family, inside .. name)
  local inline = script.inline(one.family, inside .. name, text)
  if inline then
    program.arguments = inline
  else
    local sent
    sent, message, code, detail = self:put(vm, login, nil, inside .. name, { text = text, timeout = o.timeout,
      permissions = one.family == "linux" and 448 or nil })
    if not sent then return nil, message, code, detail end
  end
  local pid
  pid, message, code, detail = start_once { folder = inside, script = name, prefix = prefix, until_time = until_time,
    start = function()
      return operate(self, vm, login, "processManager", "StartProgramInGuest", { spec = program }, until_time)
    end,
    list = function() return self:list(vm, login, nil, { timeout = math.max(1, until_time - engine.now()) }) end,
    files = function() return self:files(vm, login, inside, { timeout = math.max(1, until_time - engine.now()) }) end,
  }
  if pid == nil then return nil, message, code, detail end
  one.pid = pid
  return true
end

--- `self` is a guest.Guest, `operate` its call of a guest operation; `o` = { timeout =, max =, family =,
-- environment =, folder = of several calls }. A list of { rc =, stdout =, stderr =, pid = }, or nil, message, code,
-- detail.
return function(self, operate, vm, login, programs, o)
  local until_time = engine.now() + o.timeout
  local family, no, refused, fault = o.family
  if not family then
    family, no, refused, fault = self:family(vm)
    if not family then return nil, no, refused, fault end
  end
  local one = { folder = o.folder or new_folder(self, vm, login), family = family }
  local running
  o.most = (2 * o.max + 128) * #programs
  local function work()
    local known = one.folder.path ~= nil
    local ok, why, failed, more = begin(self, operate, vm, login, one, programs, o, until_time)
    if not ok and failed == "FileNotFound" and known then -- a restart of the guest has taken the folder
      one.folder:forget()
      ok, why, failed, more = begin(self, operate, vm, login, one, programs, o, until_time)
    end
    if not ok then return nil, why, failed, more end
    running = true
    local result
    result, why, failed, more = follow(self, vm, login, one, o, until_time)
    -- after a restart the pid may be another program's
    running = result == nil and failed ~= "ERESTARTED"
    if failed == "ERESTARTED" then one.folder:close() end
    if result == nil then return nil, why, failed, more end
    local list = type(result) == "string" and script.read(result, #programs)
    if type(result) == "string" and not list then result = script.UNWRITTEN end
    if not list then
      list, why, failed, more = pieces(self, vm, login, one, programs, result, o)
      if not list then return nil, why, failed, more end
    end
    local long = too_long(list, o)
    if long then return nil, long, "ELIMIT" end
    for _, item in ipairs(list) do item.pid = one.pid end
    return list
  end
  local results = table.pack(pcall(work))
  if running and one.pid then stop(self, operate, vm, login, one.pid, family) end
  if not o.folder then one.folder:close() end
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end
