--- gpupt status: the runs in the journal, and what became of one of them.
local folding = require "gpupt.cli.folding"
local next_command = require "gpupt.next_command"
local printer = require "gpupt.printer"
local ranges = require "gpupt.ranges"
local visible = require "gpupt.visible"

local command = {
  name = "status",
  summary = "list the runs in the journal, or tell what became of one",
  usage = "status [RUN] [--journal URL] [--all] [--follow]",
  details = [[
Without RUN, lists all runs, newest first. With RUN (the beginning of its name
is enough), shows its changes, and for each host and VM the outcome, the cause,
the rows of the journal that show it, and the command to type next. A host or VM
that the run left out is "skipped". Nothing is asked of a server, and the
journal is not changed.

A run is running or stopped (by a signal) while its process is there, and
interrupted if that is gone. A change without a result has an unknown outcome:
gpupt looks at the fleet when the run is resumed.

With --follow, prints what the run (without RUN: the newest one) writes to its
journal, line by line, until it ends, and then its hosts and VMs as above. The
exit status is 0 if it ended well, 3 if hosts or VMs were left out that could
not be reached, and 1 if it failed, was interrupted, or its process is gone.
Ctrl-C ends the following, not the run. With --json, each row is one line.]],
  options = {
    { "journal", "URL", doc = "journal file [$XDG_STATE_HOME/gpupt/journal.db]" },
    { "all", doc = "show every row" },
    { "follow", doc = "print what the run does until it ends" },
    { "json", doc = "print the result as JSON" },
  },
  examples = {
    { "gpupt status", "list all runs" },
    { "gpupt status first-light-20260801", "what this run did" },
    { "gpupt status --follow", "what the newest run does, until it ends" },
  },
}

local function when(at) return os.date("!%Y-%m-%d %H:%M:%SZ", math.floor(at)) end

