// Package beside serves what govmomi's simulator has beside vim25: tags, content libraries, cluster modules and
// supervisors below /rest and /api, storage policies, the lookup service and vSAN. The simulator takes any session;
// here each request needs one of ours, and the privilege that a real vCenter asks for. What the simulator's own
// handlers do in the inventory they do as a client of this server, so the rules of vim25 hold for them too.
package beside

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"

	cns "github.com/vmware/govmomi/cns/simulator"
	lookup "github.com/vmware/govmomi/lookup/simulator"
	pbm "github.com/vmware/govmomi/pbm/simulator"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/vpx"
	cluster "github.com/vmware/govmomi/vapi/cluster/simulator"
	namespace "github.com/vmware/govmomi/vapi/namespace/simulator"
	vapi "github.com/vmware/govmomi/vapi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	vsan "github.com/vmware/govmomi/vsan/simulator"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/rules"
)

const header = "vmware-api-session-id"

var (
	_ = rules.Add(rules.Rule{ID: "beside.session", Sure: "documented", As: "laxer: a real one shows the session to POST with ~action=get only", Source: "vSphere REST API reference 6.5 to 7.0: Cis Session create, get, delete; session id in the cookie or the header vmware-api-session-id",
		Text: "POST /rest/com/vmware/cis/session with Basic credentials is 200 with the session id as value, and sets the cookie; ~action=get or GET shows user and times, DELETE ends it. It is a session like any other."})
	_ = rules.Add(rules.Rule{ID: "beside.unauthenticated", Sure: "documented", As: "real", Source: "vSphere REST API reference: com.vmware.vapi.std.errors.unauthenticated (401), unauthorized (403)",
		Text: "A path below /rest, /pbm and /vsanHealth without a session of this server is refused: 401 there, NotAuthenticated in SOAP. The lookup service needs no session."})
	_ = rules.Add(rules.Rule{ID: "beside.privilege", Sure: "documented", As: "inferred", Source: "vSphere Security 8.0: vSphere Tagging Privileges (InventoryService.Tagging.*), Content Library Privileges (ContentLibrary.*); none for paths that neither names, which here take Global.Settings to change anything",
		Text: "Creating, changing, deleting and attaching tags, and changing content libraries, need their privilege: 403 without it."})
	_ = rules.Add(rules.Rule{ID: "beside.tag-object", Sure: "documented", As: "real", Source: "vSphere Automation API reference: Cis Tagging Tag Association attach: InvalidArgument if the tag is not eligible to be attached to the object or the object is not valid; Category Cardinality SINGLE, associable_types",
		Text: "A tag is attached only to an object of this inventory, of a type that its category allows, and only one tag of a category of cardinality SINGLE: else 400 invalid_argument."})
	_ = rules.Add(rules.Rule{ID: "beside.bundle-token", Sure: "documented", As: "real", Source: "vSphere Automation API reference: Namespace Management Support Bundle create: url and wcp_support_bundle_token, the token required in the request for the bundle; govmomi vapi/namespace SupportBundleRequest sends no session",
		Text: "A supervisor's support bundle is fetched without a session, by the token that was given for it."})
	_ = rules.Add(rules.Rule{ID: "beside.simulated", Sure: "inferred", As: "laxer: a real one checks every field, and has many more paths", Source: "govmomi: vapi/simulator, vapi/cluster/simulator, vapi/namespace/simulator, pbm/simulator, lookup/simulator",
		Text: "Tags, content libraries, cluster modules, supervisors, storage policies and the lookup service answer as govmomi's simulator does; a path that it does not have is 404."})
)

// service keeps the simulator's handlers.
type service struct {
	s    *api.Server
	once sync.Once
	rest http.Handler
	id   string // the simulator's one session of /rest, behind which every request goes
	soap string // and its session of SOAP
	user string // the user as which the handlers call this server

	bundles tokens // of the support bundles that were asked for
}

