-- The plan file contained secret variables in clear text, had the mode of the umask, and was written through symbolic
-- links.
local gpupt = require "gpupt"
local probe_of = require "spec.support.probe"
local vcenter = require "spec.support.vcenter"

local SECRET = "c0rrect-Horse"
local PRELUDE = "local secret = p.secret.callback(function() return vars.password end)\n"

describe("a plan file", function()
  local probe

  setup(function() probe = probe_of.start() end)
  teardown(function() probe:stop() end)
  before_each(function() probe:clear() end)

  local function save(file)
    local pb = gpupt.check(gpupt.playbook.load(probe:write(PRELUDE), { password = SECRET, site = "lab" }))
    return gpupt.check(pb:plan(probe.l:client())):save(file)
  end

  it("contains no secret variable, and apply asks for it", function()
    local file = probe.dir .. "/a.plan"
    assert.is_true(save(file))
    local text = vcenter.read(file)
    assert.is_nil(text:find(SECRET, 1, true))
    assert.matches('"site": "lab"', text, 1, true)
    probe:clear()
    local result = probe.l:command { "apply", file, "--journal", probe.dir .. "/a.db" }
    assert.equal(1, result.status, result.err)
    assert.matches("vars.password", result.err, 1, true)
    assert.is_false(probe:loaded())
    result = probe.l:command { "apply", file, "--journal", probe.dir .. "/a.db", "--var-file",
      probe:file("vars.json", ('{ "password": "%s" }'):format(SECRET)) }
    assert.equal(0, result.status, result.err)
    assert.equal(SECRET, probe:got())
  end)

  it("is readable only by its owner, whatever the umask and the earlier mode of the file", function()
    local file = probe.dir .. "/b.plan"
    assert.is_true(save(file))
    assert.equal("600", probe.mode(file))
    assert(os.execute(("rm %s && touch %s && chmod 666 %s"):format(file, file, file)))
    local before = vcenter.shell(("stat -c %%i %s"):format(file))
    assert.is_true(save(file))
    assert.equal("600", probe.mode(file))
    assert.are_not.equal(before, vcenter.shell(("stat -c %%i %s"):format(file)))
    assert.equal("", vcenter.shell(("ls -A %s | grep -v '^[a-z]' || true"):format(probe.dir)))
  end)

  it("is not written through a symbolic link", function()
    local victim = probe:file("victim", "precious\n", "644")
    assert(os.execute(("ln -s %s %s/c.plan"):format(victim, probe.dir)))
    local ok, message = save(probe.dir .. "/c.plan")
    assert.is_nil(ok)
    assert.matches("symbolic link", message, 1, true)
    assert.equal("precious\n", vcenter.read(victim))
    assert.equal("644", probe.mode(victim))
  end)
end)
