package guest

// setup.go: Windows Setup with an autounattend.xml. Setup asks a question where
// the file has no answer (language, edition, licence, partition, password of the first
// account); on a UEFI VM the disk needs an EFI system partition and an MSR. Commands
// of the first logon run only when someone logs on, so they need AutoLogon; Tools come
// by such a command, or never.

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
)

type windowsPlan struct {
	edition    string
	hostname   string
	users      []User
	specialize []string // commands run as SYSTEM
	firstLogon []string // commands run by the user of AutoLogon
	autoLogon  string
}

const unattendSpace = "urn:schemas-microsoft-com:unattend"

// planWindows reads the answer file; the error is the question Setup stops at.
func planWindows(hw *Hardware, boot *CD) (*windowsPlan, error) {
	var answer *CD
	for _, c := range hw.CDs {
		if c.Medium != nil && c.Medium.Windows().Find("autounattend.xml") != nil {
			answer = c
			break
		}
	}
	if answer == nil {
		for _, c := range hw.CDs {
			if c.Medium != nil && c.Medium.Find("autounattend.xml") != nil {
				return nil, fmt.Errorf("Windows Setup asks for the language: no connected medium has an autounattend.xml in its root (%s has one by Rock Ridge only; Windows reads Joliet)", c.Where)
			}
		}
		return nil, fmt.Errorf("Windows Setup asks for the language: no connected medium has an autounattend.xml in its root")
	}
	text, err := read(answer.Medium.Windows(), "autounattend.xml")
	if err != nil {
		return nil, err
	}
	root, err := parseXML([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("Windows Setup could not parse autounattend.xml: %v", err)
	}
	if root.name != "unattend" || root.space != unattendSpace {
		return nil, fmt.Errorf("Windows Setup could not parse autounattend.xml: the root is not <unattend xmlns=%q>", unattendSpace)
	}
	component := func(pass, name string) *element {
		for _, s := range root.all("settings") {
			if s.attr["pass"] != pass {
				continue
			}
			for _, c := range s.all("component") {
				if c.attr["name"] == name && strings.EqualFold(c.attr["processorArchitecture"], "amd64") {
					return c
				}
			}
		}
		return nil
	}
	if component("windowsPE", "Microsoft-Windows-International-Core-WinPE").value("UILanguage") == "" {
		return nil, fmt.Errorf("Windows Setup asks for the language: windowsPE has no UILanguage for amd64 (Microsoft-Windows-International-Core-WinPE)")
	}
	setup := component("windowsPE", "Microsoft-Windows-Setup")
	if hw.DiskDriver == "pvscsi" && !hasDriver(hw, component("windowsPE", "Microsoft-Windows-PnpCustomizationsWinPE")) {
		return nil, fmt.Errorf("Windows Setup finds no disk: it has no driver for the paravirtual SCSI controller and the answer file names no path to one")
	}
	target, err := windowsDisk(hw, setup)
	if err != nil {
		return nil, err
	}
	p := &windowsPlan{}
	names := images(boot.Medium)
	image := setup.first("ImageInstall", "OSImage")
	if image == nil {
		return nil, fmt.Errorf("Windows Setup asks where to install: no ImageInstall/OSImage")
	}
	if d := image.value("InstallTo", "DiskID"); d != "0" && !yes(image.value("InstallToAvailablePartition")) {
		return nil, fmt.Errorf("Windows Setup asks where to install: InstallTo/DiskID is %q, the disk is 0", d)
	}
	if at := image.value("InstallTo", "PartitionID"); at != target && !yes(image.value("InstallToAvailablePartition")) {
		return nil, fmt.Errorf("Windows cannot be installed to partition %q: the primary partition is %s", at, target)
	}
	for _, md := range image.all("InstallFrom", "MetaData") {
		key, value := md.value("Key"), md.value("Value")
		switch strings.ToUpper(key) {
		case "/IMAGE/INDEX":
			if n, err := strconv.Atoi(value); err == nil && n >= 1 && n <= len(names) {
				p.edition = names[n-1]
			}
		case "/IMAGE/NAME":
			if slices.Contains(names, value) {
				p.edition = value
			}
		}
		if p.edition == "" {
			return nil, fmt.Errorf("Windows Setup finds no image %s=%s in install.wim (there are: %s)", key, value, strings.Join(names, "; "))
		}
	}
	if p.edition == "" {
		if setup.value("UserData", "ProductKey", "Key") == "" {
			return nil, fmt.Errorf("Windows Setup asks for the edition: neither InstallFrom/MetaData nor a product key is given")
		}
		p.edition = names[len(names)-1]
	}
	if !yes(setup.value("UserData", "AcceptEula")) {
		return nil, fmt.Errorf("Windows Setup asks to accept the licence: UserData/AcceptEula is not true")
	}
	p.hostname = component("specialize", "Microsoft-Windows-Shell-Setup").value("ComputerName")
	if p.hostname == "" || p.hostname == "*" {
		p.hostname = "WIN-" + strings.ToUpper(strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, hw.Name))
	}
	if len(p.hostname) > 15 {
		p.hostname = p.hostname[:15]
	}
	for _, c := range component("specialize", "Microsoft-Windows-Deployment").all("RunSynchronous", "RunSynchronousCommand") {
		p.specialize = append(p.specialize, c.value("Path"))
	}
	shell := component("oobeSystem", "Microsoft-Windows-Shell-Setup")
	if shell == nil {
		return nil, fmt.Errorf("the first start asks for the administrator's password: no oobeSystem pass for amd64 (Microsoft-Windows-Shell-Setup)")
	}
	if err := windowsUsers(p, shell); err != nil {
		return nil, err
	}
	commands := shell.all("FirstLogonCommands", "SynchronousCommand")
	slices.SortStableFunc(commands, func(a, b *element) int {
		x, _ := strconv.Atoi(a.value("Order"))
		y, _ := strconv.Atoi(b.value("Order"))
		return x - y
	})
	for _, c := range commands {
		p.firstLogon = append(p.firstLogon, c.value("CommandLine"))
	}
	return p, nil
}

