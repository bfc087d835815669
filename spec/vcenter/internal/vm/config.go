package vm

// config.go: CreateVM_Task, ReconfigVM_Task, CloneVM_Task, and the end of a machine.

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/task"
)

func (r *Room) registerConfig() {
	h := r.s.Handle
	h("CreateVM_Task", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.CreateVM_Task)
		if _, ok := r.w.Reg.Get(c.This).(*simulator.Folder); !ok {
			return nil, fault.NotFound(c.This)
		}
		spec := task.Spec{Work: 3 * time.Second}
		spec.Check = func(*task.Task) *fault.Error { _, _, e := r.vetCreate(req); return e }
		spec.Do = func(*task.Task) (any, *fault.Error) { return r.create(req) }
		return c.Task(spec)
	})
	h("VirtualMachine.ReconfigVM_Task", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.ReconfigVM_Task)
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		vet := func() *fault.Error { return (&vetting{r: r, spec: clone(&req.Spec), vm: vm, host: vm.host()}).check() }
		return c.Task(task.Spec{Exclusive: true, Work: 2 * time.Second,
			Check: func(*task.Task) *fault.Error { return vet() },
			Do:    func(*task.Task) (any, *fault.Error) { return nil, r.reconfigure(vm, &req.Spec) }})
	})
	h("VirtualMachine.CloneVM_Task", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.CloneVM_Task)
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		return c.Task(task.Spec{Work: 20 * time.Second,
			Check: func(*task.Task) *fault.Error { return r.vetClone(vm, req) },
			Do:    func(*task.Task) (any, *fault.Error) { return r.clone(vm, req) }})
	})
	h("VirtualMachine.Destroy_Task", func(c *api.Call) (any, *fault.Error) {
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		check := func(*task.Task) *fault.Error {
			if !vm.off() {
				return fault.New(&types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: vm.Runtime.PowerState})
			}
			return nil
		}
		return c.Task(task.Spec{Exclusive: true, Work: 2 * time.Second, Check: check, Do: func(t *task.Task) (any, *fault.Error) {
			if e := check(t); e != nil {
				return nil, e
			}
			_, e := r.w.Inner(vm.Self, "Destroy_Task", &types.Destroy_Task{This: vm.Self})
			if e == nil {
				delete(r.vms, vm.Self)
				os.RemoveAll(vm.guest.Dir)
				r.w.Truth.VM("vm-destroyed", vm.hostName(), vm.Name, "deleted from disk")
			}
			return nil, e
		}})
	})
	h("UpgradeVM_Task", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.UpgradeVM_Task)
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		return c.Task(task.Spec{Exclusive: true, Work: 2 * time.Second, Do: func(*task.Task) (any, *fault.Error) {
			if !vm.off() {
				return nil, fault.New(&types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: vm.Runtime.PowerState})
			}
			want, now := r.newestVersion(), hardwareVersion(vm.Config.Version)
			if req.Version != "" {
				want = hardwareVersion(req.Version)
			}
			switch {
			case want == now:
				return nil, fault.New(&types.AlreadyUpgraded{}, "The virtual machine is already at version vmx-%d.", now)
			case want < now || want > r.newestVersion():
				return nil, fault.New(&types.VirtualHardwareVersionNotSupported{HostName: vm.hostName(), Host: *vm.Runtime.Host}, "The version vmx-%d is not supported.", want)
			}
			vm.Config.Version = fmt.Sprintf("vmx-%02d", want)
			vm.Summary.Config.HwVersion = vm.Config.Version
			r.touch(vm, true)
			return nil, nil
		}})
	})
}

// clone copies a spec deeply, so that a check does not change the request.
func clone(s *types.VirtualMachineConfigSpec) *types.VirtualMachineConfigSpec {
	n := *s
	n.DeviceChange = slices.Clone(s.DeviceChange)
	for i, c := range n.DeviceChange {
		if c != nil {
			d := *c.GetVirtualDeviceConfigSpec()
			n.DeviceChange[i] = &d
		}
	}
	return &n
}

