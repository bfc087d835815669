-- guest.verify: each way in which a guest does not see its cards has its cause, and the command ends with 1. What
-- doctor.repair can repair is repaired where the playbook says so.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

local function t4(n)
  return { address = ("0000:%02x:00.0"):format(n), vendor = "10de", device = "1eb8", subvendor = "10de", subdevice = "12a2",
    enabled = true, name = "TU104GL [Tesla T4]", class = "0302", bars = { "16M:32", "256M:64p", "32M:64p" } }
end

local function amd(n)
  return { address = ("0000:%02x:00.0"):format(n), vendor = "1002", device = "740f", subvendor = "1002", subdevice = "0c34",
    enabled = true, name = "Aldebaran [Instinct MI210]", class = "0380", bars = { "64G:64p", "2M:64p", "512K:32" } }
end

describe("guest.verify", function()
  local site

  setup(function()
    local cards = {}
    for n = 1, 8 do cards[n] = t4(0x20 + n) end
    cards[9], cards[10] = lab.card("0000:41:00.0", { enabled = true }), lab.card("0000:42:00.0", { enabled = true })
    cards[11] = lab.card("0000:43:00.0", { enabled = true })
    cards[12], cards[13] = t4(0x51), amd(0x61)
    local function vm(name, installed, devices, window, more)
      local one = { name = name, host = "esx-1", installed = installed, power = "poweredOff", memory_mb = 4096,
        memory_lock = true, version = "vmx-21", firmware = "efi", password = "Train-1-pass", devices = devices,
        username = installed == "windows" and "Administrator" or "ops", more = more,
        extra_config = window and { ["pciPassthru.use64bitMMIO"] = "TRUE",
          ["pciPassthru.64bitMMIOSizeGB"] = tostring(window) } or nil }
      return one
    end
    local eight = {}
    for n = 1, 8 do eight[n] = cards[n].address end
    site = lab.start { speed = 400, fleet = { clusters = { { name = "gpu", hosts = { lab.host("esx-1", { cards = cards,
      memory_gb = 512 }) } } }, datastores = { { name = "ds-1" } }, vms = {
        vm("eight", "ubuntu", eight, 64, { driver = "550.107.02" }),
        vm("lin", "ubuntu", { "0000:41:00.0" }, 64, { driver = "550.107.02" }),
        vm("win", "windows", { "0000:42:00.0" }, 64), vm("desk", "windows", { "0000:51:00.0" }),
        vm("fix", "ubuntu", { "0000:43:00.0" }, 64, { driver = "550.107.02" }),
        vm("amd", "ubuntu", { "0000:61:00.0" }, 256) } } }
    local vc = site:client()
    for _, name in ipairs { "eight", "lin", "win", "desk", "fix", "amd" } do
      if name == "lin" or name == "win" or name == "fix" then
        site.sim:post("set", { vm = name, mmio = "guest" }) -- a window that is too small lets the VM boot
      end
      check(vc:wait(check(check(vc:one("/DC0/vm/" .. name)):PowerOnVM_Task {})))
    end
    for _, name in ipairs { "eight", "lin", "win", "desk", "fix", "amd" } do
      check(vc.guest:ready(check(vc:one("/DC0/vm/" .. name))))
    end
  end)
  teardown(function() site:stop() end)

  local function playbook(name, steps, password)
    return site:write(([[
return p.playbook { name = "verify", p.vms { where = "/DC0/vm/%s",
  login = p.login("%s", p.secret.command "echo %s"), %s } }]]):format(name,
      (name == "win" or name == "desk") and "Administrator" or "ops", password or "Train-1-pass", steps))
  end

  -- The command's exit status and everything that it printed.
  local function apply(name, steps, o)
    o = o or {}
    site.sim:forget()
    local words = { "apply", playbook(name, steps, o.password), "--journal", site.dir .. "/verify.db" }
    for _, word in ipairs(o.allow or {}) do table.move({ "--allow", word }, 1, 2, #words + 1, words) end
    local result = site:command(words)
    return result.status, result.out .. result.err
  end

  it("explains Code 43, and the command ends with 1", function()
    site.sim:post("set", { vm = "desk", problem = { ["0000:51:00.0"] = 43 }, driver = "551.61" })
    local status, said = apply("desk", "p.guest.verify { driver = true }")
    site.sim:post("set", { vm = "desk", problem = { ["0000:51:00.0"] = 0 } })
    assert.equal(1, status, said)
    assert.matches("(problem code 43)", said, 1, true)
    assert.matches("the driver stopped the card", said, 1, true)
  end)

  it("explains Code 12 by the window", function()
    local status, said = apply("win", "p.guest.verify {}")
    assert.equal(1, status, said)
    assert.matches("(problem code 12)", said, 1, true)
    assert.matches("64bitMMIOSizeGB that `gpupt bar` computes", said, 1, true)
  end)

  it("explains 'BAR1 is 0M' by the window", function()
    local status, said = apply("lin", "p.guest.verify { driver = true }")
    assert.equal(1, status, said)
    assert.matches("64-bit MMIO window", said, 1, true)
    assert.matches("64bitMMIOSizeGB that `gpupt bar` computes", said, 1, true)
  end)

  it("misses one of eight cards that the driver does not start", function()
    local status, said = apply("eight", "p.guest.verify { driver = true, gpus = 8 }")
    assert.equal(0, status, said)
    assert.matches("the guest sees 8 GPUs", said, 1, true)
    site.sim:post("set", { vm = "eight", problem = { ["0000:25:00.0"] = 43 } })
    status, said = apply("eight", "p.guest.verify { driver = true, gpus = 8, run = 'true' }")
    site.sim:post("set", { vm = "eight", problem = { ["0000:25:00.0"] = 0 } })
    assert.equal(1, status, said)
    assert.matches("the driver uses fewer cards than are on the PCI bus", said, 1, true)
  end)

  it("misses one of nine cards that were to be there", function()
    local status, said = apply("eight", "p.guest.verify { driver = true, gpus = 9 }")
    assert.equal(1, status, said)
    assert.matches("the guest sees fewer cards than the VM was given", said, 1, true)
    -- the folder of the step's programs is gone, also after a failure
    assert.equal(1, site.sim:calls "CreateTemporaryDirectoryInGuest")
    assert.equal(1, site.sim:calls "DeleteDirectoryInGuest")
  end)

  it("tries a wrong password once", function()
    local status, said = apply("lin", "p.guest.verify {}", { password = "not-it" })
    assert.equal(1, status, said)
    assert.equal(1, site.sim:calls "ValidateCredentialsInGuest")
    assert.equal(0, site.sim:calls "StartProgramInGuest")
    assert.matches("does not accept the account 'ops'", said, 1, true)
    assert.is_nil(said:find("not-it", 1, true))
  end)

  it("repairs the window where the playbook says so, with the approval", function()
    local verify = 'p.guest.verify { driver = true, repair = { "mmio" } }'
    local status, said = apply("fix", verify)
    assert.equal(4, status, said)
    assert.matches("guest-shutdown", said, 1, true)
    status, said = apply("fix", verify, { allow = { "guest-shutdown" } })
    assert.equal(0, status, said)
    assert.matches("repairing mmio: ", said, 1, true)
    assert.matches("the guest sees 1 GPU: 10de:20b5", said, 1, true)
    assert.equal(0, (apply("fix", verify)))
  end)

  it("repairs nothing that the playbook does not name", function()
    local status = apply("lin", 'p.guest.verify { driver = true, repair = { "memory" } }', { allow = { "guest-shutdown" } })
    assert.equal(1, status)
    assert.equal(0, site.sim:calls "ReconfigVM_Task")
    local ok, message = pcall(site.load, site, 'return p.playbook { name = "x", p.vms { where = "/DC0/vm/lin", '
      .. 'p.guest.verify { repair = { "firmware" } } } }')
    assert.is_false(ok)
    assert.matches("repair: 'firmware' is not one of", tostring(message), 1, true)
  end)

  it("knows AMD's driver by its version, and its tool", function()
    local status, said = apply("amd", 'p.driver.install { package = "amdgpu-dkms" }, p.guest.verify { driver = true }',
      { allow = { "guest-shutdown" } })
    assert.equal(0, status, said)
    assert.matches("driver amdgpu 6.8.5", said, 1, true)
    assert.matches("the guest sees 1 GPU: 1002:740f", said, 1, true)
  end)
end)
