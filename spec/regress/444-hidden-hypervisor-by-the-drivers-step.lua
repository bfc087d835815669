--- gpu.attach hid the hypervisor from a GeForce with "the driver version is unknown" although driver.install of the same
-- scope named the driver.
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local GEFORCE = { address = "0000:20:00.0", vendor = "10de", device = "1e87", subvendor = "10de", subdevice = "12f2",
  enabled = true, name = "TU104 [GeForce RTX 2080 Rev. A]", class = "0300", bars = { "16M:32", "256M:64p", "32M:64p" } }

describe('hide_hypervisor = "auto"', function()
  local site

  setup(function()
    site = lab.start { speed = 400, fleet = { clusters = { { name = "vdi", hosts = { lab.host("esx-1",
      { cards = { GEFORCE, lab.card("0000:21:00.0", { enabled = true }) } }) } } }, datastores = { { name = "ds-1" } },
      vms = { { name = "game", host = "esx-1", installed = "windows", memory_mb = 4096, version = "vmx-21",
        firmware = "efi", username = "Administrator", password = "Train-1-pass" } } } }
    for _, version in ipairs { "457.51", "551.61" } do
      vcenter.write(("%s/%s-desktop.exe"):format(site.dir, version), "NVIDIA Display Driver " .. version .. "\n")
    end
  end)
  teardown(function() site:stop() end)

  -- the plan as a text, and the value of hypervisor.cpuid.v0 that it sets
  local function planned(steps)
    local path = site:write(([[
return p.playbook { name = "game", p.vms { where = "/DC0/vm/game",
  login = p.login("Administrator", p.secret.command "echo Train-1-pass"), %s } }]]):format(steps))
    local done = site:command { "plan", path }
    return done.out .. done.err
  end

  local ATTACH = 'p.gpu.attach { devices = p.gpus { match = "10de:1e87", bars = "16M/32,256M,32M" }, power_on = true%s }, '

  for version, said in pairs {
    ["457.51"] = "hypervisor.cpuid.v0: FALSE (driver 457.51 stops with Code 43 when it sees a hypervisor)",
    ["551.61"] = "hypervisor.cpuid.v0: not set (driver 551.61 accepts a GeForce in a VM (since 465))",
  } do
    it("reads the version of driver.install " .. version .. ", with the reason in the plan", function()
      local text = planned(ATTACH:format "" .. ('p.driver.install { from = "%s/%s-desktop.exe" }'):format(site.dir,
        version))
      assert.matches(said, text, 1, true)
      assert.matches(said, planned(ATTACH:format "" .. ([[p.driver.install { folder = "D:\\drivers", version = "%s" }]])
        :format(version)), 1, true)
    end)
  end

  it("prefers the driver of gpu.attach itself, and knows none that an earlier step installs", function()
    assert.matches("driver 460.1 stops with Code 43", planned(ATTACH:format ', driver = "460.1"'
      .. ('p.driver.install { from = "%s/551.61-desktop.exe" }'):format(site.dir)), 1, true)
    assert.matches("the driver version is unknown", planned(ATTACH:format ""), 1, true)
  end)

  it("says nothing of it for another card", function()
    local text = planned(ATTACH:format "":gsub("1e87", "20b5"):gsub(", bars = \"[^\"]*\"", "")
      .. ('p.driver.install { from = "%s/551.61-desktop.exe" }'):format(site.dir))
    assert.is_nil(text:find("cpuid", 1, true))
    assert.matches("attach", text, 1, true)
  end)
end)
