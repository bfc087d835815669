package vm_test

import (
	"html"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gpupt.test/vcenter/internal/vctest"
)

const (
	linuxAuth   = `<auth xsi:type="NamePasswordAuthentication"><interactiveSession>false</interactiveSession><username>ops</username><password>Train-1-pass</password></auth>`
	windowsAuth = `<auth xsi:type="NamePasswordAuthentication"><interactiveSession>false</interactiveSession><username>Administrator</username><password>Train-1-pass</password></auth>`
	processes   = "GuestProcessManager:guestOperationsProcessManager"
	guestFiles  = "GuestFileManager:guestOperationsFileManager"
	guestAuth   = "GuestAuthManager:guestOperationsAuthManager"
)

// start a program and wait for its end; "lost" when Tools restarted under it.
func (k *kit) program(vm, auth, path, args string) (exit string) {
	k.t.Helper()
	a := k.c.Must("StartProgramInGuest", processes, vctest.Ref("vm", vm)+auth+
		`<spec><programPath>`+path+`</programPath><arguments>`+html.EscapeString(args)+`</arguments></spec>`)
	pid := a.Text("returnval")
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(3 * time.Millisecond) {
		l := k.c.Call("ListProcessesInGuest", processes, vctest.Ref("vm", vm)+auth+"<pids>"+pid+"</pids>")
		if l.Status == 200 && l.Text("endTime") != "" {
			return l.Text("exitCode")
		}
		if l.Status == 200 && l.Text("pid") == "" {
			return "lost"
		}
	}
	k.t.Fatalf("%s %s did not end", path, args)
	return ""
}

// bash runs a line in a Linux guest and fetches its output.
func (k *kit) bash(vm, line string) string {
	k.t.Helper()
	k.program(vm, linuxAuth, "/bin/bash", "-c "+"'{ "+strings.ReplaceAll(line, "'", `'\''`)+"; } >/tmp/out 2>&1'")
	return k.fetch(vm, linuxAuth, "/tmp/out")
}

// fetch downloads a guest's file by a one-time URL.
func (k *kit) fetch(vm, auth, path string) string {
	k.t.Helper()
	a := k.c.Must("InitiateFileTransferFromGuest", guestFiles, vctest.Ref("vm", vm)+auth+"<guestFilePath>"+path+"</guestFilePath>")
	res, err := vctest.Trusting.Get(html.UnescapeString(a.Text("url")))
	if err != nil {
		k.t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != 200 {
		k.t.Fatalf("download of %s: %d %s", path, res.StatusCode, b)
	}
	return string(b)
}

// send uploads a file.
func (k *kit) send(vm, auth, path, content string) int {
	k.t.Helper()
	a := k.c.Must("InitiateFileTransferToGuest", guestFiles, vctest.Ref("vm", vm)+auth+"<guestFilePath>"+path+"</guestFilePath>"+
		`<fileAttributes xsi:type="GuestFileAttributes"/>`+"<fileSize>"+strconv.Itoa(len(content))+"</fileSize><overwrite>true</overwrite>")
	r, _ := http.NewRequest("PUT", html.UnescapeString(a.Text("returnval")), strings.NewReader(content))
	res, err := vctest.Trusting.Do(r)
	if err != nil {
		k.t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

// http sends one request to a path and gives the status.
func (k *kit) http(method, path, body, cookie string) int {
	k.t.Helper()
	at := k.URL + path
	if strings.HasPrefix(path, "https://") { // a transfer's own address
		at = path
	}
	r, _ := http.NewRequest(method, at, strings.NewReader(body))
	if cookie != "" {
		r.Header.Set("Cookie", "vmware_soap_session="+cookie)
	}
	res, err := vctest.Trusting.Do(r)
	if err != nil {
		k.t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.ReadAll(res.Body)
	return res.StatusCode
}

func vmRef(vm string) string { return vctest.Ref("vm", vm) }
