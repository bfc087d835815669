package world

// center.go: datacenters with their folders, networks and switches, and what is put into
// clusters and datastore folders afterwards.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fleet"
)

// Center is the datacenter of an entity; the first one for what is in none. World lock held.
func (w *World) Center(ref types.ManagedObjectReference) *simulator.Datacenter {
	for at := &ref; at != nil; {
		switch o := w.Reg.Get(*at).(type) {
		case *simulator.Datacenter:
			return o
		case mo.Entity:
			at = o.Entity().Parent
		default:
			return w.DC
		}
	}
	return w.DC
}

// CenterArgument is the datacenter of an entity as events name it. World lock held.
func (w *World) CenterArgument(ref types.ManagedObjectReference) *types.DatacenterEventArgument {
	dc := w.Center(ref)
	return &types.DatacenterEventArgument{EntityEventArgument: types.EntityEventArgument{Name: dc.Name}, Datacenter: dc.Self}
}

// Below finds a folder by its path below another folder, and creates what is missing of it.
// World lock held.
func (w *World) Below(at types.ManagedObjectReference, path string) (types.ManagedObjectReference, error) {
	for _, name := range strings.Split(path, "/") {
		if name == "" {
			continue
		}
		name = EntityName(name)
		next, there := w.ChildNamed(at, name)
		if !there {
			res, e := w.Inner(at, "CreateFolder", &types.CreateFolder{This: at, Name: name})
			if e != nil {
				return at, e
			}
			next = res.(*types.CreateFolderResponse).Returnval
			w.names.note(next)
		}
		at = next
	}
	return at, nil
}

// centers creates the datacenters, each with its networks and switches.
func (w *World) centers() error {
	for i, d := range w.Fleet.Centers() {
		at, err := w.Below(w.Content.RootFolder, d.Folder)
		if err != nil {
			return err
		}
		res, e := w.Inner(at, "CreateDatacenter", &types.CreateDatacenter{This: at, Name: d.Name})
		if e != nil {
			return fmt.Errorf("datacenter %s: %w", d.Name, e)
		}
		ref := res.(*types.CreateDatacenterResponse).Returnval
		dc := w.Reg.Get(ref).(*simulator.Datacenter)
		w.byName["Datacenter "+d.Name] = ref
		if i == 0 {
			w.DC = dc
		}
		w.networks(dc)
	}
	for _, path := range w.Fleet.Folders {
		if err := w.path(path); err != nil {
			return err
		}
	}
	for i := range w.Fleet.Switches {
		if err := w.createSwitch(&w.Fleet.Switches[i]); err != nil {
			return fmt.Errorf("switch %s: %w", w.Fleet.Switches[i].Name, err)
		}
	}
	return nil
}

// path creates the folders of an inventory path.
func (w *World) path(path string) error {
	at := w.Content.RootFolder
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i := 0; i < len(parts); i++ {
		if next, there := w.ChildNamed(at, EntityName(parts[i])); there && next.Type == "Datacenter" {
			dc := w.Reg.Get(next).(*simulator.Datacenter)
			if i++; i == len(parts) {
				return nil
			}
			roots := map[string]types.ManagedObjectReference{"vm": dc.VmFolder, "host": dc.HostFolder, "network": dc.NetworkFolder, "datastore": dc.DatastoreFolder}
			root, ok := roots[parts[i]]
			if !ok {
				return fmt.Errorf("folders: %s: a datacenter has the folders vm, host, network and datastore, not %q", path, parts[i])
			}
			at = root
			continue
		}
		next, err := w.Below(at, parts[i])
		if err != nil {
			return fmt.Errorf("folders: %s: %w", path, err)
		}
		at = next
	}
	return nil
}

// CenterNamed is a datacenter of the fleet by its name.
func (w *World) CenterNamed(name string) *simulator.Datacenter {
	if ref, ok := w.byName["Datacenter "+w.Fleet.CenterOf(name)]; ok {
		return w.Reg.Get(ref).(*simulator.Datacenter)
	}
	return w.DC
}

