// Package front is the HTTP face: /sdk, /sdk/vimServiceVersions.xml, the control pages
// below /gpsim/ and the paths that the packages registered. A SOAP request goes through
// trouble rules, strict decoding, session, privilege, handler, encoding and journal, in
// this order; what no package handles is called on the simulator's object in process.
package front

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/wire"
	"gpupt.test/vcenter/internal/world"
)

var (
	_ = rules.Add(rules.Rule{ID: "wire.soap-action", Sure: "inferred", As: "inferred", Source: "none for another namespace; the wording is that of wire.version-mismatch. Without one: govmomi soap.Client.UnmarshalJSON, by which session/cache and Terraform restore a client, leaves Namespace empty",
		Text: "SOAPAction names urn:vim25 and a version; another namespace is refused. Without a namespace (/7.0) it is urn:vim25; urn:vim25 alone means the oldest version."})
	_ = rules.Add(rules.Rule{ID: "wire.version-unknown", Sure: "seen", As: "real", Source: "govmomi cli/session/login.go: a client with vim25.Version 7.0 works with a server of 6.3 except for LoginByToken; pyVmomi SoapHandler.py _GetHeaderVersion: an unknown versionId takes the latest version of its namespace",
		Text: "A version that vimServiceVersions.xml does not list, as one newer than the server or urn:vim25/-, is served with the server's own version."})
	_ = rules.Add(rules.Rule{ID: "wire.version-mismatch", Sure: "seen", As: "real", Source: "govmomi cli/session/login.go quotes `VersionMismatchFaultCode: Unsupported version URI \"urn:vim25/7.0\"` for LoginByToken",
		Text: "LoginByToken with such a version is refused with the SOAP faultcode VersionMismatchFaultCode."})
	_ = rules.Add(rules.Rule{ID: "wire.versions-page", Sure: "seen", As: "real", Source: "pyvmomi tests/fixtures/smart_connection.yaml, recorded at vCenter 8.0.3",
		Text: "vimServiceVersions.xml is text/xml; charset=utf-8 and lists urn:vim25 only, down to 4.0."})
	_ = rules.Add(rules.Rule{ID: "wire.method-not-found", Sure: "inferred", As: "inferred", Source: "API reference: MethodNotFound",
		Text: "A method that the object's type does not have is MethodNotFound; an unknown object is ManagedObjectNotFound."})
)

// maxBody bounds a request.
const maxBody = 32 << 20

// Front is the http.Handler.
type Front struct {
	S       *api.Server
	W       *world.World
	Journal *Journal
	Trouble *Trouble
	// Gone reports that the endpoint itself is down (an ESXi host in its reboot); Barred
	// that it takes no direct logins.
	Gone   func() bool
	Barred func(user string) bool

	lives *lives
	since time.Time // when the service first came up
	// roleIDs are the roles of the fleet file's users and grants, by their addresses there.
	roleIDs map[any]int32

	statMu sync.Mutex
	stats  map[string]func() any // /gpsim/sessions
}

// New creates the front of a server.
func New(s *api.Server) *Front {
	f := &Front{S: s, W: s.W, Journal: NewJournal(), Trouble: NewTrouble(), lives: newLives(), stats: map[string]func() any{}}
	f.sessionMethods()
	f.registerAuthorization()
	f.registerHistory()
	f.registerEvents()
	f.registerScheduled()
	f.registerCounters()
	s.W.Derive("ServiceInstance", "serverClock", func(types.ManagedObjectReference) any { return time.Now().UTC() })
	s.Tasks.Trouble = f.Trouble.task
	return f
}

// Stat adds a number to /gpsim/sessions.
func (f *Front) Stat(name string, get func() any) {
	f.statMu.Lock()
	f.stats[name] = get
	f.statMu.Unlock()
}

// Count asks for one of the numbers.
func (f *Front) Count(name string) int {
	f.statMu.Lock()
	defer f.statMu.Unlock()
	if get := f.stats[name]; get != nil {
		n, _ := get().(int)
		return n
	}
	return 0
}

func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			fmt.Fprintf(os.Stderr, "vcenter: %s %s: %v\n%s", r.Method, r.URL.Path, p, debug.Stack())
			http.Error(w, "internal error", http.StatusInternalServerError)
		}
	}()
	if strings.HasPrefix(r.URL.Path, "/gpsim/") {
		f.control(w, r)
		return
	}
	// a guest's files and exports are at the host, which does not restart
	if !strings.HasPrefix(r.URL.Path, "/guestFile") && !strings.HasPrefix(r.URL.Path, "/nfc/") {
		if _, down := f.lives.now(); down != nil {
			f.away(w, r, down)
			return
		}
		var leave func()
		r, leave = f.lives.enter(r)
		defer leave()
	}
	switch path := r.URL.Path; {
	case f.Gone != nil && f.Gone():
		reset(w)
	case (path == "/sdk" || path == "/sdk/") && r.Method == http.MethodPost:
		f.sdk(w, r)
	case path == "/sdk" || path == "/sdk/":
		f.plain(w, r, func(w http.ResponseWriter, _ *http.Request, _ *session.Session) {
			w.Header().Set("Allow", "POST")
			http.Error(w, "only POST", http.StatusMethodNotAllowed)
		})
	case path == "/sdk/vimServiceVersions.xml":
		f.plain(w, r, func(w http.ResponseWriter, r *http.Request, _ *session.Session) { f.versions(w, r) })
	default:
		h := f.S.Path(path)
		if h == nil {
			http.NotFound(w, r)
			return
		}
		f.plain(w, r, h)
	}
}

