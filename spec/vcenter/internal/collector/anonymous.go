package collector

// anonymous.go: what a client without a session may read.

import (
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/wire"
)

var _ = rules.Add(rules.Rule{ID: "session.before-login", Sure: "documented", As: "stricter: the properties of a host are in missingSet with NotAuthenticated too, with an empty message (github.com/vmware/pyvmomi/issues/294); for traversals no source is known", Source: "github.com/vmware/govmomi/issues/1149 (collecting from SessionManager does not fail without a session, sessionList is not collected); pyVmomi's tables: RetrieveProperties, RetrievePropertiesEx and SessionManager.currentSession, defaultLocale, messageLocaleList, supportedLocaleList need System.Anonymous, message System.View, sessionList Sessions.TerminateSession; API reference: MissingProperty.fault (SecurityError); govmomi session.Manager.UserSession reads currentSession without a login",
	Text: "Without a session, RetrieveProperties and RetrievePropertiesEx answer the properties that need no login (of SessionManager, ServiceInstance, GuestOperationsManager); the others of these objects are in missingSet with NotAuthenticated. currentSession is then not set. Any other object is NotAuthenticated for the whole call."})

const anonymous = "System.Anonymous"

func unauthenticated(ref refs, privilege string) *fault.Error {
	return fault.New(&types.NotAuthenticated{NoPermission: types.NoPermission{Object: &ref, PrivilegeId: privilege}})
}

// public reports whether a managed object type has properties that need no login.
func public(kind string) bool {
	t, ok := wire.Managed(kind)
	if !ok {
		return false
	}
	_, order := properties(t)
	for _, p := range order {
		if need, _ := wire.ReadPrivilege(kind, p); need == anonymous {
			return true
		}
	}
	return false
}

// strangers is what a client without a session reads of these objects.
func (r *Service) strangers(this refs, set []types.PropertyFilterSpec) ([]types.ObjectContent, *fault.Error) {
	out := []types.ObjectContent{}
	if this != r.w.Content.PropertyCollector {
		return nil, unauthenticated(this, "System.View")
	}
	all, e := r.choose(set)
	if e != nil || len(all) == 0 {
		return nil, unauthenticated(this, "System.View")
	}
	for _, c := range all {
		if !public(c.ref.Type) {
			return nil, unauthenticated(this, "System.View")
		}
		v, ok := r.value(c.ref)
		if !ok {
			continue
		}
		o := types.ObjectContent{Obj: c.ref}
		for _, path := range paths(v.Type(), c.spec) {
			steps, ok := split(path)
			if !ok {
				continue
			}
			need, _ := wire.ReadPrivilege(c.ref.Type, steps[0].name)
			if need != anonymous {
				if need == "" {
					need = "System.View"
				}
				o.MissingSet = append(o.MissingSet, types.MissingProperty{Path: path, Fault: *unauthenticated(c.ref, need).Localized()})
			} else if c.ref.Type == "SessionManager" && steps[0].name == "currentSession" {
				continue
			} else if x, ok := get(v, path); ok {
				o.PropSet = append(o.PropSet, types.DynamicProperty{Name: path, Val: addr(x)})
			}
		}
		out = append(out, o)
	}
	return out, nil
}
