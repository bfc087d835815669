package vm

// spec_device.go checks the device changes of a spec.

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/host"
)

func (v *vetting) devices() *fault.Error {
	if e := v.hotPlug(); e != nil {
		return e
	}
	keys := map[int32]bool{}
	have := object.VirtualDeviceList(nil)
	cards := map[string]bool{}
	if v.vm != nil {
		have = v.vm.Config.Hardware.Device
	}
	removed := map[int32]bool{}
	for _, c := range v.spec.DeviceChange {
		if c != nil && c.GetVirtualDeviceConfigSpec().Operation == types.VirtualDeviceConfigSpecOperationRemove && c.GetVirtualDeviceConfigSpec().Device != nil {
			removed[c.GetVirtualDeviceConfigSpec().Device.GetVirtualDevice().Key] = true
		}
	}
	if v.vm != nil {
		for _, p := range host.Passthrough(v.vm.VirtualMachine) {
			if b, ok := p.Backing.(*types.VirtualPCIPassthroughDeviceBackingInfo); ok && !removed[p.Key] {
				cards[strings.ToLower(b.Id)] = true
			}
		}
	}
	for i, c := range v.spec.DeviceChange {
		if c == nil || c.GetVirtualDeviceConfigSpec().Device == nil {
			return badDevice(i, &types.InvalidDeviceSpec{}, "no device is given")
		}
		d := c.GetVirtualDeviceConfigSpec()
		key := d.Device.GetVirtualDevice().Key
		if abstract(d.Device) {
			return badDevice(i, &types.InvalidDeviceSpec{}, "the device has no concrete type")
		}
		old := have.FindByKey(key)
		switch d.Operation {
		case types.VirtualDeviceConfigSpecOperationAdd:
			if key != 0 && keys[key] {
				return badDevice(i, &types.InvalidDeviceSpec{}, "two new devices have the key %d", key)
			}
			keys[key] = true
		case types.VirtualDeviceConfigSpecOperationEdit, types.VirtualDeviceConfigSpecOperationRemove:
			if old == nil {
				return badDevice(i, &types.InvalidDeviceSpec{}, "the VM has no device with the key %d", key)
			}
			if d.Operation == types.VirtualDeviceConfigSpecOperationRemove {
				d.Device = old
			}
		default:
			return badDevice(i, &types.InvalidDeviceSpec{}, "no operation is given")
		}
		if e := v.edited(i, d, old); e != nil {
			return e
		}
		if d.Operation == types.VirtualDeviceConfigSpecOperationEdit {
			d.Device = merged(old, d.Device)
		}
		if e := v.device(i, d, cards, have); e != nil {
			return e
		}
	}
	if e := v.buses(have); e != nil {
		return e
	}
	if n := v.cardsAfter(); n > 10 {
		return fault.New(&types.TooManyDevices{InvalidVmConfig: types.InvalidVmConfig{Property: "configSpec.deviceChange"}},
			"The number of virtual devices exceeds the maximum: %d network cards, at most 10.", n)
	}
	if n, most := v.passthroughAfter(), v.r.deviceLimit(v.version); n > most {
		return fault.New(&types.TooManyDevices{InvalidVmConfig: types.InvalidVmConfig{Property: "configSpec.deviceChange"}},
			"The number of virtual devices exceeds the maximum: %d PCI passthrough devices, at most %d.", n, most)
	}
	return nil
}

// cardsAfter counts the network cards once the spec is applied.
func (v *vetting) cardsAfter() (n int) {
	if v.vm != nil {
		for _, d := range v.vm.Config.Hardware.Device {
			if _, ok := d.(types.BaseVirtualEthernetCard); ok {
				n++
			}
		}
	}
	for _, c := range v.spec.DeviceChange {
		d := c.GetVirtualDeviceConfigSpec()
		if _, ok := d.Device.(types.BaseVirtualEthernetCard); !ok {
			continue
		}
		switch d.Operation {
		case types.VirtualDeviceConfigSpecOperationAdd:
			n++
		case types.VirtualDeviceConfigSpecOperationRemove:
			n--
		}
	}
	return
}

func (r *Service) deviceLimit(version int) int {
	switch {
	case version >= 21:
		return 128
	case version == 20 && (r.w.Version[1] > 0 || r.w.Version[2] > 0):
		return 64
	case version == 20:
		return 32
	}
	return 16
}

func abstract(d types.BaseVirtualDevice) bool {
	switch d.(type) {
	case *types.VirtualDevice, *types.VirtualController, *types.VirtualEthernetCard, *types.VirtualSCSIController, *types.VirtualSATAController,
		*types.VirtualSoundCard:
		return true
	}
	return false
}

