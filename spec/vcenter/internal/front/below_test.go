package front_test

import (
	"context"
	"net/url"
	"reflect"
	"sort"
	"strings"
	"testing"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
	"gpupt.test/vcenter/internal/wire"
)

// filled are the properties, and the fields of these to a depth, that have a value in some object of a type.
func filled(t *testing.T, u *url.URL, refs []mo.Reference) map[string]bool {
	t.Helper()
	ctx := context.Background()
	c, err := govmomi.NewClient(ctx, u, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Logout(ctx) }()
	out := map[string]bool{}
	for _, o := range refs {
		ref := o.Reference()
		if !wire.IsManaged(ref.Type) || strings.HasPrefix(ref.Type, "Property") || ref.Type == "Task" {
			continue
		}
		all := true
		res, err := methods.RetrievePropertiesEx(ctx, c, &types.RetrievePropertiesEx{This: c.ServiceContent.PropertyCollector, SpecSet: []types.PropertyFilterSpec{{
			PropSet: []types.PropertySpec{{Type: ref.Type, All: &all}}, ObjectSet: []types.ObjectSpec{{Obj: ref}}}}})
		if err != nil || res.Returnval == nil {
			continue
		}
		for _, p := range res.Returnval.Objects[0].PropSet {
			fields(ref.Type+"."+p.Name, reflect.ValueOf(p.Val), 3, out)
		}
	}
	return out
}

func fields(path string, v reflect.Value, depth int, out map[string]bool) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			fields(path, v.Index(i), depth, out)
		}
		return
	case reflect.Struct:
		if strings.HasPrefix(v.Type().Name(), "ArrayOf") {
			fields(path, v.Field(0), depth, out)
			return
		}
	}
	if v.IsZero() {
		return
	}
	out[path] = true
	if v.Kind() != reflect.Struct || depth == 0 || v.Type() == reflect.TypeOf(types.ManagedObjectReference{}) || !strings.HasSuffix(v.Type().PkgPath(), "vim25/types") {
		return
	}
	info := wire.Of(v.Type())
	for i := range info.Fields {
		fields(path+"."+info.Fields[i].Name, v.FieldByIndex(info.Fields[i].Index), depth-1, out)
	}
}

// left are what the simulator fills and this server does not, by their paths, each with its reason.
var left = map[string]string{
	"TaskManager.recentTask":                               "the tasks of the simulator's set-up",
	"VirtualMachine.recentTask":                            "the tasks of the simulator's set-up",
	"ClusterComputeResource.recentTask":                    "the tasks of the simulator's set-up",
	"Folder.recentTask":                                    "the tasks of the simulator's set-up",
	"CustomizationSpecManager.info":                        "specifications that the simulator comes with; a fleet has none",
	"Datastore.info.path":                                  "of a local datastore; these are VMFS",
	"HostSystem.config.cacheConfigurationInfo":             "names a datastore that is nowhere",
	"HostSystem.config.network.dnsConfig.dhcp":             "false: the names are set by hand",
	"HostSystem.config.network.dnsConfig.virtualNicDevice": "goes with DHCP",
	"HostSystem.config.optionDef":                          "the simulator's own option, without its type",
	"VirtualMachine.config.extraConfig":                    "the simulator's own keys",
	"VirtualMachine.config.hardware.device.slotInfo":       "the slot is not modelled",
}

// lack compares what both fill.
func lack(t *testing.T, theirs, ours map[string]bool) {
	t.Helper()
	var lacking []string
	for path := range theirs {
		if ours[path] {
			continue
		}
		if up := path[:strings.LastIndexByte(path, '.')]; strings.Contains(up, ".") && theirs[up] && !ours[up] {
			continue // its parent is listed
		}
		lacking = append(lacking, path)
	}
	sort.Strings(lacking)
	for _, path := range lacking {
		if left[path] == "" {
			t.Errorf("lacking: %s", path)
		}
	}
}

// The same at a host of its own.
func TestNothingIsLackingThatTheSimulatorsHostHas(t *testing.T) {
	m := simulator.ESX()
	defer m.Remove()
	if err := m.Create(); err != nil {
		t.Fatal(err)
	}
	below := m.Service.NewServer()
	defer below.Close()
	theirs := filled(t, below.URL, m.Map().AllReference(""))

	f := fleet.Demo()
	f.Endpoint, f.Networks = "esxi", []string{"VM Network"}
	f.VMs = []fleet.VM{{Name: "x", Host: "esx-a-1", Installed: "ubuntu", Username: "u", Password: "p", DiskGB: 1, Power: "poweredOn"}}
	s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 2000})
	c := s.Login(t)
	collector, vm := s.W.Content.PropertyCollector.Value, "VirtualMachine:"+s.W.Reg.Any("VirtualMachine").Reference().Value
	vctest.Eventually(t, "the guest has an address", func() bool { return c.MustOn(collector, vm, "guest.ipAddress")["guest.ipAddress"] != "" })
	u, err := url.Parse(s.URL + "/sdk")
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(vctest.User, vctest.Password)
	lack(t, theirs, filled(t, u, s.W.Reg.AllReference("")))
	if len(theirs) < 400 {
		t.Fatal(len(theirs))
	}
}

// Whatever govmomi's simulator fills in its objects has a value here as well: what clients read there, they find here.
func TestNothingIsLackingThatTheSimulatorHas(t *testing.T) {
	m := simulator.VPX()
	m.Portgroup = 0 // without distributed switches, as the fleet
	defer m.Remove()
	if err := m.Create(); err != nil {
		t.Fatal(err)
	}
	below := m.Service.NewServer()
	defer below.Close()
	theirs := filled(t, below.URL, m.Map().AllReference(""))

	f := fleet.Demo()
	f.Clusters = append(f.Clusters, fleet.Cluster{Hosts: []fleet.Host{{Name: "esx-alone"}}})
	f.VMs = []fleet.VM{{Name: "x", Host: "esx-a-1", Installed: "ubuntu", Username: "u", Password: "p", DiskGB: 1}}
	s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 2000})
	c := s.Login(t)
	vm := c.Find("DC0/vm/x")
	network := c.Find("DC0/network/VM Network")
	c.MustTask("ReconfigVM_Task", vm, `<spec><deviceChange><operation>add</operation><device xsi:type="VirtualVmxnet3"><key>-1</key>`+
		`<backing xsi:type="VirtualEthernetCardNetworkBackingInfo"><deviceName>VM Network</deviceName>`+vctest.Ref("network", network)+`</backing></device></deviceChange></spec>`)
	c.MustTask("PowerOnVM_Task", vm, "")
	vctest.Eventually(t, "Tools run", func() bool {
		return c.Get(vm, "guest.toolsRunningStatus")["guest.toolsRunningStatus"] == "guestToolsRunning"
	})
	u, err := url.Parse(s.URL + "/sdk")
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(vctest.User, vctest.Password)
	ours := filled(t, u, s.W.Reg.AllReference(""))

	lack(t, theirs, ours)
	if len(theirs) < 500 {
		t.Fatal(len(theirs))
	}
}
