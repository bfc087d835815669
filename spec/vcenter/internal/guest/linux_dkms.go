package guest

// linux_dkms.go: DKMS builds the modules of a package for the running kernel. A build that fails leaves them "added",
// without a module, and make.log in /var/lib/dkms (rule driver.dkms).

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// dkmsTrees are DKMS's names of what the other vendors' packages build (rules driver.dkms-amd, driver.dkms-intel).
var dkmsTrees = map[string]string{"amdgpu-dkms": "amdgpu/6.8.5-2041575.24.04", "intel-i915-dkms": "intel-i915-dkms/1.24.3.23.240710.26"}

// dkmsBroke: the build of a driver's modules ("nvidia/550.107.02") has failed, if that is set; the lock is held.
func (m *Machine) dkmsBroke(tree string) (text string, broke bool) {
	if m.dkmsFails == "" {
		delete(m.disk.Unbuilt, tree)
		return "", false
	}
	name, version, _ := strings.Cut(tree, "/")
	if name == "nvidia" {
		m.disk.NoKmod = true
	} else {
		if m.disk.Unbuilt == nil {
			m.disk.Unbuilt = map[string]bool{}
		}
		m.disk.Unbuilt[tree] = true
	}
	k := m.distro().kernel
	_ = m.writeGuest("/var/lib/dkms/"+tree+"/build/make.log", []byte(fmt.Sprintf("DKMS make.log for %s-%s for kernel %s (x86_64)\n"+
		"make[1]: Entering directory '/usr/src/linux-headers-%s'\n%s\nmake[1]: *** [Makefile:2024: /var/lib/dkms/%s/build] Error 2\n", name, version, k, k, m.dkmsFails, tree)))
	return fmt.Sprintf("Error! Bad return status for module build on kernel: %s (x86_64)\nConsult /var/lib/dkms/%s/build/make.log for more information.\n", k, tree), true
}

func runDkms(r *linuxRun, args []string) int {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	d := r.m.disk
	if d.Packages["dkms"] == "" {
		return r.err(127, "bash: dkms: command not found\n")
	}
	if len(args) != 2 || args[1] != "status" {
		return r.err(1, "dkms: this action is not supported in this guest\n")
	}
	switch {
	case d.Driver == "" || d.Signed:
	case d.NoKmod:
		r.out("nvidia/%s: added\n", d.Driver)
	default:
		r.out("nvidia/%s, %s, x86_64: installed\n", d.Driver, r.m.distro().kernel)
	}
	for _, name := range slices.Sorted(maps.Keys(dkmsTrees)) {
		switch tree := dkmsTrees[name]; {
		case d.Unbuilt[tree]:
			r.out("%s: added\n", tree)
		case d.Packages[name] != "": // the kernel has modules of the same names
			r.out("%s, %s, x86_64: installed (Original modules exist)\n", tree, r.m.distro().kernel)
		}
	}
	return 0
}
