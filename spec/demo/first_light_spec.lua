local first_light = require "spec.support.first_light"
local json = require "gpupt.json"
local vcenter = require "spec.support.vcenter"

describe("first light", function()
  local l, first, ended

  setup(function()
    l = first_light.start { speed = 100 }
    -- /proc/PID/cmdline of every process during the run
    vcenter.write(l.dir .. "/watch.sh", ([[
      while [ ! -e %s/stop ]; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' >> %s/cmdlines; sleep 0.2; done
    ]]):format(l.dir, l.dir))
    os.execute(("sh %s/watch.sh >/dev/null 2>&1 &"):format(l.dir))
    first = l:run_command({ "apply", l.playbook, "--allow", "reboot", "--journal", l.dir .. "/journal.db" })
    vcenter.write(l.dir .. "/stop", "")
    ended = l.sim:get "truth"
  end)

  teardown(function() if l then l:stop() end end)

  it("succeeds and reports what was proved", function()
    assert.equal(0, first.status, first.err)
    assert.matches("esx%-a%-1 +3b:00.0 .* active +changed", first.out)
    assert.matches("render%-01 +esx%-a%-1 +3b:00.0 +changed +the guest sees 1 GPU: 10de:20b5 %(problem code 28%)", first.out)
    assert.matches("train%-01 +esx%-b%-1 +3b:00.0 86:00.0 +changed +the guest sees 2 GPUs: 10de:20b5, 10de:20b5", first.out)
  end)

  it("violates none of the observer's invariants and leaves no session", function()
    assert.same({}, ended.violations)
    assert.equal(0, l.sim:leftovers().sessions)
  end)

  it("works on two clusters at once", function()
    local away = {}
    for _, event in ipairs(ended.timeline) do
      if event.kind == "away" then away[event.host] = { event.t } end
      if event.kind == "back" then away[event.host][2] = event.t end
    end
    local a, b = away["esx-a-1"], away["esx-b-1"]
    assert.is_true(a[1] < b[2] and b[1] < a[2])
  end)

  it("runs setup64 with the REMOVE list of that release", function()
    local found
    for _, event in ipairs(ended.timeline) do
      if event.kind == "tools-setup" and not event.what:find("/A /P", 1, true) then found = event.what end
    end
    assert.equal('setup64.exe /s /v"/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs,VSS,NetworkIntrospection '
      .. '/l*v C:\\Windows\\Temp\\gpupt-tools.log"', found)
  end)

  it("sends one reconfigure with all settings for the cards of each VM", function()
    local count = 0
    for row in assert(require "gpupt.store".open(l.dir .. "/journal.db")):rows(first.err:match "run (first%-light%-%S+)") do
      if row.kind == "change" and row.what == "ReconfigVM (cards and settings)" then
        count = count + 1
        local spec = json.decode(row.detail).args.spec
        assert.is_true(spec.memoryReservationLockedToMax)
        assert.equal(-1, spec.memoryAllocation.limit)
        assert.equal(row.target == "train-01" and 2 or 1, #spec.deviceChange)
        assert.is_truthy(spec.changeVersion)
      end
    end
    assert.equal(2, count)
  end)

  describe("as seen by an independent client", function()
    local state

    setup(function()
      vcenter.write(l.dir .. "/ready.json", assert(json.encode(l.sim.ready)))
      local text = vcenter.shell(("env -u LD_PRELOAD build/venv/bin/python spec/demo/end_state.py %s/ready.json"):format(l.dir))
      state = assert(json.decode(text))
    end)

    local function vm_of(name)
      for _, vm in ipairs(state.vms) do if vm.name == name then return vm end end
    end

    local wanted = {
      ["render-01"] = { memory = 32768, cards = { "0000:3b:00.0" }, window = "256" },
      ["train-01"] = { memory = 131072, cards = { "0000:3b:00.0", "0000:86:00.0" }, window = "512" },
    }
    for name, want in pairs(wanted) do
      it(name .. " uses EFI, has its window, locked and unlimited memory and its cards, and is running", function()
        local vm = vm_of(name)
        assert.equal("efi", vm.firmware)
        assert.equal("TRUE", vm.extra["pciPassthru.use64bitMMIO"])
        assert.equal(want.window, vm.extra["pciPassthru.64bitMMIOSizeGB"])
        assert.is_nil(vm.extra["hypervisor.cpuid.v0"])
        assert.same({ true, want.memory, want.memory, -1 },
          { vm.reservation_locked, vm.memory_mb, vm.reservation_mb, vm.limit_mb })
        local cards = {}
        for i, device in ipairs(vm.passthrough) do cards[i] = device.id end
        table.sort(cards)
        assert.same(want.cards, cards)
        assert.equal("poweredOn", vm.power)
      end)
    end

    it("has hosts with active cards that are not in maintenance mode", function()
      for _, host in ipairs(state.hosts) do
        assert.is_false(host.maintenance)
        assert.is_true(host.passthrough["0000:3b:00.0"].active)
        assert.is_true(host.passthrough["0000:86:00.0"].active)
      end
    end)
  end)

  it("finds nothing to change the second time, with the journal deleted, and makes no changing call", function()
    os.execute(("mv %s/journal.db %s/kept.db; rm -f %s/journal.db*"):format(l.dir, l.dir, l.dir))
    l.sim:forget()
    local second = l:run_command { "apply", l.playbook, "--journal", l.dir .. "/journal.db" }
    assert.equal(0, second.status, second.err)
    assert.matches("nothing to change\n$", second.out)
    assert.same({}, l:changing())
    assert.is_nil(vcenter.read(l.dir .. "/journal.db"))
  end)

  it("shows a value that was changed manually as one line, and corrects it", function()
    local vc = l:client()
    local ref = assert(vc:one "/DC0/vm/train-01")
    assert(vc:wait(assert(ref:ShutdownGuest {} and assert(vc:wait_for(ref, { "runtime.powerState" }, function(v)
      return v["runtime.powerState"] == "poweredOff" end, { timeout = 30 })) and assert(ref:ReconfigVM_Task { spec = {
        extraConfig = { { key = "pciPassthru.64bitMMIOSizeGB", value = "128" } } } }))))
    local plan = l:run_command { "plan", l.playbook }
    assert.matches("~ train%-01 +gpu.attach +pciPassthru.64bitMMIOSizeGB 128 %-> 512\n", plan.out)
    local mended = l:run_command { "apply", l.playbook, "--journal", l.dir .. "/journal.db" }
    assert.equal(0, mended.status, mended.err)
    assert.equal("512", l:truth("vms", "train-01").extra_config["pciPassthru.64bitMMIOSizeGB"])
  end)

  it("keeps every password out of journal, events, output and command lines", function()
    local events = l:run_command { "apply", l.playbook, "--events" }
    local outputs = { out = first.out, err = first.err, events = events.out .. events.err,
      journal = vcenter.shell(("cat %s/kept.db* %s/journal.db* 2>/dev/null"):format(l.dir, l.dir)),
      cmdlines = vcenter.read(l.dir .. "/cmdlines") }
    assert.is_true(#outputs.journal > 10000)
    assert.is_truthy(outputs.cmdlines:find("bin/gpupt", 1, true))
    for where, text in pairs(outputs) do
      for whose, secret in pairs(l.secrets) do
        assert.is_nil(text:find(secret, 1, true), ("the password of %s is in %s"):format(whose, where))
      end
    end
  end)
end)
