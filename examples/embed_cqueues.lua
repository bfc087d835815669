-- gpupt in a cqueues program: calls in its coroutines yield to the controller, so that a server keeps serving.
--   GOVC_URL=... GOVC_USERNAME=... GOVC_PASSWORD=... lua5.4 examples/embed_cqueues.lua
local cqueues = require "cqueues"
local gpupt = require "gpupt"

gpupt.loop.use "cqueues"

local controller = cqueues.new()
local done, ticks = false, 0

controller:wrap(function()
  local vc <close> = gpupt.check(gpupt.vim.connect {})
  for host in vc:collect { type = "HostSystem", paths = { "name", "runtime.connectionState" } } do
    print(host.name, host["runtime.connectionState"])
  end
  -- gpupt's own fibers work here too
  local names = gpupt.loop.run(function()
    local stores = gpupt.loop.spawn(function()
      return #gpupt.check(vc:collect_all { type = "Datastore", paths = { "name" } })
    end)
    local clusters = gpupt.loop.spawn(function()
      return #gpupt.check(vc:collect_all { type = "ClusterComputeResource", paths = { "name" } })
    end)
    return ("%d clusters, %d datastores"):format(clusters:join(), stores:join())
  end)
  print(names)
  done = true
end)

-- the rest of the program
controller:wrap(function()
  while not done do
    ticks = ticks + 1
    cqueues.sleep(0.001)
  end
end)

assert(controller:loop())
print(ticks > 0 and "the rest of the program kept running" or "the rest of the program was blocked")
