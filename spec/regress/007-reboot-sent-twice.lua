-- A run that was killed after it had sent RebootHost, while the host was still connected with its old boot time, sent it
-- again when it was resumed; a run that was resumed while the host was disconnected skipped the host and failed. After a
-- host that did not come back, or stayed in maintenance mode, the next host of the cluster was taken down too. And VMs that
-- a killed run had shut down for the reboot were never started again.
local lab = require "spec.support.lab"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local card = lab.card

-- boots slowly, so that a run can be interrupted during the boot
local function host(name, more)
  local one = lab.host(name, more)
  one.boot_seconds = more and more.boot_seconds or 600
  return one
end

local function playbook(roll)
  return ([[return p.playbook { name = "hosts", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:20b5" },
    %s p.host.enable {} } }]]):format(roll or "")
end

local ALLOW = "reboot,guest-shutdown"

describe("a rolling reboot", function()
  local l

  after_each(function()
    if l then l:stop() end
    l = nil
  end)

  local function start(hosts, more)
    local fleet = { clusters = { { name = "gpu-a", hosts = hosts } } }
    for k, v in pairs(more or {}) do fleet[k] = v end
    l = lab.start { speed = 60, fleet = fleet }
    return l
  end

  -- Starts the command and kills it as soon as the host's timeline shows `kind`. The run's id.
  local function cut_off_at(kind, path, journal)
    l:command { "bar", "10de:20b5" } -- leaves the environment file
    vcenter.write(l.dir .. "/start.sh", (". %s/environment\nexec bin/gpupt apply %s --allow %s --journal %s\n"):format(
      l.dir, path, ALLOW, journal))
    local pid = vcenter.shell(("sh %s/start.sh >%s/o 2>%s/e </dev/null & echo $!"):format(l.dir, l.dir, l.dir)):match "%d+"
    local seen
    for _ = 1, 600 do
      for _, event in ipairs(l.sim:get "truth".timeline) do seen = seen or event.kind == kind end
      if seen then break end
      vcenter.sleep(0.02)
    end
    os.execute("kill -9 " .. pid)
    assert.is_true(seen, "never came to " .. kind .. ": " .. tostring(vcenter.read(l.dir .. "/e")))
    local book, id = assert(store.open(journal)), nil
    for run in book:runs() do id = run.id end
    book:close()
    return id
  end

  local function resume(id, journal)
    return l:command { "apply", "--resume", id, "--allow", ALLOW, "--journal", journal }
  end

  for _, kind in ipairs { "reboot", "away" } do
    it("is requested once if the run is killed at '" .. kind .. "' and resumed at once", function()
      start { host "esx-1" }
      local path, journal = l:write(playbook()), l.dir .. "/j.db"
      l.sim:forget()
      local resumed = resume(cut_off_at(kind, path, journal), journal)
      assert.equal(0, resumed.status, resumed.err)
      assert.equal(1, l.sim:calls "RebootHost_Task")
      assert.is_false(l:truth("hosts", "esx-1").maintenance)
      assert.equal("nothing to change", (l:command { "apply", path, "--journal", journal }).out:match "([^\n]*)\n$")
    end)
  end

  it("is requested again, after a wait, if the request did not arrive before the run was interrupted", function()
    start { host("esx-1", { boot_seconds = 60 }) }
    l.sim:trouble({ method = "RebootHost_Task", count = 1 }, { kind = "reset-before" })
    local journal, text = l:journal(), playbook 'roll = { back_within = "6s", resend_after = "10s", watch_for = "1s" },'
    local first = l:apply(text, { journal = journal, allow = { "reboot" } })
    assert.equal("ELOST", first.targets[1].code)
    local resumed, events = l:apply(text, { journal = journal, resume = first.id, allow = { "reboot" } })
    assert.equal("done", resumed.status, resumed.targets[1].message)
    local said = {}
    for _, event in ipairs(events) do said[#said + 1] = event.text end
    assert.matches("watching the host instead of sending the request again.*sending the request once more", table.concat(said, "\n"))
  end)

  it("starts no other host after one that does not come back", function()
    start { host("esx-1", { boot_fault = "never", boot_seconds = 60 }), host "esx-2" }
    local result = l:apply(playbook 'roll = { back_within = "3s" },', { allow = { "reboot" } })
    assert.same({ "ELOST", "not started" }, { result.targets[1].code, result.targets[2].status })
    assert.matches("esx-1 is out of service", result.targets[2].message, 1, true)
    assert.same({}, l.sim:get "truth".violations)
  end)

  it("finishes the disconnected host before any other when the run is resumed", function()
    start { host("esx-1", { boot_seconds = 60 }), host("esx-2", { boot_fault = "never", boot_seconds = 60 }) }
    l.sim:trouble({ method = "EnterMaintenanceMode_Task", count = 1 }, { kind = "fault", fault = "InvalidState" })
    local journal, text = l:journal(), playbook 'roll = { back_within = "3s" },'
    local first = l:apply(text, { journal = journal, allow = { "reboot" } })
    assert.same({ "InvalidState", "ELOST" }, { first.targets[1].code, first.targets[2].code })
    local again = l:apply(text, { journal = journal, resume = first.id, allow = { "reboot" } })
    assert.same({ "esx-2", "ELOST", "not started" }, { again.targets[1].target, again.targets[1].code,
      again.targets[2].status })
    assert.same({}, l.sim:get "truth".violations)
  end)

  it("starts no other host after one that came back without its card", function()
    start { host("esx-1", { boot_fault = "without:0000:3b:00.0", boot_seconds = 60 }), host "esx-2" }
    local result = l:apply(playbook(), { allow = { "reboot" } })
    assert.same({ "EPROOF", "not started" }, { result.targets[1].code, result.targets[2].status })
    assert.is_false(l:truth("hosts", "esx-2").maintenance)
  end)

  it("starts a VM again that the killed run had shut down", function()
    start({ host("esx-1", { cards = { card "0000:3b:00.0", card("0000:86:00.0", { enabled = true }) } }) }, {
      vms = { { name = "old-7", host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 8192,
        memory_lock = true, devices = { "0000:86:00.0" }, power = "poweredOn", installed = "ubuntu",
        extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } } } })
    local ref = assert(l:client():one "/DC0/vm/old-7")
    assert(l.vc:wait_for(ref, { "guest.toolsRunningStatus" }, function(v)
      return v["guest.toolsRunningStatus"] == "guestToolsRunning"
    end, { timeout = 20 }))
    local path, journal = l:write(playbook 'roll = { guests = "shutdown-idle" },'), l.dir .. "/j.db"
    local resumed = resume(cut_off_at("away", path, journal), journal)
    assert.equal(0, resumed.status, resumed.err)
    assert.equal("poweredOn", l:truth("vms", "old-7").power)
    assert.equal(1, l.sim:calls "ShutdownGuest")
  end)
end)
