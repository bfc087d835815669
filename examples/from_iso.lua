-- VMs from nothing: an EFI VM, the operating system from an ISO, then the cards. The run creates the answer medium,
-- uploads it next to the VM, and deletes it after the installation.
--
--   TRAIN_PASSWORD=... gpupt apply examples/from_iso.lua --allow reboot
local p = require "gpupt.playbook"

local a100 = p.gpus { match = "10de:20b5" }
local password = p.secret.env "TRAIN_PASSWORD"

return p.playbook { name = "from iso",
  p.hosts { where = "/DC0/host/gpu-b", devices = a100, p.host.enable {} },

  p.vms { count = 2, name = "train-{n:02}", login = p.login("ops", password),
    place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" },
    p.vm.create    { guest = "ubuntu64Guest", cpus = 16, memory = "64 GiB", disk = "200 GiB" },
    p.os.install   { iso = "[ds-1] iso/ubuntu-24.04.iso",
      answer = p.answer.cloud_init { hostname = "train", user = "ops", password = password } },
    p.tools.ensure {},
    p.gpu.attach   { devices = a100 },
    p.guest.verify {} },
}
