package main

// differences.go: what users of govmomi's vcsim find different here. The tables of rules
// and methods come from the rules and from the methods themselves; only what no data
// says (flags of vcsim, what it accepts, services) is written here.

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/wire"
)

// vcsimFlags are vcsim's flags and what to use here; "" = the same flag.
var vcsimFlags = []struct{ flag, here string }{
	{"dc", "at least 1"}, {"cluster", ""}, {"host", ""}, {"standalone-host", ""}, {"vm", ""}, {"pool", ""}, {"app", ""}, {"pod", ""},
	{"ds", "at least 1; without -esx they are numbered on from one datacenter to the next"}, {"pg", ""}, {"folder", ""}, {"autostart", ""},
	{"esx", ""}, {"tlscert", ""}, {"tlskey", ""},
	{"l", "`-listen`; the default is a free port"},
	{"E", "`-ready FILE`: JSON with URL, credentials, CA file and thumbprints"},
	{"username", "`-user`; without it administrator@vsphere.local. vcsim accepts any name by default"},
	{"password", "`-password`; without it a random one, in the ready file. vcsim accepts any by default"},
	{"api-version", "`-version`, from 5.0 on; any text is not accepted"},
	{"delay, -method-delay, -delay-jitter", "`delays` of the fleet file for tasks, `hold` of `/gpsim/trouble` for answers; `-speed` divides all"},
	{"stdinexit", "`-until-stdin-closes`"},
	{"trace, -trace-file", "`GET /gpsim/journal` lists the requests; it has no XML"},
	{"tls", "none: TLS always, as at a real one"},
	{"load", "none: the fleet file describes inventories, saved ones are not loaded"},
	{"nsx, -pg-nsx, -tunnel", "none"},
}

// refused are what vcsim accepts and this server refuses, or does in another way, with the rules behind it.
var refused = []struct{ what, rules string }{
	{"Any user and password, unless -username is given", "session.invalid-login session.no-access"},
	{"RetrieveProperties, RetrievePropertiesEx and Fetch without a session", "session.not-authenticated"},
	{"Every call of every user: privileges are not checked", "session.privilege session.parameter-privilege session.field-privilege session.device-privilege"},
	{"Elements in any order, unknown or missing ones, fields newer than the version, any SOAPAction and namespace",
		"wire.element-order wire.unknown-element wire.required-property wire.too-new-field wire.soap-action wire.namespace wire.enum wire.range"},
	{"A property path that the type does not have, as an entry of missingSet", "collector.invalid-property"},
	{"Any version in WaitForUpdatesEx", "collector.version"},
	{"Maintenance mode, at once, under running VMs", "host.maintenance-waits host.maintenance-passthrough host.ha-admission"},
	{"Adding a host under any name, without a thumbprint", "host.add host.add-thumbprint"},
	{"Removing a host outside maintenance mode, or with VMs", "host.remove"},
	{"An ISO that is on no datastore, for the CD-ROM of a VM that runs or starts", "vm.cdrom-iso power.media"},
	{"Tasks that have ended when the call returns", "task.queued"},
	{"Two tasks on one VM at once", "task.busy-vm task.in-progress"},
	{"Changes of firmware, memory, CPUs, devices while the VM runs", "vm.firmware-off vm.powered-on-change vm.passthrough-hot-add"},
	{"Any firmware, guest id, hardware version or memory size", "vm.firmware-enum vm.guest-id vm.version vm.memory-multiple"},
	{"Devices without a unit of their own, edits of devices that the VM does not have", "vm.device-unit vm.device-unknown vm.device-type vm.disk"},
	{"Changing a template", "vm.template-change vm.snapshot-template"},
	{"Any session of /rest and SOAP beside vim25; tags on objects that do not exist", "beside.unauthenticated beside.privilege beside.tag-object"},
	{"A VM's files under /folder without a session", "file.session file.privilege"},
	{"CreateCollectorForTasks at an ESXi endpoint", "history.esxi"},
}

// suite lists the tests of govc's own suite that fail here: file, test, what it wants, what holds here instead.
//
//go:embed suite/refused.tsv
var suite string

// services that vcsim has and this server lacks.
var services = []string{
	"of `/rest` and `/api` the appliance and vLCM; tags, content libraries, cluster modules and supervisors are those of the simulator, behind sessions and privileges (`beside.*`)",
	"`/sso-adminserver`; of `/sts` all but bearer tokens for a name and password: others come from `POST /gpsim/token`", "`/vslm/vcenter`", "`/eam`", "SMS",
	"guests in containers (`RUN.container`): guests are emulated instead",
	"the Go API of the simulator: faults are injected by `POST /gpsim/trouble`, changes are made by `POST /gpsim/set`",
}

// known lists the methods of a kind that a set of objects answers.
func known(has func(kind, method string) bool, kinds []string) map[string][]string {
	out := map[string][]string{}
	for _, kind := range kinds {
		for _, m := range wire.MethodsOf(kind) {
			if has(kind, m) {
				out[kind] = append(out[kind], m)
			}
		}
	}
	return out
}

