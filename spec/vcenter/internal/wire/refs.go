package wire

// refs.go: the managed objects that a request names besides the one it is called on, the type
// that each reference is declared for, and the privilege that the API reference requires there.

import (
	"reflect"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

var (
	refersTo    = map[string]string{}            // CreateVM_Task.pool, VirtualMachineRelocateSpec.host -> HostSystem
	paramNeeds  = map[string]map[string]string{} // CreateVM_Task -> pool -> Resource.AssignVMToPool
	readNeeds   = map[string]string{}            // SessionManager.sessionList -> Sessions.TerminateSession
	loose       = map[string]bool{}              // OptionValue.value: optional, though govmomi writes it always
	managedKind = "ManagedEntity"
)

func modelLine(f []string) bool {
	switch {
	case len(f) == 3 && f[0] == "Y":
		loose[f[1]+"."+f[2]] = true
	case len(f) == 4 && f[0] == "K":
		refersTo[f[1]+"."+f[2]] = f[3]
	case len(f) == 5 && f[0] == "P":
		if paramNeeds[f[2]] == nil {
			paramNeeds[f[2]] = map[string]string{}
		}
		paramNeeds[f[2]][f[3]] = f[4]
	case len(f) == 4 && f[0] == "R":
		readNeeds[f[1]+"."+f[2]] = strings.TrimPrefix(f[3], "-")
	default:
		return false
	}
	return true
}

// Derives reports whether a managed object type is base or inherits from it.
func Derives(kind, base string) bool {
	for k := kind; k != "" && k != "-"; k = bases[k] {
		if k == base {
			return true
		}
	}
	return false
}

// ReadPrivilege is what reading a property of a type needs; "" when the table names nothing,
// known is false for a property that the table does not have.
func ReadPrivilege(kind, property string) (privilege string, known bool) {
	for k := kind; k != "" && k != "-"; k = bases[k] {
		if p, ok := readNeeds[k+"."+property]; ok {
			return p, true
		}
	}
	return "", false
}

// Reference is a managed object named in a request.
type Reference struct {
	Path      string // spec.location.host
	Ref       types.ManagedObjectReference
	Entity    bool   // declared for an entity of the inventory
	Privilege string // required on it; only of parameters
}

// References lists what a request names, parameters and the fields below them, in order.
func References(method string, req any) []Reference {
	v := reflect.ValueOf(req)
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	var out []Reference
	named(v, "", paramNeeds[method], &out, 0)
	return out
}

func named(v reflect.Value, path string, needs map[string]string, out *[]Reference, depth int) {
	if depth > 32 {
		return
	}
	info := Of(v.Type())
	for i := range info.Fields {
		f := &info.Fields[i]
		if f.Name == "_this" {
			continue
		}
		at := path + f.Name
		x := v.FieldByIndex(f.Index)
		if f.Type != refType && f.Type.Kind() != reflect.Struct && f.Type.Kind() != reflect.Interface || f.Type == timeType {
			continue
		}
		each := func(e reflect.Value) {
			for e.Kind() == reflect.Pointer || e.Kind() == reflect.Interface {
				if e.IsNil() {
					return
				}
				e = e.Elem()
			}
			switch {
			case e.Type() == refType:
				if f.Refers != "" {
					*out = append(*out, Reference{Path: at, Ref: e.Interface().(types.ManagedObjectReference), Entity: Derives(f.Refers, managedKind), Privilege: needs[f.Name]})
				}
			case e.Kind() == reflect.Struct && e.Type() != timeType:
				named(e, at+".", nil, out, depth+1)
			}
		}
		if f.List {
			for j := 0; j < x.Len(); j++ {
				each(x.Index(j))
			}
		} else {
			each(x)
		}
	}
}
