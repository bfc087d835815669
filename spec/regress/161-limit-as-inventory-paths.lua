--- --limit knew * and ? only, took [ ] as letters, kept the last of several, and "a,b" matched nothing; a misspelt pattern
-- beside a good one was not told.
local killed = require "spec.support.killed"
local lab = require "spec.support.lab"
local gpupt = require "gpupt"
local json = require "gpupt.json"

describe("a limit", function()
  local l, path

  setup(function()
    local hosts = {}
    for i = 1, 4 do hosts[i] = lab.host("esx-0" .. i, { boot_seconds = 600 }) end
    l = lab.start { speed = 300, fleet = { clusters = { { name = "c", hosts = hosts } } } }
    path = l:write [[return p.playbook { name = "x",
      p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:*" }, p.host.enable {} } }]]
  end)
  teardown(function() l:stop() end)
  before_each(function() l.sim:forget() end)

  local function targets(changes)
    local seen, list = {}, {}
    for _, change in ipairs(changes) do
      if not seen[change.target] then list[#list + 1] = change.target:sub(-2) end
      seen[change.target] = true
    end
    table.sort(list)
    return table.concat(list, " ")
  end

  local function chosen(limit)
    local plan, message = gpupt.check(gpupt.playbook.load(path)):plan(l:client(), { limit = limit })
    return plan and targets(plan:changes()) or message
  end

  it("is a pattern as in inventory paths", function()
    assert.equal("01 02 03", chosen "esx-0[1-3]")
    assert.equal("04", chosen "esx-0[!1-3]")
    assert.equal("02 04", chosen "esx-{02,04}")
    assert.equal("03", chosen "esx-?3")
  end)

  it("may be several, with commas or as a list", function()
    assert.equal("01 03", chosen "esx-01,esx-03")
    assert.equal("01 03 04", chosen { "esx-01, esx-03", "*4" })
  end)

  it("excludes what follows an exclamation mark, whatever the order", function()
    assert.equal("01 03 04", chosen "!esx-02")
    assert.equal("01 04", chosen "!*-0[23],esx-*")
    assert.equal("01", chosen { "esx-0[12]", "!esx-02" })
  end)

  it("takes the next character literally after a backslash", function()
    assert.matches("limit: 'esx-01\\,esx-02' matches no hosts or VMs of the playbook", chosen [[esx-01\,esx-02]], 1, true)
    assert.matches("limit: '\\!esx-01' matches no", chosen [[\!esx-01]], 1, true)
  end)

  it("names the pattern that matches nothing, although others match", function()
    assert.equal("limit: 'esx-O2' matches no hosts or VMs of the playbook", chosen "esx-01,esx-O2")
    assert.equal("limit: '!esx-O2' matches no hosts or VMs of the playbook", chosen "!esx-O2")
    assert.equal("limit: 'a*' and 'b*' match no hosts or VMs of the playbook", chosen { "a*", "esx-*", "b*" })
  end)

  it("says what [01-40] means when that matches nothing", function()
    assert.equal("limit: 'esx-[01-40]' matches no hosts or VMs of the playbook ([ ] stands for one character: "
      .. "write esx-{01,02,...} for numbers)", chosen "esx-[01-40]")
  end)

  it("that excludes everything says so", function()
    assert.equal("limit: no hosts or VMs of the playbook are left: '!esx-*' excludes all that match", chosen "!esx-*")
  end)

  it("is refused when a pattern is empty", function()
    for _, limit in ipairs { "", "a,,b", "esx-01,", "!", { "esx-01", "" }, {} } do
      local plan, message, code = gpupt.check(gpupt.playbook.load(path)):plan(l:client(), { limit = limit })
      assert.is_nil(plan)
      assert.equal("EINVAL", code)
      assert.matches("^limit: .*empty", message)
    end
    assert.has_error(function() gpupt.check(gpupt.playbook.load(path)):plan(l:client(), { limit = { 7 } }) end)
  end)

  it("is repeatable on the command line, and named as there", function()
    local result = l:command { "plan", path, "--limit", "esx-0[12]", "--limit=esx-04", "--limit", "!esx-02", "--json" }
    assert.equal(0, result.status, result.err)
    assert.equal("01 04", targets(assert(json.decode(result.out)).changes))
    result = l:command { "plan", path, "--limit", "esx-01,nowhere" }
    assert.equal(1, result.status)
    assert.equal("gpupt: --limit: 'nowhere' matches no hosts or VMs of the playbook\n", result.err)
    for _, words in ipairs { { "plan", path }, { "apply", path } } do
      l.sim:forget()
      words[3], words[4] = "--limit", "a,,b"
      result = l:command(words)
      assert.equal(2, result.status)
      assert.matches("gpupt: --limit: 'a,,b' has an empty pattern", result.err, 1, true)
      assert.same({}, l.sim:calls())
    end
  end)

  it("is kept by a saved plan and by the run, for resume", function()
    local file, journal = l.dir .. "/a.plan", l.dir .. "/j.db"
    assert.equal(0, l:command({ "plan", path, "--limit", "esx-0[12]", "--limit", "!esx-02", "--out", file }).status)
    local stopped = assert(killed.after(l, { "apply", file, "--allow", "reboot" }, journal, 1))
    local result = l:command { "apply", "--resume", stopped.id, "--allow", "reboot", "--journal", journal }
    assert.equal(0, result.status, result.err)
    assert.matches("esx-01", result.out, 1, true)
    assert.is_nil(result.out:find "esx%-0[234]")
    local function enabled(host)
      for _, device in ipairs(l:truth("hosts", host).cards) do if device.enabled then return true end end
      return false
    end
    assert.is_true(enabled "esx-01")
    for i = 2, 4 do assert.is_false(enabled("esx-0" .. i)) end
  end)
end)
