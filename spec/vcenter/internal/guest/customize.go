package guest

// customize.go: guest customization, as vCenter leaves it for Tools: a package waits on the
// disk, Tools of the next start unpack it, the system gets its name, addresses and password,
// and restarts. Guest operations are ready for a while BEFORE that restart, which is what
// catches scripts that start too early.
//
//	pending -> (power-on, Tools run) -> running -> restart -> succeeded
//
// Without Tools nothing ever happens. What it does not do is done by the operating system:
// an empty /etc/machine-id is filled at the next start, sysprep creates a new machine SID.

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"
)

// Customization is what a specification changes in the guest.
type Customization struct {
	Hostname string
	Domain   string
	Password string   // of Administrator or root; "" leaves it
	IP       string   // of the first card; "" is DHCP
	Script   string   // Linux: run with precustomization and postcustomization
	Commands []string // Windows: run once, at the first logon
}

// CustomizationState is guest.customizationInfo.
type CustomizationState struct {
	Status       string // TOOLSDEPLOYPKG_IDLE, _PENDING, _RUNNING, _SUCCEEDED, _FAILED
	Error        string
	Began, Ended *time.Time
}

// Customize leaves a package for the next start; false when one waits already.
func (m *Machine) Customize(c Customization) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.disk.Pending != nil {
		return false
	}
	m.disk.Pending = &c
	m.custom = CustomizationState{Status: "TOOLSDEPLOYPKG_PENDING"}
	return true
}

// customize is Tools' part, once they run.
func (m *Machine) customize(ctx context.Context) {
	m.mu.Lock()
	c, os_ := m.disk.Pending, m.disk.OS
	if c == nil || m.state != "running" || m.toolsRun != running || ctx.Err() != nil {
		m.mu.Unlock()
		return
	}
	now := time.Now().UTC()
	m.custom = CustomizationState{Status: "TOOLSDEPLOYPKG_RUNNING", Began: &now}
	m.mu.Unlock()
	m.changed()
	m.note("customization-started", "%s", c.Hostname)
	name := "customize.linux"
	if os_ == "windows" {
		name = "customize.windows"
	}
	if !m.Clock.Sleep(ctx, m.seconds(name)) {
		return
	}
	failed := ""
	if c.Script != "" {
		for _, when := range []string{"precustomization", "postcustomization"} {
			m.mu.Lock()
			_ = m.writeGuest("/root/.customization/customize.sh", []byte(c.Script))
			m.mu.Unlock()
			if out, code := m.shell(ctx, "/root/.customization/customize.sh "+when, "root"); code != 0 && failed == "" {
				failed = fmt.Sprintf("the customization script ended with %d for %s: %s", code, when, strings.TrimSpace(out))
			}
		}
	}
	end := time.Now().UTC()
	m.mu.Lock()
	m.disk.Pending = nil
	m.custom.Ended = &end
	if failed != "" {
		m.custom.Status, m.custom.Error = "TOOLSDEPLOYPKG_FAILED", failed
		m.mu.Unlock()
		m.note("customization-failed", "%s", failed)
		m.changed()
		return
	}
	m.apply(c)
	m.toolsRun, m.ready, m.netTold = notRunning, false, false // the new name is not visible before the restart
	m.custom.Status = "TOOLSDEPLOYPKG_SUCCEEDED"
	m.mu.Unlock()
	m.note("customization-succeeded", "%s", c.Hostname)
	m.changed()
	m.Shutdown("reboot")
}

// apply writes the new identity; the lock is held.
func (m *Machine) apply(c *Customization) {
	m.disk.Hostname, m.disk.Static = c.Hostname, c.IP
	account := "root"
	if m.disk.OS == "windows" {
		account = "Administrator"
		m.disk.SID = newSID()
		m.disk.RunOnce = c.Commands
	} else {
		fqdn := c.Hostname
		if c.Domain != "" {
			fqdn += "." + c.Domain
		}
		_ = m.writeGuest("/etc/hostname", []byte(c.Hostname+"\n"))
		_ = m.writeGuest("/etc/hosts", []byte("127.0.0.1 localhost\n127.0.1.1 "+fqdn+" "+c.Hostname+"\n"))
	}
	if c.Password == "" {
		return
	}
	for i, u := range m.disk.Users {
		if strings.EqualFold(u.Name, account) {
			m.disk.Users[i].Secret = "plain:" + c.Password
			return
		}
	}
	m.disk.Users = append(m.disk.Users, User{Name: account, Secret: "plain:" + c.Password, Admin: true})
}

// identity fills what a system creates for itself at its first start: the machine id of
// Ubuntu, the SID of Windows. A clone keeps both.
func (m *Machine) identity() {
	if m.disk.OS == "windows" {
		if m.disk.SID == "" {
			m.disk.SID = newSID()
		}
		return
	}
	h, err := m.hostPath("/etc/machine-id")
	if err != nil {
		return
	}
	if b, err := os.ReadFile(h); err == nil && len(strings.TrimSpace(string(b))) == 32 {
		return
	}
	var id [16]byte
	_, _ = rand.Read(id[:])
	_ = os.WriteFile(h, []byte(hex.EncodeToString(id[:])+"\n"), 0o444)
}

func newSID() string {
	var b [12]byte
	_, _ = rand.Read(b[:])
	n := func(i int) uint32 { return uint32(b[i])<<24 | uint32(b[i+1])<<16 | uint32(b[i+2])<<8 | uint32(b[i+3]) }
	return fmt.Sprintf("S-1-5-21-%d-%d-%d", n(0), n(4), n(8))
}