func (v *vetting) device(i int, d *types.VirtualDeviceConfigSpec, cards map[string]bool, have object.VirtualDeviceList) *fault.Error {
	on := v.vm != nil && !v.vm.off()
	add := d.Operation == types.VirtualDeviceConfigSpecOperationAdd
	gone := d.Operation == types.VirtualDeviceConfigSpecOperationRemove
	base := d.Device.GetVirtualDevice()
	if add && base.ControllerKey != 0 && !v.controller(base.ControllerKey, have) {
		return badDevice(i, &types.InvalidDeviceSpec{}, "there is no controller with the key %d", base.ControllerKey)
	}
	switch x := d.Device.(type) {
	case *types.VirtualPCIPassthrough:
		if on {
			if e := v.hotChange(i, d, x); e != nil {
				return e
			}
		}
		if !gone {
			return v.passthrough(i, x, cards)
		}
	case *types.VirtualMachineVideoCard:
		if on {
			return v.poweredOn()
		}
		if gone {
			return badDevice(i, &types.InvalidDeviceSpec{}, "the video card cannot be removed")
		}
		if add && have.SelectByType((*types.VirtualMachineVideoCard)(nil)) != nil && v.vm != nil {
			return badDevice(i, &types.InvalidDeviceSpec{}, "there is a video card already; edit it")
		}
		if r := x.Use3dRenderer; r != "" && r != "automatic" && r != "software" && r != "hardware" {
			return fault.InvalidArgument("configSpec.deviceChange.device.use3dRenderer")
		}
		if x.NumDisplays < 0 || x.NumDisplays > 10 || x.VideoRamSizeInKB < 0 {
			return fault.InvalidArgument("configSpec.deviceChange.device.numDisplays")
		}
	case *types.VirtualCdrom:
		if gone {
			return nil
		}
		if b, ok := base.Backing.(*types.VirtualCdromIsoBackingInfo); ok {
			// A VM that is off may name what is not there yet; only an unknown datastore is refused.
			_, _, known := v.r.datastoreFile(b.FileName)
			if running := v.vm != nil && v.vm.on(); !v.r.isoExists(b.FileName) && (running || !known) {
				return fault.New(&types.FileNotFound{FileFault: types.FileFault{File: b.FileName}}, "File %s was not found", b.FileName)
			}
			if _, p, ok := v.r.datastoreFile(b.FileName); ok {
				if ref, ok := v.r.w.Named("Datastore", p.Datastore); ok {
					b.Datastore = &ref
				}
			}
		} else if base.Backing == nil && add {
			return badDevice(i, &types.InvalidDeviceBacking{}, "the CD-ROM has no backing")
		}
		if add && base.ControllerKey == 0 {
			return badDevice(i, &types.InvalidDeviceSpec{}, "the CD-ROM names no controller")
		}
	case types.BaseVirtualEthernetCard:
		if gone {
			return nil
		}
		if u := base.UnitNumber; u != nil && (*u < 7 || *u > 16) {
			return badDevice(i, &types.InvalidDeviceSpec{}, "a network card sits at unit 7 to 16 of the PCI controller, not %d", *u)
		}
		if base.Backing == nil {
			if add {
				return badDevice(i, &types.InvalidDeviceBacking{}, "the network card has no backing")
			}
		} else if b, ok := base.Backing.(*types.VirtualEthernetCardNetworkBackingInfo); ok {
			if b.Network != nil && b.DeviceName == "" {
				if n, ok := v.r.networkName(*b.Network); ok {
					b.DeviceName = n
				}
			}
			if _, ok := v.r.w.Named("Network", b.DeviceName); !ok {
				return badDevice(i, &types.InvalidDeviceBacking{}, "there is no network %q", b.DeviceName)
			}
		} else if _, ok := base.Backing.(*types.VirtualEthernetCardDistributedVirtualPortBackingInfo); !ok {
			return badDevice(i, &types.InvalidDeviceBacking{}, "the backing of the network card is of an unknown kind")
		}
	case *types.VirtualDisk:
		if gone || !add {
			return nil
		}
		if base.ControllerKey == 0 || base.UnitNumber == nil || *base.UnitNumber == 7 {
			return badDevice(i, &types.InvalidDeviceSpec{}, "the disk needs a controller and a unit number other than 7")
		}
		b, ok := base.Backing.(types.BaseVirtualDeviceFileBackingInfo)
		if !ok {
			return badDevice(i, &types.InvalidDeviceBacking{}, "the disk has no file backing")
		}
		if d.FileOperation == types.VirtualDeviceConfigSpecFileOperationCreate {
			if x.CapacityInKB <= 0 && x.CapacityInBytes <= 0 {
				return badDevice(i, &types.InvalidDeviceSpec{}, "the disk has no capacity")
			}
		} else if f, _, ok := v.r.datastoreFile(b.GetVirtualDeviceFileBackingInfo().FileName); !ok || !isFile(f) {
			n := b.GetVirtualDeviceFileBackingInfo().FileName
			return fault.New(&types.FileNotFound{FileFault: types.FileFault{File: n}}, "File %s was not found", n)
		}
	}
	return nil
}

