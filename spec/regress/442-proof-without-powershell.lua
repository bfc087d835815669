--- guest.verify and driver.install needed PowerShell in a Windows guest: where it was absent the proof failed with "the
-- query of Win32_PnPEntity exited with ...". pnputil lists the devices as well, in the system's language.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local pnp = require "gpupt.guest.pnp"
local proof = require "gpupt.guest.proof"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

describe("a Windows guest", function()
  local site
  local A100, T4 = lab.card("0000:21:00.0", { enabled = true }), lab.card("0000:22:00.0", { enabled = true })

  setup(function()
    local function vm(name, address)
      return { name = name, host = "esx-1", installed = "windows", power = "poweredOn", memory_mb = 4096,
        memory_lock = true, version = "vmx-21", firmware = "efi", username = "Administrator", password = "Train-1-pass",
        devices = { address }, extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE",
          ["pciPassthru.64bitMMIOSizeGB"] = "256" } }
    end
    site = lab.start { speed = 400, fleet = { clusters = { { name = "vdi", hosts = { lab.host("esx-1",
      { cards = { A100, T4 } }) } } }, datastores = { { name = "ds-1" } },
      vms = { vm("absent", A100.address), vm("constrained", T4.address) } } }
    vcenter.write(site.dir .. "/551.61-data-center.exe", "NVIDIA Display Driver 551.61\n")
    local vc = site:client()
    for _, name in ipairs { "absent", "constrained" } do
      check(vc.guest:ready(check(vc:one("/DC0/vm/" .. name))))
      site.sim:post("set", { vm = name, powershell = name, language = "de" })
    end
  end)
  teardown(function() site:stop() end)

  local function apply(name, steps)
    return (site:apply(([[
return p.playbook { name = "driver", p.vms { where = "/DC0/vm/%s",
  login = p.login("Administrator", p.secret.command "echo Train-1-pass"), %s } }]]):format(name, steps),
      { allow = { "guest-shutdown" } })).targets[1]
  end

  for _, mode in ipairs { "absent", "constrained" } do
    it("whose PowerShell is " .. mode .. " gets its driver, and the proof", function()
      local failed = apply(mode, "p.guest.verify { driver = true }")
      assert.matches("Code 28: ", failed.message, 1, true)
      local done = apply(mode, ('p.driver.install { from = "%s/551.61-data-center.exe" }, p.guest.verify { gpus = 1, '
        .. "driver = true }"):format(site.dir))
      assert.equal("changed", done.status, done.message)
      assert.equal("driver 551.61", done.proofs["driver.install"])
      assert.equal("the guest sees 1 GPU: 10de:20b5 (problem code 0)", done.proofs["guest.verify"])
      if mode == "absent" then
        site.sim:post("set", { vm = mode, problem = { [A100.address] = 43 } })
        local refused = apply(mode, "p.guest.verify { gpus = 1, driver = true, run = 'ver' }")
        assert.matches("Code 43: ", refused.message, 1, true)
      end
    end)
  end

  it("without PowerShell and with a pnputil before 1903 is refused with both reasons", function()
    local result = proof.read("windows", { pnp = { out = "", status = 1 }, pnputil = { out = "?", status = 87 } })
    assert.is_false(result.ok)
    assert.equal("no-answer", result.findings[1].code)
    assert.matches("PowerShell cannot be used in the guest", result.findings[1].cause, 1, true)
    assert.matches("pnputil /enum-devices (Windows 10 1903 and later) ended with 87", result.findings[1].cause, 1, true)
    assert.is_nil(pnp.parse_enum("Microsoft PnP Utility\n", { 0x10de }))
  end)

  it("with the basic display adapter only has no driver", function()
    local list = "Microsoft-PnP-Hilfsprogramm\n\nInstanz-ID:                 "
      .. "PCI\\VEN_10DE&DEV_1E87&SUBSYS_12F210DE&REV_A1\\4&1\n"
      .. "Ger\xe4tebeschreibung:        Microsoft Basic Display Adapter\nKlassenname:                Display\n"
      .. "Status:                     Gestartet\nTreibername:                display.inf\n\n"
      .. "Instanz-ID:                 PCI\\VEN_15AD&DEV_0405\\3&1\nKlassenname:                Display\n"
    local result = proof.read("windows", { pnp = { out = "", status = 1 }, pnputil = { out = list, status = 0 } })
    assert.equal(1, #result.devices)
    assert.equal(0x1e87, result.devices[1].device)
    assert.equal("no-driver", result.findings[1].code)
  end)
end)
