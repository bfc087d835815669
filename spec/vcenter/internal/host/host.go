// Package host simulates ESXi hosts: their PCI devices and passthrough states,
// maintenance mode, reboot, lockdown, and what a host can offer to a new VM.
//
//	host.go      the hosts and their vim25 properties
//	pci.go       devices and passthrough: UpdatePassthruConfig, Refresh
//	target.go    QueryConfigTarget
//	maintenance.go  entering and leaving maintenance mode
//	drs.go       what DRS and HA do about a host that is to be emptied
//	vsan.go      evacuation of vSAN data, resynchronization
//	door.go      the host's own port: files of guests and exports
//	standby.go   standby mode and DPM
//	reboot.go    reboot, loss and return
//	firmware.go  switches of the host's own BIOS that passthrough depends on
//	lockdown.go  lockdown mode
//	clock.go     the host's own clock
//	hostlog.go   vmkernel.log, hostd.log, vpxd.log
//	usage.go     which VM holds which card
//	shown.go     firmware, serial numbers, NICs, names, file systems
//	graphics.go  graphics cards and HA agent
//	options.go   hardware versions
//	events.go    events of hosts
//	watch.go     invariants
//	uptime.go    how long it has been up
package host

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/world"
)

// Hosts keeps the state behind each HostSystem.
type Hosts struct {
	Face        http.Handler           // serves what is asked of a host's own port
	made        int                    // hosts ever set up: numbers what belongs to them
	removed     map[string]*fleet.Host // taken out of the inventory, by name
	built       bool                   // the fleet of the file is built
	w           *world.World
	s           *api.Server
	hosts       map[types.ManagedObjectReference]*Host
	owners      map[manager]*Host // the host of each of its managers
	order       []*Host
	definitions []types.OptionDef // of the hosts' advanced options
	logMu       sync.Mutex        // the logs of all hosts
	half        sync.Map          // VMs that were reported as incomplete, or were incomplete in the fleet file
}

// manager is the reference of one of a host's managers: there are thirty of each host.
type manager struct{ kind, value string }

// NewHosts creates an empty set; Setup adds hosts to it while the inventory is built.
func NewHosts() *Hosts {
	return &Hosts{hosts: map[types.ManagedObjectReference]*Host{}, owners: map[manager]*Host{}}
}

// Host is one host with the state that vim25 does not show. Guarded by the world lock.
type Host struct {
	HS       *simulator.HostSystem
	Desc     *fleet.Host
	Cluster  *fleet.Cluster
	Cards    []*Card // all PCI functions in order of address
	SystemID string  // what a passthrough backing names as its host
	Passthru types.ManagedObjectReference
	IP       string
	cert     tls.Certificate
	door     door

	firmware firmware // as the last boot found it
	setup    firmware // as the next one will

	AtBoot  func() // called at each boot, before the firmware reads its settings
	boot    string // what the next boot does: "", late:SECONDS, never, without:ADDRESS
	away    bool   // between the loss of the connection and its return
	cut     int    // grows with a power failure or a manual revival: a boot under way is then void
	down    bool   // the endpoint does not answer
	foreign bool   // in maintenance mode by another administrator

	built      bool                // the fleet is built
	entering   bool                // maintenance mode
	parked     bool                // put in standby by DPM, not by a request
	vsanAction string              // how it entered maintenance mode
	skew       time.Duration       // offset of its clock from ours
	exceptions []string            // users that lockdown mode lets in
	logs       map[string][]string // by their keys; guarded by logMu
	modules    map[string]string   // options of kernel modules that were set
	syncing    int                 // above 0 while its vSAN data is resynchronized
	vsanHealth string              // of its vSAN membership; "": healthy
	haAgent    string              // the state in which its HA agent stays; "": it joins the others
	joining    int                 // grows with each change of what the HA agent depends on
}

// Card is a PCI function and its passthrough state.
type Card struct {
	fleet.Device
	Enabled bool
	Active  bool
	Absent  bool // not seen since the last boot

	graphics string // sharedDirect when the host's own driver has it
	rebind   bool   // what is configured takes effect in maintenance mode
}

// Get finds the host behind a reference.
func (r *Hosts) Get(ref types.ManagedObjectReference) *Host { return r.hosts[ref] }

// All lists the hosts in the order of the fleet file.
func (r *Hosts) All() []*Host { return r.order }

// Name of the host.
func (h *Host) Name() string { return h.HS.Name }

// Ref of the HostSystem.
func (h *Host) Ref() types.ManagedObjectReference { return h.HS.Self }

