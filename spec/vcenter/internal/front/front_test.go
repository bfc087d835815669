package front_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

const si = "ServiceInstance:ServiceInstance"

func credentials(user, password string) string {
	return "<userName>" + user + "</userName><password>" + password + "</password>"
}

func TestLoginRules(t *testing.T) {
	vctest.Breaks(t, "session.invalid-login")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Client(t)
	c.Refused(c.Call("Login", "SessionManager:SessionManager", credentials(vctest.User, "wrong")), "InvalidLogin", "incorrect user name or password")
	c.Refused(c.Call("Login", "SessionManager:SessionManager", credentials("nobody", vctest.Password)), "InvalidLogin")
	if c.Cookie != "" {
		t.Fatal("a refused login set a cookie")
	}
	c.Must("Login", "SessionManager:SessionManager", credentials(vctest.User, vctest.Password))
	c.Refused(c.Call("Login", "SessionManager:SessionManager", credentials(vctest.User, vctest.Password)), "InvalidLogin")
	c.Must("Logout", "SessionManager:SessionManager", "")
	c.Refused(c.Call("CurrentTime", si, ""), "NotAuthenticated")
	c.Must("Login", "SessionManager:SessionManager", credentials(strings.ToUpper(vctest.User), vctest.Password))
}

func TestCookieForm(t *testing.T) {
	vctest.Breaks(t, "session.cookie")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Client(t)
	a := c.Must("Login", "SessionManager:SessionManager", credentials(vctest.User, vctest.Password))
	set := a.Header.Get("Set-Cookie")
	if !strings.HasPrefix(set, `vmware_soap_session="`) || !strings.HasSuffix(set, `"; Path=/; HttpOnly; Secure`) {
		t.Fatal(set)
	}
	c.Must("CurrentTime", si, "")
	c.Cookie = strings.Trim(c.Cookie, `"`)
	c.Must("CurrentTime", si, "")
	c.Cookie = `"0123"`
	c.Refused(c.Call("CurrentTime", si, ""), "NotAuthenticated")
}

func TestWithoutASession(t *testing.T) {
	vctest.Breaks(t, "session.not-authenticated")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Client(t)
	c.Must("RetrieveServiceContent", si, "")
	c.Refused(c.Call("RetrievePropertiesEx", "PropertyCollector:propertyCollector", "<specSet><propSet><type>Folder</type><pathSet>name</pathSet></propSet><objectSet>"+
		vctest.Ref("obj", "Folder:group-d1")+"</objectSet></specSet><options/>"), "NotAuthenticated", "System.View")
	c.Refused(c.Call("FindByInventoryPath", "SearchIndex:SearchIndex", "<inventoryPath>DC0</inventoryPath>"), "NotAuthenticated")
}

func TestIdleSessionsExpire(t *testing.T) {
	t.Parallel()
	vctest.Breaks(t, "session.idle-expiry")
	s := vctest.Start(t, vcenter.Options{Idle: 0.3})
	c := s.Login(t)
	for i := 0; i < 4; i++ {
		time.Sleep(150 * time.Millisecond)
		c.Must("CurrentTime", si, "") // each call keeps it alive
	}
	// A wait under way keeps it alive too.
	c.Must("CreateFilter", "PropertyCollector:propertyCollector", "<spec><propSet><type>Folder</type><pathSet>name</pathSet></propSet><objectSet>"+
		vctest.Ref("obj", "Folder:group-d1")+"</objectSet></spec><partialUpdates>false</partialUpdates>")
	c.Must("WaitForUpdatesEx", "PropertyCollector:propertyCollector", "<version></version>")
	c.Must("WaitForUpdatesEx", "PropertyCollector:propertyCollector", "<version>1</version><options><maxWaitSeconds>1</maxWaitSeconds></options>")
	c.Must("CurrentTime", si, "")
	time.Sleep(500 * time.Millisecond)
	c.Refused(c.Call("CurrentTime", si, ""), "NotAuthenticated")
	if n := s.Control(t, "GET", "/sessions", nil)["filters"]; n != 0.0 {
		t.Fatal("the filter outlived its session: ", n)
	}
}

