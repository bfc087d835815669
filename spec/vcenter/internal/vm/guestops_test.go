package vm_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

// guests starts a server with a running Linux VM "lin" and a Windows VM "win",
// each with one card.
func guests(t *testing.T, change func(lin, win *fleet.VM), list ...fleet.Device) (k *kit, lin, win string) {
	t.Helper()
	if list == nil {
		list = cards(a100("0000:3b:00.0"), a100("0000:86:00.0"))
	}
	mmio := map[string]string{"pciPassthru.use64bitMMIO": "TRUE", "pciPassthru.64bitMMIOSizeGB": "512"}
	l := fleet.VM{Name: "lin", Installed: "ubuntu", Firmware: "efi", MemoryMB: 8192, MemoryLock: true, Power: "poweredOn", Username: "ops",
		Password: "Train-1-pass", Devices: []string{list[0].Address}, ExtraConfig: mmio}
	w := fleet.VM{Name: "win", Installed: "windows", Firmware: "efi", MemoryMB: 8192, MemoryLock: true, Power: "poweredOn",
		Password: "Train-1-pass", Devices: []string{list[1].Address}, ExtraConfig: mmio}
	if change != nil {
		change(&l, &w)
	}
	k = startFleet(t, func(f *fleet.Fleet) { f.VMs = []fleet.VM{l, w} }, list...)
	lin, win = k.c.Find("/DC0/vm/lin"), k.c.Find("/DC0/vm/win")
	for _, vm := range []string{lin, win} {
		if k.get(vm, "runtime.powerState") == "poweredOn" {
			k.until(vm, "guest.guestOperationsReady", "true")
		}
	}
	return k, lin, win
}

func TestWhoMayOperateInAGuest(t *testing.T) {
	k, lin, win := guests(t, nil)
	k.rule("guest.power", "guest.ready", "guest.login", "guest.auth-type")
	k.c.Must("ValidateCredentialsInGuest", guestAuth, vmRef(lin)+linuxAuth)
	k.c.Refused(k.c.Call("ValidateCredentialsInGuest", guestAuth, vmRef(lin)+strings.Replace(linuxAuth, "Train-1-pass", "no", 1)), "InvalidGuestLogin")
	k.c.Refused(k.c.Call("ValidateCredentialsInGuest", guestAuth, vmRef(lin)+windowsAuth), "InvalidGuestLogin")
	k.c.Must("ValidateCredentialsInGuest", guestAuth, vmRef(win)+strings.Replace(windowsAuth, ">Administrator<", ">administrator<", 1))
	k.c.Refused(k.c.Call("ValidateCredentialsInGuest", guestAuth, vmRef(win)+
		`<auth xsi:type="TicketedSessionAuthentication"><interactiveSession>false</interactiveSession><ticket>x</ticket></auth>`), "OperationNotSupportedByGuest")
	k.c.Refused(k.c.Call("ValidateCredentialsInGuest", guestAuth, vmRef(win)+strings.Replace(windowsAuth, "false", "true", 1)), "InvalidGuestLogin")
	k.Control(t, "POST", "/set", map[string]any{"vm": "win", "session": "Administrator"})
	k.c.Must("ValidateCredentialsInGuest", guestAuth, vmRef(win)+strings.Replace(windowsAuth, "false", "true", 1))
	k.accepted(k.c.Task("ResetVM_Task", lin, ""))
	k.c.Refused(k.c.Call("ValidateCredentialsInGuest", guestAuth, vmRef(lin)+linuxAuth), "GuestOperationsUnavailable")
	k.accepted(k.c.Task("PowerOffVM_Task", lin, ""))
	k.c.Refused(k.c.Call("ValidateCredentialsInGuest", guestAuth, vmRef(lin)+linuxAuth), "InvalidPowerState")
	k.accepted(k.on(lin))
	k.until(lin, "guest.guestOperationsReady", "true")
	k.c.Must("ValidateCredentialsInGuest", guestAuth, vmRef(lin)+linuxAuth)
}

func (k *kit) start(vm, auth, path, args, dir string) vctest.Answer {
	x := "<spec><programPath>" + path + "</programPath><arguments>" + args + "</arguments>"
	if dir != "" {
		x += "<workingDirectory>" + dir + "</workingDirectory>"
	}
	return k.c.Call("StartProgramInGuest", processes, vmRef(vm)+auth+x+"</spec>")
}

