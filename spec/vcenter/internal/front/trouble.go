package front

// trouble.go: trouble on demand. A rule matches requests by method, object and number,
// and says what goes wrong with them:
//
//	{"match":{"method":"PowerOnVM_Task","object":"VirtualMachine:vm-7","nth":1,"count":2},
//	 "do":{"kind":"fault","fault":"TaskInProgress","message":"..."}}
//
// kind: refuse (the next connections are closed at once), tls-fail (their handshake
// fails), reset-before and reset-after (the connection is reset before or after the
// request took effect), hold (the answer is kept back for "seconds", 0 = until the client
// goes), status ("code", with an HTML body), html, truncate ("bytes"), slow ("bytes" per
// write), gzip, fault, session-lost, unknown-type and unknown-field (the answer carries
// types that no client has), close (the connection ends after the answer), chunked, task-fail and
// task-hang (the task of that method), host-lost (the host called loses its power "seconds" of
// the fleet's clock after the answer: RebootHost_Task with it is a host lost during its reboot),
// restart-before and restart-after (the service restarts before or after the request took
// effect; "seconds", "code", "refuse" and "tasks" as in restart.go).
//
// "probability" (0..1) with "seed" makes a rule match at random, the same way each time.

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand"
	"net"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/wire"
)

// TroubleRule is one rule.
type TroubleRule struct {
	Match struct {
		Method string `json:"method"` // wsdl name, or "HTTP GET"; empty = any
		Object string `json:"object"` // Type:value, or a path
		Nth    int    `json:"nth"`    // from the n-th match on; default 1
		Count  int    `json:"count"`  // number of times; default 1, -1 = always
		// Probability lets a rule match at random, drawn from Seed; 0 = always.
		Probability float64 `json:"probability,omitempty"`
		Seed        int64   `json:"seed,omitempty"`
	} `json:"match"`
	Do struct {
		Kind    string  `json:"kind"`
		Fault   string  `json:"fault"`
		Message string  `json:"message"`
		Code    int     `json:"code"`
		Seconds float64 `json:"seconds"` // real seconds
		Bytes   int     `json:"bytes"`
		Refuse  bool    `json:"refuse,omitempty"` // restart.go
		Tasks   string  `json:"tasks,omitempty"`
	} `json:"do"`
	Seen int `json:"seen"`
	Hits int `json:"hits"`
	dice *rand.Rand
}

// Trouble is the list of rules in force.
type Trouble struct {
	mu    sync.Mutex
	rules []*TroubleRule
}

// NewTrouble creates an empty list.
func NewTrouble() *Trouble { return &Trouble{} }

var kinds = map[string]bool{"refuse": true, "tls-fail": true, "reset-before": true, "reset-after": true, "hold": true,
	"status": true, "html": true, "truncate": true, "slow": true, "gzip": true, "fault": true, "session-lost": true,
	"unknown-type": true, "close": true, "chunked": true, "unknown-field": true, "task-fail": true, "task-hang": true, "host-lost": true,
	"restart-before": true, "restart-after": true}

// Add reads one rule or a list of them.
func (t *Trouble) Add(data []byte) error {
	var list []*TroubleRule
	data = bytes.TrimSpace(data)
	if !bytes.HasPrefix(data, []byte("[")) {
		data = append(append([]byte("["), data...), ']')
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return err
	}
	for _, r := range list {
		if r == nil {
			return fmt.Errorf("a rule is null")
		}
		if err := r.check(); err != nil {
			return err
		}
		if r.Match.Nth == 0 {
			r.Match.Nth = 1
		}
		if r.Match.Count == 0 {
			r.Match.Count = 1
		}
		r.dice = rand.New(rand.NewSource(r.Match.Seed))
	}
	t.mu.Lock()
	t.rules = append(t.rules, list...)
	t.mu.Unlock()
	return nil
}

