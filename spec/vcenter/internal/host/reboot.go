package host

// reboot.go: a host that reboots goes away and comes back: the task ends when the request
// was accepted, the connection is lost a little later, and after the boot the host is
// connected again with another bootTime and the passthrough configuration in force.

import (
	"fmt"
	"math/rand"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/truth"
	"gpupt.test/vcenter/internal/world"
)

const rebootDoc = "API reference: HostSystem.RebootHost_Task"

var (
	_ = rules.Add(rules.Rule{ID: "host.reboot-outside", Sure: "documented", As: "real", Source: rebootDoc + " (force: reboot even when not in maintenance mode)",
		Text: "RebootHost_Task and ShutdownHost_Task with force=false outside maintenance mode fail with InvalidState."})
	_ = rules.Add(rules.Rule{ID: "host.reboot-away", Sure: "documented", As: "real", Source: rebootDoc + "; HostSystemConnectionState.notResponding, HostSystemPowerState.unknown",
		Text: "A rebooting host turns notResponding (power state unknown), later connected again with a new bootTime; maintenance mode stays."})
	_ = rules.Add(rules.Rule{ID: "host.shutdown", Sure: "documented", As: "real", Source: "API reference: HostSystem.ShutdownHost_Task, HostSystemPowerState.poweredOff (switched off through vCenter)",
		Text: "A host that is shut down does not come back by itself, and its power state is poweredOff; ReconnectHost_Task is HostNotReachable until an administrator switches it on."})
	_ = rules.Add(rules.Rule{ID: "host.reboot-vms", Sure: "inferred", As: "inferred", Source: "API reference: RebootHost_Task.force (\"the host is rebooted, even if there are virtual machines running\"); VirtualMachineConnectionState.disconnected: since its host is disconnected",
		Text: "VMs that run when a host is rebooted with force are powered off by it; while it is away its VMs are disconnected."})
	_ = rules.Add(rules.Rule{ID: "host.esxi-endpoint", Sure: "inferred", As: "inferred", Source: "hostd is the server: it goes down with the host",
		Text: "On a standalone ESXi endpoint sessions and tasks end with the reboot, and connections are refused until the host is back."})
	_ = rules.Add(rules.Rule{ID: "host.boot-device-lost", Sure: "documented", As: "real", Source: "vSphere docs: do not pass through the device that the host boots from or the management NIC",
		Text: "A host that boots with the NIC of vmk0, the HBA of its boot disk, or the USB controller of a USB boot given to passthrough does not come back."})
)

func (r *Hosts) registerReboot() {
	r.s.Handle("RebootHost_Task", func(c *api.Call) (any, *fault.Error) {
		h, e := r.hostOf(c)
		if e != nil {
			return nil, e
		}
		return r.goDown(c, h, c.Req.(*types.RebootHost_Task).Force, true)
	})
	r.s.Handle("ShutdownHost_Task", func(c *api.Call) (any, *fault.Error) {
		h, e := r.hostOf(c)
		if e != nil {
			return nil, e
		}
		return r.goDown(c, h, c.Req.(*types.ShutdownHost_Task).Force, false)
	})
	r.s.Handle("DisconnectHost_Task", func(c *api.Call) (any, *fault.Error) {
		h, e := r.hostOf(c)
		if e != nil {
			return nil, e
		}
		return c.Task(task.Spec{Exclusive: true, Work: 2 * time.Second, Do: func(*task.Task) (any, *fault.Error) {
			r.connection(h, types.HostSystemConnectionStateDisconnected)
			r.event(h, apart)
			return nil, nil
		}})
	})
	r.s.Handle("ReconnectHost_Task", func(c *api.Call) (any, *fault.Error) {
		h, e := r.hostOf(c)
		if e != nil {
			return nil, e
		}
		return c.Task(task.Spec{Exclusive: true, Work: 4 * time.Second, Do: func(*task.Task) (any, *fault.Error) {
			if h.away {
				return nil, fault.New(&types.HostNotReachable{})
			}
			if h.Connected() { // API reference: InvalidState if the host is not in the disconnected state
				return nil, fault.InvalidState("The host is connected.")
			}
			r.connection(h, types.HostSystemConnectionStateConnected)
			r.event(h, back)
			return nil, nil
		}})
	})
}

func (r *Hosts) goDown(c *api.Call, h *Host, force, again bool) (any, *fault.Error) {
	return c.Task(task.Spec{Exclusive: true, Work: 3 * time.Second,
		Check: func(*task.Task) *fault.Error {
			if e := h.Reachable(); e != nil {
				return e
			}
			if !h.HS.Runtime.InMaintenanceMode && !force {
				return fault.InvalidState("")
			}
			return nil
		},
		Do: func(*task.Task) (any, *fault.Error) {
			if e := h.Reachable(); e != nil {
				return nil, e
			}
			if !h.HS.Runtime.InMaintenanceMode {
				r.w.Truth.Violate(brokenOutside, "%s was rebooted outside maintenance mode", h.Name())
			}
			if n := r.running(h); n > 0 {
				r.w.Truth.Violate(brokenRunning, "%s was rebooted under %d running VM(s)", h.Name(), n)
			}
			kind := "reboot"
			if !again {
				kind = "shutdown"
			}
			r.event(h, down)
			r.w.Truth.Host(kind, h.Name(), "%s accepted", kind)
			h.away = true
			r.countAway(h)
			go r.cycle(h, again, h.cut, r.w.Truth.Cause())
			return nil, nil
		}})
}

