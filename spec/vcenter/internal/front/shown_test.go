package front_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// shown are the properties that a GPU operator's tools read, and what their values look like. The patterns are for the
// text inside <val>; where a host of its own differs from vCenter, it has a line of its own.
var shown = []struct{ of, path, want, esxi string }{
	{of: "vm", path: "disabledMethod", want: `>PowerOnVM_Task<.*>UnmountToolsInstaller<.*>MarkAsVirtualMachine<`},
	{of: "vm", path: "permission", want: `^$`},
	{of: "vm", path: "declaredAlarmState", want: `^<AlarmState xsi:type="AlarmState"><key>alarm-\d+\.(vm-\d+)</key><entity type="VirtualMachine">vm-\d+</entity><alarm type="Alarm">alarm-\d+</alarm><overallStatus>gray</overallStatus><time>\d`, esxi: `^$`},
	{of: "vm", path: "resourceConfig", want: `^<entity type="VirtualMachine">[^<]+</entity><cpuAllocation><reservation>0</reservation>.*<memoryAllocation>.*<shares>40960</shares>`},
	{of: "vm", path: "guest.disk", want: `^<GuestDiskInfo xsi:type="GuestDiskInfo"><diskPath>C:\\</diskPath><capacity>21474836480</capacity><freeSpace>10737418240</freeSpace>`},
	{of: "vm", path: "guest.ipStack", want: `<dnsConfig><dhcp>true</dhcp><hostName>x</hostName>.*<network>0\.0\.0\.0</network><prefixLength>0</prefixLength><gateway><ipAddress>10\.\d+\.0\.1</ipAddress>`},
	{of: "vm", path: "guest.net", want: `<prefixLength>16</prefixLength><origin>dhcp</origin><state>preferred</state>`},
	{of: "vm", path: "runtime.maxCpuUsage", want: `^5800$`},
	{of: "vm", path: "runtime.maxMemoryUsage", want: `^4096$`},
	{of: "vm", path: "runtime.featureRequirement", want: `<key>cpuid\.AVX</key><featureName>cpuid\.AVX</featureName><value>Bool:Min:1</value>`},
	{of: "vm", path: "summary.runtime.maxCpuUsage", want: `^5800$`},
	{of: "vm", path: "config.flags", want: `<enableLogging>true</enableLogging>.*<monitorType>release</monitorType>.*<vbsEnabled>false</vbsEnabled>`},
	{of: "vm", path: "config.bootOptions", want: `<efiSecureBootEnabled>false</efiSecureBootEnabled><bootRetryEnabled>false</bootRetryEnabled><bootRetryDelay>10000</bootRetryDelay><networkBootProtocol>ipv4</networkBootProtocol>`},
	{of: "vm", path: "config.defaultPowerOps", want: `^<powerOffType>soft</powerOffType><suspendType>hard</suspendType><resetType>soft</resetType>`},
	{of: "vm", path: "config.datastoreUrl", want: `<name>ds-1</name><url>/vmfs/volumes/[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{12}</url>`},
	{of: "host", path: "disabledMethod", want: `>ExitMaintenanceMode_Task<.*>PowerUpHostFromStandBy_Task<.*>ReconnectHost_Task<.*>ReconfigureHostForDAS_Task<`},
	{of: "host", path: "permission", want: `^$`},
	{of: "host", path: "declaredAlarmState", want: `<key>alarm-\d+\.host-\d+</key>`, esxi: `^$`},
	{of: "host", path: "hardware.biosInfo", want: `<biosVersion>\d[^<]+</biosVersion><releaseDate>20\d\d-.*<vendor>Example Systems</vendor>`},
	{of: "host", path: "hardware.systemInfo.serialNumber", want: `^[0-9A-Z]{7}$`},
	{of: "host", path: "summary.hardware.otherIdentifyingInfo", want: `<identifierValue>([0-9A-Z]{7})</identifierValue><identifierType xsi:type="ElementDescription"><label>Service tag</label>.*<key>SerialNumberTag</key>`},
	{of: "host", path: "config.network.pnic", want: `<driver>bnxtnet</driver><driverVersion>[\d.]+</driverVersion><firmwareVersion>[^<]+</firmwareVersion>.*<mac>([0-9a-f:]{17})</mac>.*<autoNegotiateSupported>true</autoNegotiateSupported>`},
	{of: "host", path: "config.network.vnic", want: `<ipAddress>127\.\d+\.\d+\.\d+</ipAddress>.*<mac>b0:26:28:[0-9a-f:]+</mac>`},
	{of: "host", path: "config.network.dnsConfig", want: `^<dhcp>false</dhcp>(<virtualNicDevice>vmk0</virtualNicDevice>)?<hostName>esx-a-1</hostName><domainName>fleet\.example</domainName><address>[\d.]+</address><searchDomain>fleet\.example</searchDomain>$`},
	{of: "host", path: "config.fileSystemVolume.mountInfo", want: `<path>(/vmfs/volumes/[0-9a-f-]+)</path>.*<name>ds-1</name><capacity>\d{12,}</capacity>`},
	{of: "datastore", path: "host", want: `<mountInfo><path>/vmfs/volumes/[0-9a-f-]+</path><accessMode>readWrite</accessMode>`},
	{of: "root", path: "permission", want: `<principal>` + regexp.QuoteMeta(vctest.User) + `</principal><group>false</group><roleId>-1</roleId><propagate>true</propagate>`},
}

