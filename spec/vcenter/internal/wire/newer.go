package wire

// newer.go: fields that govmomi's structs do not have. They come last in their types, and what
// they say is computed from the other fields.

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// ProfileManager is ServiceContent.directPathProfileManager (9.0).
var ProfileManager = types.ManagedObjectReference{Type: "DirectPathProfileManager", Value: "DirectPathProfileManager"}

var newer = map[string]func(*Encoder, reflect.Value){
	"ServiceContent": func(e *Encoder, v reflect.Value) {
		about := v.FieldByName("About").Interface().(types.AboutInfo)
		if about.ApiType == "VirtualCenter" && !ParseVersion("9.0.0.0").After(e.Version) {
			e.ref("directPathProfileManager", "", reflect.ValueOf(ProfileManager))
		}
	},
	"HostAssignableHardwareBinding": func(e *Encoder, v reflect.Value) {
		address, key, ok := strings.Cut(v.FieldByName("InstanceId").String(), "/")
		if _, err := strconv.Atoi(key); ok && err == nil && !ParseVersion("9.1.0.0").After(e.Version) {
			e.WriteString("<pciId>" + address + "</pciId><deviceKey>" + key + "</deviceKey>")
		}
	},
}
