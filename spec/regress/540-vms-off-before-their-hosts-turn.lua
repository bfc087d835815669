-- VMs that give up their cards beside p.host.disable were shut down as soon as the canary and the window let their host go,
-- whether or not it had a slot: with one host of a cluster at a time, the VMs of the last one were off during the
-- reboots of all others. A VM is shut down when its host has its slot, and started when the host is back.
local lab = require "spec.support.lab"

local COUNT = 4
local KINDS = { ShutdownGuest = "off", PowerOnVM_Task = "on", RebootHost_Task = "reboot", ExitMaintenanceMode_Task = "exit" }

describe("VMs that give up their cards before a roll through their cluster", function()
  local l
  after_each(function() if l then l:stop() end end)

  local function vm(i, more)
    local one = { name = "vm-" .. i, host = "a-" .. i, guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096,
      installed = "ubuntu", power = "poweredOn", memory_lock = true, devices = { "0000:3b:00.0" },
      extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } }
    for field, value in pairs(more or {}) do one[field] = value end
    return one
  end

  local function start(host_more, more)
    local hosts, vms = {}, {}
    for i = 1, COUNT do
      local host = { cards = { lab.card("0000:3b:00.0", { enabled = true }) } }
      for field, value in pairs(host_more or {}) do host[field] = value end
      hosts[i], vms[i] = lab.host("a-" .. i, host), vm(i, more and more(i))
    end
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = hosts } }, vms = vms } }
    for _, one in ipairs(vms) do
      local ref = one.power == "poweredOn" and assert(l:client():one("/DC0/vm/" .. one.name))
      assert(not ref or l:client():wait_for(ref, { "guest.toolsRunningStatus" }, function(v)
        return v["guest.toolsRunningStatus"] == "guestToolsRunning" end, { timeout = 60 }))
    end
    l.sim:forget()
  end

  local function playbook(roll, pattern)
    return ([[return p.playbook { name = "away",
      p.hosts { where = "/DC0/host/gpu-a/%s", devices = p.gpus { match = "10de:20b5" }, %s p.host.disable {} },
      p.vms { where = "/DC0/vm/*", p.gpu.detach { settings = "keep" } } }]]):format(pattern or "*", roll or "")
  end

  -- When each of these calls was made: { off = { number of the VM -> position }, ... }.
  local function times()
    local by_moref, at = {}, { off = {}, on = {}, reboot = {}, exit = {} }
    for i = 1, COUNT do
      by_moref[l:client():one("/DC0/vm/vm-" .. i).value] = i
      by_moref[l:client():one("/DC0/host/gpu-a/a-" .. i).value] = i
    end
    for position, text in ipairs(l:changing()) do
      local method, object = text:match "^([%w_]+) (%S+)"
      local kind = KINDS[method]
      if kind then at[kind][assert(by_moref[object:match "[%w-]+$"], text)] = position end
    end
    return at
  end

  local function sequence(at)
    local list = {}
    for i in pairs(at) do list[#list + 1] = i end
    table.sort(list, function(a, b) return at[a] < at[b] end)
    return list
  end

  it("are shut down one host at a time, and are back before the next host is", function()
    start()
    local result = assert(l:apply(playbook(), { allow = { "reboot", "guest-shutdown" } }))
    assert.equal("done", result.status)
    local at = times()
    local turn = sequence(at.reboot)
    assert.equal(COUNT, #turn)
    for k, i in ipairs(turn) do
      assert.is_true(at.off[i] < at.reboot[i] and at.exit[i] < at.on[i])
      local before = turn[k - 1]
      if before then
        assert.is_true(at.exit[before] < at.off[i], ("vm-%d is shut down before a-%d is back"):format(i, before))
        assert.is_true(at.on[before] < at.exit[i], ("vm-%d is not started when a-%d is back"):format(before, before))
      end
    end
    assert.same({}, l.sim:get "truth".violations)
  end)

  it("are left running if their hosts are not started", function()
    start()
    local result = assert(l:apply(playbook "canary = 1,", { allow = { "reboot", "guest-shutdown" } }))
    assert.equal("paused", result.status)
    assert.equal(1, #sequence(times().off))
    for i = 2, COUNT do assert.equal("poweredOn", l:truth("vms", "vm-" .. i).power) end
  end)
end)
