package guest

// win_programs.go: the programs of a Windows guest other than its two shells.

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

var windowsPrograms map[string]func(w *winRun, args string) int

func init() {
	windowsPrograms = map[string]func(*winRun, string) int{
		"cmd": runCmd, "powershell": runPowerShell, "nvidia-smi": runWindowsSMI, "msiexec": runMsiexec, "pnputil": runPnputil,
		"reg": runReg, "sc": runSc, "net": runNet, "shutdown": runShutdown, "hostname": func(w *winRun, _ string) int {
			w.m.mu.Lock()
			defer w.m.mu.Unlock()
			w.out("%s\n", w.m.disk.Hostname)
			return 0
		}, "whoami": func(w *winRun, args string) int {
			w.m.mu.Lock()
			defer w.m.mu.Unlock()
			if strings.EqualFold(strings.TrimSpace(args), "/user") {
				rid := 500
				for i, u := range w.m.disk.Users {
					if u.Name == w.user && !strings.EqualFold(u.Name, "Administrator") {
						rid = 1001 + i
					}
				}
				w.out("\nUSER INFORMATION\n----------------\n\nUser Name SID\n========= ===\n%s\\%s %s-%d\n", strings.ToLower(w.m.disk.Hostname), strings.ToLower(w.user), w.m.disk.SID, rid)
				return 0
			}
			w.out("%s\\%s\n", strings.ToLower(w.m.disk.Hostname), strings.ToLower(w.user))
			return 0
		}, "timeout": runWinTimeout, "ping": runPing, "findstr": runFindstr, "find": runFind, "where": runWhere, "tasklist": runTasklist,
		"taskkill": runTaskkill, "chcp": func(w *winRun, _ string) int { w.out("Active code page: 65001\n"); return 0 },
		"vmtoolsd": func(w *winRun, _ string) int {
			w.out("VMware Tools daemon, version %s\n", w.m.toolsText())
			return 0
		},
		"vmware-toolbox-cmd": func(w *winRun, _ string) int { w.out("%s\n", w.m.toolsText()); return 0 },
		"ipconfig": func(w *winRun, _ string) int {
			w.m.mu.Lock()
			defer w.m.mu.Unlock()
			w.out("\nWindows IP Configuration\n\n   IPv4 Address. . . . . . . . . . . : %s\n", w.m.ip())
			return 0
		},
		"systeminfo": func(w *winRun, _ string) int {
			w.m.mu.Lock()
			defer w.m.mu.Unlock()
			w.out("Host Name:                 %s\nOS Version:                %s\nSystem Manufacturer:       VMware, Inc.\n", w.m.disk.Hostname, w.m.disk.Version)
			return 0
		},
	}
}

func (m *Machine) toolsText() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.disk.Tools == nil {
		return ""
	}
	return m.disk.Tools.Text
}

func runWindowsSMI(w *winRun, args string) int {
	w.m.mu.Lock()
	if w.m.disk.Driver == "" {
		w.m.mu.Unlock()
		w.out("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n")
		return 9
	}
	var text strings.Builder
	code, unsupported := w.m.smi(&text, fields(args), w.m.user(w.user).Admin)
	w.m.mu.Unlock()
	if unsupported != "" {
		w.m.unsupported("%s", unsupported)
	}
	w.out("%s", text.String())
	return code
}

// runMsiexec handles Tools' package, by its file or its product.
func runMsiexec(w *winRun, args string) int {
	o := parseMSI(args)
	if o.Bad != "" {
		return 1639
	}
	version := ""
	if h := w.host(o.Product); h != "" && strings.HasSuffix(strings.ToLower(o.Product), ".msi") {
		if data, err := os.ReadFile(h); err == nil {
			version, _ = toolsVersion(data)
		}
	}
	if version == "" && o.Action != "install" {
		switch {
		case o.Product == "":
			return 1639
		case !strings.HasPrefix(o.Product, "{"):
			return 1619
		case !strings.EqualFold(o.Product, toolsProduct):
			return 1605
		}
		w.m.mu.Lock()
		if t := w.m.disk.Tools; t != nil {
			version = t.Text
		}
		w.m.mu.Unlock()
		if version == "" {
			return 1605
		}
	}
	if version == "" {
		return 1619
	}
	if !o.Quiet {
		<-w.ctx.Done()
		return 1602
	}
	code, _ := w.m.installTools(w.ctx, o, version)
	return code
}

