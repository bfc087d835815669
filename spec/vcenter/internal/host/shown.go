package host

// shown.go: what an inventory tool reads of a host besides its cards: firmware, serial numbers, NICs, names, file
// systems, and the methods that its state rules out.

import (
	"crypto/sha256"
	"fmt"
	"math"
	"net"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/world"
)

var _ = rules.Add(rules.Rule{ID: "host.shown", Sure: "seen", As: "real", Source: "pyvmomi tests/fixtures/test_json_host_explode.yaml, recorded at vCenter 6.7 (disabledMethod, otherIdentifyingInfo, file systems of a host); netbox-sync and GLPI read ServiceTag, SerialNumberTag and EnclosureSerialNumberTag as the serial number",
	Text: "A host has a serial number, the same in serialNumber and its identifying tags, a BIOS vendor and version, NICs with driver versions and addresses of their own, its name in DNS, and a mount of each of its datastores. disabledMethod names the methods that its state rules out."})

// serial is the number on the chassis: as stable as the host's name.
func serial(name string) string {
	sum := sha256.Sum256([]byte("serial " + name))
	const letters = "0123456789BCDFGHJKLMNPQRSTVWXYZ"
	out := make([]byte, 7)
	for i := range out {
		out[i] = letters[int(sum[i])%len(letters)]
	}
	return string(out)
}

// identity is the host's firmware and its numbers.
func (r *Hosts) identity(h *Host) {
	hs, number := h.HS, serial(h.Desc.Name)
	date := time.Date(2024, 5, 14, 0, 0, 0, 0, time.UTC)
	hs.Hardware.BiosInfo = &types.HostBIOSInfo{BiosVersion: "2.14.2", ReleaseDate: &date, Vendor: h.Desc.Vendor, MajorRelease: 2, MinorRelease: 14,
		FirmwareMajorRelease: 1, FirmwareMinorRelease: 20, FirmwareType: "UEFI"}
	info := []types.HostSystemIdentificationInfo{}
	for _, t := range [][4]string{
		{"AssetTag", "Asset Tag", "Asset tag of the system", fmt.Sprintf("asset-%04d", len(r.order)+1)},
		{"OemSpecificString", "OEM specific string", "OEM specific string", h.Desc.Vendor},
		{"ServiceTag", "Service tag", "Service tag of the system", number},
		{"SerialNumberTag", "Serial number tag", "Serial number tag of the system", number},
		{"EnclosureSerialNumberTag", "Enclosure serial number tag", "Enclosure serial number tag of the system", number},
	} {
		info = append(info, types.HostSystemIdentificationInfo{IdentifierValue: t[3], IdentifierType: &types.ElementDescription{
			Key: t[0], Description: types.Description{Label: t[1], Summary: t[2]}}})
	}
	hs.Hardware.SystemInfo.SerialNumber = number
	hs.Hardware.SystemInfo.OtherIdentifyingInfo, hs.Summary.Hardware.OtherIdentifyingInfo = info, info
}

// nic completes a NIC of the description.
func nic(p *types.PhysicalNic) {
	no, yes := false, true
	p.DriverVersion, p.FirmwareVersion = "226.0.145.0", "226.0.145.1 /pkg 226.1.107.1"
	p.WakeOnLanSupported = true
	p.AutoNegotiateSupported, p.ResourcePoolSchedulerAllowed = &yes, &yes
	p.VmDirectPathGen2Supported, p.EnhancedNetworkingStackSupported, p.EnsInterruptSupported = &no, &no, &no
	if p.FcoeConfiguration != nil {
		f := *p.FcoeConfiguration
		f.SourceMac = p.Mac
		p.FcoeConfiguration = &f
	}
}

// naming gives the host its names and its address wherever the configuration has them.
func (r *Hosts) naming(h *Host, network *types.HostNetworkInfo) {
	short, domain, _ := strings.Cut(h.Desc.Name, ".")
	if net.ParseIP(h.Desc.Name) != nil {
		short = "localhost"
	}
	if domain == "" || short == "localhost" {
		domain = "example.test"
	}
	dns := &types.HostDnsConfig{Dhcp: false, HostName: short, DomainName: domain, Address: []string{"192.0.2.53"}, SearchDomain: []string{domain}}
	network.DnsConfig = dns
	stacks := append([]types.HostNetStackInstance(nil), network.NetStackInstance...)
	for i := range stacks {
		if stacks[i].Key == "defaultTcpipStack" {
			stacks[i].DnsConfig = dns
		}
	}
	network.NetStackInstance = stacks
	if h.HS.Config.VirtualNicManagerInfo == nil || len(network.Vnic) == 0 {
		return
	}
	info := *h.HS.Config.VirtualNicManagerInfo
	info.NetConfig = append([]types.VirtualNicManagerNetConfig(nil), info.NetConfig...)
	for i := range info.NetConfig {
		c := &info.NetConfig[i]
		var own []types.HostVirtualNic // the host has this one only
		for _, nic := range c.CandidateVnic {
			if nic.Device == network.Vnic[0].Device {
				nic.Spec = network.Vnic[0].Spec
				own = append(own, nic)
			}
		}
		c.CandidateVnic = own
	}
	h.HS.Config.VirtualNicManagerInfo = &info
	if m, ok := r.w.Reg.Get(*h.HS.ConfigManager.VirtualNicManager).(*simulator.HostVirtualNicManager); ok {
		m.Info = info
	}
}

