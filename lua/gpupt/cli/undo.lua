--- gpupt undo: takes back what a run did.
local apply = require "gpupt.cli.apply"
local book = require "gpupt.cli.book"
local connection = require "gpupt.cli.connection"
local next_command = require "gpupt.next_command"
local printer = require "gpupt.printer"

local command = {
  name = "undo",
  plans = true,
  summary = "take back what a run did, and nothing else",
  usage = "undo RUN [--allow WORD,...] [--dry-run] [options]",
  details = [[
Prints first what cannot be undone (reboots, what was installed in guests) and
what was changed since the run, which stays as it is. Then it sets back what
the run changed, to the values before, which its journal has: VMs first (cards
are detached, settings restored, VMs that the run created are deleted with
--allow delete-vm), then hosts, one after the other as in the run, rebooting
them where that is needed. If an approval is missing, nothing is changed and
the exit status is 4. A VM is deleted only if the run created it and it still
carries the run's id.

The undo is a run of its own: "gpupt status" shows it, and after an interruption
"gpupt undo RUN" goes on. A run whose process works on it has to be stopped
first ("gpupt stop RUN"). An undo cannot be undone: apply the playbook again.
The beginning of RUN is enough.

]] .. connection.outage_help .. connection.limit_help,
  options = connection.with {
    { "allow", "WORD,...", many = true, doc = "the approvals that are given" },
    { "dry-run", doc = "print what would be taken back, and change nothing" },
    connection.limit,
    connection.variables[1], connection.variables[2],
    { "journal", "URL", doc = "journal file [$XDG_STATE_HOME/gpupt/journal.db]" },
    { "outage", "TIME", doc = "how long to wait for a vCenter that is down [15m]" },
    { "events", doc = "print each event as a JSON object on stdout" },
    { "json", doc = "print the result as JSON" },
  },
  examples = {
    { "gpupt undo first-light-20260801 --dry-run", "what would be taken back" },
    { "gpupt undo first-light-20260801 --allow reboot,delete-vm", "take it back" },
  },
}

local function print_plan(plan, options)
  if not options.json then
    printer.out("%s", tostring(plan))
    return
  end
  local json = require "gpupt.json"
  printer.json { changes = json.array(plan:changes()), allow = json.array(plan:needs()),
    lost = json.array(plan:lost()), left = json.array(plan:left()), skipped = json.array(plan:left_out()),
    unverified = json.array(plan.unverified) }
end

function command.run(options, words)
  local cli = require "gpupt.cli"
  if #words ~= 1 then return nil, "expected one run; list them with: " .. next_command.status(), "EUSAGE" end
  local problem = apply.usage_problem(options, command.name)
  if problem then return nil, problem, "EUSAGE" end
  local allow, message, code = apply.approvals(options.allow)
  if not allow then return nil, message, code end
  local limit, malformed, usage = connection.limits(options)
  if malformed then return nil, malformed, usage end
  local vars, argv, invalid = connection.vars(options)
  if not vars then return nil, argv, invalid end
  local store <close>, why, failed = book.open(options)
  if not store then return nil, why, failed end
  local undo
  undo, message, code = require "gpupt.playbook".undo(store, words[1], { vars = vars, argv = argv })
  if not undo then return nil, message, code end
  local vc <close> = connection.open(options)
  local plan, detail
  plan, message, code, detail = undo:plan(vc, { limit = limit })
  if not plan then return nil, message, code, detail end
  if options.dry_run then
    print_plan(plan, options)
    return require "gpupt.cli.left_out".of_plan(plan) or cli.OK
  end
  return apply.carry_out(plan, store, allow, options)
end

return command