// check refuses a rule that could never match as intended: a test whose trouble never happens
// would pass for the wrong reason.
func (r *TroubleRule) check() error {
	if !kinds[r.Do.Kind] {
		return fmt.Errorf("unknown kind of trouble %q", r.Do.Kind)
	}
	if r.Do.Fault != "" {
		if _, err := makeFault(r.Do.Fault, ""); err != nil {
			return err
		}
	} else if r.Do.Kind == "fault" {
		return fmt.Errorf("kind fault needs the name of a fault")
	}
	if m := r.Match.Method; m != "" && !strings.HasPrefix(m, "HTTP ") && !wire.IsMethod(m) {
		return fmt.Errorf("unknown method %q", m)
	}
	if ofTask(r.Do.Kind) && r.Match.Method != "" && !strings.HasSuffix(r.Match.Method, "_Task") {
		return fmt.Errorf("%s starts no task", r.Match.Method)
	}
	if strings.HasPrefix(r.Match.Method, "HTTP ") && !ofFile(r.Do.Kind) {
		return fmt.Errorf("%s does not apply to a file", r.Do.Kind)
	}
	if ofConnection(r.Do.Kind) && r.Match.Method+r.Match.Object != "" {
		return fmt.Errorf("%s applies to a connection, before any request", r.Do.Kind)
	}
	if r.Match.Nth < 0 || r.Match.Count < -1 || r.Match.Probability < 0 || r.Match.Probability > 1 || r.Do.Seconds < 0 || r.Do.Bytes < 0 {
		return fmt.Errorf("nth, count, probability, seconds or bytes out of range")
	}
	if restarts(r.Do.Kind) {
		plan := r.restart()
		if err := plan.check(); err != nil {
			return err
		}
	} else if r.Do.Refuse || r.Do.Tasks != "" {
		return fmt.Errorf("refuse and tasks belong to restart-before and restart-after")
	}
	if c := r.Do.Code; c != 0 && (c < 200 || c > 599) {
		return fmt.Errorf("invalid HTTP status: %d", c)
	}
	return nil
}

// Clear removes all rules.
func (t *Trouble) Clear() {
	t.mu.Lock()
	t.rules = nil
	t.mu.Unlock()
}

// List shows them with their hits.
func (t *Trouble) List() []TroubleRule {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := []TroubleRule{}
	for _, r := range t.rules {
		out = append(out, *r)
	}
	return out
}

// take finds the first rule of a class that matches now.
func (t *Trouble) take(method, object string, class func(kind string) bool) *TroubleRule {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.rules {
		if !class(r.Do.Kind) || (r.Match.Method != "" && r.Match.Method != method) ||
			(r.Match.Object != "" && r.Match.Object != object) {
			continue
		}
		r.Seen++
		if r.Seen < r.Match.Nth || (r.Match.Count > 0 && r.Hits >= r.Match.Count) {
			continue
		}
		if p := r.Match.Probability; p > 0 && r.dice.Float64() >= p {
			continue
		}
		r.Hits++
		return r
	}
	return nil
}

func ofTask(kind string) bool       { return kind == "task-fail" || kind == "task-hang" }
func ofConnection(kind string) bool { return kind == "refuse" || kind == "tls-fail" }
func ofRequest(kind string) bool    { return !ofTask(kind) && !ofConnection(kind) }

// task is asked when a task starts to run.
func (t *Trouble) task(tk *task.Task) (bool, *fault.Error) {
	r := t.take(tk.Method(), ref(tk.Entity()), ofTask)
	if r == nil {
		return false, nil
	}
	if r.Do.Kind == "task-hang" {
		return true, nil
	}
	name := r.Do.Fault
	if name == "" {
		name = "SystemError"
	}
	e, _ := makeFault(name, r.Do.Message)
	return false, e
}

func makeFault(name, message string) (*fault.Error, error) {
	t, ok := wire.TypeByName(name)
	if !ok {
		return nil, fmt.Errorf("unknown fault %q", name)
	}
	f, ok := reflect.New(t).Interface().(types.BaseMethodFault)
	if !ok {
		return nil, fmt.Errorf("%q is not a fault", name)
	}
	return fault.New(f, "%s", message), nil
}

// action is what happens to one request; the zero value is nothing.
type action struct {
	rule  *TroubleRule
	fault *fault.Error
	code  int

	object string // Type:value called
	rec    *Record
}

func (t *Trouble) request(rec *Record, r *http.Request) *action {
	a := &action{rule: t.take(rec.Method, rec.This, ofRequest), object: rec.This, rec: rec}
	if a.rule != nil {
		rec.Trouble = a.rule.Do.Kind
		if a.rule.Do.Kind == "fault" {
			a.fault, _ = makeFault(a.rule.Do.Fault, a.rule.Do.Message)
		}
	}
	return a
}

func (a *action) kind() string {
	if a.rule == nil {
		return ""
	}
	return a.rule.Do.Kind
}

func (a *action) status() int { return a.code }

// before does what must happen instead of processing; true = the request ends here.
func (a *action) before(f *Front, w http.ResponseWriter, r *http.Request) bool {
	switch a.kind() {
	case "reset-before":
		f.Journal.close(a.rec) // a client that sees the reset finds the line
		reset(w)
		return true
	case "status":
		a.code = a.rule.Do.Code
		if a.code == 0 {
			a.code = http.StatusServiceUnavailable
		}
		page(w, a.code)
		return true
	case "html":
		a.code = http.StatusOK
		page(w, a.code)
		return true
	case "session-lost":
		if c := cookie(r); c != "" {
			if s := f.S.Sessions.Enter(c); s != nil {
				f.S.Sessions.Leave(s)
				f.S.Sessions.Logout(s)
			}
		}
	}
	return false
}

