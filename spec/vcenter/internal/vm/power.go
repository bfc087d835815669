package vm

// power.go: power operations. Powering on with passthrough devices is where configurations
// show their faults; each rule here has its line in the table (rules.go), its fault, and
// its line in vmware.log.

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/bars"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/vmlog"
)

func (r *Room) registerPower() {
	simple := func(method string, work time.Duration, check func(*VM) *fault.Error, do func(*VM) *fault.Error) {
		r.s.Handle(method, func(c *api.Call) (any, *fault.Error) {
			vm, e := r.of(c.This)
			if e != nil {
				return nil, e
			}
			slot := vm.hostName()
			return c.Task(task.Spec{Exclusive: true, Work: work, Slot: slot,
				Check: func(*task.Task) *fault.Error { return check(vm) },
				Do: func(*task.Task) (any, *fault.Error) {
					if e := check(vm); e != nil {
						return nil, e
					}
					return nil, do(vm)
				}})
		})
	}
	simple("PowerOnVM_Task", 3*time.Second, r.mayPowerOn, r.powerOn)
	simple("PowerOffVM_Task", 2*time.Second, func(vm *VM) *fault.Error { return vm.wants(types.VirtualMachinePowerStatePoweredOff) },
		func(vm *VM) *fault.Error { r.powerOff(vm, "powered off"); return nil })
	simple("ResetVM_Task", 2*time.Second, (*VM).mustRun, func(vm *VM) *fault.Error {
		vm.guest.Reset()
		r.w.Truth.VM("reset", vm.hostName(), vm.Name, "reset")
		return nil
	})
	simple("SuspendVM_Task", 5*time.Second, func(vm *VM) *fault.Error {
		if e := vm.mustRun(); e != nil {
			return e
		}
		if len(host.Passthrough(vm.VirtualMachine)) > 0 {
			const text = "A virtual machine with a PCI DirectPath I/O device cannot be suspended when FPT devices in-use have posted interrupts enabled."
			r.logLine(vm, "[msg.pciPassthru.noSuspend.postedInterrupts] "+text)
			return fault.New(&types.GenericVmConfigFault{Reason: text}, text).With("msg.pciPassthru.noSuspend.postedInterrupts", text)
		}
		return nil
	}, func(vm *VM) *fault.Error {
		vm.guest.Stop()
		vm.setPower(types.VirtualMachinePowerStateSuspended)
		return nil
	})
	r.s.Handle("PowerOnMultiVM_Task", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.PowerOnMultiVM_Task)
		return c.Task(task.Spec{Work: 3 * time.Second, Do: func(*task.Task) (any, *fault.Error) {
			res := types.ClusterPowerOnVmResult{}
			for _, ref := range req.Vm {
				vm, e := r.of(ref)
				if e == nil {
					e = r.powerOn(vm)
				}
				if e != nil {
					res.NotAttempted = append(res.NotAttempted, types.ClusterNotAttemptedVmInfo{Vm: ref, Fault: *e.Localized()})
					continue
				}
				res.Attempted = append(res.Attempted, types.ClusterAttemptedVmInfo{Vm: ref})
			}
			return res, nil
		}})
	})
	passthroughRuns := func(vm *VM) bool { return vm.on() && len(host.Passthrough(vm.VirtualMachine)) > 0 }
	for _, m := range []string{"CreateSnapshot_Task", "CreateSnapshotEx_Task"} {
		r.s.Handle(m, r.vetted(2*time.Second, func(vm *VM, req any) *fault.Error {
			if passthroughRuns(vm) {
				return fault.InvalidState("The operation is not allowed in the current state: snapshots of a running machine with PCI passthrough devices are not supported.")
			}
			return nil
		}))
	}
	for _, m := range []string{"MigrateVM_Task", "RelocateVM_Task"} {
		r.s.Handle(m, r.vetted(5*time.Second, func(vm *VM, req any) *fault.Error {
			if passthroughRuns(vm) {
				const text = "vMotion, Storage vMotion, Fault Tolerance, and PCI hot-plug cannot be used for a virtual machine with PCI DirectPath I/O device."
				r.logLine(vm, "[msg.pciPassthru.noMigration] "+text)
				return fault.New(&types.VMotionNotSupported{}, text).With("msg.pciPassthru.noMigration", text)
			}
			return nil
		}))
	}
}

