package vm

// config.go: CreateVM_Task, ReconfigVM_Task, CloneVM_Task, and the deletion of a VM.

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/task"
)

func (r *Service) registerConfig() {
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
		return c.Task(task.Spec{Exclusive: true, Waits: r.w.Fleet.Queues(), Work: 2 * time.Second,
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
			// The simulator removes the directory later, and might remove that of the next VM
			// with this name: it is given another one.
			dir := vm.dir()
			store, _, _ := strings.Cut(vm.Config.Files.VmPathName, "]")
			vm.Config.Files.LogDirectory = store + "] ." + vm.Self.Value
			_, e := r.w.Inner(vm.Self, "Destroy_Task", &types.Destroy_Task{This: vm.Self})
			if e == nil {
				delete(r.vms, vm.Self)
				os.RemoveAll(vm.guest.Dir)
				if dir != "" && filepath.Dir(filepath.Dir(dir)) != r.w.Dir { // never a whole datastore
					os.RemoveAll(dir)
				}
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
			r.event(vm, func(e types.VmEvent) types.BaseEvent {
				return &types.VmUpgradeCompleteEvent{VmEvent: e, Version: vm.Config.Version}
			})
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

// place finds the hosts that may take a new VM.
func (r *Service) place(pool types.ManagedObjectReference, want *types.ManagedObjectReference) ([]*host.Host, *fault.Error) {
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
		if e := all[i].Open(); e != nil {
			return nil, e
		}
		return all[i : i+1], nil
	}
	if len(all) > 1 && all[0].Cluster != nil && all[0].Cluster.DRS == "off" {
		return nil, fault.InvalidArgument("host")
	}
	var good []*host.Host
	for _, h := range all {
		if h.Open() == nil {
			good = append(good, h)
		}
	}
	if len(good) == 0 {
		return nil, fault.New(&types.NoCompatibleHost{}, "No host is compatible with the virtual machine.")
	}
	slices.SortStableFunc(good, func(a, b *host.Host) int { return len(a.HS.Vm) - len(b.HS.Vm) })
	return good, nil
}

func poolOwner(r *Service, ref types.ManagedObjectReference) (types.ManagedObjectReference, bool) {
	p := r.w.Pool(ref)
	if p == nil {
		return ref, false
	}
	return p.Owner, true
}

func (r *Service) vetCreate(req *types.CreateVM_Task) (*vetting, *types.VirtualMachineConfigSpec, *fault.Error) {
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

func (r *Service) freeName(folder types.ManagedObjectReference, name string) *fault.Error {
	if _, ok := r.w.Reg.Get(folder).(*simulator.Folder); !ok {
		return fault.NotFound(folder)
	}
	if ref, taken := r.w.ChildNamed(folder, name); taken {
		return fault.New(&types.DuplicateName{Name: name, Object: ref})
	}
	return nil
}

// create creates the VM with the simulator and completes it.
func (r *Service) create(req *types.CreateVM_Task) (any, *fault.Error) {
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

// apply sets what the simulator does not: keys, memory lock, devices' details.
func (vm *VM) apply(v *vetting, spec *types.VirtualMachineConfigSpec) {
	c := vm.Config
	vm.mergeExtra(spec.ExtraConfig)
	if p := spec.FixedPassthruHotPlugEnabled; p != nil {
		c.FixedPassthruHotPlugEnabled = ptr(*p)
	}
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
	c.MemoryAllocation = &a
	vm.settleShares()
	vm.Summary.Config.MemoryReservation = int32(*a.Reservation)
	vm.Summary.Config.CpuReservation = 0
	if spec.GuestId != "" {
		c.GuestFullName = host.GuestName(c.GuestId)
		vm.Summary.Config.GuestFullName = c.GuestFullName
	}
	vm.settleDevices()
	vm.numberDevices()
}

// reconfigure checks again, at the time of the change, and applies it.
func (r *Service) reconfigure(vm *VM, asked *types.VirtualMachineConfigSpec) *fault.Error {
	if vm.Config.Template {
		if allowed := (types.VirtualMachineConfigSpec{Name: asked.Name, Annotation: asked.Annotation, ChangeVersion: asked.ChangeVersion}); !reflect.DeepEqual(*asked, allowed) {
			return fault.New(&types.NotSupported{})
		}
	}
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
	vm.merge(&ask.Spec)
	if spec.MemoryAllocation != nil {
		a := *spec.MemoryAllocation
		ask.Spec.MemoryAllocation = &a
	}
	keep := vm.Config.MemoryAllocation
	res, limit, shares := *keep.Reservation, *keep.Limit, keep.Shares
	before, devices := vm.cdState(), kept(vm.Config.Hardware.Device)
	if _, e := r.w.Inner(vm.Self, "ReconfigVM_Task", &ask); e != nil {
		vm.Config.MemoryAllocation = keep
		vm.Config.Hardware.Device = devices // the simulator stops half-way
		return e
	}
	a := *vm.Config.MemoryAllocation
	fill(&a.Reservation, res)
	fill(&a.Limit, limit)
	if a.Shares == nil {
		a.Shares = shares
	}
	if a.ExpandableReservation == nil { // a field that is unset keeps its value
		a.ExpandableReservation = keep.ExpandableReservation
	}
	vm.Config.MemoryAllocation = &a
	vm.apply(v, asked)
	vm.replug()
	if wiped {
		vm.guest.Blank()
	}
	if vm.on() && before != vm.cdState() {
		vm.guest.CDChanged(vm.drives())
	}
	r.touch(vm, true)
	return nil
}

// diskChange reports whether the spec replaces the disk that holds the system.
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

// inventory builds the VMs of the fleet file.
func (r *Service) inventory() error {
	for i := range r.w.Fleet.VMs {
		if err := r.fromFile(i); err != nil {
			return err
		}
	}
	return nil
}
