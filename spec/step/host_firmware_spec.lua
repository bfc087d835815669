-- host.firmware against hosts whose BMCs apply pending settings when the host boots.
local gpupt = require "gpupt"
local host_bios = require "gpupt.step.host_bios"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local PASSWORD = "Bmc-secret-1"

-- The hosts, one for each test and each in a cluster of its own: its BMC, and what else the fleet file says.
local OFF = { above_4g = false }
local HOSTS = { once = { nil, OFF }, both = { { job_seconds = 5 }, OFF }, rebind = { nil, { above_4g = false, rebind_without_reboot = true } },
  iommu = { nil, { iommu = false } }, approval = { nil, OFF }, otherwise = { nil, OFF }, verdict = { { manner = "hpe" } }, values = {},
  drain = { nil, OFF }, meanwhile = { { manner = "supermicro" }, OFF }, trace = { nil, OFF }, ["late-dell"] = { nil, OFF },
  ["late-supermicro"] = { { manner = "supermicro" }, OFF }, ["too-late"] = { { manner = "supermicro" }, OFF }, undo = { nil, OFF },
  ["undo-pending"] = { nil, OFF }, ["undo-since"] = { { manner = "lenovo" } }, ["undo-command"] = { { manner = "supermicro" } },
  rows = { nil, OFF }, ["lost-supermicro"] = { { manner = "supermicro" }, OFF }, ["lost-dell"] = { nil, OFF },
  ["lost-dell-old"] = { { manner = "dell-old" }, OFF }, password = { nil, OFF } }

local function host(name, bmc, more)
  local one = { bmc = { user = "root", password = PASSWORD } }
  for key, value in pairs(bmc or {}) do one.bmc[key] = value end
  for key, value in pairs(more or {}) do one[key] = value end
  return lab.host(name, one)
end

local function find(events, text)
  for _, event in ipairs(events) do if event.text and event.text:find(text, 1, true) then return event end end
end

