package collector

// view.go: ContainerView, ListView and InventoryView. A view belongs to a session and its
// list is computed when it is read.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
)

type view struct {
	self      refs
	owner     *session.Session
	container refs
	kinds     []string
	recursive bool
	list      []refs        // of a ListView
	open      map[refs]bool // of an InventoryView
}

var (
	_ = rules.Add(rules.Rule{ID: "collector.view", Sure: "documented", As: "real", Source: "API reference: ViewManager, ContainerView, ListView; View: a view exists until it is destroyed or the session ends",
		Text: "A view belongs to its session and follows the inventory; a container is a Folder, Datacenter, ComputeResource, ResourcePool or HostSystem, and the types are managed entities; references that a ListView cannot resolve are returned."})
	_ = rules.Add(rules.Rule{ID: "collector.inventory-view", Sure: "documented", As: "real", Source: "API reference: ViewManager.CreateInventoryView, InventoryView.OpenInventoryViewFolder, CloseInventoryViewFolder",
		Text: "An InventoryView starts with the root folder; opening an entity adds its children (and opens its parents), closing one removes everything below it; references to anything but an entity are returned."})
)

func (v *view) Reference() refs { return v.self }

// mo creates the managed object struct that is read.
func (v *view) mo(r *Service) any {
	switch v.self.Type {
	case "InventoryView":
		m := &mo.InventoryView{}
		m.Self, m.View = v.self, r.expanded(v)
		return m
	case "ListView":
		m := &mo.ListView{}
		m.Self, m.View = v.self, v.list
		return m
	}
	m := &mo.ContainerView{Container: v.container, Type: v.kinds, Recursive: v.recursive}
	m.Self = v.self
	m.View = r.members(v)
	return m
}

// wants reports whether a type belongs in the view.
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

