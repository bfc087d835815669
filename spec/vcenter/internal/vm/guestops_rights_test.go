package vm_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

func as(auth, user, password string) string {
	return strings.NewReplacer(">ops<", ">"+user+"<", ">Administrator<", ">"+user+"<", ">Train-1-pass<", ">"+password+"<").Replace(auth)
}

// What an account may not do in the guest, its guest operations may not do either.
func TestRightsOfAnAccount(t *testing.T) {
	k, lin, win := guests(t, nil)
	k.rule("guest.permission")
	f := func(method, vm, auth, inner string) vctest.Answer {
		return k.c.Call(method, guestFiles, vmRef(vm)+auth+inner)
	}
	if out := k.bash(lin, `sudo useradd -m -s /bin/bash eve && echo eve:Eve-1 | sudo chpasswd; echo hello > ~/mine; echo x > /tmp/ops; id -u eve`); !strings.Contains(out, "1001") {
		t.Fatalf("another account: %s", out)
	}
	if out := k.powershell(win, `net user Eve Eve-1 /add; 'secret' > C:\Users\Administrator\s.txt`); !strings.Contains(out, "successfully") {
		t.Fatalf("another account: %s", out)
	}
	le, we := as(linuxAuth, "eve", "Eve-1"), as(windowsAuth, "Eve", "Eve-1")
	for _, x := range []struct {
		vm, auth, root, method, inner string
	}{
		{lin, le, linuxAuth, "MakeDirectoryInGuest", "<directoryPath>/etc/d</directoryPath><createParentDirectories>false</createParentDirectories>"},
		{lin, le, "", "DeleteFileInGuest", "<filePath>/tmp/ops</filePath>"}, // the sticky bit
		{lin, le, "", "DeleteFileInGuest", "<filePath>/etc/hostname</filePath>"},
		{lin, le, "", "DeleteDirectoryInGuest", "<directoryPath>/etc/default</directoryPath><recursive>true</recursive>"},
		{lin, le, "", "ListFilesInGuest", "<filePath>/root</filePath>"},
		{lin, le, "", "ListFilesInGuest", "<filePath>/home/ops</filePath>"},
		{lin, le, "", "InitiateFileTransferFromGuest", "<guestFilePath>/home/ops/mine</guestFilePath>"},
		{lin, le, "", "InitiateFileTransferToGuest", `<guestFilePath>/etc/hosts</guestFilePath><fileAttributes xsi:type="GuestFileAttributes"/><fileSize>1</fileSize><overwrite>true</overwrite>`},
		{lin, le, "", "MoveFileInGuest", "<srcFilePath>/etc/hosts</srcFilePath><dstFilePath>/tmp/hosts</dstFilePath><overwrite>false</overwrite>"},
		{lin, le, "", "CreateTemporaryFileInGuest", "<prefix>a</prefix><suffix>b</suffix><directoryPath>/opt</directoryPath>"},
		{lin, le, "", "ChangeFileAttributesInGuest", `<guestFilePath>/etc/hosts</guestFilePath><fileAttributes xsi:type="GuestPosixFileAttributes"><permissions>511</permissions></fileAttributes>`},
		{win, we, "", "MakeDirectoryInGuest", `<directoryPath>C:\Windows\System32\d</directoryPath><createParentDirectories>false</createParentDirectories>`},
		{win, we, "", "InitiateFileTransferFromGuest", `<guestFilePath>C:\Users\Administrator\s.txt</guestFilePath>`},
		{win, we, "", "DeleteFileInGuest", `<filePath>C:\Windows\System32\cmd.exe</filePath>`},
	} {
		k.c.Refused(f(x.method, x.vm, x.auth, x.inner), "GuestPermissionDenied")
	}
	// next to each kind, what the account may do
	k.c.Must("MakeDirectoryInGuest", guestFiles, vmRef(lin)+le+"<directoryPath>/home/eve/d</directoryPath><createParentDirectories>false</createParentDirectories>")
	k.c.Must("ListFilesInGuest", guestFiles, vmRef(lin)+le+"<filePath>/etc</filePath>")
	k.c.Must("CreateTemporaryFileInGuest", guestFiles, vmRef(lin)+le+"<prefix>a</prefix><suffix>b</suffix>")
	k.c.Must("MakeDirectoryInGuest", guestFiles, vmRef(win)+we+`<directoryPath>C:\Users\Eve\d</directoryPath><createParentDirectories>false</createParentDirectories>`)
	k.c.Must("InitiateFileTransferFromGuest", guestFiles, vmRef(win)+windowsAuth+`<guestFilePath>C:\Users\Administrator\s.txt</guestFilePath>`)
	if code := k.send(lin, le, "/tmp/from-eve", "abc"); code != http.StatusOK {
		t.Errorf("an upload to /tmp: %d", code)
	}
	k.c.Refused(f("DeleteFileInGuest", lin, linuxAuth, "<filePath>/tmp/from-eve</filePath>"), "GuestPermissionDenied") // ops is not root
	k.c.Must("DeleteFileInGuest", guestFiles, vmRef(lin)+le+"<filePath>/tmp/from-eve</filePath>")
	// programs
	k.c.Must("MakeDirectoryInGuest", guestFiles, vmRef(lin)+le+"<directoryPath>/tmp/p</directoryPath><createParentDirectories>false</createParentDirectories>")
	k.send(lin, le, "/tmp/p/script", "#!/bin/sh\nexit 4\n")
	k.c.Must("ChangeFileAttributesInGuest", guestFiles, vmRef(lin)+le+`<guestFilePath>/tmp/p/script</guestFilePath><fileAttributes xsi:type="GuestPosixFileAttributes"><permissions>420</permissions></fileAttributes>`)
	k.c.Refused(k.start(lin, le, "/tmp/p/script", "", ""), "CannotAccessFile", "/tmp/p/script")
	k.c.Must("ChangeFileAttributesInGuest", guestFiles, vmRef(lin)+le+`<guestFilePath>/tmp/p/script</guestFilePath><fileAttributes xsi:type="GuestPosixFileAttributes"><permissions>493</permissions></fileAttributes>`)
	if code := k.program(lin, le, "/tmp/p/script", ""); code != "4" {
		t.Errorf("an executable script ended with %s", code)
	}
	pid := k.start(lin, linuxAuth, "/bin/sleep", "100000", "").Text("returnval")
	end := func(auth, pid string) vctest.Answer {
		return k.c.Call("TerminateProcessInGuest", processes, vmRef(lin)+auth+"<pid>"+pid+"</pid>")
	}
	k.c.Refused(end(le, pid), "GuestPermissionDenied")
	k.c.Refused(end(le, "1"), "GuestPermissionDenied")
	k.c.Refused(end(le, "99999"), "GuestProcessNotFound")
	k.c.Must("TerminateProcessInGuest", processes, vmRef(lin)+linuxAuth+"<pid>"+pid+"</pid>")
	// and the same in the shells
	out := ""
	for _, line := range []string{"echo x >/etc/motd", "touch /etc/x", "cat /home/ops/mine", "ls /root", "rm /etc/hosts", "cp /etc/hosts /usr/bin/x",
		"sed -i s/a/b/ /etc/hosts", "chmod 777 /etc/hosts", "mkdir /opt/x", "mv /etc/hosts /tmp/h", "[ -w /etc/hosts ] && echo writable", "kill 742"} {
		k.program(lin, le, "/bin/bash", "-c '{ "+line+"; echo \" $?\"; } >/tmp/p/out 2>&1'")
		if out = k.fetch(lin, le, "/tmp/p/out"); strings.HasSuffix(out, " 0\n") || line[0] != '[' && !strings.Contains(strings.ToLower(out), "permi") {
			t.Errorf("%s: %q", line, out)
		}
	}
	k.program(lin, le, "/bin/bash", "-c '{ cp /etc/hosts /tmp/p/h && cat /tmp/p/h && mkdir -p /tmp/p/a/b && rm -r /tmp/p/a; echo $?; } >/tmp/p/out 2>&1'")
	if out = k.fetch(lin, le, "/tmp/p/out"); !strings.HasSuffix(out, "\n0\n") {
		t.Errorf("what every account may do: %q", out)
	}
	if out = k.bash(lin, "sudo mkdir /opt/y; touch /opt/y/1; sudo chown ops:ops /opt/y; touch /opt/y/2; chown eve /opt/y; ls /opt/y"); strings.Contains(out, "1\n") ||
		!strings.HasSuffix(out, "2\n") || !strings.Contains(out, "Operation not permitted") {
		t.Errorf("chown: %q", out)
	}
	for _, line := range []string{`echo x >C:\Windows\x.txt`, `copy C:\Windows\System32\cmd.exe C:\Windows\c.exe`, `md C:\Windows\d`, `del C:\Windows\System32\cmd.exe`,
		`type C:\Users\Administrator\s.txt`, `net stop VMTools`} {
		if code := k.program(win, we, `C:\Windows\System32\cmd.exe`, "/c "+line); code == "0" {
			t.Errorf("%s succeeded for a standard user", line)
		}
		if strings.HasPrefix(line, "del") {
			k.c.Must("InitiateFileTransferFromGuest", guestFiles, vmRef(win)+windowsAuth+`<guestFilePath>C:\Windows\System32\cmd.exe</guestFilePath>`)
		}
	}
}