func TestPrograms(t *testing.T) {
	k, lin, win := guests(t, nil)
	k.rule("guest.program", "guest.process", "guest.os-programs")
	k.c.Refused(k.start(lin, linuxAuth, "/usr/bin/nothing", "", ""), "FileNotFound", "/usr/bin/nothing")
	k.c.Refused(k.start(lin, linuxAuth, "lspci", "", ""), "FileNotFound")
	k.c.Refused(k.start(lin, linuxAuth, "/usr/bin/lspci", "", "/nowhere"), "FileNotFound")
	k.c.Refused(k.start(lin, linuxAuth, `C:\Windows\System32\cmd.exe`, "/c ver", ""), "FileNotFound")
	k.c.Refused(k.start(win, windowsAuth, "/bin/bash", "-c true", ""), "FileNotFound")
	if out := k.bash(lin, "powershell.exe -Command 1"); !strings.Contains(out, "command not found") {
		t.Errorf("a Linux guest has PowerShell: %q", out)
	}
	if out := k.powershell(win, "lspci"); !strings.Contains(out, "is not recognized") {
		t.Errorf("a Windows guest has lspci: %q", out)
	}
	if code := k.program(lin, linuxAuth, "/bin/sh", "-c 'exit 7'"); code != "7" {
		t.Errorf("exit code %s", code)
	}
	if code := k.program(win, windowsAuth, `C:\Windows\System32\cmd.exe`, "/c exit 9"); code != "9" {
		t.Errorf("exit code %s", code)
	}
	pid := k.start(lin, linuxAuth, "/bin/sleep", "100000", "").Text("returnval")
	k.c.Must("TerminateProcessInGuest", processes, vmRef(lin)+linuxAuth+"<pid>"+pid+"</pid>")
	vctest.Eventually(t, "the end of sleep", func() bool {
		return k.c.Call("ListProcessesInGuest", processes, vmRef(lin)+linuxAuth+"<pids>"+pid+"</pids>").Text("endTime") != ""
	})
	k.c.Refused(k.c.Call("TerminateProcessInGuest", processes, vmRef(lin)+linuxAuth+"<pid>"+pid+"</pid>"), "GuestProcessNotFound", pid)
	all := k.c.Must("ListProcessesInGuest", processes, vmRef(lin)+linuxAuth).Body
	if !strings.Contains(all, "vmtoolsd") || !strings.Contains(all, "<pid>"+pid+"</pid>") {
		t.Errorf("processes: %s", all)
	}
	env := k.c.Must("ReadEnvironmentVariableInGuest", processes, vmRef(win)+windowsAuth+"<names>computername</names><names>TEMP</names>")
	if got := strings.Join(env.Texts("returnval"), "|"); got != `COMPUTERNAME=win|TEMP=C:\Users\Administrator\AppData\Local\Temp` {
		t.Errorf("environment: %s", got)
	}
}

