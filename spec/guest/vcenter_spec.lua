-- gpupt.guest against guests: answer media created here install scripted systems on the test vCenter, the
-- installer's command line is run in them, and the proof is taken and read. What the other side thinks of a medium stands
-- on its truth page. It was written from the facts, not from this code.
local found = pcall(require, "gpupt.iso")
local answer = require "gpupt.guest.answer"
local proof = require "gpupt.guest.proof"
local tools_medium = require "gpupt.guest.tools_medium"
local tools = require "gpupt.guest.tools"
local vcenter = require "spec.support.vcenter"

local password = "Pw-" .. "of-this-spec-1"

local function card(address)
  return { address = address, vendor = "10de", device = "20b5", subvendor = "10de", subdevice = "1533", class = "0302", enabled = true,
    name = "GA100 [A100 PCIe 80GB]", bars = { "16M:32", "128G:64p", "32M:64p" } }
end

describe("guests of the test vCenter", function()
  if not found then return pending "gpupt.iso is built only where libarchive is found" end
  local sim, vc, host, system_id, dir

  local function medium(name, files, label)
    local bytes = assert(answer.iso(files, label))
    vcenter.write(dir .. "/" .. name, bytes)
    return { source = dir .. "/" .. name }
  end

  setup(function()
    local pipe = io.popen "mktemp -d"
    dir = pipe:read "l"
    pipe:close()
    local win = assert(answer.windows { computer_name = "CAD-01", password = password, image = 2 })
    local ops = assert(answer.windows { computer_name = "CAD-02", user = "ops", password = password, image = 2, commands = {
      'if exist "C:\\Program Files\\VMware\\VMware Tools\\vmtoolsd.exe" mkdir "C:\\After & Tools"', "if exist C:\\none mkdir C:\\None",
      "mkdir C:\\Last" } })
    local no_msr = win:gsub("<Type>MSR</Type>", "<Type>Primary</Type>", 1)
    local no_tools = win:gsub("<FirstLogonCommands>.-</FirstLogonCommands>", "")
    local linux = assert(answer.cloud_init { hostname = "train-01", user = "ops", password = password })
    local driver = assert(answer.cloud_init { hostname = "train-02", user = "ops", password = password,
      packages = { "nvidia-driver-550-server" } })
    local bad_key = { ["meta-data"] = "", ["user-data"] = linux["user-data"]:gsub("late%-commands", "late-comands") }
    sim = vcenter.start { speed = 2000, fleet = {
      clusters = { { name = "gpu-a", hosts = { { name = "esx-a-1", cards = { card "0000:3b:00.0", card "0000:86:00.0" } } } } },
      datastores = { { name = "ds-1", files = {
        ["iso/windows.iso"] = { os = "windows" }, ["iso/ubuntu.iso"] = { os = "ubuntu" },
        ["iso/win.iso"] = medium("win.iso", { ["autounattend.xml"] = win }, "UNATTEND"),
        ["iso/ops.iso"] = medium("ops.iso", { ["Autounattend.xml"] = ops }, "UNATTEND"),
        ["iso/no-msr.iso"] = medium("no-msr.iso", { ["autounattend.xml"] = no_msr }, "UNATTEND"),
        ["iso/no-tools.iso"] = medium("no-tools.iso", { ["autounattend.xml"] = no_tools }, "UNATTEND"),
        ["iso/linux.iso"] = medium("linux.iso", linux, "CIDATA"),
        ["iso/driver.iso"] = medium("driver.iso", driver, "CIDATA"),
        ["iso/label.iso"] = medium("label.iso", linux, "SEED"),
        ["iso/bad-key.iso"] = medium("bad-key.iso", bad_key, "CIDATA"),
      } } } } }
    vc = sim:connect()
    host = assert(vc:one "/DC0/host/gpu-a/esx-a-1")
    local target = assert(assert(assert(vc:one "/DC0/host/gpu-a"):get "environmentBrowser"):QueryConfigTarget { host = host })
    system_id = target.pciPassthrough[1].systemId
  end)
  teardown(function()
    if sim then
      sim:close_all()
      sim:stop()
    end
    os.execute("rm -rf '" .. dir .. "'")
  end)

  local function drive(number, file)
    return { operation = "add", device = { _type = "VirtualCdrom", key = -20 - number, controllerKey = -10, unitNumber = number,
      backing = { _type = "VirtualCdromIsoBackingInfo", fileName = file },
      connectable = { startConnected = true, allowGuestControl = true, connected = true } } }
  end

  local function create(name, guest_id, iso, answer_iso)
    local folder = assert(vc:one "/DC0/vm")
    local pool = assert(assert(vc:one "/DC0/host/gpu-a"):get "resourcePool")
    local task = assert(folder:CreateVM_Task { pool = pool, host = host, config = { name = name, guestId = guest_id, numCPUs = 4,
      memoryMB = 16384, firmware = "efi", version = "vmx-20", files = { vmPathName = "[ds-1]" }, deviceChange = {
        { operation = "add", device = { _type = "VirtualAHCIController", key = -10, busNumber = 0 } },
        { operation = "add", device = { _type = "VirtualLsiLogicSASController", key = -11, busNumber = 0, sharedBus = "noSharing" } },
        { operation = "add", fileOperation = "create", device = { _type = "VirtualDisk", key = -12, controllerKey = -11, unitNumber = 0,
          capacityInKB = 60 << 20, backing = { _type = "VirtualDiskFlatVer2BackingInfo", fileName = "", diskMode = "persistent",
            thinProvisioned = true } } },
        { operation = "add", device = { _type = "VirtualVmxnet3", key = -13, addressType = "generated", connectable = {
          startConnected = true, allowGuestControl = true, connected = true },
          backing = { _type = "VirtualEthernetCardNetworkBackingInfo", deviceName = "VM Network" } } },
        drive(0, iso), drive(1, answer_iso), drive(2, "[] /vmimages/tools-isoimages/windows.iso"),
      } } })
    return (assert(vc:wait(task)))
  end

  local function machine(name)
    for _, vm in ipairs(sim:get "truth".vms) do
      if vm.name == name then return vm end
    end
  end

  local function boot(vm) assert(vc:wait(assert(vm:PowerOnVM_Task {}), { timeout = 30 })) end

  local function give(vm, ...)
    local changes = { { key = "pciPassthru.use64bitMMIO", value = "TRUE" }, { key = "pciPassthru.64bitMMIOSizeGB", value = "512" } }
    local devices = {}
    for i, address in ipairs { ... } do
      devices[i] = { operation = "add", device = { _type = "VirtualPCIPassthrough", key = -i, backing = {
        _type = "VirtualPCIPassthroughDeviceBackingInfo", deviceName = "", id = address, deviceId = "20b5", systemId = system_id,
        vendorId = 0x10de } } }
    end
    assert(vc:wait(assert(vm:ReconfigVM_Task { spec = { extraConfig = changes, deviceChange = devices,
      memoryReservationLockedToMax = true } })))
  end

  local function window(vm, gb)
    assert(vc:wait(assert(vm:ReconfigVM_Task { spec = { extraConfig = { { key = "pciPassthru.64bitMMIOSizeGB", value = gb } } } })))
  end

  -- Removes the cards again.
  local function take(vm)
    local changes = {}
    for _, device in ipairs((vm:get { "config.hardware.device" })["config.hardware.device"]) do
      if device._type == "VirtualPCIPassthrough" then changes[#changes + 1] = { operation = "remove", device = device } end
    end
    assert(vc:wait(assert(vm:ReconfigVM_Task { spec = { deviceChange = changes } })))
  end

  local function off(vm) assert(vc:wait(assert(vm:PowerOffVM_Task {}), { timeout = 30 })) end

  local function ask(vm, family, login, o)
    local outputs = {}
    for _, command in ipairs(assert(proof.commands(family, { vendors = { 0x10de } }))) do
      local result, message = vc.guest:run(vm, login, { program = command.program, arguments = command.arguments, timeout = 60 })
      assert(result or command.optional, message)
      outputs[command.name] = result and { out = result.stdout, status = result.rc } or nil
    end
    return proof.read(family, outputs, o), outputs
  end

  it("Windows installs from our medium, gets Tools from the CD, and passes the proof of its card", function()
    local login = { username = "Administrator", password = password }
    local vm = create("cad-01", "windows2019srvNext_64Guest", "[ds-1] iso/windows.iso", "[ds-1] iso/win.iso")
    boot(vm)
    local ready, message = vc.guest:ready(vm, { timeout = 60 })
    assert(ready, tostring(message) .. ": " .. tostring(machine("cad-01").guest and machine("cad-01").guest.why))
    assert.is_true((vc.guest:validate(vm, login)))
    local guest = machine("cad-01").guest
    local left = {}
    for _, name in ipairs(guest.tools_features) do left[name] = true end
    assert.is_nil(left.Hgfs)
    assert.is_nil(left.VSS)
    assert.is_nil(left.NetworkIntrospection)
    assert.is_true(left.SVGA and left.VMXNet3 and left.FileIntrospection)

    -- the features change with the Horizon Agent; Tools restart below the call
    local plan = assert(tools.command { version = assert(vm:get "guest.toolsVersion"), horizon = true, nsx = true })
    local run = tools_medium.from_cd(plan)
    local result = assert(vc.guest:run(vm, login, { program = run.program, arguments = run.arguments, timeout = 60 }))
    local outcome = tools.outcome(result.rc)
    assert.is_true(outcome.success, ("%d %s %s"):format(result.rc, outcome.meaning, result.stdout .. result.stderr))
    assert(vc.guest:ready(vm, { timeout = 60 }))
    left = {}
    for _, name in ipairs(machine("cad-01").guest.tools_features) do left[name] = true end
    assert.is_nil(left.SVGA)
    assert.is_true(left.NetworkIntrospection)

    -- a name that this release does not have ends in 1603
    local wrong = assert(tools.command { version = 11 })
    run = tools_medium.from_cd(wrong)
    result = assert(vc.guest:run(vm, login, { program = run.program, arguments = run.arguments, timeout = 60 }))
    assert.equal(1603, result.rc)
    assert.is_false(tools.outcome(result.rc).success)

    -- UpgradeTools_Task accepts the same text
    plan = assert(tools.command { version = assert(vm:get "guest.toolsVersion"), nsx = false })
    assert(vc:wait(assert(vm:UpgradeTools_Task { installerOptions = plan.installer_options }), { timeout = 60 }))
    assert(vc.guest:ready(vm, { timeout = 60 }))
    left = {}
    for _, name in ipairs(machine("cad-01").guest.tools_features) do left[name] = true end
    assert.is_true(left.SVGA)
    assert.is_nil(left.NetworkIntrospection)

    off(vm)
    give(vm, "0000:3b:00.0")
    boot(vm)
    assert(vc.guest:ready(vm, { timeout = 60 }))
    local seen, outputs = ask(vm, "windows", login, { expected = 1 })
    assert.same({ 1, 0x10de, 0x20b5, 28 }, { #seen.devices, seen.devices[1] and seen.devices[1].vendor, seen.devices[1].device,
      seen.devices[1].problem_code }, outputs.pnp.out)
    assert.equal("code-28", seen.findings[1].code)
    assert.is_false(seen.ok)
    assert.is_true((ask(vm, "windows", login, { expected = 1, driver = false })).ok)
    assert.equal("fewer-cards", (ask(vm, "windows", login, { expected = 2, driver = false })).findings[1].code)

    -- with a driver; then with one that gave the card up
    off(vm)
    sim:post("set", { vm = "cad-01", driver = "538.67" })
    boot(vm)
    assert(vc.guest:ready(vm, { timeout = 60 }))
    seen = ask(vm, "windows", login, { expected = 1 })
    assert.same({}, seen.findings)
    assert.is_true(seen.ok)
    assert.same({ "nvlddmkm", 0 }, { seen.devices[1].driver, seen.devices[1].problem_code })
    sim:post("set", { vm = "cad-01", problem = { ["0000:3b:00.0"] = 43 } })
    seen = ask(vm, "windows", login, { expected = 1 })
    assert.same({ "code-43", 43, false }, { seen.findings[1].code, seen.devices[1].problem_code, seen.ok })
    sim:post("set", { vm = "cad-01", problem = { ["0000:3b:00.0"] = 0 } })
    off(vm)

    -- the window is too small, and the VM boots nevertheless
    window(vm, "64")
    sim:post("set", { vm = "cad-01", mmio = "guest" })
    boot(vm)
    assert(vc.guest:ready(vm, { timeout = 60 }))
    seen = ask(vm, "windows", login, { expected = 1 })
    assert.same({ "code-12", "mmio", false }, { seen.findings[1].code, seen.findings[1].fix, seen.ok })
    off(vm)
    take(vm)
  end)

  it("Windows with a local account of another name installs from our medium too", function()
    local vm = create("cad-02", "windows2019srvNext_64Guest", "[ds-1] iso/windows.iso", "[ds-1] iso/ops.iso")
    boot(vm)
    assert(vc.guest:ready(vm, { timeout = 60 }))
    local login = { username = "ops", password = password }
    assert.is_true((vc.guest:validate(vm, login)))
    local function has(folder)
      local result = assert(vc.guest:run(vm, login, { program = "C:\\Windows\\System32\\cmd.exe",
        arguments = ('/c if exist "C:\\%s" exit 7'):format(folder), timeout = 30 }))
      return result.rc == 7
    end
    for _ = 1, 50 do if has "Last" then break end end -- the commands run one after the other, after Tools
    assert.same({ true, false, true }, { has "After & Tools", has "None", has "Last" })
    off(vm)
  end)

  it("Linux installs itself from our medium with open-vm-tools, and proves two cards", function()
    local login = { username = "ops", password = password }
    local vm = create("train-01", "ubuntu64Guest", "[ds-1] iso/ubuntu.iso", "[ds-1] iso/linux.iso")
    boot(vm)
    local ready, message = vc.guest:ready(vm, { timeout = 60 })
    assert(ready, tostring(message) .. ": " .. tostring(machine("train-01").guest and machine("train-01").guest.why))
    assert.is_true((vc.guest:validate(vm, login)))
    local plan = assert(tools.linux { id = "ubuntu" })
    local result = assert(vc.guest:run(vm, login, { program = "/bin/bash", arguments = "-c '" .. plan.check .. "'", timeout = 60 }))
    assert.equal(0, result.rc)
    off(vm)
    give(vm, "0000:3b:00.0", "0000:86:00.0")
    boot(vm)
    assert(vc.guest:ready(vm, { timeout = 60 }))
    local seen, outputs = ask(vm, "linux", login, { expected = 2, driver = false })
    assert.is_true(seen.ok, outputs.lspci.out)
    assert.equal(2, #seen.devices)
    assert.equal(128 << 30, seen.devices[1].regions[2].size)
    seen = ask(vm, "linux", login, { expected = 2 })
    assert.is_false(seen.ok)
    assert.equal("no-driver", seen.findings[1].code)
    off(vm)
    take(vm)
  end)

  it("Linux with a driver from our medium proves that it works, and that one card has no BAR1 in a window that is too small", function()
    local login = { username = "ops", password = password }
    local vm = create("train-02", "ubuntu64Guest", "[ds-1] iso/ubuntu.iso", "[ds-1] iso/driver.iso")
    boot(vm)
    assert(vc.guest:ready(vm, { timeout = 60 }))
    off(vm)
    give(vm, "0000:3b:00.0", "0000:86:00.0")
    boot(vm)
    assert(vc.guest:ready(vm, { timeout = 60 }))
    local seen, outputs = ask(vm, "linux", login, { expected = 2 })
    assert.is_true(seen.ok, outputs.lspci.out .. (outputs["nvidia-smi"] or { out = "" }).out)
    assert.same({ "nvidia", "nvidia" }, { seen.devices[1].driver, seen.devices[2].driver })
    assert.matches("^550", seen.devices[2].driver_version)
    off(vm)
    window(vm, "128")
    sim:post("set", { vm = "train-02", mmio = "guest" })
    boot(vm)
    assert(vc.guest:ready(vm, { timeout = 60 }))
    seen, outputs = ask(vm, "linux", login, { expected = 2 })
    local codes = {}
    for _, finding in ipairs(seen.findings) do codes[finding.code] = finding end
    assert.is_false(seen.ok)
    assert.equal("mmio", codes["bar-unassigned"] and codes["bar-unassigned"].fix, outputs.lspci.out)
    assert.is_table(codes["nvrm-bar-unassigned"], (outputs.dmesg or { out = "no dmesg" }).out)
    assert.matches("BAR%d is 0M", codes["nvrm-bar-unassigned"].text)
    off(vm)
    take(vm)
  end)

  -- Our check reports the same mistakes beforehand (windows_spec, cloud_spec); here the installer stops at them.
  local stuck = {
    { "no-msr", "windows2019srvNext_64Guest", "windows", "MSR" },
    { "no-tools", "windows2019srvNext_64Guest", "windows", "Tools are not installed" },
    { "label", "ubuntu64Guest", "ubuntu", "CIDATA" },
    { "bad-key", "ubuntu64Guest", "ubuntu", "late%-comands" },
  }
  for _, row in ipairs(stuck) do
    it("stop at a medium that our check calls wrong: " .. row[1], function()
      local vm = create("stuck-" .. row[1], row[2], ("[ds-1] iso/%s.iso"):format(row[3]), ("[ds-1] iso/%s.iso"):format(row[1]))
      boot(vm)
      local why
      for _ = 1, 100 do
        why = machine("stuck-" .. row[1]).guest.why
        if why and why ~= "" then break end
        vcenter.sleep(0.1)
      end
      assert.matches(row[4], why or "")
      assert.is_false((vm:get { "guest.guestOperationsReady" })["guest.guestOperationsReady"] or false)
      off(vm)
    end)
  end
end)
