package guest

// driver.go: whether a driver fits its card and may be loaded, and NVIDIA's own installer for
// Linux. Three things beside an unplaced BAR and nouveau keep a driver from a card:
//
//	release   each family has a first release that supports it, older ones a last one
//	flavour   the open kernel modules need Turing or later, Blackwell needs the open ones
//	signature with Secure Boot the kernel takes modules signed by the distribution only
//	          (linux-modules-nvidia-*), not those built in the guest (DKMS, the .run file)

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// family is a generation of cards: the prefix of the chip's name, its first and last driver
// branches (0: still in), and which flavours of kernel module it takes.
type family struct {
	name         string
	first, last  int
	open, closed bool
}

var families = map[string]family{
	"GK": {"Kepler", 304, 470, false, true}, "GM": {"Maxwell", 346, 580, false, true}, "GP": {"Pascal", 367, 580, false, true},
	"GV": {"Volta", 384, 580, false, true}, "TU": {"Turing", 410, 0, true, true}, "GA": {"Ampere", 450, 0, true, true},
	"AD": {"Ada", 520, 0, true, true}, "GH": {"Hopper", 515, 0, true, true}, "GB": {"Blackwell", 570, 0, true, false},
}

var chip = regexp.MustCompile(`\b(GK|GM|GP|GV|TU|GA|AD|GH|GB)\d{2,3}`)

// misfit says why the installed driver does not take a card, in the kernel log's words; nil
// when it does. An unknown chip is supported by every driver.
func (m *Machine) misfit(d *Device) []string {
	if !d.nvidia() || m.disk.Driver == "" {
		return nil
	}
	f := chip.FindStringSubmatch(d.Name)
	if f == nil {
		return nil
	}
	k, v := families[f[1]], major(m.disk.Driver)
	head := fmt.Sprintf("The NVIDIA GPU %s (PCI ID: %04x:%04x)", d.Address, d.Vendor, d.Device)
	switch {
	case v < k.first:
		return []string{head, "installed in this system is not supported by the", "NVIDIA " + m.disk.Driver + " driver release."}
	case k.last > 0 && v > k.last:
		return []string{head, fmt.Sprintf("installed in this system is supported through the NVIDIA %d.xx Legacy drivers.", k.last)}
	case m.disk.OS == "ubuntu" && m.disk.OpenKmod && !k.open:
		return []string{head, "installed in this system is not supported by open", "nvidia.ko because it does not include the required GPU", "System Processor (GSP)."}
	case m.disk.OS == "ubuntu" && !m.disk.OpenKmod && !k.closed:
		return []string{head, "installed in this system requires use of the NVIDIA open kernel modules."}
	}
	return nil
}

// loadable returns why the kernel does not load the module: absent or unsigned.
func (m *Machine) loadable() (refusal string) {
	switch {
	case m.disk.Driver == "" || m.disk.NoKmod:
		return fmt.Sprintf("FATAL: Module nvidia not found in directory /lib/modules/%s", m.distro().kernel)
	case m.hw != nil && m.hw.SecureBoot && !m.disk.Signed:
		return "ERROR: could not insert 'nvidia': Key was rejected by service"
	}
	return ""
}

var runFile = regexp.MustCompile(`NVIDIA Accelerated Graphics Driver for Linux-x86_64 (\d+(?:\.\d+)+)`)

// runInstaller recognises NVIDIA-Linux-x86_64-*.run by its first lines.
func runInstaller(text string) string {
	if f := runFile.FindStringSubmatch(text[:min(len(text), 2000)]); f != nil {
		return f[1]
	}
	return ""
}

var runOptions = []string{"-s", "--silent", "--ui=none", "-q", "--no-questions", "-a", "--accept-license", "--dkms", "--no-cc-version-check", "--no-drm",
	"--no-nouveau-check", "--disable-nouveau", "--no-disable-nouveau", "--no-x-check", "--no-opengl-files", "--no-install-compat32-libs", "--no-backup",
	"--no-rebuild-initramfs", "--rebuild-initramfs", "--no-questions", "-m=kernel", "-m=kernel-open", "--kernel-module-type=open",
	"--kernel-module-type=proprietary", "--no-check-for-alternate-installs", "--skip-module-load", "-X", "--no-nvidia-modprobe"}

