package front_test

import (
	"encoding/xml"
	"io"
	"math/rand"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
	"gpupt.test/vcenter/internal/wire"
)

// ordinary are requests that succeed whatever the inventory holds: none names an object that
// another session may destroy.
func ordinary(session string) []func(*vctest.Client) vctest.Answer {
	var out []func(*vctest.Client) vctest.Answer
	call := func(method, this, inside string) {
		out = append(out, func(c *vctest.Client) vctest.Answer { return c.Call(method, this, inside) })
	}
	const root, search, pc = "Folder:group-d1", "SearchIndex:SearchIndex", "PropertyCollector:propertyCollector"
	call("CurrentTime", si, "")
	call("RetrieveServiceContent", si, "")
	for _, path := range []string{"/", "DC0", "DC0/vm/x", "DC0/host/gpu-a/esx-a-1", "none/at/all"} {
		call("FindByInventoryPath", search, "<inventoryPath>"+path+"</inventoryPath>")
	}
	for _, vm := range []string{"true", "false"} {
		call("FindByUuid", search, "<uuid>4c4c4544-0000-0000-0000-000000000000</uuid><vmSearch>"+vm+"</vmSearch>")
		call("FindAllByUuid", search, "<uuid>4c4c4544-0000-0000-0000-000000000000</uuid><vmSearch>"+vm+"</vmSearch>")
		call("FindByDnsName", search, "<dnsName>none.example</dnsName><vmSearch>"+vm+"</vmSearch>")
		call("FindAllByDnsName", search, "<dnsName>none.example</dnsName><vmSearch>"+vm+"</vmSearch>")
		call("FindByIp", search, "<ip>192.0.2.1</ip><vmSearch>"+vm+"</vmSearch>")
		call("FindAllByIp", search, "<ip>192.0.2.1</ip><vmSearch>"+vm+"</vmSearch>")
	}
	call("FindChild", search, vctest.Ref("entity", root)+"<name>none</name>")
	for _, kind := range []string{"VirtualMachine", "HostSystem", "ClusterComputeResource", "ResourcePool", "Datastore", "Network", "Folder"} {
		kind := kind
		out = append(out, func(c *vctest.Client) vctest.Answer { // a view with all properties of everything in it
			a := c.Call("CreateContainerView", "ViewManager:ViewManager", vctest.Ref("container", root)+"<type>"+kind+"</type><recursive>true</recursive>")
			if a.Status != 200 {
				return a
			}
			view := "ContainerView:" + a.Text("returnval")
			defer c.Call("DestroyView", view, "")
			return c.Call("RetrievePropertiesEx", pc, "<specSet><propSet><type>"+kind+"</type><all>true</all></propSet><objectSet>"+vctest.Ref("obj", view)+
				`<skip>true</skip><selectSet xsi:type="TraversalSpec"><type>ContainerView</type><path>view</path><skip>false</skip></selectSet></objectSet></specSet><options/>`)
		})
	}
	for of, paths := range map[string][]string{root: {"name", "childEntity"}, "TaskManager:TaskManager": {"recentTask", "description"}, "EventManager:EventManager": {"latestEvent"},
		"SessionManager:SessionManager": {"currentSession", "sessionList"}, "AuthorizationManager:AuthorizationManager": {"roleList"}} {
		kind, _, _ := strings.Cut(of, ":")
		call("RetrieveProperties", pc, "<specSet><propSet><type>"+kind+"</type><pathSet>"+strings.Join(paths, "</pathSet><pathSet>")+"</pathSet></propSet><objectSet>"+
			vctest.Ref("obj", of)+"</objectSet></specSet>")
	}
	call("QueryOptions", "OptionManager:VpxSettings", "<name>config.</name>")
	call("QueryEvents", "EventManager:EventManager", "<filter/>")
	call("RetrieveEntityPermissions", "AuthorizationManager:AuthorizationManager", vctest.Ref("entity", root)+"<inherited>true</inherited>")
	call("HasPrivilegeOnEntity", "AuthorizationManager:AuthorizationManager", vctest.Ref("entity", root)+"<sessionId>"+session+"</sessionId><privId>System.View</privId>")
	call("FindExtension", "ExtensionManager:ExtensionManager", "<extensionKey>none</extensionKey>")
	call("AcquireCloneTicket", "SessionManager:SessionManager", "")
	call("QueryPerfCounter", "PerformanceManager:PerfMgr", "<counterId>2</counterId>")
	call("WaitForUpdatesEx", pc, "<version></version><options><maxWaitSeconds>0</maxWaitSeconds></options>")
	return out
}

