package guest

// linux_sysfs.go: what the kernel shows of its drivers in files: the driver link of each PCI
// device, /sys/bus/pci/drivers, /sys/module, /proc/modules, /proc/driver/nvidia and the
// device nodes. It is written again whenever a module comes or goes.

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// showDrivers writes these files; the lock is held.
func (m *Machine) showDrivers() {
	if m.disk.OS != "ubuntu" || m.hw == nil {
		return
	}
	at := func(p string) string { return filepath.Join(m.root(), p) }
	os.RemoveAll(at("sys/bus/pci/drivers"))
	os.RemoveAll(at("sys/module"))
	os.RemoveAll(at("proc/driver/nvidia"))
	for _, d := range m.hw.Devices {
		dir := at("sys/bus/pci/devices/" + d.Address)
		link := filepath.Join(dir, "driver")
		os.Remove(link)
		drv := m.linuxDriver(d)
		if _, err := os.Stat(dir); drv == "" || err != nil {
			continue
		}
		os.MkdirAll(at("sys/bus/pci/drivers/"+drv), 0o755)
		os.Symlink("../../drivers/"+drv, link)
		os.Symlink("../../devices/"+d.Address, at("sys/bus/pci/drivers/"+drv+"/"+d.Address))
	}
	var names []string
	for n, in := range m.modules {
		if in {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	list := "vmw_vmci 94208 0 - Live 0x0000000000000000\nvmxnet3 86016 0 - Live 0x0000000000000000\nvmwgfx 446464 1 - Live 0x0000000000000000\n"
	for _, n := range names {
		list += fmt.Sprintf("%s %d 0 - Live 0x0000000000000000\n", n, 16384+len(n)*4096)
		os.MkdirAll(at("sys/module/"+n), 0o755)
	}
	_ = os.WriteFile(at("proc/modules"), []byte(list), 0o644)
	if m.modules["amdgpu"] && m.amdDkms { // the kernel's own module has no version
		_ = os.WriteFile(at("sys/module/amdgpu/version"), []byte(amdVersion+"\n"), 0o644)
	}
	nodes, _ := filepath.Glob(at("dev/nvidia*"))
	for _, n := range nodes {
		os.Remove(n)
	}
	if !m.modules["nvidia"] {
		return
	}
	_ = os.WriteFile(at("sys/module/nvidia/version"), []byte(m.disk.Driver+"\n"), 0o644)
	kind := "NVIDIA UNIX x86_64 Kernel Module"
	if m.disk.OpenKmod {
		kind = "NVIDIA UNIX Open Kernel Module for x86_64"
	}
	os.MkdirAll(at("proc/driver/nvidia/gpus"), 0o755)
	_ = os.WriteFile(at("proc/driver/nvidia/version"), []byte(fmt.Sprintf("NVRM version: %s  %s\nGCC version:  gcc version 13.2.0\n", kind, m.disk.Driver)), 0o644)
	_ = os.WriteFile(at("dev/nvidiactl"), nil, 0o666)
	n := 0
	for _, d := range m.hw.Devices {
		if !d.nvidia() || m.linuxDriver(d) != "nvidia" {
			continue
		}
		dir := at("proc/driver/nvidia/gpus/" + d.Address)
		os.MkdirAll(dir, 0o755)
		uuid := d.uuid()
		if !m.working(d) {
			uuid = "GPU-????????-????-????-????-????????????"
		}
		_ = os.WriteFile(filepath.Join(dir, "information"), []byte(fmt.Sprintf("Model: \t\t %s\nIRQ:   \t\t %d\nGPU UUID: \t %s\nVideo BIOS: \t ??.??.??.??.??\nBus Type: \t PCIe\n"+
			"DMA Size: \t 47 bits\nDMA Mask: \t 0x7fffffffffff\nBus Location: \t %s\nDevice Minor: \t %d\nGPU Firmware: \t %s\nGPU Excluded:\t No\n",
			d.model(), 64+n, uuid, d.Address, n, m.disk.Driver)), 0o644)
		_ = os.WriteFile(at(fmt.Sprintf("dev/nvidia%d", n)), nil, 0o666)
		n++
	}
}

// runModinfo prints the nvidia module's fields; -F selects one.
func runModinfo(r *linuxRun, args []string) int {
	field, name := "", ""
	for i := 1; i < len(args); i++ {
		switch {
		case args[i] == "-F" && i+1 < len(args):
			i++
			field = args[i]
		case strings.HasPrefix(args[i], "-"):
			r.m.unsupported("modinfo %s", args[i])
			return r.err(1, "modinfo: %s is not supported in this guest\n", args[i])
		default:
			name = args[i]
		}
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if name == "amdgpu" { // the kernel's own module has no version
		if v := r.m.disk.Packages["amdgpu-dkms"]; v != "" && (field == "" || field == "version") {
			r.out("%s\n", amdVersion)
		}
		return 0
	}
	if name != "nvidia" || r.m.disk.Driver == "" || r.m.disk.NoKmod {
		return r.err(1, "modinfo: ERROR: Module %s not found.\n", name)
	}
	dir, licence := "updates/dkms", "NVIDIA"
	if r.m.disk.Signed {
		dir = "kernel/nvidia"
	}
	if r.m.disk.OpenKmod {
		licence = "Dual MIT/GPL"
	}
	for _, f := range [][2]string{{"filename", "/lib/modules/" + r.m.distro().kernel + "/" + dir + "/nvidia.ko"}, {"version", r.m.disk.Driver}, {"license", licence},
		{"vermagic", r.m.distro().kernel + " SMP preempt mod_unload modversions "}} {
		switch field {
		case "":
			r.out("%-16s%s\n", f[0]+":", f[1])
		case f[0]:
			r.out("%s\n", f[1])
		}
	}
	return 0
}
