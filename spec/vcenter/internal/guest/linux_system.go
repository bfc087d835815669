package guest

// linux_system.go: an installed Ubuntu: its programs and files, the kernel's start with its
// messages, sysfs, and packages.

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const kernelVersion = "6.8.0-41-generic"

// layoutLinux creates the directories and the programs that a server installation has.
func (m *Machine) layoutLinux() error {
	r := m.root()
	for _, d := range []string{"usr/bin", "usr/sbin", "usr/lib/modprobe.d", "usr/local/bin", "usr/local/sbin", "etc/modprobe.d", "etc/default",
		"etc/modules-load.d", "etc/sudoers.d", "etc/apt/sources.list.d", "tmp", "root", "home", "proc", "sys", "dev", "run", "var/log", "var/tmp", "var/lib", "boot",
		"mnt", "opt", "cdrom"} {
		if err := os.MkdirAll(filepath.Join(r, d), 0o755); err != nil {
			return err
		}
	}
	for _, l := range [][2]string{{"usr/bin", "bin"}, {"usr/sbin", "sbin"}, {"usr/lib", "lib"}, {".", "target"}} {
		os.Symlink(l[0], filepath.Join(r, l[1]))
	}
	for name := range linuxPrograms {
		if packaged[name] == "" && m.carries(name) {
			m.installProgram(name)
		}
	}
	files := map[string]string{
		"etc/os-release": fmt.Sprintf("PRETTY_NAME=\"Ubuntu %s LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nVERSION=\"%s LTS (Noble Numbat)\"\n"+
			"VERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\n", m.disk.Version, m.disk.Version),
		"etc/hostname":       m.disk.Hostname + "\n",
		"etc/debian_version": "trixie/sid\n",
		"etc/hosts":          "127.0.0.1 localhost\n127.0.1.1 " + m.disk.Hostname + "\n",
		"etc/default/grub":   "GRUB_CMDLINE_LINUX_DEFAULT=\"\"\nGRUB_CMDLINE_LINUX=\"\"\n",
		"etc/lsb-release":    "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=24.04\nDISTRIB_CODENAME=noble\n",
		"etc/fstab":          "/dev/disk/by-uuid/root / ext4 defaults 0 1\n",
	}
	if m.disk.Distro != "" {
		for _, name := range []string{"etc/os-release", "etc/debian_version", "etc/lsb-release", "etc/default/grub"} {
			delete(files, name)
		}
		for name, text := range m.release() {
			files[name] = text
		}
		os.MkdirAll(filepath.Join(r, "run/openrc"), 0o755)
		if m.distro().manager != "apk" {
			os.RemoveAll(filepath.Join(r, "run/openrc"))
		}
	}
	if m.disk.Driver != "" {
		files["usr/lib/modprobe.d/nvidia-graphics-drivers.conf"] = noNouveau
		m.installProgram("nvidia-smi")
	}
	if m.disk.Tools != nil {
		m.installProgram("vmtoolsd")
		m.installProgram("vmware-toolbox-cmd")
	}
	for _, u := range m.disk.Users {
		if u.Name != "root" {
			os.MkdirAll(filepath.Join(r, "home", u.Name), 0o750)
		}
	}
	m.passwd()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	m.readInitramfs()
	return nil
}

// noNouveau is what the driver's package puts into modprobe.d.
const noNouveau = "blacklist nouveau\nblacklist lbm-nouveau\nalias nouveau off\n"

// installProgram puts a marked executable where the system has it.
func (m *Machine) installProgram(name string) {
	dir := "usr/bin"
	switch name {
	case "modprobe", "lsmod", "rmmod", "modinfo", "reboot", "shutdown", "poweroff", "update-initramfs", "update-grub", "swapoff", "depmod",
		"insmod", "ip", "useradd", "usermod", "userdel", "chpasswd":
		dir = "usr/sbin"
	}
	os.WriteFile(filepath.Join(m.root(), dir, name), []byte(program+name+"\n"), 0o755)
}

func (m *Machine) removeProgram(name string) {
	for _, d := range []string{"usr/bin", "usr/sbin"} {
		os.Remove(filepath.Join(m.root(), d, name))
	}
}