// pnp is how Windows sees one function.
type pnp struct {
	d       *Device
	name    string
	id      string
	class   string
	code    int
	service string
	maker   string
}

// devices is the device manager's list; the Machine's lock is held.
func (m *Machine) devices() []pnp {
	var out []pnp
	for i, d := range m.hw.Devices {
		p := pnp{d: d, code: m.problemCode(d), service: m.windowsService(d), maker: d.VendorName,
			id: fmt.Sprintf(`PCI\VEN_%04X&DEV_%04X&SUBSYS_%04X%04X&REV_%02X\%d&%08X&0&%04X`, d.Vendor, d.Device, d.SubDevice, d.SubVendor, d.Revision, 4+i%3,
				uint32(d.Device)*2654435761, 0xA8+i*8)}
		switch {
		case d.nvidia() && m.disk.Driver != "" && m.misfit(d) == nil:
			p.name, p.class = d.model(), "Display"
		case d.Passthrough && d.Class>>8 == 0x0300:
			p.name, p.class = "Microsoft Basic Display Adapter", "Display"
		case d.Passthrough && d.Class>>8 == 0x0302:
			p.name, p.class, p.service = "3D Video Controller", "", ""
		case d.Passthrough:
			p.name, p.class, p.service = "PCI Device", "", ""
		case d.id() == "15ad:0405":
			p.name, p.class, p.service, p.maker = "VMware SVGA 3D", "Display", "vm3dmp", "VMware, Inc."
			if m.disk.Tools == nil || !slices.Contains(m.disk.Tools.Features, "SVGA") {
				p.name, p.service, p.maker = "Microsoft Basic Display Adapter", "BasicDisplay", "(Standard display types)"
			}
		case d.id() == "15ad:07b0":
			p.name, p.class, p.service = "vmxnet3 Ethernet Adapter", "Net", "vmxnet3ndis6"
			if m.disk.Tools == nil {
				p.code, p.service, p.name, p.class = 28, "", "Ethernet Controller", ""
			}
		default:
			p.name, p.class, p.service = d.Name, "System", "pci"
		}
		out = append(out, p)
	}
	return out
}

func (p *pnp) status() string {
	if p.code == 0 {
		return "OK"
	}
	return "Error"
}

func (p *pnp) problem() string {
	return map[int]string{0: "CM_PROB_NONE", 12: "CM_PROB_NORMAL_CONFLICT", 28: "CM_PROB_FAILED_INSTALL", 31: "CM_PROB_FAILED_ADD",
		43: "CM_PROB_FAILED_POST_START", 10: "CM_PROB_FAILED_START", 45: "CM_PROB_PHANTOM", 22: "CM_PROB_DISABLED"}[p.code]
}

func (p *pnp) compatible() []string {
	d := p.d
	return []string{fmt.Sprintf(`PCI\VEN_%04X&DEV_%04X&REV_%02X`, d.Vendor, d.Device, d.Revision), fmt.Sprintf(`PCI\VEN_%04X&DEV_%04X`, d.Vendor, d.Device),
		fmt.Sprintf(`PCI\VEN_%04X&CC_%06X`, d.Vendor, d.Class), fmt.Sprintf(`PCI\VEN_%04X&CC_%04X`, d.Vendor, d.Class>>8),
		fmt.Sprintf(`PCI\VEN_%04X`, d.Vendor), fmt.Sprintf(`PCI\CC_%06X`, d.Class), fmt.Sprintf(`PCI\CC_%04X`, d.Class>>8)}
}

