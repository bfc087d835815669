package collector

// path.go: property paths. A path is checked against the static types once, so that a
// wrong one faults the whole call as the real server does, and read by reflection.

import (
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/wire"
)

var _ = rules.Add(rules.Rule{ID: "collector.empty-list", Sure: "seen", As: "real", Source: "pyvmomi tests/fixtures/test_json_host_explode.yaml: HostSystem.value, customValue recorded as an empty ArrayOfCustomFieldValue",
	Text: "A property that is an empty list is answered as one; it is not left out. A list inside a data object is left out when it is empty."})

var _ = rules.Add(rules.Rule{ID: "collector.index", Sure: "seen", As: "real", Source: "govc's test collect index: device[\"4000\"] and extraConfig[guestinfo.a] fail (the key is an int; a string key requires quotes), device[4000] succeeds, a key that is not there is no error",
	Text: "A member of a list is named by its key: in quotes when the key is a string (extraConfig[\"a.b\"]), without them when it is a number (device[4000]); otherwise InvalidProperty."})

var (
	refType  = reflect.TypeOf(types.ManagedObjectReference{})
	props    sync.Map // reflect.Type -> map[string][]int: properties of a mo struct
	orders   sync.Map // reflect.Type -> []string
	checked  sync.Map // type name + path -> bool
	timeKind = "time.Time"
)

// properties lists the properties of a managed object type with their field indices.
func properties(t reflect.Type) (map[string][]int, []string) {
	if p, ok := props.Load(t); ok {
		o, _ := orders.Load(t)
		return p.(map[string][]int), o.([]string)
	}
	m := map[string][]int{}
	var order []string
	var walk func(t reflect.Type, at []int)
	walk = func(t reflect.Type, at []int) {
		for i := 0; i < t.NumField(); i++ {
			f := t.Field(i)
			index := append(append([]int(nil), at...), i)
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				walk(f.Type, index)
				continue
			}
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "self" || !f.IsExported() {
				continue
			}
			if _, dup := m[name]; !dup {
				order = append(order, name)
			}
			m[name] = index
		}
	}
	walk(t, nil)
	props.Store(t, m)
	orders.Store(t, order)
	return m, order
}

// isA reports whether a managed object type is of a kind or derived from it.
func isA(name, kind string) bool {
	if name == kind {
		return true
	}
	t, ok := wire.Managed(name)
	if !ok {
		return false
	}
	return embeds(t, kind)
}

func embeds(t reflect.Type, kind string) bool {
	for t.Kind() == reflect.Struct && t.NumField() > 0 && t.Field(0).Anonymous {
		t = t.Field(0).Type
		if t.Name() == kind {
			return true
		}
	}
	return false
}

// step is one part of a path: a name and perhaps a key in brackets.
type step struct {
	name   string
	key    string
	hasKey bool
	quoted bool
}

// split cuts "config.extraConfig["a.b"].value" at the dots outside brackets.
func split(path string) ([]step, bool) {
	var out []step
	for path != "" {
		end, depth := len(path), 0
		for i := 0; i < len(path); i++ {
			switch path[i] {
			case '[':
				depth++
			case ']':
				depth--
			case '.':
				if depth == 0 {
					end = i
				}
			}
			if end == i {
				break
			}
		}
		part := path[:end]
		if end == len(path) {
			path = ""
		} else if path = path[end+1:]; path == "" {
			return nil, false
		}
		s := step{name: part}
		if open := strings.IndexByte(part, '['); open >= 0 {
			if !strings.HasSuffix(part, "]") {
				return nil, false
			}
			key := part[open+1 : len(part)-1]
			s.name, s.key, s.hasKey = part[:open], key, true
			if len(key) > 1 && key[0] == '"' && key[len(key)-1] == '"' {
				s.key, s.quoted = key[1:len(key)-1], true
			}
		}
		if strings.Contains(s.key, `"`) {
			return nil, false
		}
		if s.name == "" {
			return nil, false
		}
		out = append(out, s)
	}
	return out, len(out) > 0
}

// valid checks a path against the static types of a managed object type.
func valid(kind, path string) bool {
	key := kind + " " + path
	if ok, seen := checked.Load(key); seen {
		return ok.(bool)
	}
	ok := check(kind, path)
	checked.Store(key, ok)
	return ok
}

func check(kind, path string) bool {
	t, ok := wire.Managed(kind)
	if !ok {
		return false
	}
	steps, ok := split(path)
	if !ok {
		return false
	}
	fields, _ := properties(t)
	index, ok := fields[steps[0].name]
	if !ok {
		return false
	}
	cur := t.FieldByIndex(index).Type
	for i := 0; ; i++ {
		list := cur.Kind() == reflect.Slice && cur.Elem().Kind() != reflect.Uint8
		if list {
			if !steps[i].hasKey {
				return i == len(steps)-1
			}
			cur = cur.Elem()
			if !keyed(cur, steps[i].quoted) {
				return false
			}
		} else if steps[i].hasKey {
			return false
		}
		for cur.Kind() == reflect.Pointer {
			cur = cur.Elem()
		}
		if i == len(steps)-1 {
			return true
		}
		if cur.Kind() == reflect.Interface {
			// a slot for derived types: one of them has to have the field; what is really there decides
			base, ok := wire.SlotBase(cur)
			return !ok || wire.HasField(base, steps[i+1].name)
		}
		if cur.Kind() != reflect.Struct || cur.String() == timeKind || cur == refType {
			return false
		}
		f, _ := wire.Of(cur).Field(steps[i+1].name)
		if f == nil {
			return false
		}
		cur = f.Raw
	}
}

