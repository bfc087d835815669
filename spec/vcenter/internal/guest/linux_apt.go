package guest

// linux_apt.go: what apt-get installs and removes on Ubuntu.

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var driverPackage = regexp.MustCompile(`^nvidia-(driver|headless|headless-no-dkms|dkms|utils|open)(-(\d+))?(-server)?(-open)?$`)

// kmodPackage holds modules that the distribution has built and signed.
var kmodPackage = regexp.MustCompile(`^linux-modules-nvidia-(\d+)(-server)?(-open)?-(generic|` + kernelVersion + `)$`)

var driverVersions = map[string]string{"390": "390.157", "418": "418.226.00", "450": "450.248.02", "460": "460.106.00", "470": "470.256.02",
	"525": "525.147.05", "535": "535.183.01", "545": "545.29.06", "550": "550.107.02", "560": "560.35.03", "565": "565.57.01", "570": "570.86.15"}

// aptInstall installs a package: open-vm-tools is on the installation medium and in the
// cache, everything else comes over the network.
func (m *Machine) aptInstall(ctx context.Context, name string) (string, int) {
	m.mu.Lock()
	_, have := m.disk.Packages[name]
	network := m.ip() != ""
	m.mu.Unlock()
	if have {
		return name + " is already the newest version.\n", 0
	}
	if !network && name != "open-vm-tools" {
		return "E: Failed to fetch http://archive.ubuntu.com/ubuntu/pool/: Temporary failure resolving 'archive.ubuntu.com'\n", 100
	}
	version := ""
	driver, kmod := driverPackage.FindStringSubmatch(name), kmodPackage.FindStringSubmatch(name)
	if bare, wanted, ok := strings.Cut(name, "="); ok && fabricPackage.MatchString(bare) {
		offered := driverVersions[strings.TrimPrefix(bare, "nvidia-fabricmanager-")]
		if ok, _ := filepath.Match(wanted, offered+"-0ubuntu0.24.04.1"); offered == "" || !ok {
			return fmt.Sprintf("E: Version '%s' for '%s' was not found\n", wanted, bare), 100
		}
		m.mu.Lock()
		m.disk.Packages[bare] = offered
		m.installProgram("nv-fabricmanager")
		m.mu.Unlock()
		return fmt.Sprintf("Setting up %s (%s) ...\n", bare, offered), 0
	}
	switch {
	case kmod != nil:
		version = driverVersions[kmod[1]]
	case name == "open-vm-tools":
		version = "2:12.3.5-5ubuntu3"
	case name == "intel-i915-dkms":
		version = "1.24.3.23.240710.26"
	case name == "amdgpu-dkms":
		version = "1:6.8.5.60202-2041575.24.04"
	case name == "open-vm-tools-desktop" || name == "pciutils" || name == "linux-headers-generic" || name == "build-essential" || name == "dkms" ||
		name == "curl" || name == "jq" || name == "openssh-server" || name == "linux-headers-"+kernelVersion || name == "net-tools" || name == "gcc" || name == "make" || name == "mokutil" ||
		name == "qemu-guest-agent" || name == "nvidia-cuda-toolkit" || name == "linux-modules-extra-"+kernelVersion || name == "vim":
		version = "24.04"
	case driver != nil:
		branch := driver[3]
		if branch == "" && driver[1] == "open" {
			branch = "570"
		}
		version = driverVersions[branch]
	}
	if version == "" {
		return "E: Unable to locate package " + name + "\n", 100
	}
	wait := m.seconds("apt")
	if driver != nil {
		wait = m.seconds("driver.install")
	}
	if !m.Clock.Sleep(ctx, wait) {
		return "", 130
	}
	m.mu.Lock()
	m.disk.Packages[name] = version
	started := false
	if name == "open-vm-tools" {
		tools := openVMTools()
		m.disk.Tools = &tools
		m.installProgram("vmtoolsd")
		m.installProgram("vmware-toolbox-cmd")
		started = m.state == "running"
	}
	if tree := dkmsTrees[name]; tree != "" {
		for _, need := range []string{"dkms", "gcc", "make"} {
			m.disk.Packages[need] = "24.04"
		}
		if text, broke := m.dkmsBroke(tree); broke { // dpkg leaves it unconfigured, and the next apt-get builds again
			delete(m.disk.Packages, name)
			m.mu.Unlock()
			return text + "dpkg: error processing package " + name + " (--configure):\n installed " + name + " package post-installation script subprocess returned error exit status 10\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n", 100
		}
	}
	if name == "amdgpu-dkms" {
		m.installProgram("amd-smi")
	}
	if kmod != nil {
		m.disk.Driver, m.disk.Signed, m.disk.NoKmod, m.disk.OpenKmod = version, true, false, kmod[3] != ""
	} else if driver != nil && driver[1] != "utils" {
		m.disk.Driver = version
		built := m.built(major(version))
		if driver[1] == "headless-no-dkms" {
			m.disk.NoKmod = !built
		} else if !built { // DKMS compiles them here
			m.disk.Signed, m.disk.NoKmod, m.disk.OpenKmod = false, false, driver[5] != "" || driver[1] == "open"
			for _, need := range []string{"dkms", "gcc", "make", "linux-headers-generic"} {
				m.disk.Packages[need] = "24.04"
			}
			if text, broke := m.dkmsBroke("nvidia/" + version); broke {
				m.mu.Unlock()
				return text + "dpkg: error processing package " + name + " (--configure):\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n", 100
			}
		}
		m.installProgram("nvidia-smi")
		m.writeGuest("/usr/lib/modprobe.d/nvidia-graphics-drivers.conf", []byte(noNouveau))
		m.readInitramfs()
		if m.state == "running" && !m.modules["nouveau"] {
			m.loadNvidia()
		}
	} else if driver != nil {
		m.installProgram("nvidia-smi")
	}
	mctx := m.ctx
	m.mu.Unlock()
	if started {
		m.wg.Add(1)
		m.background(func() { m.startTools(mctx) })
	}
	return fmt.Sprintf("Setting up %s (%s) ...\n", name, version), 0
}

// built reports whether the distribution's own modules of a branch are installed.
func (m *Machine) built(branch int) bool {
	for name := range m.disk.Packages {
		if k := kmodPackage.FindStringSubmatch(name); k != nil && k[1] == fmt.Sprint(branch) {
			return true
		}
	}
	return false
}

// aptRemove takes a package away.
func (m *Machine) aptRemove(name string) (string, int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.disk.Packages[name]; !ok {
		return "Package '" + name + "' is not installed, so not removed\n", 0
	}
	delete(m.disk.Packages, name)
	if driverPackage.MatchString(name) || kmodPackage.MatchString(name) {
		m.disk.Driver, m.disk.Signed, m.disk.NoKmod = "", false, false
		m.removeProgram("nvidia-smi")
		os.Remove(filepath.Join(m.root(), "usr/lib/modprobe.d/nvidia-graphics-drivers.conf"))
		m.readInitramfs()
	}
	return "Removing " + name + " ...\n", 0
}
