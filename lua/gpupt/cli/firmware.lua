--- gpupt firmware: the BIOS settings of servers that passthrough depends on, read from their BMCs.
local printer = require "gpupt.printer"
local visible = require "gpupt.visible"

local VARIABLE = "GPUPT_BMC_PASSWORD"

local command = {
  name = "firmware",
  summary = "show the BIOS settings of servers that passthrough depends on",
  usage = "firmware HOST... --login NAME [--bmc URL] [options]",
  details = [[
Reads the BIOS settings over Redfish, changes nothing, and needs no vCenter.
HOST is a BMC's name or address; with --bmc it is the name of a host, and {host}
in the URL stands for it ({short}: up to the first dot). The password is read
from GPUPT_BMC_PASSWORD, or with --password-file or --password-command. One that
a BMC refuses is sent to no other. WANTED is what passthrough needs; the step
p.host.firmware sets it, and the exit status is 1 if a server differs. A "*"
marks an attribute whose name is not from a document of this vendor.]],
  options = {
    { "bmc", "URL", doc = "address of a host's BMC: 'https://{host}-bmc.example'" },
    { "login", "NAME", doc = "the account at the BMC" },
    { "password-file", "FILE", doc = "read the password from FILE's first line" },
    { "password-command", "CMD", doc = "read the password from CMD's first line of output" },
    { "ca-file", "FILE", doc = "trust the CAs in this PEM file" },
    { "thumbprint", "HEX", doc = "trust only this certificate (SHA-256 or SHA-1)" },
    { "timeout", "SECONDS", doc = "time limit for each request" },
    { "json", doc = "print the results of gpupt.redfish.read as JSON" },
  },
  examples = {
    { "gpupt firmware esx-01-bmc.example --login root --ca-file bmc-ca.pem", "one server" },
    { "gpupt firmware esx-01 esx-02 --bmc 'https://{host}-bmc.example' --login root", "by the names of the hosts" },
  },
}

local WANTED = { above_4g = true, iommu = true, sr_iov = true }
-- servers that are read at the same time
local MOST = 16

local function address(options, host)
  if not options.bmc then return host end
  local short = host:match "^[^.]*"
  return (options.bmc:gsub("{(%a+)}", { host = host, short = short }))
end

local function password_of(options)
  if options.password_file then return { file = options.password_file } end
  if options.password_command then return { command = options.password_command } end
  if os.getenv(VARIABLE) then return { env = VARIABLE } end
  return nil, ("no password was given: set %s, or use --password-file or --password-command"):format(VARIABLE),
    "EUSAGE"
end

local function read(host, options, shared)
  local redfish = require "gpupt.redfish"
  local bmc, message, code = redfish.open { url = address(options, host), username = options.login,
    password = shared.password, ca_file = options.ca_file, thumbprint = options.thumbprint, timeout = shared.timeout,
    logins = shared.logins }
  if not bmc then return { host = host, message = message, code = code } end
  local closing <close> = bmc -- luacheck: ignore
  local seen
  seen, message, code = redfish.read(bmc, WANTED)
  if not seen then return { host = host, message = message, code = code } end
  seen.host, seen.bmc = host, bmc.base
  return seen
end

local function read_all(hosts, options, shared)
  local loop = require "gpupt.loop"
  local results = {}
  loop.run(function()
    local places, fibers = loop.semaphore(MOST), {}
    for i, host in ipairs(hosts) do
      fibers[i] = loop.spawn(function()
        local token <close> = places:acquire() -- luacheck: ignore
        results[i] = read(host, options, shared)
      end)
    end
    for _, fiber in ipairs(fibers) do fiber:join() end
  end)
  return results
end

local function text(value) return value == nil and "-" or tostring(value) end

-- Whether the server is not as passthrough needs it.
local function falls_short(line) return line.wanted ~= nil and line.current ~= line.wanted end

local function print_server(seen)
  local about = { seen.maker, seen.model }
  if seen.version then about[#about + 1] = "BIOS " .. seen.version end
  printer.out("%s: %s", seen.host, #about > 0 and table.concat(about, ", ") or "unknown server")
  local rows, notes = { { "SETTING", "ATTRIBUTE", "CURRENT", "PENDING", "WANTED" } }, {}
  for _, line in ipairs(seen.lines) do
    local attribute = line.attribute and line.attribute .. (line.unverified and " *" or "") or "-"
    rows[#rows + 1] = { line.label, attribute, text(line.current), text(line.pending), text(line.wanted) }
    if line.note then notes[#notes + 1] = ("%s: %s"):format(line.label, line.note) end
    if line.problem then notes[#notes + 1] = line.problem end
  end
  if seen.registry_missing then notes[#notes + 1] = "no attribute registry: " .. seen.registry_missing end
  if not seen.settings then notes[#notes + 1] = "the BMC shows no pending settings: it cannot change them" end
  for _, message in ipairs(seen.messages) do notes[#notes + 1] = "the BIOS says: " .. message end
  printer.lines(visible.table(rows))
  for _, note in ipairs(notes) do printer.out("  %s", note) end
end

local function print_json(results)
  local json = require "gpupt.json"
  for _, seen in ipairs(results) do
    if seen.lines then
      json.array(seen.lines)
      json.array(seen.messages)
    end
  end
  printer.json { servers = json.array(results) }
end

function command.run(options, words)
  local cli = require "gpupt.cli"
  if #words == 0 then return nil, "expected the name of at least one host or BMC", "EUSAGE" end
  if not options.login then return nil, "--login is needed: the account at the BMC", "EUSAGE" end
  if options.bmc and #words > 1 and not options.bmc:find "{%a+}" then
    return nil, "--bmc must contain {host} or {short} when several hosts are given", "EUSAGE"
  end
  local password, message, code = password_of(options)
  if not password then return nil, message, code end
  local shared = { logins = require("gpupt").logins.new(), password = password }
  if options.timeout then
    shared.timeout = tonumber(options.timeout)
    if not shared.timeout or shared.timeout <= 0 then
      return nil, ("--timeout: '%s' is not a number of seconds"):format(options.timeout), "EUSAGE"
    end
  end
  require "gpupt.net".signals.catch()
  local results = read_all(words, options, shared)
  local status = cli.OK
  for i, seen in ipairs(results) do
    if not options.json and seen.lines then
      if i > 1 then printer.out "" end
      print_server(seen)
    end
    if seen.message then
      local named = seen.message:find(seen.host, 1, true)
      cli.complain("%s", named and seen.message or ("%s: %s"):format(seen.host, seen.message))
      status = math.max(status, cli.status_of(seen.code))
    end
    for _, line in ipairs(seen.lines or {}) do if falls_short(line) then status = math.max(status, cli.FAILED) end end
  end
  if options.json then print_json(results) end
  return status
end

return command