// packaged programs are there only with their package.
var packaged = map[string]string{"nvidia-smi": "nvidia", "nv-fabricmanager": "nvidia", "amd-smi": "amdgpu-dkms", "vmtoolsd": "open-vm-tools", "vmware-toolbox-cmd": "open-vm-tools"}

// readInitramfs takes over the blacklist of modprobe.d, as update-initramfs does.
func (m *Machine) readInitramfs() {
	m.disk.Initramfs = map[string]bool{}
	for _, d := range []string{"etc/modprobe.d", "usr/lib/modprobe.d"} {
		list, _ := os.ReadDir(filepath.Join(m.root(), d))
		for _, e := range list {
			b, _ := os.ReadFile(filepath.Join(m.root(), d, e.Name()))
			for _, line := range strings.Split(string(b), "\n") {
				f := strings.Fields(line)
				if len(f) >= 2 && f[0] == "blacklist" {
					m.disk.Initramfs[f[1]] = true
				}
				if len(f) >= 3 && f[0] == "install" && (f[2] == "/bin/false" || f[2] == "/bin/true" || f[2] == "/usr/bin/false") {
					m.disk.Initramfs[f[1]] = true
				}
			}
		}
	}
}

// log adds a line to the kernel's messages.
func (m *Machine) klog(format string, args ...any) {
	t := 0.0
	if !m.booted.IsZero() && m.state == "running" {
		t = time.Since(m.booted).Seconds() + 9
	} else {
		t = float64(len(m.kernel)) * 0.113
	}
	m.kernel = append(m.kernel, fmt.Sprintf("[%12.6f] ", t)+fmt.Sprintf(format, args...))
}

// bootKernel starts the kernel over the devices of this power-on: modules, dmesg, sysfs.
func (m *Machine) bootKernel() {
	m.kernel, m.modules = nil, map[string]bool{}
	m.booted = time.Time{}
	if m.disk.OS != "ubuntu" || m.hw == nil {
		return
	}
	m.klog("Linux version %s (buildd@lcy02-amd64-100) (x86_64-linux-gnu-gcc-13) #41-Ubuntu SMP PREEMPT_DYNAMIC", m.distro().kernel)
	m.klog("Command line: BOOT_IMAGE=/vmlinuz-%s root=/dev/mapper/ubuntu--vg-ubuntu--lv ro", m.distro().kernel)
	if m.hw.EFI {
		m.klog("efi: EFI v2.7 by VMware, Inc.")
	}
	if m.hw.SecureBoot {
		m.klog("secureboot: Secure boot enabled")
		m.klog("Kernel is locked down from EFI Secure Boot mode; see man kernel_lockdown.7")
	}
	if !m.hw.Hidden {
		m.klog("Hypervisor detected: VMware")
	}
	m.klog("DMI: VMware, Inc. VMware20,1/440BX Desktop Reference Platform, BIOS VMW201.00V.21805430.B64.2305221830 05/22/2023")
	for _, d := range m.hw.Devices {
		m.klog("pci %s: [%04x:%04x] type 00 class 0x%06x", d.Address, d.Vendor, d.Device, d.Class)
		for i, b := range d.Bars {
			kind := "mem"
			if b.IO {
				kind = "io"
			}
			attr := ""
			if b.Mem64 {
				attr += " 64bit"
			}
			if b.Prefetch {
				attr += " pref"
			}
			if i < len(d.At) && d.At[i] != 0 {
				m.klog("pci %s: reg 0x%02x: [%s 0x%08x-0x%08x%s]", d.Address, 0x10+4*b.Index, kind, d.At[i], d.At[i]+b.Size-1, attr)
			} else {
				m.klog("pci %s: BAR %d: no space for [%s size 0x%08x%s]", d.Address, b.Index, kind, b.Size, attr)
				m.klog("pci %s: BAR %d: failed to assign [%s size 0x%08x%s]", d.Address, b.Index, kind, b.Size, attr)
			}
		}
	}
	m.sysfs()
	nv := false
	for _, d := range m.hw.Devices {
		nv = nv || d.nvidia()
	}
	if nv && !m.blacklisted("nouveau") {
		m.loadNouveau()
	}
	if nv && m.disk.Driver != "" && !m.blacklisted("nvidia") {
		m.loadNvidia()
	}
	for _, d := range m.hw.Devices {
		if d.Vendor == 0x1002 && d.GPU() {
			if d.Missing() > 0 {
				m.klog("amdgpu %s: amdgpu: Fatal error during GPU init", d.Address)
				m.klog("amdgpu: probe of %s failed with error -12", d.Address)
			} else {
				m.modules["amdgpu"] = true
				m.amdDkms = m.disk.Packages["amdgpu-dkms"] != ""
				m.klog("[drm] Initialized amdgpu 3.57.0 20150101 for %s on minor 1", d.Address)
			}
		}
	}
	if m.disk.Packages["intel-i915-dkms"] != "" && slices.ContainsFunc(m.hw.Devices, (*Device).intel) {
		m.modules["i915"] = true
	}
	if m.fabric = false; m.disk.FabricOn {
		m.startFabric()
	}
	m.showDrivers()
	os.WriteFile(filepath.Join(m.root(), "proc/cmdline"), []byte("BOOT_IMAGE=/vmlinuz-"+m.distro().kernel+" root=/dev/mapper/ubuntu--vg-ubuntu--lv ro\n"), 0o644)
	os.WriteFile(filepath.Join(m.root(), "proc/version"), []byte("Linux version "+m.distro().kernel+"\n"), 0o644)
	os.WriteFile(filepath.Join(m.root(), "proc/meminfo"), []byte(fmt.Sprintf("MemTotal:       %d kB\n", m.hw.MemoryMB*1024)), 0o644)
	os.RemoveAll(filepath.Join(m.root(), "sys/firmware"))
	if m.hw.EFI {
		os.MkdirAll(filepath.Join(m.root(), "sys/firmware/efi"), 0o755)
	}
	os.RemoveAll(filepath.Join(m.root(), "tmp"))
	os.MkdirAll(filepath.Join(m.root(), "tmp"), 0o777)
}

