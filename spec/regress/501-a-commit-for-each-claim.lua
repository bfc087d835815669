-- A run claimed its hosts one by one, each with a commit of its own: a write to the disk for each of a thousand hosts,
-- one after the other, before anything began.
local leases = require "gpupt.playbook.leases"
local store = require "gpupt.store"

describe("the claims of a run", function()
  it("are written with one commit", function()
    local real <close> = assert(store.open ":memory:")
    assert(real:begin { id = "many", playbook = "play.lua" })
    local commits, open = 0, false
    -- the store, counting what goes to the disk
    local journal = setmetatable({}, { __index = function(_, name)
      return function(_, ...)
        if name == "gather" then open = true end
        if name == "commit" and open then commits, open = commits + 1, false end
        if (name == "claim" or name == "append") and not open then commits = commits + 1 end
        return real[name](real, ...)
      end
    end })
    local own = assert(leases.enter(journal, "many"))
    local entries = {}
    for i = 1, 50 do
      local target = { name = "h-" .. i, record = { name = "h-" .. i, uuid = "uuid-" .. i, ref = "HostSystem:h-" .. i } }
      entries[i] = { target = target, steps = { { changes = { {} }, instance = { step = { claims = { "host" } } } } } }
    end
    assert(own:claim_all { entries = entries })
    assert.equal(1, commits)
    local count = 0
    for lease in real:leases(require "gpupt.clock".read()) do count = count + lease.in_force end
    assert.equal(50, count)
  end)
end)