local function list_runs(store, options)
  local playbook = require "gpupt.playbook"
  local runs, undone = {}, {}
  for record in store:runs() do runs[#runs + 1] = record end
  for _, record in ipairs(runs) do
    record.state = playbook.run_state(store, record)
    if record.undoes then undone[record.undoes] = record.state == "done" and " (undone)" or " (undone in part)" end
  end
  if options.json then return printer.json(require "gpupt.json".array(runs)) end
  if #runs == 0 then printer.out "no runs yet" end
  for _, record in ipairs(runs) do
    local what = record.undoes and "undo of " .. record.undoes or record.playbook .. (undone[record.id] or "")
    printer.out("%s  %-11s  %s  %s  %s", when(record.at), record.state, visible.pad(record.id, 44),
      record.endpoint or "", what)
  end
  return true
end

local function outcome_of(row, working)
  if not row.result then return working and row.part == working and "in progress" or "interrupted; outcome unknown" end
  return row.result.ok and "done" or ("failed: %s"):format(row.result.message or "?")
end

local function wrapped(lead, text, indent)
  for _, line in ipairs(folding(lead, text, indent)) do printer.out("%s", line) end
end

local function paragraph(label, text) return wrapped(("    %s: "):format(label), text, #label + 6) end

-- `working`: the part of the run that a process works on.
local function print_rows(found, all, working)
  for _, row in ipairs(found.rows) do
    local target = found.label(row) or ""
    if row.kind == "change" and row.operation then
      wrapped(("  %s  %s %s "):format(when(row.at):sub(12), visible.pad(target, 12),
        visible.pad(row.step or "", 12)), ("%s: %s"):format(row.what, outcome_of(row, working)), 13)
    elseif all then
      printer.out("  %s  %s %s %s %s", when(row.at):sub(12), visible.pad(target, 12),
        visible.pad(row.step or "", 12), row.kind, row.what or "")
    end
  end
end

local function evidence_text(one)
  local words = { one.result }
  if one.task then words[#words + 1] = one.task end
  if one.fault then words[#words + 1] = one.fault end
  if one.object then words[#words + 1] = one.object end
  if one.operation then words[#words + 1] = "operation " .. one.operation end
  return ("row %d at %s: %s: %s"):format(one.row, when(one.at):sub(12), one.what or "?", table.concat(words, ", "))
end

-- Hosts that the playbook names and does not mean, those of one reason in one line.
local function print_unconcerned(list)
  local names = {}
  for _, one in ipairs(list) do
    local why = one.cause.message
    if not names[why] then
      names[why] = {}
      names[#names + 1] = why
    end
    table.insert(names[why], one.target)
  end
  for _, why in ipairs(names) do
    wrapped("not concerned: ", ("%s: %s"):format(ranges.text(names[why], 8), why), 4)
  end
end

local function print_targets(all)
  local targets, others, width = {}, {}, 6
  for _, one in ipairs(all) do table.insert(one.outcome == "not concerned" and others or targets, one) end
  for _, one in ipairs(targets) do width = math.max(width, visible.width(one.target)) end
  for _, one in ipairs(targets) do
    local where = one.source and ("  (%s)"):format(one.source) or ""
    printer.out("%s", (("%s  %-11s  %s%s"):format(visible.pad(one.target, width), one.outcome, one.step or "", where)
      :gsub(" +$", "")))
    if one.cause then
      paragraph("cause", one.cause.message .. (one.cause.code and (" (%s)"):format(one.cause.code) or ""))
    end
    for _, evidence in ipairs(one.evidence) do
      paragraph(evidence.result == "in progress" and "change" or "evidence", evidence_text(evidence))
    end
    -- not wrapped: it is copied
    for _, line in ipairs(one.next or {}) do printer.out("    next: %s", line) end
  end
  print_unconcerned(others)
end

local STATE_OF_UNDO = { running = "is running", stopped = "is stopped" }

local function print_head(found)
  local run = found.run
  printer.out("%s  %s  %s\n%s on %s by %s at %s", run.id, run.state, run.playbook, when(run.at), run.endpoint or "?",
    run.who or "?", run.client_host or "?")
  local undo = run.undone_by
  if undo then
    wrapped("", undo.state == "done" and ("undone at %s by run %s"):format(when(undo.at), undo.id)
      or ("undone in part: run %s, which undoes it, %s"):format(undo.id, STATE_OF_UNDO[undo.state]
      or "has not finished. Continue with: " .. next_command.undo(run.id)), 0)
  end
  if found.about then wrapped("", found.about .. (found.next and ". " .. found.next or ""), 0) end
end

-- `rows` is false after --follow, which has shown them.
local function print_run(found, all, rows)
  local run = found.run
  print_head(found)
  local last = found.rows[#found.rows]
  if rows ~= false then
    print_rows(found, all, (run.state == "running" or run.state == "stopped") and last and last.part)
  end
  if #found.targets > 0 then printer.out "" end
  print_targets(found.targets)
  if #found.claims > 0 then printer.out "" end
  for _, claim in ipairs(found.claims) do
    wrapped("claimed: ", claim.what .. (claim.kept and (" (the run left %s)"):format(claim.kept) or ""), 9)
  end
  if found.release then
    printer.out("    next, unless the run is to be resumed: %s", found.release)
  end
end

local function print_json(found)
  local json = require "gpupt.json"
  for _, row in ipairs(found.rows) do
    row.result, row.sent, row.part = nil, nil, nil
    row.detail = row.detail and json.decode(row.detail) or nil
  end
  for _, one in ipairs(found.targets) do
    json.array(one.evidence)
    one.next = json.array(one.next or {})
  end
  return printer.json { run = found.run, targets = json.array(found.targets), claims = json.array(found.claims),
    release = found.release, rows = json.array(found.rows) }
end

-- Follows the run, and then shows what became of it.
local function follow(options, id)
  local cli = require "gpupt.cli"
  local playbook = require "gpupt.playbook"
  local run, state, code = require "gpupt.cli.status_follow".run(options, id)
  if not run then return nil, state, code end
  if state == "left" then return cli.FAILED end
  if not options.json then
    local store <close>, message, failed = playbook.read_journal(options.journal)
    if not store then return nil, message, failed end
    local record
    record, message, failed = playbook.find_run(store, run)
    if not record then return nil, message, failed end
    printer.out ""
    print_run(playbook.account(store, record, { journal = options.journal }), false, false)
  end
  if state == "gone" then cli.complain("the process of run %s is gone, and the run has not ended", run) end
  return state == "done" and cli.OK or state == "partial" and cli.UNREACHABLE or cli.FAILED
end

function command.run(options, words)
  local cli = require "gpupt.cli"
  local playbook = require "gpupt.playbook"
  if #words > 1 then return nil, "expected at most one run", "EUSAGE" end
  if options.follow and options.all then return nil, "--follow cannot be combined with --all", "EUSAGE" end
  if options.follow then return follow(options, words[1]) end
  local store <close>, message, code = playbook.read_journal(options.journal)
  if not store then return nil, message, code end
  local ok
  if not words[1] then
    ok, message, code = list_runs(store, options)
    if not ok then return nil, message, code end
    return cli.OK
  end
  local record
  record, message, code = playbook.find_run(store, words[1])
  if not record then return nil, message, code end
  local found = playbook.account(store, record, { journal = options.journal })
  if options.json then
    ok, message, code = print_json(found)
    if not ok then return nil, message, code end
  else
    print_run(found, options.all)
  end
  return cli.OK
end

return command
