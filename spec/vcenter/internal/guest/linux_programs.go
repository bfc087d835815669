package guest

// linux_programs.go: the programs of an Ubuntu guest. What concerns hardware, packages and
// services is computed from the VM; plain text tools are those of this computer, run
// with their paths mapped into the guest's directory.

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"mvdan.cc/sh/v3/expand"
)

var linuxPrograms map[string]func(*linuxRun, []string) int

func init() {
	linuxPrograms = map[string]func(*linuxRun, []string) int{
		"lspci": runLspci, "dmesg": runDmesg, "nvidia-smi": runLinuxSMI, "modprobe": runModprobe, "rmmod": runRmmod, "lsmod": runLsmod,
		"systemctl": runSystemctl, "apt-get": runApt, "apt": runApt, "dpkg": runDpkg, "dpkg-query": runDpkg, "uname": runUname,
		"sleep": runSleep, "sudo": runSudo, "env": runEnv, "nohup": runRest, "setsid": runRest, "timeout": runTimeout, "xargs": runXargs,
		"bash": runBash, "sh": runBash, "dash": runBash, "id": runID, "whoami": runID, "hostname": runHostname,
		"hostnamectl": runHostname, "reboot": runPower, "shutdown": runPower, "poweroff": runPower, "update-initramfs": runInitramfs,
		"update-grub": noEffect, "depmod": runNothing, "modinfo": runModinfo, "sync": runNothing, "udevadm": noEffect, "swapoff": noEffect, "chown": runChown,
		"curtin": runCurtin, "vmware-toolbox-cmd": runToolbox, "vmtoolsd": runVmtoolsd, "journalctl": runJournal, "ps": runPs, "kill": runKill,
		"which": runWhich, "lsb_release": runLsb, "cloud-init": runCloudInit, "mount": runMount, "umount": runUmount, "ubuntu-drivers": runUbuntuDrivers,
		"systemd-detect-virt": runVirt, "useradd": runUseradd, "usermod": runUseradd, "userdel": runUseradd, "chpasswd": runChpasswd,
		"nproc": runNproc, "free": runFree, "nv-fabricmanager": runFabricManager, "amd-smi": runAmdSmi, "dnf": runDnf, "zypper": runZypper, "apk": runApk, "rpm": runRpm, "dracut": runDracut,
		"rc-service": runRcService, "dkms": runDkms, "rc-update": runRcService,
	}
	for name, always := range textTools {
		linuxPrograms[name] = textTool(name, always)
	}
}

func (r *linuxRun) out(format string, args ...any) { fmt.Fprintf(r.stdout, format, args...) }

func (r *linuxRun) err(code int, format string, args ...any) int {
	fmt.Fprintf(r.stderr, format, args...)
	return code
}

// root reports whether the program has all rights.
func (r *linuxRun) isRoot() bool { return r.user == "root" }

func runNothing(r *linuxRun, args []string) int { return 0 }

func runSleep(r *linuxRun, args []string) int {
	var total float64
	for _, a := range args[1:] {
		unit := 1.0
		if n := len(a); n > 0 {
			switch a[n-1] {
			case 'm':
				unit, a = 60, a[:n-1]
			case 'h':
				unit, a = 3600, a[:n-1]
			case 's':
				a = a[:n-1]
			}
		}
		f, err := strconv.ParseFloat(a, 64)
		if err != nil {
			return r.err(1, "sleep: invalid time interval '%s'\n", a)
		}
		total += f * unit
	}
	if !r.m.Clock.Sleep(r.ctx, time.Duration(total*float64(time.Second))) {
		return 143
	}
	return 0
}

// with lays assignments over an environment; only exported variables are passed on.
func with(env expand.Environ, assign []string) expand.Environ {
	var all []string
	env.Each(func(name string, v expand.Variable) bool {
		if v.Exported && v.Kind == expand.String {
			all = append(all, name+"="+v.Str)
		}
		return true
	})
	return expand.ListEnviron(append(all, assign...)...)
}

