package fleet

// check.go: checks on the values of a fleet file beyond their types: known keywords, unique
// names and addresses, references to existing objects, numbers within their range.

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// checker walks the decoded fleet in parallel with the tree that has the line numbers.
type checker struct {
	*problems
	root *node
}

// at finds the line of a path like clusters[0].hosts[1].name; of what is not given, the
// line of what would contain it.
func (c *checker) at(path string) int {
	n := c.root
	for _, part := range pathPart.FindAllString(path, -1) {
		var next *node
		if i, err := strconv.Atoi(strings.Trim(part, "[]")); err == nil && strings.HasPrefix(part, "[") {
			if i < len(n.items) {
				next = n.items[i]
			}
		} else if strings.HasPrefix(part, "[") {
			name, _ := strconv.Unquote(strings.Trim(part, "[]"))
			next = n.fields[name]
		} else {
			next = n.fields[part]
		}
		if next == nil {
			break
		}
		n = next
	}
	return n.line
}

var pathPart = regexp.MustCompile(`\["(?:[^"\\]|\\.)*"\]|\[\d+\]|[^.\[\]]+`)

func (c *checker) say(path, format string, args ...any) { c.add(c.at(path), path, format, args...) }

// word says that a value is one of some words, or empty.
func (c *checker) word(path, value string, words ...string) {
	if value != "" && !slices.Contains(words, value) {
		c.say(path, "%q is unknown: %s", value, strings.Join(words, ", "))
	}
}

func (c *checker) positive(path string, value float64) {
	if value < 0 {
		c.say(path, "must not be negative")
	}
}

// once says that a name was not given before.
func (c *checker) once(seen map[string]string, path, what, name string) {
	if name == "" {
		return
	}
	if first, twice := seen[name]; twice {
		c.say(path, "there is another %s %q: %s, line %d", what, name, first, c.at(first))
		return
	}
	seen[name] = path
}

func (c *checker) fleet(f *Fleet) {
	c.word("endpoint", f.Endpoint, "vcenter", "esxi")
	if f.Horizon != nil {
		c.word("horizon.release", f.Horizon.Release, "2111", "2312", "2606")
		for i, p := range f.Horizon.Pools {
			if name, _ := p["name"].(string); name == "" {
				c.say(fmt.Sprintf("horizon.pools[%d]", i), "has no name")
			}
		}
	}
	c.word("busy_vm", f.BusyVM, "queue", "refuse")
	c.word("transfer_by", f.TransferBy, "address", "name")
	if f.Endpoint == "esxi" && (len(f.Clusters) == 0 || len(f.Clusters[0].Hosts) == 0) {
		c.say("endpoint", "an esxi endpoint needs a host")
	}
	stores, nets, users, clusters, hosts := map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}
	for i, d := range f.Datastores {
		path := fmt.Sprintf("datastores[%d]", i)
		if d.Name == "" || strings.ContainsAny(d.Name, "/[]") {
			c.say(path+".name", "%q is not a valid datastore name", d.Name)
		}
		c.once(stores, path+".name", "datastore", d.Name)
		c.positive(path+".capacity_gb", float64(d.CapacityGB))
		c.positive(path+".free_gb", float64(d.FreeGB))
		if d.FreeGB > d.CapacityGB && d.CapacityGB > 0 {
			c.say(path+".free_gb", "the free space is larger than the capacity")
		}
		for _, name := range sorted(d.Files) {
			c.file(fmt.Sprintf("%s.files[%q]", path, name), d.Files[name])
		}
	}
	if len(f.Datastores) == 0 {
		stores["ds-1"] = "datastores"
	}
	for i, n := range f.Networks {
		c.once(nets, fmt.Sprintf("networks[%d]", i), "network", n)
	}
	for i, u := range f.Users {
		path := fmt.Sprintf("users[%d]", i)
		if u.Name == "" {
			c.say(path, "a user needs a name")
		}
		c.once(users, path+".name", "user", u.Name)
		c.role(path, u.Role)
		for j, g := range u.Grants {
			c.role(fmt.Sprintf("%s.grants[%d]", path, j), g.Role)
			if g.Path != "" && !strings.HasPrefix(g.Path, "/") {
				c.say(fmt.Sprintf("%s.grants[%d].path", path, j), "%q is not an inventory path: it must begin with /", g.Path)
			}
		}
	}
	for i := range f.Clusters {
		c.cluster(fmt.Sprintf("clusters[%d]", i), &f.Clusters[i], clusters, hosts, stores)
	}
	for i := range f.Spares {
		path := fmt.Sprintf("spares[%d]", i)
		c.once(hosts, path+".name", "host", f.Spares[i].Name)
		c.host(path, &f.Spares[i])
	}
	c.inventory(f, stores)
	vms := map[string]string{}
	for i := range f.VMs {
		c.place(fmt.Sprintf("vms[%d]", i), &f.VMs[i], f)
		c.vm(fmt.Sprintf("vms[%d]", i), &f.VMs[i], f, vms, clusters, hosts, stores)
	}
	for _, name := range sorted(f.Delays) {
		path := fmt.Sprintf("delays[%q]", name)
		if !strings.HasSuffix(name, "_Task") {
			c.say(path, "only methods that end in _Task take time")
		}
		c.positive(path, f.Delays[name])
	}
}

