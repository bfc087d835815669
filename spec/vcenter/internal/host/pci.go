package host

// pci.go: hardware.pciDevice, config.pciPassthruInfo, and the HostPciPassthruSystem of
// each host. "Enabled" is what was configured, "active" what the kernel has; between the
// two is a reboot, or applyNow on hosts that can rebind.

import (
	"strings"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/rules"
)

const passthruDoc = "API reference: HostPciPassthruSystem, HostPciPassthruConfig, HostPciPassthruInfo"

var (
	_ = rules.Add(rules.Rule{ID: "host.passthru-pending", Sure: "documented", As: "real", Source: passthruDoc,
		Text: "UpdatePassthruConfig sets passthruEnabled at once; passthruActive follows at the next boot, and summary.rebootRequired is true until then."})
	_ = rules.Add(rules.Rule{ID: "host.passthru-apply-now", Sure: "documented", As: "real", Source: passthruDoc + " (applyNow, HostCapability.deviceRebindWithoutRebootSupported)",
		Text: "applyNow true, or unset on a host that can rebind, makes the change active at once unless a VM uses the device; applyNow false never does."})
	_ = rules.Add(rules.Rule{ID: "host.passthru-not-capable", Sure: "inferred", As: "inferred", Source: passthruDoc + "; UpdatePassthruConfig throws HostConfigFault",
		Text: "Enabling a device that is not passthruCapable is HostConfigFault; the whole call has no effect."})
	_ = rules.Add(rules.Rule{ID: "host.passthru-unknown", Sure: "inferred", As: "inferred", Source: passthruDoc + "; UpdatePassthruConfig throws HostConfigFault",
		Text: "An id that the host does not have is HostConfigFault."})
	_ = rules.Add(rules.Rule{ID: "host.passthru-dependent", Sure: "documented", As: "real", Source: passthruDoc + " (dependentDevice); the client marks dependent devices together",
		Text: "Devices that depend on each other (functions behind one reset) are enabled and disabled together."})
	_ = rules.Add(rules.Rule{ID: "host.passthru-label", Sure: "documented", As: "real", Source: passthruDoc + " (hardwareLabel, 7.0.2)",
		Text: "UpdatePassthruConfig also sets the hardware label, which pciPassthruInfo and the dynamic list of QueryConfigTarget show; a refused call sets none."})
	_ = rules.Add(rules.Rule{ID: "host.passthru-bridge", Sure: "inferred", As: "inferred", Source: passthruDoc + " (dependentDevice: device which needs to be unclaimed, may be a bridge)",
		Text: "Functions that depend on one bridge are enabled and disabled together; the bridge, which is not capable, stays with the host."})
	_ = rules.Add(rules.Rule{ID: "host.passthru-in-use", Sure: "inferred", As: "inferred", Source: "a running VM holds the device",
		Text: "Disabling a device that a powered-on VM uses is HostConfigFault with ResourceInUse as its cause."})
	_ = rules.Add(rules.Rule{ID: "host.iommu-off", Sure: "inferred", As: "inferred", Source: "vSphere docs, Add a PCI device: VT-d or AMD IOMMU is to be enabled in the BIOS; passthruCapable: whether passthru is even possible for this device (decided by vmkctl). What a host without it shows was not seen",
		Text: "On a host whose firmware has VT-d (IOMMU) off no device is passthruCapable or becomes active: enabling is HostConfigFault, an enabled device stays pending, a VM with the card fails to power on with \"not a passthrough device\"."})
	_ = rules.Add(rules.Rule{ID: "host.above-4g-off", Sure: "inferred", As: "inferred", Source: "Dell KB 000199172, VMware blog 2018-10: the host BIOS must have \"above 4G decoding\" on for cards that map more than 16 GB. What ESXi shows without was not seen",
		Text: "On a host without \"above 4G decoding\" a card whose 64-bit BARs do not fit below 4 GB (more than 1 GiB) has no addresses: it can be enabled, but stays pending after each boot, and power-on fails with \"not a passthrough device\". Smaller cards work."})
	_ = rules.Add(rules.Rule{ID: "host.signed-ids", Sure: "documented", As: "real", Source: "WS SDK 4.0 known issues: two's complement; WSDL: xsd:short, xsd:byte",
		Text: "vendorId, deviceId, classId are signed shorts and bus a signed byte on the wire: Intel is -32634, bus 0x86 is -122."})
	_ = rules.Add(rules.Rule{ID: "host.not-connected", Sure: "documented", As: "real", Source: "API reference: HostNotConnected, HostNotReachable (HostCommunication)",
		Text: "A host that does not respond takes no calls: HostNotConnected when disconnected, HostNotReachable when not responding."})
)

