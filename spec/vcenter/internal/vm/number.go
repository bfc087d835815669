package vm

// number.go assigns new devices the keys and labels that hosts assign: SCSI controllers 1000 and
// on, disks 2000 + 16 a controller + unit, drives 3000, network cards 4000, SATA 15000, NVMe
// 31000. Clients look for "Hard disk 1" and for the key 4000.

import (
	"fmt"

	"github.com/vmware/govmomi/vim25/types"
)

var _ = rule("vm.device-numbers", "seen", "real", "device lists of public scripts: SCSI controller 0 is 1000, Hard disk 1 is 2000, Network adapter 1 is 4000, CD/DVD drive 1 is 3000",
	"New devices get the keys and labels of their kind.")

// numberDevices assigns keys to devices whose key is not one of their kind's; the world lock is held.
func (vm *VM) numberDevices() {
	list := vm.Config.Hardware.Device
	used := map[int32]bool{}
	for _, d := range list {
		used[d.GetVirtualDevice().Key] = true
	}
	moved := map[int32]int32{}
	counts := map[string]int{}
	give := func(d types.BaseVirtualDevice, first, span, want int32) {
		b := d.GetVirtualDevice()
		if b.Key >= first && b.Key < first+span {
			return
		}
		for used[want] {
			want++
		}
		used[want] = true
		delete(used, b.Key)
		moved[b.Key] = want
		b.Key = want
	}
	label := func(d types.BaseVirtualDevice, summary, format string, args ...any) {
		b := d.GetVirtualDevice()
		if summary == "" && b.DeviceInfo != nil {
			summary = b.DeviceInfo.GetDescription().Summary
		}
		b.DeviceInfo = &types.Description{Label: fmt.Sprintf(format, args...), Summary: summary}
	}
	for _, d := range list { // controllers first: others go by their keys
		bus, n, ok := busOf(d)
		if !ok {
			continue
		}
		switch bus {
		case "scsi":
			give(d, 1000, 1000, 1000+n)
			kind := "LSI Logic"
			switch d.(type) {
			case *types.VirtualLsiLogicSASController:
				kind = "LSI Logic SAS"
			case *types.ParaVirtualSCSIController:
				kind = "VMware paravirtual SCSI"
			case *types.VirtualBusLogicController:
				kind = "BusLogic"
			}
			label(d, kind, "SCSI controller %d", n)
		case "sata":
			give(d, 15000, 1000, 15000+n)
			label(d, "AHCI", "SATA controller %d", n)
		case "nvme":
			give(d, 31000, 1000, 31000+n)
			label(d, "NVME Controller", "NVME controller %d", n)
		}
	}
	for _, d := range list {
		b := d.GetVirtualDevice()
		if to, ok := moved[b.ControllerKey]; ok {
			b.ControllerKey = to
		}
		unit := int32(0)
		if b.UnitNumber != nil {
			unit = *b.UnitNumber
		}
		switch d.(type) {
		case *types.VirtualDisk:
			counts["disk"]++
			want := 2000 + 16*(b.ControllerKey-1000) + unit
			if b.ControllerKey < 1000 || b.ControllerKey >= 1004 {
				want = 2900
			}
			give(d, 2000, 1000, want)
			label(d, "", "Hard disk %d", counts["disk"])
		case *types.VirtualCdrom:
			counts["cd"]++
			want := int32(16000) + unit
			if b.ControllerKey == 200 || b.ControllerKey == 201 {
				want = 3000 + 2*(b.ControllerKey-200) + unit
			}
			if !(b.Key >= 16000 && b.Key < 16100) {
				give(d, 3000, 100, want)
			}
			summary := ""
			if iso, ok := b.Backing.(*types.VirtualCdromIsoBackingInfo); ok {
				summary = "ISO " + iso.FileName
			}
			label(d, summary, "CD/DVD drive %d", counts["cd"])
		case types.BaseVirtualEthernetCard:
			give(d, 4000, 100, 4000+int32(counts["eth"]))
			counts["eth"]++
			label(d, "", "Network adapter %d", counts["eth"])
		case *types.VirtualTPM:
			give(d, 11000, 1, 11000)
			label(d, "Trusted Platform Module", "Virtual TPM")
			if t := d.(*types.VirtualTPM); t.EndorsementKeyCertificateSigningRequest == nil {
				manufacture(t)
			}
		case *types.VirtualMachineVideoCard:
			label(d, "Video card", "Video card ")
		}
	}
	if len(moved) == 0 {
		return
	}
	for _, d := range list {
		if c, ok := d.(types.BaseVirtualController); ok {
			devices := c.GetVirtualController().Device
			for i, k := range devices {
				if to, ok := moved[k]; ok {
					devices[i] = to
				}
			}
		}
	}
	if vm.Guest != nil {
		for i := range vm.Guest.Net {
			if to, ok := moved[vm.Guest.Net[i].DeviceConfigId]; ok {
				vm.Guest.Net[i].DeviceConfigId = to
			}
		}
	}
	if vm.LayoutEx != nil {
		for i := range vm.LayoutEx.Disk {
			if to, ok := moved[vm.LayoutEx.Disk[i].Key]; ok {
				vm.LayoutEx.Disk[i].Key = to
			}
		}
	}
	if vm.Layout != nil {
		for i := range vm.Layout.Disk {
			if to, ok := moved[vm.Layout.Disk[i].Key]; ok {
				vm.Layout.Disk[i].Key = to
			}
		}
	}
}
