package front

// demand_place.go: what inventory methods require that exist on many types under one name:
// Destroy_Task, Rename_Task, MoveIntoFolder_Task; and files, pools and networks.

import (
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/wire"
)

var (
	_ = rules.Add(rules.Rule{ID: "session.destroy-privilege", Sure: "documented", As: "real", Source: "API reference: Destroy_Task, Rename_Task and MoveIntoFolder_Task, whose privileges depend on the type; vSphere security guide: defined privileges",
		Text: "Destroy_Task, Rename_Task and MoveIntoFolder_Task require the privilege for the type of the object (VirtualMachine.Inventory.Delete, Folder.Delete, Host.Inventory.DeleteCluster...); to destroy or move, on the old and the new parent as well."})
	_ = rules.Add(rules.Rule{ID: "session.file-privilege", Sure: "documented", As: "real", Source: "vSphere security guide: Datastore.FileManagement, Datastore.Browse are required on datastores",
		Text: "FileManager's methods require Datastore.FileManagement, the datastore browser's Datastore.Browse, on the datastore that the path names."})
	_ = rules.Add(rules.Rule{ID: "session.cancel-privilege", Sure: "documented", As: "real", Source: "vSphere security guide: Global.CancelTask",
		Text: "Cancelling another user's task requires Global.CancelTask."})
)

// verbs are the privileges to delete, rename and move an entity, by its type.
var verbs = map[string][3]string{
	"VirtualMachine":                 {"VirtualMachine.Inventory.Delete", "VirtualMachine.Config.Rename", "VirtualMachine.Inventory.Move"},
	"Folder":                         {"Folder.Delete", "Folder.Rename", "Folder.Move"},
	"Datacenter":                     {"Datacenter.Delete", "Datacenter.Rename", "Datacenter.Move"},
	"HostSystem":                     {"Host.Inventory.RemoveHostFromCluster", "Host.Inventory.EditCluster", "Host.Inventory.MoveHost"},
	"ClusterComputeResource":         {"Host.Inventory.DeleteCluster", "Host.Inventory.RenameCluster", "Host.Inventory.MoveCluster"},
	"ComputeResource":                {"Host.Inventory.RemoveHostFromCluster", "Host.Inventory.RenameCluster", "Host.Inventory.MoveHost"},
	"ResourcePool":                   {"Resource.DeletePool", "Resource.RenamePool", "Resource.MovePool"},
	"VirtualApp":                     {"VApp.Delete", "VApp.Rename", "VApp.Move"},
	"Datastore":                      {"Datastore.Delete", "Datastore.Rename", "Datastore.Move"},
	"StoragePod":                     {"Folder.Delete", "Folder.Rename", "Folder.Move"},
	"Network":                        {"Network.Delete", "Network.Config", "Network.Move"},
	"DistributedVirtualPortgroup":    {"DVPortgroup.Delete", "DVPortgroup.Modify", "Network.Move"},
	"DistributedVirtualSwitch":       {"DVSwitch.Delete", "DVSwitch.Modify", "DVSwitch.Move"},
	"VmwareDistributedVirtualSwitch": {"DVSwitch.Delete", "DVSwitch.Modify", "DVSwitch.Move"},
}

// parent is the parent of an entity.
func (d *demands) parent(ref types.ManagedObjectReference) (types.ManagedObjectReference, bool) {
	if e, ok := d.f.W.Reg.Get(ref).(mo.Entity); ok && e.Entity().Parent != nil {
		return *e.Entity().Parent, true
	}
	return ref, false
}

func destroyDemands(d *demands, c *api.Call) {
	v, ok := verbs[c.This.Type]
	if !ok {
		d.add(c.This, "System.Read")
		return
	}
	d.add(c.This, v[0])
	if up, ok := d.parent(c.This); ok {
		switch c.This.Type {
		case "VirtualMachine", "Folder", "Datacenter", "ClusterComputeResource", "ResourcePool", "HostSystem":
			d.add(up, v[0])
		}
	}
}

func renameDemands(d *demands, c *api.Call) {
	if v, ok := verbs[c.This.Type]; ok {
		d.add(c.This, v[1])
	}
}

func moveDemands(d *demands, c *api.Call) {
	for _, ref := range c.Req.(*types.MoveIntoFolder_Task).List {
		v, ok := verbs[ref.Type]
		if !ok {
			continue
		}
		d.add(ref, v[2])
		if up, ok := d.parent(ref); ok {
			d.add(up, v[2])
		}
		d.add(c.This, v[2])
	}
}

