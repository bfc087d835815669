package world

// managers.go: the objects that a host's configManager names. The simulator creates some of
// them, and only names the others; a client that reads one of those has to find it.

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/wire"
)

var _ = rules.Add(rules.Rule{ID: "host.managers", Sure: "inferred", As: "inferred", Source: "API reference: HostConfigManager; vCenter gives each host managers of its own, numbered as the simulator's own are",
	Text: "Every object that a host's configManager names can be read; on vCenter no two hosts share one. What it has of its own is what the host's config says of it."})

// ManagersOf lists the objects of a host that are no entities of the inventory.
func ManagersOf(hs *simulator.HostSystem) []types.ManagedObjectReference {
	out := []types.ManagedObjectReference{hs.DatastoreBrowser}
	cm := reflect.ValueOf(hs.ConfigManager)
	for i := range cm.NumField() {
		if ref, ok := cm.Field(i).Interface().(*types.ManagedObjectReference); ok && ref != nil {
			out = append(out, *ref)
		}
	}
	return out
}

// Managers creates those managers of a host that are not there yet; n numbers the host. World lock held.
func (w *World) Managers(hs *simulator.HostSystem, n int) {
	name := func(ref types.ManagedObjectReference) types.ManagedObjectReference {
		if !w.ESXi {
			ref.Value = fmt.Sprintf("%s-%d", strings.TrimPrefix(ref.Value, "ha-"), n)
		}
		return ref
	}
	cm := reflect.ValueOf(&hs.ConfigManager).Elem()
	for i := range cm.NumField() {
		ref, ok := cm.Field(i).Interface().(*types.ManagedObjectReference)
		if !ok || ref == nil || w.Reg.Get(*ref) != nil {
			continue
		}
		kind, ok := wire.Managed(ref.Type)
		if !ok {
			continue
		}
		own := name(*ref) // the simulator's template is shared by all hosts
		o := reflect.New(kind)
		o.Elem().FieldByName("Self").Set(reflect.ValueOf(own))
		describe(o.Interface(), hs.Config)
		w.Reg.Put(o.Interface().(mo.Reference))
		cm.Field(i).Set(reflect.ValueOf(&own))
	}
	if w.Reg.Get(hs.DatastoreBrowser) == nil {
		hs.DatastoreBrowser = name(hs.DatastoreBrowser)
		b := &simulator.HostDatastoreBrowser{}
		b.Self, b.Datastore = hs.DatastoreBrowser, hs.Datastore
		w.Reg.Put(b)
	}
	hs.Config.CacheConfigurationInfo = nil // the template names a datastore of the computer it was taken from
}

// describe copies what the host's config says of a manager into its own properties.
func describe(o any, cfg *types.HostConfigInfo) {
	switch m := o.(type) {
	case *mo.HostServiceSystem:
		if cfg.Service != nil {
			m.ServiceInfo = *cfg.Service
		}
	case *mo.HostPowerSystem:
		if cfg.PowerSystemCapability != nil {
			m.Capability = *cfg.PowerSystemCapability
		}
		if cfg.PowerSystemInfo != nil {
			m.Info = *cfg.PowerSystemInfo
		}
	case *mo.HostAutoStartManager:
		if cfg.AutoStart != nil {
			m.Config = *cfg.AutoStart
		}
	case *mo.HostVMotionSystem:
		if cfg.Vmotion != nil {
			m.NetConfig, m.IpConfig = cfg.Vmotion.NetConfig, cfg.Vmotion.IpConfig
		}
	case *mo.HostAuthenticationManager:
		if cfg.AuthenticationManagerInfo != nil {
			m.Info = *cfg.AuthenticationManagerInfo
		}
	case *mo.HostCpuSchedulerSystem:
		m.HyperthreadInfo = cfg.HyperThread
	case *mo.HostDiagnosticSystem:
		m.ActivePartition = cfg.ActiveDiagnosticPartition
	case *mo.HostMemorySystem:
		m.ConsoleReservationInfo, m.VirtualMachineReservationInfo = cfg.ConsoleReservation, cfg.VirtualMachineReservation
	case *mo.HostVFlashManager:
		m.VFlashConfigInfo = cfg.VFlashConfigInfo
	}
}
