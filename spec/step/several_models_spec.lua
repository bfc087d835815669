-- Cards of several models: gpu.attach gives a VM so many of each, and gpupt evacuate moves such VMs.
local lab = require "spec.support.lab"

local function t4(address)
  return lab.card(address, { enabled = true, device = "1eb8", name = "TU104GL [Tesla T4]", bars = { "16M:32", "256M:64p", "32M:64p" } })
end
local function a100(address) return lab.card(address, { enabled = true }) end

local function host(name, cards) return lab.host(name, { memory_gb = 256, cards = cards }) end
local function vm(name, on, devices)
  return { name = name, host = on, guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096, version = "vmx-20", disk_gb = 10,
    memory_lock = true, datastore = "ds-1", devices = devices }
end

local GPUS = 'p.gpus { match = { "10de:1eb8", "10de:20b5" } }'

describe("cards of several models", function()
  local l
  setup(function()
    l = lab.start { speed = 600, fleet = { networks = { "VM Network" }, datastores = { { name = "ds-1" } },
      clusters = { { name = "a", drs = "off", hosts = {
        host("esx-1", { t4 "0000:3b:00.0", a100 "0000:86:00.0", t4 "0000:af:00.0", a100 "0000:d8:00.0" }),
        host("esx-2", { t4 "0000:3b:00.0", t4 "0000:86:00.0", t4 "0000:af:00.0" }),
        host("esx-3", { a100 "0000:3b:00.0", a100 "0000:86:00.0", t4 "0000:af:00.0" }) } } },
      vms = { vm("both", "esx-1", { "0000:3b:00.0", "0000:86:00.0" }), vm("small", "esx-1", { "0000:af:00.0" }),
        vm("large", "esx-1", { "0000:d8:00.0" }), vm("free", "esx-3") } } }
  end)
  teardown(function() l:stop() end)

  -- The models of a VM's cards, from the fleet.
  local function models(name)
    local one, list = l:truth("vms", name), {}
    for _, device in ipairs(one.devices or {}) do
      for _, card in ipairs(l:truth("hosts", one.host).cards) do
        if card.address == device.address then list[#list + 1] = card.device or card.name end
      end
    end
    table.sort(list)
    return one.host, list
  end

  local function play(options)
    return ('return p.playbook { name = "mixed", p.vms { where = "/DC0/vm/free", p.gpu.attach { devices = %s, power_on = false, %s } } }')
      :format(GPUS, options)
  end

  it("refuses what cannot be meant when the playbook is loaded, and too few of one model in the plan", function()
    local function refused(options, words)
      local ok, err = pcall(l.load, l, play(options))
      assert.is_false(ok)
      assert.matches(words, tostring(err.message or err), 1, true)
    end
    refused("each = {}", "each = {} names no model")
    refused('each = { T4 = 1 }', "each: 'T4' is not vendor:device")
    refused('each = { ["10de:1eb8"] = 0 }', "the number of 10de:1eb8 is 0, and must be at least 1")
    refused('each = { ["10de:1eb8"] = 1 }, whole = "board"', "each cannot be combined with whole")
    local plan, message = l:plan(play 'each = { ["10de:1eb8"] = 2, ["10de:20b5"] = 1 }')
    assert.is_nil(plan)
    assert.matches("free needs 2 x 10de:1eb8, 1 x 10de:20b5 of ", message, 1, true)
    assert.matches("on its host esx-3, but only 2 are free", message, 1, true)
  end)

  it("moves the VMs of a dying host, each to one with cards of its models", function()
    local file = l.dir .. "/evacuate.lua"
    local plan = l:command { "evacuate", "esx-1", "--out", file }
    assert.equal(0, plan.status, plan.err)
    assert.matches("both +vm.move +move from esx%-1 to esx%-3", plan.out)
    assert.matches("both +gpu.attach +TU104GL %[Tesla T4%] x1 %(af:00.0%), GA100 %[A100 PCIe 80GB%] x1 %(", plan.out)
    local done = l:command { "apply", file, "--journal", l.dir .. "/e.db" }
    assert.equal(0, done.status, done.err)
    local on, both = models "both"
    assert.equal("esx-3", on)
    assert.equal(2, #both)
    assert.is_not.equal(both[1], both[2])
    local where_small, where_large = models "small", models "large"
    assert.same({ "esx-2", "esx-3" }, { where_small, where_large })
    assert.same({}, l.sim:get "truth".violations)
    assert.matches("nothing to change", l:command { "apply", file, "--journal", l.dir .. "/e.db" }.out, 1, true)
  end)
end)
