local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local sim

require "spec.support.guide"("docs/guide/first-contact.md", _ENV, function(folder)
  sim = vcenter.start { fleet = { clusters = { { name = "gpu-a", hosts = { { name = "esx-1",
    cards = { lab.card("0000:3b:00.0", { enabled = true, active = true }) } } } } },
    vms = { { name = "train-01", host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 16384, cpus = 8,
      version = "vmx-20", devices = { "0000:3b:00.0" }, memory_lock = true, extra_config = {
        ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } } } } }
  vcenter.write(folder .. "/my.lua", "")
  return ("export GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s'"):format(sim.url, sim.username,
    sim.password, sim.ca_file)
end)

describe("the page on first contact", function()
  it("leaves no session behind", function()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
  end)
end)