func sorted[T any](m map[string]T) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func (c *checker) role(path, role string) {
	c.word(path+".role", role, "Admin", "ReadOnly", "NoAccess")
}

func (c *checker) file(path string, f File) {
	family, _, _ := strings.Cut(f.OS, "-")
	c.word(path+".os", family, "windows", "ubuntu", "rocky", "tools")
	ways := 0
	for _, is := range []bool{f.OS != "", f.Source != "", f.Text != "", f.SizeMB != 0} {
		if is {
			ways++
		}
	}
	if ways > 1 {
		c.say(path, "a file has one of os, source, text and size_mb")
	}
	c.positive(path+".size_mb", float64(f.SizeMB))
	if kind, ok := strings.CutPrefix(f.Source, "builtin:"); ok {
		c.word(path+".source", kind, "tools", "windows-answer", "ubuntu-answer")
	}
}

func (c *checker) cluster(path string, cl *Cluster, clusters, hosts, stores map[string]string) {
	c.once(clusters, path+".name", "cluster", cl.Name)
	c.word(path+".drs", cl.DRS, "fullyAutomated", "partiallyAutomated", "manual", "off")
	c.word(path+".dpm", cl.DPM, "off", "manual", "automated")
	c.positive(path+".count", float64(cl.Count))
	c.positive(path+".max_away", float64(cl.MaxAway))
	for i, name := range cl.Datastores {
		if stores[name] == "" {
			c.say(fmt.Sprintf("%s.datastores[%d]", path, i), "there is no datastore %q", name)
		}
	}
	pools := map[string]string{}
	for i, name := range cl.Resource {
		c.once(pools, fmt.Sprintf("%s.resource_pools[%d]", path, i), "resource pool", name)
	}
	if cl.Count > 0 && len(cl.Hosts) != 1 {
		c.say(path+".count", "a count needs exactly one host as the pattern")
	}
	uuids := map[string]string{}
	for i := range cl.Hosts {
		h, at := &cl.Hosts[i], fmt.Sprintf("%s.hosts[%d]", path, i)
		names := []string{h.Name}
		if cl.Count > 0 {
			names = nil
			for n := 1; n <= cl.Count; n++ {
				names = append(names, Numbered(h.Name, n))
			}
		}
		before := len(c.list)
		for _, name := range names {
			if c.once(hosts, at+".name", "host", name); len(c.list) > before {
				break
			}
		}
		c.once(uuids, at+".uuid", "host with the uuid", h.UUID)
		c.host(at, h)
	}
}

var bootFault = regexp.MustCompile(`^(never|late:[0-9]+(\.[0-9]+)?|without:[0-9a-fA-F:.]+)?$`)

