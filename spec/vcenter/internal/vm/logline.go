package vm

import (
	"fmt"
	"strconv"
	"time"

	"gpupt.test/vcenter/internal/vmlog"
)

// logLine writes one line into the running vmware.log.
func (r *Service) logLine(vm *VM, text string) {
	if dir := vm.dir(); dir != "" {
		l := vmlog.New(time.Now)
		l.Info("%s", text)
		_ = vmlog.Append(dir, l.String())
	}
}

// keepOld is how many old logs the VM keeps.
func (vm *VM) keepOld() int {
	if n, err := strconv.Atoi(vm.extra("log.keepOld")); err == nil && n > 0 {
		return n
	}
	return vmlog.KeepOld
}

// iommuFault powers the VM off after a device's forbidden access.
func (r *Service) iommuFault(vm *VM, address string) {
	if address == "" && len(vm.assigned) > 0 {
		address = vm.assigned[0].card.Address
	}
	r.logLine(vm, fmt.Sprintf("PCI passthru device %s caused an IOMMU fault type 5 at address 0xe0041000.  Powering off the virtual machine.", address))
	r.powerOff(vm, "IOMMU fault")
}