// place finds the hosts that may take a new machine.
func (r *Room) place(pool types.ManagedObjectReference, want *types.ManagedObjectReference) ([]*host.Host, *fault.Error) {
	owner, ok := poolOwner(r, pool)
	if !ok {
		return nil, fault.InvalidArgument("pool")
	}
	var all []*host.Host
	for _, h := range r.hosts.All() {
		if h.HS.Parent != nil && *h.HS.Parent == owner {
			all = append(all, h)
		}
	}
	if want != nil {
		i := slices.IndexFunc(all, func(h *host.Host) bool { return h.Ref() == *want })
		if i < 0 {
			return nil, fault.InvalidArgument("host")
		}
		if e := all[i].Reachable(); e != nil {
			return nil, e
		}
		return all[i : i+1], nil
	}
	if len(all) > 1 && all[0].Cluster != nil && all[0].Cluster.DRS == "off" {
		return nil, fault.InvalidArgument("host")
	}
	var good []*host.Host
	for _, h := range all {
		if h.Connected() && !h.HS.Runtime.InMaintenanceMode {
			good = append(good, h)
		}
	}
	if len(good) == 0 {
		return nil, fault.New(&types.NoCompatibleHost{}, "No host is compatible with the virtual machine.")
	}
	slices.SortStableFunc(good, func(a, b *host.Host) int { return len(a.HS.Vm) - len(b.HS.Vm) })
	return good, nil
}

func poolOwner(r *Room, ref types.ManagedObjectReference) (types.ManagedObjectReference, bool) {
	p, ok := r.w.Reg.Get(ref).(*simulator.ResourcePool)
	if !ok {
		return ref, false
	}
	return p.Owner, true
}

func (r *Room) vetCreate(req *types.CreateVM_Task) (*vetting, *types.VirtualMachineConfigSpec, *fault.Error) {
	pool, e := r.place(req.Pool, req.Host)
	if e != nil {
		return nil, nil, e
	}
	spec := clone(&req.Config)
	v := &vetting{r: r, spec: spec, pool: pool}
	if len(pool) == 1 {
		v.host = pool[0]
	}
	if e := v.check(); e != nil {
		return nil, nil, e
	}
	if spec.Files == nil || spec.Files.VmPathName == "" {
		return nil, nil, fault.New(&types.InvalidVmConfig{Property: "configSpec.files.vmPathName"}, "Invalid virtual machine configuration: files.vmPathName is required.")
	}
	if _, _, ok := r.datastoreFile(spec.Files.VmPathName); !ok {
		return nil, nil, fault.New(&types.InvalidDatastorePath{InvalidDatastore: types.InvalidDatastore{Name: spec.Files.VmPathName}, DatastorePath: spec.Files.VmPathName},
			"Invalid datastore path '%s'.", spec.Files.VmPathName)
	}
	if e := r.freeName(req.This, spec.Name); e != nil {
		return nil, nil, e
	}
	return v, spec, nil
}

func (r *Room) freeName(folder types.ManagedObjectReference, name string) *fault.Error {
	f, ok := r.w.Reg.Get(folder).(*simulator.Folder)
	if !ok {
		return fault.NotFound(folder)
	}
	for _, ref := range f.ChildEntity {
		if e, ok := r.w.Reg.Get(ref).(mo.Entity); ok && e.Entity().Name == name {
			return fault.New(&types.DuplicateName{Name: name, Object: ref})
		}
	}
	return nil
}

// create makes the machine with the simulator and completes it.
func (r *Room) create(req *types.CreateVM_Task) (any, *fault.Error) {
	v, spec, e := r.vetCreate(req)
	if e != nil {
		return nil, e
	}
	h := v.host
	if h == nil {
		h = v.pool[0]
	}
	ref := h.Ref()
	ask := *req
	ask.Config, ask.Host = *spec, &ask.This
	ask.Host = &ref
	ask.Config.ExtraConfig = nil
	cardUnits(nil, &ask.Config)
	ask.Config.Version = fmt.Sprintf("vmx-%02d", v.version)
	if ask.Config.GuestId == "" {
		ask.Config.GuestId = "otherGuest"
	}
	if p := (object.DatastorePath{}); p.FromString(ask.Config.Files.VmPathName) && p.Path == "" {
		files := *ask.Config.Files
		ask.Config.Files = &files // the simulator writes the final name here
	}
	res, e := r.w.Inner(req.This, "CreateVM_Task", &ask)
	if e != nil {
		return nil, e
	}
	made := res.(types.ManagedObjectReference)
	vm, e := r.of(made)
	if e != nil {
		return nil, e
	}
	vm.Config.ExtraConfig = nil
	vm.complete()
	vm.apply(v, &req.Config)
	r.touch(vm, true)
	r.w.Touch(h.Ref())
	r.w.Truth.VM("vm-created", h.Name(), vm.Name, "%s, %d MB, %d devices", vm.Config.Firmware, vm.Config.Hardware.MemoryMB, len(vm.Config.Hardware.Device))
	return made, nil
}

