--- Who holds a claim, in words: the run, what has become of its process, and the command that goes on from there.
local clock = require "gpupt.clock"
local failure = require "gpupt.failure"
local next_command = require "gpupt.next_command"
local process = require "gpupt.process"

local holder = {}

--- What this process works on now: its entries in the journal, by name. One that it could not remove when its run ended
-- (a full disk) is left over, although the process lives.
holder.working = {}

--- The state of a run's process. `runner`: a record of journal:runner or journal:leases.
--   none      no process works on the run: it ended, or its claims were released
--   running   it lives; unseen: it is on another computer, or in another container, and has renewed its claims lately
--   stopped   it was stopped by a signal (SIGSTOP, Ctrl-Z)
--   gone      it was killed; or it is not to be seen from here, and has not renewed its claims
function holder.state(runner)
  if not (runner and runner.process) then return "none" end
  local state, why = process.state(runner, runner.boot)
  if state == "running" and process.is_this(runner) and not holder.working[runner.process] then
    return "gone", "it has ended its work on the run"
  end
  if state == "unseen" and runner.running ~= 1 then return "gone", "it has not renewed its claims" end
  return state, why
end

--- Whether a process works, or may work, on the run.
function holder.alive(runner)
  local state = holder.state(runner)
  return state ~= "none" and state ~= "gone", state
end

local function time_of(at) return os.date("!%Y-%m-%d %H:%M:%SZ", math.floor(at)) end

--- "process 4711 on desk"
function holder.process(runner) return ("process %d on %s"):format(runner.pid, runner.client_host or "?") end

local function next_of(state, run, runner)
  if state == "stopped" then
    return ("Continue that process (kill -CONT %d) or end it (kill %d)"):format(runner.pid, runner.pid)
  end
  if state == "none" or state == "gone" then
    return ("Continue it with: %s; or free its claims with: %s"):format(next_command.resume(run),
      next_command.release(run))
  end
  return "Wait for its end, or stop it with: " .. next_command.stop(run)
end

--- What the run is doing: a clause about it, and what to do next.
function holder.words(run, runner)
  local state, why = holder.state(runner)
  local text
  if state == "none" then
    text = "which has ended"
  elseif state == "gone" then
    text = ("whose %s is gone%s"):format(holder.process(runner), why and (": " .. why) or "")
  elseif state == "stopped" then
    text = ("whose %s is stopped"):format(holder.process(runner))
  elseif state == "unseen" then
    text = ("which is running (%s, last heard of at %s)"):format(holder.process(runner), time_of(runner.renewed))
  else
    text = ("which is running (%s)"):format(holder.process(runner))
  end
  return text, next_of(state, run, runner), state
end

--- A claim as { resource =, what =, host =, vm =, run =, kept =, state =, text =, next = }, from a record of
-- journal:leases.
function holder.claim(lease)
  local clause, advice, state = holder.words(lease.run, lease)
  local what = lease.what or lease.resource
  local text = ("%s is claimed by run %s, %s"):format(what, lease.run, clause)
  if lease.kept and (state == "none" or state == "gone") then
    text = ("%s is still claimed by run %s, %s: the run left %s"):format(what, lease.run, clause, lease.kept)
  end
  return { resource = lease.resource, what = what, host = lease.host, vm = lease.vm, run = lease.run, kept = lease.kept,
    object = lease.object, process = lease.process, state = state, alive = state ~= "none" and state ~= "gone",
    text = text, next = advice }
end

--- The claims of a journal that are in force; of one run: all that it has.
function holder.claims(journal, run)
  local list = {}
  for lease in failure.check(journal:leases(clock.read())) do
    if lease.run == run or (not run and lease.in_force == 1) then list[#list + 1] = holder.claim(lease) end
  end
  return list
end

return holder
