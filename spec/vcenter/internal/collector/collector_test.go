package collector_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

const pc = "PropertyCollector:propertyCollector"

func many(n int) *fleet.Fleet {
	f := fleet.Demo()
	f.Clusters = []fleet.Cluster{{Name: "big", Count: n, Hosts: []fleet.Host{{Name: "esx-{n:03}", Cards: []fleet.Device{fleet.A100("0000:3b:00.0")}}}}}
	return f
}

func spec(kind, paths, obj string) string {
	set := ""
	for _, p := range strings.Fields(paths) {
		set += "<pathSet>" + p + "</pathSet>"
	}
	return "<propSet><type>" + kind + "</type>" + set + "</propSet><objectSet>" + vctest.Ref("obj", obj) + "</objectSet>"
}

const viewSelect = `<skip>true</skip><selectSet xsi:type="TraversalSpec"><type>ContainerView</type><path>view</path><skip>false</skip></selectSet>`

func viewSpec(kind, path, view string) string {
	return "<propSet><type>" + kind + "</type><pathSet>" + path + "</pathSet></propSet><objectSet>" + vctest.Ref("obj", view) + viewSelect + "</objectSet>"
}

func hostView(c *vctest.Client) string {
	a := c.Must("CreateContainerView", "ViewManager:ViewManager", vctest.Ref("container", "Folder:group-d1")+"<type>HostSystem</type><recursive>true</recursive>")
	return "ContainerView:" + a.Text("returnval")
}

func TestPagesOfTheServersOwnSize(t *testing.T) {
	vctest.Breaks(t, "collector.paging")
	s := vctest.Start(t, vcenter.Options{Fleet: many(10), Page: 3})
	c, other := s.Login(t), s.Login(t)
	view := hostView(c)
	a := c.Must("RetrievePropertiesEx", pc, "<specSet>"+viewSpec("HostSystem", "name", view)+"</specSet><options><maxObjects>100</maxObjects></options>")
	names := a.Texts("val")
	sizes := []string{strconv.Itoa(len(names))}
	for token := a.Text("token"); token != ""; {
		other.Refused(other.Call("ContinueRetrievePropertiesEx", pc, "<token>"+token+"</token>"), "InvalidProperty", "token")
		a = c.Must("ContinueRetrievePropertiesEx", pc, "<token>"+token+"</token>")
		c.Refused(c.Call("ContinueRetrievePropertiesEx", pc, "<token>"+token+"</token>"), "InvalidProperty", "token")
		token = a.Text("token")
		sizes = append(sizes, strconv.Itoa(len(a.Texts("val"))))
		names = append(names, a.Texts("val")...)
	}
	if strings.Join(sizes, " ") != "3 3 3 1" || len(names) != 10 || names[9] != "esx-010" {
		t.Fatal(sizes, names)
	}
	a = c.Must("RetrievePropertiesEx", pc, "<specSet>"+viewSpec("HostSystem", "name", view)+"</specSet><options><maxObjects>2</maxObjects></options>")
	if len(a.Texts("val")) != 2 {
		t.Fatal("maxObjects below the server's page")
	}
	c.Must("CancelRetrievePropertiesEx", pc, "<token>"+a.Text("token")+"</token>")
	c.Refused(c.Call("ContinueRetrievePropertiesEx", pc, "<token>"+a.Text("token")+"</token>"), "InvalidProperty")
	if n := s.Control(t, "GET", "/sessions", nil)["tokens"]; n != 0.0 {
		t.Fatal("tokens left: ", n)
	}
}

