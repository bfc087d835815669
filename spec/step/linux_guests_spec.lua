-- tools.ensure and driver.install in the guests of other distributions: dnf, zypper and apk, kernel headers, folders of
-- packages, Fabric Manager in exactly the driver's version.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local shell = require "gpupt.shell"

local check = gpupt.check

local function h100(address)
  return { address = address, vendor = "10de", device = "2330", subvendor = "10de", subdevice = "16c1", enabled = true,
    name = "GH100 [H100 SXM5 80GB]", class = "0302", bars = { "16M:64p", "128G:64p", "32M:64p" } }
end

local function nvswitch(address)
  return { address = address, vendor = "10de", device = "22a3", subvendor = "10de", subdevice = "1796", enabled = true,
    name = "GH100 [H100 NVSwitch]", class = "0680", bars = { "32M:64" } }
end

describe("Linux guests", function()
  local site

  setup(function()
    local function vm(name, installed, devices, more)
      return { name = name, host = "esx-1", installed = installed, power = "poweredOn", memory_mb = 4096, memory_lock = true,
        version = "vmx-21", firmware = "efi", username = "ops", password = "Train-1-pass", devices = devices, more = more,
        extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "512" } }
    end
    site = lab.start { speed = 400, fleet = { clusters = { { name = "hgx", hosts = { lab.host("esx-1", { cards = {
      h100 "0000:20:00.0", h100 "0000:21:00.0", h100 "0000:22:00.0", h100 "0000:23:00.0", h100 "0000:24:00.0",
      nvswitch "0000:05:00.0", nvswitch "0000:06:00.0", nvswitch "0000:07:00.0" } }) } } },
      datastores = { { name = "ds-1" } },
      vms = { vm("rocky", "rocky", { "0000:20:00.0", "0000:05:00.0" }), vm("sles", "sles", { "0000:21:00.0" }),
        vm("alpine", "alpine"), vm("ubuntu", "ubuntu", { "0000:22:00.0", "0000:06:00.0" }),
        vm("other", "ubuntu", { "0000:23:00.0", "0000:07:00.0" }), vm("old", "rocky", nil, { tools = "tar" }) } } }
    local vc = site:client()
    for _, name in ipairs { "rocky", "sles", "alpine", "ubuntu", "other", "old" } do
      check(vc.guest:ready(check(vc:one("/DC0/vm/" .. name))))
    end
  end)
  teardown(function() site:stop() end)

  local function apply(name, steps, allow)
    site.sim:forget()
    local result, events, code = site:apply(([[
return p.playbook { name = "linux", p.vms { where = "/DC0/vm/%s",
  login = p.login("ops", p.secret.command "echo Train-1-pass"), %s } }]]):format(name, steps), { allow = allow })
    if not result then return nil, events, code end
    local said = {}
    for _, event in ipairs(events) do said[#said + 1] = event.text end
    return result, table.concat(said, "\n")
  end

  local function put(name, path, text)
    local vc = site:client()
    local login = { username = "ops", password = "Train-1-pass" }
    local vm = check(vc:one("/DC0/vm/" .. name))
    check(vc.guest:run(vm, login, { program = "/bin/mkdir", arguments = "-p " .. shell.quote(path:match "^(.*)/") }))
    check(vc.guest:put(vm, login, nil, path, { text = text }))
  end

  for name, said in pairs { rocky = "open%-vm%-tools%-desktop is missing", sles = "open%-vm%-tools%-desktop is missing",
    alpine = "open%-vm%-tools%-gtk is missing", ubuntu = "open%-vm%-tools%-desktop is missing" } do
    it("of " .. name .. " get open-vm-tools by its package manager", function()
      local result, text = apply(name, "p.tools.ensure { desktop = true }")
      assert.equal("changed", result.targets[1].status, result.targets[1].message)
      assert.matches(said, text)
      assert.equal("nothing", apply(name, "p.tools.ensure { desktop = true }").status)
      assert.equal("changed", apply(name, "p.tools.ensure {}").targets[1].status)
    end)
  end

  it("say that another process holds the lock", function()
    site.sim:post("set", { vm = "sles", apt_lock = 100000 })
    local result = apply("sles", 'p.driver.install { package = "nvidia-open" }', { "guest-shutdown" })
    assert.equal("EBUSY", result.targets[1].code)
    assert.matches("status 7 (another zypper or YaST holds the lock)", result.targets[1].message, 1, true)
  end)

  it("with the .tar Tools are refused, with the way out", function()
    local result = apply("old", "p.tools.ensure {}")
    assert.equal("EREFUSED", result.targets[1].code)
    assert.matches("Remove them first (vmware-uninstall-tools.pl)", result.targets[1].message, 1, true)
  end)

  it("get the headers of their kernel, a driver by dnf, and Fabric Manager of its version", function()
    local result, text = apply("rocky", 'p.driver.install { package = "nvidia-open" }', { "guest-shutdown" })
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    assert.equal("driver 570.86.15, Fabric Manager 570.86.15", result.targets[1].proofs["driver.install"])
    assert.matches("HGX H100 or H200: the guest has 1 NVSwitch; Fabric Manager is not installed", text, 1, true)
    local headers
    for _, event in ipairs(site.sim:get "truth".timeline) do
      headers = headers or event.kind == "driver-installed"
    end
    assert.equal("nothing", apply("rocky", 'p.driver.install { package = "nvidia-open" }').status)
  end)

  it("say that no repository has Fabric Manager of the driver's version", function()
    put("other", "/var/tmp/debs/driver.deb", "package nvidia-open-570.11.11 570.11.11\n")
    local result = apply("other", 'p.driver.install { folder = "/var/tmp/debs" }', { "guest-shutdown" })
    assert.equal("failed", result.targets[1].status)
    assert.matches("HGX H100 or H200 needs Fabric Manager of exactly the driver's version 570.11.11", result.targets[1].message,
      1, true)
    assert.matches("Version '570.11.11*' for 'nvidia-fabricmanager-570' was not found", result.targets[1].message, 1, true)
  end)

  it("get packages of a folder in the guest, whose name has blanks", function()
    put("ubuntu", "/var/tmp/o'ff line/driver.deb", "package nvidia-open-570.86.15 570.86.15\n")
    local result = apply("ubuntu", [[p.driver.install { folder = "/var/tmp/o'ff line" }]], { "guest-shutdown" })
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    assert.equal("driver 570.86.15, Fabric Manager 570.86.15", result.targets[1].proofs["driver.install"])
  end)
end)
