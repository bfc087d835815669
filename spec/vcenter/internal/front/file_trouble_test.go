package front_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// What can go wrong with a file transfer, and whether the request took effect.
func TestTroubleOfFiles(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	c.HTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // the client does not retry by itself
	text := strings.Repeat("0123456789", 50)
	do := func(ctx context.Context, method, name, body string) (int, string, error) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, s.URL+"/folder/iso/"+name+"?dcPath=DC0&dsName=ds-1", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", "vmware_soap_session="+c.Cookie)
		res, err := c.HTTP.Do(r)
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return res.StatusCode, string(b), err
	}
	now := context.Background()
	there := func(name string) bool { code, _, _ := do(now, "GET", name, ""); return code == 200 }
	rule := func(method, do string) {
		t.Helper()
		s.Front.Trouble.Clear()
		s.Trouble(t, `{"match":{"method":"HTTP `+method+`"},"do":{`+do+`}}`)
	}
	for kind, took := range map[string]bool{"reset-before": false, "reset-after": true} {
		rule("PUT", `"kind":"`+kind+`"`)
		if code, _, err := do(now, "PUT", kind, text); err == nil {
			t.Errorf("%s: %d", kind, code)
		}
		if there(kind) != took {
			t.Errorf("%s: took effect is %t", kind, !took)
		}
	}
	rule("GET", `"kind":"reset-after"`)
	if _, got, err := do(now, "GET", "reset-after", ""); err == nil {
		t.Errorf("an answer: %s", got)
	}
	if _, got, err := do(now, "GET", "reset-after", ""); err != nil || got != text {
		t.Errorf("only one should be lost: %v", err)
	}
	rule("PUT", `"kind":"status","code":503`)
	if code, body, _ := do(now, "PUT", "status", text); code != 503 || !strings.Contains(body, "<html>") || there("status") {
		t.Error("status", code, body)
	}
	rule("GET", `"kind":"truncate","bytes":123`)
	if code, got, err := do(now, "GET", "reset-after", ""); code != 200 || err == nil || got != text[:123] {
		t.Errorf("truncate: %d, %d bytes, %v", code, len(got), err)
	}
	rule("GET", `"kind":"slow","bytes":50`)
	start := time.Now()
	if _, got, err := do(now, "GET", "reset-after", ""); err != nil || got != text || time.Since(start) < 90*time.Millisecond {
		t.Errorf("slow: %v after %s", err, time.Since(start))
	}
	rule("GET", `"kind":"hold","seconds":0.2`)
	start = time.Now()
	if _, got, err := do(now, "GET", "reset-after", ""); err != nil || got != text || time.Since(start) < 200*time.Millisecond {
		t.Errorf("hold: %v after %s", err, time.Since(start))
	}
	rule("PUT", `"kind":"hold"`)
	ctx, cancel := context.WithTimeout(now, 150*time.Millisecond)
	defer cancel()
	if _, _, err := do(ctx, "PUT", "hold", text); err == nil || !there("hold") {
		t.Errorf("held for ever: %v, and the file is there: %t", err, there("hold"))
	}
	rule("GET", `"kind":"session-lost"`)
	if code, _, _ := do(now, "GET", "hold", ""); code != 401 {
		t.Errorf("session lost: %d", code)
	}
	for _, bad := range []string{`{"match":{"method":"HTTP GET"},"do":{"kind":"unknown-type"}}`, `{"match":{"method":"HTTP PUT"},"do":{"kind":"fault","fault":"NoPermission"}}`,
		`{"match":{"method":"HTTP GET"},"do":{"kind":"gzip"}}`, `{"match":{"method":"CurrentTime"},"do":{"kind":"refuse"}}`, `{"match":{"object":"/folder/x"},"do":{"kind":"tls-fail"}}`} {
		if err := s.Front.Trouble.Add([]byte(bad)); err == nil {
			t.Error("taken: ", bad)
		}
	}
}

