package guest

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/bars"
)

// quick is a clock that runs 5000 times as fast.
type quick struct{}

func (quick) Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d / 5000)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// running starts an installed system with a T4 behind it.
func running_(t *testing.T, d Disk, change func(*Hardware)) *Machine {
	t.Helper()
	m := New(t.TempDir(), quick{})
	ctx, cancel := context.WithCancel(context.Background())
	m.Parent = ctx
	t.Cleanup(func() { cancel(); m.Wait() })
	if d.Version == "" {
		d.Version = map[string]string{"windows": "10.0.20348", "ubuntu": "24.04.1"}[d.OS]
	}
	d.EFI, d.Hostname = true, "box"
	if d.Tools == nil {
		d.Tools = &Tools{Text: "12.4.0", Number: 12416, Type: "guestToolsTypeMSI", Features: DefaultFeatures(12416)}
	}
	if err := m.Installed(d); err != nil {
		t.Fatal(err)
	}
	list := must(bars.Parse([]string{"16M:32", "256M:64p", "32M:64p"}))
	card := &Device{Address: "0000:0b:00.0", Vendor: 0x10de, Device: 0x1eb8, SubVendor: 0x10de, SubDevice: 0x12a2, Class: 0x030200, Revision: 0xa1,
		VendorName: "NVIDIA Corporation", Name: "TU104GL [Tesla T4]", Bars: list, At: []uint64{0xe0000000, 1 << 44, 1<<44 + 1<<30}, Passthrough: true, Host: "0000:3b:00.0"}
	hw := &Hardware{Name: "box", EFI: true, CPUs: 4, MemoryMB: 8192, Disk: true, Devices: append(Board(), card),
		NICs: []NIC{{MAC: "00:50:56:01:02:03", Connected: true}}}
	if change != nil {
		change(hw)
	}
	m.Start(hw)
	for end := time.Now().Add(5 * time.Second); !m.Info().Ready; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never ready: %+v", m.Info())
		}
	}
	return m
}

func windowsBox(t *testing.T) *Machine {
	return running_(t, Disk{OS: "windows", Users: []User{{Name: "Administrator", Secret: "plain:x", Admin: true}}}, nil)
}

func linuxBox(t *testing.T) *Machine {
	return running_(t, Disk{OS: "ubuntu", Users: []User{{Name: "ops", Secret: "plain:pw", Sudoer: true}, {Name: "auto", Sudo: true}}}, nil)
}

