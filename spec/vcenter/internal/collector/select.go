package collector

// select.go: which objects a filter spec selects, and with which properties.

import (
	"reflect"
	"slices"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/world"
)

type refs = types.ManagedObjectReference

// chosen is one selected object with the property spec that applies to it.
type chosen struct {
	ref  refs
	spec *types.PropertySpec
}

// verify checks a filter spec: types, paths, names of selections, starting objects.
func (r *Service) verify(spec *types.PropertyFilterSpec) *fault.Error {
	if len(spec.PropSet) == 0 {
		return fault.InvalidArgument("specSet.propSet")
	}
	if len(spec.ObjectSet) == 0 {
		return fault.InvalidArgument("specSet.objectSet")
	}
	for i := range spec.PropSet {
		p := &spec.PropSet[i]
		if !managed(p.Type) {
			return fault.InvalidArgument("specSet.propSet.type")
		}
		if all(p) { // pathSet is ignored then
			continue
		}
		for _, path := range p.PathSet {
			if !valid(p.Type, path) {
				return fault.New(&types.InvalidProperty{Name: path}, "The property %s of vim.%s is not valid", path, p.Type)
			}
		}
	}
	for i := range spec.ObjectSet {
		o := &spec.ObjectSet[i]
		if r.object(o.Obj) == nil && !tolerant(spec) {
			return fault.NotFound(o.Obj)
		}
		names := map[string]*types.TraversalSpec{}
		gather(o.SelectSet, names)
		if e := verifySelect(o.SelectSet, names); e != nil {
			return e
		}
	}
	return nil
}

// tolerant means that missing objects are not a fault: an update set lists them
// separately, a page of objects leaves them out.
func tolerant(spec *types.PropertyFilterSpec) bool {
	return spec.ReportMissingObjectsInResults != nil && *spec.ReportMissingObjectsInResults
}

// absent are the objects that a spec names and that are not there.
func (r *Service) absent(spec *types.PropertyFilterSpec) (out []types.MissingObject) {
	for i := range spec.ObjectSet {
		if o := &spec.ObjectSet[i]; r.object(o.Obj) == nil {
			out = append(out, types.MissingObject{Obj: o.Obj, Fault: *fault.NotFound(o.Obj).Localized()})
		}
	}
	return out
}

func gather(set []types.BaseSelectionSpec, names map[string]*types.TraversalSpec) {
	for _, s := range set {
		if t, ok := s.(*types.TraversalSpec); ok {
			if t.Name != "" {
				names[t.Name] = t
			}
			gather(t.SelectSet, names)
		}
	}
}

func verifySelect(set []types.BaseSelectionSpec, names map[string]*types.TraversalSpec) *fault.Error {
	for _, s := range set {
		if t, ok := s.(*types.TraversalSpec); ok {
			if !managed(t.Type) || !valid(t.Type, t.Path) {
				return fault.New(&types.InvalidProperty{Name: t.Path}, "The property %s of vim.%s is not valid", t.Path, t.Type)
			}
			if e := verifySelect(t.SelectSet, names); e != nil {
				return e
			}
			continue
		}
		if names[s.GetSelectionSpec().Name] == nil {
			return fault.InvalidArgument("specSet.objectSet.selectSet.name")
		}
	}
	return nil
}

// object returns the registry object behind a reference, or one of our views.
func (r *Service) object(ref refs) any {
	if v := r.view(ref); v != nil {
		return v
	}
	if o := r.w.Get(ref); o != nil {
		return o
	}
	return nil
}

// value returns the mo struct of an object for reading.
func (r *Service) value(ref refs) (reflect.Value, bool) {
	o := r.object(ref)
	if o == nil {
		return reflect.Value{}, false
	}
	if v, ok := o.(*view); ok {
		return reflect.ValueOf(v.mo(r)).Elem(), true
	}
	v := world.MO(o)
	return v, v.Kind() == reflect.Struct
}

// union is what two property specs ask for together.
func union(a, b *types.PropertySpec) *types.PropertySpec {
	out := &types.PropertySpec{Type: b.Type, All: types.NewBool(all(a) || all(b))}
	for _, path := range slices.Concat(a.PathSet, b.PathSet) {
		if !slices.Contains(out.PathSet, path) {
			out.PathSet = append(out.PathSet, path)
		}
	}
	return out
}

func all(p *types.PropertySpec) bool { return p.All != nil && *p.All }

// selected walks the object set. seen gets every object whose change may alter the
// selection: those on which a traversal was tried.
func (r *Service) selected(spec *types.PropertyFilterSpec, seen map[refs]bool) []chosen {
	var out []chosen
	taken := map[refs]bool{}
	byType := map[string]*types.PropertySpec{}
	specFor := func(kind string) *types.PropertySpec {
		p, ok := byType[kind]
		if !ok {
			// all that apply count, not the nearest alone: the union of their properties (PropertySpec's
			// reference page); a view of ManagedEntity and VirtualMachine together relies on it
			for i := range spec.PropSet {
				c := &spec.PropSet[i]
				switch {
				case !isA(kind, c.Type):
				case p == nil:
					p = c
				default:
					p = union(p, c)
				}
			}
			byType[kind] = p
		}
		return p
	}
	type visit struct {
		ref refs
		sel *types.TraversalSpec
	}
	done := map[visit]bool{}
	for i := range spec.ObjectSet {
		o := &spec.ObjectSet[i]
		if r.object(o.Obj) == nil {
			continue
		}
		names := map[string]*types.TraversalSpec{}
		gather(o.SelectSet, names)
		var walk func(ref refs, skip bool, set []types.BaseSelectionSpec)
		walk = func(ref refs, skip bool, set []types.BaseSelectionSpec) {
			if !skip && !taken[ref] {
				if p := specFor(ref.Type); p != nil {
					taken[ref] = true
					out = append(out, chosen{ref, p})
				}
			}
			if len(set) == 0 {
				return
			}
			seen[ref] = true
			v, ok := r.value(ref)
			if !ok {
				return
			}
			for _, s := range set {
				t, ok := s.(*types.TraversalSpec)
				if !ok {
					t = names[s.GetSelectionSpec().Name]
				}
				if t == nil || !isA(ref.Type, t.Type) || done[visit{ref, t}] {
					continue
				}
				done[visit{ref, t}] = true
				x, ok := r.get(ref, v, t.Path)
				if !ok {
					continue
				}
				deep := t.Skip != nil && *t.Skip
				switch y := x.Interface().(type) {
				case refs:
					walk(y, deep, t.SelectSet)
				case []refs:
					for _, z := range y {
						walk(z, deep, t.SelectSet)
					}
				}
			}
		}
		walk(o.Obj, o.Skip != nil && *o.Skip, o.SelectSet)
	}
	return out
}

// paths are the property paths of a spec for one type.
func paths(kind reflect.Type, p *types.PropertySpec) []string {
	if all(p) {
		_, order := properties(kind)
		return order
	}
	return p.PathSet
}