// byRequest are the methods whose privileges depend on the request. They come on top of what
// the method's own line in the table requires.
var byRequest = map[string]func(*demands, *api.Call){
	"Destroy_Task": destroyDemands, "Rename_Task": renameDemands, "MoveIntoFolder_Task": moveDemands,
	"CreateVM_Task": createDemands, "ReconfigVM_Task": reconfigDemands, "CloneVM_Task": cloneDemands,
	"RelocateVM_Task": relocateDemands, "MigrateVM_Task": migrateDemands, "AcquireTicket": ticketDemands,
	"DeleteDatastoreFile_Task": func(d *demands, c *api.Call) { d.files(c.Req.(*types.DeleteDatastoreFile_Task).Name) },
	"MakeDirectory":            func(d *demands, c *api.Call) { d.files(c.Req.(*types.MakeDirectory).Name) },
	"MoveDatastoreFile_Task": func(d *demands, c *api.Call) {
		r := c.Req.(*types.MoveDatastoreFile_Task)
		d.files(r.SourceName)
		d.files(r.DestinationName)
	},
	"CopyDatastoreFile_Task": func(d *demands, c *api.Call) {
		r := c.Req.(*types.CopyDatastoreFile_Task)
		d.files(r.SourceName)
		d.files(r.DestinationName)
	},
	"SearchDatastore_Task": func(d *demands, c *api.Call) { d.browse(c, c.Req.(*types.SearchDatastore_Task).DatastorePath) },
	"SearchDatastoreSubFolders_Task": func(d *demands, c *api.Call) {
		d.browse(c, c.Req.(*types.SearchDatastoreSubFolders_Task).DatastorePath)
	},
	"UpdateConfig": func(d *demands, c *api.Call) { d.add(c.This, "Resource.EditPool") },
	"UpdateChildResourceConfiguration": func(d *demands, c *api.Call) {
		for _, s := range c.Req.(*types.UpdateChildResourceConfiguration).Spec {
			if s.Entity != nil {
				d.add(*s.Entity, "Resource.EditPool")
			}
		}
	},
	"DestroyChildren": func(d *demands, c *api.Call) { d.add(c.This, "Resource.DeletePool") },
	"MoveIntoResourcePool": func(d *demands, c *api.Call) {
		for _, ref := range c.Req.(*types.MoveIntoResourcePool).List {
			if ref.Type == "VirtualMachine" {
				d.add(c.This, "Resource.AssignVMToPool")
			} else if v, ok := verbs[ref.Type]; ok {
				d.add(ref, v[2])
				d.add(c.This, v[2])
			}
		}
	},
	"UpdateOptions": func(d *demands, c *api.Call) {
		if d.f.owner(c.This, c.Req).Type == "HostSystem" {
			d.add(c.This, "Host.Config.AdvancedConfig")
		} else {
			d.add(c.This, "Global.Settings")
		}
	},
	"setCustomValue":                 func(d *demands, c *api.Call) { d.add(c.This, "Global.SetCustomField") },
	"AddVirtualNic":                  hostNetwork,
	"UpdateVirtualNic":               hostNetwork,
	"UpdateNetworkConfig":            hostNetwork,
	"AddServiceConsoleVirtualNic":    hostNetwork,
	"UpdateServiceConsoleVirtualNic": hostNetwork,
	"ReconfigureDvs_Task":            func(d *demands, c *api.Call) { d.add(c.This, "DVSwitch.Modify") },
	"DVSRollback_Task":               func(d *demands, c *api.Call) { d.add(c.This, "DVSwitch.Modify") },
	"ReconfigureDVPortgroup_Task":    func(d *demands, c *api.Call) { d.add(c.This, "DVPortgroup.Modify") },
	"DVPortgroupRollback_Task":       func(d *demands, c *api.Call) { d.add(c.This, "DVPortgroup.Modify") },
	"ApplyRecommendation":            func(d *demands, c *api.Call) { d.add(c.This, "Resource.ApplyRecommendation") },
	"CancelTask": func(d *demands, c *api.Call) {
		if t, ok := d.f.W.Reg.Get(c.This).(*task.Task); ok {
			if by, _ := t.Info.Reason.(*types.TaskReasonUser); by == nil || by.UserName != c.Session.UserName {
				d.add(c.This, "Global.CancelTask")
			}
		}
	},
}

func hostNetwork(d *demands, c *api.Call) { d.add(c.This, "Host.Config.Network") }

func (d *demands) browse(c *api.Call, path string) {
	if ds, ok := d.datastore(path); ok {
		d.add(ds, "Datastore.Browse")
	} else {
		d.add(c.This, "Datastore.Browse")
	}
}

// mayRead is what a user lacks to read a property of an object, "" when nothing. World lock held.
func (f *Front) mayRead(u *fleet.User, ref types.ManagedObjectReference, property string) string {
	entity := false
	if _, ok := f.W.Reg.Get(ref).(mo.Entity); ok {
		entity = true
	}
	p, known := wire.ReadPrivilege(ref.Type, property)
	switch {
	case p == "" && entity && known:
		p = "System.Read" // not in the table: nothing of an entity is shown without it
	case p == "System.View" && !entity:
		p = ""
	case p == "Sessions.TerminateSession":
		p = "" // left out of the answer instead
	}
	if p == "" || f.may(u, p, f.owner(ref, nil)) {
		return ""
	}
	return p
}
