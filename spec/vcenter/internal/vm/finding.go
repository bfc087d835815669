package vm

// finding.go: lines of vmware.log and of guests that no configuration of this server causes
// by itself, by a name: POST /gpsim/set {"vm": NAME, "finding": CODE}. A line of
// the VMX is written into vmware.log, and where it is one that ends a power-on, the next
// power-on fails with it. Each line is one that a public log or article shows.

import (
	"fmt"
	"sort"
	"strings"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/vmlog"
)

var (
	_ = rule("power.id-decimal", "seen", "real", "a write-up of ESXi on ENCS: a hexadecimal pciPassthruN.id ends in \"AH No device hints found\"",
		"A pciPassthruN.id in extraConfig is decimal (00000:013:00.0); a hexadecimal one fails the power-on.")
	_ = rule("power.actual-bases", "seen", "real", "a write-up of ESXi on ENCS: PANIC VERIFY bora/devices/pcipassthru/pciPassthru.c:871",
		"pciPassthru.useActualBases = TRUE crashes the VMX.")
	_ = rule("power.pcie-slots", "seen", "real", "public .vmx logs: \"No PCIe slot available for SCSI0\"", "A VM has 32 PCIe slots (four root ports of eight functions) up to hardware version 20.")
)

type finding struct {
	line  string // {address} is the first card's address, {decimal} its decimal form
	fatal bool   // of a power-on
}

// kernels are lines of the guest's kernel, which go to its own log.
var kernels = map[string]string{
	"nvrm-region":      "NVRM: request_mem_region failed for 32M @ 0x1fffe0000000. This can occur when a driver such as rivatv is loaded and claims ownership of the device's registers.",
	"nvrm-resized-bar": "NVRM: No address space to allocate resized BAR1.",
}

var findings = map[string]finding{
	"iommu-fault":        {"PCI passthru device {address} caused an IOMMU fault type 5 at address 0xe0041000.  Powering off the virtual machine.", false},
	"iommu-fault-host":   {"WARNING: VTD: IOMMU Fault IOMMU Unit #0: R/W=W, Device {address} Addr = 0xe0041000", false},
	"iommu-reason":       {"WARNING: VTD: 307: Reason = 0x5 -> PTE not set to allow Write.", false},
	"no-device-hints":    {"AH No device hints found", true},
	"no-predicates":      {"Failed to generate predicates for pciPassthru0---invalid VM configuration", true},
	"no-suitable-device": {"AH Failed to find a suitable device for pciPassthru0", true},
	"map-mmio":           {"Failed to map MMIO: Failure", true},
	"vmx-panic":          {"PANIC: VERIFY bora/devices/pcipassthru/pciPassthru.c:871", true},
	"not-passthrough":    {"Device {decimal} is not a passthrough device.", true},
	"mmio-error":         {"msg.pciPassthru.pciMmioError: The firmware could not place the devices.", true},
	"link-down":          {"vmkernel: cpu59:2099897)PCI: 1401: Skipping device reset on {address} because PCIe link to the device is down.", false},
	"domain-disabled":    {"vmkernel: cpu59:2099897)PCIPassthru: 1750: Disable Domain for device {address}", false},
	"device-released":    {"vmkernel: cpu59:2099897)PCIPassthru: 1039: pcipdevInfo: 0x4314737b68e0 ({address}), state 0, destroyed", false},
	"device-taken":       {"vmkernel: cpu144:15901592)PCIPassthru: 3873: pcipDevInfo(0x43174d483300) allocated for {address}", false},
	"no-pcie-slot":       {"No PCIe slot available for SCSI0. Too many PCI devices are already configured.", true},
	"slot-reservation":   {"Vmxnet3 PCI: failed to reserve slot for vmxnet3 PCIe device", true},
	"bar-memory":         {"Failed to add BAR memory", true},
	"vgpu-iommu":         {"The virtual machine cannot be powered on because IOMMU virtualization is not allowed with VGPU.", true},
}

// provoke writes a finding.
func (r *Service) provoke(vm *VM, code string) error {
	if line, ok := kernels[code]; ok {
		return vm.guest.KernelLine(line)
	}
	f, ok := findings[code]
	if !ok {
		var names []string
		for n := range findings {
			names = append(names, n)
		}
		for n := range kernels {
			names = append(names, n)
		}
		sort.Strings(names)
		return fmt.Errorf("unknown finding %q: use one of %s", code, strings.Join(names, ", "))
	}
	address := "0000:3b:00.0"
	if len(vm.assigned) > 0 {
		address = vm.assigned[0].card.Address
	} else if own := host.Passthrough(vm.VirtualMachine); len(own) > 0 && host.Address(own[0]) != "" {
		address = host.Address(own[0])
	} else if h := vm.host(); h != nil {
		for _, c := range h.Cards {
			if c.Role == "gpu" {
				address = c.Address
				break
			}
		}
	}
	line := strings.NewReplacer("{address}", address, "{decimal}", decimal(address)).Replace(f.line)
	switch {
	case f.fatal:
		vm.refuse = line
	case code == "iommu-fault" && vm.on():
		r.iommuFault(vm, address)
	default:
		r.logLine(vm, line)
	}
	return nil
}

// rawKeys are the rules about keys that were added to the configuration manually.
func (vm *VM) rawKeys(log *vmlog.Log) *fault.Error {
	for _, o := range vm.Config.ExtraConfig {
		key := strings.ToLower(o.GetOptionValue().Key)
		value := fmt.Sprint(o.GetOptionValue().Value)
		n, ok := strings.CutPrefix(key, "pcipassthru")
		if !ok {
			continue
		}
		if n, ok = strings.CutSuffix(n, ".id"); ok && n != "" && strings.Trim(n, "0123456789") == "" && strings.ContainsAny(strings.ToLower(value), "abcdef") {
			log.Info("AH No device hints found")
			log.Info("Failed to generate predicates for pciPassthru%s---invalid VM configuration", n)
			return refused(log, "msg.pciPassthru.noDevice", "AH Failed to find a suitable device for pciPassthru"+n)
		}
	}
	if vm.extraTrue("pciPassthru.useActualBases") {
		log.Info("Failed to map MMIO: Failure")
		return refused(log, "msg.vmx.panic", "PANIC: VERIFY bora/devices/pcipassthru/pciPassthru.c:871")
	}
	return nil
}

// slots counts the devices behind PCIe root ports.
func (vm *VM) slots(list []*placed, log *vmlog.Log) *fault.Error {
	if hardwareVersion(vm.Config.Version) >= 21 {
		return nil
	}
	n := len(list)
	for _, d := range vm.hardware(nil, 0).Devices {
		if strings.HasSuffix(d.Address, ":00.0") && d.Address >= "0000:03" {
			n++
		}
	}
	if n > 32 {
		return refused(log, "msg.pci.noSlot", "No PCIe slot available for SCSI0. Too many PCI devices are already configured.")
	}
	return nil
}
