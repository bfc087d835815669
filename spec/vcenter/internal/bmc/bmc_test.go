package bmc_test

// bmc_test.go: the rules by raw HTTP, each with a request that breaks it and one that does not.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

const (
	user, password = "root", "Bmc-secret-1"
	hostName       = "esx-a-1"
	systems        = "/redfish/v1/Systems"
)

// rig is a test vCenter whose first host has a BMC, and a login there.
type rig struct {
	t     testing.TB
	s     *vctest.Server
	h     http.Handler
	token string
}

func newRig(t testing.TB, d fleet.BMC) *rig {
	t.Helper()
	f := fleet.Demo()
	d.User, d.Password = user, password
	f.Clusters[0].Hosts[0].BMC = &d
	s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 2000})
	r := &rig{t: t, s: s, h: s.BMCs.All()[0]}
	if !d.BasicOnly {
		a := r.send("POST", "/redfish/v1/SessionService/Sessions", map[string]any{"UserName": user, "Password": password})
		if a.status != 201 {
			t.Fatal(a.status, a.text)
		}
		r.token = a.header.Get("X-Auth-Token")
	}
	return r
}

type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

// recorder collects an answer.
type recorder struct {
	header http.Header
	status int
	bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *rig) send(method, path string, body any, headers ...string) answer {
	r.t.Helper()
	var in io.Reader = strings.NewReader("")
	if body != nil {
		data, ok := body.(string)
		if !ok {
			b, _ := json.Marshal(body)
			data = string(b)
		}
		in = strings.NewReader(data)
	}
	req, err := http.NewRequest(method, path, in)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if r.token != "" {
		req.Header.Set("X-Auth-Token", r.token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := &recorder{header: http.Header{}}
	r.h.ServeHTTP(w, req)
	if w.status == 0 {
		w.status = 200
	}
	a := answer{status: w.status, header: w.header, text: w.String()}
	_ = json.Unmarshal(w.Bytes(), &a.body)
	return a
}

// refused checks an error of the specification's form.
func (r *rig) refused(a answer, status int, id string) {
	r.t.Helper()
	e, _ := a.body["error"].(map[string]any)
	list, _ := e["@Message.ExtendedInfo"].([]any)
	if a.status != status || len(list) == 0 || !strings.HasSuffix(list[0].(map[string]any)["MessageId"].(string), "."+id) {
		r.t.Fatalf("wanted %d %s, got %d %s", status, id, a.status, a.text)
	}
}

// paths gives those of the BIOS and its settings resource by the links.
func (r *rig) paths() (bios, settings string) {
	r.t.Helper()
	member := r.get(systems)["Members"].([]any)[0].(map[string]any)["@odata.id"].(string)
	bios = r.get(member)["Bios"].(map[string]any)["@odata.id"].(string)
	return bios, r.get(bios)["@Redfish.Settings"].(map[string]any)["SettingsObject"].(map[string]any)["@odata.id"].(string)
}

func (r *rig) get(path string) map[string]any {
	r.t.Helper()
	a := r.send("GET", path, nil)
	if a.status != 200 {
		r.t.Fatal(path, a.status, a.text)
	}
	return a.body
}

func (r *rig) current(name string) any {
	r.t.Helper()
	bios, _ := r.paths()
	v := r.get(bios)
	if list, ok := v["Attributes"].(map[string]any); ok {
		return list[name]
	}
	return v[name]
}

func (r *rig) boot() {
	r.t.Helper()
	c := r.s.Login(r.t)
	ref := c.Find("/DC0/host/gpu-a/" + hostName)
	before := c.Get(ref, "runtime.bootTime")["runtime.bootTime"]
	c.MustTask("EnterMaintenanceMode_Task", ref, "<timeout>0</timeout>")
	c.MustTask("RebootHost_Task", ref, "<force>false</force>")
	vctest.Eventually(r.t, "a new bootTime", func() bool {
		now := c.Get(ref, "runtime.bootTime", "runtime.connectionState")
		return now["runtime.bootTime"] != before && now["runtime.connectionState"] == "connected"
	})
	c.MustTask("ExitMaintenanceMode_Task", ref, "<timeout>0</timeout>")
}

func set(name string, v any, more ...any) map[string]any {
	m := map[string]any{"Attributes": map[string]any{name: v}}
	for i := 0; i < len(more); i += 2 {
		m[more[i].(string)] = more[i+1]
	}
	return m
}

var onReset = []any{"@Redfish.SettingsApplyTime", map[string]any{"ApplyTime": "OnReset"}}

func TestTheLogin(t *testing.T) {
	vctest.Breaks(t, "bmc.login-first", "bmc.session", "bmc.session-expires", "bmc.not-found")
	r := newRig(t, fleet.BMC{})
	token := r.token
	r.token = ""
	if a := r.send("GET", "/redfish/v1/", nil); a.status != 200 {
		t.Fatal(a.status)
	}
	r.refused(r.send("GET", systems, nil), 401, "NoValidSession")
	r.refused(r.send("POST", "/redfish/v1/SessionService/Sessions", map[string]any{"UserName": user, "Password": "x"}), 401, "ResourceAtUriUnauthorized")
	r.refused(r.send("POST", "/redfish/v1/SessionService/Sessions", map[string]any{"UserName": user, "Password": password, "Role": "x"}), 400, "PropertyUnknown")
	r.token = token
	r.get(systems)
	r.refused(r.send("GET", "/redfish/v1/Nothing", nil), 404, "ResourceMissingAtURI")
	if a := r.send("DELETE", systems, nil); a.status != 405 || a.header.Get("Allow") != "GET" {
		t.Fatal(a.status, a.header)
	}
	a := r.send("POST", "/redfish/v1/SessionService/Sessions", map[string]any{"UserName": user, "Password": password})
	if r.send("DELETE", a.header.Get("Location"), nil).status != 204 {
		t.Fatal("the session was not ended")
	}
	r.refused(r.send("GET", systems, nil, "X-Auth-Token", a.header.Get("X-Auth-Token")), 401, "NoValidSession")
	r.s.Control(t, "POST", "/set", map[string]any{"bmc": hostName, "expire": true})
	r.refused(r.send("GET", systems, nil), 401, "NoValidSession")
}

func TestBasicAuthentication(t *testing.T) {
	vctest.Breaks(t, "bmc.basic")
	r := newRig(t, fleet.BMC{BasicOnly: true})
	r.refused(r.send("GET", systems, nil, "Authorization", "Basic cm9vdDp4"), 401, "NoValidSession")
	if a := r.send("GET", systems, nil, "Authorization", "Basic cm9vdDpCbWMtc2VjcmV0LTE="); a.status != 200 {
		t.Fatal(a.status, a.text)
	}
	r.refused(r.send("POST", "/redfish/v1/SessionService/Sessions", map[string]any{}, "Authorization", "Basic cm9vdDpCbWMtc2VjcmV0LTE="), 404, "ResourceMissingAtURI")
}

func TestAServiceThatIsBusy(t *testing.T) {
	vctest.Breaks(t, "bmc.busy")
	r := newRig(t, fleet.BMC{})
	_, settings := r.paths()
	r.s.Control(t, "POST", "/set", map[string]any{"bmc": hostName, "busy": 1, "retry_after": "7"})
	a := r.send("PATCH", settings, set("MmioAbove4Gb", "Disabled", onReset...))
	if r.refused(a, 503, "ServiceTemporarilyUnavailable"); a.header.Get("Retry-After") != "7" {
		t.Fatal(a.header)
	}
	if r.get(settings)["Attributes"].(map[string]any)["MmioAbove4Gb"] != nil {
		t.Fatal("a busy service did something")
	}
}

func TestBIOSPassword(t *testing.T) {
	vctest.Breaks(t, "bmc.hpe-bios-password")
	for manner, refused := range map[string]bool{"ilo4": true, "hpe": false} {
		r := newRig(t, fleet.BMC{Manner: manner})
		r.s.Control(t, "POST", "/set", map[string]any{"bmc": hostName, "bios_password": true})
		_, settings := r.paths()
		body := map[string]any{"Sriov": "Enabled"}
		a := r.send("PATCH", settings, body)
		if !refused {
			continue
		}
		r.refused(a, 400, "TokenRequired")
		if a := r.send("PATCH", settings, body, "X-HPRESTFULAPI-AuthToken", "AB"); a.status != 200 {
			t.Fatal(a.status)
		}
	}
}

func TestETags(t *testing.T) {
	vctest.Breaks(t, "bmc.if-match", "bmc.if-match-needed")
	r := newRig(t, fleet.BMC{Manner: "ami"})
	_, settings := r.paths()
	body := set("Above4GDecoding", "Disabled", onReset...)
	r.refused(r.send("PATCH", settings, body), 428, "PreconditionRequired")
	r.refused(r.send("PATCH", settings, body, "If-Match", `"old"`), 412, "PreconditionFailed")
	tag := r.send("GET", settings, nil).header.Get("ETag")
	if a := r.send("PATCH", settings, body, "If-Match", tag); a.status != 200 {
		t.Fatal(a.status, a.text)
	}
	r.refused(r.send("PATCH", settings, body, "If-Match", tag), 412, "PreconditionFailed")
}

func TestPendingUntilTheBoot(t *testing.T) {
	vctest.Breaks(t, "bmc.pending", "bmc.registry", "bmc.apply-time", "bmc.supermicro-text", "bmc.pending-lists")
	r := newRig(t, fleet.BMC{Manner: "supermicro"})
	bios, settings := r.paths()
	if a := r.send("PATCH", bios, set("Above4GDecoding_00B1", "Disabled")); a.status != 405 {
		t.Fatal(a.status)
	}
	r.refused(r.send("PATCH", settings, set("Nothing", "1")), 400, "PropertyUnknown")
	r.refused(r.send("PATCH", settings, set("Above4GDecoding_00B1", "Off")), 400, "PropertyValueNotInList")
	r.refused(r.send("PATCH", settings, set("Above4GDecoding_00B1", 0)), 400, "PropertyValueTypeError")
	r.refused(r.send("PATCH", settings, set("Above4GDecoding_00B1", "0", onReset...)), 400, "ActionParameterNotSupported")
	r.refused(r.send("PATCH", settings, map[string]any{"Attributes": map[string]any{"Above4GDecoding_00B1": "0", "Nothing": 1}}), 400, "PropertyUnknown")
	if n := len(r.get(settings)["Attributes"].(map[string]any)); n != 0 {
		t.Fatal("something of a refused request is pending")
	}
	for _, form := range []string{"0", "Disabled"} {
		if a := r.send("PATCH", settings, set("Above4GDecoding_00B1", form)); a.status != 200 {
			t.Fatal(a.status, a.text)
		}
		if v := r.get(settings)["Attributes"].(map[string]any); len(v) != 1 || v["Above4GDecoding_00B1"] != "Disabled" {
			t.Fatal(v)
		}
	}
	if r.current("Above4GDecoding_00B1") != "Enabled" {
		t.Fatal("in force before the boot")
	}
	r.boot()
	if v := r.current("Above4GDecoding_00B1"); v != "Disabled" {
		t.Fatal(v)
	}
	var hosts []map[string]any
	data, _ := json.Marshal(r.s.Control(t, "GET", "/truth", nil)["hosts"])
	_ = json.Unmarshal(data, &hosts)
	if hosts[0]["above_4g"] != false {
		t.Fatal("the host did not follow: ", hosts[0]["above_4g"])
	}
}

func TestAReadOnlyAttribute(t *testing.T) {
	vctest.Breaks(t, "bmc.registry")
	r := newRig(t, fleet.BMC{})
	_, settings := r.paths()
	r.refused(r.send("PATCH", settings, set("SystemServiceTag", "X", onReset...)), 400, "PropertyNotWritable")
	r.refused(r.send("PATCH", settings, set("ProcCStates", "Enabled", onReset...)), 400, "PropertyNotWritable") // needs SysProfile = Custom
	r.refused(r.send("PATCH", settings, set("AcPwrRcvryUserDelay", 601, onReset...)), 400, "PropertyValueOutOfRange")
}

func TestAnIDRAC(t *testing.T) {
	vctest.Breaks(t, "bmc.dell-needs-apply-time", "bmc.dell-busy", "bmc.dell-delete", "bmc.dell-paths")
	r := newRig(t, fleet.BMC{JobSeconds: 1})
	_, settings := r.paths()
	if a := r.send("PATCH", settings, set("SriovGlobalEnable", "Enabled")); a.status != 200 {
		t.Fatal(a.status, a.text)
	}
	r.boot()
	if v := r.current("SriovGlobalEnable"); v != "Disabled" {
		t.Fatal("a PATCH without ApplyTime was applied")
	}
	clear := r.get(settings)["Actions"].(map[string]any)["Oem"].(map[string]any)["#DellManager.ClearPending"].(map[string]any)["target"].(string)
	if a := r.send("POST", clear, map[string]any{}); a.status != 200 || len(r.get(settings)["Attributes"].(map[string]any)) != 0 {
		t.Fatal("ClearPending", a.status)
	}
	if a := r.send("PATCH", settings, set("MmioAbove4Gb", "Enabled", onReset...)); a.status != 200 || a.header.Get("Location") != "" {
		t.Fatal("a job for nothing", a.status)
	}
	a := r.send("PATCH", settings, set("SriovGlobalEnable", "Enabled", onReset...))
	if a.status != 202 {
		t.Fatal(a.status, a.text)
	}
	task := a.header.Get("Location")
	r.refused(r.send("PATCH", settings, set("LogicalProc", "Disabled", onReset...)), 400, "SYS011")
	r.refused(r.send("POST", clear, map[string]any{}), 400, "SYS011")
	id := task[strings.LastIndex(task, "/")+1:]
	service := "/redfish/v1/Managers/iDRAC.Embedded.1/Oem/Dell/DellJobService/Actions/DellJobService.DeleteJobQueue"
	r.refused(r.send("GET", "/redfish/v1/Managers/iDRAC.Embedded.1/Jobs", nil), 404, "ResourceMissingAtURI")
	r.refused(r.send("POST", service, map[string]any{"JobID": "JID_1"}), 400, "SUP023")
	if a := r.send("POST", service, map[string]any{"JobID": id}); a.status != 200 {
		t.Fatal(a.status, a.text)
	}
	r.send("POST", clear, map[string]any{})
	a = r.send("PATCH", settings, set("SriovGlobalEnable", "Enabled", onReset...))
	vctest.Eventually(t, "the job is scheduled", func() bool { return r.get(a.header.Get("Location"))["TaskState"] == "Starting" })
	r.boot()
	if v := r.current("SriovGlobalEnable"); v != "Enabled" {
		t.Fatal(v)
	}
	if r.get(a.header.Get("Location"))["TaskState"] != "Completed" {
		t.Fatal("the job is not finished")
	}
}

func TestAnOlderIDRAC(t *testing.T) {
	vctest.Breaks(t, "bmc.dell-job")
	r := newRig(t, fleet.BMC{Manner: "dell-old", JobSeconds: 1e6})
	_, settings := r.paths()
	jobs := "/redfish/v1/Managers/iDRAC.Embedded.1/Jobs"
	r.refused(r.send("POST", jobs, map[string]any{"TargetSettingsURI": settings}), 400, "SYS409")
	r.refused(r.send("PATCH", settings, set("MmioAbove4Gb", "Disabled", onReset...)), 400, "ActionParameterNotSupported")
	if a := r.send("PATCH", settings, set("MmioAbove4Gb", "Disabled")); a.status != 200 || a.header.Get("Location") != "" {
		t.Fatal(a.status, a.text)
	}
	a := r.send("POST", jobs, map[string]any{"TargetSettingsURI": settings})
	if a.status != 200 || r.get(a.header.Get("Location"))["JobState"] != "New" {
		t.Fatal(a.status, a.text)
	}
	r.boot()
	if v := r.current("MmioAbove4Gb"); v != "Enabled" {
		t.Fatal("a job that is New was applied")
	}
}

func TestAnILO(t *testing.T) {
	vctest.Breaks(t, "bmc.hpe-verdict", "bmc.pending-lists", "bmc.hpe-login")
	r := newRig(t, fleet.BMC{Manner: "hpe"})
	r.refused(r.send("POST", "/redfish/v1/SessionService/Sessions", map[string]any{"UserName": user, "Password": "x"}), 400, "UnauthorizedLoginAttempt")
	bios, settings := r.paths()
	if n := len(r.get(settings)["Attributes"].(map[string]any)); n < 4 {
		t.Fatal("the settings list ", n)
	}
	for name, v := range map[string]string{"Sriov": "On", "PciResourcePadding": "High"} {
		if a := r.send("PATCH", settings, set(name, v)); a.status != 200 {
			t.Fatal(a.status, a.text)
		}
	}
	r.boot()
	if r.current("Sriov") != "Disabled" || r.current("PciResourcePadding") != "High" {
		t.Fatal(r.current("Sriov"), r.current("PciResourcePadding"))
	}
	if text := fmt.Sprint(r.get(bios)["@Redfish.Settings"]); !strings.Contains(text, "PropertyValueNotInList") {
		t.Fatal(text)
	}
}

func TestAnILO4(t *testing.T) {
	vctest.Breaks(t, "bmc.hpe-flat")
	r := newRig(t, fleet.BMC{Manner: "ilo4"})
	_, settings := r.paths()
	r.send("PATCH", settings, set("Sriov", "Enabled"))
	if r.get(settings)["Sriov"] != "Disabled" {
		t.Fatal("Attributes were read")
	}
	r.send("PATCH", settings, map[string]any{"Sriov": "Enabled"})
	r.boot()
	if v := r.current("Sriov"); v != "Enabled" {
		t.Fatal(v)
	}
}

func TestAnXCC(t *testing.T) {
	vctest.Breaks(t, "bmc.lenovo-custom")
	r := newRig(t, fleet.BMC{Manner: "lenovo"})
	_, settings := r.paths()
	r.send("PATCH", settings, set("Processors_CStates", "Legacy"))
	r.boot()
	if v := r.current("Processors_CStates"); v != "Disable" {
		t.Fatal("kept outside of the custom mode: ", v)
	}
	r.send("PATCH", settings, set("OperatingModes_ChooseOperatingMode", "CustomMode"))
	r.send("PATCH", settings, set("Processors_CStates", "Legacy"))
	r.boot()
	if v := r.current("Processors_CStates"); v != "Legacy" {
		t.Fatal(v)
	}
}

func TestPagesOfJobs(t *testing.T) {
	vctest.Breaks(t, "bmc.expand")
	for manner, jobs := range map[string]string{"dell": "/redfish/v1/Managers/iDRAC.Embedded.1/Oem/Dell/Jobs", "dell-old": "/redfish/v1/Managers/iDRAC.Embedded.1/Jobs"} {
		r := newRig(t, fleet.BMC{Manner: manner})
		r.s.Control(t, "POST", "/set", map[string]any{"bmc": hostName, "finished": 120})
		seen, from := 0, jobs
		for from != "" {
			v := r.get(from)
			seen += len(v["Members"].([]any))
			from, _ = v["Members@odata.nextLink"].(string)
		}
		if seen != 120 {
			t.Fatal(manner, seen)
		}
		a := r.send("GET", jobs+"?$expand=*($levels=1)", nil)
		if manner == "dell-old" {
			r.refused(a, 400, "QueryNotSupported")
			continue
		}
		if a.status != 200 || a.body["Members"].([]any)[0].(map[string]any)["JobState"] != "Completed" {
			t.Fatal(a.status, a.text)
		}
		if next := r.get(a.body["Members@odata.nextLink"].(string)); next["Members"].([]any)[0].(map[string]any)["JobState"] != "Completed" {
			t.Fatal("the second page is not expanded")
		}
	}
}
