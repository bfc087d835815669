--- A playbook that checks the guest before its VM is created, or runs the Tools installer on a blank disk, was planned
-- and failed after hours in the run. Now it is refused when it is loaded, with the line of the step and the way out:
-- os.install, p.os.present {} or a step of the user's own between.
local gpupt = require "gpupt"

local create = 'p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "20 GiB" }'
local install = 'p.os.install { iso = "[ds] a.iso", answer = "[ds] b.iso" }'
local attach = 'p.gpu.attach { devices = p.gpus { match = "10de:*" } }'
local own = [[{ name = "site.netboot", scope = "vms", observe = function() return {} end,
  plan = function() return {} end, apply = function() return true end, prove = function() return "done" end }]]

-- Loads a scope of VMs with these steps, one a line from line 3 on.
local function load(...)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write('local p = require "gpupt.playbook"\nreturn p.playbook { name = "x", p.vms { name = "vm", login = ',
    'p.login("me", p.secret.env "PW"),\n', table.concat({ ... }, ",\n"), " } }\n")
  file:close()
  local pb, message, code = gpupt.playbook.load(path)
  os.remove(path)
  return pb, message and message:gsub(path:gsub("%p", "%%%0"), "play.lua"), code
end

local function refused(wanted, ...)
  local pb, message, code = load(...)
  assert.is_nil(pb)
  assert.equal("EPLAYBOOK", code)
  assert.matches(wanted, message, 1, true)
  return message
end

describe("an order that cannot work is refused at load:", function()
  it("a check in the guest of a VM that is created afterwards", function()
    refused("play.lua:4: vm.create must come before guest.verify (play.lua:3)", "p.guest.verify {}", create)
  end)

  it("the operating system, Tools or a card before the VM", function()
    refused("vm.create must come before os.present", "p.os.present {}", create)
    refused("vm.create must come before tools.ensure", "p.tools.ensure {}", create)
    refused("vm.create must come before gpu.attach", attach, create)
  end)

  for _, step in ipairs { "tools.ensure", "guest.verify" } do
    it(step .. " in a new VM without an operating system", function()
      local message = refused("play.lua:4: " .. step .. " runs in the guest", create, "p." .. step .. " {}")
      assert.matches("vm.create (play.lua:3) makes a VM with a blank disk", message, 1, true)
      for _, way in ipairs { "p.os.install", "p.os.present {}", "a step of your own" } do
        assert.matches(way, message, 1, true)
      end
    end)
  end

  it("also when only a card is attached in between", function()
    refused("play.lua:5: guest.verify runs in the guest", create, attach, "p.guest.verify {}")
  end)

  it("also when the step of the user's own comes too early or too late", function()
    refused("play.lua:6: tools.ensure runs in the guest", own, create, "p.tools.ensure {}")
    refused("play.lua:4: tools.ensure runs in the guest", create, "p.tools.ensure {}", own)
  end)

  it("p.os.present after what needs the operating system", function()
    refused("os.present must come before tools.ensure", create, own, "p.tools.ensure {}", "p.os.present {}")
    refused("os.present must come before gpu.attach", create, attach, "p.os.present {}")
  end)
end)

describe("an order that works is loaded:", function()
  for name, steps in pairs {
    ["os.install between"] = { create, install, "p.tools.ensure {}", attach, "p.guest.verify {}" },
    ["p.os.present between"] = { create, "p.os.present { within = '3h' }", "p.tools.ensure {}", attach, "p.guest.verify {}" },
    ["a step of the user's own between"] = { create, own, "p.tools.ensure {}", "p.guest.verify {}" },
    ["existing VMs"] = { "p.tools.ensure {}", attach, "p.guest.verify {}" },
    ["no step in the guest"] = { create, attach },
  } do
    it(name, function() assert(load(table.unpack(steps))) end)
  end

  it("p.os.present checks its options", function()
    refused("play.lua:3: p.os.present: within: ", "p.os.present { within = 'soon' }")
    refused("play.lua:3: p.os.present: unknown option 'withn' (did you mean 'within'?)", "p.os.present { withn = '1h' }")
  end)
end)
