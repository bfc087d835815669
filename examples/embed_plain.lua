-- gpupt from an ordinary Lua program: every call blocks, until it stands inside loop.run, where calls run side by side.
--   GOVC_URL=... GOVC_USERNAME=... GOVC_PASSWORD=... lua5.4 examples/embed_plain.lua
local gpupt = require "gpupt"
local loop = gpupt.loop

local vc <close> = gpupt.check(gpupt.vim.connect {})

-- 1. plain calls
local hosts = gpupt.check(vc:find("/**", { type = "HostSystem" }))
print(("%s: %d hosts"):format(vc.about.fullName, #hosts))

-- 2. side by side: one fiber a host, at most 8 requests under way
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

-- 3. a limit on anything that waits
local value, message, code = loop.deadline(0.2, function()
  return vc:wait_for(hosts[1], "runtime.inMaintenanceMode", function(values)
    return values["runtime.inMaintenanceMode"]
  end)
end)
print(value and "in maintenance" or ("not in maintenance (%s: %s)"):format(code, message))
