package host

// directpath.go: the modes of a DirectPath device, which vSphere 9.1 shows and sets by REST.

import (
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
)

// The modes that a device of this server can have.
const (
	ModeHost   = "HOST"
	ModeDirect = "DIRECTPATH"
	ModeVGPU   = "VGPU_SAME_SIZE"
	ModeSystem = "SYSTEM_SELECT"
)

// What a change of mode takes.
const (
	ImpactNone        = "NONE"
	ImpactMaintenance = "HOST_MAINTENANCE_MODE_REQUIRED"
	ImpactReboot      = "HOST_REBOOT_REQUIRED"
)

// DirectPath are the devices of a host that can be given to VMs.
func (h *Host) DirectPath() []*Card {
	var out []*Card
	for _, c := range h.Cards {
		if !c.Absent && !c.bridge() && h.Capable(c) {
			out = append(out, c)
		}
	}
	return out
}

// Mode is the mode in which a device is now, Modes those that it can be configured to.
func (c *Card) Mode() string {
	switch {
	case c.Active:
		return ModeDirect
	case c.shared():
		return ModeVGPU
	}
	return ModeHost
}

// Modes: the driver for virtual GPUs, where the host has it, takes the device instead of the host.
func (c *Card) Modes() []string {
	back := ModeHost
	if c.graphics == "sharedDirect" {
		back = ModeVGPU
	}
	return []string{back, ModeDirect, ModeSystem}
}

// SetMode configures a device and returns what has to happen for that to take effect; mode "" changes nothing.
func (r *Hosts) SetMode(h *Host, c *Card, mode string) (string, *fault.Error) {
	if mode == "" {
		return ImpactNone, nil
	}
	on, now := mode == ModeDirect || mode == ModeSystem, true
	driver := map[*Card]bool{} // those that the driver for virtual GPUs has
	for _, m := range h.group(c) {
		driver[m] = m.shared()
	}
	if e := r.configure(h, []types.BaseHostPciPassthruConfig{&types.HostPciPassthruConfig{Id: c.Address, PassthruEnabled: on, ApplyNow: &now}}); e != nil {
		return "", e
	}
	impact := ImpactNone
	for m, had := range driver {
		switch {
		case m.Enabled == m.Active:
		case *h.HS.Capability.DeviceRebindWithoutRebootSupported && had && h.passes(m):
			m.rebind = true
			if impact == ImpactNone {
				impact = ImpactMaintenance
			}
		default:
			impact = ImpactReboot
		}
	}
	if impact == ImpactMaintenance && h.HS.Runtime.InMaintenanceMode {
		r.rebindAll(h)
		return ImpactNone, nil
	}
	r.publish(h)
	return impact, nil
}

// rebindAll is what entering maintenance mode does for devices that waited for it.
func (r *Hosts) rebindAll(h *Host) {
	changed := false
	for _, c := range h.Cards {
		if !c.rebind {
			continue
		}
		c.rebind = false
		if c.Active != c.Enabled && r.Holder(h, c.Address) == nil {
			c.Active, changed = c.Enabled, true
			r.w.Truth.Host("passthru-active", h.Name(), "%s active=%t in maintenance mode", c.Address, c.Active)
			r.watchConsole(h, c)
		}
	}
	if changed {
		r.publish(h)
	}
}
