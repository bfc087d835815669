package vm

// stock.go puts the fleet file's files on the datastores, and builds its VMs.

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/guest"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/world"
)

// Example credentials of the built-in answer media.
const (
	ExampleUser     = "ops"
	ExamplePassword = "Train-1-pass"
)

func (r *Service) stock() error {
	for i := range r.w.Fleet.Datastores {
		d := &r.w.Fleet.Datastores[i]
		for name, f := range d.Files {
			data, err := content(f)
			if err != nil {
				return fmt.Errorf("datastore %s: %s: %w", d.Name, name, err)
			}
			to := filepath.Join(r.w.DatastoreDir(d.Name), filepath.Clean("/"+name))
			if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(to, data, 0o644); err != nil {
				return err
			}
		}
	}
	return r.writeToolsMedium("")
}

// writeToolsMedium puts the Tools medium of a version where the hosts have it.
func (r *Service) writeToolsMedium(version string) error {
	tools, err := guest.ToolsMedium(version)
	if err != nil {
		return err
	}
	dir := filepath.Join(r.w.Dir, "tools")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "windows.iso"), tools, 0o644)
}

func content(f fleet.File) ([]byte, error) {
	switch {
	case f.OS == "tools":
		return guest.ToolsMedium(f.Version)
	case f.OS != "":
		return guest.OSMedium(f.OS, f.Version, f.Prompt)
	case f.Source == "builtin:tools":
		return guest.ToolsMedium(f.Version)
	case strings.HasPrefix(f.Source, "builtin:"):
		return guest.AnswerMedium(strings.TrimPrefix(f.Source, "builtin:"), ExampleUser, ExamplePassword)
	case f.Source != "":
		return os.ReadFile(f.Source)
	case f.SizeMB > 0:
		return make([]byte, f.SizeMB<<20), nil
	}
	return []byte(f.Text), nil
}

// fromFile builds one entry of the fleet file's VMs.
func (r *Service) fromFile(i int) error {
	d := &r.w.Fleet.VMs[i]
	count := max(d.Count, 1)
	for n := 1; n <= count; n++ {
		name := d.Name
		if d.Count > 0 {
			name = fleet.Numbered(d.Name, n)
		}
		if err := r.oneFromFile(d, world.EntityName(name), n-1); err != nil {
			return fmt.Errorf("vm %s: %w", name, err)
		}
	}
	return nil
}

