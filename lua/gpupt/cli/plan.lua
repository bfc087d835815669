--- gpupt plan: what a playbook would change, and which approvals it needs.
local connection = require "gpupt.cli.connection"
local printer = require "gpupt.printer"

local command = {
  name = "plan",
  plans = true,
  summary = "show what a playbook would change and which approvals it needs",
  usage = "plan PLAYBOOK|FOLDER [--out FILE] [--limit PATTERN,...] [options]",
  details = [[
Reads the fleet and changes nothing. Of a folder, all playbooks (*.lua) are one
plan and one run, in the order of their names. Reports all problems at once,
also those that apply would meet: missing privileges, media, memory, secrets.
What the account may not check is printed as "unverified" with the privilege
that the check needs. --out saves the plan to a file. "gpupt apply FILE" reads
the fleet again, and refuses the plan if anything it depends on has changed.
Claims of other runs that are in the way are shown with the command that goes
on from there.

The exit status is 3 if hosts or VMs are left out that could not be reached: the
others can be applied, and apply ends with 3 then. With --exit-code it is 4 as
long as changes are pending. A host without the wanted card does not count.

]] .. connection.limit_help,
  options = connection.with {
    { "out", "FILE", doc = "save the plan for a later apply" },
    connection.limit,
    connection.variables[1], connection.variables[2],
    { "journal", "URL", doc = "journal file [$XDG_STATE_HOME/gpupt/journal.db]" },
    { "check-logins", doc = "try the guest accounts in VMs that run, one VM first" },
    { "without-secrets", doc = "do not read secrets; apply needs them" },
    { "diff", doc = "show each setting before and after" },
    { "exit-code", doc = "exit with status 4 if changes are pending" },
    { "json", doc = "print the changes as JSON" },
  },
  examples = {
    { "gpupt plan first_light.lua", "what would change" },
    { "gpupt plan first_light.lua --limit 'esx-a-*' --out a.plan", "plan a part of the fleet and apply it later" },
  },
}

--- The journal, to show the claims in it; nil if there is none. A plan does not need it.
local function open_journal(options)
  local store, message, code = require "gpupt.playbook".read_journal(options.journal)
  if not store and code ~= "ENOENT" then
    require "gpupt.cli".complain("the claims of other runs cannot be shown: %s", message)
  end
  return store
end

function command.run(options, words)
  local cli = require "gpupt.cli"
  if #words ~= 1 then return nil, "expected one playbook or one folder of playbooks", "EUSAGE" end
  local limit, malformed, usage = connection.limits(options)
  if malformed then return nil, malformed, usage end
  local vars, argv, code = connection.vars(options)
  if not vars then return nil, argv, code end
  local pb, message, detail
  pb, message, code, detail = require "gpupt.playbook".load(words[1], vars, { argv = argv })
  if not pb then return nil, message, code, detail end
  local vc <close> = connection.open_for(pb, options)
  local store = open_journal(options)
  local plan
  plan, message, code, detail = pb:plan(vc, { limit = limit, check_logins = options.check_logins,
    secrets = not options.without_secrets, journal = store })
  if store then store:close() end
  if not plan then return nil, message, code, detail end
  -- saved first: a plan that is shown can be applied
  if options.out then
    local ok
    ok, message, code = plan:save(options.out)
    if not ok then return nil, message, code end
  end
  local changes = plan:changes()
  if options.json then
    local json = require "gpupt.json"
    local groups, stops = plan:groups(), plan:stops()
    for _, group in ipairs(groups) do
      json.array(group.names)
      json.array(group.changes)
    end
    printer.json { playbook = pb.name, changes = json.array(changes), allow = json.array(plan:needs()),
      unverified = json.array(plan.unverified), read_only = plan.read_only, skipped = json.array(plan:left_out()),
      misplaced = json.array(plan:misplaced()),
      claims = json.array(plan:claimed()), groups = json.array(groups), capacity = json.array(plan:capacity()),
      out_of_service = json.array(stops.hosts), shut_down = json.array(stops.vms) }
  else
    printer.out("%s", plan:text { width = require "gpupt.cli.terminal".columns "stdout", diff = options.diff })
  end
  local status = require "gpupt.cli.left_out".of_plan(plan) or cli.OK
  -- pending changes can be applied, and apply says again what it leaves out
  return options.exit_code and #changes > 0 and cli.PENDING or status
end

return command