// keyed reports whether the key of a list's member is written as its type asks for: text in quotes, a number without.
func keyed(member reflect.Type, quoted bool) bool {
	for member.Kind() == reflect.Pointer {
		member = member.Elem()
	}
	if member.Kind() == reflect.Interface { // BaseVirtualDevice: what all derived types have
		if base, ok := wire.SlotBase(member); ok {
			member = base
		}
	}
	if member.Kind() != reflect.Struct || member == refType {
		return true
	}
	for _, name := range []string{"Key", "Id"} {
		if f, ok := member.FieldByName(name); ok {
			switch f.Type.Kind() {
			case reflect.String:
				return quoted
			case reflect.Int16, reflect.Int32, reflect.Int64:
				return !quoted
			}
			return true
		}
	}
	return true
}

// get reads a path of an object; false = unset. v is its mo struct.
func (r *Service) get(ref refs, v reflect.Value, path string) (reflect.Value, bool) {
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	f := r.w.DerivedOf(ref.Type, path[:end])
	if f == nil {
		return get(v, path)
	}
	steps, ok := split(path)
	if !ok {
		return v, false
	}
	return follow(reflect.ValueOf(f(ref)), steps)
}

// get reads a path; false = unset. v is the mo struct.
func get(v reflect.Value, path string) (reflect.Value, bool) {
	steps, ok := split(path)
	if !ok {
		return v, false
	}
	fields, _ := properties(v.Type())
	index, ok := fields[steps[0].name]
	if !ok {
		return v, false
	}
	return follow(v.FieldByIndex(index), steps)
}

// follow reads the rest of a path below its first step's value.
func follow(cur reflect.Value, steps []step) (reflect.Value, bool) {
	optional, ok := false, false
	for i := 0; ; i++ {
		if steps[i].hasKey {
			if cur, ok = element(cur, steps[i].key); !ok {
				return cur, false
			}
		}
		for cur.Kind() == reflect.Pointer || cur.Kind() == reflect.Interface {
			if cur.IsNil() {
				return cur, false
			}
			cur = cur.Elem()
		}
		if i == len(steps)-1 {
			break
		}
		if cur.Kind() != reflect.Struct || cur.Type() == refType {
			return cur, false
		}
		info := wire.Of(cur.Type())
		f, _ := info.Field(steps[i+1].name)
		if f == nil {
			return cur, false
		}
		optional = f.Omit && !(cur.FieldByIndex(f.Index).IsZero() && info.Present(f, cur))
		cur = cur.FieldByIndex(f.Index)
	}
	return cur, set(cur, optional, len(steps) == 1)
}

// set reports whether a value counts as present.
func set(v reflect.Value, optional, top bool) bool {
	if !v.IsValid() {
		return false
	}
	switch v.Kind() {
	case reflect.Slice:
		if v.Len() > 0 {
			return true
		}
		return top && v.Type().Elem().Kind() != reflect.Uint8 // a property that is an empty list is there
	case reflect.Struct:
		if top && v.Type() != refType && v.IsZero() {
			return false // a property that the simulator never filled in
		}
	case reflect.String:
		if v.Type().Name() != "string" && v.Len() == 0 {
			return false // an enum without a value
		}
	}
	return !optional || !v.IsZero()
}

// element finds the member of a list by its key.
func element(v reflect.Value, key string) (reflect.Value, bool) {
	if v.Kind() != reflect.Slice {
		return v, false
	}
	for i := 0; i < v.Len(); i++ {
		e := v.Index(i)
		for e.Kind() == reflect.Pointer || e.Kind() == reflect.Interface {
			if e.IsNil() {
				return v, false
			}
			e = e.Elem()
		}
		if e.Type() == refType {
			r := e.Interface().(types.ManagedObjectReference)
			if r.Value == key || r.Type+":"+r.Value == key {
				return e, true
			}
			continue
		}
		if e.Kind() != reflect.Struct {
			continue
		}
		k := e.FieldByName("Key")
		if !k.IsValid() {
			k = e.FieldByName("Id")
		}
		if !k.IsValid() {
			continue
		}
		for k.Kind() == reflect.Interface || k.Kind() == reflect.Pointer {
			k = k.Elem()
		}
		text := ""
		switch k.Kind() {
		case reflect.String:
			text = k.String()
		case reflect.Int32, reflect.Int64, reflect.Int16:
			text = strconv.FormatInt(k.Int(), 10)
		case reflect.Struct:
			if k.Type() == refType {
				text = k.Interface().(types.ManagedObjectReference).Value
			}
		}
		if text == key {
			return e, true
		}
	}
	return v, false
}
