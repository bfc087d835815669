package guest

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/iso"
)

// toolsBox is a Windows guest whose drive has the Tools medium of a version.
func toolsBox(t *testing.T, version string) *Machine {
	data := must(ToolsMedium(version))
	image := must(iso.Open(bytes.NewReader(data)))
	return running_(t, Disk{OS: "windows", Users: []User{{Name: "Administrator", Secret: "plain:x", Admin: true}}}, func(hw *Hardware) {
		hw.CDs = []*CD{{Key: 3000, Where: "tools", Medium: image}}
	})
}

const installerCalls = `function c($o,$n,$a){$o.GetType().InvokeMember($n,'InvokeMethod',$null,$o,$a)}; function g($o,$n,$a){$o.GetType().InvokeMember($n,'GetProperty',$null,$o,$a)}; $w = New-Object -ComObject WindowsInstaller.Installer; `

// Source: learn.microsoft.com, Windows Installer automation interface.
func TestWindowsInstallerObjects(t *testing.T) {
	m := toolsBox(t, "13.0.1")
	run := func(script string) (string, int) {
		return m.commandLine(context.Background(), `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe -NoProfile -Command "`+script+`"`, "Administrator")
	}
	if out, code := m.commandLine(context.Background(), `D:\setup.exe /A /P C:\x`, "Administrator"); code != 0 {
		t.Fatalf("extraction ended with %d: %s", code, out)
	}
	// rule tools.manifest
	if out, code := m.commandLine(context.Background(), `C:\Windows\System32\cmd.exe /d /c findstr /b monolithic.version D:\manifest.txt`, "Administrator"); code != 0 || !strings.Contains(out, `"13.0.1"`) {
		t.Errorf("the manifest of the medium: %d: %s", code, out)
	}
	query := installerCalls + `$d = c $w 'OpenDatabase' @('C:\x\VMware Tools64.msi', 0); $v = c $d 'OpenView' @('SELECT Feature FROM Feature'); c $v 'Execute' $null; while ($r = c $v 'Fetch' $null) { 'f|' + (g $r 'StringData' @(1)) }`
	out, code := run(query)
	if code != 0 || !strings.Contains(out, "f|VMXNet3\r\n") || strings.Contains(out, "f|VMXNet\r\n") || strings.Contains(out, "AppDefense") {
		t.Errorf("the Feature table of 13.0.1: status %d: %s", code, out)
	}
	state := installerCalls + `foreach ($c in (g $w 'Products' $null)) { if ((g $w 'ProductInfo' @($c,'InstalledProductName')) -eq 'VMware Tools') { 'v|' + (g $w 'ProductInfo' @($c,'VersionString')); foreach ($f in (g $w 'Features' @($c))) { 's|' + $f + '|' + (g $w 'FeatureState' @($c, $f)) } } }`
	out, code = run(state)
	if code != 0 || !strings.Contains(out, "v|12.4.0.") || !strings.Contains(out, "s|SVGA|3\r\n") || !strings.Contains(out, "s|NetworkIntrospection|2\r\n") {
		t.Errorf("the installed features: status %d: %s", code, out)
	}
	for _, x := range []struct{ script, say string }{
		{installerCalls + `c $w 'OpenDatabase' @('C:\none.msi', 0)`, "OpenDatabase,DatabasePath,OpenMode"},
		{installerCalls + `c $w 'OpenDatabase' @('C:\x\VMware Tools64.msi', 1)`, "Access is denied"},
		{installerCalls + `c $w 'Nonsense' $null`, "DISP_E_UNKNOWNNAME"},
		{installerCalls + `g $w 'Features' @('{00000000-0000-0000-0000-000000000000}')`, "currently installed"},
		{`New-Object -ComObject Other.Thing`, "Class not registered"},
	} {
		if out, code := run(x.script); code == 0 || !strings.Contains(out, x.say) {
			t.Errorf("%s: status %d: %s", x.script, code, out)
		}
	}
	// a policy's ConstrainedLanguage, and no PowerShell at all
	m.Set(func(s *Settable) { s.PowerShell = "constrained" })
	if out, code := run(query); code == 0 || !strings.Contains(out, "Only core types are supported in this language mode") {
		t.Errorf("constrained: status %d: %s", code, out)
	}
	if out, code := run(`Get-Volume | ForEach-Object { $_.FileSystemLabel }; [char]65`); code != 0 || !strings.Contains(out, "VMware Tools") {
		t.Errorf("a cmdlet in ConstrainedLanguage: status %d: %s", code, out)
	}
	m.Set(func(s *Settable) { s.PowerShell = "absent" })
	if _, code := run("1"); code == 0 {
		t.Error("PowerShell runs although it is absent")
	}
	m.Set(func(s *Settable) { s.PowerShell = "" })
	if _, code := run("1"); code != 0 {
		t.Error("PowerShell does not come back")
	}
}

// Source: a verbose log of Tools (blog.ntitta.in); learn.microsoft.com: Logging of Action Return Values.
func TestVerboseLog(t *testing.T) {
	m := toolsBox(t, "12.4.0")
	install := func(rest string) (string, int) {
		_, code := m.commandLine(context.Background(), `D:\setup64.exe /s /v"/qn REBOOT=R ADDLOCAL=ALL `+rest+` /l*v C:\t.log"`, "Administrator")
		m.mu.Lock()
		h := must(m.windowsPath(`C:\t.log`))
		m.mu.Unlock()
		data := must(os.ReadFile(h))
		if len(data) < 2 || data[0] != 0xff || data[1] != 0xfe {
			t.Fatal("the log is not UTF-16 with its mark")
		}
		return decodeText(data), code
	}
	log, code := install("REMOVE=Hgfs")
	if code != 3010 || !strings.Contains(log, "Feature: Hgfs; Installed: Local;   Request: Absent;   Action: Absent") ||
		!strings.Contains(log, "Action ended 8:04:46: INSTALL. Return value 1.") || !strings.Contains(log, "MainEngineThread is returning 3010") {
		t.Errorf("%d: %s", code, log)
	}
	m.Set(func(s *Settable) { s.Installer.Error, s.Language = 1722, "de" })
	log, code = install("REMOVE=Hgfs")
	at := strings.Index(log, "InstallFinalize. Rückgabewert 3.")
	if code != 1603 || at < 0 || strings.Index(log, "Fehler 1722.") > at || !strings.Contains(log, "INSTALL. Rückgabewert 3.") {
		t.Errorf("%d: %s", code, log)
	}
}
