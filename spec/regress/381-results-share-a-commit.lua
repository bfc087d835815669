-- Each row of a result was a commit of its own, and so was each claim that was kept before a change: a host of a roll
-- wrote to the disk 24 times. While a row waited for its commit, the journal was locked for other processes.
local leases = require "gpupt.playbook.leases"
local loop = require "gpupt.loop"
local rows = require "gpupt.playbook.rows"
local scratch_journal = require "spec.support.scratch_journal"
local store = require "gpupt.store"

describe("the rows of a run", function()
  local book, journal, ctx
  before_each(function()
    book = scratch_journal.open()
    journal, ctx = book.journal, book.ctx
  end)
  after_each(function() book:close() end)

  local function kinds()
    local list = {}
    for i, row in ipairs(book:rows()) do list[i] = row.kind end
    return list
  end

  local vm = setmetatable({ type = "VirtualMachine", value = "vm-1" }, { __index = function()
    return function() return true end
  end })

  it("that tell a result are written with the next change", function()
    local before = book:commits()
    loop.run(function()
      for _ = 1, 5 do ctx:call({ name = "vm-1" }, vm, "Reset", {}, "reset it") end
    end)
    assert(rows.flush(journal))
    -- one for each change, with the result of the one before, and the last result
    assert.equal(6, book:commits() - before)
    assert.same({ "change", "result", "change", "result", "change", "result", "change", "result", "change", "result" }, kinds())
  end)

  it("are written soon if no change follows, and lock no other process out meanwhile", function()
    loop.run(function()
      ctx:row({ name = "vm-1" }, "event", "something")
      assert.same({}, kinds())
      local other = assert(store.open(book.path))
      assert(other:append { run = "r1", kind = "stop" })
      other:close()
      for _ = 1, 400 do
        if #kinds() == 2 then break end
        loop.sleep(0.01)
      end
    end)
    assert.same({ "stop", "event" }, kinds())
  end)

  it("that take a host out of service share the commit of its claims", function()
    local held = assert(leases.enter(journal, "r1"))
    local host = { name = "esx-1", record = { name = "esx-1", uuid = "u-1", ref = vm } }
    assert(held:claim_all { entries = { { target = host, steps = { { changes = { 1 }, instance = { step = {
      claims = { "host" } } } } } } } })
    ctx.before_change = function(target, action) held:before_change(target, action) end
    local before = book:commits()
    loop.run(function() ctx:row(host, "change", { action = "maintenance-enter", text = "in" }) end)
    assert.equal(1, book:commits() - before)
    local reader, kept = assert(store.read(book.path)), {}
    for lease in reader:leases(require "gpupt.clock".read()) do kept[#kept + 1] = lease.kept end
    reader:close()
    assert.same({ "host esx-1 in maintenance mode" }, kept)
  end)
end)
