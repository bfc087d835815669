--- A run stopped after two failed targets, which no option could change, no plan mentioned, and the messages did not
-- explain. max_failures (a count or a percentage; of the playbook, of a roll or of p.vms) decides now; the plan shows
-- it, and what was not started names it.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local fails = [[
local fails = { name = "site.fails", scope = "%s", observe = function() return {} end,
  plan = function() return { { what = "fail", sign = "~", verb = "enable" } } end,
  apply = function(_, target)
    if target.name == "vm-01" then return true end
    return nil, target.name .. " failed", "ETEST"
  end, prove = function() return "worked" end }
]]

local function vms(o)
  return fails:format "vms" .. ([[
return p.playbook { name = "x", %s
  p.vms { where = "/DC0/vm/vm-*", %s fails } }]]):format(o.playbook or "", o.scope or "")
end

local function statuses(result)
  local counts = {}
  for _, one in ipairs(result.targets) do counts[one.status] = (counts[one.status] or 0) + 1 end
  return counts
end

describe("max_failures", function()
  local site
  setup(function()
    site = lab.start { speed = 500, fleet = { clusters = { { name = "a", hosts = { lab.host "esx-1", lab.host "esx-2" } } },
      vms = { { name = "vm-{n:02}", count = 10, host = "esx-1", power = "poweredOff" } } } }
  end)
  teardown(function() site:stop() end)

  local function run(o)
    local result = assert(site:apply(vms(o)))
    local why
    for _, one in ipairs(result.targets) do if one.status == "not started" then why = one.message end end
    return statuses(result), why
  end

  it("is 2 unless it is set", function()
    local counts, why = run {}
    assert.same({ changed = 1, failed = 2, ["not started"] = 7 }, counts)
    assert.equal("2 targets failed, and max_failures = 2: no further targets will be started", why)
  end)

  it("is a count", function()
    local counts, why = run { playbook = "max_failures = 4," }
    assert.same({ changed = 1, failed = 4, ["not started"] = 5 }, counts)
    assert.equal("4 targets failed, and max_failures = 4: no further targets will be started", why)
    assert.equal(1, run({ playbook = "max_failures = 1," }).failed)
  end)

  it("is a percentage of the targets, and at least 1", function()
    local counts, why = run { playbook = 'max_failures = "35%",' }
    assert.equal(3, counts.failed)
    assert.equal("3 targets failed, and max_failures = 35% (3 of 10): no further targets will be started", why)
    assert.equal(1, run({ playbook = 'max_failures = "1%",' }).failed)
    assert.same({ changed = 1, failed = 9 }, (run { playbook = 'max_failures = "100%",' }))
  end)

  it("of p.vms counts the failures of that scope", function()
    local counts, why = run { playbook = "max_failures = 1,", scope = "max_failures = 3," }
    assert.equal(3, counts.failed)
    assert.matches("^3 targets of p.vms %(.*:%d+%) failed, and max_failures = 3: ", why)
  end)

  it("of a roll counts the hosts of that roll; VMs of other scopes are not started either", function()
    local result = assert(site:apply((fails:format "hosts"):gsub("local fails", "local hosts_fail", 1)
      .. fails:format "vms" .. [[
return p.playbook { name = "x",
  p.hosts { where = "/DC0/host/a/esx-2", roll = { max_failures = 1 }, hosts_fail },
  p.vms { where = "/DC0/vm/vm-*", fails } }]]))
    local by_name = {}
    for _, one in ipairs(result.targets) do by_name[one.target] = one end
    assert.equal("failed", by_name["esx-2"].status)
    assert.matches("^1 target of p.hosts %(.*:%d+%) failed, and max_failures = 1: ", by_name["vm-02"].message)
  end)

  it("is shown in the plan", function()
    local function line(o)
      for one in tostring(gpupt.check(site:plan(vms(o)))):gmatch "[^\n]+" do
        if one:find "max_failures" then return (one:gsub("%(/[^)]*:(%d+)%)", "(play.lua:%1)")) end
      end
    end
    assert.equal("stops starting targets after 2 failures (max_failures = 2)", line {})
    assert.equal("stops starting targets after 3 failures (max_failures = 30%)", line { playbook = 'max_failures = "30%",' })
    assert.equal("stops starting targets after 5 failures in p.vms (play.lua:9) (max_failures = 5)",
      line { scope = "max_failures = 5," })
  end)

  for text, why in pairs { ['"many"'] = "'many'", ["0"] = "'0'", ["-1"] = "'-1'", ['"0%"'] = "'0%'", ['"101%"'] = "'101%'" } do
    it("refuses " .. text .. " in each place", function()
      local wanted = "max_failures = " .. why .. " is neither a count from 1 nor a percentage such as 10%"
      for _, playbook in ipairs { vms { playbook = "max_failures = " .. text .. "," },
        vms { scope = "max_failures = " .. text .. "," },
        ('return p.playbook { name = "x", p.hosts { where = "/*", roll = { max_failures = %s }, p.host.enable {} } }')
          :format(text) } do
        local pb, message, code = gpupt.playbook.load(site:write(playbook))
        assert.is_nil(pb)
        assert.equal("EPLAYBOOK", code)
        assert.matches(wanted, message, 1, true)
      end
    end)
  end
end)
