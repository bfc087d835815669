package front

// demand_vm.go: what a VM's configuration requires, field by field and device by device, as
// the API reference lists it for VirtualMachineConfigSpec, CreateVM_Task, CloneVM_Task,
// RelocateVM_Task and MigrateVM_Task.

import (
	"reflect"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/wire"
)

const specSource = "API reference: VirtualMachineConfigSpec, `Reconfigure privilege` of each field and of deviceChange"

var (
	_ = rules.Add(rules.Rule{ID: "session.field-privilege", Sure: "documented", As: "real", Source: specSource,
		Text: "ReconfigVM_Task requires the privilege of each field that the spec sets: AdvancedConfig for extraConfig, Resource for reservations and the memory lock, Settings, Memory, CPUCount, Rename, ChangeTracking and others of VirtualMachine.Config."})
	_ = rules.Add(rules.Rule{ID: "session.device-privilege", Sure: "documented", As: "real", Source: specSource,
		Text: "A device change requires VirtualMachine.Config.AddRemoveDevice, AddNewDisk, AddExistingDisk, RemoveDisk, RawDevice, HostUSBDevice, EditDevice or DiskExtend, or VirtualMachine.Interact.SetCDMedia, SetFloppyMedia, DeviceConnection; a network card Network.Assign on its network; a new disk Datastore.AllocateSpace."})
	_ = rules.Add(rules.Rule{ID: "session.create-privilege", Sure: "documented", As: "real", Source: "API reference: Folder.CreateVM_Task, the list of privileges",
		Text: "CreateVM_Task requires VirtualMachine.Inventory.Create and what its disks, raw devices and extraConfig need on the folder, Resource.AssignVMToPool on the pool, Datastore.AllocateSpace on each datastore, Network.Assign on each network."})
	_ = rules.Add(rules.Rule{ID: "session.clone-privilege", Sure: "documented", As: "real", Source: "API reference: VirtualMachine.CloneVM_Task, the list of privileges",
		Text: "CloneVM_Task requires VirtualMachine.Provisioning.Clone, DeployTemplate, CreateTemplateFromVM or CloneTemplate on the source, Customize with a customization, VirtualMachine.Inventory.CreateFromExisting on the folder, Resource.AssignVMToPool on the pool, Datastore.AllocateSpace on the datastores."})
	_ = rules.Add(rules.Rule{ID: "session.clone-field-privilege", Sure: "inferred", As: "inferred", Source: specSource + "; none for the object on which they are required, because the clone does not exist yet",
		Text: "CloneVM_Task with a config requires on the folder what ReconfigVM_Task would require for it on the VM."})
	_ = rules.Add(rules.Rule{ID: "session.move-privilege", Sure: "documented", As: "real", Source: "API reference: RelocateVM_Task, MigrateVM_Task",
		Text: "RelocateVM_Task requires Resource.ColdMigrate, and Resource.HotMigrate for a running VM (MigrateVM_Task the one or the other); Resource.AssignVMToPool on another pool, Datastore.AllocateSpace on another datastore, VirtualMachine.Inventory.Move on another folder."})
)

// fieldNeeds are the privileges below VirtualMachine.Config of the fields of a ConfigSpec that
// name one; what is not here (firmware, for instance) is a setting.
var fieldNeeds = map[string]string{
	"name": "Rename", "annotation": "Annotation", "numCPUs": "CPUCount", "numCoresPerSocket": "CPUCount", "cpuHotAddEnabled": "CPUCount", "cpuHotRemoveEnabled": "CPUCount",
	"memoryMB": "Memory", "memoryHotAddEnabled": "Memory", "cpuAllocation": "Resource", "memoryAllocation": "Resource", "latencySensitivity": "Resource",
	"cpuAffinity": "Resource", "memoryAffinity": "Resource", "networkShaper": "Resource", "memoryReservationLockedToMax": "Resource",
	"extraConfig": "AdvancedConfig", "swapPlacement": "SwapPlacement", "changeTrackingEnabled": "ChangeTracking", "maxMksConnections": "MksControl",
	"guestAutoLockEnabled": "MksControl", "managedBy": "ManagedBy", "scheduledHardwareUpgradeInfo": "UpgradeVirtualHardware",
}