// Connected reports whether vCenter can talk to the host.
func (h *Host) Connected() bool {
	return h.HS.Runtime.ConnectionState == types.HostSystemConnectionStateConnected
}

// Reachable faults as vCenter does when it cannot talk to the host.
func (h *Host) Reachable() *fault.Error {
	switch h.HS.Runtime.ConnectionState {
	case types.HostSystemConnectionStateConnected:
		return nil
	case types.HostSystemConnectionStateDisconnected:
		return fault.New(&types.HostNotConnected{})
	}
	return fault.New(&types.HostNotReachable{}, "Unable to communicate with the remote host, since it is disconnected.")
}

// Open faults when the host takes no VM: it cannot be reached, or it is in or on its
// way to maintenance or standby mode. While the fleet file is being built everything is allowed.
func (h *Host) Open() *fault.Error {
	if !h.built {
		return nil
	}
	if e := h.Reachable(); e != nil {
		return e
	}
	const text = "The operation is not allowed in the current state of the host: "
	switch {
	case h.HS.Runtime.InMaintenanceMode:
		return fault.InvalidState(text + "it is in maintenance mode.")
	case h.entering:
		return fault.InvalidState(text + "it is entering maintenance mode.")
	case h.standby():
		return fault.InvalidState(text + "it is entering standby mode.")
	}
	return nil
}

// Card finds a function by its address (0000:3b:00.0).
func (h *Host) Card(address string) *Card {
	address = strings.ToLower(address)
	for _, c := range h.Cards {
		if c.Address == address && !c.Absent {
			return c
		}
	}
	return nil
}

// Setup turns a HostSystem that the simulator has just added into a GPU host.
func (r *Hosts) Setup(w *world.World, hs *simulator.HostSystem, cl *fleet.Cluster, d *fleet.Host) error {
	if r.w == nil { // a host that comes later finds it in use
		r.w = w
	}
	r.made++
	n := r.made
	h := &Host{built: r.built, HS: hs, Desc: d, Cluster: cl, boot: d.BootFault, SystemID: d.UUID,
		IP: fmt.Sprintf("127.%d.%d.%d", 20+n/62500, n/250%250, n%250+1)}
	if h.SystemID == "" {
		h.SystemID = uuid.NewSHA1(uuid.NameSpaceDNS, []byte("system "+d.Name)).String()
	}
	h.firmware = firmware{iommu: d.IOMMU == nil || *d.IOMMU, above4G: d.Above4G == nil || *d.Above4G}
	h.setup = h.firmware
	for _, list := range [][]fleet.Device{d.Devices, d.Cards} {
		for _, dev := range list {
			c := &Card{Device: dev, Enabled: dev.Enabled}
			c.Active = *dev.Active && h.passes(c)
			h.Cards = append(h.Cards, c)
		}
	}
	sort.SliceStable(h.Cards, func(i, j int) bool { return h.Cards[i].Address < h.Cards[j].Address })
	r.look(h)
	h.services()
	r.options(h)
	sys := &passthruSystem{}
	sys.Self = types.ManagedObjectReference{Type: "HostPciPassthruSystem", Value: fmt.Sprintf("pciPassthruSystem-%d", n)}
	h.Passthru = w.Put(sys)
	hs.ConfigManager.PciPassthruSystem = &h.Passthru
	r.hosts[hs.Self] = h
	r.order = append(r.order, h)
	r.graphics(h, n)
	r.vsanObjects(h, n)
	r.clock(h, n)
	r.access(h, n)
	if err := r.certify(h); err != nil {
		return err
	}
	h.booted()
	r.agent(h)
	r.publish(h)
	w.Managers(hs, n)
	for _, ref := range world.ManagersOf(hs) {
		r.owners[manager{ref.Type, ref.Value}] = h
	}
	return nil
}