// Register adds the paths. An ESXi host has none of them.
func Register(s *api.Server) {
	if s.W.ESXi {
		return
	}
	b := &service{s: s}
	s.OnLocated(b.addresses)
	for _, p := range []string{"/rest/", "/api/content/", "/api/vcenter/namespaces/", "/api/vcenter/namespace-management/"} {
		s.HTTP(p, b.serveREST)
	}
	s.HTTP(taggingPath, b.serveTagging)
	s.HTTP("/sts/", b.serveSTS)
	for _, p := range []string{"/pbm", "/lookupservice/sdk", "/vsanHealth"} {
		s.HTTP(p, b.serveSOAP)
	}
}

const loginBody = `<?xml version="1.0"?><Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><Login xmlns="urn:vim25">` +
	`<_this type="SessionManager">SessionManager</_this><userName>%s</userName><password>%s</password></Login></Body></Envelope>`

// start mounts the handlers at the first request: only then the server's own address is known.
func (b *service) start() {
	b.once.Do(func() {
		u, err := url.Parse(b.s.URL)
		if err != nil {
			panic(err)
		}
		name, password := b.s.Sessions.Service("vpxd-services@vsphere.local")
		u.Path, u.User, b.user = "/sdk", url.UserPassword(name, password), name
		w := b.s.W
		w.Lock()
		defer w.Unlock()
		w.Svc.Listen = u
		for _, r := range []*simulator.Registry{w.Reg, pbm.New(), lookup.New(), cns.New(), vsan.New()} {
			w.Svc.RegisterSDK(r)
		}
		patterns, h := vapi.New(u, w.Reg)
		// The other handlers come into that one's tree only when a server of the simulator starts.
		ctx, instance := simulator.NewServiceInstance(simulator.NewContext(), vpx.ServiceContent, vpx.RootFolder)
		aside := simulator.New(ctx, instance)
		aside.RegisterSDK(ctx.Map)
		ctx.Map.OptionManager().Setting = nil // they are shared by all, and that server would write its address into them
		for _, p := range patterns {
			w.Svc.Handle(p, h)
			aside.Handle(p, h)
		}
		cluster.New(w.Reg, u).Register(aside, w.Reg)
		namespace.New(u).Register(aside, w.Reg)
		aside.NewServer().Close()
		b.rest = h

		q := httptest.NewRequest(http.MethodPost, "/rest/com/vmware/cis/session", nil)
		q.Header.Set("Authorization", "SIGN ")
		var made struct{ Value string }
		if err := json.Unmarshal(b.inner(q).Body.Bytes(), &made); err != nil || made.Value == "" {
			panic("the simulator gave no session of /rest")
		}
		b.id = made.Value
		out := httptest.NewRecorder()
		w.Svc.ServeSDK(out, httptest.NewRequest(http.MethodPost, "/sdk", strings.NewReader(fmt.Sprintf(loginBody, name, password))))
		for _, c := range out.Result().Cookies() {
			b.soap = c.Value
		}
	})
}

// inner asks the simulator's handler.
func (b *service) inner(q *http.Request) *httptest.ResponseRecorder {
	if b.id != "" {
		q.Header.Set(header, b.id)
	}
	out := httptest.NewRecorder()
	b.rest.ServeHTTP(out, q)
	return out
}

// get reads the value of a path of the simulator's into v.
func (b *service) get(method, path string, body, v any) bool {
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	out := b.inner(httptest.NewRequest(method, "/rest/com/vmware/cis/tagging/"+path, bytes.NewReader(data)))
	return out.Code == http.StatusOK && json.Unmarshal(out.Body.Bytes(), &struct{ Value any }{v}) == nil
}

// addresses writes this server's address into the options that name services of it.
func (b *service) addresses() {
	u, err := url.Parse(b.s.URL)
	if err != nil {
		panic(err)
	}
	b.s.W.Lock()
	defer b.s.W.Unlock()
	om := b.s.W.Reg.OptionManager()
	set := make([]types.BaseOptionValue, 0, len(om.Setting))
	for _, o := range om.Setting { // the simulator's are shared by all servers of a process
		v := *o.GetOptionValue()
		if text, is := v.Value.(string); is && strings.HasSuffix(v.Key, ".uri") {
			if at, err := url.Parse(text); err == nil && at.Host != "" {
				at.Scheme, at.Host = u.Scheme, u.Host
				v.Value = at.String()
			}
		}
		set = append(set, &v)
	}
	om.Setting = set
}
