package front

// restart.go: a restart of the vCenter service, as clients see it. The sessions end, with
// their filters, views and pages; requests under way are lost. Until the service is up again
// its reverse proxy answers with an HTML page, or no server answers. The hosts go on meanwhile.
// What becomes of the tasks is chosen:
//
//	kept     they go on, and can be read afterwards
//	lost     they are stopped, and unknown afterwards
//	untracked   unknown afterwards, but the hosts finish their work

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/wire"
)

var (
	_ = rules.Add(rules.Rule{ID: "restart.proxy", Sure: "seen", As: "real", Source: "openshift/vsphere-problem-detector#83: `POST \"/sdk\": 503 Service Unavailable`; ustclug/discussions#61 quotes the page of the reverse proxy after a restart",
		Text: "While the service restarts, /sdk and /folder answer 503 with the page of the reverse proxy in front of it, also to requests under way."})
	_ = rules.Add(rules.Rule{ID: "restart.sessions", Sure: "documented", As: "real", Source: "API reference: SessionManager: a session lasts until logout, idle timeout or the end of the server; PropertyCollector: filters and collectors end with their session",
		Text: "No session, filter, view or page of an answer outlives a restart of the service: NotAuthenticated with an old cookie."})
	_ = rules.Add(rules.Rule{ID: "restart.tasks", Sure: "memory", As: "inferred", Source: "none at hand",
		Text: "A task that was under way during a restart of the service goes on (kept), is stopped and unknown (lost), or is unknown while the host finishes its work (untracked): a client must expect all three."})
)

// Restart says how the service restarts.
type Restart struct {
	Seconds float64 `json:"seconds"` // real seconds until it answers again
	Code    int     `json:"code"`    // of the proxy's page; default 503
	Refuse  bool    `json:"refuse"`  // no server answers: connections are closed
	Tasks   string  `json:"tasks"`   // kept (default), lost, untracked
}

func (r *Restart) check() error {
	switch {
	case !(r.Seconds >= 0 && r.Seconds <= 3600):
		return fmt.Errorf("seconds must be from 0 to 3600")
	case r.Code != 0 && r.Code != http.StatusBadGateway && r.Code != http.StatusServiceUnavailable && r.Code != http.StatusGatewayTimeout:
		return fmt.Errorf("code must be 502, 503 or 504")
	case r.Tasks != "" && r.Tasks != "kept" && r.Tasks != "lost" && r.Tasks != "untracked":
		return fmt.Errorf("tasks must be kept, lost or untracked")
	}
	return nil
}

// lives counts the lives of the service: a request belongs to the one in which it came.
type lives struct {
	mu    sync.Mutex
	n     int
	plan  Restart
	until time.Time
	ctx   context.Context // ends with the life
	end   context.CancelFunc
}

func newLives() *lives {
	l := &lives{}
	l.ctx, l.end = context.WithCancel(context.Background())
	return l
}

// now is the number of the life, and how it was restarted if the service is still down.
func (l *lives) now() (n int, down *Restart) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.until) {
		plan := l.plan
		return l.n, &plan
	}
	return l.n, nil
}

// enter ties a request to the present life.
func (l *lives) enter(r *http.Request) (*http.Request, func()) {
	l.mu.Lock()
	life := l.ctx
	l.mu.Unlock()
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(life, cancel)
	return r.WithContext(ctx), func() { stop(); cancel() }
}

// Restart restarts the service. The caller does not hold the world lock.
func (f *Front) Restart(r Restart) error {
	if err := r.check(); err != nil {
		return err
	}
	if r.Code == 0 {
		r.Code = http.StatusServiceUnavailable
	}
	l := f.lives
	l.mu.Lock()
	end := l.end
	l.n, l.plan, l.until = l.n+1, r, time.Now().Add(time.Duration(r.Seconds*float64(time.Second)))
	l.ctx, l.end = context.WithCancel(context.Background())
	l.mu.Unlock()
	f.S.Sessions.Drop()
	if r.Tasks == "lost" || r.Tasks == "untracked" {
		f.W.Lock()
		f.S.Tasks.Forget(r.Tasks == "untracked")
		f.W.Unlock()
	}
	end()
	return nil
}

// Refusing reports that no server accepts connections.
func (f *Front) Refusing() bool {
	_, down := f.lives.now()
	return down != nil && down.Refuse
}

// unavailable is what a client gets instead of the service's answer.
func unavailable(w http.ResponseWriter, down *Restart) {
	if down.Refuse {
		reset(w)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(down.Code)
	fmt.Fprintf(w, "<html><head><title>%d %s</title></head><body>%d %s (no service at this endpoint: _serverNamespace = /sdk)</body></html>\n",
		down.Code, http.StatusText(down.Code), down.Code, http.StatusText(down.Code))
}

// away answers a request while the service is down; it has its line in the journal.
func (f *Front) away(w http.ResponseWriter, r *http.Request, down *Restart) {
	method, this, operation := "HTTP "+r.Method, r.URL.Path, ""
	if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/sdk") {
		if body, err := readBody(r); err == nil {
			if version, _, e := f.version(r.Header.Get("SOAPAction")); e == nil {
				if req, e := wire.Decode(body, version); e == nil {
					method, this, operation = req.Method, ref(req.This), req.OperationID
				}
			}
		}
	}
	rec := f.Journal.open(method, this)
	rec.OperationID, rec.HTTP, rec.Trouble = operation, down.Code, "restart"
	f.Journal.close(rec)
	unavailable(w, down)
}

// lost answers a request that the restart overtook: true = the service it was sent to is no more.
func (f *Front) lost(w http.ResponseWriter, rec *Record, life int) bool {
	n, down := f.lives.now()
	if n == life {
		return false
	}
	if down == nil {
		down = &Restart{Code: http.StatusServiceUnavailable}
	}
	if !rec.filed {
		rec.HTTP = down.Code
		if rec.Trouble == "" {
			rec.Trouble = "restart"
		}
	}
	f.Journal.close(rec)
	unavailable(w, down)
	return true
}
