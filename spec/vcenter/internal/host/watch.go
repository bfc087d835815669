package host

// watch.go: invariants that are looked at whenever a VM changes: no card in two
// running VMs, no VM running on a host in maintenance mode. When a session
// ends, no VM may be left incomplete: with a card, but without the memory
// reservation that it needs to start.

import (
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
	"gpupt.test/vcenter/internal/truth"
)

// names of the invariants on the truth page
const (
	brokenTwice       = "device-in-two-running-vms"
	brokenMaintenance = "vm-running-in-maintenance"
	brokenHalf        = "vm-left-half-made"
	brokenOutside     = "reboot-outside-maintenance"
	brokenRunning     = "reboot-under-running-vms"
	brokenAway        = "too-many-hosts-away"
	brokenVital       = "host-device-lost"
)

const invariantSource = "an invariant of this server, not a refusal: see violations of /gpsim/truth"

var (
	_ = rules.Add(rules.Rule{ID: "invariant." + brokenTwice, Sure: "inferred", As: "stricter: a real one keeps no account of this", Source: invariantSource,
		Text: "No PCI device is in two running VMs."})
	_ = rules.Add(rules.Rule{ID: "invariant." + brokenMaintenance, Sure: "inferred", As: "stricter: a real one keeps no account of this", Source: invariantSource,
		Text: "Nothing runs on a host in maintenance mode."})
	_ = rules.Add(rules.Rule{ID: "invariant." + brokenHalf, Sure: "inferred", As: "stricter: a real one keeps such a VM and refuses only its power-on", Source: invariantSource,
		Text: "When a session ends, no VM has a card without its full memory reservation (unless the fleet file describes it so)."})
	_ = rules.Add(rules.Rule{ID: "invariant." + brokenOutside, Sure: "inferred", As: "stricter: a real one does it with force and keeps no account", Source: invariantSource,
		Text: "No host is rebooted, shut down or put in standby outside maintenance mode, forced or not (standby: with VMs on)."})
	_ = rules.Add(rules.Rule{ID: "invariant." + brokenRunning, Sure: "inferred", As: "stricter: a real one does it with force and keeps no account", Source: invariantSource,
		Text: "No request takes a host down under running VMs."})
	_ = rules.Add(rules.Rule{ID: "invariant." + brokenAway, Sure: "inferred", As: "stricter: a real one has no such limit", Source: invariantSource,
		Text: "No more hosts of a cluster than its max_away are down at once."})
	_ = rules.Add(rules.Rule{ID: "invariant." + brokenVital, Sure: "inferred", As: "stricter: a real one lets it happen, and the host does not come back", Source: invariantSource,
		Text: "The NIC of vmk0, the boot HBA and the USB boot device of a host are not enabled for passthrough."})
)

// watcher notes which VMs changed, and by which request, and looks at them soon
// afterwards.
type watcher struct {
	mu    sync.Mutex
	now   func() *truth.Cause
	dirty map[types.ManagedObjectReference]*truth.Cause
	last  map[types.ManagedObjectReference]*truth.Cause // the last request that changed each
	wake  chan struct{}
	said  map[string]bool
	held  map[types.ManagedObjectReference]map[string]*Host // cards of the running VMs
}

