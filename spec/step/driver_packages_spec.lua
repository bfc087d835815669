-- driver.install from packages: folders of .rpm files, Intel's and AMD's drivers, and a build by DKMS that fails.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local shell = require "gpupt.shell"

local check = gpupt.check
local ALLOW = { allow = { "guest-shutdown" } }

local function flex(address)
  return { address = address, vendor = "8086", device = "56c0", subvendor = "8086", subdevice = "4905", enabled = true,
    name = "Data Center GPU Flex 170", class = "0380", bars = { "16M:64", "16G:64p" } }
end

local function mi300(address)
  return { address = address, vendor = "1002", device = "74a1", subvendor = "1002", subdevice = "74a1", enabled = true,
    name = "Instinct MI300X", class = "1200", bars = { "256G:64p", "2M:64p", "512K:32" } }
end

describe("driver.install", function()
  local site
  local login = { username = "ops", password = "Train-1-pass" }

  setup(function()
    local cards, vms = {}, {}
    for i, one in ipairs { { "rocky", "rocky" }, { "sles", "sles" }, { "failing", "ubuntu" }, { "quiet", "rocky" },
      { "intel", "ubuntu" }, { "amd", "ubuntu" } } do
      local address = ("0000:%02x:00.0"):format(0x20 + i)
      cards[i] = one[1] == "intel" and flex(address) or one[1] == "amd" and mi300(address)
        or lab.card(address, { enabled = true })
      vms[i] = { name = one[1], host = "esx-1", installed = one[2], power = "poweredOn", memory_mb = 4096,
        memory_lock = true, version = "vmx-21", firmware = "efi", username = "ops", password = "Train-1-pass",
        devices = { address }, extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE",
          ["pciPassthru.64bitMMIOSizeGB"] = "1024" } }
    end
    site = lab.start { speed = 400, fleet = { clusters = { { name = "gpu", hosts = { lab.host("esx-1",
      { cards = cards, memory_gb = 256 }) } } }, datastores = { { name = "ds-1" } }, vms = vms } }
    local vc = site:client()
    for _, one in ipairs(vms) do check(vc.guest:ready(check(vc:one("/DC0/vm/" .. one.name)))) end
  end)
  teardown(function() site:stop() end)

  local function apply(name, options)
    return site:apply(([[
return p.playbook { name = "driver", p.vms { where = "/DC0/vm/%s",
  login = p.login("ops", p.secret.command "echo Train-1-pass"), p.driver.install { %s } } }]]):format(name, options),
      ALLOW)
  end

  local function put(name, path, text)
    local vc = site:client()
    local vm = check(vc:one("/DC0/vm/" .. name))
    check(vc.guest:run(vm, login, { program = "/bin/mkdir", arguments = "-p " .. shell.quote(path:match "^(.*)/") }))
    check(vc.guest:put(vm, login, nil, path, { text = text }))
  end

  for _, name in ipairs { "rocky", "sles" } do
    it("takes a folder of .rpm files in " .. name .. ", without a repository", function()
      put(name, "/var/tmp/o'ff line/driver.rpm", "package nvidia-open-570.86.15 570.86.15\n")
      local options = [[folder = "/var/tmp/o'ff line", version = "570.86"]]
      local result = apply(name, options)
      assert.equal("changed", result.targets[1].status, result.targets[1].message)
      assert.equal("driver 570.86.15", result.targets[1].proofs["driver.install"])
      assert.equal("nothing", apply(name, options).status)
    end)
  end

  -- an earlier driver.install whose proof was not stored: the program was killed, or the VM lost its mark
  it("reads and proves what an earlier one has installed, and installs it only if it is another", function()
    local vc = site:client()
    local vm = check(vc:one "/DC0/vm/rocky")
    local function forget()
      check(vc:wait(check(vm:ReconfigVM_Task { spec = { extraConfig = { { key = "gpupt.driver", value = "" } } } })))
    end
    local function changes(options)
      local result, events, rows = apply("rocky", options)
      assert.equal("changed", result.targets[1].status, result.targets[1].message)
      local list, said = {}, {}
      for _, row in ipairs(rows) do if row.kind == "change" then list[#list + 1] = row.what end end
      for _, event in ipairs(events) do said[#said + 1] = event.text end
      return list, table.concat(said, "\n"), result.targets[1].proofs["driver.install"]
    end
    local list = changes 'package = "cuda-drivers"'
    assert.matches("^install .*cuda%-drivers$", list[1])
    forget()
    local said, proof
    list, said, proof = changes 'package = "cuda-drivers"'
    assert.same({ "ReconfigVM (mark the driver)" }, list)
    assert.matches("570.86.15 is installed and runs all cards: it is not installed again", said, 1, true)
    assert.equal("driver 570.86.15", proof)
    -- other options, the same driver
    list, said, proof = changes 'package = "cuda-drivers", version = "570"'
    assert.same({ "ReconfigVM (mark the driver)" }, list)
    assert.matches("not installed again", said, 1, true)
    assert.equal("driver 570.86.15", proof)
    -- the same version with other kernel modules is another driver
    list = changes 'package = "nvidia-open"'
    assert.matches("^install .*nvidia%-open$", list[1])
  end)

  it("names the folder that has no package", function()
    local result = apply("rocky", 'folder = "/var/tmp/none"')
    assert.equal("failed", result.targets[1].status)
    assert.matches("rocky: driver: /var/tmp/none: status 1", result.targets[1].message, 1, true)
  end)

  for name, one in pairs {
    amd = { "amdgpu-dkms", "amdgpu/6.8.5-2041575.24.04", "amdgpu 6.8.5-2041575.24.04", "driver amdgpu 6.8.5" },
    intel = { "intel-i915-dkms", "intel-i915-dkms/1.24.3.23.240710.26", "intel-i915-dkms 1.24.3.23.240710.26",
      "driver i915" },
  } do
    local package, tree, said, driver = table.unpack(one)
    it(("explains a build of %s that DKMS failed; then installs it, restarts the guest and proves it"):format(package),
      function()
      site.sim:post("set", { vm = name, dkms_fails = "drm_x.c:9:2: error: implicit declaration of function 'drm_x'" })
      local result = apply(name, ('package = "%s"'):format(package))
      assert.equal("EGUEST", result.targets[1].code, result.targets[1].message)
      local message = result.targets[1].message
      assert.matches(("DKMS failed to build %s for the running kernel 6.8"):format(said), message, 1, true)
      assert.matches("implicit declaration of function 'drm_x'", message, 1, true)
      assert.matches("): the driver is older than the kernel allows", message, 1, true)
      assert.matches(("Its log in the guest: /var/lib/dkms/%s/build/make.log"):format(tree), message, 1, true)
      site.sim:post("set", { vm = name, dkms_fails = "" })
      result = apply(name, ('package = "%s"'):format(package))
      assert.equal("changed", result.targets[1].status, result.targets[1].message)
      assert.equal(driver, result.targets[1].proofs["driver.install"])
      assert.equal("nothing", apply(name, ('package = "%s"'):format(package)).status)
    end)
  end

  -- apt ends with 100 then; dnf installs the package all the same
  for name, package in pairs { failing = "nvidia-driver-550", quiet = "nvidia-open" } do
    it("explains a build that DKMS failed, on " .. name, function()
      site.sim:post("set", { vm = name, dkms_fails = "nv-pci.c:9:2: error: implicit declaration of function 'pci_x'" })
      local result = apply(name, ('package = "%s"'):format(package))
      assert.equal("EGUEST", result.targets[1].code, result.targets[1].message)
      local message = result.targets[1].message
      assert.matches("DKMS failed to build nvidia 5", message, 1, true)
      assert.matches("implicit declaration of function 'pci_x'; make", message, 1, true)
      assert.matches("): the driver is older than the kernel allows", message, 1, true)
      assert.matches("Its log in the guest: /var/lib/dkms/nvidia/5[%d.]+/build/make%.log", message)
    end)
  end
end)
