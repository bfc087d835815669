-- Each row of the journal was a commit of its own: eight changes that were due at the same moment wrote to the disk eight
-- times before the last of them was sent.
local context = require "gpupt.playbook.context"
local loop = require "gpupt.loop"
local rows = require "gpupt.playbook.rows"
local scratch_journal = require "spec.support.scratch_journal"

local FIBERS = 8

describe("rows that are due in one turn of the loop", function()
  local book, journal, ctx
  before_each(function()
    book = scratch_journal.open()
    journal, ctx = book.journal, book.ctx
  end)
  after_each(function() book:close() end)

  -- An object whose calls are kept, with the rows that another process saw on the disk when each was made.
  local function object(calls)
    return setmetatable({ type = "VirtualMachine", value = "vm-1" }, { __index = function()
      return function()
        local seen = 0
        for _, row in ipairs(book:rows()) do if row.kind == "change" then seen = seen + 1 end end
        calls[#calls + 1] = { seen = seen }
        return true
      end
    end })
  end

  it("share one commit, which is done before any of their calls is sent", function()
    local calls, before = {}, book:commits()
    loop.run(function()
      for i = 1, FIBERS do
        loop.spawn(function() ctx:call({ name = "vm-" .. i }, object(calls), "Reset", {}, "reset it") end)
      end
    end)
    assert.are.equal(FIBERS, #calls)
    for _, call in ipairs(calls) do assert.are.equal(FIBERS, call.seen) end
    -- one for the changes, one for their results
    assert(rows.flush(journal))
    assert.are.equal(2, book:commits() - before)
  end)

  it("are on disk when a change returns, without a loop too", function()
    local calls = {}
    ctx:call({ name = "vm-1" }, object(calls), "Reset", {}, "reset it")
    ctx:call({ name = "vm-1" }, object(calls), "Reset", {}, "reset it")
    assert.are.same({ 1, 2 }, { calls[1].seen, calls[2].seen })
  end)

  it("are on disk when the journal is closed", function()
    ctx:row(nil, "event", "something")
    journal:close()
    local kinds = {}
    for i, row in ipairs(book:rows()) do kinds[i] = row.kind end
    assert.are.same({ "event" }, kinds)
  end)

  it("are all lost when one of them cannot be written, and none of their calls is sent", function()
    local calls, failures = {}, {}
    loop.run(function()
      for i = 1, FIBERS do
        loop.spawn(function()
          -- the store refuses the row of a run that it does not know
          local one = i == FIBERS and context.new { journal = journal, run = "ghost" } or ctx
          local ok, err = pcall(one.call, one, { name = "vm-" .. i }, object(calls), "Reset", {}, "reset it")
          if not ok then failures[#failures + 1] = err.code end
        end)
      end
    end)
    assert.are.same({}, calls)
    assert.are.equal(FIBERS, #failures)
    for _, code in ipairs(failures) do assert.are.equal("EINVAL", code) end
    -- and the next ones are written
    ctx:call({ name = "vm-1" }, object(calls), "Reset", {}, "reset it")
    assert.are.equal(1, calls[1].seen)
  end)
end)
