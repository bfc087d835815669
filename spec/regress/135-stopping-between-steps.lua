-- Ctrl-C abandoned the steps in progress (a host stayed in maintenance mode), another terminal could not stop a run at all, and
-- a run whose targets were cancelled while others were left alone ended as "done".
local lab = require "spec.support.lab"

local PLAY = [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/gpu-a/*",
  devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]]

describe("a run that is asked to stop", function()
  local l, journal

  before_each(function()
    l = lab.start { speed = 50, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "a-1", lab.host "a-2" } } } } }
    journal = l:journal()
    l:client()
  end)
  after_each(function()
    journal:close()
    l:stop()
  end)

  local function apply(how)
    local rebooting
    local run = assert(assert(l:plan(PLAY)):apply { journal = journal, allow = { "reboot" }, on_event = function(event)
      rebooting = rebooting or event.text == "rebooting"
    end, asked = function() if rebooting then return how, "the night is over" end end })
    local statuses = {}
    for _, one in ipairs(run:result().targets) do statuses[one.target] = one.status end
    return run:result(), statuses
  end

  it("finishes the step in progress, starts nothing more, and can be resumed", function()
    local result, statuses = apply "drain"
    assert.same({ ["a-1"] = "changed", ["a-2"] = "not started" }, statuses)
    assert.same({ "interrupted", "the night is over" }, { result.status, result.message })
    assert.is_false(l:truth("hosts", "a-1").maintenance)
    assert.equal("done", assert(l:apply(PLAY, { allow = { "reboot" }, journal = journal, resume = result.id })).status)
  end)

  it("at once is interrupted, not done", function()
    local result, statuses = apply "cancel"
    assert.same({ ["a-1"] = "interrupted", ["a-2"] = "not started" }, statuses)
    assert.equal("interrupted", result.status)
    assert.equal("done", assert(l:apply(PLAY, { allow = { "reboot" }, journal = journal, resume = result.id })).status)
  end)
end)
