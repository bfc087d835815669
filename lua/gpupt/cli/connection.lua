--- Connecting for commands: the options that all commands with a server share, and the connection they give.
-- No password, token or ticket stands on the command line: they come from the environment (GOVC_PASSWORD; a value may
-- name a file), from a file, or from a command.
local connection = {}

connection.options = {
  { "url", "URL", doc = "the server, as https://vcenter.example/sdk (GOVC_URL)" },
  { "username", "NAME", doc = "the account (GOVC_USERNAME)" },
  { "password-file", "FILE", doc = "its password is the first line of a file" },
  { "password-command", "COMMAND", doc = "its password is the first line of what a command prints" },
  { "token-file", "FILE", doc = "log in by the SAML token in a file (mode 0600)" },
  { "token-command", "COMMAND", doc = "log in by the SAML token that it prints" },
  { "token-key-file", "FILE", doc = "private key of a holder-of-key token (PEM)" },
  { "ticket-file", "FILE", doc = "log in by the clone ticket in a file (mode 0600)" },
  { "ticket-command", "COMMAND", doc = "log in by the clone ticket that it prints" },
  { "persist-session", doc = "go on with the last command's session, and keep it" },
  { "ca-file", "FILE", doc = "PEM file of the authorities to trust (GOVC_TLS_CA_CERTS)" },
  { "thumbprint", "HEX", doc = "SHA-256 or SHA-1 thumbprint of the certificate to trust" },
  { "known-hosts", "FILE", doc = "lines 'host:port thumbprint', of ESXi hosts too" },
  { "insecure", doc = "trust any certificate (GOVC_INSECURE)" },
  { "timeout", "SECONDS", doc = "for each call" },
}

--- Appends the shared options to a command's own.
function connection.with(options)
  local list = table.move(options, 1, #options, 1, {})
  table.move(connection.options, 1, #connection.options, #list + 1, list)
  return list
end

-- A command line is shown to everybody by ps. Also a malformed URL is not repeated.
local function check_url(text)
  local rest = text and (text:match "^[hH][tT][tT][pP][sS]?://(.*)$" or text)
  if not rest or not rest:find ":.*@" then return true end
  return nil, "--url: a password in a URL on the command line is visible in the list of processes. Set GOVC_URL, or "
    .. "GOVC_USERNAME and GOVC_PASSWORD, or use --username and --password-file", "EUSAGE"
end

--- The options of vim.connect that a command line means; nil, message, code.
local function options_of(options)
  local ok, refusal, usage = check_url(options.url)
  if not ok then return nil, refusal, usage end
  local password
  if options.password_file then password = { file = options.password_file } end
  if options.password_command then password = { command = options.password_command } end
  local timeout
  if options.timeout then
    timeout = tonumber(options.timeout)
    if not timeout or timeout <= 0 then
      return nil, ("--timeout: '%s' is no number of seconds"):format(options.timeout), "EUSAGE"
    end
  end
  return { url = options.url, username = options.username, password = password, token_file = options.token_file,
    token_command = options.token_command, token_key_file = options.token_key_file, ticket_file = options.ticket_file,
    ticket_command = options.ticket_command, persist_session = options.persist_session, ca_file = options.ca_file,
    thumbprint = options.thumbprint, known_hosts = options.known_hosts, insecure = options.insecure, timeout = timeout }
end

--- Opens the connection; nil, message, code.
function connection.open(options)
  local o, message, code = options_of(options)
  if not o then return nil, message, code end
  require "gpupt.net".signals.catch() -- SIGTERM ends a command as Ctrl-C does: it logs out
  return require "gpupt.vim".connect(o)
end

--- Ends the session that --persist-session has kept; nil, message, code.
function connection.logout(options)
  local o, message, code = options_of(options)
  if not o then return nil, message, code end
  return require "gpupt.vim".logout(o)
end

--- The options of commands that read a playbook with variables.
connection.variables = {
  { "var", "NAME=VALUE", many = true, doc = "a value for the playbook's vars; no secrets" },
  { "var-file", "FILE", many = true, doc = "values and secrets, yours alone (mode 600)" },
}

--- The variables of --var and --var-file, and the set of names that stood on the command line; nil, message, code.
function connection.vars(options)
  local vars, argv = {}, {}
  local function take(name, value, where)
    if vars[name] ~= nil then return nil, ("%s: '%s' is given twice"):format(where, name), "EUSAGE" end
    vars[name] = value
    return true
  end
  for _, word in ipairs(options.var or {}) do
    local name, value = word:match "^([%a_][%w_]*)=(.*)$"
    -- what stands behind the name may be a secret
    if not name then return nil, ("--var %s: NAME=VALUE is needed"):format(word:match "^[^=]*"), "EUSAGE" end
    local ok, message, code = take(name, value, "--var")
    if not ok then return nil, message, code end
    argv[name] = true
  end
  for _, path in ipairs(options.var_file or {}) do
    local values, message, code = require("gpupt.playbook").read_var_file(path)
    if not values then return nil, message, code end
    for name, value in pairs(values) do
      local ok
      ok, message, code = take(name, value, "--var-file " .. path)
      if not ok then return nil, message, code end
    end
  end
  return vars, argv
end

return connection
