package vm

// vmxread.go reads a .vmx file back into a configuration: RegisterVM_Task and
// reloadVirtualMachineFromPath_Task take the content of the file, valid or not, without the
// checks of a reconfigure. A duplicate key makes the VM invalid, and so does an invalid
// line.

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// vmxFile is a dictionary; keys in lower case, order the keys as in the file.
type vmxFile struct {
	values map[string]string
	names  []string
}

func (f *vmxFile) get(key string) string     { return f.values[strings.ToLower(key)] }
func (f *vmxFile) has(key string) bool       { _, ok := f.values[strings.ToLower(key)]; return ok }
func (f *vmxFile) number(key string) int64   { n, _ := strconv.ParseInt(f.get(key), 10, 64); return n }
func (f *vmxFile) truth(key string) bool     { return truthy(f.get(key)) }
func (f *vmxFile) flag(key string) *bool     { return ptr(f.truth(key)) }
func (f *vmxFile) present(space string) bool { return f.truth(space + ".present") }

func readVMX(file string) (*vmxFile, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	f := &vmxFile{values: map[string]string{}}
	text := strings.TrimPrefix(string(data), "\xef\xbb\xbf")
	for i, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		line = strings.Trim(line, " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, ok := strings.Cut(line, "=")
		name, rest = strings.Trim(name, " \t"), strings.Trim(rest, " \t")
		value, tail := rest, ""
		if strings.HasPrefix(rest, `"`) {
			var closed bool
			value, tail, closed = strings.Cut(rest[1:], `"`)
			ok = ok && closed
		} else if at := strings.IndexAny(rest, " \t#"); at >= 0 {
			value, tail = rest[:at], rest[at:]
		}
		tail = strings.Trim(tail, " \t")
		if !ok || name == "" || strings.ContainsAny(name, " \t#") || tail != "" && tail[0] != '#' {
			return nil, fmt.Errorf("line %d: syntax error", i+1)
		}
		key := strings.ToLower(name)
		if _, twice := f.values[key]; twice {
			return nil, fmt.Errorf("line %d: Variable %q is already defined.", i+1, name)
		}
		f.values[key] = unescapeVMX(value)
		f.names = append(f.names, name)
	}
	return f, nil
}