func (m *Machine) loadNouveau() {
	defer m.showDrivers()
	for _, d := range m.hw.Devices {
		if !d.nvidia() {
			continue
		}
		m.modules["nouveau"] = true
		if nouveauTakes(d) {
			m.klog("nouveau %s: NVIDIA (%08x)", d.Address, uint32(d.Device)<<16|0xa1)
			m.klog("[drm] Initialized nouveau 1.4.0 20120801 for %s on minor 1", d.Address)
		} else {
			m.klog("nouveau %s: unknown chipset (%04x00a1)", d.Address, d.Device)
			m.klog("nouveau: probe of %s failed with error -12", d.Address)
		}
	}
}

// loadNvidia is the driver's start: which cards it takes, and its messages about the others.
func (m *Machine) loadNvidia() bool {
	defer m.showDrivers()
	taken, found := 0, 0
	if m.loadable() != "" {
		if !m.disk.NoKmod {
			m.klog("Loading of module with unavailable key is rejected")
		}
		return false
	}
	m.klog("nvidia: loading out-of-tree module taints kernel.")
	for _, d := range m.hw.Devices {
		if !d.nvidia() {
			continue
		}
		found++
		if m.modules["nouveau"] && nouveauTakes(d) {
			continue
		}
		bad := false
		for i, b := range d.Bars {
			if !b.IO && d.At[i] == 0 {
				m.klog("NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:")
				m.klog("NVRM: BAR%d is %dM @ 0x%x (PCI:%s)", b.Index, 0, 0, d.Address)
				m.klog("nvidia: probe of %s failed with error -1", d.Address)
				bad = true
				break
			}
		}
		if why := m.misfit(d); why != nil && !bad {
			for _, line := range why {
				m.klog("NVRM: %s", line)
			}
			m.klog("nvidia: probe of %s failed with error -1", d.Address)
			bad = true
		}
		if bad {
			continue
		}
		taken++
		if c := m.problem[d.Host]; c != 0 || m.refused(d) {
			m.klog("NVRM: GPU %s: RmInitAdapter failed! (0x24:0x72:1447)", d.Address)
			m.klog("NVRM: GPU %s: rm_init_adapter failed, device minor number 0", d.Address)
		}
	}
	if found == 0 {
		m.klog("NVRM: No NVIDIA GPU found.")
		return false
	}
	if taken == 0 {
		if m.modules["nouveau"] {
			m.klog("NVRM: GPU probe: the device is already bound to nouveau")
			m.klog("NVRM: The NVIDIA probe routine was not called for %d device(s).", found)
			m.klog("NVRM: This can occur when a driver such as:")
			m.klog("NVRM: nouveau, rivafb, nvidiafb or rivatv")
			m.klog("NVRM: was loaded and obtained ownership of the NVIDIA device(s).")
		} else {
			m.klog("NVRM: The NVIDIA probe routine failed for %d device(s).", found)
		}
		m.klog("NVRM: None of the NVIDIA devices were initialized.")
		return false
	}
	m.modules["nvidia"] = true
	kind := "NVIDIA UNIX x86_64 Kernel Module"
	if m.disk.OpenKmod {
		kind = "NVIDIA UNIX Open Kernel Module for x86_64"
	}
	m.klog("NVRM: loading %s  %s", kind, m.disk.Driver)
	return true
}