func (x *watcher) note(ref types.ManagedObjectReference) {
	if ref.Type != "VirtualMachine" {
		return
	}
	by := x.now()
	x.mu.Lock()
	if by != nil {
		x.dirty[ref], x.last[ref] = by, by
	} else if x.dirty[ref] == nil {
		x.dirty[ref] = nil
	}
	x.mu.Unlock()
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

func (x *watcher) Added(ref types.ManagedObjectReference)   { x.note(ref) }
func (x *watcher) Changed(ref types.ManagedObjectReference) { x.note(ref) }
func (x *watcher) Removed(ref types.ManagedObjectReference) {
	x.mu.Lock()
	delete(x.last, ref)
	x.mu.Unlock()
}

// lately is the last request that changed a VM.
func (x *watcher) lately(ref types.ManagedObjectReference) *truth.Cause {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.last[ref]
}

func (r *Hosts) watch() {
	x := &watcher{now: r.w.Truth.Cause, dirty: map[types.ManagedObjectReference]*truth.Cause{},
		last: map[types.ManagedObjectReference]*truth.Cause{}, wake: make(chan struct{}, 1), said: map[string]bool{},
		held: map[types.ManagedObjectReference]map[string]*Host{}}
	r.w.Listen(x)
	r.s.Sessions.OnEnd(func(*session.Session) {
		go func() { // the caller that ends a session may hold the world lock
			r.w.RLock()
			defer r.w.RUnlock()
			for _, e := range r.w.Reg.All("VirtualMachine") {
				if vm, ok := e.(*simulator.VirtualMachine); ok && halfMade(vm) {
					if _, said := r.half.LoadOrStore(vm.Self, true); !said {
						r.w.Truth.ViolateBy(x.lately(vm.Self), brokenHalf, "%s has %d passthrough device(s), but its memory is not reserved in full", vm.Name, len(Passthrough(vm)))
					}
				}
			}
		}()
	})
	go func() {
		for {
			select {
			case <-x.wake:
			case <-r.w.Stop.Done():
				return
			}
			time.Sleep(time.Millisecond)
			x.mu.Lock()
			dirty := x.dirty
			x.dirty = map[types.ManagedObjectReference]*truth.Cause{}
			x.mu.Unlock()
			r.w.RLock()
			for ref, by := range dirty {
				r.inspect(x, ref, by)
			}
			r.w.RUnlock()
		}
	}()
}

// Begin marks that the fleet is built as its file describes it: a VM that is incomplete now
// was so from the start.
func (r *Hosts) Begin() {
	r.built = true
	for _, h := range r.order {
		h.built = true
	}
	for _, e := range r.w.Reg.All("VirtualMachine") {
		if vm, ok := e.(*simulator.VirtualMachine); ok && halfMade(vm) {
			r.half.Store(vm.Self, true)
		}
	}
}

// halfMade reports whether a VM with a card lacks its full reservation.
func halfMade(vm *simulator.VirtualMachine) bool {
	if len(Passthrough(vm)) == 0 || vm.Config == nil {
		return false
	}
	if lock := vm.Config.MemoryReservationLockedToMax; lock != nil && *lock {
		return false
	}
	a := vm.Config.MemoryAllocation
	if a == nil || a.Reservation == nil {
		return true
	}
	return *a.Reservation < int64(vm.Config.Hardware.MemoryMB)
}

// inspect checks one VM against its neighbours. World lock held (read).
func (r *Hosts) inspect(x *watcher, ref types.ManagedObjectReference, by *truth.Cause) {
	vm, e := r.w.VM(ref)
	if e != nil || vm.Runtime.Host == nil {
		return
	}
	r.devices(vm, x.held)
	h := r.hosts[*vm.Runtime.Host]
	if h == nil {
		return
	}
	if !On(vm) {
		return
	}
	if h.HS.Runtime.InMaintenanceMode {
		r.once(x, by, brokenMaintenance+vm.Self.Value, brokenMaintenance, "%s runs on %s, which is in maintenance mode", vm.Name, h.Name())
	}
	for _, p := range Passthrough(vm) {
		a := Address(p)
		if a == "" {
			continue
		}
		for _, other := range r.w.VMsOn(h.HS) {
			if other == vm || !On(other) {
				continue
			}
			for _, q := range Passthrough(other) {
				if Address(q) == a {
					r.once(x, by, brokenTwice+h.Name()+a, brokenTwice, "%s of %s is in %s and %s", a, h.Name(), vm.Name, other.Name)
				}
			}
		}
	}
}

func (r *Hosts) once(x *watcher, by *truth.Cause, key, rule, format string, args ...any) {
	if !x.said[key] {
		x.said[key] = true
		r.w.Truth.ViolateBy(by, rule, format, args...)
	}
}
