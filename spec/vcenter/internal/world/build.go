package world

// build.go creates the inventory: root folder, datacenter, clusters, hosts, datastores and
// networks, by calling the simulator's object methods in process (its Model.Create waits
// 20 ms and more per task). The package host adds what makes a host a GPU host.

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/simulator/vpx"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/truth"
	"gpupt.test/vcenter/internal/wire"
)

// Options are the settings of New.
type Options struct {
	Fleet   *fleet.Fleet
	Dir     string
	Speed   float64
	Version string
	Stop    context.Context
}

// New builds the world of a fleet. each is called for every host that was added.
func New(o Options, each func(*World, *simulator.HostSystem, *fleet.Cluster, *fleet.Host) error) (*World, error) {
	if o.Speed <= 0 {
		return nil, fmt.Errorf("speed must be positive")
	}
	w := &World{Fleet: o.Fleet, Dir: o.Dir, Truth: truth.New(), Stop: o.Stop,
		Version: wire.ParseVersion(o.Version), byName: map[string]types.ManagedObjectReference{}}
	w.Clock.SetSpeed(o.Speed)
	// Far above the simulator's own counter: its inner tasks are named task-N too, and take theirs out when they end.
	w.counter.Store(1_000_000)
	content, root := vpx.ServiceContent, vpx.RootFolder
	if w.ESXi = o.Fleet.Endpoint == "esxi"; w.ESXi {
		content, root = esx.ServiceContent, esx.RootFolder
	}
	about := &content.About
	parts := strings.Split(w.Version.String(), ".")
	about.ApiVersion, about.Version = o.Version, strings.Join(parts[:3], ".")
	about.Build = "24022515"
	about.FullName = fmt.Sprintf("%s %s build-%s", about.Name, about.Version, about.Build)
	about.LicenseProductVersion = parts[0] + ".0"
	w.Ctx = simulator.NewContext()
	w.Reg = w.Ctx.Map
	w.watch = newWatcher(w)
	w.names = newNames(w)
	w.Listen(w.names)
	w.Ctx, _ = simulator.NewServiceInstance(w.Ctx, content, root)
	w.Svc = simulator.New(w.Ctx, w.Reg.Get(vim25.ServiceInstance).(*simulator.ServiceInstance))
	w.Content = w.Reg.Get(vim25.ServiceInstance).(*simulator.ServiceInstance).Content
	w.Content.About.InstanceUuid = uuid.NewString()
	if !w.ESXi { // as recorded: pyvmomi tests/fixtures/smart_connection.yaml
		w.Content.About.PatchLevel = "00000"
		guests := &mo.VirtualMachineGuestCustomizationManager{Self: types.ManagedObjectReference{Type: "VirtualMachineGuestCustomizationManager", Value: "GuestCustomizationManager"}}
		w.Put(guests)
		w.Content.GuestCustomizationManager = &guests.Self
	}
	w.Reg.Get(vim25.ServiceInstance).(*simulator.ServiceInstance).Content = w.Content
	w.Reg.AddHandler(w.watch)
	// The simulator would list its inner tasks, which are hidden and already removed, as recent ones.
	if tm, ok := w.Reg.Get(*w.Content.TaskManager).(*simulator.TaskManager); ok {
		w.Reg.RemoveHandler(tm)
	}
	om := w.Reg.OptionManager()
	om.Setting = append(om.Setting, &types.OptionValue{Key: "vcsim.home", Value: o.Dir})
	if e := w.tapEvents(); e != nil {
		return nil, e
	}
	if err := w.inventory(each); err != nil {
		return nil, err
	}
	w.Volumes()
	return w, nil
}