// sudo follows the files below /etc/sudoers.d.
func TestSudoers(t *testing.T) {
	k, lin, _ := guests(t, func(lin, win *fleet.VM) { win.Power = "poweredOff" })
	if out := k.bash(lin, "sudo useradd -m bob; echo bob:Bob-1 | sudo chpasswd; sudo useradd -m -G sudo amy; echo amy:Amy-1 | sudo chpasswd"); out != "" {
		t.Fatalf("accounts: %s", out)
	}
	try := func(user, pw, line, want string) {
		t.Helper()
		auth := as(linuxAuth, user, pw)
		k.program(lin, auth, "/bin/bash", "-c '{ "+line+"; } >~/out 2>&1'")
		if out := k.fetch(lin, auth, "/home/"+user+"/out"); out != want {
			t.Errorf("%s, %s: %q, not %q", user, line, out, want)
		}
	}
	try("bob", "Bob-1", "sudo -n id -u", "sudo: a password is required\n")
	try("bob", "Bob-1", "echo Bob-1 | sudo -S id -u", "bob is not in the sudoers file.\n")
	try("amy", "Amy-1", "echo Amy-1 | sudo -S id -u", "0\n")
	try("amy", "Amy-1", "echo wrong | sudo -S id -u", "sudo: 1 incorrect password attempt\n")
	k.bash(lin, `echo "bob ALL=(ALL:ALL) NOPASSWD: ALL" | sudo tee /etc/sudoers.d/90-bob.off`)
	try("bob", "Bob-1", "sudo -n id -u", "sudo: a password is required\n") // a dot in the name: not read
	k.bash(lin, `sudo mv /etc/sudoers.d/90-bob.off /etc/sudoers.d/90-bob`)
	try("bob", "Bob-1", "sudo -n id -u; sudo -u amy id -un", "0\namy\n")
	k.bash(lin, `echo "bob ALL NOPASSWD" | sudo tee /etc/sudoers.d/90-bob`)
	try("bob", "Bob-1", "sudo -n id -u", "/etc/sudoers.d/90-bob:1:1: syntax error\nbob ALL NOPASSWD\n^\nsudo: a password is required\n")
	k.bash(lin, `echo "%sudo ALL=(ALL) NOPASSWD:ALL" | sudo tee /etc/sudoers.d/90-bob`)
	try("amy", "Amy-1", "sudo -n id -u", "0\n")
}

