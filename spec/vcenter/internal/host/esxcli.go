package host

// esxcli.go: the way of esxcli and of pyVmomi's ManagedMethodExecutorHelper into a host. The methods
// are in no WSDL; the simulator has some commands.

import (
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/wire"
)

var _ = rules.Add(rules.Rule{ID: "host.method-executer", Sure: "seen", As: "real", Source: "pyVmomi ManagedMethodExecutorHelper.py and DynamicTypeManagerHelper.py: the names of methods and types; govmomi cli/esx calls them; their identities and the privilege are inferred",
	Text: "A host answers RetrieveManagedMethodExecuter with a ReflectManagedMethodExecuter and RetrieveDynamicTypeManager with an InternalDynamicTypeManager; ExecuteSoap and DynamicTypeMgrQueryTypeInfo work on these."})

// executers are the methods, each with the type of what it returns and the simulator's name of that.
var executers = map[string][2]string{
	"RetrieveManagedMethodExecuter": {"ReflectManagedMethodExecuter", "ManagedMethodExecuter"},
	"RetrieveDynamicTypeManager":    {"InternalDynamicTypeManager", "DynamicTypeManager"},
}

func registerExecuters(s *api.Server) {
	for method, kind := range executers {
		s.Handle(method, func(c *api.Call) (any, *fault.Error) {
			if _, e := c.W.Host(c.This); e != nil {
				return nil, e
			}
			if _, e := c.W.Inner(c.This, method, c.Req); e != nil {
				return nil, e
			}
			ref := types.ManagedObjectReference{Type: kind[0], Value: c.This.Value}
			c.W.PutAside(wire.Bare{Self: ref})
			return &api.Returnval{Returnval: ref}, nil
		}, api.Needs("Host.Config.Settings"))
	}
	for method, kind := range map[string][2]string{"ExecuteSoap": executers["RetrieveManagedMethodExecuter"],
		"DynamicTypeMgrQueryTypeInfo": executers["RetrieveDynamicTypeManager"], "DynamicTypeMgrQueryMoInstances": executers["RetrieveDynamicTypeManager"]} {
		s.Handle(method, func(c *api.Call) (any, *fault.Error) {
			o := c.W.Get(types.ManagedObjectReference{Type: kind[1], Value: c.This.Value})
			if o == nil || c.This.Type != kind[0] {
				return nil, fault.NotFound(c.This)
			}
			return c.W.InnerOn(o, method, c.Req)
		}, api.Needs("Host.Config.Settings"))
	}
}
