package vm

// register.go: VMs that come from a .vmx file on a datastore (RegisterVM_Task), leave
// the inventory without losing their files (UnregisterVM), or read their file again after an
// edit (reloadVirtualMachineFromPath_Task).

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vmdk"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/world"
)

var (
	_ = rule("vm.register", "documented", "real", "API reference: Folder.RegisterVM_Task: NotFound, AlreadyExists, DuplicateName, InvalidArgument",
		"RegisterVM_Task requires an existing file that no registered VM uses, and a pool, or for a template a host and no pool; the VM is configured as the file says.")
	_ = rule("vm.register-invalid", "seen", "real", "ESXi 8.0.2 guide: a duplicate key is \"Variable already defined\", and the VM becomes invalid",
		"A .vmx with a duplicate key or an invalid line is not registered; reloaded, it makes its VM invalid, and an invalid VM does not power on.")
	_ = rule("vm.reload", "documented", "real", "API reference: reloadVirtualMachineFromPath_Task: InvalidPowerState", "A VM reads its .vmx again only while powered off; then the content of the file applies.")
)

func (r *Service) registerFiles() {
	r.s.Handle("RegisterVM_Task", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.RegisterVM_Task)
		return c.Task(task.Spec{Work: 2 * time.Second,
			Check: func(*task.Task) *fault.Error { _, _, e := r.vetRegister(req); return e },
			Do:    func(*task.Task) (any, *fault.Error) { return r.register(req) }})
	})
	r.s.Handle("UnregisterVM", func(c *api.Call) (any, *fault.Error) {
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		if !vm.off() {
			return nil, fault.New(&types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: vm.Runtime.PowerState})
		}
		if e := r.unregister(vm); e != nil {
			return nil, e
		}
		return &types.UnregisterVMResponse{}, nil
	})
	r.s.Handle("reloadVirtualMachineFromPath_Task", func(c *api.Call) (any, *fault.Error) {
		path := c.Req.(*types.ReloadVirtualMachineFromPath_Task).ConfigurationPath
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		return c.Task(task.Spec{Exclusive: true, Work: time.Second, Do: func(*task.Task) (any, *fault.Error) { return nil, r.reload(vm, path) }})
	})
}

// unregister takes a VM that is off out of the inventory; its guest waits for it to be registered again.
func (r *Service) unregister(vm *VM) *fault.Error {
	if _, e := r.w.Inner(vm.Self, "UnregisterVM", &types.UnregisterVM{This: vm.Self}); e != nil {
		return e
	}
	r.shelf[vm.Config.Files.VmPathName] = vm.guest
	delete(r.vms, vm.Self)
	r.w.Truth.VM("vm-unregistered", vm.hostName(), vm.Name, "%s", vm.Config.Files.VmPathName)
	return nil
}

func (r *Service) vetRegister(req *types.RegisterVM_Task) (*vmxFile, []*host.Host, *fault.Error) {
	switch {
	case req.AsTemplate && req.Host == nil:
		return nil, nil, fault.InvalidArgument("host")
	case req.AsTemplate == (req.Pool != nil):
		return nil, nil, fault.InvalidArgument("pool")
	}
	file, p, ok := r.datastoreFile(req.Path)
	if !ok {
		return nil, nil, fault.New(&types.InvalidDatastorePath{InvalidDatastore: types.InvalidDatastore{Name: p.Datastore}, DatastorePath: req.Path}, "Invalid datastore path '%s'.", req.Path)
	}
	if !isFile(file) {
		return nil, nil, fault.New(&types.NotFound{}, "The configuration file %s was not found.", req.Path)
	}
	for _, vm := range r.vms {
		if vm.Config.Files.VmPathName == req.Path {
			return nil, nil, fault.New(&types.AlreadyExists{Name: vm.Name}, "The specified key, name, or identifier '%s' already exists.", req.Path)
		}
	}
	f, err := readVMX(file)
	if err != nil {
		return nil, nil, fault.New(&types.InvalidVmConfig{Property: "configSpec"}, "Invalid virtual machine configuration: %s: %s", req.Path, err)
	}
	if e := r.freeName(req.This, registeredName(req, f)); e != nil {
		return nil, nil, e
	}
	pool := req.Pool
	if pool == nil {
		h := r.hosts.Get(*req.Host)
		if h == nil {
			return nil, nil, fault.NotFound(*req.Host)
		}
		pool = r.w.Compute(h.HS).ResourcePool
	}
	hosts, e := r.place(*pool, req.Host)
	return f, hosts, e
}