// plain serves requests other than SOAP calls, with their trouble and their line in the journal.
func (f *Front) plain(w http.ResponseWriter, r *http.Request, h func(http.ResponseWriter, *http.Request, *session.Session)) {
	path := r.URL.Path
	rec := f.Journal.open("HTTP "+r.Method, path)
	rec.Guest = strings.HasPrefix(path, "/guestFile")
	rec.Changing = (strings.HasPrefix(path, "/folder/") || strings.HasPrefix(path, "/api/vcenter/") || strings.HasPrefix(path, "/rest/") && !strings.Contains(r.URL.RawQuery, "action=list")) && path != "/rest/com/vmware/cis/session" && (r.Method == http.MethodPut || r.Method == http.MethodPost || r.Method == http.MethodDelete)
	act := f.Trouble.file(rec)
	out := &recorder{ResponseWriter: w, status: 200}
	defer func() {
		if !rec.filed {
			rec.HTTP = out.status
		}
		f.Journal.close(rec)
	}()
	if act.before(f, out, r) {
		return
	}
	var s *session.Session
	c := cookie(r)
	if strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/rest/") {
		if c = r.Header.Get("vmware-api-session-id"); c == "" {
			if k, err := r.Cookie("vmware-api-session-id"); err == nil {
				c = k.Value
			}
		}
	}
	if c != "" {
		if s = f.S.Sessions.Enter(c); s != nil {
			defer f.S.Sessions.Leave(s)
			rec.Session = s.Key
		}
	}
	h(act.wrap(out, r), r, s)
	if act.kind() == "reset-after" {
		f.Journal.close(rec)
		reset(out)
	}
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(code int)        { r.status = code; r.ResponseWriter.WriteHeader(code) }
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// cookie returns the session cookie's value without its quotes.
func cookie(r *http.Request) string {
	for _, line := range r.Header.Values("Cookie") {
		for _, part := range strings.Split(line, ";") {
			k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
			if k == "vmware_soap_session" {
				return strings.Trim(v, `"`)
			}
		}
	}
	return ""
}

func (f *Front) sdk(w http.ResponseWriter, r *http.Request) {
	life, _ := f.lives.now()
	body, err := readBody(r)
	if err != nil {
		rec := f.Journal.open("", "")
		rec.HTTP, rec.Message = http.StatusBadRequest, err.Error()
		f.Journal.close(rec)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	version, unknown, e := f.version(r.Header.Get("SOAPAction"))
	req := &wire.Request{}
	if e == nil {
		req, e = wire.Decode(body, version)
	}
	if req.Method == "LoginByToken" && unknown != nil {
		e = unknown
	}
	rec := f.Journal.open(req.Method, ref(req.This))
	rec.OperationID = req.OperationID
	rec.Changing, rec.Guest = changing(req.Method), inGuest(req.Method)
	defer f.Journal.close(rec)
	act := f.Trouble.request(rec, r)
	if act.restart(f, "restart-before"); f.lost(w, rec, life) {
		return
	}
	if act.before(f, w, r) {
		if !rec.filed {
			rec.HTTP = act.status()
		}
		return
	}
	var sess *session.Session
	if c := cookie(r); c != "" {
		if sess = f.S.Sessions.Enter(c); sess != nil {
			defer f.S.Sessions.Leave(sess)
			rec.Session = sess.Key
		}
	}
	enc := &wire.Encoder{Version: version}
	if e == nil {
		call := &api.Call{S: f.S, W: f.W, Ctx: r.Context(), Method: req.Method, This: req.This, Req: req.Body, Raw: body, Session: sess,
			OperationID: req.OperationID, N: rec.N, Version: version, HTTP: r, Out: w.Header()}
		if act.fault != nil {
			e = act.fault
		} else {
			e = f.dispatch(call, enc)
		}
		rec.Task = call.TaskStarted
		if call.Session != nil {
			rec.Session = call.Session.Key
		}
	}
	status := http.StatusOK
	if e != nil {
		enc.Reset()
		f.W.Scrub(e)
		enc.Fault(e)
		rec.Fault = fault.Name(e.Fault)
		rec.Message = strings.TrimSpace(e.Message)
		status = http.StatusInternalServerError
		if full, ok := e.Fault.(*outOfSessions); ok && full != nil {
			http.Error(w, "Out of HTTP sessions: Limited to "+fmt.Sprint(f.S.Sessions.Limit), http.StatusServiceUnavailable)
			rec.HTTP = http.StatusServiceUnavailable
			return
		}
	}
	act.restart(f, "restart-after")
	if f.lost(w, rec, life) {
		return
	}
	rec.HTTP = status
	act.reply(f, w, r, status, enc.Bytes())
}

func readBody(r *http.Request) ([]byte, error) {
	var in io.Reader = io.LimitReader(r.Body, maxBody)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		in = io.LimitReader(z, maxBody)
	}
	return io.ReadAll(in)
}

