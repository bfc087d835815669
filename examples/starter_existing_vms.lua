-- Starter: a card for each of your existing VMs, with all settings that it needs, and a check in the guest.
-- Copy this file, change the lines under "yours", and look at the plan until it is what you want; it changes nothing.
-- The cards must be passthrough devices already: starter_hosts.lua.
--
--   GUEST_PASSWORD=... gpupt plan  starter_existing_vms.lua --diff
--   GUEST_PASSWORD=... gpupt apply starter_existing_vms.lua --allow guest-shutdown
local p = require "gpupt.playbook"

-- yours
local vms = p.find { path = "/DC0/vm/**", name = "cad-*", guest = "linux" }
local cards = p.gpus { match = "10de:20b5" }
local account = p.login("ops", p.secret.env "GUEST_PASSWORD")   -- in the guest; the password is never in this file

return p.playbook { name = "cards for existing VMs", max_failures = 1,
  p.vms { where = vms, login = account,
    -- a running VM is shut down by its guest: cards cannot be hot-added
    p.gpu.attach   { devices = cards, count = 1 },
    p.guest.verify {} },
}
