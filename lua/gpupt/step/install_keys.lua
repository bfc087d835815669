--- The keys that an installation needs from someone at its console (vim25: PutUsbScanCodes).
--
--   Windows   a stock medium boots only if a key is pressed while it shows "Press any key to boot from CD or DVD",
--             five seconds somewhere in the first half minute. Enter is pressed every 3 seconds: the prompt takes any
--             key, and where nothing waits for it, Enter changes nothing (Space opens the menu of Windows' boot
--             manager). It is not pressed later: the medium would start again after the installer's first restart
--   Ubuntu    a stock medium asks "Continue with autoinstall? (yes|no)", again until the answer is yes
--             (canonical/subiquity pull request 661). The answer is given only while the installer's own Tools run
--             and nothing is written to the disk: before, GRUB would take the e of yes for its editor
--
-- One journal row for all keys; what they type is in no row, because it may be a password.
local failure = require "gpupt.failure"
local keys = require "gpupt.guest.keys"
local look = require "gpupt.step.install_iso"
local loop = require "gpupt.loop"
local wait = require "gpupt.loop.wait"

local typing = {}

local EVERY, PRESSES = 3, 10    -- seconds between two Enter, and how many
local ANSWER_EVERY, ANSWERS = 15, 8

local function send(ctx, target, events)
  local sent, message, code = ctx.vc:call(target.ref, "PutUsbScanCodes", { spec = { keyEvents = events } })
  if sent then return true end
  return nil, message, code
end

local function note_failure(ctx, target, message, code)
  if code == "NoPermission" then
    message = "the account lacks VirtualMachine.Interact.PutUsbScanCodes"
  end
  target.keys = "could not be pressed: " .. message
  ctx:note(target, "keys " .. target.keys)
end

-- A row before, a row after; `fn` gives the words for the phase's message, or nil, message, code.
local function recorded(ctx, target, text, fn)
  local change = { action = "keys", object = target.ref, text = ("PutUsbScanCodes (%s)"):format(text) }
  local number = ctx:row(target, "change", change, { method = "PutUsbScanCodes" })
  local results = table.pack(pcall(fn))
  local said, message, code = table.unpack(results, 2, 4)
  if not results[1] then
    local err = said
    said, message, code = nil, failure.is(err) and err.message or tostring(err), failure.is(err) and err.code or nil
  end
  ctx:row(target, "result", change, said and { ok = true } or { ok = false, message = message, code = code },
    { of = number })
  if not results[1] then error(results[2], 0) end
  if not said then return note_failure(ctx, target, message, code) end
  target.keys = said
end

-- Sends the keys up to `times` times, until rest(i) after the i-th says that it is over: how often they were taken;
-- nil, message, code if never. A press that fails is not the last: hosts are known to refuse keys with a system error
-- of no meaning (hashicorp/packer issue 8957).
local function again_and_again(ctx, target, events, times, rest)
  local count, message, code = 0, nil, nil
  for i = 1, times do
    local ok
    ok, message, code = send(ctx, target, events)
    if ok then count = count + 1 end
    if code == "NoPermission" or code == "InvalidPowerState" or rest(i) then break end
  end
  if count == 0 then return nil, message, code end
  return count
end

-- Presses Enter until the time of the prompt is over.
local function any_key(ctx, target, pause)
  local enter = keys.parse { "<enter>" }[1]
  ctx:note(target, ("pressing Enter for %d s: a stock Windows medium waits for a key"):format(EVERY * PRESSES))
  recorded(ctx, target, ("Enter, every %d s for %d s"):format(EVERY, EVERY * PRESSES), function()
    local count, message, code = again_and_again(ctx, target, enter, PRESSES, function(i)
      return i < PRESSES and pause(EVERY)
    end)
    if not count then return nil, message, code end
    return ("Enter was pressed %d times, every %d s from the power-on"):format(count, EVERY)
  end)
end

-- Answers the question of the Ubuntu installer, as often as it takes, while nothing is written to the disk.
local function yes(ctx, target, pause, has_begun)
  local answer = keys.parse { "yes<enter>" }[1]
  ctx:note(target, "answering yes: the medium asks \"Continue with autoinstall?\"")
  recorded(ctx, target, "yes, until the installer begins", function()
    local count, message, code = again_and_again(ctx, target, answer, ANSWERS, function(i)
      return pause(i == 1 and ANSWER_EVERY / 5 or ANSWER_EVERY) or has_begun()
    end)
    if not count then return nil, message, code end
    return ("yes was answered %d times"):format(count)
  end)
end

local function own(ctx, target, pause, groups)
  recorded(ctx, target, ("%d keys of the playbook"):format(groups.keys), function()
    for _, group in ipairs(groups) do
      if group.wait then
        if pause(group.wait) then return "the wait ended before the keys of the playbook were pressed" end
      else
        local ok, message, code = send(ctx, target, group)
        if not ok then return nil, message, code end
      end
    end
    return ("the %d keys of the playbook were pressed"):format(groups.keys)
  end)
end

local Typing = {}
Typing.__index = Typing

-- Types beside the wait for the installation. The pause that fn gets is true when that wait is over.
local function spawn(self, fn, ...)
  local function pause(seconds) return loop.await(self.over, seconds) end
  self.fiber = loop.spawn(function(...)
    local ok, err = pcall(fn, self.ctx, self.target, pause, ...)
    if not ok then self.failed = err end
  end, ...)
end

--- Begins after the power-on of a VM (`started`), or with one that is on. o: { keys = the option, iso =, windows =,
-- started = }.
function typing.begin(ctx, target, o)
  local self = setmetatable({ ctx = ctx, target = target, o = o }, Typing)
  self.over, self.fire = loop.event()
  target.keys = o.keys == "none" and "none were pressed (keys = \"none\")"
    or not o.started and "none were pressed, because the VM was already on" or "none were pressed"
  if not o.started then return self end
  if type(o.keys) == "table" then
    target.keys = "those of the playbook are not all pressed yet"
    spawn(self, own, assert(keys.parse(o.keys)))
  elseif o.keys == "auto" and o.windows then
    target.keys = "Enter is being pressed"
    spawn(self, any_key)
  end
  return self
end

--- The installer's own Tools run: it may be asking. `has_begun()` is whether it writes to the disk.
function Typing:installer_runs(has_begun)
  if self.fiber or self.o.keys ~= "auto" or self.o.windows then return end
  spawn(self, function(ctx, target, pause)
    ctx.install_isos = ctx.install_isos or {}
    local is = look.medium(ctx.vc, ctx.install_isos, self.o.iso)
    if is and is.asks and not has_begun() then yes(ctx, target, pause, has_begun) end
  end)
end

--- Ends the typing with the wait. Raises what made it fail.
function Typing:finish()
  if not self.fiber then return end
  self.fire()
  wait.shield(self.fiber.join, self.fiber)
  if self.failed then error(self.failed, 0) end
end

return typing