// The agent refuses for reasons of its own.
func TestAgentsThatRefuse(t *testing.T) {
	k, lin, win := guests(t, func(lin, win *fleet.VM) { win.More = map[string]any{"tools": "8.3.0"} })
	k.rule("guest.lockout", "guest.switched-off", "guest.old-tools", "guest.logons")
	validate := func(auth string) vctest.Answer {
		return k.c.Call("ValidateCredentialsInGuest", guestAuth, vmRef(lin)+auth)
	}
	k.c.Refused(k.c.Call("ValidateCredentialsInGuest", guestAuth, vmRef(win)+windowsAuth), "GuestComponentsOutOfDate")
	k.bash(lin, `sudo mkdir -p /etc/vmware-tools; printf "[guestoperations]\nStartProgramInGuest.disabled=true\n" | sudo tee /etc/vmware-tools/tools.conf`)
	k.c.Refused(k.start(lin, linuxAuth, "/bin/true", "", ""), "OperationDisabledByGuest")
	k.c.Must("ValidateCredentialsInGuest", guestAuth, vmRef(lin)+linuxAuth)
	k.c.Refused(k.c.Call("DeleteFileInGuest", guestFiles, vmRef(lin)+linuxAuth+"<filePath>/etc/vmware-tools/tools.conf</filePath>"), "GuestPermissionDenied")
	k.accepted(k.c.Task("ResetVM_Task", lin, "")) // it stays on the disk
	k.until(lin, "guest.guestOperationsReady", "false")
	k.until(lin, "guest.guestOperationsReady", "true")
	k.c.Refused(k.start(lin, linuxAuth, "/bin/true", "", ""), "OperationDisabledByGuest")
	root := as(linuxAuth, "root", "Root-1")
	k.c.Refused(validate(root), "InvalidGuestLogin") // root has no password
}

