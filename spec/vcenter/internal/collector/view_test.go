package collector_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

const views = "ViewManager:ViewManager"

func viewOf(c *vctest.Client, ref string) []string {
	return vctest.Answer{Body: "<x>" + c.Get(ref, "view")["view"] + "</x>"}.Texts("ManagedObjectReference")
}

func value(ref string) string { _, v, _ := strings.Cut(ref, ":"); return v }

func TestInventoryView(t *testing.T) {
	vctest.Breaks(t, "collector.inventory-view")
	s := vctest.Start(t, vcenter.Options{})
	c, other := s.Login(t), s.Login(t)
	view := "InventoryView:" + c.Must("CreateInventoryView", views, "").Text("returnval")
	if got := viewOf(c, view); len(got) != 1 || got[0] != "group-d1" {
		t.Fatal("it begins with the root folder: ", got)
	}
	folder, cluster, host := c.Find("DC0/host"), c.Find("DC0/host/gpu-a"), c.Find("DC0/host/gpu-a/esx-a-1")
	open := func(list ...string) string {
		out := ""
		for _, e := range list {
			out += vctest.Ref("entity", e)
		}
		return out
	}
	filter(c, strings.ReplaceAll(viewSpec("ManagedEntity", "name", view), "ContainerView", "InventoryView"), false)
	version := wait(c, "", 0).Text("version")
	a := c.Must("OpenInventoryViewFolder", view, open(cluster, "HostSystem:host-0"))
	if a.Texts("returnval")[0] != "host-0" || len(a.Texts("returnval")) != 1 {
		t.Fatal("what is not an entity is returned: ", a.Body)
	}
	got := viewOf(c, view)
	for _, want := range []string{folder, cluster, host, c.Find("DC0")} {
		if !slices.Contains(got, value(want)) {
			t.Errorf("%s is not in the view: %v", want, got)
		}
	}
	b := wait(c, version, 5)
	if !strings.Contains(b.Body, "esx-a-1") || strings.Contains(b.Body, "esx-b-1") || b.Text("kind") != "enter" {
		t.Fatal("what came in is an update: ", b.Body)
	}
	c.Must("CloseInventoryViewFolder", view, open(folder))
	if got := viewOf(c, view); slices.Contains(got, value(cluster)) || slices.Contains(got, value(host)) || !slices.Contains(got, value(folder)) {
		t.Fatal("closing removes everything below: ", got)
	}
	if d := wait(c, b.Text("version"), 5); !strings.Contains(d.Body, "<kind>leave</kind>") {
		t.Fatal(d.Body)
	}
	c.Must("OpenInventoryViewFolder", view, open(folder))
	if got := viewOf(c, view); !slices.Contains(got, value(cluster)) || slices.Contains(got, value(host)) {
		t.Fatal("opened again, what is below is closed: ", got)
	}
	other.Refused(other.Call("OpenInventoryViewFolder", view, open(folder)), "ManagedObjectNotFound")
	c.Refused(c.Call("ModifyListView", view, ""), "MethodNotFound")
}

// An object that no longer exists leaves the filter over a ListView, as if it had been removed; to remove it then is no
// fault, and to add it gives it back as unresolved. An object that is added reports all of its values, one that is in the
// list already nothing.
func TestListViewOfWhatIsGone(t *testing.T) {
	f := fleet.Demo()
	f.VMs = []fleet.VM{{Name: "v-{n}", Count: 2}}
	s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 400})
	c := s.Login(t)
	one, two := c.Find("DC0/vm/v-1"), c.Find("DC0/vm/v-2")
	list := "ListView:" + c.Must("CreateListView", views, "").Text("returnval")
	filter(c, strings.ReplaceAll(viewSpec("VirtualMachine", "name", list), "ContainerView", "ListView"), false)
	modify := func(body string) []string { return c.Must("ModifyListView", list, body).Texts("returnval") }
	kinds := func(a vctest.Answer) string { return strings.Join(a.Texts("kind"), " ") }
	if got := modify(vctest.Ref("add", one) + vctest.Ref("add", two)); len(got) != 0 {
		t.Fatal(got)
	}
	a := wait(c, "", 0)
	if kinds(a) != "enter enter" || len(a.Texts("val")) != 2 {
		t.Fatal(a.Body)
	}
	modify(vctest.Ref("add", two))
	if again := wait(c, a.Text("version"), 0); kinds(again) != "" {
		t.Fatal("it was in the list: ", again.Body)
	}
	c.MustTask("Destroy_Task", one, "")
	b := wait(c, a.Text("version"), 5)
	if kinds(b) != "leave" || !slices.Equal(b.Texts("obj"), []string{value(one)}) {
		t.Fatal(b.Body)
	}
	if got := modify(vctest.Ref("remove", one)); len(got) != 0 {
		t.Fatal(got)
	}
	if got := modify(vctest.Ref("add", one) + vctest.Ref("remove", two)); !slices.Equal(got, []string{value(one)}) {
		t.Fatal(got)
	}
	if d := wait(c, b.Text("version"), 5); kinds(d) != "leave" || !slices.Equal(d.Texts("obj"), []string{value(two)}) {
		t.Fatal(d.Body)
	}
}

