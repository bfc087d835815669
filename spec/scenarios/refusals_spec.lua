-- Scenario 13: an installed BIOS guest, a source with a card, snapshots, nested virtualization, a vTPM that would be
-- copied: each is its own refusal, all in one plan, and nothing is changed. CPU and memory hot-add are not refused but
-- switched off with the same reconfigure; a card is never hot-added: a running VM needs the approval to be shut down.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

local function vm(name, more)
  local one = { name = name, host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096, version = "vmx-20" }
  for field, value in pairs(more or {}) do one[field] = value end
  return one
end

describe("what cannot get a card", function()
  local l
  setup(function()
    local cards = {}
    for i, slot in ipairs { "1b", "2b", "3b", "4b", "5b", "6b" } do
      cards[i] = lab.card(("0000:%s:00.0"):format(slot), { enabled = true })
    end
    l = lab.start { speed = 1000, fleet = { folders = { "/DC0/vm/gold", "/DC0/vm/old" }, clusters = { { name = "c",
      hosts = { lab.host("esx-1", { memory_gb = 512, cards = cards }) } } }, vms = {
      vm("bios", { firmware = "bios", installed = "windows", guest = "windows2019srvNext_64Guest", folder = "old" }),
      vm("snap", { folder = "old" }), vm("nested", { folder = "old" }), vm("hot", { folder = "old" }),
      vm("with-card", { folder = "gold", memory_lock = true, devices = { "0000:6b:00.0" } }),
      vm("with-tpm", { folder = "gold" }),
      vm("runs", { power = "poweredOn", installed = "ubuntu" }) } } }
    local vc = l:client()
    local function find(path) return check(vc:one("/DC0/vm/" .. path)) end
    local crypto = vc.content.cryptoManager
    check(crypto:RegisterKmsCluster { clusterId = { id = "keys" }, managementType = "nativeProvider" })
    check(crypto:MarkDefault { clusterId = { id = "keys" } })
    for _, task in ipairs { check(find "old/snap":CreateSnapshot_Task { name = "before", memory = false, quiesce = false }),
      check(find "old/nested":ReconfigVM_Task { spec = { nestedHVEnabled = true } }),
      check(find "old/hot":ReconfigVM_Task { spec = { cpuHotAddEnabled = true, memoryHotAddEnabled = true } }),
      check(find "gold/with-tpm":ReconfigVM_Task { spec = { deviceChange = { { operation = "add",
        device = { _type = "VirtualTPM", key = -1 } } } } }) } do
      check(vc:wait(task))
    end
  end)
  teardown(function() l:stop() end)

  local function clone(name, from)
    return ([[p.vms { name = "%s", place = { cluster = "c", datastore = "ds-1" }, p.vm.clone { from = "gold/%s" } }]]):format(name, from)
  end

  local ATTACH = [[p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false %s }]]

  it("is refused each for its own reason, all at once, and nothing is changed", function()
    l.sim:forget()
    local plan, message, _, detail = l:plan(([[return p.playbook { name = "all", p.vms { where = { "/DC0/vm/old/bios",
      "/DC0/vm/old/snap", "/DC0/vm/old/nested" }, %s }, %s, %s }]]):format(ATTACH:format "", clone("copy-1", "with-card"),
      clone("copy-2", "with-tpm")))
    assert.is_nil(plan)
    for _, text in ipairs {
      "bios: firmware: the cards map 128 GiB + 48 MiB, more than the 3.5 GiB that a VM can map without the 64-bit window, "
        .. "which needs EFI; the installed system boots with BIOS: convert its disk first",
      "snap has snapshots: they cannot be restored while a VM runs with a passed-through card",
      "nested has nested virtualization enabled, which does not work with a passed-through card",
      "/DC0/vm/gold/with-card has 1 passthrough device (6b:00.0), and each clone would have the same",
      "/DC0/vm/gold/with-tpm has a vTPM, and a clone's is a copy with the same secrets",
    } do
      assert.is_truthy(message:find(text, 1, true), text .. "\nnot in:\n" .. message)
    end
    assert.equal(5, #detail.problems)
    assert.same({}, l:changing())
  end)

  it("may have snapshots if the playbook accepts that", function()
    assert.is_truthy(l:plan(([[return p.playbook { name = "s", p.vms { where = "/DC0/vm/old/snap", %s } }]]):format(
      ATTACH:format ', accept = { "snapshots" }')))
    local ok, err = pcall(l.load, l, ([[return p.playbook { name = "s", p.vms { where = "/DC0/vm/old/snap", %s } }]]):format(
      ATTACH:format ', accept = { "snapshot" }'))
    assert.is_false(ok)
    assert.matches("accept: 'snapshot' is neither nvswitch-passthrough nor snapshots", tostring(err.message or err), 1, true)
  end)

  it("has hot-add of CPUs and memory switched off in the reconfigure that attaches the card", function()
    local text = ([[return p.playbook { name = "h", p.vms { where = "/DC0/vm/old/hot", %s } }]]):format(ATTACH:format "")
    local diff = check(l:plan(text)):text { diff = true }
    assert.matches("CPU hot-add: on -> off", diff, 1, true)
    assert.matches("memory hot-add: on -> off", diff, 1, true)
    assert.equal("done", l:apply(text).status)
    local config = check(check(l.vc:one "/DC0/vm/old/hot"):get "config")
    assert.same({ false, false }, { config.cpuHotAddEnabled, config.memoryHotAddEnabled })
  end)

  it("is never hot-added: a running VM is shut down, with the approval", function()
    local text = ([[return p.playbook { name = "r", p.vms { where = "/DC0/vm/runs", %s } }]]):format(ATTACH:format "")
    local plan = check(l:plan(text))
    assert.same({ "guest-shutdown" }, plan:needs())
    l.sim:forget()
    local _, _, code = l:apply(text)
    assert.equal("EAPPROVAL", code)
    assert.same({}, l:changing())
  end)
end)
