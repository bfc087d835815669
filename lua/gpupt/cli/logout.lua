--- gpupt logout: ends the session that --persist-session has kept, on the server too, and deletes its file.
local connection = require "gpupt.cli.connection"
local printer = require "gpupt.printer"

local command = {
  name = "logout",
  summary = "end the session that --persist-session has kept",
  usage = "logout [options]",
  details = [[
A command with --persist-session (or GOVC_PERSIST_SESSION=true) leaves its session
on the server, and its cookie in a file of mode 0600 in
$XDG_RUNTIME_DIR/gpupt-sessions or ~/.gpupt/sessions. The next such command for
the same server and user goes on with it. This ends the session and deletes the
file; give the same URL and user.]],
  options = connection.with {},
  examples = {
    { "gpupt gpus --persist-session", "logs in, and keeps the session" },
    { "gpupt logout", "ends it" },
  },
}

function command.run(options, words)
  if #words > 0 then return nil, "no words are expected", "EUSAGE" end
  local found, message, code = connection.logout(options)
  if found == nil then return nil, message, code end
  printer.out(found and "logged out" or "no session was kept")
  return 0
end

return command