type passthruSystem struct{ mo.HostPciPassthruSystem }

// pciDevice is the vim25 form of a function.
func pciDevice(c *Card) types.HostPciDevice {
	_, bus, slot, fn, _ := c.BDF()
	return types.HostPciDevice{Id: c.Address, ClassId: int16(fleet.ID(c.Class)), Bus: byte(bus), Slot: byte(slot), Function: byte(fn),
		VendorId: int16(fleet.ID(c.Vendor)), DeviceId: int16(fleet.ID(c.Device.Device)), SubVendorId: int16(fleet.ID(c.SubVendor)),
		SubDeviceId: int16(fleet.ID(c.SubDevice)), VendorName: c.VendorTxt, DeviceName: c.Name, ParentBridge: c.Parent,
		SlotDescription: c.Slot, DeviceClassName: className(c.Class)}
}

// PciDevice is the device as QueryConfigTarget and hardware.pciDevice show it.
func (c *Card) PciDevice() types.HostPciDevice { return pciDevice(c) }

func className(class string) string {
	names := map[string]string{"0300": "VGA compatible controller", "0302": "3D controller", "0200": "Ethernet controller",
		"0104": "RAID bus controller", "0108": "Non-Volatile memory controller", "0c03": "USB controller", "0600": "Host bridge",
		"0604": "PCI bridge", "1200": "Processing accelerators", "0380": "Display controller", "0403": "Audio device"}
	if n, ok := names[class]; ok {
		return n
	}
	return "Unclassified device"
}

// publish writes the state of the cards into the managed objects.
func (r *Hosts) publish(h *Host) {
	var devs []types.HostPciDevice
	var info []types.BaseHostPciPassthruInfo
	pending := false
	for _, c := range h.Cards {
		if c.Absent {
			continue
		}
		devs = append(devs, pciDevice(c))
		dep := c.Dependent
		if dep == "" {
			dep = c.Address
		}
		info = append(info, &types.HostPciPassthruInfo{Id: c.Address, DependentDevice: dep, PassthruEnabled: c.Enabled,
			PassthruCapable: h.Capable(c), PassthruActive: c.Active, HardwareLabel: c.Label})
		pending = pending || (c.Enabled != c.Active && !c.rebind)
	}
	h.HS.Hardware.PciDevice = devs
	h.publishNUMA()
	h.HS.Config.PciPassthruInfo = info
	h.HS.Summary.RebootRequired = pending
	if sys, ok := r.w.Reg.Get(h.Passthru).(*passthruSystem); ok {
		sys.PciPassthruInfo = info
		r.w.Touch(h.Passthru)
	}
	r.publishGraphics(h)
	r.publishBindings(h)
	h.quick()
	r.w.Touch(h.Ref())
}

func (r *Hosts) byPassthru(ref types.ManagedObjectReference) (*Host, *fault.Error) {
	for _, h := range r.order {
		if h.Passthru == ref {
			return h, nil
		}
	}
	return nil, fault.NotFound(ref)
}

func (r *Hosts) registerPCI() {
	r.s.Handle("HostPciPassthruSystem.Refresh", func(c *api.Call) (any, *fault.Error) {
		h, e := r.byPassthru(c.This)
		if e == nil {
			e = h.Reachable()
		}
		if e != nil {
			return nil, e
		}
		r.publish(h)
		return &types.RefreshResponse{}, nil
	})
	r.s.Handle("UpdatePassthruConfig", func(c *api.Call) (any, *fault.Error) {
		h, e := r.byPassthru(c.This)
		if e == nil {
			e = h.Reachable()
		}
		if e == nil {
			e = r.configure(h, c.Req.(*types.UpdatePassthruConfig).Config)
		}
		if e != nil {
			return nil, e
		}
		return &types.UpdatePassthruConfigResponse{}, nil
	})
}

