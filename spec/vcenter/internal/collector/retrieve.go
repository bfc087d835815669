package collector

// retrieve.go: RetrievePropertiesEx and its pages, and pyVmomi's Fetch.

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/session"
	"gpupt.test/vcenter/internal/wire"
)

// pages is what is left of an answer that did not fit into one page.
type pages struct {
	owner *session.Session
	rest  []chosen
	size  int
}

// Fetch is pyVmomi's way to read one property; it is not in the WSDL.
type Fetch struct {
	This types.ManagedObjectReference `xml:"_this"`
	Prop string                       `xml:"prop"`
}

// FetchResponse carries any value.
type FetchResponse struct {
	Returnval types.AnyType `xml:"returnval,omitempty"`
}

func init() { types.Add("Fetch", reflect.TypeOf(Fetch{})) }

// valueFor is value with what is private to a session.
func (r *Service) valueFor(owner *session.Session, ref refs) (reflect.Value, bool) {
	v, ok := r.value(ref)
	if ok && ref.Type == "Datastore" {
		if ds, is := v.Interface().(mo.Datastore); is {
			return reflect.ValueOf(volume(ds)).Elem(), true
		}
	}
	if ok && ref.Type == "StoragePod" {
		if pod, is := v.Interface().(mo.StoragePod); is {
			return reflect.ValueOf(r.pod(pod)).Elem(), true
		}
	}
	if !ok || owner == nil {
		return v, ok
	}
	if tm, is := v.Interface().(mo.TaskManager); is && len(owner.User.Grants) > 0 {
		tm.RecentTask = r.visible(owner, tm.RecentTask)
		return reflect.ValueOf(&tm).Elem(), true
	}
	if vm, is := v.Interface().(mo.ViewManager); is {
		vm.ViewList = r.viewsOf(owner)
		return reflect.ValueOf(&vm).Elem(), true
	}
	if ref.Type != "SessionManager" {
		return v, ok
	}
	sm := v.Interface().(mo.SessionManager)
	own := owner.UserSession
	sm.CurrentSession, sm.SessionList = &own, nil
	if session.Allowed(owner.User, "Sessions.TerminateSession") {
		sm.SessionList = r.sessions.List()
	}
	return reflect.ValueOf(&sm).Elem(), true
}

// visible are the tasks of entities that a user may see.
func (r *Service) visible(owner *session.Session, tasks []refs) []refs {
	out := []refs{}
	for _, ref := range tasks {
		t, ok := r.w.Reg.Get(ref).(interface {
			Entity() refs
		})
		if !ok || r.lacks(owner, t.Entity(), "name") == "" {
			out = append(out, ref)
		}
	}
	return out
}

// lacks is the privilege that a user lacks to read a path of an object, "" when nothing.
func (r *Service) lacks(owner *session.Session, ref refs, path string) string {
	if owner == nil || owner.User.Role == "Admin" && len(owner.User.Grants) == 0 {
		return ""
	}
	if end := strings.IndexAny(path, ".["); end >= 0 {
		path = path[:end]
	}
	return r.s.MayRead(owner.User, ref, path)
}

// missing is the entry of missingSet for it.
func missing(ref refs, path, privilege string) types.MissingProperty {
	return types.MissingProperty{Path: path, Fault: *session.NoPermission(ref, privilege).Localized()}
}

// content reads one chosen object.
func (r *Service) content(owner *session.Session, c chosen) (types.ObjectContent, bool) {
	v, ok := r.valueFor(owner, c.ref)
	if !ok {
		return types.ObjectContent{}, false
	}
	out := types.ObjectContent{Obj: c.ref}
	for _, p := range paths(v.Type(), c.spec) {
		if privilege := r.lacks(owner, c.ref, p); privilege != "" {
			out.MissingSet = append(out.MissingSet, missing(c.ref, p, privilege))
		} else if x, ok := r.get(c.ref, v, p); ok {
			out.PropSet = append(out.PropSet, types.DynamicProperty{Name: p, Val: addr(x)})
		}
	}
	return out, true
}

// addr avoids copying large structs into an interface.
func addr(v reflect.Value) any {
	if v.Kind() == reflect.Struct && v.CanAddr() {
		return v.Addr().Interface()
	}
	return v.Interface()
}

func (r *Service) page(owner *session.Session, all []chosen, size int) *types.RetrieveResult {
	if len(all) == 0 {
		return nil
	}
	res := &types.RetrieveResult{}
	n := 0
	for ; n < len(all) && len(res.Objects) < size; n++ {
		if o, ok := r.content(owner, all[n]); ok {
			res.Objects = append(res.Objects, o)
		}
	}
	if n < len(all) {
		res.Token = strconv.FormatInt(r.w.NextID(), 10)
		r.mu.Lock()
		r.tokens[res.Token] = &pages{owner, all[n:], size}
		r.mu.Unlock()
	}
	return res
}

