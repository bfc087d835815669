--- A run that deletes a VM and was killed after the deletion could not be resumed: the path of `where` matched nothing any
-- more. And its target stayed "interrupted".
local matrix = require "spec.support.kill_matrix"
local store = require "gpupt.store"

describe("a run that was killed after it deleted its VM", function()
  local case, l, journal
  for _, one in ipairs(matrix.cases) do if one.name == "delete" then case = one end end
  before_each(function()
    l = case.start()
    journal = l.dir .. "/journal.db"
  end)
  after_each(function() l:stop() end)

  for _, point in ipairs { "answered", "ended" } do
    it("is resumed, and done: killed at " .. point, function()
      local words = case.prepare(l, journal)
      for _, word in ipairs { "--journal", journal, "--allow", case.allow } do words[#words + 1] = word end
      l:command(words, { env = { GPUPT_KILL = "vm.delete|delete:" .. point, LUA_INIT = "require 'spec.support.kill_here'" } })
      assert.is_nil(l:truth("vms", "new-1"))
      local book = assert(store.read(journal))
      local run = (book:runs()()).id
      book:close()
      local resumed = l:command { "apply", "--resume", run, "--journal", journal }
      assert.equal(0, resumed.status, resumed.err)
      local status = l:command { "status", run, "--journal", journal }
      assert.matches(run .. "  done", status.out, 1, true)
      assert.matches("\nnew%-1 +changed\n", status.out)
    end)
  end

  it("control: a path that matches nothing is an error in a new run", function()
    local got = l:command { "plan", l:write [[return p.playbook { name = "x", p.vms { where = "/DC0/vm/none", p.gpu.detach {} } }]] }
    assert.equal(1, got.status)
    assert.matches("nothing matches '/DC0/vm/none'", got.err, 1, true)
  end)
end)
