package guest

// linux_fabric.go: NVIDIA's Fabric Manager, and packages of a folder in the guest. Fabric
// Manager needs NVSwitches and refuses a driver of any other version than its own.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// switches reports whether the guest has NVSwitches as PCI devices; the lock is held.
func (m *Machine) switches() bool {
	if m.hw == nil {
		return false
	}
	for _, d := range m.hw.Devices {
		if d.Vendor == 0x10de && (d.Device == 0x1af1 || d.Device == 0x22a3) {
			return true
		}
	}
	return false
}

// fabricVersion is the installed version of Fabric Manager; the lock is held.
func (m *Machine) fabricVersion() string {
	for name, version := range m.disk.Packages {
		if fabricPackage.MatchString(name) {
			return version
		}
	}
	return ""
}

// startFabric starts the service; the text is what it logs when it refuses. The lock is held.
func (m *Machine) startFabric() (refusal string) {
	version := m.fabricVersion()
	m.fabric, m.fabricSaid = false, ""
	switch {
	case m.disk.Driver == "" || !m.modules["nvidia"]:
		refusal = "request to query NVSwitch device information from NVSwitch driver failed with error: driver not loaded"
	case version != m.disk.Driver:
		refusal = fmt.Sprintf("fabric manager NVIDIA GPU driver interface version %s don't match with driver version %s. Please update with matching NVIDIA driver package.",
			version, m.disk.Driver)
	case !m.switches():
		refusal = "request to query NVSwitch device information from NVSwitch driver failed with error:WARNING Nothing to do [NV_WARN_NOTHING_TO_DO]"
	default:
		m.fabric = true
	}
	m.fabricSaid = refusal
	return
}

// fabricUnit is systemctl for nvidia-fabricmanager.service.
func fabricUnit(r *linuxRun, words []string, now bool) int {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if r.m.fabricVersion() == "" {
		if words[0] == "is-active" {
			r.out("inactive\n")
			return 3
		}
		return r.err(1, "Failed to %s unit: Unit file nvidia-fabricmanager.service does not exist.\n", words[0])
	}
	switch words[0] {
	case "is-active":
		if r.m.fabric {
			r.out("active\n")
			return 0
		}
		r.out("failed\n")
		return 3
	case "start", "restart", "enable":
		if !r.isRoot() {
			return r.err(1, "Failed to %s nvidia-fabricmanager.service: Interactive authentication required.\n", words[0])
		}
		if words[0] == "enable" {
			r.m.disk.FabricOn = true
			if !now {
				return 0
			}
		}
		if r.m.startFabric() != "" {
			return r.err(1, "Job for nvidia-fabricmanager.service failed because the control process exited with error code.\nSee \"systemctl status nvidia-fabricmanager.service\" and \"journalctl -xeu nvidia-fabricmanager.service\" for details.\n")
		}
	case "stop":
		r.m.fabric = false
	}
	return 0
}

func runFabricManager(r *linuxRun, args []string) int {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if len(args) == 2 && (args[1] == "--version" || args[1] == "-v") {
		r.out("Fabric Manager version is : %s\n", r.m.fabricVersion())
		return 0
	}
	return r.err(1, "nv-fabricmanager: this option is not supported in this guest\n")
}

// packageFile reads a .deb or .rpm: here a text "package NAME VERSION".
func packageFile(path string) (name, version string, ok bool) {
	data, err := os.ReadFile(path)
	f := strings.Fields(string(data[:min(len(data), 200)]))
	if err != nil || len(f) < 3 || f[0] != "package" {
		return "", "", false
	}
	return f[1], f[2], true
}

// file installs a package of a file; apt takes a word with a slash as a path.
func (r *linuxRun) file(word, ending string) (handled bool, code int) {
	if !strings.HasSuffix(word, ending) || !strings.Contains(word, "/") {
		return false, 0
	}
	name, version, ok := packageFile(r.at(r.dir, word))
	if !ok {
		if _, err := os.Stat(r.at(r.dir, word)); err != nil {
			return true, r.err(100, "E: Unsupported file %s given on commandline\n", word)
		}
		return true, r.err(100, "E: Invalid archive signature: %s\n", filepath.Base(word))
	}
	return true, r.put(name, version)
}