func readLine(in io.Reader) string {
	if in == nil {
		return ""
	}
	var line []byte
	b := make([]byte, 1)
	for {
		n, err := in.Read(b)
		if n == 1 {
			if b[0] == '\n' {
				return string(line)
			}
			line = append(line, b[0])
		}
		if err != nil {
			return string(line)
		}
	}
}

func runEnv(r *linuxRun, args []string) int {
	rest := args[1:]
	x := *r
	for len(rest) > 0 && (strings.HasPrefix(rest[0], "-") || strings.Contains(rest[0], "=")) {
		if rest[0] == "-i" {
			x.env = expand.ListEnviron()
		} else if strings.Contains(rest[0], "=") {
			x.env = with(x.env, []string{rest[0]})
		}
		rest = rest[1:]
	}
	if len(rest) == 0 {
		var all []string
		x.env.Each(func(name string, v expand.Variable) bool {
			if v.Exported && name != "UID" && name != "EUID" && name != "GID" {
				all = append(all, name+"="+v.String())
			}
			return true
		})
		sort.Strings(all)
		r.out("%s\n", strings.Join(all, "\n"))
		return 0
	}
	return x.start(rest)
}

func runRest(r *linuxRun, args []string) int {
	rest := args[1:]
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return 125
	}
	return r.start(rest)
}

func runTimeout(r *linuxRun, args []string) int {
	rest := args[1:]
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		if rest[0] == "-k" || rest[0] == "-s" {
			rest = rest[1:]
		}
		if len(rest) > 0 {
			rest = rest[1:]
		}
	}
	if len(rest) < 2 {
		return 125
	}
	return r.start(rest[1:]) // the VM's power-off ends it
}

func runXargs(r *linuxRun, args []string) int {
	rest := args[1:]
	per, replace, skipEmpty := 0, "", false
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		switch {
		case rest[0] == "-n" && len(rest) > 1:
			per, _ = strconv.Atoi(rest[1])
			rest = rest[1:]
		case strings.HasPrefix(rest[0], "-n"):
			per, _ = strconv.Atoi(rest[0][2:])
		case rest[0] == "-I" && len(rest) > 1:
			replace = rest[1]
			rest = rest[1:]
		case rest[0] == "-r":
			skipEmpty = true
		}
		rest = rest[1:]
	}
	if len(rest) == 0 {
		rest = []string{"echo"}
	}
	data, _ := io.ReadAll(r.stdin)
	words := strings.Fields(string(data))
	if replace != "" {
		words = strings.Split(strings.TrimRight(string(data), "\n"), "\n")
		per = 1
	}
	if len(words) == 0 && skipEmpty {
		return 0
	}
	if per <= 0 {
		per = max(len(words), 1)
	}
	code := 0
	for i := 0; i == 0 || i < len(words); i += per {
		chunk := words[min(i, len(words)):min(i+per, len(words))]
		line := slices.Clone(rest)
		if replace != "" {
			for j := range line {
				line[j] = strings.ReplaceAll(line[j], replace, chunk[0])
			}
		} else {
			line = append(line, chunk...)
		}
		x := *r
		x.stdin = bytes.NewReader(nil)
		if x.start(line) != 0 {
			code = 123
		}
	}
	return code
}

func runBash(r *linuxRun, args []string) int {
	rest := args[1:]
	var opts []string
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") && rest[0] != "-" {
		o := rest[0]
		rest = rest[1:]
		if o == "--" {
			break
		}
		if strings.HasPrefix(o, "--") {
			continue
		}
		command := strings.ContainsRune(o[1:], 'c')
		for _, c := range o[1:] {
			if strings.ContainsRune("eux", c) {
				opts = append(opts, "set -"+string(c))
			}
		}
		if o == "-o" && len(rest) > 0 {
			opts = append(opts, "set -o "+rest[0])
			rest = rest[1:]
		}
		if command {
			if len(rest) == 0 {
				return r.err(2, "bash: -c: option requires an argument\n")
			}
			text, name := rest[0], "bash"
			params := rest[1:]
			if len(params) > 0 {
				name, params = params[0], params[1:]
			}
			return r.sub(opts, text, name, params)
		}
	}
	if len(rest) > 0 && rest[0] != "-" {
		b, err := os.ReadFile(r.at(r.dir, rest[0]))
		if err != nil {
			return r.err(127, "bash: %s: No such file or directory\n", rest[0])
		}
		return r.sub(opts, string(b), rest[0], rest[1:])
	}
	if r.stdin == nil {
		return 0
	}
	b, _ := io.ReadAll(r.stdin)
	return r.sub(opts, string(b), "bash", nil)
}

