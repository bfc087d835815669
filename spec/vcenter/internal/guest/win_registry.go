package guest

// win_registry.go: the registry, as reg.exe sees it.

import (
	"fmt"
	"slices"
	"strings"
)

// registry returns the values that exist: Tools' and Windows' own, and what was set.
func (m *Machine) registry() map[string]string {
	r := map[string]string{}
	for k, v := range m.disk.Registry {
		r[k] = v
	}
	nt := `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	build := m.disk.Version[strings.LastIndexByte(m.disk.Version, '.')+1:]
	r[nt+`\CurrentBuild`], r[nt+`\CurrentBuildNumber`] = build, build
	name := "Windows Server 2022 Standard"
	if build == "22621" {
		name = "Windows 10 Pro"
	}
	r[nt+`\ProductName`] = name
	if t := m.disk.Tools; t != nil {
		k := `HKLM\SOFTWARE\VMware, Inc.\VMware Tools`
		r[k+`\InstallPath`] = `C:\Program Files\VMware\VMware Tools\`
		r[k+`\ProductVersion`] = t.Text
		u := `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\` + toolsProduct
		r[u+`\DisplayName`], r[u+`\DisplayVersion`], r[u+`\Publisher`] = "VMware Tools", t.Text, "VMware, Inc."
		for _, f := range t.Features {
			r[`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Installer\Features\VMwareTools\`+f] = "1"
		}
	}
	if m.disk.Driver != "" {
		r[`HKLM\SOFTWARE\NVIDIA Corporation\Global\Driver\Version`] = m.disk.Driver
	}
	if m.disk.Reboot {
		r[`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending\(Default)`] = ""
	}
	return r
}

func regKey(s string) string {
	s = strings.TrimRight(s, `\`)
	for long, short := range map[string]string{"HKEY_LOCAL_MACHINE": "HKLM", "HKEY_CURRENT_USER": "HKCU"} {
		if len(s) >= len(long) && strings.EqualFold(s[:len(long)], long) {
			s = short + s[len(long):]
		}
	}
	return s
}

func runReg(w *winRun, args string) int {
	words := fields(args)
	if len(words) < 2 {
		return w.fail(1, "ERROR: Invalid syntax.\n")
	}
	key := regKey(words[1])
	value, data, all := "", "", false
	for i := 2; i < len(words); i++ {
		next := func() string {
			if i+1 < len(words) {
				i++
				return words[i]
			}
			return ""
		}
		switch strings.ToLower(words[i]) {
		case "/v":
			value = next()
		case "/d":
			data = next()
		case "/t":
			next()
		case "/s":
			all = true
		case "/ve", "/f", "/reg:64", "/reg:32":
		}
	}
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	switch strings.ToLower(words[0]) {
	case "add":
		if !w.m.user(w.user).Admin {
			return w.fail(1, "ERROR: Access is denied.\n")
		}
		if value == "" {
			value = "(Default)"
		}
		w.m.disk.Registry[key+`\`+value] = data
		w.out("The operation completed successfully.\n")
		return 0
	case "delete":
		n := 0
		for k := range w.m.disk.Registry {
			if value != "" && strings.EqualFold(k, key+`\`+value) || value == "" && strings.HasPrefix(strings.ToLower(k), strings.ToLower(key)+`\`) {
				delete(w.m.disk.Registry, k)
				n++
			}
		}
		if n == 0 {
			return w.fail(1, "ERROR: The system was unable to find the specified registry key or value.\n")
		}
		w.out("The operation completed successfully.\n")
		return 0
	case "query":
		found := map[string][]string{}
		var order []string
		r := w.m.registry()
		names := make([]string, 0, len(r))
		for k := range r {
			names = append(names, k)
		}
		slices.Sort(names)
		for _, k := range names {
			i := strings.LastIndexByte(k, '\\')
			at, name := k[:i], k[i+1:]
			if !strings.EqualFold(at, key) && !(all && strings.HasPrefix(strings.ToLower(at), strings.ToLower(key)+`\`)) {
				continue
			}
			if value != "" && !strings.EqualFold(name, value) {
				continue
			}
			if found[at] == nil {
				order = append(order, at)
			}
			found[at] = append(found[at], fmt.Sprintf("    %s    REG_SZ    %s", name, r[k]))
		}
		if len(order) == 0 {
			return w.fail(1, "ERROR: The system was unable to find the specified registry key or value.\n")
		}
		for _, at := range order {
			w.out("\n%s\n%s\n", strings.Replace(at, "HKLM", "HKEY_LOCAL_MACHINE", 1), strings.Join(found[at], "\n"))
		}
		w.out("\n")
		return 0
	}
	return w.fail(1, "ERROR: Invalid syntax.\n")
}
