-- gpupt in a luv program: start code that calls gpupt with the adapter's go; uv.run() drives it with everything else.
--   GOVC_URL=... GOVC_USERNAME=... GOVC_PASSWORD=... lua5.4 examples/embed_luv.lua
local gpupt = require "gpupt"
local uv = require "luv"

local luv = gpupt.loop.use "luv"

local ticks = 0
local timer = uv.new_timer()
timer:start(1, 1, function() ticks = ticks + 1 end)

luv.go(function()
  local vc <close> = gpupt.check(gpupt.vim.connect {})
  for host in vc:collect { type = "HostSystem", paths = { "name", "runtime.connectionState" } } do
    print(host.name, host["runtime.connectionState"])
  end
  gpupt.loop.sleep(0.02)
  timer:close()
end)

uv.run()
print(ticks > 0 and "the rest of the program kept running" or "the rest of the program was blocked")
