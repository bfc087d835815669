--- The label of p.gpus was a filter only: a playbook could not give new cards their label, so dynamic backings with a label
-- could not be rolled out by it, and cards without the label were left out without a word. Now p.host.enable labels the
-- cards that match otherwise and have no label, and a plan names the cards of the cluster that do not have it.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

local function host(name, cards) return lab.host(name, { cards = cards, rebind_without_reboot = true, memory_gb = 64 }) end

local function card(address, more) return lab.card("0000:" .. address, more) end

describe("the hardware label of p.gpus", function()
  local site
  setup(function()
    site = lab.start { speed = 1000, fleet = { clusters = { { name = "a", drs = "fullyAutomated", hosts = {
      host("esx-1", { card "3b:00.0", card("5e:00.0", { enabled = true }) }),
      host("esx-2", { card("3b:00.0", { label = "ml" }), card "5e:00.0" }),
      host("esx-3", { card("3b:00.0", { enabled = true }) }) } } },
      vms = { { name = "desk-1", host = "esx-1", memory_mb = 4096, version = "vmx-20", firmware = "efi" },
        { name = "desk-2", host = "esx-2", memory_mb = 4096, version = "vmx-20", firmware = "efi" } } } }
  end)
  teardown(function() site:stop() end)

  local function playbook(hosts)
    return ([[local vdi = p.gpus { match = "10de:20b5", label = "vdi" }
return p.playbook { name = "x", p.hosts { where = "/DC0/host/a/esx-%s", devices = vdi, p.host.enable {} },
  p.vms { where = "/DC0/vm/desk-*", p.gpu.attach { devices = vdi, backing = "dynamic" } } }]]):format(hosts)
  end

  local function labels(name)
    local list = {}
    for _, info in ipairs(check(check(site:client():one("/DC0/host/a/" .. name)):get "config.pciPassthruInfo")) do
      if info.hardwareLabel then list[info.id] = info.hardwareLabel end
    end
    return list
  end

  it("is a line of the plan, and cards that have another one are left alone", function()
    local text = tostring(check(site:plan(playbook "[12]")))
    assert.matches("\n~ esx%-1 +host.enable +label 3b:00.0 5e:00.0 vdi\n", text)
    assert.matches("\n~ esx%-2 +host.enable +label 5e:00.0 vdi\n", text)
    assert.matches("left alone, with another label: 3b:00.0 (ml)", text, 1, true)
    assert.matches("attach a dynamic backing (GA100 [A100 PCIe 80GB], label vdi)", text, 1, true)
  end)

  it("is missing on other cards of the cluster, which the plan names", function()
    assert.matches("! play%-%d+.lua:4: 2 of 5 cards of 10de:20b5, label vdi in a do not have this label, and are not used "
      .. "%(esx%-%[2%-3%]%)", (tostring(check(site:plan(playbook "[12]"))):gsub("/%S-/(play%-)", "%1")))
  end)

  it("is set, read back, and used by dynamic backings", function()
    site.sim:forget()
    local result, _, rows = check(site:apply(playbook "[12]"))
    assert.equal("done", result.status, result.message)
    assert.same({ ["0000:3b:00.0"] = "vdi", ["0000:5e:00.0"] = "vdi" }, labels "esx-1")
    assert.same({ ["0000:3b:00.0"] = "ml", ["0000:5e:00.0"] = "vdi" }, labels "esx-2")
    for n = 1, 2 do
      local vm = check(site:client():one("/DC0/vm/desk-" .. n))
      for _, device in ipairs(check(vm:get "config.hardware.device")) do
        if device._type == "VirtualPCIPassthrough" then
          assert.equal("VirtualPCIPassthroughDynamicBackingInfo", device.backing._type)
          assert.equal("vdi", device.backing.customLabel)
          assert.equal(1, #device.backing.allowedDevice)
          assert.is_truthy(device.backing.assignedId)
        end
      end
    end
    local found
    for _, row in ipairs(rows) do
      if row.action == "passthrough-label" and row.target == "esx-2" and row.kind ~= "result" then found = row.detail end
    end
    assert.matches('"before"', found or "", 1, true) -- for an undo
    assert.same({}, check(site:plan(playbook "[12]")):changes())
  end)

  it("that is the only field selects cards by it, and labels none", function()
    local plan = check(site:plan [[return p.playbook { name = "y", p.hosts { where = "/DC0/host/a",
      devices = p.gpus { label = "vdi" }, p.host.enable {} } }]])
    assert.same({}, plan:changes())
    assert.equal(1, #plan:left_out()) -- esx-3
  end)

  it("cannot be asked for together with an address, if the backing is dynamic", function()
    local pb, message = gpupt.playbook.load(site:write [[return p.playbook { name = "z", p.vms { where = "/DC0/vm/desk-1",
      p.gpu.attach { backing = "dynamic", devices = p.gpus { address = "3b:00.0" } } } }]])
    assert.is_nil(pb)
    assert.matches("a dynamic backing cannot ask for an address", message, 1, true)
  end)
end)
