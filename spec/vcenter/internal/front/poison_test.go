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
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
	"gpupt.test/vcenter/internal/wire"
)

// ordinary are requests that succeed whatever the inventory holds: none names an object that
// another session may destroy.
func ordinary(s *vctest.Server, session string) []func(*vctest.Client) vctest.Answer {
	var out []func(*vctest.Client) vctest.Answer
	content := s.W.Content
	name := func(ref *types.ManagedObjectReference) string { return ref.Type + ":" + ref.Value }
	call := func(method, this, inside string) {
		out = append(out, func(c *vctest.Client) vctest.Answer { return c.Call(method, this, inside) })
	}
	root, search, pc, center := name(&content.RootFolder), name(content.SearchIndex), name(&content.PropertyCollector), "DC0"
	if s.W.ESXi {
		center = "ha-datacenter"
	}
	call("CurrentTime", si, "")
	call("RetrieveServiceContent", si, "")
	for _, path := range []string{"/", center, center + "/vm/x", center + "/host/gpu-a/esx-a-1", "none/at/all"} {
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
	for i, kind := range []string{"VirtualMachine", "HostSystem", "ClusterComputeResource", "ResourcePool", "Datastore", "Network", "Folder"} {
		turn := i
		out = append(out, func(c *vctest.Client) vctest.Answer { // a view; in turn with all properties of everything in it
			set := "<pathSet>name</pathSet>"
			if turn++; turn%7 == 0 {
				set = "<all>true</all>"
			}
			a := c.Call("CreateContainerView", name(content.ViewManager), vctest.Ref("container", root)+"<type>"+kind+"</type><recursive>true</recursive>")
			if a.Status != 200 {
				return a
			}
			view := "ContainerView:" + a.Text("returnval")
			defer c.Call("DestroyView", view, "")
			return c.Call("RetrievePropertiesEx", pc, "<specSet><propSet><type>"+kind+"</type>"+set+"</propSet><objectSet>"+vctest.Ref("obj", view)+
				`<skip>true</skip><selectSet xsi:type="TraversalSpec"><type>ContainerView</type><path>view</path><skip>false</skip></selectSet></objectSet></specSet><options/>`)
		})
	}
	for of, paths := range map[string][]string{root: {"name", "childEntity"}, name(content.TaskManager): {"recentTask", "description"}, name(content.EventManager): {"latestEvent"},
		name(content.SessionManager): {"currentSession", "sessionList"}, name(content.AuthorizationManager): {"roleList"}} {
		kind, _, _ := strings.Cut(of, ":")
		call("RetrieveProperties", pc, "<specSet><propSet><type>"+kind+"</type><pathSet>"+strings.Join(paths, "</pathSet><pathSet>")+"</pathSet></propSet><objectSet>"+
			vctest.Ref("obj", of)+"</objectSet></specSet>")
	}
	call("QueryOptions", name(content.Setting), "<name></name>")
	call("QueryEvents", name(content.EventManager), "<filter/>")
	call("RetrieveEntityPermissions", name(content.AuthorizationManager), vctest.Ref("entity", root)+"<inherited>true</inherited>")
	call("HasPrivilegeOnEntity", name(content.AuthorizationManager), vctest.Ref("entity", root)+"<sessionId>"+session+"</sessionId><privId>System.View</privId>")
	if s.W.ESXi { // these a host does not have
		call("RetrieveProperties", pc, "<specSet><propSet><type>LicenseManager</type><pathSet>licenses</pathSet></propSet><objectSet>"+vctest.Ref("obj", name(content.LicenseManager))+"</objectSet></specSet>")
		call("RetrieveProperties", pc, "<specSet><propSet><type>PerformanceManager</type><pathSet>historicalInterval</pathSet></propSet><objectSet>"+vctest.Ref("obj", name(content.PerfManager))+"</objectSet></specSet>")
	} else {
		call("FindExtension", name(content.ExtensionManager), "<extensionKey>none</extensionKey>")
		call("AcquireCloneTicket", name(content.SessionManager), "")
	}
	call("QueryPerfCounter", name(content.PerfManager), "<counterId>2</counterId>")
	call("WaitForUpdatesEx", pc, "<version></version><options><maxWaitSeconds>0</maxWaitSeconds></options>")
	return out
}

// Nothing that one session sends keeps another one from its work: after a request to every method of the schema, and to
// those that clients call though it does not have them, 40 ordinary requests of another session succeed: at a vCenter and
// at a host. With GPUPT_FULL they are sent after each request; without it after each of a part of the methods, which
// GPUPT_SEED chooses, and after every 40th request of the others. GPUPT_FUZZ is the number of random requests to each
// method (1 without it).
func TestNoRequestPoisonsTheServer(t *testing.T) {
	t.Parallel()
	rounds, seed := 1, time.Now().UnixNano()
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
	if len(order) < 950 {
		t.Fatal(len(order))
	}
	for _, endpoint := range []string{"vcenter", "esxi"} {
		p := &poison{t: t, endpoint: endpoint, names: names, rounds: rounds, seed: seed, close: map[string]bool{}, derived: map[reflect.Type][]reflect.Type{}}
		pick := rand.New(rand.NewSource(seed))
		for _, name := range order {
			p.close[name] = os.Getenv("GPUPT_FULL") != "" || pick.Intn(80) == 0
		}
		for at := 0; at < len(order); at += 150 { // a new server now and then: what was destroyed is there again
			p.session(order[at:min(at+150, len(order))])
		}
		t.Logf("%s: %d requests of %d methods, the 40 ordinary ones after %d of them (seed %d)", endpoint, p.sent, len(order), p.checks, seed)
	}
}

// poison sends requests to one kind of endpoint.
type poison struct {
	t            *testing.T
	endpoint     string
	names        map[string][]string
	rounds       int
	seed         int64
	close        map[string]bool // methods after each request to which the server is looked at
	derived      map[reflect.Type][]reflect.Type
	sent, checks int
	since        []string
}

// rig starts a server with a VM that runs and one that does not, and lists its objects.
func (p *poison) rig(first string) (*vctest.Server, *vctest.Client, *vctest.Client, *dice, string) {
	f := fleet.Demo()
	f.Endpoint = p.endpoint
	f.VMs = []fleet.VM{{Name: "x", Host: "esx-a-1", DiskGB: 1}, {Name: "y", Host: "esx-a-1", DiskGB: 1, Power: "poweredOn"}}
	s := vctest.Start(p.t, vcenter.Options{Fleet: f, Speed: 5000})
	a, b := s.Login(p.t), s.Login(p.t)
	key := b.MustOn(s.W.Content.PropertyCollector.Value, "SessionManager:"+s.W.Content.SessionManager.Value, "currentSession.key")["currentSession.key"]
	sum := int64(0)
	for _, r := range first {
		sum = sum*31 + int64(r)
	}
	d := &dice{Rand: rand.New(rand.NewSource(p.seed + sum)), objects: map[string][]types.ManagedObjectReference{}, derived: p.derived}
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
	return s, a, b, d, key
}

// down are the methods that switch the host off: as an endpoint it is then away.
var down = map[string]bool{"RebootHost_Task": true, "ShutdownHost_Task": true, "PowerDownHostToStandBy_Task": true}

// session sends requests to some methods of one server.
func (p *poison) session(methods []string) {
	s, a, b, d, key := p.rig(methods[0])
	calls := ordinary(s, key)
	if len(calls) != 40 {
		p.t.Fatal(len(calls))
	}
	healthy := func() {
		p.checks++
		for n, do := range calls {
			if r := do(b); r.Status != 200 {
				p.t.Fatalf("%s: the ordinary request %d fails: %d %v %s\nafter (seed %d):\n%s", p.endpoint, n, r.Status, r.Err, r.Body, p.seed, strings.Join(p.since, "\n"))
			}
		}
		p.since = p.since[:0]
	}
	healthy()
	for _, method := range methods {
		if s.W.ESXi && down[method] {
			continue
		}
		for _, declared := range p.names[method] {
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
				for n := -1; n < p.rounds; n++ {
					if p.send(s, a, d, method, kind, n < 0) == "NotAuthenticated" {
						a = s.Login(p.t)
					}
					if p.sent++; p.close[method] || p.sent%40 == 0 {
						healthy()
					}
				}
			}
		}
	}
	healthy()
}

