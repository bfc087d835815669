package guest

// linux_dkms.go: DKMS builds the modules of a package for the running kernel. A build that fails leaves them "added",
// without a module, and make.log in /var/lib/dkms (rule driver.dkms).

import "fmt"

// dkmsBroke: the build of the NVIDIA driver's modules has failed, if that is set; the lock is held.
func (m *Machine) dkmsBroke() (text string, broke bool) {
	if m.dkmsFails == "" {
		return "", false
	}
	m.disk.NoKmod = true
	v, k := m.disk.Driver, m.distro().kernel
	_ = m.writeGuest("/var/lib/dkms/nvidia/"+v+"/build/make.log", []byte(fmt.Sprintf("DKMS make.log for nvidia-%s for kernel %s (x86_64)\n"+
		"make[1]: Entering directory '/usr/src/linux-headers-%s'\n%s\nmake[1]: *** [Makefile:2024: /var/lib/dkms/nvidia/%s/build] Error 2\n", v, k, k, m.dkmsFails, v)))
	return fmt.Sprintf("Error! Bad return status for module build on kernel: %s (x86_64)\nConsult /var/lib/dkms/nvidia/%s/build/make.log for more information.\n", k, v), true
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
	return 0
}