func (p *pnp) hardware() []string {
	d := p.d
	base := fmt.Sprintf(`PCI\VEN_%04X&DEV_%04X&SUBSYS_%04X%04X`, d.Vendor, d.Device, d.SubDevice, d.SubVendor)
	return []string{fmt.Sprintf("%s&REV_%02X", base, d.Revision), base, fmt.Sprintf(`PCI\VEN_%04X&DEV_%04X&CC_%06X`, d.Vendor, d.Device, d.Class),
		fmt.Sprintf(`PCI\VEN_%04X&DEV_%04X&CC_%04X`, d.Vendor, d.Device, d.Class>>8)}
}

// runPnputil lists devices: /enum-devices [/problem [N]] [/connected] [/class NAME] [/instanceid ID].
// enumLabels are the labels of pnputil /enum-devices; it translates them, the values of ids, codes and files it does not.
var enumLabels = map[string][]string{
	"":   {"Instance ID:", "Device Description:", "Class Name:", "Manufacturer Name:", "Status:", "Started", "Problem", "Problem Code:", "Driver Name:"},
	"de": {"Instanz-ID:", "Ger\u00e4tebeschreibung:", "Klassenname:", "Herstellername:", "Status:", "Gestartet", "Problem", "Problemcode:", "Treibername:"},
}

func runPnputil(w *winRun, args string) int {
	words := fields(args)
	if len(words) == 0 {
		return w.fail(0, "Microsoft PnP Utility\n")
	}
	if strings.EqualFold(words[0], "/add-driver") {
		return w.addDrivers(words[1:])
	}
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	switch strings.ToLower(words[0]) {
	case "/enum-devices":
		problem, code, class, instance := false, -1, "", ""
		for i := 1; i < len(words); i++ {
			next := ""
			if i+1 < len(words) && !strings.HasPrefix(words[i+1], "/") {
				next = words[i+1]
			}
			switch strings.ToLower(words[i]) {
			case "/problem":
				problem = true
				if n, err := strconv.Atoi(next); err == nil {
					code = n
					i++
				}
			case "/class":
				class = next
				i++
			case "/instanceid":
				instance = next
				i++
			case "/connected", "/ids", "/drivers", "/properties":
			default:
				return w.fail(87, "Invalid option: %s\n", words[i])
			}
		}
		w.out("Microsoft PnP Utility\n\n")
		n := 0
		for _, p := range w.m.devices() {
			if problem && p.code == 0 || code >= 0 && p.code != code || class != "" && !strings.EqualFold(class, p.class) ||
				instance != "" && !strings.EqualFold(instance, p.id) {
				continue
			}
			n++
			say := enumLabels[w.m.language]
			w.out("%-27s %s\n%-27s %s\n%-27s %s\n%-27s %s\n", say[0], p.id, say[1], p.name, say[2], p.class, say[3], p.maker)
			if p.code == 0 {
				w.out("%-27s %s\n", say[4], say[5])
			} else {
				w.out("%-27s %s\n%-27s %d (0x%02X) [%s]\n", say[4], say[6], say[7], p.code, p.code, p.problem())
			}
			switch p.service { // the published name of the driver package; that of the basic display adapter is Windows's own
			case "":
			case "BasicDisplay":
				w.out("%-27s display.inf\n", say[8])
			default:
				w.out("%-27s oem2.inf\n", say[8])
			}
			w.out("\n")
		}
		if n == 0 {
			w.out("No devices were found on the system.\n")
			return 259
		}
		return 0
	case "/scan-devices":
		w.out("Scan complete.\n")
		return 0
	}
	return w.fail(87, "Invalid option: %s\n", words[0])
}

