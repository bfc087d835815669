-- An error in a program's on_event, or a mistake in a step, ended a host's work in maintenance mode; the other hosts of the
-- cluster then waited for its slot for claim_within, 15 minutes, and were deferred.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

describe("an error in a call-back of a run", function()
  local l
  after_each(function() l:stop() end)

  it("that leaves a host in maintenance mode lets no other host begin, and none wait", function()
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "a-1", lab.host "a-2" } } } } }
    local plan = gpupt.check(l:plan [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/*",
      devices = p.gpus { match = "10de:20b5" }, roll = { claim_within = "20s" }, p.host.enable {} } }]])
    local raised, waited = nil, false
    local run = gpupt.check(plan:apply { journal = l:journal(), allow = { "reboot" }, on_event = function(event)
      waited = waited or (event.text or ""):find("waiting for a free slot", 1, true) ~= nil
      if event.text == "entered maintenance mode" and not raised then
        raised = event.target
        error("the program's own mistake")
      end
    end })
    local of = {}
    for _, one in ipairs(run:result().targets) do of[one.target] = one end
    local other = raised == "a-1" and "a-2" or "a-1"
    assert.equal("failed", of[raised].status)
    assert.matches("the program's own mistake", of[raised].message, 1, true)
    assert.equal("not started", of[other].status)
    assert.matches(raised .. " is out of service: no further hosts will be started", of[other].message, 1, true)
    assert.is_false(waited)
  end)
end)
