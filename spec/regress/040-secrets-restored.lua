-- The journal stored a secret variable as the text "(not kept)", and --resume passed that text to the playbook: a guest
-- was installed with the password "(not kept)". And a secret given with --var is visible in the list of processes.
local gpupt = require "gpupt"
local probe_of = require "spec.support.probe"
local store = require "gpupt.store"

local SECRET = "c0rrect-Horse"
local PRELUDE = "local secret = p.secret.callback(function() return vars.password end)\n"

describe("a secret variable", function()
  local probe

  setup(function() probe = probe_of.start() end)
  teardown(function() probe:stop() end)
  before_each(function() probe:clear() end)

  -- A run that was started from Lua with this password and failed: its id, the playbook and the journal's path.
  local function failed_run(vars)
    local path, journal = probe:write(PRELUDE), ("%s/%s.db"):format(probe.dir, os.tmpname():match "[^/]+$")
    local book = assert(store.open(journal))
    probe:fail(true)
    local pb = gpupt.check(gpupt.playbook.load(path, vars or { password = SECRET }))
    local run = gpupt.check(gpupt.check(pb:plan(probe.l:client())):apply { journal = book })
    local id = run:result().id
    book:close()
    assert.equal(SECRET, probe:got())
    probe:clear()
    return id, path, journal
  end

  local function asks_for_the_value(result)
    assert.equal(1, result.status, result.err .. result.out)
    for _, word in ipairs { "vars.password", "--var-file", "p.secret", "terminal" } do
      assert.matches(word, result.err, 1, true)
    end
    assert.is_nil(result.err:find(SECRET, 1, true))
    assert.is_nil(probe:got())
  end

  it("is not replaced by another text in a resumed run: the run is refused", function()
    local id, _, journal = failed_run()
    asks_for_the_value(probe.l:command { "apply", "--resume", id, "--journal", journal })
    assert.is_false(probe:loaded())
  end)

  it("is taken from --var-file when the run is resumed", function()
    local id, _, journal = failed_run()
    local file = probe:file("vars", "# for the probe\npassword = " .. SECRET .. "\n")
    local result = probe.l:command { "apply", "--resume", id, "--journal", journal, "--var-file", file }
    assert.equal(0, result.status, result.err)
    assert.equal(SECRET, probe:got())
  end)

  it("that an earlier release stored as a text is recognized", function()
    local path, journal = probe:write(PRELUDE), probe.dir .. "/old.db"
    local pb = gpupt.check(gpupt.playbook.load(path, { password = SECRET }))
    local book = assert(store.open(journal))
    assert(book:begin { id = "old-run", playbook = path, hash = pb.hash,
      note = [[{"vars": {"password": "(not kept)"}, "allow": {}, "name": "probe"}]] })
    book:close()
    probe:clear()
    asks_for_the_value(probe.l:command { "apply", "--resume", "old-run", "--journal", journal })
  end)

  for _, word in ipairs { "plan", "apply", "role" } do
    it(("is refused on the command line of gpupt %s"):format(word), function()
      local result = probe.l:command { word, probe:write(PRELUDE .. "local _ = vars.password\n"), "--var",
        "password=" .. SECRET }
      assert.equal(2, result.status, result.err .. result.out)
      assert.matches("--var-file", result.err, 1, true)
      assert.is_nil((result.err .. result.out):find(SECRET, 1, true))
      assert.is_nil(probe:got())
    end)
  end

  it("with a malformed name is not repeated in the message", function()
    local result = probe.l:command { "plan", probe:write(PRELUDE), "--var", "pass-word=" .. SECRET }
    assert.equal(2, result.status)
    assert.is_nil(result.err:find(SECRET, 1, true))
  end)
end)
