-- What gpupt reads of the BIOS settings of each vendor's manner, and what becomes of a change.
local bios = require "gpupt.redfish.bios"
local facts = require "gpupt.facts.bios_settings"
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local pending = require "gpupt.redfish.pending"
local registry = require "gpupt.redfish.registry"
local settings = require "gpupt.redfish.settings"

local check = gpupt.check
local MANNERS = { "dell", "dell-old", "hpe", "ilo4", "lenovo", "supermicro", "ami" }

describe("BIOS settings", function()
  local l

  local function start()
    local hosts = {}
    for i, manner in ipairs(MANNERS) do
      hosts[i] = lab.host(manner, { bmc = { manner = manner, user = "root", password = "Bmc-secret-1", job_seconds = 20 } })
    end
    l = lab.start { speed = 400, fleet = { clusters = { { name = "a", hosts = hosts } } } }
    pending.PAUSE = 0.05
  end

  setup(start)
  teardown(function()
    l:stop()
    pending.PAUSE = 3
  end)

  local function open(name)
    return check(gpupt.redfish.open { url = l.sim.ready.bmcs[name], username = "root", password = "Bmc-secret-1", ca_file = l.sim.ready.ca_file })
  end

  local function state(name)
    for _, one in ipairs(l.sim:get "truth".bmcs) do if one.host == name then return one end end
  end

  local function boot(name)
    local vc = l:client()
    local ref = check(vc:one("/DC0/host/a/" .. name))
    local before = check(ref:get "runtime.bootTime")
    check(vc:wait(check(ref:EnterMaintenanceMode_Task { timeout = 0 })))
    check(vc:wait(check(ref:RebootHost_Task { force = false })))
    check(vc:wait_for(ref, { "runtime.bootTime", "runtime.connectionState" }, function(now)
      return now["runtime.connectionState"] == "connected" and now["runtime.bootTime"] ~= before
    end, { timeout = 60 }))
    check(vc:wait(check(ref:ExitMaintenanceMode_Task { timeout = 0 })))
  end

  local function by_key(lines)
    local list = {}
    for _, line in ipairs(lines) do list[line.key or line.attribute] = line end
    return list
  end

  -- attribute, current value and wanted value of the three switches
  local expected = {
    dell = { "MmioAbove4Gb", "ProcVirtualization", "SriovGlobalEnable", "Enabled" },
    ["dell-old"] = { "MmioAbove4Gb", "ProcVirtualization", "SriovGlobalEnable", "Enabled" },
    hpe = { nil, "IntelProcVtd", "Sriov", "Enabled" },
    ilo4 = { nil, "IntelProcVtd", "Sriov", "Enabled" },
    lenovo = { "DevicesandIOPorts_PCI64BitResourceAllocation", "DevicesandIOPorts_IntelVTforDirectedIOVTd", "DevicesandIOPorts_SRIOV", "Enabled" },
    supermicro = { "Above4GDecoding_00B1", "IntelVTforDirectedI_O_VT_d_0196", "SR_IOVSupport_002B", "Enabled" },
    ami = { "Above4GDecoding", nil, nil, "Enabled" },
  }

  for _, name in ipairs(MANNERS) do
    it(name .. ": finds the vendor's attributes, sets one as pending, and it is in force after the boot", function()
      local bmc <close> = open(name)
      local seen = check(bios.read(bmc))
      assert.is_truthy(seen.registry, seen.registry_missing)
      local wanted = { above_4g = true, iommu = true, sr_iov = true }
      local lines = by_key(settings.lines(seen, wanted))
      local want = expected[name]
      assert.same({ want[1], want[2], want[3] }, { lines.above_4g.attribute, lines.iommu.attribute, lines.sr_iov.attribute })
      if name == "ami" then return end -- its other settings have names like PCIS003
      local line = lines.sr_iov
      assert.same({ "Disabled", want[4], nil }, { line.current, line.wanted, line.problem })
      assert.is_true(settings.differs(seen, line))
      check(pending.set(bmc, seen, { [line.attribute] = line.wanted }))
      seen = check(bios.read(bmc))
      assert.equal("Disabled", seen.current[line.attribute])
      assert.same({ line.attribute }, bios.changes(seen))
      assert.is_true(check(pending.unfinished(bmc, seen, { line.attribute })))
      assert.is_false(settings.differs(seen, by_key(settings.lines(seen, wanted)).sr_iov))
      boot(name)
      seen = check(bios.read(bmc))
      assert.equal("Enabled", seen.current[line.attribute])
      assert.is_false(pending.unfinished(bmc, seen, { line.attribute }))
      assert.same({}, bios.changes(seen))
    end)

    it(name .. ": what is pending is taken back, and the boot leaves it", function()
      local bmc <close> = open(name)
      local seen = check(bios.read(bmc))
      local attribute = expected[name][2] or expected[name][1]
      local line = settings.lines(seen, { set = { [attribute] = "Disabled" } })[1]
      if name == "supermicro" then line = settings.lines(seen, { set = { [attribute] = "Disable" } })[1] end
      check(pending.set(bmc, seen, { [attribute] = line.wanted }))
      seen = check(bios.read(bmc))
      assert.same({ attribute }, bios.changes(seen))
      check(pending.withdraw(bmc, seen, { attribute }))
      assert.same({}, bios.changes(check(bios.read(bmc))))
      local before = state(name).current[attribute]
      boot(name)
      assert.equal(before, state(name).current[attribute])
    end)
  end

  it("says that a vendor has no such switch, and which name is from memory", function()
    local bmc <close> = open "hpe"
    local line = by_key(check(gpupt.redfish.read(bmc, { above_4g = true })).lines).above_4g
    assert.is_true(line.none)
    assert.is_truthy(line.note:find("HPE has no such switch", 1, true) and line.note:find("(unverified)", 1, true))
    local ami <close> = open "ami"
    assert.is_true(by_key(check(gpupt.redfish.read(ami, { above_4g = true })).lines).above_4g.unverified)
  end)

  it("refuses values and attributes that the registry does not allow", function()
    local bmc <close> = open "dell"
    local seen = check(bios.read(bmc))
    local function problem(set)
      local line = settings.lines(seen, { set = set })[1]
      assert.is_false(settings.differs(seen, line))
      return line.problem
    end
    assert.equal("BootMode cannot be Legacy: it may be Bios, Uefi", problem { BootMode = "Legacy" })
    assert.is_truthy(problem { BotMode = "Uefi" }:find("the BIOS of this server has no attribute BotMode.*BootMode"))
    assert.equal("SystemServiceTag cannot be changed: it is read-only", problem { SystemServiceTag = "X" })
    assert.equal("ProcCStates cannot be changed: it is read-only, because SysProfile is not Custom", problem { ProcCStates = "Enabled" })
    assert.equal("AcPwrRcvryUserDelay cannot be 601: it must be from 60 to 600", problem { AcPwrRcvryUserDelay = 601 })
    assert.is_truthy(problem { SysPassword = "x" }:find("sets no passwords", 1, true))
    -- what makes it changeable may be set with it
    for _, line in ipairs(settings.lines(seen, { set = { ProcCStates = "Enabled", SysProfile = "Custom" } })) do
      assert.is_nil(line.problem)
    end
  end)

  it("sends the form in which the service shows a value", function()
    local entry = { Type = "Enumeration", Value = { { ValueName = "0", ValueDisplayName = "Disabled" }, { ValueName = "1", ValueDisplayName = "Enabled" } } }
    assert.equal("Enabled", registry.value(entry, "1", "Disabled"))
    assert.equal("1", registry.value(entry, "Enabled", "0"))
    assert.is_true(registry.same(entry, "1", "Enabled"))
    assert.is_false(registry.same(entry, "0", "Enabled"))
  end)

  it("does not disturb a job that another user has waiting", function()
    l.sim:post("set", { bmc = "dell", job = true })
    local bmc <close> = open "dell"
    local seen = check(bios.read(bmc))
    local ok, message, code = pending.set(bmc, seen, { LogicalProc = "Disabled" })
    assert.same({ nil, "EBUSY" }, { ok, code })
    assert.is_truthy(message:find("SYS011", 1, true) or message:find("already committed", 1, true))
    assert.is_truthy(message:find("Another job for the BIOS is waiting", 1, true))
    boot "dell"
  end)

  it("finds its job among many of the past, also where each is a request", function()
    for _, one in ipairs { "dell", "dell-old" } do
      l.sim:post("set", { bmc = one, finished = 130, forget = true })
      local bmc <close> = open(one)
      local seen = check(bios.read(bmc))
      check(pending.set(bmc, seen, { LogicalProc = "Disabled" }))
      l.sim:post("set", { bmc = one, forget = true })
      assert.is_false(check(pending.jobless(bmc, check(bios.read(bmc)), { "LogicalProc" })))
      local asked = 0
      for _, request in ipairs(state(one).requests) do if request:find "Jobs" then asked = asked + 1 end end
      assert.is_true(one == "dell" and asked == 3 or asked > 130, asked)
      check(pending.withdraw(bmc, check(bios.read(bmc)), { "LogicalProc" }))
    end
  end)

  it("reports a job that fails", function()
    l.sim:post("set", { bmc = "dell", fail_jobs = true })
    local bmc <close> = open "dell"
    local ok, message, code = pending.set(bmc, check(bios.read(bmc)), { LogicalProc = "Disabled" })
    l.sim:post("set", { bmc = "dell", fail_jobs = false })
    assert.same({ nil, "EREDFISH" }, { ok, code })
    assert.is_truthy(message:find("Job failed", 1, true))
    check(pending.withdraw(bmc, check(bios.read(bmc)), { "LogicalProc" }))
  end)

  it("does not write over settings that another user changed after they were read", function()
    local bmc <close> = open "supermicro"
    local seen = check(bios.read(bmc))
    l.sim:post("set", { bmc = "supermicro", pending = { MMIOHBase_0077 = "40T" } })
    local ok, message, code = pending.set(bmc, seen, { Re_SizeBARSupport_0045 = "Enabled" })
    assert.same({ nil, "ESTALE" }, { ok, code })
    assert.is_truthy(message:find("Another user has changed the pending settings", 1, true))
    assert.is_nil(state "supermicro".pending.Re_SizeBARSupport_0045)
    boot "supermicro"
  end)

  it("refuses the BMC of another server", function()
    local bmc <close> = open "lenovo"
    local seen, message, code = gpupt.redfish.read(bmc, { uuid = "11111111-2222-3333-4444-555555555555" })
    assert.same({ nil, "EREFUSED" }, { seen, code })
    assert.is_truthy(message:find("is the BMC of another server", 1, true) and message:find("SN-lenovo", 1, true))
    local uuid = check(check(l:client():one "/DC0/host/a/lenovo"):get "hardware.systemInfo.uuid")
    assert.is_truthy(check(gpupt.redfish.read(bmc, { uuid = uuid })))
    local a, b, c = uuid:match "^(%x+)-(%x+)-(%x+)"
    local function turned(text) return (text:gsub("(%x%x)", "%1 "):reverse():gsub(" ?(%x)(%x)", "%2%1")) end
    local other = ("%s-%s-%s%s"):format(turned(a), turned(b), turned(c), uuid:sub(19))
    assert.are_not.equal(uuid, other)
    assert.is_true(bios.same_uuid(uuid, other))
    assert.is_nil(bios.same_uuid("00000000-0000-0000-0000-000000000000", uuid)) -- a board without one
    assert.is_nil(bios.same_uuid(uuid, "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"))
  end)

  it("of the table have a source each, and names that do not match others", function()
    for _, setting in ipairs(facts.settings) do
      for _, rows in ipairs { setting.rows, setting.none } do
        for _, row in ipairs(rows) do assert.is_truthy(row.source:find "%[[SM]%]", setting.key .. " of " .. row.vendor) end
      end
    end
    assert.is_true(facts.is("Above4GDecoding_00B1", "Above4GDecoding"))
    assert.is_true(facts.is("memorymappedioabove4gb", "MemoryMappedIOAbove4GB"))
    assert.is_false(facts.is("Above4GDecodingX", "Above4GDecoding"))
  end)

  it("of an iLO 4 whose BIOS has an administrator password are refused with what to do; those of later ones are not",
    function()
      for name, refused in pairs { ilo4 = true, hpe = false } do
        l.sim:post("set", { bmc = name, bios_password = true })
        local client <close> = open(name) -- luacheck: ignore
        local seen = check(bios.read(client, {}))
        local now = seen.current.Sriov
        local ok, message, code = pending.set(client, seen, { Sriov = now == "Enabled" and "Disabled" or "Enabled" })
        l.sim:post("set", { bmc = name, bios_password = false })
        if refused then
          assert.equal("EREFUSED", code, message)
          assert.matches("This server's BIOS has an administrator password", message, 1, true)
          assert.matches("Redfish has no field for it", message, 1, true)
        else
          assert.is_true(ok, message)
        end
        check(pending.withdraw(client, seen, { "Sriov" }))
      end
    end)
end)
