--- tools.ensure chose program and REMOVE list by the Tools that run in the guest. The medium may be another release: a
-- guest with 11.3.5 and a 12.4 medium ended in 1603 (REMOVE=AppDefense, which 12 does not have), and a 13 medium has no
-- setup64.exe. The mounted installer decides, by its name and its version.
-- Sources: REMOVE=AppDefense with Tools 12 is MSI error 2711 (ivobeerens.nl, 2022-04-14); a medium of 13.0.1 has
-- setup.exe alone (vmware-samples/packer-examples-for-vsphere, issue 997).
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local medium = require "gpupt.guest.tools_medium"
local tools = require "gpupt.guest.tools"
local windows = require "gpupt.guest.windows"

local function listed(...) return table.concat({ ... }, "\r\n") .. "\r\n" end

describe("the Tools installer", function()
  -- what the guest lists; the installer's path and version; what it removes
  local cases = {
    { "a medium of 10", listed([[D:\setup64.exe|10.3.25.14748]], [[D:\setup.exe|10.3.25.14748]]),
      [[D:\setup64.exe]], "10.3.25", "Hgfs,VSS,AppDefense,NetworkIntrospection" },
    { "a medium of 11", listed([[E:\setup.exe|11.3.5.31214]], [[E:\setup64.exe|11.3.5.31214]]),
      [[E:\setup64.exe]], "11.3.5", "Hgfs,VSS,AppDefense,NetworkIntrospection" },
    { "a medium of 12", listed([[D:\setup64.exe|12.4.0.23259341]], [[D:\setup.exe|12.4.0.23259341]]),
      [[D:\setup64.exe]], "12.4.0", "Hgfs,VSS,NetworkIntrospection" },
    { "a medium of 13", listed [[D:\setup.exe|13.0.1.24697584]], [[D:\setup.exe]], "13.0.1",
      "Hgfs,VSS,NetworkIntrospection" },
    { "two media", listed([[D:\setup64.exe|11.3.5.31214]], [[F:\setup.exe|13.0.1.24697584]], [[F:\readme|1.2.3]]),
      [[F:\setup.exe]], "13.0.1", "Hgfs,VSS,NetworkIntrospection" },
  }
  for _, case in ipairs(cases) do
    it("of " .. case[1] .. " is known by its own name and version", function()
      local installer = assert(medium.installer(case[2]))
      assert.equal(case[3], installer.path)
      assert.equal(case[4], installer.version.text)
      local command = assert(tools.command { version = installer.version.text, program = installer.name })
      assert.equal(case[5], table.concat(command.remove, ","))
      assert.equal(installer.name, command.line:match "^%S+")
      assert.equal(case[3], medium.run(command, installer).program)
    end)
  end

  it("is not guessed: without a medium, and without a version", function()
    local found, message, code = medium.installer "\r\n"
    assert.is_nil(found)
    assert.equal("ENOENT", code)
    assert.matches("no medium with the label 'VMware Tools'", message, 1, true)
    found, message, code = medium.installer(listed [[D:\setup64.exe|]])
    assert.is_nil(found)
    assert.equal("EINVAL", code)
    assert.matches([[the version of D:\setup64.exe cannot be read]], message, 1, true)
  end)

  it("has either name for an answer file, which cannot know the medium", function()
    local text = assert(windows.answer { computer_name = "X", password = "Secret-1", image = 1 })
    assert.is_truthy(text:find("setup64.exe", 1, true))
    assert.is_truthy(text:find("\\setup.exe", 1, true))
  end)
end)

describe("tools.ensure in a guest with other Tools than the medium's", function()
  local site
  setup(function()
    local vms = {}
    for i, version in ipairs { "11.3.5", "11.3.5", "13.0.1" } do
      vms[i] = { name = "desk-" .. i, host = "esx-1", installed = "windows", power = "poweredOff", memory_mb = 4096,
        version = "vmx-20", firmware = "efi", username = "Administrator", password = "Train-1-pass",
        more = { tools = version } }
    end
    site = lab.start { speed = 300, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-1" } } },
      vms = vms, datastores = { { name = "ds-1" } } } }
    -- a drive for the medium
    local vc, check = site:client(), gpupt.check
    for i = 1, 3 do
      local vm = check(vc:one("/DC0/vm/desk-" .. i))
      check(vc:wait(check(vm:ReconfigVM_Task { spec = { deviceChange = {
        { operation = "add", device = { _type = "VirtualAHCIController", key = -10, busNumber = 0 } },
        { operation = "add", device = { _type = "VirtualCdrom", key = -11, controllerKey = -10, unitNumber = 0,
          backing = { _type = "VirtualCdromRemotePassthroughBackingInfo", deviceName = "", exclusive = false },
          connectable = { startConnected = false, allowGuestControl = true, connected = false } } } } } })))
      check(vc:wait(check(vm:PowerOnVM_Task {})))
      check(vc.guest:ready(vm))
    end
  end)
  teardown(function() site:stop() end)

  local function ensure(name, options)
    return site:apply(([[
return p.playbook { name = "tools", p.vms { where = "/DC0/vm/%s",
  login = p.login("Administrator", p.secret.command "echo Train-1-pass"),
  p.tools.ensure { %s } } }]]):format(name, options or ""), { allow = { "guest-shutdown" } })
  end

  local function setup_lines(name)
    local list = {}
    for _, event in ipairs(site.sim:get "truth".timeline) do
      local setup = event.kind == "tools-setup" and event.vm == name and not event.what:find("/A /P", 1, true)
      if setup then list[#list + 1] = event.what end
    end
    return list
  end

  it("removes what the medium's release has", function()
    site.sim:post("set", { tools_medium = "12.4.0" })
    local result = gpupt.check(ensure "desk-1")
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    assert.equal("12.4.0 REMOVE=Hgfs,VSS,NetworkIntrospection", result.targets[1].proofs["tools.ensure"])
    assert.same({ 'setup64.exe /s /v"/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs,VSS,NetworkIntrospection '
      .. '/l*v C:\\Windows\\Temp\\gpupt-tools.log"' }, setup_lines "desk-1")
    -- and has nothing to do the second time
    assert.equal("nothing", gpupt.check(ensure "desk-1").status)
  end)

  it("runs setup.exe where that is the installer, and takes a feature that the guest's release does not have", function()
    site.sim:post("set", { tools_medium = "13.0.1" })
    local result = gpupt.check(ensure("desk-2", 'remove = { "CBHelper" }'))
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    assert.same({ 'setup.exe /s /v"/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs,VSS,NetworkIntrospection,CBHelper '
      .. '/l*v C:\\Windows\\Temp\\gpupt-tools.log"' }, setup_lines "desk-2")
  end)

  it("refuses an older medium, and leaves nothing mounted", function()
    site.sim:post("set", { tools_medium = "12.4.0" })
    local result = gpupt.check(ensure "desk-3")
    assert.equal("failed", result.targets[1].status)
    assert.matches([[has VMware Tools 13.0.1, and the mounted installer %u:\setup64.exe is older %(12.4.0%)]],
      result.targets[1].message)
    assert.same({}, setup_lines "desk-3")
    assert.is_false(gpupt.check(gpupt.check(site:client():one "/DC0/vm/desk-3"):get "runtime.toolsInstallerMounted"))
  end)

  it("refuses a name that no release has while the playbook is loaded", function()
    local ok, message = pcall(ensure, "desk-1", 'remove = { "AppDefence" }')
    assert.is_false(ok)
    assert.matches("remove: the installer has no feature 'AppDefence'", tostring(message), 1, true)
  end)
end)
