package guest

// linux_distro.go: Linux distributions other than Ubuntu: what they are called, which
// kernel they have, and their package managers dnf, zypper and apk, with rpm and dracut. A manager
// needs root, waits for an answer without the option that gives it, has the packages of its
// repositories, and ends with exit codes of its own.

import (
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"
)

// distro is one distribution; Disk.OS is "ubuntu" for all of them; Disk.Distro is the name.
type distro struct {
	id, like, pretty, version, kernel string
	guestID, guestName                string
	manager                           string // apt, dnf, zypper, apk
	service                           string // of Tools
	headers                           string // the package with the running kernel's headers
}

var distros = map[string]distro{
	"": {"ubuntu", "debian", "Ubuntu 24.04.1 LTS", "24.04", kernelVersion, "ubuntu64Guest", "Ubuntu Linux (64-bit)", "apt", "open-vm-tools",
		"linux-headers-" + kernelVersion},
	"rocky": {"rocky", "rhel centos fedora", "Rocky Linux 9.4 (Blue Onyx)", "9.4", "5.14.0-427.13.1.el9_4.x86_64", "rockylinux_64Guest",
		"Rocky Linux (64-bit)", "dnf", "vmtoolsd", "kernel-devel-5.14.0-427.13.1.el9_4.x86_64"},
	"sles": {"sles", "suse", "SUSE Linux Enterprise Server 15 SP6", "15.6", "6.4.0-150600.21-default", "sles15_64Guest",
		"SUSE Linux Enterprise 15 (64-bit)", "zypper", "vmtoolsd", "kernel-default-devel"},
	"alpine": {"alpine", "", "Alpine Linux v3.20", "3.20.2", "6.6.41-0-virt", "other5xLinux64Guest", "Other 5.x or later Linux (64-bit)", "apk",
		"open-vm-tools", "linux-virt-dev"},
}

// Distros are the names that a fleet file may use.
var Distros = []string{"rocky", "sles", "alpine"}

// GuestOf gives the guest id and the full name of an installed Linux.
func GuestOf(name string) (id, full string) {
	d := distros[name]
	return d.guestID, d.guestName
}

func (m *Machine) distro() distro { return distros[m.disk.Distro] }

// only lists the programs that belong to some managers alone.
var only = map[string]string{"apt-get": "apt", "apt": "apt", "dpkg": "apt", "dpkg-query": "apt", "ubuntu-drivers": "apt",
	"update-initramfs": "apt", "lsb_release": "apt", "update-grub": "apt", "dnf": "dnf", "rpm": "dnf zypper", "zypper": "zypper",
	"dracut": "dnf zypper", "apk": "apk", "rc-service": "apk", "rc-update": "apk"}

// without lists what a distribution does not have.
var without = map[string][]string{"apk": {"systemctl", "bash", "journalctl", "hostnamectl", "curtin", "cloud-init"},
	"dnf": {"curtin"}, "zypper": {"curtin"}}

// carries reports whether a program is part of the distribution; the lock is held.
func (m *Machine) carries(name string) bool {
	manager := m.distro().manager
	if managers, ok := only[name]; ok {
		return slices.Contains(strings.Fields(managers), manager)
	}
	return !slices.Contains(without[manager], name)
}

// release are the files that name the distribution.
func (m *Machine) release() map[string]string {
	d := m.distro()
	files := map[string]string{"etc/os-release": "PRETTY_NAME=\"" + d.pretty + "\"\nNAME=\"" + strings.Fields(d.pretty)[0] + "\"\nVERSION_ID=\"" + d.version +
		"\"\nID=\"" + d.id + "\"\nID_LIKE=\"" + d.like + "\"\n"}
	if d.manager == "apk" {
		files["etc/alpine-release"] = d.version + "\n"
		files["run/openrc/softlevel"] = "default\n"
	}
	return files
}

var nvidiaPackage = regexp.MustCompile(`^(nvidia-open|nvidia-driver|cuda-drivers|kmod-nvidia-open-dkms|kmod-nvidia-latest-dkms|nvidia-driver-cuda)(-(\d{3}[\d.]*))?$`)

