package host

// hostlog.go: the logs that the DiagnosticManager shows: vmkernel and hostd of a host,
// vpxd of vCenter. A host stamps its lines with its own clock. vmkernel.log is where an
// administrator looks for a passthrough device that did not come back.

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
)

const (
	logKeep = 4000 // lines of a host's log
	logMost = 1000 // lines of an answer
)

var (
	_ = rules.Add(rules.Rule{ID: "host.log-keys", Sure: "documented", As: "real", Source: "API reference: DiagnosticManager.QueryDescriptions, BrowseDiagnosticLog throws CannotAccessFile; Web Services SDK programming guide, Using DiagnosticManager (keys)",
		Text: "QueryDescriptions names the logs: hostd and vmkernel of a host, vpxd without a host; another key is CannotAccessFile."})
	_ = rules.Add(rules.Rule{ID: "host.log-window", Sure: "documented", As: "real", Source: "API reference: BrowseDiagnosticLog (start, lines; fewer lines may come); scripts in the wild ask for start=999999999 to learn the length from lineEnd",
		Text: "BrowseDiagnosticLog returns lines from start (1 is the first) on, at most 1000; past the end it returns none, and lineEnd is the number of the last line."})
	_ = rules.Add(rules.Rule{ID: "host.log-passthrough", Sure: "seen", As: "real", Source: "vmkernel.log lines in public write-ups: PCIPassthru 3873 (allocated), 1750 and 1039 (destroyed), PCI 1401 (link is down)",
		Text: "vmkernel.log records boots, passthrough devices taken and given back by VMs, and devices whose link is down; a boot does not clear it."})
)

type diagnosticManager struct{ mo.DiagnosticManager }

// now is the host's clock.
func (h *Host) now() time.Time { return time.Now().Add(h.skew) }

// kernel writes a line of vmkernel.log; Kernel does it for other packages. Lock held.
func (h *Host) kernel(format string, args ...any) {
	h.write("vmkernel", fmt.Sprintf("%s In(182) vmkernel: cpu%d:%d)%s", h.stamp(), len(h.logs["vmkernel"])%h.Desc.CPUs,
		2097152+len(h.logs["vmkernel"]), fmt.Sprintf(format, args...)))
}

// hostd writes a line of hostd.log.
func (h *Host) hostd(format string, args ...any) {
	h.write("hostd", fmt.Sprintf("%s In(166) Hostd[2099871]: %s", h.stamp(), fmt.Sprintf(format, args...)))
}

func (h *Host) stamp() string { return h.now().UTC().Format("2006-01-02T15:04:05.000Z") }

func (h *Host) write(key, line string) {
	if h.logs == nil {
		h.logs = map[string][]string{}
	}
	list := append(h.logs[key], line)
	if len(list) > logKeep+logKeep/4 {
		list = append([]string(nil), list[len(list)-logKeep:]...)
	}
	h.logs[key] = list
}

// booted is what the kernel says of its devices at a boot.
func (h *Host) booted() {
	h.kernel("Boot Successful")
	for _, c := range h.Cards {
		switch {
		case c.Absent:
			h.kernel("PCI: 1401: Skipping device reset on %s because PCIe link to the device is down.", c.Address)
		case c.Enabled && !h.Capable(c):
			h.kernel("PCIPassthru: %s cannot be given to passthrough: no IOMMU on this host", c.Address)
		case c.Enabled && !h.passes(c):
			h.kernel("PCI: %s: BARs of %d MB found no addresses", c.Address, c.wide()>>20)
		case c.Active:
			h.kernel("PCI: Registering device %s with owner passthru", c.Address)
		}
	}
}

// devices notes in the kernel's log which cards a VM took or gave back. Lock held,
// for reading at least; the watcher alone calls it.
func (r *Hosts) devices(vm *simulator.VirtualMachine, held map[types.ManagedObjectReference]map[string]*Host) {
	have := map[string]*Host{}
	if On(vm) && vm.Runtime.Host != nil {
		if h := r.hosts[*vm.Runtime.Host]; h != nil {
			for _, p := range Passthrough(vm) {
				if a := Address(p); a != "" {
					have[a] = h
				}
			}
		}
	}
	r.logMu.Lock()
	defer r.logMu.Unlock()
	for a, h := range have {
		if held[vm.Self][a] != h {
			h.kernel("PCIPassthru: 3873: pcipDevInfo(%#x) allocated for %s", h.handle(a), a)
		}
	}
	for a, h := range held[vm.Self] {
		if have[a] != h && !h.down {
			h.kernel("PCIPassthru: 1750: Disable Domain for device %s", a)
			h.kernel("PCIPassthru: 1039: pcipdevInfo: %#x (%s), state 0, destroyed", h.handle(a), a)
		}
	}
	if len(have) == 0 {
		delete(held, vm.Self)
	} else {
		held[vm.Self] = have
	}
}

// handle is an address in the kernel's memory: the same for the same device.
func (h *Host) handle(address string) uint64 {
	n := uint64(0x4314737b0000)
	for _, b := range []byte(address) {
		n += uint64(b) << 5
	}
	return n
}

