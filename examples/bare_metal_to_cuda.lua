-- From bare hosts to guests that compute: the cards of two hosts become passthrough devices, two EFI VMs are created,
-- Ubuntu is installed in them from its ISO with answers that the run writes, then come VMware Tools, a card for each
-- VM, the driver, and the proof in the guest. Nothing exists before; run again, there is nothing to change.
--
--   TRAIN_PASSWORD=... gpupt plan  examples/bare_metal_to_cuda.lua
--   TRAIN_PASSWORD=... gpupt apply examples/bare_metal_to_cuda.lua --allow reboot
--
-- The order is that of the procedure (docs/guide/install.md): another order is refused when the file is loaded.
local p = require "gpupt.playbook"

local a100 = p.gpus { match = "10de:20b5" }
local password = p.secret.env "TRAIN_PASSWORD"

return p.playbook { name = "bare metal to cuda",

  -- the BIOS of the hosts maps BARs above 4 GB already; gpupt says "unverified" where it cannot see it
  p.hosts { where = "/DC0/host/*", devices = a100,
    roll = { unavailable = "1/cluster", back_within = "45m" },
    p.host.enable {} },

  p.vms { count = 2, name = "train-{n:02}", spread = "even", login = p.login("ops", password),
    place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" },
    p.vm.create      { firmware = "efi", guest = "ubuntu64Guest", cpus = 32, memory = "128 GiB", disk = "200 GiB" },
    -- the host name is the VM's name; the medium with the answers is deleted after the installation
    p.os.install     { iso = "[ds-1] iso/ubuntu-24.04.iso",
      answer = p.answer.cloud_init { user = "ops", password = password, packages = { "build-essential" } } },
    p.tools.ensure   {},
    p.gpu.attach     { devices = a100, count = 1 },
    p.driver.install { package = "nvidia-driver-550-server" },
    p.guest.verify   { driver = true, run = "nvidia-smi -L", output = "A100" } },
}
