--- A playbook for two vCenters of which one is lost in the midst of the run or of the undo.
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local PLAY = [[
local gpus = p.gpus { match = "10de:20b5" }
return p.playbook { name = "two",
  p.vcenter { name = "east", url = %q, ca_file = %q, login = p.login(%q, p.secret.env "EAST") },
  p.vcenter { name = "west", url = %q, ca_file = %q, login = p.login(%q, p.secret.env "WEST") },
  p.hosts { on = "east", where = "/DC0/host/*", devices = gpus, roll = { unavailable = "2/cluster" }, p.host.enable {} },
  p.hosts { on = "west", where = "/DC0/host/*", devices = gpus, roll = { unavailable = "2/cluster", back_within = "2s",
    resend_after = "2s" },
    p.host.enable {} } }
]]

describe("614: a playbook for two vCenters", function()
  local east, west, journal, path

  local function fleet(letter)
    return { clusters = { { name = "gpu-a", max_away = 2,
      hosts = { lab.host("esx-" .. letter .. "1"), lab.host("esx-" .. letter .. "2") } } } }
  end

  before_each(function()
    east, west = lab.start { speed = 400, fleet = fleet "e" }, lab.start { speed = 20, fleet = fleet "w" }
    journal = east.dir .. "/j.db"
    local e, w = east.sim, west.sim
    path = east:write(PLAY:format(e.url, e.ca_file, e.username, w.url, w.ca_file, w.username))
  end)
  after_each(function()
    east:stop()
    west:stop()
  end)

  local NONE = { GOVC_URL = false, GOVC_USERNAME = false, GOVC_PASSWORD = false, GOVC_TLS_CA_CERTS = false }

  local function command(words, at)
    local env = { EAST = east.sim.password, WEST = west.sim.password }
    for name, value in pairs(at or NONE) do env[name] = value end
    local list = table.move(words, 1, #words, 1, {})
    list[#list + 1], list[#list + 2] = "--journal", journal
    return east:command(list, { env = env })
  end

  local function at(site)
    local ready = site.sim.ready
    return { GOVC_URL = ready.url, GOVC_USERNAME = ready.username, GOVC_PASSWORD = ready.password,
      GOVC_TLS_CA_CERTS = ready.ca_file }
  end

  local function active(site)
    local count = 0
    for _, host in ipairs(site.sim:get "truth".hosts) do
      for _, card in ipairs(host.cards) do if card.address == "0000:3b:00.0" and card.active then count = count + 1 end end
    end
    return count
  end

  -- The runs of the journal by what their ids begin with, as `gpupt status` has them.
  local function runs()
    local list = {}
    for _, run in ipairs(json.decode(command({ "status", "--json" }).out)) do
      list[run.id:match "^(.-)%-%d+%-%x+$"] = run
    end
    return list
  end

  it("is partial if a host of one of them was left out, with status 3, and each run says its own", function()
    west.sim:speed(400)
    west.sim:post("set", { host = "esx-w2", connection = "notResponding" })
    local plan = command { "plan", path }
    assert.equal(3, plan.status)
    assert.matches("1 is left out, because it or its host could not be reached or used: esx-w2", plan.err, 1, true)
    local result = command { "apply", path, "--allow", "reboot", "--json" }
    assert.equal(3, result.status, result.err)
    local value = json.decode(result.out)
    assert.equal("partial", value.status)
    assert.same({ "done", "partial" }, { value.runs[1].status, value.runs[2].status })
    assert.same({ { target = "esx-w2", kind = "host", why = "is not responding" } }, value.runs[2].skipped)
    assert.matches("1 was left out, because it or its host could not be reached or used: esx-w2", result.err, 1, true)
    local of = runs()
    assert.same({ "done", "partial" }, { of["two-east"].state, of["two-west"].state })
    assert.matches("\nesx-w2  skipped", command({ "status", of["two-west"].id }).out, 1, true)
    -- and when nothing is left to do on the others
    local again = command { "apply", path }
    assert.equal(3, again.status)
    assert.matches("\nnothing to change\n", again.out, 1, true)
    assert.matches("esx-w2", again.err, 1, true)
  end)

  it("does the one if the other is lost in the midst of it, and a resume does the rest", function()
    local process = east:start_command({ "apply", path, "--allow", "reboot", "--outage", "2s", "--journal", journal },
      { env = { EAST = east.sim.password, WEST = west.sim.password, GOVC_URL = false, GOVC_USERNAME = false,
        GOVC_PASSWORD = false, GOVC_TLS_CA_CERTS = false } })
    process:says "esx-w1     host.enable  rebooting"
    west.sim:restart { seconds = 600 }
    local result = process:wait()
    assert.equal(1, result.status)
    assert.equal(2, active(east))
    local of = runs()
    assert.same({ "done", "failed" }, { of["two-east"].state, of["two-west"].state })
    assert.is_nil(result.err:find("resume two-east", 1, true))
    -- as long as it is away
    local early = command { "apply", "--resume", of["two-west"].id, "--allow", "reboot" }
    assert.equal(3, early.status)
    assert.equal("failed", runs()["two-west"].state)
    west.sim:restart { seconds = 0 }
    local late = command { "apply", "--resume", of["two-west"].id, "--allow", "reboot" }
    assert.equal(0, late.status)
    local reboots = {}
    for _, event in ipairs(west.sim:get "truth".timeline) do
      if event.kind == "reboot" then reboots[#reboots + 1] = event.host end
    end
    table.sort(reboots)
    assert.same({ "esx-w1", "esx-w2" }, reboots)
  end)

  for what, trouble in pairs { ["answers 503"] = { kind = "status", code = 503 }, ["closes connections"] = { kind = "reset-before" } } do
    it(("leaves one out that %s while its part is planned"):format(what), function()
      west:client()
      for _, method in ipairs { "RetrievePropertiesEx", "CurrentTime" } do
        west.sim:trouble({ method = method, count = -1 }, trouble)
      end
      local result = command { "plan", path }
      assert.equal(3, result.status, result.err)
      assert.matches("~ esx%-e%[1%-2%] +host.enable", result.out)
      assert.matches("! vCenter west: .*Its hosts and VMs are left out", result.out)
    end)
  end

  it("is refused as a whole if another server than the vCenter does not answer: that is a problem of the plan", function()
    vcenter.write(east.dir .. "/bmc-password", "Bmc-secret-1\n")
    local text = vcenter.read(path):gsub("p.host.enable {} } }", ([[p.host.firmware { sr_iov = true,
      bmc = "https://127.0.0.1:9", login = p.login("root", p.secret.file %q), ca_file = %q }, p.host.enable {} } }]])
      :format(east.dir .. "/bmc-password", west.sim.ca_file))
    vcenter.write(path, text)
    local result = command { "apply", path, "--allow", "reboot,bios" }
    assert.equal(3, result.status, result.err) -- as with one vCenter: something could not be connected to
    assert.matches("gpupt: vCenter west: .*esx%-w1: https://127.0.0.1:9: .*cannot connect", result.err)
    assert.is_nil((result.out .. result.err):find("left out", 1, true))
    assert.equal(0, active(east))
  end)

  it("is undone in part while one is down, which status says of its run, and then as a whole", function()
    west.sim:speed(400)
    local done = command { "apply", path, "--allow", "reboot" }
    assert.equal(0, done.status, done.err)
    local of = runs()
    local function undo(name) return { "undo", of["two-" .. name].id, "--allow", "reboot" } end
    local function list() return command({ "status" }).out end
    -- one is down when its undo begins: nothing of it is undone
    west.sim:restart { seconds = 600 }
    assert.equal(0, command(undo "east", at(east)).status)
    assert.equal(3, command(undo "west", at(west)).status)
    assert.same({ 0, 2 }, { active(east), active(west) })
    local _, count = list():gsub("%(undone%)\n", "")
    assert.equal(1, count)
    assert.is_nil(list():find("in part", 1, true))
    -- it is lost in the midst of it
    west.sim:restart { seconds = 0 }
    west.sim:speed(20)
    local words = undo "west"
    for _, word in ipairs { "--outage", "1s", "--journal", journal } do words[#words + 1] = word end
    local process = east:start_command(words, { env = at(west) })
    process:says "esx-w1     host.enable  rebooting"
    west.sim:restart { seconds = 600 }
    assert.equal(1, process:wait().status)
    assert.matches("done +two%-west%-%S+ +127.0.0.1 +%S+ %(undone in part%)\n", list())
    local text = command({ "status", of["two-west"].id }).out
    assert.matches("\nundone in part: run undo-two-west-", text, 1, true)
    assert.matches("has\nnot finished. Continue with:\ngpupt undo " .. of["two-west"].id, text, 1, true)
    assert.is_nil(text:find("--resume", 1, true))
    assert.equal("failed", json.decode(command({ "status", of["two-west"].id, "--json" }).out).run.undone_by.state)
    -- that command does the rest
    west.sim:restart { seconds = 0 }
    local rest = command(undo "west", at(west))
    assert.equal(0, rest.status, rest.err)
    assert.same({ 0, 0 }, { active(east), active(west) })
    _, count = list():gsub("%(undone%)\n", "")
    assert.equal(2, count)
    assert.is_nil(list():find("in part", 1, true))
  end)
end)