// fabricPackage is nvidia-fabricmanager-550 (apt), nvidia-fabric-manager (dnf, zypper), each with or without a version.
var fabricPackage = regexp.MustCompile(`^nvidia-fabric-?manager(-(\d{3}[\d.]*))?$`)

// offered says which version the repositories of the distribution have of a package; "" none.
func (m *Machine) offered(name string) string {
	d := m.distro()
	common := map[string]string{"gcc": "11.4.1", "make": "4.3", "pciutils": "3.7.0", "mokutil": "0.6.0", "dkms": "3.0.13", "curl": "7.76.1", "vim": "8.2"}
	switch {
	case name == d.headers:
		return d.kernel
	case common[name] != "" && d.manager != "apk", d.manager == "apk" && (name == "pciutils" || name == "bash" || name == "sudo"):
		return "1.0"
	case name == "open-vm-tools", name == "open-vm-tools-desktop" && d.manager != "apk",
		d.manager == "apk" && (name == "open-vm-tools-plugins-all" || name == "open-vm-tools-gtk"):
		return "12.3.5"
	case d.manager == "apk":
		return ""
	}
	if f := nvidiaPackage.FindStringSubmatch(name); f != nil {
		if f[3] != "" {
			return f[3]
		}
		return driverVersions["570"]
	}
	if f := fabricPackage.FindStringSubmatch(name); f != nil {
		if f[2] != "" {
			return f[2]
		}
		return driverVersions["570"]
	}
	return ""
}

// base is a package's name without the version that was asked for.
func base(name string) string {
	for _, re := range []*regexp.Regexp{nvidiaPackage, fabricPackage} {
		if f := re.FindStringSubmatch(name); f != nil {
			return strings.TrimSuffix(name, f[len(f)-2])
		}
	}
	return name
}

// put installs a package of the repositories; its work takes time.
func (r *linuxRun) put(name, version string) int {
	m := r.m
	wait := m.seconds("apt")
	driver := nvidiaPackage.MatchString(name)
	if driver {
		wait = m.seconds("driver.install")
	}
	if !m.Clock.Sleep(r.ctx, wait) {
		return 143
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disk.Packages[base(name)] = version
	switch {
	case name == "open-vm-tools":
		if m.disk.Tools == nil {
			m.disk.Tools = &Tools{Text: "12.3.5", Number: 12389, Type: "guestToolsTypeOpenVMTools"}
		}
		m.installProgram("vmtoolsd")
		m.installProgram("vmware-toolbox-cmd")
	case driver: // DKMS compiles its modules here
		m.disk.Driver, m.disk.Signed, m.disk.NoKmod = version, false, false
		m.disk.OpenKmod = strings.Contains(name, "open")
		for _, need := range []string{"dkms", "gcc", "make", m.distro().headers} {
			m.disk.Packages[need] = "1.0"
		}
		m.installProgram("nvidia-smi")
		_ = m.writeGuest("/usr/lib/modprobe.d/nvidia-graphics-drivers.conf", []byte(noNouveau))
		m.readInitramfs()
		if text, broke := m.dkmsBroke("nvidia/" + m.disk.Driver); broke { // rpm installs it all the same
			r.out("%s", text)
			if m.distro().manager == "apt" {
				return 100
			}
			return 0
		}
		if m.state == "running" && !m.modules["nouveau"] {
			m.loadNvidia()
		}
	case fabricPackage.MatchString(name):
		m.installProgram("nv-fabricmanager")
	}
	return 0
}

// hold takes the package manager's lock, or says that another process has it.
func (r *linuxRun) hold(wait int) bool {
	for {
		r.m.mu.Lock()
		free := !r.m.apt
		r.m.apt = true
		r.m.mu.Unlock()
		if free {
			return true
		}
		if wait--; wait < 0 || !r.m.Clock.Sleep(r.ctx, time.Second) {
			return false
		}
	}
}

func (r *linuxRun) network() bool {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	return r.m.ip() != ""
}

func plainWords(args []string) (words []string) {
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			words = append(words, a)
		}
	}
	return
}

