package front

// privileges.go: the privileges that no method of the model names, because they depend on
// the request; and requests that must not reach the simulator because they crash it.

import (
	"sort"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
)

// beyond lists the privileges that the model of methods does not name.
func beyond() []string {
	out := []string{"Datastore.AllocateSpace", "Datastore.Browse", "Datastore.FileManagement", "DVPortgroup.Modify", "DVSwitch.Modify", "Global.CancelTask",
		"Global.SetCustomField", "Global.Settings", "Host.Config.AdvancedConfig", "Host.Config.Network", "Network.Assign", "Resource.ApplyRecommendation",
		"Resource.AssignVMToPool", "Resource.ColdMigrate", "Resource.EditPool", "Resource.HotMigrate", "System.Anonymous", "System.Read", "System.View",
		"VApp.ApplicationConfig", "VirtualMachine.Interact.ConsoleInteract", "VirtualMachine.Interact.DeviceConnection", "VirtualMachine.Interact.GuestControl",
		"VirtualMachine.Interact.SetCDMedia", "VirtualMachine.Interact.SetFloppyMedia", "VirtualMachine.Inventory.CreateFromExisting"}
	for _, v := range verbs {
		out = append(out, v[:]...)
	}
	for _, p := range fieldNeeds {
		out = append(out, config+p)
	}
	for _, p := range []string{"AddExistingDisk", "AddNewDisk", "AddRemoveDevice", "DiskExtend", "EditDevice", "HostUSBDevice", "RawDevice", "RemoveDisk", "Settings"} {
		out = append(out, config+p)
	}
	for _, p := range []string{"Clone", "CloneTemplate", "CreateTemplateFromVM", "Customize", "DeployTemplate"} {
		out = append(out, "VirtualMachine.Provisioning."+p)
	}
	sort.Strings(out)
	return out
}

// refuse keeps requests away from the simulator that are known to crash its process.
func refuse(c *api.Call) *fault.Error {
	switch r := c.Req.(type) {
	case *types.StartProgramInGuest, *types.ListProcessesInGuest, *types.InitiateFileTransferToGuest,
		*types.InitiateFileTransferFromGuest:
		return fault.New(&types.GuestOperationsUnavailable{})
	case *types.SearchDatastore_Task:
		if r.SearchSpec == nil {
			r.SearchSpec = &types.HostDatastoreBrowserSearchSpec{}
		}
	case *types.SearchDatastoreSubFolders_Task:
		if r.SearchSpec == nil {
			r.SearchSpec = &types.HostDatastoreBrowserSearchSpec{}
		}
	case *types.MoveDatastoreFile_Task: // "if not set, the destination belongs to the source's datacenter"
		r.DestinationDatacenter = or(r.DestinationDatacenter, r.SourceDatacenter)
	case *types.CopyDatastoreFile_Task:
		r.DestinationDatacenter = or(r.DestinationDatacenter, r.SourceDatacenter)
	case *types.MoveVirtualDisk_Task:
		r.DestDatacenter = or(r.DestDatacenter, r.SourceDatacenter)
	case *types.CopyVirtualDisk_Task:
		r.DestDatacenter = or(r.DestDatacenter, r.SourceDatacenter)
	case *types.QueryPerf:
		for i := range r.QuerySpec {
			if e := statistics(&r.QuerySpec[i]); e != nil {
				return e
			}
		}
	case *types.ReconfigVM_Task:
		for i := range r.Spec.DeviceChange {
			if r.Spec.DeviceChange[i] == nil || r.Spec.DeviceChange[i].GetVirtualDeviceConfigSpec().Device == nil {
				return fault.InvalidArgument("spec.deviceChange")
			}
		}
	}
	return nil
}

func or(a, b *types.ManagedObjectReference) *types.ManagedObjectReference {
	if a != nil {
		return a
	}
	return b
}

// statistics keeps a query within what a server stores: samples of 20 seconds for an hour,
// longer ones for a year. The simulator would allocate as many as are requested.
func statistics(q *types.PerfQuerySpec) *fault.Error {
	now := time.Now()
	if q.EndTime == nil || q.EndTime.After(now) {
		q.EndTime = &now
	}
	kept := 365 * 24 * time.Hour
	switch q.IntervalId {
	case 0, -1, 20:
		q.IntervalId, kept = 20, time.Hour
	case 300, 1800, 7200, 86400:
	default:
		return fault.InvalidArgument("querySpec.interval")
	}
	if first := now.Add(-kept); q.StartTime == nil || q.StartTime.Before(first) {
		q.StartTime = &first
	}
	if q.MaxSample < 0 {
		return fault.InvalidArgument("querySpec.maxSample")
	}
	if !q.StartTime.Before(*q.EndTime) {
		return fault.InvalidArgument("querySpec.startTime")
	}
	return nil
}