func (w *World) inventory(each func(*World, *simulator.HostSystem, *fleet.Cluster, *fleet.Host) error) error {
	if w.ESXi {
		return w.single(each)
	}
	if err := w.centers(); err != nil {
		return err
	}
	for i := range w.Fleet.Datastores {
		if err := os.MkdirAll(w.DatastoreDir(w.Fleet.Datastores[i].Name), 0o700); err != nil {
			return err
		}
	}
	for i := range w.Fleet.Clusters {
		c := &w.Fleet.Clusters[i]
		dc := w.CenterNamed(c.Datacenter)
		parent, err := w.Below(dc.HostFolder, c.Folder)
		if err != nil {
			return err
		}
		if c.Name != "" {
			ref, err := w.cluster(parent, c, w.plainNetworks(dc))
			if err != nil {
				return fmt.Errorf("cluster %s: %w", c.Name, err)
			}
			parent = ref
		}
		for j := range c.Hosts {
			h := &c.Hosts[j]
			hs, err := w.AddHost(parent, c, h)
			if err != nil {
				return fmt.Errorf("host %s: %w", h.Name, err)
			}
			if err := each(w, hs, c, h); err != nil {
				return err
			}
		}
	}
	return w.pods()
}

// single takes the one host that the simulator created for an ESXi endpoint.
func (w *World) single(each func(*World, *simulator.HostSystem, *fleet.Cluster, *fleet.Host) error) error {
	w.DC = w.Reg.Any("Datacenter").(*simulator.Datacenter)
	hs := w.Reg.Any("HostSystem").(*simulator.HostSystem)
	c := &w.Fleet.Clusters[0]
	hs.Name, hs.Summary.Config.Name = c.Hosts[0].Name, c.Hosts[0].Name
	cr := w.Compute(hs)
	cr.Name = hs.Name
	w.byName["HostSystem "+hs.Name] = hs.Self
	cr.Network = w.networks(w.DC)
	w.attach(hs, &c.Hosts[0], cr.Network)
	for i := range w.Fleet.Datastores {
		if err := os.MkdirAll(w.DatastoreDir(w.Fleet.Datastores[i].Name), 0o700); err != nil {
			return err
		}
	}
	if err := w.mount(hs, c, &c.Hosts[0]); err != nil {
		return err
	}
	return each(w, hs, c, &c.Hosts[0])
}

func (w *World) cluster(parent types.ManagedObjectReference, c *fleet.Cluster, nets []types.ManagedObjectReference) (types.ManagedObjectReference, error) {
	res, e := w.Inner(parent, "CreateClusterEx", &types.CreateClusterEx{This: parent, Name: c.Name})
	if e != nil {
		return types.ManagedObjectReference{}, e
	}
	ref := res.(*types.CreateClusterExResponse).Returnval
	w.byName["ClusterComputeResource "+c.Name] = ref
	cr := w.Reg.Get(ref).(*simulator.ClusterComputeResource)
	cfg := cr.ConfigurationEx.(*types.ClusterConfigInfoEx)
	on := c.DRS != "off"
	cfg.DrsConfig.Enabled = &on
	if on {
		cfg.DrsConfig.DefaultVmBehavior = types.DrsBehavior(c.DRS)
	}
	ha := c.HA
	cfg.DasConfig.Enabled = &ha
	guard := ha && c.HostFailures+c.HAPercent > 0
	cfg.DasConfig.AdmissionControlEnabled = &guard
	if guard {
		cfg.DasConfig.AdmissionControlPolicy = &types.ClusterFailoverLevelAdmissionControlPolicy{FailoverLevel: int32(c.HostFailures)}
		if c.HAPercent > 0 {
			cfg.DasConfig.AdmissionControlPolicy = &types.ClusterFailoverResourcesAdmissionControlPolicy{
				CpuFailoverResourcesPercent: int32(c.HAPercent), MemoryFailoverResourcesPercent: int32(c.HAPercent)}
		}
	}
	dpm := c.DPM == "manual" || c.DPM == "automated"
	cfg.DpmConfigInfo = &types.ClusterDpmConfigInfo{Enabled: &dpm}
	if dpm {
		cfg.DpmConfigInfo.DefaultDpmBehavior = types.DpmBehavior(c.DPM)
	}
	vsan, claim := c.VSAN, false
	cfg.VsanConfigInfo = &types.VsanClusterConfigInfo{Enabled: &vsan, DefaultConfig: &types.VsanClusterConfigInfoHostDefaultInfo{
		Uuid: uuid.NewSHA1(uuid.NameSpaceDNS, []byte("vsan "+c.Name)).String(), AutoClaimStorage: &claim}}
	cr.Network = nets
	pool := *cr.ResourcePool
	for _, name := range c.Resource {
		if _, e := w.Inner(pool, "CreateResourcePool", &types.CreateResourcePool{This: pool, Name: name,
			Spec: types.DefaultResourceConfigSpec()}); e != nil {
			return ref, e
		}
	}
	if err := w.vapps(c, pool); err != nil {
		return ref, err
	}
	return ref, nil
}