// runDnf is dnf: install -y PACKAGE... (rule guest.dnf).
func runDnf(r *linuxRun, args []string) int {
	words := plainWords(args[1:])
	if len(words) == 0 {
		return r.err(1, "usage: dnf [options] COMMAND\n")
	}
	if words[0] != "install" && words[0] != "remove" && words[0] != "makecache" {
		r.m.unsupported("dnf %s has no effect", words[0])
		return 0
	}
	if !r.isRoot() {
		return r.err(1, "Error: This command has to be run with superuser privileges (under the root user on most systems).\n")
	}
	r.hold(1 << 20) // dnf waits for the lock
	defer r.m.unlockApt()
	if words[0] == "makecache" {
		return 0
	}
	offline := slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--disablerepo") })
	if !offline && !r.network() {
		return r.err(1, "Error: Failed to download metadata for repo 'baseos': Cannot prepare internal mirrorlist: Curl error (6): Couldn't resolve host name\n")
	}
	var todo []string
	for _, name := range words[1:] {
		if done, code := r.file(name, ".rpm"); done {
			if code != 0 {
				return 1
			}
			continue
		}
		r.m.mu.Lock()
		have, version := r.m.disk.Packages[base(name)], r.m.offered(name)
		r.m.mu.Unlock()
		switch {
		case have != "" && (base(name) == name || have == version):
		case version == "":
			r.out("No match for argument: %s\n", name)
			return r.err(1, "Error: Unable to find a match: %s\n", name)
		default:
			todo = append(todo, name)
		}
	}
	if len(todo) > 0 && !slices.Contains(args, "-y") && !slices.Contains(args, "--assumeyes") {
		r.out("Is this ok [y/N]: ")
		return r.err(1, "Operation aborted.\n")
	}
	for _, name := range todo {
		r.m.mu.Lock()
		version := r.m.offered(name)
		r.m.mu.Unlock()
		if code := r.put(name, version); code != 0 {
			return code
		}
		r.out("  Installing       : %s-%s.x86_64\n", base(name), version)
	}
	r.out("Complete!\n")
	return 0
}

// runZypper is zypper --non-interactive install PACKAGE... (rule guest.zypper).
func runZypper(r *linuxRun, args []string) int {
	rest := args[1:]
	quiet := false
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		if rest[0] == "--non-interactive" || rest[0] == "-n" {
			quiet = true
		}
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return r.err(0, "Usage: zypper [--GLOBAL-OPTIONS] <COMMAND>\n")
	}
	command, names := rest[0], rest[1:]
	if command != "install" && command != "in" {
		r.m.unsupported("zypper %s has no effect", command)
		return 0
	}
	if !r.isRoot() {
		return r.err(5, "Root privileges are required to run this command.\n")
	}
	for _, a := range names {
		quiet = quiet || a == "-y" || a == "--no-confirm"
	}
	names = plainWords(names)
	if !r.hold(0) {
		return r.err(7, "System management is locked by the application with pid 811 (zypper).\n")
	}
	defer r.m.unlockApt()
	if !slices.Contains(args, "--no-remote") && !r.network() {
		return r.err(106, "Repository 'SLE-Module-Basesystem' is invalid: Could not resolve host: updates.suse.com\n")
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".rpm") && !slices.Contains(args, "--allow-unsigned-rpm") {
			return r.err(4, "Package header is not signed!\n")
		}
		if done, code := r.file(name, ".rpm"); done {
			if code != 0 {
				return 104
			}
			continue
		}
		r.m.mu.Lock()
		have, version := r.m.disk.Packages[base(name)], r.m.offered(strings.ReplaceAll(name, "=", "-"))
		r.m.mu.Unlock()
		switch {
		case have != "" && (have == version || !strings.Contains(name, "=")):
			r.out("'%s' is already installed.\n", name)
		case version == "":
			return r.err(104, "'%s' not found in package names. Trying capabilities.\nNo provider of '%s' found.\n", name, name)
		case !quiet:
			r.out("Continue? [y/n/v/...? shows all options] (y): ")
			return r.err(4, "Cannot read input: bad stream or EOF.\n")
		default:
			if code := r.put(strings.ReplaceAll(name, "=", "-"), version); code != 0 {
				return code
			}
			r.out("(1/1) Installing: %s-%s.x86_64 ...[done]\n", name, version)
		}
	}
	return 0
}