func TestFilesOfAGuest(t *testing.T) {
	k, lin, win := guests(t, nil)
	k.rule("guest.file", "guest.attributes", "guest.transfer")
	f := func(method, vm, auth, inner string) vctest.Answer {
		return k.c.Call(method, guestFiles, vmRef(vm)+auth+inner)
	}
	dir := k.c.Must("CreateTemporaryDirectoryInGuest", guestFiles, vmRef(win)+windowsAuth+"<prefix>gp</prefix><suffix>x</suffix>").Text("returnval")
	if !strings.HasPrefix(dir, `C:\Users\Administrator\AppData\Local\Temp\gp`) || !strings.HasSuffix(dir, "x") {
		t.Errorf("temporary directory %s", dir)
	}
	if code := k.send(win, windowsAuth, dir+`\a.txt`, "hello\r\n"); code != 200 {
		t.Fatalf("upload: %d", code)
	}
	if got := k.fetch(win, windowsAuth, strings.ToUpper(dir)+`\A.TXT`); got != "hello\r\n" { // names without case
		t.Errorf("download: %q", got)
	}
	k.c.Refused(f("DeleteDirectoryInGuest", win, windowsAuth, "<directoryPath>"+dir+"</directoryPath><recursive>false</recursive>"), "DirectoryNotEmpty")
	k.c.Refused(f("DeleteFileInGuest", win, windowsAuth, "<filePath>"+dir+"</filePath>"), "NotAFile")
	k.c.Refused(f("DeleteDirectoryInGuest", win, windowsAuth, "<directoryPath>"+dir+`\a.txt</directoryPath><recursive>true</recursive>`), "NotADirectory")
	k.c.Refused(f("DeleteFileInGuest", win, windowsAuth, "<filePath>"+dir+`\b.txt</filePath>`), "FileNotFound")
	k.c.Refused(f("MakeDirectoryInGuest", win, windowsAuth, "<directoryPath>"+dir+"</directoryPath><createParentDirectories>false</createParentDirectories>"), "FileAlreadyExists")
	k.c.Refused(f("MakeDirectoryInGuest", win, windowsAuth, "<directoryPath>"+dir+`\x\y</directoryPath><createParentDirectories>false</createParentDirectories>`), "FileNotFound")
	k.c.Must("MakeDirectoryInGuest", guestFiles, vmRef(win)+windowsAuth+"<directoryPath>"+dir+`\x\y</directoryPath><createParentDirectories>true</createParentDirectories>`)
	k.c.Refused(f("MoveFileInGuest", win, windowsAuth, "<srcFilePath>"+dir+`\a.txt</srcFilePath><dstFilePath>`+dir+`\a.txt</dstFilePath><overwrite>false</overwrite>`), "FileAlreadyExists")
	k.c.Must("MoveFileInGuest", guestFiles, vmRef(win)+windowsAuth+"<srcFilePath>"+dir+`\a.txt</srcFilePath><dstFilePath>`+dir+`\b.txt</dstFilePath><overwrite>false</overwrite>`)
	l := k.c.Must("ListFilesInGuest", guestFiles, vmRef(win)+windowsAuth+"<filePath>"+dir+"</filePath>")
	if got := strings.Join(l.Texts("path"), "|"); got != ".|..|b.txt|x" {
		t.Errorf("listed %s", got)
	}
	k.c.Must("DeleteDirectoryInGuest", guestFiles, vmRef(win)+windowsAuth+"<directoryPath>"+dir+"</directoryPath><recursive>true</recursive>")
	// attributes of the other system
	to := func(attr string) vctest.Answer {
		return f("InitiateFileTransferToGuest", lin, linuxAuth, "<guestFilePath>/tmp/f</guestFilePath>"+attr+"<fileSize>3</fileSize><overwrite>true</overwrite>")
	}
	k.c.Refused(to(`<fileAttributes xsi:type="GuestWindowsFileAttributes"><hidden>false</hidden></fileAttributes>`), "InvalidArgument")
	a := to(`<fileAttributes xsi:type="GuestPosixFileAttributes"><permissions>448</permissions></fileAttributes>`)
	url := strings.ReplaceAll(a.Text("returnval"), "&amp;", "&")
	if code := k.http("PUT", url, "four", ""); code != http.StatusBadRequest {
		t.Errorf("another size than announced: %d", code)
	}
	url = to(`<fileAttributes xsi:type="GuestPosixFileAttributes"><permissions>448</permissions></fileAttributes>`).Text("returnval")
	if code := k.http("GET", url, "", ""); code != http.StatusMethodNotAllowed {
		t.Errorf("GET of an upload: %d", code)
	}
	if code := k.http("PUT", url, "abc", ""); code != 200 {
		t.Errorf("upload: %d", code)
	}
	if code := k.http("PUT", url, "abc", ""); code != 404 {
		t.Errorf("the second use of a URL: %d", code)
	}
	if got := k.bash(lin, "stat -c %a /tmp/f; cat /tmp/f"); got != "700\nabc" {
		t.Errorf("uploaded: %q", got)
	}
	url = f("InitiateFileTransferFromGuest", lin, linuxAuth, "<guestFilePath>/tmp/f</guestFilePath>").Text("url")
	k.accepted(k.c.Task("PowerOffVM_Task", lin, ""))
	if code := k.http("GET", url, "", ""); code != 500 {
		t.Errorf("a URL after power-off: %d", code)
	}
}

