package guest

// linux_hardware.go: programs that show or change hardware and services.

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"

	"gpupt.test/vcenter/internal/bars"
)

// runLspci supports -d -s -n -nn -k -v -vv -vvv -D -m -mm -x in any combination of letters.
func runLspci(r *linuxRun, args []string) int {
	flags := map[rune]int{}
	var only, slot string
	for i := 1; i < len(args); i++ {
		a := args[i]
		if !strings.HasPrefix(a, "-") {
			return r.err(1, "Usage: lspci [<switches>]\n")
		}
		for j, c := range a[1:] {
			if c == 'd' || c == 's' {
				value := a[j+2:]
				if value == "" {
					if i++; i >= len(args) {
						return r.err(1, "lspci: option requires an argument -- '%c'\n", c)
					}
					value = args[i]
				}
				if c == 'd' {
					only = value
				} else {
					slot = value
				}
				break
			}
			if strings.ContainsRune("bqQPtxHFGA", c) {
				r.m.unsupported("lspci -%c", c)
				return r.err(1, "lspci: -%c is not supported in this guest\n", c)
			}
			if !strings.ContainsRune("nkvDm", c) {
				return r.err(1, "lspci: invalid option -- '%c'\nUsage: lspci [<switches>]\n", c)
			}
			flags[c]++
		}
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	list := slices.Clone(r.m.hw.Devices)
	sort.SliceStable(list, func(i, j int) bool { return list[i].Address < list[j].Address })
	for _, d := range list {
		if only != "" {
			ok, err := matchID(only, d)
			if err != nil {
				return r.err(1, "lspci: -d: %v\n", err)
			}
			if !ok {
				continue
			}
		}
		if slot != "" && !matchSlot(slot, d.Address) {
			continue
		}
		r.lspciDevice(d, flags)
	}
	return 0
}

// matchID reads [vendor]:[device][:class].
func matchID(s string, d *Device) (bool, error) {
	parts := strings.Split(s, ":")
	if len(parts) < 2 || len(parts) > 4 {
		return false, fmt.Errorf("':' expected")
	}
	for i, want := range []uint32{uint32(d.Vendor), uint32(d.Device), d.Class >> 8} {
		if i >= len(parts) || parts[i] == "" || parts[i] == "*" {
			continue
		}
		n, err := strconv.ParseUint(parts[i], 16, 16)
		if err != nil {
			return false, fmt.Errorf("Invalid %s ID", []string{"vendor", "device", "class"}[i])
		}
		if uint32(n) != want {
			return false, nil
		}
	}
	return true, nil
}

func matchSlot(s, address string) bool {
	if strings.Count(s, ":") == 1 {
		s = "0000:" + s
	}
	return s == address || strings.HasPrefix(address, s+".") || strings.HasSuffix(s, ":") && strings.HasPrefix(address, s)
}

func (r *linuxRun) lspciDevice(d *Device, flags map[rune]int) {
	at := d.short()
	if flags['D'] > 0 {
		at = d.Address
	}
	rev := ""
	if d.Revision != 0 {
		rev = fmt.Sprintf(" (rev %02x)", d.Revision)
	}
	if flags['m'] > 0 {
		r.lspciMachine(d, at, flags)
		return
	}
	switch {
	case flags['n'] == 1:
		r.out("%s %04x: %04x:%04x%s\n", at, d.Class>>8, d.Vendor, d.Device, rev)
	case flags['n'] > 1:
		r.out("%s %s [%04x]: %s %s [%04x:%04x]%s\n", at, className(d.Class), d.Class>>8, d.VendorName, d.Name, d.Vendor, d.Device, rev)
	default:
		r.out("%s %s: %s %s%s\n", at, className(d.Class), d.VendorName, d.Name, rev)
	}
	v := flags['v']
	if v > 0 || flags['k'] > 0 {
		switch {
		case flags['n'] == 1:
			r.out("\tSubsystem: %04x:%04x\n", d.SubVendor, d.SubDevice)
		case flags['n'] > 1:
			r.out("\tSubsystem: %s Device [%04x:%04x]\n", d.VendorName, d.SubVendor, d.SubDevice)
		default:
			r.out("\tSubsystem: %s Device %04x\n", d.VendorName, d.SubDevice)
		}
	}
	if v > 0 {
		for i, b := range d.Bars {
			where := fmt.Sprintf("%x", d.At[i])
			if d.At[i] == 0 {
				where = "<unassigned>"
			}
			if b.IO {
				if v > 1 {
					r.out("\tRegion %d: I/O ports at %s [size=%s]\n", b.Index, where, bars.Text(b.Size))
				} else {
					r.out("\tI/O ports at %s [size=%s]\n", where, bars.Text(b.Size))
				}
				continue
			}
			width, pre := "32-bit", "non-prefetchable"
			if b.Mem64 {
				width = "64-bit"
			}
			if b.Prefetch {
				pre = "prefetchable"
			}
			size := fmt.Sprintf(" [size=%s]", bars.Text(b.Size))
			if d.At[i] == 0 {
				size = ""
			}
			if v > 1 {
				r.out("\tRegion %d: Memory at %s (%s, %s)%s\n", b.Index, where, width, pre, size)
			} else {
				r.out("\tMemory at %s (%s, %s)%s\n", where, width, pre, size)
			}
		}
	}
	if v > 0 || flags['k'] > 0 {
		if drv := r.m.linuxDriver(d); drv != "" {
			r.out("\tKernel driver in use: %s\n", drv)
		}
		if d.nvidia() {
			mods := "nvidiafb, nouveau"
			if r.m.disk.Driver != "" {
				mods += ", nvidia_drm, nvidia"
			}
			r.out("\tKernel modules: %s\n", mods)
		}
	}
	if v > 0 {
		r.out("\n")
	}
}

// lspciMachine is -m, and -v -m with one field a line (-k adds the driver).
func (r *linuxRun) lspciMachine(d *Device, at string, flags map[rune]int) {
	both := func(name string, format string, id uint32) string {
		n := fmt.Sprintf(format, id)
		switch flags['n'] {
		case 0:
			return name
		case 1:
			return n
		}
		return name + " [" + n + "]"
	}
	class := both(className(d.Class), "%04x", d.Class>>8)
	vendor, device := both(d.VendorName, "%04x", uint32(d.Vendor)), both(d.Name, "%04x", uint32(d.Device))
	subVendor, subDevice := both(d.VendorName, "%04x", uint32(d.SubVendor)), both(fmt.Sprintf("Device %04x", d.SubDevice), "%04x", uint32(d.SubDevice))
	if flags['v'] == 0 {
		r.out("%s \"%s\" \"%s\" \"%s\" -r%02x -p00 \"%s\" \"%s\"\n", at, class, vendor, device, d.Revision, subVendor, subDevice)
		return
	}
	r.out("Slot:\t%s\nClass:\t%s\nVendor:\t%s\nDevice:\t%s\nSVendor:\t%s\nSDevice:\t%s\nRev:\t%02x\nProgIf:\t00\n", at, class, vendor, device, subVendor, subDevice, d.Revision)
	if flags['k'] > 0 {
		if drv := r.m.linuxDriver(d); drv != "" {
			r.out("Driver:\t%s\n", drv)
		}
	}
	r.out("\n")
}

func runDmesg(r *linuxRun, args []string) int {
	for _, a := range args[1:] {
		if a != "-T" && a != "-H" && a != "--ctime" && a != "--human" && a != "-P" && a != "--nopager" && a != "--color=never" {
			r.m.unsupported("dmesg %s has no effect", a)
		}
	}
	if !r.isRoot() {
		return r.err(1, "dmesg: read kernel buffer failed: Operation not permitted\n")
	}
	r.m.mu.Lock()
	text := strings.Join(r.m.kernel, "\n")
	r.m.mu.Unlock()
	r.out("%s\n", text)
	return 0
}

func runJournal(r *linuxRun, args []string) int {
	if slices.Contains(args, "-k") || slices.Contains(args, "--dmesg") {
		x := *r
		x.user = "root"
		return runDmesg(&x, []string{"dmesg"})
	}
	if slices.Contains(args, "nvidia-fabricmanager.service") {
		r.m.mu.Lock()
		said := r.m.fabricSaid
		r.m.mu.Unlock()
		if said != "" && r.isRoot() {
			r.out("Nov 05 13:55:26 box nv-fabricmanager[104230]: %s\n", said)
			return 0
		}
		r.out("-- No entries --\n")
		return 0
	}
	r.m.unsupported("journalctl without -k")
	r.out("-- No entries --\n")
	return 0
}

func runLinuxSMI(r *linuxRun, args []string) int {
	r.m.mu.Lock()
	if !r.m.modules["nvidia"] || r.m.disk.Driver == "" {
		r.m.mu.Unlock()
		r.out("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n\n")
		return 9
	}
	var text strings.Builder
	code, unsupported := r.m.smi(&text, args[1:], r.isRoot())
	r.m.mu.Unlock()
	io.WriteString(r.stdout, text.String())
	if unsupported != "" {
		r.m.unsupported("%s", unsupported)
	}
	return code
}

func (d *Device) busID() string { return "0000" + strings.ToUpper(d.Address) }

func (d *Device) uuid() string {
	h := uint64(1469598103934665603)
	for _, c := range []byte(d.Serial + d.Host + d.Name) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return fmt.Sprintf("GPU-%08x-%04x-%04x-%04x-%012x", h>>32, (h>>16)&0xffff, h&0xffff, (h>>8)&0xffff, h&0xffffffffffff)
}

func runModprobe(r *linuxRun, args []string) int {
	remove := slices.Contains(args, "-r") || slices.Contains(args, "--remove")
	name := args[len(args)-1]
	if !r.isRoot() {
		return r.err(1, "modprobe: ERROR: could not insert '%s': Operation not permitted\n", name)
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if remove {
		return r.unload(name)
	}
	switch name {
	case "nvidia", "nvidia_drm", "nvidia-drm", "nvidia_uvm", "nvidia-uvm", "nvidia_modeset":
		if r.m.modules["nvidia"] {
			return 0
		}
		if why := r.m.loadable(); why != "" {
			r.m.loadNvidia() // the kernel's log has its side of it
			return r.err(1, "modprobe: %s\n", strings.ReplaceAll(why, "Module nvidia ", "Module "+name+" "))
		}
		if !r.m.loadNvidia() {
			return r.err(1, "modprobe: ERROR: could not insert 'nvidia': No such device\n")
		}
	case "nouveau":
		r.m.loadNouveau()
	case "vfio-pci", "amdgpu", "vmxnet3", "sg", "loop":
		r.m.modules[name] = true
		r.m.showDrivers()
	default:
		return r.err(1, "modprobe: FATAL: Module %s not found in directory /lib/modules/%s\n", name, r.m.distro().kernel)
	}
	return 0
}

func (r *linuxRun) unload(name string) int {
	if !r.m.modules[name] {
		return r.err(1, "rmmod: ERROR: Module %s is not currently loaded\n", name)
	}
	delete(r.m.modules, name)
	r.m.showDrivers()
	return 0
}

func runRmmod(r *linuxRun, args []string) int {
	if !r.isRoot() {
		return r.err(1, "rmmod: ERROR: could not remove module: Operation not permitted\n")
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	return r.unload(args[len(args)-1])
}

func runLsmod(r *linuxRun, args []string) int {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	r.out("Module                  Size  Used by\n")
	names := []string{"vmw_balloon", "vmw_vmci", "vmxnet3", "vmwgfx"}
	for n := range r.m.modules {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		r.out("%-23s %d  0\n", n, 16384+len(n)*4096)
	}
	return 0
}
