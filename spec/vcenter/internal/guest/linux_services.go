package guest

// linux_services.go: packages, services and processes of an Ubuntu guest.

import (
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

func runInitramfs(r *linuxRun, args []string) int {
	if !r.isRoot() {
		return r.err(1, "E: update-initramfs needs root\n")
	}
	r.m.mu.Lock()
	r.m.readInitramfs()
	r.m.mu.Unlock()
	r.out("update-initramfs: Generating /boot/initrd.img-%s\n", kernelVersion)
	return 0
}

func runUbuntuDrivers(r *linuxRun, args []string) int {
	r.m.mu.Lock()
	some := slices.ContainsFunc(r.m.hw.Devices, func(d *Device) bool { return d.nvidia() })
	r.m.mu.Unlock()
	if !some {
		return 0
	}
	if len(args) > 1 && args[1] == "install" {
		return runApt(r, []string{"apt-get", "install", "-y", "nvidia-driver-550-server"})
	}
	r.out("nvidia-driver-550-server, (kernel modules provided by linux-modules-nvidia-550-server-generic)\n")
	return 0
}

func runApt(r *linuxRun, args []string) int {
	var words []string
	for i := 1; i < len(args); i++ {
		if args[i] == "-o" || args[i] == "-t" {
			i++
		} else if !strings.HasPrefix(args[i], "-") {
			words = append(words, args[i])
		}
	}
	if len(words) == 0 {
		return r.err(1, "apt 2.7.14\n")
	}
	change := words[0] == "install" || words[0] == "remove" || words[0] == "purge" || words[0] == "update" || words[0] == "upgrade" ||
		words[0] == "dist-upgrade" || words[0] == "full-upgrade" || words[0] == "autoremove"
	if change && !r.isRoot() {
		return r.err(100, "E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)\n"+
			"E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?\n")
	}
	yes := slices.ContainsFunc(args, func(s string) bool {
		return s == "-y" || s == "--yes" || s == "--assume-yes" || s == "-qy" || s == "-yq" || s == "-qqy"
	})
	switch words[0] {
	case "update", "upgrade", "dist-upgrade", "full-upgrade", "autoremove":
		r.m.mu.Lock()
		net := r.m.ip() != ""
		r.m.mu.Unlock()
		if !net {
			return r.err(100, "W: Failed to fetch http://archive.ubuntu.com/ubuntu/dists/noble/InRelease\n")
		}
		r.out("Reading package lists... Done\n")
		return 0
	case "install", "remove", "purge":
		if code := r.lockApt(args); code != 0 {
			return code
		}
		defer r.m.unlockApt()
		if !yes && len(words) > 1 {
			r.out("Do you want to continue? [Y/n] Abort.\n")
			return 1
		}
		for _, name := range words[1:] {
			if done, code := r.file(name, ".deb"); done {
				if code != 0 {
					return code
				}
				continue
			}
			f := r.m.aptRemove
			if words[0] == "install" {
				f = func(n string) (string, int) { return r.m.aptInstall(r.ctx, n) }
			}
			text, code := f(name)
			if code != 0 {
				return r.err(code, "%s", text)
			}
			r.out("%s", text)
		}
		return 0
	case "list", "show", "policy":
		return 0
	}
	return r.err(100, "E: Invalid operation %s\n", words[0])
}

// lockApt takes dpkg's lock; another apt may hold it, as after a first boot. With
// DPkg::Lock::Timeout it waits that long.
func (r *linuxRun) lockApt(args []string) int {
	wait := 0
	for _, a := range args {
		if _, v, ok := strings.Cut(a, "DPkg::Lock::Timeout="); ok {
			wait, _ = strconv.Atoi(v)
		}
	}
	for {
		r.m.mu.Lock()
		free := !r.m.apt
		r.m.apt = true
		r.m.mu.Unlock()
		if free {
			return 0
		}
		if wait--; wait < 0 || !r.m.Clock.Sleep(r.ctx, time.Second) {
			return r.err(100, "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 811 (unattended-upgr)\n"+
				"E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?\n")
		}
	}
}

func (m *Machine) unlockApt() {
	m.mu.Lock()
	m.apt = false
	m.mu.Unlock()
}

// HoldApt lets another apt hold the lock for a number of seconds.
func (m *Machine) HoldApt(seconds float64) {
	m.mu.Lock()
	ctx := m.ctx
	if m.state != "running" || m.apt || ctx == nil {
		m.mu.Unlock()
		return
	}
	m.apt = true
	m.wg.Add(1)
	m.mu.Unlock()
	m.background(func() {
		m.Clock.Sleep(ctx, time.Duration(seconds*float64(time.Second)))
		m.unlockApt()
	})
}

func runDpkg(r *linuxRun, args []string) int {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	var names []string
	for _, a := range args[1:] {
		if !strings.HasPrefix(a, "-") {
			names = append(names, a)
		}
	}
	if len(names) == 0 {
		for n := range r.m.disk.Packages {
			names = append(names, n)
		}
		sort.Strings(names)
	}
	format := ""
	for i, a := range args {
		if strings.HasPrefix(a, "-f=") || strings.HasPrefix(a, "--showformat=") {
			_, format, _ = strings.Cut(a, "=")
		} else if a == "-f" && i+1 < len(args) {
			format = args[i+1]
		} else if strings.HasPrefix(a, "-f") && len(a) > 2 {
			format = a[2:]
		} else if strings.HasPrefix(a, "-Wf=") {
			format = a[4:]
		}
	}
	code := 0
	for _, n := range names {
		if strings.Contains(n, "${") {
			continue
		}
		found := false
		for have, v := range r.m.disk.Packages {
			if ok, _ := filepath.Match(n, have); !ok {
				continue
			}
			found = true
			switch {
			case slices.Contains(args, "-s"):
				r.out("Package: %s\nStatus: install ok installed\nVersion: %s\n", have, v)
			case format != "":
				r.out("%s", strings.NewReplacer("${Package}", have, "${binary:Package}", have, "${Version}", v,
					"${Status}", "install ok installed", "${db:Status-Status}", "installed", `\n`, "\n", `\t`, "\t").Replace(format))
			case slices.Contains(args, "-W"):
				r.out("%s\t%s\n", have, v)
			default:
				r.out("ii  %-40s %-30s amd64\n", have, v)
			}
		}
		if !found {
			r.err(0, "dpkg-query: package '%s' is not installed and no information is available\n", n)
			code = 1
		}
	}
	return code
}

func runSystemctl(r *linuxRun, args []string) int {
	var words []string
	for _, a := range args[1:] {
		if !strings.HasPrefix(a, "-") {
			words = append(words, a)
		}
	}
	if len(words) == 0 {
		return 0
	}
	switch words[0] {
	case "reboot":
		return runPower(r, []string{"reboot"})
	case "poweroff", "halt":
		return runPower(r, []string{"poweroff"})
	}
	if len(words) < 2 {
		if words[0] == "is-system-running" {
			r.out("running\n")
		}
		return 0
	}
	if words[0] == "is-active" && len(words) > 2 { // a line for each unit; 0 when one is active
		code := 3
		for _, unit := range words[1:] {
			if runSystemctl(r, []string{"systemctl", "is-active", unit}) == 0 {
				code = 0
			}
		}
		return code
	}
	name := strings.TrimSuffix(words[1], ".service")
	if name == "nvidia-fabricmanager" {
		return fabricUnit(r, words, slices.Contains(args, "--now"))
	}
	r.m.mu.Lock()
	there := map[string]bool{"ssh": true, "cron": true, "systemd-journald": true, "networkd-dispatcher": true, "gdm3": false,
		"open-vm-tools": r.m.disk.Tools != nil && r.m.distro().service == "open-vm-tools", "vmtoolsd": r.m.disk.Tools != nil && r.m.distro().manager != "apk", "nvidia-persistenced": r.m.disk.Driver != ""}[name]
	r.m.mu.Unlock()
	if !there {
		if words[0] == "is-active" || words[0] == "is-enabled" {
			r.out("inactive\n")
			return 3
		}
		return r.err(5, "Failed to %s %s.service: Unit %s.service not found.\n", words[0], name, name)
	}
	switch words[0] {
	case "is-active":
		r.out("active\n")
	case "is-enabled":
		r.out("enabled\n")
	case "status":
		r.out("● %s.service\n     Active: active (running)\n", name)
	case "restart", "start", "stop", "enable", "disable", "mask", "unmask":
		if !r.isRoot() {
			return r.err(1, "Failed to %s %s.service: Interactive authentication required.\n", words[0], name)
		}
		switch tools := name == "open-vm-tools" || name == "vmtoolsd"; {
		case words[0] == "restart" && tools, words[0] == "start" && tools && r.m.Info().ToolsRun == notRunning:
			r.m.restartTools()
		case words[0] == "stop" && tools:
			r.m.stopTools()
		case words[0] != "start" && !(words[0] == "enable" || words[0] == "unmask"):
			r.m.unsupported("systemctl %s %s has no effect", words[0], name)
		}
	}
	return 0
}

func runToolbox(r *linuxRun, args []string) int {
	if len(args) > 1 && (args[1] == "-v" || args[1] == "--version") {
		r.out("12.3.5.46049 (build-22544099)\n")
		return 0
	}
	return r.err(64, "vmware-toolbox-cmd: Missing command\n")
}

func runVmtoolsd(r *linuxRun, args []string) int {
	if slices.Contains(args, "-v") {
		r.out("VMware Tools daemon, version 12.3.5.46049 (build-22544099)\n")
		return 0
	}
	for i, a := range args {
		text := ""
		if a == "--cmd" && i+1 < len(args) {
			text = args[i+1]
		} else if v, ok := strings.CutPrefix(a, "--cmd="); ok {
			text = v
		}
		if key, ok := strings.CutPrefix(text, "info-get "); ok {
			_ = key
			return r.err(1, "No value found\n")
		}
	}
	return 0
}

func runPs(r *linuxRun, args []string) int {
	r.out("    PID COMMAND\n")
	for _, p := range r.m.Processes(nil) {
		if !p.ended() {
			r.out("%7d %s\n", p.Pid, p.Cmd)
		}
	}
	return 0
}

func runKill(r *linuxRun, args []string) int {
	code := 0
	for _, a := range args[1:] {
		if pid, err := strconv.ParseInt(a, 10, 64); err == nil && pid > 0 {
			if slices.Contains(args, "-0") {
				found := false
				for _, p := range r.m.Processes([]int64{pid}) {
					found = !p.ended()
				}
				if !found {
					code = r.err(1, "kill: (%d) - No such process\n", pid)
				}
			} else if err := r.m.Terminate(r.user, pid); err == ErrAccess {
				code = r.err(1, "kill: (%d) - Operation not permitted\n", pid)
			} else if err != nil {
				code = r.err(1, "kill: (%d) - No such process\n", pid)
			}
		}
	}
	return code
}
