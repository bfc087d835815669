--- Starts a program in a guest once. When the answer to the start is lost, the guest shows whether it has started: by a
-- process whose command names its script, or by a file of the script's beside it. Otherwise it is started again.
local attempt = require "gpupt.vim.attempt"

local STARTS, LOOKS = 3, 4

-- The process id; false when only its files are there; nil, message, code, detail ("ENOENT": it has not started).
local function look(o)
  for try = 1, LOOKS do -- a list may lag behind
    local list, message, code, detail = o.list()
    if not list then return nil, message, code, detail end
    for _, process in ipairs(list) do
      if (process.command or ""):find(o.folder .. o.script, 1, true) then return process.pid end
    end
    local files
    files, message, code, detail = o.files()
    if not files then return nil, message, code, detail end
    for _, file in ipairs(files) do
      local name = file.path:match "[^/\\]*$"
      if file.type == "file" and name ~= o.script and name:sub(1, #o.prefix) == o.prefix then return false end
    end
    if try < LOOKS then attempt.pause(2 ^ (try - 1), o.until_time) end
  end
  return nil, "the program has not started", "ENOENT"
end

--- `o` = { start = function() -> pid, list = function() -> processes, files = function() -> files of the folder,
-- folder (with its separator), script (its name there), prefix (of the names of its files), until_time }. The process
-- id, or false when only its files show that it has started; or nil, message, code, detail.
return function(o)
  for try = 1, STARTS do
    local pid, message, code, detail = o.start()
    if pid or code ~= "EUNKNOWN" then return pid, message, code, detail end
    local found, _, why = look(o)
    if found ~= nil then return found end
    if why ~= "ENOENT" or try == STARTS then return nil, message, code, detail end
  end
end
