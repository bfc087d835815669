// Package world holds the state of the fleet: govmomi's registry of managed objects, the
// clock, the directory of files, the truth log, and the one lock that guards them.
//
// The world lock is the only lock that handlers have to care about. A handler runs with it
// held; a task's goroutine takes it for each short step (task.Do) and sleeps without it;
// answers are written as XML before it is released. So packages change the fields of
// managed objects directly and then call Touch(ref), after which the property collector
// reads those objects again and reports to its waiting clients what differs.
package world

import (
	"context"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/truth"
	"gpupt.test/vcenter/internal/wire"
)

// World is one vCenter with its fleet.
type World struct {
	sync.RWMutex
	Fleet   *fleet.Fleet
	Reg     *simulator.Registry
	Ctx     *simulator.Context
	Svc     *simulator.Service
	Content types.ServiceContent
	Clock   Clock
	Dir     string // datastores/NAME, guests/ID, ...
	Truth   *truth.Log
	Version wire.Version
	ESXi    bool            // the endpoint is a single host, not a vCenter
	Stop    context.Context // ends with the server
	// PowerLost is called for a VM that went down with its host (lock held).
	PowerLost []func(*simulator.VirtualMachine)
	// OnEvent is called for each event (lock held).
	OnEvent func(types.BaseEvent)

	DC         *simulator.Datacenter
	byName     map[string]types.ManagedObjectReference // "HostSystem esx-a-1"
	counter    atomic.Int64
	watch      *watcher
	names      *names
	events     events
	aside      sync.Map // objects without a managed object struct, by reference
	derived    derived
	listenerMu sync.Mutex
	listeners  []Listener
}

// Listener receives every change in the registry. It is called from anywhere, with or
// without the world lock, and must not take it.
type Listener interface {
	Added(types.ManagedObjectReference)
	Changed(types.ManagedObjectReference)
	Removed(types.ManagedObjectReference)
}

// Listen adds a listener.
func (w *World) Listen(l Listener) {
	w.listenerMu.Lock()
	w.listeners = append(w.listeners, l)
	w.listenerMu.Unlock()
}

func (w *World) tell(f func(Listener)) {
	w.listenerMu.Lock()
	all := w.listeners
	w.listenerMu.Unlock()
	for _, l := range all {
		f(l)
	}
}

// Touch marks these objects as changed.
func (w *World) Touch(refs ...types.ManagedObjectReference) {
	w.tell(func(l Listener) {
		for _, r := range refs {
			l.Changed(r)
		}
	})
}

// Put adds an object of our own to the registry (its Self may be preset).
func (w *World) Put(o mo.Reference) types.ManagedObjectReference { return w.Reg.Put(o).Reference() }

// PutAside adds an object that has no managed object struct. The simulator's searches go through its whole registry
// and panic at the first of these, for every session from then on: they are kept beside it.
func (w *World) PutAside(o mo.Reference) { w.aside.Store(o.Reference(), o) }

// plainStruct reports whether an object is built on one of govmomi's managed object structs.
func plainStruct(o mo.Reference) bool {
	return strings.HasSuffix(MO(o).Type().PkgPath(), "vim25/mo")
}

// Remove takes an object out of the registry.
func (w *World) Remove(ref types.ManagedObjectReference) { w.Reg.Remove(w.Ctx, ref) }

// Get finds an object in the registry, or among those that the simulator keeps with the
// session (collectors of events and tasks).
func (w *World) Get(ref types.ManagedObjectReference) mo.Reference {
	if o := w.Reg.Get(ref); o != nil {
		return o
	}
	if o, ok := w.aside.Load(ref); ok {
		return o.(mo.Reference)
	}
	return w.Ctx.Session.Registry.Get(ref)
}

// NextID numbers things that need a name of their own.
func (w *World) NextID() int64 { return w.counter.Add(1) }

// Host returns the host behind a reference.
func (w *World) Host(ref types.ManagedObjectReference) (*simulator.HostSystem, *fault.Error) {
	h, ok := w.Reg.Get(ref).(*simulator.HostSystem)
	if !ok {
		return nil, fault.NotFound(ref)
	}
	return h, nil
}

// VM returns the virtual machine behind a reference.
func (w *World) VM(ref types.ManagedObjectReference) (*simulator.VirtualMachine, *fault.Error) {
	v, ok := w.Reg.Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return nil, fault.NotFound(ref)
	}
	return v, nil
}

// Named finds a host, datastore, cluster or network of the fleet by its name.
func (w *World) Named(kind, name string) (types.ManagedObjectReference, bool) {
	r, ok := w.byName[kind+" "+name]
	return r, ok
}

