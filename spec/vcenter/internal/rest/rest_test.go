package rest_test

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

// client speaks plain HTTP to /api.
type client struct {
	t  *testing.T
	s  *vctest.Server
	id string // vmware-api-session-id
}

type reply struct {
	status int
	body   string
	header http.Header
}

func (c *client) send(method, path, body string, change ...func(*http.Request)) reply {
	c.t.Helper()
	q, err := http.NewRequest(method, c.s.URL+"/api/"+path, strings.NewReader(body))
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
	return reply{res.StatusCode, string(b), res.Header}
}

func basic(user, password string) func(*http.Request) {
	return func(q *http.Request) { q.SetBasicAuth(user, password) }
}

func (c *client) decode(a reply, status int, into any) {
	c.t.Helper()
	if a.status != status {
		c.t.Fatalf("wanted %d: %d %s", status, a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), into); err != nil || a.header.Get("Content-Type") != "application/json" {
		c.t.Fatalf("%v: %s %s", err, a.header.Get("Content-Type"), a.body)
	}
}

func (c *client) refused(a reply, status int, kind, part string) {
	c.t.Helper()
	var f struct {
		Messages []struct {
			ID   string   `json:"id"`
			Text string   `json:"default_message"`
			Args []string `json:"args"`
		}
		Type      string `json:"error_type"`
		Challenge string
		Data      any
	}
	c.decode(a, status, &f)
	if f.Type != kind || len(f.Messages) != 1 || f.Messages[0].ID == "" || f.Messages[0].Args == nil || f.Data != nil || !strings.Contains(f.Messages[0].Text, part) {
		c.t.Fatalf("wanted %s with %q: %s", kind, part, a.body)
	}
	if status == 401 && (f.Challenge == "" || a.header.Get("WWW-Authenticate") != f.Challenge) {
		c.t.Fatal("no challenge: ", a.body, a.header)
	}
}

func login(t *testing.T, s *vctest.Server) *client {
	t.Helper()
	c := &client{t: t, s: s}
	c.decode(c.send("POST", "session", "", basic(vctest.User, vctest.Password)), 201, &c.id)
	return c
}

func TestSession(t *testing.T) {
	vctest.Breaks(t, "rest.session", "rest.session-shared", "rest.unauthenticated", "rest.error")
	s := vctest.Start(t, vcenter.Options{SessionLimit: 3})
	none := &client{t: t, s: s}
	for name, change := range map[string]func(*http.Request){
		"nothing":        func(*http.Request) {},
		"wrong password": basic(vctest.User, "wrong"),
		"unknown user":   basic("nobody@vsphere.local", vctest.Password),
		"another scheme": func(q *http.Request) { q.Header.Set("Authorization", "Bearer x") },
	} {
		a := none.send("POST", "session", "", change)
		if none.refused(a, 401, "UNAUTHENTICATED", "Authentication required."); strings.Contains(a.body, "password") {
			t.Fatal(name, " tells too much: ", a.body)
		}
	}
	none.refused(none.send("GET", "session", ""), 401, "UNAUTHENTICATED", "")
	none.refused(none.send("DELETE", "session", ""), 401, "UNAUTHENTICATED", "")

	c := login(t, s)
	var info map[string]string
	c.decode(c.send("GET", "session", ""), 200, &info)
	if info["user"] != vctest.User || info["created_time"] == "" || info["last_accessed_time"] < info["created_time"] || len(info) != 3 {
		t.Fatal(info)
	}
	c.refused(c.send("PUT", "session", ""), 405, "ERROR", "PUT")
	c.refused(c.send("GET", "session?a=b", ""), 400, "UNEXPECTED_INPUT", "parameter a")
	c.refused(c.send("GET", "nothing", ""), 404, "NOT_FOUND", "/api/nothing")

	soap := s.Login(t) // the second session; the list shows both
	keys := strings.Count(soap.Get("SessionManager:SessionManager", "sessionList")["sessionList"], "<userName>"+vctest.User)
	if keys != 2 {
		t.Fatal("sessions: ", keys)
	}
	third := login(t, s)
	none.refused(none.send("POST", "session", "", basic(vctest.User, vctest.Password)), 503, "SERVICE_UNAVAILABLE", "")
	if a := third.send("DELETE", "session", ""); a.status != 204 || a.body != "" {
		t.Fatal(a)
	}
	third.refused(third.send("GET", "session", ""), 401, "UNAUTHENTICATED", "")

	list := vctest.Answer{Body: "<x xmlns:xsi='x'>" + soap.Get("SessionManager:SessionManager", "sessionList")["sessionList"] + "</x>"}
	mine := soap.Get("SessionManager:SessionManager", "currentSession")["currentSession"]
	for _, key := range list.Texts("key") {
		if !strings.Contains(mine, key) {
			soap.Must("TerminateSession", "SessionManager:SessionManager", "<sessionId>"+key+"</sessionId>")
		}
	}
	c.refused(c.send("GET", "session", ""), 401, "UNAUTHENTICATED", "")
}

func TestNoAPIOnESXi(t *testing.T) {
	vctest.Breaks(t, "rest.esxi")
	f := fleet.Demo()
	f.Endpoint = "esxi"
	f.Clusters = f.Clusters[:1]
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := &client{t: t, s: s}
	if a := c.send("POST", "session", "", basic(vctest.User, vctest.Password)); a.status != 404 {
		t.Fatal(a)
	}
}
