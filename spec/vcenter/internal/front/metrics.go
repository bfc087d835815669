package front

// metrics.go: GET /gpsim/metrics, numbers in the text form that Prometheus reads: what was
// asked (since the journal was last cleared), what is open, and the fleet in figures.

import (
	"fmt"
	"io"
	"net/http"
	"sort"
	"strings"

	"github.com/vmware/govmomi/simulator"
)

// series collects the samples of one metric by their labels.
type series struct {
	name, help, kind string
	samples          map[string]float64
}

func (s *series) add(labels string, v float64) { s.samples[labels] += v }

// label writes one label; a value comes from the fleet file or a request and may hold anything.
func label(name, value string) string {
	return name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value) + `"`
}

func (s *series) write(w io.Writer) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", s.name, s.help, s.name, s.kind)
	keys := make([]string, 0, len(s.samples))
	for k := range s.samples {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		at := s.name
		if k != "" {
			at += "{" + k + "}"
		}
		fmt.Fprintf(w, "%s %g\n", at, s.samples[k])
	}
}

func (f *Front) metrics(w http.ResponseWriter) {
	var all []*series
	metric := func(kind, name, help string) *series {
		s := &series{name: "gpsim_" + name, help: help, kind: kind, samples: map[string]float64{}}
		all = append(all, s)
		return s
	}
	requests := metric("counter", "requests_total", "Requests by method and fault, since the journal was cleared.")
	seconds := metric("counter", "request_seconds_total", "Real seconds spent on requests, waiting included.")
	for _, r := range f.Journal.Since(0) {
		requests.add(label("method", r.Method)+","+label("fault", r.Fault), 1)
		seconds.add(label("method", r.Method), r.T1.Sub(r.T0).Seconds())
	}
	metric("gauge", "sessions", "Live sessions.").add("", float64(f.S.Sessions.Count()))
	objects := metric("gauge", "session_objects", "What live sessions hold: filters, views, waits.")
	f.statMu.Lock()
	for name, get := range f.stats {
		if n, ok := get().(int); ok {
			objects.add(label("what", name), float64(n))
		}
	}
	f.statMu.Unlock()
	hosts := metric("gauge", "hosts", "Hosts by connection state and maintenance mode.")
	cards := metric("gauge", "passthrough_devices", "PCI functions that can be given away, by what is configured and what is in force.")
	vms := metric("gauge", "vms", "VMs by power state.")
	tasks := metric("gauge", "tasks", "Readable tasks by method and state.")
	broken := metric("counter", "violations_total", "Broken invariants by their rule.")
	f.W.RLock()
	for _, e := range f.W.Reg.All("HostSystem") {
		h, ok := e.(*simulator.HostSystem)
		if !ok {
			continue
		}
		hosts.add(label("state", string(h.Runtime.ConnectionState))+","+label("maintenance", fmt.Sprint(h.Runtime.InMaintenanceMode)), 1)
		for _, b := range h.Config.PciPassthruInfo {
			if i := b.GetHostPciPassthruInfo(); i.PassthruCapable {
				cards.add(label("enabled", fmt.Sprint(i.PassthruEnabled))+","+label("active", fmt.Sprint(i.PassthruActive)), 1)
			}
		}
	}
	for _, e := range f.W.Reg.All("VirtualMachine") {
		if vm, ok := e.(*simulator.VirtualMachine); ok {
			vms.add(label("power", string(vm.Runtime.PowerState)), 1)
		}
	}
	for _, t := range f.S.Tasks.History() {
		tasks.add(label("method", t.Method())+","+label("state", string(t.Info.State)), 1)
	}
	f.W.RUnlock()
	for _, v := range f.W.Truth.Violations() {
		broken.add(label("rule", v.Rule), 1)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	for _, s := range all {
		s.write(w)
	}
}
