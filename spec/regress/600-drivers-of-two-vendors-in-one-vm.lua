-- A VM with cards of two vendors, each with its own driver.install: the proof of AMD's named NVIDIA's version, so
-- `version` could not match; each proof asked for the drivers of all cards; and with one mark for both, every run
-- installed both again.
local gpupt = require "gpupt"
local driver = require "gpupt.guest.driver"
local lab = require "spec.support.lab"
local vendor = require "gpupt.step.driver_vendor"

local check = gpupt.check

local AMD = 'package = "amdgpu-dkms", version = "6.8.5"'
local NVIDIA = 'package = "nvidia-driver-550", version = "550"'

describe("a VM with cards of NVIDIA and AMD", function()
  local site
  local names = { "nvidia-first", "amd-first" }

  setup(function()
    local cards, vms = {}, {}
    for i, name in ipairs(names) do
      local one, other = ("0000:%02x:00.0"):format(0x20 + i), ("0000:%02x:00.0"):format(0x30 + i)
      cards[#cards + 1] = lab.card(one, { enabled = true })
      cards[#cards + 1] = { address = other, vendor = "1002", device = "74a1", subvendor = "1002", subdevice = "74a1",
        enabled = true, name = "Instinct MI300X", class = "1200", bars = { "256G:64p", "2M:64p", "512K:32" } }
      vms[i] = { name = name, host = "esx-1", installed = "ubuntu", power = "poweredOn", memory_mb = 4096,
        memory_lock = true, version = "vmx-21", firmware = "efi", username = "ops", password = "Train-1-pass",
        devices = { one, other }, extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE",
          ["pciPassthru.64bitMMIOSizeGB"] = "1024" } }
    end
    site = lab.start { speed = 400, fleet = { clusters = { { name = "gpu", hosts = { lab.host("esx-1",
      { cards = cards, memory_gb = 256 }) } } }, datastores = { { name = "ds-1" } }, vms = vms } }
    local vc = site:client()
    for _, name in ipairs(names) do check(vc.guest:ready(check(vc:one("/DC0/vm/" .. name)))) end
  end)
  teardown(function() site:stop() end)

  local function apply(name, options)
    local result = check(site:apply(([[
return p.playbook { name = "driver", p.vms { where = "/DC0/vm/%s",
  login = p.login("ops", p.secret.command "echo Train-1-pass"), p.driver.install { %s } } }]]):format(name, options),
      { allow = { "guest-shutdown" } }))
    return result, result.targets[1]
  end

  for _, name in ipairs(names) do
    it("has each proved by its own cards, and installs nothing again: " .. name, function()
      local order = name == "amd-first" and { AMD, NVIDIA } or { NVIDIA, AMD }
      local proofs = { [AMD] = "driver amdgpu 6.8.5", [NVIDIA] = "driver 550.107.02" }
      for _, options in ipairs(order) do
        local _, target = apply(name, options)
        assert.equal("changed", target.status, target.message)
        assert.equal(proofs[options], target.proofs["driver.install"])
      end
      for _, options in ipairs { order[1], order[2], order[1] } do
        assert.equal("nothing", (apply(name, options)).status)
      end
      -- a version that does not run is still a failure
      local _, target = apply(name, 'package = "amdgpu-dkms", version = "5.1"')
      assert.equal("EPROOF", target.code)
      assert.matches("version amdgpu 6.8.5 runs, not 5.1", target.message, 1, true)
    end)
  end

  it("takes the vendor from the name, or from `vendor` where a name does not say it", function()
    for name, id in pairs { ["amdgpu-dkms"] = 0x1002, ["amdgpu-dkms=1:6.8.5"] = 0x1002, ["rocm"] = 0x1002,
      ["intel-i915-dkms"] = 0x8086, ["cuda-drivers"] = 0x10de, ["nvidia-open"] = 0x10de } do
      assert.equal(id, vendor.of { package = name }, name)
    end
    assert.equal(0x10de, vendor.of { from = "files/NVIDIA-Linux-x86_64-550.90.07.run" })
    assert.is_nil(vendor.of { from = "files/setup.exe" })
    assert.is_nil(vendor.of { folder = "/mnt/drivers" })
    assert.equal(0x1002, vendor.of { folder = "/mnt/drivers", vendor = "amd" })
  end)

  it("does not wait for another vendor's modules", function()
    local now = { kernel = "6.8", dkms = {}, modules = { nouveau = true, amdgpu = true }, nouveau = true,
      amdgpu = { module = "6.8.5", loaded = "6.8.5" }, cards = { { vendor = 0x10de }, { vendor = 0x1002 } } }
    assert.is_string((driver.unbuilt(now)))
    assert.is_true(driver.needs_restart(now))
    local amd = driver.only(now, 0x1002)
    assert.is_nil((driver.unbuilt(amd)))
    assert.is_false(driver.needs_restart(amd))
    now = { modules = {}, nouveau = false, loaded = { version = "550.1" }, module = { version = "550.1" },
      amdgpu = { module = "6.8.5", loaded = "none" }, cards = { { vendor = 0x10de }, { vendor = 0x1002 } } }
    assert.is_true(driver.needs_restart(now))
    assert.is_false(driver.needs_restart(driver.only(now, 0x10de)))
  end)

  -- the mark was gpupt.driver whoever's driver it was: a VM that has it installs nothing again
  it("accepts the mark of an earlier version", function()
    local function mark(key, value)
      local vc = site:client()
      local vm = check(vc:one "/DC0/vm/amd-first")
      local before
      for _, one in ipairs(check(vm:get "config.extraConfig")) do if one.key == key then before = one.value end end
      check(vc:wait(check(vm:ReconfigVM_Task { spec = { extraConfig = { { key = key, value = value } } } })))
      return before
    end
    local own = mark("gpupt.driver.amd", "")
    assert.matches("^%x+ amdgpu 6", own)
    mark("gpupt.driver", own)
    assert.equal("nothing", (apply("amd-first", AMD)).status)
    -- but not where there is a newer one
    mark("gpupt.driver.amd", "0123456789abcdef01234567 amdgpu 6.9")
    local _, target = apply("amd-first", AMD)
    assert.equal("changed", target.status, target.message)
  end)
end)