// cardUnits gives new network cards their place on the PCI controller: 7 to 16. (The
// simulator looks for a place among thirty and fails behind passthrough devices.)
func cardUnits(have []types.BaseVirtualDevice, spec *types.VirtualMachineConfigSpec) {
	used := map[int32]bool{}
	for _, d := range have {
		if _, ok := d.(types.BaseVirtualEthernetCard); ok && d.GetVirtualDevice().UnitNumber != nil {
			used[*d.GetVirtualDevice().UnitNumber] = true
		}
	}
	for _, c := range spec.DeviceChange {
		d := c.GetVirtualDeviceConfigSpec()
		if _, ok := d.Device.(types.BaseVirtualEthernetCard); !ok || d.Operation != types.VirtualDeviceConfigSpecOperationAdd {
			continue
		}
		b := d.Device.GetVirtualDevice()
		if b.UnitNumber == nil {
			n := int32(7)
			for used[n] {
				n++
			}
			b.UnitNumber, b.ControllerKey = &n, 100
		}
		used[*b.UnitNumber] = true
	}
}

// complete fills what the simulator leaves empty and a real machine has.
func (vm *VM) complete() {
	c := vm.Config
	if c.Firmware == "" {
		c.Firmware = "bios"
	}
	no := false
	for _, b := range []**bool{&c.MemoryReservationLockedToMax, &c.NestedHVEnabled, &c.CpuHotAddEnabled, &c.CpuHotRemoveEnabled, &c.MemoryHotAddEnabled} {
		if *b == nil {
			v := no
			*b = &v
		}
	}
	a := types.ResourceAllocationInfo{}
	if c.MemoryAllocation != nil {
		a = *c.MemoryAllocation
	}
	fill(&a.Reservation, 0)
	fill(&a.Limit, -1)
	if a.ExpandableReservation == nil {
		a.ExpandableReservation = &no
	}
	a.Shares = &types.SharesInfo{Level: types.SharesLevelNormal, Shares: c.Hardware.MemoryMB * 10}
	c.MemoryAllocation = &a
	c.SwapPlacement = "inherit"
	c.GuestFullName = fullName(c.GuestId)
	vm.Summary.Config.GuestFullName = c.GuestFullName
	vm.Runtime.FaultToleranceState = types.VirtualMachineFaultToleranceStateNotConfigured
	vm.Runtime.RecordReplayState = types.VirtualMachineRecordReplayStateInactive
	vm.Runtime.ConnectionState = types.VirtualMachineConnectionStateConnected
	if vm.Runtime.PowerState == "" {
		vm.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOff
	}
	vm.Runtime.ToolsInstallerMounted = false
	vm.Summary.Runtime = vm.Runtime
	vm.Summary.OverallStatus = types.ManagedEntityStatusGreen
	g := vm.Guest
	g.ToolsVersionStatus, g.ToolsVersionStatus2 = "guestToolsNotInstalled", "guestToolsNotInstalled"
	g.ToolsRunningStatus, g.GuestState = "guestToolsNotRunning", "notRunning"
	g.ToolsStatus = types.VirtualMachineToolsStatusToolsNotInstalled
	g.GuestOperationsReady = &no
	g.InteractiveGuestOperationsReady = &no
	if c.Tools == nil {
		c.Tools = &types.ToolsConfigInfo{}
	}
	for i, d := range c.Hardware.Device {
		if b := d.GetVirtualDevice(); b.Key == 0 {
			b.Key = int32(20000 + i)
		}
	}
}

func fill(p **int64, v int64) {
	if *p == nil {
		*p = &v
	}
}

