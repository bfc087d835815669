-- Scenario 9: 40 VMs on ten hosts with four cards each, given cards by two processes at once, beside powered-off VMs
-- that hold some: no card twice, and one VM more fails in the plan.
local lab = require "spec.support.lab"

local T4 = { device = "1eb8", subdevice = "12a2", name = "TU104GL [Tesla T4]", bars = { "16M:32", "256M:64p", "32M:64p" },
  enabled = true }
local SLOTS = { "0000:3b:00.0", "0000:5e:00.0", "0000:af:00.0", "0000:d8:00.0" }

local function fleet(owners)
  local hosts, vms = {}, {}
  for i = 1, 10 do
    local cards = {}
    for k, address in ipairs(SLOTS) do cards[k] = lab.card(address, T4) end
    hosts[i] = lab.host(("vdi-%02d"):format(i), { memory_gb = 512, cards = cards })
    for k = 1, 4 do
      vms[#vms + 1] = { name = ("%s-%02d"):format(k <= 2 and "one" or "two", 2 * i - k % 2), host = hosts[i].name,
        firmware = "efi", guest = "ubuntu64Guest", memory_mb = 4096, version = "vmx-20" }
    end
  end
  for i = 1, owners do
    vms[#vms + 1] = { name = "old-" .. i, host = hosts[i].name, firmware = "efi", memory_mb = 4096, memory_lock = true,
      devices = { SLOTS[1] } }
  end
  return { clusters = { { name = "vdi", hosts = hosts } }, vms = vms }
end

local function playbook(names)
  return ([[return p.playbook { name = "%s", p.vms { where = "/DC0/vm/%s-*",
    p.gpu.attach { devices = p.gpus { match = "10de:1eb8" }, power_on = false } } }]]):format(names:gsub("%W", ""), names)
end

describe("cards for 40 VMs", function()
  local l
  after_each(function() l:stop() end)

  local function held()
    local of, count = {}, 0
    for _, vm in ipairs(l.sim:get "truth".vms) do
      for _, device in ipairs(vm.devices) do
        local card = vm.host .. " " .. device.address
        assert.is_nil(of[card], card)
        of[card], count = vm.name, count + 1
      end
    end
    return count
  end

  it("are given by two processes at once, no card twice", function()
    l = lab.start { speed = 500, fleet = fleet(0) }
    local running = {}
    for _, names in ipairs { "one", "two" } do
      running[#running + 1] = l:start_command { "apply", l:write(playbook(names)), "--journal", l.dir .. "/j.db" }
    end
    local ended = {}
    for i, process in ipairs(running) do ended[i] = process:wait() end
    for i, process in ipairs(ended) do assert.equal(0, process.status, i .. process.err) end
    assert.equal(40, held())
    assert.same({}, l.sim:get "truth".violations)
  end)

  it("are refused in the plan if powered-off VMs hold some", function()
    l = lab.start { speed = 500, fleet = fleet(1) }
    l:client()
    l.sim:forget()
    local plan, message = l:plan(playbook "{one,two}")
    assert.is_nil(plan)
    assert.matches("needs 1 GPU of 10de:1eb8 on its host vdi-01, but only 0 are free: vdi-01: 3b:00.0 held by old-1 (poweredOff)",
      message, 1, true)
    assert.same({}, l:changing())
  end)
end)
