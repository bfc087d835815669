package guest

// install_ubuntu.go: the Ubuntu server installer with the NoCloud data source: a medium
// labelled CIDATA with user-data and meta-data. Without the word autoinstall on the kernel's
// command line it asks before it touches the disk.

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

type ubuntuPlan struct {
	version  string
	hostname string
	users    []User
	packages []string
	late     []string
	firstRun []string
	files    map[string]string
	shutdown string
}

func planUbuntu(hw *Hardware, boot *CD) (*ubuntuPlan, error) {
	c := labelled(hw.CDs, "CIDATA")
	if c == nil {
		return nil, fmt.Errorf("the installer asks for the language: no connected medium is labelled CIDATA (%s)", labels(hw.CDs))
	}
	for _, name := range []string{"user-data", "meta-data"} { // Linux minds the case
		if c.Medium.Exact(name) == nil {
			return nil, fmt.Errorf("the installer asks for the language: %s is not on the medium; cloud-init requires user-data and meta-data", name)
		}
	}
	user, err := read(c.Medium, "user-data")
	if err != nil {
		return nil, fmt.Errorf("the installer asks for the language: %v (label CIDATA)", err)
	}
	if first, _, _ := strings.Cut(user, "\n"); strings.TrimRight(first, " \r") != "#cloud-config" {
		return nil, fmt.Errorf("cloud-init ignores user-data: its first line is not #cloud-config")
	}
	var doc map[string]any
	if err = yaml.Unmarshal([]byte(user), &doc); err != nil {
		return nil, fmt.Errorf("cloud-init cannot parse user-data: %v", err)
	}
	auto, ok := doc["autoinstall"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the installer asks for the language: user-data has no mapping autoinstall")
	}
	if v, ok := auto["version"].(int); !ok || v != 1 {
		return nil, fmt.Errorf("the autoinstall data is invalid: version must be 1")
	}
	if err = known(auto); err != nil {
		return nil, err
	}
	if l, _ := auto["interactive-sections"].([]any); len(l) > 0 {
		return nil, fmt.Errorf("the installer asks: interactive-sections is not empty")
	}
	p := &ubuntuPlan{hostname: "ubuntu", files: map[string]string{}, shutdown: "reboot"}
	if info, err := read(boot.Medium, ".disk/info"); err == nil {
		_, rest, _ := strings.Cut(info, " ")
		p.version, _, _ = strings.Cut(rest, " ")
	}
	if err = ubuntuUsers(p, auto); err != nil {
		return nil, err
	}
	if err = ubuntuDisk(hw, auto); err != nil {
		return nil, err
	}
	p.packages = stringsOf(auto["packages"])
	if p.late, err = commands(auto, "late-commands"); err != nil {
		return nil, err
	}
	if early, err := commands(auto, "early-commands"); err != nil {
		return nil, err
	} else if slices.Contains(early, "false") {
		return nil, fmt.Errorf("an early command failed: the installation stops")
	}
	if s, ok := auto["shutdown"].(string); ok {
		if s != "reboot" && s != "poweroff" {
			return nil, fmt.Errorf("the autoinstall data is invalid: shutdown is %q, not reboot or poweroff", s)
		}
		p.shutdown = s
	}
	if cloud, ok := auto["user-data"].(map[string]any); ok {
		p.packages = append(p.packages, stringsOf(cloud["packages"])...)
		if p.firstRun, err = commands(cloud, "runcmd"); err != nil {
			return nil, err
		}
		for _, f := range list(cloud["write_files"]) {
			if fm, ok := f.(map[string]any); ok {
				p.files[fmt.Sprint(fm["path"])] = fmt.Sprint(fm["content"])
			}
		}
	}
	return p, nil
}

var autoinstallKeys = []string{"version", "interactive-sections", "early-commands", "locale", "refresh-installer", "keyboard",
	"source", "network", "proxy", "apt", "storage", "identity", "active-directory", "ubuntu-pro", "ssh", "codecs", "drivers", "oem",
	"snaps", "debconf-selections", "packages", "kernel", "kernel-crash-dumps", "timezone", "updates", "shutdown", "late-commands",
	"error-commands", "reporting", "user-data", "zdevs"}

func known(auto map[string]any) error {
	for k := range auto {
		if !slices.Contains(autoinstallKeys, k) {
			return fmt.Errorf("the autoinstall data is invalid: unknown key %q", k)
		}
	}
	return nil
}

