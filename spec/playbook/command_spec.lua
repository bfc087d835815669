-- gpupt plan and apply with invalid input: one clear message on stderr, the right exit status, and no change.
local first_light = require "spec.support.first_light"
local json = require "gpupt.json"
local vcenter = require "spec.support.vcenter"

local function hosts(match)
  return ([[return p.playbook { name = "x", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "%s" },
    p.host.enable {} } }]]):format(match)
end

local function vms_playbook(o)
  return ([[
local cards = p.gpus { match = "10de:20b5" }
return p.playbook { name = "x",
  p.hosts { where = "/DC0/host/gpu-a", devices = cards, p.host.enable {} },
  p.vms { count = %d, name = "m-{n}", place = { %s }, login = p.login("ops", p.secret.env "LINUX_PASSWORD"),
    p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "%s", disk = "20 GiB" },
    p.gpu.attach { devices = cards, count = %d } } }]]):format(o.count or 1,
    o.place or 'cluster = "gpu-a", datastore = "ds-1"', o.memory or "8 GiB", o.cards or 1)
end

describe("gpupt plan and apply", function()
  local l

  setup(function() l = first_light.start { speed = 300 } end)
  teardown(function() l:stop() end)
  before_each(function() l.sim:forget() end)

  local function refused(words, status, wanted, more)
    local result = l:run_command(words, more)
    assert.equal(status, result.status, result.err .. result.out)
    assert.matches(wanted, result.err, 1, true)
    assert.matches("^gpupt: ", result.err)
    assert.equal("", result.out)
    assert.is_nil(result.err:find "stack traceback")
    assert.same({}, l:changing())
    assert.equal(0, l.sim:leftovers().sessions)
    return result
  end

  it("report a wrong password, with status 3", function()
    refused({ "plan", l.playbook }, 3, "refused the login as", { env = { GOVC_PASSWORD = "wrong" } })
  end)

  it("report an unreachable server, with status 3", function()
    refused({ "plan", l.playbook }, 3, "127.0.0.1", { env = { GOVC_URL = "https://127.0.0.1:1/sdk" } })
  end)

  it("report an untrusted certificate, with status 3", function()
    refused({ "plan", l.playbook }, 3, "certificate", { env = { GOVC_TLS_CA_CERTS = "/etc/ssl/certs/ca-certificates.crt" } })
  end)

  it("report where a path without a match was searched", function()
    local path = l:write(hosts "10de:*":gsub("/DC0/host/%*", "/DC0/host/nowhere"))
    refused({ "plan", path }, 1, "nowhere")
  end)

  it("report a pattern without a match, and the existing cards", function()
    refused({ "apply", l:write(hosts "10de:1eb8"), "--allow", "reboot" }, 1,
      "no card matches 10de:1eb8 (its GPUs: 10de:20b5 at 3b:00.0, 10de:20b5 at 86:00.0)")
  end)

  it("report too few free cards, with each card", function()
    refused({ "apply", l:write(vms_playbook { count = 3 }), "--allow", "reboot" }, 1,
      "m-3 needs 1 free GPU of 10de:20b5 on one host: esx-a-1: 3b:00.0 planned for m-1, 86:00.0 planned for m-2")
  end)

  it("report a request for more cards than a host has", function()
    refused({ "plan", l:write(vms_playbook { cards = 3 }) }, 1, "m-1 needs 3 free GPUs of 10de:20b5 on one host")
  end)

  it("report a missing datastore", function()
    refused({ "plan", l:write(vms_playbook { place = 'cluster = "gpu-a", datastore = "ds-9"' }) }, 1, "ds-9")
  end)

  it("report a missing cluster", function()
    refused({ "plan", l:write(vms_playbook { place = 'cluster = "gpu-q", datastore = "ds-1"' }) }, 1, "gpu-q")
  end)

  it("report all problems at once", function()
    local path = l:write [[
      local none = p.gpus { match = "10de:1eb8" }
      return p.playbook { name = "x", p.hosts { where = "/DC0/host/*", devices = none, p.host.enable {} },
        p.vms { name = "m", place = { cluster = "gpu-a", datastore = "ds-9" },
          p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "20 GiB" } } }]]
    local result = refused({ "plan", path }, 1, "esx-a-1: no card matches")
    assert.matches("esx-b-1: no card matches", result.err, 1, true)
    assert.matches("ds-9", result.err, 1, true)
  end)

  it("report a misspelt option with its line and the nearest name", function()
    local path = l:write 'return p.playbook { name = "x",\n p.hosts { where = "/*", p.host.enable { aply = "auto" } } }'
    refused({ "plan", path }, 1, path .. ":3: p.host.enable: unknown option 'aply' (did you mean 'apply'?)")
  end)

  it("report a Lua error with its line", function()
    local path = l:write 'local x = nil\nreturn x.y'
    refused({ "plan", path }, 1, path .. ":3: attempt to index a nil value (local 'x')")
  end)

  it("report a missing playbook", function() refused({ "plan", "/nowhere.lua" }, 1, "/nowhere.lua: No such file") end)

  it("report an unknown approval with the nearest name, with status 2", function()
    refused({ "apply", l.playbook, "--allow", "rebot" }, 2, "unknown approval (did you mean 'reboot'?)")
  end)

  it("report a malformed --var, with status 2", function()
    refused({ "plan", l.playbook, "--var", "site" }, 2, "--var site: must be NAME=VALUE")
  end)

  it("stop if approvals are missing, with status 4", function()
    local result = l:run_command { "apply", l.playbook }
    assert.equal(4, result.status)
    assert.matches("gpupt: the plan needs %-%-allow reboot\n$", result.err)
    assert.same({}, l:changing())
  end)

  it("report a secret without a value before anything changes", function()
    local result = l:run_command({ "apply", l.playbook, "--allow", "reboot" }, { before = "unset LINUX_PASSWORD;" })
    assert.equal(1, result.status)
    assert.matches("the environment variable LINUX_PASSWORD is not set", result.err, 1, true)
    assert.same({}, l:changing())
  end)

  it("report a missing guest account before anything is tried", function()
    local pb = l:write [[
      return p.playbook { name = "x", p.vms { name = "no-login", place = { cluster = "gpu-a", datastore = "ds-1" },
        p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "20 GiB" }, p.os.present {},
        p.tools.ensure {} } }]]
    local result = l:run_command { "plan", pb }
    assert.equal(1, result.status)
    assert.matches("needs an account in the guest", result.err, 1, true)
    assert.same({}, l:changing())
  end)

  it("print a plan as JSON, and exit with status 4 for --exit-code if changes are pending", function()
    local result = l:run_command { "plan", l.playbook, "--json", "--exit-code" }
    assert.equal(4, result.status)
    local plan = assert(json.decode(result.out))
    assert.same({ "reboot" }, plan.allow)
    assert.equal("host.enable", plan.changes[1].step)
    assert.matches("first_light.lua:%d+", plan.changes[1].source)
    assert.same({}, l:changing())
  end)

  it("refuse a saved plan if the fleet has changed, and report the difference", function()
    local file = l.dir .. "/a.plan"
    assert.equal(0, l:run_command({ "plan", l.playbook, "--out", file }).status)
    l.sim:post("set", { host = "esx-a-1", card = { address = "0000:3b:00.0", enabled = true } })
    l.sim:forget()
    refused({ "apply", file, "--allow", "reboot" }, 1, "the fleet has changed since the plan was created: create a new plan\n  host esx-a-1")
    l.sim:post("set", { host = "esx-a-1", card = { address = "0000:3b:00.0", enabled = false } })
  end)

  it("refuse a file that is not a plan", function()
    vcenter.write(l.dir .. "/no.plan", '{ "a": 1 }')
    refused({ "apply", l.dir .. "/no.plan" }, 1, "is not a gpupt plan file")
    vcenter.write(l.dir .. "/cut.plan", '{ "format": "gpupt plan 1", ')
    refused({ "apply", l.dir .. "/cut.plan" }, 1, "cut.plan")
  end)

  it("apply a part of the fleet with --limit, and a saved plan that still holds", function()
    local path, file = l:write(hosts "10de:20b5"), l.dir .. "/b.plan"
    assert.equal(0, l:run_command({ "plan", path, "--limit", "esx-b-*", "--out", file }).status)
    local result = l:run_command { "apply", file, "--allow", "reboot", "--journal", l.dir .. "/limit.db" }
    assert.equal(0, result.status, result.err)
    assert.is_nil(result.out:find "esx%-a%-1")
    assert.is_false(l:truth("hosts", "esx-a-1").reboot_required)
  end)

  it("report a limit without a match", function()
    refused({ "plan", l:write(hosts "10de:20b5"), "--limit", "zzz*" }, 1, "--limit: 'zzz*' matches no hosts or VMs")
  end)

  -- SIGINT lets the steps in progress finish: claims_spec.lua
  for signal, status in pairs { TERM = 143, HUP = 129 } do
    it(("exit with %d on SIG%s: they log out, write the end to the journal, and the run can be resumed"):format(status, signal), function()
      l.sim:post("set", { host = "esx-a-1", card = { address = "0000:3b:00.0", enabled = false } })
      local path, journal = l:write(hosts "10de:20b5"), l.dir .. "/" .. signal .. ".db"
      local process = l:start_command { "apply", path, "--allow", "reboot", "--journal", journal }
      process:says "rebooting"
      process:kill(signal)
      local result = process:wait()
      assert.equal(status, result.status, result.err)
      local id = result.err:match "continue with: gpupt apply %-%-resume (%S+)"
      assert.is_truthy(id, result.err)
      assert.equal(0, l.sim:leftovers().sessions)
      assert.is_true(l.sim:calls "Logout" >= 1)
      assert.matches("interrupted", l:run_command({ "status", "--journal", journal }).out)
      local resumed = l:run_command { "apply", "--resume", id, "--allow", "reboot", "--journal", journal }
      assert.equal(0, resumed.status, resumed.err)
      assert.same({}, l.sim:get "truth".violations)
    end)
  end
end)
