// Package vctest starts a whole server in a Go test and speaks to it in raw XML over HTTP:
// a client that shares no code with the server's reader and writer.
package vctest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/front"
	"gpupt.test/vcenter/internal/vcenter"
)

// User and Password of the administrator in tests.
const (
	User     = "administrator@vsphere.local"
	Password = "Secret-of-tests-1"
)

// Server is a running server.
type Server struct {
	*vcenter.VCenter
	URL  string
	stop context.CancelFunc
	http *http.Server
}

// Start runs a server for the test; o may be zero (demo fleet, speed 400).
func Start(t testing.TB, o vcenter.Options) *Server {
	t.Helper()
	if o.Fleet == nil {
		o.Fleet = fleet.Demo()
	}
	o.Fleet.Users = append(o.Fleet.Users, fleet.User{Name: User, Password: Password, Role: "Admin"})
	if err := o.Fleet.Fill(); err != nil {
		t.Fatal(err)
	}
	if o.Speed == 0 {
		o.Speed = 400
	}
	if o.Dir == "" {
		o.Dir = dir(t)
	}
	ctx, cancel := context.WithCancel(context.Background())
	o.Stop = ctx
	v, err := vcenter.New(o)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	s := &Server{VCenter: v, URL: "http://" + l.Addr().String(), stop: cancel,
		http: &http.Server{Handler: v.Front, BaseContext: func(net.Listener) context.Context { return ctx }}}
	v.API.At(s.URL)
	go func() { _ = s.http.Serve(front.Listener{Listener: l, T: v.Front.Trouble, Down: v.Front.Refusing}) }()
	t.Cleanup(func() {
		cancel()
		_ = s.http.Close()
		v.Wait()
	})
	return s
}

