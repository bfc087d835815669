--- gpupt apply: applies a playbook, a saved plan, or the rest of an interrupted run.
local cli = require "gpupt.cli"
local connection = require "gpupt.cli.connection"
local left_out = require "gpupt.cli.left_out"
local next_command = require "gpupt.next_command"
local printer = require "gpupt.printer"

local command = {
  name = "apply",
  plans = true,
  summary = "apply a playbook or a saved plan, or resume an interrupted run",
  usage = "apply PLAYBOOK|FOLDER|PLAN|--resume RUN [--allow WORDS] [options]",
  details = function()
    local lines = { "Disruptive changes need an approval in addition to the playbook's own option:" }
    for _, one in ipairs(require("gpupt.playbook").approvals()) do
      lines[#lines + 1] = ("  %-20s %s"):format(one.word, one.doc)
    end
    lines[#lines + 1] = [[
If the plan needs an approval that is not given, nothing is changed and the exit
status is 4. A row is written to the journal before each change. On Ctrl-C the
steps in progress are finished and nothing more is started; a second Ctrl-C
stops at once. "gpupt stop RUN" does the same from another terminal. Continue an
interrupted run with --resume RUN. Neither the journal nor a plan file contains
secrets: supply those from --var-file or a prompt again. If the playbook has
changed since the plan was saved or the run started, it is not executed.

]] .. connection.outage_help .. connection.limit_help
    return table.concat(lines, "\n")
  end,
  options = connection.with {
    { "allow", "WORD,...", many = true, doc = "the approvals that are given" },
    connection.limit,
    connection.variables[1], connection.variables[2],
    { "journal", "URL", doc = "journal file [$XDG_STATE_HOME/gpupt/journal.db]" },
    { "resume", "RUN", doc = "continue an interrupted run" },
    { "outage", "TIME", doc = "how long to wait for a vCenter that is down [15m]" },
    { "events", doc = "print each event as a JSON object on stdout" },
    { "json", doc = "print the result as JSON" },
  },
  examples = {
    { "gpupt apply first_light.lua --allow reboot", "hosts may be rebooted, one per cluster at a time" },
    { "gpupt apply --resume first-light-20260801", "after an interruption; the journal names the playbook" },
  },
}

