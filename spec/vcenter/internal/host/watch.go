package host

// watch.go: invariants that are looked at whenever a machine changes: no card in two
// running machines, no machine running on a host in maintenance mode. When a session
// ends, no machine may be left half made: with a card, but without the memory
// reservation that it needs to start.

import (
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/session"
)

const (
	brokenTwice       = "device-in-two-running-vms"
	brokenMaintenance = "vm-running-in-maintenance"
	brokenHalf        = "vm-left-half-made"
)

// watcher notes which machines changed and looks at them soon afterwards.
type watcher struct {
	mu    sync.Mutex
	dirty map[types.ManagedObjectReference]bool
	wake  chan struct{}
	said  map[string]bool
}

func (x *watcher) note(ref types.ManagedObjectReference) {
	if ref.Type != "VirtualMachine" {
		return
	}
	x.mu.Lock()
	x.dirty[ref] = true
	x.mu.Unlock()
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

func (x *watcher) Added(ref types.ManagedObjectReference)   { x.note(ref) }
func (x *watcher) Changed(ref types.ManagedObjectReference) { x.note(ref) }
func (x *watcher) Removed(types.ManagedObjectReference)     {}

func (r *Room) watch() {
	x := &watcher{dirty: map[types.ManagedObjectReference]bool{}, wake: make(chan struct{}, 1), said: map[string]bool{}}
	r.w.Listen(x)
	var half sync.Map
	for _, vm := range r.w.Reg.All("VirtualMachine") {
		half.Store(vm.Reference(), true) // the fleet file may begin with such machines
	}
	r.s.Sessions.OnEnd(func(*session.Session) {
		go func() { // whoever ends a session may hold the world lock
			r.w.RLock()
			defer r.w.RUnlock()
			for _, e := range r.w.Reg.All("VirtualMachine") {
				if vm, ok := e.(*simulator.VirtualMachine); ok && halfMade(vm) {
					if _, said := half.LoadOrStore(vm.Self, true); !said {
						r.w.Truth.Violate(brokenHalf, "%s has %d passthrough device(s), but its memory is not reserved in full", vm.Name, len(Passthrough(vm)))
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
			x.dirty = map[types.ManagedObjectReference]bool{}
			x.mu.Unlock()
			r.w.RLock()
			for ref := range dirty {
				r.inspect(x, ref)
			}
			r.w.RUnlock()
		}
	}()
}

// halfMade tells whether a machine with a card lacks its full reservation.
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

// inspect checks one machine against its neighbours. World lock held (read).
func (r *Room) inspect(x *watcher, ref types.ManagedObjectReference) {
	vm, e := r.w.VM(ref)
	if e != nil || vm.Runtime.Host == nil {
		return
	}
	h := r.hosts[*vm.Runtime.Host]
	if h == nil {
		return
	}
	if !On(vm) {
		return
	}
	if h.HS.Runtime.InMaintenanceMode {
		r.once(x, brokenMaintenance+vm.Self.Value, brokenMaintenance, "%s runs on %s, which is in maintenance mode", vm.Name, h.Name())
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
					r.once(x, brokenTwice+h.Name()+a, brokenTwice, "%s of %s is in %s and %s", a, h.Name(), vm.Name, other.Name)
				}
			}
		}
	}
}

func (r *Room) once(x *watcher, key, rule, format string, args ...any) {
	if !x.said[key] {
		x.said[key] = true
		r.w.Truth.Violate(rule, format, args...)
	}
}
