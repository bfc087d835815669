package guest

// ps_files.go: the cmdlets about files and the registry.

import (
	"os"
	"path/filepath"
	"sort"
	"strings"
)

func getChildItem(r *psRun, a *psArgs) (out []any) {
	p := a.text("Path", 0)
	if p == "" {
		p = a.text("LiteralPath", 0)
	}
	if p == "" {
		p = r.dir
	}
	if key, ok := registryPath(p); ok {
		return registryItems(r, strings.TrimSuffix(key, `\*`), true)
	}
	add := func(h, shown string) {
		if st, err := os.Stat(h); err == nil {
			if a.flag("File") && st.IsDir() || a.flag("Directory") && !st.IsDir() {
				return
			}
			ext := filepath.Ext(h)
			out = append(out, newObject("FileInfo", "Mode", "-a----", "Length", st.Size(), "Name", filepath.Base(h), "FullName", shown, "Extension", ext,
				"BaseName", strings.TrimSuffix(filepath.Base(h), ext), "PSIsContainer", st.IsDir(), "VersionInfo", versionInfo(h)))
		}
	}
	h := r.host(p)
	st, err := os.Stat(h)
	switch {
	case strings.ContainsAny(p, "*?"):
		s := &cmdState{winRun: r.winRun}
		dir := r.abs(p)
		dir = dir[:strings.LastIndexByte(dir, '\\')+1]
		for _, f := range s.glob(p) {
			add(f, dir+filepath.Base(f))
		}
	case h == "" || err != nil:
		r.complain(a.quiet(), "%s : Cannot find path '%s' because it does not exist.", "Get-ChildItem", r.abs(p))
	case st.IsDir() && a.name != "get-item":
		filter := a.text("Filter", 1)
		filepath.WalkDir(h, func(f string, d os.DirEntry, err error) error {
			if err != nil || f == h {
				return nil
			}
			if filter == "" || wildcard(filter).MatchString(d.Name()) {
				rel, _ := filepath.Rel(h, f)
				add(f, strings.TrimRight(r.abs(p), `\`)+`\`+strings.ReplaceAll(rel, "/", `\`))
			}
			if d.IsDir() && !a.flag("Recurse") {
				return filepath.SkipDir
			}
			return nil
		})
	default:
		add(h, r.abs(p))
	}
	return
}

// versionInfo is the version resource of a program: of the installers, that of their product.
func versionInfo(h string) *psObject {
	product, version := "", ""
	if strings.EqualFold(filepath.Ext(h), ".exe") {
		data, _ := os.ReadFile(h)
		if v, ok := toolsVersion(data); ok {
			product, version = "VMware Tools", v+".23259341"
		} else if string(data) == "Windows Setup\n" {
			product, version = "Microsoft® Windows® Operating System", "10.0.20348.1"
		}
	}
	return newObject("FileVersionInfo", "ProductName", product, "ProductVersion", version, "FileVersion", version)
}

func removeItem(r *psRun, a *psArgs) []any {
	list, _ := a.value("Path", 0)
	if list == nil {
		list, _ = a.param("LiteralPath")
	}
	for _, v := range append(items(list), a.in...) {
		p := psString(v)
		if o, ok := v.(*psObject); ok {
			p = psString(r.member(o, "FullName"))
		}
		files := []string{r.writable(p)}
		if strings.ContainsAny(p, "*?") {
			files = (&cmdState{winRun: r.winRun}).glob(p)
		}
		for _, h := range files {
			st, err := os.Stat(h)
			switch {
			case h == "" || err != nil:
				r.complain(a.quiet(), "Remove-Item : Cannot find path '%s' because it does not exist.", p)
			case st.IsDir() && a.flag("Recurse"):
				os.RemoveAll(h)
			default:
				if err := os.Remove(h); err != nil {
					r.complain(a.quiet(), "Remove-Item : The item at %s has children and the Recurse parameter was not specified.", p)
				}
			}
		}
	}
	return nil
}

func newItem(r *psRun, a *psArgs) []any {
	p := a.text("Path", 0)
	if n := a.text("Name", -1); n != "" {
		p = r.m.Join(p, n)
	}
	if key, ok := registryPath(p); ok {
		r.m.mu.Lock()
		r.m.disk.Registry[key+`\(default)`] = ""
		r.m.mu.Unlock()
		return nil
	}
	h := r.writable(p)
	if h == "" {
		r.complain(a.quiet(), "New-Item : Could not find a part of the path '%s'.", p)
		return nil
	}
	kind := strings.ToLower(a.text("ItemType", -1))
	if kind == "" {
		kind = strings.ToLower(a.text("Type", -1))
	}
	if st, err := os.Stat(h); err == nil && !a.flag("Force") {
		_ = st
		r.complain(a.quiet(), "New-Item : An item with the specified name %s already exists.", r.abs(p))
		return nil
	}
	if strings.HasPrefix(kind, "dir") || kind == "" && a.name == "new-item" && a.text("Value", -1) == "" && kind != "file" && filepath.Ext(h) == "" {
		os.MkdirAll(h, 0o755)
	} else {
		os.MkdirAll(filepath.Dir(h), 0o755)
		os.WriteFile(h, []byte(a.text("Value", -1)), 0o644)
	}
	return []any{newObject("FileInfo", "Name", filepath.Base(h), "FullName", r.abs(p))}
}

func copyItem(r *psRun, a *psArgs) []any {
	from, to := a.text("Path", 0), a.text("Destination", 1)
	if a.name == "rename-item" {
		to = a.text("NewName", 1)
		if i := strings.LastIndexByte(from, '\\'); i >= 0 && !strings.Contains(to, `\`) {
			to = from[:i+1] + to
		}
	}
	src, dst := r.host(from), r.writable(to)
	if st, err := os.Stat(dst); err == nil && st.IsDir() {
		dst = filepath.Join(dst, filepath.Base(src))
	}
	var err error
	st, serr := os.Stat(src)
	switch {
	case src == "" || dst == "" || serr != nil:
		err = os.ErrNotExist
	case a.name != "copy-item":
		err = os.Rename(src, dst)
	case st.IsDir():
		err = os.CopyFS(dst, os.DirFS(src))
	default:
		var data []byte
		if data, err = os.ReadFile(src); err == nil {
			err = os.WriteFile(dst, data, 0o755)
		}
	}
	if err != nil {
		r.complain(a.quiet(), "Cannot find path '%s' because it does not exist.", from)
	}
	return nil
}

// registryPath reads HKLM:\..., Registry::HKEY_LOCAL_MACHINE\...
func registryPath(p string) (string, bool) {
	p = strings.TrimPrefix(p, "Microsoft.PowerShell.Core\\")
	low := strings.ToLower(p)
	switch {
	case strings.HasPrefix(low, "hklm:"), strings.HasPrefix(low, "hkcu:"):
		return strings.ToUpper(p[:4]) + strings.TrimRight(p[5:], `\`), true
	case strings.HasPrefix(low, "registry::"):
		return regKey(p[10:]), true
	}
	return "", false
}

// registryItems returns one object per key: the key itself, or its children.
func registryItems(r *psRun, key string, children bool) (out []any) {
	r.m.mu.Lock()
	all := r.m.registry()
	r.m.mu.Unlock()
	var names []string
	for k := range all {
		names = append(names, k)
	}
	sort.Strings(names)
	at := map[string]*psObject{}
	for _, k := range names {
		i := strings.LastIndexByte(k, '\\')
		where, name := k[:i], k[i+1:]
		hit := strings.EqualFold(where, key)
		if children {
			rest, ok := strings.CutPrefix(strings.ToLower(where), strings.ToLower(key)+`\`)
			hit = ok && !strings.Contains(rest, `\`)
		}
		if !hit {
			continue
		}
		if at[where] == nil {
			at[where] = newObject("PSCustomObject")
			out = append(out, at[where])
		}
		at[where].set(name, all[k])
		at[where].set("PSChildName", where[strings.LastIndexByte(where, '\\')+1:])
	}
	return
}

func getItemProperty(r *psRun, a *psArgs) (out []any) {
	list, _ := a.value("Path", 0)
	names, _ := a.value("Name", 1)
	for _, v := range append(items(list), a.in...) {
		p := psString(v)
		key, ok := registryPath(p)
		if !ok {
			return getChildItem(r, &psArgs{named: map[string]any{"path": p}, name: "get-item"})
		}
		found := registryItems(r, strings.TrimSuffix(key, `\*`), strings.HasSuffix(key, `\*`))
		if len(found) == 0 && !strings.HasSuffix(key, `\*`) {
			r.complain(a.quiet(), "Get-ItemProperty : Cannot find path '%s' because it does not exist.", p)
		}
		for _, o := range found {
			if names == nil {
				out = append(out, o)
				continue
			}
			s := newObject("PSCustomObject")
			for _, n := range items(names) {
				if x, ok := o.(*psObject).get(psString(n)); ok {
					if a.name == "get-itempropertyvalue" {
						out = append(out, x)
						continue
					}
					s.set(psString(n), x)
				} else {
					r.complain(a.quiet(), "Get-ItemProperty : Property %s does not exist at path %s.", psString(n), p)
				}
			}
			if len(s.names) > 0 {
				out = append(out, s)
			}
		}
	}
	return
}

func setItemProperty(r *psRun, a *psArgs) []any {
	key, ok := registryPath(a.text("Path", 0))
	if !ok {
		return nil
	}
	v, _ := a.value("Value", 2)
	r.m.mu.Lock()
	r.m.disk.Registry[key+`\`+a.text("Name", 1)] = psString(v)
	r.m.mu.Unlock()
	return nil
}
