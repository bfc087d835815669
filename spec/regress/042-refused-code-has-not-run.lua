-- --resume and apply PLANFILE refused a changed playbook only after its code had been executed; files that it loads with
-- dofile or require were not compared at all.
local probe_of = require "spec.support.probe"
local vcenter = require "spec.support.vcenter"

local PRELUDE = "local secret = p.secret.callback(function() return 'x' end)\n"

describe("code that changed since it was approved", function()
  local probe

  setup(function() probe = probe_of.start() end)
  teardown(function() probe:stop() end)
  before_each(function()
    probe:clear()
    os.remove(probe.dir .. "/ran")
  end)

  local function mark() return ("do local file = io.open('%s/ran', 'w') file:close() end\n"):format(probe.dir) end
  local function ran() return vcenter.read(probe.dir .. "/ran") ~= nil end

  local ways = {
    ["with apply PLANFILE"] = function(path)
      local file = probe.dir .. "/a.plan"
      local planned = probe.l:command { "plan", path, "--out", file }
      assert.equal(0, planned.status, planned.err)
      probe:clear()
      return function() return probe.l:command { "apply", file, "--journal", probe.dir .. "/plan.db" } end
    end,
    ["with --resume"] = function(path)
      local journal = os.tmpname()
      os.remove(journal)
      journal = probe.dir .. "/" .. journal:match "[^/]+$"
      probe:fail(true)
      local first = probe.l:command { "apply", path, "--journal", journal }
      assert.equal(1, first.status, first.err)
      local id = first.err:match "continue with: gpupt apply %-%-resume (%S+)"
      probe:clear()
      return function() return probe.l:command { "apply", "--resume", id, "--journal", journal } end
    end,
  }

  local function refused(result, file)
    assert.equal(1, result.status, result.err .. result.out)
    assert.matches(file, result.err, 1, true)
    assert.matches("changed since", result.err, 1, true)
    assert.is_false(ran(), "it was executed")
    assert.is_false(probe:loaded(), "the playbook was executed")
    assert.is_nil(probe:got())
  end

  for name, way in pairs(ways) do
    it("is not executed " .. name, function()
      local path = probe:write(PRELUDE)
      local go = way(path)
      vcenter.write(path, mark() .. vcenter.read(path))
      refused(go(), path)
    end)

    it("is not executed if dofile loads it, " .. name, function()
      local library = probe:file("library.lua", "return 1\n", "644")
      local path = probe:write(PRELUDE .. ("dofile '%s'\n"):format(library))
      local go = way(path)
      vcenter.write(library, mark() .. "return 1\n")
      refused(go(), library)
    end)

    it("is not executed if require loads it, " .. name, function()
      local library = probe:file("probe_library.lua", "return {}\n", "644")
      local path = probe:write(("package.path = '%s/?.lua;' .. package.path\nrequire 'probe_library'\n"):format(probe.dir)
        .. PRELUDE)
      local go = way(path)
      vcenter.write(library, mark() .. "return {}\n")
      refused(go(), library)
    end)

    it("is not executed if it is another file than before, " .. name, function()
      local library = probe:file("one.lua", "return 1\n", "644")
      local other = probe:file("two.lua", mark() .. "return 1\n", "644")
      local choice = probe:file("choice", library, "644")
      local path = probe:write(PRELUDE .. ("dofile(io.open('%s'):read 'a')\n"):format(choice))
      local go = way(path)
      vcenter.write(choice, other)
      local result = go()
      assert.equal(1, result.status, result.err .. result.out)
      assert.matches(other, result.err, 1, true)
      assert.is_false(ran())
    end)

    it("is executed if nothing changed, " .. name, function()
      local library = probe:file("same.lua", "return 1\n", "644")
      local go = way(probe:write(PRELUDE .. ("assert(dofile '%s' == 1)\n"):format(library)))
      local result = go()
      assert.equal(0, result.status, result.err)
      assert.equal("x", probe:got())
    end)
  end
end)
