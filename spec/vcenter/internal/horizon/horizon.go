// Package horizon is a Connection Server's REST as far as tools for GPU desktops use it: the login with
// tokens, desktop pools by the versions of their endpoints, and the update of a pool, which replaces all
// of it. It refuses what the documented shapes do not allow. Shapes: shapes.go; rules: rules.go.
package horizon

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gpupt.test/vcenter/internal/fleet"
)

// Config describes a Connection Server in a fleet file.
type Config = fleet.Horizon

// versions of the endpoints by release: the newest that reads, and those that update.
var releases = map[string]struct {
	read    int
	updates []int
}{"2111": {5, []int{1}}, "2312": {8, []int{1, 8}}, "2606": {13, []int{1, 8, 9, 10, 11, 12, 13}}}

// Releases lists those that can be played.
func Releases() []string { return slices.Sorted(maps.Keys(releases)) }

type request struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"`
}

// Server is one Connection Server.
type Server struct {
	c Config

	mu       sync.Mutex
	pools    []map[string]any // all fields of the newest shape
	access   map[string]bool  // token -> still good
	refresh  map[string]bool
	pairs    map[string]string // access token -> refresh token
	requests []request
	logins   int
	busy     int // how many answers are 429
	lose     string
}

// New makes one.
func New(c Config) (*Server, error) {
	if c.Release == "" {
		c.Release = "2606"
	}
	if _, ok := releases[c.Release]; !ok {
		return nil, fmt.Errorf("horizon.release: %q is not one of %s", c.Release, strings.Join(Releases(), ", "))
	}
	s := &Server{c: c, access: map[string]bool{}, refresh: map[string]bool{}, pairs: map[string]string{}}
	for i, p := range c.Pools {
		full := newPool(fmt.Sprintf("0103796c-102b-4ed3-953f-%012d", i+1))
		merge(full, p)
		if full["name"] == nil {
			return nil, fmt.Errorf("horizon.pools[%d] has no name", i)
		}
		s.pools = append(s.pools, full)
	}
	return s, nil
}

// merge puts the values of b over those of a; null removes one.
func merge(a, b map[string]any) {
	for k, v := range b {
		inner, ok := v.(map[string]any)
		into, has := a[k].(map[string]any)
		switch {
		case v == nil:
			delete(a, k)
		case ok && has:
			merge(into, inner)
		default:
			a[k] = v
		}
	}
}

type failure struct {
	status int
	key    string
	text   string
}

func bad(key, format string, args ...any) *failure {
	return &failure{400, key, fmt.Sprintf(format, args...)}
}

func (s *Server) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if strings.HasPrefix(q.URL.Path, "/gpsim/") {
		s.control(w, q)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	status, body, f := s.route(w, q)
	if f != nil {
		status = f.status
		body = map[string]any{"status": strings.ToUpper(strings.ReplaceAll(http.StatusText(status), " ", "_")), "timestamp": time.Now().UnixMilli(),
			"errors": []any{map[string]any{"error_key": f.key, "error_message": f.text}}}
	}
	s.requests = append(s.requests, request{q.Method, q.URL.Path, status})
	if s.lose != "" && strings.HasPrefix(s.lose, q.Method+" ") && strings.Contains(q.URL.Path, s.lose[len(q.Method)+1:]) {
		s.lose = "" // done, and the answer is lost
		panic(http.ErrAbortHandler)
	}
	if body == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func token() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	return "eyJhbGciOiJSUzUxMiJ9." + hex.EncodeToString(b)
}

// object reads a JSON body with these required and no other members.
func object(q *http.Request, members ...string) (map[string]string, *failure) {
	if t := q.Header.Get("Content-Type"); !strings.HasPrefix(t, "application/json") {
		return nil, &failure{415, "unsupported.media.type", "Content type '" + t + "' not supported"}
	}
	var raw map[string]any
	if err := json.NewDecoder(io.LimitReader(q.Body, 1<<20)).Decode(&raw); err != nil {
		return nil, bad("invalid.json", "JSON parse error: %v", err)
	}
	out := map[string]string{}
	for _, m := range members {
		v, ok := raw[m].(string)
		if !ok || v == "" {
			return nil, bad("null.value", "%s must not be null", m)
		}
		out[m] = v
		delete(raw, m)
	}
	for k := range raw {
		return nil, bad("unknown.property", "unknown property %q", k)
	}
	return out, nil
}

func (s *Server) route(w http.ResponseWriter, q *http.Request) (int, any, *failure) {
	path, ok := strings.CutPrefix(q.URL.Path, "/rest")
	if !ok {
		return 0, nil, &failure{404, "not.found", "no such page"}
	}
	switch q.Method + " " + path {
	case "POST /login":
		return s.login(q)
	case "POST /refresh":
		in, f := object(q, "refresh_token")
		if f != nil {
			return 0, nil, f
		}
		if !s.refresh[in["refresh_token"]] {
			return 0, nil, &failure{401, "invalid.token", "the refresh token is not valid"}
		}
		a := token()
		s.access[a], s.pairs[a] = true, in["refresh_token"]
		return 200, map[string]any{"access_token": a}, nil
	case "POST /logout":
		in, f := object(q, "refresh_token")
		if f != nil {
			return 0, nil, f
		}
		if !s.refresh[in["refresh_token"]] {
			return 0, nil, bad("invalid.token", "the refresh token is not valid")
		}
		delete(s.refresh, in["refresh_token"])
		for a, r := range s.pairs {
			if r == in["refresh_token"] {
				delete(s.access, a)
				delete(s.pairs, a)
			}
		}
		return 200, nil, nil
	}
	if bearer, ok := strings.CutPrefix(q.Header.Get("Authorization"), "Bearer "); !ok || !s.access[bearer] {
		return 0, nil, &failure{401, "unauthorized", "User is not authenticated"}
	}
	if s.busy > 0 {
		s.busy--
		w.Header().Set("X-Rate-Limit-Retry-After-Seconds", "1")
		return 0, nil, &failure{429, "too.many.requests", "Too many requests"}
	}
	return s.inventory(w, q, path)
}

