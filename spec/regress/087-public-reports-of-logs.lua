-- luacheck: ignore 631 (lines of logs are as long as they are)
-- Twelve more public reports (docs/notes/doctor-reports-log.md has their sources): what their logs say, told.
local json = require "gpupt.json"
local run = require "spec.support.command".run

local function scan(text) return json.decode(select(2, run("log - --json", text))) end

-- name -> { the log, codes expected, a word of the cause or the remedy of the first, or nothing }
local reports = {
  ["HPE, AMD host: hot-plug takes the card away (Broadcom; HPE a00121002en_us)"] = { [==[
2023-09-12T10:11:12.001Z cpu144:15901592)PCIPassthru: 3873: pcipDevInfo(0x43174d483300) allocated for 0000:a9:00.0
2023-09-12T10:11:12.101Z cpu98:2097948)PCIEHP: 1564: 0000:a8:01.0: hotplug slot:0x1: num reads=1 slot status=0x108.
2023-09-12T10:11:12.102Z cpu98:2097948)PCIEHP: 1496: 0000:a8:01.0: hotplug slot:0x1 (0000:a9:00.0) Adapter removed.
2023-09-12T10:11:12.103Z cpu98:2097948)PCIEHP: 1048: 0000:a8:01.0: Disabling hotplug slot:0x1
2023-09-12T10:11:13.001Z cpu3:2097947)PCIEHP: 1477: 0000:a8:01.0: hotplug slot:0x1 (0000:a9:00.0) Adapter inserted.
2023-09-12T10:11:13.004Z cpu3:2097947)WARNING: PCIEHP: 641: 0000:a8:01.0: hotplug slot: 0x1: Device insertion detected while prior device 0000:a9:00.0 removal is still pending
]==], "device-taken hotplug-busy hotplug-removed hotplug-inserted hotplug-pending", "enablePCIEHotplug -v FALSE" },
  ["ESX 8 and 9: a crash while a passthrough VM powers on (KB 428541)"] = { [==[
2025-10-02T04:05:06.001Z cpu17:2109876)@BlueScreen: #PF Exception 14 in world 2109876:prealloc-1 IP 0x42003a addr 0x28
2025-10-02T04:05:06.002Z cpu17:2109876)0x453a1b19bf00:[0x42003a]VmMemPf_PreallocRange@vmkernel#nover+0x45 stack: 0x1
]==], "prealloc-psod", "9.0.1.0" },
  ["ESXi 7 and 8: PSOD on an IOMMU fault of a vGPU host (KB 394974)"] = { [==[
2025-04-02T04:05:06.001Z cpu17:2109876)@BlueScreen: IOMMU Fault detected for 0000:c1:00.0 (vmgp0/nvidia) IOaddr: 0xa1fc6a000 Mask: 0x6 Domain: 0x430af4e0c460.
]==], "iommu-psod-driver", "16.10" },
  ["ESXi 7: PSOD when VT-d is switched on (KB 381094)"] = { [==[
2024-11-02T04:05:06.001Z cpu0:2097152)@BlueScreen: IOMMU UNIT 15 did not complete processing of a queued invalidation wait descriptor after 4 secs. This is likely by a known VT -d hardware erratum with a BIOS work-around
]==], "iommu-invalidation", "The card is not at fault" },
  ["Intel E810 on ESXi 8: IOMMU fault type 4 (KB 392714)"] = { [==[
2025-03-02T04:05:06.001Z In(05) vmx - DICT          pciPassthru0.present = "TRUE"
2025-03-02T04:05:06.001Z Er(02) vcpu-3 - VMware ESX unrecoverable error: (vmx) PCI passthru device 0000:8b:00.1 caused an IOMMU fault type 4 at address 0x7fff0000.
]==], "iommu-fault", "one card, so peer-to-peer is not the cause" },
  ["AMD Polaris on ESXi: no PCIe atomics (ROCm#307)"] = { [==[
[    5.102030] [drm] amdgpu kernel modesetting enabled.
[    5.275652] kfd kfd: amdgpu: skipped device 1002:67df, PCI rejects atomics
]==], "kfd-atomics", "do not pass them" },
  ["AMD Navi 14: the firmware is too old to do without atomics"] = { [==[
[    5.275652] kfd kfd: amdgpu: skipped device 1002:7341, PCI rejects atomics 123<145
]==], "kfd-atomics", "firmware 145 or later" },
  ["AMD MI210: the security processor does not come up (ROCm#2747)"] = { [==[
[Mon Dec 18 08:34:36 2023] amdgpu 0000:c7:00.0: amdgpu: Will use PSP to load VCN firmware
[Mon Dec 18 08:34:36 2023] [drm:psp_hw_start [amdgpu]] *ERROR* PSP create ring failed!
[Mon Dec 18 08:34:37 2023] [drm:psp_v13_0_ring_destroy [amdgpu]] *ERROR* Fail to stop psp ring
[Mon Dec 18 08:34:37 2023] [drm:amdgpu_fill_buffer [amdgpu]] *ERROR* Trying to clear memory with ring turned off.
[Mon Dec 18 08:34:37 2023] amdgpu 0000:c7:00.0: amdgpu: Fatal error during GPU init
]==], "amdgpu-psp", "bridge" },
  ["Intel Arc Pro B50 on ESXi, a board without Resizable BAR (IGCIT#1228)"] = { [==[
Name : Intel(R) Arc(TM) Pro B50 Graphics
Driver Version : 32.0.101.6979
Status : Windows has stopped this device because it has reported problems. (Code 43)
]==], "windows-code-43", "only NVIDIA's driver checks for a hypervisor" },
  ["GT 1030 with the open modules (negativo17#158), as journalctl prints it"] = { [==[
Aug 14 10:00:00 pc kernel: NVRM: The NVIDIA GPU 0000:09:00.0 (PCI ID: 10de:1d01)
             NVRM: installed in this system is not supported by open
             NVRM: nvidia.ko because it does not include the required GPU
             NVRM: System Processor (GSP).
             NVRM: Please see the 'Open Linux Kernel Modules' and 'GSP
             NVRM: Firmware' sections in the driver README, available on
             NVRM: the Linux graphics driver download page at
             NVRM: www.nvidia.com.
Aug 14 10:00:00 pc kernel: nvidia 0000:09:00.0: probe with driver nvidia failed with error -1
Aug 14 10:00:00 pc kernel: NVRM: The NVIDIA probe routine failed for 1 device(s).
Aug 14 10:00:00 pc kernel: NVRM: None of the NVIDIA devices were initialized.
]==], "nvrm-needs-closed", "10de:1d01" },
  ["a VMware guest with BIOS firmware: RmInitAdapter failed (cuda-samples#104)"] = { [==[
Feb 09 15:47:06 debian kernel: NVRM: GPU 0000:13:00.0: RmInitAdapter failed! (0x26:0x56:1463)
Feb 09 15:47:06 debian kernel: Hardware name: VMware, Inc. VMware Virtual Platform/440BX Desktop Reference Platform, BIOS 6.00 11/12/2020
]==], "nvrm-init guest-bios", "BIOS firmware" },
  ["an H100 in a VM: driver and Fabric Manager differ (nvtrust#55)"] = { [==[
Sep 30 10:00:00 node nv-fabricmanager[977]: fabric manager NVIDIA GPU driver interface version 550.90.07 don't match with driver version 550.107.02. Please update with matching NVIDIA driver package
]==], "fabric-version", "550.107.02" },
}

describe("a public report", function()
  for name, report in pairs(reports) do
    it("is reported: " .. name, function()
      local result = scan(report[1])
      local list = {}
      for i, finding in ipairs(result.findings) do list[i] = finding.code end
      assert.equal(report[2], table.concat(list, " "))
      local text = ""
      for _, finding in ipairs(result.findings) do text = text .. finding.cause .. finding.remedy end
      assert.matches(report[3], text, 1, true)
      assert.equal("problems", result.verdict)
      assert.same({}, result.not_understood)
    end)
  end

  it("of one card in several lines is one finding with its consequences", function()
    local result = scan(reports["GT 1030 with the open modules (negativo17#158), as journalctl prints it"][1])
    assert.equal(3, #result.findings[1].consequences)
    assert.equal("0000:09:00.0", result.findings[1].address)
  end)
end)