func TestInvalidPropertyFaultsTheWholeCall(t *testing.T) {
	vctest.Breaks(t, "collector.invalid-property")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	get := func(kind, paths string) vctest.Answer {
		return c.Call("RetrievePropertiesEx", pc, "<specSet>"+spec(kind, paths, host)+"</specSet><options/>")
	}
	for _, bad := range []string{"nonsense", "summary.nonsense", "runtime.bootTime.year", "name.x", "config.option.key", "summary..hardware", "name[1]", "parent.name", "parent[1]",
		"hardware.pciDevice.id", "summary.hardware[1].vendor", "Name", "config.network.vnic[\"a\"", ".name", "name."} {
		c.Refused(get("HostSystem", "name "+bad), "InvalidProperty", bad)
	}
	c.Refused(get("NoSuchType", "name"), "InvalidArgument", "type")
	a := get("HostSystem", "name summary.hardware.memorySize configManager.pciPassthruSystem runtime.bootTime")
	if a.Status != 200 || len(a.Texts("val")) != 4 {
		t.Fatal(a.Body)
	}
	if a := get("ManagedEntity", "name"); a.Text("val") != "esx-a-1" {
		t.Fatal("a property spec of a base type: ", a.Body)
	}
	c.Refused(c.Call("RetrievePropertiesEx", pc, "<specSet>"+spec("HostSystem", "name", "HostSystem:host-0")+"</specSet><options/>"), "ManagedObjectNotFound")
}

