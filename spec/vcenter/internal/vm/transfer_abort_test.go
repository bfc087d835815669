package vm_test

import (
	"html"
	"io"
	"net/http"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/vctest"
)

// What ends an upload in its middle: a guest that restarts, a disk that fills, a VM that is reset.
func TestAnUploadThatIsAborted(t *testing.T) {
	k, lin, win := guests(t, nil)
	k.rule("guest.transfer-aborted", "guest.transfer-full")
	content := strings.Repeat("x", 3<<20)
	k.Control(t, "POST", "/set", map[string]any{"vm": "win", "disk_takes": 1})
	if code := k.send(win, windowsAuth, `C:\big.bin`, content); code != 500 {
		t.Errorf("a disk that fills: %d", code)
	}
	if got := k.fetch(win, windowsAuth, `C:\big.bin`); len(got) != 1<<20 {
		t.Errorf("%d bytes of the file are there", len(got))
	}
	if got := k.c.Get(win, "guest.disk")["guest.disk"]; !strings.Contains(got, "<freeSpace>4096</freeSpace>") {
		t.Error(got)
	}
	k.Control(t, "POST", "/set", map[string]any{"vm": "win", "disk_takes": 0, "disk_free": 0})
	if code := k.send(win, windowsAuth, `C:\big.bin`, content); code != 200 {
		t.Errorf("with room again: %d", code)
	}
	k.Control(t, "POST", "/set", map[string]any{"vm": "lin", "restart_in_upload": true})
	if code := k.send(lin, linuxAuth, "/var/tmp/big.bin", content); code != 500 {
		t.Errorf("a guest that restarts: %d", code)
	}
	k.until(lin, "guest.guestOperationsReady", "true")
	k.c.Refused(k.c.Call("InitiateFileTransferFromGuest", guestFiles, vmRef(lin)+linuxAuth+"<guestFilePath>/var/tmp/big.bin</guestFilePath>"), "FileNotFound")
	if code := k.send(lin, linuxAuth, "/var/tmp/big.bin", content); code != 200 {
		t.Errorf("after the restart: %d", code)
	}
	// a reset, with half of the bytes sent
	a := k.c.Must("InitiateFileTransferToGuest", guestFiles, vmRef(lin)+linuxAuth+"<guestFilePath>/var/tmp/late.bin</guestFilePath>"+
		`<fileAttributes xsi:type="GuestFileAttributes"/><fileSize>8</fileSize><overwrite>true</overwrite>`)
	from, to := io.Pipe()
	r, _ := http.NewRequest("PUT", html.UnescapeString(a.Text("returnval")), from)
	r.ContentLength = 8
	ended := make(chan int)
	go func() {
		res, err := vctest.Trusting.Do(r)
		if err != nil {
			ended <- 0
			return
		}
		res.Body.Close()
		ended <- res.StatusCode
	}()
	_, _ = to.Write([]byte("half"))
	k.accepted(k.c.Task("ResetVM_Task", lin, ""))
	_, _ = to.Write([]byte("more"))
	to.Close()
	if code := <-ended; code != 500 {
		t.Errorf("a VM that was reset: %d", code)
	}
}
