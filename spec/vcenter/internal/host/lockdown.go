package host

// lockdown.go: a host in lockdown takes direct logins of exception users only; through
// vCenter it works as usual. Strict lockdown also stops the console of the host itself,
// which does not exist here.

import (
	"fmt"
	"strings"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var (
	_ = rules.Add(rules.Rule{ID: "host.lockdown", Sure: "documented", As: "real", Source: "API reference: HostSystem.EnterLockdownMode, HostConfigInfo.lockdownMode; vSphere security guide",
		Text: "EnterLockdownMode and ExitLockdownMode switch config.lockdownMode; a repeated call is HostConfigFault. Direct logins to a locked ESXi endpoint are NoPermission."})
	_ = rules.Add(rules.Rule{ID: "host.lockdown-modes", Sure: "documented", As: "real", Source: "API reference: HostAccessManager.ChangeLockdownMode, QueryLockdownExceptions, UpdateLockdownExceptions; vSphere security guide: exception users keep their privileges in normal and strict lockdown",
		Text: "HostAccessManager changes the mode (disabled, normal, strict) and the list of exception users, who may log in to a locked ESXi endpoint; a user named twice or without a name is InvalidArgument."})
)

type accessManager struct{ mo.HostAccessManager }

// access creates the managed object of a host.
func (r *Hosts) access(h *Host, n int) {
	a := &accessManager{}
	a.Self = types.ManagedObjectReference{Type: "HostAccessManager", Value: fmt.Sprintf("hostAccessManager-%d", n)}
	a.LockdownMode = h.HS.Config.LockdownMode
	ref := r.w.Put(a)
	h.HS.ConfigManager.HostAccessManager = &ref
}

// lock switches the mode. World lock held.
func (r *Hosts) lock(h *Host, to types.HostLockdownMode) {
	locked := to != types.HostLockdownModeLockdownDisabled
	h.HS.Config.LockdownMode, h.HS.Config.AdminDisabled = to, &locked
	if a, ok := r.w.Reg.Get(*h.HS.ConfigManager.HostAccessManager).(*accessManager); ok {
		a.LockdownMode = to
		r.w.Touch(a.Self)
	}
	r.logMu.Lock()
	h.hostd("Lockdown mode is now %s", to)
	r.logMu.Unlock()
	r.w.Truth.Host("lockdown", h.Name(), "%s", to)
	r.w.Touch(h.Ref())
}

func (r *Hosts) registerLockdown() {
	change := func(to types.HostLockdownMode) api.Func {
		return func(c *api.Call) (any, *fault.Error) {
			h, e := r.hostOf(c)
			if e == nil {
				e = h.Reachable()
			}
			if e != nil {
				return nil, e
			}
			if h.locked() == (to != types.HostLockdownModeLockdownDisabled) {
				return nil, configFault("The host is in lockdown mode %s already.", h.HS.Config.LockdownMode)
			}
			r.lock(h, to)
			return &api.Void{}, nil
		}
	}
	r.s.Handle("EnterLockdownMode", change(types.HostLockdownModeLockdownNormal))
	r.s.Handle("ExitLockdownMode", change(types.HostLockdownModeLockdownDisabled))
	of := func(c *api.Call) (*Host, *fault.Error) {
		for _, h := range r.order {
			if h.HS.ConfigManager.HostAccessManager != nil && *h.HS.ConfigManager.HostAccessManager == c.This {
				return h, h.Reachable()
			}
		}
		return nil, fault.NotFound(c.This)
	}
	r.s.Handle("ChangeLockdownMode", func(c *api.Call) (any, *fault.Error) {
		h, e := of(c)
		if e != nil {
			return nil, e
		}
		if mode := c.Req.(*types.ChangeLockdownMode).Mode; mode != h.HS.Config.LockdownMode {
			r.lock(h, mode)
		}
		return &api.Void{}, nil
	})
	r.s.Handle("QueryLockdownExceptions", func(c *api.Call) (any, *fault.Error) {
		h, e := of(c)
		if e != nil {
			return nil, e
		}
		return &types.QueryLockdownExceptionsResponse{Returnval: h.exceptions}, nil
	}, api.ReadOnly())
	r.s.Handle("UpdateLockdownExceptions", func(c *api.Call) (any, *fault.Error) {
		h, e := of(c)
		if e != nil {
			return nil, e
		}
		list := c.Req.(*types.UpdateLockdownExceptions).Users
		seen := map[string]bool{}
		for _, u := range list {
			if u == "" || seen[strings.ToLower(u)] {
				return nil, fault.InvalidArgument("users")
			}
			seen[strings.ToLower(u)] = true
		}
		h.exceptions = append([]string(nil), list...)
		return &api.Void{}, nil
	})
}

func (h *Host) locked() bool {
	return h.HS.Config.LockdownMode != types.HostLockdownModeLockdownDisabled
}

// Locked reports whether an ESXi endpoint refuses the direct login of a user.
func (r *Hosts) Locked(user string) bool {
	if !r.w.ESXi || len(r.order) == 0 || !r.order[0].locked() {
		return false
	}
	for _, u := range r.order[0].exceptions {
		if strings.EqualFold(u, user) {
			return false
		}
	}
	return true
}

// Away reports whether an ESXi endpoint is down, so that it does not answer at all.
func (r *Hosts) Away() bool {
	r.w.RLock()
	defer r.w.RUnlock()
	return r.w.ESXi && len(r.order) > 0 && r.order[0].down
}