func TestKeyedPaths(t *testing.T) {
	vctest.Breaks(t, "collector.index")
	f := fleet.Demo()
	f.VMs = []fleet.VM{{Name: "v", Cluster: "gpu-a", ExtraConfig: map[string]string{"a.b": "c"}}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Login(t)
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	got := c.Get(host, `hardware.pciDevice["0000:3b:00.0"].deviceName`, `hardware.pciDevice["0000:3b:00.9"].deviceName`)
	if len(got) != 1 || got[`hardware.pciDevice["0000:3b:00.0"].deviceName`] != "GA100 [A100 PCIe 80GB]" {
		t.Fatal(got)
	}
	vm := c.Find("DC0/vm/v")
	for path, want := range map[string]string{
		`config.hardware.device[200].busNumber`: "0", `config.hardware.device[201].deviceInfo.label`: "IDE 1", `config.hardware.device[9].key`: "",
		`config.extraConfig["a.b"].value`: "c", `config.extraConfig["a"].value`: "", `config.hardware.device[200].macAddress`: "",
	} {
		if got := c.Get(vm, path)[path]; got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for _, path := range []string{`config.hardware.device["200"]`, `config.hardware.device["200"].busNumber`, `config.hardware.device[200`, `config.hardware[200]`,
		`config.hardware.device[200].nonsense`, `config.extraConfig[a.b]`, `config.extraConfig[a.b].value`, `config["a.b"]`, `config.extraConfig["a.b]`, `config.hardware.device[200"]`} {
		c.Refused(c.Call("RetrievePropertiesEx", "PropertyCollector:propertyCollector", "<specSet><propSet><type>VirtualMachine</type><pathSet>"+
			strings.ReplaceAll(path, `"`, "&quot;")+"</pathSet></propSet><objectSet>"+vctest.Ref("obj", vm)+"</objectSet></specSet><options/>"), "InvalidProperty")
	}
	if whole := c.Get(vm, `config.hardware.device[200]`)[`config.hardware.device[200]`]; !strings.HasPrefix(whole, "<key>200</key>") {
		t.Error("a keyed element comes as itself: ", whole)
	}
	if list := c.Get(vm, "config.hardware.device")["config.hardware.device"]; !strings.HasPrefix(list, "<VirtualDevice xsi:type=") {
		t.Error("a list comes as ArrayOfVirtualDevice: ", list)
	}
}

func TestTraversalByNames(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	sel := func(name, kind, path string, next ...string) string {
		in := ""
		for _, n := range next {
			in += "<selectSet><name>" + n + "</name></selectSet>"
		}
		return `<selectSet xsi:type="TraversalSpec"><name>` + name + `</name><type>` + kind + `</type><path>` + path + `</path><skip>false</skip>` + in + `</selectSet>`
	}
	walk := func(last string) string {
		return "<specSet><propSet><type>HostSystem</type><pathSet>name</pathSet></propSet><propSet><type>ManagedEntity</type><pathSet>parent</pathSet></propSet><objectSet>" +
			vctest.Ref("obj", "Folder:group-d1") + "<skip>false</skip>" + sel("f", "Folder", "childEntity", "f", "d", last) + sel("d", "Datacenter", "hostFolder", "f") +
			sel("c", "ComputeResource", "host") + "</objectSet></specSet><options/>"
	}
	c.Refused(c.Call("RetrievePropertiesEx", pc, walk("zz")), "InvalidArgument", "selectSet")
	a := c.Must("RetrievePropertiesEx", pc, walk("c"))
	if n := strings.Count(a.Body, "<name>name</name>"); n != 2 {
		t.Fatalf("%d hosts found: %s", n, a.Body)
	}
	if !strings.Contains(a.Body, `<obj type="Datacenter">`) || !strings.Contains(a.Body, `<obj type="ClusterComputeResource">`) {
		t.Fatal("the objects in between are missing: ", a.Body)
	}
}

// "the set of properties applicable to a given managed object type is the union of the properties implied by the
// PropertySpec objects" (vSphere API reference, PropertySpec); govc asks for ManagedEntity and VirtualMachine together.
func TestPropertySetsOfBaseAndTypeAreMerged(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	a := c.Must("RetrievePropertiesEx", pc, "<specSet><propSet><type>ManagedEntity</type><pathSet>name</pathSet><pathSet>parent</pathSet></propSet>"+
		"<propSet><type>HostSystem</type><pathSet>runtime.connectionState</pathSet><pathSet>name</pathSet></propSet>"+
		"<objectSet>"+vctest.Ref("obj", host)+"</objectSet></specSet><options/>")
	for _, name := range []string{"name", "parent", "runtime.connectionState"} {
		if n := strings.Count(a.Body, "<name>"+name+"</name>"); n != 1 {
			t.Errorf("%s is there %d times: %s", name, n, a.Body)
		}
	}
}

func filter(c *vctest.Client, spec string, partial bool) string {
	a := c.Must("CreateFilter", pc, "<spec>"+spec+"</spec><partialUpdates>"+strconv.FormatBool(partial)+"</partialUpdates>")
	return "PropertyFilter:" + a.Text("returnval")
}

func wait(c *vctest.Client, version string, seconds int) vctest.Answer {
	return c.Call("WaitForUpdatesEx", pc, fmt.Sprintf("<version>%s</version><options><maxWaitSeconds>%d</maxWaitSeconds></options>", version, seconds))
}

func TestVersionsAreEnforced(t *testing.T) {
	vctest.Breaks(t, "collector.version")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	filter(c, spec("HostSystem", "summary.rebootRequired", host), false)
	c.Refused(wait(c, "7", 0), "InvalidCollectorVersion")
	c.Refused(wait(c, "-", 0), "InvalidCollectorVersion")
	a := wait(c, "", 0)
	if a.Text("kind") != "enter" || a.Text("version") != "1" {
		t.Fatal(a.Body)
	}
	if b := wait(c, "1", 0); strings.Contains(b.Body, "returnval") {
		t.Fatal("nothing happened, yet: ", b.Body)
	}
	sys := "HostPciPassthruSystem:" + c.Get(host, "configManager.pciPassthruSystem")["configManager.pciPassthruSystem"]
	c.Must("UpdatePassthruConfig", sys, "<config><id>0000:3b:00.0</id><passthruEnabled>true</passthruEnabled></config>")
	b := wait(c, "1", 5)
	if b.Text("version") != "2" || b.Text("kind") != "modify" || b.Text("val") != "true" {
		t.Fatal(b.Body)
	}
	if again := wait(c, "1", 5); again.Body != b.Body {
		t.Fatal("a lost answer must be available again: ", again.Body)
	}
	c.Must("UpdatePassthruConfig", sys, "<config><id>0000:3b:00.0</id><passthruEnabled>false</passthruEnabled></config>")
	if d := wait(c, "2", 5); d.Text("version") != "3" || d.Text("val") != "false" {
		t.Fatal(d.Body)
	}
	c.Refused(wait(c, "4", 0), "InvalidCollectorVersion")
	c.Refused(wait(c, "03", 0), "InvalidCollectorVersion")
	if e := wait(c, "1", 0); e.Text("version") != "4" || e.Text("kind") != "modify" || e.Text("val") != "false" {
		t.Fatal("an older version: ", e.Body)
	}
	if e := wait(c, "", 0); e.Text("kind") != "enter" {
		t.Fatal("the empty version starts again: ", e.Body)
	}
	c.Refused(wait(c, "1", 0), "InvalidCollectorVersion")
}

// What an older version gets: the objects that entered since, those that left since (if it had
// them), what changed since, once each and as it is now, and nothing else.
func TestAnOlderVersionGetsAllChangesSince(t *testing.T) {
	vctest.Breaks(t, "collector.version")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	root := c.Find("DC0/vm")
	view := "ContainerView:" + c.Must("CreateContainerView", "ViewManager:ViewManager", vctest.Ref("container", root)+"<type>Folder</type><recursive>true</recursive>").Text("returnval")
	make := func(name string) string {
		return "Folder:" + c.Must("CreateFolder", root, "<name>"+name+"</name>").Text("returnval")
	}
	rename := func(ref, name string) { c.MustTask("Rename_Task", ref, "<newName>"+name+"</newName>") }
	gone := func(ref string) { c.MustTask("Destroy_Task", ref, "") }
	version := ""
	next := func() string {
		a := wait(c, version, 5)
		if version = a.Text("version"); version == "" {
			t.Fatal(a.Body)
		}
		return version
	}
	stays, leaves, changes := make("stays"), make("leaves"), make("changes")
	filter(c, viewSpec("Folder", "name", view), true)
	old := next()
	come := make("come")
	next()
	brief := make("brief")
	next()
	rename(changes, "first")
	next()
	rename(changes, "second")
	next()
	gone(leaves)
	next()
	gone(brief)
	next()
	a := wait(c, old, 5)
	got := map[string]string{}
	for _, o := range a.Texts("objectSet") {
		for _, ref := range []string{stays, leaves, changes, come, brief} {
			if _, id, _ := strings.Cut(ref, ":"); strings.Contains(o, id) && !strings.Contains(o, id+"0") {
				got[ref] += o
			}
		}
	}
	short := func(ref string) string { _, id, _ := strings.Cut(ref, ":"); return id }
	want := map[string]string{leaves: "leave" + short(leaves), changes: "modify" + short(changes) + "nameassignsecond", come: "enter" + short(come) + "nameassigncome"}
	if len(got) != len(want) || len(a.Texts("objectSet")) != 3 {
		t.Fatal(got, a.Body)
	}
	for ref, w := range want {
		if got[ref] != w {
			t.Errorf("%s: %s, want %s", ref, got[ref], w)
		}
	}
	if b := wait(c, a.Text("version"), 0); strings.Contains(b.Body, "returnval") {
		t.Errorf("reported twice: %s", b.Body)
	}
}

func TestMissingObjects(t *testing.T) {
	vctest.Breaks(t, "collector.missing-object")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	root := c.Find("DC0/vm")
	both := func(more string) string {
		return "<propSet><type>Folder</type><pathSet>name</pathSet></propSet><objectSet>" + vctest.Ref("obj", "Folder:group-999") + "</objectSet><objectSet>" + vctest.Ref("obj", root) + "</objectSet>" + more
	}
	const tolerant, strict = "<reportMissingObjectsInResults>true</reportMissingObjectsInResults>", "<reportMissingObjectsInResults>false</reportMissingObjectsInResults>"
	for _, more := range []string{"", strict} {
		c.Refused(c.Call("RetrievePropertiesEx", pc, "<specSet>"+both(more)+"</specSet><options/>"), "ManagedObjectNotFound", "group-999")
		c.Refused(c.Call("CreateFilter", pc, "<spec>"+both(more)+"</spec><partialUpdates>false</partialUpdates>"), "ManagedObjectNotFound", "group-999")
	}
	if a := c.Must("RetrievePropertiesEx", pc, "<specSet>"+both(tolerant)+"</specSet><options/>"); len(a.Texts("objects")) != 1 || strings.Contains(a.Body, "group-999") {
		t.Error(a.Body)
	}
	filter(c, both(tolerant), false)
	a := wait(c, "", 0)
	if m := a.Texts("missingSet"); len(m) != 1 || !strings.HasPrefix(m[0], "group-999") || !strings.Contains(a.Body, `<fault xsi:type="ManagedObjectNotFound">`) || len(a.Texts("objectSet")) != 1 {
		t.Error(a.Body)
	}
	if b := wait(c, a.Text("version"), 0); strings.Contains(b.Body, "returnval") {
		t.Errorf("reported twice: %s", b.Body)
	}
}

// The older methods have no truncated sets.
func TestWholeSets(t *testing.T) {
	vctest.Breaks(t, "collector.whole")
	s := vctest.Start(t, vcenter.Options{Fleet: many(7), MaxUpdates: 3})
	c := s.Login(t)
	filter(c, viewSpec("HostSystem", "name", hostView(c)), false)
	for _, method := range []string{"CheckForUpdates", "WaitForUpdates"} {
		if a := c.Must(method, pc, "<version></version>"); len(a.Texts("objectSet")) != 7 || a.Text("truncated") == "true" {
			t.Errorf("%s: %d objects, %s", method, len(a.Texts("objectSet")), a.Text("truncated"))
		}
	}
}

func TestTimeoutAnswersWithoutReturnval(t *testing.T) {
	vctest.Breaks(t, "collector.timeout")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	filter(c, spec("Folder", "name", "Folder:group-d1"), false)
	wait(c, "", 0)
	start := time.Now()
	a := wait(c, "1", 1)
	if a.Status != 200 || strings.Contains(a.Body, "returnval") || time.Since(start) < time.Second {
		t.Fatal(a.Body, time.Since(start))
	}
}

func TestTruncatedUpdates(t *testing.T) {
	vctest.Breaks(t, "collector.truncated")
	s := vctest.Start(t, vcenter.Options{Fleet: many(7), MaxUpdates: 3})
	c := s.Login(t)
	filter(c, viewSpec("HostSystem", "name", hostView(c)), false)
	version, sizes := "", []string{}
	for {
		a := wait(c, version, 0)
		version = a.Text("version")
		sizes = append(sizes, fmt.Sprint(len(a.Texts("objectSet")), a.Text("truncated")))
		if a.Text("truncated") != "true" {
			break
		}
	}
	if strings.Join(sizes, ",") != "3true,3true,1" {
		t.Fatal(sizes)
	}
	a := c.Must("WaitForUpdatesEx", pc, "<version></version><options><maxWaitSeconds>0</maxWaitSeconds><maxObjectUpdates>2</maxObjectUpdates></options>")
	if len(a.Texts("objectSet")) != 2 {
		t.Fatal(a.Body)
	}
}

// The answer to a truncated version was lost: that version is not taken again, but the
// empty one starts again; the last version, which was not truncated, is.
func TestATruncatedVersionIsTakenOnce(t *testing.T) {
	vctest.Breaks(t, "collector.truncated-once")
	s := vctest.Start(t, vcenter.Options{Fleet: many(7), MaxUpdates: 3})
	c := s.Login(t)
	filter(c, viewSpec("HostSystem", "name", hostView(c)), false)
	one := wait(c, "", 0).Text("version")
	two := wait(c, one, 0).Text("version")
	c.Refused(wait(c, one, 0), "InvalidCollectorVersion")
	if three := wait(c, two, 0); three.Text("truncated") == "true" || len(three.Texts("objectSet")) != 1 {
		t.Fatal("the refusal changed nothing: ", three.Body)
	}
	c.Refused(wait(c, two, 0), "InvalidCollectorVersion")
	if a := wait(c, "", 0); len(a.Texts("objectSet")) != 3 || a.Text("kind") != "enter" {
		t.Fatal(a.Body)
	}
}

func TestPartialUpdatesNameTheNestedProperty(t *testing.T) {
	vctest.Breaks(t, "collector.partial")
	for _, partial := range []bool{true, false} {
		s := vctest.Start(t, vcenter.Options{})
		c := s.Login(t)
		host := c.Find("DC0/host/gpu-a/esx-a-1")
		filter(c, spec("HostSystem", "runtime", host), partial)
		version := wait(c, "", 0).Text("version")
		c.MustTask("EnterMaintenanceMode_Task", host, "<timeout>0</timeout>")
		a := wait(c, version, 5)
		want := "runtime"
		if partial {
			want = "runtime.inMaintenanceMode"
		}
		if a.Text("name") != want {
			t.Fatal(partial, a.Body)
		}
		c.MustTask("ExitMaintenanceMode_Task", host, "<timeout>0</timeout>")
		if b := wait(c, a.Text("version"), 5); b.Text("name") != want {
			t.Fatal("the second change: ", partial, b.Body)
		}
	}
}

func TestTaskStatesArriveInOrder(t *testing.T) {
	vctest.Breaks(t, "task.queued")
	s := vctest.Start(t, vcenter.Options{Speed: 20})
	c := s.Login(t)
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	task := c.Start("EnterMaintenanceMode_Task", host, "<timeout>0</timeout>")
	filter(c, spec("Task", "info.state info.progress", task), false)
	version, states, progress := "", "", 0
	for !strings.HasSuffix(states, "success ") {
		a := wait(c, version, 5)
		if a.Status != 200 || a.Text("version") == "" {
			t.Fatal(a.Body, states)
		}
		version = a.Text("version")
		for i, n := range a.Texts("name") {
			v := ""
			if vals := a.Texts("val"); i < len(vals) {
				v = vals[i]
			}
			if n == "info.state" {
				states += v + " "
			} else if p, _ := strconv.Atoi(v); p > 0 {
				if p < progress {
					t.Fatal("progress went back")
				}
				progress = p
			}
		}
	}
	if states != "queued running success " || progress < 50 {
		t.Fatal(states, progress)
	}
}

func TestCancelAndDisconnect(t *testing.T) {
	vctest.Breaks(t, "collector.cancel")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	second := s.Client(t)
	second.Cookie = c.Cookie
	filter(c, spec("Folder", "name", "Folder:group-d1"), false)
	wait(c, "", 0)
	waiting := func() float64 { return s.Control(t, "GET", "/sessions", nil)["waiting"].(float64) }
	done := make(chan vctest.Answer, 1)
	go func() { done <- wait(second, "1", 60) }()
	vctest.Eventually(t, "waiting", func() bool { return waiting() == 1 })
	c.Must("CancelWaitForUpdates", pc, "")
	c.Refused(<-done, "RequestCanceled")
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		done <- second.Post(ctx, vctest.Envelope(`<soapenv:Body><WaitForUpdatesEx xmlns="urn:vim25">`+vctest.Ref("_this", pc)+`<version>1</version></WaitForUpdatesEx></soapenv:Body>`), "urn:vim25/8.0.3.0")
	}()
	vctest.Eventually(t, "waiting", func() bool { return waiting() == 1 })
	cancel()
	<-done
	vctest.Eventually(t, "the disconnect is noticed", func() bool { return waiting() == 0 })
}

func TestFiltersAndViewsOfASession(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c, other := s.Login(t), s.Login(t)
	count := func(what string) float64 { return s.Control(t, "GET", "/sessions", nil)[what].(float64) }
	view := hostView(c)
	f := filter(c, viewSpec("HostSystem", "name", view), false)
	own := "PropertyCollector:" + c.Must("CreatePropertyCollector", pc, "").Text("returnval")
	if count("filters") != 1 || count("views") != 1 {
		t.Fatal(count("filters"), count("views"))
	}
	other.Refused(other.Call("DestroyView", view, ""), "ManagedObjectNotFound")
	other.Refused(other.Call("DestroyPropertyFilter", f, ""), "ManagedObjectNotFound")
	other.Refused(other.Call("DestroyPropertyCollector", own, ""), "ManagedObjectNotFound")
	c.Refused(c.Call("DestroyPropertyCollector", pc, ""), "NotSupported")
	c.Must("DestroyPropertyFilter", f, "")
	c.Refused(c.Call("DestroyPropertyFilter", f, ""), "ManagedObjectNotFound")
	c.Must("DestroyPropertyCollector", own, "")
	if count("filters") != 0 {
		t.Fatal("filter left")
	}
	filter(c, viewSpec("HostSystem", "name", view), false)
	c.Must("Logout", "SessionManager:SessionManager", "")
	if count("filters") != 0 || count("views") != 0 {
		t.Fatal("logout leaves filters or views")
	}
}

func TestListViewMembersComeAndGo(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	a, b := c.Find("DC0/host/gpu-a/esx-a-1"), c.Find("DC0/host/gpu-b/esx-b-1")
	view := "ListView:" + c.Must("CreateListView", "ViewManager:ViewManager", vctest.Ref("obj", a)).Text("returnval")
	filter(c, strings.ReplaceAll(viewSpec("HostSystem", "name", view), "ContainerView", "ListView"), false)
	one := wait(c, "", 0)
	if got := one.Texts("val"); len(got) != 1 || got[0] != "esx-a-1" {
		t.Fatal(one.Body)
	}
	c.Must("ModifyListView", view, vctest.Ref("add", b)+vctest.Ref("remove", a))
	two := wait(c, one.Text("version"), 5)
	kinds := strings.Join(two.Texts("kind"), " ")
	if kinds != "enter leave" && kinds != "leave enter" {
		t.Fatal(two.Body)
	}
	c.Refused(c.Call("CreateContainerView", "ViewManager:ViewManager", vctest.Ref("container", "Folder:group-d1")+"<type>Nonsense</type><recursive>true</recursive>"), "InvalidArgument", "type")
}

func TestListsOfTheInventoryFollow(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	host, folder := c.Find("DC0/host/gpu-a/esx-a-1"), c.Find("DC0/vm")
	pool := "ResourcePool:" + c.Get(c.Find("DC0/host/gpu-a"), "resourcePool")["resourcePool"]
	filter(c, spec("HostSystem", "vm", host), false)
	filter(c, spec("Folder", "childEntity", folder), false)
	filter(c, spec("ResourcePool", "vm", pool), false)
	version := wait(c, "", 0).Text("version")
	collect := func(until string) {
		t.Helper()
		seen := ""
		for i := 0; i < 20; i++ {
			a := wait(c, version, 2)
			if v := a.Text("version"); v != "" {
				version = v
			}
			for _, kind := range []string{"HostSystem", "Folder", "ResourcePool"} {
				if strings.Contains(a.Body, `<obj type="`+kind+`">`) && !strings.Contains(seen, kind) {
					seen += kind + " "
				}
			}
			if len(strings.Fields(seen)) == 3 {
				return
			}
		}
		t.Fatal(until, ": only reported ", seen)
	}
	c.MustTask("CreateVM_Task", folder, "<config><name>x</name><guestId>otherGuest64</guestId><files><vmPathName>[ds-1]</vmPathName></files></config>"+
		vctest.Ref("pool", pool)+vctest.Ref("host", host))
	collect("created")
	c.MustTask("Destroy_Task", c.Find("DC0/vm/x"), "")
	collect("destroyed")
}

func TestAThousandTasksInOneFilter(t *testing.T) {
	const n = 1000
	f := many(n)
	f.Clusters[0].Hosts[0].Devices = []fleet.Device{}
	s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 400})
	c := s.Login(t)
	hosts := s.W.Reg.All("HostSystem")
	view := "ListView:" + c.Must("CreateListView", "ViewManager:ViewManager", "").Text("returnval")
	filter(c, strings.ReplaceAll(viewSpec("Task", "info.state", view), "ContainerView", "ListView"), false)
	start := time.Now()
	add := ""
	for _, h := range hosts {
		add += vctest.Ref("add", c.Start("EnterMaintenanceMode_Task", "HostSystem:"+h.Reference().Value, "<timeout>0</timeout>"))
	}
	c.Must("ModifyListView", view, add)
	done, version, calls := 0, "", 0
	for done < n && time.Since(start) < 20*time.Second {
		a := wait(c, version, 5)
		calls++
		if v := a.Text("version"); v != "" {
			version = v
		}
		done += strings.Count(a.Body, ">success<")
	}
	if done != n {
		t.Fatalf("%d of %d tasks after %s", done, n, time.Since(start))
	}
	t.Logf("%d tasks in %s, %d waits", n, time.Since(start), calls)
}
