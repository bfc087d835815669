--- A temporary folder in a guest for the scripts of one call, or of several: created with the first of them, so that it
-- costs nothing where nothing runs. Its owner closes it.
local attempt = require "gpupt.vim.attempt"
local engine = require "gpupt.loop.engine"
local wait = require "gpupt.loop.wait"

local Folder = {}
Folder.__index = Folder
Folder.__name = "gpupt.guest_folder"

-- Seconds for its deletion, and until the second try: a batch file is free a moment after its program's end.
local DELETION, LATER = 5, 1

-- What a second try cannot help.
local futile = { FileNotFound = true, InvalidPowerState = true, GuestOperationsUnavailable = true, ETIMEDOUT = true }

--- Its path in the guest; nil, message, code, detail.
function Folder:open(given)
  if self.path then return self.path end
  local path, message, code, detail = self.guest:tempdir(self.vm, self.login, given,
    self.mark and "gpupt-" .. self.mark .. "-")
  if not path then return nil, message, code, detail end
  self.path = path
  if self.mark and self.sweeps then
    self.sweeps = false
    self:sweep()
  end
  return path
end

--- Deletes the other folders with its mark, which a program that was killed has left; a failure is no reason to fail.
function Folder:sweep()
  local parent, name = self.path:match "^(.*[/\\])([^/\\]+)$"
  local start = "gpupt-" .. self.mark .. "-"
  for _, one in ipairs(parent and self.guest:files(self.vm, self.login, parent, { timeout = DELETION }) or {}) do
    local other = one.path:match "[^/\\]*$"
    if one.type == "directory" and other ~= name and other:sub(1, #start) == start then
      self.guest:rmdir(self.vm, self.login, parent .. other, { timeout = DELETION })
    end
  end
end

--- What the names of the next script's files begin with: nothing in a folder of one script.
function Folder:prefix()
  if not self.shared then return "" end
  self.scripts = self.scripts + 1
  return self.scripts .. "-"
end

--- The guest has it no more, such as after a restart: the next script gets another one.
function Folder:forget() self.path = nil end

--- Deletes it with everything in it, also in a fiber that is cancelled; the next script would get another one.
function Folder:close()
  local path = self.path
  if not path then return end
  self.path = nil
  wait.shield(function()
    local gone, _, code = self.guest:rmdir(self.vm, self.login, path, { timeout = DELETION })
    if gone or futile[code] then return end
    attempt.pause(LATER, engine.now() + DELETION)
    self.guest:rmdir(self.vm, self.login, path, { timeout = DELETION })
  end)
end

Folder.__close = Folder.close

--- `guest` is a gpupt.vim.guest; `shared`: for several scripts. o: mark (a part of its name), sweep (delete earlier
-- ones with this mark).
return function(guest, vm, login, shared, o)
  return setmetatable({ guest = guest, vm = vm, login = login, shared = shared or false, scripts = 0,
    mark = o and o.mark, sweeps = o and o.sweep }, Folder)
end