func (r *Service) oneFromFile(d *fleet.VM, name string, n int) error {
	h, err := r.hostFor(d, n)
	if err != nil {
		return err
	}
	pool := r.w.Compute(h.HS).ResourcePool
	if pool == nil {
		return fmt.Errorf("host %s has no resource pool", h.Name())
	}
	if d.Pool != "" {
		child, ok := r.w.ChildNamed(*pool, world.EntityName(d.Pool))
		if !ok {
			return fmt.Errorf("there is no resource pool or vApp %q", d.Pool)
		}
		pool = &child
	}
	ds, err := r.storeFor(d, h)
	if err != nil {
		return err
	}
	spec := types.VirtualMachineConfigSpec{Name: name, GuestId: "otherGuest64", MemoryMB: 4096, NumCPUs: 2, Firmware: "bios",
		Files: &types.VirtualMachineFileInfo{VmPathName: "[" + ds + "]"}}
	if d.Guest != "" {
		spec.GuestId = d.Guest
	} else if d.Installed == "windows" {
		spec.GuestId = "windows2019srvNext_64Guest"
	} else if d.Installed == "ubuntu" {
		spec.GuestId = "ubuntu64Guest"
	} else if d.Installed != "" {
		spec.GuestId, _ = guest.GuestOf(d.Installed)
	}
	if d.Firmware != "" {
		spec.Firmware = d.Firmware
	}
	if d.MemoryMB > 0 {
		spec.MemoryMB = d.MemoryMB
	}
	if d.CPUs > 0 {
		spec.NumCPUs = d.CPUs
	}
	spec.Version = d.Version
	if d.MemoryLock {
		spec.MemoryReservationLockedToMax = ptr(true)
	}
	for k, v := range d.ExtraConfig {
		spec.ExtraConfig = append(spec.ExtraConfig, &types.OptionValue{Key: k, Value: v})
	}
	add := func(dev types.BaseVirtualDevice, op types.VirtualDeviceConfigSpecFileOperation) {
		spec.DeviceChange = append(spec.DeviceChange, &types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationAdd,
			FileOperation: op, Device: dev})
	}
	if d.DiskGB > 0 || d.Installed != "" {
		gb := d.DiskGB
		if gb == 0 {
			gb = 40
		}
		add(&types.VirtualLsiLogicSASController{VirtualSCSIController: types.VirtualSCSIController{SharedBus: types.VirtualSCSISharingNoSharing,
			VirtualController: types.VirtualController{BusNumber: 0, VirtualDevice: types.VirtualDevice{Key: -101}}}}, "")
		add(&types.VirtualDisk{CapacityInKB: int64(gb) << 20, VirtualDevice: types.VirtualDevice{Key: -102, ControllerKey: -101, UnitNumber: ptr(int32(0)),
			Backing: &types.VirtualDiskFlatVer2BackingInfo{DiskMode: "persistent", ThinProvisioned: ptr(true),
				VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: "[" + ds + "]"}}}}, types.VirtualDeviceConfigSpecFileOperationCreate)
	}
	if d.CDROM {
		add(&types.VirtualCdrom{VirtualDevice: types.VirtualDevice{Key: -109, ControllerKey: 201, UnitNumber: ptr(int32(0)),
			Backing:     &types.VirtualCdromRemotePassthroughBackingInfo{},
			Connectable: &types.VirtualDeviceConnectInfo{AllowGuestControl: true}}}, "")
	}
	if backing := r.backingOf(d.Network); backing != nil {
		add(&types.VirtualVmxnet3{VirtualVmxnet: types.VirtualVmxnet{VirtualEthernetCard: types.VirtualEthernetCard{
			VirtualDevice: types.VirtualDevice{Key: -103, Backing: backing}}}}, "")
	}
	for j, id := range d.Devices {
		c := h.Card(id)
		if c == nil {
			return fmt.Errorf("host %s has no device %s", h.Name(), id)
		}
		add(&types.VirtualPCIPassthrough{VirtualDevice: types.VirtualDevice{Key: int32(-200 - j), Backing: &types.VirtualPCIPassthroughDeviceBackingInfo{
			Id: c.Address, DeviceId: c.Device.Device, SystemId: h.SystemID, VendorId: c.PciDevice().VendorId,
			VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: c.Name}}}}, "")
	}
	folder, err := r.w.VMFolder(r.w.Center(h.Ref()), d.Folder)
	if err != nil {
		return err
	}
	ref := h.Ref()
	closed := h.HS.Runtime.InMaintenanceMode || !h.Connected()
	got, e := r.create(&types.CreateVM_Task{This: folder, Config: spec, Pool: *pool, Host: &ref})
	if e != nil {
		return e
	}
	vm, e := r.of(got.(types.ManagedObjectReference))
	if e != nil {
		return e
	}
	if d.Installed != "" {
		if err := vm.guest.Installed(installed(d, name)); err != nil {
			return err
		}
		vm.Guest.ToolsVersion = "1" // its Tools have run: their release is known while it is off
		vm.publish()
		vm.measured() // vCenter has known for long what is on its disk
	}
	if d.Template {
		vm.Config.Template, vm.Summary.Config.Template = true, true
	}
	if d.Power == "poweredOn" && !closed {
		if e := r.powerOn(vm); e != nil {
			return fmt.Errorf("power on: %s", lastLine(e))
		}
	}
	return nil
}

// storeFor is the datastore of a VM: the one it names, or the first that its host has.
func (r *Service) storeFor(d *fleet.VM, h *host.Host) (string, error) {
	if d.Datastore != "" {
		return d.Datastore, nil
	}
	for i := range r.w.Fleet.Datastores {
		name := r.w.Fleet.Datastores[i].Name
		if ref, ok := r.w.Named("Datastore", name); ok && slices.Contains(h.HS.Datastore, ref) {
			return name, nil
		}
	}
	return "", fmt.Errorf("host %s has no datastore", h.Name())
}

// backingOf connects a network card to a network or a port group of the fleet; without a name
// to the first network.
func (r *Service) backingOf(name string) types.BaseVirtualDeviceBackingInfo {
	if name == "" {
		if len(r.w.Fleet.Networks) == 0 {
			return nil
		}
		name = r.w.Fleet.Networks[0]
	}
	if ref, ok := r.w.Named("Network", name); ok {
		if pg, ok := r.w.Reg.Get(ref).(*simulator.DistributedVirtualPortgroup); ok {
			b := &types.VirtualEthernetCardDistributedVirtualPortBackingInfo{Port: types.DistributedVirtualSwitchPortConnection{PortgroupKey: pg.Key}}
			if s, ok := r.w.Reg.Get(*pg.Config.DistributedVirtualSwitch).(*simulator.DistributedVirtualSwitch); ok {
				b.Port.SwitchUuid = s.Uuid
			}
			return b
		}
	}
	return &types.VirtualEthernetCardNetworkBackingInfo{VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: name}}
}

