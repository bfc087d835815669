-- Horizon desktops with their own card (vDGA), from cards that are not enabled to a pool that uses them.
--
--   gpupt plan  examples/horizon_desktops.lua --var count=2
--   gpupt apply examples/horizon_desktops.lua --var count=2 --allow reboot
--
-- The order is that of the vendors' procedure, and a playbook with another one is refused: operating system (in the
-- golden image), Tools, card, driver, Agent, pool. Nothing in it needs a console, which is black once the driver has
-- the card: see docs/guide/horizon.md. The machines are added to the pool in Horizon Console.
local p = require "gpupt.playbook"

local vars = p.vars {
  count = { type = "integer", default = 40, doc = "number of desktops" },
  files = { default = "files", doc = "the folder with the installers of the driver and of the Agent" },
  driver = { default = "NVIDIA-551.61.exe", doc = "the driver's installer" },
  agent = { default = "VMware-Horizon-Agent-x86_64-2312-8.12.0-23142606.exe", doc = "the Agent's installer" },
  connection_server = { default = "cs-1.lab.example", doc = "a Connection Server of the pod" },
  ca_file = { default = "/etc/ssl/certs/ca-certificates.crt", doc = "the CAs that its certificate is checked with" },
}

local t4 = p.gpus { match = "10de:1eb8" }

return p.playbook { name = "horizon-desktops", max_failures = 2,

  -- the cards become passthrough devices: one host of the cluster at a time
  p.hosts { where = "/DC0/host/vdi-a/*", devices = t4,
    roll = { unavailable = "1/cluster", back_within = "45m" },
    p.host.enable {} },

  p.vms { count = vars.count, name = "W11-{n:03}", spread = "even",
    login = p.login("Administrator", p.secret.env "GOLD_PASSWORD"),
    place = { cluster = "vdi-a", datastore = "nvme-pod", network = "VDI-210", folder = "vdi" },
    p.vm.clone       { from = "gold/w11-22h2", customization = "vdi-join", cpus = 8, memory = "16 GiB" },
    p.tools.ensure   { horizon = "2312", nsx = false },
    p.gpu.attach     { devices = t4, count = 1, horizon = true, displays = 2 },
    p.driver.install { from = vars.files .. "/" .. vars.driver, version = "551.61" },
    p.guest.verify   { gpus = 1, driver = true },
    p.horizon.agent  { from = vars.files .. "/" .. vars.agent },
    p.horizon.pool   { id = "W11-GPU", renderer3d = "MANAGE_BY_VSPHERE_CLIENT", server = vars.connection_server,
      login = p.login("LAB\\svc-gpupt", p.secret.env "HORIZON_PASSWORD"), ca_file = vars.ca_file } } }
