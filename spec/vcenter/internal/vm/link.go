package vm

// link.go joins a VM to its guest: the hardware it is powered on with, and the part of
// the guest's state that vCenter shows.

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/bars"
	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/guest"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/iso"
)

// placed is a passthrough device settled on a card at power-on.
type placed struct {
	device *types.VirtualPCIPassthrough
	card   *host.Card
	bars   []bars.Bar
}

func barsOf(c *host.Card) []bars.Bar {
	var list []string
	for _, b := range c.BARs {
		if b != "-" {
			list = append(list, b)
		}
	}
	out, err := bars.Parse(list)
	if err != nil { // the fleet loader has read them already; a custom layout cannot be detected
		return nil
	}
	return out
}

// drives are the CD drives with what they hold now.
func (vm *VM) drives() []*guest.CD {
	var out []*guest.CD
	for _, d := range vm.Config.Hardware.Device {
		cd, ok := d.(*types.VirtualCdrom)
		if !ok {
			continue
		}
		g := &guest.CD{Key: cd.Key}
		b, ok := cd.Backing.(*types.VirtualCdromIsoBackingInfo)
		connected := cd.Connectable == nil || cd.Connectable.StartConnected
		if vm.on() && cd.Connectable != nil {
			connected = cd.Connectable.Connected
		}
		if ok && connected {
			g.Where = b.FileName
			g.Medium = vm.service.image(b.FileName)
		}
		out = append(out, g)
	}
	if vm.tools {
		m := vm.service.image("[] /vmimages/tools-isoimages/windows.iso")
		mounted := false
		for _, g := range out {
			if g.Medium == nil && !mounted {
				g.Where, g.Medium, mounted = "[] /vmimages/tools-isoimages/windows.iso", m, true
			}
		}
		if !mounted && len(out) > 0 {
			g := out[len(out)-1]
			g.Where, g.Medium = "[] /vmimages/tools-isoimages/windows.iso", m
		}
	}
	return out
}

// image opens the medium behind a backing's file name.
func (r *Service) image(name string) *iso.Image {
	file := filepath.Join(r.w.Dir, "tools", "windows.iso")
	if !toolsISO(name) {
		f, _, ok := r.datastoreFile(name)
		if !ok {
			return nil
		}
		file = f
	}
	img, err := r.medium(file)
	if err != nil {
		return nil
	}
	return img
}

