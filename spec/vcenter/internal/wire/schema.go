// Package wire is the vim25 XML of both directions. govmomi's structs are the schema:
// their field order is the xsd:sequence, `omitempty` or a pointer means optional, an
// interface is a slot that takes derived types, and the tag vim:"x" is the version in
// which a field appeared. Reflection over them gives one table per type, built once;
// the strict reader (decode.go) and the writer (encode.go) both work from it.
package wire

import (
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// Field is one child element of a data object.
type Field struct {
	Name     string
	Index    []int
	Type     reflect.Type // element type: slices and pointers taken away
	List     bool
	Optional bool
	Omit     bool // written only when not zero
	Version  Version
	Raw      reflect.Type
	Absent   bool   // a request may leave it out: optional, or govmomi writes it and the schema does not require it
	Refers   string // the managed object type that a reference here is declared for, "" = any
}

// Info is the table of one struct type.
type Info struct {
	Name   string
	Type   reflect.Type
	Fields []Field
	byName map[string]int
}

// Field finds a field by its XML name.
func (i *Info) Field(name string) (*Field, int) {
	n, ok := i.byName[name]
	if !ok {
		return nil, -1
	}
	return &i.Fields[n], n
}

// Version is an API version such as 8.0.3.0.
type Version [4]int

// ParseVersion reads "8.0.3.0"; what is not a number counts as 0.
func ParseVersion(s string) (v Version) {
	for i, part := range strings.SplitN(s, ".", 4) {
		v[i], _ = strconv.Atoi(part)
	}
	return v
}

// After reports whether v is newer than w.
func (v Version) After(w Version) bool {
	for i := range v {
		if v[i] != w[i] {
			return v[i] > w[i]
		}
	}
	return false
}

func (v Version) String() string {
	parts := make([]string, 4)
	for i := range v {
		parts[i] = strconv.Itoa(v[i])
	}
	return strings.Join(parts, ".")
}

var (
	timeType   = reflect.TypeOf(time.Time{})
	refType    = reflect.TypeOf(types.ManagedObjectReference{})
	bytesType  = reflect.TypeOf([]byte(nil))
	sliceType  = reflect.TypeOf(types.ByteSlice(nil))
	infos      sync.Map
	byTypeName = types.TypeFunc()
)

// Of returns the table of a struct type.
func Of(t reflect.Type) *Info {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if i, ok := infos.Load(t); ok {
		return i.(*Info)
	}
	i := &Info{Name: t.Name(), Type: t, byName: map[string]int{}}
	collect(i, t, nil)
	for n := range i.Fields {
		i.byName[i.Fields[n].Name] = n
	}
	infos.Store(t, i)
	return i
}

func collect(i *Info, t reflect.Type, at []int) {
	for n := 0; n < t.NumField(); n++ {
		sf := t.Field(n)
		index := append(append([]int(nil), at...), n)
		tag := strings.Split(sf.Tag.Get("xml"), ",")
		tag[0] = tag[0][strings.LastIndexByte(tag[0], ' ')+1:] // "urn:vim25 returnval": the namespace is always that
		if sf.Anonymous && tag[0] == "" {
			collect(i, sf.Type, index)
			continue
		}
		if tag[0] == "" || tag[0] == "-" || !sf.IsExported() {
			continue
		}
		f := Field{Name: tag[0], Index: index, Raw: sf.Type, Type: sf.Type}
		skip := false
		for _, o := range tag[1:] {
			switch o {
			case "omitempty":
				f.Optional, f.Omit = true, true
			case "attr", "chardata":
				skip = true
			}
		}
		if skip {
			continue
		}
		if f.Type.Kind() == reflect.Slice && f.Type != bytesType {
			f.List = true
			if f.Type == sliceType {
				f.Type = reflect.TypeOf(byte(0))
			} else {
				f.Type = f.Type.Elem()
			}
		}
		if f.Type.Kind() == reflect.Pointer {
			f.Type = f.Type.Elem()
			f.Optional = true
		}
		if v := sf.Tag.Get("vim"); v != "" {
			f.Version = ParseVersion(v)
		}
		f.Absent = f.Optional
		if v, newer := fieldSince[t.Name()+"."+f.Name]; newer || loose[t.Name()+"."+f.Name] {
			// A field newer than its type cannot be required: older clients do not have it.
			f.Absent = true
			if v.After(f.Version) {
				f.Version = v
			}
		}
		if t.Name() == "HostLowLevelProvisioningManagerDiskLayoutSpec" && f.Name == "unitNumber" {
			f.Absent = false // a pointer in govmomi, required in the schema
		}
		if f.Type == refType {
			f.Refers = refersTo[t.Name()+"."+f.Name]
		}
		i.Fields = append(i.Fields, f)
	}
}

// TypeByName finds a vim25 type (data object, enum, ArrayOfX, request).
func TypeByName(name string) (reflect.Type, bool) { return byTypeName(name) }

// baseOf is the concrete type behind an interface slot: BaseOptionValue -> OptionValue.
func baseOf(t reflect.Type) (reflect.Type, bool) {
	return byTypeName(strings.TrimPrefix(t.Name(), "Base"))
}

// SlotBase is baseOf for other packages.
func SlotBase(t reflect.Type) (reflect.Type, bool) { return baseOf(t) }

// HasField reports whether a type, or a type derived from it, has a field of this name.
func HasField(base reflect.Type, name string) bool {
	for _, kind := range DataTypes() {
		if t, ok := TypeByName(kind); ok && IsKind(t, base) {
			if f, _ := Of(t).Field(name); f != nil {
				return true
			}
		}
	}
	return false
}

// IsKind reports whether a struct type is base or is derived from it (by embedding).
func IsKind(t, base reflect.Type) bool {
	for {
		if t == base {
			return true
		}
		if t.Kind() != reflect.Struct || t.NumField() == 0 || !t.Field(0).Anonymous {
			return false
		}
		t = t.Field(0).Type
	}
}

// enumValues returns the legal values of an enum type, nil when the type is not an enum.
func enumValues(t reflect.Type) []string {
	m, ok := t.MethodByName("Strings")
	if !ok || t.Kind() != reflect.String {
		return nil
	}
	out := m.Func.Call([]reflect.Value{reflect.Zero(t)})
	s, _ := out[0].Interface().([]string)
	return s
}
