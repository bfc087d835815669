-- gpupt in an ordinary Lua program: calls block; inside loop.run, calls of several fibers run in parallel.
--   GOVC_URL=... GOVC_USERNAME=... GOVC_PASSWORD=... lua5.4 examples/embed_plain.lua
local gpupt = require "gpupt"
local loop = gpupt.loop

local vc <close> = gpupt.check(gpupt.vim.connect {})

-- 1. plain calls
local hosts = gpupt.check(vc:find("/**", { type = "HostSystem" }))
print(("%s: %d hosts"):format(vc.about.fullName, #hosts))

-- 2. in parallel: one fiber per host, at most 8 requests at a time
local lines = loop.run(function()
  local fibers = {}
  for i, host in ipairs(hosts) do
    fibers[i] = loop.spawn(function()
      local values = gpupt.check(host:get { "name", "hardware.pciDevice" })
      local count = 0
      for _, device in ipairs(values["hardware.pciDevice"] or {}) do
        if gpupt.pci.is_gpu(gpupt.pci.from_vim(device)) then count = count + 1 end
      end
      return ("  %-24s %d GPUs"):format(values.name, count)
    end)
  end
  local out = {}
  for i, fiber in ipairs(fibers) do out[i] = fiber:join() end
  return out
end)
print(table.concat(lines, "\n"))

-- 3. a time limit for anything that waits
local value, message, code = loop.deadline(0.2, function()
  return vc:wait_for(hosts[1], "runtime.inMaintenanceMode", function(values)
    return values["runtime.inMaintenanceMode"]
  end)
end)
print(value and "in maintenance" or ("not in maintenance (%s: %s)"):format(code, message))
