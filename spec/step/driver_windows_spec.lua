-- driver.install in Windows guests: a folder of .inf files, and a GeForce whose driver refuses the hypervisor.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check
local GEFORCE = { address = "0000:20:00.0", vendor = "10de", device = "1e87", subvendor = "10de", subdevice = "12f2",
  enabled = true, name = "TU104 [GeForce RTX 2080 Rev. A]", class = "0300", bars = { "16M:32", "256M:64p", "32M:64p" } }
local A100 = lab.card("0000:21:00.0", { enabled = true })

describe("driver.install in Windows", function()
  local site

  setup(function()
    local function vm(name, address)
      return { name = name, host = "esx-1", installed = "windows", power = "poweredOn", memory_mb = 4096,
        memory_lock = true, version = "vmx-21", firmware = "efi", username = "Administrator", password = "Train-1-pass",
        devices = { address }, extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE",
          ["pciPassthru.64bitMMIOSizeGB"] = "256" } }
    end
    site = lab.start { speed = 400, fleet = { clusters = { { name = "vdi", hosts = { lab.host("esx-1",
      { cards = { GEFORCE, A100 } }) } } }, datastores = { { name = "ds-1" } },
      vms = { vm("game", GEFORCE.address), vm("train", A100.address) } } }
    local vc = site:client()
    for _, name in ipairs { "game", "train" } do check(vc.guest:ready(check(vc:one("/DC0/vm/" .. name)))) end
  end)
  teardown(function() site:stop() end)

  local function apply(name, step, allow)
    site.sim:forget()
    local result, events, code = site:apply(([[
return p.playbook { name = "driver", p.vms { where = "/DC0/vm/%s",
  login = p.login("Administrator", p.secret.command "echo Train-1-pass"), %s } }]]):format(name, step),
      { allow = allow or { "guest-shutdown" } })
    if not result then return nil, events, code end
    local said = {}
    for _, event in ipairs(events) do said[#said + 1] = event.text end
    return result, table.concat(said, "\n")
  end

  local function exe(version)
    local path = site.dir .. "/" .. version .. "-desktop.exe"
    vcenter.write(path, "NVIDIA Display Driver " .. version .. "\n")
    return path
  end

  local function key(name)
    local vm = check(site:client():one("/DC0/vm/" .. name))
    for _, one in ipairs(check(vm:get "config.extraConfig")) do
      if one.key == "hypervisor.cpuid.v0" then return one.value end
    end
  end

  it("keeps the hypervisor visible with hide_hypervisor = false, and names it as the reason", function()
    local result = apply("game", ('p.driver.install { from = "%s", hide_hypervisor = false }'):format(exe "457.51"))
    assert.equal("failed", result.targets[1].status)
    assert.matches("Code 43", result.targets[1].message, 1, true)
    assert.matches("hide_hypervisor = false keeps the hypervisor visible", result.targets[1].message, 1, true)
    assert.is_nil(key "game")
  end)

  it("hides it from a GeForce that stops with Code 43, with the reason, and restarts the VM", function()
    local result, said = apply("game", ('p.driver.install { from = "%s" }'):format(exe "457.51"))
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    assert.equal("driver 457.51", result.targets[1].proofs["driver.install"])
    assert.matches("hypervisor.cpuid.v0 = FALSE: a GeForce with Code 43", said, 1, true)
    assert.equal("FALSE", key "game")
    assert.equal(1, site.sim:calls "PowerOnVM_Task")
  end)

  it("never hides it from another card by itself", function()
    site.sim:post("set", { vm = "train", problem = { [A100.address] = 43 } })
    local step = ('p.driver.install { from = "%s" %%s }'):format(exe "551.61")
    local result = apply("train", step:format "")
    assert.matches("Code 43.*only a GeForce needs a hidden hypervisor", result.targets[1].message)
    assert.is_nil(key "train")
    -- with true it takes the approval, too
    result = apply("train", step:format ", hide_hypervisor = true")
    assert.matches("needs --allow hide-hypervisor", result.targets[1].message, 1, true)
    assert.is_nil(key "train")
    site.sim:post("set", { vm = "train", problem = { [A100.address] = 0 } })
  end)

  it("adds the drivers of a folder in the guest, whose name has blanks and a percent sign", function()
    local vc = site:client()
    local vm, login = check(vc:one "/DC0/vm/train"), { username = "Administrator", password = "Train-1-pass" }
    check(vc.guest:run(vm, login, { program = [[C:\Windows\System32\cmd.exe]],
      arguments = [[/c "md "C:\100% drivers\Display.Driver""]] }))
    check(vc.guest:put(vm, login, nil, [[C:\100% drivers\Display.Driver\nv.inf]],
      { text = "[Version]\r\nDriverVer = 01/02/2024, 31.0.15.5222\r\n%A100% = Section, PCI\\VEN_10DE&DEV_20B5\r\n" }))
    local result = apply("train", [[p.driver.install { folder = "C:\\100% drivers\\" }]])
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    assert.equal("driver 552.22", result.targets[1].proofs["driver.install"])
    result = apply("train", [[p.driver.install { folder = "C:\\none" }]])
    assert.matches("pnputil: exit code 2: the folder has no .inf file", result.targets[1].message, 1, true)
  end)
end)
