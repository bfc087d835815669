package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/rules"
)

type ready struct {
	URL      string `json:"url"`
	Host     string `json:"host"`
	Username string `json:"username"`
	Password string `json:"password"`
	CAFile   string `json:"ca_file"`
	SHA256   string `json:"thumbprint_sha256"`
	Control  string `json:"control"`
	PID      int    `json:"pid"`
	Dir      string `json:"dir"`
}

// serve runs the program until the returned function is called. A minute is for a loaded computer.
func serve(t *testing.T, args ...string) (ready, func() error) {
	t.Helper()
	return start(t, time.Minute, args...)
}

func start(t *testing.T, limit time.Duration, args ...string) (ready, func() error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ready.json")
	for i, a := range args {
		if a == "-ready" {
			file = args[i+1]
		}
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdin
	os.Stdin = in
	done := make(chan error, 1)
	start := time.Now()
	go func() { done <- run(append([]string{"-quiet", "-ready", file, "-until-stdin-closes"}, args...)) }()
	var r ready
	for {
		if data, err := os.ReadFile(file); err == nil {
			if err := json.Unmarshal(data, &r); err != nil {
				t.Fatal("half a ready file: ", err)
			}
			break
		}
		select {
		case err := <-done:
			t.Fatal("ended at once: ", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	if d := time.Since(start); d > limit {
		t.Errorf("ready after %s", d)
	}
	return r, func() error {
		out.Close()
		defer func() { os.Stdin = old; in.Close() }()
		select {
		case err := <-done:
			return err
		case <-time.After(4*time.Second + limit):
			t.Fatal("does not stop when stdin closes")
			return nil
		}
	}
}

func TestReadyFileAndEnd(t *testing.T) {
	r, stop := serve(t)
	if r.PID != os.Getpid() || r.Username == "" || len(r.Password) < 16 || r.URL != "https://"+r.Host+"/sdk" || r.Control != "https://"+r.Host+"/gpsim" {
		t.Fatalf("%+v", r)
	}
	ca, err := os.ReadFile(r.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	res, err := c.Get(r.Control + "/truth")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(res.Body)
	res.Body.Close()
	sum := sha256.Sum256(res.TLS.PeerCertificates[0].Raw)
	if colons(sum[:]) != r.SHA256 {
		t.Fatal("thumbprint of another certificate")
	}
	var truth struct {
		Hosts      []struct{ Name string }
		Timeline   []any
		Violations []any
	}
	if err := json.Unmarshal(b, &truth); err != nil || len(truth.Hosts) != 2 || truth.Timeline == nil || truth.Violations == nil {
		t.Fatal(err, string(b))
	}
	if _, err := (&http.Client{Transport: &http.Transport{}}).Get(r.Control + "/truth"); err == nil {
		t.Fatal("trusted without its CA")
	}
	c.CloseIdleConnections()
	if res, err = c.Post(r.Control+"/trouble", "application/json", strings.NewReader(`{"do":{"kind":"tls-fail"}}`)); err != nil || res.StatusCode != 200 {
		t.Fatal(err, res)
	}
	res.Body.Close()
	c.CloseIdleConnections()
	if _, err := c.Get(r.Control + "/truth"); err == nil || !strings.Contains(err.Error(), "handshake failure") {
		t.Fatal("the handshake did not fail: ", err)
	}
	if res, err = c.Get(r.Control + "/truth"); err != nil {
		t.Fatal("only one handshake should fail: ", err)
	}
	res.Body.Close()
	c.CloseIdleConnections()
	if res, err = c.Post(r.Control+"/set", "application/json", strings.NewReader(`{"certificate":"new"}`)); err != nil || res.StatusCode != 200 {
		t.Fatal(err, res)
	}
	res.Body.Close()
	c.CloseIdleConnections()
	if _, err := c.Get(r.Control + "/truth"); err == nil {
		t.Fatal("the new certificate is of another CA, and yet trusted")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.Dir); !os.IsNotExist(err) {
		t.Fatal("the temporary directory is still there")
	}
}

func TestOwnDirectoryAndPasswordStay(t *testing.T) {
	dir := t.TempDir()
	r, stop := serve(t, "-dir", dir, "-user", "u", "-password", "p", "-self-signed", "-version", "8.0.1.0")
	if r.Username != "u" || r.Password != "p" || r.Dir != dir {
		t.Fatalf("%+v", r)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ca.pem")); err != nil {
		t.Fatal(err)
	}
}

func TestBadFleetFiles(t *testing.T) {
	for text, want := range map[string]string{
		`{"clusterz":[]}`: "clusterz",
		`{`:               "unexpected",
		`{"clusters":[{"name":"a","hosts":[{"cards":[{"address":"xx","vendor":"10de","device":"20b5"}]}]}]}`:                                                     "PCI address",
		`{"clusters":[{"name":"a","hosts":[{"cards":[{"address":"3b:00.0","vendor":"10de","device":"20b5","bars":["3G:64"]}]}]}]}`:                               "not a BAR",
		`{"clusters":[{"name":"a","hosts":[{"cards":[{"address":"3b:00.0","vendor":"10de","device":"zz"}]}]}]}`:                                                  "hexadecimal",
		`{"clusters":[{"name":"a","hosts":[{"cards":[{"address":"3b:00.0","vendor":"1","device":"1"},{"address":"0000:3b:00.0","vendor":"1","device":"1"}]}]}]}`: "two devices",
		`{"endpoint":"moon"}`:         "moon",
		`{}`:                          "needs a host",
		`{"clusters":[{"name":"a"}]}`: "needs a host",
		`{"clusters":[{"name":"a","hosts":[{"name":"h"}]}],"datacenter":"a/b"}`: "not a valid datacenter name",
		`{"clusters":[{"name":"a","hosts":[{"name":"h"}]}],"networks":[]}`:      "needs a network",
	} {
		file := filepath.Join(t.TempDir(), "fleet.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run([]string{"-quiet", "-fleet", file}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if err := run([]string{"stray"}); err == nil {
		t.Error("an unexpected argument was accepted")
	}
}

func TestRulesTable(t *testing.T) {
	var b bytes.Buffer
	rules.Markdown(&b)
	for _, want := range []string{"| `wire.element-order` |", "| `host.passthru-pending` |", "## collector", "| rule | what holds | source | how sure |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table does not have %s", want)
		}
	}
}
