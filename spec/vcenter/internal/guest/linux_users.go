package guest

// linux_users.go: accounts of an Ubuntu guest: useradd, usermod, userdel, chpasswd, and sudo
// with the rules it reads: the group sudo, and /etc/sudoers.d as it is on the disk.

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// passwd writes /etc/passwd and the homes; the lock is held.
func (m *Machine) passwd() {
	text := "root:x:0:0:root:/root:/bin/bash\n"
	for i, u := range m.disk.Users {
		if u.Name != "root" {
			text += fmt.Sprintf("%s:x:%d:%d::/home/%s:/bin/bash\n", u.Name, 1000+i, 1000+i, u.Name)
		}
	}
	_ = os.WriteFile(filepath.Join(m.root(), "etc/passwd"), []byte(text), 0o644)
}

func (m *Machine) uid(name string) int {
	for i, u := range m.disk.Users {
		if u.Name == name && name != "root" {
			return 1000 + i
		}
	}
	return 0
}

// accountOptions separates the flags of useradd and usermod from the name.
func accountOptions(args []string) (name string, groups []string, secret string, home, ok bool) {
	for i := 0; i < len(args); i++ {
		value := func() string {
			if i++; i < len(args) {
				return args[i]
			}
			return ""
		}
		switch a := args[i]; a {
		case "-m", "--create-home":
			home = true
		case "-G", "--groups", "-aG":
			groups = append(groups, strings.Split(value(), ",")...)
		case "-p", "--password":
			secret = value()
		case "-s", "--shell", "-c", "--comment", "-u", "--uid", "-g", "--gid", "-d", "--home", "--home-dir":
			value()
		case "-a", "--append", "-U", "-r", "-M", "-L", "-U -L":
		default:
			if strings.HasPrefix(a, "-") || name != "" {
				return "", nil, "", false, false
			}
			name = a
		}
	}
	return name, groups, secret, home, name != ""
}

var accountName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

func runUseradd(r *linuxRun, args []string) int {
	name, groups, secret, home, ok := accountOptions(args[1:])
	switch {
	case !r.isRoot():
		return r.err(1, "%s: Permission denied.\n%s: cannot lock /etc/passwd; try again later.\n", args[0], args[0])
	case !ok:
		return r.err(2, "Usage: %s [options] LOGIN\n", args[0])
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	at := slices.IndexFunc(r.m.disk.Users, func(u User) bool { return u.Name == name })
	switch {
	case args[0] == "userdel" && at < 0, args[0] == "usermod" && at < 0:
		return r.err(6, "%s: user '%s' does not exist\n", args[0], name)
	case args[0] == "userdel":
		r.m.disk.Users = slices.Delete(r.m.disk.Users, at, at+1)
		r.m.passwd()
		return 0
	case args[0] == "useradd" && at >= 0:
		return r.err(9, "useradd: user '%s' already exists\n", name)
	case args[0] == "useradd" && !accountName.MatchString(name):
		return r.err(3, "useradd: invalid user name '%s': use --badname to ignore\n", name)
	case args[0] == "useradd":
		r.m.disk.Users = append(r.m.disk.Users, User{Name: name, Secret: "!" + secret})
		at = len(r.m.disk.Users) - 1
		r.m.passwd()
		if home {
			os.MkdirAll(filepath.Join(r.m.root(), "home", name), 0o750)
		}
	}
	u := &r.m.disk.Users[at]
	if secret != "" {
		u.Secret = secret
	}
	if slices.Contains(args, "-L") && !strings.HasPrefix(u.Secret, "!") {
		u.Secret = "!" + u.Secret
	}
	u.Sudoer = u.Sudoer || slices.Contains(groups, "sudo") || slices.Contains(groups, "admin")
	return 0
}

// runChpasswd reads name:password lines; -e takes hashes.
func runChpasswd(r *linuxRun, args []string) int {
	if !r.isRoot() {
		return r.err(1, "chpasswd: cannot lock /etc/passwd; try again later.\n")
	}
	var text []byte
	if r.stdin != nil {
		text, _ = io.ReadAll(r.stdin)
	}
	hashed := slices.Contains(args, "-e")
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	for n, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		name, pw, ok := strings.Cut(line, ":")
		at := slices.IndexFunc(r.m.disk.Users, func(u User) bool { return u.Name == name })
		switch {
		case !ok:
			return r.err(1, "chpasswd: line %d: missing new password\n", n+1)
		case at < 0 && name == "root":
			r.m.disk.Users = append(r.m.disk.Users, User{Name: "root", Admin: true})
			at = len(r.m.disk.Users) - 1
		case at < 0:
			return r.err(1, "chpasswd: line %d: user '%s' does not exist\n", n+1, name)
		}
		if !hashed {
			pw = "plain:" + pw
		}
		r.m.disk.Users[at].Secret = pw
	}
	return 0
}