// sysfs writes /sys/bus/pci/devices as far as files can show it.
func (m *Machine) sysfs() {
	os.MkdirAll(filepath.Join(m.root(), "proc"), 0o755)
	os.MkdirAll(filepath.Join(m.root(), "dev"), 0o755)
	base := filepath.Join(m.root(), "sys/bus/pci/devices")
	os.RemoveAll(base)
	os.RemoveAll(filepath.Join(m.root(), "proc/driver"))
	for _, d := range m.hw.Devices {
		dir := filepath.Join(base, d.Address)
		os.MkdirAll(dir, 0o755)
		put := func(name, format string, args ...any) {
			os.WriteFile(filepath.Join(dir, name), []byte(fmt.Sprintf(format, args...)+"\n"), 0o644)
		}
		put("vendor", "0x%04x", d.Vendor)
		put("device", "0x%04x", d.Device)
		put("subsystem_vendor", "0x%04x", d.SubVendor)
		put("subsystem_device", "0x%04x", d.SubDevice)
		put("class", "0x%06x", d.Class)
		put("revision", "0x%02x", d.Revision)
		lines := make([]string, 13)
		for i := range lines {
			lines[i] = "0x0000000000000000 0x0000000000000000 0x0000000000000000"
		}
		for i, b := range d.Bars {
			flags := uint64(0x40200)
			if b.IO {
				flags = 0x40101
			}
			if b.Prefetch {
				flags |= 0x2008
			}
			if b.Mem64 {
				flags |= 0x100004
			}
			if d.At[i] == 0 {
				lines[b.Index] = fmt.Sprintf("0x%016x 0x%016x 0x%016x", 0, b.Size-1, flags|0x20000000)
			} else {
				lines[b.Index] = fmt.Sprintf("0x%016x 0x%016x 0x%016x", d.At[i], d.At[i]+b.Size-1, flags)
			}
		}
		put("resource", "%s", strings.Join(lines, "\n"))
	}
}

// setDriver puts another driver on the disk, as its package or installer would, and loads it
// in a running system; the lock is held.
func (m *Machine) setDriver(version string) {
	m.disk.Driver, m.disk.Signed, m.disk.NoKmod = version, true, false
	if m.disk.OS == "windows" {
		if version != "" {
			m.winProgram(system32+`\nvidia-smi.exe`, "nvidia-smi")
		} else if h, err := m.windowsPath(system32 + `\nvidia-smi.exe`); err == nil {
			os.Remove(h)
		}
		return
	}
	if m.disk.OS == "" {
		return
	}
	conf := filepath.Join(m.root(), "usr/lib/modprobe.d/nvidia-graphics-drivers.conf")
	delete(m.modules, "nvidia")
	defer m.showDrivers()
	if version == "" {
		m.removeProgram("nvidia-smi")
		os.Remove(conf)
		m.readInitramfs()
		return
	}
	m.installProgram("nvidia-smi")
	os.WriteFile(conf, []byte(noNouveau), 0o644)
	m.readInitramfs()
	if m.hw != nil && m.state == "running" { // as after the restart that an installation requires
		delete(m.modules, "nouveau")
		m.loadNvidia()
	}
}

func (m *Machine) linuxEnv(user string) map[string]string {
	home := "/home/" + user
	if user == "root" {
		home = "/root"
	}
	return map[string]string{"HOME": home, "USER": user, "LOGNAME": user, "SHELL": "/bin/bash", "LANG": "C.UTF-8",
		"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
}
