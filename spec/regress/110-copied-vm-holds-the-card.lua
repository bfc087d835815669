--- A VM was copied (or moved cold) to another host with its card: its backing still names the first host. `gpupt gpus`
-- used the backing's systemId, `gpupt plan` the host on which the VM is registered, so that one reported a card as held
-- that the other assigned. The backing decides everywhere: the card of the host that it names is held, and the card at the
-- same address of the VM's own host is not.
-- Source: VirtualPCIPassthroughDeviceBackingInfo.systemId, "the ID of the system the PCI device is attached to".
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

describe("a VM whose backing names another host than the one it is registered on", function()
  local site, vc

  local function attach(host, name) return site:attach("gpu-a", host, "0000:3b:00.0", name) end
  local function copy_to(vm, host) return site:register_on("gpu-a", host, vm) end

  setup(function()
    local function host(name) return lab.host(name, { cards = { lab.card("0000:3b:00.0", { enabled = true }) } }) end
    site = lab.start { speed = 500, fleet = {
      clusters = { { name = "gpu-a", hosts = { host "esx-1", host "esx-2" } } },
      vms = { { name = "copy", host = "esx-1", power = "poweredOff", memory_mb = 4096, version = "vmx-20", firmware = "efi" },
        { name = "new-1", host = "esx-1", power = "poweredOff", memory_mb = 4096, version = "vmx-20", firmware = "efi" },
        { name = "late", host = "esx-2", power = "poweredOff", memory_mb = 4096, version = "vmx-20", firmware = "efi" },
        { name = "new-2", host = "esx-2", power = "poweredOff", memory_mb = 4096, version = "vmx-20", firmware = "efi" } },
    } }
    vc = site:client()
    copy_to(attach("esx-1", "copy"), "esx-2")
  end)
  teardown(function() site:stop() end)

  local function playbook(name)
    return ([[
return p.playbook { name = "x",
  p.vms { where = "/DC0/vm/%s",
    p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]]):format(name)
  end

  it("holds the card of the host that it names: gpus", function()
    local seen = check(gpupt.fleet.cards(vc))
    local by_host = {}
    for _, card in ipairs(seen.cards) do by_host[card.host] = card end
    assert.equal("held by copy", by_host["esx-1"].why)
    assert.is_true(by_host["esx-2"].free)
  end)

  it("holds it also if only that host is read", function()
    local seen = check(gpupt.fleet.cards(vc, { path = "/DC0/host/gpu-a/esx-1" }))
    assert.equal("held by copy", seen.cards[1].why)
  end)

  it("holds the card of the host that it names: plan", function()
    local plan, message, code = site:plan(playbook "new-1")
    assert.is_nil(plan)
    assert.equal("ENOCARDS", code)
    assert.matches("esx-1: 3b:00.0 held by copy (poweredOff)", message, 1, true)
  end)

  it("leaves the card of the host that it is registered on free: plan", function()
    local plan = check(site:plan(playbook "new-2"))
    assert.matches("attach 3b:00.0", tostring(plan), 1, true)
  end)

  it("is marked as stale, because it cannot start there", function()
    local seen = check(gpupt.fleet.cards(vc))
    for _, card in ipairs(seen.cards) do
      if card.host == "esx-1" then assert.is_true(card.owners[1].stale) end
    end
  end)

  it("control: attach notices an owner on the card's own host right before it would attach the card", function()
    -- planned while the card of esx-2 was free
    local plan = check(site:plan(playbook "new-2"))
    attach("esx-2", "late")
    local applied = check(plan:apply { journal = site:journal() })
    assert.matches("3b:00.0 is held by late", applied:result().targets[1].message, 1, true)
  end)
end)
