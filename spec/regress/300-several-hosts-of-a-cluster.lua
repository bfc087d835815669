-- roll.unavailable knew N/cluster alone, and claimed the roll of a cluster in the journal only for N = 1: there was no
-- percentage and no group other than the cluster.
local claim = require "gpupt.playbook.claim"
local clock = require "gpupt.clock"
local lab = require "spec.support.lab"
local leases = require "gpupt.playbook.leases"
local store = require "gpupt.store"

local function playbook(where, roll, name)
  return ([[return p.playbook { name = "%s", p.hosts { where = %s, devices = p.gpus { match = "10de:20b5" },
    roll = { %s }, p.host.enable {} } }]]):format(name or "roll", where, roll)
end

-- the command looks at the hosts every ten seconds, and at the claims every five
local FASTER = [[require("gpupt.playbook.claim").PAUSE, require("gpupt.playbook.leases").PAUSE = 0.5, 0.5]]

local out = { ["maintenance-enter"] = true, away = true }

-- The largest number of hosts of each group that were out of service at one instant. `group_of(host)` names it.
local function most_out(timeline, group_of)
  local now, most = {}, {}
  for _, event in ipairs(timeline) do
    if event.host and out[event.kind] then now[event.host] = true end
    if event.host and event.kind == "maintenance-exit" then now[event.host] = nil end
    local count = {}
    for host in pairs(now) do count[group_of(host)] = (count[group_of(host)] or 0) + 1 end
    for group, number in pairs(count) do most[group] = math.max(most[group] or 0, number) end
  end
  return most
end

local function cluster(name, count, away)
  local hosts = {}
  for i = 1, count do hosts[i] = lab.host(("%s-%d"):format(name, i), { boot_seconds = 200 }) end
  return { name = "gpu-" .. name, hosts = hosts, max_away = away }
end

