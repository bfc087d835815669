package host

// options.go: the hardware versions that a host can run, by its own version.

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/wire"
)

var _ = rules.Add(rules.Rule{ID: "host.hardware-versions", Sure: "documented", As: "real", Source: "Broadcom KB 315655: virtual machine hardware versions",
	Text: "QueryConfigOptionDescriptor lists vmx-8 up to the newest of the host: 17 (7.0), 18 (7.0.1), 19 (7.0.2), 20 (8.0), 21 (8.0.2), 22 (9.0)."})

var _ = rules.Add(rules.Rule{ID: "host.config-option-guests", Sure: "documented", As: "real", Source: "API reference: EnvironmentBrowserConfigOptionQuerySpec.guestId",
	Text: "QueryConfigOptionEx with guest ids returns the descriptors of those ids, and all descriptors if no id matches."})

var _ = rules.Add(rules.Rule{ID: "host.config-option", Sure: "documented", As: "laxer: a real one lists the options of each virtual device in virtualDeviceOption", Source: "API reference: EnvironmentBrowser.QueryConfigOption, VirtualMachineConfigOption, VirtualHardwareOption; none for a key that no host offers: the result may be absent; Broadcom KB 312100: limits by hardware version",
	Text: "QueryConfigOption and QueryConfigOptionEx answer for the hardware version of the key, for the newest without one, with all required fields and all guests; a host that is not of this compute resource is InvalidArgument, an unknown key has no result. Laxer than a real one: virtualDeviceOption is empty."})

// guests are the descriptors of the ids in the request, or all of them.
func guests(hw int, ids []string) []types.GuestOsDescriptor {
	var all, match []types.GuestOsDescriptor
	for _, id := range simulator.GuestID {
		d := descriptor(string(id), hw)
		all = append(all, d)
		if slices.Contains(ids, d.Id) {
			match = append(match, d)
		}
	}
	if len(match) > 0 {
		return match
	}
	return all
}

func (r *Hosts) registerOptions() {
	r.s.Handle("QueryConfigOption", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.QueryConfigOption)
		option, e := r.option(c, req.Key, req.Host, nil)
		if e != nil {
			return nil, e
		}
		return &types.QueryConfigOptionResponse{Returnval: option}, nil
	}, api.ReadOnly(), api.Needs("System.View"))
	r.s.Handle("QueryConfigOptionEx", func(c *api.Call) (any, *fault.Error) {
		spec := c.Req.(*types.QueryConfigOptionEx).Spec
		if spec == nil {
			spec = &types.EnvironmentBrowserConfigOptionQuerySpec{}
		}
		option, e := r.option(c, spec.Key, spec.Host, spec.GuestId)
		if e != nil {
			return nil, e
		}
		return &types.QueryConfigOptionExResponse{Returnval: option}, nil
	}, api.ReadOnly(), api.Needs("System.View"))
}

// option is the config option of a key on a host; nil when none of the descriptors has the key.
func (r *Hosts) option(c *api.Call, key string, of *types.ManagedObjectReference, ids []string) (*types.VirtualMachineConfigOption, *fault.Error) {
	eb, e := api.Object[*simulator.EnvironmentBrowser](c)
	if e != nil {
		return nil, e
	}
	descriptors := eb.QueryConfigOptionDescriptorResponse.Returnval
	if len(descriptors) == 0 {
		return nil, nil
	}
	chosen := descriptors[len(descriptors)-1]
	if of != nil && !slices.Contains(chosen.Host, *of) {
		return nil, fault.InvalidArgument("host")
	}
	if key != "" {
		i := slices.IndexFunc(descriptors, func(d types.VirtualMachineConfigOptionDescriptor) bool { return d.Key == key })
		if i < 0 {
			return nil, nil
		}
		chosen = descriptors[i]
	}
	hw, _ := strconv.Atoi(strings.TrimPrefix(chosen.Key, "vmx-"))
	yes := true
	return &types.VirtualMachineConfigOption{Version: chosen.Key, Description: chosen.Description, GuestOSDescriptor: guests(hw, ids),
		HardwareOptions: hardwareOption(hw), DefaultDevice: esx.VirtualDevice, SupportedMonitorType: []string{"release", "debug", "stats"},
		SupportedOvfEnvironmentTransport: []string{"com.vmware.guestInfo", "iso"}, SupportedOvfInstallTransport: []string{"com.vmware.guestInfo", "iso"},
		Capabilities: types.VirtualMachineCapability{SnapshotOperationsSupported: true, MultipleSnapshotsSupported: true, SnapshotConfigSupported: true,
			PoweredOffSnapshotsSupported: true, MemorySnapshotsSupported: true, RevertToSnapshotSupported: true, QuiescedSnapshotsSupported: true,
			CpuFeatureMaskSupported: true, ToolsAutoUpdateSupported: true, VmNpivWwnSupported: true, SwapPlacementSupported: true,
			ToolsSyncTimeSupported: true, VirtualMmuUsageSupported: true, DiskSharesSupported: true, BootOptionsSupported: true,
			BootRetryOptionsSupported: true, SettingVideoRamSizeSupported: true, ChangeTrackingSupported: true, MultipleCoresPerSocketSupported: true,
			HostBasedReplicationSupported: true, MemoryReservationLockSupported: true, FeatureRequirementSupported: true, SeSparseDiskSupported: true,
			NestedHVSupported: true, VPMCSupported: true, SecureBootSupported: &yes, PerVmEvcSupported: &yes}}, nil
}

