package vm_test

import (
	"strings"
	"testing"
)

// A complete Linux VM: blank disk, two media, installation, cards, verification.
func TestLinuxFromNothingToTheGPUs(t *testing.T) {
	t.Parallel()
	k := start(t)
	parts := append(disk("VirtualLsiLogicSASController"), network("VM Network"), cd(-120, 0, "[ds-1] iso/ubuntu-24.04.iso"),
		cd(-121, 1, "[ds-1] iso/ubuntu-answer.iso"))
	vm := k.vm("train-01", parts...)
	k.accepted(k.on(vm))
	if got := k.get(vm, "guest.guestOperationsReady"); got != "false" {
		t.Fatalf("a blank VM has guest operations: %s", got)
	}
	k.until(vm, "guest.guestOperationsReady", "true")
	if got := k.get(vm, "guest.toolsRunningStatus"); got != "guestToolsRunning" {
		t.Errorf("Tools: %s", got)
	}
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	k.accepted(k.reconfigure(vm, fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318), fixed(-2, "0000:86:00.0", "0x20b5", k.sys, 4318)))
	k.accepted(k.on(vm))
	k.until(vm, "guest.guestOperationsReady", "true")
	out := k.bash(vm, "lspci -d 10de: && lspci | grep -c nvidia; lspci | grep -ci nvidia")
	if strings.Count(out, "NVIDIA Corporation GA100 [A100 PCIe 80GB] (rev a1)") != 2 || !strings.HasSuffix(out, "0\n2\n") {
		t.Errorf("lspci: %q", out)
	}
	if log := k.log(vm); !strings.Contains(log, "PCIPassthru: Device 0000:3b:00.0 barIndex 1 type 3 realaddr 0x") ||
		!strings.Contains(log, "size 137438953472 flags 12") {
		t.Errorf("vmware.log:\n%s", log)
	}
}

func (k *kit) powershell(vm, line string) string {
	k.t.Helper()
	k.program(vm, windowsAuth, `C:\Windows\System32\cmd.exe`, `/c powershell.exe -NoProfile -NonInteractive -Command "`+
		strings.ReplaceAll(line, `"`, `\"`)+`" > C:\Windows\Temp\out.txt 2>&1`)
	return k.fetch(vm, windowsAuth, `C:\Windows\Temp\out.txt`)
}

// A complete Windows VM, with a change of Tools' features in between.
func TestWindowsFromNothingToTheGPU(t *testing.T) {
	k := start(t)
	parts := append(disk("VirtualLsiLogicSASController"), network("VM Network"), cd(-120, 0, "[ds-1] iso/windows-2022.iso"),
		cd(-121, 1, "[ds-1] iso/windows-answer.iso"))
	vm := k.vm("cad-01", parts...)
	k.accepted(k.on(vm))
	k.until(vm, "guest.guestOperationsReady", "true")
	if got := k.get(vm, "guest.toolsVersionStatus2"); got != "guestToolsCurrent" {
		t.Errorf("Tools: %s", got)
	}
	out := k.powershell(vm, `$v = Get-Volume | Where-Object { $_.FileSystemLabel -eq 'VMware Tools' }; `+
		`if (-not $v) { Write-Error 'no CD'; exit 2 }; `+
		`$p = Start-Process -FilePath ($v.DriveLetter + ':\setup64.exe') -ArgumentList '/s /v"/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs,VSS"' -Wait -PassThru; 'ended with ' + $p.ExitCode`)
	if strings.TrimSpace(out) != "ended with 3010" {
		t.Errorf("setup64: %q", out)
	}
	k.until(vm, "guest.guestOperationsReady", "true")
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	k.accepted(k.reconfigure(vm, fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318)))
	k.accepted(k.on(vm))
	k.until(vm, "guest.guestOperationsReady", "true")
	out = k.powershell(vm, `Get-CimInstance Win32_PnPEntity | Where-Object { $_.DeviceID -like 'PCI\VEN_10DE*' -or $_.DeviceID -like 'PCI\VEN_1002*' } | `+
		`Select-Object DeviceID,ConfigManagerErrorCode,Service,PNPClass,CompatibleID,Name | ConvertTo-Json -Compress`)
	if !strings.HasPrefix(out, `{"DeviceID":"PCI\\VEN_10DE\u0026DEV_20B5`) || !strings.Contains(out, `"ConfigManagerErrorCode":28,"Service":null`) {
		t.Errorf("PnP: %q", out)
	}
}