// vetted runs the simulator's own task after a check.
func (r *Room) vetted(work time.Duration, check func(*VM, any) *fault.Error) api.Func {
	return func(c *api.Call) (any, *fault.Error) {
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		method, req := c.Method, c.Req
		return c.Task(task.Spec{Exclusive: true, Work: work,
			Check: func(*task.Task) *fault.Error { return check(vm, req) },
			Do: func(*task.Task) (any, *fault.Error) {
				if e := check(vm, req); e != nil {
					return nil, e
				}
				return r.w.Inner(vm.Self, method, req)
			}})
	}
}

func (vm *VM) wants(s types.VirtualMachinePowerState) *fault.Error {
	if vm.Runtime.PowerState == s {
		return fault.New(&types.InvalidPowerState{RequestedState: s, ExistingState: s})
	}
	return nil
}

func (vm *VM) mustRun() *fault.Error {
	if !vm.on() {
		return fault.New(&types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: vm.Runtime.PowerState})
	}
	return nil
}

func (r *Room) mayPowerOn(vm *VM) *fault.Error {
	if e := vm.wants(types.VirtualMachinePowerStatePoweredOn); e != nil {
		return e
	}
	if vm.Config.Template {
		return fault.New(&types.NotSupported{})
	}
	return nil
}

// refused is the fault of a power-on that the host's VMX process gave up.
func refused(log *vmlog.Log, key, line string) *fault.Error {
	log.Info("%s", line)
	log.Info("Module 'DevicePowerOn' power on failed.")
	log.Info("Failed to start the virtual machine.")
	const text = "Module 'DevicePowerOn' power on failed."
	e := fault.New(&types.GenericVmConfigFault{Reason: text}, text)
	e.With("msg.moduletable.powerOnFailed", "Module 'DevicePowerOn' power on failed. ", types.KeyAnyValue{Key: "1", Value: "DevicePowerOn"})
	e.With(key, line)
	return e.With("vob.vmx.failedToStart", "Failed to start the virtual machine.")
}

// powerOn applies the rules and starts the guest; the world lock is held.
func (r *Room) powerOn(vm *VM) *fault.Error {
	h, list, e := r.settle(vm)
	if e != nil && h == nil {
		return e
	}
	about := r.w.Content.About
	log := vmlog.New(time.Now)
	log.Begin(vm.Config.Files.VmPathName, vm.Name, about.Version, about.Build, hardwareVersion(vm.Config.Version))
	for _, d := range vm.dictionary() {
		log.Dict(d[0], d[1])
	}
	window := uint64(0)
	if e == nil {
		window, e = r.start(vm, h, list, log)
	} else {
		e = refused(log, "msg.pciPassthru", e.Message)
	}
	if dir := vm.dir(); dir != "" {
		if err := vmlog.Rotate(dir, log.String()); err == nil {
			r.logFiles(vm)
		}
	}
	if e != nil {
		r.w.Truth.VM("power-on-failed", h.Name(), vm.Name, "%s", lastLine(e))
		return e
	}
	if vm.host() != h {
		r.hosts.Move(vm.VirtualMachine, h)
	}
	for _, p := range list {
		if b, ok := p.device.Backing.(*types.VirtualPCIPassthroughDynamicBackingInfo); ok {
			n := *b
			n.AssignedId = p.card.Address
			p.device.Backing = &n
		}
	}
	for _, c := range r.conflicts(vm, h) {
		r.w.Truth.Violate("device-in-two-vms", "%s: %s", h.Name(), c)
	}
	vm.assigned = list
	vm.setPower(types.VirtualMachinePowerStatePoweredOn)
	vm.connect(true)
	r.w.Truth.VM("powered-on", h.Name(), vm.Name, "%d passthrough devices", len(list))
	vm.guest.Start(vm.hardware(list, window))
	return nil
}

func lastLine(e *fault.Error) string {
	m := e.Fault.GetMethodFault().FaultMessage
	if len(m) > 1 {
		return m[1].Message
	}
	return e.Message
}