func TestSessionLimit(t *testing.T) {
	vctest.Breaks(t, "session.limit")
	s := vctest.Start(t, vcenter.Options{SessionLimit: 2})
	first := s.Login(t)
	s.Login(t)
	c := s.Client(t)
	a := c.Call("Login", "SessionManager:SessionManager", credentials(vctest.User, vctest.Password))
	if a.Status != 503 || !strings.Contains(a.Body, "Out of HTTP sessions: Limited to 2") {
		t.Fatal(a.Status, a.Body)
	}
	first.Must("Logout", "SessionManager:SessionManager", "")
	c.Must("Login", "SessionManager:SessionManager", credentials(vctest.User, vctest.Password))
}

func TestPrivileges(t *testing.T) {
	vctest.Breaks(t, "session.privilege", "collector.permission")
	f := fleet.Demo()
	f.Users = []fleet.User{{Name: "reader", Password: "r", Role: "ReadOnly"}, {Name: "nobody", Password: "n", Role: "NoAccess", Grants: []fleet.Grant{{Path: "/DC0/vm", Role: "ReadOnly"}}},
		{Name: "gpu", Password: "g", Privileges: []string{"Host.Config.PciPassthru", "VirtualMachine.Interact.*"}}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	admin := s.Login(t)
	host := admin.Find("DC0/host/gpu-a/esx-a-1")
	sys := "HostPciPassthruSystem:" + admin.Get(host, "configManager.pciPassthruSystem")["configManager.pciPassthruSystem"]
	config := "<config><id>0000:3b:00.0</id><passthruEnabled>true</passthruEnabled></config>"
	reader, gpu, nobody := s.Login(t, "reader", "r"), s.Login(t, "gpu", "g"), s.Login(t, "nobody", "n")
	reader.Get(host, "name")
	reader.Refused(reader.Call("UpdatePassthruConfig", sys, config), "NoPermission", "<privilegeId>Host.Config.PciPassthru</privilegeId>", strings.TrimPrefix(sys, "HostPciPassthruSystem:"))
	gpu.Must("UpdatePassthruConfig", sys, config)
	gpu.Refused(gpu.Call("EnterMaintenanceMode_Task", host, "<timeout>0</timeout>"), "NoPermission", "<privilegeId>Host.Config.Maintenance</privilegeId>")
	admin.MustTask("EnterMaintenanceMode_Task", host, "<timeout>0</timeout>")
	a := nobody.Must("RetrievePropertiesEx", "PropertyCollector:propertyCollector", "<specSet><propSet><type>HostSystem</type><pathSet>name</pathSet></propSet><objectSet>"+
		vctest.Ref("obj", host)+"</objectSet></specSet><options/>")
	if !strings.Contains(a.Body, `<missingSet><path>name</path><fault><fault xsi:type="NoPermission">`) || strings.Contains(a.Body, "esx-a-1") {
		t.Fatal(a.Body)
	}
}

func TestPermissionsOnInventoryPaths(t *testing.T) {
	vctest.Breaks(t, "session.grants")
	f := fleet.Demo()
	no := false
	f.Users = []fleet.User{{Name: "a", Password: "a", Grants: []fleet.Grant{{Path: "/DC0/host/gpu-a", Role: "Admin"},
		{Path: "/DC0/host/gpu-b", Role: "Admin", Propagate: &no}, {Path: "/DC0", Role: "ReadOnly"}}}, {Name: "b", Password: "b", Grants: []fleet.Grant{{Path: "/DC0/host/gpu-b", Role: "ReadOnly"}}}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Login(t, "a", "a")
	one, two := c.Find("DC0/host/gpu-a/esx-a-1"), c.Find("DC0/host/gpu-b/esx-b-1")
	sys := func(h string) string {
		return "HostPciPassthruSystem:" + c.Get(h, "configManager.pciPassthruSystem")["configManager.pciPassthruSystem"]
	}
	config := "<config><id>0000:3b:00.0</id><passthruEnabled>true</passthruEnabled></config>"
	c.Must("UpdatePassthruConfig", sys(one), config)
	c.Refused(c.Call("UpdatePassthruConfig", sys(two), config), "NoPermission", "Host.Config.PciPassthru")
	c.MustTask("EnterMaintenanceMode_Task", one, "<timeout>0</timeout>")
	c.Refused(c.Call("EnterMaintenanceMode_Task", two, "<timeout>0</timeout>"), "NoPermission")
	half := s.Login(t, "b", "b")
	half.Get(two, "name")
	half.Must("CreateFilter", "PropertyCollector:propertyCollector", "<spec><propSet><type>HostSystem</type><pathSet>name</pathSet></propSet><objectSet>"+
		vctest.Ref("obj", one)+"</objectSet></spec><partialUpdates>false</partialUpdates>")
	if b := half.Must("WaitForUpdatesEx", "PropertyCollector:propertyCollector", "<version></version>"); !strings.Contains(b.Body, `xsi:type="NoPermission"`) || strings.Contains(b.Body, "esx-a-1") {
		t.Fatal(b.Body)
	}
	key := c.Get("SessionManager:SessionManager", "currentSession.key")["currentSession.key"]
	a := c.Must("HasPrivilegeOnEntities", "AuthorizationManager:AuthorizationManager", vctest.Ref("entity", one)+vctest.Ref("entity", two)+
		"<sessionId>"+key+"</sessionId><privId>Host.Config.Maintenance</privId><privId>System.Read</privId>")
	if got := strings.Join(a.Texts("isGranted"), " "); got != "true true false true" {
		t.Fatal(got)
	}
	b := c.Must("FetchUserPrivilegeOnEntities", "AuthorizationManager:AuthorizationManager", vctest.Ref("entities", one)+vctest.Ref("entities", two)+"<userName>a</userName>")
	if n := len(b.Texts("privileges")); n < 50 || strings.Count(b.Body, "<privileges>Host.Config.Maintenance") != 1 {
		t.Fatal(n)
	}
	c.Refused(c.Call("HasPrivilegeOnEntities", "AuthorizationManager:AuthorizationManager", vctest.Ref("entity", one)+"<sessionId>x</sessionId>"), "InvalidArgument", "sessionId")
}

func TestAMethodOfAnotherType(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	c.Refused(c.Call("PowerOnVM_Task", host, ""), "MethodNotFound", "PowerOnVM_Task")
	c.Refused(c.Call("EnterMaintenanceMode_Task", c.Find("DC0"), "<timeout>0</timeout>"), "MethodNotFound")
	c.MustTask("EnterMaintenanceMode_Task", host, "<timeout>0</timeout>")
}

func TestSessionsEndByTerminateSession(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	admin, other := s.Login(t), s.Login(t)
	key := ""
	for _, u := range s.API.Sessions.List() {
		if strings.Contains(admin.Must("SessionIsActive", "SessionManager:SessionManager", "<sessionID>"+u.Key+"</sessionID><userName>"+u.UserName+"</userName>").Body, "true") {
			if a := admin.Call("TerminateSession", "SessionManager:SessionManager", "<sessionId>"+u.Key+"</sessionId>"); a.Status == 200 {
				key = u.Key
			} else {
				admin.Refused(a, "InvalidArgument", "sessionId") // its own
			}
		}
	}
	other.Refused(other.Call("CurrentTime", si, ""), "NotAuthenticated")
	admin.Refused(admin.Call("TerminateSession", "SessionManager:SessionManager", "<sessionId>"+key+"</sessionId>"), "NotFound")
}

func TestCurrentSession(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	a, b := s.Login(t), s.Login(t)
	key := func(c *vctest.Client) string {
		m := c.Get("SessionManager:SessionManager", "currentSession.key", "sessionList")
		if n := strings.Count(m["sessionList"], "<UserSession xsi:type=\"UserSession\">"); n != 2 {
			t.Fatal(n, m)
		}
		return m["currentSession.key"]
	}
	if ka, kb := key(a), key(b); ka == kb || ka == "" {
		t.Fatal(ka, kb)
	}
}

func TestDatastoreSizesSurviveARefresh(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	ds := c.Find("DC0/datastore/ds-1")
	c.Must("RefreshDatastore", ds, "")
	if got := c.Get(ds, "summary.capacity")["summary.capacity"]; got != "4398046511104" {
		t.Fatal(got)
	}
}

func TestJournal(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	c.OpID = "run-7"
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	task := c.Start("EnterMaintenanceMode_Task", host, "<timeout>0</timeout>")
	if r := c.Wait(task); !strings.Contains(r.Info, "<activationId>run-7</activationId>") || !strings.Contains(r.Info, "<userName>"+vctest.User) {
		t.Fatal(r.Info)
	}
	c.Refused(c.Call("RebootHost_Task", "HostSystem:host-0", "<force>false</force>"), "ManagedObjectNotFound")
	var seen, failed bool
	last := 0.0
	for _, x := range s.Control(t, "GET", "/journal", nil)["list"].([]any) {
		r := x.(map[string]any)
		switch r["method"] {
		case "EnterMaintenanceMode_Task":
			seen = r["this"] == host && r["operationID"] == "run-7" && "Task:"+r["task"].(string) == task && r["changing"] == true && r["session"] != ""
		case "RebootHost_Task":
			failed = r["fault"] == "ManagedObjectNotFound" && r["http"] == 500.0
		default:
			if r["changing"] == true {
				t.Fatal("a read counted as a change: ", r)
			}
		}
		last = r["n"].(float64)
	}
	if !seen || !failed {
		t.Fatal("journal: ", seen, failed)
	}
	s.Control(t, "POST", "/journal/clear", map[string]any{})
	c.Must("CurrentTime", si, "")
	list := s.Control(t, "GET", "/journal", nil)["list"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["n"].(float64) <= last {
		t.Fatal(list)
	}
}

func TestTrouble(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	rule := func(kind, more string) {
		s.Front.Trouble.Clear()
		s.Trouble(t, `{"match":{"method":"CurrentTime"},"do":{"kind":"`+kind+`"`+more+`}}`)
	}
	now := func() vctest.Answer { return c.Call("CurrentTime", si, "") }
	fine := func() {
		t.Helper()
		if a := now(); a.Status != 200 || a.Err != nil {
			t.Fatal("the next call suffers too: ", a)
		}
	}
	for _, kind := range []string{"reset-before", "reset-after", "truncate"} {
		rule(kind, "")
		if a := now(); a.Err == nil {
			t.Fatal(kind, a)
		}
		fine()
	}
	rule("status", `,"code":502`)
	if a := now(); a.Status != 502 || !strings.Contains(a.Body, "<html>") {
		t.Fatal(a)
	}
	fine()
	rule("html", "")
	if a := now(); a.Status != 200 || !strings.Contains(a.Body, "<html>") {
		t.Fatal(a)
	}
	rule("fault", `,"fault":"TaskInProgress","message":"busy"`)
	c.Refused(now(), "TaskInProgress", "busy")
	fine()
	rule("slow", "")
	if a := now(); a.Text("returnval") == "" {
		t.Fatal(a)
	}
	rule("gzip", "")
	if a := now(); a.Text("returnval") == "" { // net/http undoes it
		t.Fatal(a)
	}
	rule("chunked", "")
	if a := now(); a.Text("returnval") == "" || a.Header.Get("Content-Length") != "" {
		t.Fatal(a)
	}
	rule("close", "")
	if a := now(); a.Text("returnval") == "" {
		t.Fatal(a)
	}
	s.Front.Trouble.Clear()
	s.Trouble(t, `{"match":{"method":"RetrievePropertiesEx"},"do":{"kind":"unknown-type"}}`)
	pool := "ResourcePool:" + c.Get(c.Find("DC0/host/gpu-a"), "resourcePool")["resourcePool"] // this one has no device in it
	c.MustTask("CreateVM_Task", c.Find("DC0/vm"), "<config><name>x</name><guestId>otherGuest64</guestId><files><vmPathName>[ds-1]</vmPathName></files></config>"+vctest.Ref("pool", pool))
	vm := c.Find("DC0/vm/x")
	s.Front.Trouble.Clear()
	s.Trouble(t, `{"match":{"method":"RetrievePropertiesEx"},"do":{"kind":"unknown-type"}}`)
	if got := c.Get(vm, "config.hardware.device")["config.hardware.device"]; !strings.Contains(got, `"VirtualZzFutureDevice"`) {
		t.Fatal(got)
	}
	rule("hold", `,"seconds":0.2`)
	start := time.Now()
	if a := now(); a.Status != 200 || time.Since(start) < 200*time.Millisecond {
		t.Fatal(a, time.Since(start))
	}
	rule("hold", "")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if a := c.Post(ctx, vctest.Envelope(`<soapenv:Body><CurrentTime xmlns="urn:vim25">`+vctest.Ref("_this", si)+`</CurrentTime></soapenv:Body>`), "urn:vim25/8.0.3.0"); a.Err == nil {
		t.Fatal(a)
	}
	rule("unknown-field", "")
	if a := now(); !strings.Contains(a.Body, "zzFutureField") {
		t.Fatal(a.Body)
	}
	s.Trouble(t, `{"do":{"kind":"refuse"}}`)
	c.HTTP.CloseIdleConnections()
	if a := now(); a.Err == nil {
		t.Fatal("connection was not refused")
	}
	fine()
	rule("session-lost", "")
	c.Refused(now(), "NotAuthenticated")
	if err := s.Front.Trouble.Add([]byte(`{"do":{"kind":"nonsense"}}`)); err == nil {
		t.Fatal("an unknown kind was taken")
	}
}

func TestTroubleByNumberAndObject(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	s.Trouble(t, `{"match":{"method":"CurrentTime","nth":3,"count":2},"do":{"kind":"status"}}`)
	got := ""
	for i := 0; i < 6; i++ {
		if c.Call("CurrentTime", si, "").Status == 200 {
			got += "."
		} else {
			got += "x"
		}
	}
	if got != "..xx.." {
		t.Fatal(got)
	}
	a, b := c.Find("DC0/host/gpu-a/esx-a-1"), c.Find("DC0/host/gpu-b/esx-b-1")
	s.Trouble(t, `{"match":{"method":"EnterMaintenanceMode_Task","object":"`+b+`"},"do":{"kind":"task-fail","fault":"HostConfigFault","message":"no way"}}`)
	c.MustTask("EnterMaintenanceMode_Task", a, "<timeout>0</timeout>")
	if r := c.FailTask("HostConfigFault", "EnterMaintenanceMode_Task", b, "<timeout>0</timeout>"); r.Message != "no way" {
		t.Fatal(r)
	}
	c.MustTask("EnterMaintenanceMode_Task", b, "<timeout>0</timeout>")
}

func TestTaskCap(t *testing.T) {
	vctest.Breaks(t, "task.caps")
	f := fleet.Demo()
	s := vctest.Start(t, vcenter.Options{Fleet: f, TaskCap: 1})
	c := s.Login(t)
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	s.Trouble(t, `{"match":{"method":"EnterMaintenanceMode_Task"},"do":{"kind":"task-hang"}}`)
	first := c.Start("EnterMaintenanceMode_Task", host, "<timeout>0</timeout>")
	vctest.Eventually(t, "running", func() bool { return c.Get(first, "info.state")["info.state"] == "running" })
	second := c.Start("EnterMaintenanceMode_Task", host, "<timeout>0</timeout>")
	time.Sleep(100 * time.Millisecond)
	if st := c.Get(second, "info.state")["info.state"]; st != "queued" {
		t.Fatal("the second task is ", st)
	}
	c.Must("CancelTask", first, "")
	if r := c.Wait(second); r.State != "success" {
		t.Fatal(r)
	}
}

func TestGetOnSdk(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	res, err := http.Get(s.URL + "/sdk")
	if err != nil || res.StatusCode != http.StatusMethodNotAllowed {
		t.Fatal(err, res)
	}
	res.Body.Close()
}
