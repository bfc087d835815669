-- examples/horizon_desktops.lua: from cards that are not enabled to desktops whose driver and Agent are proved, and a
-- pool that leaves 3D to vSphere, in the order of the vendors' procedure.
local desktops = require "spec.support.horizon_desktops"
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

describe("Horizon desktops", function()
  local site, words, journal, first

  local function command(verb, ...)
    local list = { verb, desktops.PATH, table.unpack(words) }
    return site:command(table.move({ ... }, 1, select("#", ...), #list + 1, list), { env = desktops.ENV })
  end

  setup(function()
    site = lab.start { speed = 250, fleet = assert(json.decode(assert(vcenter.read "examples/fleets/horizon_desktops.json"))) }
    words = desktops.prepare(site, 2)
    site.sim:close_all() -- what is open afterwards is the run's
    site.vc = nil
    journal = site.dir .. "/journal.db"
    first = command("apply", "--journal", journal, "--allow", "reboot")
  end)
  teardown(function() site:stop() end)

  local function pool()
    local text = vcenter.shell(("env -u LD_PRELOAD curl -sS --cacert '%s' '%s/gpsim/state'"):format(site.sim.ready.ca_file,
      site.sim.ready.horizon))
    return assert(json.decode(text)).pools[1]
  end

  it("are made from nothing, and proved", function()
    assert.equal(0, first.status, first.err)
    for _, name in ipairs { "W11-001", "W11-002" } do
      assert.matches(name:gsub("%-", "%%-") .. " +esx%-vdi%-0%d +[35][be]:00.0 +changed +the guest sees 1 GPU: 10de:1eb8 %(problem code 0%)",
        first.out)
    end
    local truth = site.sim:get "truth"
    assert.same({}, truth.violations)
    for _, name in ipairs { "W11-001", "W11-002" } do
      local vm = site:truth("vms", name)
      assert.same({ "poweredOn", true, 1, name }, { vm.power, vm.memory_locked, #vm.devices, vm.guest.hostname })
    end
    assert.equal("MANAGE_BY_VSPHERE_CLIENT", pool().display_protocol_settings.renderer3d)
    assert.equal(0, site.sim:leftovers().sessions)
  end)

  it("have a video card without 3D, for their displays", function()
    local vm = assert(site:client():one "/DC0/vm/vdi/W11-001")
    for _, device in ipairs(assert(vm:get "config.hardware.device")) do
      if device._type == "VirtualMachineVideoCard" then
        assert.same({ 2, false, false }, { device.numDisplays, device.enable3DSupport, device.useAutoDetect })
      end
    end
  end)

  it("are made in the order of the procedure: system, Tools, card, driver, Agent, pool", function()
    local order = { "vm.clone", "tools.ensure", "gpu.attach", "driver.install", "guest.verify", "horizon.agent",
      "horizon.pool" }
    local book = assert(store.open(journal))
    local run
    for one in book:runs() do run = one.id end
    local seen, pools = {}, 0
    for row in book:rows(run) do
      if row.kind == "change" and row.target and row.target:find "^W11" then
        local list = seen[row.target] or {}
        seen[row.target] = list
        if list[#list] ~= row.step then list[#list + 1] = row.step end
        if row.step == "horizon.pool" then pools = pools + 1 end
      end
    end
    book:close()
    -- the first desktop changes the pool of both
    assert.equal(1, pools)
    for _, name in ipairs { "W11-001", "W11-002" } do
      local expected = table.move(order, 1, #order, 1, {})
      if seen[name][#seen[name]] ~= "horizon.pool" then expected[#expected] = nil end
      assert.same(expected, seen[name])
    end
    -- the same in the guests, by the test vCenter's own clock
    local at = {}
    for i, event in ipairs(site.sim:get "truth".timeline) do
      if event.vm == "W11-001" then at[event.kind] = at[event.kind] or i end
    end
    assert.is_true(at["tools-setup"] < at["driver-installed"] and at["driver-installed"] < at["agent-setup"])
  end)

  it("have nothing to do the second time", function()
    site.sim:forget()
    local again = command("apply", "--journal", journal)
    assert.equal(0, again.status, again.err)
    assert.matches("nothing to change\n$", again.out)
    assert.same({}, site:changing())
  end)

  it("are refused in another order, with the reason", function()
    local text = assert(vcenter.read(desktops.PATH))
    local agent = assert(text:match "\n    p%.horizon%.agent[^\n]*")
    local function moved(before)
      local at = text:gsub(agent:gsub("%p", "%%%0"), "")
      return site:write((at:gsub("\n    " .. before:gsub("%p", "%%%0"), (agent:gsub("%%", "%%%%")) .. "%0"))
        :gsub('local p = require "gpupt.playbook"\n', "", 1))
    end
    for before, complaint in pairs {
      ["p.gpu.attach"] = "gpu.attach must come before horizon.agent",
      ["p.driver.install"] = "driver.install must come before horizon.agent",
    } do
      local refused = site:command({ "plan", moved(before), table.unpack(words) }, { env = desktops.ENV })
      assert.equal(1, refused.status)
      assert.matches(complaint, refused.err, 1, true)
    end
  end)
end)
