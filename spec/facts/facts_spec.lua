-- Vendors' facts that several modules use, each defined once.
local devices_per_vm = require "gpupt.facts.devices_per_vm"
local codes = require "gpupt.facts.windows_codes"
local family = require "gpupt.facts.guest_family"

describe("the number of passthrough devices that a VM may have", function()
  local rows = {
    { 7, nil, 6 }, { 10, nil, 6 }, { 11, nil, 16 }, { 13, "6.5.0", 16 }, { 19, "7.0.3", 16 },
    { 20, "8.0.0", 32 }, { 20, "8.0", 32 }, { 20, "8.0.1", 64 }, { 20, "8.0.3", 64 }, { 20, "9.0.0", 64 },
    { 21, "8.0.3", 128 },
  }
  for _, row in ipairs(rows) do
    it(("is %d at hardware version %d%s"):format(row[3], row[1], row[2] and " on ESXi " .. row[2] or ""), function()
      assert.same({ row[3], false }, { devices_per_vm.most(row[1], row[2]) })
    end)
  end

  it("is the larger number if it depends on an unknown release, with a note", function()
    assert.same({ 64, true }, { devices_per_vm.most(20) })
  end)

  it("is unknown if none is published", function()
    assert.is_nil((devices_per_vm.most(22, "9.0.0")))
    assert.is_nil((devices_per_vm.most(4, "5.0.0")))
    assert.is_nil((devices_per_vm.most(nil)))
  end)
end)

describe("the family of a guest", function()
  it("is what VMware Tools report, whatever the VM was configured for", function()
    assert.equal("linux", family("linuxGuest", nil, "windows2022srvNext_64Guest"))
    assert.equal("windows", family("windowsGuest", nil, "ubuntu64Guest"))
  end)

  it("is that of the guest id until Tools report one", function()
    assert.equal("windows", family(nil, nil, "windows11_64Guest"))
    assert.equal("windows", family("", "", "winNetStandardGuest"))
    assert.equal("linux", family(nil, nil, "rhel9_64Guest"))
  end)

  it("is Linux for unknown guests", function() assert.equal("linux", family(nil, nil, nil)) end)
end)

describe("the driver that decides Code 43", function()
  it("accepts a GeForce in a VM from release 465 on", function()
    assert.same({ false, true, true }, { codes.accepts_hypervisor "461.92", codes.accepts_hypervisor "465.89",
      codes.accepts_hypervisor(537) })
  end)

  it("is not judged without its release", function()
    assert.is_nil(codes.accepts_hypervisor(nil))
    assert.is_nil(codes.accepts_hypervisor "unknown")
  end)
end)
