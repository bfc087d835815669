--- Dynamic backings of powered-off VMs claimed nothing: a plan gave the cards that they need to new VMs, and one of the VMs
-- did not start. A change from dynamic to fixed kept the dynamic backing beside the fixed one, a change to dynamic removed
-- every fixed passthrough device, and a dynamic backing of another model counted as the one that was asked for.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

local function host(name, count)
  local cards = {}
  for n = 1, count do cards[n] = lab.card(("0000:%02x:00.0"):format(0x3a + n), { enabled = true }) end
  return lab.host(name, { cards = cards, memory_gb = 64 })
end

local function vm(name, on, more)
  local one = { name = name, host = on, memory_mb = 1024, version = "vmx-20", firmware = "efi" }
  for k, v in pairs(more or {}) do one[k] = v end
  return one
end

describe("VMs with dynamic backings", function()
  local site
  setup(function()
    site = lab.start { speed = 1000, fleet = { clusters = {
      { name = "a", drs = "fullyAutomated", hosts = { host("a-1", 2), host("a-2", 2) } },
      { name = "b", drs = "off", hosts = { host("b-1", 1), host("b-2", 1) } },
      { name = "c", drs = "off", hosts = { host("c-1", 2) } } },
      vms = { vm("owner", "a-1", { devices = { "0000:3b:00.0" }, memory_lock = true }), vm("old", "a-2"), vm("b-vm", "b-1"),
        vm("b-other", "b-1"), vm("turn", "c-1") } } }
  end)
  teardown(function() site:stop() end)

  local function attach(name, more)
    return ([[return p.playbook { name = "x", p.vms { where = "/DC0/vm/%s",
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, backing = "dynamic", power_on = false, %s } } }]]):format(name,
      more or "")
  end

  local function create(count, more)
    return ([[return p.playbook { name = "x", p.vms { name = "new-{n}", count = %d, %s
      place = { cluster = "a", network = "VM Network", datastore = "ds-1" },
      p.vm.create { guest = "ubuntu64Guest", cpus = 1, memory = "1 GiB", disk = "1 GiB" },
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, backing = "dynamic" } } }]]):format(count, more or "")
  end

  it("take part in the count while they are powered off, as the fixed ones do", function()
    assert.equal("done", check(site:apply(attach "old")).status)
    assert.equal(2, #check(site:plan(create(2))).vms)
    local plan, message = site:plan(create(3))
    assert.is_nil(plan)
    assert.matches("new-3 needs 1 free GPU of 10de:20b5 on one host", message, 1, true)
    assert.matches("3b:00.0 held by owner (poweredOff)", message, 1, true)
    assert.matches("needed for the dynamic backing of old", message, 1, true)
    local two = check(site:plan(create(2, "keep_free = 1,")))
    assert.equal(1, #two.over)
    assert.matches("the server may give these VMs cards that powered-off VMs have as fixed backings, and those cannot start "
      .. "then: a-1 3b:00.0 of owner", tostring(two), 1, true)
  end)

  it("all start when that many were created", function()
    assert.equal("done", check(site:apply(create(2))).status)
    local vc = site:client()
    check(vc:wait(check(check(vc:one "/DC0/vm/old"):PowerOnVM_Task())))
    assert.same({}, check(site:plan(create(2))):changes())
  end)

  it("are bound to their host without DRS", function()
    assert.equal("done", check(site:apply(attach "b-vm")).status)
    local plan, message = site:plan(attach "b-other")
    assert.is_nil(plan)
    assert.matches("b-other needs 1 free GPU of 10de:20b5 on its host b-1: b-1: 3b:00.0 needed for the dynamic backing of "
      .. "b-vm", message, 1, true)
  end)

  it("change to fixed backings and back, without other devices being removed", function()
    local function kinds()
      local words = {}
      for _, device in ipairs(check(check(site:client():one "/DC0/vm/turn"):get "config.hardware.device")) do
        if device._type == "VirtualPCIPassthrough" then
          words[#words + 1] = device.backing._type:match "Dynamic" or device.backing.id
        end
      end
      table.sort(words)
      return words
    end
    assert.equal("done", check(site:apply(attach "turn")).status)
    assert.same({ "Dynamic" }, kinds())
    local fixed = attach("turn"):gsub('backing = "dynamic"', 'backing = "fixed"')
    assert.matches("remove a dynamic backing", tostring(check(site:plan(fixed))), 1, true)
    assert.equal("done", check(site:apply(fixed)).status)
    assert.same({ "0000:3b:00.0" }, kinds())
    assert.matches("remove the fixed backing of 3b:00.0", tostring(check(site:plan(attach "turn"))), 1, true)
    assert.equal("done", check(site:apply(attach "turn")).status)
    assert.same({ "Dynamic" }, kinds())
    assert.same({}, check(site:plan(attach "turn")):changes())
  end)
end)
