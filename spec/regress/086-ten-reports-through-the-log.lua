-- Ten public reports that gpupt answered wrongly, as far as a log tells of them: each was "nothing about passthrough", half
-- an answer, or an example's figures.
local json = require "gpupt.json"
local run = require "spec.support.command".run

local function scan(text) return json.decode(select(2, run("log - --json", text))) end

local function codes(result)
  local list = {}
  for i, finding in ipairs(result.findings) do list[i] = finding.code end
  return table.concat(list, " ")
end

describe("the log of", function()
  it("a USB controller that does not survive its reset says so, and which reset method to try", function()
    local vm = scan("2020-05-03T08:12:40.400Z| vmx| I125: DICT       pciPassthru0.id = \"00000:013:00.3\"\n"
      .. "2020-05-03T08:12:41.001Z| vmx| I125: PCIPassthru: Failed to register device 0000:0d:00.3 error = 0xffffffff\n"
      .. "2020-05-03T08:12:41.001Z| vmx| I125: [msg.pciPassthru.createAdapterFailedPlatformNotSupported] Failed to register the device "
      .. "pciPassthru0 for 013:00.3 due to unavailable hardware or software support.\n"
      .. "2020-05-03T08:12:41.001Z| vmx| I125: Module 'DevicePowerOn' power on failed.\n")
    assert.equal("register-failed", codes(vm))
    assert.equal(2, #vm.findings[1].consequences)
    assert.matches("d3d0", vm.findings[1].remedy, 1, true)
    local host = scan("2020-05-03T08:12:40.900Z cpu10:2100020)WARNING: PCI: 384: Dev @ 0000:0d:00.3 did not complete its pending "
      .. "transactions prior to being reset; will apply the reset anyway but this may cause PCI errors\n"
      .. "2020-05-03T08:12:40.950Z cpu7:2100020)WARNING: PCI: 471: Dev 0000:0d:00.3 is unresponsive after reset\n")
    assert.equal("reset-pending reset-unresponsive", codes(host))
    assert.equal("d3d0", host.findings[2].detail.method)
    assert.equal("problems", host.verdict)
  end)

  it("a host without interrupt vectors names KB 313395's cure, with its releases", function()
    local host = scan("2012-08-07T07:57:31.269Z cpu9:739725)WARNING: IntrVector: 290: Out of interrupt vectors\n"
      .. "2012-08-07T07:57:31.269Z cpu9:739725)MSI: 570: Couldn't allocate a vector number 16 for device 000:008:00.0\n"
      .. "2012-08-07T07:57:31.269Z cpu9:739725)VMKPCIPassthru: 2454: Failed to allocate 32 MSIX vectors\n")
    assert.equal("vectors-exhausted", codes(host))
    assert.equal(2, #host.findings[1].consequences)
    for _, word in ipairs { "maxMSIXvectors", "intrFirstMsixVector", "7.0.1 to 8.0" } do
      assert.matches(word, host.findings[1].remedy, 1, true)
    end
    assert.equal("vectors-vm", codes(scan("2017-03-07T07:57:31.269Z| vcpu-0| I125: PCIPassthruChangeIntrSettings: 0000:08:10.1 failed to "
      .. "register interrupt (error code 195887110)\n")))
  end)

  it("a blue screen 0x116 is read, and msiEnabled is for ESXi 5.1 and 5.5 only", function()
    local report = "Problem signature:\n  Problem Event Name:\tBlueScreen\n  BCCode:\t116\n"
    assert.equal("windows-bugcheck-116", codes(scan(report)))
    assert.matches("only there", scan(report).findings[1].remedy, 1, true)
    local begin = "2014-03-03T08:12:40.101Z| vmx| I120: Log for VMware ESX pid=1 version=VMware ESXi %s build=build-1 option=Release\n"
    assert.matches("On ESXi 5.5 set pciPassthruN.msiEnabled", scan(begin:format "5.5.0" .. report).findings[1].remedy, 1, true)
    assert.not_matches("msiEnabled", scan(begin:format "8.0.2" .. report).findings[1].remedy)
  end)

  it("no log at all (a passthru.map, a list of devices) is unread, not clean", function()
    for _, text in ipairs { "# NVIDIA\n10de  ffff  bridge   false\n", "0000:04:00.0\n   Vendor ID: 0x10de\n   Reset Method: Bridge reset\n" } do
      assert.equal("unclear", scan(text).verdict)
    end
  end)

  it("a script that wrote the negative vendor id is read wrapped, and no example is printed", function()
    local result = scan("Start-VM The operation for the entity\n\"desk-61-4\" failed with the following message: \"The systemId does not match\n"
      .. "the current system or the deviceId, and the vendorId does not match the device\ncurrently at 97:0.0.\". \n")
    assert.equal("system-id", codes(result))
    assert.not_matches("10de", result.findings[1].remedy, 1, true)
  end)

  it("Code 43 of a GeForce goes by the driver's release", function()
    local result = scan("Name: NVIDIA GeForce RTX 2080 Ti\nDriver Version: 31.0.15.3713\nConfigManagerErrorCode : 43\n")
    assert.equal("windows-code-43", codes(result))
    assert.matches("537.13", result.findings[1].cause, 1, true)
    assert.matches("hypervisor.cpuid.v0 is not needed", result.findings[1].remedy, 1, true)
  end)

  it("GPUs without the NVSwitches of their board is judged as a board", function()
    local result = scan("[   20.000001] nvidia-nvlink: Nvlink Core is being initialized, major device number 237\n"
      .. "Aug 11 10:00:00 node nv-fabricmanager[4177]: request to query NVSwitch device information from NVSwitch driver failed with "
      .. "error:WARNING Nothing to do [NV_WARN_NOTHING_TO_DO]\n"
      .. "Aug 11 10:00:00 node systemd[1]: nvidia-fabricmanager.service: Control process exited, code=exited, status=1/FAILURE\n"
      .. "CUDA initialization: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized\n")
    assert.equal("fabric-no-switch cuda-802", codes(result))
    assert.matches("not the switches", result.findings[1].cause, 1, true)
    assert.matches("NVSwitch systems on vSphere", result.findings[1].remedy, 1, true)
  end)

  it("nested virtualization names VBS with it", function()
    local result = scan "Virtualization is not supported on a virtual machine with a PCI passthrough device.\n"
    assert.equal("nested-hv", codes(result))
    assert.matches("windows.vbs.enabled", result.findings[1].remedy, 1, true)
  end)

  it("a guest whose BAR found no place is read, one finding for the card", function()
    local result = scan("[    0.712] pci 0000:13:00.0: BAR 1: no space for [mem size 0x1000000000 64bit pref]\n"
      .. "[    0.712] pci 0000:13:00.0: BAR 1: failed to assign [mem size 0x1000000000 64bit pref]\n")
    assert.equal("bar-no-space", codes(result))
    assert.equal(2, result.findings[1].count)
    assert.matches("64 GiB", result.findings[1].cause, 1, true)
  end)
end)
