package guest

// win_system.go: an installed Windows: directories, programs, environment, and Tools'
// installer as it acts on the system.

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const system32 = `C:\Windows\System32`

// DefaultFeatures is what a default installation of Tools holds.
func DefaultFeatures(number int) (out []string) {
	for _, f := range features(number) {
		if !slices.Contains(optional, f) {
			out = append(out, f)
		}
	}
	return
}

func (m *Machine) layoutWindows() error {
	for _, d := range []string{`C:\Windows\System32\WindowsPowerShell\v1.0`, `C:\Windows\System32\drivers`, `C:\Windows\Temp`, `C:\Program Files`,
		`C:\Program Files (x86)`, `C:\ProgramData`, `C:\Users\Public`, `C:\Windows\INF`} {
		h, _ := m.windowsPath(d)
		if err := os.MkdirAll(h, 0o755); err != nil {
			return err
		}
	}
	for _, u := range m.disk.Users {
		h, _ := m.windowsPath(`C:\Users\` + u.Name + `\AppData\Local\Temp`)
		if err := os.MkdirAll(h, 0o755); err != nil {
			return err
		}
		h, _ = m.windowsPath(`C:\Users\` + u.Name + `\Desktop`)
		os.MkdirAll(h, 0o755)
	}
	for name := range windowsPrograms {
		if name == "setup64" || name == "setup" || name == "nvidia-smi" || name == "nvidia-driver" {
			continue
		}
		at := system32
		if name == "powershell" {
			at += `\WindowsPowerShell\v1.0`
		}
		m.winProgram(at+`\`+name+".exe", name)
	}
	if m.disk.Driver != "" {
		m.winProgram(system32+`\nvidia-smi.exe`, "nvidia-smi")
	}
	m.toolsFiles()
	return nil
}

// powerShell puts powershell.exe where it belongs, or takes it away; the lock is held.
func (m *Machine) powerShell() {
	if m.disk.OS != "windows" {
		return
	}
	path := system32 + `\WindowsPowerShell\v1.0\powershell.exe`
	if m.psMode != "absent" {
		m.winProgram(path, "powershell")
	} else if h, err := m.windowsPath(path); err == nil {
		os.Remove(h)
	}
}

// constrained reports whether a policy holds PowerShell in ConstrainedLanguage.
func (r *psRun) constrained() bool {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	return r.m.psMode == "constrained"
}

func (m *Machine) winProgram(path, applet string) {
	_ = m.writeGuest(path, []byte(program+applet+"\n"))
}

// toolsFiles puts Tools' directory where the installed state says.
func (m *Machine) toolsFiles() {
	dir, err := m.windowsPath(`C:\Program Files\VMware\VMware Tools`)
	if err != nil {
		return
	}
	os.RemoveAll(dir)
	if m.disk.Tools == nil {
		return
	}
	os.MkdirAll(dir, 0o755)
	m.winProgram(`C:\Program Files\VMware\VMware Tools\vmtoolsd.exe`, "vmtoolsd")
	m.winProgram(`C:\Program Files\VMware\VMware Tools\VMwareToolboxCmd.exe`, "vmware-toolbox-cmd")
}

func (m *Machine) windowsEnv(user string) map[string]string {
	home := `C:\Users\` + user
	temp := home + `\AppData\Local\Temp`
	if user == "SYSTEM" {
		home, temp = `C:\Windows\system32\config\systemprofile`, `C:\Windows\Temp`
	}
	return map[string]string{"SystemRoot": `C:\Windows`, "windir": `C:\Windows`, "SystemDrive": "C:", "TEMP": temp, "TMP": temp,
		"USERNAME": user, "USERPROFILE": home, "USERDOMAIN": m.disk.Hostname, "COMPUTERNAME": m.disk.Hostname, "OS": "Windows_NT",
		"ComSpec": system32 + `\cmd.exe`, "ProgramFiles": `C:\Program Files`, "ProgramFiles(x86)": `C:\Program Files (x86)`,
		"ProgramData": `C:\ProgramData`, "ALLUSERSPROFILE": `C:\ProgramData`, "PUBLIC": `C:\Users\Public`, "PATHEXT": ".COM;.EXE;.BAT;.CMD",
		"Path":                   system32 + `;C:\Windows;` + system32 + `\Wbem;` + system32 + `\WindowsPowerShell\v1.0\;`,
		"PROCESSOR_ARCHITECTURE": "AMD64", "NUMBER_OF_PROCESSORS": "2", "LOCALAPPDATA": home + `\AppData\Local`, "APPDATA": home + `\AppData\Roaming`}
}

// installTools carries an installation out; the caller waits for it.
func (m *Machine) installTools(ctx context.Context, o Options, version string) (int, string) {
	m.mu.Lock()
	if m.msi {
		m.mu.Unlock()
		return 1618, "Another installation is already in progress.\r\n"
	}
	m.msi = true
	have := m.disk.Tools
	o.Language, o.Trouble = m.language, m.installer
	m.mu.Unlock()
	defer func() { m.mu.Lock(); m.msi = false; m.mu.Unlock() }()
	out := o.Apply(have, version)
	ok := out.Code == 0 || out.Code == 3010 || out.Code == 1641
	wait := m.seconds("tools.install")
	if !ok {
		wait /= 4
	}
	if !m.Clock.Sleep(ctx, wait) {
		return 1602, ""
	}
	if o.Log != "" {
		m.mu.Lock()
		if h, err := m.windowsPath(o.Log); err == nil && strings.HasPrefix(h, m.root()) {
			_ = os.WriteFile(h, utf16Log(out.Log), 0o644)
		}
		m.mu.Unlock()
	}
	if !ok {
		return out.Code, out.Log
	}
	m.mu.Lock()
	m.disk.Tools = out.Tools
	m.disk.Reboot = m.disk.Reboot || out.Reboot
	m.toolsFiles()
	// during Setup the state is "running" only at the first logon, which starts Tools itself
	live := m.state == "running" && m.stage == "up"
	m.mu.Unlock()
	if out.Tools == nil {
		m.mu.Lock()
		m.service++
		n, sctx := m.service, m.ctx
		m.mu.Unlock()
		m.setTools(sctx, n, notRunning, false)
	} else if live {
		m.restartTools()
	}
	m.note("tools-installed", "%s: %s, ended with %d", version, strings.Join(out.Tools.names(), ","), out.Code)
	if out.Code == 1641 && live {
		m.Shutdown("reboot")
	}
	return out.Code, out.Log
}

func (t *Tools) names() []string {
	if t == nil {
		return nil
	}
	return t.Features
}

// Upgrade is what UpgradeTools_Task starts in a Windows guest.
func (m *Machine) Upgrade(ctx context.Context, version, options string) int {
	if strings.TrimSpace(options) == "" {
		options = `/s /v"/qn REBOOT=R"`
	}
	o := ParseSetup(options)
	if !strings.Contains(strings.ToLower(options), "/v") { // msiexec's arguments alone are taken too
		o = parseMSI(options)
		o.Quiet = true
	}
	code, _ := m.installTools(ctx, o, version)
	return code
}

// winRun is the surroundings of one Windows program.
type winRun struct {
	m              *Machine
	ctx            context.Context
	user           string
	dir            string // guest path
	env            map[string]string
	stdin          io.Reader
	stdout, stderr io.Writer
	path           string // of the program itself
}

func (w *winRun) out(format string, args ...any) {
	io.WriteString(w.stdout, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\r\n"))
}

func (w *winRun) fail(code int, format string, args ...any) int {
	io.WriteString(w.stderr, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\r\n"))
	return code
}

func (w *winRun) getenv(name string) (string, bool) {
	for k, v := range w.env {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return "", false
}

func (w *winRun) setenv(name, value string) {
	env := map[string]string{}
	for k, v := range w.env {
		if !strings.EqualFold(k, name) {
			env[k] = v
		} else {
			name = k
		}
	}
	if value != "" {
		env[name] = value
	}
	w.env = env
}

// abs makes a path absolute.
func (w *winRun) abs(p string) string {
	p = strings.ReplaceAll(strings.Trim(p, `"`), "/", `\`)
	switch {
	case len(p) >= 2 && p[1] == ':':
		return p
	case strings.HasPrefix(p, `\`):
		return w.dir[:2] + p
	case p == "" || p == ".":
		return w.dir
	}
	return strings.TrimRight(w.dir, `\`) + `\` + p
}

// host maps a path of the program to this computer; "" when it is on no drive.
func (w *winRun) host(p string) string {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	h, err := w.m.windowsPath(w.abs(p))
	if err != nil {
		return ""
	}
	return h
}

func (w *winRun) writable(p string) string {
	h := w.host(p)
	if h == "" || !strings.HasPrefix(h, w.m.root()) || w.m.Access(w.user, h, true) != nil {
		return ""
	}
	return h
}

// refusal is the text of a write that did not happen: the account's rights, or the path.
func (w *winRun) refusal(p, other string) string {
	if h := w.host(p); h != "" && w.m.Access(w.user, h, true) != nil {
		return "Access is denied."
	}
	return other
}

func isNul(p string) bool { return strings.EqualFold(strings.Trim(p, `"`), "nul") }

// find looks a program up: the directory itself, then PATH, with the usual extensions.
func (w *winRun) find(name string) (string, bool) {
	name = strings.Trim(name, `"`)
	try := func(p string) (string, bool) {
		ext := strings.ToLower(filepath.Ext(strings.ReplaceAll(p, `\`, "/")))
		list := []string{""}
		if ext != ".exe" && ext != ".cmd" && ext != ".bat" && ext != ".com" && ext != ".ps1" {
			list = []string{".com", ".exe", ".bat", ".cmd"}
		}
		for _, e := range list {
			if h := w.host(p + e); h != "" {
				if st, err := os.Stat(h); err == nil && !st.IsDir() {
					return w.abs(p + e), true
				}
			}
		}
		return "", false
	}
	if strings.ContainsAny(name, `\/:`) {
		return try(name)
	}
	if p, ok := try(name); ok {
		return p, true
	}
	path, _ := w.getenv("Path")
	for _, d := range strings.Split(path, ";") {
		if d != "" {
			if p, ok := try(strings.TrimRight(d, `\`) + `\` + name); ok {
				return p, true
			}
		}
	}
	return "", false
}

// run starts a program with the raw text of its arguments; found is false when there is no such program.
func (w *winRun) run(name, args string) (code int, found bool) {
	p, ok := w.find(name)
	if !ok {
		return 9009, false
	}
	data, err := os.ReadFile(w.host(p))
	if err != nil {
		return 5, true
	}
	x := *w
	x.path = p
	low := strings.ToLower(p)
	switch {
	case strings.HasSuffix(low, ".cmd"), strings.HasSuffix(low, ".bat"):
		return x.batch(string(data), p, args), true
	case strings.HasSuffix(low, ".ps1"):
		return 0, true // opened with its editor, as the shell does
	}
	if applet, ok := strings.CutPrefix(string(data), program); ok {
		if f := windowsPrograms[strings.TrimSpace(applet)]; f != nil {
			return f(&x, args), true
		}
	}
	if v, ok := toolsVersion(data); ok {
		return x.setupTools(v, args), true
	}
	if v, ok := agentInstaller(data); ok {
		return x.setupAgent(v, args), true
	}
	if v, ok := driverInstaller(data); ok {
		return x.setupDriver(v, args), true
	}
	w.fail(0, "This version of %s is not compatible with the version of Windows you're running.\n", p)
	return 216, true
}

// apart runs a program for which no caller waits; it runs as long as the system does.
func (w *winRun) apart(name, args string) {
	w.m.mu.Lock()
	w.ctx = w.m.ctx
	w.m.wg.Add(1)
	w.m.mu.Unlock()
	w.stdout, w.stderr, w.stdin = io.Discard, io.Discard, nil
	w.m.background(func() { w.run(name, args) })
}

// driverInstaller recognises an NVIDIA driver package: "NVIDIA Display Driver 551.61".
func driverInstaller(data []byte) (string, bool) {
	f := strings.Fields(string(data[:min(len(data), 200)]))
	if len(f) < 4 || f[0] != "NVIDIA" || f[1] != "Display" || f[2] != "Driver" {
		return "", false
	}
	return f[3], true
}

// setupDriver installs NVIDIA's driver: -s is silent, -noreboot keeps the system up.
func (w *winRun) setupDriver(version, args string) int {
	words := fields(strings.ToLower(args))
	if !slices.Contains(words, "-s") && !slices.Contains(words, "/s") {
		<-w.ctx.Done() // its dialog waits for a user
		return 1
	}
	w.m.mu.Lock()
	admin, was := w.m.user(w.user).Admin, w.m.disk.Driver
	w.m.disk.Driver = version // for the question alone
	found := slices.ContainsFunc(w.m.hw.Devices, func(d *Device) bool { return d.nvidia() && w.m.misfit(d) == nil })
	w.m.disk.Driver = was
	busy := w.m.msi
	w.m.mu.Unlock()
	if !admin {
		return w.fail(740, "The requested operation requires elevation.\n")
	}
	if busy {
		return 1618
	}
	if !w.m.Clock.Sleep(w.ctx, w.m.seconds("driver.install")) {
		return 1
	}
	if !found {
		return 1 // "could not find compatible graphics hardware"
	}
	w.m.mu.Lock()
	w.m.disk.Driver = version
	w.m.winProgram(system32+`\nvidia-smi.exe`, "nvidia-smi")
	w.m.mu.Unlock()
	w.m.note("driver-installed", "NVIDIA %s", version)
	w.m.changed()
	return 0
}

// setupTools is the installer of Tools.
func (w *winRun) setupTools(version, args string) int {
	o := ParseSetup(args)
	w.m.mu.Lock()
	admin := w.m.user(w.user).Admin
	w.m.mu.Unlock()
	if !admin {
		return w.fail(1603, "The requested operation requires elevation.\n")
	}
	w.m.note("tools-setup", "%s %s", strings.ToLower(w.path[strings.LastIndexByte(w.path, '\\')+1:]), args)
	switch o.Action {
	case "help":
		return 0
	case "extract":
		if d := w.writable(o.Extract); d != "" {
			os.MkdirAll(d, 0o755)
			n, _ := ToolsNumber(version)
			if n < 13<<10 {
				os.WriteFile(filepath.Join(d, "VMware Tools.msi"), msiPackage("VMware Tools", version, features(n)), 0o644)
			}
			os.WriteFile(filepath.Join(d, "VMware Tools64.msi"), msiPackage("VMware Tools", version, features(n)), 0o644)
		}
		return 0
	}
	if !o.Quiet && o.Bad == "" {
		w.m.note("tools-setup", "the installer shows a dialog and waits: /qn is missing inside /v, or /s outside")
		<-w.ctx.Done()
		return 1602
	}
	code, _ := w.m.installTools(w.ctx, o, version)
	return code
}

// runWindows is StartProgramInGuest.
func (m *Machine) runWindows(ctx context.Context, user string, p Program) int {
	w := m.session32(ctx, user)
	if len(p.Env) > 0 {
		w.env = map[string]string{}
		for _, e := range p.Env {
			k, v, _ := strings.Cut(e, "=")
			w.env[k] = v
		}
	}
	if p.Dir != "" {
		w.dir = p.Dir
	}
	code, _ := w.run(p.Path, p.Args)
	return code
}

// session32 creates the surroundings of a user's program.
func (m *Machine) session32(ctx context.Context, user string) *winRun {
	m.mu.Lock()
	env := m.windowsEnv(user)
	m.mu.Unlock()
	w := &winRun{m: m, ctx: ctx, user: user, env: env, dir: env["USERPROFILE"], stdout: io.Discard, stderr: io.Discard}
	if w.host(w.dir) == "" {
		w.dir = `C:\Windows\System32`
	}
	return w
}

// commandLine runs a line as CreateProcess does and collects its output.
func (m *Machine) commandLine(ctx context.Context, line, user string) (string, int) {
	var out strings.Builder
	w := m.session32(ctx, user)
	w.stdout, w.stderr = &out, &out
	name, args := splitProgram(strings.TrimSpace(line))
	code, found := w.run(name, args)
	if !found {
		return fmt.Sprintf("the system cannot find the file %s", name), 2
	}
	return out.String(), code
}

// splitProgram splits a command line into the program and the raw rest.
func splitProgram(line string) (name, rest string) {
	if strings.HasPrefix(line, `"`) {
		if i := strings.IndexByte(line[1:], '"'); i >= 0 {
			return line[1 : 1+i], strings.TrimLeft(line[i+2:], " \t")
		}
		return line[1:], ""
	}
	name, rest, _ = strings.Cut(line, " ")
	return name, strings.TrimLeft(rest, " \t")
}