// DatastoreDir is the directory of this computer behind a datastore.
func (w *World) DatastoreDir(name string) string { return filepath.Join(w.Dir, "datastores", name) }

func (w *World) mount(h *simulator.HostSystem, c *fleet.Cluster, own *fleet.Host) error {
	for i := range w.Fleet.Datastores {
		d := &w.Fleet.Datastores[i]
		if len(c.Datastores) > 0 && !contains(c.Datastores, d.Name) || len(own.Datastores) > 0 && !contains(own.Datastores, d.Name) {
			continue
		}
		sys := *h.ConfigManager.DatastoreSystem
		res, e := w.Inner(sys, "CreateLocalDatastore",
			&types.CreateLocalDatastore{This: sys, Name: d.Name, Path: w.DatastoreDir(d.Name)})
		if e != nil {
			return e
		}
		if _, known := w.byName["Datastore "+d.Name]; known {
			continue
		}
		// The answer's reference is of a fresh object even where the datastore existed.
		w.byName["Datastore "+d.Name] = res.(*types.CreateLocalDatastoreResponse).Returnval
	}
	return nil
}

// Volumes writes the sizes of the datastores; the simulator reads those of the disk of
// this computer at each mount and refresh, so this comes after every one of them.
func (w *World) Volumes() {
	for i := range w.Fleet.Datastores {
		d := &w.Fleet.Datastores[i]
		ref, ok := w.byName["Datastore "+d.Name]
		if !ok {
			continue
		}
		ds := w.Reg.Get(ref).(*simulator.Datastore)
		gb := int64(1) << 30
		ds.Summary.Capacity, ds.Summary.FreeSpace = int64(d.CapacityGB)*gb, int64(d.FreeGB)*gb
		ds.Summary.Type = "VMFS"
		yes := true
		ds.Summary.MultipleHostAccess = &yes
		ds.Info.GetDatastoreInfo().FreeSpace = ds.Summary.FreeSpace
		ds.Info.GetDatastoreInfo().MaxFileSize = 62 << 40
		w.Touch(ref)
	}
}

// Volume is the name of a datastore and the UUID of its volume, which its URL has; false for another object.
func (w *World) Volume(ref types.ManagedObjectReference) (name, id string, ok bool) {
	ds, ok := w.Reg.Get(ref).(*simulator.Datastore)
	if !ok {
		return "", "", false
	}
	return ds.Name, VolumeID(ds.Name), true
}

// VolumeID is the UUID of the volume behind a datastore of that name.
func VolumeID(datastore string) string {
	sum := sha256.Sum256([]byte("volume " + datastore))
	return fmt.Sprintf("%x-%x-%x-%x", sum[0:4], sum[4:8], sum[8:10], sum[10:16])
}

// networks creates the fleet's networks in a datacenter. Each datacenter has its own of a
// name; by its name alone that of the first is meant.
func (w *World) networks(dc *simulator.Datacenter) []types.ManagedObjectReference {
	folder := w.Reg.Get(dc.NetworkFolder).(*simulator.Folder)
	refs := append([]types.ManagedObjectReference(nil), dc.Network...)
	have := map[string]bool{}
	known := func(name string, r types.ManagedObjectReference) {
		have[name] = true
		if dc == w.DC {
			w.byName["Network "+name] = r
		}
	}
	for _, r := range refs {
		known(w.Reg.Get(r).(*mo.Network).Name, r)
	}
	for _, name := range w.Fleet.Networks {
		if have[name] {
			continue
		}
		n := &mo.Network{}
		n.Name = name
		n.ManagedEntity.Name = name
		ref := w.Reg.PutEntity(folder, n).Reference()
		n.Summary = &types.NetworkSummary{Network: &ref, Name: name, Accessible: true}
		folder.ChildEntity = append(folder.ChildEntity, ref)
		dc.Network = append(dc.Network, ref)
		known(name, ref)
		refs = append(refs, ref)
	}
	return refs
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
