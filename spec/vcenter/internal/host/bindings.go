package host

// bindings.go: which running VM has which device, as the host itself says.

import (
	"fmt"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "host.bindings", Sure: "inferred", As: "inferred", Source: "API reference: HostConfigInfo.assignableHardwareBinding, HostAssignableHardwareBinding (a device instance has been allocated to a VM; pciId and deviceKey since 9.1). Which form instanceId has, and whether fixed backings are listed too, is not published",
	Text: "config.assignableHardwareBinding lists each passthrough device of the running VMs with its VM; since 9.1 with the PCI address and the key of the virtual device."})

// publishBindings lists the devices of the running VMs.
func (r *Hosts) publishBindings(h *Host) {
	list := []types.HostAssignableHardwareBinding{}
	for _, vm := range r.w.VMsOn(h.HS) {
		if !On(vm) {
			continue
		}
		for _, p := range Passthrough(vm) {
			if a := Address(p); a != "" {
				list = append(list, types.HostAssignableHardwareBinding{InstanceId: fmt.Sprintf("%s/%d", a, p.Key), Vm: vm.Self})
			}
		}
	}
	h.HS.Config.AssignableHardwareBinding = list
}