func (r *linuxRun) sub(opts []string, text, name string, params []string) int {
	x := *r
	x.env = with(r.env, nil)
	if len(opts) > 0 {
		text = strings.Join(opts, "; ") + "\n" + text
	}
	x.ctx = r.ctx
	return x.script(text, name, params)
}

func runID(r *linuxRun, args []string) int {
	user, flags := r.user, ""
	for _, a := range args[1:] {
		if strings.HasPrefix(a, "-") {
			flags += a[1:]
		} else {
			user = a
		}
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	known := user == "root" || slices.ContainsFunc(r.m.disk.Users, func(u User) bool { return u.Name == user })
	if !known && user != r.user {
		return r.err(1, "id: '%s': no such user\n", user)
	}
	uid, groups := r.m.uid(user), ""
	if u := r.m.user(user); u.Sudoer {
		groups = ",27(sudo)"
	}
	switch {
	case args[0] == "whoami" || strings.Contains(flags, "n") && strings.ContainsAny(flags, "ug"):
		r.out("%s\n", user)
	case strings.ContainsAny(flags, "ug"):
		r.out("%d\n", uid)
	default:
		r.out("uid=%d(%s) gid=%d(%s) groups=%d(%s)%s\n", uid, user, uid, user, uid, user, groups)
	}
	return 0
}

func runHostname(r *linuxRun, args []string) int {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if args[0] == "hostnamectl" {
		if len(args) > 2 && (args[1] == "set-hostname" || args[1] == "hostname") {
			if !r.isRoot() {
				return r.err(1, "Could not set static hostname: Access denied\n")
			}
			r.m.disk.Hostname = args[2]
			r.m.writeGuest("/etc/hostname", []byte(args[2]+"\n"))
			return 0
		}
		r.out(" Static hostname: %s\n  Virtualization: vmware\nOperating System: %s\n          Kernel: Linux %s\n",
			r.m.disk.Hostname, r.m.distro().pretty, r.m.distro().kernel)
		return 0
	}
	if slices.Contains(args, "-I") {
		r.out("%s \n", r.m.ip())
		return 0
	}
	r.out("%s\n", r.m.disk.Hostname)
	return 0
}

func runPower(r *linuxRun, args []string) int {
	if !r.isRoot() {
		return r.err(1, "Call to Reboot failed: Interactive authentication required.\n")
	}
	what := "off"
	if args[0] == "reboot" || slices.Contains(args, "-r") {
		what = "reboot"
	}
	r.m.Shutdown(what)
	return 0
}

func runUname(r *linuxRun, args []string) int {
	r.m.mu.Lock()
	host, kernel := r.m.disk.Hostname, r.m.distro().kernel
	r.m.mu.Unlock()
	flags := strings.Join(args[1:], "")
	switch {
	case strings.Contains(flags, "a"):
		r.out("Linux %s %s #41-Ubuntu SMP PREEMPT_DYNAMIC x86_64 x86_64 x86_64 GNU/Linux\n", host, kernel)
	case strings.Contains(flags, "r"):
		r.out("%s\n", kernel)
	case strings.Contains(flags, "m"), strings.Contains(flags, "p"):
		r.out("x86_64\n")
	case strings.Contains(flags, "n"):
		r.out("%s\n", host)
	default:
		r.out("Linux\n")
	}
	return 0
}

func runCurtin(r *linuxRun, args []string) int {
	if len(args) < 2 || args[1] != "in-target" {
		return r.err(2, "curtin: error: invalid choice\n")
	}
	rest := args[2:]
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		stop := rest[0] == "--"
		if rest[0] == "--target" || rest[0] == "-t" {
			rest = rest[1:]
		}
		rest = rest[1:]
		if stop {
			break
		}
	}
	if len(rest) == 0 {
		return r.err(2, "curtin in-target: no command\n")
	}
	return r.start(rest)
}

