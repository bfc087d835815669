--- A step's plan must be pure, but that of host.enable called the server and changed the records of the fleet. Now plan
-- gets the result of observe and a context without a server, so that a custom step cannot break the rule unnoticed.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

describe("a step's plan", function()
  local site
  setup(function()
    site = lab.start { speed = 500, fleet = {
      clusters = { { name = "gpu-a", hosts = { lab.host "esx-1" } } },
      vms = { { name = "vm-1", host = "esx-1", power = "poweredOff", memory_mb = 4096, version = "vmx-20",
        firmware = "efi" } },
    } }
  end)
  teardown(function() site:stop() end)

  local function own(plan)
    return ([[
local mine = p.step { name = "own.step", scope = "hosts",
  observe = function() return {} end,
  plan = %s,
  apply = function() return true end, prove = function() return "done" end }
return p.playbook { name = "x", p.hosts { where = "/DC0/host/gpu-a", mine {} } }]]):format(plan)
  end

  for _, word in ipairs { "vc", "fleet", "call", "task", "row", "journal" } do
    it("cannot use ctx." .. word, function()
      local plan, message = site:plan(own(("function(ctx) return { { what = tostring(ctx.%s) } } end"):format(word)))
      assert.is_nil(plan)
      assert.matches(("ctx.%s is not available in plan"):format(word), message, 1, true)
    end)
  end

  it("control: may add notes and require approvals", function()
    local plan = check(site:plan(own [[function(ctx, target)
      ctx:note(target, "seen")
      return { { what = ctx:may "reboot" and "yes" or "no" } }
    end]]))
    assert.equal("no", plan:changes()[1].what)
  end)

  it("that only enables a card leaves it unusable for VMs until the host is rebooted", function()
    local plan, message, code = site:plan [[
local a100 = p.gpus { match = "10de:20b5" }
return p.playbook { name = "x",
  p.hosts { where = "/DC0/host/gpu-a", devices = a100, p.host.enable { apply = "stage" } },
  p.vms { where = "/DC0/vm/vm-1", p.gpu.attach { devices = a100 } } }]]
    assert.is_nil(plan)
    assert.equal("ENOCARDS", code)
    assert.matches("3b:00.0 off", message, 1, true)
  end)
end)
