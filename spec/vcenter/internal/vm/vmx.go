package vm

// vmx.go writes the VM's .vmx file as a host does: each time the configuration changes,
// dot-keys first, values quoted and escaped (|22), passthrough addresses in decimal. The same
// dictionary heads vmware.log. vmxread.go is the way back.

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"
)

var _ = rule("vm.vmx-file", "seen", "laxer: a real host writes more keys, and its own form of the allowed devices", "open-vm-tools lib/dict/dictll.c; .vmx files of public hosts",
	"The .vmx on the datastore holds the configuration as the host writes it; the allowed devices of a dynamic backing are there in this server's own form.")

// saveVMX writes the file whole; the world lock is held.
func (vm *VM) saveVMX() {
	file, p, ok := vm.service.datastoreFile(vm.Config.Files.VmPathName)
	if !ok || path.Ext(p.Path) != ".vmx" {
		return
	}
	var b strings.Builder
	for _, kv := range vm.dictionary() {
		fmt.Fprintf(&b, "%s = \"%s\"\n", kv[0], escapeVMX(kv[1]))
	}
	if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() {
		if os.WriteFile(file, []byte(b.String()), st.Mode().Perm()) == nil {
			vm.sized(vm.Config.Files.VmPathName, int64(b.Len()))
		}
	}
}

