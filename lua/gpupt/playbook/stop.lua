--- gpupt stop: asks the process that works on a run to stop, by a row in the run's journal. The process sees it within
-- seconds (gpupt.playbook.watcher).
local clock = require "gpupt.clock"
local holder = require "gpupt.playbook.holder"
local journal = require "gpupt.playbook.journal"

local stop = {}

--- Asks run `id` to stop: { run =, state =, process = text }; nil, message, code ("EENDED" if no process works on it).
-- now: cancel the steps in progress as well.
function stop.run(store, id, o)
  local record, message, code = journal.find(store, id)
  if not record then return nil, message, code end
  local runner = store:runner(clock.read(), record.id)
  local clause, advice, state = holder.words(record.id, runner)
  if state == "none" then
    return nil, ("run %s has ended%s: there is nothing to stop"):format(record.id,
      record.status and (" (%s)"):format(record.status) or ""), "EENDED"
  elseif state == "gone" then
    return nil, ("run %s, %s: there is nothing to stop. %s"):format(record.id, clause, advice), "EENDED"
  end
  local row
  row, message, code = store:append { run = record.id, kind = "stop", action = o.now and "cancel" or "drain",
    what = o.now and "asked to stop at once" or "asked to stop",
    detail = journal.note { who = journal.who(), client_host = journal.host_name() } }
  if not row then return nil, message, code end
  return { run = record.id, state = state, process = holder.process(runner), pid = runner.pid }
end

return stop