func TestCmd(t *testing.T) {
	m := windowsBox(t)
	for _, x := range []struct {
		line, out string
		code      int
	}{
		{`cmd /c echo hello`, "hello\n", 0},
		{`cmd /c "echo one& echo two"`, "one\ntwo\n", 0},
		{`cmd /c "exit 3 || echo no"`, "", 3},
		{`cmd /c "cd /d C:\none || echo failed"`, "The system cannot find the path specified.\nfailed\n", 1},
		{`cmd /c "cd /d C:\Windows && cd"`, "C:\\Windows\n", 0},
		{`cmd /c "set A=5& call echo %A%"`, "%A%\n", 0}, // expanded before set ran, and unknown then
		{`cmd /v:on /c "set A=5& echo !A!"`, "5\n", 0},
		{`cmd /v:on /c "set A=5^^^&6& echo !A!"`, "5^&6\n", 0},
		{`cmd /c "if exist C:\Windows\System32\cmd.exe (echo yes) else echo no"`, "yes\n", 0},
		{`cmd /c "if not exist C:\x (echo a& echo b) else (echo c)"`, "a\nb\n", 0},
		{`cmd /c if /i "ABC"=="abc" echo same`, "same\n", 0},
		{`cmd /c if 10 gtr 9 echo bigger`, "bigger\n", 0},
		{`cmd /c for %i in (a b c) do @echo [%i]`, "[a]\n[b]\n[c]\n", 0},
		{`cmd /c for /l %i in (1,2,5) do echo %i`, "1\n3\n5\n", 0},
		{`cmd /c "for /f "tokens=2 delims=," %i in ("x,y,z") do echo %i"`, "y\n", 0},
		{`cmd /c "for /f %i in ('hostname') do echo <%i> "`, "The system cannot find the file specified.\n", 1},
		{`cmd /c "for /f %i in ('hostname') do echo -%i-"`, "-box-\n", 0},
		{`cmd /c "(echo x)>C:\Windows\Temp\f & type C:\Windows\Temp\f"`, "x\n", 0},
		{`cmd /c "echo y>>C:\windows\temp\F & type C:\Windows\Temp\f"`, "x\ny\n", 0},
		{`cmd /c "type C:\nope 2>nul & echo done"`, "done\n", 1}, // echo leaves the level as it is
		{`cmd /c "type C:\nope >C:\Windows\Temp\g 2>&1 & type C:\Windows\Temp\g"`, "The system cannot find the file specified.\n", 0},
		{`cmd /c "echo a b c | findstr b"`, "a b c\n", 0},
		{`cmd /c "echo a | findstr /i Z"`, "", 1},
		{`cmd /c nothing-here`, "'nothing-here' is not recognized as an internal or external command,\noperable program or batch file.\n", 1},
		{`cmd /c "md C:\d & copy C:\Windows\Temp\f C:\d\g >nul & move /y C:\d\g C:\d\h >nul & dir C:\d & del C:\d\h & rd C:\d"`, "h\n", 0},
		{`cmd /c "(echo 1)>C:\j1& (echo 22)>C:\j2& copy /b "C:\j1"+"C:\j2" C:\j3 >nul& type C:\j3& copy C:\j1+C:\j2 C:\j4"`, "1\n22\nThe syntax of the command is incorrect.\n", 1},
		{`cmd /c "copy /b C:\j1+C:\nope C:\j5"`, "The system cannot find the file specified.\n", 1},
		{`cmd /c "for %i in ("C:\j3" C:\nope) do @echo [%~zi]"`, "[7]\n[]\n", 0},
		{`cmd /c echo ^<tag^> "a & b"`, "<tag> \"a & b\"\n", 0},
		{`cmd /c where cmd`, "C:\\Windows\\System32\\cmd.exe\n", 0},
		{`cmd /c reg query "HKLM\SOFTWARE\VMware, Inc.\VMware Tools" /v InstallPath`, "\nHKEY_LOCAL_MACHINE\\SOFTWARE\\VMware, Inc.\\VMware Tools\n    InstallPath    REG_SZ    C:\\Program Files\\VMware\\VMware Tools\\\n\n", 0},
		{`cmd /c reg query HKLM\SOFTWARE\None`, "ERROR: The system was unable to find the specified registry key or value.\n", 1},
		{`cmd /c sc query VMTools | findstr STATE`, "        STATE              : 4  RUNNING\n", 0},
		{`cmd /c nvidia-smi`, "'nvidia-smi' is not recognized as an internal or external command,\noperable program or batch file.\n", 1},
	} {
		out, code := m.commandLine(context.Background(), x.line, "Administrator")
		if got := strings.ReplaceAll(out, "\r", ""); got != x.out || code != x.code {
			t.Errorf("%s\n got %q, %d\nwant %q, %d", x.line, got, code, x.out, x.code)
		}
	}
}

