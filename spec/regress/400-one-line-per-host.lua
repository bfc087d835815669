-- A plan had a line for each change of a host's roll, and one entry for each host whose VMs differ: 40 hosts with other
-- VMs each were 80 lines. A host's line says what is enabled, that it reboots, and which VMs are moved and shut down;
-- missing spare cards are a warning of their own.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

describe("the line of a host in a plan", function()
  local l

  setup(function()
    local hosts, vms = {}, {}
    for i = 1, 6 do hosts[i] = lab.host(("esx-%02d"):format(i)) end
    hosts[4] = lab.host("esx-04", { cards = { lab.card("0000:3b:00.0", { enabled = true, active = false }) } })
    hosts[5] = lab.host("esx-05", { cards = { lab.card "0000:3b:00.0", lab.card("0000:86:00.0", { enabled = true }) } })
    hosts[6] = lab.host("esx-06", { rebind_without_reboot = true })
    for i = 1, 5 do
      vms[i] = { name = "web-" .. i, host = "esx-01", memory_mb = 1024, power = "poweredOn" }
    end
    vms[6] = { name = "db-1", host = "esx-02", memory_mb = 1024, power = "poweredOn" }
    vms[7] = { name = "W11-OLD7", host = "esx-05", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 8192,
      memory_lock = true, devices = { "0000:86:00.0" }, power = "poweredOn", installed = "ubuntu", extra_config = {
        ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } }
    l = lab.start { speed = 500, fleet = { clusters = { { name = "c", hosts = hosts } }, vms = vms } }
    assert(l:client():wait_for(assert(l.vc:one "/DC0/vm/W11-OLD7"), { "guest.toolsRunningStatus" }, function(v)
      return v["guest.toolsRunningStatus"] == "guestToolsRunning"
    end, { timeout = 20 }))
  end)
  teardown(function() l:stop() end)

  local function playbook(drain)
    return ([[return p.playbook { name = "x", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:20b5" },
      roll = { guests = "shutdown-idle" %s }, p.host.enable {} } }]]):format(drain or "")
  end

  it("says what is enabled, that it reboots, and who is moved and shut down; equal hosts share it", function()
    local text = tostring(gpupt.check(l:plan(playbook())))
    assert.matches("\n~ esx-[01-03,05]  host.enable  enable 3b:00.0 -> reboot; vMotion of 6 VMs; W11-OLD7 on esx-05 shut down "
      .. "(has a card, no session)\n", text, 1, true)
    assert.matches("\n~ esx-04          host.enable  3b:00.0 enabled, NOT active -> reboot\n", text, 1, true)
    assert.matches("\n~ esx-06          host.enable  enable 3b:00.0 -> activate without a reboot\n", text, 1, true)
    local _, lines = text:gsub("\n~", "")
    assert.equal(3, lines)
    assert.is_nil(text:find("pending reboot\n", 1, true))
    text = tostring(gpupt.check(l:plan(playbook(), { limit = "esx-05" })))
    assert.matches("\n~ esx-05  host.enable  enable 3b:00.0 -> reboot; W11-OLD7 shut down (has a card, no session)\n", text, 1, true)
  end)

  it("says that a user is logged in", function()
    l.sim:post("set", { vm = "W11-OLD7", session = "mia" })
    local text = tostring(gpupt.check(l:plan(playbook())))
    assert.matches("W11-OLD7 on esx-05 shut down (has a card, user logged in)\n", text, 1, true)
    assert.matches("Needs: --allow guest-shutdown,reboot,sessions", text, 1, true)
    l.sim:post("set", { vm = "W11-OLD7", session = "" })
  end)

  it("leaves --diff and --json complete", function()
    local plan = gpupt.check(l:plan(playbook()))
    local _, shown = plan:text { diff = true }:gsub("3b:00.0 passthrough: off %-> enabled", "")
    assert.equal(2, shown) -- of esx-[01-03,05] and esx-06
    local done = l:command { "plan", l:write(playbook()), "--json" }
    local value, verbs = gpupt.json.decode(done.out), {}
    for _, change in ipairs(value.changes) do
      if change.target == "esx-05" then verbs[#verbs + 1] = change.verb end
    end
    assert.same({ "enable", "guest shutdown", "reboot" }, verbs)
    assert.equal("reboot, with vMotion of db-1", value.groups[2].changes[2].what)
  end)

  it("is the same in the README", function()
    local readme, guide = vcenter.read "README.md", vcenter.read "docs/guide.md"
    local sample = readme:match "%$ gpupt plan examples/first_light.lua\n(.-)\n\n"
    local count = 0
    for line in sample:gmatch "[^\n]+" do -- the guide's transcript is compared with the command's output
      if line ~= "..." then
        assert.is_truthy(guide:find("\n" .. line .. "\n", 1, true), line)
        count = count + 1
      end
    end
    assert.is_true(count > 10)
  end)
end)
