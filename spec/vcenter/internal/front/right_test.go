package front_test

import (
	"net/http"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// rights is an account whose privileges a test chooses before each call.
type rights struct {
	*vctest.Client
	t                      *testing.T
	s                      *vctest.Server
	admin                  *vctest.Client
	folder, pool, ds, host string
	network                string
}

func newRights(t *testing.T) *rights {
	f := fleet.Demo()
	f.Users = []fleet.User{{Name: "u", Password: "u", Privileges: []string{"System.View"}}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	a := s.Login(t)
	r := &rights{t: t, s: s, admin: a, Client: s.Login(t, "u", "u"), folder: a.Find("DC0/vm"), ds: a.Find("DC0/datastore/ds-1"), host: a.Find("DC0/host/gpu-a/esx-a-1")}
	r.pool = "ResourcePool:" + a.Get(a.Find("DC0/host/gpu-a"), "resourcePool")["resourcePool"]
	r.network = a.Find("DC0/network/VM Network")
	return r
}

func (r *rights) may(privileges ...string) {
	r.s.W.Lock()
	r.s.API.Sessions.User("u").Privileges = append([]string{}, privileges...)
	r.s.W.Unlock()
}

// exactly calls a method with each of the privileges missing in turn, and then with all of
// them. wanted are pairs: object, privilege; the administrator's is the nearest valid call.
func (r *rights) exactly(method, this, inside string, wanted ...string) {
	r.t.Helper()
	for i := 0; i < len(wanted); i += 2 {
		var others []string
		for j := 1; j < len(wanted); j += 2 {
			if wanted[j] != wanted[i+1] {
				others = append(others, wanted[j])
			}
		}
		r.may(others...)
		kind, value, _ := strings.Cut(wanted[i], ":")
		r.Refused(r.Call(method, this, inside), "NoPermission", "<privilegeId>"+wanted[i+1]+"</privilegeId>", `<object type="`+kind+`">`+value+"</object>")
	}
	var all []string
	for j := 1; j < len(wanted); j += 2 {
		all = append(all, wanted[j])
	}
	r.may(all...)
	a := r.Call(method, this, inside)
	if a.Status != 200 {
		r.t.Fatalf("%s with %v: %s", method, all, a.Body)
	}
	if strings.HasSuffix(method, "_Task") {
		if res := r.admin.Wait("Task:" + a.Text("returnval")); res.State != "success" {
			r.t.Fatalf("%s: %s %s", method, res.Fault, res.Message)
		}
	}
}

func spec(name, more string) string {
	return "<config><name>" + name + "</name><guestId>otherGuest64</guestId><files><vmPathName>[ds-1]</vmPathName></files>" + more + "</config>"
}

const extra = `<extraConfig><key>k</key><value xsi:type="xsd:string">v</value></extraConfig>`

func change(op, file, device string) string {
	if file != "" {
		file = "<fileOperation>" + file + "</fileOperation>"
	}
	return "<deviceChange><operation>" + op + "</operation>" + file + device + "</deviceChange>"
}

const (
	scsi = `<device xsi:type="ParaVirtualSCSIController"><key>-1</key><busNumber>0</busNumber><sharedBus>noSharing</sharedBus></device>`
	disk = `<device xsi:type="VirtualDisk"><key>-2</key><backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[ds-1]</fileName><diskMode>persistent</diskMode></backing>` +
		`<controllerKey>-1</controllerKey><unitNumber>0</unitNumber><capacityInKB>1048576</capacityInKB></device>`
	nic = `<device xsi:type="VirtualVmxnet3"><key>-3</key><backing xsi:type="VirtualEthernetCardNetworkBackingInfo"><deviceName>VM Network</deviceName></backing></device>`
)

func (r *rights) vm(name string) string {
	r.admin.MustTask("CreateVM_Task", r.folder, spec(name, change("add", "", scsi)+change("add", "create", disk)+change("add", "", nic))+vctest.Ref("pool", r.pool))
	return r.admin.Find("DC0/vm/" + name)
}

func TestRightsToCreate(t *testing.T) {
	vctest.Breaks(t, "session.create-privilege", "session.parameter-privilege")
	r := newRights(t)
	r.exactly("CreateVM_Task", r.folder, spec("bare", "")+vctest.Ref("pool", r.pool), r.folder, "VirtualMachine.Inventory.Create", r.pool, "Resource.AssignVMToPool", r.ds, "Datastore.AllocateSpace")
	r.exactly("CreateVM_Task", r.folder, spec("full", change("add", "", scsi)+change("add", "create", disk)+change("add", "", nic)+extra)+vctest.Ref("pool", r.pool),
		r.folder, "VirtualMachine.Inventory.Create", r.pool, "Resource.AssignVMToPool", r.ds, "Datastore.AllocateSpace",
		r.folder, "VirtualMachine.Config.AddNewDisk", r.network, "Network.Assign", r.folder, "VirtualMachine.Config.AdvancedConfig")
}

func TestRightsToReconfigureFields(t *testing.T) {
	vctest.Breaks(t, "session.field-privilege")
	r := newRights(t)
	vm := r.vm("x")
	for _, c := range []struct{ field, privilege string }{
		{"<numCPUs>2</numCPUs>", "CPUCount"}, {"<memoryMB>2048</memoryMB>", "Memory"}, {"<annotation>a</annotation>", "Annotation"},
		{"<guestId>otherGuest</guestId>", "Settings"}, {"<flags><useToe>false</useToe></flags>", "Settings"},
		{"<memoryAllocation><reservation>0</reservation></memoryAllocation>", "Resource"}, {extra, "AdvancedConfig"}, {"<changeTrackingEnabled>true</changeTrackingEnabled>", "ChangeTracking"},
		{"<firmware>efi</firmware>", "Settings"}, {"<memoryReservationLockedToMax>false</memoryReservationLockedToMax>", "Resource"},
		{"<name>y</name>", "Rename"},
	} {
		r.exactly("ReconfigVM_Task", vm, "<spec>"+c.field+"</spec>", vm, "VirtualMachine.Config."+c.privilege)
	}
	r.exactly("ReconfigVM_Task", vm, "<spec><numCPUs>4</numCPUs>"+extra+"</spec>", vm, "VirtualMachine.Config.CPUCount", vm, "VirtualMachine.Config.AdvancedConfig")
	r.may("System.View") // nothing set, nothing required
	r.Must("ReconfigVM_Task", vm, "<spec/>")
}

func TestAllThatIsMissingIsNamed(t *testing.T) {
	vctest.Breaks(t, "session.missing-privileges")
	r := newRights(t)
	vm := r.vm("x")
	r.may("System.View")
	a := r.Call("ReconfigVM_Task", vm, "<spec><numCPUs>4</numCPUs>"+change("add", "", nic)+extra+"</spec>")
	_, value, _ := strings.Cut(vm, ":")
	_, net, _ := strings.Cut(r.network, ":")
	r.Refused(a, "NoPermission", "Permission to perform this operation was denied.", `<missingPrivileges><entity type="VirtualMachine">`+value+"</entity><privilegeIds>VirtualMachine.Config.CPUCount</privilegeIds>"+
		"<privilegeIds>VirtualMachine.Config.AdvancedConfig</privilegeIds><privilegeIds>VirtualMachine.Config.AddRemoveDevice</privilegeIds></missingPrivileges>",
		`<missingPrivileges><entity type="Network">`+net+"</entity><privilegeIds>Network.Assign</privilegeIds></missingPrivileges>")
	r.Version = "6.7.3" // the list is newer than this client
	a = r.Call("ReconfigVM_Task", vm, "<spec><numCPUs>4</numCPUs></spec>")
	r.Refused(a, "NoPermission", "VirtualMachine.Config.CPUCount")
	if strings.Contains(a.Body, "missingPrivileges") {
		t.Fatal(a.Body)
	}
}

func TestRightsToReconfigureDevices(t *testing.T) {
	vctest.Breaks(t, "session.device-privilege")
	r := newRights(t)
	vm := r.vm("x")
	const c = "VirtualMachine.Config."
	reconfigure := func(what string, wanted ...string) {
		t.Helper()
		r.exactly("ReconfigVM_Task", vm, "<spec>"+what+"</spec>", wanted...)
	}
	cd := `<device xsi:type="VirtualCdrom"><key>-1</key><backing xsi:type="VirtualCdromRemotePassthroughBackingInfo"><deviceName></deviceName><exclusive>false</exclusive></backing>` +
		`<connectable><startConnected>false</startConnected><allowGuestControl>true</allowGuestControl><connected>false</connected></connectable><controllerKey>201</controllerKey><unitNumber>1</unitNumber></device>`
	reconfigure(change("add", "", cd), vm, c+"AddRemoveDevice")
	reconfigure(change("add", "", nic), vm, c+"AddRemoveDevice", r.network, "Network.Assign")
	devices := r.admin.Get(vm, "config.hardware.device")["config.hardware.device"]
	key := func(kind string) string {
		_, rest, ok := strings.Cut(devices, `xsi:type="`+kind+`"><key>`)
		if !ok {
			t.Fatal("no ", kind, devices)
		}
		k, _, _ := strings.Cut(rest, "<")
		return k
	}
	more := strings.NewReplacer("<controllerKey>-1<", "<controllerKey>"+key("ParaVirtualSCSIController")+"<", "<unitNumber>0<", "<unitNumber>1<").Replace(disk)
	reconfigure(change("add", "create", more), vm, c+"AddNewDisk", r.ds, "Datastore.AllocateSpace")
	// A CD-ROM: its medium and its connection have privileges of their own.
	iso := func(connect, file string) string {
		return change("edit", "", `<device xsi:type="VirtualCdrom"><key>`+key("VirtualCdrom")+`</key><backing xsi:type="VirtualCdromIsoBackingInfo"><fileName>`+file+`</fileName></backing>`+
			`<connectable><startConnected>`+connect+`</startConnected><allowGuestControl>true</allowGuestControl><connected>false</connected></connectable><controllerKey>200</controllerKey><unitNumber>0</unitNumber></device>`)
	}
	reconfigure(iso("false", "[ds-1] iso/windows-2022.iso"), vm, "VirtualMachine.Interact.SetCDMedia")
	reconfigure(iso("true", "[ds-1] iso/ubuntu-answer.iso"), vm, "VirtualMachine.Interact.SetCDMedia", vm, "VirtualMachine.Interact.DeviceConnection")
	wake := func(on string) string {
		return change("edit", "", `<device xsi:type="VirtualVmxnet3"><key>`+key("VirtualVmxnet3")+`</key><wakeOnLanEnabled>`+on+`</wakeOnLanEnabled></device>`)
	}
	reconfigure(wake("true"), vm, c+"EditDevice")
	reconfigure(change("remove", "", `<device xsi:type="VirtualVmxnet3"><key>`+key("VirtualVmxnet3")+`</key></device>`), vm, c+"AddRemoveDevice")
	// What it is in the VM counts, not what the request calls it.
	r.may(c + "AddRemoveDevice")
	r.Refused(r.Call("ReconfigVM_Task", vm, "<spec>"+change("remove", "", `<device xsi:type="VirtualVmxnet3"><key>`+key("VirtualDisk")+`</key></device>`)+"</spec>"), "NoPermission", c+"RemoveDisk")
	raw := `<device xsi:type="VirtualSCSIPassthrough"><key>-1</key><backing xsi:type="VirtualSCSIPassthroughDeviceBackingInfo"><deviceName>x</deviceName></backing><controllerKey>1000</controllerKey><unitNumber>5</unitNumber></device>`
	r.Refused(r.Call("ReconfigVM_Task", vm, "<spec>"+change("add", "", raw)+"</spec>"), "NoPermission", c+"RawDevice")
	usb := `<device xsi:type="VirtualUSB"><key>-1</key><backing xsi:type="VirtualUSBUSBBackingInfo"><deviceName>path:1/0/1</deviceName></backing><connected>true</connected></device>`
	r.Refused(r.Call("ReconfigVM_Task", vm, "<spec>"+change("add", "", usb)+"</spec>"), "NoPermission", c+"HostUSBDevice")
	old := strings.Replace(disk, "<fileName>[ds-1]<", "<fileName>[ds-1] x/x.vmdk<", 1)
	r.Refused(r.Call("ReconfigVM_Task", vm, "<spec>"+change("add", "", old)+"</spec>"), "NoPermission", c+"AddExistingDisk")
	gpu := `<device xsi:type="VirtualPCIPassthrough"><key>-1</key><backing xsi:type="VirtualPCIPassthroughDynamicBackingInfo"><deviceName></deviceName><allowedDevice><vendorId>4318</vendorId><deviceId>8373</deviceId></allowedDevice></backing></device>`
	reconfigure(change("add", "", gpu), vm, c+"AddRemoveDevice")
}

func TestRightsToClone(t *testing.T) {
	vctest.Breaks(t, "session.clone-privilege")
	r := newRights(t)
	vm := r.vm("x")
	const p, in = "VirtualMachine.Provisioning.", "VirtualMachine.Inventory.CreateFromExisting"
	clone := func(name, pool, template string) string {
		if pool != "" {
			pool = vctest.Ref("pool", pool)
		}
		return vctest.Ref("folder", r.folder) + "<name>" + name + "</name><spec><location>" + pool + "</location><template>" + template + "</template><powerOn>false</powerOn></spec>"
	}
	r.exactly("CloneVM_Task", vm, clone("a", r.pool, "false"), vm, p+"Clone", r.folder, in, r.pool, "Resource.AssignVMToPool", r.ds, "Datastore.AllocateSpace")
	r.exactly("CloneVM_Task", vm, clone("t", "", "true"), vm, p+"CreateTemplateFromVM", r.folder, in, r.ds, "Datastore.AllocateSpace")
	template := r.admin.Find("DC0/vm/t")
	r.exactly("CloneVM_Task", template, clone("b", r.pool, "false"), template, p+"DeployTemplate", r.folder, in, r.pool, "Resource.AssignVMToPool", r.ds, "Datastore.AllocateSpace")
	r.may(p+"DeployTemplate", in, "Resource.AssignVMToPool", "Datastore.AllocateSpace")
	r.Refused(r.Call("CloneVM_Task", template, clone("c", r.pool, "true")), "NoPermission", p+"CloneTemplate")
	custom := strings.Replace(clone("d", r.pool, "false"), "<powerOn>", `<customization><identity xsi:type="CustomizationLinuxPrep"><hostName xsi:type="CustomizationFixedName"><name>d</name></hostName><domain>x</domain></identity>`+
		`<globalIPSettings/></customization><powerOn>`, 1)
	r.Refused(r.Call("CloneVM_Task", template, custom), "NoPermission", p+"Customize")
	vctest.Breaks(t, "session.clone-field-privilege")
	const c = "VirtualMachine.Config."
	changed := strings.Replace(clone("e", r.pool, "false"), "<powerOn>", `<config><numCPUs>2</numCPUs><memoryMB>2048</memoryMB><deviceChange><operation>add</operation><device xsi:type="VirtualUSBXHCIController">`+
		`<key>-1</key><controllerKey>100</controllerKey><busNumber>0</busNumber></device></deviceChange><extraConfig xsi:type="OptionValue"><key>a</key><value xsi:type="xsd:string">b</value></extraConfig>`+
		`<memoryReservationLockedToMax>true</memoryReservationLockedToMax></config><powerOn>`, 1)
	r.exactly("CloneVM_Task", template, changed, template, p+"DeployTemplate", r.folder, in, r.pool, "Resource.AssignVMToPool", r.ds, "Datastore.AllocateSpace",
		r.folder, c+"CPUCount", r.folder, c+"Memory", r.folder, c+"Resource", r.folder, c+"AdvancedConfig", r.folder, c+"AddRemoveDevice")
}

func TestRightsToMove(t *testing.T) {
	vctest.Breaks(t, "session.move-privilege")
	r := newRights(t)
	vm := r.vm("x")
	relocate := func(inside string) string { return "<spec>" + inside + "</spec>" }
	r.exactly("RelocateVM_Task", vm, relocate(vctest.Ref("host", r.host)), vm, "Resource.ColdMigrate")
	r.exactly("MigrateVM_Task", vm, vctest.Ref("pool", r.pool)+vctest.Ref("host", r.host)+"<priority>defaultPriority</priority>", vm, "Resource.ColdMigrate", r.pool, "Resource.AssignVMToPool")
	sub := "Folder:" + r.admin.Must("CreateFolder", r.folder, "<name>sub</name>").Text("returnval")
	r.exactly("MoveIntoFolder_Task", sub, vctest.Ref("list", vm), vm, "VirtualMachine.Inventory.Move")
	other := "ResourcePool:" + r.admin.Get(r.admin.Find("DC0/host/gpu-b"), "resourcePool")["resourcePool"]
	r.may("Resource.ColdMigrate")
	r.Refused(r.Call("RelocateVM_Task", vm, relocate(vctest.Ref("pool", other))), "NoPermission", "Resource.AssignVMToPool", strings.TrimPrefix(other, "ResourcePool:"))
	r.Refused(r.Call("RelocateVM_Task", vm, relocate(vctest.Ref("folder", r.folder))), "NoPermission", "VirtualMachine.Inventory.Move")
	r.admin.MustTask("PowerOnVM_Task", vm, "")
	r.exactly("RelocateVM_Task", vm, relocate(vctest.Ref("host", r.host)), vm, "Resource.ColdMigrate", vm, "Resource.HotMigrate")
	r.may("Resource.ColdMigrate", "Resource.AssignVMToPool")
	r.Refused(r.Call("MigrateVM_Task", vm, vctest.Ref("host", r.host)+"<priority>defaultPriority</priority>"), "NoPermission", "Resource.HotMigrate")
}

func TestRightsByTheTypeOfTheObject(t *testing.T) {
	vctest.Breaks(t, "session.destroy-privilege")
	r := newRights(t)
	vm := r.vm("x")
	r.exactly("Rename_Task", vm, "<newName>y</newName>", vm, "VirtualMachine.Config.Rename")
	folder := "Folder:" + r.admin.Must("CreateFolder", r.folder, "<name>sub</name>").Text("returnval")
	r.exactly("Rename_Task", folder, "<newName>other</newName>", folder, "Folder.Rename")
	r.exactly("Destroy_Task", folder, "", folder, "Folder.Delete")
	pool := "ResourcePool:" + r.admin.Must("CreateResourcePool", r.pool, "<name>p</name><spec><cpuAllocation><reservation>0</reservation><expandableReservation>true</expandableReservation><limit>-1</limit>"+
		"<shares><shares>4000</shares><level>normal</level></shares></cpuAllocation><memoryAllocation><reservation>0</reservation><expandableReservation>true</expandableReservation><limit>-1</limit>"+
		"<shares><shares>163840</shares><level>normal</level></shares></memoryAllocation></spec>").Text("returnval")
	r.exactly("Destroy_Task", pool, "", pool, "Resource.DeletePool")
	r.exactly("CreateSnapshot_Task", vm, "<name>s</name><memory>false</memory><quiesce>false</quiesce>", vm, "VirtualMachine.State.CreateSnapshot")
	r.exactly("RemoveAllSnapshots_Task", vm, "", vm, "VirtualMachine.State.RemoveSnapshot")
	r.exactly("ConsolidateVMDisks_Task", vm, "", vm, "VirtualMachine.State.RemoveSnapshot")
	r.exactly("Destroy_Task", vm, "", vm, "VirtualMachine.Inventory.Delete")
}

func TestRightsToFiles(t *testing.T) {
	vctest.Breaks(t, "session.file-privilege")
	r := newRights(t)
	dc := vctest.Ref("datacenter", r.admin.Find("DC0"))
	r.exactly("MakeDirectory", "FileManager:FileManager", "<name>[ds-1] d</name>"+dc, r.ds, "Datastore.FileManagement")
	browser := "HostDatastoreBrowser:" + r.admin.Get(r.ds, "browser")["browser"]
	r.exactly("SearchDatastore_Task", browser, "<datastorePath>[ds-1]</datastorePath>", r.ds, "Datastore.Browse")
	r.exactly("DeleteDatastoreFile_Task", "FileManager:FileManager", "<name>[ds-1] d</name>"+dc, r.ds, "Datastore.FileManagement")
}

func TestCancellingAnotherUsersTask(t *testing.T) {
	vctest.Breaks(t, "session.cancel-privilege")
	r := newRights(t)
	r.s.Trouble(t, `{"match":{"method":"EnterMaintenanceMode_Task","count":-1},"do":{"kind":"task-hang"}}`)
	task := r.admin.Start("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	vctest.Eventually(t, "running", func() bool { return r.admin.Get(task, "info.state")["info.state"] == "running" })
	r.may("System.Read")
	r.Refused(r.Call("CancelTask", task, ""), "NoPermission", "Global.CancelTask")
	r.may("Global.CancelTask")
	r.Must("CancelTask", task, "")
	// One's own needs nothing.
	r.may("Host.Config.Maintenance", "System.Read")
	own := r.Start("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	vctest.Eventually(t, "running", func() bool { return r.admin.Get(own, "info.state")["info.state"] == "running" })
	r.may("System.View")
	r.Must("CancelTask", own, "")
}

func TestObjectsThatAreNotThere(t *testing.T) {
	vctest.Breaks(t, "session.parameter-object")
	r := newRights(t)
	a := r.admin
	a.Refused(a.Call("CreateVM_Task", r.folder, spec("x", "")+vctest.Ref("pool", "ResourcePool:resgroup-99999")), "ManagedObjectNotFound", "resgroup-99999")
	a.Refused(a.Call("CreateVM_Task", r.folder, spec("x", "")+vctest.Ref("pool", r.pool)+vctest.Ref("host", "HostSystem:host-99999")), "ManagedObjectNotFound", "host-99999")
	vm := r.vm("x")
	a.Refused(a.Call("RelocateVM_Task", vm, "<spec>"+vctest.Ref("host", "HostSystem:host-99999")+"</spec>"), "ManagedObjectNotFound", `<obj type="HostSystem">host-99999</obj>`)
	a.MustTask("RelocateVM_Task", vm, "<spec>"+vctest.Ref("host", r.host)+"</spec>")
}

func TestMethodsWithoutAPrivilegeOfTheirOwn(t *testing.T) {
	vctest.Breaks(t, "session.read-floor")
	r := newRights(t)
	// A list of privileges brings System.Read with it; a role does not.
	r.s.W.Lock()
	r.s.API.Sessions.User("u").Privileges, r.s.API.Sessions.User("u").Role = nil, "NoAccess"
	r.s.W.Unlock()
	r.Refused(r.Call("RetrieveUserGroups", "UserDirectory:UserDirectory", "<searchStr></searchStr><exactMatch>false</exactMatch><findUsers>true</findUsers><findGroups>false</findGroups>"), "NoPermission", "System.Read")
	r.s.W.Lock()
	r.s.API.Sessions.User("u").Role = "ReadOnly"
	r.s.W.Unlock()
	if a := r.Call("RetrieveUserGroups", "UserDirectory:UserDirectory", "<searchStr></searchStr><exactMatch>false</exactMatch><findUsers>true</findUsers><findGroups>false</findGroups>"); a.Fault() == "NoPermission" {
		t.Fatal(a.Body)
	}
}

// A user sees of an entity what its privileges let show: the name with System.View, the rest
// with System.Read, and some properties require more.
func TestRightsToRead(t *testing.T) {
	vctest.Breaks(t, "collector.permission")
	r := newRights(t)
	read := func(ref string, paths ...string) string {
		kind, _, _ := strings.Cut(ref, ":")
		return r.Must("RetrievePropertiesEx", "PropertyCollector:propertyCollector", "<specSet><propSet><type>"+kind+"</type><pathSet>"+strings.Join(paths, "</pathSet><pathSet>")+
			"</pathSet></propSet><objectSet>"+vctest.Ref("obj", ref)+"</objectSet></specSet><options/>").Body
	}
	// readOnly is what a list of privileges brings by itself, so the account has a role here.
	r.s.W.Lock()
	u := r.s.API.Sessions.User("u")
	no := false
	u.Privileges, u.Role = nil, "NoAccess"
	u.Grants = []fleet.Grant{{Path: "/DC0/host/gpu-a", Privileges: []string{"Host.Config.PciPassthru"}, Propagate: &no}}
	r.s.W.Unlock()
	cluster := r.admin.Find("DC0/host/gpu-a")
	if b := read(cluster, "name", "summary"); !strings.Contains(b, "gpu-a") || !strings.Contains(b, "<name>summary</name>") {
		t.Fatal(b)
	}
	host := r.admin.Find("DC0/host/gpu-a/esx-a-1")
	for _, path := range []string{"name", "runtime.connectionState", "config"} {
		if b := read(host, path); !strings.Contains(b, "<missingSet><path>"+path+`</path><fault><fault xsi:type="NoPermission">`) || strings.Contains(b, "<propSet>") {
			t.Fatal(path, b)
		}
	}
	// Objects that belong to a host are read with its permissions.
	sys := "HostPciPassthruSystem:" + r.admin.Get(host, "configManager.pciPassthruSystem")["configManager.pciPassthruSystem"]
	if b := read(sys, "pciPassthruInfo"); !strings.Contains(b, "<privilegeId>System.Read</privilegeId>") || strings.Contains(b, "<propSet>") {
		t.Fatal(b)
	}
	r.s.W.Lock()
	u.Grants[0].Propagate = nil
	r.s.W.Unlock()
	if b := read(sys, "pciPassthruInfo"); !strings.Contains(b, "<propSet><name>pciPassthruInfo</name>") || strings.Contains(b, "missingSet") {
		t.Fatal(b)
	}
	if b := read(host, "name", "config"); strings.Contains(b, "missingSet") {
		t.Fatal(b)
	}
}

// Files on /folder follow the permissions on their datastore.
func TestRightsToFilesOverHTTP(t *testing.T) {
	f := fleet.Demo()
	f.Users = []fleet.User{{Name: "u", Password: "u", Grants: []fleet.Grant{{Path: "/DC0/datastore/ds-1", Privileges: []string{"Datastore.Browse"}}}},
		{Name: "v", Password: "v", Grants: []fleet.Grant{{Path: "/DC0/host", Privileges: []string{"Datastore.Browse", "Datastore.FileManagement"}}}}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	here, elsewhere := s.Login(t, "u", "u"), s.Login(t, "v", "v")
	do := func(c *vctest.Client, method string) int {
		r, _ := http.NewRequest(method, s.URL+"/folder/iso/ubuntu-answer.iso?dcPath=DC0&dsName=ds-1", strings.NewReader("x"))
		r.Header.Set("Cookie", "vmware_soap_session="+c.Cookie)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := []int{do(here, "GET"), do(here, "PUT"), do(elsewhere, "GET"), do(elsewhere, "PUT")}; got[0] != 200 || got[1] != 403 || got[2] != 403 || got[3] != 403 {
		t.Fatal(got)
	}
}