// Nothing that one session sends keeps another one from its work: after every method of the
// schema, and those that clients call though it does not have them, 40 ordinary requests of
// another session succeed. GPUPT_FUZZ is the number of random requests to each method (1 without it).
func TestNoRequestPoisonsTheServer(t *testing.T) {
	rounds, seed := 1, int64(1)
	if n, err := strconv.Atoi(os.Getenv("GPUPT_FUZZ")); err == nil {
		rounds = n
	}
	if n, err := strconv.ParseInt(os.Getenv("GPUPT_SEED"), 10, 64); err == nil {
		seed = n
	}
	names := map[string][]string{} // method -> types that declare it
	for _, m := range wire.AllMethods() {
		names[m.Name] = append(names[m.Name], m.Kind)
	}
	for _, m := range []string{"RetrieveManagedMethodExecuter", "RetrieveDynamicTypeManager"} {
		names[m] = []string{"HostSystem"}
	}
	order := make([]string, 0, len(names))
	for name := range names {
		if _, ok := wire.TypeByName(name); ok && !skip[name] {
			order = append(order, name)
		}
	}
	sort.Strings(order)
	derived := map[reflect.Type][]reflect.Type{}
	sent := 0
	for at := 0; at < len(order); {
		s := vctest.Start(t, vcenter.Options{Speed: 5000})
		a, b := s.Login(t), s.Login(t)
		key := b.Get("SessionManager:SessionManager", "currentSession.key")["currentSession.key"]
		pool := "ResourcePool:" + a.Get(a.Find("DC0/host/gpu-a"), "resourcePool")["resourcePool"]
		for _, name := range []string{"x", "y"} {
			a.MustTask("CreateVM_Task", a.Find("DC0/vm"), "<config><name>"+name+"</name><guestId>otherGuest64</guestId><files><vmPathName>[ds-1]</vmPathName></files></config>"+vctest.Ref("pool", pool))
		}
		a.MustTask("PowerOnVM_Task", a.Find("DC0/vm/y"), "")
		d := &dice{Rand: rand.New(rand.NewSource(seed + int64(at))), objects: map[string][]types.ManagedObjectReference{}, derived: derived}
		s.W.RLock()
		for _, o := range s.W.Reg.AllReference("") {
			d.objects[o.Reference().Type] = append(d.objects[o.Reference().Type], o.Reference())
			d.all = append(d.all, o.Reference())
		}
		s.W.RUnlock()
		for _, refs := range d.objects {
			sort.Slice(refs, func(i, j int) bool { return refs[i].Value < refs[j].Value })
		}
		sort.Slice(d.all, func(i, j int) bool { return d.all[i].String() < d.all[j].String() })
		calls, since := ordinary(key), []string{}
		if len(calls) != 40 {
			t.Fatal(len(calls))
		}
		healthy := func() {
			t.Helper()
			for n, do := range calls {
				if r := do(b); r.Status != 200 {
					t.Fatalf("the ordinary request %d fails: %d %v %s\nafter:\n%s", n, r.Status, r.Err, r.Body, strings.Join(since, "\n"))
				}
			}
			since = since[:0]
		}
		healthy()
		for last := min(at+150, len(order)); at < last; at++ { // a new server now and then: what was destroyed is there again
			method := order[at]
			rt, _ := wire.TypeByName(method)
			for _, declared := range names[method] {
				kinds := []string{}
				for kind := range d.objects {
					if wire.Derives(kind, declared) {
						kinds = append(kinds, kind)
					}
				}
				sort.Strings(kinds)
				if len(kinds) == 0 {
					kinds = []string{declared}
				}
				for _, kind := range kinds {
					for n := -1; n < rounds; n++ {
						req := reflect.New(rt)
						this := types.ManagedObjectReference{Type: kind, Value: "none-1"}
						if list := d.objects[kind]; len(list) > 0 {
							this = list[d.Intn(len(list))]
						}
						if n < 0 {
							fill(req.Elem(), this, false, 0)
						} else {
							d.budget = 120
							d.object(req.Elem(), 0)
						}
						req.Elem().FieldByName("This").Set(reflect.ValueOf(this))
						enc := &wire.Encoder{Version: wire.ParseVersion("8.0.3.0")}
						enc.WriteString("<soapenv:Body>")
						enc.Request(method, req.Interface())
						enc.WriteString("</soapenv:Body>")
						there := func() bool { s.W.RLock(); defer s.W.RUnlock(); return s.W.Get(this) != nil }
						before := there()
						r := a.Raw(vctest.Envelope(enc.String()))
						if before && there() /* no task took it away meanwhile */ && r.Fault() == "ManagedObjectNotFound" && strings.Contains(r.Body, "<obj type=\""+this.Type+"\">"+this.Value+"</obj>") {
							t.Errorf("%s: %s is there, and is not found", method, this)
						}
						since = append(since, enc.String())
						if strings.Contains(r.Body, "nil pointer") || strings.Contains(r.Body, "interface conversion") || strings.Contains(r.Body, "runtime error") ||
							strings.Contains(r.Body, "reflect:") {
							t.Errorf("%s on %s shows the failure inside the server: %s\n%s", method, this, r.Text("faultstring"), enc.String())
						}
						if r.Err != nil || r.Status != 200 && r.Status != 500 || !wellFormed(r.Body) {
							t.Errorf("%s on %s: %d %v %s\n%s", method, this, r.Status, r.Err, r.Body, enc.String())
						}
						if r.Fault() == "NotAuthenticated" {
							a = s.Login(t)
						}
						if sent++; sent%40 == 0 {
							healthy()
						}
					}
				}
			}
		}
		healthy()
	}
	t.Logf("%d requests of %d methods", sent, len(order))
	if len(order) < 950 {
		t.Fatal(len(order))
	}
}

// wellFormed reads the answer to its end, with a reader that is not the server's.
func wellFormed(body string) bool {
	for d := xml.NewDecoder(strings.NewReader(body)); ; {
		if _, err := d.Token(); err != nil {
			return err == io.EOF
		}
	}
}
