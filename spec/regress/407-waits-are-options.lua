-- Waits that were constants, or had no limit, are options: a power-on that does not end, a host of another run that does
-- not leave, an answer that does not come.
local lab = require "spec.support.lab"
local options = require "gpupt.options"
local waits = require "gpupt.step.waits"

describe("the waits of a playbook", function()
  local l
  after_each(function()
    if l then l:stop() end
    l = nil
  end)

  setup(function() require "gpupt.playbook".load "examples/starter_hosts.lua" end)

  it("of hosts and VMs are all options, with their defaults in the reference", function()
    local of = { roll = options.declared["p.hosts roll"].by_name, vms = options.declared["p.vms"].by_name }
    for name, default in pairs(waits.defaults) do
      local one, found = of.roll[name], 0
      for _, fields in pairs(of) do
        if fields[name] then
          found = found + 1
          assert.equal(default, fields[name].default, name)
        end
      end
      assert.is_true(found >= 1, name)
      assert.is_true(one ~= nil or name == "tools_within", name)
    end
  end)

  it("are refused if they are no durations, each by its name", function()
    l = lab.start { speed = 500, fleet = { clusters = { { name = "c", hosts = { lab.host "a-1" } } } } }
    for name in pairs(waits.defaults) do
      if name ~= "tools_within" then
        local ok, err = pcall(l.load, l, ([[return p.playbook { name = "x", p.hosts { where = "/DC0/host/*",
          devices = p.gpus { match = "10de:20b5" }, roll = { %s = "soon" }, p.host.enable {} } }]]):format(name))
        assert.is_false(ok)
        assert.matches(("roll: %s: invalid duration 'soon'"):format(name), tostring(err.message or err), 1, true)
      end
    end
  end)

  it("end a power-on that hangs, of a VM of the plan and of one that its host needs again", function()
    l = lab.start { speed = 300, fleet = { clusters = { { name = "c", hosts = { lab.host("a-1", { cards = {
      lab.card("0000:3b:00.0", { enabled = true }) } }) } } }, vms = { { name = "vm", host = "a-1", firmware = "efi",
      guest = "ubuntu64Guest", memory_mb = 4096, version = "vmx-20" } } } }
    l:client()
    l.sim:trouble({ method = "PowerOnVM_Task", count = 1 }, { kind = "task-hang" })
    local result = l:apply [[return p.playbook { name = "x", p.vms { where = "/DC0/vm/vm", power_on_within = "1s",
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" } } } }]]
    assert.equal("failed", result.targets[1].status)
    assert.equal("ETIMEDOUT", result.targets[1].code)
    assert.matches("vm: power on failed: it did not end within 1 s (power_on_within), and may still end; resume the run",
      result.targets[1].message, 1, true)
  end)
end)