func registeredName(req *types.RegisterVM_Task, f *vmxFile) string {
	if req.Name != "" {
		return req.Name
	}
	if n := f.get("displayName"); n != "" {
		return world.EntityName(n)
	}
	return world.EntityName(strings.TrimSuffix(filepath.Base(req.Path), ".vmx"))
}

func (r *Service) register(req *types.RegisterVM_Task) (any, *fault.Error) {
	f, hosts, e := r.vetRegister(req)
	if e != nil {
		return nil, e
	}
	ask := *req
	ref, name := hosts[0].Ref(), registeredName(req, f)
	ask.Host, ask.Name, ask.AsTemplate = &ref, name, false
	if ask.Pool == nil {
		ask.Pool = r.w.Compute(hosts[0].HS).ResourcePool
	}
	file, _, _ := r.datastoreFile(req.Path)
	for _, n := range []string{r.w.PlainName(req.This, name) + ".nvram", "vmware.log"} { // the simulator requires them
		if p := filepath.Join(filepath.Dir(file), n); !isFile(p) {
			if err := os.WriteFile(p, nil, 0o600); err != nil {
				return nil, fault.From(err)
			}
		}
	}
	res, e := r.w.Inner(req.This, "RegisterVM_Task", &ask)
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
	if e := r.adopt(vm, f); e != nil {
		r.w.Inner(made, "UnregisterVM", &types.UnregisterVM{This: made})
		delete(r.vms, made)
		return nil, e
	}
	if old := r.shelf[req.Path]; old != nil { // its disk as it was left
		delete(r.shelf, req.Path)
		if err := old.CloneTo(vm.guest); err != nil {
			return nil, fault.From(err)
		}
		os.RemoveAll(old.Dir)
	}
	if req.AsTemplate {
		if _, e := r.w.Inner(made, "MarkAsTemplate", &types.MarkAsTemplate{This: made}); e != nil {
			return nil, e
		}
	}
	r.touch(vm, true)
	r.w.Touch(ref)
	r.event(vm, registered)
	r.w.Truth.VM("vm-registered", vm.hostName(), vm.Name, "%s", req.Path)
	return made, nil
}

func (r *Service) reload(vm *VM, path string) *fault.Error {
	if !vm.off() {
		return fault.New(&types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: vm.Runtime.PowerState})
	}
	file, _, ok := r.datastoreFile(path)
	if !ok || !isFile(file) {
		return fault.New(&types.FileNotFound{FileFault: types.FileFault{File: path}}, "File %s was not found", path)
	}
	for _, other := range r.vms {
		if other != vm && other.Config.Files.VmPathName == path {
			return fault.New(&types.AlreadyExists{Name: other.Name}, "The specified key, name, or identifier '%s' already exists.", path)
		}
	}
	state := func(s types.VirtualMachineConnectionState) {
		vm.Runtime.ConnectionState = s
		vm.Summary.Runtime = vm.Runtime
		r.w.Touch(vm.Self)
	}
	f, err := readVMX(file)
	if err != nil {
		state(types.VirtualMachineConnectionStateInvalid)
		return fault.New(&types.InvalidVmConfig{Property: "configSpec"}, "Invalid virtual machine configuration: %s: %s", path, err)
	}
	vm.Config.Files.VmPathName, vm.Summary.Config.VmPathName = path, path
	vm.Config.ExtraConfig = nil
	if e := r.adopt(vm, f); e != nil {
		return e
	}
	state(types.VirtualMachineConnectionStateConnected)
	r.touch(vm, true)
	return nil
}