func runWhich(r *linuxRun, args []string) int {
	code := 0
	for _, a := range args[1:] {
		if strings.HasPrefix(a, "-") {
			continue
		}
		if p, ok := r.find(a); ok {
			r.out("%s\n", p)
		} else {
			code = 1
		}
	}
	return code
}

func runLsb(r *linuxRun, args []string) int {
	flags := strings.Join(args[1:], "")
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	switch {
	case strings.Contains(flags, "r") && strings.Contains(flags, "s"):
		r.out("24.04\n")
	case strings.Contains(flags, "c") && strings.Contains(flags, "s"):
		r.out("noble\n")
	case strings.Contains(flags, "d") && strings.Contains(flags, "s"), strings.Contains(flags, "ds"):
		r.out("Ubuntu %s LTS\n", r.m.disk.Version)
	default:
		r.out("Distributor ID:\tUbuntu\nDescription:\tUbuntu %s LTS\nRelease:\t24.04\nCodename:\tnoble\n", r.m.disk.Version)
	}
	return 0
}

func runCloudInit(r *linuxRun, args []string) int {
	if len(args) > 1 && args[1] == "status" {
		r.out("status: done\n")
		return 0
	}
	return r.err(2, "usage: cloud-init status\n")
}

func runVirt(r *linuxRun, args []string) int {
	if r.m.hw.Hidden {
		r.out("none\n")
		return 1
	}
	r.out("vmware\n")
	return 0
}

func runNproc(r *linuxRun, args []string) int { r.out("%d\n", r.m.hw.CPUs); return 0 }

func runFree(r *linuxRun, args []string) int {
	r.out("               total        used        free\nMem:     %11d %11d %11d\n", r.m.hw.MemoryMB*1024, 900000, r.m.hw.MemoryMB*1024-900000)
	return 0
}

// mount shows the medium of a CD drive at a directory.
func runMount(r *linuxRun, args []string) int {
	var words []string
	for i := 1; i < len(args); i++ {
		if args[i] == "-o" || args[i] == "-t" {
			i++
		} else if !strings.HasPrefix(args[i], "-") {
			words = append(words, args[i])
		}
	}
	if len(words) == 0 {
		return 0
	}
	if !r.isRoot() {
		return r.err(1, "mount: %s: must be superuser to use mount.\n", words[0])
	}
	if len(words) < 2 {
		return r.err(1, "mount: %s: can't find in /etc/fstab.\n", words[0])
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	for i, c := range r.m.hw.CDs {
		names := []string{fmt.Sprintf("/dev/sr%d", i)}
		if i == 0 {
			names = append(names, "/dev/cdrom")
		}
		if c.Medium != nil {
			names = append(names, "/dev/disk/by-label/"+c.Medium.Label, "LABEL="+c.Medium.Label)
		}
		if !slices.Contains(names, words[0]) {
			continue
		}
		if c.Medium == nil {
			return r.err(32, "mount: %s: no medium found on %s.\n", words[1], words[0])
		}
		r.m.unpack(c, r.at(r.dir, words[1]))
		return 0
	}
	return r.err(32, "mount: %s: special device %s does not exist.\n", words[1], words[0])
}

func runUmount(r *linuxRun, args []string) int {
	if !r.isRoot() || len(args) < 2 {
		return r.err(32, "umount: must be superuser to unmount.\n")
	}
	dir := r.at(r.dir, args[len(args)-1])
	os.RemoveAll(dir)
	os.MkdirAll(dir, 0o755)
	return 0
}
