-- VMs of an existing fleet whose card does not work: what is wrong with each, and the repair of what is safe.
--
--   gpupt plan  examples/repair.lua                           a table: VM, state, cause, fix
--   gpupt apply examples/repair.lua --allow guest-shutdown
--
-- The firmware of an installed system is never changed, and a stale backing is replaced only by the one free card of
-- its host that matches. Everything else is proposed.
local p = require "gpupt.playbook"

return p.playbook { name = "repair",
  p.vms { where = p.find { path = "/DC0/vm/**", has = "passthrough" }, max_failures = 1,
    p.doctor.repair { fix = { "mmio", "memory", "hot-add", "stale-backing", "hide-hypervisor" } } } }
