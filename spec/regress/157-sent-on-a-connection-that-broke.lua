--- A changing request was sent, the connection broke, and the next connection, which libcurl opens by itself, was refused:
-- the call ended as never sent (ECONNECT), so a step failed where it has to observe what became of the change.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

describe("a changing call whose connection breaks after it was sent", function()
  local sim
  setup(function() sim = vcenter.start() end)
  teardown(function() sim:stop() end)

  it("has an unknown outcome, whatever the next connection does", function()
    local seen = {}
    for i = 1, 10 do
      local vc = sim:connect { retries = 0 }
      local folder = check(vc:one "/DC0/vm")
      local name = "made-" .. i
      sim:trouble({ method = "CreateFolder" }, { kind = "restart-after", seconds = 0.5, refuse = true })
      local made, _, code = folder:CreateFolder { name = name }
      assert.is_nil(made)
      seen[i] = code
      while not pcall(sim.calm, sim) do vcenter.sleep(0.05) end -- the control page is away, too
      sim:close_all()
    end
    for i, code in ipairs(seen) do assert.equal("EUNKNOWN", code, "try " .. i .. " of " .. table.concat(seen, " ")) end
  end)
end)
