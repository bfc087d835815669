package host

// join.go: hosts are added to the inventory and removed from it while the server runs.
// What can be added are the spares of the fleet file and what was removed before: a host
// keeps its devices, and which of them are given to passthrough, wherever it is managed.

import (
	"crypto/sha1"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/world"
)

var (
	_ = rules.Add(rules.Rule{ID: "host.add", Sure: "documented", As: "real", Source: "API reference: ClusterComputeResource.AddHost_Task, Folder.AddStandaloneHost_Task throw NoHost, InvalidLogin, AlreadyConnected",
		Text: "Adding an unreachable host is NoHost, one with a wrong account InvalidLogin, one that is in the inventory already AlreadyConnected. Without asConnected the host is added disconnected."})
	_ = rules.Add(rules.Rule{ID: "host.add-thumbprint", Sure: "documented", As: "real", Source: "API reference: HostConnectSpec.sslThumbprint, SSLVerifyFault.thumbprint",
		Text: "Adding a host with a certificate of its own requires its thumbprint: without it, or with another one, SSLVerifyFault reports the thumbprint."})
	_ = rules.Add(rules.Rule{ID: "host.remove", Sure: "documented", As: "real", Source: "API reference: HostSystem (a host of a cluster is in maintenance mode, or disconnected, when it is moved or removed), ManagedEntity.Destroy_Task throws ResourceInUse; vCenter documentation: remove a host from a cluster",
		Text: "A host of a cluster is removed in maintenance mode or while it is disconnected, else InvalidState; with VMs it is ResourceInUse."})
	_ = rules.Add(rules.Rule{ID: "cluster.remove", Sure: "inferred", As: "inferred", Source: "API reference: ManagedEntity.Destroy_Task throws ResourceInUse; govc object.destroy of an empty cluster",
		Text: "An empty cluster is removed with its resource pools; one with hosts is ResourceInUse."})
	_ = rules.Add(rules.Rule{ID: "host.remove-alone", Sure: "seen", As: "real", Source: "govc host.remove destroys the ComputeResource of a standalone host",
		Text: "A standalone host is removed with its ComputeResource: Destroy_Task on the HostSystem is NotSupported."})
)

// outside are the hosts that are in no inventory, by name; world lock held.
func (r *Hosts) outside(name string) *fleet.Host {
	for _, h := range r.order {
		if h.Name() == name {
			return nil
		}
	}
	if d := r.removed[name]; d != nil {
		return d
	}
	for i := range r.w.Fleet.Spares {
		if d := &r.w.Fleet.Spares[i]; d.Name == name {
			return d
		}
	}
	return nil
}

// Thumbprint is the SHA-1 thumbprint of a host's own certificate.
func Thumbprint(name string) string {
	sum := sha1.Sum([]byte("certificate of " + name))
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}

// reach finds the host that a connect spec names, or says why it cannot be added.
func (r *Hosts) reach(s *types.HostConnectSpec) (*fleet.Host, *fault.Error) {
	for _, h := range r.order {
		if h.Name() == s.HostName {
			return nil, fault.New(&types.AlreadyConnected{Name: s.HostName}, "The specified host %s is already connected.", s.HostName)
		}
	}
	d := r.outside(s.HostName)
	if d == nil {
		return nil, fault.New(&types.NoHost{Name: s.HostName}, "Cannot contact the specified host (%s). The host may not be available on the network, "+
			"a network configuration problem may exist, or the management services on this host may not be responding.", s.HostName)
	}
	if want := Thumbprint(d.Name); !strings.EqualFold(s.SslThumbprint, want) {
		return nil, fault.New(&types.SSLVerifyFault{SelfSigned: true, Thumbprint: want}, "Authenticity of the host's SSL certificate is not verified.")
	}
	if s.UserName == "" || s.Password == "" || d.RootPassword != "" && (s.UserName != "root" || s.Password != d.RootPassword) {
		return nil, fault.New(&types.InvalidLogin{}, "Cannot complete login due to an incorrect user name or password.")
	}
	return d, nil
}

// join brings the host in.
func (r *Hosts) join(parent types.ManagedObjectReference, s *types.HostConnectSpec, connected bool) (any, *fault.Error) {
	d, e := r.reach(s) // checked again: two requests may have named the same host
	if e != nil {
		return nil, e
	}
	cl := &fleet.Cluster{DRS: "off", MaxAway: 1}
	for i := range r.w.Fleet.Clusters {
		if cr, ok := r.w.Reg.Get(parent).(*simulator.ClusterComputeResource); ok && r.w.Fleet.Clusters[i].Name == cr.Name {
			cl = &r.w.Fleet.Clusters[i]
		}
	}
	hs, err := r.w.AddHost(parent, cl, d)
	if err != nil {
		return nil, fault.From(err)
	}
	if err := r.Setup(r.w, hs, cl, d); err != nil {
		return nil, fault.From(err)
	}
	r.w.Volumes()
	h := r.hosts[hs.Self]
	r.product(h)
	r.volumes(h)
	if m, ok := r.w.Reg.Get(*hs.ConfigManager.AdvancedOption).(*simulator.OptionManager); ok {
		m.SupportedOption = r.definitions
	}
	_ = r.network(h, nil)
	r.hardware()
	if !connected {
		r.connection(h, types.HostSystemConnectionStateDisconnected)
	}
	delete(r.removed, d.Name)
	r.event(h, func(e types.HostEvent) types.BaseEvent { return &types.HostAddedEvent{HostEvent: e} })
	r.w.Touch(hs.Self, *hs.Parent)
	if hs.Parent.Type == "ComputeResource" {
		return *hs.Parent, nil // what AddStandaloneHost_Task creates
	}
	return hs.Self, nil
}

