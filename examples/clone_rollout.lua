-- 40 desktops, cloned from a golden image onto 10 hosts with 4 cards each: one card for each desktop.
--
--   gpupt plan examples/clone_rollout.lua
--   gpupt apply examples/clone_rollout.lua
--
-- The golden image is a template without a card. Every clone gets its name and network identity from a customization
-- specification of vCenter, then its card. An interrupted run continues with gpupt apply --resume RUN.
local p = require "gpupt.playbook"

local vars = p.vars {
  count = { type = "integer", default = 40, doc = "number of desktops" },
}

return p.playbook { name = "clone-rollout", max_failures = 2,
  p.vms { count = vars.count, name = "W11-{n:03}", spread = "even",
    login = p.login("Administrator", p.secret.env "GOLD_PASSWORD"),
    place = { cluster = "vdi-a", datastore = "nvme-pod", network = "VDI-210", folder = "vdi" },
    p.vm.clone     { from = "gold/w11-24h2", customization = "vdi-join", cpus = 8, memory = "16 GiB" },
    p.gpu.attach   { devices = p.gpus { match = "10de:1eb8" }, count = 1 },
    p.guest.verify { gpus = 1 } } }
