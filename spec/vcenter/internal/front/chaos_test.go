package front_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// TestTrouble checks what trouble does to the client. These tests check what it does to the
// fleet, and what a client sees that reads the bytes itself.
func TestTroubleOfEachKind(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	folder := func(name string) vctest.Answer {
		return c.Call("CreateFolder", c.Find("DC0/vm"), "<name>"+name+"</name>")
	}
	there := func(name string) bool {
		return c.Must("FindByInventoryPath", "SearchIndex:SearchIndex", "<inventoryPath>DC0/vm/"+name+"</inventoryPath>").Text("returnval") != ""
	}
	rule := func(kind, more string) {
		t.Helper()
		s.Front.Trouble.Clear()
		s.Trouble(t, `{"match":{"method":"CreateFolder"},"do":{"kind":"`+kind+`"`+more+`}}`)
	}
	// Whether the request took effect is what a client cannot see, and must find out.
	for kind, done := range map[string]bool{"reset-before": false, "reset-after": true, "truncate": true, "session-lost": false} {
		rule(kind, "")
		if a := folder("f-" + kind); a.Status == 200 && a.Err == nil {
			t.Fatal(kind, a.Body)
		}
		if kind == "session-lost" {
			c = s.Login(t)
		}
		if there("f-"+kind) != done {
			t.Fatal(kind, "took effect: ", !done)
		}
	}
	for _, code := range []int{502, 503, 504, 429} {
		rule("status", fmt.Sprintf(`,"code":%d`, code))
		a := folder("f-status")
		if a.Status != code || a.Header.Get("Content-Type") != "text/html" || !strings.Contains(a.Body, fmt.Sprintf("<title>%d ", code)) || there("f-status") {
			t.Fatal(code, a)
		}
	}
	rule("fault", `,"fault":"DuplicateName"`)
	c.Refused(folder("f-fault"), "DuplicateName")
	if there("f-fault") {
		t.Fatal("an injected fault, but the folder was created")
	}
	// The bytes of a truncated answer: it promises more than it brings.
	s.Front.Trouble.Clear()
	s.Trouble(t, `{"match":{"method":"CurrentTime"},"do":{"kind":"truncate","bytes":40}}`)
	text := raw(t, s, c.Cookie, "")
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	if len(body) != 40 || !strings.Contains(head, "Content-Length: ") || strings.Contains(head, "Content-Length: 40\r") {
		t.Fatal(text)
	}
	s.Trouble(t, `{"match":{"method":"CurrentTime"},"do":{"kind":"gzip"}}`)
	if text := raw(t, s, c.Cookie, "Accept-Encoding: gzip\r\n"); !strings.Contains(text, "Content-Encoding: gzip\r\n") || !strings.Contains(text, "\x1f\x8b") {
		t.Fatal(text)
	}
	s.Trouble(t, `{"match":{"method":"CurrentTime"},"do":{"kind":"chunked"}}`)
	if text := raw(t, s, c.Cookie, ""); !strings.Contains(text, "Transfer-Encoding: chunked\r\n") || !strings.Contains(text, "\r\n61\r\n") {
		t.Fatal(text)
	}
	s.Trouble(t, `{"match":{"method":"CurrentTime"},"do":{"kind":"slow","bytes":100}}`)
	start := time.Now()
	if a := c.Must("CurrentTime", si, ""); time.Since(start) < time.Duration(len(a.Body)/100)*9*time.Millisecond {
		t.Fatal("not slow: ", time.Since(start))
	}
	// Held until the client disconnects: the session stays valid, and no other client waits.
	s.Trouble(t, `{"match":{"method":"CurrentTime"},"do":{"kind":"hold"}}`)
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
	defer cancel()
	held := make(chan vctest.Answer, 1)
	doc := vctest.Envelope(`<soapenv:Body><CurrentTime xmlns="urn:vim25">` + vctest.Ref("_this", si) + `</CurrentTime></soapenv:Body>`)
	go func() { held <- c.Post(ctx, doc, "urn:vim25/8.0.3.0") }()
	vctest.Eventually(t, "held", func() bool { return s.Front.Trouble.List()[4].Hits == 1 })
	c.Must("CurrentTime", si, "")
	if a := <-held; a.Err == nil {
		t.Fatal(a)
	}
	// A handshake that fails: an alert, and the connection is closed.
	s.Trouble(t, `{"do":{"kind":"tls-fail"}}`)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if b, err := io.ReadAll(conn); err != nil || !bytes.Equal(b, []byte{21, 3, 3, 0, 2, 2, 40}) {
		t.Fatal(b, err)
	}
}