func hasDriver(hw *Hardware, c *element) bool {
	for _, path := range c.all("DriverPaths", "PathAndCredentials", "Path") {
		if strings.TrimSpace(path.text) == "" {
			continue
		}
		for _, cd := range hw.CDs {
			if cd.Medium == nil {
				continue
			}
			for _, e := range cd.Medium.Windows().Entries() {
				if strings.HasSuffix(strings.ToLower(e.Path), "pvscsi.inf") {
					return true
				}
			}
		}
	}
	return false
}

// windowsDisk checks the partitions and gives the number of the one that takes Windows.
func windowsDisk(hw *Hardware, setup *element) (string, error) {
	const ask = "Windows Setup asks where to install: "
	if setup == nil {
		return "", fmt.Errorf(ask + "windowsPE has no component Microsoft-Windows-Setup for amd64")
	}
	var disk *element
	for _, d := range setup.all("DiskConfiguration", "Disk") {
		if d.value("DiskID") == "0" {
			disk = d
		}
	}
	if disk == nil {
		return "", fmt.Errorf(ask + "no DiskConfiguration for disk 0")
	}
	if !yes(disk.value("WillWipeDisk")) {
		return "", fmt.Errorf(ask + "WillWipeDisk is not true, so the blank disk gets no partition table")
	}
	var esp, msr bool
	primary, order := "", 0
	parts := disk.all("CreatePartitions", "CreatePartition")
	slices.SortStableFunc(parts, func(a, b *element) int {
		x, _ := strconv.Atoi(a.value("Order"))
		y, _ := strconv.Atoi(b.value("Order"))
		return x - y
	})
	for _, c := range parts {
		order++
		size, _ := strconv.Atoi(c.value("Size"))
		if size == 0 && !yes(c.value("Extend")) {
			return "", fmt.Errorf("Windows Setup could not apply the partition layout: partition %d has neither Size nor Extend", order)
		}
		switch strings.ToUpper(c.value("Type")) {
		case "EFI":
			if size < 100 {
				return "", fmt.Errorf("Windows Setup could not apply the partition layout: an EFI system partition needs 100 MB, not %d", size)
			}
			esp = true
		case "MSR":
			msr = true
		case "PRIMARY":
			primary = strconv.Itoa(order)
		default:
			return "", fmt.Errorf("Windows Setup could not apply the partition layout: unknown type %q", c.value("Type"))
		}
	}
	switch {
	case primary == "":
		return "", fmt.Errorf(ask + "CreatePartitions creates no primary partition")
	case hw.EFI && !esp:
		return "", fmt.Errorf("Windows cannot be installed to this disk: an EFI system needs a partition of type EFI")
	case hw.EFI && !msr:
		return "", fmt.Errorf("Windows cannot be installed to this disk: an EFI system needs a partition of type MSR")
	case !hw.EFI && (esp || msr):
		return "", fmt.Errorf("Windows cannot be installed to this disk: EFI and MSR partitions on a BIOS VM")
	}
	return primary, nil
}