// services and their states.
func (m *Machine) services() map[string]string {
	s := map[string]string{"WinRM": "Running", "EventLog": "Running", "Spooler": "Running", "TermService": "Running"}
	if m.disk.Tools != nil {
		s["VMTools"] = "Running"
		if m.toolsRun == notRunning {
			s["VMTools"] = "Stopped"
		}
	}
	if m.disk.Packages[agentName] != "" {
		s["WSNM"] = "Running" // VMware Horizon View Agent
		if m.disk.Reboot {
			s["WSNM"] = "Stopped"
		}
	}
	if m.disk.Driver != "" {
		s["NVDisplay.ContainerLocalSystem"] = "Running"
	}
	return s
}

func runSc(w *winRun, args string) int {
	words := fields(args)
	if len(words) < 2 {
		return 0
	}
	w.m.mu.Lock()
	all := w.m.services()
	w.m.mu.Unlock()
	for name, state := range all {
		if strings.EqualFold(name, words[1]) {
			n := 4
			if state != "Running" {
				n = 1
			}
			w.m.mu.Lock()
			label := map[string]string{"de": "STATUS"}[w.m.language]
			w.m.mu.Unlock()
			w.out("\nSERVICE_NAME: %s\n        %-19s: 10  WIN32_OWN_PROCESS\n        %-19s: %d  %s\n", name, "TYPE", cmp.Or(label, "STATE"), n, strings.ToUpper(state))
			return 0
		}
	}
	return w.fail(1060, "[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\n\nThe specified service does not exist as an installed service.\n")
}

