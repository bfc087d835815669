package host

// lockdown.go: a host in lockdown takes no direct logins; through vCenter it works as ever.

import (
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "host.lockdown", Sure: "documented", Source: "API reference: HostSystem.EnterLockdownMode, HostConfigInfo.lockdownMode; vSphere security guide",
	Text: "EnterLockdownMode and ExitLockdownMode switch config.lockdownMode; a second time is HostConfigFault. Direct logins to a locked ESXi endpoint are NoPermission."})

func (r *Room) registerLockdown() {
	change := func(to types.HostLockdownMode) api.Func {
		return func(c *api.Call) (any, *fault.Error) {
			h, e := r.hostOf(c)
			if e == nil {
				e = h.Reachable()
			}
			if e != nil {
				return nil, e
			}
			locked := h.HS.Config.LockdownMode != types.HostLockdownModeLockdownDisabled
			want := to != types.HostLockdownModeLockdownDisabled
			if locked == want {
				return nil, configFault("The host is in lockdown mode %s already.", h.HS.Config.LockdownMode)
			}
			h.HS.Config.LockdownMode, h.HS.Config.AdminDisabled = to, &want
			r.w.Touch(h.Ref())
			return &api.Void{}, nil
		}
	}
	r.s.Handle("EnterLockdownMode", change(types.HostLockdownModeLockdownNormal))
	r.s.Handle("ExitLockdownMode", change(types.HostLockdownModeLockdownDisabled))
}

// Locked tells whether an ESXi endpoint refuses direct logins.
func (r *Room) Locked() bool {
	return r.w.ESXi && len(r.order) > 0 && r.order[0].HS.Config.LockdownMode != types.HostLockdownModeLockdownDisabled
}

// Away tells whether an ESXi endpoint is down, so that nobody answers at all.
func (r *Room) Away() bool {
	r.w.RLock()
	defer r.w.RUnlock()
	return r.w.ESXi && len(r.order) > 0 && r.order[0].down
}