// raw is the answer to CurrentTime as it comes through the wire.
func raw(t *testing.T, s *vctest.Server, cookie, header string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	doc := vctest.Envelope(`<soapenv:Body><CurrentTime xmlns="urn:vim25">` + vctest.Ref("_this", si) + `</CurrentTime></soapenv:Body>`)
	fmt.Fprintf(conn, "POST /sdk HTTP/1.1\r\nHost: x\r\nSOAPAction: urn:vim25/8.0.3.0\r\nContent-Type: text/xml\r\nCookie: vmware_soap_session=%s\r\n%sConnection: close\r\nContent-Length: %d\r\n\r\n%s", cookie, header, len(doc), doc)
	b, _ := io.ReadAll(conn)
	return string(b)
}

func TestRulesThatCouldNeverMatchAreRefused(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	for _, bad := range []string{`{"do":{"kind":"nonsense"}}`, `{"match":{"metod":"CurrentTime"},"do":{"kind":"html"}}`, `{"match":{"method":"CurentTime"},"do":{"kind":"html"}}`,
		`{"match":{"method":"CurrentTime"},"do":{"kind":"task-fail"}}`, `{"do":{"kind":"fault"}}`, `{"do":{"kind":"fault","fault":"Folder"}}`, `{"match":{"probability":2},"do":{"kind":"html"}}`,
		`{"match":{"nth":-1},"do":{"kind":"html"}}`, `{"do":{"kind":"status","code":99}}`, `[null]`, `{`, `{"do":{"kind":"html"}} trailing`} {
		if err := s.Front.Trouble.Add([]byte(bad)); err == nil {
			t.Error("taken: ", bad)
		}
	}
	if n := len(s.Front.Trouble.List()); n != 0 {
		t.Fatal(n)
	}
	s.Trouble(t, `[{"match":{"method":"HTTP GET","object":"/folder/x"},"do":{"kind":"html"}},{"match":{"method":"PowerOnVM_Task"},"do":{"kind":"task-fail"}},{"match":{"method":"Fetch"},"do":{"kind":"html"}}]`)
}

func TestRandomTrouble(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	strikes := func(seed int) string {
		s.Front.Trouble.Clear()
		s.Trouble(t, fmt.Sprintf(`{"match":{"method":"CurrentTime","count":-1,"probability":0.3,"seed":%d},"do":{"kind":"status"}}`, seed))
		out := ""
		for i := 0; i < 60; i++ {
			out += fmt.Sprint(c.Call("CurrentTime", si, "").Status/100, "")
		}
		return out
	}
	first := strikes(7)
	if again := strikes(7); again != first {
		t.Fatal("the same seed matched differently: ", first, again)
	}
	if strikes(8) == first {
		t.Fatal("another seed matched the same requests")
	}
	if n := strings.Count(first, "5"); n < 6 || n > 32 {
		t.Fatal(n, first)
	}
}

func TestAHostIsLostDuringItsReboot(t *testing.T) {
	t.Parallel()
	f := fleet.Demo()
	f.Clusters[0].Hosts[0].BootSeconds = 200
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Login(t)
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	s.Trouble(t, `{"match":{"method":"RebootHost_Task","object":"`+host+`"},"do":{"kind":"host-lost","seconds":60}}`)
	c.MustTask("EnterMaintenanceMode_Task", host, "<timeout>0</timeout>")
	c.Must("RebootHost_Task", host, "<force>false</force>")
	state := func() string { return c.Get(host, "runtime.connectionState")["runtime.connectionState"] }
	vctest.Eventually(t, "away", func() bool { return state() == "notResponding" })
	for end := time.Now().Add(1200 * time.Millisecond); time.Now().Before(end); time.Sleep(20 * time.Millisecond) { // a boot takes 500 ms
		if st := state(); st != "notResponding" {
			t.Fatal(st)
		}
	}
	s.Control(t, "POST", "/set", map[string]any{"host": "esx-a-1", "revive": true})
	vctest.Eventually(t, "back", func() bool { return state() == "connected" })
}

