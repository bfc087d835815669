package vm

// events.go: the events of a VM that a client of the EventManager sees.

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/host"
)

var _ = rule("vm.events", "documented", "real", "API reference: VmStartingEvent, VmPoweredOnEvent, DrsVmPoweredOnEvent, VmFailedToPowerOnEvent, VmStoppingEvent, VmPoweredOffEvent, VmResettingEvent, VmSuspendedEvent, VmFailedToSuspendEvent, VmRelocatedEvent, VmMigratedEvent, VmFailedMigrateEvent, VmRenamedEvent, VmUpgradeCompleteEvent, VmRegisteredEvent",
	"Power, moves, renames, upgrades and registration of a VM are events, and so are their failures, with the fault as the reason.")

// event posts one; the world lock is held. VMs of the fleet file start without events.
func (r *Service) event(vm *VM, make func(types.VmEvent) types.BaseEvent) {
	if r.w.Content.EventManager == nil || r.quiet {
		return
	}
	e := types.VmEvent{Template: vm.Config.Template}
	e.Vm = &types.VmEventArgument{EntityEventArgument: types.EntityEventArgument{Name: vm.Name}, Vm: vm.Self}
	if h := vm.host(); h != nil {
		e.Host = ptr(hostArgument(h))
		if cr := r.w.Compute(h.HS); cr != nil {
			e.ComputeResource = &types.ComputeResourceEventArgument{EntityEventArgument: types.EntityEventArgument{Name: cr.Name}, ComputeResource: cr.Self}
		}
	}
	e.Datacenter = r.w.CenterArgument(vm.Self)
	if len(vm.Datastore) > 0 {
		e.Ds = r.datastoreArgument(vm.Datastore[0])
	}
	em := *r.w.Content.EventManager
	_, _ = r.w.Inner(em, "PostEvent", &types.PostEvent{This: em, EventToPost: make(e)})
}

func hostArgument(h *host.Host) types.HostEventArgument {
	return types.HostEventArgument{EntityEventArgument: types.EntityEventArgument{Name: h.Name()}, Host: h.Ref()}
}

func (r *Service) datastoreArgument(ref types.ManagedObjectReference) *types.DatastoreEventArgument {
	ds, ok := r.w.Reg.Get(ref).(*simulator.Datastore)
	if !ok {
		return nil
	}
	return &types.DatastoreEventArgument{EntityEventArgument: types.EntityEventArgument{Name: ds.Name}, Datastore: ref}
}

func starting(e types.VmEvent) types.BaseEvent   { return &types.VmStartingEvent{VmEvent: e} }
func stopping(e types.VmEvent) types.BaseEvent   { return &types.VmStoppingEvent{VmEvent: e} }
func poweredOff(e types.VmEvent) types.BaseEvent { return &types.VmPoweredOffEvent{VmEvent: e} }
func resetting(e types.VmEvent) types.BaseEvent  { return &types.VmResettingEvent{VmEvent: e} }
func suspending(e types.VmEvent) types.BaseEvent { return &types.VmSuspendingEvent{VmEvent: e} }
func suspended(e types.VmEvent) types.BaseEvent  { return &types.VmSuspendedEvent{VmEvent: e} }
func registered(e types.VmEvent) types.BaseEvent { return &types.VmRegisteredEvent{VmEvent: e} }

// poweredOn is the event of a VM that DRS placed, or of one that it did not.
func poweredOn(drs bool) func(types.VmEvent) types.BaseEvent {
	return func(e types.VmEvent) types.BaseEvent {
		on := types.VmPoweredOnEvent{VmEvent: e}
		if drs {
			return &types.DrsVmPoweredOnEvent{VmPoweredOnEvent: on}
		}
		return &on
	}
}

func failedToPowerOn(why *fault.Error) func(types.VmEvent) types.BaseEvent {
	return func(e types.VmEvent) types.BaseEvent {
		return &types.VmFailedToPowerOnEvent{VmEvent: e, Reason: *why.Localized()}
	}
}

func failedToSuspend(why *fault.Error) func(types.VmEvent) types.BaseEvent {
	return func(e types.VmEvent) types.BaseEvent {
		return &types.VmFailedToSuspendEvent{VmEvent: e, Reason: *why.Localized()}
	}
}
