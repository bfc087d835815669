--- `gpupt doctor VM` called a VM healthy whose card another VM names too, and one whose backing names the card of
-- another host, so that neither could be powered on. A VM holds a card whether it is powered on or not.
-- Source: VirtualPCIPassthroughDeviceBackingInfo.systemId, "the ID of the system the PCI device is attached to".
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

describe("gpupt doctor of a VM of the server", function()
  local site, vc

  local function attach(host, name) return site:attach("gpu-a", host, "0000:3b:00.0", name) end
  local function copy_to(vm, host) return site:register_on("gpu-a", host, vm) end

  setup(function()
    local function card()
      return { address = "0000:3b:00.0", vendor = "10de", device = "1eb8", subvendor = "10de", subdevice = "12a2",
        name = "TU104GL [Tesla T4]", class = "0302", bars = { "16M:32", "256M:64p", "32M:64p" }, enabled = true }
    end
    local function vm(name, host, power)
      return { name = name, host = host, power = power or "poweredOff", memory_mb = 4096, memory_lock = true, version = "vmx-20",
        firmware = "efi" }
    end
    site = lab.start { speed = 500, fleet = {
      clusters = { { name = "gpu-a", hosts = { lab.host("esx-1", { cards = { card() } }), lab.host("esx-2", { cards = { card() } }) } } },
      vms = { vm("alone", "esx-2"), vm("first", "esx-1"), vm("second", "esx-1"), vm("copied", "esx-1") } } }
    vc = site:client()
    attach("esx-2", "alone")
  end)
  teardown(function() if site then site:stop() end end)

  local function finding(name, code)
    local result = check(gpupt.doctor.examine { vm = check(vc:one("/DC0/vm/" .. name)) })
    for _, one in ipairs(result.findings) do
      if one.code == code then return one end
    end
  end

  it("says nothing of a card that no other VM names", function()
    assert.is_nil(finding("alone", "held-by-another"))
    assert.is_nil(finding("alone", "stale-backing"))
  end)

  it("names the other VM, powered off too", function()
    attach("esx-1", "first")
    attach("esx-1", "second")
    local one = finding("second", "held-by-another")
    assert.equal("warning", one.severity)
    assert.matches("first (powered off) names the card 0000:3b:00.0 as well", one.cause, 1, true)
    assert.equal("first", one.evidence[2].file)
    assert.matches("second", finding("first", "held-by-another").cause, 1, true)
  end)

  it("calls it an error once the other one runs", function()
    local first = check(vc:one "/DC0/vm/first")
    check(vc:wait(check(first:PowerOnVM_Task {})))
    local one = finding("second", "held-by-another")
    assert.equal("error", one.severity)
    assert.matches("first has the card 0000:3b:00.0 and is powered on", one.cause, 1, true)
    local out = site:command { "doctor", "/DC0/vm/second" }
    assert.equal(1, out.status)
    assert.matches("error: held-by-another", out.out, 1, true)
  end)

  it("finds the backing of a VM that was copied to another host stale", function()
    copy_to(attach("esx-1", "copied"), "esx-2")
    local one = finding("copied", "stale-backing")
    assert.equal("error", one.severity)
    assert.matches("was set up on the host", one.cause, 1, true)
    -- it names the card of esx-1, not the one of esx-2 that "alone" has
    assert.matches("first", finding("copied", "held-by-another").cause, 1, true)
    assert.is_nil(finding("alone", "held-by-another"))
  end)
end)