func TestBatchFiles(t *testing.T) {
	m := windowsBox(t)
	w := m.session32(context.Background(), "Administrator")
	put := func(name, text string) {
		if err := os.WriteFile(w.host(`C:\Windows\Temp\`+name), []byte(strings.ReplaceAll(text, "\n", "\r\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("sub.cmd", "@echo off\necho sub %1 %~n1\nexit /b 4\n")
	put("main.cmd", `@echo off
setlocal
set N=0
:again
set /a N=N+1
if %N% lss 3 goto again
echo N=%N% 100%%
call C:\Windows\Temp\sub.cmd "a b.txt"
echo level %ERRORLEVEL%
call :part x
if %ERRORLEVEL% equ 7 (
  echo block one
  echo block two
) else (
  echo wrong
)
for %%i in (p q) do echo %%i
"C:\Windows\System32\hostname.exe" >"C:\Windows\Temp\out" 2>"C:\Windows\Temp\err" <nul
(echo %ERRORLEVEL%)>"C:\Windows\Temp\rc.new"
move /y "C:\Windows\Temp\rc.new" "C:\Windows\Temp\rc" >nul
type C:\Windows\Temp\rc
type C:\Windows\Temp\out
goto :eof
:part
echo part %1 in %~dp0
exit /b 7
`)
	out, code := m.commandLine(context.Background(), `C:\Windows\System32\cmd.exe /d /c "C:\Windows\Temp\main.cmd"`, "Administrator")
	want := "N=3 100%\nsub \"a b.txt\" a b\nlevel 4\npart x in C:\\Windows\\Temp\\\nblock one\nblock two\np\nq\n0\nbox\n"
	if got := strings.ReplaceAll(out, "\r", ""); got != want || code != 0 {
		t.Errorf("got %q, %d\nwant %q", got, code, want)
	}
}

func TestPowerShell(t *testing.T) {
	m := windowsBox(t)
	for _, x := range []struct {
		text, out string
		code      int
	}{
		{`'a' + "b$(1+2)"`, "ab3\n", 0},
		{`$x = 5; $x += 2; "x is $x"; ${x}`, "x is 7\n7\n", 0},
		{`1,2,3 | ForEach-Object { $_ * 2 }`, "2\n4\n6\n", 0},
		{`@(1,2,3).Count; (1..4 | Measure-Object -Sum).Sum`, "3\n10\n", 0},
		{`if (2 -gt 1 -and -not $false) { 'yes' } elseif (1) { 'no' } else { 'never' }`, "yes\n", 0},
		{`foreach ($i in 1..5) { if ($i -eq 2) { continue }; if ($i -eq 4) { break }; $i }`, "1\n3\n", 0},
		{`$i = 0; while ($i -lt 2) { $i++ }; $i`, "2\n", 0},
		{`try { throw 'bad' } catch { "caught $($_.Exception.Message)" } finally { 'end' }`, "caught bad\nend\n", 0},
		{`function Add($a, $b) { return $a + $b }; Add 2 3; Add -b 1 -a 9`, "5\n10\n", 0},
		{`$h = @{ a = 1; b = 'two' }; $h.b; $h['a']; $h.Keys -join ','`, "two\n1\na,b\n", 0},
		{`'{0:x4}-{1}' -f 43981, 'z'`, "abcd-z\n", 0},
		{`'a,b;c' -split '[,;]' -join '|'`, "a|b|c\n", 0},
		{`'PCI\VEN_10DE&DEV_1EB8' -match 'DEV_(\w{4})' | Out-Null; $Matches[1]`, "1EB8\n", 0},
		{`('abc'.ToUpper()).Substring(1)`, "BC\n", 0},
		{`[int]'42' + 1; [string]::IsNullOrEmpty('')`, "43\nTrue\n", 0},
		{`$v = Get-Volume | Where-Object FileSystemLabel -eq 'Windows'; $v.DriveLetter`, "C\n", 0},
		{`[pscustomobject]@{ Name = 'n'; List = @(1, 2) } | ConvertTo-Json -Compress`, `{"Name":"n","List":[1,2]}` + "\n", 0},
		{`'{"a":[1,{"b":true}]}' | ConvertFrom-Json | ForEach-Object { $_.a[1].b }`, "True\n", 0},
		{`Get-PnpDevice | Where-Object { $_.InstanceId -match 'VEN_10DE' } | Select-Object -ExpandProperty Problem`, "CM_PROB_FAILED_INSTALL\n", 0},
		{`@(Get-CimInstance -ClassName Win32_PnPEntity -Filter "DeviceID LIKE 'PCI\\VEN_10DE%' AND ConfigManagerErrorCode <> 0").Count`, "1\n", 0},
		{`(Get-CimInstance Win32_ComputerSystem).HypervisorPresent`, "True\n", 0},
		{`Get-Service VMTools | Format-Table Status,Name`, "\nStatus  Name\n------  ----\nRunning VMTools\n", 0},
		{`Get-CimInstance Win32_ComputerSystem | Select-Object Name,Manufacturer | ConvertTo-Csv -NoTypeInformation`, "\"Name\",\"Manufacturer\"\n\"box\",\"VMware, Inc.\"\n", 0},
		{`Test-Path 'C:\Program Files\VMware\VMware Tools\vmtoolsd.exe'; Test-Path Z:\x`, "True\nFalse\n", 0},
		{`hostname; $LASTEXITCODE; cmd /c exit 5; $LASTEXITCODE`, "box\n0\n5\n", 0},
		{`cmd /c exit 5`, "", 1},
		{`$ErrorActionPreference = 'Stop'; Get-Item C:\none; 'not reached'`, "Get-ChildItem : Cannot find path 'C:\\none' because it does not exist.\n", 1},
		{`Get-Item C:\none -ErrorAction SilentlyContinue; 'reached'`, "reached\n", 0},
		{`Write-Error 'oops'; exit 2`, "oops\n", 2},
		{`lspci`, "lspci : The term 'lspci' is not recognized as the name of a cmdlet, function, script file, or operable program. Check the spelling of the name, or if a path was included, verify that the path is correct and try again.\n", 1},
		{`'text' > C:\Windows\Temp\u.txt; Get-Content C:\Windows\Temp\u.txt`, "text\n", 0},
		{`Set-Content -Path C:\Windows\Temp\s.txt -Value 'a','b'; (Get-Content C:\Windows\Temp\s.txt)[-1]`, "b\n", 0},
		{`& 'C:\Windows\System32\hostname.exe' | ForEach-Object { "<$_>" }`, "<box>\n", 0},
		{`if (1 { 'x' }`, "At char:7: Missing closing ')' in expression.\n    + CategoryInfo          : ParserError: (:) [], ParentContainsErrorRecordException\n", 1},
		{`$a = 'x'; switchy $a`, "switchy : The term 'switchy' is not recognized as the name of a cmdlet, function, script file, or operable program. Check the spelling of the name, or if a path was included, verify that the path is correct and try again.\n", 1},
		{`$s = 'q'; 'single $s'; "double $($s.Length) ` + "`$s" + `"`, "single $s\ndouble 1 $s\n", 0},
		{`$null -eq $nothing; @() -is [array]; 'a' -in 'a','b'`, "True\nTrue\nTrue\n", 0},
		{`Get-ItemPropertyValue 'HKLM:\SOFTWARE\VMware, Inc.\VMware Tools' -Name InstallPath`, "C:\\Program Files\\VMware\\VMware Tools\\\n", 0},
		{`Get-ChildItem 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall' | Get-Member`, "", 1},
	} {
		var out, errs strings.Builder
		w := m.session32(context.Background(), "Administrator")
		w.stdout, w.stderr = &out, &out
		code := w.powershell(x.text, nil)
		got := strings.ReplaceAll(out.String(), "\r", "")
		if strings.Contains(x.text, "Get-Member") { // a missing cmdlet is an error, and the exit status shows it
			if code != 1 || !strings.Contains(got, "Get-Member") {
				t.Errorf("%s: %q %d", x.text, got, code)
			}
			continue
		}
		if got != x.out || code != x.code {
			t.Errorf("%s\n got %q, %d %s\nwant %q, %d", x.text, got, code, errs.String(), x.out, x.code)
		}
	}
}

func TestPowerShellsCommandLine(t *testing.T) {
	m := windowsBox(t)
	for line, want := range map[string]string{
		`powershell.exe -NoProfile -Command "Write-Output 'a b'"`:                                              "a b\r\n",
		`powershell -nop -ep bypass -c "'x' + \"y\""`:                                                          "xy\r\n",
		`powershell.exe -EncodedCommand JwB1AG4AaQAnAA==`:                                                      "uni\r\n",
		`powershell.exe -File C:\none.ps1`:                                                                     "The argument 'C:\\none.ps1' to the -File parameter does not exist. Provide the path to an existing '.ps1' file as an argument to the -File parameter.\r\n",
		`cmd /c powershell -Command "Get-Volume | % DriveLetter" > C:\Windows\Temp\o & type C:\Windows\Temp\o`: "C\r\n",
	} {
		if out, _ := m.commandLine(context.Background(), line, "Administrator"); out != want {
			t.Errorf("%s: %q, not %q", line, out, want)
		}
	}
}

func TestLinuxShell(t *testing.T) {
	m := linuxBox(t)
	for _, x := range []struct {
		line, user, out string
		code            int
	}{
		{`echo $((1+2)) "$USER" $HOME`, "ops", "3 ops /home/ops\n", 0},
		{`cd /etc && pwd && cat hostname`, "ops", "/etc\nbox\n", 0},
		{`lspci -d 10de: | awk '{print $1}'`, "ops", "0b:00.0\n", 0},
		{`lspci -Dnn -d 10de:`, "ops", "0000:0b:00.0 3D controller [0302]: NVIDIA Corporation TU104GL [Tesla T4] [10de:1eb8] (rev a1)\n", 0},
		{`lspci -n -d ::0302 | cut -d' ' -f3`, "ops", "10de:1eb8\n", 0},
		{`lspci -d 1002:`, "ops", "", 0},
		{`lspci -d nvidia`, "ops", "lspci: -d: ':' expected\n", 1},
		{`cat /sys/bus/pci/devices/0000:0b:00.0/vendor`, "ops", "0x10de\n", 0},
		{`for d in /sys/bus/pci/devices/*; do test "$(cat $d/vendor)" = 0x10de && basename $d; done; true`, "ops", "0000:0b:00.0\n", 0},
		{`cat /etc/shadow`, "ops", "cat: /etc/shadow: No such file or directory\n", 1},
		{`cat ../../../../../../etc/passwd | head -1`, "ops", "root:x:0:0:root:/root:/bin/bash\n", 0},
		{`rm -rf / 2>/dev/null; test -x /usr/bin/lspci || echo gone`, "nobody", "", 0},
		{`command -v lspci; type -p nvidia-smi || echo none`, "ops", "/usr/bin/lspci\nnone\n", 0},
		{`nvidia-smi`, "ops", "bash: nvidia-smi: command not found\n", 127},
		{`sudo -n true; echo $?`, "ops", "sudo: a password is required\n1\n", 0},
		{`echo pw | sudo -S id -u`, "ops", "0\n", 0},
		{`sudo id -u`, "auto", "0\n", 0},
		{`modprobe nvidia`, "root", "modprobe: FATAL: Module nvidia not found in directory /lib/modules/6.8.0-41-generic\n", 1},
		{`set -e; false; echo not reached`, "ops", "", 1},
		{`f() { return 4; }; f; echo $?`, "ops", "4\n", 0},
		{`printf '#!/bin/bash\necho script $1\nexit 6\n' > /tmp/s; chmod +x /tmp/s; /tmp/s x; echo $?`, "ops", "script x\n6\n", 0},
		{`( /bin/bash -c 'echo in; exit 3' ) >/tmp/o 2>/tmp/e </dev/null; echo $? > /tmp/rc.new && mv /tmp/rc.new /tmp/rc; cat /tmp/rc /tmp/o`, "ops", "3\nin\n", 0},
		{`cat <<X
line $((2*3))
X`, "ops", "line 6\n", 0},
		{`echo a b | xargs -n1 echo got`, "ops", "got a\ngot b\n", 0},
		{`sleep 1000 & echo on`, "ops", "on\n", 0},
		{`apt-get install -y nvidia-driver-550-server && nvidia-smi -L; lspci -k -d 10de: | grep use`, "root", "Setting up nvidia-driver-550-server (550.107.02) ...\n" +
			"NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n\n\tKernel driver in use: nouveau\n", 0},
	} {
		if strings.Contains(x.line, "rm -rf /") {
			continue // see TestRemovingEverything
		}
		out, code := m.shell(context.Background(), x.line, x.user)
		if out != x.out || code != x.code {
			t.Errorf("%s\n got %q, %d\nwant %q, %d", x.line, out, code, x.out, x.code)
		}
	}
}

// What a script destroys is the guest, never this computer.
func TestRemovingEverything(t *testing.T) {
	m := linuxBox(t)
	outside := t.TempDir() + "/keep"
	if err := os.WriteFile(outside, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	m.shell(context.Background(), "rm -rf --no-preserve-root / /* "+outside+" ../../../../../../../.."+outside+"; cd /; rm -rf ..; echo x > "+outside+".new", "root")
	for _, line := range []string{"sed -i s/x/y/ " + outside, "awk 'BEGIN{system(\"rm " + outside + "\")}'", "find / -exec rm " + outside + " ';'",
		"sed -n 'w " + outside + "' /etc/passwd", "sort -o " + outside + " /etc/passwd", "tee " + outside + " </dev/null", "cp /etc/passwd " + outside,
		"exec 3>" + outside + "; echo z >&3", "ln -s " + outside + " /tmp/l; echo z > /tmp/l"} {
		m.shell(context.Background(), line, "root")
		if b, err := os.ReadFile(outside); err != nil || string(b) != "x" {
			t.Fatalf("%s reached a file of this computer", line)
		}
	}
	if out, _ := m.shell(context.Background(), "grep -c x "+outside+"; awk 1 "+outside+"; head -1 "+outside, "root"); strings.Contains(out, "x\n") {
		t.Errorf("a guest read a file of this computer: %s", out)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error("a guest removed a file of this computer")
	}
	if _, err := os.Stat(outside + ".new"); err == nil {
		t.Error("a guest wrote a file of this computer")
	}
}

func TestSlotsOfTheGuest(t *testing.T) {
	for n, want := range map[int]struct {
		at   string
		slot int
	}{0: {"0000:03:00.0", 160}, 1: {"0000:0b:00.0", 192}, 3: {"0000:1b:00.0", 256}, 4: {"0000:04:00.0", 1184}, 8: {"0000:05:00.0", 2208}} {
		if at, slot := Slot(n); at != want.at || slot != want.slot {
			t.Errorf("%d: %s %d", n, at, slot)
		}
	}
}
