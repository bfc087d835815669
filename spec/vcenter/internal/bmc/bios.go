package bmc

// bios.go: attributes, their registry, what is pending, and what a boot makes of it.

import (
	"fmt"
	"maps"
	"sort"
	"strings"
)

func (b *BMC) attribute(name string) *attribute {
	for i := range b.m.attributes {
		if b.m.attributes[i].name == name {
			return &b.m.attributes[i]
		}
	}
	return nil
}

// closed reports whether an attribute takes no value now. Callers hold the lock.
func (b *BMC) closed(a *attribute) bool {
	return a.readOnly || a.unless[0] != "" && b.next(a.unless[0]) != a.unless[1]
}

func (b *BMC) next(name string) any {
	if v, ok := b.pending[name]; ok {
		return v
	}
	return b.current[name]
}

// shows gives what the resources show of the attributes in force and of the pending ones.
func (b *BMC) shows() (current, pending map[string]any) {
	if b.old != nil && b.now() < b.old.until {
		return clone(b.old.current), clone(b.old.pending)
	}
	return clone(b.current), clone(b.pending)
}

// take checks a value and gives it in the form that the BIOS resource shows.
func (a *attribute) take(v any) (any, string) {
	switch a.kind {
	case "Enumeration":
		s, ok := v.(string)
		if !ok {
			return nil, "PropertyValueTypeError"
		}
		for _, x := range a.values {
			if s == x.name || s == x.text {
				return x.text, ""
			}
		}
		return nil, "PropertyValueNotInList"
	case "Integer":
		f, ok := v.(float64)
		if !ok || f != float64(int64(f)) {
			return nil, "PropertyValueTypeError"
		}
		if int64(f) < a.low || int64(f) > a.high {
			return nil, "PropertyValueOutOfRange"
		}
		return int64(f), ""
	case "Boolean":
		if _, ok := v.(bool); !ok {
			return nil, "PropertyValueTypeError"
		}
		return v, ""
	}
	if _, ok := v.(string); !ok {
		return nil, "PropertyValueTypeError"
	}
	return v, ""
}

// put makes attributes pending: all or none. Callers hold the lock.
func (b *BMC) put(given map[string]any) *problem {
	wanted := map[string]any{}
	for name, v := range given {
		a := b.attribute(name)
		if b.m.lenient {
			if a != nil {
				wanted[name] = v
			}
			continue
		}
		if a == nil {
			return bad(400, "PropertyUnknown", "The property %s is not in the list of valid properties for the resource.", name)
		}
		if b.closed(a) {
			return bad(400, "PropertyNotWritable", "The property %s is a read only property and cannot be assigned a value.", name)
		}
		x, why := a.take(v)
		if why != "" {
			return bad(400, why, "The value '%v' for the property %s is not acceptable.", v, name)
		}
		wanted[name] = x
	}
	maps.Copy(b.pending, wanted)
	for name, v := range b.pending {
		if !b.m.lenient && v == b.current[name] {
			delete(b.pending, name)
		}
	}
	b.tag++
	return nil
}

// boot is a boot of the host: what is pending comes into force.
func (b *BMC) boot() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.board(false)
	b.old = nil
	if b.trouble.Late > 0 {
		b.old = &snapshot{b.now() + b.trouble.Late, clone(b.current), clone(b.pending)}
	}
	apply := !b.m.jobs
	for _, j := range b.jobs {
		if j.state(b.now()) == "Scheduled" {
			j.done, j.until, apply = true, b.now()+b.trouble.Late, true
		}
	}
	b.messages = nil
	if apply {
		b.apply()
	}
	b.board(true)
	b.tag++
}

func (b *BMC) apply() {
	names := make([]string, 0, len(b.pending))
	for name := range b.pending {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		v := b.pending[name]
		a := b.attribute(name)
		x, why := a.take(v)
		if why != "" { // an iLO's verdict comes now
			b.messages = append(b.messages, message("iLO.2.24."+why, fmt.Sprintf("The value '%v' for the property %s is not acceptable.", v, name)))
			continue
		}
		if b.trouble.Drop[name] || b.m.custom && strings.HasPrefix(name, "Processors_") && b.next("OperatingModes_ChooseOperatingMode") != "CustomMode" {
			continue
		}
		b.current[name] = x
	}
	b.pending = map[string]any{}
}

// board makes the host's own switches follow the attributes, or before a boot the attributes the switches.
func (b *BMC) board(set bool) {
	for name, attr := range map[string]string{"above_4g": b.m.above4G, "iommu": b.m.iommu} {
		if attr == "" {
			continue
		}
		on := b.current[attr] == b.on(attr)
		if set {
			b.h.Switch(name, on)
		} else if b.h.Switched(name) != on {
			if b.h.Switched(name) {
				b.current[attr] = b.on(attr)
			} else {
				b.current[attr] = b.off(attr)
			}
		}
	}
}

func (b *BMC) on(name string) any  { return b.named(name, "Enable") }
func (b *BMC) off(name string) any { return b.named(name, "Disable") }

func (b *BMC) named(name, word string) any {
	for _, v := range b.attribute(name).values {
		if strings.HasPrefix(v.text, word) {
			return v.text
		}
	}
	return nil
}

// document is the attribute registry.
func (b *BMC) document() map[string]any {
	list, deps := []any{}, []any{}
	for i := range b.m.attributes {
		a := &b.m.attributes[i]
		e := map[string]any{"AttributeName": a.name, "DisplayName": a.name, "Type": a.kind, "ReadOnly": a.readOnly, "ResetRequired": true}
		if a.kind == "Enumeration" {
			vs := []any{}
			for _, v := range a.values {
				vs = append(vs, map[string]any{"ValueName": v.name, "ValueDisplayName": v.text})
			}
			e["Value"] = vs
		}
		if a.kind == "Integer" {
			e["LowerBound"], e["UpperBound"], e["ScalarIncrement"] = a.low, a.high, 0
		}
		list = append(list, e)
		if a.unless[0] != "" {
			deps = append(deps, map[string]any{"DependencyFor": a.name, "Type": "Map", "Dependency": map[string]any{
				"MapFrom": []any{map[string]any{"MapFromAttribute": a.unless[0], "MapFromProperty": "CurrentValue", "MapFromCondition": "NEQ",
					"MapFromValue": a.unless[1]}}, "MapToAttribute": a.name, "MapToProperty": "ReadOnly", "MapToValue": true}})
		}
	}
	return map[string]any{"@odata.type": "#AttributeRegistry.v1_3_2.AttributeRegistry", "Id": b.m.registryID, "Name": "BIOS Attribute Registry",
		"Language": "en", "OwningEntity": b.m.vendor, "RegistryVersion": "1.0.0",
		"RegistryEntries": map[string]any{"Attributes": list, "Dependencies": deps}}
}
