package front

// demand.go: the privileges that a call requires. A method has a privilege of its own, required
// on the object that it is called on; a parameter may require another one on the object that it
// names; and for some methods they depend on the request (demand_vm.go, demand_place.go). All
// are collected first and then compared with the user's permissions: the fault names the first
// one that is missing, and since 7.0.3 all of them.

import (
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/wire"
)

const parameterSource = "pyVmomi's tables name a privilege for parameters too; API reference: Required privileges of parameters"

var (
	_ = rules.Add(rules.Rule{ID: "session.parameter-privilege", Sure: "documented", As: "real", Source: parameterSource,
		Text: "An object that a parameter names needs the privilege that the parameter is declared with: Resource.AssignVMToPool on the pool of CreateVM_Task, VirtualMachine.GuestOperations.* on the VM, and so on."})
	_ = rules.Add(rules.Rule{ID: "session.parameter-object", Sure: "documented", As: "real", Source: "API reference: ManagedObjectNotFound is a runtime fault of every method",
		Text: "A missing inventory object that a parameter or a field names is ManagedObjectNotFound, which names it."})
	_ = rules.Add(rules.Rule{ID: "session.read-floor", Sure: "inferred", As: "inferred", Source: "API reference: methods whose privilege is dynamic; the role No access sees nothing",
		Text: "A method for which no privilege is named needs System.Read on its object."})
	_ = rules.Add(rules.Rule{ID: "session.missing-privileges", Sure: "documented", As: "real", Source: "API reference: NoPermission.missingPrivileges (7.0.3.2)",
		Text: "NoPermission names the first missing privilege with its object, and in missingPrivileges all missing ones."})
)

// demand is one privilege required on one object.
type demand struct {
	ref       types.ManagedObjectReference
	privilege string
}

// demands are collected in the order in which they are found.
type demands struct {
	f    *Front
	list []demand
}

func (d *demands) add(ref types.ManagedObjectReference, privileges ...string) {
	for _, p := range privileges {
		if p == "" {
			continue
		}
		one := demand{ref, p}
		for _, x := range d.list {
			if x == one {
				return
			}
		}
		d.list = append(d.list, one)
	}
}

// need is the privilege of the method itself.
func need(c *api.Call, entry *api.Entry, model *wire.Method) string {
	p := ""
	if model != nil {
		p = model.Privilege
	}
	if entry != nil && entry.Privilege != "" {
		p = entry.Privilege
	}
	return p
}

// permitted checks the objects that a call names and what the user may do with them.
func (f *Front) permitted(c *api.Call, entry *api.Entry, model *wire.Method) *fault.Error {
	u := c.Session.User
	named := wire.References(c.Method, c.Req)
	all := u.Role == "Admin" && len(u.Grants) == 0
	if all && len(named) == 0 {
		return nil
	}
	f.W.RLock()
	defer f.W.RUnlock()
	for _, r := range named {
		if r.Entity && !tolerant[c.Method] && f.W.Get(r.Ref) == nil {
			return fault.NotFound(r.Ref)
		}
	}
	if all {
		return nil
	}
	d := &demands{f: f}
	own := need(c, entry, model)
	special := byRequest[c.Method]
	if special != nil {
		if own == "" {
			own = "System.View" // what else it needs is in the request
		}
		special(d, c)
	} else if own == "" && model != nil && c.This.Type != "Task" {
		own = "System.Read"
	}
	d.list = append([]demand{{c.This, own}}, d.list...)
	for _, r := range named {
		d.add(r.Ref, r.Privilege)
	}
	var lacks []demand
	for _, x := range d.list {
		if !f.holds(c, x) {
			lacks = append(lacks, x)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return lacking(lacks)
}

// holds reports whether the caller has one of the privileges. World lock held.
func (f *Front) holds(c *api.Call, x demand) bool {
	u := c.Session.User
	switch x.privilege {
	case "":
		return true
	case "System.View", "System.Anonymous", "Sessions.ValidateSession":
		if len(u.Grants) > 0 {
			return true // a user with any permission may browse
		}
	}
	var req any
	if x.ref == c.This {
		req = c.Req
	}
	return f.may(u, x.privilege, f.owner(x.ref, req))
}

// lacking is NoPermission for what is missing.
func lacking(list []demand) *fault.Error {
	first := list[0].ref
	np := &types.NoPermission{Object: &first, PrivilegeId: list[0].privilege}
	at := map[types.ManagedObjectReference]int{}
	for _, x := range list {
		i, ok := at[x.ref]
		if !ok {
			i = len(np.MissingPrivileges)
			at[x.ref] = i
			np.MissingPrivileges = append(np.MissingPrivileges, types.NoPermissionEntityPrivileges{Entity: x.ref})
		}
		np.MissingPrivileges[i].PrivilegeIds = append(np.MissingPrivileges[i].PrivilegeIds, x.privilege)
	}
	return fault.New(np)
}

// tolerant are methods that handle a missing object in their own way.
var tolerant = map[string]bool{
	"FetchUserPrivilegeOnEntities": true, "HasPrivilegeOnEntities": true, "HasPrivilegeOnEntity": true, "HasUserPrivilegeOnEntities": true,
	"OpenInventoryViewFolder": true, "CloseInventoryViewFolder": true, "QueryPerf": true, "QueryEvents": true, "CreateCollectorForEvents": true, "CreateCollectorForTasks": true,
}

// datastore finds the datastore of a path "[name] folder/file"; false when the path names none.
func (d *demands) datastore(path string) (types.ManagedObjectReference, bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(path), "[")
	name, _, closed := strings.Cut(rest, "]")
	if !ok || !closed || name == "" {
		return types.ManagedObjectReference{}, false
	}
	for _, e := range d.f.W.Reg.All("Datastore") {
		if e.Entity().Name == name {
			return e.Reference(), true
		}
	}
	return types.ManagedObjectReference{}, false
}

// space demands Datastore.AllocateSpace on the datastore of a path.
func (d *demands) space(path string) {
	if ds, ok := d.datastore(path); ok {
		d.add(ds, "Datastore.AllocateSpace")
	}
}

func (d *demands) files(path string) {
	if ds, ok := d.datastore(path); ok {
		d.add(ds, "Datastore.FileManagement")
	}
}
