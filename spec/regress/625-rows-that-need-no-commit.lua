-- The boot time before a reboot and the reboot itself were two commits, one right after the other, and so was a Refresh,
-- which changes nothing. Such a row is written with the next one; its number is known then.
local context = require "gpupt.playbook.context"
local loop = require "gpupt.loop"
local rows = require "gpupt.playbook.rows"
local scratch_journal = require "spec.support.scratch_journal"

describe("a row that needs no commit of its own", function()
  local book, journal, ctx
  local host = { name = "esx-1" }
  local INTENT = { action = "reboot-intent", text = "boot time before", soon = true }
  before_each(function()
    book = scratch_journal.open()
    journal, ctx = book.journal, book.ctx
  end)
  after_each(function() book:close() end)

  -- The intent with its result, then a change that is waited for.
  local function intent_and_reboot()
    local item = ctx:row(host, "change", INTENT, { boot_time = 7 })
    ctx:row(host, "result", INTENT, { ok = true }, { of = item })
    assert.same({}, book:rows())
    assert.equal(7, ctx:did(host, "reboot-intent").boot_time)
    ctx:row(host, "change", { action = "reboot", text = "RebootHost" })
  end

  for _, where in ipairs { "in a loop", "outside a loop" } do
    it("is written with the next change, before it: " .. where, function()
      local before = book:commits()
      if where == "in a loop" then loop.run(intent_and_reboot) else intent_and_reboot() end
      local list = book:rows()
      assert.equal(1, book:commits() - before)
      assert.same({ "reboot-intent", "reboot-intent", "reboot" }, { list[1].action, list[2].action, list[3].action })
      assert.equal(list[1].number, list[2].of)
      -- the history knows the row's number then, as a resumed run does
      assert.equal("reboot-intent", ctx.history:entry(list[1].number).action)
      assert.equal(list[1].number, ctx.history:entry(list[1].number).number)
      local resumed = context.of_run(journal, "r1")
      assert.equal(7, resumed:did(host, "reboot-intent").boot_time)
    end)
  end

  it("is no change if the commit fails", function()
    loop.run(function()
      local item = ctx:row(host, "change", INTENT, { boot_time = 7 })
      rows.add(journal, { run = "there is none", kind = "event" })
      assert.is_false((pcall(ctx.row, ctx, host, "change", { action = "reboot", text = "RebootHost" })))
      assert.is_nil(ctx:did(host, "reboot-intent"))
      assert.is_nil(ctx.history:entry(item))
    end)
    assert.same({}, book:rows())
  end)

  it("gets the answer to its call, and is forgotten if the server refused that", function()
    local system = setmetatable({ type = "HostPciPassthruSystem", value = "s-1" }, { __index = function(_, method)
      return function()
        if method == "Refresh" then return nil, "no", "NoPermission", { fault = { _type = "NoPermission" } } end
      end
    end })
    loop.run(function()
      local ok, _, code = ctx:call(host, system, "Refresh", {}, { text = "Refresh", soon = true })
      assert.is_nil(ok)
      assert.equal("NoPermission", code)
    end)
    assert(rows.flush(journal))
    local list = book:rows()
    assert.same({ "change", "result" }, { list[1].kind, list[2].kind })
    assert.equal(list[1].number, list[2].of)
    assert.is_nil(ctx:did(host, "Refresh"))
    assert.is_nil(context.of_run(journal, "r1"):did(host, "Refresh"))
  end)
end)