// countAway checks the invariant "no more hosts of a cluster away than allowed".
func (r *Hosts) countAway(h *Host) {
	if h.Cluster == nil || h.Cluster.Name == "" {
		return
	}
	var names []string
	for _, o := range r.order {
		if o.Cluster == h.Cluster && o.away && !o.parked {
			names = append(names, o.Name())
		}
	}
	if len(names) > h.Cluster.MaxAway {
		r.w.Truth.Violate(brokenAway, "cluster %s: %s are away at once, allowed %d", h.Cluster.Name, strings.Join(names, ", "), h.Cluster.MaxAway)
	}
}

// locked runs a step with the world lock held, on behalf of a request that has ended.
func (r *Hosts) locked(by *truth.Cause, f func()) {
	r.w.Lock()
	defer r.w.Unlock()
	defer r.w.Truth.By(by)()
	f()
}

// cycle is the reboot after it was accepted. A power failure or a manual revival while it
// is under way (cut has moved on) ends this cycle.
func (r *Hosts) cycle(h *Host, again bool, cut int, by *truth.Cause) {
	boot := world.Seconds(h.Desc.BootSeconds)
	if !r.w.Fleet.Steady {
		boot = world.Seconds(h.Desc.BootSeconds * (0.95 + 0.1*rand.Float64()))
	}
	if !r.w.Clock.Sleep(r.w.Stop, boot/12) {
		return
	}
	r.locked(by, func() {
		if h.cut == cut {
			r.lose(h)
			if !again { // switched off through vCenter, which reports poweredOff
				h.HS.Runtime.PowerState = types.HostSystemPowerStatePoweredOff
			}
		}
	})
	if !again || !r.w.Clock.Sleep(r.w.Stop, boot-boot/12) {
		return
	}
	var mode string
	r.locked(by, func() { mode = h.boot })
	if s, ok := strings.CutPrefix(mode, "late:"); ok {
		extra, _ := strconv.ParseFloat(s, 64)
		if !r.w.Clock.Sleep(r.w.Stop, world.Seconds(extra)) {
			return
		}
	}
	r.locked(by, func() {
		if h.cut != cut {
			return
		}
		if mode == "never" {
			r.w.Truth.Host("boot-failed", h.Name(), "the host does not come back")
			return
		}
		if h.away {
			r.comeBack(h, mode)
		}
	})
}

// lose is the moment at which vCenter misses the host.
func (r *Hosts) lose(h *Host) {
	h.away, h.down = true, true
	if r.w.ESXi {
		r.s.Sessions.Drop()
		r.s.Tasks.Forget(false)
	}
	r.event(h, lost)
	r.connection(h, types.HostSystemConnectionStateNotResponding)
	h.HS.Runtime.PowerState = types.HostSystemPowerStateUnknown
	r.w.Truth.Host("away", h.Name(), "not responding")
	for _, vm := range r.w.VMsOn(h.HS) {
		if On(vm) {
			PowerOffHard(r.w, vm)
			r.w.Truth.VM("power-lost", h.Name(), vm.Name, "went down with its host")
		}
	}
	r.w.Touch(h.Ref())
}

// PowerOffHard is what happens to a VM whose host goes down.
func PowerOffHard(w *world.World, vm *simulator.VirtualMachine) {
	vm.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOff
	vm.Summary.Runtime.PowerState = vm.Runtime.PowerState
	vm.Runtime.BootTime, vm.Summary.Runtime.BootTime = nil, nil
	w.Touch(vm.Self)
	for _, f := range w.PowerLost {
		f(vm)
	}
}

// comeBack is the boot: the configuration takes effect.
func (r *Hosts) comeBack(h *Host, mode string) {
	if h.AtBoot != nil {
		h.AtBoot()
	}
	h.firmware = h.setup
	for _, c := range h.Cards {
		c.Absent = false
		if gone, ok := strings.CutPrefix(mode, "without:"); ok && c.Address == strings.ToLower(gone) {
			c.Absent = true
			r.w.Truth.Host("device-lost", h.Name(), "%s did not come back", c.Address)
		}
		if c.Enabled && h.passes(c) && r.vital(h, c) {
			r.w.Truth.Violate(brokenVital, "%s: %s (%s) was given away to passthrough; the host does not come back", h.Name(), c.Address, c.Role)
			return
		}
	}
	for _, c := range h.Cards {
		if on := c.Enabled && h.passes(c); c.Active != on {
			c.Active = on
			r.w.Truth.Host("passthru-active", h.Name(), "%s active=%t", c.Address, c.Active)
		}
	}
	now := h.now()
	h.away, h.down, h.parked = false, false, false
	h.HS.Runtime.StandbyMode = string(types.HostStandbyModeNone)
	r.event(h, back)
	h.HS.Runtime.BootTime = &now
	r.hyperthreads(h, func(x *types.HostHyperThreadScheduleInfo) { x.Active = x.Config })
	r.logMu.Lock()
	h.booted()
	r.logMu.Unlock()
	h.HS.Runtime.PowerState = types.HostSystemPowerStatePoweredOn
	r.connection(h, types.HostSystemConnectionStateConnected)
	r.claim(h)
	r.publish(h)
	r.w.Truth.Host("back", h.Name(), "connected again")
}

