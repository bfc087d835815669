package world

// scrub.go: no answer shows a path of the computer that this server runs on. The simulator
// and the system name real files in their errors; a client uses "[ds-1] a/a.vmx".

import (
	"path/filepath"
	"reflect"
	"strings"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "file.names", Sure: "documented", As: "real", Source: "API reference: FileFault.file: a datastore path",
	Text: "A fault names a file by its datastore path."})

// Scrub rewrites the paths in a fault: its own strings, those of its causes and messages.
func (w *World) Scrub(e *fault.Error) {
	if e == nil {
		return
	}
	e.Message = w.ScrubText(e.Message)
	w.scrub(reflect.ValueOf(e.Fault), 0)
}

func (w *World) scrub(v reflect.Value, depth int) {
	if depth > 12 {
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			w.scrub(v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			w.scrub(v.Field(i), depth+1)
		}
	case reflect.Slice:
		for i := range v.Len() {
			w.scrub(v.Index(i), depth+1)
		}
	case reflect.String:
		if s := v.String(); v.CanSet() && strings.Contains(s, w.Dir) {
			v.SetString(w.ScrubText(s))
		}
	}
}

// ScrubText rewrites the paths in a text.
func (w *World) ScrubText(s string) string {
	if w.Dir == "" || !strings.Contains(s, w.Dir) {
		return s
	}
	for i := range w.Fleet.Datastores {
		name := w.Fleet.Datastores[i].Name
		dir := w.DatastoreDir(name)
		s = strings.ReplaceAll(s, dir+string(filepath.Separator), "["+name+"] ")
		for _, end := range []string{"", ":", " ", "\"", "'"} { // the datastore itself
			if end == "" && strings.HasSuffix(s, dir) {
				s = strings.TrimSuffix(s, dir) + "[" + name + "]"
			} else if end != "" {
				s = strings.ReplaceAll(s, dir+end, "["+name+"]"+end)
			}
		}
	}
	s = strings.ReplaceAll(s, w.Dir+string(filepath.Separator), "")
	return strings.ReplaceAll(s, w.Dir, "")
}
