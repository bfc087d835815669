package collector

// view.go: ContainerView, ListView and InventoryView. A view belongs to a session and its
// list is computed when it is read.

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/session"
)

type view struct {
	self      refs
	owner     *session.Session
	container refs
	kinds     []string
	recursive bool
	list      []refs // of a ListView
}

func (v *view) Reference() refs { return v.self }

// mo makes the managed object struct that is read.
func (v *view) mo(r *Room) any {
	if v.self.Type == "ListView" {
		m := &mo.ListView{}
		m.Self, m.View = v.self, v.list
		return m
	}
	m := &mo.ContainerView{Container: v.container, Type: v.kinds, Recursive: v.recursive}
	m.Self = v.self
	m.View = r.members(v)
	return m
}

// wants tells whether a type belongs into the view.
func (v *view) wants(kind string) bool {
	if len(v.kinds) == 0 {
		return true
	}
	for _, k := range v.kinds {
		if isA(kind, k) {
			return true
		}
	}
	return false
}

func (r *Room) members(v *view) []refs {
	out := []refs{}
	seen := map[refs]bool{v.container: true}
	var walk func(ref refs, deep bool)
	walk = func(ref refs, deep bool) {
		for _, c := range r.children(ref) {
			if seen[c] {
				continue
			}
			seen[c] = true
			if v.wants(c.Type) {
				out = append(out, c)
			}
			if deep {
				walk(c, true)
			}
		}
	}
	walk(v.container, v.recursive)
	return out
}

// children are the managed entities below one, by the containment of the inventory.
func (r *Room) children(ref refs) []refs {
	switch o := r.w.Reg.Get(ref).(type) {
	case *simulator.Folder:
		return o.ChildEntity
	case *simulator.StoragePod:
		return o.ChildEntity
	case *simulator.Datacenter:
		return []refs{o.VmFolder, o.HostFolder, o.DatastoreFolder, o.NetworkFolder}
	case *simulator.ClusterComputeResource:
		return computeChildren(&o.ComputeResource)
	case *mo.ComputeResource:
		return computeChildren(o)
	case *simulator.ResourcePool:
		return append(append([]refs(nil), o.ResourcePool.ResourcePool...), o.Vm...)
	case *simulator.HostSystem:
		return append(append(append([]refs(nil), o.Vm...), o.Datastore...), o.Network...)
	}
	return nil
}

func computeChildren(c *mo.ComputeResource) []refs {
	out := append([]refs(nil), c.Host...)
	if c.ResourcePool != nil {
		out = append(out, *c.ResourcePool)
	}
	return append(append(out, c.Datastore...), c.Network...)
}

func (r *Room) view(ref refs) *view {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.views[ref]
}

func (r *Room) addView(c *api.Call, v *view) refs {
	v.self.Value = fmt.Sprintf("session[%s]%d", c.Session.Key, r.w.NextID())
	v.owner = c.Session
	r.mu.Lock()
	r.views[v.self] = v
	r.mu.Unlock()
	return v.self
}

func (r *Room) registerViews(s *api.Server) {
	s.Handle("CreateContainerView", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.CreateContainerView)
		if _, ok := r.w.Reg.Get(req.Container).(mo.Entity); !ok {
			if r.w.Reg.Get(req.Container) == nil {
				return nil, fault.NotFound(req.Container)
			}
			return nil, fault.InvalidArgument("container")
		}
		switch req.Container.Type {
		case "Folder", "Datacenter", "ComputeResource", "ClusterComputeResource", "ResourcePool", "HostSystem", "VirtualApp", "StoragePod":
		default:
			return nil, fault.InvalidArgument("container")
		}
		for _, k := range req.Type {
			if !managed(k) || (!isA(k, "ManagedEntity") && k != "ManagedEntity") {
				return nil, fault.InvalidArgument("type")
			}
		}
		v := &view{self: refs{Type: "ContainerView"}, container: req.Container, kinds: req.Type, recursive: req.Recursive}
		return &types.CreateContainerViewResponse{Returnval: r.addView(c, v)}, nil
	}, api.ReadOnly())
	s.Handle("CreateListView", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.CreateListView)
		v := &view{self: refs{Type: "ListView"}}
		for _, o := range req.Obj {
			if r.object(o) == nil {
				return nil, fault.NotFound(o)
			}
			v.list = append(v.list, o)
		}
		return &types.CreateListViewResponse{Returnval: r.addView(c, v)}, nil
	}, api.ReadOnly())
	s.Handle("ModifyListView", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.ModifyListView)
		v := r.view(c.This)
		if v == nil || v.owner != c.Session || v.self.Type != "ListView" {
			return nil, fault.NotFound(c.This)
		}
		drop := map[refs]bool{}
		for _, o := range req.Remove {
			drop[o] = true
		}
		var unresolved, list []refs
		for _, o := range v.list {
			if !drop[o] {
				list = append(list, o)
			}
		}
		have := map[refs]bool{}
		for _, o := range list {
			have[o] = true
		}
		for _, o := range req.Add {
			if r.object(o) == nil {
				unresolved = append(unresolved, o)
			} else if !have[o] {
				have[o] = true
				list = append(list, o)
			}
		}
		v.list = list
		r.Changed(v.self)
		return &types.ModifyListViewResponse{Returnval: unresolved}, nil
	})
	s.Handle("ResetListView", func(c *api.Call) (any, *fault.Error) {
		v := r.view(c.This)
		if v == nil || v.owner != c.Session || v.self.Type != "ListView" {
			return nil, fault.NotFound(c.This)
		}
		var unresolved []refs
		v.list = nil
		for _, o := range c.Req.(*types.ResetListView).Obj {
			if r.object(o) == nil {
				unresolved = append(unresolved, o)
			} else {
				v.list = append(v.list, o)
			}
		}
		r.Changed(v.self)
		return &types.ResetListViewResponse{Returnval: unresolved}, nil
	})
	s.Handle("DestroyView", func(c *api.Call) (any, *fault.Error) {
		v := r.view(c.This)
		if v == nil || v.owner != c.Session {
			return nil, fault.NotFound(c.This)
		}
		r.mu.Lock()
		delete(r.views, v.self)
		r.mu.Unlock()
		r.Changed(v.self)
		return &types.DestroyViewResponse{}, nil
	})
}