// NameNetwork makes a network known by its name; without a reference it is forgotten.
func (w *World) NameNetwork(name string, ref *types.ManagedObjectReference) {
	if ref == nil {
		delete(w.byName, "Network "+name)
	} else {
		w.byName["Network "+name] = *ref
	}
}

// Pool is a resource pool, or the pool that a vApp is; nil for anything else.
func (w *World) Pool(ref types.ManagedObjectReference) *mo.ResourcePool {
	switch p := w.Reg.Get(ref).(type) {
	case *simulator.ResourcePool:
		return &p.ResourcePool
	case *simulator.VirtualApp:
		return &p.ResourcePool
	}
	return nil
}

// Parent of a host: its ComputeResource or cluster.
func (w *World) Compute(h *simulator.HostSystem) *mo.ComputeResource {
	switch c := w.Reg.Get(*h.Parent).(type) {
	case *simulator.ClusterComputeResource:
		return &c.ComputeResource
	case *mo.ComputeResource:
		return c
	}
	return nil
}

// VMsOn lists the VMs registered on a host.
func (w *World) VMsOn(h *simulator.HostSystem) []*simulator.VirtualMachine {
	out := make([]*simulator.VirtualMachine, 0, len(h.Vm))
	for _, ref := range h.Vm {
		if vm, ok := w.Reg.Get(ref).(*simulator.VirtualMachine); ok {
			out = append(out, vm)
		}
	}
	return out
}

var bare = reflect.TypeOf(wire.Bare{})

// MO returns the mo struct inside a registry object, for reading properties.
func MO(o any) reflect.Value {
	v := reflect.ValueOf(o)
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	for v.Kind() == reflect.Struct && !strings.HasSuffix(v.Type().PkgPath(), "vim25/mo") && v.Type() != bare && v.NumField() > 0 {
		f := v.Field(0)
		if f.Kind() == reflect.Pointer {
			if f.IsNil() {
				break
			}
			f = f.Elem()
		}
		if f.Kind() != reflect.Struct {
			break
		}
		v = f
	}
	return v
}

// Inner calls the simulator's own method on an object, in process and to its end: where
// it starts a task, the task is waited for, removed, and its result returned. The world
// lock must be held. A panic of the simulator becomes NotSupported.
func (w *World) Inner(this types.ManagedObjectReference, method string, req any) (res any, e *fault.Error) {
	obj := w.Get(this)
	if obj == nil {
		return nil, fault.NotFound(this)
	}
	req, name, e := w.plain(this, req)
	if e != nil {
		return nil, e
	}
	if res, e = w.InnerOn(obj, method, req); e == nil && name != "" {
		w.call(res, name)
	}
	return res, e
}

// InnerOn is Inner for an object that need not be in the registry.
func (w *World) InnerOn(obj mo.Reference, method string, req any) (res any, e *fault.Error) {
	name := method
	if base, ok := strings.CutSuffix(name, "_Task"); ok {
		name = base + "Task"
	}
	name = strings.ToUpper(name[:1]) + name[1:]
	m := reflect.ValueOf(obj).MethodByName(name)
	if !m.IsValid() {
		return nil, fault.New(&types.MethodNotFound{Receiver: obj.Reference(), Method: method},
			"The method '%s' is not implemented by %s", method, obj.Reference())
	}
	// One context for all calls: they come one after the other, and a lock that a panic
	// left held can then be taken by the next call.
	ctx := w.Ctx
	args := []reflect.Value{}
	if m.Type().NumIn() == 2 {
		args = append(args, reflect.ValueOf(ctx))
	}
	in := reflect.ValueOf(req)
	want := m.Type().In(m.Type().NumIn() - 1)
	if !in.Type().AssignableTo(want) {
		if !in.Type().ConvertibleTo(want) {
			return nil, fault.New(&types.MethodNotFound{Receiver: obj.Reference(), Method: method})
		}
		in = in.Convert(want)
	}
	args = append(args, in)
	defer func() {
		if p := recover(); p != nil {
			res, e = nil, w.unfinished(obj.Reference().Type+"."+method, p)
		}
	}()
	body := func() soap.HasFault {
		unlock := w.Reg.AcquireLock(ctx, obj)
		defer unlock()
		return m.Call(args)[0].Interface().(soap.HasFault)
	}()
	if f := body.Fault(); f != nil {
		bf, ok := f.VimFault().(types.BaseMethodFault)
		if !ok {
			bf = &types.SystemError{Reason: f.String}
		}
		return nil, fault.New(bf, "%s", f.String)
	}
	out := reflect.ValueOf(body).Elem().FieldByName("Res").Interface()
	if !strings.HasSuffix(method, "_Task") {
		w.Touch(obj.Reference())
		return out, nil
	}
	ref := reflect.ValueOf(out).Elem().FieldByName("Returnval").Interface().(types.ManagedObjectReference)
	info := w.watch.wait(ref)
	w.Reg.Remove(w.Ctx, ref)
	w.Touch(obj.Reference())
	if info.Error != nil {
		return nil, fault.New(info.Error.Fault)
	}
	if made, ok := info.Result.(types.ManagedObjectReference); ok {
		if o := w.Reg.Get(made); o != nil {
			w.watch.around(o) // its parent was set after it came into the registry
			w.names.note(made)
		}
	}
	return info.Result, nil
}

