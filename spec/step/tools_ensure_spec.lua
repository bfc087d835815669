-- tools.ensure in Windows guests: the features of the mounted installer's own table, its exit codes, a guest whose
-- PowerShell is constrained or absent, another language, and the proof of what is installed afterwards.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local tools = require "gpupt.guest.tools"

local check = gpupt.check

describe("tools.ensure", function()
  local site, next_vm

  -- installed desks with a drive for the medium
  setup(function()
    local vms = {}
    for i = 1, 14 do
      vms[i] = { name = "desk-" .. i, host = "esx-1", installed = "windows", power = "poweredOff", memory_mb = 2048,
        version = "vmx-20", firmware = "efi", username = "Administrator", password = "Train-1-pass",
        more = { tools = "11.3.5" } }
    end
    site = lab.start { speed = 400, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-1" } } },
      vms = vms, datastores = { { name = "ds-1" } } } }
    site.sim:post("set", { tools_medium = "12.4.0" })
    local vc = site:client()
    for i = 1, #vms do
      local vm = check(vc:one("/DC0/vm/desk-" .. i))
      check(vc:wait(check(vm:ReconfigVM_Task { spec = { deviceChange = {
        { operation = "add", device = { _type = "VirtualAHCIController", key = -10, busNumber = 0 } },
        { operation = "add", device = { _type = "VirtualCdrom", key = -11, controllerKey = -10, unitNumber = 0,
          backing = { _type = "VirtualCdromRemotePassthroughBackingInfo", deviceName = "", exclusive = false },
          connectable = { startConnected = false, allowGuestControl = true, connected = false } } } } } })))
      check(vc:wait(check(vm:PowerOnVM_Task {})))
      check(vc.guest:ready(vm))
    end
    next_vm = 0
  end)
  teardown(function() site:stop() end)

  local function ensure(name, options, more)
    more = more or { allow = { "guest-shutdown" } }
    local result, events, code = site:apply(([[
return p.playbook { name = "tools", p.vms { where = "/DC0/vm/%s",
  login = p.login("Administrator", p.secret.command "echo Train-1-pass"),
  p.tools.ensure { %s } } }]]):format(name, options or ""), more)
    if not result then return nil, events, code end
    local said = {}
    for _, event in ipairs(type(events) == "table" and events or {}) do said[#said + 1] = event.text end
    return result, table.concat(said, "\n")
  end

  local function desk(set)
    next_vm = next_vm + 1
    local name = "desk-" .. next_vm
    if set then
      set.vm = name
      site.sim:post("set", set)
    end
    site.sim:forget()
    return name
  end

  local function setups(name)
    local list = {}
    for _, event in ipairs(site.sim:get "truth".timeline) do
      local setup = event.kind == "tools-setup" and event.vm == name and not event.what:find("/A /P", 1, true)
      if setup then list[#list + 1] = event.what end
    end
    return list
  end

  it("reads the features from the installer's Feature table, and reboots where the installer requests it", function()
    local name = desk()
    local result, said = ensure(name)
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    assert.equal("12.4.0 REMOVE=Hgfs,VSS,NetworkIntrospection", result.targets[1].proofs["tools.ensure"])
    assert.is_nil(said:find("assumed", 1, true), said)
    assert.matches("the installer requests a reboot of the guest", said, 1, true)
    assert.equal(1, site.sim:calls "RebootGuest")
    assert.same({ 'setup64.exe /s /v"/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs,VSS,NetworkIntrospection '
      .. '/l*v C:\\Windows\\Temp\\gpupt-tools.log"' }, setups(name))
    -- and runs again for other options only
    assert.equal("nothing", ensure(name).status)
    assert.equal("changed", ensure(name, "nsx = true").targets[1].status)
    assert.equal("nothing", ensure(name, "nsx = true").status)
  end)

  it("refuses a name that this installer does not have before it is run, with the nearest", function()
    local name = desk()
    site.sim:post("set", { tools_medium = "13.0.1" })
    local result = ensure(name, 'remove = { "VMXNet" }')
    site.sim:post("set", { tools_medium = "12.4.0" })
    assert.equal("failed", result.targets[1].status)
    assert.matches("remove: the installer has no feature 'VMXNet' (did you mean 'VMXNet3'?)",
      result.targets[1].message, 1, true)
    assert.same({}, setups(name))
    assert.equal(1, site.sim:calls "UnmountToolsInstaller")
  end)

  it("leaves the reboot for later where the playbook says so, without an approval", function()
    local name = desk()
    local result, said = ensure(name, 'reboot = "later"', {})
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    assert.matches("requests a reboot of the guest (3010), which the playbook leaves for later", said, 1, true)
    assert.equal(0, site.sim:calls "RebootGuest")
    local _, message, code = ensure(name, 'nsx = true', {})
    assert.equal("the plan needs --allow guest-shutdown", message)
    assert.equal("EAPPROVAL", code)
  end)

  it("does not reboot a guest that the installer reboots (1641)", function()
    local name = desk { msi = { reboot = true }, seconds = { stop = 400 } }
    local result, said = ensure(name)
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    assert.matches("the installer is rebooting the guest (1641)", said, 1, true)
    assert.equal(0, site.sim:calls "RebootGuest")
  end)

  it("tries again while another installation runs (1618)", function()
    local name = desk { msi_busy = 700 }
    local result, said = ensure(name)
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    assert.matches("Tools: another installation is running (1618): trying again in 2 s", said, 1, true)
  end)

  it("gives up when it runs for too long, and says so", function()
    local name = desk { msi_busy = 100000 }
    local result = ensure(name, 'within = "1s"')
    assert.equal("EBUSY", result.targets[1].code)
    assert.matches("Tools: exit code 1618: another installation is running", result.targets[1].message, 1, true)
  end)

  it("explains 1603 from the installer's log, in the guest's language", function()
    local name = desk { msi = { error = 1722 }, language = "de" }
    local result, said = ensure(name)
    assert.equal("EGUEST", result.targets[1].code)
    local message = result.targets[1].message
    assert.matches("Tools: exit code 1603: the action InstallFinalize failed: Es liegt ein Problem mit diesem", message,
      1, true)
    assert.matches("(MSI error 1722); a program of the package failed", message, 1, true)
    assert.matches([[log is C:\Windows\Temp\gpupt-tools.log in the guest]], message, 1, true)
    assert.matches("MSI log: CustomAction VM_InstallDriver returned actual error code 1603", said, 1, true)
    site.sim:post("set", { vm = name, msi = { error = 1601 } })
    assert.matches("the disk is full: free space on the guest's system disk", ensure(name).targets[1].message, 1, true)
    site.sim:post("set", { vm = name, msi = {} })
    assert.equal("changed", ensure(name).targets[1].status)
  end)

  it("fails when a feature is installed that was to be left out", function()
    local name = desk { msi = { keep = "NetworkIntrospection" } }
    local result = ensure(name)
    assert.equal("EPROOF", result.targets[1].code)
    assert.matches("the installer ended with %d+, but the feature NetworkIntrospection is installed %(Local, by Windows "
      .. "Installer%)", result.targets[1].message)
    -- the same by the log, where PowerShell cannot ask Windows Installer
    site.sim:post("set", { vm = name, powershell = "constrained" })
    assert.matches("the feature NetworkIntrospection is installed (Local, by the installer's log)",
      ensure(name).targets[1].message, 1, true)
  end)

  for _, point in ipairs { "row", "running", "answered" } do
    it("goes on after the run was killed at the installer: " .. point, function()
      local name = desk { seconds = { ["tools.install"] = point == "running" and 1200 or 20 } }
      local path = site:write(([[
return p.playbook { name = "tools", p.vms { where = "/DC0/vm/%s",
  login = p.login("Administrator", p.secret.command "echo Train-1-pass"), p.tools.ensure {} } }]]):format(name))
      local words = { "apply", path, "--journal", ("%s/kill-%s.db"):format(site.dir, point), "--allow", "guest-shutdown" }
      local killed = site:command(words, { env = { GPUPT_KILL = "tools.ensure|setup64.exe:" .. point,
        LUA_INIT = "require 'spec.support.kill_here'" } })
      assert.is_true(killed.status ~= 0 and not killed.err:find "error", killed.err)
      local again = site:command(words)
      assert.equal(0, again.status, again.err)
      assert.matches("12.4.0 REMOVE=Hgfs,VSS,NetworkIntrospection", again.out .. again.err, 1, true)
      assert.matches("nothing to change\n$", site:command(words).out)
      local vm = check(site:client():one("/DC0/vm/" .. name))
      assert.is_false(check(vm:get "runtime.toolsInstallerMounted"))
    end)
  end

  for mode, words in pairs {
    constrained = "cannot be read (New-Object : Cannot create type. Only core types",
    absent = "PowerShell cannot be used in the guest",
  } do
    it("works where PowerShell is " .. mode .. ", with the features of the release", function()
      local name = desk { powershell = mode, language = "de" }
      local result, said = ensure(name, 'horizon = true')
      assert.equal("changed", result.targets[1].status, result.targets[1].message)
      assert.matches(words, said, 1, true)
      assert.is_nil(said:find("installed features cannot be read", 1, true), said)
      assert.same({ 'setup64.exe /s /v"/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs,VSS,SVGA,NetworkIntrospection '
        .. '/l*v C:\\Windows\\Temp\\gpupt-tools.log"' }, setups(name))
    end)
  end
end)

describe("the features that tools.ensure leaves out", function()
  -- the Feature tables of four releases, as far as the rules name them
  local tables = {
    ["10.3.10"] = { "AppDefense", "Hgfs", "NetworkIntrospection", "SVGA", "VMXNet3", "VSS" },
    ["11.3.5"] = { "AppDefense", "Hgfs", "NetworkIntrospection", "SVGA", "VMXNet3", "VSS" },
    ["12.4.0"] = { "Hgfs", "NetworkIntrospection", "SVGA", "VMXNet3", "VSS" },
    ["13.0.1"] = { "Hgfs", "NetworkIntrospection", "SVGA", "VMXNet3", "VSS" },
  }
  -- an Agent by version: whether it replaces the display driver of Tools
  local agents = { { false, false }, { true, true }, { "7.13.1", true }, { "2106", true }, { "8.3.0", true },
    { "2111", false }, { "2111.1", false }, { "8.4.0", false }, { "2306", false }, { "2512", false } }

  for version, features in pairs(tables) do
    for _, program in ipairs { "setup64.exe", "setup.exe" } do
      for _, agent in ipairs(agents) do
        for _, nsx in ipairs { false, true } do
          it(("by %s of %s with Horizon %s and NSX %s are exactly these"):format(program, version, tostring(agent[1]),
            tostring(nsx)), function()
            local command = assert(tools.command { version = version, program = program, features = features,
              horizon = agent[1], nsx = nsx, log = [[C:\Windows\Temp\gpupt-tools.log]] })
            local remove = "Hgfs,VSS" .. (features[1] == "AppDefense" and ",AppDefense" or "")
              .. (agent[2] and ",SVGA" or "") .. (nsx and "" or ",NetworkIntrospection")
            assert.equal(program .. ' /s /v"/qn REBOOT=R ADDLOCAL=ALL REMOVE=' .. remove
              .. [[ /l*v C:\Windows\Temp\gpupt-tools.log"]], command.line)
            -- what must never be there
            for _, name in ipairs(command.remove) do
              local found = false
              for _, one in ipairs(features) do found = found or one == name end
              assert.is_true(found, name)
              assert.not_equal("VMXNet3", name)
            end
            if nsx then assert.is_nil(command.line:find("NetworkIntrospection", 1, true)) end
            if not agent[2] then assert.is_nil(command.line:find("SVGA", 1, true)) end
          end)
        end
      end
    end
  end

  it("have AppDefense wherever the installer has it, whatever its release", function()
    local command = assert(tools.command { version = "12.4.0", features = { "AppDefense", "Hgfs" } })
    assert.same({ "Hgfs", "AppDefense" }, command.remove)
    command = assert(tools.command { version = "11.3.5", features = { "Hgfs" } })
    assert.same({ "Hgfs" }, command.remove)
  end)

  it("need the version of an Agent that is one", function()
    local _, message, code = tools.command { version = 12, horizon = "newest" }
    assert.equal("EINVAL", code)
    assert.matches("horizon = 'newest' is not the version of a Horizon Agent", message, 1, true)
  end)
end)