// hardware is what the firmware finds.
func (vm *VM) hardware(list []*placed, window uint64) *guest.Hardware {
	c := vm.Config
	hw := &guest.Hardware{Name: vm.Name, EFI: vm.efi(), CPUs: int(c.Hardware.NumCPU), MemoryMB: int64(c.Hardware.MemoryMB),
		Devices: guest.Board(), CDs: vm.drives(), Hidden: falsy(vm.extra("hypervisor.cpuid.v0"))}
	if c.BootOptions != nil && len(c.BootOptions.BootOrder) > 0 {
		_, hw.CDFirst = c.BootOptions.BootOrder[0].(*types.VirtualMachineBootOptionsBootableCdromDevice)
	}
	hw.SecureBoot = hw.EFI && c.BootOptions != nil && isTrue(c.BootOptions.EfiSecureBootEnabled)
	slot := 0
	port := func() string { a, _ := guest.Slot(slot); slot++; return a }
	for _, d := range c.Hardware.Device {
		switch x := d.(type) {
		case *types.VirtualLsiLogicSASController:
			hw.Devices = append(hw.Devices, guest.Virtual(port(), "1000:0054", 0x010700, "Broadcom / LSI", "SAS1068 PCI-X Fusion-MPT SAS", "256:io", "16K:64", "64K:64"))
		case *types.ParaVirtualSCSIController:
			hw.Devices = append(hw.Devices, guest.Virtual(port(), "15ad:07c0", 0x010700, "VMware", "PVSCSI SCSI Controller", "8:io", "32K:64"))
		case *types.VirtualLsiLogicController:
			hw.Devices = append(hw.Devices, guest.Virtual("0000:00:10.0", "1000:0030", 0x010000, "Broadcom / LSI", "53c1030 PCI-X Fusion-MPT Dual Ultra320 SCSI", "256:io"))
		case *types.VirtualAHCIController:
			hw.Devices = append(hw.Devices, guest.Virtual("0000:02:05.0", "15ad:07e0", 0x010601, "VMware", "SATA AHCI controller", "4K:32"))
		case *types.VirtualNVMEController:
			hw.Devices = append(hw.Devices, guest.Virtual(port(), "15ad:07f0", 0x010802, "VMware", "NVMe SSD Controller", "16K:64"))
		case types.BaseVirtualEthernetCard:
			e := x.GetVirtualEthernetCard()
			kind := strings.TrimPrefix(fmt.Sprintf("%T", d), "*types.Virtual")
			if _, ok := d.(*types.VirtualVmxnet3); ok {
				hw.Devices = append(hw.Devices, guest.Virtual(port(), "15ad:07b0", 0x020000, "VMware", "VMXNET3 Ethernet Controller", "4K:32", "4K:32", "8K:32"))
			} else {
				hw.Devices = append(hw.Devices, guest.Virtual(port(), "8086:10d3", 0x020000, "Intel Corporation", "82574L Gigabit Network Connection", "128K:32"))
			}
			hw.NICs = append(hw.NICs, guest.NIC{MAC: e.MacAddress, Kind: kind, Connected: e.Connectable == nil || e.Connectable.StartConnected})
		case *types.VirtualDisk:
			if !hw.Disk {
				hw.Disk, hw.DiskGB = true, int(x.CapacityInKB>>20)
				hw.DiskDriver = vm.controllerKind(x.ControllerKey)
			}
		}
	}
	var all [][]bars.Bar
	for _, p := range list {
		all = append(all, p.bars)
	}
	at, _ := bars.Place(all, window)
	low := uint64(0xe0000000)
	for i, p := range list {
		g := &guest.Device{Address: port(), Passthrough: true, Host: p.card.Address, Vendor: fleet.ID(p.card.Vendor), Device: fleet.ID(p.card.Device.Device),
			SubVendor: fleet.ID(p.card.SubVendor), SubDevice: fleet.ID(p.card.SubDevice), Class: uint32(fleet.ID(p.card.Class)) << 8,
			VendorName: p.card.VendorTxt, Name: p.card.Name, Bars: p.bars, At: at[i], Serial: vm.hostName()}
		if n, err := strconv.ParseUint(p.card.Revision, 16, 8); err == nil {
			g.Revision = uint8(n)
		}
		for j, b := range p.bars {
			switch {
			case b.IO:
				g.At[j] = 0x6000 + uint64(i)*0x100
			case !b.Mem64 && b.Size <= 1<<30 && low-b.Size > 0x80000000:
				low = (low - b.Size) &^ (b.Size - 1)
				g.At[j] = low
			case b.Mem64 && g.At[j] == 0 && window == 0 && b.Size <= 1<<31 && low-b.Size > 0x20000000 && low > b.Size:
				// small 64-bit BARs go below 4 GiB where there is no window
				low = (low - b.Size) &^ (b.Size - 1)
				g.At[j] = low
			}
		}
		hw.Devices = append(hw.Devices, g)
	}
	return hw
}

func (vm *VM) controllerKind(key int32) string {
	for _, d := range vm.Config.Hardware.Device {
		if d.GetVirtualDevice().Key != key {
			continue
		}
		switch d.(type) {
		case *types.ParaVirtualSCSIController:
			return "pvscsi"
		case *types.VirtualLsiLogicSASController:
			return "lsisas"
		case *types.VirtualAHCIController:
			return "ahci"
		case *types.VirtualNVMEController:
			return "nvme"
		case *types.VirtualIDEController:
			return "ide"
		}
	}
	return "lsilogic"
}

// publishLater shows the guest's state; called without any lock.
func (vm *VM) publishLater() {
	vm.service.w.Lock()
	defer vm.service.w.Unlock()
	if vm.service.vms[vm.Self] == vm {
		vm.publish()
	}
}