// inventory starts a server of one kind with a Windows VM that runs, and finds what the table names.
func inventory(t *testing.T, endpoint string) (*vctest.Server, *vctest.Client, map[string]string, func(string, string) string) {
	t.Helper()
	f := fleet.Demo()
	f.Endpoint, f.Clusters[0].Hosts[0].Name = endpoint, "esx-a-1.fleet.example"
	f.VMs = []fleet.VM{{Name: "x", Host: "esx-a-1.fleet.example", Installed: "windows", Username: "u", Password: "p", DiskGB: 20}}
	s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 5000})
	c := s.Login(t)
	objects := map[string]string{"root": "Folder:" + s.W.Content.RootFolder.Value}
	for _, o := range s.W.Reg.AllReference("") {
		r := o.Reference()
		for name, kind := range map[string]string{"vm": "VirtualMachine", "datastore": "Datastore"} {
			if r.Type == kind {
				objects[name] = r.Type + ":" + r.Value
			}
		}
	}
	vm, e := s.W.VM(s.W.Reg.Any("VirtualMachine").Reference())
	if e != nil {
		t.Fatal(e)
	}
	objects["host"] = "HostSystem:" + vm.Runtime.Host.Value
	read := func(of, path string) string {
		return c.MustOn(s.W.Content.PropertyCollector.Value, objects[of], path)[path]
	}
	return s, c, objects, read
}

func TestWhatOperatorsToolsReadIsThere(t *testing.T) {
	vctest.Breaks(t, "vm.shown", "host.shown", "session.permission", "event.declared-alarm")
	for _, endpoint := range []string{"vcenter", "esxi"} {
		s, c, objects, read := inventory(t, endpoint)
		if got := read("vm", "runtime.maxCpuUsage") + read("vm", "runtime.featureRequirement") + read("vm", "guest.disk"); got != "" {
			t.Error("a VM that is off uses", got)
		}
		c.Must("PowerOnVM_Task", objects["vm"], "")
		vctest.Eventually(t, "the address is known", func() bool { return strings.Contains(read("vm", "guest.net"), "<ipAddress>") })
		for _, x := range shown {
			want := x.want
			if endpoint == "esxi" && x.esxi != "" {
				want = x.esxi
			}
			if got := read(x.of, x.path); !regexp.MustCompile("(?s)" + want).MatchString(got) {
				t.Errorf("%s: %s.%s is %q, want %s", endpoint, x.of, x.path, got, want)
			}
		}
		// The same thing is named alike wherever it stands.
		path := regexp.MustCompile(`/vmfs/volumes/[0-9a-f-]+`)
		mounts := path.FindString(read("host", "config.fileSystemVolume.mountInfo"))
		for _, other := range []string{read("datastore", "host"), read("datastore", "summary.url"), read("vm", "config.datastoreUrl")} {
			if path.FindString(other) != mounts {
				t.Error(endpoint, mounts, other)
			}
		}
		if !strings.Contains(read("host", "summary.hardware.otherIdentifyingInfo"), ">"+read("host", "hardware.systemInfo.serialNumber")+"<") {
			t.Error(endpoint, "two serial numbers")
		}
		content := c.Must("RetrieveServiceContent", "ServiceInstance:ServiceInstance", "")
		if !s.W.ESXi && (content.Text("patchLevel") == "" || content.Text("guestCustomizationManager") == "") {
			t.Error(content.Body)
		}
	}
}

// A field that a change leaves out stays as it is (VirtualMachineConfigSpec: unset properties are not changed).
func TestAChangeOfOneFlagLeavesTheOthers(t *testing.T) {
	vctest.Breaks(t, "vm.shown")
	_, c, objects, read := inventory(t, "vcenter")
	for _, spec := range []string{"<flags><diskUuidEnabled>true</diskUuidEnabled></flags>", "<flags><enableLogging>false</enableLogging></flags>",
		"<bootOptions><bootDelay>5000</bootDelay></bootOptions>", "<bootOptions><enterBIOSSetup>true</enterBIOSSetup></bootOptions>",
		"<powerOpInfo><powerOffType>hard</powerOffType></powerOpInfo>", "<powerOpInfo><standbyAction>powerOnSuspend</standbyAction></powerOpInfo>"} {
		c.MustTask("ReconfigVM_Task", objects["vm"], "<spec>"+spec+"</spec>")
	}
	for path, want := range map[string]string{"config.flags": "<enableLogging>false</enableLogging>.*<diskUuidEnabled>true</diskUuidEnabled>",
		"config.bootOptions":     "<bootDelay>5000</bootDelay><enterBIOSSetup>true</enterBIOSSetup>.*<networkBootProtocol>ipv4<",
		"config.defaultPowerOps": "<powerOffType>hard</powerOffType>.*<standbyAction>powerOnSuspend</standbyAction>"} {
		if got := read("vm", path); !regexp.MustCompile(want).MatchString(got) {
			t.Error(path, got)
		}
	}
}

