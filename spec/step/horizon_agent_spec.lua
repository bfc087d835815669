-- horizon.agent in Windows guests: the command line of the installer by its version, its exit codes, the reboot, what
-- is proved, an agent that registers itself, and a run that ends in the middle.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local sha256 = require "gpupt.sha256"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

local VMWARE, OMNISSA = "VMware-Horizon-Agent-x86_64-2312-8.12.0-23142606.exe",
  "Omnissa-Horizon-Agent-x86_64-2603-8.18.0-24273927036.exe"
local DEFAULTS = "Core,ClientDriveRedirection,VmwVaudio,RDP,HelpDesk,PrintRedir,RTAV,TSMMR,V4V,BlastUDP"
local WORDS = [[/s /v"/qn REBOOT=ReallySuppress VDM_VC_MANAGED_AGENT=1 ADDLOCAL=%s%s ]]
  .. [[/l*v C:\Windows\Temp\gpupt-agent.log"]]

describe("horizon.agent", function()
  local site, folder, next_vm

  -- an installer of two megabytes, in a folder whose name needs quotes everywhere
  local function installer(name)
    local said = name:match "^%a+" .. " Horizon Agent " .. (name:match "%d+%.%d+%.%d+" or "8.12.0")
    vcenter.write(folder .. "/" .. name, said .. " \n" .. ("\0"):rep(2 << 20))
    return folder .. "/" .. name
  end

  setup(function()
    local vms = { { name = "linux", host = "esx-1", installed = "ubuntu", power = "poweredOn", memory_mb = 2048,
      version = "vmx-20", firmware = "efi", username = "ops", password = "Train-1-pass" } }
    for i = 1, os.getenv "GPUPT_SOAK" and 24 or 18 do
      vms[#vms + 1] = { name = "cad-" .. i, host = "esx-1", installed = "windows-11", memory_mb = 2048,
        power = "poweredOn", version = "vmx-20", firmware = "efi", username = "Administrator", password = "Train-1-pass",
        more = { version = i == 1 and "10.0.26200" or nil } }
    end
    site = lab.start { speed = 400, fleet = { datastores = { { name = "ds-1" } },
      clusters = { { name = "gpu-a", hosts = { lab.host("esx-1", { memory_gb = 256 }) } } }, vms = vms } }
    folder = site.dir .. "/it's a \"disk\" & more"
    assert(os.execute(("mkdir -p '%s'"):format((folder:gsub("'", "'\\''")))))
    next_vm = 1
  end)
  teardown(function() site:stop() end)

  local function playbook(name, file, options)
    return ([[
return p.playbook { name = "agent", p.vms { where = "/DC0/vm/%s",
  login = p.login("Administrator", p.secret.command "echo Train-1-pass"),
  p.horizon.agent { from = %q%s } } }]]):format(name, file, options and ", " .. options or "")
  end

  local function apply(name, file, options, more)
    local text = playbook(name, file, options)
    local result, events, rows = site:apply(text, more or { allow = { "guest-shutdown" } })
    if not result then return nil, events, rows end
    local said = {}
    for _, event in ipairs(events or {}) do said[#said + 1] = event.text end
    return result.targets and result.targets[1] or result, table.concat(said, "\n"), rows
  end

  local function desk(set)
    next_vm = next_vm + 1
    local name = "cad-" .. next_vm
    check(site:client().guest:ready(check(site:client():one("/DC0/vm/" .. name))))
    if set then
      set.vm = name
      site.sim:post("set", set)
    end
    site.sim:forget()
    return name
  end

  local function told(name, kind)
    local list = {}
    for _, event in ipairs(site.sim:get "truth".timeline) do
      if event.kind == kind and event.vm == name then list[#list + 1] = event.what end
    end
    return list
  end

  local function setups(name) return told(name, "agent-setup") end

  local function files(name)
    local vm = check(site:client():one("/DC0/vm/" .. name))
    local list = {}
    for _, file in ipairs(check(site:client().guest:files(vm, { username = "Administrator", password = "Train-1-pass" },
      [[C:\Windows\Temp]]))) do
      if file.type == "file" then list[#list + 1] = file.path:match "[^\\]*$" end
    end
    return list
  end

  it("installs it with the features of a vDGA desktop, reboots the guest once, and changes nothing afterwards",
    function()
      local name, file = desk(), installer(VMWARE)
      local _, message, code = apply(name, file, nil, {})
      assert.equal("the plan needs --allow guest-shutdown", message)
      assert.equal("EAPPROVAL", code)
      local done = apply(name, file)
      assert.equal("changed", done.status, done.message)
      assert.equal("Horizon Agent 8.12.0 with BlastUDP, ClientDriveRedirection, Core, HelpDesk, PSG, PrintRedir, RDP, "
        .. "RTAV, TSMMR, UnityTouch, V4V, VmVideo, VmwVaudio, VmwVidd", done.proofs["horizon.agent"])
      assert.same({ "VMware Horizon Agent 8.12.0: " .. WORDS:format(DEFAULTS, "") }, setups(name))
      assert.equal(1, site.sim:calls "RebootGuest")
      assert.same({ "gpupt-agent.log" }, files(name))
      site.sim:forget()
      assert.equal("nothing", (site:apply(playbook(name, file))).status)
      assert.same({}, site:changing())
      assert.equal(0, site.sim:calls "StartProgramInGuest")
    end)

  it("changes the features of an installed one, and removes those that are wanted no more", function()
    local name, file = desk(), installer(OMNISSA)
    local done = apply(name, file, 'features = { "Core", "USB", "RDP" }, properties = { INSTALLDIR = "C:\\\\My Agent" }')
    assert.equal("changed", done.status, done.message)
    done = apply(name, file, 'features = { "HelpDesk", "RDP" }')
    assert.equal("changed", done.status, done.message)
    assert.same({
      "Omnissa Horizon Agent 8.18.0: " .. WORDS:format("Core,USB,RDP", [[ INSTALLDIR=\"C:\My Agent\"]]),
      "Omnissa Horizon Agent 8.18.0: " .. WORDS:format("Core,HelpDesk,RDP", " REMOVE=USB"),
    }, setups(name))
    -- an older one is refused before it is copied
    site.sim:forget()
    done = apply(name, installer(VMWARE))
    assert.equal("EREFUSED", done.code)
    assert.matches("the guest has Horizon Agent 8.18.0, and 8.12.0 is older", done.message, 1, true)
    assert.equal(0, site.sim:calls "InitiateFileTransferToGuest" - site.sim:calls "StartProgramInGuest")
  end)

  it("refuses a feature that this release does not have before any call, with the nearest", function()
    local name = desk()
    local _, message, code = site:plan(playbook(name, installer(OMNISSA), 'features = { "Core", "VmwVaudio" }'))
    assert.equal("EINVAL", code)
    assert.matches("Horizon Agent 8.18.0 has no feature 'VmwVaudio' (did you mean 'HznVaudio'?)", message, 1, true)
    for options, complaint in pairs {
      ['features = { "usb" }'] = "no Horizon Agent has a feature 'usb' (did you mean 'USB'?)",
      ['server = "cs-1"'] = "set both server and register",
      ['server = "cs 1", register = p.login("LAB\\\\u", p.secret.env "X")'] = "is not the name of a Connection Server",
      ['server = "cs-1", register = p.login("u", p.secret.env "X")'] = "register: 'u' must be DOMAIN\\user",
      ['properties = { VDM_SERVER_PASSWORD = "x" }'] = "a password must be a secret",
      ['properties = { X = "a & b" }'] = "without quotes, line ends and any of",
      ['within = "soon"'] = "within: invalid duration",
      ['version = "7.13.1"'] = "only those of Horizon 8",
    } do
      local ok, why = pcall(site.load, site, playbook(name, "/x/" .. VMWARE, options))
      assert.is_false(ok, options)
      assert.matches(complaint, tostring(why), 1, true)
    end
    _, message = site:plan(playbook(name, "/none/" .. VMWARE))
    assert.matches("from: /none/.*No such file", message)
    _, message = site:plan(playbook(name, installer "agent.exe"))
    assert.matches("'agent.exe' has no version of the Horizon Agent .* Set version, such as", message)
    _, message = site:plan(playbook("linux", installer(VMWARE)))
    assert.matches("horizon.agent: only Windows guests are supported", message, 1, true)
    assert.same({}, site:changing())
  end)

  it("refuses a Windows that this release does not support, before it copies anything", function()
    check(site:client().guest:ready(check(site:client():one "/DC0/vm/cad-1")))
    local done = apply("cad-1", installer(VMWARE))
    assert.equal("EREFUSED", done.code)
    assert.matches("Windows 11 25H2 needs Horizon Agent 2512 (8.17) or later, and this is Horizon Agent 8.12.0 (2312)",
      done.message, 1, true)
    assert.same({}, setups "cad-1")
    done = apply("cad-1", installer(OMNISSA))
    assert.equal("changed", done.status, done.message)
  end)

  it("gives the password of an unmanaged agent to the installer only", function()
    local name, password = desk(), "Tr%TEMP%A ^I&N<9>!x!|7"
    vcenter.write(site.dir .. "/secret", password .. "\n")
    local journal, trace = site.dir .. "/unmanaged.db", site.dir .. "/trace"
    local path = site:write(playbook(name, installer(OMNISSA), ([[server = "cs-1.lab.example",
      register = p.login("LAB\\svc agent", p.secret.file "%s/secret")]]):format(site.dir)))
    local done = site:command({ "apply", path, "--journal", journal, "--allow", "guest-shutdown" },
      { env = { GPUPT_TRACE = trace } })
    assert.equal(0, done.status, done.err)
    assert.same({ ("with cs-1.lab.example as LAB\\svc agent, password sha256 %s"):format(sha256(password)) },
      told(name, "agent-registered"))
    assert.matches([[VDM_VC_MANAGED_AGENT=0 VDM_SERVER_NAME=cs-1.lab.example VDM_SERVER_USERNAME=\"LAB\svc agent\" ]]
      .. [[VDM_SERVER_PASSWORD=\"********\" ADDLOCAL=Core,]], setups(name)[1], 1, true)
    -- no log of the installer, no script, nothing of gpupt's
    assert.same({}, files(name))
    for _, kind in ipairs { "guest-program", "agent-installed" } do
      assert.is_nil(table.concat(told(name, kind), "\n"):find("^I&N", 1, true))
    end
    for _, one in ipairs { journal, journal .. "-wal", trace, site.dir .. "/out", site.dir .. "/err" } do
      local text = vcenter.read(one) or ""
      assert.is_nil(text:find("^I&N", 1, true), one)
      assert.is_nil(text:find("%5EI", 1, true), one)
      assert.is_nil(text:find("^I&amp;N", 1, true), one)
    end
    assert.matches("ReadEnvironmentVariableInGuest", vcenter.read(trace), 1, true)
    -- what the installer's command line cannot take
    vcenter.write(site.dir .. "/secret", 'a"b\n')
    done = site:command { "apply", path, "--journal", site.dir .. "/other.db" }
    assert.equal(0, done.status, done.err) -- nothing to change
    path = site:write(playbook(desk(), installer(OMNISSA), ([[server = "cs-1",
      register = p.login("LAB\\u", p.secret.file "%s/secret")]]):format(site.dir)))
    done = site:command { "apply", path, "--journal", site.dir .. "/other.db", "--allow", "guest-shutdown" }
    assert.matches("the password to register with has a quote", done.err, 1, true)
    assert.is_nil(done.err:find('a"b', 1, true))
  end)

  for _, mode in ipairs { "constrained", "absent" } do
    it("needs no PowerShell and no English Windows: PowerShell is " .. mode, function()
      local done = apply(desk { powershell = mode, language = "de" }, installer(VMWARE))
      assert.equal("changed", done.status, done.message)
    end)
  end

  it("tries again while another installation runs (1618), and gives up in time", function()
    local done, said = apply(desk { msi_busy = 700 }, installer(VMWARE))
    assert.equal("changed", done.status, done.message)
    assert.matches("Horizon Agent: another installation is running (1618): trying again in 2 s", said, 1, true)
    done = apply(desk { msi_busy = 100000 }, installer(VMWARE), 'within = "1s"')
    assert.equal("EBUSY", done.code)
    assert.matches("Horizon Agent: exit code 1618: another installation is running", done.message, 1, true)
  end)

  it("explains 1603 from the installer's log, in the guest's language, and goes on later", function()
    local name, file = desk { msi = { error = 1722 }, language = "de" }, installer(VMWARE)
    local done, said = apply(name, file)
    assert.equal("EGUEST", done.code)
    assert.matches("horizon.agent: Horizon Agent: exit code 1603: the action InstallFinalize failed: Es liegt ein "
      .. "Problem mit diesem", done.message, 1, true)
    assert.matches([[log is C:\Windows\Temp\gpupt-agent.log in the guest]], done.message, 1, true)
    assert.matches("MSI log: CustomAction VM_InstallDriver returned actual error code 1603", said, 1, true)
    assert.same({ "gpupt-agent.log" }, files(name))
    site.sim:post("set", { vm = name, msi = { error = 1601 } })
    assert.matches("the disk is full: free space on the guest's system disk", apply(name, file).message, 1, true)
    -- the installer is killed in the guest
    site.sim:post("set", { vm = name, msi = { killed = true } })
    assert.matches("Horizon Agent: exit code 1: exit code 1, which is not a Windows Installer code",
      apply(name, file).message, 1, true)
    done = apply(name, file)
    assert.equal("changed", done.status, done.message)
  end)

  it("copies nothing into a guest whose disk is full", function()
    local name = desk { disk_free = 3 }
    local done = apply(name, installer(VMWARE))
    assert.equal("EGUEST", done.code)
    assert.matches([[horizon.agent: C:\ of the guest has 3 MB free, and 5 MB are needed]], done.message, 1, true)
    assert.same({}, setups(name))
    assert.same({}, files(name))
  end)

  it("says that the disk filled under the copy, and sends it again to a guest that restarts in its middle", function()
    local name = desk { disk_takes = 1 }
    local done = apply(name, installer(VMWARE))
    assert.equal("EGUEST", done.code)
    assert.matches("horizon.agent: the guest's disk filled up while the installer was copied (", done.message, 1, true)
    assert.matches("Free space there, then run: gpupt apply --resume agent-", done.message, 1, true)
    assert.same({}, files(name))
    site.sim:post("set", { vm = name, disk_takes = 0, disk_free = 0, restart_in_upload = true })
    done = apply(name, installer(VMWARE))
    assert.equal("changed", done.status, done.message)
    assert.same({ "gpupt-agent.log" }, files(name))
    assert.equal(1, #setups(name))
  end)

  it("waits for a guest that the installer itself reboots (1641)", function()
    local name = desk { msi = { reboot = true }, seconds = { stop = 400 } }
    local done, said = apply(name, installer(VMWARE))
    assert.equal("changed", done.status, done.message)
    assert.matches("the installer is rebooting the guest (1641)", said, 1, true)
    assert.equal(0, site.sim:calls "RebootGuest")
  end)

  it("says which feature the installer has left out", function()
    local name = desk { msi = { keep = "RTAV" } }
    local done = apply(name, installer(VMWARE))
    assert.equal("EPROOF", done.code)
    assert.matches("horizon.agent: feature RTAV is not installed", done.message, 1, true)
  end)

  local function run_of(journal)
    local book, id = assert(store.open(journal)), nil
    for run in book:runs() do id = run.id end
    book:close()
    return id
  end

  -- where the run is killed, and what the resumed run says
  local points = {
    ["copy:answered"] = "run agent-",
    ["agent:running"] = "the installer of the interrupted run still works",
    ["agent:answered"] = "the service WSNM does not run: rebooting the guest",
  }
  if os.getenv "GPUPT_SOAK" then
    for _, one in ipairs { "copy:row", "agent:row", "RebootGuest:row", "RebootGuest:answered", "mark-agent:row",
      "mark-agent:answered" } do
      points[one] = "run agent-"
    end
  end
  for at, says in pairs(points) do
    it("goes on where a run was killed at " .. at .. ", and does nothing twice", function()
      local name = desk { seconds = { ["tools.install"] = at == "agent:running" and 600 or 20 } }
      local path = site:write(playbook(name, installer(VMWARE)))
      local journal = ("%s/kill-%s.db"):format(site.dir, at:gsub(":", "-"))
      local killed = site:command({ "apply", path, "--journal", journal, "--allow", "guest-shutdown" },
        { env = { GPUPT_KILL = "horizon.agent|" .. at, LUA_INIT = "require 'spec.support.kill_here'" } })
      assert.is_true(killed.status ~= 0 and not killed.err:find "error", killed.err)
      local resumed = site:command { "apply", "--resume", run_of(journal), "--journal", journal,
        "--allow", "guest-shutdown" }
      assert.equal(0, resumed.status, resumed.err)
      assert.matches(says, resumed.err .. resumed.out, 1, true)
      assert.equal(1, #setups(name))
      assert.equal(1, site.sim:calls "RebootGuest")
      assert.same({ "gpupt-agent.log" }, files(name))
      assert.matches("nothing to change\n$", site:command { "apply", path, "--journal", journal }.out)
    end)
  end
end)