func (w *World) createSwitch(s *fleet.Switch) error {
	dc := w.CenterNamed(s.Datacenter)
	at, err := w.Below(dc.NetworkFolder, s.Folder)
	if err != nil {
		return err
	}
	spec := types.DVSCreateSpec{ConfigSpec: &types.VMwareDVSConfigSpec{DVSConfigSpec: types.DVSConfigSpec{Name: s.Name}}}
	got, e := w.CreateSwitch(&types.CreateDVS_Task{This: at, Spec: spec})
	if e != nil {
		return e
	}
	ref := got.(types.ManagedObjectReference)
	w.byName["Switch "+dc.Name+"/"+s.Name] = ref
	for _, name := range s.Portgroups {
		if _, e := w.AddPortgroups(&types.AddDVPortgroup_Task{This: ref, Spec: []types.DVPortgroupConfigSpec{{
			Name: name, Type: string(types.DistributedVirtualPortgroupPortgroupTypeEarlyBinding), NumPorts: 128}}}); e != nil {
			return e
		}
		pg, ok := w.ChildNamed(at, EntityName(name))
		if !ok {
			return fmt.Errorf("port group %s was not created", name)
		}
		w.byName["Network "+name] = pg
	}
	return nil
}

// joinSwitches makes a host a member of its datacenter's switches, as adding it to them does.
func (w *World) joinSwitches(hs *simulator.HostSystem, dc *simulator.Datacenter) error {
	for _, s := range w.Fleet.Switches {
		if w.Fleet.CenterOf(s.Datacenter) != dc.Name {
			continue
		}
		ref := w.byName["Switch "+dc.Name+"/"+s.Name]
		spec := &types.DVSConfigSpec{Host: []types.DistributedVirtualSwitchHostMemberConfigSpec{{
			Operation: string(types.ConfigSpecOperationAdd), Host: hs.Self}}}
		if _, e := w.ReconfigureSwitch(&types.ReconfigureDvs_Task{This: ref, Spec: spec}); e != nil {
			return e
		}
	}
	return nil
}

// plainNetworks are the networks of a datacenter that every host has: those of no switch.
func (w *World) plainNetworks(dc *simulator.Datacenter) []types.ManagedObjectReference {
	return slices.DeleteFunc(slices.Clone(dc.Network), func(r types.ManagedObjectReference) bool { return r.Type != "Network" })
}

// vapps creates the vApps of a cluster in its root pool.
func (w *World) vapps(c *fleet.Cluster, pool types.ManagedObjectReference) error {
	for _, name := range c.VApps {
		if _, e := w.Inner(pool, "CreateVApp", &types.CreateVApp{This: pool, Name: name, ResSpec: types.DefaultResourceConfigSpec(),
			ConfigSpec: simulator.NewVAppConfigSpec()}); e != nil {
			return fmt.Errorf("vApp %s: %w", name, e)
		}
	}
	return nil
}

// pods creates the datastore clusters and moves their datastores into them.
func (w *World) pods() error {
	for _, p := range w.Fleet.Pods {
		at := w.CenterNamed(p.Datacenter).DatastoreFolder
		res, e := w.Inner(at, "CreateStoragePod", &types.CreateStoragePod{This: at, Name: p.Name})
		if e != nil {
			return fmt.Errorf("datastore cluster %s: %w", p.Name, e)
		}
		pod := res.(*types.CreateStoragePodResponse).Returnval
		w.byName["StoragePod "+p.Name] = pod
		var list []types.ManagedObjectReference
		for _, name := range p.Datastores {
			if ref, ok := w.byName["Datastore "+name]; ok {
				list = append(list, ref)
			}
		}
		if len(list) == 0 {
			continue
		}
		if _, e := w.Inner(pod, "MoveIntoFolder_Task", &types.MoveIntoFolder_Task{This: pod, List: list}); e != nil {
			return fmt.Errorf("datastore cluster %s: %w", p.Name, e)
		}
	}
	return nil
}