local function what_of(rows, kind)
  local list = {}
  for _, row in ipairs(rows) do if row.kind == kind then list[#list + 1] = row.what end end
  return list
end

describe("host.firmware", function()
  local l, name

  setup(function()
    local clusters, order = {}, {}
    for key in pairs(HOSTS) do order[#order + 1] = key end
    table.sort(order)
    for i, key in ipairs(order) do clusters[i] = { name = "of-" .. key, hosts = { host(key, HOSTS[key][1], HOSTS[key][2]) } } end
    l = lab.start { speed = 800, fleet = { clusters = clusters } }
    vcenter.write(l.dir .. "/bmc-password", PASSWORD .. "\n")
  end)
  teardown(function() l:stop() end)

  after_each(function() l.sim:calm() end)

  local function use(host_name) name = host_name end

  -- The playbook: options of host.firmware, then the further steps.
  local function playbook(options, more)
    local urls = {}
    for of, url in pairs(l.sim.ready.bmcs) do urls[#urls + 1] = ("[%q] = %q"):format(of, url) end
    return ([[local bmcs = { %s }
return p.playbook { name = "bios", p.hosts { where = "/DC0/host/*/%s", devices = p.gpus { match = "10de:20b5" },
  p.host.firmware { bmc = function(host) return bmcs[host.name] end, login = p.login("root", p.secret.file %q), ca_file = %q, %s }, %s } }]])
      :format(table.concat(urls, ", "), name, l.dir .. "/bmc-password", l.sim.ready.ca_file, options or "", more or "")
  end

  local function bmc(of)
    for _, one in ipairs(l.sim:get "truth".bmcs) do if one.host == of then return one end end
  end

  local ALLOW = { allow = { "bios", "reboot" } }

  it("sets what differs, reboots the host once, and reads it back", function()
    use "once"
    local text = playbook "iommu = true, sr_iov = true"
    local plan = tostring(assert(l:plan(text)))
    assert.is_truthy(plan:find("BIOS: MmioAbove4Gb = Enabled (above 4G decoding, was Disabled)", 1, true), plan)
    assert.is_truthy(plan:find("SriovGlobalEnable = Enabled (SR-IOV, was Disabled) -> reboot", 1, true), plan)
    assert.is_nil(plan:find("ProcVirtualization", 1, true))
    assert.is_truthy(plan:find("Needs: --allow bios,reboot", 1, true), plan)
    assert.is_nil(plan:find(PASSWORD, 1, true))
    local before = #bmc(name).requests
    for _, one in ipairs(bmc(name).requests) do assert.is_nil(one:find "PATCH") end
    assert.is_true(before > 0)
    local result, events, rows = l:apply(text, ALLOW)
    assert.equal("done", result.status, result.message or (result.targets[1] or {}).message)
    assert.equal("MmioAbove4Gb = Enabled, ProcVirtualization = Enabled, SriovGlobalEnable = Enabled", result.targets[1].proofs["host.firmware"])
    assert.same({ "BIOS settings", "EnterMaintenanceMode", "RebootHost (boot time before)", "RebootHost", "ExitMaintenanceMode" },
      what_of(rows, "change"))
    assert.is_truthy(find(events, "read back: MmioAbove4Gb = Enabled, SriovGlobalEnable = Enabled"))
    assert.is_true(l:truth("hosts", name).above_4g)
    assert.is_false(l:truth("hosts", name).maintenance)
    assert.same({ 0, 0 }, { bmc(name).sessions, bmc(name).refused })
    for _, row in ipairs(rows) do
      assert.is_nil(((row.detail or "") .. (row.what or "")):find(PASSWORD, 1, true))
    end
    assert.same({}, l.sim:get "truth".violations)
    local again = l:apply(text, ALLOW)
    assert.equal("nothing", again.status)
  end)

  it("makes one reboot with host.enable", function()
    use "both"
    local text = playbook("", "p.host.enable { apply = 'auto' }")
    local plan = tostring(assert(l:plan(text)))
    assert.is_truthy(plan:find("host.enable    enable 3b:00.0 -> reboot\n", 1, true), plan)
    assert.is_truthy(plan:find("host.firmware  BIOS: MmioAbove4Gb = Enabled (above 4G decoding, was Disabled)\n", 1, true), plan)
    local diff = assert(l:plan(text)):text { diff = true }
    assert.is_truthy(diff:find("MmioAbove4Gb: Disabled -> Enabled", 1, true), diff)
    l.sim:forget()
    local result, events, rows = l:apply(text, ALLOW)
    assert.equal("done", result.status, result.message or (result.targets[1] or {}).message)
    assert.equal(1, l.sim:calls "RebootHost_Task")
    assert.same({ "BIOS settings", "UpdatePassthruConfig", "EnterMaintenanceMode", "RebootHost (boot time before)", "RebootHost", "Refresh",
      "ExitMaintenanceMode" }, what_of(rows, "change"))
    assert.equal("pending until the reboot of host.enable: MmioAbove4Gb = Enabled", result.targets[1].proofs["host.firmware"])
    assert.equal("3b:00.0 active", result.targets[1].proofs["host.enable"])
    assert.is_truthy(find(events, "read back: MmioAbove4Gb = Enabled"))
    assert.same({}, l.sim:get "truth".violations)
    assert.equal("nothing", l:apply(text, ALLOW).status)
  end)

  it("reboots for the settings even if a card could be activated without", function()
    use "rebind"
    l.sim:forget()
    local result = l:apply(playbook("", "p.host.enable {}"), ALLOW)
    assert.equal("done", result.status, (result.targets[1] or {}).message)
    assert.equal(1, l.sim:calls "RebootHost_Task")
    assert.same({ true, "Enabled" }, { l:truth("hosts", name).cards[1] ~= nil, bmc(name).current.MmioAbove4Gb })
  end)

  it("turns the IOMMU on with a reboot of its own, because before that no card can be enabled", function()
    use "iommu"
    l.sim:forget()
    local text = playbook("iommu = true", "p.host.enable {}")
    local plan = tostring(assert(l:plan(text)))
    assert.is_truthy(plan:find "host%.firmware  BIOS: ProcVirtualization .* %-> reboot\n" and plan:find "host%.enable .* %-> reboot\n", plan)
    assert.is_truthy(plan:find("two reboots: with the IOMMU off the host reports no device as capable", 1, true), plan)
    local result = l:apply(text, ALLOW)
    assert.equal("done", result.status, (result.targets[1] or {}).message)
    assert.equal(2, l.sim:calls "RebootHost_Task")
    assert.equal("3b:00.0 active", result.targets[1].proofs["host.enable"])
  end)

  it("without a BMC says unverified, and changes nothing", function()
    local text = [[return p.playbook { name = "bios", p.hosts { where = "/DC0/host/*/values", devices = p.gpus { match = "10de:20b5" },
      p.host.firmware {}, p.host.enable { apply = "stage" } } }]]
    local plan = tostring(assert(l:plan(text)))
    assert.is_truthy(plan:find("unverified: the BIOS settings", 1, true), plan)
    assert.is_nil(plan:find("bios", 1, true) and plan:find("--allow", 1, true))
    assert.equal("nothing to change", l:apply(text).targets[1].proofs["host.firmware"])
  end)

  it("needs its approval", function()
    use "approval"
    local run, message, code = l:apply(playbook(), { allow = { "reboot" } })
    assert.same({ nil, "EAPPROVAL" }, { run, code })
    assert.is_truthy(message:find("bios", 1, true))
    for _, one in ipairs(bmc(name).requests) do assert.is_nil(one:find "PATCH") end
  end)

  it("names the attribute that reads back otherwise, and keeps the host in maintenance mode", function()
    use "otherwise"
    l.sim:post("set", { bmc = name, drop = { "MmioAbove4Gb" } })
    local journal = l:journal()
    local text = playbook("sr_iov = true", "p.host.enable {}")
    local result = l:apply(text, { allow = ALLOW.allow, journal = journal })
    assert.equal("failed", result.status)
    local outcome = result.targets[1]
    assert.same({ "EPROOF", "host.enable" }, { outcome.code, outcome.step })
    assert.is_truthy(outcome.message:find(name .. ": after the reboot MmioAbove4Gb reads back as Disabled, not Enabled", 1, true), outcome.message)
    assert.is_nil(outcome.message:find("SriovGlobalEnable", 1, true))
    assert.is_true(l:truth("hosts", name).maintenance)
    -- a resumed run does not try again: it says so until it is set by hand
    l.sim:forget()
    local plan = tostring(assert(l:plan(text, { journal = journal, run = result.id })))
    assert.is_truthy(plan:find("after the reboot of this run MmioAbove4Gb reads back as Disabled, not Enabled", 1, true), plan)
    local second = l:apply(text, { allow = ALLOW.allow, journal = journal, resume = result.id })
    assert.same({ "failed", "EPROOF", "host.firmware" }, { second.status, second.targets[1].code, second.targets[1].step })
    assert.equal(0, l.sim:calls "RebootHost_Task")
    l.sim:post("set", { bmc = name, current = { MmioAbove4Gb = "Enabled" } })
    l.sim:post("set", { host = name, above_4g = true })
    local resumed = l:apply(text, { allow = ALLOW.allow, journal = journal, resume = result.id })
    assert.equal(0, l.sim:calls "UpdatePassthruConfig")
    assert.is_truthy(resumed)
  end)

  it("quotes the verdict of an iLO", function()
    use "verdict"
    -- another user's wrong value is refused at the boot, and this run's with it
    l.sim:post("set", { bmc = name, drop = { "Sriov" } })
    local result = l:apply(playbook "above_4g = true, sr_iov = true", ALLOW)
    assert.is_truthy(result.targets[1].message:find("Sriov reads back as Disabled, not Enabled", 1, true), result.targets[1].message)
  end)

  it("is refused when the registry does not allow a value, before anything is changed", function()
    use "values"
    local plan, message, code = l:plan(playbook "set = { BootMode = 'Legacy', SystemServiceTag = 'X', Nothing = 1 }")
    assert.same({ nil, "EREFUSED" }, { plan, code })
    for _, text in ipairs { "BootMode cannot be Legacy: it may be Bios, Uefi", "SystemServiceTag cannot be changed: it is read-only",
      "has no attribute Nothing" } do
      assert.is_truthy(message:find(text, 1, true), message)
    end
  end)

  it("tries a refused password at no other BMC", function()
    use "{password,values,verdict}"
    local hosts, before = { "password", "values", "verdict" }, 0
    local function each(change)
      for _, one in ipairs(hosts) do
        change.bmc = one
        l.sim:post("set", change)
      end
    end
    for _, one in ipairs(hosts) do before = before + bmc(one).refused end
    each { password = "another" }
    l:client().logins = gpupt.logins.new()
    local plan, message, code = l:plan(playbook())
    l:client().logins = gpupt.logins.new()
    each { password = PASSWORD }
    assert.same({ nil, "InvalidLogin" }, { plan, code })
    assert.is_truthy(message:find("refused the login as 'root'", 1, true) and message:find("was not attempted", 1, true), message)
    assert.is_nil(message:find(PASSWORD, 1, true))
    assert.equal(1, bmc "password".refused + bmc "values".refused + bmc "verdict".refused - before)
  end)

  it("takes the settings back when the host cannot be drained", function()
    use "drain"
    l.sim:trouble({ method = "EnterMaintenanceMode_Task" }, { kind = "fault", fault = "InvalidState" })
    local result, events = l:apply(playbook("", "p.host.enable {}"), ALLOW)
    assert.equal("failed", result.status)
    assert.is_truthy(find(events, "the pending BIOS settings were taken back"), gpupt.json.encode(events))
    assert.same({ "Disabled", {} }, { bmc(name).current.MmioAbove4Gb, bmc(name).pending })
    assert.is_false(l:truth("hosts", name).maintenance)
  end)

  it("does not reboot when another user has taken the settings back meanwhile", function()
    use "meanwhile"
    l.sim:forget()
    local text = playbook()
    local plan = assert(l:plan(text))
    local vc = l:client()
    vc.trace = function(event) -- just before the last look
      if event.method == "EnterMaintenanceMode_Task" then
        l.sim:post("set", { bmc = name, pending = { Above4GDecoding_00B1 = "Disabled" } })
      end
    end
    local run = assert(plan:apply { journal = l:journal(), allow = ALLOW.allow })
    vc.trace = nil
    local outcome = run:result().targets[1]
    assert.same({ "failed", "ESTALE" }, { outcome.status, outcome.code }, outcome.message)
    assert.is_truthy(outcome.message:find("no longer pending: Above4GDecoding_00B1 is Disabled, not Enabled", 1, true), outcome.message)
    assert.equal(0, l.sim:calls "RebootHost_Task")
    assert.is_false(l:truth("hosts", name).maintenance)
  end)

  it("writes neither token nor password into the trace", function()
    use "trace"
    local vc, lines = l:client(), {}
    vc.trace = function(event) lines[#lines + 1] = gpupt.json.encode { event.method, event.request, event.object } end
    local result = l:apply(playbook(), ALLOW)
    vc.trace = nil
    assert.equal("done", result.status, (result.targets[1] or {}).message)
    local text = table.concat(lines, "\n")
    assert.is_truthy(text:find("PATCH /redfish/v1/Systems/System.Embedded.1/Bios/Settings", 1, true))
    assert.is_nil(text:find(PASSWORD, 1, true))
    assert.is_nil(text:lower():find("x-auth-token", 1, true))
  end)

  for _, manner in ipairs { "dell", "supermicro" } do
    it("waits for a BIOS that takes its time after the boot: " .. manner, function()
      use("late-" .. manner)
      l.sim:post("set", { bmc = name, late = 400 }) -- half a second of real time
      host_bios.PAUSE = 0.1
      local result, events = l:apply(playbook(), ALLOW)
      host_bios.PAUSE = 5
      assert.equal("done", result.status, (result.targets[1] or {}).message)
      assert.is_truthy(find(events, "read back: "))
    end)
  end

  it("does not wait for it longer than its limit", function()
    use "too-late"
    l.sim:post("set", { bmc = name, late = 1e6 })
    host_bios.PAUSE, host_bios.SETTLE = 0.1, 0.5
    local result = l:apply(playbook(), ALLOW)
    host_bios.PAUSE, host_bios.SETTLE = 5, 300
    local outcome = result.targets[1]
    assert.same({ "failed", "EPROOF" }, { outcome.status, outcome.code })
    assert.is_truthy(outcome.message:find("has not applied the settings within", 1, true), outcome.message)
    assert.is_truthy(outcome.message:find("Above4GDecoding_00B1", 1, true))
  end)

  it("is taken back by undo, with one reboot for all steps", function()
    use "undo"
    local journal = l:journal()
    local text = playbook("sr_iov = true", "p.host.enable {}")
    local result = l:apply(text, { allow = ALLOW.allow, journal = journal })
    assert.equal("done", result.status, (result.targets[1] or {}).message)
    l.sim:forget()
    local undo = gpupt.check(gpupt.check(gpupt.playbook.undo(journal, result.id)):plan(l:client()))
    local shown = tostring(undo)
    assert.is_truthy(shown:find("BIOS: MmioAbove4Gb = Disabled (was Enabled), SriovGlobalEnable = Disabled (was Enabled)\n", 1, true), shown)
    local run = gpupt.check(undo:apply { journal = journal, allow = { "bios", "reboot" } })
    assert.equal("done", run:result().status, (run:result().targets[1] or {}).message)
    assert.same({ "Disabled", "Disabled" }, { bmc(name).current.MmioAbove4Gb, bmc(name).current.SriovGlobalEnable })
    assert.equal(1, l.sim:calls "RebootHost_Task")
    assert.is_false(l:truth("hosts", name).above_4g)
  end)

  it("of a run that has not rebooted is only taken back by undo", function()
    use "undo-pending"
    local journal = l:journal()
    local text = playbook("", "p.host.enable { apply = 'reboot' }")
    l.sim:trouble({ method = "UpdatePassthruConfig" }, { kind = "fault", fault = "HostConfigFault" })
    -- the pending settings cannot be taken back: the BMC does not answer any more
    local plan = assert(l:plan(text))
    local vc = l:client()
    vc.trace = function(event)
      if event.method == "UpdatePassthruConfig" then l.sim:post("set", { bmc = name, password = "another" }) end
    end
    local run = assert(plan:apply { journal = journal, allow = ALLOW.allow, on_event = function() end })
    vc.trace = nil
    assert.equal("failed", run:result().status)
    l.sim:calm()
    l.sim:post("set", { bmc = name, password = PASSWORD })
    assert.equal("Enabled", bmc(name).pending.MmioAbove4Gb)
    vc.logins = gpupt.logins.new()
    local undo = gpupt.check(gpupt.check(gpupt.playbook.undo(journal, run:result().id)):plan(vc))
    assert.is_truthy(tostring(undo):find("BIOS: MmioAbove4Gb = Disabled (not applied yet: Enabled)", 1, true), tostring(undo))
    assert.is_nil(tostring(undo):find("reboot", 1, true))
    l.sim:forget()
    local back = gpupt.check(undo:apply { journal = journal, allow = { "bios" } })
    assert.equal("done", back:result().status, (back:result().targets[1] or {}).message)
    assert.same({}, bmc(name).pending)
    assert.equal(0, l.sim:calls "RebootHost_Task")
  end)

  it("leaves by undo what another user has changed since", function()
    use "undo-since"
    local journal = l:journal()
    local result = l:apply(playbook "set = { OperatingModes_ChooseOperatingMode = 'CustomMode' }, sr_iov = true",
      { allow = ALLOW.allow, journal = journal })
    assert.equal("done", result.status, (result.targets[1] or {}).message)
    l.sim:post("set", { bmc = name, current = { OperatingModes_ChooseOperatingMode = "Other" } })
    local undo = gpupt.check(gpupt.check(gpupt.playbook.undo(journal, result.id)):plan(l:client()))
    local shown = tostring(undo)
    assert.is_truthy(shown:find("left as it is: OperatingModes_ChooseOperatingMode in the BIOS: it is Other now", 1, true), shown)
    assert.is_truthy(shown:find("BIOS: DevicesandIOPorts_SRIOV = Disabled (was Enabled) -> reboot", 1, true), shown)
  end)

  it("reads the password for an undo from GPUPT_BMC_PASSWORD when only the playbook can read it", function()
    use "undo-command"
    local path = l.dir .. "/command.db"
    local journal = assert(require "gpupt.store".open(path))
    local text = playbook "sr_iov = true":gsub("p%.secret%.file (%b\"\")", function(file)
      return ("p.secret.command %q"):format("cat " .. file:sub(2, -2))
    end)
    local result = l:apply(text, { allow = ALLOW.allow, journal = journal })
    assert.equal("done", result.status, (result.targets[1] or {}).message)
    journal:close()
    local words = { "undo", result.id, "--journal", path, "--allow", "bios,reboot" }
    local refused = l:command(words)
    assert.equal(3, refused.status) -- no login
    assert.is_truthy(refused.err:find("came from the command cat ..., which only the playbook can read: set GPUPT_BMC_PASSWORD", 1, true),
      refused.err)
    local undone = l:command(words, { env = { GPUPT_BMC_PASSWORD = PASSWORD } })
    assert.equal(0, undone.status, undone.err)
    assert.equal("Disabled", bmc(name).current.SR_IOVSupport_002B)
    assert.is_nil((undone.out .. undone.err .. vcenter.read(path)):find(PASSWORD, 1, true))
  end)

  it("writes its row before the request", function()
    use "rows"
    local journal, last = l:journal(), nil
    local plan, vc = assert(l:plan(playbook())), l:client()
    vc.trace = function(event)
      if not event.method:find "^PATCH" then return end
      for record in journal:runs() do for row in journal:rows(record.id) do last = row end end
    end
    assert(plan:apply { journal = journal, allow = ALLOW.allow })
    vc.trace = nil
    assert.same({ "BIOS settings", "change", "host.firmware" }, { last.what, last.kind, last.step })
    assert.is_truthy(last.detail:find('"before":"Disabled"', 1, true) and last.detail:find('"after":"Enabled"', 1, true), last.detail)
  end)

  for manner, patches in pairs { dell = 1, ["dell-old"] = 2, supermicro = 1 } do
    it("goes on after the answer to its change was lost: " .. manner, function()
      use("lost-" .. manner)
      l.sim:post("set", { bmc = name, reset_after = 1 })
      local result, events = l:apply(playbook(), ALLOW)
      assert.equal("done", result.status, (result.targets[1] or {}).message)
      assert.is_truthy(find(events, "observing again (1 of 3)"), gpupt.json.encode(events))
      local count = 0
      for _, one in ipairs(bmc(name).requests) do if one:find "^PATCH" then count = count + 1 end end
      assert.equal(patches, count) -- an older iDRAC had no job for it yet
    end)
  end

  it("is checked when the playbook is loaded", function()
    local function problem(options)
      local ok, err = pcall(l.load, l, ('return p.playbook { name = "x", p.hosts { where = "/x", p.host.firmware { %s } } }'):format(options))
      assert.is_false(ok)
      return tostring(err)
    end
    assert.is_truthy(problem("bmc = 'https://x'"):find("bmc needs an account there: set login = p.login(user, secret)", 1, true))
    assert.is_truthy(problem("login = { 'root', 'x' }"):find("login must be p.login(user, secret)", 1, true))
    assert.is_truthy(problem("set = { [1] = 'x' }"):find("set must be { ATTRIBUTE =", 1, true))
    assert.is_truthy(problem("above4g = true"):find("above_4g", 1, true))
    local ok, err = pcall(l.load, l, [[return p.playbook { name = "x", p.hosts { where = "/x", devices = p.gpus { match = "10de:*" },
      p.host.enable {}, p.host.firmware {} } }]])
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find("host.firmware must come before host.enable", 1, true), tostring(err))
  end)
end)
