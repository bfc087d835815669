package host

// drs.go: what a cluster does about a host that is to be emptied. Fully automated DRS
// moves what can move, one VM at a time; partially automated and manual DRS only
// recommend it, and an administrator has to apply the recommendation; without DRS nothing
// happens. HA admission control keeps DRS from emptying a host when too few would be
// left to restart VMs on. All is read from the cluster's current configuration.

import (
	"fmt"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/task"
)

var (
	_ = rules.Add(rules.Rule{ID: "host.drs-recommends", Sure: "documented", As: "real", Source: "API reference: DrsBehavior (manual, partiallyAutomated), ClusterComputeResource.recommendation, ApplyRecommendation, RecommendationReasonCode.hostMaint",
		Text: "With manual or partially automated DRS, entering maintenance mode creates recommendations and moves nothing; ApplyRecommendation moves the VM, an unknown key is InvalidArgument."})
	_ = rules.Add(rules.Rule{ID: "host.drs-override", Sure: "documented", As: "real", Source: "API reference: ClusterConfigInfoEx.drsVmConfig, ClusterDrsVmConfigInfo (enabled, behavior)",
		Text: "A VM's own DRS setting overrides the cluster's: with DRS disabled for it, the VM is neither moved nor recommended."})
	_ = rules.Add(rules.Rule{ID: "host.drs-compatible", Sure: "documented", As: "laxer: a real DRS weighs the load of hosts and VMs as well", Source: "vSphere vMotion requirements: shared storage, a target that can reserve the memory; no vMotion to a host in maintenance or standby mode",
		Text: "DRS moves a VM only to a connected host of the cluster that sees its datastores, has its reservation free, and is neither in nor entering maintenance, standby or quarantine."})
	_ = rules.Add(rules.Rule{ID: "host.ha-admission", Sure: "documented", As: "real", Source: "vSphere Web Services SDK programming guide, Using VMware HA with VMware DRS: virtual machines might not be evacuated because of resources reserved to maintain the failover level",
		Text: "With HA admission control DRS does not empty a host when fewer hosts than the failover level plus one would be left: the task waits. Moving VMs manually, or admission control off, lets it go on."})
	_ = rules.Add(rules.Rule{ID: "host.ha-power-on", Sure: "documented", As: "real", Source: "API reference: PowerOnVM_Task, InsufficientFailoverResourcesFault",
		Text: "With HA admission control a VM does not power on when fewer hosts than the failover level plus one are usable: InsufficientFailoverResourcesFault."})
)

// config is the configuration of a host's cluster, nil for a standalone host.
func (r *Hosts) config(h *Host) (*simulator.ClusterComputeResource, *types.ClusterConfigInfoEx) {
	if h.HS.Parent == nil {
		return nil, nil
	}
	c, ok := r.w.Reg.Get(*h.HS.Parent).(*simulator.ClusterComputeResource)
	if !ok {
		return nil, nil
	}
	cfg, _ := c.ConfigurationEx.(*types.ClusterConfigInfoEx)
	return c, cfg
}

// drs reports whether the cluster of a host has DRS, at whatever level.
func (r *Hosts) drs(h *Host) bool {
	_, cfg := r.config(h)
	return cfg != nil && cfg.DrsConfig.Enabled != nil && *cfg.DrsConfig.Enabled
}

// behavior is how DRS treats a VM, "" when it leaves it alone.
func (r *Hosts) behavior(h *Host, vm *simulator.VirtualMachine) types.DrsBehavior {
	if !r.drs(h) {
		return ""
	}
	_, cfg := r.config(h)
	for _, o := range cfg.DrsVmConfig {
		if o.Key != vm.Self {
			continue
		}
		if o.Enabled != nil && !*o.Enabled {
			return ""
		}
		if o.Behavior != "" {
			return o.Behavior
		}
	}
	if cfg.DrsConfig.DefaultVmBehavior == "" {
		return types.DrsBehaviorFullyAutomated
	}
	return cfg.DrsConfig.DefaultVmBehavior
}

// usable reports whether a host takes VMs.
func (h *Host) usable() bool {
	quarantine := h.HS.Runtime.InQuarantineMode
	return h.Connected() && !h.HS.Runtime.InMaintenanceMode && !h.entering && !h.standby() && (quarantine == nil || !*quarantine)
}

// admission is the failover level that HA guards, 0 when it guards none.
func (r *Hosts) admission(h *Host) int {
	_, cfg := r.config(h)
	if cfg == nil || cfg.DasConfig.Enabled == nil || !*cfg.DasConfig.Enabled ||
		cfg.DasConfig.AdmissionControlEnabled == nil || !*cfg.DasConfig.AdmissionControlEnabled {
		return 0
	}
	switch p := cfg.DasConfig.AdmissionControlPolicy.(type) {
	case *types.ClusterFailoverLevelAdmissionControlPolicy:
		return int(p.FailoverLevel)
	case *types.ClusterFailoverResourcesAdmissionControlPolicy:
		return int(p.FailoverLevel)
	case *types.ClusterFailoverHostAdmissionControlPolicy:
		return int(p.FailoverLevel)
	}
	return int(cfg.DasConfig.FailoverLevel)
}

