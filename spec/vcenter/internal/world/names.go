package world

// names.go: which child of a folder has a name. Every create, clone, rename and registration
// looks it up; a search through the children took fifty million comparisons for ten thousand
// VMs. The index is updated lazily: a change of an entity only marks it, and the next lookup
// reads the marked ones again, so code that renames needs no extra call.

import (
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/wire"
)

// place is the position of an entity: its parent and its name there.
type place struct {
	parent types.ManagedObjectReference
	name   string
}

type names struct {
	w     *World
	mu    sync.Mutex
	news  map[types.ManagedObjectReference]bool
	at    map[types.ManagedObjectReference]place
	child map[place][]types.ManagedObjectReference
}

func newNames(w *World) *names {
	return &names{w: w, news: map[types.ManagedObjectReference]bool{}, at: map[types.ManagedObjectReference]place{},
		child: map[place][]types.ManagedObjectReference{}}
}

func (n *names) note(ref types.ManagedObjectReference) {
	if !wire.Derives(ref.Type, "ManagedEntity") { // each host has thirty managers, which have no names
		return
	}
	n.mu.Lock()
	n.news[ref] = true
	n.mu.Unlock()
}

func (n *names) Added(ref types.ManagedObjectReference)   { n.note(ref) }
func (n *names) Changed(ref types.ManagedObjectReference) { n.note(ref) }
func (n *names) Removed(ref types.ManagedObjectReference) { n.note(ref) }

// settled reads the marked entities again. A map never shrinks, so the next marks go into a new one.
func (n *names) settled() {
	if len(n.news) == 0 {
		return
	}
	marked := n.news
	n.news = map[types.ManagedObjectReference]bool{}
	for ref := range marked {
		n.settle(ref)
	}
}

// settle reads one entity again.
func (n *names) settle(ref types.ManagedObjectReference) {
	if old, ok := n.at[ref]; ok {
		delete(n.at, ref)
		list := n.child[old]
		for i, r := range list {
			if r == ref {
				list = append(list[:i:i], list[i+1:]...)
				break
			}
		}
		if n.child[old] = list; len(list) == 0 {
			delete(n.child, old)
		}
	}
	e, ok := n.w.Reg.Get(ref).(mo.Entity)
	if !ok || e.Entity().Parent == nil {
		return
	}
	p := place{*e.Entity().Parent, e.Entity().Name}
	n.at[ref] = p
	n.child[p] = append(n.child[p], ref)
}

// ChildNamed finds the child of an entity that has a name. World lock held.
func (w *World) ChildNamed(parent types.ManagedObjectReference, name string) (types.ManagedObjectReference, bool) {
	n := w.names
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settled()
	if list := n.child[place{parent, name}]; len(list) > 0 {
		return list[0], true
	}
	return types.ManagedObjectReference{}, false
}

// VMFolder finds a folder of VMs by its path below a datacenter's vm folder, and creates what
// is missing of it. World lock held.
func (w *World) VMFolder(dc *simulator.Datacenter, path string) (types.ManagedObjectReference, error) {
	return w.Below(dc.VmFolder, path)
}
