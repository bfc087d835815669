--- A guest without lspci (RHEL's @core, minimal images): driver.install saw no cards, so it chose the wrong kernel modules
-- and left out Fabric Manager; guest.verify said "run the command in the guest by hand" and not which package is missing.
local gpupt = require "gpupt"
local answer = require "gpupt.guest.answer"
local driver = require "gpupt.guest.driver"
local lab = require "spec.support.lab"
local proof = require "gpupt.guest.proof"

local check = gpupt.check
local LOGIN = { username = "ops", password = "Train-1-pass" }

describe("a Linux guest without lspci", function()
  local site

  setup(function()
    local function vm(name, installed, device)
      return { name = name, host = "esx-1", installed = installed, power = "poweredOn", memory_mb = 4096,
        memory_lock = true, version = "vmx-21", firmware = "efi", username = "ops", password = "Train-1-pass",
        devices = { device }, more = { driver = "550.107.02" },
        extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "1024" } }
    end
    site = lab.start { speed = 400, fleet = { clusters = { { name = "a", hosts = { lab.host("esx-1", { cards = {
      lab.card("0000:41:00.0", { enabled = true }), lab.card("0000:42:00.0", { enabled = true }) } }) } } },
      datastores = { { name = "ds-1" } }, vms = { vm("ubuntu", "ubuntu", "0000:41:00.0"), vm("rocky", "rocky", "0000:42:00.0") } } }
    for _, name in ipairs { "ubuntu", "rocky" } do
      local ref = check(site:client():one("/DC0/vm/" .. name))
      check(site:client().guest:ready(ref))
      local gone = check(site:client().guest:run(ref, LOGIN, { program = "/bin/bash",
        arguments = "-c 'sudo -n rm /usr/bin/lspci'" }))
      assert.equal(0, gone.rc, gone.stderr)
    end
  end)
  teardown(function() site:stop() end)

  for _, name in ipairs { "ubuntu", "rocky" } do
    it("shows its cards to driver.install: " .. name, function()
      local ref = check(site:client():one("/DC0/vm/" .. name))
      local look = driver.look()
      local seen = assert(driver.read(check(site:client().guest:run(ref, LOGIN, { program = look.program,
        arguments = look.arguments })).stdout))
      local cards = {}
      for _, card in ipairs(seen.cards) do if card.vendor == 0x10de then cards[#cards + 1] = card end end
      assert.same({ { class = 0x0302, vendor = 0x10de, device = 0x20b5 } }, cards)
    end)

    it("says what to install: " .. name, function()
      local result = assert(site:apply(([=[return p.playbook { name = "v", p.vms { where = "/DC0/vm/%s",
        login = p.login("ops", p.secret.command "echo Train-1-pass"), p.guest.verify {} } }]=]):format(name)))
      assert.equal("failed", result.status)
      assert.matches("lspci is not installed in the guest, so nothing is proved. Install the package pciutils there",
        result.targets[1].message, 1, true)
    end)
  end

  it("is no proof of anything", function()
    local seen = proof.read("linux", { lspci = { out = "", status = 127 } }, { vendors = { 0x10de } })
    assert.is_false(seen.ok)
    assert.equal("no-lspci", seen.findings[1].code)
  end)

  it("does not come from answers that gpupt makes", function()
    local options = { hostname = "train-01", user = "ops", password = "Pw-1-long", salt = "abc", packages = { "pciutils" } }
    assert.matches("\nopen%-vm%-tools\npciutils\n%%end", (assert(answer.kickstart(options))))
    assert.equal(1, select(2, assert(answer.cloud_init(options))["user-data"]:gsub("%- pciutils\n", "")))
    options.autoinstall, options.packages = false, nil
    assert.matches("%- pciutils\n", assert(answer.cloud_init(options))["user-data"])
  end)
end)