describe("a roll of several hosts at once", function()
  local l, pauses

  before_each(function()
    pauses = { claim.PAUSE, leases.PAUSE }
    claim.PAUSE, leases.PAUSE = 0.2, 0.2
  end)

  after_each(function()
    claim.PAUSE, leases.PAUSE = table.unpack(pauses)
    if l then l:stop() end
    l = nil
  end)

  local function start(...)
    l = lab.start { speed = 200, fleet = { clusters = { ... } } }
    l:client()
  end

  -- Gives hosts a custom attribute: { ["a-1"] = "r1" }.
  local function attribute(name, values)
    local check = require("gpupt").check
    local manager = l.vc.content.customFieldsManager
    check(manager:AddCustomFieldDef { name = name, moType = "HostSystem" })
    local key = check(manager:get "field")[1].key
    for host, value in pairs(values) do
      local ref = check(l.vc:one(("/DC0/host/*/%s"):format(host)))
      check(manager:SetField { entity = ref, key = key, value = value })
    end
  end

  local function all_changed(result)
    for _, one in ipairs(result.targets) do assert.equal("changed", one.status, one.message) end
    assert.equal("done", result.status)
  end

  it("takes a percentage of the cluster's hosts, rounded down, at least one", function()
    start(cluster("a", 5, 2), cluster("b", 2))
    local text = playbook('"/DC0/host/*"', 'unavailable = "50%/cluster"')
    local plan = tostring(assert(l:plan(text)))
    assert.matches("out of service at once, at most: 2 of 5 hosts of gpu-a, 1 of 2 hosts of gpu-b", plan, 1, true)
    all_changed(l:apply(text, { allow = { "reboot" } }))
    assert.same({ a = 2, b = 1 }, most_out(l.sim:get "truth".timeline, function(host) return host:sub(1, 1) end))
    assert.same({}, l.sim:get "truth".violations)
  end)

  it("counts per rack, by a custom attribute, beside the limit of the cluster", function()
    start(cluster("a", 4, 2), cluster("b", 2, 2))
    local racks = { ["a-1"] = "r1", ["a-2"] = "r1", ["a-3"] = "r2", ["a-4"] = "r3", ["b-1"] = "r1", ["b-2"] = "r2" }
    attribute("rack", racks)
    local text = playbook('"/DC0/host/*"', 'unavailable = { "2/cluster", "1/rack" }, per = "rack"')
    assert.matches("1 of 3 hosts of rack r1", tostring(assert(l:plan(text))), 1, true)
    all_changed(l:apply(text, { allow = { "reboot" } }))
    local timeline = l.sim:get "truth".timeline
    assert.same({ r1 = 1, r2 = 1, r3 = 1 }, most_out(timeline, function(host) return racks[host] end))
    local clusters = most_out(timeline, function(host) return host:sub(1, 1) end)
    assert.is_true(clusters.a <= 2 and clusters.b <= 2)
    assert.is_true(most_out(timeline, function() return "all" end).all >= 2)
  end)

  it("counts a host of the rack that is away in another cluster, and one that the playbook does not name", function()
    start(cluster("a", 2), cluster("b", 1))
    attribute("rack", { ["a-1"] = "r1", ["a-2"] = "r2", ["b-1"] = "r1" })
    l.sim:post("set", { host = "b-1", connection = "notResponding" })
    local result = l:apply(playbook('"/DC0/host/gpu-a/*"', 'unavailable = "1/rack", per = "rack", claim_within = "1s"'),
      { allow = { "reboot" } })
    local by_name = {}
    for _, one in ipairs(result.targets) do by_name[one.target] = one end
    assert.equal("changed", by_name["a-2"].status)
    assert.equal("deferred", by_name["a-1"].status)
    assert.matches("in rack r1, b-1 is not responding, and unavailable = '1/rack'", by_name["a-1"].message, 1, true)
  end)

  it("counts per what a function of the host returns", function()
    start(cluster("a", 4, 4))
    all_changed(l:apply(playbook('"/DC0/host/*"',
      'unavailable = "1/row", per = function(host) return tonumber(host.name:match "%d") < 3 and "left" or "right" end'),
      { allow = { "reboot" } }))
    local function side(host) return tonumber(host:match "%d") < 3 and "left" or "right" end
    assert.same({ left = 1, right = 1 }, most_out(l.sim:get "truth".timeline, side))
  end)

  it("names hosts that are in no group before anything is changed", function()
    start(cluster("a", 2))
    l.sim:forget()
    local plan, message = l:plan(playbook('"/DC0/host/*"', 'unavailable = "1/rack", per = "rack"'))
    assert.is_nil(plan)
    assert.matches("per = 'rack': hosts have no custom attribute of this name", message, 1, true)
    attribute("rack", { ["a-1"] = "r1" })
    plan, message = l:plan(playbook('"/DC0/host/*"', 'unavailable = "1/rack", per = "rack"'))
    assert.is_nil(plan)
    assert.matches("roll: a-2 has no value of the custom attribute 'rack'", message, 1, true)
    assert.is_nil(message:find("a-1", 1, true))
    plan, message = l:plan(playbook('"/DC0/host/*"', 'unavailable = "1/rack", per = function() return nil end'))
    assert.is_nil(plan)
    assert.matches("the function of 'per' returned nothing, not a text", message, 1, true)
  end)

  it("refuses limits that it does not understand, at load", function()
    start(cluster("a", 1))
    for roll, words in pairs {
      ['unavailable = "all"'] = "unavailable = 'all' is not N/cluster, such as 2/cluster or 10%/cluster",
      ['unavailable = "0/cluster"'] = "'0/cluster' is not N/cluster",
      ['unavailable = "1.5/cluster"'] = "'1.5/cluster' is not N/cluster",
      ['unavailable = "101%/cluster"'] = "'101%/cluster' is not N/cluster",
      ['unavailable = "2"'] = "'2' is not N/cluster",
      ['unavailable = "1/rack"'] = "'1/rack': what is a rack? Set per = 'rack'",
      ['unavailable = "1/row", per = "rack"'] = "'1/row' does not fit per = 'rack'",
      ['per = "rack"'] = "per = 'rack', and unavailable = '1/cluster' limits none of them: write for example 1/rack",
      ['unavailable = {}'] = "unavailable is an empty list",
      ['unavailable = { "1/cluster", "2/cluster" }'] = "unavailable limits the cluster twice",
      ['unavailable = { 1 }'] = "entry 1 is a number",
    } do
      local ok, err = pcall(l.load, l, playbook('"/DC0/host/*"', roll))
      assert.is_false(ok, roll)
      assert.matches("roll: ", tostring(err.message or err), 1, true)
      assert.matches(words, tostring(err.message or err), 1, true)
    end
  end)

  describe("by two runs of one journal", function()
    local journal

    before_each(function()
      start(cluster("a", 4, 2))
      journal = l.dir .. "/journal.db"
    end)

    local function path(hosts, name, more)
      local words = {}
      for i, host in ipairs(hosts) do words[i] = ('"/DC0/host/gpu-a/%s"'):format(host) end
      return l:write(playbook("{ " .. table.concat(words, ", ") .. " }", 'unavailable = "2/cluster"' .. (more or ""), name))
    end

    local function slots()
      local list = {}
      local book <close> = assert(store.open(journal))
      for lease in book:leases(clock.read()) do
        if lease.resource:find "^slot" and lease.in_force == 1 then list[#list + 1] = lease.what end
      end
      return list
    end

    local function apply(file)
      return { "apply", file, "--allow", "reboot", "--journal", journal }, { env = { LUA_INIT = FASTER } }
    end

    it("shares the slots of the cluster: a third host waits for the run that holds them, and is named it", function()
      l.sim:post("set", { host = "a-1", boot = "never" })
      l.sim:post("set", { host = "a-2", boot = "never" })
      local first = l:start_command(apply(path({ "a-1", "a-2" }, "first", ', back_within = "10m"')))
      first:says "a-1        host.enable  rebooting"
      first:says "a-2        host.enable  rebooting"
      assert.same({ "the roll of cluster gpu-a (host a-1)", "the roll of cluster gpu-a (host a-2)" },
        (function(list) table.sort(list) return list end)(slots()))
      local second = l:command(apply(path({ "a-3" }, "second", ', claim_within = "1s"')))
      assert.equal(1, second.status, second.err)
      assert.matches("the roll of cluster gpu-a (host a-1) is claimed by run first-", second.err, 1, true)
      l.sim:post("set", { host = "a-1", boot = "", revive = true })
      l.sim:post("set", { host = "a-2", boot = "", revive = true })
      assert.equal(0, first:wait().status, first:err())
      assert.same({}, slots())
      assert.equal(0, l:command(apply(path({ "a-3" }, "third"))).status)
    end)

    it("lets a run that allows one host wait for the other's two", function()
      local first = l:start_command(apply(path({ "a-1", "a-2" }, "first")))
      first:says "rebooting"
      local second = l:command(apply(l:write(playbook('"/DC0/host/gpu-a/a-3"', 'claim_within = "10m"', "second"))))
      assert.equal(0, second.status, second.err)
      assert.equal(0, first:wait().status, first:err())
      assert.same({ a = 2 }, most_out(l.sim:get "truth".timeline, function(host) return host:sub(1, 1) end))
    end)
  end)
end)
