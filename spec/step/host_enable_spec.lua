local lab = require "spec.support.lab"

local card = lab.card

local function host(name, more)
  local one = lab.host(name, more)
  one.cards = more and more.cards or { card "0000:3b:00.0", card "0000:86:00.0" }
  return one
end

local function playbook(options, roll)
  return ([[return p.playbook { name = "hosts", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:20b5" },
    %s p.host.enable { %s } } }]]):format(roll or "", options or "")
end

local function find(events, text)
  for _, event in ipairs(events) do
    if event.text and event.text:find(text, 1, true) then return event end
  end
end

local function what_of(rows, kind)
  local list = {}
  for _, row in ipairs(rows) do if row.kind == kind then list[#list + 1] = row.what end end
  return list
end

describe("host.enable", function()
  local l

  after_each(function()
    if l then l:stop() end
    l = nil
  end)

  local function state(name, address)
    for _, one in ipairs(l:truth("hosts", name).cards) do if one.address == address then return one end end
  end

  local function start(clusters, speed)
    l = lab.start { speed = speed or 200, fleet = { clusters = clusters } }
    return l
  end

  it("activates the cards of a host: stage, maintenance mode, reboot, proof, exit", function()
    start { { name = "gpu-a", hosts = { host "esx-1" } } }
    l.sim:forget()
    local result, events, rows = l:apply(playbook(), { allow = { "reboot" } })
    assert.equal("done", result.status)
    assert.equal("3b:00.0 86:00.0 active", result.targets[1].proofs["host.enable"])
    assert.same({ "UpdatePassthruConfig", "EnterMaintenanceMode", "RebootHost (boot time before)", "RebootHost",
      "Refresh", "ExitMaintenanceMode" }, what_of(rows, "change"))
    assert.is_truthy(find(events, "not active yet"))
    local truth = l:truth("hosts", "esx-1")
    assert.is_false(truth.maintenance)
    for _, one in ipairs(truth.cards) do
      if one.address == "0000:3b:00.0" then assert.is_true(one.active) end
    end
    assert.same({}, l.sim:get "truth".violations)
  end)

  it("writes each row before its call is sent", function()
    start { { name = "gpu-a", hosts = { host "esx-1" } } }
    local journal = l:journal()
    local seen = {}
    local plan = assert(l:plan(playbook()))
    local vc = l:client()
    vc.trace = function(event)
      if event.method == "RebootHost_Task" or event.method == "UpdatePassthruConfig" then
        local last
        for record in journal:runs() do for row in journal:rows(record.id) do last = row end end
        seen[#seen + 1] = last.what .. " " .. last.kind .. " " .. tostring(last.operation == event.operation_id)
      end
    end
    assert(plan:apply { journal = journal, allow = { "reboot" } })
    vc.trace = nil
    assert.same({ "UpdatePassthruConfig change true", "RebootHost change true" }, seen)
  end)

  it("sends applyNow = false", function()
    start { { name = "gpu-a", hosts = { host "esx-1" } } }
    local vc, sent = l:client(), nil
    vc.trace = function(event) if event.method == "UpdatePassthruConfig" then sent = event.request end end
    assert(l:apply(playbook 'apply = "stage"', {}))
    vc.trace = nil
    assert.matches("<applyNow>false</applyNow>", sent, 1, true)
  end)

  it("sets the vSAN data migration, and does not move powered-off VMs", function()
    start { { name = "gpu-a", hosts = { host "esx-1" } } }
    local vc, sent = l:client(), nil
    vc.trace = function(event) if event.method == "EnterMaintenanceMode_Task" then sent = event.request end end
    assert(l:apply(playbook(), { allow = { "reboot" } }))
    vc.trace = nil
    assert.matches("<evacuatePoweredOffVms>false</evacuatePoweredOffVms>", sent, 1, true)
    assert.matches("<objectAction>ensureObjectAccessibility</objectAction>", sent, 1, true)
  end)

  it("changes nothing in a plan, and nothing the second time", function()
    start { { name = "gpu-a", hosts = { host "esx-1" } } }
    l.sim:forget()
    local plan = assert(l:plan(playbook()))
    assert.equal(2, #plan:changes())
    assert.same({ "reboot" }, plan:needs())
    assert.same({}, l:changing())
    assert(l:apply(playbook(), { allow = { "reboot" } }))
    l.sim:forget()
    assert.equal("nothing", l:apply(playbook()).status)
    assert.same({}, l:changing())
  end)

  it("does not start without the approval", function()
    start { { name = "gpu-a", hosts = { host "esx-1" } } }
    l.sim:forget()
    local result, message, code = l:apply(playbook())
    assert.is_nil(result)
    assert.equal("EAPPROVAL", code)
    assert.matches("--allow reboot", message, 1, true)
    assert.same({}, l:changing())
  end)

  it("reports a card that is enabled but not active as pending, and needs one reboot only", function()
    start { { name = "gpu-a", hosts = { host("esx-1", { cards = { card("0000:3b:00.0", { enabled = true, active = false }) } }) } } }
    local plan = assert(l:plan(playbook()))
    assert.matches("1 pending reboot", tostring(plan), 1, true)
    local result, _, rows = l:apply(playbook(), { allow = { "reboot" } })
    assert.equal("done", result.status)
    assert.is_nil(table.concat(what_of(rows, "change"), " "):find "UpdatePassthruConfig")
  end)

  it("works without a reboot if the host supports it", function()
    start { { name = "gpu-a", hosts = { host("esx-1", { rebind_without_reboot = true }) } } }
    local plan = assert(l:plan(playbook()))
    assert.same({}, plan:needs())
    local result, _, rows = l:apply(playbook())
    assert.equal("done", result.status)
    assert.is_nil(table.concat(what_of(rows, "change"), " "):find "RebootHost")
    assert.is_true(state("esx-1", "0000:3b:00.0").active)
  end)

  it("only enables the cards with apply = stage", function()
    start { { name = "gpu-a", hosts = { host "esx-1" } } }
    local result = l:apply(playbook 'apply = "stage"')
    assert.equal("3b:00.0 86:00.0 enabled, pending reboot", result.targets[1].proofs["host.enable"])
  end)

  it("never takes two hosts of a cluster out of service, but works on two clusters at once", function()
    start({ { name = "gpu-a", hosts = { host "a-1", host "a-2" } }, { name = "gpu-b", hosts = { host "b-1" } } }, 60)
    assert.equal("done", l:apply(playbook(), { allow = { "reboot" } }).status)
    local truth = l.sim:get "truth"
    assert.same({}, truth.violations)
    -- when each host was out of service, by the observer's timeline
    local away = {}
    for _, event in ipairs(truth.timeline) do
      if event.host and event.kind == "away" then away[event.host] = { event.t } end
      if event.host and event.kind == "back" and away[event.host] then
        away[event.host][2] = event.t
      end
    end
    assert.is_truthy(away["a-1"] and away["a-1"][2], "the timeline has no a-1")
    local first, second = away["a-1"], away["a-2"]
    assert.is_true(first[2] <= second[1] or second[2] <= first[1])
    local b = away["b-1"]
    local overlaps = false
    for _, a in ipairs { first, second } do overlaps = overlaps or (b[1] < a[2] and a[1] < b[2]) end
    assert.is_true(overlaps)
  end)

  describe("refuses, without a changing call,", function()
    local function refused(clusters, text, wanted)
      start(clusters)
      l.sim:forget()
      local plan, message = l:plan(text or playbook())
      assert.is_nil(plan)
      assert.matches(wanted, message, 1, true)
      assert.same({}, l:changing())
    end

    it("cards with the management NIC as dependent device", function()
      refused({ { name = "gpu-a", hosts = { host("esx-1", { cards = { card("0000:3b:00.0", { dependent = "0000:18:00.0" }) } }) } } },
        nil, "18:00.0, a dependent device of the cards: the network adapter")
    end)
    it("cards with the boot adapter as dependent device", function()
      refused({ { name = "gpu-a", hosts = { host("esx-1", { cards = { card("0000:3b:00.0", { dependent = "0000:19:00.0" }) } }) } } },
        nil, "has disks or the boot device; it is never passed through")
    end)
    it("cards with a USB controller as dependent device", function()
      refused({ { name = "gpu-a", hosts = { host("esx-1", { cards = { card("0000:3b:00.0", { dependent = "0000:00:14.0" }) } }) } } },
        nil, "a USB controller")
    end)
    it("a card that is not capable", function()
      refused({ { name = "gpu-a", hosts = { host("esx-1", { cards = { card("0000:3b:00.0", { capable = false }) } }) } } },
        nil, "is not capable of passthrough")
    end)
    it("a host on which no device is capable: its IOMMU is off", function()
      refused({ { name = "gpu-a", hosts = { host("esx-1", { iommu = false }) } } },
        nil, "no device of this host is. Enable VT-d (AMD: IOMMU) in its BIOS")
    end)
    it("a pattern without a match, with the existing cards", function()
      refused({ { name = "gpu-a", hosts = { host "esx-1" } } },
        'return p.playbook { name = "x", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:ffff" }, p.host.enable {} } }',
        "no card matches 10de:ffff (its GPUs: 10de:20b5 at 3b:00.0, 10de:20b5 at 86:00.0)")
    end)
    it("a BMC's VGA, whatever the pattern", function()
      refused({ { name = "gpu-a", hosts = { host "esx-1" } } },
        'return p.playbook { name = "x", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "1a03:2000" }, p.host.enable {} } }',
        "no card matches 1a03:2000")
    end)
    it("a path without a match, with where it was searched", function()
      refused({ { name = "gpu-a", hosts = { host "esx-1" } } },
        'return p.playbook { name = "x", p.hosts { where = "/DC0/host/gpu-z", devices = p.gpus { match = "10de:*" }, p.host.enable {} } }',
        "gpu-z")
    end)
    it("a host that another user put into maintenance mode", function()
      refused({ { name = "gpu-a", hosts = { host("esx-1", { maintenance = true }) } } }, nil,
        "esx-1 is already in maintenance mode, set by another user")
    end)
  end)

  it("uses a host that another user put into maintenance mode if configured and approved, and leaves it there", function()
    start { { name = "gpu-a", hosts = { host("esx-1", { maintenance = true }) } } }
    local text = playbook "foreign_maintenance = true"
    local _, message = l:apply(text, { allow = { "reboot" } })
    assert.matches("--allow foreign-maintenance", message, 1, true)
    assert.equal("done", l:apply(text, { allow = { "reboot", "foreign-maintenance" } }).status)
    assert.is_true(l:truth("hosts", "esx-1").maintenance)
  end)

  it("skips a host that does not respond, and continues with the others", function()
    start { { name = "gpu-a", hosts = { host "esx-1", host "esx-2" } } }
    l.sim:post("set", { host = "esx-2", connection = "notResponding" })
    local text = playbook("", 'roll = { unavailable = "2/cluster" },')
    local plan = assert(l:plan(text))
    assert.matches("! esx-2 is not responding: skipped", tostring(plan), 1, true)
    local result = l:apply(text, { allow = { "reboot" } })
    assert.equal("partial", result.status)
    assert.equal(1, #result.targets)
  end)

  describe("if a host", function()
    it("does not come back, ends with its name, and continues when the run is resumed", function()
      start { { name = "gpu-a", hosts = { host("esx-1", { boot_fault = "never" }) } } }
      local journal = l:journal()
      local text = playbook("", 'roll = { back_within = "3s" },')
      local result, _, rows = l:apply(text, { allow = { "reboot" }, journal = journal })
      assert.equal("failed", result.status)
      assert.equal("ELOST", result.targets[1].code)
      assert.matches("esx-1 did not reconnect", result.targets[1].message, 1, true)
      assert.equal("failed", rows[#rows].what)
      l.sim:post("set", { host = "esx-1", boot = "", revive = true })
      local again, _, after = l:apply(text, { allow = { "reboot" }, journal = journal, resume = result.id })
      assert.equal("done", again.status)
      local reboots = 0
      for _, row in ipairs(after) do
        if row.kind == "change" and row.what == "RebootHost" then reboots = reboots + 1 end
      end
      assert.equal(1, reboots)
      assert.is_false(l:truth("hosts", "esx-1").maintenance)
    end)

    it("comes back without a card, leaves it in maintenance mode and reports that", function()
      start { { name = "gpu-a", hosts = { host("esx-1", { boot_fault = "without:0000:86:00.0" }) } } }
      local result = l:apply(playbook(), { allow = { "reboot" } })
      assert.equal("EPROOF", result.targets[1].code)
      assert.matches("86:00.0", result.targets[1].message, 1, true)
      assert.matches("stays in maintenance mode", result.targets[1].message, 1, true)
      assert.is_true(l:truth("hosts", "esx-1").maintenance)
    end)

    it("comes back with a pending card, because its BIOS maps nothing above 4 GB, reports what to check", function()
      start { { name = "gpu-a", hosts = { host("esx-1", { above_4g = false }) } } }
      local result = l:apply(playbook(), { allow = { "reboot" } })
      assert.equal("EPROOF", result.targets[1].code)
      assert.matches("3b:00.0 is pending reboot", result.targets[1].message, 1, true)
      assert.matches("above 4G decoding", result.targets[1].message, 1, true)
    end)

    it("cannot enter maintenance mode, undoes the enabling", function()
      start { { name = "gpu-a", hosts = { host "esx-1" } } }
      l.sim:trouble({ method = "EnterMaintenanceMode_Task" }, { kind = "fault", fault = "InvalidState" })
      local result, _, rows = l:apply(playbook(), { allow = { "reboot" } })
      assert.equal("InvalidState", result.targets[1].code)
      assert.same({ "UpdatePassthruConfig", "EnterMaintenanceMode", "UpdatePassthruConfig (undo)" },
        what_of(rows, "change"))
      assert.is_false(state("esx-1", "0000:3b:00.0").enabled)
    end)

    it("reboots although the answer is lost, does not send the request twice", function()
      start { { name = "gpu-a", hosts = { host "esx-1" } } }
      l.sim:trouble({ method = "RebootHost_Task" }, { kind = "reset-after" })
      l.sim:forget()
      local result = l:apply(playbook(), { allow = { "reboot" } })
      assert.equal("done", result.status)
      assert.equal(1, l.sim:calls "RebootHost_Task")
    end)
  end)

  it("starts no further targets after the second failure", function()
    start { { name = "a", hosts = { host("a-1", { boot_fault = "never" }) } }, { name = "b", hosts = { host("b-1", { boot_fault = "never" }) } },
      { name = "c", hosts = { host("c-1", { boot_seconds = 3000 }), host "c-2" } } }
    local result = l:apply(playbook("", 'roll = { back_within = "4s" },'), { allow = { "reboot" } })
    assert.equal("failed", result.status)
    local by_name = {}
    for _, one in ipairs(result.targets) do by_name[one.target] = one end
    assert.equal("failed", by_name["a-1"].status)
    assert.equal("not started", by_name["c-2"].status)
  end)

  describe("with a running VM that holds a card of the host", function()
    local ROLL = 'roll = { guests = "shutdown-idle" },'

    local function occupy()
      l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = { host("esx-1", {
        cards = { card "0000:3b:00.0", card("0000:86:00.0", { enabled = true }) } }) } } },
        vms = { { name = "old-7", host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 8192,
          memory_lock = true, devices = { "0000:86:00.0" }, power = "poweredOn", installed = "ubuntu",
          extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } } } } }
      local ref = assert(l:client():one "/DC0/vm/old-7")
      assert(l.vc:wait_for(ref, { "guest.toolsRunningStatus" }, function(v)
        return v["guest.toolsRunningStatus"] == "guestToolsRunning"
      end, { timeout = 20 }))
    end

    it("is refused unless the playbook allows shutting it down", function()
      occupy()
      l.sim:forget()
      local _, message = l:plan(playbook())
      assert.matches("VMs with a passthrough card cannot be migrated (old-7)", message, 1, true)
      assert.same({}, l:changing())
    end)

    it("also needs the approval; then the guest is shut down, the host reboots, and the VM is started again", function()
      occupy()
      local text = playbook("", ROLL)
      local _, message = l:apply(text, { allow = { "reboot" } })
      assert.matches("--allow guest-shutdown", message, 1, true)
      local result, _, rows = l:apply(text, { allow = { "reboot", "guest-shutdown" } })
      assert.equal("done", result.status, result.targets[1].message)
      assert.is_truthy(table.concat(what_of(rows, "change"), "|"):find("ShutdownGuest old-7|EnterMaintenanceMode", 1, true))
      assert.equal("poweredOn", l:truth("vms", "old-7").power)
      assert.equal(0, l.sim:calls "PowerOffVM_Task")
      assert.same({}, l.sim:get "truth".violations)
    end)

    it("does not shut it down while a user is logged in, without a separate approval", function()
      occupy()
      l.sim:post("set", { vm = "old-7", session = "mia" })
      local _, message = l:apply(playbook("", ROLL), { allow = { "reboot", "guest-shutdown" } })
      assert.matches("--allow sessions", message, 1, true)
      assert.equal("poweredOn", l:truth("vms", "old-7").power)
    end)

    it("that ignores the shutdown leaves it running, and undoes the enabling", function()
      occupy()
      l.sim:post("set", { vm = "old-7", deaf = true })
      local result, _, rows = l:apply(playbook("", 'roll = { guests = "shutdown-idle", shutdown_within = "1s" },'),
        { allow = { "reboot", "guest-shutdown" } })
      assert.equal("failed", result.status)
      assert.matches("old-7 did not shut down", result.targets[1].message, 1, true)
      assert.is_truthy(table.concat(what_of(rows, "change"), "|"):find("UpdatePassthruConfig (undo)", 1, true))
      assert.equal("poweredOn", l:truth("vms", "old-7").power)
      assert.is_false(state("esx-1", "0000:3b:00.0").enabled)
      assert.equal(0, l.sim:calls "PowerOffVM_Task")
    end)
  end)
end)