// publish copies the guest's state into guest.* and summary.*; the world lock is held.
func (vm *VM) publish() {
	i := vm.guest.Info()
	g := *vm.Guest
	g.ToolsRunningStatus = i.ToolsRun
	ready := i.Ready
	g.GuestOperationsReady = &ready
	g.CustomizationInfo = customizationInfo(i.Custom)
	g.InteractiveGuestOperationsReady = ptr(ready && vm.guest.Session() != "")
	g.GuestStateChangeSupported = ptr(i.ToolsRun == "guestToolsRunning")
	switch {
	case i.State == "off" || i.State == "stuck" && i.OS == "" || i.State == "firmware" || i.State == "installing" && !i.Live:
		g.GuestState = "notRunning"
	case i.State == "stopping":
		g.GuestState = "shuttingDown"
	case i.ToolsRun == "guestToolsRunning":
		g.GuestState = "running"
	default:
		g.GuestState = "unknown"
	}
	if !vm.on() {
		g.GuestState = "notRunning"
	}
	newest, _ := guest.ToolsNumber(guest.DefaultTools)
	g.ToolsVersion, g.ToolsVersionStatus, g.ToolsVersionStatus2, g.ToolsInstallType = "0", "guestToolsNotInstalled", "guestToolsNotInstalled", ""
	g.ToolsStatus = types.VirtualMachineToolsStatusToolsNotInstalled
	if i.HasTools && (vm.Guest.ToolsVersion != "0" || i.ToolsRun != "guestToolsNotRunning") {
		g.ToolsVersion = strconv.Itoa(i.Tools.Number)
		g.ToolsInstallType = i.Tools.Type
		status := "guestToolsCurrent"
		g.ToolsStatus = types.VirtualMachineToolsStatusToolsOk
		if i.Tools.Number < newest {
			status = "guestToolsSupportedOld"
			g.ToolsStatus = types.VirtualMachineToolsStatusToolsOld
		} else if i.Tools.Number > newest {
			status = "guestToolsSupportedNew"
		}
		if i.Tools.Type == "guestToolsTypeOpenVMTools" {
			status = "guestToolsUnmanaged"
			g.ToolsStatus = types.VirtualMachineToolsStatusToolsOk
		}
		g.ToolsVersionStatus, g.ToolsVersionStatus2 = status, status
		if status == "guestToolsSupportedOld" {
			g.ToolsVersionStatus = "guestToolsNeedUpgrade"
		}
		if i.ToolsRun == "guestToolsNotRunning" {
			g.ToolsStatus = types.VirtualMachineToolsStatusToolsNotRunning
		}
	}
	if i.ToolsRun == "guestToolsRunning" {
		if g.GuestId, g.GuestFamily, g.GuestFullName = guestNames(i); i.Live {
			g.GuestId, g.GuestFamily, g.GuestFullName = "ubuntu64Guest", "linuxGuest", "Ubuntu Linux (64-bit)"
		}
		g.HostName, g.IpAddress = i.Hostname, i.IP
	} else {
		g.IpAddress = ""
	}
	nets := make([]types.GuestNicInfo, 0, len(g.Net))
	for n, net := range g.Net {
		net.IpAddress, net.IpConfig, net.DnsConfig = nil, nil, nil
		if n == 0 && g.IpAddress != "" {
			net.IpAddress = []string{g.IpAddress}
		}
		nets = append(nets, net)
	}
	g.Net = nets
	stack(&g, i)
	vm.Guest = &g
	vm.running()
	sum := *vm.Summary.Guest
	sum.ToolsStatus, sum.ToolsRunningStatus, sum.ToolsVersionStatus, sum.ToolsVersionStatus2 = g.ToolsStatus, g.ToolsRunningStatus, g.ToolsVersionStatus, g.ToolsVersionStatus2
	sum.GuestId, sum.GuestFullName, sum.HostName, sum.IpAddress = g.GuestId, g.GuestFullName, g.HostName, g.IpAddress
	vm.Summary.Guest = &sum
	beat := types.ManagedEntityStatusGray
	if i.ToolsRun == "guestToolsRunning" {
		beat = types.ManagedEntityStatusGreen
	}
	vm.GuestHeartbeatStatus, vm.Summary.QuickStats.GuestHeartbeatStatus = beat, beat
	if i.HasTools {
		t := types.ToolsConfigInfo{}
		if vm.Config.Tools != nil {
			t = *vm.Config.Tools
		}
		t.ToolsVersion, t.ToolsInstallType = int32(i.Tools.Number), i.Tools.Type
		vm.Config.Tools = &t
	}
	vm.service.w.Touch(vm.Self)
}

func guestNames(i guest.Info) (id, family, full string) {
	if i.OS == "windows" {
		if strings.HasPrefix(i.Version, "10.0.22") {
			return "windows11_64Guest", "windowsGuest", "Microsoft Windows 11 (64-bit)"
		}
		return "windows2019srvNext_64Guest", "windowsGuest", "Microsoft Windows Server 2022 (64-bit)"
	}
	id, full = guest.GuestOf(i.Distro)
	return id, "linuxGuest", full
}