func configFault(format string, args ...any) *fault.Error {
	return fault.New(&types.HostConfigFault{}, append([]any{format}, args...)...)
}

// group closes a device over its dependents.
func (h *Host) group(c *Card) []*Card {
	set := []*Card{c}
	in := map[*Card]bool{c: true}
	for i := 0; i < len(set); i++ {
		for _, o := range h.Cards {
			if !in[o] && !o.Absent && (o.Dependent == set[i].Address || set[i].Dependent == o.Address) {
				in[o] = true
				set = append(set, o)
			}
		}
	}
	return set
}

// configure checks the whole list before the first change.
func (r *Hosts) configure(h *Host, list []types.BaseHostPciPassthruConfig) *fault.Error {
	type change struct {
		c   *Card
		on  bool
		now bool
	}
	var todo []change
	labels := map[*Card]string{}
	rebind := *h.HS.Capability.DeviceRebindWithoutRebootSupported
	for _, b := range list {
		cfg := b.GetHostPciPassthruConfig()
		card := h.Card(cfg.Id)
		if card == nil {
			return configFault("The PCI device %s does not exist on host %s.", cfg.Id, h.Name())
		}
		now := rebind
		if cfg.ApplyNow != nil {
			now = *cfg.ApplyNow && rebind
		}
		for _, m := range h.group(card) {
			if m != card && m.bridge() {
				continue // it ties the group together, and is not given away itself
			}
			if cfg.PassthruEnabled && !h.Capable(m) {
				return configFault("The PCI device %s is not capable of passthrough.", m.Address)
			}
			if vm := r.Holder(h, m.Address); vm != nil && !cfg.PassthruEnabled && m.Enabled {
				return configFault("The PCI device %s is in use by virtual machine %s.", m.Address, vm.Name).
					Because(fault.New(&types.ResourceInUse{Type: "HostPciDevice", Name: m.Address}))
			}
			todo = append(todo, change{m, cfg.PassthruEnabled, now && !m.shared() && (!cfg.PassthruEnabled || h.passes(m))})
		}
		if cfg.HardwareLabel != "" {
			labels[card] = cfg.HardwareLabel
		}
	}
	for c, label := range labels {
		c.Label = label
	}
	for _, t := range todo {
		if t.c.Enabled != t.on {
			r.w.Truth.Host("passthru-config", h.Name(), "%s enabled=%t", t.c.Address, t.on)
		}
		t.c.Enabled, t.c.rebind = t.on, false
		if t.now && t.c.Active != t.on && r.Holder(h, t.c.Address) == nil {
			t.c.Active = t.on
			r.w.Truth.Host("passthru-active", h.Name(), "%s active=%t without reboot", t.c.Address, t.on)
			r.watchConsole(h, t.c)
		}
	}
	r.publish(h)
	return nil
}

// watchConsole records a serious mistake: a device that the host itself needs was rebound
// under it, and vCenter loses the host at once.
func (r *Hosts) watchConsole(h *Host, c *Card) {
	if c.Active && r.vital(h, c) {
		r.w.Truth.Violate(brokenVital, "%s: %s (%s) was given away to passthrough; the host is lost", h.Name(), c.Address, c.Role)
		h.cut++
		r.lose(h)
	}
}

func (c *Card) bridge() bool { return fleet.ID(c.Class)>>8 == 6 }

// set is POST /gpsim/set for hosts.
func (r *Hosts) set(m map[string]any) (bool, error) {
	name, ok := m["host"].(string)
	if !ok {
		return false, nil
	}
	for _, h := range r.order {
		if strings.EqualFold(h.Name(), name) {
			return true, r.change(h, m)
		}
	}
	return false, nil
}
