--- gpupt logout: ends the session that --persist-session kept on the server, and deletes its file.
local connection = require "gpupt.cli.connection"
local printer = require "gpupt.printer"

local command = {
  name = "logout",
  summary = "end the session that --persist-session kept",
  usage = "logout [options]",
  details = [[
A command with --persist-session (or GOVC_PERSIST_SESSION=true) leaves its
session open on the server and stores the cookie in a file (mode 0600) in
$XDG_RUNTIME_DIR/gpupt-sessions or ~/.gpupt/sessions. The next such command for
the same server and user reuses the session. "gpupt logout" ends the session and
deletes the file; give it the same URL and user.]],
  options = connection.with {
    { "json", doc = "print the result as JSON" },
  },
  examples = {
    { "gpupt gpus --persist-session", "log in and keep the session" },
    { "gpupt logout", "end it" },
  },
}

function command.run(options, words)
  if #words > 0 then return nil, "logout takes no arguments", "EUSAGE" end
  local found = connection.logout(options)
  if options.json then
    printer.json { logged_out = found }
  else
    printer.out(found and "logged out" or "there is no saved session")
  end
  return 0
end

return command