func TestListViews(t *testing.T) {
	vctest.Breaks(t, "collector.view")
	s := vctest.Start(t, vcenter.Options{})
	c, other := s.Login(t), s.Login(t)
	hosts := hostView(c)
	a, b := c.Find("DC0/host/gpu-a/esx-a-1"), c.Find("DC0/host/gpu-b/esx-b-1")
	from := "ListView:" + c.Must("CreateListViewFromView", views, vctest.Ref("view", hosts)).Text("returnval")
	if got := viewOf(c, from); !slices.Equal(got, []string{value(a), value(b)}) {
		t.Fatal(got)
	}
	r := c.Must("ModifyListView", from, vctest.Ref("add", a)+vctest.Ref("add", "HostSystem:host-0")+vctest.Ref("remove", b))
	if got := viewOf(c, from); !slices.Equal(got, []string{value(a)}) || !slices.Equal(r.Texts("returnval"), []string{"host-0"}) {
		t.Fatal(got, r.Body)
	}
	r = c.Must("ResetListView", from, vctest.Ref("obj", b)+vctest.Ref("obj", b)+vctest.Ref("obj", "HostSystem:host-0"))
	if got := viewOf(c, from); !slices.Equal(got, []string{value(b)}) || !slices.Equal(r.Texts("returnval"), []string{"host-0"}) {
		t.Fatal(got, r.Body)
	}
	c.Must("ResetListViewFromView", from, vctest.Ref("view", hosts))
	if got := viewOf(c, from); len(got) != 2 {
		t.Fatal(got)
	}
	c.Refused(c.Call("CreateListView", views, vctest.Ref("obj", a)+vctest.Ref("obj", "HostSystem:host-0")), "ManagedObjectNotFound", "host-0")
	other.Refused(other.Call("CreateListViewFromView", views, vctest.Ref("view", hosts)), "ManagedObjectNotFound")
	other.Refused(other.Call("ModifyListView", from, vctest.Ref("add", a)), "ManagedObjectNotFound")
	for _, x := range []string{"VirtualMachine:none", "Datastore:" + s.W.Reg.All("Datastore")[0].Reference().Value} {
		fault := "InvalidArgument"
		if strings.HasSuffix(x, "none") {
			fault = "ManagedObjectNotFound"
		}
		c.Refused(c.Call("CreateContainerView", views, vctest.Ref("container", x)+"<recursive>true</recursive>"), fault)
	}
	if got := c.Get(views, "viewList")["viewList"]; strings.Count(got, "</ManagedObjectReference>") != 2 {
		t.Fatal("the views of this session: ", got)
	}
	if got := other.Get(views, "viewList")["viewList"]; got != "" {
		t.Fatal("the other session has none: ", got)
	}
	c.Must("DestroyView", from, "")
	c.Refused(c.Call("DestroyView", from, ""), "ManagedObjectNotFound")
}

