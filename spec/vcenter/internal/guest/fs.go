package guest

// fs.go keeps a guest's files below Dir/root on this computer. A guest path never leaves
// that directory: it is cleaned first and mapped after. Windows paths are found whatever
// the case of their letters; drives beside C: are the media in the CD drives.

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// program marks an executable that this package simulates: the text after it names the applet.
const program = "\x7fgpsim-program "

func (m *Machine) root() string { return filepath.Join(m.Dir, "root") }

// hostPath maps an absolute guest path to a file of this computer.
func (m *Machine) hostPath(p string) (string, error) {
	if m.disk.OS == "windows" {
		return m.windowsPath(p)
	}
	if !strings.HasPrefix(p, "/") {
		return "", errors.New("the path is not absolute")
	}
	if rest, ok := strings.CutPrefix(p, m.root()); ok && (rest == "" || rest[0] == '/') {
		p = rest
	}
	return filepath.Join(m.root(), path.Clean("/"+p)), nil
}

func (m *Machine) windowsPath(p string) (string, error) {
	p = strings.ReplaceAll(p, "/", "\\")
	p = strings.TrimPrefix(p, `\\?\`)
	if len(p) < 2 || p[1] != ':' {
		return "", errors.New("the path has no drive")
	}
	letter := strings.ToUpper(p[:1])
	base := filepath.Join(m.root(), letter)
	if letter != "C" {
		base = ""
		if m.hw != nil {
			for _, c := range m.hw.CDs {
				if c.letter == letter && c.dir != "" {
					base = c.dir
				}
			}
		}
		if base == "" {
			return "", fs.ErrNotExist
		}
	}
	rest := path.Clean("/" + strings.ReplaceAll(p[2:], "\\", "/"))
	at := base
	for _, part := range strings.Split(strings.Trim(rest, "/"), "/") {
		if part != "" {
			at = filepath.Join(at, sameName(at, strings.TrimRight(part, ". ")))
		}
	}
	return at, nil
}

// sameName finds the name as the directory spells it.
func sameName(dir, name string) string {
	if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
		return name
	}
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if strings.EqualFold(e.Name(), name) {
			return e.Name()
		}
	}
	return name
}

func (m *Machine) writeGuest(p string, data []byte) error {
	h, err := m.hostPath(p)
	if err != nil {
		return err
	}
	if err = os.MkdirAll(filepath.Dir(h), 0o755); err != nil {
		return err
	}
	return os.WriteFile(h, data, 0o755)
}

func (m *Machine) exists(p string) bool {
	h, err := m.hostPath(p)
	if err != nil {
		return false
	}
	_, err = os.Stat(h)
	return err == nil
}

// layout creates the directories and programs of a fresh system.
func (m *Machine) layout() error {
	if err := os.RemoveAll(m.root()); err != nil {
		return err
	}
	if m.disk.Packages == nil {
		m.disk.Packages = map[string]string{}
	}
	if m.disk.Registry == nil {
		m.disk.Registry = map[string]string{}
	}
	if m.disk.Initramfs == nil {
		m.disk.Initramfs = map[string]bool{}
	}
	if m.disk.OS == "windows" {
		return m.layoutWindows()
	}
	return m.layoutLinux()
}

// mountCDs assigns drive letters to the media (Windows), in the order of the drives.
func (m *Machine) mountCDs() {
	if m.disk.OS != "windows" || m.hw == nil {
		return
	}
	letter := byte('D')
	for _, c := range m.hw.CDs {
		c.letter = string(letter)
		letter++
		if c.Medium == nil {
			continue
		}
		c.dir = filepath.Join(m.Dir, "cd", c.letter)
		m.unpack(c, c.dir)
	}
}

// unpack copies a medium's files; the programs among them are marked by their names.
func (m *Machine) unpack(c *CD, dir string) {
	os.RemoveAll(dir)
	os.MkdirAll(dir, 0o755)
	var total int64
	medium := c.Medium
	if m.disk.OS == "windows" {
		medium = medium.Windows()
	}
	for _, e := range medium.Entries() {
		to := filepath.Join(dir, filepath.FromSlash(e.Path))
		if e.Dir {
			os.MkdirAll(to, 0o755)
			continue
		}
		if total += e.Size; total > 64<<20 {
			break
		}
		if b, err := medium.Read(e, 16<<20); err == nil {
			os.MkdirAll(filepath.Dir(to), 0o755)
			os.WriteFile(to, b, 0o755)
		}
	}
}

// errors of guest files, which the package vm turns into faults
var (
	ErrNotFound = fs.ErrNotExist
	ErrExists   = fs.ErrExist
	ErrNotEmpty = errors.New("the directory is not empty")
	ErrIsDir    = errors.New("it is a directory")
	ErrNotDir   = errors.New("it is not a directory")
	ErrBadPath  = errors.New("the path is not one of this system")
	ErrReadOnly = errors.New("the medium is read-only")
)

// File resolves a path for file operations.
func (m *Machine) File(p string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, err := m.hostPath(p)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", ErrNotFound
		}
		return "", ErrBadPath
	}
	return h, nil
}

// Writable is File for a change: not on a CD.
func (m *Machine) Writable(p string) (string, error) {
	h, err := m.File(p)
	if err == nil && !strings.HasPrefix(h, m.root()) {
		return "", ErrReadOnly
	}
	return h, err
}

// TempDir is where the system keeps temporary files of a user.
func (m *Machine) TempDir(user string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.disk.OS == "windows" {
		return `C:\Users\` + user + `\AppData\Local\Temp`
	}
	return "/tmp"
}

// Join puts a name behind a directory, as the system does.
func (m *Machine) Join(dir, name string) string {
	if m.OS() == "windows" {
		return strings.TrimRight(dir, `\`) + `\` + name
	}
	return strings.TrimRight(dir, "/") + "/" + name
}