// onCreation are those that count for a new VM, too.
var onCreation = map[string]bool{"extraConfig": true, "swapPlacement": true, "changeTrackingEnabled": true}

const config = "VirtualMachine.Config."

// fields demands what the fields of a spec need.
func (d *demands) fields(ref types.ManagedObjectReference, spec *types.VirtualMachineConfigSpec, creating bool) {
	v := reflect.ValueOf(spec).Elem()
	info := wire.Of(v.Type())
	for i := range info.Fields {
		f := &info.Fields[i]
		x := v.FieldByIndex(f.Index)
		if x.IsZero() || (x.Kind() == reflect.Slice && x.Len() == 0) || (creating && !onCreation[f.Name]) {
			continue
		}
		switch f.Name {
		case "changeVersion", "deviceChange", "vmProfile":
		case "vAppConfig", "vAppConfigRemoved":
			d.add(ref, "VApp.ApplicationConfig")
		case "version":
			d.add(ref, config+"UpgradeVirtualHardware")
		default:
			p, ok := fieldNeeds[f.Name]
			if !ok {
				p = "Settings"
			}
			d.add(ref, config+p)
		}
	}
}

// devices demands what changes of devices need; vm is nil for a new VM.
func (d *demands) devices(ref types.ManagedObjectReference, changes []types.BaseVirtualDeviceConfigSpec, vm *simulator.VirtualMachine) {
	for _, change := range changes {
		if change == nil || change.GetVirtualDeviceConfigSpec().Device == nil {
			continue
		}
		s := change.GetVirtualDeviceConfigSpec()
		old := device(vm, s.Device.GetVirtualDevice().Key)
		switch s.Operation {
		case types.VirtualDeviceConfigSpecOperationRemove:
			if old == nil {
				old = s.Device
			}
			d.add(ref, config+map[string]string{"disk": "RemoveDisk", "raw": "RawDevice", "usb": "HostUSBDevice", "": "AddRemoveDevice"}[class(old)])
		case types.VirtualDeviceConfigSpecOperationEdit:
			d.edit(ref, s, old)
		default:
			d.plug(ref, s, vm)
		}
	}
}

// plug is a device that is added.
func (d *demands) plug(ref types.ManagedObjectReference, s *types.VirtualDeviceConfigSpec, vm *simulator.VirtualMachine) {
	switch class(s.Device) {
	case "raw":
		d.add(ref, config+"RawDevice")
	case "usb":
		d.add(ref, config+"HostUSBDevice")
	case "disk":
		if s.FileOperation == "" {
			d.add(ref, config+"AddExistingDisk")
		} else {
			d.add(ref, config+"AddNewDisk")
			d.diskSpace(s.Device, vm)
		}
		d.shares(ref, s.Device, vm)
	default:
		if vm != nil {
			d.add(ref, config+"AddRemoveDevice")
		}
	}
	d.network(s.Device)
}

// edit is a device that is changed; what it is now decides, not what the request calls it.
func (d *demands) edit(ref types.ManagedObjectReference, s *types.VirtualDeviceConfigSpec, old types.BaseVirtualDevice) {
	now := s.Device.GetVirtualDevice()
	if old == nil {
		d.add(ref, config+"EditDevice")
		return
	}
	was := old.GetVirtualDevice()
	if c := now.Connectable; c != nil && (was.Connectable == nil || c.Connected != was.Connectable.Connected || c.StartConnected != was.Connectable.StartConnected) {
		d.add(ref, "VirtualMachine.Interact.DeviceConnection")
	}
	other := now.Backing != nil && !reflect.DeepEqual(now.Backing, was.Backing)
	switch old.(type) {
	case *types.VirtualCdrom:
		if other {
			d.add(ref, "VirtualMachine.Interact.SetCDMedia")
		}
		return
	case *types.VirtualFloppy:
		if other {
			d.add(ref, "VirtualMachine.Interact.SetFloppyMedia")
		}
		return
	case *types.VirtualDisk:
		a, _ := s.Device.(*types.VirtualDisk)
		b := old.(*types.VirtualDisk)
		if a != nil && (a.CapacityInKB > b.CapacityInKB || a.CapacityInBytes > b.CapacityInBytes) {
			d.add(ref, config+"DiskExtend")
			d.diskSpace(old, nil)
		}
		d.shares(ref, s.Device, nil)
	}
	switch class(old) {
	case "raw":
		d.add(ref, config+"RawDevice")
	case "usb":
		d.add(ref, config+"HostUSBDevice")
	}
	d.add(ref, config+"EditDevice")
	if other {
		d.network(s.Device)
	}
}

