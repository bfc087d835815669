-- A running VM without VMware Tools cannot be shut down. The plans of gpu.attach, gpu.detach, vm.move and doctor.repair
-- listed its shutdown, and the run ended with the server's ToolsUnavailable. The plan says it now, as that of a host does.
local lab = require "spec.support.lab"

local function card(address, device, name)
  return { address = address, vendor = "10de", device = device or "1eb8", subvendor = "10de", subdevice = "12a2", name = name or "Tesla T4",
    class = "0302", bars = { "16M:32", "256M:64p", "32M:64p" }, enabled = true }
end

describe("a running VM without VMware Tools", function()
  local l
  setup(function()
    l = lab.start { speed = 400, fleet = { clusters = { { name = "a", drs = "off", hosts = {
      lab.host("esx-1", { cards = { card "0000:3b:00.0", card "0000:5e:00.0",
        card("0000:86:00.0", "2204", "GA102 [GeForce RTX 3090]") } }), lab.host("esx-2", { cards = { card "0000:3b:00.0" } }) } } },
      vms = { { name = "plain", host = "esx-1", firmware = "efi", memory_mb = 2048, version = "vmx-20", disk_gb = 10,
        power = "poweredOn" },
        { name = "bound", host = "esx-1", firmware = "efi", memory_mb = 2048, version = "vmx-20", disk_gb = 10, memory_lock = true,
          devices = { "0000:3b:00.0" }, power = "poweredOn" },
        { name = "geforce", host = "esx-1", guest = "windows9_64Guest", firmware = "efi", memory_mb = 2048, version = "vmx-20",
          disk_gb = 10, memory_lock = true,
          devices = { "0000:86:00.0" }, power = "poweredOn", extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE",
            ["pciPassthru.64bitMMIOSizeGB"] = "64" } } } } }
  end)
  teardown(function() l:stop() end)

  local ATTACH = 'p.gpu.attach { devices = p.gpus { match = "10de:1eb8" } }'
  for _, case in ipairs { { "plain", ATTACH }, { "bound", "p.gpu.detach {}" }, { "plain", 'p.vm.move { to = "esx-2" }' },
    { "bound", 'p.vm.move { to = "esx-2" }, ' .. ATTACH }, { "geforce", 'p.doctor.repair { fix = { "hide-hypervisor" } }' } } do
    it(("is refused by the plan of %s"):format(case[2]:match "p%.(%w+%.%w+)"), function()
      l.sim:forget()
      local done = l:command { "apply", l:write(('return p.playbook { name = "no-tools", p.vms { where = "/DC0/vm/%s", %s } }')
        :format(case[1], case[2])), "--allow", "guest-shutdown,hide-hypervisor" }
      assert.equal(1, done.status, done.err .. done.out)
      assert.matches(case[1] .. " runs and has to be shut down for this, but VMware Tools are not installed in it. Shut it down "
        .. "by hand, or install them", done.err, 1, true)
      assert.same({}, l:changing())
    end)
  end
end)
