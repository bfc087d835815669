package guest

// admit.go: whether the agent of a running guest takes an operation at all, before and after
// it looks at the password.
//
//	Tools too old -> switched off in tools.conf -> logins (locked out?) -> too many at once
//
// tools.conf is the file in the guest: /etc/vmware-tools/tools.conf, or the one below
// C:\ProgramData\VMware\VMware Tools; it is read at each call, as the agent does.

import (
	"errors"
	"os"
	"strings"
	"time"
)

// the reasons for which the agent refuses an operation
var (
	ErrOldTools = errors.New("the guest components are too old")
	ErrDisabled = errors.New("the operation is switched off in tools.conf")
	ErrLogons   = errors.New("too many sessions are open")
)

// oldest Tools that support the operations of the vSphere API 5.0
const oldestAgent = "8.6.0"

// Admit checks an operation (StartProgramInGuest) before the credentials.
func (m *Machine) Admit(operation string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	oldest, _ := ToolsNumber(oldestAgent)
	if t := m.disk.Tools; t != nil && t.Number > 0 && t.Number < oldest {
		return ErrOldTools
	}
	path := "/etc/vmware-tools/tools.conf"
	if m.disk.OS == "windows" {
		path = `C:\ProgramData\VMware\VMware Tools\tools.conf`
	}
	h, err := m.hostPath(path)
	if err != nil {
		return nil
	}
	text, err := os.ReadFile(h)
	if err != nil {
		return nil
	}
	section := ""
	for _, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = strings.ToLower(line[1 : len(line)-1])
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if section == "guestoperations" && value == "true" && (key == "disabled" || key == operation+".disabled") {
			return ErrDisabled
		}
	}
	return nil
}

// Logons refuses a login when as many programs as the guest allows run for others already.
func (m *Machine) Logons() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.maxLogons <= 0 {
		return nil
	}
	n := 0
	for _, p := range m.procs {
		if !p.ended() {
			n++
		}
	}
	if n >= m.maxLogons {
		return ErrLogons
	}
	return nil
}

// badLogins counts an account's wrong passwords since the last right one.
type badLogins struct {
	n     int
	until time.Time // locked until
}

const lockedFor = 10 * time.Minute

// threshold of the account lock-out: what was set, else Windows 11's ten; 0 is never.
func (m *Machine) threshold() int {
	switch {
	case m.lockout > 0:
		return m.lockout
	case m.lockout == 0 && m.disk.OS == "windows" && strings.HasPrefix(m.disk.Version, "10.0.22"):
		return 10
	}
	return 0
}

// locked reports whether an account is; judged counts a login. The lock is held for both.
func (m *Machine) locked(name string) bool {
	b := m.bad[name]
	return b != nil && time.Now().Before(b.until)
}

func (m *Machine) judged(name string, right bool) (nowLocked bool) {
	if right {
		delete(m.bad, name)
		return false
	}
	if m.bad == nil {
		m.bad = map[string]*badLogins{}
	}
	b := m.bad[name]
	if b == nil || !b.until.IsZero() && time.Now().After(b.until) {
		b = &badLogins{}
		m.bad[name] = b
	}
	b.n++
	if n := m.threshold(); n > 0 && b.n >= n && b.until.IsZero() {
		b.until = time.Now().Add(lockedFor)
		return true
	}
	return false
}
