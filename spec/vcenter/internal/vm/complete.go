package vm

// complete.go fills in what the simulator leaves empty and a real VM has.

import (
	"fmt"
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/host"
)

// cardUnits assigns new network cards their unit on the PCI controller: 7 to 16. (The
// simulator tries thirty units and fails behind passthrough devices.)
func cardUnits(have []types.BaseVirtualDevice, spec *types.VirtualMachineConfigSpec) {
	used := map[int32]bool{}
	for _, d := range have {
		if _, ok := d.(types.BaseVirtualEthernetCard); ok && d.GetVirtualDevice().UnitNumber != nil {
			used[*d.GetVirtualDevice().UnitNumber] = true
		}
	}
	for _, c := range spec.DeviceChange {
		d := c.GetVirtualDeviceConfigSpec()
		if _, ok := d.Device.(types.BaseVirtualEthernetCard); !ok || d.Operation != types.VirtualDeviceConfigSpecOperationAdd {
			continue
		}
		b := d.Device.GetVirtualDevice()
		if b.UnitNumber == nil {
			n := int32(7)
			for used[n] {
				n++
			}
			b.UnitNumber, b.ControllerKey = &n, 100
		}
		used[*b.UnitNumber] = true
	}
}

// complete fills what the simulator leaves empty and a real VM has.
func (vm *VM) complete() {
	c := vm.Config
	if c.Firmware == "" {
		c.Firmware = "bios"
	}
	no := false
	for _, b := range []**bool{&c.MemoryReservationLockedToMax, &c.NestedHVEnabled, &c.CpuHotAddEnabled, &c.CpuHotRemoveEnabled, &c.MemoryHotAddEnabled} {
		if *b == nil {
			v := no
			*b = &v
		}
	}
	a := types.ResourceAllocationInfo{}
	if c.MemoryAllocation != nil {
		a = *c.MemoryAllocation
	}
	fill(&a.Reservation, 0)
	fill(&a.Limit, -1)
	if a.ExpandableReservation == nil {
		a.ExpandableReservation = &no
	}
	a.Shares = &types.SharesInfo{Level: types.SharesLevelNormal, Shares: c.Hardware.MemoryMB * 10}
	c.MemoryAllocation = &a
	c.SwapPlacement = "inherit"
	c.GuestFullName = host.GuestName(c.GuestId)
	vm.Summary.Config.GuestFullName = c.GuestFullName
	vm.Runtime.FaultToleranceState = types.VirtualMachineFaultToleranceStateNotConfigured
	vm.Runtime.RecordReplayState = types.VirtualMachineRecordReplayStateInactive
	vm.Runtime.ConnectionState = types.VirtualMachineConnectionStateConnected
	if vm.Runtime.PowerState == "" {
		vm.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOff
	}
	vm.Runtime.ToolsInstallerMounted = false
	vm.Summary.Runtime = vm.Runtime
	vm.Summary.OverallStatus = types.ManagedEntityStatusGreen
	g := vm.Guest
	g.ToolsVersionStatus, g.ToolsVersionStatus2 = "guestToolsNotInstalled", "guestToolsNotInstalled"
	g.ToolsRunningStatus, g.GuestState = "guestToolsNotRunning", "notRunning"
	g.ToolsStatus = types.VirtualMachineToolsStatusToolsNotInstalled
	g.GuestOperationsReady = &no
	g.InteractiveGuestOperationsReady = &no
	if c.Tools == nil {
		c.Tools = &types.ToolsConfigInfo{}
	}
	if c.Tools.LastInstallInfo == nil {
		c.Tools.LastInstallInfo = &types.ToolsConfigInfoToolsLastInstallInfo{}
	}
	for i, d := range c.Hardware.Device {
		if b := d.GetVirtualDevice(); b.Key == 0 {
			b.Key = int32(20000 + i)
		}
	}
}

func fill(p **int64, v int64) {
	if *p == nil {
		*p = &v
	}
}

func ptr[T any](v T) *T { return &v }

// settleDevices assigns passthrough devices the keys, labels and units that hosts assign.
func (vm *VM) settleDevices() {
	used := map[int32]bool{}
	for _, p := range host.Passthrough(vm.VirtualMachine) {
		if p.Key >= 13000 && p.Key < 14000 {
			used[p.Key] = true
		}
	}
	next := int32(13000)
	for _, p := range host.Passthrough(vm.VirtualMachine) {
		if p.Key < 13000 || p.Key >= 14000 {
			for used[next] {
				next++
			}
			p.Key = next
			used[next] = true
		}
		n := p.Key - 13000
		p.ControllerKey = 100
		p.UnitNumber = ptr(18 + n)
		summary := ""
		switch b := p.Backing.(type) {
		case *types.VirtualPCIPassthroughDeviceBackingInfo:
			b.Id = strings.ToLower(b.Id)
			if h := vm.host(); h != nil {
				if card := h.Card(b.Id); card != nil {
					b.DeviceName = card.Name
				}
			}
			summary = b.DeviceName
		case *types.VirtualPCIPassthroughDynamicBackingInfo:
			if len(b.AllowedDevice) > 0 {
				summary = fmt.Sprintf("Dynamic DirectPath I/O %04x:%04x", b.AllowedDevice[0].VendorId, b.AllowedDevice[0].DeviceId)
			}
		}
		p.DeviceInfo = &types.Description{Label: fmt.Sprintf("PCI device %d", n), Summary: summary}
	}
	eth, disks := int32(0), int32(0)
	for _, d := range vm.Config.Hardware.Device {
		switch x := d.(type) {
		case types.BaseVirtualEthernetCard:
			eth++
			if e := x.GetVirtualEthernetCard(); e.AddressType == "" {
				e.AddressType = string(types.VirtualEthernetCardMacTypeAssigned)
				if vm.service.w.ESXi {
					e.AddressType = string(types.VirtualEthernetCardMacTypeGenerated)
				}
			}
			if e := x.GetVirtualEthernetCard(); e.WakeOnLanEnabled == nil {
				e.WakeOnLanEnabled = ptr(true)
			}
		case *types.VirtualDisk:
			disks++
			if x.StorageIOAllocation == nil {
				x.StorageIOAllocation = &types.StorageIOAllocationInfo{Limit: ptr(int64(-1)), Reservation: ptr(int32(0)),
					Shares: &types.SharesInfo{Level: types.SharesLevelNormal, Shares: 1000}}
			}
		case types.BaseVirtualSCSIController:
			x.GetVirtualSCSIController().ScsiCtlrUnitNumber = 7
		case *types.VirtualMachineVideoCard:
			if x.UseAutoDetect == nil {
				x.UseAutoDetect = ptr(false)
			}
			if x.Enable3DSupport == nil {
				x.Enable3DSupport = ptr(false)
			}
			if x.Use3dRenderer == "" {
				x.Use3dRenderer = "automatic"
			}
			if x.GraphicsMemorySizeInKB == 0 {
				x.GraphicsMemorySizeInKB = 262144
			}
		}
	}
	vm.Summary.Config.NumEthernetCards, vm.Summary.Config.NumVirtualDisks = eth, disks
}
