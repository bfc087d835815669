-- p.vm.move: a VM moves to another host without its card, and gets a card there.
local lab = require "spec.support.lab"

local function t4(address)
  return lab.card(address, { enabled = true, device = "1eb8", name = "TU104GL [Tesla T4]", bars = { "16M:32", "256M:64p", "32M:64p" } })
end

local function host(name, more)
  local o = { memory_gb = 256, cards = { t4 "0000:3b:00.0" } }
  for field, value in pairs(more or {}) do o[field] = value end
  return lab.host(name, o)
end

local function vm(name, on, more)
  local o = { name = name, host = on, guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096, version = "vmx-20", disk_gb = 10,
    memory_lock = true, datastore = "ds-1" }
  for field, value in pairs(more or {}) do o[field] = value end
  return o
end

local fleet = { networks = { "VM Network", "Lab 7" }, datastores = { { name = "ds-1" }, { name = "ds-2" }, { name = "local" } }, clusters = {
  { name = "a", drs = "off", datastores = { "ds-1", "ds-2" }, hosts = { host "esx-1", host "esx-2",
    host("esx-3", { cards = { t4 "0000:3b:00.0", t4 "0000:86:00.0" } }), host("esx-4", { datastores = { "ds-2" } }), host "esx-5", host "esx-6",
    host("esx-7", { networks = { "Lab 7" } }) } },
  { name = "b", drs = "off", hosts = { host "esx-b" } } },
  vms = { vm("one", "esx-1", { devices = { "0000:3b:00.0" }, installed = "ubuntu", power = "poweredOn", username = "ops", password = "x" }),
    vm("swap-a", "esx-5", { devices = { "0000:3b:00.0" } }), vm("swap-b", "esx-6", { devices = { "0000:3b:00.0" } }),
    vm("held", "esx-2", { devices = { "0000:3b:00.0" } }), vm("bare", "esx-1") } }

local ATTACH = 'p.gpu.attach { devices = p.gpus { match = "10de:1eb8" } }'

local function play(scopes) return ('return p.playbook { name = "move", %s }'):format(scopes) end

local function scope(name, move, more)
  return ('p.vms { where = "/DC0/vm/%s", p.vm.move { %s } %s }'):format(name, move, more and ", " .. more or "")
end