// What disabledMethod names is refused, and what it does not name of the power operations is done.
func TestDisabledMethodsAreRefused(t *testing.T) {
	vctest.Breaks(t, "vm.shown", "host.shown")
	_, c, objects, read := inventory(t, "vcenter")
	listed := func(of string) []string {
		return vctest.Answer{Body: "<x xmlns:xsi=\"a\">" + read(of, "disabledMethod") + "</x>"}.Texts("string")
	}
	refused := func(of, method, inside string) bool {
		a := c.Call(method, objects[of], inside)
		if a.Status != 200 || !strings.HasSuffix(method, "_Task") {
			return a.Status != 200
		}
		return c.Wait("Task:"+a.Text("returnval")).State == "error"
	}
	inside := map[string]string{"MarkAsVirtualMachine": vctest.Ref("pool", "ResourcePool:none"), "AcquireTicket": "<ticketType>webmks</ticketType>",
		"CustomizeVM_Task": `<spec><identity xsi:type="CustomizationIdentitySettings"/><globalIPSettings/></spec>`, "MakePrimaryVM_Task": vctest.Ref("vm", objects["vm"]),
		"DisableSecondaryVM_Task": vctest.Ref("vm", objects["vm"]), "EnableSecondaryVM_Task": vctest.Ref("vm", objects["vm"]), "StartRecording_Task": "<name>x</name>",
		"StartReplaying_Task": vctest.Ref("replaySnapshot", "VirtualMachineSnapshot:none"), "AnswerVM": "<questionId>1</questionId><answerChoice>0</answerChoice>",
		"ExitMaintenanceMode_Task": "<timeout>1</timeout>", "EnterMaintenanceMode_Task": "<timeout>1</timeout>", "PowerUpHostFromStandBy_Task": "<timeoutSec>1</timeoutSec>",
		"ReconfigureHostForDAS_Task": ""}
	for _, state := range []string{"off", "on"} {
		for _, of := range []string{"vm", "host"} {
			for _, method := range listed(of) {
				if !refused(of, method, inside[method]) {
					t.Errorf("%s, VM %s: %s is done", of, state, method)
				}
			}
		}
		for _, method := range []string{"PowerOnVM_Task", "ResetVM_Task", "RebootGuest"} {
			if slices.Contains(listed("vm"), method) == (state == "on") && method != "PowerOnVM_Task" {
				t.Errorf("VM %s: %s is listed: %v", state, method, state == "on")
			}
		}
		if state == "off" {
			c.MustTask("PowerOnVM_Task", objects["vm"], "")
			vctest.Eventually(t, "Tools run", func() bool { return read("vm", "guest.toolsRunningStatus") == "guestToolsRunning" })
		}
	}
	c.MustTask("PowerOffVM_Task", objects["vm"], "")
	c.MustTask("EnterMaintenanceMode_Task", objects["host"], "<timeout>0</timeout>")
	if l := listed("host"); slices.Contains(l, "ExitMaintenanceMode_Task") || !slices.Contains(l, "EnterMaintenanceMode_Task") {
		t.Error(l)
	}
}

// permission is what is set on an entity itself, and the same that RetrieveEntityPermissions answers.
func TestPermissionsAreShownWhereTheyAreSet(t *testing.T) {
	vctest.Breaks(t, "session.permission")
	f := fleet.Demo()
	f.Users = []fleet.User{{Name: "ops@vsphere.local", Password: "p", Role: "ReadOnly", Grants: []fleet.Grant{{Path: "/DC0/vm", Privileges: []string{"VirtualMachine.*"}}}}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Login(t)
	folder := c.Find("DC0/vm")
	own := c.Get(folder, "permission")["permission"]
	if !regexp.MustCompile(`<principal>ops@vsphere.local</principal><group>false</group><roleId>[1-9]\d*</roleId><propagate>true`).MatchString(own) {
		t.Error(own)
	}
	am := "AuthorizationManager:AuthorizationManager"
	role := regexp.MustCompile(`<roleId>(\d+)</roleId>`).FindStringSubmatch(own)[1]
	if roles := c.Get(am, "roleList")["roleList"]; !strings.Contains(roles, "<roleId>"+role+"</roleId>") {
		t.Error(roles)
	}
	ask := func(inherited string) []string {
		return c.Must("RetrieveEntityPermissions", am, vctest.Ref("entity", folder)+"<inherited>"+inherited+"</inherited>").Texts("principal")
	}
	if got := ask("false"); len(got) != 1 || got[0] != "ops@vsphere.local" {
		t.Error(got)
	}
	if got := ask("true"); !slices.Contains(got, vctest.User) {
		t.Error(got)
	}
	if got := c.Get(c.Find("DC0/host"), "permission")["permission"]; got != "" {
		t.Error(got)
	}
}
