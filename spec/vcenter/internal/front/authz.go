package front

// authz.go: what a user may do where. Permissions are set on inventory paths and propagate
// down from there; the nearest one decides. AuthorizationManager answers from the same
// source, so a client's preflight checks and the refusals agree.

import (
	"reflect"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/wire"
)

var _ = rules.Add(rules.Rule{ID: "session.grants", Sure: "documented", As: "real", Source: "vSphere security guide: permissions propagate down the inventory, one on a child overrides",
	Text: "A permission on an inventory path applies to everything below it unless a nearer one is set; HasPrivilegeOnEntities and FetchUserPrivilegeOnEntities return the same."})

// owner is the inventory entity whose permissions count for an object.
func (f *Front) owner(ref types.ManagedObjectReference, req any) types.ManagedObjectReference {
	if strings.HasPrefix(ref.Type, "Guest") && req != nil {
		if vm := reflect.Indirect(reflect.ValueOf(req)).FieldByName("Vm"); vm.IsValid() {
			if r, ok := vm.Interface().(types.ManagedObjectReference); ok {
				return r
			}
		}
	}
	if o, ok := f.S.Owner(ref); ok {
		return o
	}
	switch o := f.W.Reg.Get(ref).(type) {
	case mo.Entity:
		return ref
	case *task.Task:
		return o.Entity()
	case *simulator.EnvironmentBrowser:
		for _, kind := range []string{"ClusterComputeResource", "ComputeResource"} {
			for _, e := range f.W.Reg.All(kind) {
				var cr *mo.ComputeResource
				switch c := e.(type) {
				case *simulator.ClusterComputeResource:
					cr = &c.ComputeResource
				case *mo.ComputeResource:
					cr = c
				}
				if cr != nil && cr.EnvironmentBrowser != nil && *cr.EnvironmentBrowser == ref {
					return cr.Self
				}
			}
		}
	}
	return f.W.Content.RootFolder
}

// places are the inventory paths of an entity and of all that is above it, nearest first.
func (f *Front) places(ref types.ManagedObjectReference) []string {
	var names []string
	for {
		e, ok := f.W.Reg.Get(ref).(mo.Entity)
		if !ok {
			break
		}
		me := e.Entity()
		if me.Parent == nil {
			break
		}
		name := me.Name
		if n, ok := e.(*mo.Network); ok {
			name = n.Name
		}
		names = append(names, name)
		ref = *me.Parent
	}
	out := []string{}
	for i := range names {
		path := ""
		for j := len(names) - 1; j >= i; j-- {
			path += "/" + names[j]
		}
		out = append(out, path)
	}
	return append(out, "/")
}

// may reports whether a user holds a privilege on an entity. World lock held.
func (f *Front) may(u *fleet.User, privilege string, entity types.ManagedObjectReference) bool {
	if len(u.Grants) == 0 {
		return session.Allowed(u, privilege)
	}
	return session.AllowedAt(u, privilege, f.places(entity))
}

func (f *Front) registerAuthorization() {
	own := func(c *api.Call, sessionID string) (*fleet.User, *fault.Error) {
		if sessionID == c.Session.Key {
			return c.Session.User, nil
		}
		if u := f.S.Sessions.UserOf(sessionID); u != nil && session.Allowed(c.Session.User, "Authorization.ModifyPermissions") {
			return u, nil
		}
		return nil, fault.InvalidArgument("sessionId")
	}
	check := func(u *fleet.User, entities []types.ManagedObjectReference, ids []string) ([]types.EntityPrivilege, *fault.Error) {
		var out []types.EntityPrivilege
		for _, e := range entities {
			if f.W.Reg.Get(e) == nil {
				return nil, fault.NotFound(e)
			}
			p := types.EntityPrivilege{Entity: e}
			for _, id := range ids {
				p.PrivAvailability = append(p.PrivAvailability, types.PrivilegeAvailability{PrivId: id, IsGranted: f.may(u, id, e)})
			}
			out = append(out, p)
		}
		return out, nil
	}
	s := f.S
	s.May, s.MayRead = f.may, f.mayRead
	am := f.W.Reg.Get(*f.W.Content.AuthorizationManager).(*simulator.AuthorizationManager)
	if len(am.PrivilegeList) == 0 {
		seen := map[string]bool{}
		for _, list := range [][]string{wire.Privileges(), beyond()} {
			for _, id := range list {
				if dot := strings.LastIndex(id, "."); dot > 0 && !seen[id] {
					seen[id] = true
					am.PrivilegeList = append(am.PrivilegeList, types.AuthorizationPrivilege{PrivId: id, Name: id[dot+1:], PrivGroupName: id[:dot]})
				}
			}
		}
	}
	f.registerEntities(am)
	f.registerLocalization()
	s.Handle("HasPrivilegeOnEntities", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.HasPrivilegeOnEntities)
		u, e := own(c, req.SessionId)
		if e != nil {
			return nil, e
		}
		list, e := check(u, req.Entity, req.PrivId)
		return &types.HasPrivilegeOnEntitiesResponse{Returnval: list}, e
	}, api.ReadOnly(), api.Needs("System.View"))
	s.Handle("HasPrivilegeOnEntity", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.HasPrivilegeOnEntity)
		u, e := own(c, req.SessionId)
		if e != nil {
			return nil, e
		}
		res := &types.HasPrivilegeOnEntityResponse{}
		for _, id := range req.PrivId {
			res.Returnval = append(res.Returnval, f.may(u, id, req.Entity))
		}
		return res, nil
	}, api.ReadOnly(), api.Needs("System.View"))
	s.Handle("HasUserPrivilegeOnEntities", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.HasUserPrivilegeOnEntities)
		u := s.Sessions.User(req.UserName)
		if u == nil {
			return nil, fault.InvalidArgument("userName")
		}
		list, e := check(u, req.Entities, req.PrivId)
		return &types.HasUserPrivilegeOnEntitiesResponse{Returnval: list}, e
	}, api.ReadOnly(), api.Needs("System.View"))
	s.Handle("FetchUserPrivilegeOnEntities", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.FetchUserPrivilegeOnEntities)
		u := s.Sessions.User(req.UserName)
		if u == nil {
			return nil, fault.InvalidArgument("userName")
		}
		res := &types.FetchUserPrivilegeOnEntitiesResponse{}
		for _, e := range req.Entities {
			if f.W.Reg.Get(e) == nil {
				return nil, fault.NotFound(e)
			}
			r := types.UserPrivilegeResult{Entity: e}
			for _, p := range am.PrivilegeList {
				if f.may(u, p.PrivId, e) {
					r.Privileges = append(r.Privileges, p.PrivId)
				}
			}
			res.Returnval = append(res.Returnval, r)
		}
		return res, nil
	}, api.ReadOnly(), api.Needs("System.View"))
}