// look fills in what a client reads of a host.
func (r *Hosts) look(h *Host) {
	d, hs := h.Desc, h.HS
	h.skew, h.exceptions = world.Seconds(d.ClockSkew), append([]string(nil), d.Exceptions...)
	boot := h.now().Add(-world.Seconds(d.UptimeSeconds))
	hs.Runtime.BootTime = &boot
	hs.Runtime.PowerState = types.HostSystemPowerStatePoweredOn
	hs.Runtime.ConnectionState = types.HostSystemConnectionState(d.Connection)
	hs.Runtime.InMaintenanceMode = d.Maintenance
	h.foreign = d.Maintenance
	no, yes := false, true
	hs.Runtime.InQuarantineMode = &no
	hs.Runtime.StandbyMode = string(types.HostStandbyModeNone)
	sleeps := d.StandbySupported == nil || *d.StandbySupported
	hs.Capability.StandbySupported = sleeps
	if d.Standby {
		hs.Runtime.StandbyMode, hs.Runtime.PowerState = string(types.HostStandbyModeIn), types.HostSystemPowerStateStandBy
		hs.Runtime.ConnectionState = types.HostSystemConnectionStateNotResponding
		h.away, h.down, h.parked = true, true, true
	}
	hs.Summary.Runtime = &hs.Runtime
	bytes := int64(d.MemoryGB) << 30
	hw := hs.Summary.Hardware
	hw.Vendor, hw.Model, hw.MemorySize = d.Vendor, d.Model, bytes
	hw.NumCpuCores, hw.NumCpuThreads, hw.NumCpuPkgs, hw.CpuMhz = int16(d.CPUs), int16(2*d.CPUs), 2, 2900
	hw.CpuModel = "Intel(R) Xeon(R) Gold 6326 CPU @ 2.90GHz"
	hs.Hardware.SystemInfo.Vendor, hs.Hardware.SystemInfo.Model, hs.Hardware.SystemInfo.Uuid = d.Vendor, d.Model, hw.Uuid
	hs.Hardware.MemorySize = bytes
	hs.Hardware.CpuInfo = types.HostCpuInfo{NumCpuPackages: 2, NumCpuCores: int16(d.CPUs), NumCpuThreads: int16(2 * d.CPUs), Hz: 2900000000}
	hs.Summary.ManagementServerIp = "127.0.0.1"
	hs.Summary.OverallStatus = types.ManagedEntityStatusGreen
	rebind := d.Rebind
	hs.Capability.DeviceRebindWithoutRebootSupported = &rebind
	hs.Capability.MaintenanceModeSupported, hs.Capability.RebootSupported = true, true
	hs.Capability.VmDirectPathGen2Supported = &yes
	hs.Config.LockdownMode = types.HostLockdownMode(d.Lockdown)
	locked := d.Lockdown != "lockdownDisabled"
	hs.Config.AdminDisabled = &locked
	hs.Config.OptionDef = nil // of the simulator's own options, and incomplete
	r.identity(h)
	r.wiring(h)
}

// product sets the version of a host. It runs after the whole inventory is built, because
// the simulator parses the versions of a cluster's hosts again at each AddHost, and
// panics on a version that it does not support.
func (r *Hosts) product(h *Host) {
	hs := h.HS
	product := *hs.Summary.Config.Product
	v := r.w.Version
	product.Version = fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2])
	product.ApiVersion, product.Build = r.w.Content.About.ApiVersion, "24022510"
	product.FullName = fmt.Sprintf("VMware ESXi %s build-%s", product.Version, product.Build)
	hs.Summary.Config.Product = &product
	hs.Config.Product = product
}

// wiring ties vmk0 to the first NIC and the boot disk to the first HBA of the description.
func (r *Hosts) wiring(h *Host) {
	net := *h.HS.Config.Network
	pnics := []types.PhysicalNic{}
	hbas := []types.BaseHostHostBusAdapter{}
	for _, c := range h.Cards {
		switch c.Role {
		case "nic":
			n := len(pnics)
			name := fmt.Sprintf("vmnic%d", n)
			link := types.PhysicalNicLinkInfo{SpeedMb: 25000, Duplex: true}
			p := types.PhysicalNic{}
			if len(net.Pnic) > 0 { // what has nothing to do with the card is the simulator's
				p = net.Pnic[0]
			}
			p.Key, p.Device, p.Pci, p.Driver = "key-vim.host.PhysicalNic-"+name, name, c.Address, "bnxtnet"
			p.LinkSpeed, p.ValidLinkSpecification, p.Spec.LinkSpeed = &link, []types.PhysicalNicLinkInfo{link}, &link
			p.Mac = fmt.Sprintf("b0:26:28:%02x:%02x:%02x", len(r.order)>>8&255, len(r.order)&255, n)
			nic(&p)
			pnics = append(pnics, p)
		case "hba":
			n := len(hbas)
			name := fmt.Sprintf("vmhba%d", n)
			hbas = append(hbas, &types.HostParallelScsiHba{HostHostBusAdapter: types.HostHostBusAdapter{Key: "key-vim.host.ParallelScsiHba-" + name,
				Device: name, Bus: busNumber(c.Address), Status: "unknown", Model: c.Name, Driver: "lsi_mr3", Pci: c.Address}})
		}
	}
	net.Pnic = pnics
	vs := append([]types.HostVirtualSwitch(nil), net.Vswitch...)
	if len(vs) > 0 && len(pnics) > 0 {
		vs[0].Pnic = []string{pnics[0].Key}
		spec := vs[0].Spec
		spec.Bridge = &types.HostVirtualSwitchBondBridge{NicDevice: []string{pnics[0].Device}}
		vs[0].Spec = spec
	}
	net.Vswitch = vs
	vnics := append([]types.HostVirtualNic(nil), net.Vnic...)
	for i := range vnics {
		if vnics[i].Spec.Ip != nil {
			ip := *vnics[i].Spec.Ip
			ip.IpAddress = h.IP
			vnics[i].Spec.Ip = &ip
		}
		if i < len(pnics) {
			vnics[i].Spec.Mac = pnics[i].Mac
		}
	}
	net.Vnic = vnics
	r.naming(h, &net)
	h.HS.Config.Network = &net
	if h.HS.Config.StorageDevice != nil {
		sd := *h.HS.Config.StorageDevice
		sd.HostBusAdapter = hbas
		h.HS.Config.StorageDevice = &sd
	}
}

