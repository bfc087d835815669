-- First light: from bare hosts to guests that see their cards.
-- Two clusters, each with a host with two A100 80GB. A Windows VM gets one card, a Linux VM gets two.
--
--   gpupt plan  examples/first_light.lua
--   gpupt apply examples/first_light.lua --allow reboot
local p = require "gpupt.playbook"

local a100 = p.gpus { match = "10de:20b5" }

return p.playbook { name = "first light",

  -- the cards become passthrough devices: one host of a cluster at a time
  p.hosts { where = "/DC0/host/*", devices = a100,
    roll = { unavailable = "1/cluster", back_within = "45m" },
    p.host.enable {} },

  p.vms { name = "render-01", login = p.login("Administrator", p.secret.env "WINDOWS_PASSWORD"),
    place = { cluster = "gpu-a", datastore = "ds-1", network = "VM Network" },
    p.vm.create    { guest = "windows2022srvNext_64Guest", cpus = 8, memory = "32 GiB", disk = "120 GiB" },
    p.os.install   { iso = "[ds-1] iso/windows-2022.iso", answer = "[ds-1] iso/render-answer.iso" },
    p.tools.ensure { horizon = false, nsx = false },
    p.gpu.attach   { devices = a100, count = 1 },
    p.guest.verify {} },

  p.vms { name = "train-01", login = p.login("ops", p.secret.env "LINUX_PASSWORD"),
    place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" },
    p.vm.create    { guest = "ubuntu64Guest", cpus = 32, memory = "128 GiB", disk = "200 GiB" },
    p.os.install   { iso = "[ds-1] iso/ubuntu-24.04.iso", answer = "[ds-1] iso/train-answer.iso" },
    p.tools.ensure {},
    p.gpu.attach   { devices = a100, count = 2 },
    p.guest.verify {} },
}