// leave takes a host out; alone reports that the call was made on its ComputeResource.
func (r *Hosts) leave(h *Host, alone bool) *fault.Error {
	if inCluster := h.HS.Parent.Type == "ClusterComputeResource"; !inCluster && !alone {
		return fault.New(&types.NotSupported{}, "A standalone host is removed with its compute resource.")
	} else if inCluster && !h.HS.Runtime.InMaintenanceMode && h.HS.Runtime.ConnectionState != types.HostSystemConnectionStateDisconnected {
		return fault.New(&types.InvalidState{}, "The operation is not allowed in the current state: the host is neither in maintenance mode nor disconnected.")
	}
	if len(h.HS.Vm) > 0 {
		return fault.New(&types.ResourceInUse{Type: "HostSystem", Name: h.Name()})
	}
	return nil
}

func (r *Hosts) remove(h *Host) {
	d := *h.Desc
	for _, list := range []*[]fleet.Device{&d.Devices, &d.Cards} {
		*list = slices.Clone(*list)
		for i := range *list {
			for _, c := range h.Cards {
				if c.Address == (*list)[i].Address {
					active := c.Active
					(*list)[i].Enabled, (*list)[i].Active = c.Enabled, &active
				}
			}
		}
	}
	d.IOMMU, d.Above4G = &h.setup.iommu, &h.setup.above4G
	d.Maintenance = h.HS.Runtime.InMaintenanceMode
	d.UptimeSeconds = time.Since(*h.HS.Runtime.BootTime).Seconds()
	r.removed[d.Name] = &d
	r.event(h, func(e types.HostEvent) types.BaseEvent { return &types.HostRemovedEvent{HostEvent: e} })
	managers := reflect.ValueOf(h.HS.ConfigManager)
	for i := 0; i < managers.NumField(); i++ {
		if ref, ok := managers.Field(i).Interface().(*types.ManagedObjectReference); ok && ref != nil {
			r.w.Remove(*ref)
		}
	}
	delete(r.hosts, h.Ref())
	for _, ref := range world.ManagersOf(h.HS) {
		delete(r.owners, manager{ref.Type, ref.Value})
	}
	r.order = slices.DeleteFunc(slices.Clone(r.order), func(o *Host) bool { return o == h })
	r.w.RemoveHost(h.HS)
	r.hardware()
}

func (r *Hosts) registerJoin() {
	r.removed = map[string]*fleet.Host{}
	if r.w.ESXi {
		for _, m := range []string{"AddHost_Task", "AddStandaloneHost_Task", "HostSystem.Destroy_Task", "ComputeResource.Destroy_Task"} {
			r.s.Handle(m, func(*api.Call) (any, *fault.Error) {
				return nil, fault.New(&types.NotSupported{}, "The operation is not supported on the object: an ESXi host manages no other.")
			})
		}
		return
	}
	add := func(spec types.HostConnectSpec, connected bool, c *api.Call) (any, *fault.Error) {
		parent := c.This
		if spec.HostName == "" {
			return nil, fault.InvalidArgument("spec.hostName")
		}
		return c.Task(task.Spec{Work: 8 * time.Second, Cancelable: true,
			Check: func(*task.Task) *fault.Error { _, e := r.reach(&spec); return e },
			Do:    func(*task.Task) (any, *fault.Error) { return r.join(parent, &spec, connected) }})
	}
	r.s.Handle("AddHost_Task", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.AddHost_Task)
		return add(req.Spec, req.AsConnected, c)
	})
	r.s.Handle("AddStandaloneHost_Task", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.AddStandaloneHost_Task)
		return add(req.Spec, req.AddConnected, c)
	})
	drop := func(c *api.Call, find func() *Host, alone bool) (any, *fault.Error) {
		look := func() (*Host, *fault.Error) {
			h := find()
			if h == nil {
				return nil, fault.NotFound(c.This)
			}
			return h, r.leave(h, alone)
		}
		if h := find(); h == nil {
			return nil, fault.NotFound(c.This)
		} else if !alone && h.HS.Parent.Type == "ComputeResource" {
			return nil, r.leave(h, alone)
		}
		return c.Task(task.Spec{Exclusive: true, Work: 2 * time.Second,
			Check: func(*task.Task) *fault.Error { _, e := look(); return e },
			Do: func(*task.Task) (any, *fault.Error) {
				h, e := look()
				if e == nil {
					r.remove(h)
				}
				return nil, e
			}})
	}
	r.s.Handle("HostSystem.Destroy_Task", func(c *api.Call) (any, *fault.Error) {
		return drop(c, func() *Host { return r.hosts[c.This] }, false)
	})
	r.s.Handle("ComputeResource.Destroy_Task", func(c *api.Call) (any, *fault.Error) {
		return drop(c, func() *Host {
			for _, h := range r.order {
				if *h.HS.Parent == c.This {
					return h
				}
			}
			return nil
		}, true)
	})
	r.s.Handle("ClusterComputeResource.Destroy_Task", func(c *api.Call) (any, *fault.Error) {
		cr, e := api.Object[*simulator.ClusterComputeResource](c)
		if e != nil {
			return nil, e
		}
		empty := func(*task.Task) *fault.Error {
			if len(cr.Host) > 0 {
				return fault.New(&types.ResourceInUse{Type: "ClusterComputeResource", Name: cr.Name}, "The resource '%s' is in use.", cr.Name)
			}
			return nil
		}
		return c.Task(task.Spec{Exclusive: true, Work: time.Second, Check: empty, Do: func(t *task.Task) (any, *fault.Error) {
			if e := empty(t); e != nil {
				return nil, e
			}
			c.W.RemoveCluster(cr)
			return nil, nil
		}})
	})
}