// Requests other than SOAP calls have their trouble and their journal line too.
func TestPagesInTheJournal(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	get := func(path string) int {
		res, err := http.Get(s.URL + path)
		if err != nil {
			return 0
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return res.StatusCode
	}
	const versions = "/sdk/vimServiceVersions.xml"
	s.Trouble(t, `{"match":{"method":"HTTP GET","object":"`+versions+`","nth":2},"do":{"kind":"status","code":502}}`)
	for _, want := range []struct {
		path string
		code int
	}{{versions, 200}, {versions, 502}, {"/sdk", 405}, {"/sdk/", 405}} {
		if code := get(want.path); code != want.code {
			t.Errorf("%s: %d", want.path, code)
		}
		list := s.Control(t, "GET", "/journal", nil)["list"].([]any)
		r := list[len(list)-1].(map[string]any)
		if r["method"] != "HTTP GET" || r["this"] != want.path || r["http"] != float64(want.code) || r["changing"] != false {
			t.Errorf("%s: %v", want.path, r)
		}
	}
}

// A client never sees where on this computer the files are stored.
func TestFaultsNameDatastorePaths(t *testing.T) {
	dir := t.TempDir()
	s := vctest.Start(t, vcenter.Options{Dir: dir})
	vctest.Breaks(t, "file.names")
	c := s.Login(t)
	dc := c.Find("/DC0")
	fm, vdm := "FileManager:"+"FileManager", "VirtualDiskManager:virtualDiskManager"
	named := func(what, answer, want string) {
		t.Helper()
		if strings.Contains(answer, dir) || strings.Contains(answer, "/tmp/") {
			t.Errorf("%s shows a path: %s", what, answer)
		}
		if !strings.Contains(answer, want) {
			t.Errorf("%s does not name %s: %s", what, want, answer)
		}
	}
	mkdir := func(path string, parents bool) vctest.Answer {
		flag := "<createParentDirectories>false</createParentDirectories>"
		if parents {
			flag = strings.ReplaceAll(flag, "false", "true")
		}
		return c.Call("MakeDirectory", fm, "<name>"+path+"</name>"+vctest.Ref("datacenter", dc)+flag)
	}
	if a := mkdir("[ds-1] x/y", true); a.Status != 200 {
		t.Fatal(a.Body)
	}
	a := mkdir("[ds-1] x/y", false)
	c.Refused(a, "FileAlreadyExists")
	named("MakeDirectory", a.Body, "<file>[ds-1] x/y</file>")
	a = mkdir("[ds-1] no/such/place", false)
	if a.Status != 500 {
		t.Error(a.Body)
	}
	named("MakeDirectory", a.Body, "[ds-1] no/such")
	for method, in := range map[string]string{
		"DeleteDatastoreFile_Task": "<name>[ds-1] none.txt</name>" + vctest.Ref("datacenter", dc),
		"MoveDatastoreFile_Task":   "<sourceName>[ds-1] none.txt</sourceName>" + vctest.Ref("sourceDatacenter", dc) + "<destinationName>[ds-1] x/none.txt</destinationName>",
		"CopyDatastoreFile_Task":   "<sourceName>[ds-1] none.txt</sourceName>" + vctest.Ref("sourceDatacenter", dc) + "<destinationName>[ds-1] x/none.txt</destinationName>",
	} {
		r := c.Task(method, fm, in)
		if r.State != "error" {
			t.Errorf("%s: %s", method, r.State)
		}
		named(method, r.Info, "none.txt</file>")
	}
	r := c.Task("DeleteVirtualDisk_Task", vdm, "<name>[ds-1] none.vmdk</name>"+vctest.Ref("datacenter", dc))
	named("DeleteVirtualDisk_Task", r.Info, "[ds-1] none")
	ds := c.Find("/DC0/datastore/ds-1")
	browser := "HostDatastoreBrowser:" + strings.TrimSpace(c.Get(ds, "browser")["browser"])
	r = c.Task("SearchDatastore_Task", browser, "<datastorePath>[ds-1] nowhere</datastorePath>")
	named("SearchDatastore_Task", r.Info, "nowhere</file>")
	all := c.Get(ds, "info", "summary")
	if strings.Contains(all["info"]+all["summary"], dir) {
		t.Errorf("the datastore shows a path: %v", all)
	}
	vctest.Breaks(t, "collector.datastore-url")
	if url := c.Get(ds, "summary.url")["summary.url"]; !strings.HasPrefix(url, "ds:///vmfs/volumes/") || !strings.Contains(all["info"], "<url>"+url+"</url>") || !strings.Contains(all["info"], "<vmfs>") {
		t.Errorf("URL %s: %s", url, all["info"])
	}
}