// vital reports whether the host cannot live without a device.
func (r *Hosts) vital(h *Host, c *Card) bool {
	switch c.Role {
	case "nic":
		return len(h.HS.Config.Network.Pnic) > 0 && h.HS.Config.Network.Pnic[0].Pci == c.Address
	case "hba":
		sd := h.HS.Config.StorageDevice
		return sd != nil && len(sd.HostBusAdapter) > 0 && sd.HostBusAdapter[0].GetHostHostBusAdapter().Pci == c.Address && !h.Desc.USBBoot
	case "usb":
		return h.Desc.USBBoot
	}
	return false
}

// connection sets the state of a host and of its VMs.
func (r *Hosts) connection(h *Host, s types.HostSystemConnectionState) {
	h.HS.Runtime.ConnectionState = s
	vs := types.VirtualMachineConnectionStateConnected
	if s != types.HostSystemConnectionStateConnected {
		vs = types.VirtualMachineConnectionStateDisconnected
	}
	for _, vm := range r.w.VMsOn(h.HS) {
		vm.Runtime.ConnectionState = vs
		vm.Summary.Runtime.ConnectionState = vs
		r.w.Touch(vm.Self)
	}
	r.agent(h)
	r.w.Touch(h.Ref())
}

// change is one manual change.
func (r *Hosts) change(h *Host, m map[string]any) error {
	for k, v := range m {
		switch k {
		case "host":
		case "boot": // what the next boots do
			h.boot, _ = v.(string)
		case "lost": // power failure: true
			if b, _ := v.(bool); b {
				h.cut++
				r.lose(h)
			}
		case "revive":
			if b, _ := v.(bool); b && h.away {
				h.cut++
				r.comeBack(h, "")
			}
		case "maintenance":
			b, _ := v.(bool)
			h.HS.Runtime.InMaintenanceMode, h.foreign = b, b
			r.agent(h)
			r.w.Touch(h.Ref())
		case "connection":
			s, _ := v.(string)
			r.connection(h, types.HostSystemConnectionState(s))
		case "standby":
			s, _ := v.(string)
			h.HS.Runtime.StandbyMode = s
			r.agent(h)
			r.w.Touch(h.Ref())
		case "vsan_health": // healthy, unhealthy or unknown
			h.vsanHealth, _ = v.(string)
		case "ha_agent": // the state in which it stays from now on; "": it joins the others
			h.haAgent, _ = v.(string)
			r.agent(h)
		case "quarantine":
			b, _ := v.(bool)
			h.HS.Runtime.InQuarantineMode = &b
			r.w.Touch(h.Ref())
		case "iommu", "above_4g": // switches of its firmware, in force from the next boot on
			b, ok := v.(bool)
			if !ok {
				return fmt.Errorf("%s is true or false", k)
			}
			if k == "iommu" {
				h.setup.iommu = b
			} else {
				h.setup.above4G = b
			}
		case "lockdown":
			s, _ := v.(string)
			r.lock(h, types.HostLockdownMode(s))
		case "clock_skew": // seconds by which its clock is ahead
			s, _ := v.(float64)
			h.skew = world.Seconds(s)
		case "card":
			c, ok := v.(map[string]any)
			if !ok {
				return fmt.Errorf("card must be an object with an address")
			}
			if err := r.changeCard(h, c); err != nil {
				return err
			}
		default:
			return fmt.Errorf("host %s: unknown change %q", h.Name(), k)
		}
	}
	return nil
}

func (r *Hosts) changeCard(h *Host, m map[string]any) error {
	address, _ := m["address"].(string)
	var card *Card
	for _, c := range h.Cards {
		if c.Address == strings.ToLower(address) {
			card = c
		}
	}
	if card == nil {
		return fmt.Errorf("host %s has no device at %q", h.Name(), address)
	}
	for k, v := range m {
		b, _ := v.(bool)
		switch k {
		case "address":
		case "enabled":
			card.Enabled = b
		case "active":
			card.Active = b
		case "absent":
			card.Absent = b
		case "capable":
			card.Capable = &b
		case "label":
			card.Label, _ = v.(string)
		default:
			return fmt.Errorf("unknown property %q of a card", k)
		}
	}
	r.publish(h)
	return nil
}
