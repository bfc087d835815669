--- The examples that embed gpupt took a run that left out what it could not reach ("partial"), a pause after a canary and
-- an interruption for failures: exit status 1 where the command says 3, 5 and 130. Programs are written after them.
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local PLAY = [[return p.playbook { name = "x", p.hosts { where = "/DC0/host/%s/*", %s
  devices = p.gpus { match = "10de:20b5" }, p.host.enable { %s } } }]]

describe("617: the example", function()
  local l
  before_each(function()
    l = lab.start { speed = 500, fleet = { clusters = {
      { name = "a", max_away = 5, hosts = { lab.host "esx-1", lab.host "esx-2", lab.host "esx-3" } },
      { name = "b", hosts = { lab.host("esx-4", { maintenance = true }) } } } } }
  end)
  after_each(function() l:stop() end)

  local function run(name, options, cluster, enable)
    local path, ready = l:write(PLAY:format(cluster or "a", options, enable or "")), l.sim.ready
    vcenter.write(l.dir .. "/run.sh", ("export GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s'\n"
      .. "lua5.4 examples/%s.lua %s %s/j.db >%s/out 2>&1\n"):format(ready.url, ready.username, ready.password, ready.ca_file,
      name, path, l.dir, l.dir))
    local _, _, status = os.execute("sh " .. l.dir .. "/run.sh")
    return status, vcenter.read(l.dir .. "/out")
  end

  for _, name in ipairs { "apply_from_lua", "rollout_luv" } do
    it(name .. " ends with 3 if hosts were left out, and names them", function()
      l.sim:post("set", { host = "esx-2", connection = "notResponding" })
      l.sim:post("set", { host = "esx-3", connection = "notResponding" })
      local status, out = run(name, 'roll = { unavailable = "5/cluster" },')
      assert.equal(3, status, out)
      assert.matches("esx%-2.*skipped.*is not responding", out)
    end)

    it(name .. " ends with 5 after a canary", function()
      local status, out = run(name, "canary = 1,")
      assert.equal(5, status, out)
    end)
  end

  it("apply_from_lua ends with 4 without an approval, and changes nothing", function()
    l:client()
    l.sim:forget()
    local status, out = run("apply_from_lua", "", "b", "foreign_maintenance = true")
    assert.equal(4, status, out)
    assert.matches("this plan needs 'foreign-maintenance', which is not approved", out, 1, true)
    assert.same({}, l:changing())
  end)
end)
