-- Starter: n new VMs with a card each, installed from an ISO, and a check in the guest.
-- Copy this file, change the lines under "yours", and look at the plan until it is what you want; it changes nothing.
-- The cards must be passthrough devices already: starter_hosts.lua.
--
--   GUEST_PASSWORD=... gpupt plan  starter_new_vms.lua
--   GUEST_PASSWORD=... gpupt apply starter_new_vms.lua
local p = require "gpupt.playbook"

-- yours
local count, name = 2, "train-{n:02}"         -- train-01, train-02
local place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" }
local iso = "[ds-1] iso/ubuntu-24.04.iso"
local cards = p.gpus { match = "10de:20b5" }
local password = p.secret.env "GUEST_PASSWORD"

return p.playbook { name = "new VMs",
  p.vms { count = count, name = name, place = place, login = p.login("ops", password),
    p.vm.create    { guest = "ubuntu64Guest", cpus = 16, memory = "64 GiB", disk = "200 GiB" },
    -- a function of the VM is called once for each of them, when the plan is made
    p.os.install   { iso = iso, answer = function(vm)
      return p.answer.cloud_init { hostname = vm.name, user = "ops", password = password }
    end },
    p.tools.ensure {},
    p.gpu.attach   { devices = cards, count = 1 },
    p.guest.verify {} },
}