// vpxd is vCenter's log, built from its tasks.
func (r *Hosts) vpxd() []string {
	out := []string{}
	for _, t := range r.s.Tasks.History() {
		i := &t.Info
		user := ""
		if who, ok := i.Reason.(*types.TaskReasonUser); ok {
			user = who.UserName
		}
		head := func(at time.Time) string {
			return fmt.Sprintf("%s info vpxd[07132] [Originator@6876 sub=vpxLro opID=%s] [VpxLRO] -- ", at.UTC().Format("2006-01-02T15:04:05.000Z"), i.ActivationId)
		}
		out = append(out, fmt.Sprintf("%sBEGIN %s -- %s -- %s -- %s", head(i.QueueTime), i.Key, i.Entity.Value, i.DescriptionId, user))
		if i.CompleteTime != nil {
			what := "FINISH"
			if i.State == types.TaskInfoStateError {
				what = "ERROR"
			}
			out = append(out, fmt.Sprintf("%s%s %s", head(*i.CompleteTime), what, i.Key))
		}
	}
	return out
}

// lines returns a log, false when there is no log with that key.
func (r *Hosts) lines(h *Host, key string) ([]string, bool) {
	switch {
	case h == nil && key == "vpxd" && !r.w.ESXi:
		return r.vpxd(), true
	case h != nil && (key == "vmkernel" || key == "hostd"):
		r.logMu.Lock()
		defer r.logMu.Unlock()
		return append([]string(nil), h.logs[key]...), true
	}
	return nil, false
}

func (r *Hosts) registerLogs() {
	if ref := r.w.Content.DiagnosticManager; ref != nil && r.w.Reg.Get(*ref) == nil {
		dm := &diagnosticManager{}
		dm.Self = *ref
		r.w.Put(dm)
	}
	// of finds the host that is asked for, nil for vCenter itself.
	of := func(ref *types.ManagedObjectReference) (*Host, *fault.Error) {
		if ref == nil {
			if r.w.ESXi {
				return r.order[0], nil
			}
			return nil, nil
		}
		h := r.hosts[*ref]
		if h == nil {
			return nil, fault.NotFound(*ref)
		}
		return h, h.Reachable()
	}
	r.s.Handle("QueryDescriptions", func(c *api.Call) (any, *fault.Error) {
		h, e := of(c.Req.(*types.QueryDescriptions).Host)
		if e != nil {
			return nil, e
		}
		res := &types.QueryDescriptionsResponse{}
		add := func(key, file, creator, label string) {
			res.Returnval = append(res.Returnval, types.DiagnosticManagerLogDescriptor{Key: key, FileName: file, Creator: creator, Format: "plain",
				MimeType: "text/plain", Info: &types.Description{Label: label, Summary: label + " in plain format"}})
		}
		if h == nil {
			add("vpxd", "/var/log/vmware/vpxd/vpxd.log", "vpxd", "vCenter Server log")
		} else {
			add("hostd", "/var/log/hostd.log", "hostd", "Server log")
			add("vmkernel", "/var/log/vmkernel.log", "hostd", "VMkernel log")
		}
		return res, nil
	}, api.ReadOnly())
	r.s.Handle("BrowseDiagnosticLog", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.BrowseDiagnosticLog)
		h, e := of(req.Host)
		if e != nil {
			return nil, e
		}
		all, ok := r.lines(h, req.Key)
		if !ok {
			return nil, fault.New(&types.CannotAccessFile{FileFault: types.FileFault{File: req.Key}}, "Unable to access file %s", req.Key)
		}
		if req.Start < 0 || req.Lines < 0 {
			return nil, fault.InvalidArgument("start")
		}
		from, most := int(req.Start), int(req.Lines)
		if from == 0 {
			from = 1
		}
		if most == 0 || most > logMost {
			most = logMost
		}
		head := types.DiagnosticManagerLogHeader{LineStart: int32(from), LineEnd: int32(len(all))}
		if from <= len(all) {
			end := min(len(all), from-1+most)
			head.LineText, head.LineEnd = all[from-1:end], int32(end)
		} else {
			head.LineStart = int32(len(all))
		}
		return &types.BrowseDiagnosticLogResponse{Returnval: head}, nil
	}, api.ReadOnly())
	if r.w.ESXi {
		r.s.HTTP("/host/", r.serveLog)
	}
}

// serveLog is https://HOST/host/vmkernel.log of an ESXi endpoint.
func (r *Hosts) serveLog(w http.ResponseWriter, q *http.Request, s *session.Session) {
	if s == nil {
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	key, ok := strings.CutSuffix(strings.TrimPrefix(q.URL.Path, "/host/"), ".log")
	r.w.RLock()
	all, known := r.lines(r.order[0], key)
	r.w.RUnlock()
	if !ok || !known || q.Method != http.MethodGet {
		http.NotFound(w, q)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprint(w, strings.Join(append(all, ""), "\n"))
}