// runNet is net.exe: stop and start of Tools' service, user NAME PASSWORD /add, localgroup
// Administrators NAME /add.
func runNet(w *winRun, args string) int {
	words := fields(args)
	if len(words) < 2 {
		return w.fail(1, "The syntax of this command is:\n")
	}
	admin := func() bool {
		w.m.mu.Lock()
		defer w.m.mu.Unlock()
		return w.m.user(w.user).Admin
	}
	denied := func() int { return w.fail(2, "System error 5 has occurred.\n\nAccess is denied.\n") }
	add := slices.ContainsFunc(words, func(s string) bool { return strings.EqualFold(s, "/add") })
	switch verb := strings.ToLower(words[0]); {
	case (verb == "stop" || verb == "start") && strings.EqualFold(words[1], "VMTools"):
		if !admin() {
			return denied()
		}
		if verb == "stop" {
			w.m.stopTools()
		} else if w.m.Info().ToolsRun == notRunning {
			w.m.restartTools()
		}
		return 0
	case verb == "user" && add && len(words) >= 4:
		if !admin() {
			return denied()
		}
		w.m.mu.Lock()
		defer w.m.mu.Unlock()
		if slices.ContainsFunc(w.m.disk.Users, func(u User) bool { return strings.EqualFold(u.Name, words[1]) }) {
			return w.fail(2, "The account already exists.\n\nMore help is available by typing NET HELPMSG 2224.\n")
		}
		w.m.disk.Users = append(w.m.disk.Users, User{Name: words[1], Secret: "plain:" + words[2]})
		if h, err := w.m.windowsPath(`C:\Users\` + words[1] + `\AppData\Local\Temp`); err == nil {
			os.MkdirAll(h, 0o755)
		}
	case verb == "localgroup" && add && len(words) >= 4:
		if !admin() {
			return denied()
		}
		w.m.mu.Lock()
		defer w.m.mu.Unlock()
		at := slices.IndexFunc(w.m.disk.Users, func(u User) bool { return strings.EqualFold(u.Name, words[2]) })
		if at < 0 {
			return w.fail(2, "There is no such global user or group: %s.\n", words[2])
		}
		if strings.EqualFold(words[1], "Administrators") {
			w.m.disk.Users[at].Admin = true
		}
	default:
		return w.fail(1, "The syntax of this command is:\n")
	}
	w.out("The command completed successfully.\n\n")
	return 0
}

func runShutdown(w *winRun, args string) int {
	words := fields(strings.ToLower(args))
	what := ""
	for _, x := range words {
		switch strings.ReplaceAll(x, "-", "/") {
		case "/r":
			what = "reboot"
		case "/s", "/p":
			what = "off"
		case "/a":
			return w.fail(1116, "Unable to abort the system shutdown because no shutdown was in progress.(1116)\n")
		}
	}
	if what == "" {
		return w.fail(1, "Usage: shutdown [/i | /l | /s | /r]\n")
	}
	w.m.Shutdown(what)
	return 0
}

func runWinTimeout(w *winRun, args string) int {
	for _, x := range fields(args) {
		if n, err := strconv.Atoi(x); err == nil {
			w.m.Clock.Sleep(w.ctx, time.Duration(n)*time.Second)
		}
	}
	return 0
}

func runPing(w *winRun, args string) int {
	words := fields(args)
	n := 4
	for i, x := range words {
		if strings.EqualFold(x, "-n") && i+1 < len(words) {
			n, _ = strconv.Atoi(words[i+1])
		}
	}
	w.m.Clock.Sleep(w.ctx, time.Duration(n-1)*time.Second)
	return 0
}

func (w *winRun) inputs(files []string) (string, bool) {
	if len(files) == 0 {
		if w.stdin == nil {
			return "", true
		}
		b, _ := io.ReadAll(w.stdin)
		return string(b), true
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(w.host(f))
		if err != nil {
			return "", false
		}
		all.Write(b)
	}
	return all.String(), true
}

func runFindstr(w *winRun, args string) int {
	var pats, files []string
	fold, invert := false, false
	for _, x := range fields(args) {
		low := strings.ToLower(x)
		switch {
		case low == "/i":
			fold = true
		case low == "/v":
			invert = true
		case strings.HasPrefix(low, "/c:"):
			pats = append(pats, x[3:])
		case strings.HasPrefix(low, "/"):
		case pats == nil:
			pats = strings.Fields(x)
		default:
			files = append(files, x)
		}
	}
	text, ok := w.inputs(files)
	if !ok {
		return w.fail(1, "FINDSTR: Cannot open %s\n", files[0])
	}
	code := 1
	for _, line := range strings.Split(strings.TrimRight(text, "\r\n"), "\n") {
		line = strings.TrimRight(line, "\r")
		hit := false
		for _, p := range pats {
			hit = hit || strings.Contains(line, p) || fold && strings.Contains(strings.ToLower(line), strings.ToLower(p))
		}
		if hit != invert {
			w.out("%s\n", line)
			code = 0
		}
	}
	return code
}

func runFind(w *winRun, args string) int { return runFindstr(w, args) }

func runWhere(w *winRun, args string) int {
	for _, x := range fields(args) {
		p, ok := w.find(x)
		if !ok {
			return w.fail(1, "INFO: Could not find files for the given pattern(s).\n")
		}
		w.out("%s\n", p)
	}
	return 0
}

// runTaskkill is taskkill /pid N [/t] /f: without /t the programs that it started go on.
func runTaskkill(w *winRun, args string) int {
	pid, tree, force := int64(0), false, false
	words := fields(strings.ToLower(args))
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "/pid":
			if i++; i < len(words) {
				pid, _ = strconv.ParseInt(words[i], 10, 64)
			}
		case "/t":
			tree = true
		case "/f":
			force = true
		default:
			return w.fail(1, "ERROR: Invalid argument/option - '%s'.\n", words[i])
		}
	}
	if !force {
		return w.fail(1, "ERROR: The process with PID %d could not be terminated.\nReason: This process can only be terminated forcefully (with /F option).\n", pid)
	}
	if err := w.m.Terminate(w.user, pid); err != nil {
		return w.fail(128, "ERROR: The process \"%d\" not found.\n", pid)
	}
	if !tree {
		w.m.unsupported("taskkill without /t ends what the process started as well")
	}
	w.out("SUCCESS: The process with PID %d has been terminated.\n", pid)
	return 0
}

func runTasklist(w *winRun, args string) int {
	w.out("\nImage Name                     PID\n========================= ========\n")
	for _, p := range w.m.Processes(nil) {
		if !p.ended() {
			w.out("%-25s %8d\n", p.Name, p.Pid)
		}
	}
	return 0
}
