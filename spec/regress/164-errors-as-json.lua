--- With --json an error left standard output empty, so a program got a status and a sentence on standard error.
local cli = require "gpupt.cli"
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

describe("an error with --json", function()
  local l, play

  setup(function()
    l = lab.start { speed = 300, fleet = { clusters = { { name = "c", hosts = { lab.host "esx-1" } } } } }
    play = l:write [[return p.playbook { name = "x",
      p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:*" }, p.host.enable {} } }]]
  end)
  teardown(function() l:stop() end)

  --- The error object of the command, which is all of standard output; the message is on standard error as well.
  local function failed(words, status, code, o)
    local result = l:command(words, o)
    assert.equal(status, result.status, result.err .. result.out)
    local object = assert(json.decode(result.out), result.out)
    local names = {}
    for name in pairs(object) do names[#names + 1] = name end
    assert.same({ "error" }, names)
    local err = object.error
    for name in pairs(err) do
      assert.is_truthy(({ code = true, message = true, status = true, detail = true })[name], name)
    end
    assert.equal(code, err.code)
    assert.equal(status, err.status)
    assert.equal("string", type(err.message))
    assert.equal("gpupt: " .. err.message, result.err:sub(1, #err.message + 7))
    return err
  end

  it("is an object for every command and for wrong usage of it", function()
    for _, name in ipairs(cli.commands) do
      local err = failed({ name, "--json", "--no-such-option" }, 2, "EUSAGE")
      assert.matches(name .. ": unknown option '--no-such-option'", err.message, 1, true)
      local declared = false
      for _, option in ipairs(cli.load(name).options) do declared = declared or option[1] == "json" end
      assert.is_true(declared, name .. " has no --json")
    end
    failed({ "plan", "--json" }, 2, "EUSAGE")
    failed({ "vmx", "get", "--json" }, 2, "EUSAGE")
    failed({ "pln", "--json" }, 2, "EUSAGE")
  end)

  it("is an object for what cannot be read", function()
    failed({ "vmx", "get", "/nowhere.vmx", "--json" }, 1, "ENOENT")
    failed({ "doctor", "--vmx", "/nowhere.vmx", "--json" }, 1, "ENOENT")
    failed({ "log", "/nowhere.log", "--json" }, 1, "ENOENT")
    failed({ "bar", "--cards", "/nowhere", "2x10de:20b5", "--json" }, 1, "ENOENT")
    failed({ "pci", "--from", "/nowhere", "--json" }, 1, "ENOENT")
    failed({ "role", "/nowhere.lua", "--json" }, 1, "ENOENT")
    failed({ "status", "--journal", l.dir .. "/none.db", "--json" }, 1, "ENOENT")
    vcenter.write(l.dir .. "/bad.lua", "return 7")
    failed({ "plan", l.dir .. "/bad.lua", "--json" }, 1, "EPLAYBOOK")
  end)

  it("is an object for a server's refusal, with its fault", function()
    failed({ "gpus", "/DC0/host/none", "--json" }, 1, "ENOENT")
    local err = failed({ "gpus", "--json" }, 3, "InvalidLogin", { env = { GOVC_PASSWORD = "Kw-77-31" } })
    assert.is_nil(json.encode(err):find("Kw-77-31", 1, true))
    failed({ "gpus", "--json" }, 3, "ECONNECT", { env = { GOVC_URL = "https://127.0.0.1:1/sdk" } })
    err = failed({ "vim", "QueryOptions", "setting", "--args", play, "--json" }, 1, "EPARSE")
    assert.matches("--args", err.message, 1, true)
    l.sim:trouble({ method = "CurrentTime" }, { kind = "fault", fault = "InvalidState" })
    err = failed({ "vim", "CurrentTime", "ServiceInstance", "--json" }, 1, "InvalidState")
    assert.equal("InvalidState", err.detail.fault._type)
    l.sim:calm()
  end)

  it("names all problems of a plan, and the approvals that are missing", function()
    local none = l:write [[return p.playbook { name = "x", p.hosts { where = "/DC0/host/*",
      devices = p.gpus { match = "1002:*" }, p.host.enable {} } }]]
    local err = failed({ "plan", none, "--json" }, 1, "ENOCARDS")
    assert.equal("esx-1", err.detail.problems[1].target)
    assert.matches("no card matches 1002:*", err.detail.problems[1].text, 1, true)
    err = failed({ "apply", play, "--json", "--journal", l.dir .. "/j.db" }, 4, "EAPPROVAL")
    assert.same({ "reboot" }, err.detail.words)
  end)

  it("is the only object: nothing is printed before what may still fail", function()
    failed({ "plan", play, "--json", "--out", "/nowhere/a.plan" }, 1, "ENOENT")
    vcenter.write(l.dir .. "/a.vmx", 'firmware = "efi"\n')
    failed({ "doctor", "--vmx", l.dir .. "/a.vmx", "--json", "--report", "/nowhere/a.html" }, 1, "ENOENT")
  end)

  it("is an event for apply --events", function()
    local result = l:command { "apply", play, "--events" }
    assert.equal(4, result.status)
    local event = assert(json.decode(result.out))
    assert.equal("error", event.kind)
    assert.equal("EAPPROVAL", event.error.code)
    assert.equal(4, event.error.status)
    assert.equal("number", type(event.time))
  end)

  it("refuses --json with --events, whose outputs are of different forms", function()
    failed({ "apply", play, "--events", "--json" }, 2, "EUSAGE")
  end)
end)
