package world

// entity_name.go: the name of an entity. Slash, backslash and percent are escaped in
// a name, as in a URL, so that an inventory path can be split; a percent that begins
// an escape sequence already is left alone, whatever the sequence means. The simulator
// escapes every percent (and loses the devices of a VM when it renames it), so
// it gets a plain name to work with, and the entity its own name afterwards.

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "inventory.name", Sure: "documented", As: "real", Source: "API reference: ManagedEntity.name, Folder.CreateFolder, VirtualMachineConfigSpec.name; none for the names of the files",
	Text: "In a name / \\ and % become %2f, %5c and %25; a % that starts an escape sequence stays. A name has 1 to 80 characters, a sequence counting as one, else InvalidName. In file names a sequence is replaced by _."})

var sequence = regexp.MustCompile(`%[0-9A-Fa-f]{2}|[%/\\]`)

// EntityName escapes a name as a client sent it.
func EntityName(name string) string {
	if !strings.ContainsAny(name, `%/\`) {
		return name
	}
	return sequence.ReplaceAllStringFunc(name, func(s string) string {
		if len(s) == 3 {
			return s
		}
		return strings.ToLower(url.QueryEscape(s))
	})
}

// BadName reports whether a name is invalid.
func BadName(name string) bool {
	n := utf8.RuneCountInString(sequence.ReplaceAllString(name, "_"))
	return n == 0 || n > 80
}

// InvalidName refuses a name.
func InvalidName(name string, entity *types.ManagedObjectReference) *fault.Error {
	return fault.New(&types.InvalidName{Name: name, Entity: entity}, "The name '%s' is invalid.", name)
}

// PlainName is a name without escape sequences that is unused in a folder. World lock held.
func (w *World) PlainName(folder types.ManagedObjectReference, name string) string {
	if !sequence.MatchString(name) {
		return name
	}
	base := sequence.ReplaceAllString(name, "_")
	name = base
	for n := 1; ; n++ {
		if _, taken := w.ChildNamed(folder, name); !taken {
			return name
		}
		name = fmt.Sprintf("%s_%d", base, n)
	}
}

// plain passes a name without anything to escape to those methods of the simulator that escape
// names; want is the final name of the entity, "" where nothing was done.
func (w *World) plain(this types.ManagedObjectReference, req any) (ask any, want string, e *fault.Error) {
	free := func(in types.ManagedObjectReference, name *string) { want, *name = *name, w.PlainName(in, *name) }
	switch q := req.(type) {
	case *types.CreateFolder:
		if !sequence.MatchString(q.Name) {
			break
		}
		if ref, taken := w.ChildNamed(this, q.Name); taken {
			return nil, "", fault.New(&types.DuplicateName{Name: q.Name, Object: ref})
		}
		c := *q
		free(this, &c.Name)
		return &c, want, nil
	case *types.CreateVM_Task:
		if sequence.MatchString(q.Config.Name) {
			c := *q
			free(this, &c.Config.Name)
			return &c, want, nil
		}
	case *types.CloneVM_Task:
		if sequence.MatchString(q.Name) {
			c := *q
			free(q.Folder, &c.Name)
			return &c, want, nil
		}
	case *types.RegisterVM_Task:
		if sequence.MatchString(q.Name) {
			c := *q
			free(this, &c.Name)
			return &c, want, nil
		}
	}
	return req, "", nil
}

// call names an entity that the simulator created under a plain name.
func (w *World) call(res any, name string) {
	ref, ok := res.(types.ManagedObjectReference)
	if r, folder := res.(*types.CreateFolderResponse); folder {
		ref, ok = r.Returnval, true
	}
	if !ok {
		return
	}
	switch o := w.Reg.Get(ref).(type) {
	case *simulator.VirtualMachine:
		o.Name, o.Config.Name, o.Summary.Config.Name = name, name, name
	case mo.Entity:
		o.Entity().Name = name
	}
	w.names.note(ref)
	w.Touch(ref)
}
