package host

// admission.go: what HA says of the capacity that its admission control guards, by its three
// policies, in the summary of the cluster; and whether it lets a host be emptied.

import (
	"reflect"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/rules"
)

var (
	_ = rules.Add(rules.Rule{ID: "host.ha-level-now", Sure: "documented", As: "real", Source: "API reference: ClusterComputeResourceSummary.currentFailoverLevel, ClusterFailoverLevelAdmissionControlInfo: the number of physical host failures that can be tolerated without impacting the ability to satisfy the minimums for all running virtual machines",
		Text: "With admission control on and the failover level policy, summary.admissionControlInfo.currentFailoverLevel (and summary.currentFailoverLevel) is how many of the usable hosts, the largest first, may fail so that the others can still hold the memory that running VMs have reserved."})
	_ = rules.Add(rules.Rule{ID: "host.ha-percent-now", Sure: "documented", As: "laxer: a real one counts the CPU as well", Source: "API reference: ClusterFailoverResourcesAdmissionControlPolicy (its calculation), ClusterFailoverResourcesAdmissionControlInfo",
		Text: "With the resources policy, summary.admissionControlInfo has the percentage of the usable hosts' memory that no running VM has reserved. DRS does not empty a host when less than the configured percentage would be left."})
	_ = rules.Add(rules.Rule{ID: "host.ha-hosts-now", Sure: "documented", As: "inferred", Source: "API reference: ClusterFailoverHostAdmissionControlPolicy.failoverHosts, ClusterFailoverHostAdmissionControlInfo.hostStatus. That a host out of service is red is inferred",
		Text: "With the failover host policy, summary.admissionControlInfo.hostStatus has each dedicated host: green while it is usable, else red."})
)

// guard listens for changes of hosts and VMs, and renews the summaries of their clusters.
type guard struct{ r *Hosts }

func (g guard) Added(ref types.ManagedObjectReference)   { g.Changed(ref) }
func (g guard) Removed(ref types.ManagedObjectReference) {}
func (g guard) Changed(ref types.ManagedObjectReference) {
	if ref.Type == "ClusterComputeResource" {
		g.r.publishAdmission(ref)
		return
	}
	if h := g.r.hosts[ref]; h != nil && h.HS.Parent != nil {
		g.r.publishAdmission(*h.HS.Parent)
	}
	if ref.Type == "VirtualMachine" {
		if vm, ok := g.r.w.Reg.Get(ref).(*simulator.VirtualMachine); ok && vm.Runtime.Host != nil {
			g.Changed(*vm.Runtime.Host)
		}
	}
}

// usableOf lists the usable hosts of a cluster, the largest first.
func (r *Hosts) usableOf(cluster types.ManagedObjectReference) []*Host {
	var list []*Host
	for _, h := range r.order {
		if h.HS.Parent != nil && *h.HS.Parent == cluster && h.usable() {
			list = append(list, h)
		}
	}
	slices.SortStableFunc(list, func(a, b *Host) int { return b.Desc.MemoryGB - a.Desc.MemoryGB })
	return list
}

// memory sums up what hosts have, and what running VMs on all of them have reserved, in MB.
func (r *Hosts) memory(hosts []*Host) (total, reserved int64) {
	for _, h := range hosts {
		total += int64(h.Desc.MemoryGB) << 10
		reserved += r.reserved(h)
	}
	return
}

// level is the number of host failures that the cluster tolerates now.
func (r *Hosts) level(cluster types.ManagedObjectReference) int32 {
	hosts := r.usableOf(cluster)
	_, reserved := r.memory(hosts)
	for n := len(hosts) - 1; n > 0; n-- {
		if total, _ := r.memory(hosts[n:]); total >= reserved {
			return int32(n)
		}
	}
	return 0
}

// free is the percentage of memory that is not reserved, without a host whose VMs stay in the cluster.
func (r *Hosts) free(cluster types.ManagedObjectReference, without *Host) int32 {
	hosts := r.usableOf(cluster)
	_, reserved := r.memory(hosts)
	if without != nil {
		if !slices.Contains(hosts, without) {
			reserved += r.reserved(without)
		}
		hosts = slices.DeleteFunc(hosts, func(h *Host) bool { return h == without })
	}
	total, _ := r.memory(hosts)
	if total == 0 || reserved > total {
		return 0
	}
	return int32(100 * (total - reserved) / total)
}

// keeps reports whether HA lets a host be emptied.
func (r *Hosts) keeps(h *Host) bool {
	_, cfg := r.config(h)
	if cfg != nil && guarded(cfg) {
		if p, ok := cfg.DasConfig.AdmissionControlPolicy.(*types.ClusterFailoverResourcesAdmissionControlPolicy); ok {
			return r.free(*h.HS.Parent, h) >= p.MemoryFailoverResourcesPercent
		}
	}
	level := r.admission(h)
	return level == 0 || r.left(h) >= level+1
}

func guarded(cfg *types.ClusterConfigInfoEx) bool {
	on := func(b *bool) bool { return b != nil && *b }
	return on(cfg.DasConfig.Enabled) && on(cfg.DasConfig.AdmissionControlEnabled)
}

// publishAdmission renews the summary of a cluster. World lock held.
func (r *Hosts) publishAdmission(ref types.ManagedObjectReference) {
	c, ok := r.w.Reg.Get(ref).(*simulator.ClusterComputeResource)
	if !ok {
		return
	}
	cfg, _ := c.ConfigurationEx.(*types.ClusterConfigInfoEx)
	s, _ := c.Summary.(*types.ClusterComputeResourceSummary)
	if cfg == nil || s == nil {
		return
	}
	before := s.AdmissionControlInfo
	s.AdmissionControlInfo, s.CurrentFailoverLevel = nil, 0
	if guarded(cfg) {
		r.publishPolicy(ref, cfg, s)
	}
	if !reflect.DeepEqual(before, s.AdmissionControlInfo) {
		r.w.Touch(ref)
	}
}

func (r *Hosts) publishPolicy(ref types.ManagedObjectReference, cfg *types.ClusterConfigInfoEx, s *types.ClusterComputeResourceSummary) {
	switch p := cfg.DasConfig.AdmissionControlPolicy.(type) {
	case *types.ClusterFailoverLevelAdmissionControlPolicy:
		s.CurrentFailoverLevel = r.level(ref)
		s.AdmissionControlInfo = &types.ClusterFailoverLevelAdmissionControlInfo{CurrentFailoverLevel: s.CurrentFailoverLevel}
	case *types.ClusterFailoverResourcesAdmissionControlPolicy:
		now := r.free(ref, nil)
		s.AdmissionControlInfo = &types.ClusterFailoverResourcesAdmissionControlInfo{
			CurrentCpuFailoverResourcesPercent: 100, CurrentMemoryFailoverResourcesPercent: now}
	case *types.ClusterFailoverHostAdmissionControlPolicy:
		info := &types.ClusterFailoverHostAdmissionControlInfo{}
		for _, host := range p.FailoverHosts {
			status := types.ManagedEntityStatusRed
			if h := r.hosts[host]; h != nil && h.usable() {
				status = types.ManagedEntityStatusGreen
			}
			info.HostStatus = append(info.HostStatus, types.ClusterFailoverHostAdmissionControlInfoHostStatus{Host: host, Status: status})
		}
		s.AdmissionControlInfo = info
	}
}
