package vm

// edit.go: an edit of a device names what changes. What it leaves out stays as it was; the
// simulator would take the new device as complete.

import (
	"reflect"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

var _ = rule("vm.device-edit", "documented", "real", "API reference: VirtualDeviceConfigSpec, operation edit: unset properties are unchanged", "Fields that the device of an edit leaves unset do not change; nothing changes when a change of the same spec is refused.")

// merged is the old device with what the edit sets.
func merged(old, edit types.BaseVirtualDevice) types.BaseVirtualDevice {
	from, to := reflect.ValueOf(old).Elem(), reflect.ValueOf(edit).Elem()
	out := reflect.New(to.Type())
	out.Elem().Set(to)
	fillUnset(out.Elem(), from)
	d := out.Interface().(types.BaseVirtualDevice)
	if i := d.GetVirtualDevice().DeviceInfo; i != nil { // its own: the simulator writes into it
		own := *i.GetDescription()
		d.GetVirtualDevice().DeviceInfo = &own
	}
	if disk, ok := d.(*types.VirtualDisk); ok {
		was := old.(*types.VirtualDisk)
		if disk.CapacityInKB != was.CapacityInKB && edit.(*types.VirtualDisk).CapacityInBytes == 0 {
			disk.CapacityInBytes = disk.CapacityInKB << 10
		}
		b, ok := disk.Backing.(types.BaseVirtualDeviceFileBackingInfo) // "[ds-1]" alone names no other file
		if name := ""; ok {
			if name = b.GetVirtualDeviceFileBackingInfo().FileName; name == "" || strings.HasSuffix(strings.TrimSpace(name), "]") {
				disk.Backing = was.Backing
			}
		}
	}
	return d
}

// fillUnset copies what is zero, through embedded structs.
func fillUnset(to, from reflect.Value) {
	for i := 0; i < to.NumField(); i++ {
		f := to.Type().Field(i)
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			fillUnset(to.Field(i), from.Field(i))
		case f.Type.Kind() != reflect.Bool && to.Field(i).IsZero():
			to.Field(i).Set(from.Field(i))
		}
	}
}

// kept is the list of devices as it is, for a change that fails half-way: the simulator
// writes into the controllers' own lists.
func kept(list []types.BaseVirtualDevice) []types.BaseVirtualDevice {
	out := slices.Clone(list)
	for i, d := range out {
		if _, ok := d.(types.BaseVirtualController); !ok {
			continue
		}
		c := reflect.New(reflect.TypeOf(d).Elem())
		c.Elem().Set(reflect.ValueOf(d).Elem())
		out[i] = c.Interface().(types.BaseVirtualDevice)
		own := out[i].(types.BaseVirtualController).GetVirtualController()
		own.Device = slices.Clone(own.Device)
	}
	return out
}
