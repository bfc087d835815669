--- Which driver fits which cards, and how it is installed on which distribution: no guest is needed for that.
local architecture = require "gpupt.facts.nvidia_architecture"
local driver = require "gpupt.guest.driver"

local A100, T4, V100, P100, L40S = { vendor = 0x10de, device = 0x20b5 }, { vendor = 0x10de, device = 0x1eb8 },
  { vendor = 0x10de, device = 0x1db6 }, { vendor = 0x10de, device = 0x15f8 }, { vendor = 0x10de, device = 0x26b9 }
local H100, B200, RTX5090 = { vendor = 0x10de, device = 0x2330 }, { vendor = 0x10de, device = 0x2901 },
  { vendor = 0x10de, device = 0x2b85 }

describe("the architecture of a card", function()
  for _, row in ipairs { { A100, "Ampere" }, { T4, "Turing" }, { V100, "Volta" }, { P100, "Pascal" }, { L40S, "Ada" },
    { H100, "Hopper" }, { B200, "Blackwell" }, { RTX5090, "Blackwell" }, { { device = 0x25b6 }, "Ampere" },
    { { device = 0x102d }, "Kepler" }, { { device = 0x13f2 }, "Maxwell" }, { { device = 0x1b38 }, "Pascal" },
    { { device = 0x2235 }, "Ampere" }, { { device = 0x27b8 }, "Ada" } } do
    it(("of %04x is %s"):format(row[1].device, row[2]), function()
      assert.equal(row[2], architecture(row[1].device).name)
    end)
  end
  it("of an unknown device id is unknown", function() assert.is_nil(architecture(0x5000)) end)
end)

describe("the kernel modules", function()
  local function flavour(cards, o) return driver.flavour(cards, o or {}) end

  it("are the open ones for Blackwell, the proprietary ones before Turing", function()
    assert.is_true(flavour({ B200 }, { branch = 570 }).open)
    assert.is_false(flavour({ V100 }, { branch = 550 }).open)
    assert.matches("10de:2b85 %(Blackwell%) need the open kernel modules", flavour({ RTX5090 }).why)
  end)

  it("are NVIDIA's default for the branch where both will do", function()
    assert.is_false(flavour({ A100 }, { branch = 550 }).open)
    assert.is_true(flavour({ A100 }, { branch = 570 }).open)
    assert.is_true(flavour({ A100 }, { branch = 550, open = true }).open)
  end)

  for _, row in ipairs {
    { { B200 }, { branch = 570, open = false }, "need the open kernel modules" },
    { { P100 }, { branch = 550, open = true }, "need the proprietary kernel modules" },
    { { B200, V100 }, { branch = 570 }, "no driver supports both" },
    { { B200 }, { branch = 550 }, "driver 550 does not support 10de:2901 %(Blackwell%): it needs 570 or later" },
    { { V100 }, { branch = 590 }, "driver 590 does not support 10de:1db6 %(Volta%): 580 is its last branch" },
  } do
    it("are refused: " .. row[3]:gsub("%%", ""), function()
      local ok, message, code = flavour(row[1], row[2])
      assert.is_nil(ok)
      assert.matches(row[3], message)
      assert.equal("EREFUSED", code)
    end)
  end

  it("are left to the package for a card of another vendor or an unknown one", function()
    assert.is_nil(flavour({ { vendor = 0x10de, device = 0x5000 } }).open)
    assert.is_false(flavour({ { vendor = 0x1002, device = 0x74a1 } }).open)
  end)
end)

describe("the name of a package or a file", function()
  it("says branch and modules", function()
    assert.same({ branch = 550, server = true, open = true, ubuntu = true }, driver.package "nvidia-driver-550-server-open")
    assert.same({ branch = 570, server = false, open = false, ubuntu = true }, driver.package "nvidia-headless-570")
    assert.same({ open = true }, driver.package "nvidia-open")
    assert.is_nil(driver.package "amdgpu-dkms")
    assert.same({ version = "550.90.07", branch = 550 }, driver.run_file "NVIDIA-Linux-x86_64-550.90.07.run")
    assert.same({ version = "551.61", branch = 551 }, driver.run_file "551.61-data-center-tesla-desktop-win10-win11-64bit-dch.exe")
    assert.is_nil(driver.run_file "nvidia.exe")
  end)

  it("gives the packages for Secure Boot", function()
    local seen = { secure_boot = true, id = "ubuntu", kernel = "6.8.0-45-generic" }
    assert.same({ "linux-modules-nvidia-550-server-open-generic", "nvidia-driver-550-server-open" },
      driver.packages("nvidia-driver-550-server-open", seen, {}))
    assert.same({ "nvidia-driver-550" }, driver.packages("nvidia-driver-550", { id = "ubuntu", kernel = "x" }, {}))
    seen.id = "rocky"
    local ok, message = driver.packages("nvidia-driver", seen, {})
    assert.is_nil(ok)
    assert.matches("Secure Boot is on", message)
    assert.same({ "nvidia-driver" }, driver.packages("nvidia-driver", seen, { mok = true }))
  end)

  it("gives the installer's arguments", function()
    assert.equal("sh /var/tmp/x.run --silent -m=kernel-open", (driver.run_command("/var/tmp/x.run", 550, true):gsub("'", "")))
    assert.equal("sh /var/tmp/x.run --silent", (driver.run_command("/var/tmp/x.run", 550, false):gsub("'", "")))
    assert.equal("sh /var/tmp/x.run --silent --kernel-module-type=open --dkms",
      (driver.run_command("/var/tmp/x.run", 570, true, "--dkms"):gsub("'", "")))
  end)
end)

describe("what a Linux guest says", function()
  local ANSWER = [[
@os
PRETTY_NAME="Ubuntu 24.04.1 LTS"
ID=ubuntu
ID_LIKE=debian
@kernel
6.8.0-45-generic
@root
1000
sudo
@secure
SecureBoot enabled
@modules
nouveau 2310144 0 - Live 0x0000000000000000
@version
@module
@amdgpu
none
@dkms
@cards
0b:00.0 0302: 10de:20b5 (rev a1)
@end
]]
  it("is read", function()
    local seen = assert(driver.read(ANSWER))
    assert.same({ "debian", "6.8.0-45-generic", true, true, true }, { seen.family, seen.kernel, seen.root, seen.secure_boot,
      seen.nouveau })
    assert.same({ { class = 0x302, vendor = 0x10de, device = 0x20b5 } }, seen.cards)
    assert.is_nil(driver.describe(seen))
  end)

  it("shows a loaded driver", function()
    local seen = driver.read((ANSWER:gsub("@version\n@module\n", "@version\nNVRM version: NVIDIA UNIX Open Kernel Module for "
      .. "x86_64  570.86.15  Release Build\n@module\n570.86.15\nDual MIT/GPL\n")))
    assert.equal("NVIDIA 570.86.15 (open modules)", driver.describe(seen))
  end)

  it("is refused when it was cut", function()
    local seen, message, code = driver.read(ANSWER:sub(1, -6))
    assert.is_nil(seen)
    assert.matches("not complete", message)
    assert.equal("EGUEST", code)
  end)
end)
