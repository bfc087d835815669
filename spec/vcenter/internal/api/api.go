// Package api connects the front with the other packages. A package registers one function
// per method (Handle), per HTTP path (HTTP) and per part of the truth page; it never
// sees XML. Packages in order of construction: host, vm, power, guest... (see main.go).
package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/session"
	"gpupt.test/vcenter/internal/sso"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/truth"
	"gpupt.test/vcenter/internal/wire"
	"gpupt.test/vcenter/internal/world"
)

// Mode says how a handler uses the world lock.
type Mode int

const (
	Write Mode = iota // held for writing (the default)
	Read              // held for reading: handlers of this kind run side by side
	Free              // not held: the handler takes it itself and may wait
)

// Call is one decoded request.
type Call struct {
	S           *Server
	W           *world.World
	Ctx         context.Context // ends when the client goes away
	Method      string
	This        types.ManagedObjectReference
	Req         any    // pointer to govmomi's request struct, e.g. *types.PowerOnVM_Task
	Raw         []byte // the envelope as it came
	Session     *session.Session
	OperationID string
	N           int // the journal's number of the request
	Version     wire.Version
	HTTP        *http.Request
	Out         http.Header
	TaskStarted string // set by Task, for the journal
}

// Func answers a call with a pointer to an XxxResponse, or with a *fault.Error.
// A Free handler may return a Locked value to have the encoding done under the lock.
type Func func(c *Call) (any, *fault.Error)

// Entry is a registered method.
type Entry struct {
	Mode      Mode
	Anonymous bool   // works without a session
	Privilege string // overrides the table of privileges
	Do        Func
}

// Option changes an Entry.
type Option func(*Entry)

// ReadOnly and Unlocked choose the mode, NoLogin allows calls without a session.
func ReadOnly() Option              { return func(e *Entry) { e.Mode = Read } }
func Unlocked() Option              { return func(e *Entry) { e.Mode = Free } }
func NoLogin() Option               { return func(e *Entry) { e.Anonymous = true } }
func Needs(privilege string) Option { return func(e *Entry) { e.Privilege = privilege } }

// HTTPHandler serves a path prefix; s is nil when no one is logged in.
type HTTPHandler func(w http.ResponseWriter, r *http.Request, s *session.Session)

// Server is where packages register their handlers.
type Server struct {
	W        *world.World
	Tasks    *task.Manager
	Sessions *session.Manager
	SSO      *sso.Service
	handlers map[string]*Entry
	paths    map[string]HTTPHandler
	sets     []func(map[string]any) (bool, error)
	owners   []func(types.ManagedObjectReference) (types.ManagedObjectReference, bool)
	// May reports whether a user holds a privilege on an entity; world lock held.
	May func(u *fleet.User, privilege string, entity types.ManagedObjectReference) bool
	// MayRead is the privilege that a user lacks to read a property of an object, "" = none; world lock held.
	MayRead func(u *fleet.User, ref types.ManagedObjectReference, property string) string
	URL     string // https://host:port, known once the server listens
	located []func()
}

// NewServer creates an empty one.
func NewServer(w *world.World, t *task.Manager, s *session.Manager) *Server {
	srv := &Server{W: w, Tasks: t, Sessions: s, handlers: map[string]*Entry{}, paths: map[string]HTTPHandler{}}
	srv.SSO = &sso.Service{Audience: func() string { return srv.URL + "/sdk" }}
	return srv
}

// At says where the server listens.
func (s *Server) At(url string) {
	s.URL = url
	for _, f := range s.located {
		f()
	}
}

// OnLocated registers a function that is called when the URL of the server is known.
func (s *Server) OnLocated(f func()) { s.located = append(s.located, f) }

// Handle registers a method: "PowerOnVM_Task", or "Datastore.Destroy_Task" for one type
// only. The later registration wins, so a package may refine what another one set.
func (s *Server) Handle(method string, f Func, opts ...Option) {
	e := &Entry{Do: f}
	for _, o := range opts {
		o(e)
	}
	s.handlers[method] = e
}

// Lookup finds the handler of a method on a type; nil = none of ours, the simulator's.
func (s *Server) Lookup(kind, method string) *Entry {
	if e := s.handlers[kind+"."+method]; e != nil {
		return e
	}
	return s.handlers[method]
}

// HTTP registers a path prefix such as "/folder/".
func (s *Server) HTTP(prefix string, h HTTPHandler) { s.paths[prefix] = h }

// Path finds the handler of a path: the longest prefix wins.
func (s *Server) Path(path string) HTTPHandler {
	best := ""
	for p := range s.paths {
		if strings.HasPrefix(path, p) && len(p) > len(best) {
			best = p
		}
	}
	return s.paths[best]
}

// OnOwner registers a function that returns the inventory entity to which an object of a
// package belongs: its permissions count. Called with the world lock held.
func (s *Server) OnOwner(f func(types.ManagedObjectReference) (types.ManagedObjectReference, bool)) {
	s.owners = append(s.owners, f)
}

// Owner asks the packages.
func (s *Server) Owner(ref types.ManagedObjectReference) (types.ManagedObjectReference, bool) {
	for _, f := range s.owners {
		if o, ok := f(ref); ok {
			return o, true
		}
	}
	return ref, false
}

// OnSet registers a handler of POST /gpsim/set. It reports whether it handled the change
// and is called with the world lock held.
func (s *Server) OnSet(f func(map[string]any) (bool, error)) { s.sets = append(s.sets, f) }

// Set passes a manual change to the packages.
func (s *Server) Set(change map[string]any) (bool, error) {
	for _, f := range s.sets {
		if mine, err := f(change); mine || err != nil {
			return mine, err
		}
	}
	return false, nil
}

// Returnval is the answer of a method that returns one reference (every _Task).
type Returnval struct {
	Returnval types.ManagedObjectReference `xml:"returnval"`
}

// Void is the answer of a method without a result.
type Void struct{}

// Task starts a task for this call and builds the answer. Method and origin are filled in.
func (c *Call) Task(spec task.Spec) (any, *fault.Error) {
	if spec.Method == "" {
		spec.Method = c.Method
	}
	if spec.Entity.Value == "" {
		spec.Entity = c.This
	}
	o := task.Origin{OperationID: c.OperationID, Cause: c.Cause()}
	if c.Session != nil {
		o.User = c.Session.UserName
	}
	ref := c.S.Tasks.Start(o, spec)
	c.TaskStarted = ref.Value
	return &Returnval{ref}, nil
}

// Cause is the request as the truth page names it.
func (c *Call) Cause() *truth.Cause {
	by := &truth.Cause{N: c.N, T: time.Now(), Method: c.Method, This: c.This.Type + ":" + c.This.Value, OperationID: c.OperationID}
	if c.Session != nil {
		by.User, by.Session = c.Session.UserName, c.Session.Key
	}
	return by
}

// Encoded is an answer of a Free handler that was written by the handler itself.
type Encoded func(enc *wire.Encoder)

// Object finds the object called, or faults with ManagedObjectNotFound.
func Object[T any](c *Call) (T, *fault.Error) {
	o, ok := c.W.Reg.Get(c.This).(T)
	if !ok {
		return o, fault.NotFound(c.This)
	}
	return o, nil
}
