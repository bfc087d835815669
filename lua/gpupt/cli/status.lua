--- gpupt status: the runs in the journal, and what one of them did.
local printer = require "gpupt.printer"
local visible = require "gpupt.visible"

local command = {
  name = "status",
  summary = "list the runs in the journal, or show what one of them did",
  usage = "status [RUN] [--journal URL] [--all]",
  details = [[
Without RUN, lists all runs, newest first. With RUN (the beginning of its name
is enough), shows its targets, its changes and their results. A change without a
result was interrupted and its outcome is unknown: gpupt checks the fleet when
the run is resumed.]],
  options = {
    { "journal", "URL", doc = "journal file [$XDG_STATE_HOME/gpupt/journal.db]" },
    { "all", doc = "show every row" },
    { "json", doc = "print the rows as JSON" },
  },
  examples = {
    { "gpupt status", "list all runs" },
    { "gpupt status first-light-20260801", "what this run did" },
  },
}

-- What earlier releases called the statuses.
local renamed = { ["not begun"] = "not started", ["cut off"] = "interrupted" }

local function when(at) return os.date("!%Y-%m-%d %H:%M:%SZ", math.floor(at)) end

local function list_runs(store, options)
  local runs = {}
  for record in store:runs() do runs[#runs + 1] = record end
  if options.json then
    local json = require "gpupt.json"
    printer.json(json.array(runs))
    return
  end
  if #runs == 0 then printer.out "no runs yet" end
  for _, record in ipairs(runs) do
    printer.out("%s  %-11s  %s  %s  %s", when(record.at), record.status or "interrupted", visible.pad(record.id, 44),
      record.endpoint or "", record.playbook)
  end
end

--- The rows of a run, each change with its result.
local function rows_of(store, id)
  local rows, by_number = {}, {}
  for row in store:rows(id) do
    rows[#rows + 1] = row
    by_number[row.number] = row
    local change = row.kind == "result" and by_number[row.of]
    if change then change.result = row end
  end
  return rows
end

local function outcome_of(row)
  if not row.result then return "interrupted; outcome unknown" end
  local detail = require "gpupt.json".decode(row.result.detail or "{}") or {}
  return detail.ok and "done" or ("failed: %s"):format(detail.message or "?")
end

local function print_run(record, rows, all)
  printer.out("%s  %s  %s\n%s on %s by %s at %s", record.id, record.status or "interrupted",
    record.playbook, when(record.at), record.endpoint or "?", record.who or "?", record.client_host or "?")
  for _, row in ipairs(rows) do
    if row.kind == "change" and row.operation then
      printer.out("  %s  %s %s %s: %s", when(row.at):sub(12), visible.pad(row.target or "", 12),
        visible.pad(row.step or "", 12), row.what, outcome_of(row))
    elseif row.kind == "target" or all then
      printer.out("  %s  %s %s %s %s", when(row.at):sub(12), visible.pad(row.target or "", 12),
        visible.pad(row.step or "", 12), row.kind, row.kind == "target" and renamed[row.what] or row.what or "")
    end
  end
end

function command.run(options, words)
  local cli = require "gpupt.cli"
  local playbook = require "gpupt.playbook"
  if #words > 1 then return nil, "expected at most one run", "EUSAGE" end
  local path, message, code = playbook.journal_path(options.journal)
  if not path then return nil, message, code end
  local folder = require "gpupt.core".folder -- does not open it: opening a FIFO would wait
  if not folder.kind(path) then return nil, ("there is no journal at %s yet"):format(path), "ENOENT" end
  local store <close>, why, failed = playbook.read_journal(options.journal)
  if not store then return nil, why, failed end
  if not words[1] then
    list_runs(store, options)
    return cli.OK
  end
  local record
  record, message, code = playbook.find_run(store, words[1])
  if not record then return nil, message, code end
  local rows = rows_of(store, record.id)
  if options.json then
    local json = require "gpupt.json"
    for _, row in ipairs(rows) do
      row.result = nil
      row.detail = row.detail and json.decode(row.detail) or nil
    end
    printer.json { run = record, rows = json.array(rows) }
  else
    print_run(record, rows, options.all)
  end
  return cli.OK
end

return command
