-- The files of a playbook: dofile, loadfile, require and load inside it.
local gpupt = require "gpupt"
local probe_of = require "spec.support.probe"
local sha256 = require "gpupt.sha256"
local vcenter = require "spec.support.vcenter"

local HOSTS = [[ return p.playbook { name = _G.NAME or "x", p.hosts { where = "/DC0/host/*", p.host.enable {} } }]]

describe("a playbook's files", function()
  local dir

  setup(function() dir = vcenter.shell "mktemp -d -t gpupt-source.XXXXXX":match "%S+" end)
  teardown(function() os.execute("rm -rf " .. dir) end)

  local function write(name, text)
    vcenter.write(dir .. "/" .. name, text)
    return dir .. "/" .. name
  end
  local function load(text, vars, o)
    return gpupt.playbook.load(write("play.lua", 'local p = require "gpupt.playbook"\n' .. text:gsub("DIR", dir)), vars, o)
  end

  it("are listed with their hashes, the playbook first", function()
    local one, two = write("one.lua", "return 1"), write("two.lua", "return dofile '" .. dir .. "/one.lua'")
    local pb = assert(load("assert(dofile 'DIR/two.lua' == 1)" .. HOSTS))
    assert.same({ { path = dir .. "/play.lua", hash = pb.hash }, { path = two, hash = sha256(vcenter.read(two)) },
      { path = one, hash = sha256(vcenter.read(one)) } }, pb.files)
    assert.equal(sha256(vcenter.read(dir .. "/play.lua")), pb.hash)
  end)

  it("are read once: the hashed bytes are executed", function()
    write("once.lua", "return 'first'")
    local pb = assert(load([[
      local first = dofile "DIR/once.lua"
      local file = io.open("DIR/once.lua", "w") file:write "return 'second'" file:close()
      assert(first == "first" and dofile "DIR/once.lua" == "first" and loadfile "DIR/once.lua"() == "first")]] .. HOSTS))
    assert.equal(sha256 "return 'first'", pb.files[2].hash)
  end)

  it("see vars, and share their globals only with the playbook", function()
    write("defs.lua", "SITE_NAME = 'site-' .. vars.site")
    local pb = assert(load("dofile 'DIR/defs.lua' _G.NAME = SITE_NAME" .. HOSTS, { site = "a" }))
    assert.equal("site-a", pb.name)
    assert.is_nil(rawget(_G, "SITE_NAME"))
  end)

  it("that are required are loaded once and do not stay in this Lua state", function()
    write("source_probe.lua", "count = (count or 0) + 1 return { count = count, name = ... }")
    local before = package.path
    package.path = dir .. "/?.lua;" .. before
    local pb, message = load([[local one, two = require "source_probe", require "source_probe"
      assert(one == two and one.count == 1 and one.name == "source_probe")
      assert(require "string" == string and require "gpupt.playbook" == p)]] .. HOSTS)
    package.path = before
    assert(pb, message)
    assert.is_nil(package.loaded.source_probe)
    assert.equal(dir .. "/source_probe.lua", pb.files[2].path)
  end)

  it("that are missing, broken or compiled are refused where they are loaded", function()
    local pb, message, code = load("dofile 'DIR/none.lua'" .. HOSTS)
    assert.is_nil(pb)
    assert.equal("EPLAYBOOK", code)
    assert.matches("play.lua:2: ", message, 1, true)
    assert.matches("none.lua: No such file", message, 1, true)
    write("broken.lua", "return return")
    pb, message = load("dofile 'DIR/broken.lua'" .. HOSTS)
    assert.is_nil(pb)
    assert.matches("broken.lua:1:", message, 1, true)
    vcenter.write(dir .. "/compiled.lua", string.dump(function() return 1 end))
    pb, message = load("dofile 'DIR/compiled.lua'" .. HOSTS)
    assert.is_nil(pb)
    assert.matches("compiled Lua", message, 1, true)
    pb, message = load("local f, why = loadfile 'DIR/none.lua' assert(f == nil and why:find 'No such file')" .. HOSTS)
    assert(pb, message)
    pb, message = load("require 'no_such_module_here'" .. HOSTS)
    assert.is_nil(pb)
    assert.matches("module 'no_such_module_here' not found", message, 1, true)
  end)

  it("keep their line numbers after a #! line", function()
    write("bang.lua", "#!/usr/bin/lua\nerror 'here'")
    local pb, message = load("dofile 'DIR/bang.lua'" .. HOSTS)
    assert.is_nil(pb)
    assert.matches("bang.lua:2: here", message, 1, true)
  end)

  it("are all compared before any of them is executed, even if the playbook ignores the refusal", function()
    local other = write("other.lua", "MARK = true return 1")
    local listed = assert(load [[pcall(dofile, 'DIR/other.lua')
      return p.playbook { name = _G.MARK and 'ran' or 'not', p.hosts { where = '/x', p.host.enable {} } }]])
    assert.equal("ran", listed.name)
    local function expect(files) return { expect = { { files = files, since = "it was approved", advice = "ask again" } } } end
    local again = assert(gpupt.playbook.load(listed.path, nil, expect(listed.files)))
    assert.equal("ran", again.name)
    local main = { listed.files[1] }
    local swallowed = assert(gpupt.playbook.load(listed.path, nil, expect(main)))
    assert.equal("not", swallowed.name)
    vcenter.write(other, "MARK = 'changed'")
    local pb, message, code = gpupt.playbook.load(listed.path, nil, expect(listed.files))
    assert.same({ nil, other .. " changed since it was approved: ask again", "ESTALE" }, { pb, message, code })
    os.remove(other)
    pb, message, code = gpupt.playbook.load(listed.path, nil, expect(listed.files))
    assert.is_nil(pb)
    assert.equal("ESTALE", code)
    assert.matches("but cannot be read now", message, 1, true)
  end)

  describe("of a run of an earlier release", function()
    local probe, store = nil, require "gpupt.store"
    setup(function() probe = probe_of.start() end)
    teardown(function() probe:stop() end)
    before_each(function() probe:clear() end)

    -- That release hashed the playbook without its #! line, and listed no other files.
    local function started(path)
      local journal = probe.dir .. "/earlier.db"
      os.remove(journal)
      local book = assert(store.open(journal))
      local hash = sha256((vcenter.read(path):gsub("^#[^\n]*", "")))
      assert(book:begin { id = "earlier", playbook = path, hash = hash,
        note = [[{"vars": {"site": "lab"}, "allow": [], "name": "probe"}]] })
      book:close()
      return function() return probe.l:command { "apply", "--resume", "earlier", "--journal", journal } end
    end

    it("are only the playbook, with and without a #! line", function()
      for _, first in ipairs { "", "#!/usr/bin/env gpupt\n" } do
        probe:clear()
        local path = probe:write "local secret = p.secret.callback(function() return vars.site end)\n"
        vcenter.write(path, first .. vcenter.read(path))
        local resume = started(path)
        local result = resume()
        assert.equal(0, result.status, result.err)
        assert.equal("lab", probe:got())
        probe:clear()
        vcenter.write(path, vcenter.read(path) .. "\n-- changed\n")
        result = resume()
        assert.equal(1, result.status)
        assert.matches("changed since run earlier was started: apply it again, without --resume", result.err, 1, true)
        assert.is_false(probe:loaded())
      end
    end)

    it("cannot be other files", function()
      local library = probe:file("library.lua", "return 'x'\n")
      local result = started(probe:write(("dofile '%s'\nlocal secret = nil\n"):format(library)))()
      assert.equal(1, result.status)
      assert.matches("library.lua was not loaded when run earlier was started", result.err, 1, true)
      assert.is_false(probe:loaded())
    end)
  end)

  describe("that a step loads during the run", function()
    local probe
    setup(function() probe = probe_of.start() end)
    teardown(function() probe:stop() end)
    before_each(function() probe:clear() end)

    local function late()
      vcenter.write(probe.dir .. "/late.lua", "return 'late'")
      return probe:write(("local secret = p.secret.callback(function() return dofile '%s/late.lua' end)\n"):format(probe.dir))
    end

    it("may be loaded unchanged when the run is resumed", function()
      local path, journal = late(), probe.dir .. "/late.db"
      probe:fail(true)
      local id = probe.l:command { "apply", path, "--journal", journal }.err:match "continue with: gpupt apply %-%-resume (%S+)"
      probe:clear()
      vcenter.write(probe.dir .. "/late.lua", "return 'changed'")
      local result = probe.l:command { "apply", "--resume", id, "--journal", journal }
      assert.equal(1, result.status)
      assert.matches("late.lua changed since run", result.err, 1, true)
      vcenter.write(probe.dir .. "/late.lua", "return 'late'")
      result = probe.l:command { "apply", "--resume", id, "--journal", journal }
      assert.equal(0, result.status, result.err)
      assert.equal("late", probe:got())
    end)

    it("are refused for a plan that did not load them", function()
      local path, file = late(), probe.dir .. "/late.plan"
      assert.equal(0, probe.l:command({ "plan", path, "--out", file }).status)
      local result = probe.l:command { "apply", file, "--journal", probe.dir .. "/plan.db" }
      assert.equal(1, result.status)
      assert.matches("late.lua was not loaded when the plan was created: create a new plan", result.err, 1, true)
      assert.is_nil(probe:got())
    end)
  end)
end)
