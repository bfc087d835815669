--- gpupt plan: what a playbook would change, and which approvals it needs.
local connection = require "gpupt.cli.connection"
local printer = require "gpupt.printer"

local command = {
  name = "plan",
  summary = "what a playbook would change in the fleet, and which approvals it needs",
  usage = "plan PLAYBOOK [--out FILE] [--limit GLOB] [--var NAME=VALUE] [--exit-code]",
  details = [[
Reads the fleet and changes nothing. Every problem is told in one pass. --out writes the plan; gpupt apply takes that
file, looks at the fleet again and refuses when something the plan rests on has moved since.]],
  options = connection.with {
    { "out", "FILE", doc = "write the plan for a later apply" },
    { "limit", "GLOB", doc = "only hosts and machines of these names" },
    connection.variables[1], connection.variables[2],
    { "exit-code", doc = "status 4 when changes are pending" },
    { "json", doc = "the changes as JSON" },
  },
  examples = {
    { "gpupt plan first_light.lua", "what would happen" },
    { "gpupt plan first_light.lua --limit 'esx-a-*' --out a.plan", "one part of the fleet, to be applied later" },
  },
}

function command.run(options, words)
  local cli = require "gpupt.cli"
  if #words ~= 1 then return nil, "one playbook is needed", "EUSAGE" end
  local vars, argv, code = connection.vars(options)
  if not vars then return nil, argv, code end
  local pb, message
  pb, message, code = require "gpupt.playbook".load(words[1], vars, { argv = argv })
  if not pb then return nil, message, code end
  local vc <close>, why, failed = connection.open(options)
  if not vc then return nil, why, failed end
  local plan
  plan, message, code = pb:plan(vc, { limit = options.limit })
  if not plan then return nil, message, code end
  local changes = plan:changes()
  if options.json then
    local json = require "gpupt.json"
    printer.json { playbook = pb.name, changes = json.array(changes), allow = json.array(plan:needs()) }
  else
    printer.out("%s", tostring(plan))
  end
  if options.out then
    local ok
    ok, message, code = plan:save(options.out)
    if not ok then return nil, message, code end
  end
  return options.exit_code and #changes > 0 and cli.PENDING or cli.OK
end

return command