func fullName(id string) string {
	for k, v := range map[string]string{"ubuntu64Guest": "Ubuntu Linux (64-bit)", "windows2019srv_64Guest": "Microsoft Windows Server 2019 (64-bit)",
		"windows2019srvNext_64Guest": "Microsoft Windows Server 2022 (64-bit)", "windows2022srvNext_64Guest": "Microsoft Windows Server 2025 (64-bit)",
		"windows9_64Guest": "Microsoft Windows 10 (64-bit)", "windows11_64Guest": "Microsoft Windows 11 (64-bit)", "otherGuest": "Other (32-bit)",
		"otherGuest64": "Other (64-bit)", "rhel9_64Guest": "Red Hat Enterprise Linux 9 (64-bit)", "windows9Server64Guest": "Microsoft Windows Server 2016 (64-bit)"} {
		if k == id {
			return v
		}
	}
	return id
}

// apply sets what the simulator does not: keys, memory lock, devices' details.
func (vm *VM) apply(v *vetting, spec *types.VirtualMachineConfigSpec) {
	c := vm.Config
	vm.mergeExtra(spec.ExtraConfig)
	lock := v.lock
	c.MemoryReservationLockedToMax = &lock
	c.Firmware = v.firmware
	a := *c.MemoryAllocation
	if s := spec.MemoryAllocation; s != nil {
		if s.Reservation != nil {
			a.Reservation = ptr(*s.Reservation)
		}
		if s.Limit != nil {
			a.Limit = ptr(*s.Limit)
		}
	}
	if lock {
		a.Reservation = ptr(int64(c.Hardware.MemoryMB))
	} else if *a.Reservation > int64(c.Hardware.MemoryMB) {
		a.Reservation = ptr(int64(c.Hardware.MemoryMB))
	}
	fill(&a.Limit, -1)
	if a.Shares == nil {
		a.Shares = &types.SharesInfo{Level: types.SharesLevelNormal, Shares: c.Hardware.MemoryMB * 10}
	}
	c.MemoryAllocation = &a
	vm.Summary.Config.MemoryReservation = int32(*a.Reservation)
	vm.Summary.Config.CpuReservation = 0
	if spec.GuestId != "" {
		c.GuestFullName = fullName(c.GuestId)
		vm.Summary.Config.GuestFullName = c.GuestFullName
	}
	vm.settleDevices()
}

func ptr[T any](v T) *T { return &v }

// settleDevices gives passthrough devices the keys, labels and places that hosts give.
func (vm *VM) settleDevices() {
	used := map[int32]bool{}
	for _, p := range host.Passthrough(vm.VirtualMachine) {
		if p.Key >= 13000 && p.Key < 14000 {
			used[p.Key] = true
		}
	}
	next := int32(13000)
	for _, p := range host.Passthrough(vm.VirtualMachine) {
		if p.Key < 13000 || p.Key >= 14000 {
			for used[next] {
				next++
			}
			p.Key = next
			used[next] = true
		}
		n := p.Key - 13000
		p.ControllerKey = 100
		p.UnitNumber = ptr(18 + n)
		summary := ""
		switch b := p.Backing.(type) {
		case *types.VirtualPCIPassthroughDeviceBackingInfo:
			b.Id = strings.ToLower(b.Id)
			if h := vm.host(); h != nil {
				if card := h.Card(b.Id); card != nil {
					b.DeviceName = card.Name
				}
			}
			summary = b.DeviceName
		case *types.VirtualPCIPassthroughDynamicBackingInfo:
			if len(b.AllowedDevice) > 0 {
				summary = fmt.Sprintf("Dynamic DirectPath I/O %04x:%04x", b.AllowedDevice[0].VendorId, b.AllowedDevice[0].DeviceId)
			}
		}
		p.DeviceInfo = &types.Description{Label: fmt.Sprintf("PCI device %d", n), Summary: summary}
	}
	eth, disks := int32(0), int32(0)
	for _, d := range vm.Config.Hardware.Device {
		switch x := d.(type) {
		case types.BaseVirtualEthernetCard:
			eth++
		case *types.VirtualDisk:
			disks++
		case *types.VirtualMachineVideoCard:
			if x.UseAutoDetect == nil {
				x.UseAutoDetect = ptr(false)
			}
			if x.Enable3DSupport == nil {
				x.Enable3DSupport = ptr(false)
			}
			if x.Use3dRenderer == "" {
				x.Use3dRenderer = "automatic"
			}
			if x.GraphicsMemorySizeInKB == 0 {
				x.GraphicsMemorySizeInKB = 262144
			}
		}
	}
	vm.Summary.Config.NumEthernetCards, vm.Summary.Config.NumVirtualDisks = eth, disks
}

