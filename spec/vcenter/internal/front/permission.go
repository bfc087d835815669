package front

// permission.go: properties of every entity, besides its own type's properties: the permissions set on it, and the
// alarms that watch it.

import (
	"reflect"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/wire"
)

var (
	_ = rules.Add(rules.Rule{ID: "session.permission", Sure: "documented", As: "real", Source: "API reference: ManagedEntity.permission (List of permissions defined for this entity), AuthorizationManager.RetrieveEntityPermissions; empty for a VM and a host in pyvmomi's recorded fixtures",
		Text: "permission lists what is set on the entity itself, so that most have none: a user of the fleet file without grants has one on the root folder, with grants one on each of their paths. RetrieveEntityPermissions answers the same."})
	_ = rules.Add(rules.Rule{ID: "event.declared-alarm", Sure: "seen", As: "real", Source: "pyvmomi tests/fixtures/test_json_vm_explode_default.yaml, test_json_host_explode.yaml: declaredAlarmState with key alarm-10.vm-127, gray until the alarm has seen something",
		Text: "declaredAlarmState has one entry for each alarm that is defined for entities of that type, with the key ALARM.ENTITY. A host of its own has no alarms."})
)

var roles = map[string]int32{"Admin": -1, "ReadOnly": -2, "NoAccess": -5}

// role is the id of a role of the fleet file: one that vCenter has, or one made for these privileges.
func (f *Front) role(am *simulator.AuthorizationManager, name, of string, privileges []string) int32 {
	if privileges == nil {
		if id, ok := roles[name]; ok {
			return id
		}
		return roles["NoAccess"]
	}
	label := "role of " + of
	for _, r := range am.RoleList {
		if r.Name == label && reflect.DeepEqual(r.Privilege, privileges) {
			return r.RoleId
		}
	}
	id := int32(1000 + len(am.RoleList))
	am.RoleList = append(am.RoleList, types.AuthorizationRole{RoleId: id, Name: label, Privilege: privileges,
		Info: &types.Description{Label: label, Summary: "of the fleet file"}})
	return id
}

// granted are the permissions that the fleet file sets on an entity: by user, in the file's order.
func (f *Front) granted(ref types.ManagedObjectReference) []types.Permission {
	var out []types.Permission
	path := f.places(ref)[0]
	for i := range f.W.Fleet.Users {
		u := &f.W.Fleet.Users[i]
		add := func(id int32, propagate bool) {
			out = append(out, types.Permission{Entity: &ref, Principal: u.Name, RoleId: id, Propagate: propagate})
		}
		for j := range u.Grants {
			if g := &u.Grants[j]; g.Path == path {
				add(f.roleIDs[g], g.Propagate == nil || *g.Propagate)
			}
		}
		if len(u.Grants) == 0 && path == "/" {
			add(f.roleIDs[u], true)
		}
	}
	return out
}

// permissions are those that are set on an entity itself.
func (f *Front) permissions(am *simulator.AuthorizationManager, ref types.ManagedObjectReference) []types.Permission {
	out := []types.Permission{}
	if b, ok := am.RetrieveEntityPermissions(f.W.Ctx, &types.RetrieveEntityPermissions{This: am.Self, Entity: ref}).(*methods.RetrieveEntityPermissionsBody); ok && b.Res != nil {
		out = append(out, b.Res.Returnval...)
	}
	return append(out, f.granted(ref)...)
}

// watches reports whether an alarm is for entities of a type.
func watches(x types.BaseAlarmExpression, kind string) bool {
	switch e := x.(type) {
	case *types.OrAlarmExpression:
		return len(e.Expression) > 0 && watches(e.Expression[0], kind)
	case *types.AndAlarmExpression:
		return len(e.Expression) > 0 && watches(e.Expression[0], kind)
	case *types.EventAlarmExpression:
		return e.ObjectType == "" || wire.Derives(kind, e.ObjectType)
	case *types.StateAlarmExpression:
		return wire.Derives(kind, e.Type)
	case *types.MetricAlarmExpression:
		return wire.Derives(kind, e.Type)
	}
	return false
}

// within reports whether an entity is another one or below it.
func (f *Front) within(ref, top types.ManagedObjectReference) bool {
	for at := &ref; at != nil; {
		if *at == top {
			return true
		}
		e, ok := f.W.Reg.Get(*at).(mo.Entity)
		if !ok {
			return false
		}
		at = e.Entity().Parent
	}
	return false
}

// alarms are the states of the alarms that watch an entity.
func (f *Front) alarms(ref types.ManagedObjectReference) []types.AlarmState {
	out := []types.AlarmState{}
	var triggered []types.AlarmState
	if e, ok := f.W.Reg.Get(ref).(mo.Entity); ok {
		triggered = e.Entity().TriggeredAlarmState
	}
	if f.W.Content.AlarmManager == nil {
		return out
	}
	manager, ok := f.W.Reg.Get(*f.W.Content.AlarmManager).(*simulator.AlarmManager)
	if !ok {
		return out
	}
	for _, known := range manager.GetAlarmResponse.Returnval {
		a, ok := f.W.Reg.Get(known).(*simulator.Alarm)
		if !ok || !watches(a.Info.Expression, ref.Type) || !f.within(ref, a.Info.Entity) {
			continue
		}
		no := false
		s := types.AlarmState{Key: a.Self.Value + "." + ref.Value, Entity: ref, Alarm: a.Self, OverallStatus: types.ManagedEntityStatusGray, Time: f.since, Acknowledged: &no}
		for _, t := range triggered {
			if t.Alarm == a.Self {
				s = t
			}
		}
		out = append(out, s)
	}
	return out
}

func (f *Front) registerEntities(am *simulator.AuthorizationManager) {
	f.since, f.roleIDs = time.Now().UTC(), map[any]int32{}
	for i := range f.W.Fleet.Users {
		u := &f.W.Fleet.Users[i]
		f.roleIDs[u] = f.role(am, u.Role, u.Name, u.Privileges)
		for j := range u.Grants {
			g := &u.Grants[j]
			f.roleIDs[g] = f.role(am, g.Role, u.Name, g.Privileges)
		}
	}
	f.W.Derive("ManagedEntity", "permission", func(ref types.ManagedObjectReference) any { return f.permissions(am, ref) })
	f.W.Derive("ManagedEntity", "declaredAlarmState", func(ref types.ManagedObjectReference) any { return f.alarms(ref) })
	f.S.Handle("RetrieveEntityPermissions", func(c *api.Call) (any, *fault.Error) {
		q := c.Req.(*types.RetrieveEntityPermissions)
		out := &types.RetrieveEntityPermissionsResponse{}
		for ref := &q.Entity; ref != nil; {
			e, ok := f.W.Reg.Get(*ref).(mo.Entity)
			if !ok {
				return nil, fault.NotFound(*ref)
			}
			out.Returnval = append(out.Returnval, f.permissions(am, *ref)...)
			if ref = e.Entity().Parent; !q.Inherited {
				ref = nil
			}
		}
		return out, nil
	}, api.ReadOnly(), api.Needs("System.Read"))
}
