package guest

// access.go: which account may touch which file. The files of a guest are in a directory of
// this computer and belong to the account that runs the server, so ownership is kept here:
//
//	Linux    /home/NAME belongs to NAME (0750), /root to root (0700), what was created below /tmp
//	         through guest operations or the shell to its creator, the rest to root; chown moves
//	         it; the mode bits are those of the file itself
//	Windows  a standard user writes in the own profile, C:\Users\Public, C:\Windows\Temp and
//	         C:\ProgramData, and does not look into other profiles; no account changes what is read-only
//
// root, SYSTEM and administrators may do everything. A write to a file that does not exist
// is a write to its directory.

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrAccess: the account may not do this.
var ErrAccess = errors.New("permission denied")

// Access checks an account's right to a file of this computer below the guest's root, as
// hostPath gave it. It takes the lock.
func (m *Machine) Access(user, host string, write bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.access(user, host, write)
}

func (m *Machine) access(user, host string, write bool) error {
	if write && m.attributes[host].ReadOnly {
		return ErrAccess // for any account
	}
	u := m.user(user)
	if u.Admin || u.Name == "root" {
		return nil
	}
	rel, below := strings.CutPrefix(host, m.root()+"/")
	if !below {
		return nil // a medium in a drive: everyone reads, no one writes
	}
	if m.disk.OS == "windows" {
		return windowsAccess(u.Name, rel, write)
	}
	return m.linuxAccess(u.Name, rel, write)
}

func windowsAccess(user, rel string, write bool) error {
	part := strings.Split(strings.ToLower(rel), "/") // c, users, name, ...
	own := len(part) > 2 && part[1] == "users" && (part[2] == strings.ToLower(user) || part[2] == "public")
	if len(part) > 2 && part[1] == "users" && !own {
		return ErrAccess
	}
	common := len(part) > 2 && part[1] == "programdata" || len(part) > 3 && part[1] == "windows" && part[2] == "temp"
	if write && !own && !common {
		return ErrAccess
	}
	return nil
}

// owner of a file by its path; "" is any account's (created in /tmp by a tool).
func (m *Machine) owner(rel string) string {
	for p := rel; p != "." && p != ""; p = filepath.Dir(p) {
		if o, ok := m.owners[p]; ok {
			return o
		}
	}
	part := strings.Split(rel, "/")
	switch {
	case len(part) > 1 && part[0] == "home":
		return part[1]
	case len(part) > 1 && part[0] == "tmp", len(part) > 2 && part[0] == "var" && part[1] == "tmp":
		return ""
	}
	return "root"
}

func (m *Machine) linuxAccess(user, rel string, write bool) error {
	rel = strings.TrimPrefix(rel, "target/") // the link to / that installers leave
	if part := strings.Split(rel, "/"); part[0] == "root" || len(part) > 1 && part[0] == "home" && part[1] != user {
		return ErrAccess
	}
	st, err := os.Stat(filepath.Join(m.root(), rel))
	if err != nil {
		if !write {
			return nil // it is not there, which is another message
		}
		if rel == "." || rel == "" {
			return ErrAccess
		}
		return m.linuxAccess(user, filepath.Dir(rel), true)
	}
	bits := st.Mode().Perm()
	if o := m.owner(rel); o == user || o == "" {
		bits >>= 6
	}
	want := os.FileMode(4)
	if write {
		want = 2
	}
	if rel == "tmp" || rel == "var/tmp" {
		return nil
	}
	if bits&want == 0 {
		return ErrAccess
	}
	return nil
}

// may reports whether an account may remove or rename a file: the directory counts, and in
// /tmp only its own files.
func (m *Machine) may(user, host string) error {
	if err := m.access(user, filepath.Dir(host), true); err != nil {
		return err
	}
	rel := strings.TrimPrefix(host, m.root()+"/")
	if u := m.user(user); m.disk.OS != "windows" && !u.Admin && u.Name != "root" && strings.HasPrefix(rel, "tmp/") {
		if o := m.owner(rel); o != "" && o != user {
			return ErrAccess
		}
	}
	return nil
}

// Removable is may with the lock.
func (m *Machine) Removable(user, host string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.may(user, host)
}

// Own records who created a file.
func (m *Machine) Own(user, host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if rel, ok := strings.CutPrefix(host, m.root()+"/"); ok && m.disk.OS != "windows" {
		if m.owners == nil {
			m.owners = map[string]string{}
		}
		m.owners[rel] = user
	}
}

// OwnerID is the uid of a file's owner; SetOwner gives it to another, which root alone may.
func (m *Machine) OwnerID(host string) int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	rel, ok := strings.CutPrefix(host, m.root()+"/")
	if !ok {
		return 0
	}
	return int32(m.uid(m.owner(rel)))
}

// SetOwner is chown by number.
func (m *Machine) SetOwner(user, host string, uid int32) error {
	m.mu.Lock()
	name, admin := "root", user == "root" || m.user(user).Admin
	if i := int(uid) - 1000; i >= 0 && i < len(m.disk.Users) {
		name = m.disk.Users[i].Name
	}
	rel := strings.TrimPrefix(host, m.root()+"/")
	same := m.uid(m.owner(rel)) == int(uid)
	m.mu.Unlock()
	if same {
		return nil
	}
	if !admin {
		return ErrAccess
	}
	m.Own(name, host)
	return nil
}

// WindowsAttributes are the two flags that guest operations support.
type WindowsAttributes struct{ Hidden, ReadOnly bool }

// Attributes returns a file's flags, and sets them when change is not nil.
func (m *Machine) Attributes(host string, change func(*WindowsAttributes)) WindowsAttributes {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.attributes[host]
	if change != nil {
		change(&a)
		if m.attributes == nil {
			m.attributes = map[string]WindowsAttributes{}
		}
		m.attributes[host] = a
	}
	return a
}

// Executable reports whether a program may be started: Linux requires the x bit.
func (m *Machine) Executable(user, host string) error {
	if err := m.Access(user, host, false); err != nil {
		return err
	}
	st, err := os.Stat(host)
	if err != nil {
		return ErrNotFound
	}
	if m.OS() != "windows" && st.Mode()&0o111 == 0 {
		return ErrAccess
	}
	return nil
}

// runChown moves ownership; only root gives files away.
func runChown(r *linuxRun, args []string) int {
	var words []string
	for _, a := range args[1:] {
		if !strings.HasPrefix(a, "-") {
			words = append(words, a)
		}
	}
	if len(words) < 2 {
		return r.err(1, "chown: missing operand\n")
	}
	name, _, _ := strings.Cut(words[0], ":")
	if name == "" {
		name = r.user // the group alone
	}
	r.m.mu.Lock()
	known := name == "root" || slices.ContainsFunc(r.m.disk.Users, func(u User) bool { return u.Name == name })
	r.m.mu.Unlock()
	if n, err := strconv.Atoi(name); err == nil {
		known = true
		name = "root"
		r.m.mu.Lock()
		if i := n - 1000; i >= 0 && i < len(r.m.disk.Users) {
			name = r.m.disk.Users[i].Name
		}
		r.m.mu.Unlock()
	}
	if !known {
		return r.err(1, "chown: invalid user: '%s'\n", words[0])
	}
	code := 0
	for _, p := range words[1:] {
		h := r.at(r.dir, p)
		if _, err := os.Lstat(h); err != nil {
			code = r.err(1, "chown: cannot access '%s': No such file or directory\n", p)
		} else if !r.isRoot() {
			code = r.err(1, "chown: changing ownership of '%s': Operation not permitted\n", p)
		} else {
			r.m.Own(name, h)
		}
	}
	return code
}
