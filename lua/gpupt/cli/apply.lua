--- gpupt apply: carries a playbook (or a saved plan) out.
local connection = require "gpupt.cli.connection"
local printer = require "gpupt.printer"

local command = {
  name = "apply",
  summary = "carries a playbook or a saved plan out: journalled, resumable, proved",
  usage = "apply PLAYBOOK|PLANFILE [--allow WORD,...] [--journal URL] [--resume RUN] [--limit GLOB] [--events]",
  details = [[
What could hurt needs an approval besides the playbook's own option: reboot, guest-shutdown, power-off, sessions, bios,
vbs-off, hide-hypervisor, delete-snapshots, foreign-maintenance, drain-vmotion, over-commit, delete-vm. Without one that
the plan needs, nothing is changed and the status is 4. Before each change a row goes to the journal; a run that was cut
off goes on with --resume RUN. Neither the journal nor a plan file holds a secret: one that came from --var-file or was
typed in is given again, or typed again. What changed since is refused before any of it has run.]],
  options = connection.with {
    { "allow", "WORD,...", many = true, doc = "approvals" },
    { "limit", "GLOB", doc = "only hosts and machines of these names" },
    connection.variables[1], connection.variables[2],
    { "journal", "URL", doc = "the journal file [$XDG_STATE_HOME/gpupt/journal.db]" },
    { "resume", "RUN", doc = "go on with a run that was cut off" },
    { "events", doc = "one JSON object per event on stdout" },
    { "json", doc = "the result as JSON" },
  },
  examples = {
    { "gpupt apply first_light.lua --allow reboot", "hosts may be rebooted, one per cluster at a time" },
    { "gpupt apply --resume first-light-20260801", "after an interruption; the playbook is in the journal" },
  },
}

command.words = { "reboot", "guest-shutdown", "power-off", "sessions", "bios", "vbs-off", "hide-hypervisor",
  "delete-snapshots", "foreign-maintenance", "drain-vmotion", "over-commit", "delete-vm" }

local function approvals(given)
  local list, known = {}, {}
  for _, word in ipairs(command.words) do known[word] = true end
  for _, one in ipairs(given or {}) do
    for word in one:gmatch "[^,%s]+" do
      if not known[word] then
        return nil, ("--allow %s: there is no such approval%s"):format(word,
          require "gpupt.nearest".hint(word, command.words)), "EUSAGE"
      end
      list[#list + 1] = word
    end
  end
  return list
end

local function is_plan(path)
  local file = io.open(path, "rb")
  if not file then return false end
  local start = file:read(64) or ""
  file:close()
  return start:find '^%s*{%s*"' ~= nil
end

--- The playbook that the words mean, with `saved` when it is a plan file, and the run that is resumed. What the plan
-- file or the journal knows of its files is compared before anything of it is executed.
local function subject(options, words, store)
  local playbook = require "gpupt.playbook"
  local journal = require "gpupt.playbook.journal"
  local given, argv, code = connection.vars(options)
  if not given then return nil, argv, code end
  local record, note, pb, message
  if options.resume then
    record, message, code = journal.resumable(store, options.resume)
    if not record then return nil, message, code end
    note = journal.read_note(store, record)
    options.limit = options.limit or note.limit
  end
  local path = words[1] or record and record.playbook
  if not path or #words > 1 then return nil, "one playbook or plan file is needed", "EUSAGE" end
  local expect = note and note.expect or nil
  if is_plan(path) then
    pb, message, code = playbook.load_plan(path, given, { argv = argv, expect = expect })
    if pb then options.limit = options.limit or pb.saved.limit end
  else
    local vars = note and note.vars or {}
    for name, value in pairs(given) do vars[name] = value end
    pb, message, code = playbook.load(path, vars, { argv = argv, expect = expect, since = note and note.since })
  end
  if not pb then return nil, message, code end
  return pb, record and record.id
end

local function listener(options)
  if options.events then return printer.event end
  local live = require "gpupt.cli.terminal".is(2)
  local progress = require "gpupt.playbook.progress".new(live)
  return function(event) progress:event(event) end, progress
end

local function finish(options, run)
  local cli = require "gpupt.cli"
  local result = run:result()
  if options.json then
    for _, target in ipairs(result.targets) do target.target_record = nil end
    printer.json(result)
  elseif not options.events then
    printer.out("%s", require "gpupt.playbook.report".text(run))
  end
  if result.status == "nothing" then
    if not options.json and not options.events then printer.out "nothing to change" end
    return cli.OK
  end
  if result.status == "done" then return cli.OK end
  for _, target in ipairs(result.targets) do
    if target.status == "failed" or target.status == "deferred" then
      cli.complain("%s: %s", target.step or target.target, target.message)
    end
  end
  if result.status == "interrupted" then
    cli.complain("interrupted: gpupt apply --resume %s goes on", result.id)
    return cli.INTERRUPTED
  end
  cli.complain("run %s failed: gpupt apply --resume %s goes on when the cause is gone", result.id, result.id)
  for _, target in ipairs(result.targets) do
    if target.code == "EAPPROVAL" then return cli.PENDING end
  end
  return cli.FAILED
end

function command.run(options, words)
  local journal = require "gpupt.playbook.journal"
  local allow, message, code = approvals(options.allow)
  if not allow then return nil, message, code end
  if #words == 0 and not options.resume then return nil, "a playbook or a plan file is needed", "EUSAGE" end
  if #words > 1 then return nil, "one playbook or plan file is needed, not " .. #words, "EUSAGE" end
  local path
  path, message, code = journal.path(options.journal)
  if not path then return nil, message, code end
  local store
  if options.resume then
    store, message, code = journal.open(options.journal)
    if not store then return nil, message, code end
  end
  local pb, resumed, failed = subject(options, words, store)
  if not pb then return nil, resumed, failed end
  local vc <close>, why, unreachable = connection.open(options)
  if not vc then return nil, why, unreachable end
  local plan
  plan, message, code = pb:plan(vc, { limit = options.limit, journal = store, run = resumed })
  if not plan then return nil, message, code end
  if pb.saved then
    local ok
    ok, message, code = require "gpupt.playbook.saved".compare(plan, pb.saved)
    if not ok then return nil, message, code end
  end
  -- a plan without changes needs no journal: nothing is written then, not even an empty file
  if not store and #plan:changes() > 0 and #plan:needs() <= #allow then
    store, message, code = journal.open(options.journal)
    if not store then return nil, message, code end
  end
  local on_event, progress = listener(options)
  if #plan:changes() > 0 and not options.events and not options.json then printer.err("%s\n", tostring(plan)) end
  local run
  run, message, code = plan:apply { journal = store, allow = allow, on_event = on_event, run = resumed }
  if progress then progress:close() end
  if not run then
    if store then store:close() end
    return nil, message, code
  end
  local status = finish(options, run)
  if store then store:close() end
  return status
end

return command