func page(w http.ResponseWriter, code int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(code)
	fmt.Fprintf(w, "<html><head><title>%d %s</title></head><body><h1>%s</h1></body></html>\n", code, http.StatusText(code), http.StatusText(code))
}

func restarts(kind string) bool { return kind == "restart-before" || kind == "restart-after" }

func (r *TroubleRule) restart() Restart {
	return Restart{Seconds: r.Do.Seconds, Code: r.Do.Code, Refuse: r.Do.Refuse, Tasks: r.Do.Tasks}
}

// restart restarts the service when the rule is of this kind.
func (a *action) restart(f *Front, kind string) {
	if a.kind() == kind {
		_ = f.Restart(a.rule.restart()) // checked when the rule was added
	}
}

// reset closes the connection so that the client sees ECONNRESET.
func reset(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	raw := c
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		raw = t.NetConn()
	}
	if t, ok := raw.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = raw.Close()
}

// reply sends the answer, changed as the rule says.
func (a *action) reply(f *Front, w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/xml; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	switch a.kind() {
	case "host-lost":
		f.loseHost(a.rule, a.object)
	case "reset-after":
		f.Journal.close(a.rec)
		reset(w)
		return
	case "hold":
		a.hold(r)
	case "unknown-field":
		body = unknownField.ReplaceAll(body, []byte(`$0<zzFutureField>1</zzFutureField>`))
	case "unknown-type":
		body = unknownType.ReplaceAll(body, []byte(`xsi:type="VirtualZzFutureDevice"`))
	case "gzip":
		var z bytes.Buffer
		zw := gzip.NewWriter(&z)
		_, _ = zw.Write(body)
		_ = zw.Close()
		body = z.Bytes()
		h.Set("Content-Encoding", "gzip")
	}
	switch a.kind() {
	case "close":
		h.Set("Connection", "close")
	case "chunked":
		w.WriteHeader(status)
		for len(body) > 0 {
			n := min(97, len(body))
			_, _ = w.Write(body[:n])
			_ = http.NewResponseController(w).Flush()
			body = body[n:]
		}
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	switch a.kind() {
	case "truncate":
		n := a.rule.Do.Bytes
		if n == 0 || n >= len(body) {
			n = len(body) / 2
		}
		_, _ = w.Write(body[:n])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "slow":
		n := a.rule.Do.Bytes
		if n <= 0 {
			n = 64
		}
		for len(body) > 0 && r.Context().Err() == nil {
			if n > len(body) {
				n = len(body)
			}
			_, _ = w.Write(body[:n])
			_ = http.NewResponseController(w).Flush()
			body = body[n:]
			time.Sleep(10 * time.Millisecond)
		}
	default:
		_, _ = w.Write(body)
	}
}

// loseHost cuts the power of the host called after a while.
func (f *Front) loseHost(r *TroubleRule, this string) {
	go func() {
		if !f.W.Clock.Sleep(f.W.Stop, time.Duration(r.Do.Seconds*float64(time.Second))) {
			return
		}
		f.W.Lock()
		defer f.W.Unlock()
		for _, h := range f.W.Reg.All("HostSystem") {
			if ref(h.Reference()) == this {
				_, _ = f.S.Set(map[string]any{"host": h.Entity().Name, "lost": true})
			}
		}
	}()
}

var (
	unknownField = regexp.MustCompile(`<(returnval|objects|objectSet)>`)
	unknownType  = regexp.MustCompile(`xsi:type="Virtual(Keyboard|PointingDevice|MachineVMCIDevice)"`)
)

// Listener closes or breaks connections as the rules say.
type Listener struct {
	net.Listener
	T    *Trouble
	Down func() bool // the endpoint is down: no one answers
}

func (l Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.Down != nil && l.Down() {
			if t, ok := c.(*net.TCPConn); ok {
				_ = t.SetLinger(0)
			}
			_ = c.Close()
			continue
		}
		switch r := l.T.take("", "", ofConnection); {
		case r == nil:
			return c, nil
		case r.Do.Kind == "refuse":
			if t, ok := c.(*net.TCPConn); ok {
				_ = t.SetLinger(0)
			}
			_ = c.Close()
		default: // tls-fail: an alert instead of a handshake
			_, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, 40})
			_ = c.Close()
		}
	}
}