func isFile(f string) bool {
	st, err := os.Stat(f)
	return err == nil && st.Mode().IsRegular()
}

func (v *vetting) controller(key int32, have object.VirtualDeviceList) bool {
	if have == nil && (key == 100 || key == 200 || key == 201 || key == 300 || key == 400 || key == 600) {
		return true
	}
	if c := have.FindByKey(key); c != nil {
		_, ok := c.(types.BaseVirtualController)
		return ok
	}
	for _, c := range v.spec.DeviceChange {
		d := c.GetVirtualDeviceConfigSpec()
		if d.Device == nil || d.Operation != types.VirtualDeviceConfigSpecOperationAdd {
			continue
		}
		if _, ok := d.Device.(types.BaseVirtualController); ok && d.Device.GetVirtualDevice().Key == key {
			return true
		}
	}
	return false
}

func (r *Service) networkName(ref types.ManagedObjectReference) (string, bool) {
	n, ok := r.w.Reg.Get(ref).(*mo.Network)
	if !ok {
		return "", false
	}
	return n.Name, true
}

// toolsISO are the names under which every host has the Tools medium.
func toolsISO(name string) bool {
	n := strings.TrimSpace(strings.TrimPrefix(name, "[]"))
	return strings.HasPrefix(name, "[]") && (n == "/vmimages/tools-isoimages/windows.iso" || n == "/usr/lib/vmware/isoimages/windows.iso" ||
		n == "/productLocker/vmtools/windows.iso")
}

func (r *Service) isoExists(name string) bool {
	if toolsISO(name) {
		return true
	}
	f, _, ok := r.datastoreFile(name)
	return ok && isFile(f)
}

// passthrough checks one backing.
func (v *vetting) passthrough(i int, p *types.VirtualPCIPassthrough, cards map[string]bool) *fault.Error {
	switch b := p.Backing.(type) {
	case *types.VirtualPCIPassthroughDeviceBackingInfo:
		id := strings.ToLower(b.Id)
		hosts := v.pool
		if v.host != nil {
			hosts = []*host.Host{v.host}
		}
		at := slices.IndexFunc(hosts, func(h *host.Host) bool { return h.SystemID == b.SystemId })
		if b.SystemId == "BYPASS" && len(hosts) > 0 {
			at = 0
		}
		if at < 0 {
			return badDevice(i, &types.InvalidDeviceBacking{}, "The systemId does not match the current system.")
		}
		c := hosts[at].Card(id)
		if c == nil || !hosts[at].Gives(c) {
			return badDevice(i, &types.InvalidDeviceBacking{}, "Host %s has no passthrough device %s.", hosts[at].Name(), b.Id)
		}
		pd := c.PciDevice()
		if b.VendorId != pd.VendorId || !sameDeviceID(b.DeviceId, uint16(pd.DeviceId)) {
			return badDevice(i, &types.InvalidDeviceBacking{}, "The deviceId %q or the vendorId %d does not match the device currently at %s (%s, %d).",
				b.DeviceId, b.VendorId, c.Address, c.Device.Device, pd.VendorId)
		}
		if cards[id] {
			return badDevice(i, &types.InvalidDeviceSpec{}, "the device %s is in this VM already", b.Id)
		}
		cards[id] = true
		v.host = hosts[at]
	case *types.VirtualPCIPassthroughDynamicBackingInfo:
		if v.version < 17 {
			return badDevice(i, &types.DeviceUnsupportedForVmVersion{CurrentVersion: "vmx-" + strconv.Itoa(v.version), ExpectedVersion: "vmx-17"},
				"Dynamic DirectPath I/O needs virtual hardware version 17")
		}
		if len(b.AllowedDevice) == 0 {
			return badDevice(i, &types.InvalidDeviceBacking{}, "allowedDevice is empty")
		}
		for _, a := range b.AllowedDevice {
			if a.VendorId < 0 || a.VendorId > 65535 || a.DeviceId < 0 || a.DeviceId > 65535 {
				return badDevice(i, &types.InvalidDeviceBacking{}, "an id of allowedDevice is not in 0..65535")
			}
		}
		b.AssignedId = ""
	case nil:
		return badDevice(i, &types.InvalidDeviceBacking{}, "the device has no backing")
	default:
		return badDevice(i, &types.InvalidDeviceBacking{}, "the backing is not supported")
	}
	return nil
}

// sameDeviceID accepts the documented texts: hexadecimal of 16 bits with or without 0x, or
// nothing at all.
func sameDeviceID(text string, want uint16) bool {
	t := strings.ToLower(strings.TrimSpace(text))
	if t == "" {
		return true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(t, "0x"), 16, 16)
	return err == nil && uint16(n) == want
}