func (c *checker) host(path string, h *Host) {
	for name, v := range map[string]float64{"memory_gb": float64(h.MemoryGB), "cpus": float64(h.CPUs), "boot_seconds": h.BootSeconds,
		"enter_seconds": h.EnterSeconds, "exit_seconds": h.ExitSeconds, "uptime_seconds": h.UptimeSeconds} {
		c.positive(path+"."+name, v)
	}
	c.word(path+".lockdown", h.Lockdown, "lockdownDisabled", "lockdownNormal", "lockdownStrict")
	c.word(path+".connection", h.Connection, "connected", "disconnected", "notResponding")
	if !bootFault.MatchString(h.BootFault) {
		c.say(path+".boot_fault", "%q is not a boot fault: use never, late:SECONDS or without:ADDRESS", h.BootFault)
	}
	if h.BMC != nil {
		c.word(path+".bmc.manner", h.BMC.Manner, "dell", "dell-old", "hpe", "ilo4", "lenovo", "supermicro", "ami")
		c.positive(path+".bmc.job_seconds", h.BMC.JobSeconds)
	}
	seen := map[string]string{}
	for _, list := range []struct {
		name string
		of   []Device
	}{{"devices", h.Devices}, {"cards", h.Cards}} {
		for i := range list.of {
			at := fmt.Sprintf("%s.%s[%d]", path, list.name, i)
			d := list.of[i]
			given := d.Address
			before := d
			if err := d.fill(); err != nil {
				c.say(at+c.culprit(&before), "%v", err)
				continue
			}
			if first, twice := seen[d.Address]; twice {
				c.say(at+".address", "two devices at %s in %s: the other is %s, line %d", given, h.Name, first, c.at(first))
			} else {
				seen[d.Address] = at + ".address"
			}
		}
	}
}

// culprit is the field of a device that its filling refused.
func (c *checker) culprit(d *Device) string {
	for _, b := range d.BARs {
		if _, err := ParseBAR(b); err != nil {
			return ".bars"
		}
	}
	for _, x := range [][2]string{{"vendor", d.Vendor}, {"device", d.Device}, {"subvendor", d.SubVendor}, {"subdevice", d.SubDevice}, {"class", d.Class}} {
		if _, err := strconv.ParseUint(x[1], 16, 16); x[1] != "" && err != nil {
			return "." + x[0]
		}
	}
	return ".address"
}

var hardware = regexp.MustCompile(`^vmx-[0-9]{2}$`)

func (c *checker) vm(path string, v *VM, f *Fleet, vms, clusters, hosts, stores map[string]string) {
	if v.Name == "" {
		c.say(path, "a VM needs a name")
	}
	c.positive(path+".count", float64(v.Count))
	names := []string{v.Name}
	if v.Count > 0 {
		names = nil
		for n := 1; n <= v.Count; n++ {
			names = append(names, Numbered(v.Name, n))
		}
	}
	before := len(c.list)
	for _, name := range names {
		if v.Folder != "" && name != "" {
			name = strings.Trim(v.Folder, "/") + "/" + name
		}
		if c.once(vms, path+".name", "VM", name); len(c.list) > before {
			break
		}
	}
	if v.Cluster != "" && clusters[v.Cluster] == "" {
		c.say(path+".cluster", "there is no cluster %q", v.Cluster)
	}
	if v.Host != "" && hosts[v.Host] == "" {
		c.say(path+".host", "there is no host %q", v.Host)
	}
	if v.Datastore != "" && stores[v.Datastore] == "" {
		c.say(path+".datastore", "there is no datastore %q", v.Datastore)
	}
	c.word(path+".firmware", v.Firmware, "bios", "efi")
	c.word(path+".power", v.Power, "poweredOff", "poweredOn")
	c.word(path+".installed", v.Installed, "windows", "windows-11", "ubuntu", "rocky", "sles", "alpine")
	if v.Version != "" && !hardware.MatchString(v.Version) {
		c.say(path+".version", "%q is not a hardware version: use for example vmx-20", v.Version)
	}
	c.positive(path+".memory_mb", float64(v.MemoryMB))
	c.positive(path+".cpus", float64(v.CPUs))
	c.positive(path+".disk_gb", float64(v.DiskGB))
	if len(v.Devices) > 0 && v.Host != "" {
		c.devices(path, v, f)
	}
}

// devices holds the cards of a VM against those of its host.
func (c *checker) devices(path string, v *VM, f *Fleet) {
	var have []string
	for _, cl := range f.Clusters {
		for _, h := range cl.Hosts {
			if h.Name == v.Host || cl.Count > 0 {
				for _, d := range h.Cards {
					have = append(have, full(d.Address))
				}
				for _, d := range h.Devices {
					have = append(have, full(d.Address))
				}
			}
		}
	}
	mine := map[string]string{}
	for i, a := range v.Devices {
		at := fmt.Sprintf("%s.devices[%d]", path, i)
		c.once(mine, at, "device of this VM at", full(a))
		if !slices.Contains(have, full(a)) && len(have) > 0 {
			c.say(at, "%s has no card at %s", v.Host, a)
		}
	}
}

// full is an address with its domain.
func full(address string) string {
	address = strings.ToLower(address)
	if strings.Count(address, ":") == 1 {
		return "0000:" + address
	}
	return address
}
