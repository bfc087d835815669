package rest

import (
	"net"
	"net/http"
	"time"

	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
)

var (
	_ = rules.Add(rules.Rule{ID: "rest.session", Sure: "documented", As: "real", Source: reference + "Cis Session create, get, delete; Cis Session Info",
		Text: "POST /api/session with Basic credentials is 201 with the session id as a JSON string, which the header vmware-api-session-id carries from then on; GET shows user, created_time and last_accessed_time, DELETE ends it (204)."})
	_ = rules.Add(rules.Rule{ID: "rest.session-shared", Sure: "inferred", As: "laxer: the value of a real one's vim25 cookie is not the id of a REST session", Source: "Virtual Infrastructure JSON API reference, Authentication: SessionManager.Login returns a session token for vmware-api-session-id; none for the opposite direction",
		Text: "A REST session is one of SessionManager.sessionList: it counts for the limit (503 SERVICE_UNAVAILABLE), ends when idle and by TerminateSession. Laxer than a real one: the id is also the value of the vim25 cookie."})
	_ = rules.Add(rules.Rule{ID: "rest.unauthenticated", Sure: "documented", As: "real", Source: reference + "Vapi Std Errors Unauthenticated: the messages do not say whether user or password is wrong, data is missing; challenge, since 7.0",
		Text: "A wrong user or password, a missing or ended session and a scheme other than Basic are 401 UNAUTHENTICATED with one and the same text, a challenge and WWW-Authenticate."})
)

func (r *service) session(q *http.Request, ses *session.Session) answer {
	if _, bad := query(q); bad != nil {
		return *bad
	}
	switch q.Method {
	case http.MethodPost:
		return r.login(q)
	case http.MethodGet, http.MethodDelete:
	default:
		a := fail(http.StatusMethodNotAllowed, "ERROR", "com.vmware.vapi.rest.httpMethodNotAllowed", "The path does not take "+q.Method+".", q.Method)
		a.header = http.Header{"Allow": {"GET, POST, DELETE"}}
		return a
	}
	if ses == nil {
		return unauthenticated()
	}
	if q.Method == http.MethodDelete {
		r.s.Sessions.Logout(ses)
		return answer{status: http.StatusNoContent}
	}
	type info struct {
		User     string `json:"user"`
		Created  string `json:"created_time"`
		Accessed string `json:"last_accessed_time"`
	}
	for _, u := range r.s.Sessions.List() { // a copy: the times change with each request
		if u.Key == ses.Key {
			return answer{status: http.StatusOK, body: info{u.UserName, stamp(u.LoginTime), stamp(u.LastActiveTime)}}
		}
	}
	return unauthenticated()
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (r *service) login(q *http.Request) answer {
	user, password, ok := q.BasicAuth()
	if !ok {
		return unauthenticated()
	}
	if r.s.Sessions.Full() {
		return fail(http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE", "com.vmware.vapi.std.errors.service_unavailable", "Out of sessions.")
	}
	ses, e := r.s.Sessions.Login(user, password, "")
	if e != nil {
		return unauthenticated()
	}
	if !session.Anything(ses.User) {
		r.s.Sessions.Logout(ses)
		return unauthenticated()
	}
	if from, _, err := net.SplitHostPort(q.RemoteAddr); err == nil {
		ses.IpAddress = from
	}
	ses.UserAgent = q.UserAgent()
	return answer{status: http.StatusCreated, body: ses.Cookie, header: http.Header{"Vmware-Api-Session-Id": {ses.Cookie}}}
}