func (s *Server) login(q *http.Request) (int, any, *failure) {
	in, f := object(q, "domain", "username", "password")
	if f != nil {
		return 0, nil, f
	}
	s.logins++
	if !strings.EqualFold(in["domain"], s.c.Domain) || !strings.EqualFold(in["username"], s.c.User) || in["password"] != s.c.Password {
		return 0, nil, &failure{401, "authentication.failure", "Authentication failed"}
	}
	a, r := token(), token()
	s.access[a], s.refresh[r], s.pairs[a] = true, true, r
	return 200, map[string]any{"access_token": a, "refresh_token": r}, nil
}

func (s *Server) inventory(w http.ResponseWriter, q *http.Request, path string) (int, any, *failure) {
	parts := strings.Split(strings.TrimPrefix(path, "/inventory/"), "/")
	none := &failure{404, "not.found", "no handler for " + q.Method + " " + path}
	if !strings.HasPrefix(path, "/inventory/v") || len(parts) < 2 || len(parts) > 3 || parts[1] != "desktop-pools" {
		return 0, nil, none
	}
	version, err := strconv.Atoi(parts[0][1:])
	r := releases[s.c.Release]
	if err != nil || version < 1 || version > r.read {
		return 0, nil, none
	}
	switch {
	case q.Method == "GET" && len(parts) == 2:
		return s.list(w, q, version)
	case len(parts) == 2:
		return 0, nil, &failure{405, "method.not.allowed", "Request method '" + q.Method + "' not supported"}
	}
	var pool map[string]any
	for _, p := range s.pools {
		if p["id"] == parts[2] {
			pool = p
		}
	}
	switch {
	case q.Method == "GET" && pool != nil:
		return 200, project(pool, version), nil
	case q.Method == "PUT" && slices.Contains(r.updates, version) && pool != nil:
		return s.update(q, pool, specOf[version])
	case q.Method != "GET" && !(q.Method == "PUT" && slices.Contains(r.updates, version)):
		return 0, nil, &failure{405, "method.not.allowed", "Request method '" + q.Method + "' not supported"}
	}
	return 0, nil, &failure{404, "entity.not.found", "Desktop pool " + parts[2] + " does not exist"}
}

// list is paged, and filtered by Equals on the name.
func (s *Server) list(w http.ResponseWriter, q *http.Request, version int) (int, any, *failure) {
	page, size, name := 1, 1000, ""
	for k, v := range q.URL.Query() {
		switch k {
		case "page", "size":
			n, err := strconv.Atoi(v[0])
			if err != nil || n < 1 {
				return 0, nil, bad("invalid.parameter", "%s, if passed should be > 0", k)
			}
			if k == "page" {
				page = n
			} else {
				size = min(n, 1000)
			}
		case "filter":
			var f struct{ Type, Name, Value string }
			d := json.NewDecoder(strings.NewReader(v[0]))
			d.DisallowUnknownFields()
			if err := d.Decode(&f); err != nil || f.Type != "Equals" || f.Name != "name" {
				return 0, nil, bad("invalid.filter", "the filter %s is not supported here", v[0])
			}
			name = f.Value
		default:
			return 0, nil, bad("invalid.parameter", "unknown parameter %q", k)
		}
	}
	out := []any{}
	for _, p := range s.pools {
		if name == "" || p["name"] == name {
			out = append(out, project(p, version))
		}
	}
	from := min((page-1)*size, len(out))
	to := min(from+size, len(out))
	if to < len(out) {
		w.Header().Set("HAS_MORE_RECORDS", "TRUE")
	}
	return 200, out[from:to], nil
}

// control pages: what a spec makes it do, and what it has seen.
func (s *Server) control(w http.ResponseWriter, q *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch q.Method + " " + strings.TrimPrefix(q.URL.Path, "/gpsim/") {
	case "GET state":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"pools": s.pools, "requests": s.requests, "logins": s.logins, "sessions": len(s.refresh)})
		return
	case "POST forget":
		s.requests, s.logins = nil, 0
	case "POST expire": // the access tokens
		clear(s.access)
	case "POST end": // the whole sessions
		clear(s.access)
		clear(s.refresh)
	case "POST busy":
		s.busy, _ = strconv.Atoi(q.URL.Query().Get("times"))
	case "POST lose": // the answer to the next such request: what=PUT desktop-pools
		s.lose = q.URL.Query().Get("what")
	case "POST pool": // {"name":, ...}: as if an administrator changed it
		var change map[string]any
		_ = json.NewDecoder(q.Body).Decode(&change)
		for _, p := range s.pools {
			if p["name"] == change["name"] {
				merge(p, change)
			}
		}
	default:
		w.WriteHeader(404)
	}
}
