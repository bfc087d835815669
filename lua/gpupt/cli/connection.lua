--- Connections for commands: the options that all commands with a server share, and the connection they open.
-- Passwords, tokens and tickets never come from the command line, only from the environment (GOVC_PASSWORD, whose value
-- may name a file), a file or a command.
local cli = require "gpupt.cli"
local failure = require "gpupt.failure"

local connection = {}

connection.options = {
  { "url", "URL", doc = "the server: https://vcenter.example/sdk (GOVC_URL)" },
  { "username", "NAME", doc = "the account to log in with (GOVC_USERNAME)" },
  { "password-file", "FILE", doc = "read the password from FILE's first line" },
  { "password-command", "CMD", doc = "read the password from CMD's first line of output" },
  { "token-file", "FILE", doc = "log in with the SAML token in FILE (mode 0600)" },
  { "token-command", "CMD", doc = "log in with the SAML token that CMD prints" },
  { "token-key-file", "FILE", doc = "private key of a holder-of-key token (PEM)" },
  { "ticket-file", "FILE", doc = "log in with the clone ticket in FILE (mode 0600)" },
  { "ticket-command", "CMD", doc = "log in with the clone ticket that CMD prints" },
  { "persist-session", doc = "reuse the last command's session and keep it open" },
  { "ca-file", "FILE", doc = "trust the CAs in this PEM file (GOVC_TLS_CA_CERTS)" },
  { "thumbprint", "HEX", doc = "trust only this certificate (SHA-256 or SHA-1)" },
  { "known-hosts", "FILE", doc = "file of 'host:port thumbprint' lines, also for ESXi" },
  { "insecure", doc = "accept any certificate (GOVC_INSECURE)" },
  { "timeout", "SECONDS", doc = "time limit for each call" },
}

--- Appends the shared options to a command's own.
function connection.with(options)
  local list = table.move(options, 1, #options, 1, {})
  table.move(connection.options, 1, #connection.options, #list + 1, list)
  return list
end

-- Every user can see a command line with ps. A malformed URL is not repeated either.
local function check_url(text)
  local rest = text and (text:match "^[hH][tT][tT][pP][sS]?://(.*)$" or text)
  if not rest or not rest:find ":.*@" then return true end
  return nil, "--url: a password in a URL on the command line is visible in the list of processes. Set GOVC_URL, or "
    .. "GOVC_USERNAME and GOVC_PASSWORD, or use --username and --password-file", "EUSAGE"
end

--- Where this command is to write a recording, if anywhere.
function connection.record_folder(options)
  local path = options.record or os.getenv "GPUPT_RECORD"
  return path ~= "" and path or nil
end

local function start_recording(options)
  local path = connection.record_folder(options)
  if not path then return nil end
  return failure.check(require "gpupt.record".open(path, { words = arg }))
end

--- The options of vim.connect for a command line; nil, message, code.
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
      return nil, ("--timeout: '%s' is not a number of seconds"):format(options.timeout), "EUSAGE"
    end
  end
  return { url = options.url, username = options.username, password = password, token_file = options.token_file,
    token_command = options.token_command, token_key_file = options.token_key_file, ticket_file = options.ticket_file,
    ticket_command = options.ticket_command, persist_session = options.persist_session, ca_file = options.ca_file,
    thumbprint = options.thumbprint, known_hosts = options.known_hosts, insecure = options.insecure, timeout = timeout }
end

-- The exit status counts where the failure happened: whatever keeps a command from logging in is 3, but for values that
-- are malformed, Ctrl-C, and a recording that cannot be written.
local function connected(result, message, code, detail)
  if result ~= nil then return result end
  local err = failure.new(message, code, detail)
  if code == "EUSAGE" or code == "EINVAL" then
    err.status = cli.USAGE
  elseif code ~= "ECANCELLED" and code ~= "ERECORD" then
    err.status = cli.UNREACHABLE
  end
  error(err, 0)
end

--- Opens the connection. Raises the failure, with its exit status.
function connection.open(options)
  local o = connected(options_of(options))
  o.record = start_recording(options)
  require "gpupt.net".signals.catch() -- SIGTERM ends a command like Ctrl-C: it logs out
  return connected(require "gpupt.vim".connect(o))
end

-- The options that a playbook with p.vcenter answers itself.
local OF_PLAYBOOK = { "url", "username", "password_file", "password_command", "token_file", "token_command",
  "token_key_file", "ticket_file", "ticket_command", "persist_session", "ca_file", "thumbprint", "known_hosts",
  "insecure", "timeout" }

--- Opens the connection for a playbook: that of the options, or of the vCenters that the playbook names. Raises as open
-- does.
function connection.open_for(pb, options)
  local names = connected(pb:vcenters())
  if #names == 0 then return connection.open(options) end
  for _, name in ipairs(OF_PLAYBOOK) do
    if options[name] then
      connected(nil, ("--%s: the playbook names its vCenters itself (p.vcenter): leave the option out"):format(
        (name:gsub("_", "-"))), "EUSAGE")
    end
  end
  if connection.record_folder(options) then
    connected(nil, "a playbook with p.vcenter cannot be recorded: unset GPUPT_RECORD", "EUSAGE")
  end
  require "gpupt.net".signals.catch()
  local sites = connected(pb:connect())
  local only = #sites == 1 and sites[1]
  if only and not only.vc then
    connected(nil, ("vCenter %s: %s"):format(only.name, only.message), only.code, only.detail)
  end
  return sites
end

--- Ends the session that --persist-session kept; whether there was one. Raises as open does.
function connection.logout(options) return connected(require "gpupt.vim".logout(connected(options_of(options)))) end

--- The options of commands that read a playbook with variables.
connection.variables = {
  { "var", "NAME=VALUE", many = true, doc = "set a variable of the playbook (not for secrets)" },
  { "var-file", "FILE", many = true, doc = "read variables and secrets from FILE (mode 0600)" },
}

--- The option of commands that can work on a part of a playbook's targets.
connection.limit = { "limit", "PATTERN,...", many = true,
  doc = "only the hosts and VMs of these names" }

--- How long is waited: for commands with --outage.
connection.outage_help = [[
--outage is the time for a vCenter that is down. A host that is away has
back_within of the playbook's roll instead.

]]

connection.limit_help = [[
--limit takes names, and patterns of names as in inventory paths: * ? [abc]
{a,b}. Commas separate them, !PATTERN excludes, and the option can be repeated:
--limit 'gpu-*,!gpu-07'. A pattern that matches nothing is an error.]]

--- The patterns of --limit, or nil without any; nil, message, "EUSAGE" for malformed ones.
function connection.limits(options)
  if not options.limit then return nil end
  local ok, message = require("gpupt.playbook").check_limit(options.limit)
  if not ok then return nil, message, "EUSAGE" end
  return options.limit
end

--- The variables of --var and --var-file, and the set of names from the command line; nil, message, code.
function connection.vars(options)
  local vars, argv = {}, {}
  local function take(name, value, where)
    if vars[name] ~= nil then return nil, ("%s: '%s' is given twice"):format(where, name), "EUSAGE" end
    vars[name] = value
    return true
  end
  for _, word in ipairs(options.var or {}) do
    local name, value = word:match "^([%a_][%w_]*)=(.*)$"
    -- the rest of the word may be a secret
    if not name then return nil, ("--var %s: must be NAME=VALUE"):format(word:match "^[^=]*"), "EUSAGE" end
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
