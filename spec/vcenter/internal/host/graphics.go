package host

// graphics.go: what the host says of its graphics cards (HostGraphicsManager). A card given
// to passthrough is of type direct; the BMC's VGA, which every server has, is basic.

import (
	"fmt"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/rules"
)

var (
	_ = rules.Add(rules.Rule{ID: "host.graphics-type", Sure: "documented", As: "real", Source: "API reference: HostGraphicsInfo.graphicsType (basic, shared, direct, sharedDirect)",
		Text: "HostGraphicsManager.graphicsInfo lists the display controllers: direct when active for passthrough, sharedDirect with a driver for virtual GPUs, basic otherwise."})
	_ = rules.Add(rules.Rule{ID: "host.graphics-vm", Sure: "documented", As: "real", Source: "API reference: HostGraphicsInfo.vm (virtual machines using this graphics device); vSphere Resource Management 6.7, Configuring graphics devices: \"it shows which virtual machines are using that device if they are active\"",
		Text: "graphicsInfo.vm names the running VM that has the card, whatever the card's type; it follows power-on and power-off."})
	_ = rules.Add(rules.Rule{ID: "host.graphics-config", Sure: "documented", As: "real", Source: "API reference: HostGraphicsManager.UpdateGraphicsConfig, HostGraphicsConfig; that it takes a restart: vSphere docs, Configuring host graphics",
		Text: "UpdateGraphicsConfig takes the types shared and sharedDirect, performance or consolidation, and display controllers of the host: anything else is InvalidArgument. graphicsInfo follows at the next boot."})
	_ = rules.Add(rules.Rule{ID: "host.graphics-shared", Sure: "memory", As: "inferred", Source: "none found: the driver for virtual GPUs holds the card",
		Text: "A card of type sharedDirect is given to passthrough by a reboot only: applyNow has no effect on it."})
)

// shared reports whether the host's own driver, for virtual GPUs, has the card now.
func (c *Card) shared() bool { return c.graphics == "sharedDirect" && !c.Active }

// claim is the boot of the host's graphics driver: the configured types come into force.
func (r *Hosts) claim(h *Host) {
	cfg := h.HS.Config.GraphicsConfig
	for _, c := range h.Cards {
		if !c.display() || c.Role == "vga" {
			continue
		}
		c.graphics = cfg.HostDefaultGraphicsType
		for _, d := range cfg.DeviceType {
			if d.DeviceId == c.Address {
				c.graphics = d.GraphicsType
			}
		}
		if c.graphics != "sharedDirect" {
			c.graphics = ""
		}
	}
}

type graphicsManager struct{ mo.HostGraphicsManager }

// graphics creates the manager of a host.
func (r *Hosts) graphics(h *Host, n int) {
	g := &graphicsManager{}
	g.Self = types.ManagedObjectReference{Type: "HostGraphicsManager", Value: fmt.Sprintf("graphicsManager-%d", n)}
	ref := r.w.Put(g)
	h.HS.ConfigManager.GraphicsManager = &ref
	g.GraphicsConfig = &types.HostGraphicsConfig{HostDefaultGraphicsType: "shared", SharedPassthruAssignmentPolicy: "performance"}
	if h.Desc.Graphics != "" {
		g.GraphicsConfig.HostDefaultGraphicsType = h.Desc.Graphics
	}
	h.HS.Config.GraphicsConfig = g.GraphicsConfig
	r.claim(h)
}

// display reports whether a function is a display controller.
func (c *Card) display() bool { return fleet.ID(c.Class)>>8 == 3 || c.Class == "1200" }

// memory is the size of the largest BAR in KB: good enough for what a host reports.
func (c *Card) memory() int64 {
	var most uint64
	for _, s := range c.BARs {
		if b, err := fleet.ParseBAR(s); err == nil && b.Size > most {
			most = b.Size
		}
	}
	return int64(most >> 10)
}

// Drawn reports that a VM took or gave back cards of the host.
func (r *Hosts) Drawn(h *Host) {
	r.publishGraphics(h)
	r.publishBindings(h)
	r.w.Touch(h.Ref())
}

func (r *Hosts) publishGraphics(h *Host) {
	if h.HS.ConfigManager.GraphicsManager == nil {
		return
	}
	g, ok := r.w.Reg.Get(*h.HS.ConfigManager.GraphicsManager).(*graphicsManager)
	if !ok {
		return
	}
	list := []types.HostGraphicsInfo{}
	for _, c := range h.Cards {
		if c.Absent || !c.display() {
			continue
		}
		info := types.HostGraphicsInfo{DeviceName: c.Name, VendorName: c.VendorTxt, PciId: c.Address, GraphicsType: "basic", MemorySizeInKB: c.memory()}
		switch {
		case c.Active:
			info.GraphicsType = "direct"
		case c.shared():
			info.GraphicsType = c.graphics
		}
		if vm := r.Holder(h, c.Address); vm != nil {
			info.Vm = append(info.Vm, vm.Self)
		}
		list = append(list, info)
	}
	g.GraphicsInfo = list
	h.HS.Config.GraphicsInfo = list
	r.w.Touch(g.Self)
}

func (r *Hosts) registerGraphics() {
	r.s.Handle("UpdateGraphicsConfig", func(c *api.Call) (any, *fault.Error) {
		for _, h := range r.order {
			if h.HS.ConfigManager.GraphicsManager == nil || *h.HS.ConfigManager.GraphicsManager != c.This {
				continue
			}
			if e := h.Reachable(); e != nil {
				return nil, e
			}
			cfg := c.Req.(*types.UpdateGraphicsConfig).Config
			known := map[string]bool{"shared": true, "sharedDirect": true}
			if !known[cfg.HostDefaultGraphicsType] {
				return nil, fault.InvalidArgument("config.hostDefaultGraphicsType")
			}
			if p := cfg.SharedPassthruAssignmentPolicy; p != "performance" && p != "consolidation" {
				return nil, fault.InvalidArgument("config.sharedPassthruAssignmentPolicy")
			}
			for _, d := range cfg.DeviceType {
				if card := h.Card(d.DeviceId); card == nil || !card.display() || !known[d.GraphicsType] {
					return nil, fault.InvalidArgument("config.deviceType")
				}
			}
			g := r.w.Reg.Get(c.This).(*graphicsManager)
			g.GraphicsConfig = &cfg
			h.HS.Config.GraphicsConfig = &cfg
			r.publishGraphics(h)
			r.w.Touch(h.Ref())
			return &api.Void{}, nil
		}
		return nil, fault.NotFound(c.This)
	})
	r.s.Handle("RefreshGraphicsManager", func(c *api.Call) (any, *fault.Error) {
		for _, h := range r.order {
			if h.HS.ConfigManager.GraphicsManager != nil && *h.HS.ConfigManager.GraphicsManager == c.This {
				if e := h.Reachable(); e != nil {
					return nil, e
				}
				r.publishGraphics(h)
				return &api.Void{}, nil
			}
		}
		return nil, fault.NotFound(c.This)
	}, api.Needs("Host.Config.GuestGraphics"))
}