func ubuntuUsers(p *ubuntuPlan, auto map[string]any) error {
	if id, ok := auto["identity"].(map[string]any); ok {
		for _, k := range []string{"hostname", "username", "password"} {
			if s, _ := id[k].(string); s == "" {
				return fmt.Errorf("the autoinstall data is invalid: identity lacks %s", k)
			}
		}
		p.hostname = id["hostname"].(string)
		p.users = append(p.users, User{Name: id["username"].(string), Secret: id["password"].(string), Sudoer: true})
	}
	cloud, _ := auto["user-data"].(map[string]any)
	if h, ok := cloud["hostname"].(string); ok {
		p.hostname = h
	}
	for _, e := range list(cloud["users"]) {
		u, ok := e.(map[string]any)
		if !ok {
			continue
		}
		n := User{Name: fmt.Sprint(u["name"])}
		if s, ok := u["passwd"].(string); ok {
			n.Secret = s
		}
		if s, ok := u["hashed_passwd"].(string); ok {
			n.Secret = s
		}
		if s, ok := u["plain_text_passwd"].(string); ok {
			n.Secret = "plain:" + s
		}
		locked, given := u["lock_passwd"].(bool)
		if locked || !given {
			n.Secret = "!" + n.Secret // cloud-init locks by default
		}
		sudo := strings.Join(append(stringsOf(u["sudo"]), fmt.Sprint(u["sudo"])), " ")
		n.Sudo = strings.Contains(sudo, "NOPASSWD")
		n.Sudoer = n.Sudo || strings.Contains(sudo, "ALL") || strings.Contains(fmt.Sprint(u["groups"]), "sudo")
		n.Admin = n.Name == "root"
		p.users = append(p.users, n)
	}
	if cp, ok := cloud["chpasswd"].(map[string]any); ok {
		lines := stringsOf(cp["list"])
		if s, ok := cp["list"].(string); ok {
			lines = strings.Split(s, "\n")
		}
		for _, e := range list(cp["users"]) {
			if u, ok := e.(map[string]any); ok {
				lines = append(lines, fmt.Sprint(u["name"], ":", u["password"]))
			}
		}
		for _, line := range lines {
			name, pw, ok := strings.Cut(strings.TrimSpace(line), ":")
			if !ok {
				continue
			}
			if !strings.HasPrefix(pw, "$") {
				pw = "plain:" + pw
			}
			p.password(name, pw)
		}
	}
	if len(p.users) == 0 {
		return fmt.Errorf("the installer asks for a name and password: neither identity nor user-data/users is given")
	}
	return nil
}

func (p *ubuntuPlan) password(name, secret string) {
	for i := range p.users {
		if p.users[i].Name == name {
			p.users[i].Secret = secret
			return
		}
	}
	p.users = append(p.users, User{Name: name, Secret: secret, Admin: name == "root"})
}

func ubuntuDisk(hw *Hardware, auto map[string]any) error {
	st, ok := auto["storage"].(map[string]any)
	if !ok {
		return nil // the default layout takes the largest disk
	}
	if l, ok := st["layout"].(map[string]any); ok {
		n, _ := l["name"].(string)
		if !slices.Contains([]string{"lvm", "direct", "zfs", "hybrid"}, n) {
			return fmt.Errorf("the autoinstall data is invalid: storage layout %q", n)
		}
		return nil
	}
	config := list(st["config"])
	if len(config) == 0 {
		return nil
	}
	var esp, root bool
	boot := map[string]bool{}
	for _, c := range config {
		e, ok := c.(map[string]any)
		if !ok {
			continue
		}
		if e["type"] == "partition" && (e["flag"] == "boot" || e["grub_device"] == true) {
			boot[fmt.Sprint(e["id"])] = true
		}
		if e["type"] == "mount" {
			esp = esp || e["path"] == "/boot/efi"
			root = root || e["path"] == "/"
		}
	}
	if !root {
		return fmt.Errorf("the storage configuration is invalid: nothing is mounted at /")
	}
	if hw.EFI && (!esp || len(boot) == 0) {
		return fmt.Errorf("the storage configuration is invalid: an EFI system needs a partition with the flag boot mounted at /boot/efi")
	}
	return nil
}

