local vcenter = require "spec.support.vcenter"

describe("the example", function()
  local sim
  setup(function() sim = vcenter.start {} end)
  teardown(function()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
  end)

  local function run(name)
    local text, ok = vcenter.shell(("GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s' "
      .. "lua5.4 examples/%s.lua 2>&1"):format(sim.url, sim.username, sim.password, sim.ca_file, name))
    assert.is_true(ok, text)
    return text
  end

  it("embed_plain counts GPUs, side by side, and keeps to a deadline", function()
    local text = run "embed_plain"
    assert.matches("2 hosts", text)
    assert.matches("esx%-a%-1 +2 GPUs", text)
    assert.matches("esx%-b%-1 +2 GPUs", text)
    assert.matches("ETIMEDOUT", text)
  end)

  for _, name in ipairs { "embed_cqueues", "embed_luv" } do
    it(name .. " lets the rest of the program go on", function()
      local text = run(name)
      assert.matches("esx%-a%-1%s+connected", text)
      assert.matches("esx%-b%-1%s+connected", text)
      assert.matches("kept running", text)
    end)
  end

  it("embed_cqueues runs fibers, too", function() assert.matches("2 clusters, 1 datastores", run "embed_cqueues") end)
end)

describe("the example rollout_luv", function()
  local lab = require "spec.support.lab"
  local l
  after_each(function() l:stop() end)

  local PLAY = [[return p.playbook { name = "luv", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:20b5" },
    p.host.enable {} } }]]

  -- The example as a process; `more`: its further arguments.
  local function start(path, more)
    local ready = l.sim.ready
    vcenter.write(l.dir .. "/luv.sh", ("export GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s'\n"
      .. "lua5.4 examples/rollout_luv.lua %s %s/j.db %s >%s/out 2>&1 &\npid=$!\necho $pid >%s/pid\nwait $pid\necho $? >%s/status\n")
      :format(ready.url, ready.username, ready.password, ready.ca_file, path, l.dir, more or "", l.dir, l.dir, l.dir))
    os.remove(l.dir .. "/status")
    os.execute(("sh %s/luv.sh >/dev/null 2>&1 &"):format(l.dir))
  end

  local function until_true(what)
    for _ = 1, 1500 do
      local found = what()
      if found then return found end
      vcenter.sleep(0.02)
    end
    error(vcenter.read(l.dir .. "/out") or "no output", 2)
  end

  local function ended()
    local status = until_true(function() return (vcenter.read(l.dir .. "/status") or ""):match "%d+" end)
    return tonumber(status), vcenter.read(l.dir .. "/out")
  end

  it("rolls the hosts while the program goes on, ends cleanly on SIGTERM, and is resumed", function()
    l = lab.start { speed = 60, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host("a-1", { boot_seconds = 120 }),
      lab.host("a-2", { boot_seconds = 120 }) } } } } }
    local path = l:write(PLAY)
    start(path)
    until_true(function() return (vcenter.read(l.dir .. "/out") or ""):find("rebooting", 1, true) end)
    os.execute("kill -TERM " .. vcenter.read(l.dir .. "/pid"))
    local status, out = ended()
    assert.equal(130, status, out)
    assert.matches("kept running", out, 1, true)
    local run = out:match "resume with (%S+)"
    assert.is_truthy(run, out)
    local reboots = 0
    for _, event in ipairs(l.sim:get "truth".timeline) do if event.kind == "reboot" then reboots = reboots + 1 end end
    assert.equal(1, reboots) -- the host in progress was finished
    start(path, run)
    status, out = ended()
    assert.equal(0, status, out)
    for _, name in ipairs { "a-1", "a-2" } do
      assert.is_false(l:truth("hosts", name).maintenance)
      for _, card in ipairs(l:truth("hosts", name).cards) do
        if card.address == "0000:3b:00.0" then assert.is_true(card.active, name) end
      end
    end
    assert.equal(2, l.sim:calls "RebootHost_Task")
    assert.equal(0, l.sim:leftovers().sessions)
  end)
end)
