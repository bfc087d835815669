--- gpupt stop: stops a run that is working in another terminal.
local book = require "gpupt.cli.book"
local next_command = require "gpupt.next_command"
local printer = require "gpupt.printer"

local command = {
  name = "stop",
  summary = "stop a run that is working in another terminal",
  usage = "stop RUN [--now] [--journal URL]",
  details = [[
The run sees the request within seconds. It finishes the steps in progress (a
host that was rebooted returns and leaves maintenance mode), starts nothing
more, releases its claims and exits with status 130, as on Ctrl-C. With --now
it also cancels the steps in progress, as on a second Ctrl-C. Either way it can
be resumed. The beginning of RUN is enough.]],
  options = {
    { "now", doc = "also cancel the steps in progress" },
    { "journal", "URL", doc = "journal file [$XDG_STATE_HOME/gpupt/journal.db]" },
    { "json", doc = "print the result as JSON" },
  },
  examples = {
    { "gpupt stop first-light-20260801", "finish the steps in progress, start nothing more" },
    { "gpupt stop first-light-20260801 --now", "do not finish them either" },
  },
}

function command.run(options, words)
  local cli = require "gpupt.cli"
  if #words ~= 1 then return nil, "expected one run; list them with: " .. next_command.status(), "EUSAGE" end
  local store <close>, message, code = book.open(options)
  if not store then return nil, message, code end
  local result, why, failed = require "gpupt.playbook".stop(store, words[1], { now = options.now })
  if not result then return nil, why, failed end
  if options.json then
    printer.json(result)
  elseif result.state == "stopped" then
    printer.out("run %s is asked to stop; its %s is suspended and sees that when it continues: kill -CONT %d",
      result.run, result.process, result.pid)
  else
    printer.out("run %s (%s) is asked to stop%s; follow it with: %s", result.run, result.process,
      options.now and " at once" or ": it finishes the steps in progress", next_command.status(result.run))
  end
  return cli.OK
end

return command
