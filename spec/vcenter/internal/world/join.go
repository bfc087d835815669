package world

// join.go: hosts come into the inventory and leave it. The simulator adds them; it
// cannot remove one completely, so that is done here.

import (
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/rules"
)

// AddHost brings a host into a cluster, or below a folder as a standalone host, with
// the datastores of its cluster and all networks. World lock held.
func (w *World) AddHost(parent types.ManagedObjectReference, c *fleet.Cluster, h *fleet.Host) (*simulator.HostSystem, error) {
	method, req := "AddStandaloneHost_Task", any(&types.AddStandaloneHost_Task{This: parent,
		Spec: types.HostConnectSpec{HostName: h.Name}, AddConnected: true})
	if cr, ok := w.Reg.Get(parent).(*simulator.ClusterComputeResource); ok {
		method, req = "AddHost_Task", &types.AddHost_Task{This: parent, Spec: types.HostConnectSpec{HostName: h.Name}, AsConnected: true}
		// The simulator reads the versions of the hosts listed here again, and panics on one that it does not support.
		if eb, ok := w.Reg.Get(*cr.EnvironmentBrowser).(*simulator.EnvironmentBrowser); ok {
			eb.QueryConfigOptionDescriptorResponse.Returnval = nil
		}
	}
	got, e := w.Inner(parent, method, req)
	if e != nil {
		return nil, e
	}
	ref := got.(types.ManagedObjectReference)
	w.byName["HostSystem "+h.Name] = ref
	hs := w.Reg.Get(ref).(*simulator.HostSystem)
	if err := w.mount(hs, c, h); err != nil {
		return nil, err
	}
	dc := w.Center(hs.Self)
	nets := w.plainNetworks(dc)
	w.Compute(hs).Network = slices.Clone(nets)
	w.attach(hs, h, nets)
	return hs, w.joinSwitches(hs, dc)
}

var _ = rules.Add(rules.Rule{ID: "host.network-hosts", Sure: "documented", As: "real", Source: "API reference: Network.host, hosts attached to this network; HostSystem.network",
	Text: "Network.host lists the hosts that have the network, and HostSystem.network the networks of the host."})

// attach enters a host in the networks that it has.
func (w *World) attach(hs *simulator.HostSystem, h *fleet.Host, nets []types.ManagedObjectReference) {
	hs.Network = nil
	for _, ref := range nets {
		n, ok := w.Reg.Get(ref).(*mo.Network)
		if !ok || len(h.Networks) > 0 && !contains(h.Networks, n.Name) {
			continue
		}
		hs.Network = append(hs.Network, ref)
		if !slices.Contains(n.Host, hs.Self) {
			n.Host = append(slices.Clone(n.Host), hs.Self)
			w.Touch(ref)
		}
	}
}

// RemoveHost takes a host without VMs out of the inventory, and with a standalone host
// its compute resource and pool. World lock held.
func (w *World) RemoveHost(hs *simulator.HostSystem) {
	without := func(list []types.ManagedObjectReference, gone types.ManagedObjectReference) []types.ManagedObjectReference {
		return slices.DeleteFunc(slices.Clone(list), func(r types.ManagedObjectReference) bool { return r == gone })
	}
	for _, ref := range hs.Datastore {
		if ds, ok := w.Reg.Get(ref).(*simulator.Datastore); ok {
			ds.Host = slices.DeleteFunc(slices.Clone(ds.Host), func(m types.DatastoreHostMount) bool { return m.Key == hs.Self })
			w.Touch(ref)
		}
	}
	for _, ref := range hs.Network {
		if n, ok := w.Reg.Get(ref).(*mo.Network); ok {
			n.Host = without(n.Host, hs.Self)
			w.Touch(ref)
		}
	}
	cr := w.Compute(hs)
	cr.Host = without(cr.Host, hs.Self)
	if s := cr.Summary.GetComputeResourceSummary(); s != nil {
		s.NumHosts--
		s.NumEffectiveHosts--
		s.NumCpuCores -= hs.Summary.Hardware.NumCpuCores
		s.NumCpuThreads -= hs.Summary.Hardware.NumCpuThreads
		s.TotalMemory -= hs.Summary.Hardware.MemorySize
		s.EffectiveMemory -= hs.Summary.Hardware.MemorySize
	}
	delete(w.byName, "HostSystem "+hs.Name)
	for _, ref := range ManagersOf(hs) {
		w.Remove(ref)
	}
	w.Remove(hs.Self)
	w.Touch(cr.Self)
	if cr.Self.Type == "ClusterComputeResource" {
		return
	}
	if f, ok := w.Reg.Get(*cr.Parent).(*simulator.Folder); ok {
		f.ChildEntity = without(f.ChildEntity, cr.Self)
		w.Touch(f.Self)
	}
	w.Remove(*cr.ResourcePool)
	w.Remove(cr.Self)
}

// RemoveCluster takes a cluster without hosts out of the inventory, with its resource pools.
// World lock held.
func (w *World) RemoveCluster(cr *simulator.ClusterComputeResource) {
	var pools func(ref types.ManagedObjectReference)
	pools = func(ref types.ManagedObjectReference) {
		if p := w.Pool(ref); p != nil {
			for _, child := range p.ResourcePool {
				pools(child)
			}
			w.Remove(ref)
		}
	}
	if cr.ResourcePool != nil {
		pools(*cr.ResourcePool)
	}
	if f, ok := w.Reg.Get(*cr.Parent).(*simulator.Folder); ok {
		f.ChildEntity = slices.DeleteFunc(slices.Clone(f.ChildEntity), func(r types.ManagedObjectReference) bool { return r == cr.Self })
		w.Touch(f.Self)
	}
	if cr.EnvironmentBrowser != nil {
		w.Remove(*cr.EnvironmentBrowser)
	}
	delete(w.byName, "ClusterComputeResource "+cr.Name)
	w.Remove(cr.Self)
}
