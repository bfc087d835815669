// Package rest is the part of the vSphere Automation API (/api) that tools for GPUs use: the
// session, the appliance's time zone, the DirectPath devices of vSphere 9.1, and the task that a change of them is.
package rest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
)

const reference = "vSphere Automation API reference: "

var (
	_ = rules.Add(rules.Rule{ID: "rest.error", Sure: "documented", As: "inferred", Source: reference + "Vapi Std Errors Error (messages, error_type), InvalidArgument, NotFound, Unauthenticated, UnexpectedInput; none for unknown paths and methods",
		Text: "An error is JSON with messages (id, default_message, args) and error_type; a parameter or field that the operation does not know is UNEXPECTED_INPUT (400), an unknown path NOT_FOUND (404)."})
	_ = rules.Add(rules.Rule{ID: "rest.esxi", Sure: "inferred", As: "inferred", Source: reference + "the host is https://{vcenter}",
		Text: "Only a vCenter has /api: an ESXi host answers 404."})
)

// service is what the handlers share.
type service struct {
	s     *api.Server
	hosts *host.Hosts
	tasks tasks
}

// Register adds /api to the server.
func Register(s *api.Server, hosts *host.Hosts) {
	if s.W.ESXi {
		return
	}
	r := &service{s: s, hosts: hosts, tasks: tasks{work: map[string]*work{}}}
	s.HTTP("/api/", func(w http.ResponseWriter, q *http.Request, ses *session.Session) { r.route(q, ses).write(w) })
}

// answer is a status and a body for JSON; nil = no body.
type answer struct {
	status int
	body   any
	header http.Header
}

func (a answer) write(w http.ResponseWriter) {
	for k, v := range a.header {
		w.Header()[k] = v
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	b, err := json.Marshal(a.body)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(b)
}

type message struct {
	ID      string   `json:"id"`
	Default string   `json:"default_message"`
	Args    []string `json:"args"`
}

// failure is the JSON of an error.
type failure struct {
	Messages  []message `json:"messages"`
	Type      string    `json:"error_type"`
	Challenge string    `json:"challenge,omitempty"`
}

func fail(status int, kind, id, text string, args ...string) answer {
	if args == nil {
		args = []string{}
	}
	return answer{status: status, body: failure{Type: kind, Messages: []message{{ID: id, Default: text, Args: args}}}}
}

func unauthenticated() answer {
	a := fail(http.StatusUnauthorized, "UNAUTHENTICATED", "com.vmware.vapi.endpoint.method.authentication.required", "Authentication required.")
	f := a.body.(failure)
	f.Challenge = `Basic realm="vCenter"`
	a.body, a.header = f, http.Header{"Www-Authenticate": {f.Challenge}}
	return a
}

func notFound(what string) answer {
	return fail(http.StatusNotFound, "NOT_FOUND", "com.vmware.vapi.std.errors.not_found", what+" was not found.", what)
}

func unexpected(what string) answer {
	return fail(http.StatusBadRequest, "UNEXPECTED_INPUT", "com.vmware.vapi.std.errors.unexpected_input", "Unexpected input: "+what+".", what)
}

func invalid(what string) answer {
	return fail(http.StatusBadRequest, "INVALID_ARGUMENT", "com.vmware.vapi.std.errors.invalid_argument", "Invalid argument: "+what+".", what)
}

func (r *service) route(q *http.Request, ses *session.Session) answer {
	parts := strings.Split(strings.TrimPrefix(q.URL.Path, "/api/"), "/")
	is := func(shape ...string) bool {
		return slices.EqualFunc(parts, shape, func(part, want string) bool { return want == "*" && part != "" || part == want })
	}
	switch {
	case is("session"):
		return r.session(q, ses)
	case is("appliance", "system", "time", "timezone"):
		return r.only(q, ses, http.MethodGet, func() answer { return r.timezone(q, ses) })
	case is("cis", "tasks", "*"):
		return r.only(q, ses, http.MethodGet, func() answer { return r.task(ses, parts[2]) })
	case is("vcenter", "host", "*", "hardware", "direct-path-devices") && r.known():
		if q.Method == http.MethodPost {
			return r.only(q, ses, http.MethodPost, func() answer { return r.configure(q, ses, parts[2]) })
		}
		return r.only(q, ses, http.MethodGet, func() answer { return r.list(q, ses, parts[2]) })
	}
	return notFound(q.URL.Path)
}

// only serves one method of a path to those who have a session.
func (r *service) only(q *http.Request, ses *session.Session, method string, do func() answer) answer {
	if q.Method != method {
		a := fail(http.StatusMethodNotAllowed, "ERROR", "com.vmware.vapi.rest.httpMethodNotAllowed", "The path does not take "+q.Method+".", q.Method)
		a.header = http.Header{"Allow": {method}}
		return a
	}
	if ses == nil {
		return unauthenticated()
	}
	return do()
}

// query refuses parameters that the operation does not have.
func query(q *http.Request, names ...string) (url.Values, *answer) {
	values, err := url.ParseQuery(q.URL.RawQuery)
	if err != nil {
		a := invalid("query: " + err.Error())
		return nil, &a
	}
	for name := range values {
		if !slices.Contains(names, name) {
			a := unexpected("parameter " + name)
			return nil, &a
		}
	}
	return values, nil
}
