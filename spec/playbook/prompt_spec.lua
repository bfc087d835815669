-- Prompts for secrets on a terminal (spec/playbook/on_terminal.py provides one).
local probe_of = require "spec.support.probe"
local vcenter = require "spec.support.vcenter"

local SECRET = "c0rrect Horse"

describe("gpupt on a terminal", function()
  local probe

  setup(function() probe = probe_of.start() end)
  teardown(function() probe:stop() end)
  before_each(function() probe:clear() end)

  local function apply(action, words)
    local ready = probe.l.sim.ready
    vcenter.write(probe.dir .. "/start.sh", ("export GOVC_URL=%s GOVC_USERNAME=%s GOVC_PASSWORD=%s GOVC_TLS_CA_CERTS=%s\n"
      .. "exec bin/gpupt apply %s\n"):format(ready.url, ready.username, ready.password, ready.ca_file, words))
    local text = vcenter.shell(("env -u LD_PRELOAD build/venv/bin/python spec/playbook/on_terminal.py '%s' sh %s/start.sh"):format(
      action, probe.dir))
    local shown, status, echo = text:match "^(.*)\nstatus (%S+) echo (%S+)\n$"
    return { shown = shown, status = status, echo = echo }
  end

  local function playbook()
    return probe:write "local vars = p.vars { password = { secret = true } }\nlocal secret = vars.password\n"
  end

  for how, action in pairs { ["is typed"] = "type:" .. SECRET, ["is typed and corrected"] = "edit:" .. SECRET } do
    it("reads the secret that " .. how .. ", without echo", function()
      local result = apply(action, ("%s --journal %s/j.db"):format(playbook(), probe.dir))
      assert.equal("0", result.status, result.shown)
      assert.equal(SECRET, probe:got())
      assert.is_nil(result.shown:find(SECRET, 1, true))
      assert.is_nil(result.shown:find("rubbish", 1, true))
      assert.equal("on", result.echo)
    end)
  end

  it("asks again for a secret when a run is resumed, before the playbook is executed", function()
    local path, journal = probe:write "local secret = vars.password\n", probe.dir .. "/resume.db"
    probe:fail(true)
    local first = probe.l:command { "apply", path, "--journal", journal, "--var-file",
      probe:file("vars", "password = " .. SECRET .. "\n") }
    local id = first.err:match "continue with: gpupt apply %-%-resume (%S+)"
    assert.is_truthy(id, first.err)
    probe:clear()
    local result = apply("type:" .. SECRET, ("--resume %s --journal %s"):format(id, journal))
    assert.equal("0", result.status, result.shown)
    assert.equal(SECRET, probe:got())
    for _, name in ipairs { "resume.db", "resume.db-wal" } do
      local text = vcenter.read(probe.dir .. "/" .. name) or ""
      assert.is_nil(text:find(SECRET, 1, true))
    end
  end)

  for action, status in pairs { ["ctrl-c"] = "130", ["ctrl-d"] = "130", term = "-15" } do
    it(("ends with %s on %s, with the echo restored and nothing changed"):format(status, action), function()
      probe.l.sim:forget()
      local path = probe:write "local secret = vars.password\n"
      -- a plan file: the prompt comes before the connection
      assert.equal(0, probe.l:command({ "plan", path, "--var-file", probe:file("vars", "password = x\n"), "--out",
        probe.dir .. "/a.plan" }).status)
      probe:clear()
      local result = apply(action, ("%s/a.plan --journal %s/j2.db"):format(probe.dir, probe.dir))
      assert.equal(status, result.status, result.shown)
      assert.equal("on", result.echo)
      assert.is_false(probe:loaded())
    end)
  end

  it("reports an empty answer", function()
    local result = apply("type:", ("%s --journal %s/j3.db"):format(playbook(), probe.dir))
    assert.equal("1", result.status)
    assert.matches("vars.password: no value was entered", result.shown, 1, true)
  end)
end)