func (m *Machine) installUbuntu(ctx context.Context, boot *CD) {
	m.mu.Lock()
	hw := m.hw
	m.mu.Unlock()
	if !m.to(ctx, "installing", "the installer starts") || !m.grub(ctx, m.seconds("ubuntu.grub")) || !m.Clock.Sleep(ctx, m.seconds("ubuntu.boot")) {
		return
	}
	if packages, _ := read(boot.Medium, "casper/ubuntu-server-minimal.manifest"); strings.Contains(packages, "open-vm-tools") {
		m.alive(true) // also while the installer asks, and after it has failed
	}
	p, err := planUbuntu(hw, boot)
	if err != nil {
		m.stuck(ctx, err.Error())
		return
	}
	if grub, _ := read(boot.Medium, "boot/grub/grub.cfg"); !slices.Contains(strings.Fields(grub), "autoinstall") {
		m.stuck(ctx, "the installer asks \"Continue with autoinstall? (yes|no)\": the medium's kernel line lacks the word autoinstall")
		if !m.yesOrNo(ctx) {
			return
		}
	}
	m.wrote(1 << 30)
	if !m.to(ctx, "installing", "copying files of Ubuntu "+p.version) || !m.Clock.Sleep(ctx, m.seconds("ubuntu.copy")) {
		return
	}
	if !m.fits(ctx, 8, "the installation failed: curtin: No space left on device") {
		return
	}
	m.mu.Lock()
	m.disk = Disk{OS: "ubuntu", Version: p.version, EFI: hw.EFI, Hostname: p.hostname, Users: p.users,
		Packages: map[string]string{"pciutils": "1:3.10.0-2build1"}, Initramfs: map[string]bool{}, Registry: map[string]string{}}
	err = m.layout()
	m.bootKernel()
	m.mu.Unlock()
	if err != nil {
		m.stuck(ctx, err.Error())
		return
	}
	for _, u := range p.users {
		if strings.HasPrefix(u.Secret, "$") && Crypt("", u.Secret) == "" {
			scheme, _, _ := strings.Cut(u.Secret[1:], "$")
			m.unsupported("the password hash $%s$ of %s: only $5$ and $6$ allow a login", scheme, u.Name)
		}
	}
	for _, name := range p.packages {
		if out, code := m.aptInstall(ctx, name); code != 0 {
			m.stuck(ctx, "the installation failed at package "+name+": "+out)
			return
		}
	}
	for _, line := range p.late {
		if out, code := m.shell(ctx, line, "root"); code != 0 {
			m.stuck(ctx, fmt.Sprintf("the installation failed: late command %q ended with %d: %s", line, code, strings.TrimSpace(out)))
			return
		}
	}
	if !m.to(ctx, "installing", "final steps") || !m.Clock.Sleep(ctx, m.seconds("ubuntu.late")) {
		return
	}
	if p.shutdown == "poweroff" {
		m.note("guest-installed", "ubuntu %s, powers off", p.version)
		if m.Power != nil {
			m.Power("off")
		}
		return
	}
	m.alive(false)
	if !m.finish(ctx) {
		return
	}
	m.mu.Lock()
	for path, text := range p.files {
		m.writeGuest(path, []byte(text))
	}
	m.mu.Unlock()
	m.note("guest-installed", "ubuntu %s", p.version)
	for _, line := range p.firstRun {
		if out, code := m.shell(ctx, line, "root"); code != 0 {
			m.note("guest-command", "%s -> %d %s", line, code, strings.TrimSpace(out))
		}
	}
	m.mu.Lock()
	if m.disk.Tools == nil {
		m.why = "Tools are not installed: open-vm-tools is neither in packages nor in a late command"
	}
	m.mu.Unlock()
	m.run(ctx)
}

func labels(cds []*CD) string {
	var out []string
	for _, c := range cds {
		if c.Medium != nil {
			out = append(out, fmt.Sprintf("%q", c.Medium.Label))
		}
	}
	if len(out) == 0 {
		return "no medium is connected"
	}
	return "there are " + strings.Join(out, ", ")
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func stringsOf(v any) (out []string) {
	for _, e := range list(v) {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return
}

// commands reads a list whose entries are lines or lists of words.
func commands(m map[string]any, key string) (out []string, err error) {
	for _, e := range list(m[key]) {
		switch x := e.(type) {
		case string:
			out = append(out, x)
		case []any:
			var words []string
			for _, w := range x {
				words = append(words, quote(fmt.Sprint(w)))
			}
			out = append(out, strings.Join(words, " "))
		default:
			return nil, fmt.Errorf("the autoinstall data is invalid: %s holds %v", key, e)
		}
	}
	return
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
