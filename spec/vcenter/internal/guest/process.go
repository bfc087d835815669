package guest

// process.go: programs started through guest operations, their owners, output and end.

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// Process is one entry of ListProcessesInGuest.
type Process struct {
	Pid     int64
	Name    string
	Owner   string
	Cmd     string
	Started time.Time
	Ended   *time.Time
	Exit    int32
	cancel  context.CancelFunc
	listed  bool // ListProcessesInGuest shows it, a moment after its start
	orphan  bool // Tools restarted since: its exit code is lost
}

func (p *Process) ended() bool { return p.Ended != nil }

// KeepExit is how long an ended program stays listed.
const KeepExit = 5 * time.Minute

// Program is what StartProgramInGuest starts.
type Program struct {
	Path, Args, Dir string
	Env             []string
}

// faults of programs
var (
	ErrLogin = errors.New("the credentials are wrong")
	ErrNoPid = errors.New("no such process")
)

// Login checks credentials and gives the account's name as the system spells it.
func (m *Machine) Login(user, password string) (string, error) {
	name, locked, err := m.login(user, password)
	if locked {
		m.note("guest-account-locked", "%s, for %v", name, lockedFor)
	}
	if err != nil {
		return "", err
	}
	return name, nil
}

func (m *Machine) login(user, password string) (account string, nowLocked bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live { // the accounts are those of the installer
		return "", false, ErrLogin
	}
	for _, u := range m.disk.Users {
		name := user
		if m.disk.OS == "windows" {
			if i := strings.LastIndexByte(name, '\\'); i >= 0 {
				d := name[:i]
				if d != "." && !strings.EqualFold(d, m.disk.Hostname) {
					continue
				}
				name = name[i+1:]
			}
			if !strings.EqualFold(name, u.Name) {
				continue
			}
		} else if name != u.Name {
			continue
		}
		if m.locked(u.Name) {
			return u.Name, false, ErrLogin
		}
		blank := password == "" && m.disk.OS == "windows" // good at the console only
		right := !blank && matches(u.Secret, password)
		if nowLocked = m.judged(u.Name, right); right {
			return u.Name, false, nil
		}
		return u.Name, nowLocked, ErrLogin
	}
	return "", false, ErrLogin
}

func (m *Machine) user(name string) User {
	for _, u := range m.disk.Users {
		if u.Name == name {
			return u
		}
	}
	if name == "root" || name == "SYSTEM" {
		return User{Name: name, Admin: true}
	}
	return User{Name: name}
}

// StartProgram starts a program and returns its process number.
func (m *Machine) StartProgram(user string, p Program) (int64, error) {
	m.mu.Lock()
	os_, ctx := m.disk.OS, m.ctx
	h, err := m.hostPath(p.Path)
	m.mu.Unlock()
	if err != nil {
		return 0, ErrNotFound
	}
	st, err := os.Stat(h)
	if err != nil || st.IsDir() {
		return 0, ErrNotFound
	}
	name := filepath.Base(h)
	m.mu.Lock()
	m.nextPid += 4
	pctx, cancel := context.WithCancel(ctx)
	proc := &Process{Pid: m.nextPid, Name: name, Owner: user, Started: time.Now(), cancel: cancel,
		Cmd: strings.TrimSpace(`"` + p.Path + `" ` + p.Args)}
	m.procs[proc.Pid] = proc
	lag := m.listLag
	proc.listed = lag <= 0
	m.wg.Add(1)
	if lag > 0 {
		m.wg.Add(1)
	}
	m.mu.Unlock()
	if lag > 0 {
		m.background(func() {
			m.Clock.Sleep(ctx, lag)
			m.mu.Lock()
			proc.listed = true
			m.mu.Unlock()
		})
	}
	m.background(func() {
		code := 255
		defer func() {
			cancel()
			m.mu.Lock()
			now := time.Now()
			proc.Ended, proc.Exit = &now, int32(code)
			if proc.orphan { // the service that started it has ended, and the exit code is lost with it
				delete(m.procs, proc.Pid)
			}
			m.mu.Unlock()
		}()
		if os_ == "windows" {
			code = m.runWindows(pctx, user, p)
		} else {
			code = m.runLinux(pctx, user, p)
		}
	})
	return proc.Pid, nil
}

// child lists a program that another one has started, with its whole command line; the result ends it.
func (m *Machine) child(owner, path, args string) func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nextPid += 4
	pid := m.nextPid
	m.procs[pid] = &Process{Pid: pid, Name: path[strings.LastIndexByte(path, '\\')+1:], Owner: owner, Started: time.Now(), listed: true,
		Cmd: strings.TrimSpace(`"` + path + `" ` + args), cancel: func() {}}
	procs := m.procs
	return func() {
		m.mu.Lock()
		delete(procs, pid)
		m.mu.Unlock()
	}
}

// Processes lists the running programs, and the ended ones of the last five minutes.
func (m *Machine) Processes(pids []int64) []Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Process
	for pid, p := range m.procs {
		if p.ended() && time.Since(*p.Ended) > KeepExit {
			delete(m.procs, pid)
			continue
		}
		if !p.listed {
			continue
		}
		out = append(out, *p)
	}
	out = append(out, m.system()...)
	if len(pids) > 0 {
		var some []Process
		for _, p := range out {
			for _, want := range pids {
				if p.Pid == want {
					some = append(some, p)
				}
			}
		}
		out = some
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Pid < out[j].Pid })
	return out
}

// system lists the services that always run.
func (m *Machine) system() []Process {
	mk := func(pid int64, name, owner, cmd string) Process {
		return Process{Pid: pid, Name: name, Owner: owner, Cmd: cmd, Started: m.booted}
	}
	if m.disk.OS == "windows" {
		l := []Process{mk(4, "System", "", ""), mk(612, "services.exe", "NT AUTHORITY\\SYSTEM", `C:\Windows\system32\services.exe`)}
		if m.disk.Tools != nil {
			l = append(l, mk(980, "vmtoolsd.exe", "NT AUTHORITY\\SYSTEM", `"C:\Program Files\VMware\VMware Tools\vmtoolsd.exe"`))
		}
		return l
	}
	l := []Process{mk(1, "systemd", "root", "/sbin/init")}
	if m.disk.Tools != nil {
		l = append(l, mk(742, "vmtoolsd", "root", "/usr/bin/vmtoolsd"))
	}
	return l
}

// Terminate is Kill with the rights of an account: a service or another's program is ended
// by an administrator only, and the kernel's own by no account.
func (m *Machine) Terminate(user string, pid int64) error {
	m.mu.Lock()
	p, admin := m.procs[pid], m.user(user).Admin || user == "root"
	service, name := false, ""
	for _, s := range m.system() {
		if s.Pid == pid {
			service, name = true, s.Name
		}
	}
	m.mu.Unlock()
	switch {
	case service && (!admin || !strings.HasPrefix(name, "vmtoolsd")):
		return ErrAccess
	case service: // the service manager starts it again
		m.restartTools()
		return nil
	case p != nil && !p.ended() && p.Owner != user && !admin:
		return ErrAccess
	}
	return m.Kill(pid)
}

// Kill ends a program.
func (m *Machine) Kill(pid int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.procs[pid]
	if p == nil || p.ended() {
		return ErrNoPid
	}
	p.cancel()
	return nil
}

// Environment returns a user's variables.
func (m *Machine) Environment(user string) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.disk.OS == "windows" {
		return m.windowsEnv(user)
	}
	return m.linuxEnv(user)
}