// busNumber is the bus of a PCI address: 0x3b of 0000:3b:00.0.
func busNumber(address string) int32 {
	var domain, bus int32
	_, _ = fmt.Sscanf(address, "%x:%x:", &domain, &bus)
	return bus
}

// hostOf finds the host of a call.
func (r *Hosts) hostOf(c *api.Call) (*Host, *fault.Error) {
	h := r.hosts[c.This]
	if h == nil {
		return nil, fault.NotFound(c.This)
	}
	return h, nil
}

// Register registers the package's methods with the server.
func (r *Hosts) Register(s *api.Server) {
	r.s = s
	for _, h := range r.order {
		r.product(h)
		r.volumes(h)
	}
	r.hardware()
	r.registerPCI()
	registerExecuters(s)
	r.registerTarget()
	r.registerOptions()
	r.registerMaintenance()
	r.registerDRS()
	r.registerVSAN()
	r.registerServices()
	r.registerFind()
	r.registerStandby()
	r.registerClock()
	r.registerNetwork()
	r.registerUpkeep()
	r.registerSwitches()
	r.registerUptime()
	r.registerLogs()
	r.registerReboot()
	r.registerLockdown()
	r.registerGraphics()
	r.registerJoin()
	r.registerShown()
	r.watch()
	r.w.Listen(guard{r})
	for _, c := range r.w.Reg.All("ClusterComputeResource") {
		r.publishAdmission(c.Reference())
	}
	s.OnSet(r.set)
	s.OnOwner(func(ref types.ManagedObjectReference) (types.ManagedObjectReference, bool) {
		if h := r.owners[manager{ref.Type, ref.Value}]; h != nil {
			return h.HS.Self, true
		}
		return ref, false
	})
	s.W.Truth.Section("hosts", r.truth)
}

// truth is the host part of /gpsim/truth.
func (r *Hosts) truth() any {
	out := []map[string]any{}
	for _, h := range r.order {
		cards := []map[string]any{}
		for _, c := range h.Cards {
			holder := ""
			if vm := r.Holder(h, c.Address); vm != nil {
				holder = vm.Name
			}
			cards = append(cards, map[string]any{"address": c.Address, "id": c.Vendor + ":" + c.Device.Device, "name": c.Name, "class": c.Class,
				"role": c.Role, "capable": h.Capable(c), "enabled": c.Enabled, "active": c.Active, "absent": c.Absent, "used_by": holder,
				"label": c.Label, "dependent": c.Dependent})
		}
		name := ""
		if h.Cluster != nil {
			name = h.Cluster.Name
		}
		quarantine := h.HS.Runtime.InQuarantineMode != nil && *h.HS.Runtime.InQuarantineMode
		out = append(out, map[string]any{"standby": h.HS.Runtime.StandbyMode, "quarantine": quarantine, "lockdown": h.HS.Config.LockdownMode,
			"entering": h.entering, "away": h.away, "next_boot": h.boot, "clock_skew": h.skew.Seconds(), "resyncing": h.syncing > 0,
			"iommu": h.firmware.iommu, "above_4g": h.firmware.above4G,
			"name": h.Name(), "ref": h.Ref().Value, "cluster": name, "state": h.HS.Runtime.ConnectionState,
			"maintenance": h.HS.Runtime.InMaintenanceMode, "boot_time": h.HS.Runtime.BootTime, "reboot_required": h.HS.Summary.RebootRequired,
			"power": h.HS.Runtime.PowerState, "system_id": h.SystemID, "cards": cards, "vms": len(h.HS.Vm)})
	}
	return out
}