// adopt configures a VM as a file says. Passthrough devices are taken as they are in the file:
// whether they fit the host is checked at power-on.
func (r *Service) adopt(vm *VM, f *vmxFile) *fault.Error {
	own := vm.Config.Files.VmPathName[:strings.LastIndexByte(vm.Config.Files.VmPathName, '/')+1]
	system := ""
	if h := vm.host(); h != nil {
		system = h.SystemID
	}
	spec := f.settings()
	add, gpus := f.devices(own, system)
	for _, d := range vm.Config.Hardware.Device { // its own devices are removed; those of every VM stay
		switch d.(type) {
		case types.BaseVirtualSCSIController, types.BaseVirtualSATAController, *types.VirtualNVMEController, *types.VirtualDisk, *types.VirtualCdrom,
			types.BaseVirtualEthernetCard, *types.VirtualTPM, *types.VirtualPCIPassthrough:
			spec.DeviceChange = append(spec.DeviceChange, &types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationRemove, Device: d})
		}
	}
	for _, d := range add {
		if disk, ok := d.(*types.VirtualDisk); ok {
			disk.CapacityInKB = r.capacity(disk)
		}
		if _, ok := d.(types.BaseVirtualEthernetCard); ok {
			if e := r.connected(d.GetVirtualDevice().Backing); e != nil {
				return e
			}
		}
		spec.DeviceChange = append(spec.DeviceChange, &types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationAdd, Device: d})
	}
	extra := spec.ExtraConfig
	keep := vm.Config.MemoryAllocation
	ask := types.ReconfigVM_Task{This: vm.Self, Spec: *spec}
	ask.Spec.ExtraConfig, ask.Spec.Name = nil, ""
	cardUnits(nil, &ask.Spec)
	if _, e := r.w.Inner(vm.Self, "ReconfigVM_Task", &ask); e != nil {
		vm.Config.MemoryAllocation = keep
		return e
	}
	for _, p := range gpus {
		vm.Config.Hardware.Device = append(vm.Config.Hardware.Device, p)
	}
	for i, d := range vm.Config.Hardware.Device {
		if _, ok := d.(*types.VirtualMachineVideoCard); ok && f.has("svga.vramSize") {
			v := *d.(*types.VirtualMachineVideoCard)
			v.UseAutoDetect, v.VideoRamSizeInKB = f.flag("svga.autodetect"), f.number("svga.vramSize")/1024
			v.NumDisplays, v.Enable3DSupport, v.Use3dRenderer = int32(f.number("svga.numDisplays")), f.flag("mks.enable3d"), f.get("mks.use3dRenderer")
			vm.Config.Hardware.Device[i] = &v
		}
	}
	if n := f.number("virtualHW.version"); n > 0 {
		vm.Config.Version = fmt.Sprintf("vmx-%02d", n)
		vm.Summary.Config.HwVersion = vm.Config.Version
	}
	for key, to := range map[string]*string{"uuid.bios": &vm.Config.Uuid, "vc.uuid": &vm.Config.InstanceUuid} {
		if id := uuidOf(f.get(key)); id != "" {
			*to = id
		}
	}
	vm.Summary.Config.Uuid, vm.Summary.Config.InstanceUuid = vm.Config.Uuid, vm.Config.InstanceUuid
	spec.ExtraConfig = extra
	vm.apply(&vetting{r: r, firmware: spec.Firmware, lock: isTrue(spec.MemoryReservationLockedToMax)}, spec)
	return nil
}

// capacity reads the size from a disk's descriptor.
func (r *Service) capacity(d *types.VirtualDisk) int64 {
	file, _, ok := r.datastoreFile(d.Backing.(*types.VirtualDiskFlatVer2BackingInfo).FileName)
	if !ok {
		return 0
	}
	desc, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer desc.Close()
	parsed, err := vmdk.ParseDescriptor(desc)
	if err != nil {
		return 0
	}
	return parsed.Capacity() / 1024
}

// connected refuses a network card of a .vmx whose network or port group is not in the inventory.
func (r *Service) connected(backing types.BaseVirtualDeviceBackingInfo) *fault.Error {
	switch b := backing.(type) {
	case *types.VirtualEthernetCardNetworkBackingInfo:
		if _, known := r.w.Named("Network", b.DeviceName); !known {
			return fault.New(&types.InvalidVmConfig{Property: "configSpec"}, "There is no network \"%s\".", b.DeviceName)
		}
	case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
		if r.w.Reg.Get(types.ManagedObjectReference{Type: "DistributedVirtualPortgroup", Value: b.Port.PortgroupKey}) == nil {
			return fault.New(&types.InvalidVmConfig{Property: "configSpec"}, "There is no port group \"%s\".", b.Port.PortgroupKey)
		}
	}
	return nil
}
