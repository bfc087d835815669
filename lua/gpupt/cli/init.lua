--- The gpupt command: loads the subcommand, parses its options, and turns results into exit statuses.
-- Exit: 0 done, 1 something failed or a problem was found, 2 wrong usage, 3 no connection or login, 4 changes pending
-- or an approval missing, 130 interrupted (143 by SIGTERM, 129 by SIGHUP). Data goes to stdout, everything else to
-- stderr. A command is one file lua/gpupt/cli/<name>.lua that returns the table of args.lua plus `run(options, words)
-- -> status`.
local args = require "gpupt.cli.args"
local failure = require "gpupt.failure"
local nearest = require "gpupt.nearest"
local options_of_lua = require "gpupt.options"
local printer = require "gpupt.printer"
local visible = require "gpupt.visible"

local cli = { OK = 0, FAILED = 1, USAGE = 2, UNREACHABLE = 3, PENDING = 4, INTERRUPTED = 130 }

-- In the order of an operator's day.
cli.commands = { "plan", "apply", "status", "role", "gpus", "doctor", "vmx", "bar", "pci", "log", "vim", "logout" }

local function known(name)
  for _, command in ipairs(cli.commands) do
    if command == name then return true end
  end
  return false
end

--- Loads a command's declaration.
function cli.load(name) return require("gpupt.cli." .. name) end

--- Prints to stderr, prefixed as a Unix tool does.
function cli.complain(format, ...)
  if select("#", ...) == 0 then return printer.err("gpupt: %s", format) end
  printer.err("gpupt: " .. format, ...)
end

local function overview()
  local out = { "usage: gpupt COMMAND [options]    (help: gpupt COMMAND --help)", "" }
  for _, name in ipairs(cli.commands) do
    out[#out + 1] = ("  %-12s %s"):format(name, cli.load(name).summary)
  end
  return table.concat(out, "\n") .. "\n"
end

local codes = {
  ECONNECT = cli.UNREACHABLE, EPROXY = cli.UNREACHABLE, ETLS = cli.UNREACHABLE, EUNTRUSTED = cli.UNREACHABLE,
  InvalidLogin = cli.UNREACHABLE, NotAuthenticated = cli.UNREACHABLE, ENOLOGIN = cli.UNREACHABLE,
  EUNSAFE = cli.UNREACHABLE, EAPPROVAL = cli.PENDING, EUSAGE = cli.USAGE,
  ECANCELLED = cli.INTERRUPTED,
}

--- The exit status for a failure's code.
function cli.status_of(code) return codes[code] or cli.FAILED end

-- The exit status that a shell reports for the signal that ended the command.
local function by_signal(status)
  local net = package.loaded["gpupt.net"]
  local number = status == cli.INTERRUPTED and net and net.signals.caught()
  return number and 128 + number or status
end

local function guard(message)
  if failure.is(message) then return message end
  -- "interrupted!" is what lua.c raises on Ctrl-C
  if type(message) == "string" and message:find "interrupted!$" then
    return failure.new("interrupted", "ECANCELLED")
  end
  local lines = {}
  for line in debug.traceback("internal error (please report): " .. visible(message), 2):gmatch "[^\n]+" do
    lines[#lines + 1] = line
  end
  return visible.lines(lines)
end

local function dispatch(words)
  local name = words[1]
  if name == nil then
    printer.page(overview(), true)
    return cli.USAGE
  end
  if name == "help" and words[2] then return dispatch { words[2], "--help" } end
  if name == "--help" or name == "-h" or name == "help" then
    printer.page(overview())
    return cli.OK
  end
  if name == "--version" or name == "version" then
    printer.out(require("gpupt")._VERSION)
    return cli.OK
  end
  if not known(name) then
    cli.complain("unknown command '%s'%s", name, nearest.hint(name, cli.commands))
    return cli.USAGE
  end
  local command = cli.load(name)
  local rest = table.move(words, 2, #words, 1, {})
  for _, word in ipairs(rest) do
    if word == "--" then break end
    if word == "--help" or word == "-h" then
      printer.page(args.help(command))
      return cli.OK
    end
  end
  local options, positional = args.parse(command, rest)
  if not options then
    cli.complain("%s: %s", name, positional)
    printer.err("usage: gpupt %s", command.usage)
    return cli.USAGE
  end
  local ok, status, message, code = xpcall(command.run, guard, options, positional)
  if not ok then
    if failure.is(status) then
      cli.complain("%s", status.message)
      return by_signal(cli.status_of(status.code))
    end
    cli.complain("%s", status)
    return cli.FAILED
  end
  if status == nil and message then
    cli.complain("%s", message)
    if code == "EUSAGE" then printer.err("usage: gpupt %s", command.usage) end
    return by_signal(cli.status_of(code))
  end
  return by_signal(status or cli.OK)
end

--- Runs one command line (a list of words); returns the exit status. Never raises. Output that could not be written
-- (a full disk) is a failure, whatever the command itself returned.
function cli.main(words)
  options_of_lua.flags = true -- messages name options as they are written here
  local status = dispatch(words)
  options_of_lua.flags = false
  local ok, message = printer.flush()
  if ok then return status end
  printer.err("gpupt: standard output cannot be written: %s", message)
  return status == cli.OK and cli.FAILED or status
end

return cli
