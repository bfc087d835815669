package guest

// install_kickstart.go: Anaconda with a kickstart file: /ks.cfg of a volume labelled OEMDRV is loaded without any boot
// option. What the file lacks is a question in the summary of the installation; an unknown command ends it.

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

type kickPlan struct {
	hostname string
	users    []User
	packages []string
	post     string
	reboot   bool
	off      bool
}

var kickCommands = strings.Fields(`auth authconfig authselect autopart bootloader btrfs cdrom clearpart cmdline driverdisk eula firewall
	firstboot graphical group halt harddrive ignoredisk keyboard lang liveimg logging logvol mediacheck module mount network nfs part
	partition poweroff raid reboot repo reqpart rhsm rootpw selinux services shutdown skipx sshkey sshpw syspurpose text timesource
	timezone updates url user vnc volgroup xconfig zerombr`)

// kickOption is the value of --name=value, without its quotes.
func kickOption(words []string, name string) string {
	for _, w := range words {
		if v, ok := strings.CutPrefix(w, name+"="); ok {
			return strings.Trim(v, `'"`)
		}
	}
	return ""
}

func planKickstart(hw *Hardware) (*kickPlan, error) {
	c := labelled(hw.CDs, "OEMDRV")
	if c == nil || c.Medium.Exact("ks.cfg") == nil {
		return nil, fmt.Errorf("the installer shows its summary and waits: no volume labelled OEMDRV has a ks.cfg (%s)", labels(hw.CDs))
	}
	text, err := read(c.Medium, "ks.cfg")
	if err != nil {
		return nil, err
	}
	p := &kickPlan{hostname: "localhost"}
	seen, section := map[string]bool{}, ""
	var mounts []string
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, "\r")
		words := strings.Fields(line)
		switch {
		case section != "" && len(words) > 0 && words[0] == "%end":
			section = ""
		case section == "%packages":
			if len(words) > 0 && !strings.ContainsAny(words[0][:1], "-#@") {
				p.packages = append(p.packages, words[0])
			}
			seen["%packages"] = true
		case section == "%post":
			p.post += line + "\n"
		case section != "" || len(words) == 0 || strings.HasPrefix(words[0], "#"):
		case strings.HasPrefix(words[0], "%"):
			section = words[0]
			seen[section] = true
		case !slices.Contains(kickCommands, words[0]):
			return nil, fmt.Errorf("the kickstart file is refused: unknown command %s on line %d", words[0], n+1)
		default:
			seen[words[0]] = true
			switch words[0] {
			case "network":
				if h := kickOption(words, "--hostname"); h != "" {
					p.hostname = h
				}
			case "user":
				u := User{Name: kickOption(words, "--name"), Secret: kickOption(words, "--password"), Sudoer: strings.Contains(line, "wheel")}
				if u.Secret == "" {
					u.Secret = "!"
				} else if !slices.Contains(words, "--iscrypted") {
					u.Secret = "plain:" + u.Secret
				}
				p.users = append(p.users, u)
			case "rootpw":
				if len(words) > 1 && !slices.Contains(words, "--lock") {
					p.users = append(p.users, User{Name: "root", Admin: true, Secret: "plain:" + strings.Trim(words[len(words)-1], `'"`)})
				}
			case "part", "partition", "logvol":
				if len(words) > 1 {
					mounts = append(mounts, words[1])
				}
			}
		}
	}
	if section != "" {
		return nil, fmt.Errorf("the kickstart file is refused: section %s does not end with %%end", section)
	}
	for _, need := range []string{"lang", "keyboard", "timezone", "%packages"} {
		if !seen[need] {
			return nil, fmt.Errorf("the installer shows its summary and waits: %s is missing", need)
		}
	}
	if len(p.users) == 0 {
		return nil, fmt.Errorf("the installer shows its summary and waits: no user and no root password")
	}
	if !seen["autopart"] {
		if !slices.Contains(mounts, "/") {
			return nil, fmt.Errorf("the installer shows its summary and waits: no partition for /")
		}
		if hw.EFI && !seen["reqpart"] && !slices.Contains(mounts, "/boot/efi") {
			return nil, fmt.Errorf("the storage configuration failed: an EFI system needs a partition mounted at /boot/efi")
		}
	}
	p.reboot, p.off = seen["reboot"], seen["poweroff"] || seen["shutdown"]
	return p, nil
}

func (m *Machine) installKickstart(ctx context.Context) {
	m.mu.Lock()
	hw := m.hw
	m.mu.Unlock()
	if !m.to(ctx, "installing", "the installer starts") || !m.Clock.Sleep(ctx, m.seconds("ubuntu.boot")) {
		return
	}
	p, err := planKickstart(hw)
	if err != nil {
		m.stuck(ctx, err.Error())
		return
	}
	m.wrote(1 << 30)
	if !m.to(ctx, "installing", "installing packages") || !m.Clock.Sleep(ctx, m.seconds("ubuntu.copy")) {
		return
	}
	m.mu.Lock()
	m.disk = Disk{OS: "ubuntu", Distro: "rocky", Version: distros["rocky"].version, EFI: hw.EFI, Hostname: p.hostname, Users: p.users,
		Packages: map[string]string{}, Initramfs: map[string]bool{}, Registry: map[string]string{}}
	err = m.layout()
	m.bootKernel()
	m.mu.Unlock()
	if err != nil {
		m.stuck(ctx, err.Error())
		return
	}
	for _, name := range p.packages {
		if out, code := m.shell(ctx, "dnf install -y "+name, "root"); code != 0 {
			m.stuck(ctx, "the installation failed at package "+name+": "+strings.TrimSpace(out))
			return
		}
	}
	if p.post != "" {
		if out, code := m.shell(ctx, p.post, "root"); code != 0 {
			m.stuck(ctx, fmt.Sprintf("the installation failed: %%post ended with %d: %s", code, strings.TrimSpace(out)))
			return
		}
	}
	m.wrote(6 << 30)
	switch {
	case p.off:
		m.note("guest-installed", "rocky, powers off")
		if m.Power != nil {
			m.Power("off")
		}
		return
	case !p.reboot:
		m.stuck(ctx, "the installation is complete: the installer waits for a key")
		return
	}
	if !m.finish(ctx) {
		return
	}
	m.note("guest-installed", "rocky %s", distros["rocky"].version)
	m.mu.Lock()
	if m.disk.Tools == nil {
		m.why = "Tools are not installed: open-vm-tools is neither in %packages nor in %post"
	}
	m.mu.Unlock()
	m.run(ctx)
}
