package vm_test

import (
	"fmt"
	"html"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/guest"
)

// Lists come in pieces and by a pattern; attributes are kept.
func TestListsAndAttributes(t *testing.T) {
	k, lin, win := guests(t, nil)
	k.rule("guest.list", "guest.attributes")
	k.bash(lin, `mkdir /tmp/d; cd /tmp/d; for i in $(seq 1 120); do echo $i > f$i.txt; done; ln -s f1.txt link; mkdir sub`)
	list := func(vm, auth, path, more string) (names []string, remaining, body string) {
		a := k.c.Must("ListFilesInGuest", guestFiles, vmRef(vm)+auth+"<filePath>"+path+"</filePath>"+more)
		return a.Texts("path"), a.Text("remaining"), a.Body
	}
	names, remaining, _ := list(lin, linuxAuth, "/tmp/d", "")
	if len(names) != 50 || remaining != "74" { // 120 files, a link, a directory, . and ..
		t.Errorf("by default: %d, %s remaining", len(names), remaining)
	}
	seen := map[string]bool{}
	for index, rest := 0, "1"; rest != "0"; index += 40 {
		names, rest, _ = list(lin, linuxAuth, "/tmp/d", fmt.Sprintf("<index>%d</index><maxResults>40</maxResults>", index))
		for _, n := range names {
			if seen[n] {
				t.Errorf("%s comes twice", n)
			}
			seen[n] = true
		}
	}
	if len(seen) != 124 || !seen["f120.txt"] {
		t.Errorf("in pieces: %d", len(seen))
	}
	names, _, body := list(lin, linuxAuth, "/tmp/d", `<matchPattern>^(f12\d?\.txt|link|sub)$</matchPattern>`)
	if got := strings.Join(names, " "); got != "f12.txt f120.txt link sub" {
		t.Errorf("a pattern: %s", got)
	}
	for _, kind := range []string{"<type>file</type>", "<type>symlink</type>", "<type>directory</type>"} {
		if !strings.Contains(body, kind) {
			t.Errorf("no %s in %s", kind, body)
		}
	}
	k.c.Refused(k.c.Call("ListFilesInGuest", guestFiles, vmRef(lin)+linuxAuth+"<filePath>/tmp/d</filePath><matchPattern>(</matchPattern>"), "InvalidArgument", "matchPattern")
	if names, _, _ = list(lin, linuxAuth, "/tmp/d/f7.txt", ""); strings.Join(names, " ") != "f7.txt" {
		t.Errorf("one file: %v", names)
	}
	// owner and mode
	set := func(vm, auth, path, attr string) {
		t.Helper()
		k.c.Must("ChangeFileAttributesInGuest", guestFiles, vmRef(vm)+auth+"<guestFilePath>"+path+"</guestFilePath>"+attr)
	}
	set(lin, linuxAuth, "/tmp/d/f7.txt", `<fileAttributes xsi:type="GuestPosixFileAttributes"><modificationTime>2024-02-01T10:00:00Z</modificationTime><permissions>384</permissions></fileAttributes>`)
	if _, _, body = list(lin, linuxAuth, "/tmp/d/f7.txt", ""); !strings.Contains(body, "<permissions>384</permissions>") || !strings.Contains(body, "<ownerId>1000</ownerId>") ||
		!strings.Contains(body, "<modificationTime>2024-02-01T10:00:00Z") {
		t.Errorf("attributes: %s", body)
	}
	k.c.Refused(k.c.Call("ChangeFileAttributesInGuest", guestFiles, vmRef(lin)+linuxAuth+"<guestFilePath>/tmp/d/f7.txt</guestFilePath>"+
		`<fileAttributes xsi:type="GuestPosixFileAttributes"><ownerId>0</ownerId></fileAttributes>`), "GuestPermissionDenied", "system: /tmp/d/f7.txt")
	k.send(win, windowsAuth, `C:\ro.txt`, "1")
	const ro = `<fileAttributes xsi:type="GuestWindowsFileAttributes"><hidden>true</hidden><readOnly>true</readOnly></fileAttributes>`
	set(win, windowsAuth, `C:\ro.txt`, ro)
	if _, _, body = list(win, windowsAuth, `C:\ro.txt`, ""); !strings.Contains(body, "<hidden>true</hidden>") || !strings.Contains(body, "<readOnly>true</readOnly>") {
		t.Errorf("attributes: %s", body)
	}
	k.c.Refused(k.c.Call("InitiateFileTransferToGuest", guestFiles, vmRef(win)+windowsAuth+`<guestFilePath>C:\ro.txt</guestFilePath><fileAttributes xsi:type="GuestFileAttributes"/><fileSize>1</fileSize><overwrite>true</overwrite>`), "GuestPermissionDenied")
	set(win, windowsAuth, `C:\ro.txt`, strings.Replace(ro, "<readOnly>true", "<readOnly>false", 1))
	if code := k.send(win, windowsAuth, `C:\ro.txt`, "2"); code != 200 {
		t.Errorf("writable again: %d", code)
	}
}