func TestDatastoreFiles(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Users = append(f.Users, fleet.User{Name: "reader@vsphere.local", Password: "Reader-1", Privileges: []string{"Datastore.Browse"}})
	}, nil...)
	k.rule("file.session", "file.datastore", "file.privilege", "file.ticket")
	const path = "/folder/iso/ubuntu-answer.iso?dcPath=DC0&dsName=ds-1"
	for p, want := range map[string]int{path: 200, "/folder/iso/none?dcPath=DC0&dsName=ds-1": 404, strings.Replace(path, "ds-1", "ds-9", 1): 404,
		strings.Replace(path, "DC0", "DC9", 1): 404, "/folder/../../ca.pem?dcPath=DC0&dsName=ds-1": 404} {
		if code := k.http("GET", p, "", k.c.Cookie); code != want {
			t.Errorf("%s: %d, not %d", p, code, want)
		}
	}
	if code := k.http("GET", path, "", ""); code != 401 {
		t.Errorf("without a session: %d", code)
	}
	r := k.Login(t, "reader@vsphere.local", "Reader-1")
	if code := k.http("GET", path, "", r.Cookie); code != 200 {
		t.Errorf("a reader reads: %d", code)
	}
	if code := k.http("PUT", "/folder/x?dcPath=DC0&dsName=ds-1", "x", r.Cookie); code != 403 {
		t.Errorf("a reader writes: %d", code)
	}
	if code := k.http("PUT", "/folder/none/x?dcPath=DC0&dsName=ds-1", "x", k.c.Cookie); code != 404 {
		t.Errorf("into a directory that is not there: %d", code)
	}
	id := k.c.Must("AcquireGenericServiceTicket", "SessionManager:SessionManager", `<spec xsi:type="SessionManagerHttpServiceRequestSpec"><method>httpGet</method><url>https://x`+
		strings.ReplaceAll(path, "&", "&amp;")+`</url></spec>`).Text("id")
	for i, want := range []int{200, 401} {
		q, _ := http.NewRequest("GET", k.URL+path, nil)
		q.Header.Set("Cookie", "vmware_cgi_ticket="+id)
		res, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("use %d of a ticket: %d", i+1, res.StatusCode)
		}
	}
}

func TestPowerThroughTools(t *testing.T) {
	t.Parallel()
	k, lin, win := guests(t, nil)
	k.rule("guest.tools-needed", "guest.mount-tools", "guest.upgrade-tools")
	k.c.Must("RebootGuest", lin, "")
	k.until(lin, "guest.guestOperationsReady", "false")
	k.c.Refused(k.c.Call("ShutdownGuest", lin, ""), "ToolsUnavailable")
	k.until(lin, "guest.guestOperationsReady", "true")
	k.refused(k.c.Task("UpgradeTools_Task", lin, ""), "VmToolsUpgradeFault")
	k.refused(k.c.Task("UpgradeTools_Task", win, "<installerOptions>/s /v&quot;/qn REMOVE=AppDefense&quot;</installerOptions>"), "VmToolsUpgradeFault", "1603")
	k.accepted(k.c.Task("UpgradeTools_Task", win, "<installerOptions>/s /v&quot;/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs&quot;</installerOptions>"))
	if f := k.guest(win)["tools_features"].([]string); strings.Contains(strings.Join(f, ","), "Hgfs") || !strings.Contains(strings.Join(f, ","), "ServiceDiscovery") {
		t.Errorf("features: %v", f)
	}
	k.c.Refused(k.c.Call("MountToolsInstaller", win, ""), "VmConfigFault", "no CD-ROM drive")
	k.c.Must("ShutdownGuest", win, "")
	k.until(win, "runtime.powerState", "poweredOff")
	k.c.Refused(k.c.Call("ShutdownGuest", win, ""), "InvalidPowerState")
	k.accepted(k.reconfigure(win, cd(-1, 0, "[ds-1] iso/ubuntu-answer.iso")))
	k.accepted(k.on(win))
	k.until(win, "guest.guestOperationsReady", "true")
	k.c.Must("MountToolsInstaller", win, "")
	if out := k.powershell(win, "(Get-Volume -FileSystemLabel 'VMware Tools').DriveLetter"); strings.TrimSpace(out) != "D" {
		t.Errorf("the Tools drive: %q", out)
	}
	k.c.Must("UnmountToolsInstaller", win, "")
	if out := k.powershell(win, "(Get-Volume -DriveLetter D).FileSystemLabel"); strings.TrimSpace(out) != "CIDATA" {
		t.Errorf("the drive afterwards: %q", out)
	}
}

