--- Memory: which host can take a VM is decided when cards are given (gpupt.fleet.allocation), with the memory that
-- running VMs have reserved. What a VM needs beyond its own memory is known only when it runs, and ESXi needs some: a
-- host that would be left with less than an estimate of it is named.
local units = require "gpupt.units"

-- Estimates in MiB: of ESXi itself, and of a VM (from the overhead tables for large VMs, rounded up).
local HOST_MB, VM_MB, VM_SHARE = 4096, 512, 0.01

return function(plan, needs, found)
  local pool = plan.pool
  if not pool then return end
  local seen = {}
  for _, need in ipairs(needs) do
    local record = need.target.host
    if need.instance.name == "gpu.attach" and record and record.connection == "connected" and not record.unreserved_mb
      then
      found:cannot { source = need.instance.source, target = need.target.name,
        text = "gpu.attach: the memory of " .. record.name,
        needs = "System.Read", on = "the VMs that run on it" }
    end
    local used = record and pool.used_memory[record] or 0
    if need.instance.name == "gpu.attach" and used > 0 and record.unreserved_mb and not seen[record] then
      seen[record] = true
      local count = 0
      for _, target in ipairs(plan.vms) do if target.host == record and target.cards then count = count + 1 end end
      local left, overhead = record.unreserved_mb - used, HOST_MB + count * VM_MB + math.floor(used * VM_SHARE)
      if left < overhead then
        found:open { source = need.instance.source, target = record.name,
          text = ("%s reserve %d MiB of %d MiB unreserved memory on %s"):format(units.count(count, "VM"), used,
            record.unreserved_mb, record.name),
          why = ("ESXi and the overhead of the VMs may need the rest (%d MiB)"):format(left) }
      end
    end
  end
end
