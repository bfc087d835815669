package front

// names.go: names that a request gives to entities are escaped before anyone looks at
// them, so that every package compares, stores and shows the same form.

import (
	"reflect"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/world"
)

// name finds the entity's name in a request: nil where it gives none.
func name(req any) *string {
	switch q := req.(type) {
	case *types.CreateVM_Task:
		return &q.Config.Name
	case *types.ReconfigVM_Task:
		return &q.Spec.Name
	case *types.Rename_Task:
		return &q.NewName
	case *types.CreateDVS_Task:
		if q.Spec.ConfigSpec != nil {
			return &q.Spec.ConfigSpec.GetDVSConfigSpec().Name
		}
	case *types.CreateFolder, *types.CreateDatacenter, *types.CreateCluster, *types.CreateClusterEx, *types.CreateStoragePod,
		*types.CreateResourcePool, *types.CreateVApp, *types.CloneVM_Task, *types.CloneVApp_Task, *types.RegisterVM_Task, *types.UpdateConfig:
		return reflect.ValueOf(req).Elem().FieldByName("Name").Addr().Interface().(*string)
	}
	return nil
}

// escape sets the name in a request; a method that creates an entity at once, and not in a
// task that could fail, refuses an invalid one at once.
func escape(c *api.Call) *fault.Error {
	n := name(c.Req)
	if n == nil {
		return nil
	}
	*n = world.EntityName(*n)
	switch c.Req.(type) {
	case *types.CreateFolder, *types.CreateDatacenter, *types.CreateCluster, *types.CreateClusterEx, *types.CreateStoragePod,
		*types.CreateResourcePool, *types.CreateVApp:
		if world.BadName(*n) {
			return world.InvalidName(*n, nil)
		}
	case *types.UpdateConfig:
		if *n != "" && world.BadName(*n) {
			return world.InvalidName(*n, nil)
		}
	}
	return nil
}

// rename refuses what the simulator would accept or refuse with another fault. World lock held.
func (f *Front) rename(q *types.Rename_Task) *fault.Error {
	if world.BadName(q.NewName) {
		return world.InvalidName(q.NewName, &q.This)
	}
	e, ok := f.W.Reg.Get(q.This).(mo.Entity)
	if !ok || e.Entity().Parent == nil {
		return nil
	}
	if _, folder := f.W.Reg.Get(*e.Entity().Parent).(*simulator.Folder); !folder {
		return nil
	}
	if ref, taken := f.W.ChildNamed(*e.Entity().Parent, q.NewName); taken && ref != q.This {
		return fault.New(&types.DuplicateName{Name: q.NewName, Object: ref})
	}
	return nil
}