// send makes one request, the least that the schema allows or a random one, and looks at its answer.
func (p *poison) send(s *vctest.Server, a *vctest.Client, d *dice, method, kind string, least bool) string {
	rt, _ := wire.TypeByName(method)
	req := reflect.New(rt)
	this := types.ManagedObjectReference{Type: kind, Value: "none-1"}
	if list := d.objects[kind]; len(list) > 0 {
		this = list[d.Intn(len(list))]
	}
	if least {
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
		p.t.Errorf("%s: %s is there, and is not found", method, this)
	}
	p.since = append(p.since, enc.String())
	if strings.Contains(r.Body, "nil pointer") || strings.Contains(r.Body, "interface conversion") || strings.Contains(r.Body, "runtime error") ||
		strings.Contains(r.Body, "reflect:") {
		p.t.Errorf("%s on %s shows the failure inside the server: %s\n%s", method, this, r.Text("faultstring"), enc.String())
	}
	if r.Err != nil || r.Status != 200 && r.Status != 500 || !wellFormed(r.Body) {
		p.t.Errorf("%s on %s: %d %v %s\n%s", method, this, r.Status, r.Err, r.Body, enc.String())
	}
	return r.Fault()
}

// wellFormed reads the answer to its end, with a reader that is not the server's.
func wellFormed(body string) bool {
	for d := xml.NewDecoder(strings.NewReader(body)); ; {
		if _, err := d.Token(); err != nil {
			return err == io.EOF
		}
	}
}
