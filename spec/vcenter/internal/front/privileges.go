package front

// privileges.go: the privilege that each method names in the API reference, for the
// methods that a GPU rollout and its neighbourhood use; and requests that must not reach
// the simulator because they are known to bring it down.

import (
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
)

var privileges = map[string]string{
	"UpdatePassthruConfig": "Host.Config.PciPassthru", "Refresh": "Host.Config.Settings",
	"EnterMaintenanceMode_Task": "Host.Config.Maintenance", "ExitMaintenanceMode_Task": "Host.Config.Maintenance",
	"RebootHost_Task": "Host.Config.Maintenance", "ShutdownHost_Task": "Host.Config.Maintenance",
	"DisconnectHost_Task": "Host.Config.Connection", "ReconnectHost_Task": "Host.Config.Connection",
	"EnterLockdownMode": "Host.Config.Settings", "ExitLockdownMode": "Host.Config.Settings",
	"PowerOnVM_Task": "VirtualMachine.Interact.PowerOn", "PowerOffVM_Task": "VirtualMachine.Interact.PowerOff",
	"SuspendVM_Task": "VirtualMachine.Interact.Suspend", "ResetVM_Task": "VirtualMachine.Interact.Reset",
	"ShutdownGuest": "VirtualMachine.Interact.PowerOff", "RebootGuest": "VirtualMachine.Interact.Reset",
	"StandbyGuest":  "VirtualMachine.Interact.Suspend",
	"CreateVM_Task": "VirtualMachine.Inventory.Create", "RegisterVM_Task": "VirtualMachine.Inventory.Register",
	"UnregisterVM": "VirtualMachine.Inventory.Unregister", "CloneVM_Task": "VirtualMachine.Inventory.CreateFromExisting",
	"CreateSnapshot_Task": "VirtualMachine.State.CreateSnapshot", "CreateSnapshotEx_Task": "VirtualMachine.State.CreateSnapshot",
	"RemoveAllSnapshots_Task": "VirtualMachine.State.RemoveSnapshot", "RevertToCurrentSnapshot_Task": "VirtualMachine.State.RevertToSnapshot",
	"ReloadVirtualMachineFromPath_Task": "VirtualMachine.Config.ReloadFromPath", "UpgradeVM_Task": "VirtualMachine.Config.UpgradeVirtualHardware",
	"MountToolsInstaller": "VirtualMachine.Interact.ToolsInstall", "UnmountToolsInstaller": "VirtualMachine.Interact.ToolsInstall",
	"UpgradeTools_Task": "VirtualMachine.Interact.ToolsInstall", "MigrateVM_Task": "Resource.HotMigrate", "RelocateVM_Task": "Resource.HotMigrate",
	"StartProgramInGuest": "VirtualMachine.GuestOperations.Execute", "TerminateProcessInGuest": "VirtualMachine.GuestOperations.Execute",
	"ListProcessesInGuest": "VirtualMachine.GuestOperations.Query", "ReadEnvironmentVariableInGuest": "VirtualMachine.GuestOperations.Query",
	"ListFilesInGuest": "VirtualMachine.GuestOperations.Query", "InitiateFileTransferFromGuest": "VirtualMachine.GuestOperations.Query",
	"InitiateFileTransferToGuest": "VirtualMachine.GuestOperations.Modify", "MakeDirectoryInGuest": "VirtualMachine.GuestOperations.Modify",
	"CreateTemporaryDirectoryInGuest": "VirtualMachine.GuestOperations.Modify", "CreateTemporaryFileInGuest": "VirtualMachine.GuestOperations.Modify",
	"DeleteFileInGuest": "VirtualMachine.GuestOperations.Modify", "DeleteDirectoryInGuest": "VirtualMachine.GuestOperations.Modify",
	"MoveFileInGuest": "VirtualMachine.GuestOperations.Modify", "MoveDirectoryInGuest": "VirtualMachine.GuestOperations.Modify",
	"ChangeFileAttributesInGuest": "VirtualMachine.GuestOperations.Modify",
	"ValidateCredentialsInGuest":  "VirtualMachine.GuestOperations.Query",
	"CreateFolder":                "Folder.Create", "CreateClusterEx": "Host.Inventory.CreateCluster", "AddHost_Task": "Host.Inventory.AddHostToCluster",
	"AddStandaloneHost_Task": "Host.Inventory.AddStandaloneHost", "CreateDatacenter": "Datacenter.Create",
	"SearchDatastore_Task": "Datastore.Browse", "SearchDatastoreSubFolders_Task": "Datastore.Browse",
	"DeleteDatastoreFile_Task": "Datastore.FileManagement", "MakeDirectory": "Datastore.FileManagement",
	"MoveDatastoreFile_Task": "Datastore.FileManagement", "CopyDatastoreFile_Task": "Datastore.FileManagement",
	"AcquireGenericServiceTicket": "", "QueryConfigTarget": "System.View",
	"RetrievePropertiesEx": "System.View", "RetrieveProperties": "System.View", "CreateFilter": "System.View", "WaitForUpdatesEx": "System.View",
	"CreateContainerView": "System.View", "CreateListView": "System.View", "FindByInventoryPath": "System.View",
	"Destroy_Task": "VirtualMachine.Inventory.Delete", "UpdateOptions": "Global.Settings",
	"ReconfigureComputeResource_Task": "Host.Inventory.EditCluster", "CreateResourcePool": "Resource.CreatePool",
}

// refuse keeps requests away from the simulator that are known to end its process.
func refuse(c *api.Call) *fault.Error {
	switch r := c.Req.(type) {
	case *types.AddHost_Task, *types.AddStandaloneHost_Task:
		return fault.New(&types.NotSupported{}, "The hosts of this server are those of its fleet file.")
	case *types.StartProgramInGuest, *types.ListProcessesInGuest, *types.InitiateFileTransferToGuest,
		*types.InitiateFileTransferFromGuest:
		return fault.New(&types.GuestOperationsUnavailable{})
	case *types.ReconfigVM_Task:
		for i := range r.Spec.DeviceChange {
			if r.Spec.DeviceChange[i] == nil || r.Spec.DeviceChange[i].GetVirtualDeviceConfigSpec().Device == nil {
				return fault.InvalidArgument("spec.deviceChange")
			}
		}
	}
	return nil
}
