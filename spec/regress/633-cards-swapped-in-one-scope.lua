-- gpu.detach before gpu.attach in one scope took the cards away that the plan had chosen for gpu.attach: the VM lost its
-- card, and gpu.attach ended with "no cards: give at least one". A card of another model is attached now in the place of
-- the one that goes; where both steps mean the same cards, which would never come to an end, the plan refuses it.
local lab = require "spec.support.lab"

local function card(address, device, name)
  return { address = address, vendor = "10de", device = device, subvendor = "10de", subdevice = "12a2", name = name, class = "0302",
    bars = { "16M:32", "256M:64p", "32M:64p" }, enabled = true }
end

local function vm(name, address)
  return { name = name, host = "esx-1", firmware = "efi", memory_mb = 2048, version = "vmx-20", disk_gb = 10, memory_lock = true,
    devices = { address } }
end

describe("gpu.detach and gpu.attach in one scope", function()
  local l, journal
  setup(function()
    l = lab.start { speed = 400, fleet = { clusters = { { name = "a", drs = "off", hosts = { lab.host("esx-1", { cards = {
      card("0000:3b:00.0", "1eb8", "Tesla T4"), card("0000:5e:00.0", "1bb3", "Tesla P4"), card("0000:86:00.0", "1eb8", "Tesla T4"),
      card("0000:af:00.0", "1eb8", "Tesla T4") } }),
      lab.host("esx-2", { cards = { card("0000:3b:00.0", "1eb8", "Tesla T4"), card("0000:5e:00.0", "1bb3", "Tesla P4") } }) } } },
      vms = { vm("swap", "0000:3b:00.0"), vm("same", "0000:86:00.0"), vm("goes", "0000:af:00.0") } } }
    journal = l.dir .. "/journal.db"
  end)
  teardown(function() l:stop() end)

  local function write(name, ...)
    return l:write(('return p.playbook { name = "swap", p.vms { where = "/DC0/vm/%s",\n%s } }'):format(name, table.concat({ ... }, ",\n")))
  end
  local function cards_of(name)
    local one, list = l:truth("vms", name), {}
    for i, device in ipairs(one.devices) do list[i] = device.address end
    return { one.host, table.unpack(list) }
  end
  local T4 = 'p.gpu.detach { devices = p.gpus { match = "10de:1eb8" }, power_on = false }'
  local P4 = 'p.gpu.attach { devices = p.gpus { match = "10de:1bb3" }, power_on = false }'

  it("swaps a card for one of another model, once", function()
    local path = write("swap", T4, P4)
    local done = l:command { "apply", path, "--journal", journal }
    assert.equal(0, done.status, done.err)
    assert.same({ "esx-1", "0000:5e:00.0" }, cards_of "swap")
    l.sim:forget()
    local again = l:command { "apply", path, "--journal", journal }
    assert.equal(0, again.status, again.err)
    assert.matches("nothing to change", again.out, 1, true)
    assert.same({}, l:changing())
    local undone = l:command { "undo", done.err:match "run (swap%-%S+)", "--journal", journal }
    assert.equal(0, undone.status, undone.err)
    assert.same({ "esx-1", "0000:3b:00.0" }, cards_of "swap")
  end)

  it("names the card of the old host once, and attaches one of the new host", function()
    local path = write("goes", T4, 'p.vm.move { to = "esx-2" }', P4)
    local plan = l:command { "plan", path }
    assert.equal(0, plan.status, plan.err)
    assert.equal(1, select(2, plan.out:gsub("detach af:00.0", "")), plan.out)
    local done = l:command { "apply", path, "--journal", journal }
    assert.equal(0, done.status, done.err)
    assert.same({ "esx-2", "0000:5e:00.0" }, cards_of "goes")
  end)

  it("refuses a gpu.detach that takes what gpu.attach gives", function()
    for _, detach in ipairs { "p.gpu.detach {}", T4 } do
      l.sim:forget()
      local done = l:command { "apply", write("same", detach, 'p.gpu.attach { devices = p.gpus { match = "10de:1eb8" } }'),
        "--journal", journal }
      assert.equal(1, done.status)
      assert.matches("same: gpu.attach gives it 86:00.0, and gpu.detach takes such cards. Choose cards with devices, so that both do "
        .. "not match the same, or leave gpu.detach out", done.err, 1, true)
      assert.same({}, l:changing())
    end
    assert.same({ "esx-1", "0000:86:00.0" }, cards_of "same")
  end)

  it("wants gpu.detach first", function()
    local done = l:command { "plan", write("same", P4, T4) }
    assert.equal(1, done.status)
    assert.matches("gpu.detach must come before gpu.attach", done.err, 1, true)
    done = l:command { "plan", write("same", 'p.vm.move { to = "esx-2" }', T4) }
    assert.equal(1, done.status)
    assert.matches("gpu.detach must come before vm.move", done.err, 1, true)
  end)
end)