// setupRun is the installer: it looks for what it needs in the order of the real one, and
// leaves /var/log/nvidia-installer.log.
func (r *linuxRun) setupRun(version string, args []string) int {
	m := r.m
	log := "nvidia-installer log file '/var/log/nvidia-installer.log'\nnvidia-installer version: " + version + "\n"
	fail := func(format string, a ...any) int {
		text := "ERROR: " + fmt.Sprintf(format, a...) + "\n"
		log += text + "ERROR: Installation has failed.  Please see the file '/var/log/nvidia-installer.log' for details.\n"
		if r.isRoot() {
			m.mu.Lock()
			_ = m.writeGuest("/var/log/nvidia-installer.log", []byte(log))
			m.mu.Unlock()
		}
		io.WriteString(r.stderr, "\n"+text)
		return 1
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(args, func(a string) bool { return slices.Contains(names, a) })
	}
	if has("--version", "-v") {
		r.out("nvidia-installer:  version %s\n", version)
		return 0
	}
	for _, a := range args {
		if a == "--uninstall" {
			if !r.isRoot() {
				return fail("nvidia-installer must be run as root")
			}
			m.mu.Lock()
			m.setDriver("")
			m.mu.Unlock()
			return 0
		}
		if !slices.Contains(runOptions, a) {
			return fail("Invalid commandline, please run `nvidia-installer --help` for usage information: %s", a)
		}
	}
	if !r.isRoot() {
		return fail("nvidia-installer must be run as root")
	}
	if !has("-s", "--silent", "--ui=none") {
		m.note("driver-setup", "NVIDIA %s shows its dialog and waits: --silent is missing", version)
		<-r.ctx.Done()
		return 1
	}
	m.mu.Lock()
	nouveau, packages := m.modules["nouveau"], m.disk.Packages
	_, cc := packages["build-essential"]
	if !cc {
		_, cc = packages["gcc"]
	}
	headers := packages["linux-headers-generic"] != "" || packages[m.distro().headers] != ""
	m.mu.Unlock()
	switch {
	case nouveau && !has("--no-nouveau-check"):
		return fail("The Nouveau kernel driver is currently in use by your system.  This driver is incompatible with the NVIDIA driver, and must be disabled before proceeding.")
	case !cc:
		return fail("Unable to find the development tool `cc` in your path; please make sure that you have the package 'gcc' installed.")
	case !headers:
		return fail("Unable to find the kernel source tree for the currently running kernel.")
	}
	if !m.Clock.Sleep(r.ctx, m.seconds("driver.install")) {
		return 143
	}
	m.mu.Lock()
	was := m.disk.Driver
	m.disk.Driver, m.disk.Signed, m.disk.NoKmod = version, false, false
	m.disk.OpenKmod = has("-m=kernel-open", "--kernel-module-type=open")
	refusal := m.loadable()
	if refusal == "" && !has("--skip-module-load") && !m.loadNvidia() {
		refusal = "ERROR: could not insert 'nvidia': No such device"
	}
	if refusal != "" {
		m.disk.Driver = was
	} else {
		m.installProgram("nvidia-smi")
		_ = m.writeGuest("/var/log/nvidia-installer.log", []byte(log+"-> done.\n"))
	}
	m.mu.Unlock()
	if refusal != "" {
		return fail("Unable to load the kernel module 'nvidia.ko'.  This happens most frequently when this kernel module was built against the wrong or "+
			"improperly configured kernel sources, [...] or if another driver, such as nouveau, is present (%s)", strings.TrimPrefix(refusal, "ERROR: "))
	}
	m.note("driver-installed", "NVIDIA %s", version)
	return 0
}
