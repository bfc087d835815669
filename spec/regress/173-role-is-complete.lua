--- The role of `gpupt role` lacked privileges that some runs need: those to shut down and start the VMs of a host that
-- reboots, to mark a VM, to edit the video card, to reboot a guest after the Tools installer. An account with exactly
-- the role's privileges applies each example completely.
local gpupt = require "gpupt"
local role = require "spec.support.role"

for _, path in ipairs(role.examples()) do
  describe("an account with exactly the privileges of gpupt role " .. path, function()
    it("plans and applies the whole playbook", function()
      local l <close> = setmetatable({ one = role.start(path, role.privileges(path)) }, { __close = function(self)
        self.one:stop()
      end })
      local result = l.one:as_account { "plan", path }
      assert.equal(0, result.status, result.err)
      local words = result.out:match "Needs: %-%-allow (%S+)"
      result = l.one:apply_as_account(path, words or "reboot")
      assert.equal(0, result.status, result.err .. result.out)
      result = l.one:as_account { "plan", path, "--exit-code" }
      assert.equal(0, result.status, result.out)
      assert.matches("nothing to change", result.out, 1, true)
      assert.same({}, l.one.sim:get "truth".violations)
    end)
  end)
end

describe("the role of a playbook", function()
  local function needs(text)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write('local p = require "gpupt.playbook"\nlocal gpus = p.gpus { match = "10de:*" }\n', text)
    file:close()
    local set = {}
    for _, need in ipairs(gpupt.check(gpupt.playbook.load(path)):needs()) do
      set[need.step .. " " .. need.privilege] = true
    end
    os.remove(path)
    return set
  end
  local function hosts(roll)
    return needs(('return p.playbook { name = "x", p.hosts { where = "/*", devices = gpus, %s p.host.enable {} } }')
      :format(roll))
  end
  local function vms(steps)
    return needs(('return p.playbook { name = "x", p.vms { name = "vm", login = p.login("a", p.secret.env "X"), %s } }')
      :format(steps))
  end

  it("has the power privileges of VMs if a roll shuts VMs down", function()
    local shut = hosts 'roll = { guests = "shutdown-idle" },'
    assert.is_true(shut["host.enable VirtualMachine.Interact.PowerOff"])
    assert.is_true(shut["host.enable VirtualMachine.Interact.PowerOn"])
    assert.is_nil(hosts ""["host.enable VirtualMachine.Interact.PowerOff"])
  end)

  it("has what marks a VM, changes its size, edits its video card and reboots its guest", function()
    local create = 'p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "20 GiB" }'
    local set = vms(create)
    for _, word in ipairs { "AdvancedConfig", "Memory", "CPUCount" } do
      assert.is_true(set["vm.create VirtualMachine.Config." .. word], word)
    end
    set = vms "p.tools.ensure {}"
    assert.is_true(set["tools.ensure VirtualMachine.Config.AdvancedConfig"])
    assert.is_true(set["tools.ensure VirtualMachine.Interact.Reset"])
    assert.is_true(vms "p.gpu.attach { devices = gpus, horizon = true }"["gpu.attach VirtualMachine.Config.EditDevice"])
    assert.is_nil(vms "p.gpu.attach { devices = gpus }"["gpu.attach VirtualMachine.Config.EditDevice"])
  end)

  it("has the privilege to delete files if a run creates the answer medium", function()
    local set = vms 'p.os.install { iso = "[d] a.iso", answer = function() end }'
    assert.is_true(set["os.install Datastore.FileManagement"])
  end)
end)