func TestToolsInstaller(t *testing.T) {
	t.Parallel()
	k, _, win := guests(t, nil)
	k.rule("tools.feature-names", "tools.exit-codes", "tools.quiet", "tools.restart")
	k.accepted(k.c.Task("PowerOffVM_Task", win, ""))
	k.accepted(k.reconfigure(win, cd(-1, 0, "[ds-1] iso/vmware-tools-12.iso")))
	k.accepted(k.on(win))
	k.until(win, "guest.guestOperationsReady", "true")
	setup := func(args string) string {
		k.until(win, "guest.guestOperationsReady", "true")
		time.Sleep(5 * time.Millisecond)
		k.send(win, windowsAuth, `C:\Windows\Temp\t.cmd`, "@echo off\r\nD:\\setup64.exe "+args+"\r\n(echo %ERRORLEVEL%)>C:\\Windows\\Temp\\rc.new\r\nmove /y C:\\Windows\\Temp\\rc.new C:\\Windows\\Temp\\rc >nul\r\n")
		k.start(win, windowsAuth, `C:\Windows\System32\cmd.exe`, `/d /c C:\Windows\Temp\t.cmd`, "")
		code := ""
		vctest.Eventually(t, "the end of "+args, func() bool {
			a := k.c.Call("InitiateFileTransferFromGuest", guestFiles, vmRef(win)+windowsAuth+`<guestFilePath>C:\Windows\Temp\rc</guestFilePath>`)
			if a.Status != 200 {
				return false
			}
			code = strings.TrimSpace(k.fetch(win, windowsAuth, `C:\Windows\Temp\rc`))
			return true
		})
		k.c.Must("DeleteFileInGuest", guestFiles, vmRef(win)+windowsAuth+`<filePath>C:\Windows\Temp\rc</filePath>`)
		return code
	}
	for _, x := range []struct{ args, code string }{
		{`/S /v"/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs,VSS"`, "3010"},
		{`/S /v"/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs,VSS"`, "0"}, // nothing changes
		{`/s /v" /qn REBOOT=R REMOVE=AppDefense"`, "1603"},
		{`/S /v"/qn REBOOT=R REMOVE=hgfs"`, "1603"},
		{`/S /v"/qn REBOOT=R nonsense"`, "1639"},
		{`/S /v"/qn /l*v ""C:\Windows\Temp\msi log.txt"" REBOOT=R REMOVE=Nothing"`, "1603"},
	} {
		if got := setup(x.args); got != x.code {
			t.Errorf("%s ended with %s, not %s", x.args, got, x.code)
		}
	}
	if log := strings.ReplaceAll(k.fetch(win, windowsAuth, `C:\Windows\Temp\msi log.txt`), "\x00", ""); !strings.Contains(log, "2711") || !strings.Contains(log, "'Nothing'") {
		t.Errorf("MSI log: %s", log)
	}
	if f := strings.Join(k.guest(win)["tools_features"].([]string), ","); strings.Contains(f, "Hgfs") || strings.Contains(f, "VSS") {
		t.Errorf("features: %s", f)
	}
	if out := k.powershell(win, `(Get-ItemProperty 'HKLM:\SOFTWARE\VMware, Inc.\VMware Tools').InstallPath`); !strings.HasPrefix(out, `C:\Program Files\VMware`) {
		t.Errorf("registry: %q", out)
	}
	// Tools restart during the call, and forget ended programs
	pid := k.start(win, windowsAuth, `C:\Windows\System32\cmd.exe`, `/c ver`, "").Text("returnval")
	k.start(win, windowsAuth, `D:\setup64.exe`, `/S /v"/qn REBOOT=R ADDLOCAL=Hgfs"`, "")
	k.until(win, "guest.guestOperationsReady", "false")
	k.until(win, "guest.guestOperationsReady", "true")
	if a := k.c.Must("ListProcessesInGuest", processes, vmRef(win)+windowsAuth+"<pids>"+pid+"</pids>"); a.Text("pid") != "" {
		t.Errorf("the ended program is still listed: %s", a.Body)
	}
	// two installations at once
	k.Control(t, "POST", "/set", map[string]any{"vm": "win", "seconds": map[string]any{"tools.install": 2000}})
	k.start(win, windowsAuth, `D:\setup64.exe`, `/S /v"/qn REBOOT=R ADDLOCAL=VSS"`, "")
	time.Sleep(20 * time.Millisecond)
	if code := k.program(win, windowsAuth, `D:\setup64.exe`, `/S /v"/qn REBOOT=R ADDLOCAL=VSS"`); code != "1618" {
		t.Errorf("the second installation ended with %s", code)
	}
	k.until(win, "guest.guestOperationsReady", "false")
	k.until(win, "guest.guestOperationsReady", "true")
	// without /qn a dialog waits
	k.Control(t, "POST", "/set", map[string]any{"vm": "win", "seconds": map[string]any{"tools.install": 20}})
	p := k.start(win, windowsAuth, `D:\setup64.exe`, `/S /v"REBOOT=R"`, "").Text("returnval")
	time.Sleep(100 * time.Millisecond)
	if a := k.c.Must("ListProcessesInGuest", processes, vmRef(win)+windowsAuth+"<pids>"+p+"</pids>"); a.Text("endTime") != "" {
		t.Error("the dialog did not wait")
	}
}