// device finds one of a VM's devices.
func device(vm *simulator.VirtualMachine, key int32) types.BaseVirtualDevice {
	if vm != nil && vm.Config != nil {
		for _, dev := range vm.Config.Hardware.Device {
			if dev.GetVirtualDevice().Key == key {
				return dev
			}
		}
	}
	return nil
}

// class returns the family of privileges to which a device belongs: disk, raw, usb or none.
func class(dev types.BaseVirtualDevice) string {
	backing := dev.GetVirtualDevice().Backing
	switch dev.(type) {
	case *types.VirtualDisk:
		switch backing.(type) {
		case *types.VirtualDiskRawDiskMappingVer1BackingInfo, *types.VirtualDiskRawDiskVer2BackingInfo, *types.VirtualDiskPartitionedRawDiskVer2BackingInfo:
			return "raw"
		}
		return "disk"
	case *types.VirtualSCSIPassthrough:
		return "raw"
	case *types.VirtualUSB:
		return "usb"
	}
	return ""
}

// shares is what a disk's share of the storage needs.
func (d *demands) shares(ref types.ManagedObjectReference, dev types.BaseVirtualDevice, _ *simulator.VirtualMachine) {
	if disk, ok := dev.(*types.VirtualDisk); ok && (disk.Shares != nil || disk.StorageIOAllocation != nil && disk.StorageIOAllocation.Shares != nil) {
		d.add(ref, config+"Resource")
	}
}

// diskSpace demands space for a disk on its datastore: its own, else the VM's.
func (d *demands) diskSpace(dev types.BaseVirtualDevice, vm *simulator.VirtualMachine) {
	if b, ok := dev.GetVirtualDevice().Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
		f := b.GetVirtualDeviceFileBackingInfo()
		if f.Datastore != nil {
			d.add(*f.Datastore, "Datastore.AllocateSpace")
			return
		}
		if ds, ok := d.datastore(f.FileName); ok {
			d.add(ds, "Datastore.AllocateSpace")
			return
		}
	}
	if vm != nil && vm.Config != nil {
		d.space(vm.Config.Files.VmPathName)
	}
}

// network demands the network that a card is put on.
func (d *demands) network(dev types.BaseVirtualDevice) {
	switch b := dev.GetVirtualDevice().Backing.(type) {
	case *types.VirtualEthernetCardNetworkBackingInfo:
		if b.Network != nil {
			d.add(*b.Network, "Network.Assign")
			return
		}
		for _, e := range d.f.W.Reg.All("Network") {
			if n, ok := e.(*mo.Network); ok && n.Name == b.DeviceName {
				d.add(n.Self, "Network.Assign")
				return
			}
		}
	case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
		d.add(types.ManagedObjectReference{Type: "DistributedVirtualPortgroup", Value: b.Port.PortgroupKey}, "Network.Assign")
	}
}

func createDemands(d *demands, c *api.Call) {
	req := c.Req.(*types.CreateVM_Task)
	d.add(c.This, "VirtualMachine.Inventory.Create")
	d.fields(c.This, &req.Config, true)
	d.devices(c.This, req.Config.DeviceChange, nil)
	d.add(req.Pool, "Resource.AssignVMToPool")
	if req.Config.Files != nil {
		d.space(req.Config.Files.VmPathName)
	}
}

func reconfigDemands(d *demands, c *api.Call) {
	req := c.Req.(*types.ReconfigVM_Task)
	vm, _ := d.f.W.Reg.Get(c.This).(*simulator.VirtualMachine)
	d.fields(c.This, &req.Spec, false)
	if vm != nil {
		d.devices(c.This, req.Spec.DeviceChange, vm)
	}
}