func windowsUsers(p *windowsPlan, shell *element) error {
	secret := func(e *element, suffix string) (string, bool) {
		if e == nil {
			return "", false
		}
		v := e.value("Value")
		if s := e.value("PlainText"); s == "" || yes(s) {
			return v, v != ""
		}
		raw, err := base64.StdEncoding.DecodeString(v) // UTF-16 of the password and a suffix
		if err != nil {
			return "", false
		}
		var u []uint16
		for i := 0; i+1 < len(raw); i += 2 {
			u = append(u, binary.LittleEndian.Uint16(raw[i:]))
		}
		return strings.CutSuffix(string(utf16.Decode(u)), suffix)
	}
	if pw, ok := secret(shell.first("UserAccounts", "AdministratorPassword"), "AdministratorPassword"); ok {
		p.users = append(p.users, User{Name: "Administrator", Secret: "plain:" + pw, Admin: true})
	}
	for _, a := range shell.all("UserAccounts", "LocalAccounts", "LocalAccount") {
		pw, _ := secret(a.first("Password"), "Password")
		name := a.value("Name")
		if name == "" {
			continue
		}
		admin := strings.Contains(strings.ToLower(a.value("Group")), "administrators")
		p.users = append(p.users, User{Name: name, Secret: "plain:" + pw, Admin: admin})
	}
	if len(p.users) == 0 {
		return fmt.Errorf("the first start asks for the administrator's password: UserAccounts has neither AdministratorPassword nor LocalAccounts")
	}
	auto := shell.first("AutoLogon")
	if auto == nil || !yes(auto.value("Enabled")) {
		return nil
	}
	name := auto.value("Username")
	pw, _ := secret(auto.first("Password"), "Password")
	for _, u := range p.users {
		if strings.EqualFold(u.Name, name) && matches(u.Secret, pw) {
			p.autoLogon = u.Name
		}
	}
	if p.autoLogon == "" {
		return fmt.Errorf("the automatic logon as %q fails: no such account, or another password", name)
	}
	return nil
}

func (m *Machine) installWindows(ctx context.Context, boot *CD) {
	m.mu.Lock()
	hw := m.hw
	m.mu.Unlock()
	if !m.anyKey(ctx, boot) {
		return
	}
	p, err := planWindows(hw, boot)
	if err != nil {
		m.stuck(ctx, err.Error())
		return
	}
	m.wrote(1 << 30)
	if !m.to(ctx, "installing", "copying files of "+p.edition) || !m.Clock.Sleep(ctx, m.seconds("windows.copy")) {
		return
	}
	m.mu.Lock()
	version := "10.0.20348"
	if strings.Contains(p.edition, "Windows 11") {
		version = "10.0.22621"
	}
	m.disk = Disk{OS: "windows", Version: version, EFI: hw.EFI, Hostname: p.hostname, Users: p.users,
		Packages: map[string]string{}, Registry: map[string]string{}}
	err = m.layout()
	m.mountCDs()
	m.mu.Unlock()
	if err != nil {
		m.stuck(ctx, err.Error())
		return
	}
	if !m.fits(ctx, 12, "Windows Setup stopped: 0x80070070, there is not enough space on the disk") {
		return
	}
	if !m.to(ctx, "installing", "specialize") || !m.Clock.Sleep(ctx, m.seconds("windows.specialize")) {
		return
	}
	log := m.setupCommands(ctx, p.specialize, "SYSTEM")
	if !m.to(ctx, "installing", "out-of-box experience") || !m.Clock.Sleep(ctx, m.seconds("windows.oobe")) {
		return
	}
	m.mu.Lock()
	m.bootKernel()
	m.mu.Unlock()
	if !m.to(ctx, "running", "first logon") {
		return
	}
	if p.autoLogon != "" {
		log = append(log, m.firstLogon(ctx, p.firstLogon, p.autoLogon)...)
	}
	if ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	tools := m.disk.Tools != nil
	m.stage = "up"
	switch {
	case tools:
	case len(p.specialize)+len(p.firstLogon) == 0:
		m.why = "Tools are not installed: the answer file runs no command (FirstLogonCommands, RunSynchronous)"
	case p.autoLogon == "" && len(p.firstLogon) > 0:
		m.why = "Tools are not installed: FirstLogonCommands wait for a logon, and AutoLogon is not enabled"
	default:
		m.why = "Tools are not installed: " + strings.Join(log, "; ")
	}
	why := m.why
	m.mu.Unlock()
	if !tools {
		m.note("guest-without-tools", "%s", why)
		m.changed()
		return
	}
	m.note("guest-installed", "windows (%s), Tools %s", p.edition, m.Info().Tools.Text)
	m.startTools(ctx)
}

// firstLogon starts the commands of FirstLogonCommands at the same time, and waits for all.
func (m *Machine) firstLogon(ctx context.Context, list []string, user string) (log []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, line := range list {
		wg.Add(1)
		go func() {
			defer wg.Done()
			l := m.setupCommands(ctx, []string{line}, user)
			mu.Lock()
			defer mu.Unlock()
			log = append(log, l...)
		}()
	}
	wg.Wait()
	return
}

// setupCommands runs command lines one after the other and reports how each ended.
func (m *Machine) setupCommands(ctx context.Context, list []string, user string) (log []string) {
	for _, line := range list {
		if ctx.Err() != nil {
			return
		}
		out, code := m.commandLine(ctx, line, user)
		text := fmt.Sprintf("%s -> %d", line, code)
		if s := strings.TrimSpace(out); s != "" && code != 0 {
			text += " (" + s + ")"
		}
		log = append(log, text)
		m.note("guest-command", "%s", text)
	}
	return
}
