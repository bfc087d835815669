package vm

// start.go is the host's part of a power-on: the VMX process with its rules and its log.

import (
	"fmt"
	"math/bits"
	"strconv"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/bars"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/vmlog"
)

// start is the host's part of a power-on. It returns the 64-bit window.
func (r *Service) start(vm *VM, h *host.Host, list []*placed, log *vmlog.Log) (uint64, *fault.Error) {
	c := vm.Config
	memory := int64(c.Hardware.MemoryMB)
	if vm.refuse != "" {
		line := vm.refuse
		vm.refuse = ""
		return 0, refused(log, "msg.gpsim", line)
	}
	for _, d := range c.Hardware.Device {
		if cd, ok := d.(*types.VirtualCdrom); ok && (cd.Connectable == nil || cd.Connectable.StartConnected) {
			if b, ok := cd.Backing.(*types.VirtualCdromIsoBackingInfo); ok && !r.isoExists(b.FileName) {
				return 0, refused(log, "msg.cdromdisk.openFailed", fmt.Sprintf("Cannot find the file %s.", b.FileName))
			}
		}
	}
	if *c.MemoryAllocation.Reservation > r.unreserved(h) {
		return 0, fault.New(&types.InsufficientMemoryResourcesFault{InsufficientResourcesFault: types.InsufficientResourcesFault{},
			Unreserved: r.unreserved(h) << 20, Requested: *c.MemoryAllocation.Reservation << 20},
			"The host does not have sufficient memory resources to satisfy the reservation.")
	}
	if e := vm.slots(list, log); e != nil {
		return 0, e
	}
	if e := vm.rawKeys(log); e != nil {
		return 0, e
	}
	if len(list) == 0 {
		log.VCPU("Guest: %s", firmwareLine(vm.efi()))
		return 0, nil
	}
	if isTrue(c.NestedHVEnabled) || isTrue(c.Flags.VbsEnabled) {
		return 0, refused(log, "msg.pciPassthru.nestedHV", "Virtualization is not supported on a virtual machine with a PCI passthrough device.")
	}
	if *c.MemoryAllocation.Reservation != memory {
		return 0, refused(log, "msg.memVmnix.badMinSize",
			fmt.Sprintf("Invalid memory setting: memory reservation (sched.mem.min) should be equal to memsize(%d).", memory))
	}
	wide := vm.extraTrue("pciPassthru.use64bitMMIO")
	window := uint64(0)
	if wide && vm.efi() {
		window = bars.DefaultSize
	}
	size := vm.extra("pciPassthru.64bitMMIOSizeGB")
	if size != "" {
		gb, err := strconv.ParseUint(size, 10, 32)
		if err != nil || gb == 0 || bits.OnesCount64(gb) != 1 {
			return 0, refused(log, "msg.pciPassthru.badMMIOSize", fmt.Sprintf("Invalid value \"%s\" for pciPassthru.64bitMMIOSizeGB: it must be a power of two.", size))
		}
		if wide && vm.efi() {
			window = gb << 30
		}
	}
	var all [][]bars.Bar
	var above uint64
	pages := uint64(0)
	base := uint64(0x3b800000000)
	for _, p := range list {
		all = append(all, p.bars)
		above += bars.Above(p.bars)
		at := make([]uint64, len(p.bars))
		for i, b := range p.bars {
			switch {
			case b.IO:
				at[i] = 0x3000
			case b.Mem64:
				base = (base + b.Size - 1) &^ (b.Size - 1)
				at[i] = base
				base += b.Size
			default:
				at[i] = 0xd4000000
			}
		}
		log.Device(p.card.Address, at, p.bars)
		pages += bars.Pages(p.bars)
	}
	if !wide {
		// counted device by device, as the real message counts
		sum := uint64(0)
		for _, p := range list {
			if sum += bars.Pages(p.bars); sum > bars.Limit {
				return 0, refused(log, "msg.pciPassthru.mmioLimit", fmt.Sprintf("PCIPassthru: total number of pages needed (%d) exceeds limit (%d), failing", pages, bars.Limit))
			}
		}
	}
	for _, p := range list {
		log.Info("PCIPassthru: Attached device %s to IOMMU domain", p.card.Address)
	}
	log.VCPU("PCIPassthru: successfully created the IOMMU mappings")
	_, missing := bars.Place(all, window)
	if window > 0 && missing > 0 && size != "" && vm.mmio != "guest" {
		return 0, refused(log, "msg.pciPassthru.pciMmioError",
			fmt.Sprintf("The firmware could not allocate %d KB of PCI MMIO. Increase the size of PCI MMIO and try again.", above/1024))
	}
	log.VCPU("Guest: %s", firmwareLine(vm.efi()))
	if missing > 0 && window == 0 && above > 2<<30 {
		log.VCPU("Guest: Failed to add BAR memory")
	}
	return window, nil
}

func firmwareLine(efi bool) string {
	if efi {
		return "EFI ROM version: VMW201.00V.21805430.B64.2305221830 (64-bit RELEASE)"
	}
	return "BIOS ROM version: 6.00"
}

// unreserved is the host's memory that no running VM has reserved, in MB.
func (r *Service) unreserved(h *host.Host) int64 {
	free := int64(h.Desc.MemoryGB) << 10
	free -= free / 50 // the host's own
	for _, v := range r.w.VMsOn(h.HS) {
		if host.On(v) && v.Config.MemoryAllocation != nil && v.Config.MemoryAllocation.Reservation != nil {
			free -= *v.Config.MemoryAllocation.Reservation
		}
	}
	return free
}

func (vm *VM) setPower(s types.VirtualMachinePowerState) {
	vm.Runtime.PowerState = s
	vm.Runtime.BootTime = nil
	if s == types.VirtualMachinePowerStatePoweredOn {
		now := time.Now()
		vm.Runtime.BootTime = &now
	}
	vm.Summary.Runtime = vm.Runtime
	vm.drawn()
	vm.service.touch(vm, false)
}

// drawn informs the host that cards were taken or given back.
func (vm *VM) drawn() {
	if h := vm.host(); h != nil && len(host.Passthrough(vm.VirtualMachine)) > 0 {
		vm.service.hosts.Drawn(h)
	}
}

// connect follows startConnected when the power changes.
func (vm *VM) connect(on bool) {
	for _, d := range vm.Config.Hardware.Device {
		if c := d.GetVirtualDevice().Connectable; c != nil {
			n := *c
			n.Connected = on && n.StartConnected
			d.GetVirtualDevice().Connectable = &n
		}
	}
}

func (r *Service) powerOff(vm *VM, how string) {
	r.event(vm, stopping)
	vm.guest.Stop()
	vm.halted()
	vm.setPower(types.VirtualMachinePowerStatePoweredOff)
	vm.publish()
	if dir := vm.dir(); dir != "" {
		log := vmlog.New(time.Now)
		log.Info("Powering off")
		log.Info("VMX exit (0).")
		_ = vmlog.Append(dir, log.String())
	}
	r.event(vm, poweredOff)
	r.w.Truth.VM("powered-off", vm.hostName(), vm.Name, "%s", how)
}

// halted frees what the running VM held.
func (vm *VM) halted() {
	vm.guest.Stop()
	vm.connect(false)
	for _, p := range host.Passthrough(vm.VirtualMachine) {
		if b, ok := p.Backing.(*types.VirtualPCIPassthroughDynamicBackingInfo); ok && b.AssignedId != "" {
			n := *b
			n.AssignedId = ""
			p.Backing = &n
		}
	}
	vm.assigned, vm.tools = nil, false
	vm.drawn()
	vm.Runtime.ToolsInstallerMounted = false
}