func (r *Service) registerRetrieve(s *api.Server) {
	s.Handle("RetrievePropertiesEx", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.RetrievePropertiesEx)
		if c.Session == nil {
			list, e := r.strangers(c.This, req.SpecSet)
			return &types.RetrievePropertiesExResponse{Returnval: &types.RetrieveResult{Objects: list}}, e
		}
		if _, e := r.collector(c); e != nil {
			return nil, e
		}
		all, e := r.choose(req.SpecSet)
		if e != nil {
			return nil, e
		}
		size := r.limits.Page
		if m := int(req.Options.MaxObjects); m > 0 && m < size {
			size = m
		} else if m < 0 {
			return nil, fault.InvalidArgument("options.maxObjects")
		}
		return &types.RetrievePropertiesExResponse{Returnval: r.page(c.Session, all, size)}, nil
	}, api.ReadOnly(), api.NoLogin())
	s.Handle("ContinueRetrievePropertiesEx", func(c *api.Call) (any, *fault.Error) {
		p, e := r.take(c, c.Req.(*types.ContinueRetrievePropertiesEx).Token)
		if e != nil {
			return nil, e
		}
		res := r.page(c.Session, p.rest, p.size)
		return &types.ContinueRetrievePropertiesExResponse{Returnval: *res}, nil
	}, api.ReadOnly())
	s.Handle("CancelRetrievePropertiesEx", func(c *api.Call) (any, *fault.Error) {
		if _, e := r.take(c, c.Req.(*types.CancelRetrievePropertiesEx).Token); e != nil {
			return nil, e
		}
		return &types.CancelRetrievePropertiesExResponse{}, nil
	}, api.ReadOnly())
	s.Handle("RetrieveProperties", func(c *api.Call) (any, *fault.Error) {
		if c.Session == nil {
			list, e := r.strangers(c.This, c.Req.(*types.RetrieveProperties).SpecSet)
			return &types.RetrievePropertiesResponse{Returnval: list}, e
		}
		all, e := r.choose(c.Req.(*types.RetrieveProperties).SpecSet)
		if e != nil {
			return nil, e
		}
		res := &types.RetrievePropertiesResponse{}
		for _, x := range all {
			if o, ok := r.content(c.Session, x); ok {
				res.Returnval = append(res.Returnval, o)
			}
		}
		return res, nil
	}, api.ReadOnly(), api.NoLogin())
	s.Handle("Fetch", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*Fetch)
		if req.This.Type == "ServiceInstance" && req.Prop == "content" {
			return &FetchResponse{&r.w.Content}, nil
		}
		if c.Session == nil {
			obj := c.This
			return nil, fault.New(&types.NotAuthenticated{NoPermission: types.NoPermission{Object: &obj, PrivilegeId: "System.View"}})
		}
		if !managed(req.This.Type) || !valid(req.This.Type, req.Prop) {
			return nil, fault.New(&types.InvalidProperty{Name: req.Prop}, "The property %s is not valid", req.Prop)
		}
		v, ok := r.valueFor(c.Session, req.This)
		if !ok {
			return nil, fault.NotFound(req.This)
		}
		if privilege := r.lacks(c.Session, req.This, req.Prop); privilege != "" {
			return nil, session.NoPermission(req.This, privilege)
		}
		x, ok := r.get(req.This, v, req.Prop)
		if !ok {
			return &FetchResponse{}, nil
		}
		return &FetchResponse{addr(x)}, nil
	}, api.ReadOnly(), api.NoLogin())
}

func (r *Service) choose(specs []types.PropertyFilterSpec) ([]chosen, *fault.Error) {
	var all []chosen
	for i := range specs {
		if e := r.verify(&specs[i]); e != nil {
			return nil, e
		}
		all = append(all, r.selected(&specs[i], map[refs]bool{})...)
	}
	return all, nil
}

// take redeems a token: once, and only in the session that got it.
func (r *Service) take(c *api.Call, token string) (*pages, *fault.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.tokens[token]
	if p == nil || p.owner != c.Session {
		return nil, fault.New(&types.InvalidProperty{Name: "token"}, "A specified parameter was not correct: token")
	}
	delete(r.tokens, token)
	return p, nil
}

func managed(name string) bool { return wire.IsManaged(name) }