// runApk is apk add PACKAGE..., apk info -e PACKAGE (rule guest.apk).
func runApk(r *linuxRun, args []string) int {
	words := plainWords(args[1:])
	if len(words) == 0 {
		return r.err(1, "apk-tools 2.14.4, compiled for x86_64.\n")
	}
	switch words[0] {
	case "info":
		code := 0
		for _, name := range words[1:] {
			r.m.mu.Lock()
			_, have := r.m.disk.Packages[name]
			r.m.mu.Unlock()
			if have {
				r.out("%s\n", name)
			} else {
				code = 1
			}
		}
		return code
	case "add":
		if !r.isRoot() || !r.hold(0) {
			return r.err(99, "ERROR: Unable to lock database: %s\nERROR: Failed to open apk database: Permission denied\n",
				map[bool]string{true: "temporary error (try again later)", false: "Permission denied"}[r.isRoot()])
		}
		defer r.m.unlockApt()
		for _, name := range words[1:] {
			r.m.mu.Lock()
			version := r.m.offered(name)
			_, have := r.m.disk.Packages[name]
			r.m.mu.Unlock()
			if version == "" {
				return r.err(1, "ERROR: unable to select packages:\n  %s (no such package):\n    required by: world[%s]\n", name, name)
			}
			if !have {
				if code := r.put(name, version); code != 0 {
					return code
				}
			}
		}
		r.out("OK: 212 MiB in 61 packages\n")
		return 0
	}
	r.m.unsupported("apk %s has no effect", words[0])
	return 0
}

// runRpm is rpm -q [--qf FORMAT] PACKAGE... and rpm -U FILE...: it ends with the number of packages that are not there.
func runRpm(r *linuxRun, args []string) int {
	format, query := "%{NAME}-%{VERSION}.x86_64\n", false
	var names []string
	for i := 1; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-q" || a == "--query" || a == "-qa":
			query = true
		case (a == "--qf" || a == "--queryformat") && i+1 < len(args):
			i++
			format = strings.ReplaceAll(args[i], `\n`, "\n")
		case !strings.HasPrefix(a, "-"):
			names = append(names, a)
		}
	}
	if !query {
		r.m.unsupported("rpm %s has no effect", strings.Join(args[1:], " "))
		return 0
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if slices.Contains(args, "-qa") {
		for name := range r.m.disk.Packages {
			names = append(names, name)
		}
		sort.Strings(names)
	}
	missing := 0
	for _, name := range names {
		if version, ok := r.m.disk.Packages[name]; ok {
			r.out("%s", strings.NewReplacer("%{NAME}", name, "%{VERSION}", version).Replace(format))
		} else {
			r.out("package %s is not installed\n", name)
			missing++
		}
	}
	return missing
}

// runDracut is dracut --force, which takes over modprobe.d.
func runDracut(r *linuxRun, args []string) int {
	if !r.isRoot() {
		return r.err(1, "dracut: Permission denied\n")
	}
	if !slices.Contains(args, "--force") && !slices.Contains(args, "-f") {
		return r.err(1, "dracut: Will not override existing initramfs (/boot/initramfs-%s.img) without --force\n", r.m.distro().kernel)
	}
	r.m.mu.Lock()
	r.m.readInitramfs()
	r.m.mu.Unlock()
	return 0
}

// runRcService is OpenRC: rc-service [-q] NAME status|start|stop|restart, and rc-update [-q] add NAME LEVEL.
func runRcService(r *linuxRun, args []string) int {
	words := plainWords(args[1:])
	if len(words) < 2 {
		return r.err(1, "Usage: rc-service [options] <service> <command>\n")
	}
	name, what := words[0], words[1]
	if args[0] == "rc-update" {
		name, what = words[1], words[0]
	}
	r.m.mu.Lock()
	there := name == "sshd" || name == "open-vm-tools" && r.m.disk.Packages["open-vm-tools"] != ""
	runs := there && (name != "open-vm-tools" || r.m.toolsRun != notRunning)
	r.m.mu.Unlock()
	if !there {
		return r.err(1, " * rc-service: service `%s' does not exist\n", name)
	}
	if what != "status" && !r.isRoot() {
		return r.err(1, " * superuser access required\n")
	}
	switch what {
	case "status":
		if !runs {
			r.out(" * status: stopped\n")
			return 3
		}
		r.out(" * status: started\n")
	case "restart":
		r.m.restartTools()
	}
	return 0
}