// unescapeVMX reads |XX; a bar that no two digits follow stays.
func unescapeVMX(s string) string {
	if !strings.Contains(s, "|") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '|' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// explicit are the keys that fields of the configuration hold; all others are extraConfig.
var explicit = []string{".encoding", "config.version", "virtualhw.version", "displayname", "guestos", "annotation", "uuid.bios", "vc.uuid", "numvcpus",
	"cpuid.corespersocket", "memsize", "sched.mem.min", "sched.mem.minsize", "sched.mem.max", "sched.mem.pin", "sched.mem.shares", "firmware",
	"uefi.secureboot.enabled", "vhv.enable", "vvtd.enable", "windows.vbs.enabled", "vcpu.hotadd", "mem.hotadd", "nvram", "vtpm.present"}

// isExtra reports whether a key of the file has no field or device of its own.
func isExtra(key string) bool {
	key = strings.ToLower(key)
	if slices.Contains(explicit, key) {
		return false
	}
	space, field, _ := strings.Cut(key, ".")
	kind := strings.TrimRight(strings.TrimRight(space, "0123456789:"), "0123456789")
	switch kind {
	case "scsi", "sata", "nvme", "ide", "ethernet", "vmci", "pcibridge":
		return kind == space // without a number it is a setting of all
	case "svga":
		return field != "autodetect" && field != "vramsize" && field != "numdisplays"
	case "mks":
		return field != "enable3d" && field != "use3drenderer"
	case "pcipassthru":
		return kind == space || !slices.Contains([]string{"present", "id", "deviceid", "vendorid", "systemid", "alloweddevices", "customlabel"}, field)
	}
	return true
}

// guestID is the identifier behind the file's guestOS.
func guestID(name string) string {
	for _, id := range types.VirtualMachineGuestOsIdentifier("").Strings() {
		if strings.EqualFold(guestOS(id), name) {
			return id
		}
	}
	return "otherGuest"
}

// datastorePath turns /vmfs/volumes/ds/x or a name beside the .vmx into "[ds] x".
func datastorePath(name, own string) string {
	if rest, ok := strings.CutPrefix(name, "/vmfs/volumes/"); ok {
		ds, p, _ := strings.Cut(rest, "/")
		return "[" + ds + "] " + p
	}
	if strings.HasPrefix(name, "/") {
		return "[] " + name
	}
	return own + name
}

// settings are the fields of a configuration file that are not devices.
func (f *vmxFile) settings() *types.VirtualMachineConfigSpec {
	s := &types.VirtualMachineConfigSpec{GuestId: guestID(f.get("guestOS")), NumCPUs: int32(max(f.number("numvcpus"), 1)),
		MemoryMB: max(f.number("memSize"), 4), Firmware: "bios", Annotation: f.get("annotation"),
		NestedHVEnabled: f.flag("vhv.enable"), CpuHotAddEnabled: f.flag("vcpu.hotadd"), MemoryHotAddEnabled: f.flag("mem.hotadd")}
	if f.get("firmware") == "efi" {
		s.Firmware = "efi"
	}
	if n := int32(f.number("cpuid.coresPerSocket")); n > 0 {
		s.NumCoresPerSocket = &n
	}
	limit := int64(-1)
	if f.has("sched.mem.max") && f.get("sched.mem.max") != "unlimited" {
		limit = f.number("sched.mem.max")
	}
	s.MemoryAllocation = &types.ResourceAllocationInfo{Reservation: ptr(f.number("sched.mem.min")), Limit: &limit}
	s.MemoryReservationLockedToMax = f.flag("sched.mem.pin")
	if f.has("vvtd.enable") || f.has("windows.vbs.enabled") {
		s.Flags = &types.VirtualMachineFlagInfo{VvtdEnabled: f.flag("vvtd.enable"), VbsEnabled: f.flag("windows.vbs.enabled")}
	}
	if f.has("uefi.secureBoot.enabled") {
		s.BootOptions = &types.VirtualMachineBootOptions{EfiSecureBootEnabled: f.flag("uefi.secureBoot.enabled")}
	}
	for _, n := range f.names {
		if isExtra(n) && !(strings.EqualFold(n, "svga.present") && f.truth(n)) {
			s.ExtraConfig = append(s.ExtraConfig, &types.OptionValue{Key: n, Value: f.get(n)})
		}
	}
	return s
}

// devices are the devices that the file names beyond those of every VM; keys are
// negative, as in a reconfigure.
func (f *vmxFile) devices(own string, systemID string) (add []types.BaseVirtualDevice, gpus []*types.VirtualPCIPassthrough) {
	key := int32(-1000)
	next := func() int32 { key--; return key }
	type bus struct {
		name string
		key  int32
	}
	var buses []bus
	for i := int32(0); i < 4; i++ {
		if name := fmt.Sprintf("scsi%d", i); f.present(name) {
			for _, k := range scsiKinds {
				if f.get(name+".virtualDev") == k.name || k.name == "lsilogic" && f.get(name+".virtualDev") == "" {
					d := k.make()
					c := d.(types.BaseVirtualSCSIController).GetVirtualSCSIController()
					c.Key, c.BusNumber, c.SharedBus = next(), i, types.VirtualSCSISharingNoSharing
					buses = append(buses, bus{name, c.Key})
					add = append(add, d)
				}
			}
		}
		if name := fmt.Sprintf("sata%d", i); f.present(name) {
			d := &types.VirtualAHCIController{}
			d.Key, d.BusNumber = next(), i
			buses = append(buses, bus{name, d.Key})
			add = append(add, d)
		}
		if name := fmt.Sprintf("nvme%d", i); f.present(name) {
			d := &types.VirtualNVMEController{}
			d.Key, d.BusNumber = next(), i
			buses = append(buses, bus{name, d.Key})
			add = append(add, d)
		}
	}
	for _, on := range append(buses, bus{"ide0", 200}, bus{"ide1", 201}) {
		for unit := int32(0); unit < 64; unit++ {
			at := fmt.Sprintf("%s:%d", on.name, unit)
			if !f.present(at) {
				continue
			}
			base := types.VirtualDevice{Key: next(), ControllerKey: on.key, UnitNumber: ptr(unit)}
			file := datastorePath(f.get(at+".fileName"), own)
			switch kind := f.get(at + ".deviceType"); {
			case kind == "cdrom-image":
				base.Backing = &types.VirtualCdromIsoBackingInfo{VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: file}}
				base.Connectable = &types.VirtualDeviceConnectInfo{StartConnected: f.truth(at + ".startConnected"), AllowGuestControl: true}
				add = append(add, &types.VirtualCdrom{VirtualDevice: base})
			case strings.HasPrefix(kind, "atapi-cdrom"):
				base.Backing = &types.VirtualCdromAtapiBackingInfo{}
				base.Connectable = &types.VirtualDeviceConnectInfo{StartConnected: f.truth(at + ".startConnected"), AllowGuestControl: true}
				add = append(add, &types.VirtualCdrom{VirtualDevice: base})
			default:
				base.Backing = &types.VirtualDiskFlatVer2BackingInfo{DiskMode: "persistent",
					VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: file}}
				add = append(add, &types.VirtualDisk{VirtualDevice: base})
			}
		}
	}
	for n := 0; n < 10; n++ {
		at := fmt.Sprintf("ethernet%d", n)
		if !f.present(at) {
			continue
		}
		for _, k := range nicKinds {
			if f.get(at+".virtualDev") != k.name && (k.name != "e1000" || f.has(at+".virtualDev")) {
				continue
			}
			d := k.make()
			c := d.(types.BaseVirtualEthernetCard).GetVirtualEthernetCard()
			c.Key, c.AddressType, c.MacAddress = next(), "assigned", f.get(at+".generatedAddress")
			if f.get(at+".addressType") == "static" {
				c.AddressType, c.MacAddress = "manual", f.get(at+".address")
			}
			c.Backing = &types.VirtualEthernetCardNetworkBackingInfo{VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: f.get(at + ".networkName")}}
			if key := f.get(at + ".dvs.portgroupId"); key != "" {
				c.Backing = &types.VirtualEthernetCardDistributedVirtualPortBackingInfo{Port: types.DistributedVirtualSwitchPortConnection{
					SwitchUuid: f.get(at + ".dvs.switchId"), PortgroupKey: key}}
			}
			add = append(add, d)
		}
	}
	if f.present("vtpm") {
		add = append(add, &types.VirtualTPM{VirtualDevice: types.VirtualDevice{Key: next()}})
	}
	for n := 0; n < 128; n++ {
		at := fmt.Sprintf("pciPassthru%d", n)
		if !f.present(at) {
			continue
		}
		p := &types.VirtualPCIPassthrough{}
		if f.has(at + ".allowedDevices") {
			b := &types.VirtualPCIPassthroughDynamicBackingInfo{CustomLabel: f.get(at + ".customLabel")}
			for _, pair := range strings.Split(f.get(at+".allowedDevices"), ",") {
				var a types.VirtualPCIPassthroughAllowedDevice
				if n, _ := fmt.Sscanf(pair, "0x%x:0x%x", &a.VendorId, &a.DeviceId); n == 2 {
					b.AllowedDevice = append(b.AllowedDevice, a)
				}
			}
			p.Backing = b
		} else {
			var domain, bus, slot, fn int
			id := f.get(at + ".id")
			if n, _ := fmt.Sscanf(id, "%d:%d:%d.%d", &domain, &bus, &slot, &fn); n == 4 {
				id = fmt.Sprintf("%04x:%02x:%02x.%x", domain, bus, slot, fn)
			}
			vendor, _ := strconv.ParseUint(strings.TrimPrefix(f.get(at+".vendorId"), "0x"), 16, 16)
			b := &types.VirtualPCIPassthroughDeviceBackingInfo{Id: id, DeviceId: strings.TrimPrefix(f.get(at+".deviceId"), "0x"),
				SystemId: f.get(at + ".systemId"), VendorId: int16(uint16(vendor))}
			if b.SystemId == "" {
				b.SystemId = systemID
			}
			p.Backing = b
		}
		gpus = append(gpus, p)
	}
	return add, gpus
}

// uuidOf reads the file's form of a UUID.
func uuidOf(s string) string {
	h := strings.NewReplacer(" ", "", "-", "").Replace(s)
	if len(h) != 32 {
		return ""
	}
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