// installed is a finished system as the fleet file describes it. More: tools (version or
// "none"), driver, hostname, address, and the version of Windows.
func installed(d *fleet.VM, name string) guest.Disk {
	more := func(k string) string { s, _ := d.More[k].(string); return s }
	user, pw := d.Username, d.Password
	disk := guest.Disk{OS: "ubuntu", Version: "24.04.1", EFI: d.Firmware == "efi", Hostname: name, Driver: more("driver"),
		Packages: map[string]string{"pciutils": "1:3.10.0-2build1"}}
	if d.Installed == "windows" || d.Installed == "windows-11" {
		disk.OS, disk.Version = "windows", "10.0.20348"
		if d.Installed == "windows-11" {
			disk.Version = "10.0.22621"
		}
		if v := more("version"); v != "" {
			disk.Version = v
		}
		if user == "" {
			user = "Administrator"
		}
		disk.Users = []guest.User{{Name: user, Secret: "plain:" + pw, Admin: true}}
		t := &guest.Tools{Text: guest.DefaultTools, Type: "guestToolsTypeMSI"}
		if v := more("tools"); v != "" {
			t.Text = v
		}
		t.Number, _ = guest.ToolsNumber(t.Text)
		t.Features = guest.DefaultFeatures(t.Number)
		disk.Tools = t
	} else {
		if user == "" {
			user = ExampleUser
		}
		disk.Users = []guest.User{{Name: user, Secret: "plain:" + pw, Sudo: true, Sudoer: true}}
		disk.Tools = &guest.Tools{Text: "12.3.5", Number: 12389, Type: "guestToolsTypeOpenVMTools"}
		disk.Packages["open-vm-tools"] = "2:12.3.5-5ubuntu3"
		if slices.Contains(guest.Distros, d.Installed) {
			disk.Distro = d.Installed
			if d.Installed == "alpine" {
				disk.Packages["open-vm-tools-plugins-all"] = "12.3.5"
			}
		}
	}
	if more("tools") == "tar" { // the installer that came with vSphere before open-vm-tools
		disk.Tools.Type = "guestToolsTypeTar"
		delete(disk.Packages, "open-vm-tools")
	}
	if more("tools") == "none" {
		disk.Tools = nil
		delete(disk.Packages, "open-vm-tools")
	}
	return disk
}

func (r *Service) hostFor(d *fleet.VM, n int) (*host.Host, error) {
	var all []*host.Host
	for _, h := range r.hosts.All() {
		if d.Host != "" && h.Name() != d.Host || d.Cluster != "" && (h.Cluster == nil || h.Cluster.Name != d.Cluster) {
			continue
		}
		all = append(all, h)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no host %q in cluster %q", d.Host, d.Cluster)
	}
	return all[n%len(all)], nil
}

// logFiles lists the logs in layoutEx.
func (r *Service) logFiles(vm *VM) {
	dir := vm.dir()
	base := vm.Config.Files.VmPathName
	if i := strings.LastIndexByte(base, '/'); i >= 0 {
		base = base[:i+1]
	}
	names, _ := filepath.Glob(filepath.Join(dir, "vmware*.log"))
	l := *vm.LayoutEx
	l.File = nil
	key := int32(0)
	for _, f := range vm.LayoutEx.File {
		if f.Type != string(types.VirtualMachineFileLayoutExFileTypeLog) {
			l.File = append(l.File, f)
			key = max(key, f.Key)
		}
	}
	for _, n := range names {
		key++
		size := int64(0)
		if st, err := os.Stat(n); err == nil {
			size = st.Size()
		}
		l.File = append(l.File, types.VirtualMachineFileLayoutExFileInfo{Key: key, Name: base + filepath.Base(n), Size: size,
			UniqueSize: size, Type: string(types.VirtualMachineFileLayoutExFileTypeLog), Accessible: ptr(true)})
	}
	vm.LayoutEx = &l
	vm.Config.Files.LogDirectory = strings.TrimSuffix(base, "/")
}