// volumes lists the file systems of the host: its datastores, by the paths under which it has them.
func (r *Hosts) volumes(h *Host) {
	yes, no := true, false
	out := &types.HostFileSystemVolumeInfo{VolumeTypeList: []string{"VMFS", "NFS", "NFS41", "vsan", "VVOL", "VFFS", "OTHER", "PMEM"}}
	for _, ref := range h.HS.Datastore {
		ds, ok := r.w.Reg.Get(ref).(*simulator.Datastore)
		if !ok {
			continue
		}
		id := world.VolumeID(ds.Name)
		sum := sha256.Sum256([]byte("volume " + ds.Name))
		out.MountInfo = append(out.MountInfo, types.HostFileSystemMountInfo{VStorageSupport: "vStorageSupported",
			MountInfo: types.HostMountInfo{Path: "/vmfs/volumes/" + id, AccessMode: "readWrite", Mounted: &yes, Accessible: &yes},
			Volume: &types.HostVmfsVolume{HostFileSystemVolume: types.HostFileSystemVolume{Type: "VMFS", Name: ds.Name, Capacity: ds.Summary.Capacity},
				BlockSizeMb: 1, BlockSize: 1024, UnmapGranularity: 1024, UnmapPriority: "low", MaxBlocks: 63963136, MajorVersion: 6, Version: "6.82", Uuid: id,
				Extent: []types.HostScsiDiskPartition{{DiskName: fmt.Sprintf("naa.6%x", sum[16:31]), Partition: 1}}, Ssd: &no, Local: &no}})
	}
	h.HS.Config.FileSystemVolume = out
	if s, ok := r.w.Reg.Get(*h.HS.ConfigManager.StorageSystem).(*simulator.HostStorageSystem); ok {
		s.FileSystemVolumeInfo = *out
		if h.HS.Config.StorageDevice != nil {
			s.StorageDeviceInfo = h.HS.Config.StorageDevice
		}
	}
}

// disabled are the methods that the host's state rules out.
func (h *Host) disabled() []string {
	out := []string{}
	if h.HS.Runtime.InMaintenanceMode {
		out = append(out, "EnterMaintenanceMode_Task")
	} else {
		out = append(out, "ExitMaintenanceMode_Task")
	}
	if h.standby() {
		out = append(out, "PowerDownHostToStandBy_Task")
	} else {
		out = append(out, "PowerUpHostFromStandBy_Task")
		if !h.HS.Capability.StandbySupported {
			out = append(out, "PowerDownHostToStandBy_Task")
		}
	}
	switch h.HS.Runtime.ConnectionState {
	case types.HostSystemConnectionStateConnected:
		out = append(out, "ReconnectHost_Task")
	case types.HostSystemConnectionStateDisconnected:
		out = append(out, "DisconnectHost_Task")
	}
	if h.Cluster == nil || !h.Cluster.HA {
		out = append(out, "ReconfigureHostForDAS_Task")
	}
	return out
}

// supported describes advanced options: of all hosts alike, since they have the same ones.
func supported(settings []types.BaseOptionValue) []types.OptionDef {
	out := []types.OptionDef{}
	for _, o := range settings {
		v := o.GetOptionValue()
		d := types.OptionDef{ElementDescription: types.ElementDescription{Key: v.Key, Description: types.Description{Label: v.Key, Summary: v.Key}}}
		no := false
		kind := types.OptionType{ValueIsReadonly: &no}
		switch x := v.Value.(type) {
		case bool:
			d.OptionType = &types.BoolOption{OptionType: kind, Supported: true, DefaultValue: x}
		case int32:
			d.OptionType = &types.IntOption{OptionType: kind, Min: math.MinInt32, Max: math.MaxInt32, DefaultValue: x}
		case int64:
			d.OptionType = &types.LongOption{OptionType: kind, Min: math.MinInt64, Max: math.MaxInt64, DefaultValue: x}
		default:
			d.OptionType = &types.StringOption{OptionType: kind, DefaultValue: fmt.Sprint(x)}
		}
		if v.Key == "Config.HostAgent.log.level" {
			d.OptionType = logLevels(kind)
		}
		out = append(out, d)
	}
	return out
}

// registerShown registers what is worked out when it is read.
func (r *Hosts) registerShown() {
	var defs []types.OptionDef
	for _, h := range r.order {
		if m, ok := r.w.Reg.Get(*h.HS.ConfigManager.AdvancedOption).(*simulator.OptionManager); ok {
			if defs == nil {
				defs = supported(m.Setting)
			}
			m.SupportedOption = defs
		}
	}
	r.definitions = defs
	if om := r.w.Reg.OptionManager(); om != nil {
		om.SupportedOption = supported(om.Setting)
	}
	r.w.Derive("ClusterComputeResource", "configuration", func(ref types.ManagedObjectReference) any {
		out := &types.ClusterConfigInfo{} // the older form of configurationEx
		c, ok := r.w.Reg.Get(ref).(*simulator.ClusterComputeResource)
		if !ok {
			return out
		}
		if ex, ok := c.ConfigurationEx.(*types.ClusterConfigInfoEx); ok {
			out.DasConfig, out.DasVmConfig, out.DrsConfig, out.DrsVmConfig, out.Rule = ex.DasConfig, ex.DasVmConfig, ex.DrsConfig, ex.DrsVmConfig, ex.Rule
		}
		return out
	})
	r.w.Derive("HostSystem", "disabledMethod", func(ref types.ManagedObjectReference) any {
		if h := r.hosts[ref]; h != nil {
			return h.disabled()
		}
		return []string{}
	})
}