func (r *Service) members(v *view) []refs {
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

// contents are the objects of any view.
func (r *Service) contents(v *view) []refs {
	switch v.self.Type {
	case "InventoryView":
		return r.expanded(v)
	case "ListView":
		return v.list
	}
	return r.members(v)
}

// expanded is an inventory view's list: the root folder and the children of what is open.
func (r *Service) expanded(v *view) []refs {
	out := []refs{}
	seen := map[refs]bool{}
	var walk func(ref refs)
	walk = func(ref refs) {
		if seen[ref] {
			return
		}
		seen[ref] = true
		if out = append(out, ref); v.open[ref] {
			for _, c := range r.children(ref) {
				walk(c)
			}
		}
	}
	walk(v.container)
	return out
}

// viewsOf lists the views of a session for ViewManager.viewList.
func (r *Service) viewsOf(s *session.Session) []refs {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []refs{}
	for _, v := range r.views {
		if v.owner == s {
			out = append(out, v.self)
		}
	}
	slices.SortFunc(out, func(a, b refs) int { return strings.Compare(a.Value, b.Value) })
	return out
}

// children are the managed entities below one, by the containment of the inventory.
func (r *Service) children(ref refs) []refs {
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

func (r *Service) view(ref refs) *view {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.views[ref]
}

func (r *Service) addView(c *api.Call, v *view) refs {
	v.self.Value = fmt.Sprintf("session[%s]%d", c.Session.Key, r.w.NextID())
	v.owner = c.Session
	r.mu.Lock()
	r.views[v.self] = v
	r.mu.Unlock()
	return v.self
}

func (r *Service) registerViews(s *api.Server) {
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
	list := func(objects []refs) (out, unresolved []refs) {
		have := map[refs]bool{}
		for _, o := range objects {
			if r.object(o) == nil {
				unresolved = append(unresolved, o)
			} else if !have[o] {
				have[o] = true
				out = append(out, o)
			}
		}
		return
	}
	own := func(c *api.Call, ref refs, kind string) (*view, *fault.Error) {
		v := r.view(ref)
		if v == nil || v.owner != c.Session || kind != "" && v.self.Type != kind {
			return nil, fault.NotFound(ref)
		}
		return v, nil
	}
	s.Handle("CreateListView", func(c *api.Call) (any, *fault.Error) {
		v := &view{self: refs{Type: "ListView"}}
		var unresolved []refs
		if v.list, unresolved = list(c.Req.(*types.CreateListView).Obj); len(unresolved) > 0 {
			return nil, fault.NotFound(unresolved[0])
		}
		return &types.CreateListViewResponse{Returnval: r.addView(c, v)}, nil
	}, api.ReadOnly())
	s.Handle("CreateListViewFromView", func(c *api.Call) (any, *fault.Error) {
		from, e := own(c, c.Req.(*types.CreateListViewFromView).View, "")
		if e != nil {
			return nil, e
		}
		v := &view{self: refs{Type: "ListView"}, list: slices.Clone(r.contents(from))}
		return &types.CreateListViewFromViewResponse{Returnval: r.addView(c, v)}, nil
	}, api.ReadOnly())
	s.Handle("ResetListViewFromView", func(c *api.Call) (any, *fault.Error) {
		v, e := own(c, c.This, "ListView")
		if e != nil {
			return nil, e
		}
		from, e := own(c, c.Req.(*types.ResetListViewFromView).View, "")
		if e != nil {
			return nil, e
		}
		v.list = slices.Clone(r.contents(from))
		r.Changed(v.self)
		return &types.ResetListViewFromViewResponse{}, nil
	})
	s.Handle("CreateInventoryView", func(c *api.Call) (any, *fault.Error) {
		v := &view{self: refs{Type: "InventoryView"}, container: r.w.Content.RootFolder, recursive: true, open: map[refs]bool{}}
		return &types.CreateInventoryViewResponse{Returnval: r.addView(c, v)}, nil
	}, api.ReadOnly())
	s.Handle("OpenInventoryViewFolder", func(c *api.Call) (any, *fault.Error) {
		v, e := own(c, c.This, "InventoryView")
		if e != nil {
			return nil, e
		}
		var unresolved []refs
		for _, ref := range c.Req.(*types.OpenInventoryViewFolder).Entity {
			o, ok := r.w.Reg.Get(ref).(mo.Entity)
			if !ok {
				unresolved = append(unresolved, ref)
				continue
			}
			for v.open[ref] = true; ok && o.Entity().Parent != nil; v.open[ref] = true {
				ref = *o.Entity().Parent
				o, ok = r.w.Reg.Get(ref).(mo.Entity)
			}
		}
		r.Changed(v.self)
		return &types.OpenInventoryViewFolderResponse{Returnval: unresolved}, nil
	})
	s.Handle("CloseInventoryViewFolder", func(c *api.Call) (any, *fault.Error) {
		v, e := own(c, c.This, "InventoryView")
		if e != nil {
			return nil, e
		}
		var unresolved []refs
		var shut func(ref refs)
		shut = func(ref refs) {
			if v.open[ref] {
				delete(v.open, ref)
				for _, child := range r.children(ref) {
					shut(child)
				}
			}
		}
		for _, ref := range c.Req.(*types.CloseInventoryViewFolder).Entity {
			if _, ok := r.w.Reg.Get(ref).(mo.Entity); !ok {
				unresolved = append(unresolved, ref)
			}
			shut(ref)
		}
		r.Changed(v.self)
		return &types.CloseInventoryViewFolderResponse{Returnval: unresolved}, nil
	})
	s.Handle("ModifyListView", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.ModifyListView)
		v, e := own(c, c.This, "ListView")
		if e != nil {
			return nil, e
		}
		drop := map[refs]bool{}
		for _, o := range req.Remove {
			drop[o] = true
		}
		kept := slices.DeleteFunc(slices.Clone(v.list), func(o refs) bool { return drop[o] })
		added, unresolved := list(req.Add)
		v.list, _ = list(append(kept, added...))
		r.Changed(v.self)
		return &types.ModifyListViewResponse{Returnval: unresolved}, nil
	})
	s.Handle("ResetListView", func(c *api.Call) (any, *fault.Error) {
		v, e := own(c, c.This, "ListView")
		if e != nil {
			return nil, e
		}
		var unresolved []refs
		v.list, unresolved = list(c.Req.(*types.ResetListView).Obj)
		r.Changed(v.self)
		return &types.ResetListViewResponse{Returnval: unresolved}, nil
	})
	s.Handle("DestroyView", func(c *api.Call) (any, *fault.Error) {
		v, e := own(c, c.This, "")
		if e != nil {
			return nil, e
		}
		r.mu.Lock()
		delete(r.views, v.self)
		r.mu.Unlock()
		r.Changed(v.self)
		return &types.DestroyViewResponse{}, nil
	})
}
