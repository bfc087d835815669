package wire

// managed.go lists the managed object types. govmomi keeps its own list private, so it
// is found through mo.ObjectContentToType, which reports whether it has a name.

import (
	"reflect"
	"sync"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// Bare is a managed object without properties, of a type that govmomi has no struct for.
type Bare struct {
	Self types.ManagedObjectReference `json:"self"`
}

// Reference makes it an object.
func (b Bare) Reference() types.ManagedObjectReference { return b.Self }

var managed sync.Map // name -> reflect.Type or nil

// Managed returns the mo struct of a managed object type.
func Managed(name string) (reflect.Type, bool) {
	if t, ok := managed.Load(name); ok {
		rt, _ := t.(reflect.Type)
		return rt, rt != nil
	}
	t := lookup(name)
	if t == nil {
		managed.Store(name, 0)
		return nil, false
	}
	managed.Store(name, t)
	return t, true
}

func lookup(name string) (t reflect.Type) {
	switch name { // abstract bases that property specs may name
	case "ManagedEntity":
		return reflect.TypeOf(mo.ManagedEntity{})
	case "ExtensibleManagedObject":
		return reflect.TypeOf(mo.ExtensibleManagedObject{})
	case "DirectPathProfileManager": // newer than govmomi
		return reflect.TypeOf(Bare{})
	case "ReflectManagedMethodExecuter", "InternalDynamicTypeManager": // in no WSDL
		return reflect.TypeOf(Bare{})
	}
	defer func() {
		if recover() != nil {
			t = nil
		}
	}()
	v, err := mo.ObjectContentToType(types.ObjectContent{Obj: types.ManagedObjectReference{Type: name, Value: "x"}}, true)
	if err != nil {
		return nil
	}
	return reflect.TypeOf(v).Elem()
}

// IsManaged reports whether a name is a managed object type.
func IsManaged(name string) bool {
	_, ok := Managed(name)
	return ok
}