// sudoRights works out what sudo grants: nothing, with the password, without it. A file of
// sudoers.d with a dot or ~ in its name is not read; an invalid line is a syntax error.
func (r *linuxRun) sudoRights() (may, free bool, complaint string) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	u := r.m.user(r.user)
	may, free = u.Sudoer || u.Sudo, u.Sudo
	dir := filepath.Join(r.m.root(), "etc/sudoers.d")
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if strings.Contains(e.Name(), ".") || strings.HasSuffix(e.Name(), "~") || e.Name() == "README" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		for n, line := range strings.Split(string(b), "\n") {
			line, _, _ = strings.Cut(line, "#")
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "Defaults") {
				continue
			}
			f := sudoLine.FindStringSubmatch(line)
			if f == nil {
				complaint += fmt.Sprintf("/etc/sudoers.d/%s:%d:1: syntax error\n%s\n^\n", e.Name(), n+1, line)
				continue
			}
			group := strings.TrimPrefix(f[1], "%")
			if f[1] == r.user || f[1] == "ALL" || group != f[1] && (group == r.user || (group == "sudo" || group == "admin") && u.Sudoer) {
				may, free = true, strings.Contains(f[2], "NOPASSWD:")
			}
		}
	}
	return may, free, complaint
}

// user host=(runas) tags: commands; commands other than ALL are taken as ALL.
var sudoLine = regexp.MustCompile(`^(\S+)\s+\S+\s*=\s*((?:\([^)]*\)\s*)?(?:[A-Z_]+:\s*)*)\S.*$`)

func runSudo(r *linuxRun, args []string) int {
	rest := args[1:]
	n, stdin, as := false, false, "root"
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		switch rest[0] {
		case "-n", "--non-interactive":
			n = true
		case "-S", "--stdin":
			stdin = true
		case "-u", "--user":
			if len(rest) > 1 {
				rest = rest[1:]
				as = rest[0]
			}
		case "-k":
		case "--":
		}
		if rest[0] == "--" {
			rest = rest[1:]
			break
		}
		rest = rest[1:]
	}
	may, free, complaint := r.sudoRights()
	if complaint != "" && !r.isRoot() {
		io.WriteString(r.stderr, complaint)
	}
	if !r.isRoot() && !free {
		if n || !stdin {
			return r.err(1, "sudo: a password is required\n")
		}
		r.m.mu.Lock()
		u := r.m.user(r.user)
		r.m.mu.Unlock()
		if !matches(u.Secret, readLine(r.stdin)) {
			return r.err(1, "sudo: 1 incorrect password attempt\n")
		}
		if !may {
			return r.err(1, "%s is not in the sudoers file.\n", r.user)
		}
	}
	if len(rest) == 0 {
		return 0
	}
	x := *r
	x.user = as
	return x.withUser(rest)
}

// withUser runs a command line as another user, with assignments in front.
func (r *linuxRun) withUser(args []string) int {
	var assign []string
	for len(args) > 0 && strings.Contains(args[0], "=") && !strings.HasPrefix(args[0], "-") {
		assign = append(assign, args[0])
		args = args[1:]
	}
	if len(args) == 0 {
		return 0
	}
	home := "/home/" + r.user
	if r.user == "root" {
		home = "/root"
	}
	r.env = with(r.env, append([]string{"USER=" + r.user, "LOGNAME=" + r.user, "HOME=" + home}, assign...))
	return r.start(args)
}