// A filter goes while a wait is under way: the wait goes on for the others, and ends with
// its session.
func TestFiltersGoWhileAWaitIsUnderWay(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	second := s.Client(t)
	second.Cookie = c.Cookie
	a, b := c.Find("DC0/host/gpu-a/esx-a-1"), c.Find("DC0/host/gpu-b/esx-b-1")
	first := filter(c, spec("HostSystem", "runtime.inMaintenanceMode", a), false)
	other := filter(c, spec("HostSystem", "runtime.inMaintenanceMode", b), false)
	one := wait(c, "", 0)
	if got := one.Texts("filter"); len(got) != 2 || got[0] == got[1] {
		t.Fatal("each filter has its own part of the answer: ", one.Body)
	}
	waiting := func() bool { return s.Control(t, "GET", "/sessions", nil)["waiting"] == 1.0 }
	done := make(chan vctest.Answer, 1)
	go func() { done <- wait(second, one.Text("version"), 60) }()
	vctest.Eventually(t, "waiting", waiting)
	c.Must("DestroyPropertyFilter", first, "")
	c.MustTask("EnterMaintenanceMode_Task", a, "<timeout>0</timeout>")
	time.Sleep(20 * time.Millisecond)
	if !waiting() {
		t.Fatal("a destroyed filter reported something: ", (<-done).Body)
	}
	c.MustTask("EnterMaintenanceMode_Task", b, "<timeout>0</timeout>")
	two := <-done
	if got := two.Texts("filter"); len(got) != 1 || got[0] != value(other) || two.Text("val") != "true" {
		t.Fatal(two.Body)
	}
	go func() { done <- wait(second, two.Text("version"), 60) }()
	vctest.Eventually(t, "waiting", waiting)
	c.Must("Logout", "SessionManager:SessionManager", "")
	select {
	case end := <-done:
		if end.Status != 500 {
			t.Fatal(end.Body)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the wait outlives its session")
	}
}

// Hundreds of objects in a list and in a container (the bench has thousands): a change of one
// costs no more than looking at it, and objects that come and go are reported.
func TestLargeViewsStayLive(t *testing.T) {
	const n = 600
	f := fleet.Demo()
	f.VMs = []fleet.VM{{Name: "v-{n:04}", Count: n}}
	s := vctest.Start(t, vcenter.Options{Fleet: f, MaxUpdates: 100})
	c := s.Login(t)
	vms := "ContainerView:" + c.Must("CreateContainerView", views, vctest.Ref("container", "Folder:group-d1")+"<type>VirtualMachine</type><recursive>true</recursive>").Text("returnval")
	list := "ListView:" + c.Must("CreateListViewFromView", views, vctest.Ref("view", vms)).Text("returnval")
	for _, view := range []string{vms, list} {
		kind, _, _ := strings.Cut(view, ":")
		f := filter(c, strings.ReplaceAll(viewSpec("VirtualMachine", "runtime.powerState", view), "ContainerView", kind), false)
		version, seen := "", 0
		for more := "true"; more == "true"; {
			a := wait(c, version, 5)
			version, more = a.Text("version"), a.Text("truncated")
			seen += strings.Count(a.Body, "<kind>enter</kind>")
		}
		if seen != n {
			t.Fatalf("%s: %d of %d", kind, seen, n)
		}
		c.Must("DestroyPropertyFilter", f, "")
	}
	filter(c, viewSpec("VirtualMachine", "name", vms), false)
	version := ""
	for more := "true"; more == "true"; {
		a := wait(c, version, 5)
		version, more = a.Text("version"), a.Text("truncated")
	}
	c.MustTask("Destroy_Task", c.Find("DC0/vm/v-0300"), "")
	if a := wait(c, version, 5); fmt.Sprint(a.Texts("kind")) != "[leave]" {
		t.Fatal(a.Body)
	}
}

// VMs of the fleet file are in the folders that it names; the folders are created.
func TestFoldersOfTheFleetFile(t *testing.T) {
	f := fleet.Demo()
	f.VMs = []fleet.VM{{Name: "v", Folder: "vdi/pool-a"}, {Name: "v"}, {Name: "w", Folder: "/vdi/pool-a/"}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Login(t)
	if a, b := c.Find("DC0/vm/vdi/pool-a/v"), c.Find("DC0/vm/v"); a == b || c.Find("DC0/vm/vdi/pool-a/w") == "" {
		t.Fatal(a, b)
	}
	if n := len(c.Must("FindChild", "SearchIndex:SearchIndex", vctest.Ref("entity", c.Find("DC0/vm"))+"<name>vdi</name>").Texts("returnval")); n != 1 {
		t.Fatal(n)
	}
	c.Refused(c.Call("CreateFolder", c.Find("DC0/vm"), "<name>vdi</name>"), "DuplicateName")
}
