-- The playbook of bench/cycle/run.lua: off, reconfigure, on, each proved by reading the VM again.
local p = require "gpupt.playbook"
local loop = require "gpupt.loop"

local slots = loop.semaphore(vars.cap) -- luacheck: ignore

local cycle = p.step {
  name = "bench.cycle", scope = "vms",
  observe = function(ctx, target) return ctx.fleet:vm(target.ref) end,
  plan = function(_, _, seen)
    if seen.extra["bench.cycle"] == "1" then return {} end
    return { { what = "off, reconfigure, on", sign = "~", verb = "cycle" } }
  end,
  apply = function(ctx, target)
    local slot <close> = slots:acquire() -- luacheck: ignore
    local function task(method, args)
      local ok, message, code = ctx:task(target, target.ref, method, args)
      if not ok then error(("%s: %s (%s)"):format(method, message, code), 0) end
    end
    task("PowerOffVM_Task", {})
    task("ReconfigVM_Task", { spec = { annotation = "cycle", extraConfig = { { key = "bench.cycle", value = "1" } } } })
    task("PowerOnVM_Task", {})
    return true
  end,
  prove = function(ctx, target)
    local record = ctx.fleet:vm(target.ref)
    if record.power ~= "poweredOn" then return nil, "it is not powered on", "EPROOF" end
    return "powered on"
  end,
}

return p.playbook { name = "cycle", p.vms { where = "/DC0/vm/*", cycle {} } }
