-- Playbooks that were planned as if they were right, and would have failed in the middle of a run, or were an internal
-- error: an empty inventory path, `count` and `place` beside `where` (both were ignored), `count` beside `each` (ignored),
-- a negative keep_free, names that vCenter refuses, 0 CPUs, a hardware version "20", Secure Boot with BIOS. A wrong
-- `mmio` was found only where there was a card for the VM; a function of `login` that gave no login, by apply alone.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local NEW = [[p.vms { name = %s, place = { cluster = "ga", datastore = "ds-1", network = "VM Network" },
  p.vm.create { guest = "ubuntu64Guest", cpus = 4, memory = "4 GiB", disk = "20 GiB"%s } }]]
local ATTACH = [[p.vms { where = "/DC0/vm/desk-1"%s, p.gpu.attach { devices = p.gpus { match = "10de:20b5" }%s } }]]
local HOSTS = [[p.hosts { where = %s, devices = p.gpus { match = "10de:20b5" }, p.host.enable {} }]]

describe("552: a playbook that cannot work", function()
  local l
  setup(function()
    l = lab.start { speed = 1000, fleet = { clusters = { { name = "ga", hosts = { lab.host("esx-1",
      { cards = { lab.card("0000:3b:00.0", { enabled = true }) } }) } } }, datastores = { { name = "ds-1" } },
      vms = { { name = "desk-1", cluster = "ga", memory_mb = 4096, firmware = "efi" } } } }
  end)
  teardown(function() l:stop() end)

  local function loading(scope, name)
    return gpupt.playbook.load(l:write(('return p.playbook { name = "%s", %s }'):format(name or "x", scope)))
  end

  for _, case in ipairs {
    { HOSTS:format '""', "where: an inventory path is empty" },
    { HOSTS:format '{ "/DC0/host/ga", " " }', "where: an inventory path is empty" },
    { HOSTS:format 'p.find { path = "" }', "path: an inventory path is empty" },
    { ATTACH:format(", count = 2", ""), "count is for VMs of a `name`" },
    { ATTACH:format(', place = { cluster = "ga" }', ""), "place is for VMs of a `name`" },
    { ATTACH:format(", keep_free = -1", ""), "keep_free = -1 is less than 0" },
    { ATTACH:format("", ', each = { ["10de:20b5"] = 1 }, count = 2'), "each is in place of count" },
    { ATTACH:format("", ', mmio = "saef"'), "mmio: 'saef' is not valid; use min, safe, seed, off, measure or a size" },
    { ATTACH:format("", ", mmio = 100"), "mmio: 100 GiB is not a power of two" },
    { ATTACH:format("", ", mmio = -1"), "mmio: -1 GiB is not a power of two" },
    { NEW:format('""', ""), "name is empty" },
    { NEW:format('" "', ""), "name is empty" },
    { NEW:format('"x\\n"', ""), "contains a control character" },
    { NEW:format('"x\\xff"', ""), "is not UTF-8" },
    { NEW:format('"x-{n:99}"', ""), "has 101 characters, and vCenter takes 80 at most" },
    { NEW:format('"x"', ", cpus = 0"), "cpus must be at least 1" },
    { NEW:format('"x"', ', version = "20"'), "version = '20' is not a hardware version: write for example vmx-20" },
    { NEW:format('"x"', ', firmware = "bios", secure_boot = true'), "secure_boot needs firmware = 'efi'" },
  } do
    it(("is refused when it is loaded: %s"):format(case[2]), function()
      local book, message = loading(case[1])
      assert.is_nil(book)
      assert.matches("play%-%d+.lua:%d+: ", message)
      assert.matches(case[2], message, 1, true)
    end)
  end

  it("is refused without a name for its runs", function()
    assert.matches("name is empty", select(2, loading(HOSTS:format '"/DC0/host/ga"', " ")), 1, true)
  end)

  it("may name a VM with 80 characters, of which an escape sequence is one", function()
    assert(loading(NEW:format(('"%s%%2f"'):format(("x"):rep(79)), "")))
    assert(loading(NEW:format(('"%s"'):format(("é"):rep(80)), "")))
  end)

  for given, words in pairs { ["vm.foo"] = "a VM has no 'foo'", ['"x"'] = "option 'login' must be a table, not a string",
    ["nil"] = "needs an account in the guest: set login = p.login(user, secret) (for desk-1)" } do
    it(("is refused when a function of login gives %s"):format(given), function()
      local plan, message = l:plan(([[return p.playbook { name = "x", p.vms { where = "/DC0/vm/desk-1",
        login = function(vm) return %s end, p.gpu.attach { devices = p.gpus { match = "10de:20b5" } },
        p.guest.verify {} } }]]):format(given))
      assert.is_nil(plan)
      assert.matches(words, message, 1, true)
    end)
  end

  it("names the option of a roll once", function()
    assert.matches(": p.hosts: roll: unknown option 'unavailble'", select(2, loading [[p.hosts { where = "/DC0/host/ga",
      roll = { unavailble = "1/cluster" }, p.host.enable { devices = p.gpus { match = "10de:20b5" } } }]]), 1, true)
  end)
end)