func ref(r types.ManagedObjectReference) string {
	if r.Value == "" {
		return ""
	}
	return r.Type + ":" + r.Value
}

// dispatch finds the handler, takes the lock in its mode, and encodes the answer under it.
func (f *Front) dispatch(c *api.Call, enc *wire.Encoder) *fault.Error {
	entry := f.S.Lookup(c.This.Type, c.Method)
	model, known := wire.MethodOf(c.This.Type, c.Method)
	if c.Session == nil && (entry == nil || !entry.Anonymous) {
		obj := c.This
		return fault.New(&types.NotAuthenticated{NoPermission: types.NoPermission{Object: &obj, PrivilegeId: "System.View"}})
	}
	if c.Session != nil && !(known && model == nil) {
		if e := f.permitted(c, entry, model); e != nil {
			return e
		}
	}
	if known && model == nil {
		return fault.New(&types.MethodNotFound{Receiver: c.This, Method: c.Method}, "The method %s is not found on %s", c.Method, wire.ServerName(c.This.Type))
	}
	if entry == nil {
		entry = &api.Entry{Do: f.stock}
	}
	if e := escape(c); e != nil {
		return e
	}
	switch entry.Mode {
	case api.Write:
		f.W.Lock()
		defer f.W.Unlock()
		defer f.W.Truth.By(c.Cause())()
	case api.Read:
		f.W.RLock()
		defer f.W.RUnlock()
	}
	res, e := entry.Do(c)
	if e != nil {
		return e
	}
	if entry.Mode == api.Free {
		if raw, ok := res.(api.Encoded); ok {
			raw(enc)
			return nil
		}
		f.W.RLock()
		defer f.W.RUnlock()
	}
	if res == nil {
		res = &api.Void{}
	}
	enc.Response(c.Method, res)
	return nil
}

// servesMany are managers that work on many files or disks at once: none of their methods throws
// TaskInProgress (API reference: FileManager, VirtualDiskManager, HostDatastoreBrowser).
var servesMany = map[string]bool{"FileManager": true, "VirtualDiskManager": true, "HostDatastoreBrowser": true}

// stock calls the simulator's own method; a task of it is shown as a task of ours.
func (f *Front) stock(c *api.Call) (any, *fault.Error) {
	if f.W.Get(c.This) == nil {
		return nil, fault.NotFound(c.This)
	}
	if e := refuse(c); e != nil {
		return nil, e
	}
	if !strings.HasSuffix(c.Method, "_Task") {
		return f.W.Inner(c.This, c.Method, c.Req)
	}
	this, method, req := c.This, c.Method, c.Req
	return c.Task(task.Spec{Exclusive: !servesMany[this.Type], Work: 2 * time.Second,
		Do: func(*task.Task) (any, *fault.Error) {
			if q, ok := req.(*types.Rename_Task); ok {
				if e := f.rename(q); e != nil {
					return nil, e
				}
			}
			return f.W.Inner(this, method, req)
		}})
}

// inGuest reports whether a method works inside a guest: whether that changes anything depends
// on the program, so the journal marks it separately.
func inGuest(method string) bool {
	return strings.HasSuffix(method, "InGuest") || strings.HasSuffix(method, "ToGuest") || strings.HasSuffix(method, "FromGuest")
}

// changing reports whether a method changes the fleet; a second run must not call any of these.
func changing(method string) bool {
	if method == "" || harmless[method] || inGuest(method) {
		return false
	}
	for _, p := range []string{"Query", "Retrieve", "Find", "List", "Get", "Has", "Validate", "Check", "Continue", "WaitFor", "Read", "Fetch", "Lookup", "Estimate", "Export", "Acquire", "Search", "Is"} {
		if strings.HasPrefix(method, p) {
			return false
		}
	}
	return true
}

var harmless = map[string]bool{
	"Login": true, "Logout": true, "LoginByToken": true, "CloneSession": true, "CurrentTime": true, "SessionIsActive": true, "CreateFilter": true,
	"DestroyPropertyFilter": true, "DestroyPropertyCollector": true, "CreatePropertyCollector": true, "CancelWaitForUpdates": true,
	"CancelRetrievePropertiesEx": true, "CreateContainerView": true, "CreateListView": true, "CreateInventoryView": true,
	"DestroyView": true, "ModifyListView": true, "ResetListView": true, "SetLocale": true, "TerminateSession": true,
	"CreateCollectorForEvents": true, "CreateCollectorForTasks": true, "DestroyCollector": true, "RewindCollector": true,
	"ResetCollector": true, "Refresh": true, "RefreshDatastore": true, "InitiateFileTransferFromGuest": true,
	"SearchDatastore_Task": true, "SearchDatastoreSubFolders_Task": true, "LogUserEvent": true,
	"DirectPathProfileManagerQueryCapacity": true, "DirectPathProfileManagerList": true,
}