describe("p.vm.move", function()
  local site
  setup(function() site = lab.start { speed = 600, fleet = fleet } end)
  teardown(function() site:stop() end)

  local function refused(text)
    local plan, message = site:plan(play(text))
    assert.is_nil(plan, tostring(plan))
    return message
  end

  local function lines(text)
    local list, plan = {}, assert(site:plan(play(text)))
    for i, change in ipairs(plan:changes()) do
      list[i] = ("%s %s %s: %s%s"):format(change.sign, change.target, change.step, change.what, change.allow and " [" .. change.allow .. "]" or "")
    end
    return list, plan
  end

  local function where(name)
    local one = site:truth("vms", name)
    return { one.host, one.power, one.devices[1] and one.devices[1].address, #one.devices }
  end

  it("plans the shutdown, the detach, the move and the new card", function()
    local list, plan = lines(scope("one", 'to = "esx-3"', ATTACH))
    assert.same({ "- one vm.move: shut down the guest [guest-shutdown]", "- one vm.move: detach 3b:00.0 of esx-1",
      "~ one vm.move: move from esx-1 to esx-3",
      "+ one gpu.attach: TU104GL [Tesla T4] x1 (3b:00.0), memory locked and reserved, no 64-bit MMIO needed, then power on" }, list)
    assert.same({ "guest-shutdown" }, plan:needs())
  end)

  it("refuses what cannot work, in the plan", function()
    local function has(text, words)
      local message = refused(text)
      assert.is_truthy(message:find(words, 1, true), message)
    end
    has(scope("one", 'to = "esx-9"', ATTACH), "to = 'esx-9' is no host")
    has(scope("one", 'to = "esx-3"'), "one has 1 passthrough device, and a card does not move with its VM. Add p.gpu.attach")
    has(scope("one", 'to = "esx-2"', ATTACH), "held by held (poweredOff)")
    has(scope("one", 'to = "esx-4"', ATTACH), "does not mount the datastore ds-1, where its disks are")
    has(scope("one", 'to = "esx-7"', ATTACH), "esx-7 does not have the network VM Network, to which it is connected")
    has(scope("one", 'to = "esx-3", datastore = "local"', ATTACH), "does not mount the datastore local")
    has('p.vms { name = "one", place = { cluster = "a", datastore = "ds-1" }, p.vm.move { to = "esx-3" } }', "select them with where")
  end)

  it("changes nothing for a VM that is there already", function()
    assert.same({}, (lines(scope("bare", 'to = { "esx-1", "esx-2" }'))))
  end)

  it("moves a VM without a card to another host of another cluster, and its files to another datastore", function()
    local result = assert(site:apply(play(scope("bare", 'to = "esx-b", datastore = "ds-2"'))))
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal("on esx-b, datastore ds-2", result.targets[1].proofs["vm.move"])
    assert.equal("[ds-2] bare/bare.vmx", site:truth("vms", "bare").path)
  end)

  it("moves a running VM cold and gives it a card of the new host", function()
    local text = play(scope("one", 'to = "esx-3"', ATTACH))
    site.sim:forget()
    local result = assert(site:apply(text, { allow = { "guest-shutdown" } }))
    assert.equal("done", result.status, result.targets[1].message)
    local calls = {}
    for i, call in ipairs(site:changing()) do calls[i] = call:match "^%w+" end
    assert.same({ "ShutdownGuest", "ReconfigVM", "RelocateVM", "ReconfigVM", "PowerOnVM" }, calls)
    assert.same({ "esx-3", "poweredOn", "0000:3b:00.0", 1 }, where "one")
    assert.same({}, (lines(scope("one", 'to = "esx-3"', ATTACH))))
  end)

  it("is what gpupt evacuate plans for a dying host, as a playbook of its own", function()
    local file = site.dir .. "/evacuate.lua"
    local none = site:command { "evacuate", "esx-b", "--out", file }
    assert.equal(1, none.status)
    assert.matches("only host of its cluster", none.err)
    site.sim:forget()
    local plan = site:command { "evacuate", "esx-2", "--to", "esx-3,esx-1", "--out", file }
    assert.equal(0, plan.status, plan.err)
    assert.same({}, site:changing())
    assert.matches("held +vm.move +detach 3b:00.0 of esx%-2", plan.out)
    assert.matches("held +vm.move +move from esx%-2 to esx%-[13]", plan.out)
    assert.matches("the playbook is " .. file:gsub("%p", "%%%0"), plan.out)
    local again = site:command { "evacuate", "esx-2", "--out", file }
    assert.matches("evacuate.lua exists", again.err)
    local done = site:command { "apply", file, "--journal", site.dir .. "/e.db" }
    assert.equal(0, done.status, done.err)
    assert.is_not.equal("esx-2", where "held"[1])
    assert.equal(1, where "held"[4])
    local empty = site:command { "evacuate", "esx-2", "--out", site.dir .. "/e2.lua" }
    assert.matches("no VM on esx%-2 holds one of its cards", empty.err)
  end)

  it("lets two VMs exchange their hosts where no card is spare", function()
    local text = play(scope("swap-a", 'to = "esx-6"', ATTACH) .. ", " .. scope("swap-b", 'to = "esx-5"', ATTACH))
    local result = assert(site:apply(text))
    assert.equal("done", result.status, (result.targets[1].message or "") .. (result.targets[2].message or ""))
    assert.same({ "esx-6", "poweredOn", "0000:3b:00.0", 1 }, where "swap-a")
    assert.same({ "esx-5", "poweredOn", "0000:3b:00.0", 1 }, where "swap-b")
    assert.same({}, site.sim:get "truth".violations)
  end)
end)
