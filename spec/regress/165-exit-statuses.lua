--- Some failures had another exit status than the documented one: a login that is refused by rights or an expired password,
-- a server that does not answer, and a malformed thumbprint were 1. The messages named Lua's options.
local lab = require "spec.support.lab"
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("the exit status", function()
  local l

  setup(function()
    l = lab.start { speed = 300, fleet = { clusters = { { name = "c", hosts = { lab.host "esx-1" } } } } }
  end)
  teardown(function() l:stop() end)
  before_each(function() l.sim:calm() end)

  local function gpus(status, wanted, o, more)
    local result = l:command(table.move(more or {}, 1, #(more or {}), 2, { "gpus" }), o)
    assert.equal(status, result.status, result.err)
    assert.matches(wanted, result.err, 1, true)
    return result.err
  end

  for _, fault in ipairs { "NoPermission", "PasswordExpired", "InvalidLogin" } do
    it("is 3 for " .. fault .. " at login", function()
      l.sim:trouble({ method = "Login" }, { kind = "fault", fault = fault })
      gpus(3, "gpupt: ")
    end)
  end

  it("is 1 for a privilege that is missing afterwards", function()
    l.sim:trouble({ method = "CreateContainerView" }, { kind = "fault", fault = "NoPermission" })
    gpus(1, "gpupt: ")
  end)

  it("is 3 for a server that accepts the connection and does not answer", function()
    l.sim:trouble({ method = "Login" }, { kind = "hold", seconds = 20 })
    gpus(3, "timed out", nil, { "--timeout", "0.3" })
  end)

  it("is 3 for an address that does not answer", function()
    gpus(3, "", { env = { GOVC_URL = "https://127.0.0.1:1/sdk" } })
  end)

  it("is 3 without an address or an account, and says what to give", function()
    assert.equal("gpupt: no vCenter given: set GOVC_URL or --url\n", gpus(3, "", { before = "unset GOVC_URL;" }))
    assert.matches("set GOVC_USERNAME or %-%-username\n$", gpus(3, "", { before = "unset GOVC_USERNAME;" }))
    assert.matches("set GOVC_PASSWORD, %-%-password%-file or %-%-password%-command\n$",
      gpus(3, "", { before = "unset GOVC_PASSWORD;" }))
  end)

  it("is 2 for a malformed thumbprint, wherever it comes from", function()
    gpus(2, "gpupt: --thumbprint: 'abc' is not a thumbprint: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits", nil,
      { "--thumbprint", "abc" })
    local port = l.sim.ready.url:match ":(%d+)/"
    local file = l.dir .. "/known"
    vcenter.write(file, ("# hosts\nelsewhere:443 xyz\n127.0.0.1:%s 12:34\n"):format(port))
    local message = ("gpupt: %s:3: '12:34' is not a thumbprint: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits"):format(file)
    gpus(2, message, nil, { "--known-hosts", file })
    gpus(2, message, { env = { GOVC_TLS_KNOWN_HOSTS = file, GOVC_TLS_CA_CERTS = false } })
    vcenter.write(file, ("127.0.0.1:%s\n"):format(port))
    gpus(2, file .. ":1: the thumbprint of 127.0.0.1:" .. port .. " is missing", nil, { "--known-hosts", file })
  end)

  it("is 2 for other values that are malformed", function()
    gpus(2, "gpupt: --url is not a vCenter URL", nil, { "--url", "https://a b/" })
    gpus(2, "gpupt: GOVC_URL is not a vCenter URL", { env = { GOVC_URL = "https://a b/" } })
    gpus(2, "gpupt: --timeout: 'x' is not a number of seconds", nil, { "--timeout", "x" })
    gpus(2, "gpupt: --token-file and --ticket-file cannot be combined", nil,
      { "--token-file", "/a", "--ticket-file", "/b" })
    gpus(2, "gpupt: --token-key-file needs --token-file or --token-command", nil, { "--token-key-file", "/a" })
    local result = l:command { "status", "--journal", "postgres://db/x" }
    assert.equal(2, result.status)
    assert.matches("gpupt: --journal: 'postgres' is not supported, use sqlite:FILE", result.err, 1, true)
  end)

  it("goes with the words of the caller: Lua's options in a program", function()
    local function refused(more, wanted)
      local vc, message = gpupt.vim.connect(l.sim:options(more))
      assert.is_nil(vc)
      assert.matches(wanted, message, 1, true)
    end
    refused({ thumbprint = "abc", ca_file = false }, "thumbprint: 'abc' is not a thumbprint")
    refused({ url = "https://a b/" }, "the option url is not a vCenter URL")
    refused({ token_key_file = "/a" }, "token_key_file needs token_file or token_command")
    refused({ url = "http://127.0.0.1/sdk" }, "or set the option insecure")
    local path, message = gpupt.playbook.journal_path "postgres://db/x"
    assert.is_nil(path)
    assert.matches("journal: 'postgres' is not supported", message)
  end)

  it("goes with the flags on the command line", function()
    gpus(3, "or set --insecure", nil, { "--url", "http://127.0.0.1/sdk" })
    local err = gpus(3, "", { env = { GOVC_TLS_CA_CERTS = "/nowhere" } })
    assert.matches("GOVC_TLS_CA_CERTS", err)
    gpus(3, "cannot read the CA file", nil, { "--ca-file", "/nowhere" })
  end)
end)
