--- gpupt release: frees the claims that a run left behind.
local book = require "gpupt.cli.book"
local connection = require "gpupt.cli.connection"
local next_command = require "gpupt.next_command"
local printer = require "gpupt.printer"
local visible = require "gpupt.visible"

local command = {
  name = "release",
  summary = "free the hosts and cards that a dead run still claims",
  usage = "release RUN [--force HOST,...] [options]",
  details = [[
A run that was killed leaves its claims for some minutes, and those of a host
that it took out of service until the run is resumed or released. "release"
looks at each host and frees the claims of those that are in service again. If
a host is out of service through the run, its claims stay, unless --force names
it. If a process still works on the run, nothing is released: stop it with
"gpupt stop RUN". Changes nothing on the server. Exit status 1 if claims stay.]],
  options = connection.with {
    { "force", "HOST,...", many = true, doc = "free also the claims of these hosts" },
    { "journal", "URL", doc = "journal file [$XDG_STATE_HOME/gpupt/journal.db]" },
    { "json", doc = "print the result as JSON" },
  },
  examples = {
    { "gpupt release first-light-20260801", "after a look at its hosts" },
    { "gpupt release first-light-20260801 --force esx-07", "esx-07 stays in maintenance mode" },
  },
}

local function hosts_of(given)
  local list = {}
  for _, one in ipairs(given or {}) do
    for name in one:gmatch "[^,%s]+" do list[#list + 1] = name end
  end
  return list
end

local function print_result(result)
  if #result.claims == 0 then
    printer.out("run %s holds no claims", result.run)
    return
  end
  local rows = { { "CLAIM", "HOST IS", "RESULT" } }
  for _, entry in ipairs(result.claims) do
    rows[#rows + 1] = { entry.what, entry.state, entry.released and "released" or "kept" }
  end
  printer.out("%s", visible.lines(visible.table(rows)))
end

-- The hosts whose claims stay, and why, each once.
local function complain_of_kept(result)
  local cli = require "gpupt.cli"
  local seen, names = {}, {}
  for _, entry in ipairs(result.claims) do
    local name = entry.host or entry.what
    if entry.kept and not seen[name] then
      seen[name] = true
      if entry.host then names[#names + 1] = entry.host end
      cli.complain("host %s: %s", name, entry.kept)
    end
  end
  cli.complain("their claims stay. Continue the run with: %s; or bring the hosts back into "
    .. "service and release it again; or free them as they are: %s", next_command.resume(result.run),
    next_command.release(result.run, #names > 0 and table.concat(names, ",") or "HOST"))
end

function command.run(options, words)
  local cli = require "gpupt.cli"
  if #words ~= 1 then return nil, "expected one run; list them with: " .. next_command.status(), "EUSAGE" end
  local store <close>, message, code = book.open(options)
  if not store then return nil, message, code end
  local vc <close> = connection.open(options)
  local result
  result, message, code = require "gpupt.playbook".release(store, vc, words[1], { force = hosts_of(options.force) })
  if not result then return nil, message, code end
  if options.json then
    local json = require "gpupt.json"
    result.claims = json.array(result.claims)
    printer.json(result)
  else
    print_result(result)
  end
  if result.complete then return cli.OK end
  complain_of_kept(result)
  return cli.FAILED
end

return command
