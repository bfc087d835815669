-- Starter: the cards of your hosts become passthrough devices, one host of a cluster after the other.
-- Copy this file, change the lines under "yours", and look at the plan until it is what you want; it changes nothing.
--
--   gpupt gpus                                   your hosts and cards, with the ids for `cards`
--   gpupt plan  starter_hosts.lua
--   gpupt apply starter_hosts.lua --allow reboot
local p = require "gpupt.playbook"

-- yours
local hosts = "/DC0/host/gpu-a"               -- a cluster, or hosts: /DC/host/CLUSTER/esx-*
local cards = p.gpus { match = "10de:20b5" }  -- vendor:device, or a list: { "10de:20b5", "10de:2330" }

return p.playbook { name = "enable cards",
  p.hosts { where = hosts, devices = cards,
    roll = { unavailable = "1/cluster",       -- hosts of a cluster that may be out of service at once
      guests = "keep",                        -- "shutdown-idle": VMs that cannot be migrated may be shut down
      back_within = "45m" },                  -- how long a reboot may take
    p.host.enable {} },
}
