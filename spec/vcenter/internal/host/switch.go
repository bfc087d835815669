package host

// switch.go: the methods that make distributed switches and their port groups.

import (
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/task"
)

func (r *Hosts) registerSwitches() {
	start := func(method string, do func(c *api.Call) (any, *fault.Error)) {
		r.s.Handle(method, func(c *api.Call) (any, *fault.Error) {
			if r.w.Get(c.This) == nil {
				return nil, fault.NotFound(c.This)
			}
			return c.Task(task.Spec{Exclusive: true, Work: 2 * time.Second, Do: func(*task.Task) (any, *fault.Error) { return do(c) }})
		})
	}
	start("CreateDVS_Task", func(c *api.Call) (any, *fault.Error) { return r.w.CreateSwitch(c.Req.(*types.CreateDVS_Task)) })
	start("AddDVPortgroup_Task", func(c *api.Call) (any, *fault.Error) { return r.w.AddPortgroups(c.Req.(*types.AddDVPortgroup_Task)) })
	start("ReconfigureDvs_Task", func(c *api.Call) (any, *fault.Error) {
		return r.w.ReconfigureSwitch(c.Req.(*types.ReconfigureDvs_Task))
	})
	r.s.Handle("FetchDVPorts", func(c *api.Call) (any, *fault.Error) {
		if r.w.Get(c.This) == nil {
			return nil, fault.NotFound(c.This)
		}
		return &types.FetchDVPortsResponse{Returnval: r.w.Ports(c.This, c.Req.(*types.FetchDVPorts).Criteria)}, nil
	}, api.ReadOnly())
	start("CreateDVPortgroup_Task", func(c *api.Call) (any, *fault.Error) {
		q := c.Req.(*types.CreateDVPortgroup_Task)
		if _, e := r.w.AddPortgroups(&types.AddDVPortgroup_Task{This: q.This, Spec: []types.DVPortgroupConfigSpec{q.Spec}}); e != nil {
			return nil, e
		}
		return r.w.PortgroupNamed(q.This, q.Spec.Name), nil
	})
}
