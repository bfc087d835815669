package beside_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// client speaks plain HTTP to /rest with one session.
type client struct {
	t  *testing.T
	s  *vctest.Server
	id string
}

func (c *client) send(method, path, body string, change ...func(*http.Request)) (int, string, http.Header) {
	c.t.Helper()
	q, err := http.NewRequest(method, c.s.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.id != "" {
		q.Header.Set("vmware-api-session-id", c.id)
	}
	for _, f := range change {
		f(q)
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b), res.Header
}

// value is the value that a request must answer with.
func (c *client) value(method, path, body string, into any) {
	c.t.Helper()
	status, text, _ := c.send(method, path, body)
	if status != 200 {
		c.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(text), &struct{ Value any }{into}); err != nil {
		c.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
}

func (c *client) refused(status int, kind, part, method, path, body string) {
	c.t.Helper()
	got, text, _ := c.send(method, path, body)
	var f struct {
		Type  string
		Value struct {
			Messages []struct {
				Text string `json:"default_message"`
			}
		}
	}
	if json.Unmarshal([]byte(text), &f) != nil || got != status || f.Type != "com.vmware.vapi.std.errors."+kind || len(f.Value.Messages) != 1 || !strings.Contains(f.Value.Messages[0].Text, part) {
		c.t.Fatalf("%s %s: wanted %d %s with %q: %d %s", method, path, status, kind, part, got, text)
	}
}

const (
	sessions = "/rest/com/vmware/cis/session"
	tagging  = "/rest/com/vmware/cis/tagging/"
)

func login(t *testing.T, s *vctest.Server, user, password string) *client {
	t.Helper()
	c := &client{t: t, s: s}
	status, text, h := c.send("POST", sessions, "", func(q *http.Request) { q.SetBasicAuth(user, password) })
	var got struct{ Value string }
	if err := json.Unmarshal([]byte(text), &got); status != 200 || err != nil || !strings.HasPrefix(h.Get("Set-Cookie"), "vmware-api-session-id="+got.Value+";") {
		t.Fatal(status, text, h)
	}
	c.id = got.Value
	return c
}

func (c *client) category(name, cardinality string, kinds ...string) string {
	c.t.Helper()
	list, _ := json.Marshal(kinds)
	var id string
	c.value("POST", tagging+"category", `{"create_spec":{"name":"`+name+`","description":"","cardinality":"`+cardinality+`","associable_types":`+string(list)+`}}`, &id)
	return id
}

func (c *client) tag(name, category string) string {
	c.t.Helper()
	var id string
	c.value("POST", tagging+"tag", `{"create_spec":{"name":"`+name+`","description":"","category_id":"`+category+`"}}`, &id)
	return id
}

func TestSessionOfREST(t *testing.T) {
	vctest.Breaks(t, "beside.session", "beside.unauthenticated")
	s := vctest.Start(t, vcenter.Options{})
	none := &client{t: t, s: s}
	none.refused(401, "unauthenticated", "", "POST", sessions, "")
	none.refused(401, "unauthenticated", "", "GET", sessions, "")
	none.refused(401, "unauthenticated", "", "GET", tagging+"tag", "")
	if status, _, _ := none.send("POST", sessions, "", func(q *http.Request) { q.SetBasicAuth(vctest.User, "wrong") }); status != 401 {
		t.Fatal("a wrong password: ", status)
	}
	if status, _, _ := none.send("GET", "/api/content/security-policies", ""); status != 401 {
		t.Fatal("/api without a session: ", status)
	}
	c := login(t, s, vctest.User, vctest.Password)
	var info map[string]string
	c.value("POST", sessions+"?~action=get", "", &info)
	if info["user"] != vctest.User || info["created_time"] == "" {
		t.Fatal(info)
	}
	c.refused(405, "operation_not_found", "PUT", "PUT", sessions, "")
	var tags []string
	c.value("GET", tagging+"tag", "", &tags)
	if status, _, _ := none.send("GET", tagging+"tag", "", func(q *http.Request) { q.Header.Set("Cookie", "vmware-api-session-id="+c.id) }); status != 200 {
		t.Fatal("the cookie: ", status)
	}
	soap := s.Login(t)
	if n := strings.Count(soap.Get("SessionManager:SessionManager", "sessionList")["sessionList"], "<userName>"+vctest.User); n != 2 {
		t.Fatal("sessions: ", n)
	}
	c.value("DELETE", sessions, "", nil)
	c.refused(401, "unauthenticated", "", "GET", tagging+"tag", "")
}

func TestTags(t *testing.T) {
	vctest.Breaks(t, "beside.tag-object", "beside.simulated")
	s := vctest.Start(t, vcenter.Options{})
	c := login(t, s, vctest.User, vctest.Password)
	_, host, _ := strings.Cut(s.Login(t).Find("DC0/host/gpu-a/esx-a-1"), ":")
	_, cluster, _ := strings.Cut(s.Login(t).Find("DC0/host/gpu-a"), ":")
	one := c.category("pool", "SINGLE", "HostSystem")
	a, b := c.tag("a100", one), c.tag("t4", one)
	object := func(kind, id string) string { return `{"object_id":{"type":"` + kind + `","id":"` + id + `"}}` }
	attach := func(tag string) string { return tagging + "tag-association/id:" + tag + "?~action=attach" }
	c.refused(400, "invalid_argument", "not in the inventory", "POST", attach(a), object("HostSystem", "host-999"))
	c.refused(400, "invalid_argument", "not eligible", "POST", attach(a), object("ClusterComputeResource", cluster))
	c.value("POST", attach(a), object("HostSystem", host), nil)
	c.refused(400, "invalid_argument", "which allows one", "POST", attach(b), object("HostSystem", host))
	c.value("POST", attach(a), object("HostSystem", host), nil) // it has this one
	var tags []string
	c.value("POST", tagging+"tag-association?~action=list-attached-tags", object("HostSystem", host), &tags)
	if len(tags) != 1 || tags[0] != a {
		t.Fatal(tags)
	}
	if status, _, _ := c.send("POST", attach("urn:nothing"), object("HostSystem", host)); status != 404 {
		t.Fatal("an unknown tag: ", status)
	}
	if status, _, _ := c.send("GET", "/rest/com/vmware/nothing", ""); status != 404 {
		t.Fatal("an unknown path: ", status)
	}
	// several at once, and an object of a content library, which no inventory has
	free := c.category("any", "MULTIPLE")
	x := c.tag("x", free)
	c.refused(400, "invalid_argument", "not in the inventory", "POST", attach(x), object("com.vmware.content.Library", "none"))
	c.refused(400, "invalid_argument", "not in the inventory", "POST", tagging+"tag-association/id:"+x+"?~action=attach-tag-to-multiple-objects",
		`{"object_ids":[{"type":"HostSystem","id":"`+host+`"},{"type":"HostSystem","id":"host-999"}]}`)
	var library string
	c.value("POST", "/rest/com/vmware/content/local-library", `{"create_spec":{"name":"iso","type":"LOCAL","storage_backings":[{"type":"DATASTORE","datastore_id":"`+strings.TrimPrefix(s.Login(t).Find("DC0/datastore/ds-1"), "Datastore:")+`"}]}}`, &library)
	c.value("POST", attach(x), object("com.vmware.content.Library", library), nil)
}

func TestPrivilegesOfTags(t *testing.T) {
	vctest.Breaks(t, "beside.privilege")
	f := fleet.Demo()
	f.Users = append(f.Users, fleet.User{Name: "looker", Password: "p", Role: "ReadOnly"},
		fleet.User{Name: "tagger", Password: "p", Privileges: []string{"InventoryService.Tagging.AttachTag"}})
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	admin, looker, tagger := login(t, s, vctest.User, vctest.Password), login(t, s, "looker", "p"), login(t, s, "tagger", "p")
	id := admin.tag("x", admin.category("c", "MULTIPLE"))
	object := `{"object_id":{"type":"HostSystem","id":"` + strings.TrimPrefix(s.Login(t).Find("DC0/host/gpu-a/esx-a-1"), "HostSystem:") + `"}}`
	attach := tagging + "tag-association/id:" + id + "?~action=attach"
	looker.refused(403, "unauthorized", "InventoryService.Tagging.AttachTag", "POST", attach, object)
	tagger.value("POST", attach, object, nil)
	var ids []string
	looker.value("GET", tagging+"tag", "", &ids)
	looker.value("POST", tagging+"tag-association?~action=list-attached-tags", object, &ids)
	for _, x := range []struct{ privilege, method, path string }{
		{"InventoryService.Tagging.CreateCategory", "POST", tagging + "category"}, {"InventoryService.Tagging.DeleteCategory", "DELETE", tagging + "category/id:1"},
		{"InventoryService.Tagging.CreateTag", "POST", tagging + "tag"}, {"InventoryService.Tagging.EditTag", "PATCH", tagging + "tag/id:" + id},
		{"InventoryService.Tagging.DeleteTag", "DELETE", tagging + "tag/id:" + id}, {"ContentLibrary.CreateLocalLibrary", "POST", "/rest/com/vmware/content/local-library"},
		{"ContentLibrary.AddLibraryItem", "POST", "/rest/com/vmware/content/library/item"}, {"ContentLibrary.DeleteSubscribedLibrary", "DELETE", "/rest/com/vmware/content/subscribed-library/id:1"},
		{"ContentLibrary.UpdateSession", "POST", "/rest/com/vmware/content/library/item/update-session"}, {"Global.Settings", "POST", "/rest/vcenter/cluster/modules"},
	} {
		tagger.refused(403, "unauthorized", x.privilege, x.method, x.path, "{}")
	}
}

// The services of SOAP beside vim25: policies need a session, the lookup service needs none.
func TestPoliciesAndLookup(t *testing.T) {
	vctest.Breaks(t, "beside.unauthenticated")
	s := vctest.Start(t, vcenter.Options{})
	soap := s.Login(t)
	post := func(path, body, cookie string) (int, string) {
		c := &client{t: t, s: s}
		status, text, _ := c.send("POST", path, vctest.Envelope("<soapenv:Body>"+body+"</soapenv:Body>"), func(q *http.Request) {
			q.Header.Set("Cookie", `vmware_soap_session="`+cookie+`"`)
		})
		return status, text
	}
	query := `<PbmQueryProfile xmlns="urn:pbm"><_this type="PbmProfileProfileManager">ProfileManager</_this><resourceType><resourceType>STORAGE</resourceType></resourceType></PbmQueryProfile>`
	if status, text := post("/pbm", query, ""); status != 500 || !strings.Contains(text, `xsi:type="NotAuthenticated"`) {
		t.Fatal(status, text)
	}
	if status, text := post("/pbm", query, soap.Cookie); status != 200 || !strings.Contains(text, "<uniqueId>") {
		t.Fatal(status, text)
	}
	// as govmomi and PowerCLI send it: the session in the SOAP header
	c := &client{t: t, s: s}
	status, text, _ := c.send("POST", "/pbm", vctest.Envelope(`<soapenv:Header><vcSessionCookie>`+soap.Cookie+`</vcSessionCookie></soapenv:Header><soapenv:Body>`+query+`</soapenv:Body>`))
	if status != 200 || !strings.Contains(text, "<uniqueId>") {
		t.Fatal(status, text)
	}
	if status, text := post("/lookupservice/sdk", `<RetrieveServiceContent xmlns="urn:lookup"><_this type="LookupServiceInstance">ServiceInstance</_this></RetrieveServiceContent>`, ""); status != 200 {
		t.Fatal(status, text)
	}
	list := `<List xmlns="urn:lookup"><_this type="LookupServiceRegistration">ServiceRegistration</_this><filterCriteria></filterCriteria></List>`
	if status, text := post("/lookupservice/sdk", list, ""); status != 200 || !strings.Contains(text, "<url>"+s.URL+"/sts/") {
		t.Fatal(status, text)
	}
	volumes := `<CnsQueryVolume xmlns="urn:vsan"><_this type="CnsVolumeManager">cns-volume-manager</_this><filter></filter></CnsQueryVolume>`
	if status, text := post("/vsanHealth", volumes, ""); status != 500 || !strings.Contains(text, "NotAuthenticated") {
		t.Fatal(status, text)
	}
	if status, text := post("/vsanHealth", volumes, soap.Cookie); status != 200 {
		t.Fatal(status, text)
	}
}

// A supervisor's support bundle is asked for in a session and fetched by its token alone.
func TestSupportBundle(t *testing.T) {
	vctest.Breaks(t, "beside.bundle-token")
	s := vctest.Start(t, vcenter.Options{})
	c := login(t, s, vctest.User, vctest.Password)
	cluster := s.Login(t).Find("DC0/host/gpu-a")
	path := "/api/vcenter/namespace-management/clusters/" + cluster[strings.Index(cluster, ":")+1:] + "/support-bundle"
	status, text, _ := c.send("POST", path, "")
	var made struct {
		URL   string
		Token struct{ Token string } `json:"wcp_support_bundle_token"`
	}
	if status != 200 || json.Unmarshal([]byte(text), &made) != nil || made.Token.Token == "" || !strings.HasSuffix(made.URL, path) {
		t.Fatal(status, text)
	}
	anyone := &client{t: t, s: s}
	for _, wrong := range []string{"", "{}", `{"wcp-support-bundle-token":""}`, `{"wcp-support-bundle-token":"guess"}`} {
		if status, text, _ := anyone.send("POST", path, wrong); status != 401 {
			t.Fatal(wrong, status, text)
		}
	}
	status, text, head := anyone.send("POST", path, `{"wcp-support-bundle-token":"`+made.Token.Token+`"}`)
	if status != 200 || !strings.Contains(head.Get("Content-Disposition"), "filename=wcp-support-bundle-") || len(text) < 512 {
		t.Fatal(status, head, len(text))
	}
	if status, _, _ := anyone.send("POST", strings.TrimSuffix(path, "/support-bundle"), `{"wcp-support-bundle-token":"`+made.Token.Token+`"}`); status != 401 {
		t.Fatal("the token is good for the bundle only: ", status)
	}
}