func TestTooManyBadLogins(t *testing.T) {
	k, lin, win := guests(t, func(lin, win *fleet.VM) { win.Installed = "windows-11" })
	validate := func(vm, auth string) vctest.Answer {
		return k.c.Call("ValidateCredentialsInGuest", guestAuth, vmRef(vm)+auth)
	}
	bad := as(windowsAuth, "Administrator", "no")
	k.c.Refused(validate(win, as(windowsAuth, "Administrator", "")), "InvalidGuestLogin")
	k.c.Must("ValidateCredentialsInGuest", guestAuth, vmRef(win)+windowsAuth) // a correct password resets the count
	for i := 0; i < 9; i++ {
		k.c.Refused(validate(win, bad), "InvalidGuestLogin")
	}
	k.c.Must("ValidateCredentialsInGuest", guestAuth, vmRef(win)+windowsAuth)
	for i := 0; i < 10; i++ {
		k.c.Refused(validate(win, bad), "InvalidGuestLogin")
	}
	k.c.Refused(validate(win, windowsAuth), "InvalidGuestLogin") // locked
	if page := fmt.Sprint(k.W.Truth.Page()["timeline"]); !strings.Contains(page, "guest-account-locked") {
		t.Error("the timeline does not show the lock-out")
	}
	for i := 0; i < 12; i++ { // Ubuntu locks no account by default
		k.c.Refused(validate(lin, as(linuxAuth, "ops", "no")), "InvalidGuestLogin")
	}
	k.c.Must("ValidateCredentialsInGuest", guestAuth, vmRef(lin)+linuxAuth)
	k.Control(t, "POST", "/set", map[string]any{"vm": "lin", "lockout": 1})
	k.c.Refused(validate(lin, as(linuxAuth, "ops", "no")), "InvalidGuestLogin")
	k.c.Refused(validate(lin, linuxAuth), "InvalidGuestLogin")
}

func TestTooManySessions(t *testing.T) {
	k, lin, _ := guests(t, func(lin, win *fleet.VM) { win.Power = "poweredOff" })
	k.Control(t, "POST", "/set", map[string]any{"vm": "lin", "max_logons": 2})
	one := k.start(lin, linuxAuth, "/bin/sleep", "100000", "").Text("returnval")
	k.start(lin, linuxAuth, "/bin/sleep", "100000", "")
	k.c.Refused(k.start(lin, linuxAuth, "/bin/true", "", ""), "TooManyGuestLogons")
	k.Control(t, "POST", "/set", map[string]any{"vm": "lin", "max_logons": 3})
	k.c.Must("TerminateProcessInGuest", processes, vmRef(lin)+linuxAuth+"<pid>"+one+"</pid>")
	if code := k.program(lin, linuxAuth, "/bin/true", ""); code != "0" {
		t.Errorf("below the limit again: %s", code)
	}
}

