-- More cards for VMs that run already. A VM that holds a card cannot be migrated: it is shut down for the reboot of its
-- host, and again to attach the cards.
--
--   CAD_PASSWORD=... gpupt apply examples/running_vms.lua --allow reboot,guest-shutdown
local p = require "gpupt.playbook"

local a100 = p.gpus { match = "10de:20b5" }

return p.playbook { name = "running VMs", max_failures = 1,
  p.hosts { where = "/DC0/host/gpu-a", devices = a100, roll = { guests = "shutdown-idle" }, p.host.enable {} },

  p.vms { where = "/DC0/vm/cad-*", login = p.login("ops", p.secret.env "CAD_PASSWORD"),
    p.gpu.attach   { devices = a100, count = 2, horizon = true },
    p.guest.verify {} },
}