// reconfigure vets again, at the moment of the change, and applies.
func (r *Room) reconfigure(vm *VM, asked *types.VirtualMachineConfigSpec) *fault.Error {
	spec := clone(asked)
	v := &vetting{r: r, spec: spec, vm: vm, host: vm.host()}
	if e := v.check(); e != nil {
		return e
	}
	if spec.Name != "" && spec.Name != vm.Name && vm.Parent != nil {
		if e := r.freeName(*vm.Parent, spec.Name); e != nil {
			return e
		}
	}
	wiped := vm.diskChange(spec)
	ask := types.ReconfigVM_Task{This: vm.Self, Spec: *spec}
	cardUnits(vm.Config.Hardware.Device, &ask.Spec)
	ask.Spec.ExtraConfig, ask.Spec.ChangeVersion, ask.Spec.Version = nil, "", ""
	if spec.MemoryAllocation != nil {
		a := *spec.MemoryAllocation
		ask.Spec.MemoryAllocation = &a
	}
	keep := vm.Config.MemoryAllocation
	res, limit, shares := *keep.Reservation, *keep.Limit, keep.Shares
	before := vm.cdState()
	if _, e := r.w.Inner(vm.Self, "ReconfigVM_Task", &ask); e != nil {
		vm.Config.MemoryAllocation = keep
		return e
	}
	a := *vm.Config.MemoryAllocation
	fill(&a.Reservation, res)
	fill(&a.Limit, limit)
	if a.Shares == nil {
		a.Shares = shares
	}
	if a.ExpandableReservation == nil {
		a.ExpandableReservation = ptr(false)
	}
	vm.Config.MemoryAllocation = &a
	vm.apply(v, asked)
	if wiped {
		vm.guest.Blank()
	}
	if vm.on() && before != vm.cdState() {
		vm.guest.CDChanged(vm.drives())
	}
	r.touch(vm, true)
	return nil
}

// diskChange tells whether the spec replaces the disk that holds the system.
func (vm *VM) diskChange(spec *types.VirtualMachineConfigSpec) bool {
	first := vm.firstDisk()
	for _, c := range spec.DeviceChange {
		d := c.GetVirtualDeviceConfigSpec()
		if d.Operation == types.VirtualDeviceConfigSpecOperationRemove && first != nil && d.Device.GetVirtualDevice().Key == first.Key &&
			d.FileOperation == types.VirtualDeviceConfigSpecFileOperationDestroy {
			return true
		}
	}
	return false
}

func (vm *VM) firstDisk() *types.VirtualDisk {
	for _, d := range vm.Config.Hardware.Device {
		if x, ok := d.(*types.VirtualDisk); ok {
			return x
		}
	}
	return nil
}

func (vm *VM) cdState() string {
	var b strings.Builder
	for _, c := range vm.drives() {
		fmt.Fprintf(&b, "%d=%s;", c.Key, c.Where)
	}
	return b.String()
}

func (r *Room) vetClone(vm *VM, req *types.CloneVM_Task) *fault.Error {
	if e := r.freeName(req.Folder, req.Name); e != nil {
		return e
	}
	if vm.on() && len(host.Passthrough(vm.VirtualMachine)) > 0 {
		return fault.InvalidState("The operation is not allowed in the current state: the source runs with PCI passthrough devices.")
	}
	if loc := req.Spec.Location; loc.Pool == nil && vm.Config.Template {
		return fault.InvalidArgument("spec.location.pool")
	} else if loc.Pool != nil {
		if _, e := r.place(*loc.Pool, loc.Host); e != nil {
			return e
		}
	}
	return nil
}

