--- Runs programs in a guest by one script in one temporary directory, and takes the directory away afterwards.
local attempt = require "gpupt.vim.attempt"
local engine = require "gpupt.loop.engine"
local script = require "gpupt.vim.guest_script"
local start_once = require "gpupt.vim.guest_start"
local wait = require "gpupt.loop.wait"

-- Seconds between two looks at a program: a short one has ended at the first look, a long one is not asked often.
local FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10

-- Whether the guest has restarted since the script was written: then every program of the guest is younger, by the
-- guest's own clock, or the folder is gone with the other temporary files.
local function restarted(self, vm, login, inside, name, left)
  local list, _, code = self:files(vm, login, inside, left)
  if not list then return code == "FileNotFound" end
  local written
  for _, file in ipairs(list) do
    if file.path:sub(-#name) == name then written = file.modified end
  end
  return written and self:restarted(vm, login, written, left) or false
end

-- Polls until the script has written its result or has ended without it. The result as a text, or the exit code of the
-- script; nil, message, code ("ERESTARTED": the guest has restarted under it).
local function follow(self, vm, login, pid, inside, name, o, until_time)
  local delay, missed, result = FIRST_PAUSE, 0, inside .. script.RESULT
  while true do
    if engine.now() >= until_time then return nil, "the program is still running", "ETIMEDOUT" end
    attempt.pause(delay, until_time)
    delay = math.min(LONGEST_PAUSE, delay * 1.6)
    local left = { timeout = math.max(1, until_time - engine.now()) }
    local list, message, code, detail = {}, nil, nil, nil
    if pid then list, message, code, detail = self:list(vm, login, { pid }, left) end
    local process = list and list[1]
    local gone = (list and not process) or code == "GuestProcessNotFound"
    if not list and not gone then return nil, message, code, detail end
    if gone or process.ended then
      local text, why, failed, more = self:get(vm, login, result, nil, { max = o.most, timeout = left.timeout })
      if text then return text end
      if failed ~= "FileNotFound" then return nil, why, failed, more end
      missed = missed + 1
      -- the process list may lag behind the start, and restarted Tools list nothing: the file alone decides, unless
      -- the process is listed as ended and left no file
      if process and process.ended and missed >= 2 then return process.rc end
      if missed % 3 == 2 and restarted(self, vm, login, inside, name, left) then
        return nil, "the guest restarted while the program ran, so its exit code is lost", "ERESTARTED"
      end
    end
  end
end

-- Ends what still runs, and takes the folder away. In Windows a process does not end with its parent, so the whole tree
-- is ended; its files are free a moment later.
local function tidy(self, operate, vm, login, pid, directory, running, family)
  wait.shield(function()
    if running and pid then
      local program, arguments = script.ending(family, pid)
      if not program or not operate(self, vm, login, "processManager", "StartProgramInGuest", { spec = {
        _type = "GuestProgramSpec", programPath = program, arguments = arguments } }, engine.now() + 5) then
        self:kill(vm, login, pid, { timeout = 5 })
      end
    end
    local gone, _, code = self:rmdir(vm, login, directory, { timeout = 5 })
    if not gone and running and code ~= "FileNotFound" then
      attempt.pause(1, engine.now() + 5)
      self:rmdir(vm, login, directory, { timeout = 5 })
    end
  end)
end

-- What a script that ended without a complete result left of its programs: their own exit codes where it has written
-- them; `rc` is that of the script, which was ended by someone. It cannot write on a full disk, which says nothing of
-- the programs.
local function pieces(self, vm, login, inside, programs, rc, o)
  local list = {}
  for i = 1, #programs do
    local head, why, failed, more = self:get(vm, login, inside .. "head-" .. i, nil, { max = 128, timeout = 60 })
    if not head and failed ~= "FileNotFound" then return nil, why, failed, more end
    local own = head and script.read_head(head)
    if not own and (head or rc == script.UNWRITTEN) then
      return nil, ("the guest could not write how the program ended into %s: its disk may be full"):format(inside),
        "NoDiskSpace"
    end
    list[i] = { rc = own or rc }
    for stream, name in pairs { stdout = "out-", stderr = "err-" } do
      local bytes, message, code, detail = self:get(vm, login, inside .. name .. i, nil, { max = o.max, timeout = 60 })
      if not bytes and code ~= "FileNotFound" then return nil, message, code, detail end
      list[i][stream] = bytes or ""
    end
  end
  return list
end

local function too_long(list, max)
  for _, one in ipairs(list) do
    for _, stream in ipairs { "stdout", "stderr" } do
      if #one[stream] > max then
        return ("%s of the program has %d bytes, and %d were allowed"):format(stream, #one[stream], max)
      end
    end
  end
end

--- `self` is a guest.Guest, `operate` its call of a guest operation; `o` = { timeout =, max =, family =,
-- environment = }. A list of { rc =, stdout =, stderr =, pid = }, or nil, message, code, detail.
return function(self, operate, vm, login, programs, o)
  local until_time = engine.now() + o.timeout
  local left = { timeout = o.timeout }
  local family, no, refused, fault = o.family
  if not family then
    family, no, refused, fault = self:family(vm)
    if not family then return nil, no, refused, fault end
  end
  local directory, message, code, detail = self:tempdir(vm, login, left)
  if not directory then return nil, message, code, detail end
  local name, text, inside = script.of(family, directory, programs)
  local pid, running
  o.most = (2 * o.max + 128) * #programs
  local function work()
    local sent, why, failed, more = self:put(vm, login, nil, inside .. name, { text = text, timeout = o.timeout,
      permissions = family == "linux" and 448 or nil })
    if not sent then return nil, why, failed, more end
    local program = { _type = "GuestProgramSpec", workingDirectory = directory, envVariables = o.environment }
    program.programPath, program.arguments = script.command(family, inside .. name)
    pid, why, failed, more = start_once { folder = inside, script = name, until_time = until_time,
      start = function()
        return operate(self, vm, login, "processManager", "StartProgramInGuest", { spec = program }, until_time)
      end,
      list = function() return self:list(vm, login, nil, { timeout = math.max(1, until_time - engine.now()) }) end,
      files = function() return self:files(vm, login, inside, { timeout = math.max(1, until_time - engine.now()) }) end,
    }
    if pid == nil then return nil, why, failed, more end
    running = true
    local result
    result, why, failed, more = follow(self, vm, login, pid, inside, name, o, until_time)
    -- after a restart the pid may be another program's
    running = result == nil and failed ~= "ERESTARTED"
    if result == nil then return nil, why, failed, more end
    local list = type(result) == "string" and script.read(result, #programs)
    if type(result) == "string" and not list then result = script.UNWRITTEN end
    if not list then
      list, why, failed, more = pieces(self, vm, login, inside, programs, result, o)
      if not list then return nil, why, failed, more end
    end
    local long = too_long(list, o.max)
    if long then return nil, long, "ELIMIT" end
    for _, one in ipairs(list) do one.pid = pid end
    return list
  end
  local results = table.pack(pcall(work))
  tidy(self, operate, vm, login, pid, directory, running, family)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end