// simulated says which methods the objects of a simulator have.
func simulated(list []mo.Reference) func(kind, method string) bool {
	of := map[string][]reflect.Type{}
	for _, o := range list {
		if t, kind := reflect.TypeOf(o), o.Reference().Type; !slices.Contains(of[kind], t) {
			of[kind] = append(of[kind], t)
		}
	}
	return func(kind, method string) bool {
		name := strings.ToUpper(method[:1]) + method[1:]
		if base, ok := strings.CutSuffix(name, "_Task"); ok {
			name = base + "Task"
		}
		return slices.ContainsFunc(of[kind], func(t reflect.Type) bool {
			_, ok := t.MethodByName(name)
			return ok
		})
	}
}

// methods compares the methods of vcsim with those of this server.
func methods() (added, missing map[string][]string, err error) {
	m := simulator.VPX()
	m.Pod, m.App, m.Pool = 1, 1, 1
	defer m.Remove()
	if err := m.Create(); err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "vcenter-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	n := fleet.VCSim
	n.Pods, n.Apps, n.Pools = 1, 1, 1
	f := n.Fleet()
	if err := f.Fill(); err != nil {
		return nil, nil, err
	}
	stop, cancel := context.WithCancel(context.Background())
	v, err := vcenter.New(vcenter.Options{Fleet: f, Dir: dir, Speed: 1000, Version: "8.0.3.0", Stop: stop, Idle: 1800, SessionLimit: 100, Page: 100, MaxUpdates: 100, TaskCap: 8})
	if err != nil {
		cancel()
		return nil, nil, err
	}
	defer func() { cancel(); v.Wait() }()
	theirs := simulated(m.Map().AllReference(""))
	below := simulated(v.W.Reg.AllReference(""))
	seen := map[string]bool{}
	for _, o := range append(m.Map().AllReference(""), v.W.Reg.AllReference("")...) {
		seen[o.Reference().Type] = true
	}
	delete(seen, "StoragePod") // a folder, whose methods are listed
	kinds := slices.Sorted(maps.Keys(seen))
	old := known(theirs, kinds)
	now := known(func(kind, method string) bool { return v.API.Lookup(kind, method) != nil || below(kind, method) }, kinds)
	return without(now, old), without(old, now), nil
}

func without(a, b map[string][]string) map[string][]string {
	out := map[string][]string{}
	for kind, list := range a {
		for _, m := range list {
			if !slices.Contains(b[kind], m) {
				out[kind] = append(out[kind], m)
			}
		}
	}
	return out
}

func methodTable(w io.Writer, list map[string][]string) {
	fmt.Fprint(w, "\n| object | methods |\n|---|---|\n")
	for _, kind := range slices.Sorted(maps.Keys(list)) {
		fmt.Fprintf(w, "| %s | %s |\n", kind, strings.Join(list[kind], ", "))
	}
}

// differences writes the page.
func differences(w io.Writer) error {
	added, missing, err := methods()
	if err != nil {
		return err
	}
	fmt.Fprint(w, "# For users of vcsim\n\n"+
		"The [test vCenter](test-vcenter.md) is built on govmomi's simulator and takes the place of `vcsim` in tests. It refuses\n"+
		"more, takes time, and answers more methods. This page lists the differences; `build/vcenter -differences` prints it.\n\n"+
		"## Flags\n\n| vcsim | here |\n|---|---|\n")
	for _, x := range vcsimFlags {
		here := x.here
		if here == "" {
			here = "the same"
		} else if !strings.HasPrefix(here, "`") && !strings.HasPrefix(here, "none") {
			here = "the same, " + here
		}
		fmt.Fprintf(w, "| `-%s` | %s |\n", x.flag, here)
	}
	fmt.Fprint(w, "\n## What vcsim accepts\n\nEach row is accepted by vcsim and refused here, by the [rules](test-vcenter-rules.md) named:\n\n| vcsim accepts | rules |\n|---|---|\n")
	for _, x := range refused {
		fmt.Fprintf(w, "| %s | `%s` |\n", x.what, strings.Join(strings.Fields(x.rules), "`, `"))
	}
	fmt.Fprint(w, "\n## govc's own test suite\n\n`build-support/govc-suite` runs it (222 tests of govmomi 0.25.0; `--stock` against the simulator). These tests of it fail\nhere; the others pass, or are skipped because they need an ESXi host:\n\n| test | what it does | here |\n|---|---|---|\n")
	for _, line := range strings.Split(strings.TrimSpace(suite), "\n") {
		f := strings.Split(line, "\t")
		fmt.Fprintf(w, "| %s: %s | %s | %s |\n", f[0], f[1], f[2], cmp.Or(f[3], "-"))
	}
	fmt.Fprint(w, "\n## Stricter than a real vCenter\n\nOn purpose, so that tests find more:\n")
	rules.Deviations(w, "stricter")
	fmt.Fprint(w, "\n## Laxer than a real vCenter\n\nOn purpose, because tests do not need more:\n")
	rules.Deviations(w, "laxer")
	fmt.Fprint(w, "\n## Methods that vcsim lacks\n\nThese are answered here, with default inventories of both:\n")
	methodTable(w, added)
	fmt.Fprint(w, "\n## What is missing\n\n")
	for _, s := range services {
		fmt.Fprintf(w, "- %s\n", s)
	}
	if len(missing) > 0 {
		fmt.Fprint(w, "\nMethods of vcsim that are not answered:\n")
		methodTable(w, missing)
	}
	return nil
}