// settle chooses the host and the card of each device. A fault without a host is one of
// vCenter; with one, the host's VMX finds it.
func (r *Room) settle(vm *VM) (*host.Host, []*placed, *fault.Error) {
	here := vm.host()
	if here == nil {
		return nil, nil, fault.New(&types.InvalidState{})
	}
	devices := host.Passthrough(vm.VirtualMachine)
	list, why := r.cards(vm, here, devices)
	if here.HS.Runtime.InMaintenanceMode || !here.Connected() || why != nil {
		fixed := false
		for _, d := range devices {
			if _, ok := d.Backing.(*types.VirtualPCIPassthroughDeviceBackingInfo); ok {
				fixed = true
			}
		}
		if !fixed && here.Cluster != nil && here.Cluster.DRS != "off" {
			for _, o := range r.hosts.All() {
				if o == here || o.Cluster != here.Cluster || !o.Connected() || o.HS.Runtime.InMaintenanceMode {
					continue
				}
				if l, w := r.cards(vm, o, devices); w == nil {
					return o, l, nil
				}
			}
		}
		if e := here.Reachable(); e != nil {
			return nil, nil, e
		}
		if here.HS.Runtime.InMaintenanceMode {
			return nil, nil, fault.InvalidState("The operation is not allowed in the current state of the host: it is in maintenance mode.")
		}
	}
	return here, list, why
}

// cards finds each device's card on a host.
func (r *Room) cards(vm *VM, h *host.Host, devices []*types.VirtualPCIPassthrough) ([]*placed, *fault.Error) {
	var list []*placed
	taken := map[string]bool{}
	free := func(c *host.Card) bool { return !taken[c.Address] && r.hosts.Holder(h, c.Address) == nil }
	for _, d := range devices { // fixed ones first: they have no choice
		b, ok := d.Backing.(*types.VirtualPCIPassthroughDeviceBackingInfo)
		if !ok {
			continue
		}
		c := h.Card(b.Id)
		if c == nil || b.SystemId != h.SystemID && b.SystemId != "BYPASS" || b.VendorId != c.PciDevice().VendorId ||
			!sameDeviceID(b.DeviceId, uint16(c.PciDevice().DeviceId)) {
			return nil, because("The systemId does not match the current system or the deviceId, and the vendorId does not match the device currently at %s.", decimal(b.Id))
		}
		if !c.Enabled || !c.Active {
			return nil, because("Device %s is not a passthrough device.", decimal(b.Id))
		}
		if v := r.hosts.Holder(h, c.Address); v != nil && v.Self != vm.Self {
			return nil, because("Device %s is already in use by virtual machine '%s'.", decimal(b.Id), v.Name)
		}
		taken[c.Address] = true
		list = append(list, &placed{d, c, barsOf(c)})
	}
	for _, d := range devices {
		b, ok := d.Backing.(*types.VirtualPCIPassthroughDynamicBackingInfo)
		if !ok {
			continue
		}
		var got *host.Card
		for _, c := range h.Cards {
			if !c.Absent && c.Enabled && c.Active && free(c) && allowed(b, c) {
				got = c
				break
			}
		}
		if got == nil {
			return nil, because("No device of an allowed kind is available for Dynamic DirectPath I/O on host %s.", h.Name())
		}
		taken[got.Address] = true
		list = append(list, &placed{d, got, barsOf(got)})
	}
	return list, nil
}

func because(format string, args ...any) *fault.Error {
	return fault.New(&types.GenericVmConfigFault{}, append([]any{format}, args...)...)
}

func allowed(b *types.VirtualPCIPassthroughDynamicBackingInfo, c *host.Card) bool {
	if b.CustomLabel != "" && b.CustomLabel != c.Label {
		return false
	}
	for _, a := range b.AllowedDevice {
		if uint16(a.VendorId) == fleet.ID(c.Vendor) && uint16(a.DeviceId) == fleet.ID(c.Device.Device) &&
			(a.SubVendorId == 0 || uint16(a.SubVendorId) == fleet.ID(c.SubVendor)) &&
			(a.SubDeviceId == 0 || uint16(a.SubDeviceId) == fleet.ID(c.SubDevice)) {
			return true
		}
	}
	return false
}