// A program gets the environment that was asked for, and nothing else.
func TestTheEnvironmentOfAProgram(t *testing.T) {
	k, lin, win := guests(t, nil)
	k.rule("guest.environment")
	run := func(vm, auth, path, args, env string) {
		t.Helper()
		a := k.c.Must("StartProgramInGuest", processes, vmRef(vm)+auth+"<spec><programPath>"+path+"</programPath><arguments>"+html.EscapeString(args)+"</arguments>"+env+"</spec>")
		for k.c.Must("ListProcessesInGuest", processes, vmRef(vm)+auth+"<pids>"+a.Text("returnval")+"</pids>").Text("endTime") == "" {
		}
	}
	const env = "<envVariables>A=one two</envVariables><envVariables>PATH=/usr/bin:/bin</envVariables>"
	run(lin, linuxAuth, "/bin/bash", `-c 'echo "[$A][$HOME][$USER]" >/tmp/e'`, env)
	if got := k.fetch(lin, linuxAuth, "/tmp/e"); got != "[one two][][]\n" {
		t.Errorf("Linux: %q", got)
	}
	run(lin, linuxAuth, "/bin/bash", `-c 'echo "[$A][$HOME][$USER]" >/tmp/e'`, "")
	if got := k.fetch(lin, linuxAuth, "/tmp/e"); got != "[][/home/ops][ops]\n" {
		t.Errorf("Linux by default: %q", got)
	}
	run(win, windowsAuth, `C:\Windows\System32\cmd.exe`, `/c echo [%A%][%USERNAME%]>C:\e.txt`, "<envVariables>A=one</envVariables>")
	if got := k.fetch(win, windowsAuth, `C:\e.txt`); got != "[one][%USERNAME%]\r\n" {
		t.Errorf("Windows: %q", got)
	}
	if out := k.bash(lin, "echo $UID $EUID; sudo bash -c 'echo $UID'; sudo sh -c 'echo ~'"); out != "1000 1000\n0\n/root\n" {
		t.Errorf("the user ids: %q", out)
	}
	a := k.c.Must("ReadEnvironmentVariableInGuest", processes, vmRef(lin)+linuxAuth+"<names>HOME</names><names>NONE</names>")
	if got := strings.Join(a.Texts("returnval"), "|"); got != "HOME=/home/ops" {
		t.Errorf("read: %s", got)
	}
	// Linux: the arguments are shell text, with all that a shell does
	run(lin, linuxAuth, "/bin/echo", `$((6*7)) "a  b" >/tmp/e; echo more >>/tmp/e`, "")
	if got := k.fetch(lin, linuxAuth, "/tmp/e"); got != "42 a  b\nmore\n" {
		t.Errorf("arguments: %q", got)
	}
}

// What vCenter answers while Tools are busy, injected by a trouble rule.
func TestToolsAreBusy(t *testing.T) {
	k, lin, _ := guests(t, func(lin, win *fleet.VM) { win.Power = "poweredOff" })
	k.Control(t, "POST", "/trouble", map[string]any{"match": map[string]any{"method": "StartProgramInGuest"},
		"do": map[string]any{"kind": "fault", "fault": "SystemError", "message": "A general system error occurred: vix error codes = (3016, 0).\n"}})
	k.c.Refused(k.start(lin, linuxAuth, "/bin/true", "", ""), "SystemError", "vix error codes = (3016, 0)")
	if code := k.program(lin, linuxAuth, "/bin/true", ""); code != "0" {
		t.Errorf("the next call: %s", code)
	}
}

// A hash that this guest cannot check is reported; otherwise a login would fail for a wrong reason.
func TestAHashOfAnotherKind(t *testing.T) {
	k := start(t)
	answer := guest.UbuntuAnswer("ops", "Train-1-pass")
	i := strings.Index(answer, "password: ")
	answer = answer[:i] + `password: "$y$j9T$abcdefgh$0123456789012345678901234567890123456789012"` + answer[i+strings.Index(answer[i:], "\n"):]
	vm := k.boot("u", "ParaVirtualSCSIController", []string{ubuntu, k.answer("y", "CIDATA", map[string]string{"user-data": answer, "meta-data": ""})})
	k.until(vm, "guest.guestOperationsReady", "true")
	k.c.Refused(k.c.Call("ValidateCredentialsInGuest", guestAuth, vmRef(vm)+linuxAuth), "InvalidGuestLogin")
	if page := fmt.Sprint(k.W.Truth.Page()["timeline"]); !strings.Contains(page, "the password hash $y$ of ops") {
		t.Error("the timeline does not show the hash")
	}
}