// dir is a temporary directory, in memory where there is room: a guest's files are thousands of small ones, and creating
// them on a disk took two thirds of the tests' processor time.
func dir(t testing.TB) string {
	t.Helper()
	const memory = "/dev/shm"
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < 2<<30 {
		return t.TempDir()
	}
	d, err := os.MkdirTemp(memory, "vcenter-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(d); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Trusting takes any certificate, as that of a host that no CA here has signed.
var Trusting = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}

// Client is one HTTP client with its own cookie and version.
type Client struct {
	t       testing.TB
	S       *Server
	Version string
	Cookie  string
	OpID    string
	HTTP    *http.Client
}

// Answer is what came back.
type Answer struct {
	Status int
	Body   string
	Header http.Header
	Err    error
}

// Client creates a client without a session.
func (s *Server) Client(t testing.TB) *Client {
	return &Client{t: t, S: s, Version: "8.0.3.0", HTTP: &http.Client{Transport: &http.Transport{}}}
}

// Login creates a client with a session; user "" is the administrator.
func (s *Server) Login(t testing.TB, userPassword ...string) *Client {
	t.Helper()
	c := s.Client(t)
	user, password := User, Password
	if len(userPassword) == 2 {
		user, password = userPassword[0], userPassword[1]
	}
	a := c.Call("Login", "SessionManager:SessionManager", "<userName>"+user+"</userName><password>"+password+"</password>")
	if a.Status != 200 {
		t.Fatalf("login: %d %s", a.Status, a.Body)
	}
	return c
}

// Ref writes a managed object reference element from "Type:value".
func Ref(element, ref string) string {
	kind, value, _ := strings.Cut(ref, ":")
	return fmt.Sprintf(`<%s type="%s">%s</%s>`, element, kind, value, element)
}

// Envelope wraps the content of a SOAP body.
func Envelope(body string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"` +
		` xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` + body + `</soapenv:Envelope>`
}

// Call sends a method call; inside is the XML of the parameters after _this.
func (c *Client) Call(method, this, inside string) Answer {
	head := ""
	if c.OpID != "" {
		head = "<soapenv:Header><operationID xmlns=\"urn:vim25\">" + c.OpID + "</operationID></soapenv:Header>"
	}
	return c.Raw(Envelope(head + `<soapenv:Body><` + method + ` xmlns="urn:vim25">` + Ref("_this", this) + inside + `</` + method + `></soapenv:Body>`))
}

// Raw posts a document to /sdk.
func (c *Client) Raw(doc string) Answer {
	return c.Post(context.Background(), doc, `"urn:vim25/`+c.Version+`"`)
}

// Post posts a document with a SOAPAction and takes the cookie that comes.
func (c *Client) Post(ctx context.Context, doc, action string) Answer {
	r, err := http.NewRequestWithContext(ctx, "POST", c.S.URL+"/sdk", strings.NewReader(doc))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", `text/xml; charset="utf-8"`)
	if action != "" {
		r.Header.Set("SOAPAction", action)
	}
	if c.Cookie != "" {
		r.Header.Set("Cookie", "vmware_soap_session="+c.Cookie)
	}
	res, err := c.HTTP.Do(r)
	if err != nil {
		return Answer{Err: err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if sc := res.Header.Get("Set-Cookie"); sc != "" {
		v, _, _ := strings.Cut(strings.TrimPrefix(sc, "vmware_soap_session="), ";")
		c.Cookie = v
	}
	return Answer{Status: res.StatusCode, Body: string(b), Header: res.Header, Err: err}
}

// Must fails the test unless the call was accepted.
func (c *Client) Must(method, this, inside string) Answer {
	c.t.Helper()
	a := c.Call(method, this, inside)
	if a.Status != 200 || a.Err != nil {
		c.t.Fatalf("%s on %s: %d %v %s", method, this, a.Status, a.Err, a.Body)
	}
	return a
}

// Refused fails the test unless the call ended in the fault, whose text holds every part.
func (c *Client) Refused(a Answer, faultName string, parts ...string) {
	c.t.Helper()
	if a.Status != 500 || a.Fault() != faultName {
		c.t.Fatalf("wanted fault %s, got %d %s", faultName, a.Status, a.Body)
	}
	text := a.Text("faultstring")
	for _, p := range parts {
		if !strings.Contains(text, p) && !strings.Contains(a.Body, p) {
			c.t.Fatalf("fault %s does not say %q: %s", faultName, p, a.Body)
		}
	}
}

var faultType = regexp.MustCompile(`<detail><\w+Fault xmlns="urn:vim25" xsi:type="(\w+)"`)

// Fault is the type of a SOAP fault, "" without one.
func (a Answer) Fault() string {
	if m := faultType.FindStringSubmatch(a.Body); m != nil {
		return m[1]
	}
	return ""
}

// Text is the text of the first element of that name, anywhere.
func (a Answer) Text(name string) string {
	all := a.Texts(name)
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// Texts are the texts of all elements of that name, in order.
func (a Answer) Texts(name string) []string {
	d := xml.NewDecoder(strings.NewReader(a.Body))
	var out []string
	depth, text := 0, ""
	for {
		tok, err := d.Token()
		if err != nil {
			return out
		}
		switch x := tok.(type) {
		case xml.StartElement:
			if depth > 0 {
				depth++
			} else if x.Name.Local == name {
				depth, text = 1, ""
			}
		case xml.CharData:
			if depth > 0 {
				text += string(x)
			}
		case xml.EndElement:
			if depth > 0 {
				if depth--; depth == 0 {
					out = append(out, text)
				}
			}
		}
	}
}

// Get reads properties of one object: path -> inner XML of val.
func (c *Client) Get(ref string, paths ...string) map[string]string {
	c.t.Helper()
	return c.MustOn("propertyCollector", ref, paths...)
}

// MustOn is Get by the property collector of that name.
func (c *Client) MustOn(collector, ref string, paths ...string) map[string]string {
	c.t.Helper()
	kind, _, _ := strings.Cut(ref, ":")
	set := ""
	for _, p := range paths {
		set += "<pathSet>" + strings.ReplaceAll(p, `"`, "&quot;") + "</pathSet>"
	}
	a := c.Must("RetrievePropertiesEx", "PropertyCollector:"+collector, "<specSet><propSet><type>"+kind+"</type>"+set+
		"</propSet><objectSet>"+Ref("obj", ref)+"</objectSet></specSet><options/>")
	out := map[string]string{}
	for _, m := range propSet.FindAllStringSubmatch(a.Body, -1) {
		out[strings.ReplaceAll(m[1], "&quot;", `"`)] = m[2]
	}
	return out
}

var propSet = regexp.MustCompile(`(?s)<propSet><name>(.*?)</name><val[^>]*?(?:/>|>(.*?)</val></propSet>)`)

// Find looks an object up by its inventory path: "Type:value".
func (c *Client) Find(path string) string {
	c.t.Helper()
	a := c.Must("FindByInventoryPath", "SearchIndex:SearchIndex", "<inventoryPath>"+path+"</inventoryPath>")
	return refOf(c.t, a, path)
}

var returnval = regexp.MustCompile(`<returnval type="(\w+)">([^<]*)</returnval>`)

func refOf(t testing.TB, a Answer, what string) string {
	t.Helper()
	m := returnval.FindStringSubmatch(a.Body)
	if m == nil {
		t.Fatalf("%s: no reference in %s", what, a.Body)
	}
	return m[1] + ":" + m[2]
}

// Start calls a _Task method and gives the task's reference.
func (c *Client) Start(method, this, inside string) string {
	c.t.Helper()
	return refOf(c.t, c.Must(method, this, inside), method)
}

// Result is how a task ended.
type Result struct {
	State, Fault, Message, Info string
}

// Wait reads Task.info until the task has ended.
func (c *Client) Wait(task string) Result {
	c.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		info := c.Get(task, "info")["info"]
		a := Answer{Body: "<x xmlns:xsi=\"" + "http://www.w3.org/2001/XMLSchema-instance" + "\">" + info + "</x>"}
		switch s := a.Text("state"); s {
		case "success":
			return Result{State: s, Info: info}
		case "error":
			m := regexp.MustCompile(`<error><fault xsi:type="(\w+)"`).FindStringSubmatch(info)
			r := Result{State: s, Info: info, Message: a.Text("localizedMessage")}
			if m != nil {
				r.Fault = m[1]
			}
			return r
		}
	}
	c.t.Fatalf("%s did not end", task)
	return Result{}
}

// Task calls a _Task method and waits for its end.
func (c *Client) Task(method, this, inside string) Result {
	c.t.Helper()
	return c.Wait(c.Start(method, this, inside))
}

// MustTask fails the test unless the task succeeded.
func (c *Client) MustTask(method, this, inside string) Result {
	c.t.Helper()
	r := c.Task(method, this, inside)
	if r.State != "success" {
		c.t.Fatalf("%s on %s: %s: %s", method, this, r.Fault, r.Message)
	}
	return r
}

// FailTask fails the test unless the task ended in that fault.
func (c *Client) FailTask(faultName, method, this, inside string) Result {
	c.t.Helper()
	r := c.Task(method, this, inside)
	if r.Fault != faultName {
		c.t.Fatalf("%s on %s: wanted %s, got %s %s: %s", method, this, faultName, r.State, r.Fault, r.Message)
	}
	return r
}

// Control asks a page below /gpsim; body nil = GET.
func (s *Server) Control(t testing.TB, method, path string, body any) map[string]any {
	t.Helper()
	var in io.Reader
	if body != nil {
		b, _ := json.Marshal(body)
		in = bytes.NewReader(b)
	}
	r, _ := http.NewRequest(method, s.URL+"/gpsim"+path, in)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	out := map[string]any{}
	if err := json.Unmarshal(b, &out); err != nil {
		var list []any
		if json.Unmarshal(b, &list) == nil {
			return map[string]any{"list": list}
		}
		t.Fatalf("%s %s: %s", method, path, b)
	}
	if res.StatusCode != 200 {
		t.Fatalf("%s %s: %s", method, path, b)
	}
	return out
}

// Trouble adds a rule.
func (s *Server) Trouble(t testing.TB, rule string) {
	t.Helper()
	if err := s.Front.Trouble.Add([]byte(rule)); err != nil {
		t.Fatal(err)
	}
}

// Eventually waits for a condition.
func Eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("never happened: %s", what)
}
