package guest

// ps_machine.go: the cmdlets about the system: devices, CIM classes, volumes, services,
// processes, files and the registry. All of it is computed from the guest.

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

func machineCmdlets() {
	for name, c := range map[string]cmdlet{
		"get-pnpdevice": {getPnpDevice, "presentonly"}, "get-pnpdeviceproperty": {getPnpProperty, ""},
		"get-ciminstance": {getCim, ""}, "get-wmiobject": {getCim, ""}, "get-volume": {getVolume, ""}, "get-service": {getService, ""},
		"restart-service": {func(r *psRun, a *psArgs) []any {
			if strings.EqualFold(a.text("Name", 0), "VMTools") {
				r.m.restartTools()
			}
			return nil
		}, "force passthru"},
		"get-process": {getProcess, ""}, "start-process": {startProcess, "wait passthru nonewwindow usenewenvironment"},
		"test-path": {func(r *psRun, a *psArgs) []any {
			p := a.text("Path", 0)
			if p == "" {
				p = a.text("LiteralPath", 0)
			}
			if key, ok := registryPath(p); ok {
				r.m.mu.Lock()
				defer r.m.mu.Unlock()
				for k := range r.m.registry() {
					if strings.HasPrefix(strings.ToLower(k), strings.ToLower(key)+`\`) {
						return []any{true}
					}
				}
				return []any{false}
			}
			if strings.ContainsAny(p, "*?") {
				st := &cmdState{winRun: r.winRun}
				return []any{len(st.glob(p)) > 0}
			}
			h := r.host(p)
			if h == "" {
				return []any{false}
			}
			st, err := os.Stat(h)
			if kind := strings.ToLower(a.text("PathType", -1)); err == nil && kind != "" && kind != "any" {
				return []any{st.IsDir() == (kind == "container")}
			}
			return []any{err == nil}
		}, "isvalid"},
		"get-childitem": {getChildItem, "recurse force file directory name"}, "get-item": {getChildItem, "force"},
		"remove-item":      {removeItem, "recurse force"},
		"new-item":         {newItem, "force"},
		"copy-item":        {copyItem, "recurse force"},
		"move-item":        {copyItem, "force"},
		"rename-item":      {copyItem, "force"},
		"get-itemproperty": {getItemProperty, ""}, "get-itempropertyvalue": {getItemProperty, ""},
		"set-itemproperty": {setItemProperty, "force"}, "new-itemproperty": {setItemProperty, "force"},
		"join-path": {func(r *psRun, a *psArgs) []any { return []any{r.m.Join(a.text("Path", 0), a.text("ChildPath", 1))} }, ""},
		"split-path": {func(r *psRun, a *psArgs) []any {
			p := a.text("Path", 0)
			i := strings.LastIndexByte(p, '\\')
			if a.flag("Leaf") {
				return []any{p[i+1:]}
			}
			return []any{p[:max(i, 0)]}
		}, "leaf parent"},
		"get-command": {func(r *psRun, a *psArgs) []any {
			n := a.text("Name", 0)
			if _, ok := cmdlets[strings.ToLower(n)]; ok {
				return []any{newObject("CmdletInfo", "CommandType", "Cmdlet", "Name", n, "Source", "")}
			}
			if p, ok := r.find(n); ok {
				return []any{newObject("ApplicationInfo", "CommandType", "Application", "Name", filepath.Base(strings.ReplaceAll(p, `\`, "/")), "Source", p)}
			}
			r.complain(a.quiet(), "Get-Command : The term '%s' is not recognized as the name of a cmdlet, function, script file, or operable program.", n)
			return nil
		}, ""},
		"restart-computer": {func(r *psRun, a *psArgs) []any { r.m.Shutdown("reboot"); return nil }, "force wait"},
		"stop-computer":    {func(r *psRun, a *psArgs) []any { r.m.Shutdown("off"); return nil }, "force"},
		"get-computerinfo": {func(r *psRun, a *psArgs) []any {
			return getCim(r, &psArgs{named: map[string]any{"classname": "Win32_OperatingSystem"}})
		}, ""},
		"rename-computer": {func(r *psRun, a *psArgs) []any {
			r.m.mu.Lock()
			r.m.disk.Hostname = a.text("NewName", 0)
			r.m.mu.Unlock()
			return nil
		}, "force restart"},
	} {
		cmdlets[name] = c
	}
}

// pnpObjects are the devices as CIM shows them; Get-PnpDevice has them with aliases.
func (r *psRun) pnpObjects() []any {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	var out []any
	str := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	texts := func(l []string) any {
		o := []any{}
		for _, s := range l {
			o = append(o, s)
		}
		return o
	}
	for _, p := range r.m.devices() {
		out = append(out, newObject("PnPDevice", "Caption", p.name, "Name", p.name, "Status", p.status(), "ConfigManagerErrorCode", int64(p.code),
			"DeviceID", p.id, "PNPDeviceID", p.id, "InstanceId", p.id, "PNPClass", str(p.class), "Class", str(p.class), "FriendlyName", p.name,
			"Description", p.name, "Manufacturer", p.maker, "Service", str(p.service), "Present", true, "Problem", p.problem(),
			"HardwareID", texts(p.hardware()), "CompatibleID", texts(p.compatible()), "SystemName", r.m.disk.Hostname))
	}
	return out
}

func getPnpDevice(r *psRun, a *psArgs) (out []any) {
	filters := map[string]any{}
	for _, n := range []string{"Class", "FriendlyName", "Status"} {
		if v, ok := a.param(n); ok {
			filters[n] = v
		}
	}
	if v, ok := a.value("InstanceId", 0); ok {
		filters["InstanceId"] = v
	}
	for _, d := range r.pnpObjects() {
		ok := true
		for name, want := range filters {
			hit := false
			for _, w := range items(want) {
				hit = hit || wildcard(psString(w)).MatchString(psString(r.member(d, name)))
			}
			ok = ok && hit
		}
		if ok {
			out = append(out, d)
		}
	}
	if len(out) == 0 && len(filters) > 0 {
		r.complain(a.quiet(), "Get-PnpDevice : No matching Win32_PnPEntity objects found by CIM query for enumerating present devices.")
	}
	return
}

func getPnpProperty(r *psRun, a *psArgs) (out []any) {
	keys := items(func() any { v, _ := a.param("KeyName"); return v }())
	id, _ := a.value("InstanceId", 0)
	var devices []any
	for _, d := range r.pnpObjects() {
		for _, want := range append(items(id), a.in...) {
			w := psString(want)
			if o, ok := want.(*psObject); ok {
				w = psString(r.member(o, "InstanceId"))
			}
			if strings.EqualFold(w, psString(r.member(d, "InstanceId"))) {
				devices = append(devices, d)
			}
		}
	}
	for _, d := range devices {
		all := map[string]any{"DEVPKEY_Device_ProblemCode": r.member(d, "ConfigManagerErrorCode"), "DEVPKEY_Device_Class": r.member(d, "Class"),
			"DEVPKEY_Device_Service": r.member(d, "Service"), "DEVPKEY_Device_HardwareIds": r.member(d, "HardwareID"),
			"DEVPKEY_Device_CompatibleIds": r.member(d, "CompatibleID"), "DEVPKEY_Device_IsPresent": true, "DEVPKEY_NAME": r.member(d, "Name"),
			"DEVPKEY_Device_DriverVersion": nil}
		r.m.mu.Lock()
		if r.member(d, "Service") == "nvlddmkm" {
			all["DEVPKEY_Device_DriverVersion"] = windowsDriverVersion(r.m.disk.Driver)
		}
		for _, p := range r.m.devices() {
			if p.id == r.member(d, "InstanceId") {
				var b, s, f int64
				fmt.Sscanf(p.d.Address, "0000:%x:%x.%x", &b, &s, &f)
				all["DEVPKEY_Device_BusNumber"], all["DEVPKEY_Device_Address"] = b, s<<16|f
				all["DEVPKEY_Device_LocationInfo"] = fmt.Sprintf("PCI bus %d, device %d, function %d", b, s, f)
			}
		}
		r.m.mu.Unlock()
		if len(keys) == 0 {
			for k := range all {
				keys = append(keys, k)
			}
			sort.Slice(keys, func(i, j int) bool { return psString(keys[i]) < psString(keys[j]) })
		}
		for _, k := range keys {
			for name, v := range all {
				if strings.EqualFold(name, psString(k)) {
					out = append(out, newObject("PnpProperty", "InstanceId", r.member(d, "InstanceId"), "KeyName", name, "Type", "String", "Data", v))
				}
			}
		}
	}
	return
}

// windowsDriverVersion: 551.61 is 31.0.15.5161.
func windowsDriverVersion(v string) any {
	if v == "" {
		return nil
	}
	digits := strings.ReplaceAll(v, ".", "")
	for len(digits) < 5 {
		digits = "0" + digits
	}
	return "31.0.1" + digits[:1] + "." + digits[1:5]
}

var wqlTerm = regexp.MustCompile(`(?i)^\s*(\w+)\s*(=|<>|!=|<=|>=|<|>|like)\s*('([^']*)'|"([^"]*)"|[\w.-]+)\s*$`)

// wql filters by a simple condition: terms joined by AND or OR.
func (r *psRun) wql(list []any, filter string) []any {
	if strings.TrimSpace(filter) == "" {
		return list
	}
	or := regexp.MustCompile(`(?i)\s+or\s+`).Split(filter, -1)
	var out []any
	for _, v := range list {
		any := false
		for _, part := range or {
			all := true
			for _, term := range regexp.MustCompile(`(?i)\s+and\s+`).Split(part, -1) {
				term = strings.Trim(term, " ()")
				m := wqlTerm.FindStringSubmatch(term)
				if m == nil {
					r.throw("Get-CimInstance : Invalid query")
				}
				want := m[3]
				if m[4] != "" || m[5] != "" || strings.HasPrefix(want, "'") || strings.HasPrefix(want, `"`) {
					want = strings.ReplaceAll(m[4]+m[5], `\\`, `\`)
				}
				have := r.member(v, m[1])
				ok := false
				switch c := psCompare(have, want); strings.ToLower(m[2]) {
				case "=":
					ok = c == 0
				case "<>", "!=":
					ok = c != 0
				case "<":
					ok = c < 0
				case ">":
					ok = c > 0
				case "<=":
					ok = c <= 0
				case ">=":
					ok = c >= 0
				case "like":
					p := strings.NewReplacer("%", "*", "_", "?").Replace(want)
					ok = wildcard(p).MatchString(psString(have))
				}
				all = all && ok
			}
			any = any || all
		}
		if any {
			out = append(out, v)
		}
	}
	return out
}

func getCim(r *psRun, a *psArgs) []any {
	class := a.text("ClassName", 0)
	if class == "" {
		class = a.text("Class", 0)
	}
	filter := a.text("Filter", -1)
	if q := a.text("Query", -1); q != "" {
		m := regexp.MustCompile(`(?is)^\s*select\s+.+?\s+from\s+(\w+)(?:\s+where\s+(.*))?$`).FindStringSubmatch(q)
		if m == nil {
			r.throw("Get-CimInstance : Invalid query")
		}
		class, filter = m[1], m[2]
	}
	list, ok := r.cimClass(strings.ToLower(class))
	if !ok {
		r.complain(a.quiet(), "Get-CimInstance : Invalid class \"%s\"", class)
		return nil
	}
	return r.wql(list, filter)
}

func (r *psRun) cimClass(class string) ([]any, bool) {
	m := r.m
	switch class {
	case "win32_pnpentity":
		return r.pnpObjects(), true
	case "win32_volume", "win32_logicaldisk", "win32_cdromdrive":
		return r.volumes(class), true
	case "win32_service":
		m.mu.Lock()
		defer m.mu.Unlock()
		var out []any
		for n, s := range m.services() {
			out = append(out, newObject("Win32_Service", "Name", n, "State", s, "StartMode", "Auto", "Status", "OK"))
		}
		return out, true
	case "win32_process":
		return getProcess(r, &psArgs{named: map[string]any{}}), true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch class {
	case "win32_videocontroller":
		var out []any
		for _, p := range m.devices() {
			if p.class != "Display" {
				continue
			}
			ram := int64(0)
			version := any(nil)
			if p.service == "nvlddmkm" {
				ram, version = 4293918720, windowsDriverVersion(m.disk.Driver)
			}
			out = append(out, newObject("Win32_VideoController", "Name", p.name, "Caption", p.name, "Status", p.status(), "ConfigManagerErrorCode", int64(p.code),
				"PNPDeviceID", p.id, "DeviceID", fmt.Sprintf("VideoController%d", len(out)+1), "DriverVersion", version, "AdapterRAM", ram, "Availability", int64(3)))
		}
		return out, true
	case "win32_pnpsigneddriver":
		var out []any
		for _, p := range m.devices() {
			version := any("10.0.20348.1")
			if p.service == "nvlddmkm" {
				version = windowsDriverVersion(m.disk.Driver)
			}
			if p.service == "" {
				continue
			}
			out = append(out, newObject("Win32_PnPSignedDriver", "DeviceName", p.name, "DeviceID", p.id, "DriverVersion", version, "Manufacturer", p.maker, "IsSigned", true))
		}
		return out, true
	case "win32_operatingsystem":
		return []any{newObject("Win32_OperatingSystem", "Caption", "Microsoft Windows Server 2022 Standard", "Version", m.disk.Version,
			"BuildNumber", m.disk.Version[strings.LastIndexByte(m.disk.Version, '.')+1:], "OSArchitecture", "64-bit", "CSName", m.disk.Hostname,
			"LastBootUpTime", m.booted.UTC().Format("01/02/2006 15:04:05"), "TotalVisibleMemorySize", m.hw.MemoryMB*1024)}, true
	case "win32_computersystem":
		return []any{newObject("Win32_ComputerSystem", "Name", m.disk.Hostname, "Manufacturer", "VMware, Inc.", "Model", "VMware20,1",
			"HypervisorPresent", !m.hw.Hidden, "TotalPhysicalMemory", m.hw.MemoryMB<<20, "NumberOfLogicalProcessors", int64(m.hw.CPUs))}, true
	case "win32_bios":
		return []any{newObject("Win32_BIOS", "Manufacturer", "VMware, Inc.", "SMBIOSBIOSVersion", "VMW201.00V.21805430.B64.2305221830", "SerialNumber", "VMware-42 00")}, true
	case "win32_product":
		var out []any
		if t := m.disk.Tools; t != nil {
			out = append(out, newObject("Win32_Product", "Name", "VMware Tools", "Version", t.Text, "Vendor", "VMware, Inc.",
				"IdentifyingNumber", toolsProduct))
		}
		return out, true
	case "win32_diskdrive":
		return []any{newObject("Win32_DiskDrive", "DeviceID", `\\.\PHYSICALDRIVE0`, "Size", int64(m.hw.DiskGB)<<30, "Model", "VMware Virtual disk")}, true
	case "win32_networkadapterconfiguration":
		return []any{newObject("Win32_NetworkAdapterConfiguration", "IPEnabled", m.ip() != "", "IPAddress", []any{m.ip()})}, true
	}
	return nil, false
}

// volumes are C: and the media; an empty drive has no label and no file system.
func (r *psRun) volumes(class string) (out []any) {
	m := r.m
	m.mu.Lock()
	defer m.mu.Unlock()
	add := func(letter, label, fs string, kind int64, text string, size int64) {
		var l, f any = label, fs
		if fs == "" {
			l, f = nil, nil
		}
		if class == "volume" {
			out = append(out, newObject("Volume", "DriveLetter", letter, "FileSystemLabel", psString(l), "FileSystem", psString(f), "FileSystemType", psString(f),
				"DriveType", text, "HealthStatus", "Healthy", "OperationalStatus", "OK", "SizeRemaining", size/2, "Size", size))
			return
		}
		out = append(out, newObject("Win32_Volume", "DriveLetter", letter+":", "DeviceID", letter+":", "Drive", letter+":", "Name", letter+`:\`, "Label", l,
			"VolumeName", l, "FileSystem", f, "DriveType", kind, "Caption", letter+":", "Size", size, "MediaLoaded", fs != ""))
	}
	if class != "win32_cdromdrive" {
		add("C", "Windows", "NTFS", 3, "Fixed", int64(max(m.hw.DiskGB, 1))<<30)
	}
	for _, c := range m.hw.CDs {
		if c.letter == "" {
			continue
		}
		if c.Medium == nil {
			add(c.letter, "", "", 5, "CD-ROM", 0)
		} else {
			add(c.letter, c.Medium.Windows().Label, "CDFS", 5, "CD-ROM", 1<<20)
		}
	}
	return
}

func getVolume(r *psRun, a *psArgs) (out []any) {
	for _, v := range r.volumes("volume") {
		if l, ok := a.value("DriveLetter", 0); ok && !strings.EqualFold(psString(l), psString(r.member(v, "DriveLetter"))) {
			continue
		}
		if l, ok := a.param("FileSystemLabel"); ok && !wildcard(psString(l)).MatchString(psString(r.member(v, "FileSystemLabel"))) {
			continue
		}
		out = append(out, v)
	}
	if out == nil {
		r.complain(a.quiet(), "Get-Volume : No MSFT_Volume objects found.")
	}
	return
}

func getService(r *psRun, a *psArgs) (out []any) {
	r.m.mu.Lock()
	all := r.m.services()
	r.m.mu.Unlock()
	name := a.text("Name", 0)
	var names []string
	for n := range all {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		if name == "" || wildcard(name).MatchString(n) {
			out = append(out, newObject("Service", "Status", all[n], "Name", n, "DisplayName", n))
		}
	}
	if out == nil && !strings.ContainsAny(name, "*?") {
		r.complain(a.quiet(), "Get-Service : Cannot find any service with service name '%s'.", name)
	}
	return
}

func getProcess(r *psRun, a *psArgs) (out []any) {
	name := a.text("Name", 0)
	for _, p := range r.m.Processes(nil) {
		base := strings.TrimSuffix(p.Name, ".exe")
		if p.ended() || name != "" && !wildcard(name).MatchString(base) {
			continue
		}
		out = append(out, newObject("Process", "Id", p.Pid, "ProcessName", base, "Name", base, "CommandLine", p.Cmd, "ProcessId", p.Pid))
	}
	if out == nil && name != "" && !strings.ContainsAny(name, "*?") {
		r.complain(a.quiet(), "Get-Process : Cannot find a process with the name \"%s\".", name)
	}
	return
}

func startProcess(r *psRun, a *psArgs) []any {
	path := a.text("FilePath", 0)
	list, _ := a.value("ArgumentList", 1)
	var parts []string
	for _, v := range items(list) {
		parts = append(parts, psString(v)) // as given: Start-Process adds no quotes
	}
	if _, ok := r.find(path); !ok {
		r.complain(a.quiet(), "Start-Process : This command cannot be run due to the error: The system cannot find the file specified.")
		return nil
	}
	x := *r.winRun
	if d := a.text("WorkingDirectory", -1); d != "" {
		x.dir = d
	}
	for name, to := range map[string]*writer{"RedirectStandardOutput": {&x, false}, "RedirectStandardError": {&x, true}} {
		if p := a.text(name, -1); p != "" {
			if h := r.writable(p); h != "" {
				f, err := os.Create(h)
				if err == nil {
					defer f.Close()
					to.set(f)
				}
			}
		}
	}
	proc := newObject("Process", "Id", int64(4711), "HasExited", true, "ExitCode", nil)
	if a.flag("Wait") {
		code, _ := x.run(path, strings.Join(parts, " "))
		proc.set("ExitCode", int64(code))
	} else {
		x.apart(path, strings.Join(parts, " "))
		proc.set("HasExited", false)
	}
	if a.flag("PassThru") {
		return []any{proc}
	}
	return nil
}

type writer struct {
	w   *winRun
	err bool
}

func (t *writer) set(f *os.File) {
	if t.err {
		t.w.stderr = f
	} else {
		t.w.stdout = f
	}
}