// left counts the usable hosts of a cluster other than one.
func (r *Hosts) left(h *Host) int {
	n := 0
	for _, o := range r.order {
		if o != h && o.HS.Parent != nil && *o.HS.Parent == *h.HS.Parent && o.usable() {
			n++
		}
	}
	return n
}

// Failover refuses to power a VM on when HA could not restart it elsewhere.
func (r *Hosts) Failover(h *Host) *fault.Error {
	level := r.admission(h)
	usable := r.left(h)
	if h.usable() {
		usable++
	}
	if level == 0 || usable > level {
		return nil
	}
	return fault.New(&types.InsufficientFailoverResourcesFault{}, "Insufficient resources to satisfy configured failover level for vSphere HA.")
}

// target finds the host to which a VM can go.
func (r *Hosts) target(vm *simulator.VirtualMachine, from *Host) *Host {
	if Fixed(vm) || (On(vm) && len(Passthrough(vm)) > 0) {
		return nil
	}
	for _, o := range r.order {
		if o == from || *o.HS.Parent != *from.HS.Parent || !o.usable() || !sees(o, vm) {
			continue
		}
		if On(vm) && r.reserved(o)+reservation(vm) > int64(o.Desc.MemoryGB)<<10 {
			continue
		}
		return o
	}
	return nil
}

// sees reports whether a host has all datastores of a VM.
func sees(h *Host, vm *simulator.VirtualMachine) bool {
	for _, need := range vm.Datastore {
		have := false
		for _, d := range h.HS.Datastore {
			have = have || d == need
		}
		if !have {
			return false
		}
	}
	return true
}

func reservation(vm *simulator.VirtualMachine) int64 {
	if vm.Config == nil || vm.Config.MemoryAllocation == nil || vm.Config.MemoryAllocation.Reservation == nil {
		return 0
	}
	return *vm.Config.MemoryAllocation.Reservation
}

// reserved is the memory in MB that the running VMs of a host have reserved.
func (r *Hosts) reserved(h *Host) (mb int64) {
	for _, vm := range r.w.VMsOn(h.HS) {
		if On(vm) {
			mb += reservation(vm)
		}
	}
	return
}

// evacuate does one step of what the cluster does about a host that is to be emptied: it
// moves one VM, and recommends what it may not move by itself.
func (r *Hosts) evacuate(h *Host, off bool) {
	if !r.drs(h) {
		return
	}
	if r.running(h) > 0 && !r.keeps(h) {
		return
	}
	for _, vm := range r.w.VMsOn(h.HS) {
		behavior := r.behavior(h, vm)
		if behavior == "" || (!On(vm) && !off) {
			continue
		}
		to := r.target(vm, h)
		if to == nil {
			continue
		}
		if On(vm) && behavior != types.DrsBehaviorFullyAutomated {
			r.recommend(vm, h, to)
			continue
		}
		r.Move(vm, to)
		r.w.Truth.VM("drs-move", to.Name(), vm.Name, "moved from %s to %s", h.Name(), to.Name())
		return
	}
}

// stuck counts what still has to leave a host before it may enter maintenance mode.
func (r *Hosts) stuck(h *Host, off bool) int {
	n := 0
	for _, vm := range r.w.VMsOn(h.HS) {
		if On(vm) || (off && !(r.drs(h) && (r.behavior(h, vm) == "" || r.target(vm, h) == nil))) {
			n++
		}
	}
	return n
}

// recommend adds a recommendation for a VM unless there is one already.
func (r *Hosts) recommend(vm *simulator.VirtualMachine, from, to *Host) {
	c, _ := r.config(from)
	for _, x := range c.Recommendation {
		if x.Target != nil && *x.Target == vm.Self {
			return
		}
	}
	key, now, ref := fmt.Sprint(r.w.NextID()), time.Now(), vm.Self
	c.Recommendation = append(append([]types.ClusterRecommendation(nil), c.Recommendation...), types.ClusterRecommendation{
		Key: key, Type: "V1", Time: now, Rating: 5, Reason: string(types.RecommendationReasonCodeHostMaint),
		ReasonText: "Host is entering maintenance mode", Target: &ref,
		Action: []types.BaseClusterAction{&types.ClusterMigrationAction{ClusterAction: types.ClusterAction{Type: "MigrationV1", Target: &ref},
			DrsMigration: &types.ClusterDrsMigration{Key: key, Time: now, Vm: ref, Source: from.Ref(), Destination: to.Ref()}}}})
	r.w.Truth.VM("drs-recommend", from.Name(), vm.Name, "recommended to move from %s to %s", from.Name(), to.Name())
	r.w.Touch(c.Self)
}

