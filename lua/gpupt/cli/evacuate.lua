--- gpupt evacuate: the plan that moves the VMs with cards of a dying host to other hosts.
local connection = require "gpupt.cli.connection"
local printer = require "gpupt.printer"

local command = {
  name = "evacuate",
  plans = true,
  summary = "plan to move the VMs with cards of a host to other hosts",
  usage = "evacuate HOST [--to HOST,...] [--out FILE] [options]",
  details = [[
A running VM with a card cannot be migrated. For each VM on HOST that holds one
of its cards, the plan shuts the guest down, detaches the card, moves the VM,
and attaches a card of its new host. The playbook for that is written to a file
and planned; nothing changes. Read it, then apply it with its approvals. VMs
without a card are not included: maintenance mode or vMotion moves them.]],
  options = connection.with {
    { "to", "HOST,...", doc = "where to (default: the others of its cluster)" },
    { "out", "FILE", doc = "the playbook; default: evacuate-HOST.lua" },
    { "journal", "URL", doc = "journal file [$XDG_STATE_HOME/gpupt/journal.db]" },
    { "json", doc = "print the plan as JSON (the path: on stderr)" },
  },
  examples = {
    { "gpupt evacuate esx-07", "what would move where" },
    { "gpupt apply evacuate-esx-07.lua --allow guest-shutdown", "move them" },
  },
}

function command.run(options, words)
  if #words ~= 1 then return nil, "expected one host", "EUSAGE" end
  local to
  if options.to then
    to = {}
    for one in options.to:gmatch "[^,]+" do to[#to + 1] = one end
  end
  local made, message, code, detail
  do
    local vc <close> = connection.open(options)
    made, message, code, detail = require "gpupt.playbook".evacuate(vc, words[1], { to = to, out = options.out })
  end
  if not made then return nil, message, code, detail end
  for _, one in ipairs(made.left) do require "gpupt.cli".complain("not included: %s %s", one.name, one.why) end
  options.out = nil
  local status
  status, message, code, detail = require "gpupt.cli.plan".run(options, { made.path })
  if not status then return nil, message, code, detail end
  printer[options.json and "err" or "out"]("the playbook is %s", made.path)
  return status
end

return command
