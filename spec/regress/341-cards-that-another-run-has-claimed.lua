--- A plan gave VMs cards that another run had claimed: apply was then refused, although other cards were free, and the same
-- plan came out again until that run had ended. And keep_free counted the free cards of all clusters together, so that one
-- cluster could be left without any.
local lab = require "spec.support.lab"
local leases = require "gpupt.playbook.leases"

local function host(name)
  return lab.host(name, { cards = { lab.card("0000:3b:00.0", { enabled = true }),
    lab.card("0000:5e:00.0", { enabled = true }) } })
end

describe("a plan", function()
  local site, journal
  setup(function()
    site = lab.start { speed = 500, fleet = { clusters = { { name = "a", hosts = { host "esx-a" } },
      { name = "b", hosts = { lab.host("esx-b", { cards = { lab.card("0000:3b:00.0", { enabled = true }) } }) } } },
      vms = { { name = "desk-1", host = "esx-a", memory_mb = 1024, version = "vmx-20", firmware = "efi" },
        { name = "desk-2", host = "esx-b", memory_mb = 1024, version = "vmx-20", firmware = "efi" } } } }
    journal = site:journal()
  end)
  teardown(function()
    journal:close()
    site:stop()
  end)

  it("uses cards that no other run has claimed", function()
    local moment, uuid = require "gpupt.clock".read(), nil
    for one in site:client():collect { type = "HostSystem", paths = { "name", "hardware.systemInfo.uuid" } } do
      if one.name == "esx-a" then uuid = one["hardware.systemInfo.uuid"] end
    end
    assert(journal:enter(moment, { run = "other-1", process = "p", pid = 1, client_host = "elsewhere", seconds = 600 }))
    assert(journal:claim(moment, { run = "other-1", process = "p", what = "card", vm = "theirs",
      resource = leases.host { uuid = uuid }:gsub("^host", "card") .. "/0000:3b:00.0" }))
    local plan = assert(site:plan([[return p.playbook { name = "x", p.vms { where = "/DC0/vm/desk-1",
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]], { journal = journal }))
    assert.equal("0000:5e:00.0", plan.vms[1].cards[1].address)
    assert.same({}, plan:claimed())
  end)

  it("keeps cards free in each cluster", function()
    local plan = assert(site:plan [[return p.playbook { name = "x", p.vms { where = "/DC0/vm/desk-*", keep_free = 1,
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]])
    assert.matches("! keep_free = 1 (%S+), and only 0 would stay free in b\n", tostring(plan))
    assert.same({ "over-commit" }, plan:needs())
  end)
end)