func cloneDemands(d *demands, c *api.Call) {
	req := c.Req.(*types.CloneVM_Task)
	vm, _ := d.f.W.Reg.Get(c.This).(*simulator.VirtualMachine)
	from := vm != nil && vm.Config != nil && vm.Config.Template
	d.add(c.This, "VirtualMachine.Provisioning."+map[[2]bool]string{{false, false}: "Clone", {false, true}: "CreateTemplateFromVM",
		{true, false}: "DeployTemplate", {true, true}: "CloneTemplate"}[[2]bool{from, req.Spec.Template}])
	if req.Spec.Customization != nil {
		d.add(c.This, "VirtualMachine.Provisioning.Customize")
	}
	folder := req.Folder
	if f := req.Spec.Location.Folder; f != nil {
		folder = *f
	}
	d.add(folder, "VirtualMachine.Inventory.CreateFromExisting")
	if pool := req.Spec.Location.Pool; !req.Spec.Template {
		if pool == nil && vm != nil {
			pool = vm.ResourcePool
		}
		if pool != nil {
			d.add(*pool, "Resource.AssignVMToPool")
		}
	}
	if req.Spec.Location.Datastore != nil || len(req.Spec.Location.Disk) > 0 {
		d.stores(&req.Spec.Location, nil)
	} else if vm != nil && vm.Config != nil {
		d.space(vm.Config.Files.VmPathName)
	}
	d.cards(req.Spec.Location.DeviceChange)
	if s := req.Spec.Config; s != nil {
		d.fields(folder, s, false)
		d.devices(folder, s.DeviceChange, vm)
	}
}

// stores demands space on the datastores of a location that the VM does not use yet.
func (d *demands) stores(loc *types.VirtualMachineRelocateSpec, vm *simulator.VirtualMachine) {
	here := map[types.ManagedObjectReference]bool{}
	if vm != nil {
		for _, ds := range vm.Datastore {
			here[ds] = true
		}
	}
	if loc.Datastore != nil && !here[*loc.Datastore] {
		d.add(*loc.Datastore, "Datastore.AllocateSpace")
	}
	for _, disk := range loc.Disk {
		if !here[disk.Datastore] {
			d.add(disk.Datastore, "Datastore.AllocateSpace")
		}
	}
}

// cards demands the networks that a move or a clone puts the network cards on.
func (d *demands) cards(changes []types.BaseVirtualDeviceConfigSpec) {
	for _, change := range changes {
		if change != nil && change.GetVirtualDeviceConfigSpec().Device != nil {
			d.network(change.GetVirtualDeviceConfigSpec().Device)
		}
	}
}

func relocateDemands(d *demands, c *api.Call) {
	loc := &c.Req.(*types.RelocateVM_Task).Spec
	vm, _ := d.f.W.Reg.Get(c.This).(*simulator.VirtualMachine)
	if vm == nil {
		return
	}
	if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
		d.add(c.This, "Resource.HotMigrate")
	}
	if loc.Pool != nil && (vm.ResourcePool == nil || *loc.Pool != *vm.ResourcePool) {
		d.add(*loc.Pool, "Resource.AssignVMToPool")
	}
	d.stores(loc, vm)
	if loc.Folder != nil && (vm.Parent == nil || *loc.Folder != *vm.Parent) {
		d.add(c.This, "VirtualMachine.Inventory.Move")
		if vm.Parent != nil {
			d.add(*vm.Parent, "VirtualMachine.Inventory.Move")
		}
		d.add(*loc.Folder, "VirtualMachine.Inventory.Move")
	}
	d.cards(loc.DeviceChange)
}

func migrateDemands(d *demands, c *api.Call) {
	vm, _ := d.f.W.Reg.Get(c.This).(*simulator.VirtualMachine)
	if vm != nil && vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
		d.add(c.This, "Resource.HotMigrate")
	} else {
		d.add(c.This, "Resource.ColdMigrate")
	}
}

func ticketDemands(d *demands, c *api.Call) {
	if c.Req.(*types.AcquireTicket).TicketType == "guestControl" {
		d.add(c.This, "VirtualMachine.Interact.GuestControl")
	} else {
		d.add(c.This, "VirtualMachine.Interact.ConsoleInteract")
	}
}