// unfinished is what a client hears when the simulator's own code failed on its request: its method does
// not go that far. What failed is on the truth page and in no answer.
func (w *World) unfinished(method string, failure any) *fault.Error {
	w.Truth.Host("not-implemented", "", "%s: %v", method, failure)
	return fault.New(&types.NotSupported{}, "The operation is not supported on the object: %s is not implemented for this request.", method)
}

// watcher watches the simulator's registry: it passes changes on to the listeners
// and keeps the final state of the simulator's tasks for Inner.
type watcher struct {
	w    *World
	self types.ManagedObjectReference
	mu   sync.Mutex
	cond *sync.Cond
	done map[types.ManagedObjectReference]types.TaskInfo
}

func newWatcher(w *World) *watcher {
	h := &watcher{w: w, self: types.ManagedObjectReference{Type: "Watcher", Value: "watcher"},
		done: map[types.ManagedObjectReference]types.TaskInfo{}}
	h.cond = sync.NewCond(&h.mu)
	return h
}

func (h *watcher) Reference() types.ManagedObjectReference { return h.self }

func (h *watcher) PutObject(_ *simulator.Context, o mo.Reference) {
	ref := o.Reference()
	if t, ok := o.(*simulator.Task); ok {
		guard(h.w, t)
	}
	if !plainStruct(o) {
		h.w.PutAside(o)
		h.w.Reg.Remove(h.w.Ctx, ref)
		return
	}
	switch p := o.(type) { // the simulator's template names its own pool
	case *simulator.ResourcePool:
		own(&p.ResourcePool)
	case *simulator.VirtualApp:
		own(&p.ResourcePool)
	}
	h.w.tell(func(l Listener) { l.Added(ref) })
	h.around(o)
}

// own makes a pool's configuration name the pool itself; its summary is copied, the template shares it.
func own(p *mo.ResourcePool) {
	p.Config.Entity = &p.Self
	if s, ok := p.Summary.(*types.ResourcePoolSummary); ok && s != nil {
		summary := *s
		summary.Config.Entity = &p.Self
		p.Summary = &summary
	}
}

// guard turns a panic in a task of the simulator, which would end the process, into the
// task's error. The task has not started when it comes into the registry.
func guard(w *World, t *simulator.Task) {
	run := t.Execute
	t.Execute = func(t *simulator.Task) (res types.AnyType, f types.BaseMethodFault) {
		defer func() {
			if p := recover(); p != nil {
				res, f = nil, w.unfinished(t.Info.DescriptionId, p).Fault
			}
		}()
		return run(t)
	}
}

// around touches the objects whose lists an entity comes into or leaves.
func (h *watcher) around(o mo.Reference) {
	e, ok := o.(mo.Entity)
	if !ok {
		return
	}
	if p := e.Entity().Parent; p != nil {
		h.w.Touch(*p)
	}
	if vm, ok := o.(*simulator.VirtualMachine); ok {
		for _, r := range []*types.ManagedObjectReference{vm.Runtime.Host, vm.ResourcePool} {
			if r != nil {
				h.w.Touch(*r)
			}
		}
	}
}

func (h *watcher) UpdateObject(_ *simulator.Context, o mo.Reference, pc []types.PropertyChange) {
	ref := o.Reference()
	if t, ok := o.(*mo.Task); ok {
		for i := range pc {
			if pc[i].Name == "info.state" && (t.Info.State == types.TaskInfoStateSuccess || t.Info.State == types.TaskInfoStateError) {
				h.mu.Lock()
				h.done[ref] = t.Info
				h.cond.Broadcast()
				h.mu.Unlock()
			}
		}
	}
	if c, ok := o.(*mo.EventHistoryCollector); ok {
		h.w.posted(c)
	}
	h.w.tell(func(l Listener) { l.Changed(ref) })
}

func (h *watcher) RemoveObject(_ *simulator.Context, ref types.ManagedObjectReference) {
	if o := h.w.Reg.Get(ref); o != nil {
		h.around(o)
	}
	h.w.tell(func(l Listener) { l.Removed(ref) })
}

func (h *watcher) wait(ref types.ManagedObjectReference) types.TaskInfo {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		if info, ok := h.done[ref]; ok {
			delete(h.done, ref)
			return info
		}
		h.cond.Wait()
	}
}