// The list may lag behind.
func TestADelayedProcessList(t *testing.T) {
	k, lin, _ := guests(t, func(lin, win *fleet.VM) { win.Power = "poweredOff" })
	k.rule("guest.list-lag")
	k.Control(t, "POST", "/set", map[string]any{"vm": "lin", "list_lag": 600})
	pid := k.start(lin, linuxAuth, "/bin/sh", "-c 'exit 6'", "").Text("returnval")
	list := func() vctest.Answer {
		return k.c.Must("ListProcessesInGuest", processes, vmRef(lin)+linuxAuth+"<pids>"+pid+"</pids>")
	}
	if a := list(); a.Text("pid") != "" {
		t.Errorf("listed at once: %s", a.Body)
	}
	vctest.Eventually(t, "the program in the list", func() bool { return list().Text("exitCode") == "6" })
}

// Tools restart: ended programs are forgotten, the end of running ones is not seen.
func TestAProgramOutlivesTools(t *testing.T) {
	k, lin, _ := guests(t, func(lin, win *fleet.VM) { win.Power = "poweredOff" })
	k.rule("guest.restarted-tools")
	ended := k.start(lin, linuxAuth, "/bin/sh", "-c 'exit 3'", "").Text("returnval")
	list := func(pid string) vctest.Answer {
		return k.c.Call("ListProcessesInGuest", processes, vmRef(lin)+linuxAuth+"<pids>"+pid+"</pids>")
	}
	vctest.Eventually(t, "the end of sh", func() bool { return list(ended).Text("exitCode") == "3" })
	running := k.start(lin, linuxAuth, "/bin/sh", "-c 'while ! test -e /tmp/go; do sleep 1; done; echo done >/tmp/mark; exit 5'", "").Text("returnval")
	k.start(lin, linuxAuth, "/bin/bash", "-c 'sudo systemctl restart open-vm-tools'", "")
	k.until(lin, "guest.guestOperationsReady", "false")
	k.until(lin, "guest.guestOperationsReady", "true")
	if list(ended).Text("pid") != "" {
		t.Error("the ended program is still listed")
	}
	if a := list(running); a.Text("pid") != running || a.Text("endTime") != "" {
		t.Errorf("the running program: %s", a.Body)
	}
	k.send(lin, linuxAuth, "/tmp/go", "")
	vctest.Eventually(t, "the end of the program", func() bool { return list(running).Text("pid") == "" })
	if got := k.fetch(lin, linuxAuth, "/tmp/mark"); got != "done\n" {
		t.Errorf("it was killed: %q", got)
	}
}

// POST /gpsim/set gives the cards of a running guest a driver, with all its files and programs.
func TestADriverSetByControlPage(t *testing.T) {
	k, lin, win := guests(t, nil)
	const smi = "nvidia-smi --query-gpu=driver_version --format=csv,noheader"
	if out := k.bash(lin, smi); !strings.Contains(out, "command not found") {
		t.Errorf("before: %s", out)
	}
	for _, vm := range []string{"lin", "win"} {
		k.Control(t, "POST", "/set", map[string]any{"vm": vm, "driver": "550.107.02"})
	}
	if out := k.bash(lin, smi+"; lspci -k -d 10de: | grep use; cat /proc/driver/nvidia/version | head -1"); !strings.HasPrefix(out, "550.107.02\n\tKernel driver in use: nvidia\n") ||
		!strings.Contains(out, "550.107.02\n") {
		t.Errorf("Linux: %s", out)
	}
	if out := k.powershell(win, smi); strings.TrimSpace(out) != "550.107.02" {
		t.Errorf("Windows: %s", out)
	}
	for _, vm := range []string{"lin", "win"} {
		k.Control(t, "POST", "/set", map[string]any{"vm": vm, "driver": ""})
	}
	if out := k.bash(lin, smi+"; lspci -k -d 10de: | grep -c 'in use: nvidia'"); !strings.Contains(out, "command not found") || !strings.HasSuffix(out, "0\n") {
		t.Errorf("Linux afterwards: %s", out)
	}
	if out := k.powershell(win, smi); !strings.Contains(out, "not recognized") {
		t.Errorf("Windows afterwards: %s", out)
	}
}
