package host_test

// logs_test.go: what a host reports besides its properties: logs, clock, lockdown.

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

const diag = "DiagnosticManager:DiagMgr"

func (r *rig) log(key string) vctest.Answer {
	r.t.Helper()
	return r.Must("BrowseDiagnosticLog", diag, vctest.Ref("host", r.host)+"<key>"+key+"</key>")
}

func (r *rig) kernel() string { return strings.Join(r.log("vmkernel").Texts("lineText"), "\n") }

func TestVmkernelLogRecordsPassthroughDevices(t *testing.T) {
	vctest.Breaks(t, "host.log-passthrough")
	f := pair("manual")
	f.Clusters[0].Hosts[0].BootSeconds = 40
	r := newRig(t, f)
	line := regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z In\(182\) vmkernel: cpu\d+:\d+\)`)
	has := func(what string) bool {
		text := r.kernel()
		if n := len(line.FindAllString(text, -1)); n != strings.Count(text, "\n")+1 {
			t.Fatalf("%d lines look right of\n%s", n, text)
		}
		return strings.Contains(text, what)
	}
	if !has("PCI: Registering device " + card + " with owner passthru") {
		t.Fatal(r.kernel())
	}
	gpu := r.passthroughVM("gpu")
	if has("PCIPassthru: 3873") {
		t.Fatal("nothing runs yet")
	}
	r.MustTask("PowerOnVM_Task", gpu, "")
	vctest.Eventually(t, "taken", func() bool { return has("allocated for " + card) })
	r.MustTask("PowerOffVM_Task", gpu, "")
	vctest.Eventually(t, "given back", func() bool { return has("(" + card + "), state 0, destroyed") })
	r.s.Control(t, "POST", "/set", map[string]any{"host": "esx-a-1", "boot": "without:" + card})
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	before := r.log("vmkernel").Text("lineEnd")
	r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
	vctest.Eventually(t, "away", func() bool { return r.is("runtime.connectionState", "notResponding") })
	r.Refused(r.Call("BrowseDiagnosticLog", diag, vctest.Ref("host", r.host)+"<key>vmkernel</key>"), "HostNotReachable")
	vctest.Eventually(t, "back", func() bool { return r.is("runtime.connectionState", "connected") })
	if !has("Skipping device reset on "+card+" because PCIe link to the device is down") || r.log("vmkernel").Text("lineEnd") == before {
		t.Fatal(r.kernel())
	}
	if strings.Count(r.kernel(), "Boot Successful") != 2 {
		t.Fatal("the log of the boot before is gone:\n", r.kernel())
	}
	hostd := strings.Join(r.log("hostd").Texts("lineText"), "\n")
	if !strings.Contains(hostd, "EnteredMaintenanceModeEvent on esx-a-1") {
		t.Fatal(hostd)
	}
}

func TestLogsAreBrowsedByLines(t *testing.T) {
	vctest.Breaks(t, "host.log-keys", "host.log-window")
	r := newRig(t, nil)
	a := r.Must("QueryDescriptions", diag, vctest.Ref("host", r.host))
	if got := strings.Join(a.Texts("key"), " "); got != "hostd vmkernel" {
		t.Fatal(got)
	}
	if got := strings.Join(r.Must("QueryDescriptions", diag, "").Texts("key"), " "); got != "vpxd" {
		t.Fatal(got)
	}
	on := vctest.Ref("host", r.host)
	r.Refused(r.Call("BrowseDiagnosticLog", diag, on+"<key>vpxd</key>"), "CannotAccessFile")
	r.Refused(r.Call("BrowseDiagnosticLog", diag, "<key>vmkernel</key>"), "CannotAccessFile")
	for i := 0; i < 30; i++ {
		r.s.Control(t, "POST", "/set", map[string]any{"host": "esx-a-1", "lockdown": []string{"lockdownNormal", "lockdownDisabled"}[i%2]})
	}
	end := r.Must("BrowseDiagnosticLog", diag, on+"<key>hostd</key><start>999999999</start>")
	if end.Text("lineEnd") != "30" || len(end.Texts("lineText")) != 0 {
		t.Fatal(end.Body)
	}
	last := r.Must("BrowseDiagnosticLog", diag, on+"<key>hostd</key><start>28</start>")
	if last.Text("lineStart") != "28" || last.Text("lineEnd") != "30" || len(last.Texts("lineText")) != 3 {
		t.Fatal(last.Body)
	}
	some := r.Must("BrowseDiagnosticLog", diag, on+"<key>hostd</key><start>3</start><lines>2</lines>")
	if some.Text("lineEnd") != "4" || len(some.Texts("lineText")) != 2 || !strings.Contains(some.Texts("lineText")[0], "lockdownNormal") {
		t.Fatal(some.Body)
	}
	r.OpID = "roll-9"
	task := strings.TrimPrefix(r.Start("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>"), "Task:")
	r.Wait("Task:" + task)
	vpxd := r.Must("BrowseDiagnosticLog", diag, "<key>vpxd</key>").Texts("lineText")
	if len(vpxd) != 2 || !strings.Contains(vpxd[0], "opID=roll-9] [VpxLRO] -- BEGIN "+task+" -- ") || !strings.Contains(vpxd[1], "FINISH "+task) {
		t.Fatal(vpxd)
	}
}

func TestAnEsxiEndpointServesItsLogs(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{Fleet: esxi()})
	get := func(path, cookie string) (int, string) {
		req, _ := http.NewRequest("GET", s.URL+path, nil)
		if cookie != "" {
			req.Header.Set("Cookie", "vmware_soap_session="+cookie)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	c := loginESXi(t, s)
	if code, _ := get("/host/vmkernel.log", ""); code != 401 {
		t.Fatal(code)
	}
	if code, text := get("/host/vmkernel.log", c.Cookie); code != 200 || !strings.Contains(text, "Boot Successful") {
		t.Fatal(code, text)
	}
	if code, _ := get("/host/shadow", c.Cookie); code != 404 {
		t.Fatal(code)
	}
}

func TestTheClockOfAHost(t *testing.T) {
	vctest.Breaks(t, "host.clock")
	f := fleet.Demo()
	f.Clusters[0].Hosts[0].ClockSkew, f.Clusters[0].Hosts[0].BootSeconds = 7200, 40
	r := newRig(t, f)
	system := "HostDateTimeSystem:" + r.Get(r.host, "configManager.dateTimeSystem")["configManager.dateTimeSystem"]
	near := func(text string, want time.Duration) {
		t.Helper()
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Until(at) - want; d < -time.Minute || d > time.Minute {
			t.Fatalf("%s is %s from now, want %s", text, time.Until(at), want)
		}
	}
	near(r.Must("QueryDateTime", system, "").Text("returnval"), 2*time.Hour)
	near(r.Must("CurrentTime", "ServiceInstance:ServiceInstance", "").Text("returnval"), 0)
	if !strings.Contains(r.Get(system, "dateTimeInfo")["dateTimeInfo"], "<key>UTC</key>") {
		t.Fatal("no time zone")
	}
	reboot := func() string {
		r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
		vctest.Eventually(t, "away", func() bool { return r.is("runtime.connectionState", "notResponding") })
		r.Refused(r.Call("QueryDateTime", system, ""), "HostNotReachable")
		vctest.Eventually(t, "back", func() bool { return r.is("runtime.connectionState", "connected") })
		return r.Get(r.host, "runtime.bootTime")["runtime.bootTime"]
	}
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	first := reboot()
	near(first, 2*time.Hour) // in vCenter's future
	near(r.kernel()[strings.LastIndex(r.kernel(), "\n")+1:][:24], 2*time.Hour)
	r.Must("UpdateDateTime", system, "<dateTime>"+time.Now().Add(-3*time.Hour).UTC().Format(time.RFC3339)+"</dateTime>")
	second := reboot()
	near(second, -3*time.Hour)
	if second >= first {
		t.Fatal("the second boot is before the first: ", first, second)
	}
	r.s.Control(t, "POST", "/set", map[string]any{"host": "esx-a-1", "clock_skew": -60})
	near(r.Must("QueryDateTime", system, "").Text("returnval"), -time.Minute)
	events := r.Must("QueryEvents", "EventManager:EventManager", "<filter/>").Texts("createdTime")
	near(events[len(events)-1], 0)

	e := esxi()
	e.Clusters[0].Hosts[0].ClockSkew = -7200
	s := vctest.Start(t, vcenter.Options{Fleet: e})
	c := loginESXi(t, s)
	near(c.Must("CurrentTime", "ServiceInstance:ServiceInstance", "").Text("returnval"), -2*time.Hour)
}

func TestLockdownModesAndExceptions(t *testing.T) {
	vctest.Breaks(t, "host.lockdown-modes")
	r := newRig(t, nil)
	access := "HostAccessManager:" + r.Get(r.host, "configManager.hostAccessManager")["configManager.hostAccessManager"]
	for _, mode := range []string{"lockdownStrict", "lockdownNormal", "lockdownNormal", "lockdownDisabled"} {
		r.Must("ChangeLockdownMode", access, "<mode>"+mode+"</mode>")
		r.expect("config.lockdownMode", mode)
		if got := r.Get(access, "lockdownMode")["lockdownMode"]; got != mode {
			t.Fatal(got)
		}
	}
	r.Refused(r.Call("ChangeLockdownMode", access, "<mode>lockdownTotal</mode>"), "InvalidRequest")
	r.Must("EnterLockdownMode", r.host, "")
	if got := r.Get(access, "lockdownMode")["lockdownMode"]; got != "lockdownNormal" {
		t.Fatal("two properties of one mode differ: ", got)
	}
	r.Refused(r.Call("UpdateLockdownExceptions", access, "<users>svc</users><users>SVC</users>"), "InvalidArgument", "users")
	r.Must("UpdateLockdownExceptions", access, "<users>svc</users><users>root</users>")
	if got := strings.Join(r.Must("QueryLockdownExceptions", access, "").Texts("returnval"), " "); got != "svc root" {
		t.Fatal(got)
	}

	for _, mode := range []string{"lockdownNormal", "lockdownStrict"} {
		f := esxi()
		f.Users = []fleet.User{{Name: "svc", Password: "svc-1"}}
		f.Clusters[0].Hosts[0].Lockdown, f.Clusters[0].Hosts[0].Exceptions = mode, []string{"svc"}
		s := vctest.Start(t, vcenter.Options{Fleet: f})
		login := func(user, password string) vctest.Answer {
			return s.Client(t).Call("Login", "SessionManager:ha-sessionmgr", "<userName>"+user+"</userName><password>"+password+"</password>")
		}
		c := s.Client(t)
		c.Refused(login(vctest.User, vctest.Password), "NoPermission")
		if a := login("svc", "svc-1"); a.Status != 200 {
			t.Fatal(a.Body)
		}
		c.Refused(login("svc", "wrong"), "InvalidLogin")
	}
}