// decimal writes an address as hosts do in these messages: 6:0.0 for 0000:06:00.0.
func decimal(id string) string {
	var domain, bus, slot, fn int
	if n, _ := fmt.Sscanf(id, "%x:%x:%x.%x", &domain, &bus, &slot, &fn); n == 4 {
		return fmt.Sprintf("%d:%d.%d", bus, slot, fn)
	}
	return id
}

// start is the host's part of a power-on. It gives the 64-bit window.
func (r *Room) start(vm *VM, h *host.Host, list []*placed, log *vmlog.Log) (uint64, *fault.Error) {
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

// dictionary is the part of the configuration that the log repeats.
func (vm *VM) dictionary() [][2]string {
	c := vm.Config
	out := [][2]string{{"firmware", c.Firmware}, {"memSize", strconv.Itoa(int(c.Hardware.MemoryMB))},
		{"sched.mem.min", strconv.FormatInt(*c.MemoryAllocation.Reservation, 10)},
		{"sched.mem.pin", strings.ToUpper(strconv.FormatBool(isTrue(c.MemoryReservationLockedToMax)))}}
	for _, o := range c.ExtraConfig {
		out = append(out, [2]string{o.GetOptionValue().Key, fmt.Sprint(o.GetOptionValue().Value)})
	}
	for i, p := range host.Passthrough(vm.VirtualMachine) {
		if b, ok := p.Backing.(*types.VirtualPCIPassthroughDeviceBackingInfo); ok {
			var domain, bus, slot, fn int
			fmt.Sscanf(b.Id, "%x:%x:%x.%x", &domain, &bus, &slot, &fn)
			out = append(out, [2]string{fmt.Sprintf("pciPassthru%d.present", i), "TRUE"},
				[2]string{fmt.Sprintf("pciPassthru%d.id", i), fmt.Sprintf("%05d:%03d:%02d.%d", domain, bus, slot, fn)},
				[2]string{fmt.Sprintf("pciPassthru%d.deviceId", i), "0x" + strings.TrimPrefix(strings.ToLower(b.DeviceId), "0x")},
				[2]string{fmt.Sprintf("pciPassthru%d.vendorId", i), fmt.Sprintf("0x%04x", uint16(b.VendorId))},
				[2]string{fmt.Sprintf("pciPassthru%d.systemId", i), b.SystemId})
		}
	}
	return out
}

// unreserved is the host's memory that no running machine has reserved, in MB.
func (r *Room) unreserved(h *host.Host) int64 {
	free := int64(h.Desc.MemoryGB) << 10
	free -= free / 50 // the host's own
	for _, v := range r.w.VMsOn(h.HS) {
		if host.On(v) && v.Config.MemoryAllocation != nil && v.Config.MemoryAllocation.Reservation != nil {
			free -= *v.Config.MemoryAllocation.Reservation
		}
	}
	return free
}

// conflicts names the cards that another running machine holds: never, if the rules hold.
func (r *Room) conflicts(vm *VM, h *host.Host) (out []string) {
	for _, p := range vm.assigned {
		if v := r.hosts.Holder(h, p.card.Address); v != nil && v.Self != vm.Self {
			out = append(out, fmt.Sprintf("%s is in %s and in %s", p.card.Address, v.Name, vm.Name))
		}
	}
	return
}

func (vm *VM) setPower(s types.VirtualMachinePowerState) {
	vm.Runtime.PowerState = s
	vm.Runtime.BootTime = nil
	if s == types.VirtualMachinePowerStatePoweredOn {
		now := time.Now()
		vm.Runtime.BootTime = &now
	}
	vm.Summary.Runtime = vm.Runtime
	vm.room.touch(vm, false)
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

func (r *Room) powerOff(vm *VM, how string) {
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
	r.w.Truth.VM("powered-off", vm.hostName(), vm.Name, "%s", how)
}

// halted frees what the running machine held.
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
	vm.Runtime.ToolsInstallerMounted = false
}