// forget drops the recommendations that no longer hold: their VM left, or the host
// is no longer to be emptied.
func (r *Hosts) forget(h *Host, all bool) {
	c, _ := r.config(h)
	if c == nil || len(c.Recommendation) == 0 {
		return
	}
	kept := []types.ClusterRecommendation{}
	for _, x := range c.Recommendation {
		m := x.Action[0].(*types.ClusterMigrationAction).DrsMigration
		vm, e := r.w.VM(m.Vm)
		if m.Source == h.Ref() && (all || e != nil || !On(vm) || vm.Runtime.Host == nil || *vm.Runtime.Host != m.Source) {
			continue
		}
		kept = append(kept, x)
	}
	if len(kept) != len(c.Recommendation) {
		c.Recommendation = kept
		r.w.Touch(c.Self)
	}
}

func (r *Hosts) registerDRS() {
	find := func(c *api.Call, key string) (*simulator.ClusterComputeResource, *types.ClusterDrsMigration, *fault.Error) {
		cluster, e := api.Object[*simulator.ClusterComputeResource](c)
		if e != nil {
			return nil, nil, e
		}
		for _, x := range cluster.Recommendation {
			if x.Key == key {
				return cluster, x.Action[0].(*types.ClusterMigrationAction).DrsMigration, nil
			}
		}
		return nil, nil, fault.InvalidArgument("key")
	}
	drop := func(cluster *simulator.ClusterComputeResource, key string) {
		kept := []types.ClusterRecommendation{}
		for _, x := range cluster.Recommendation {
			if x.Key != key {
				kept = append(kept, x)
			}
		}
		cluster.Recommendation = kept
		r.w.Touch(cluster.Self)
	}
	r.s.Handle("ApplyRecommendation", func(c *api.Call) (any, *fault.Error) {
		key := c.Req.(*types.ApplyRecommendation).Key
		cluster, m, e := find(c, key)
		if e != nil {
			return nil, e
		}
		drop(cluster, key)
		_, e = c.Task(task.Spec{Method: "RelocateVM_Task", Entity: m.Vm, Exclusive: true, Work: 5 * time.Second, Do: func(*task.Task) (any, *fault.Error) {
			vm, e := r.w.VM(m.Vm)
			if e != nil {
				return nil, e
			}
			to := r.hosts[m.Destination]
			if !to.usable() || vm.Runtime.Host == nil || *vm.Runtime.Host != m.Source {
				return nil, fault.InvalidState("")
			}
			r.Move(vm, to)
			r.w.Truth.VM("drs-move", to.Name(), vm.Name, "moved to %s by a recommendation", to.Name())
			return nil, nil
		}})
		if e != nil {
			return nil, e
		}
		return &api.Void{}, nil
	})
	r.s.Handle("CancelRecommendation", func(c *api.Call) (any, *fault.Error) {
		key := c.Req.(*types.CancelRecommendation).Key
		cluster, _, e := find(c, key)
		if e != nil {
			return nil, e
		}
		drop(cluster, key)
		return &api.Void{}, nil
	})
	r.s.Handle("ClusterComputeResource.ReconfigureComputeResource_Task", func(c *api.Call) (any, *fault.Error) {
		this, req := c.This, c.Req.(*types.ReconfigureComputeResource_Task)
		return c.Task(task.Spec{Exclusive: true, Work: 2 * time.Second, Do: func(*task.Task) (any, *fault.Error) {
			res, e := r.w.Inner(this, "ReconfigureComputeResource_Task", req)
			if e == nil {
				r.merge(this, req.Spec)
			}
			return res, e
		}})
	})
}

// merge takes over what the simulator leaves out of a cluster's new configuration.
func (r *Hosts) merge(ref types.ManagedObjectReference, base types.BaseComputeResourceConfigSpec) {
	spec, ok := base.(*types.ClusterConfigSpecEx)
	c, is := r.w.Reg.Get(ref).(*simulator.ClusterComputeResource)
	if !ok || !is {
		return
	}
	cfg := c.ConfigurationEx.(*types.ClusterConfigInfoEx)
	if d := spec.DasConfig; d != nil {
		if d.AdmissionControlPolicy != nil {
			cfg.DasConfig.AdmissionControlPolicy = d.AdmissionControlPolicy
		}
		if d.FailoverLevel != 0 {
			cfg.DasConfig.FailoverLevel = d.FailoverLevel
		}
	}
	if d := spec.DpmConfig; d != nil {
		now := types.ClusterDpmConfigInfo{}
		if cfg.DpmConfigInfo != nil {
			now = *cfg.DpmConfigInfo
		}
		if d.Enabled != nil {
			now.Enabled = d.Enabled
		}
		if d.DefaultDpmBehavior != "" {
			now.DefaultDpmBehavior = d.DefaultDpmBehavior
		}
		cfg.DpmConfigInfo = &now
	}
	r.w.Touch(ref)
}
