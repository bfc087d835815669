--- A plan said nothing about secrets, and apply stopped at the first one without a value, one a try. The plan lists every
-- secret without a value, of logins, answer media and steps' options, with its line; it runs no commands for that. Apply
-- reads all of them before its first change, each command once.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local function playbook(login, answer, more)
  return ([[
local own = p.step { name = "site.license", scope = "vms", options = { { "key", "any" } },
  observe = function() return {} end, plan = function() return { { what = "enter the license", sign = "~" } } end,
  apply = function() return nil, "not reached", "ETEST" end, prove = function() return "done" end }
return p.playbook { name = "x",
  p.vms { count = 2, name = "vm-{n}", place = { cluster = "a", datastore = "ds-1", network = "VM Network" },
    login = p.login("ops", %s),
    p.vm.create  { guest = "ubuntu64Guest", cpus = 4, memory = "16 GiB", disk = "40 GiB" },
    p.os.install { iso = "[ds-1] iso/ubuntu.iso",
      answer = p.answer.cloud_init { hostname = "vm", user = "ops", password = %s } },
    p.tools.ensure {},
    own { key = %s } } }]]):format(login, answer, more)
end

describe("a secret without a value", function()
  local site
  setup(function()
    site = lab.start { speed = 500, fleet = { clusters = { { name = "a", hosts = { lab.host "esx-1" } } },
      datastores = { { name = "ds-1", files = { ["iso/ubuntu.iso"] = { os = "ubuntu" } } } } } }
  end)
  teardown(function() site:stop() end)

  local UNSET = 'p.secret.env "GPUPT_UNSET_%d"'
  local function named(text) return (text:gsub("/[%w./-]*play%-%d+%.lua", "play.lua")) end

  it("is reported by the plan at every place, with the line", function()
    local plan, message, code = site:plan(playbook(UNSET:format(1), 'p.secret.file "/nowhere/password"', UNSET:format(3)))
    assert.is_nil(plan)
    assert.equal("ESECRET", code)
    assert.same({
      "play.lua:7: p.login: the environment variable GPUPT_UNSET_1 is not set (vm-1, vm-2)",
      "play.lua:10: os.install: the secret of the file /nowhere/password cannot be read: /nowhere/password: No such file or "
        .. "directory (vm-1, vm-2)",
      "play.lua:12: site.license: the environment variable GPUPT_UNSET_3 is not set (vm-1, vm-2)",
    }, (function()
      local lines = {}
      for line in named(message):gmatch "[^\n]+" do lines[#lines + 1] = line end
      return lines
    end)())
  end)

  it("is not looked for in commands and functions by a plan, which says so", function()
    local mark = site.dir .. "/ran"
    local plan = gpupt.check(site:plan(playbook(('p.secret.command "echo x >>%s"'):format(mark),
      'p.secret.callback(function() error "called" end)', 'p.secret.env "HOME"')))
    assert.is_nil(vcenter.read(mark))
    local text = named(tostring(plan))
    assert.matches("! play.lua:7: p.login: the secret of the command echo ...: unverified: plan does not run commands; apply "
      .. "runs it before its first change", text, 1, true)
    assert.matches("! play.lua:10: os.install: the secret of a function: unverified: plan does not call functions", text, 1,
      true)
  end)

  it("is reported by apply before anything changes, all at once, and each command runs once", function()
    local mark = site.dir .. "/count"
    local plan = gpupt.check(site:plan(playbook(('p.secret.command "echo x >>%s; false"'):format(mark),
      'p.secret.callback(function() return nil, "the safe is closed" end)', 'p.secret.env "HOME"')))
    site.sim:forget()
    local run, message, code = plan:apply { journal = site:journal() }
    assert.is_nil(run)
    assert.equal("ESECRET", code)
    assert.matches("play.lua:7: p.login: the secret of the command echo ...: it ended with status 1 (vm-1, vm-2)",
      named(message), 1, true)
    assert.matches("play.lua:10: os.install: the secret of a function is not a string: the safe is closed", named(message), 1,
      true)
    assert.equal("x\n", vcenter.read(mark))
    assert.same({}, site:changing())
  end)

  it("does not stop a plan that is made without secrets, which says so", function()
    local text = playbook(UNSET:format(1), UNSET:format(2), UNSET:format(3))
    local plan = gpupt.check(site:plan(text, { secrets = false }))
    assert.matches("! secrets: unverified: the plan was made without them; apply reads them", tostring(plan), 1, true)
    local result = site:command { "plan", site:write(text), "--without-secrets", "--json" }
    assert.equal(0, result.status, result.err)
    assert.equal("secrets: unverified: the plan was made without them; apply reads them",
      assert(require "gpupt.json".decode(result.out)).unverified[1])
    assert.equal(1, site:command { "plan", site:write(text) }.status)
  end)
end)
