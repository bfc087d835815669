package beside

// serve.go: a request's way to the simulator's handler: session, privilege, handler.

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/session"
)

// fail answers with an error as /rest has it, or as /api has it.
func fail(w http.ResponseWriter, q *http.Request, status int, kind, text string) {
	type message struct {
		ID      string   `json:"id"`
		Default string   `json:"default_message"`
		Args    []string `json:"args"`
	}
	list := []message{{"com.vmware.vapi.std.errors." + kind, text, []string{}}}
	var body any = map[string]any{"type": "com.vmware.vapi.std.errors." + kind, "value": map[string]any{"messages": list}}
	if strings.HasPrefix(q.URL.Path, "/api/") {
		body = map[string]any{"error_type": strings.ToUpper(kind), "messages": list}
	}
	w.Header().Set("Content-Type", "application/json")
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="vCenter"`)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func ok(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"value": value})
}

func (b *service) serveREST(w http.ResponseWriter, q *http.Request, ses *session.Session) {
	if q.URL.Path == "/rest/com/vmware/cis/session" {
		b.session(w, q, ses)
		return
	}
	b.start()
	// A transfer of a content library carries the id of its update session, which the simulator knows.
	if ses == nil && strings.HasPrefix(q.URL.Path, "/rest/com/vmware/cis/data/") && q.Header.Get(header) != "" && q.Header.Get(header) != b.id {
		b.rest.ServeHTTP(w, q)
		return
	}
	body, err := io.ReadAll(io.LimitReader(q.Body, 32<<20))
	if err != nil {
		fail(w, q, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	if ses == nil && !b.fetches(q, body) {
		fail(w, q, http.StatusUnauthorized, "unauthenticated", "Authentication required.")
		return
	}
	if need, at := needs(q, body); ses != nil && need != "" && !b.may(ses, need, at) {
		fail(w, q, http.StatusForbidden, "unauthorized", "The user does not have the privilege "+need+".")
		return
	}
	if text := b.refuse(q, body); text != "" {
		fail(w, q, http.StatusBadRequest, "invalid_argument", text)
		return
	}
	inner := q.Clone(q.Context())
	inner.Body = io.NopCloser(bytes.NewReader(body))
	inner.Header.Del("Cookie")
	inner.Header.Set(header, b.id)
	if ses != nil && isBundle(q) {
		w = noted{w, b}
	}
	b.rest.ServeHTTP(w, inner)
}

func (b *service) may(ses *session.Session, privilege string, at *types.ManagedObjectReference) bool {
	b.s.W.RLock()
	defer b.s.W.RUnlock()
	ref := b.s.W.Content.RootFolder
	if at != nil && b.s.W.Get(*at) != nil {
		ref = *at
	}
	return b.s.May(ses.User, privilege, ref)
}

func (b *service) session(w http.ResponseWriter, q *http.Request, ses *session.Session) {
	shows := q.Method == http.MethodGet || q.Method == http.MethodPost && q.URL.Query().Get("~action") == "get"
	switch {
	case q.Method == http.MethodPost && !shows:
		user, password, given := q.BasicAuth()
		if b.s.Sessions.Full() {
			fail(w, q, http.StatusServiceUnavailable, "service_unavailable", "Out of sessions.")
			return
		}
		made, e := b.s.Sessions.Login(user, password, "")
		if e == nil && !session.Anything(made.User) {
			b.s.Sessions.Logout(made)
			made = nil
		}
		if !given || made == nil {
			fail(w, q, http.StatusUnauthorized, "unauthenticated", "Authentication required.")
			return
		}
		if from, _, err := net.SplitHostPort(q.RemoteAddr); err == nil {
			made.IpAddress = from
		}
		made.UserAgent = q.UserAgent()
		if q.Header.Get("vmware-use-header-authn") == "" {
			w.Header().Add("Set-Cookie", header+"="+made.Cookie+"; Path=/rest; Secure; HttpOnly")
		}
		ok(w, made.Cookie)
	case ses == nil:
		fail(w, q, http.StatusUnauthorized, "unauthenticated", "Authentication required.")
	case q.Method == http.MethodDelete:
		b.s.Sessions.Logout(ses)
	case shows:
		for _, u := range b.s.Sessions.List() { // a copy: the times change with each request
			if u.Key == ses.Key {
				stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
				ok(w, map[string]string{"user": u.UserName, "created_time": stamp(u.LoginTime), "last_accessed_time": stamp(u.LastActiveTime)})
				return
			}
		}
		fail(w, q, http.StatusUnauthorized, "unauthenticated", "Authentication required.")
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		fail(w, q, http.StatusMethodNotAllowed, "operation_not_found", "The path does not take "+q.Method+".")
	}
}