// hardwareOption is how much virtual hardware a version has.
func hardwareOption(hw int) types.VirtualHardwareOption {
	cpus, memoryGB := limits(hw)
	o := types.VirtualHardwareOption{HwVersion: int32(hw), VirtualDeviceOption: []types.BaseVirtualDeviceOption{},
		NumCoresPerSocket: types.IntOption{Min: 1, Max: min(cpus, 256), DefaultValue: 1},
		MemoryMB:          types.LongOption{Min: 4, Max: int64(memoryGB) << 10, DefaultValue: 4096},
		NumPCIControllers: types.IntOption{Min: 1, Max: 1, DefaultValue: 1}, NumIDEControllers: types.IntOption{Max: 2, DefaultValue: 2},
		NumUSBControllers: types.IntOption{Max: 1}, NumUSBXHCIControllers: types.IntOption{Max: 1}, NumSIOControllers: types.IntOption{Min: 1, Max: 1, DefaultValue: 1},
		NumPS2Controllers: types.IntOption{Min: 1, Max: 1, DefaultValue: 1}}
	for n := int32(1); n <= cpus; n++ {
		o.NumCPU = append(o.NumCPU, n)
	}
	shares := func(normal int32) types.ResourceAllocationOption {
		return types.ResourceAllocationOption{SharesOption: types.SharesOption{DefaultLevel: types.SharesLevelNormal,
			SharesOption: types.IntOption{Max: 1000000, DefaultValue: normal}}}
	}
	o.ResourceConfigOption = types.ResourceConfigOption{CpuAllocationOption: shares(1000), MemoryAllocationOption: shares(10)}
	return o
}

// MaxHardware is the newest hardware version of an API version.
func MaxHardware(v wire.Version) int {
	table := []struct {
		since string
		hw    int
	}{{"9.0.0.0", 22}, {"8.0.2.0", 21}, {"8.0.0.0", 20}, {"7.0.2.0", 19}, {"7.0.1.0", 18}, {"7.0", 17}, {"6.7.2", 15}, {"6.7", 14}, {"6.5", 13}}
	for _, t := range table {
		if !wire.ParseVersion(t.since).After(v) {
			return t.hw
		}
	}
	return 11
}

func (r *Hosts) hardware() {
	newest := MaxHardware(r.w.Version)
	done := map[types.ManagedObjectReference]bool{}
	for _, h := range r.order {
		cr := r.w.Compute(h.HS)
		if cr == nil || cr.EnvironmentBrowser == nil || done[cr.Self] {
			continue
		}
		done[cr.Self] = true
		eb, ok := r.w.Reg.Get(*cr.EnvironmentBrowser).(*simulator.EnvironmentBrowser)
		if !ok {
			continue
		}
		list := []types.VirtualMachineConfigOptionDescriptor{}
		yes := true
		for hw := 8; hw <= newest; hw++ {
			if hw == 12 || hw == 16 {
				continue // never shipped with ESXi
			}
			is := hw == newest
			list = append(list, types.VirtualMachineConfigOptionDescriptor{Key: fmt.Sprintf("vmx-%02d", hw), Description: fmt.Sprintf("ESXi hardware version %d", hw),
				Host: cr.Host, CreateSupported: true, DefaultConfigOption: is, RunSupported: true, UpgradeSupported: yes})
		}
		eb.QueryConfigOptionDescriptorResponse.Returnval = list
	}
}
