-- A system of the RHEL family, installed with p.answer.kickstart by the test vCenter's Anaconda, which was written from Red
-- Hat's reference. pykickstart reads the same text in spec/guest/installers_full.lua.
local lab = require "spec.support.lab"

local PLAY = [[
local password = p.secret.callback(function() return "Secret-1-of-it" end)
return p.playbook { name = "kickstart",
  p.vms { name = "train-{n:02}", count = 2, login = p.login("ops", password),
    place = { cluster = "gpu-a", datastore = "ds-1", network = "VM Network" },
    p.vm.create    { guest = "rhel9_64Guest", cpus = 2, memory = "4 GiB", disk = "40 GiB" },
    p.os.install   { iso = "[ds-1] iso/dvd.iso", answer = p.answer.kickstart { user = "ops", password = password, %s } },
    p.tools.ensure {} } }]]

describe("p.answer.kickstart", function()
  local l

  before_each(function()
    l = lab.start { speed = 300, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-a-1" } } },
      datastores = { { name = "ds-1", files = { ["iso/dvd.iso"] = { os = "rocky" } } } } } }
  end)
  after_each(function() l:stop() end)

  for _, storage in ipairs { "plain", "lvm" } do
    it("installs systems with their VMs' names, an account and Tools: storage " .. storage, function()
      local text = PLAY:format(('storage = "%s", packages = { "gcc" }, commands = { "echo done > /root/mark" }'):format(storage))
      local result = l:apply(text)
      for _, target in ipairs(result.targets) do assert.equal("changed", target.status, target.message) end
      for _, name in ipairs { "train-01", "train-02" } do
        local vm = assert(l:client():one("/DC0/vm/" .. name))
        assert.same({ name, "rockylinux_64Guest" }, { vm:get "guest.hostName", vm:get "guest.guestId" })
        local mark = assert(l:client().guest:run(vm, { username = "ops", password = "Secret-1-of-it" },
          { program = "/bin/bash", arguments = "-c 'sudo -n cat /root/mark'", timeout = 30 }))
        assert.equal("done\n", mark.stdout)
      end
      for _, file in ipairs(assert(l:client().datastore:list("[ds-1]", { recursive = true }))) do
        assert.is_nil(file.path:find "gpupt%-answer", file.path)
      end
      assert.equal("nothing", l:apply(text).status)
    end)
  end
end)