--- The approvals of --allow; nil, message, code.
function command.approvals(given)
  local list, known, words = {}, {}, require("gpupt.playbook").approval_words()
  for _, word in ipairs(words) do known[word] = true end
  for _, one in ipairs(given or {}) do
    for word in one:gmatch "[^,%s]+" do
      if not known[word] then
        return nil, ("--allow %s: unknown approval%s"):format(word, require "gpupt.nearest".hint(word, words)),
          "EUSAGE"
      end
      list[#list + 1] = word
    end
  end
  return list
end

--- The playbook that the command line names; nil, message, code.
local function subject(options, words, store)
  local given, argv, code = connection.vars(options)
  if not given then return nil, argv, code end
  return require("gpupt.playbook").open { path = words[1], vars = given, argv = argv, journal = store,
    resume = options.resume }
end

-- What gets the events of a run, whether it shows the progress of tasks, and what to close at the end.
local function listener(options)
  if options.events then return printer.event, true end
  local live = require "gpupt.cli.terminal".is(2)
  local progress = require "gpupt.cli.progress".new(live)
  return function(event) progress:event(event) end, live, progress
end

-- What one run leaves to say, and its exit status.
local function say_end(result, allow)
  if result.status == "nothing" or result.status == "done" then return cli.OK end
  if result.status == "partial" then
    return left_out.of_run(result.skipped)
  end
  if result.status == "away" then
    cli.complain("vCenter %s: %s. Nothing was changed there", result.vcenter, (result.message:gsub("%.$", "")))
    return cli.UNREACHABLE
  end
  if not result.id then
    cli.complain("vCenter %s: %s", result.vcenter, result.message)
    return cli.FAILED
  end
  for _, target in ipairs(result.targets) do
    -- that the claims are lost was said when it was found
    if (target.status == "failed" and target.code ~= "ELAPSED") or target.status == "deferred" then
      local where = target.source and not target.message:find(target.source, 1, true) and target.source .. ": " or ""
      local step = target.step and target.step .. ": " or ""
      local name = target.message:find(target.target, 1, true) and "" or target.target .. ": "
      cli.complain("%s%s%s%s", where, step, name, target.message)
    end
  end
  if result.status == "interrupted" then
    cli.complain("interrupted; continue with: %s", next_command.resume(result.id, allow))
    return cli.INTERRUPTED
  end
  if result.status == "paused" then
    cli.complain("run %s has %s; go on with: %s", result.id, result.message, next_command.resume(result.id, allow))
    return cli.PAUSED
  end
  cli.complain("run %s failed; fix the cause, then continue with: %s", result.id, next_command.resume(result.id, allow))
  for _, target in ipairs(result.targets) do
    if target.code == "EAPPROVAL" then return cli.PENDING end
  end
  return cli.FAILED
end

-- Another run may get the planned cards first: so often it is planned again, with other cards.
local PLANS = 5

-- Exit statuses of several runs, the one that counts first.
local WORST = { cli.INTERRUPTED, cli.FAILED, cli.PENDING, cli.PAUSED, cli.UNREACHABLE, cli.OK }

local function finish(options, run, allow)
  local result = run:result()
  if options.json then
    printer.json(result)
  elseif not options.events then
    local text = tostring(run)
    if text ~= "" then printer.out("%s", text) end
  end
  if result.status == "nothing" or result.status == "partial" and not cli.journalled.any then
    if not options.json and not options.events then
      printer.out("%s", result.undoes and "nothing is left to undo" or "nothing to change")
    end
    if result.status == "nothing" then return cli.OK end
  end
  local worst = #WORST
  for _, one in ipairs(result.runs or { result }) do
    local status = say_end(one, allow)
    for rank, known in ipairs(WORST) do if status == known then worst = math.min(worst, rank) end end
  end
  return WORST[worst]
end

-- The plan; of one without changes, only what it left out, the runs that may be why, and VMs that are not where `place`
-- says: the rest is the result. One without hosts and VMs says that its p.finds found none.
local function show(plan)
  if #plan:changes() > 0 or plan.lost and #plan:lost() + #plan:left() > 0 then
    printer.err("%s\n", plan:text { width = require "gpupt.cli.terminal".columns "stderr" })
    return
  elseif plan.entries and #plan.entries == 0 and #plan:left_out() == 0 then
    for _, event in ipairs(plan.notes) do printer.err("  %s: %s", event.target or "", event.text) end
  end
  for _, claim in ipairs(plan:claimed()) do printer.err("! %s. %s", claim.text, claim.next) end
  for _, list in ipairs { plan:left_out(), plan:misplaced() } do
    for _, one in ipairs(list) do printer.err("! %s", one.text) end
  end
end

--- What is wrong with the options of a command that makes changes, or nil.
function command.usage_problem(options, name)
  if connection.record_folder(options) then
    return name .. " cannot be recorded, because it changes things: unset GPUPT_RECORD (gpupt plan "
      .. "can be recorded)"
  end
  local seconds, invalid = require("gpupt.units").duration(options.outage or "15m")
  if not seconds then return "--outage: " .. invalid end
  if options.events and options.json then
    return "--events and --json cannot be combined: events are one object per line, the result is one object"
  end
end

--- Prints the plan and applies it; the exit status, or nil, message, code, detail. `plan_again()`: makes another plan,
-- when another run got the planned cards first.
function command.carry_out(plan, store, allow, options, plan_again)
  local on_event, shows, progress = listener(options)
  local quiet = options.events or options.json
  if not quiet then show(plan) end
  -- the first Ctrl-C lets the steps in progress finish
  local signals = require "gpupt.net".signals
  signals.drain(true)
  local run, message, code, detail
  for try = 1, PLANS do
    run, message, code, detail = plan:apply { journal = store, allow = allow, on_event = on_event,
      progress = shows, outage = options.outage, asked = function()
        if not signals.asked() then return end
        return "drain", "interrupted", "interrupted (Ctrl-C again stops at once)"
      end }
    local again = plan_again and not run and type(detail) == "table" and detail.again
    if not again or try == PLANS or signals.asked() then break end
    printer.err("%s\nplanning again, because other cards may be free\n", message)
    plan, message, code, detail = plan_again()
    if not plan then break end
    if not quiet then show(plan) end
  end
  signals.drain(false)
  if progress then progress:close() end
  if not run then return nil, message, code, detail end
  local result = run:result()
  local id = result.id
  local journalled = id ~= nil
  for _, one in ipairs(result.runs or {}) do journalled = journalled or one.id ~= nil end
  cli.journalled = { counts = not options.json, any = journalled,
    text = journalled and "see " .. next_command.status(id) or "nothing was changed" }
  return finish(options, run, allow)
end

function command.run(options, words)
  local playbook = require "gpupt.playbook"
  local allow, message, code = command.approvals(options.allow)
  if not allow then return nil, message, code end
  local problem = command.usage_problem(options, command.name)
  if problem then return nil, problem, "EUSAGE" end
  if #words == 0 and not options.resume then return nil, "expected a playbook or a plan file", "EUSAGE" end
  if #words > 1 then return nil, "expected one playbook or plan file, not " .. #words, "EUSAGE" end
  local limit, malformed, usage = connection.limits(options)
  if malformed then return nil, malformed, usage end
  local path
  path, message, code = playbook.journal_path(options.journal)
  if not path then return nil, message, code end
  local store
  if options.resume then
    store, message, code = playbook.open_journal(options.journal)
    if not store then return nil, message, code end
  end
  local pb, why, failed, details = subject(options, words, store)
  if not pb then return nil, why, failed, details end
  local vc <close> = connection.open_for(pb, options)
  -- the claims of other runs are shown beside what cannot be planned
  if not store then store = require "gpupt.cli.book".open(options) end
  local plan, detail
  plan, message, code, detail = pb:plan(vc, { limit = limit, journal = store })
  if not plan then return nil, message, code, detail end
  -- a plan without changes needs no journal: nothing is written then, not even an empty file
  if not store and #plan:changes() > 0 and #plan:needs() <= #allow then
    store, message, code = playbook.open_journal(options.journal)
    if not store then return nil, message, code end
  end
  local may_repeat = not pb.saved and not options.resume
  local results = table.pack(command.carry_out(plan, store, allow, options, may_repeat and function()
    return pb:plan(vc, { limit = limit, journal = store })
  end))
  if store then store:close() end
  return table.unpack(results, 1, results.n)
end

return command
