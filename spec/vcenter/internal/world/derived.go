package world

// derived.go: properties that follow from other state, and are worked out when they are read: the simulator keeps
// nothing in them, or acts on what it finds there.

import (
	"sync"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/wire"
)

// Derived works out a property of an object; world lock held. It gives a value of the property's own type.
type Derived func(types.ManagedObjectReference) any

type derived struct {
	of    map[string]map[string]Derived // type -> property
	known sync.Map                      // "type property" -> Derived
}

// Derive registers a property of a managed object type and of the types derived from it; before the server runs.
func (w *World) Derive(kind, property string, f Derived) {
	if w.derived.of == nil {
		w.derived.of = map[string]map[string]Derived{}
	}
	if w.derived.of[kind] == nil {
		w.derived.of[kind] = map[string]Derived{}
	}
	w.derived.of[kind][property] = f
}

// DerivedOf finds it; nil for a property that the object itself has.
func (w *World) DerivedOf(kind, property string) Derived {
	key := kind + " " + property
	if f, ok := w.derived.known.Load(key); ok {
		return f.(Derived)
	}
	var found Derived
	if f := w.derived.of[kind][property]; f != nil {
		found = f
	} else {
		for base, list := range w.derived.of {
			if f := list[property]; f != nil && wire.Derives(kind, base) {
				found = f
			}
		}
	}
	w.derived.known.Store(key, found)
	return found
}