// escapeVMX writes quotes, bars and control bytes as |XX.
func escapeVMX(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '|' || c == 0x7f || c < 0x20 && c != '\t':
			fmt.Fprintf(&b, "|%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func yes(b bool) string { return strings.ToUpper(strconv.FormatBool(b)) }

// dictionary is the configuration as keys of the .vmx file.
func (vm *VM) dictionary() (out [][2]string) {
	c := vm.Config
	seen := map[string]bool{}
	put := func(key, format string, args ...any) {
		if k := strings.ToLower(key); !seen[k] { // a key of extraConfig goes before that of a device
			seen[k] = true
			out = append(out, [2]string{key, fmt.Sprintf(format, args...)})
		}
	}
	put(".encoding", "UTF-8")
	put("config.version", "8")
	put("virtualHW.version", "%d", hardwareVersion(c.Version))
	put("pciBridge0.present", "TRUE")
	for n := 4; n < 8; n++ {
		put(fmt.Sprintf("pciBridge%d.present", n), "TRUE")
		put(fmt.Sprintf("pciBridge%d.virtualDev", n), "pcieRootPort")
		put(fmt.Sprintf("pciBridge%d.functions", n), "8")
	}
	put("vmci0.present", "TRUE")
	put("displayName", "%s", vm.Name)
	put("guestOS", "%s", guestOS(c.GuestId))
	if c.Annotation != "" {
		put("annotation", "%s", c.Annotation)
	}
	put("uuid.bios", "%s", uuidVMX(c.Uuid))
	put("vc.uuid", "%s", uuidVMX(c.InstanceUuid))
	put("numvcpus", "%d", c.Hardware.NumCPU)
	if n := c.Hardware.NumCoresPerSocket; n != nil && *n > 1 {
		put("cpuid.coresPerSocket", "%d", *n)
	}
	put("memSize", "%d", c.Hardware.MemoryMB)
	a := c.MemoryAllocation
	put("sched.mem.min", "%d", *a.Reservation)
	put("sched.mem.minSize", "%d", *a.Reservation)
	if *a.Limit >= 0 {
		put("sched.mem.max", "%d", *a.Limit)
	}
	put("sched.mem.pin", "%s", yes(isTrue(c.MemoryReservationLockedToMax)))
	if a.Shares != nil {
		level := string(a.Shares.Level)
		if level == "custom" {
			level = strconv.Itoa(int(a.Shares.Shares))
		}
		put("sched.mem.shares", "%s", level)
	}
	put("firmware", "%s", c.Firmware)
	if c.BootOptions != nil && c.BootOptions.EfiSecureBootEnabled != nil {
		put("uefi.secureBoot.enabled", "%s", yes(*c.BootOptions.EfiSecureBootEnabled))
	}
	put("vhv.enable", "%s", yes(isTrue(c.NestedHVEnabled)))
	if isTrue(c.Flags.VvtdEnabled) {
		put("vvtd.enable", "TRUE")
	}
	if isTrue(c.Flags.VbsEnabled) {
		put("windows.vbs.enabled", "TRUE")
	}
	put("vcpu.hotadd", "%s", yes(isTrue(c.CpuHotAddEnabled)))
	put("mem.hotadd", "%s", yes(isTrue(c.MemoryHotAddEnabled)))
	put("nvram", "%s.nvram", strings.TrimSuffix(path.Base(c.Files.VmPathName), path.Ext(c.Files.VmPathName)))
	for _, o := range c.ExtraConfig {
		put(o.GetOptionValue().Key, "%v", o.GetOptionValue().Value)
	}
	put("svga.present", "TRUE")
	vm.deviceKeys(put)
	return out
}

// place is a device's name on its bus: scsi0:1.
func (vm *VM) place(d *types.VirtualDevice) (string, bool) {
	if d.UnitNumber == nil {
		return "", false
	}
	for _, c := range vm.Config.Hardware.Device {
		if c.GetVirtualDevice().Key == d.ControllerKey {
			if bus, n, ok := busOf(c); ok {
				return fmt.Sprintf("%s%d:%d", bus, n, *d.UnitNumber), true
			}
		}
	}
	return "", false
}

// busOf names the bus that a controller drives, and its number.
func busOf(c types.BaseVirtualDevice) (string, int32, bool) {
	b, ok := c.(types.BaseVirtualController)
	if !ok {
		return "", 0, false
	}
	n := b.GetVirtualController().BusNumber
	switch c.(type) {
	case types.BaseVirtualSCSIController:
		return "scsi", n, true
	case types.BaseVirtualSATAController:
		return "sata", n, true
	case *types.VirtualNVMEController:
		return "nvme", n, true
	case *types.VirtualIDEController:
		return "ide", n, true
	}
	return "", 0, false
}

// scsiKinds are the names of SCSI adapters in the file, nicKinds those of network cards.
var (
	scsiKinds = []struct {
		name string
		make func() types.BaseVirtualDevice
	}{
		{"lsisas1068", func() types.BaseVirtualDevice { return &types.VirtualLsiLogicSASController{} }},
		{"pvscsi", func() types.BaseVirtualDevice { return &types.ParaVirtualSCSIController{} }},
		{"lsilogic", func() types.BaseVirtualDevice { return &types.VirtualLsiLogicController{} }},
		{"buslogic", func() types.BaseVirtualDevice { return &types.VirtualBusLogicController{} }},
	}
	nicKinds = []struct {
		name string
		make func() types.BaseVirtualDevice
	}{
		{"vmxnet3", func() types.BaseVirtualDevice { return &types.VirtualVmxnet3{} }},
		{"e1000e", func() types.BaseVirtualDevice { return &types.VirtualE1000e{} }},
		{"e1000", func() types.BaseVirtualDevice { return &types.VirtualE1000{} }},
	}
)

func sameType(a, b any) bool { return fmt.Sprintf("%T", a) == fmt.Sprintf("%T", b) }

func (vm *VM) deviceKeys(put func(key, format string, args ...any)) {
	own := vm.Config.Files.VmPathName[:strings.LastIndexByte(vm.Config.Files.VmPathName, '/')+1]
	eth, gpu := 0, 0
	for _, d := range vm.Config.Hardware.Device {
		base := d.GetVirtualDevice()
		switch x := d.(type) {
		case types.BaseVirtualSCSIController:
			bus, n, _ := busOf(d)
			put(fmt.Sprintf("%s%d.present", bus, n), "TRUE")
			for _, k := range scsiKinds {
				if sameType(k.make(), d) {
					put(fmt.Sprintf("%s%d.virtualDev", bus, n), "%s", k.name)
				}
			}
		case types.BaseVirtualSATAController, *types.VirtualNVMEController:
			bus, n, _ := busOf(d)
			put(fmt.Sprintf("%s%d.present", bus, n), "TRUE")
		case *types.VirtualDisk:
			at, ok := vm.place(base)
			if !ok {
				continue
			}
			put(at+".present", "TRUE")
			if b, ok := base.Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
				put(at+".fileName", "%s", hostPath(strings.TrimPrefix(b.GetVirtualDeviceFileBackingInfo().FileName, own)))
			}
			put(at+".deviceType", "scsi-hardDisk")
		case *types.VirtualCdrom:
			at, ok := vm.place(base)
			if !ok {
				continue
			}
			put(at+".present", "TRUE")
			if b, ok := base.Backing.(*types.VirtualCdromIsoBackingInfo); ok {
				put(at+".deviceType", "cdrom-image")
				put(at+".fileName", "%s", hostPath(b.FileName))
			} else {
				put(at+".deviceType", "atapi-cdrom")
			}
			put(at+".startConnected", "%s", yes(base.Connectable == nil || base.Connectable.StartConnected))
		case types.BaseVirtualEthernetCard:
			at := fmt.Sprintf("ethernet%d", eth)
			eth++
			put(at+".present", "TRUE")
			for _, k := range nicKinds {
				if sameType(k.make(), d) {
					put(at+".virtualDev", "%s", k.name)
				}
			}
			if b, ok := base.Backing.(*types.VirtualEthernetCardNetworkBackingInfo); ok {
				put(at+".networkName", "%s", b.DeviceName)
			}
			if b, ok := base.Backing.(*types.VirtualEthernetCardDistributedVirtualPortBackingInfo); ok {
				put(at+".dvs.switchId", "%s", b.Port.SwitchUuid)
				put(at+".dvs.portgroupId", "%s", b.Port.PortgroupKey)
			}
			e := x.GetVirtualEthernetCard()
			if e.AddressType == "manual" {
				put(at+".addressType", "static")
				put(at+".address", "%s", e.MacAddress)
			} else {
				put(at+".addressType", "vpx")
				put(at+".generatedAddress", "%s", e.MacAddress)
			}
		case *types.VirtualMachineVideoCard:
			put("svga.autodetect", "%s", yes(isTrue(x.UseAutoDetect)))
			put("svga.vramSize", "%d", x.VideoRamSizeInKB*1024)
			put("svga.numDisplays", "%d", x.NumDisplays)
			put("mks.enable3d", "%s", yes(isTrue(x.Enable3DSupport)))
			put("mks.use3dRenderer", "%s", x.Use3dRenderer)
		case *types.VirtualTPM:
			put("vtpm.present", "TRUE")
		case *types.VirtualPCIPassthrough:
			at := fmt.Sprintf("pciPassthru%d", gpu)
			gpu++
			put(at+".present", "TRUE")
			switch b := base.Backing.(type) {
			case *types.VirtualPCIPassthroughDeviceBackingInfo:
				var domain, bus, slot, fn int
				fmt.Sscanf(b.Id, "%x:%x:%x.%x", &domain, &bus, &slot, &fn)
				put(at+".id", "%05d:%03d:%02d.%d", domain, bus, slot, fn)
				put(at+".deviceId", "0x%s", strings.TrimPrefix(strings.ToLower(b.DeviceId), "0x"))
				put(at+".vendorId", "0x%04x", uint16(b.VendorId))
				put(at+".systemId", "%s", b.SystemId)
			case *types.VirtualPCIPassthroughDynamicBackingInfo:
				var all []string
				for _, a := range b.AllowedDevice {
					all = append(all, fmt.Sprintf("0x%04x:0x%04x", a.VendorId, a.DeviceId))
				}
				put(at+".allowedDevices", "%s", strings.Join(all, ","))
				if b.CustomLabel != "" {
					put(at+".customLabel", "%s", b.CustomLabel)
				}
			}
		}
	}
}

// hostPath is a datastore path as a host writes it: /vmfs/volumes/ds-1/iso/a.iso.
func hostPath(name string) string {
	var p object.DatastorePath
	if strings.HasPrefix(name, "[]") {
		return strings.TrimSpace(strings.TrimPrefix(name, "[]"))
	}
	if !p.FromString(name) || p.Datastore == "" {
		return name
	}
	return "/vmfs/volumes/" + p.Datastore + "/" + p.Path
}

// guestOS is the file's name of a guest id: ubuntu-64 for ubuntu64Guest.
func guestOS(id string) string {
	if s, ok := strings.CutSuffix(id, "64Guest"); ok {
		return strings.TrimSuffix(s, "_") + "-64"
	}
	return strings.TrimSuffix(id, "Guest")
}

// uuidVMX writes a UUID as the file does: 16 bytes, a dash in the middle.
func uuidVMX(id string) string {
	h := strings.ReplaceAll(id, "-", "")
	if len(h) != 32 {
		return id
	}
	var b strings.Builder
	for i := 0; i < 32; i += 2 {
		switch i {
		case 0:
		case 16:
			b.WriteByte('-')
		default:
			b.WriteByte(' ')
		}
		b.WriteString(h[i : i+2])
	}
	return b.String()
}