func (r *Room) clone(vm *VM, req *types.CloneVM_Task) (any, *fault.Error) {
	if e := r.vetClone(vm, req); e != nil {
		return nil, e
	}
	ask := *req
	if ask.Spec.Location.Host == nil && ask.Spec.Location.Pool != nil {
		all, e := r.place(*ask.Spec.Location.Pool, nil)
		if e != nil {
			return nil, e
		}
		ref := all[0].Ref()
		ask.Spec.Location.Host = &ref
	}
	ask.Spec.PowerOn, ask.Spec.Config, ask.Spec.Customization = false, nil, nil
	res, e := r.w.Inner(vm.Self, "CloneVM_Task", &ask)
	if e != nil {
		return nil, e
	}
	made := res.(types.ManagedObjectReference)
	n, e := r.of(made)
	if e != nil {
		return nil, e
	}
	n.Config.ExtraConfig = nil
	n.inherit(vm)
	n.complete()
	v := &vetting{r: r, spec: &types.VirtualMachineConfigSpec{}, vm: n, host: n.host(), firmware: n.Config.Firmware,
		lock: isTrue(n.Config.MemoryReservationLockedToMax)}
	n.apply(v, &types.VirtualMachineConfigSpec{})
	if err := vm.guest.CloneTo(n.guest); err != nil {
		return nil, fault.From(err)
	}
	r.touch(n, true)
	if s := req.Spec.Config; s != nil {
		s = clone(s)
		s.ChangeVersion = ""
		if e := r.reconfigure(n, s); e != nil {
			r.w.Inner(made, "Destroy_Task", &types.Destroy_Task{This: made})
			delete(r.vms, made)
			return nil, e
		}
	}
	r.w.Truth.VM("vm-cloned", n.hostName(), n.Name, "from %s", vm.Name)
	if req.Spec.PowerOn && !req.Spec.Template {
		if e := r.powerOn(n); e != nil {
			return nil, e
		}
	}
	return made, nil
}

// inherit copies what the simulator's clone loses.
func (n *VM) inherit(src *VM) {
	c, s := n.Config, src.Config
	c.Firmware = s.Firmware
	c.MemoryReservationLockedToMax = copyOf(s.MemoryReservationLockedToMax)
	c.NestedHVEnabled, c.CpuHotAddEnabled, c.MemoryHotAddEnabled = copyOf(s.NestedHVEnabled), copyOf(s.CpuHotAddEnabled), copyOf(s.MemoryHotAddEnabled)
	c.Flags = s.Flags
	if s.BootOptions != nil {
		b := *s.BootOptions
		c.BootOptions = &b
	}
	if s.MemoryAllocation != nil {
		a := *s.MemoryAllocation
		c.MemoryAllocation = &a
	}
	for _, o := range s.ExtraConfig {
		v := *o.GetOptionValue()
		if strings.HasPrefix(strings.ToLower(v.Key), "gpsim.") {
			continue
		}
		c.ExtraConfig = append(c.ExtraConfig, &v)
	}
	for _, d := range c.Hardware.Device { // the video card is a default device, which a clone gets fresh
		if to, ok := d.(*types.VirtualMachineVideoCard); ok {
			for _, sd := range s.Hardware.Device {
				if from, ok := sd.(*types.VirtualMachineVideoCard); ok {
					key, ctl, unit := to.Key, to.ControllerKey, to.UnitNumber
					*to = *from
					to.Key, to.ControllerKey, to.UnitNumber = key, ctl, unit
				}
			}
		}
	}
	for _, p := range host.Passthrough(n.VirtualMachine) {
		// own copies: the simulator may share the backing with the source
		switch b := p.Backing.(type) {
		case *types.VirtualPCIPassthroughDeviceBackingInfo:
			x := *b
			p.Backing = &x
		case *types.VirtualPCIPassthroughDynamicBackingInfo:
			x := *b
			x.AssignedId = ""
			p.Backing = &x
		}
	}
}

func copyOf(b *bool) *bool {
	if b == nil {
		return nil
	}
	v := *b
	return &v
}

// inventory builds the machines of the fleet file.
func (r *Room) inventory() error {
	for i := range r.w.Fleet.VMs {
		if err := r.fromFile(i); err != nil {
			return err
		}
	}
	return nil
}

var _ = json.Marshal
var _ = filepath.Join