// Every request has its line, transfers and refused ones too.
func TestJournalOfTransfersAndRefusals(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	before := time.Now()
	do := func(method, path string, cookie bool) int {
		r, _ := http.NewRequest(method, s.URL+path, strings.NewReader("x"))
		if cookie {
			r.Header.Set("Cookie", "vmware_soap_session="+c.Cookie)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return res.StatusCode
	}
	last := func() map[string]any {
		list := s.Control(t, "GET", "/journal", nil)["list"].([]any)
		return list[len(list)-1].(map[string]any)
	}
	expect := func(what string, want map[string]any) {
		t.Helper()
		r := last()
		for k, v := range want {
			if r[k] != v {
				t.Fatalf("%s: %s is %v, want %v: %v", what, k, r[k], v, r)
			}
		}
		t0, _ := time.Parse(time.RFC3339Nano, r["t0"].(string))
		t1, _ := time.Parse(time.RFC3339Nano, r["t1"].(string))
		if t0.Before(before.Add(-time.Second)) || t1.Before(t0) || t1.After(time.Now().Add(time.Second)) {
			t.Fatal(what, t0, t1)
		}
	}
	do("PUT", "/folder/iso/a.txt?dcPath=DC0&dsName=ds-1", true)
	key := last()["session"]
	expect("a file written", map[string]any{"method": "HTTP PUT", "this": "/folder/iso/a.txt", "changing": true, "http": 201.0})
	do("GET", "/folder/iso/ubuntu-answer.iso?dcPath=DC0&dsName=ds-1", true)
	expect("a file read", map[string]any{"method": "HTTP GET", "changing": false, "http": 200.0, "session": key})
	do("GET", "/folder/iso/ubuntu-answer.iso?dcPath=DC0&dsName=ds-1", false)
	expect("a file refused", map[string]any{"http": 401.0, "session": ""})
	do("PUT", "/guestFile?id=1&token=none", false)
	expect("a guest's file", map[string]any{"method": "HTTP PUT", "this": "/guestFile", "guest": true, "changing": false})
	c.OpID = "op-1"
	c.Call("MakeCoffee_Task", "HostSystem:host-1", "")
	expect("a request refused by the reader", map[string]any{"method": "MakeCoffee_Task", "fault": "InvalidType", "operationID": "op-1", "http": 500.0})
	c.Raw("not XML")
	expect("no XML at all", map[string]any{"method": "", "fault": "InvalidRequest", "http": 500.0})
	r, _ := http.NewRequest("POST", s.URL+"/sdk", strings.NewReader("not gzip"))
	r.Header.Set("Content-Encoding", "gzip")
	if res, err := http.DefaultClient.Do(r); err != nil || res.StatusCode != 400 {
		t.Fatal(res, err)
	}
	expect("a body that is not gzip", map[string]any{"http": 400.0})
	var z bytes.Buffer // and the nearest valid one
	w := gzip.NewWriter(&z)
	fmt.Fprint(w, vctest.Envelope(`<soapenv:Body><CurrentTime xmlns="urn:vim25">`+vctest.Ref("_this", si)+`</CurrentTime></soapenv:Body>`))
	w.Close()
	r, _ = http.NewRequest("POST", s.URL+"/sdk", &z)
	r.Header.Set("Content-Encoding", "gzip")
	r.Header.Set("SOAPAction", "urn:vim25/8.0.3.0")
	r.Header.Set("Cookie", "vmware_soap_session="+c.Cookie)
	if res, err := http.DefaultClient.Do(r); err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	expect("gzip", map[string]any{"method": "CurrentTime", "http": 200.0, "this": si})
	s.Trouble(t, `{"match":{"method":"CurrentTime"},"do":{"kind":"reset-before"}}`)
	c.Call("CurrentTime", si, "")
	expect("trouble", map[string]any{"method": "CurrentTime", "trouble": "reset-before"})
}
