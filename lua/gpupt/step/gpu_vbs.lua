--- Virtualization-based security (VBS) of a VM that gets a card. Windows' own hypervisor runs in such a VM, and
-- passthrough is not supported beside it: vSphere Security 6.7 to 8.0, Virtualization-based Security Best Practices
-- (fault tolerance, PCI passthrough, hot-add of CPU or memory); KB 437651. That holds for fixed and dynamic backings.
--
-- A VM with VBS is refused, unless the playbook says vbs = "off" and the run has --allow vbs-off. Then the reconfigure
-- that attaches the card also switches off what VBS has switched on in the VM: flags.vbsEnabled, nestedHVEnabled and
-- flags.vvtdEnabled, the virtual IOMMU (API reference: VirtualMachineFlagInfo.vbsEnabled; the tests of
-- vmware/ansible-vsphere-gos-validation switch them off together). The firmware and Secure Boot stay: the installed
-- system boots by them.
--
-- Windows starts without it, and reports VBS as enabled, but not running (Win32_DeviceGuard,
-- VirtualizationBasedSecurityStatus = 1), until it is switched off there too.
local vms = require "gpupt.fleet.vm"

local vbs = {}

-- More CPUs than this need a virtual IOMMU with or without VBS: KB 88161.
local MOST_CPUS = 127

vbs.word, vbs.verb = "vbs-off", "VBS off"
vbs.approval = "switch off the virtualization-based security of VMs"

--- Why a VM (its record) gets no card, or nil.
function vbs.refusal(vm, o)
  if not vm.vbs or o.vbs == "off" then return nil end
  return "has virtualization-based security (VBS) enabled, which does not work with a passed-through card. Set vbs = "
    .. "\"off\" in p.gpu.attach (it needs --allow vbs-off), and switch VBS off in the guest as well"
end

--- What switching it off changes in this VM, besides nested virtualization, which no VM with a card has: { flags = for
-- the ConfigSpec, text =, settings = { { name, before, after } } for the plan }; nil: nothing.
function vbs.off(vm)
  if not vm.vbs then return nil end
  local flags, also = { vbsEnabled = false }, {}
  local settings = { { name = "virtualization-based security", before = "on", after = "off" } }
  local function add(name)
    also[#also + 1] = name
    settings[#settings + 1] = { name = name, before = "on", after = "off" }
  end
  if vm.nested then add "nested virtualization" end
  if vm.vvtd and (vm.cpus or 0) <= MOST_CPUS then
    flags.vvtdEnabled = false
    add "virtual IOMMU"
  end
  return { flags = flags, settings = settings, text = "virtualization-based security on -> off"
    .. (#also > 0 and (" (with it %s)"):format(table.concat(also, ", ")) or "") }
end

--- The line of a plan: its own one, because it is about security.
function vbs.change(off)
  return { sign = "~", verb = vbs.verb, allow = vbs.word, what = off.text, settings = off.settings }
end

--- What a plan says besides.
function vbs.notes(vm)
  local list = {}
  if vms.family(vm) ~= "linux" then
    list[1] = "VBS is still wanted by Windows: switch it off there as well (the policy Turn On Virtualization Based "
      .. "Security, or EnableVirtualizationBasedSecurity = 0 below Control\\DeviceGuard). Credential Guard and memory "
      .. "integrity do not protect the guest any more"
  end
  if vm.vvtd and (vm.cpus or 0) > MOST_CPUS then
    list[#list + 1] = ("the virtual IOMMU stays on, because %d CPUs need it (KB 88161)"):format(vm.cpus)
  end
  return list
end

return vbs
