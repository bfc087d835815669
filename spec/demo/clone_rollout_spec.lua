-- examples/clone_rollout.lua: 40 clones of one image on 40 cards, made and started side by side.
local customization = require "spec.support.customization"
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local PLAY = "examples/clone_rollout.lua"
local ENV = { GOLD_PASSWORD = "Gold-1-pass", LUA_INIT = customization.INIT }

describe("the rollout of 40 clones", function()
  local site

  setup(function()
    site = lab.start { speed = 600, fleet = assert(json.decode(assert(vcenter.read "examples/fleets/clone_rollout.json"))) }
    customization.create(site:client())
  end)
  teardown(function() site:stop() end)

  it("is a few lines in the plan: where the clones go, and why no 64-bit window is needed", function()
    local plan = site:command({ "plan", PLAY }, { env = ENV })
    assert.equal(0, plan.status, plan.err)
    assert.matches("\n+ W11-[001-040]  vm.clone      clone of /DC0/vm/gold/w11-24h2 (efi, 8 CPUs, 16 GiB locked)\n", plan.out, 1, true)
    assert.matches("\n    4 each on esx-vdi-[01-10]\n", plan.out, 1, true)
    assert.matches("\n    64-bit MMIO: not needed (the cards map 304 MiB; the limit without a 64-bit window is 3.5 GiB)\n", plan.out,
      1, true)
    assert.matches("\n! vdi-a: no spare GPU: one host down leaves VMs without 4 GPUs\n", plan.out, 1, true)
    local _, lines = plan.out:gsub("\n", "")
    assert.is_true(lines <= 12, plan.out)
  end)

  it("gives each desktop one card, and no card twice", function()
    local done = site:command({ "apply", PLAY, "--journal", site.dir .. "/j.db" }, { env = ENV })
    assert.equal(0, done.status, done.err)
    local truth, cards, names, hosts = site.sim:get "truth", {}, {}, {}
    assert.same({}, truth.violations)
    for _, vm in ipairs(truth.vms) do
      if vm.name ~= "w11-24h2" then
        assert.same({ "poweredOn", true, 16384, 1, vm.name }, { vm.power, vm.memory_locked, vm.memory_mb, #vm.devices,
          vm.guest.hostname })
        local card = vm.host .. " " .. vm.devices[1].address
        assert.is_nil(cards[card], card)
        cards[card], names[#names + 1] = true, vm.name
        hosts[vm.host] = (hosts[vm.host] or 0) + 1
      end
    end
    assert.equal(40, #names)
    for name, count in pairs(hosts) do assert.equal(4, count, name) end
    assert.equal(40, site.sim:calls "CloneVM_Task")
  end)

  it("has nothing to do then, and no card for a 41st", function()
    local again = site:command({ "plan", PLAY }, { env = ENV })
    assert.equal(0, again.status, again.err)
    assert.matches("nothing to change\n$", again.out)
    local more = site:command({ "plan", PLAY, "--var", "count=41" }, { env = ENV })
    assert.equal(1, more.status)
    assert.matches("W11%-041 needs 1 free GPU", more.err)
  end)
end)
