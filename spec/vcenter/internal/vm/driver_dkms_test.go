package vm_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
)

// A build that DKMS fails leaves no module; pnputil lists the devices; Intel's driver runs its card after a restart.
func TestDKMSAndOtherDrivers(t *testing.T) {
	flex := a100("0000:3b:00.0")
	flex.Vendor, flex.Device, flex.Name = "8086", "56c0", "Data Center GPU Flex 170"
	k, lin, win := guests(t, func(lin, win *fleet.VM) {}, cards(flex, a100("0000:86:00.0"))...)
	k.rule("driver.dkms", "driver.intel", "windows.enum-devices")
	if out := k.bash(lin, "lspci -k -d 8086:56c0; sudo apt-get install -y intel-i915-dkms"); strings.Contains(out, "in use") {
		t.Error(out)
	}
	k.c.Must("RebootGuest", lin, "")
	k.until(lin, "guest.guestOperationsReady", "false")
	k.until(lin, "guest.guestOperationsReady", "true")
	if out := k.bash(lin, "lspci -k -d 8086:56c0"); !strings.Contains(out, "Kernel driver in use: i915") {
		t.Error(out)
	}
	k.Control(t, "POST", "/set", map[string]any{"vm": "lin", "dkms_fails": "error: implicit declaration"})
	if out := k.bash(lin, "sudo apt-get install -y nvidia-open; echo $?; dkms status"); !strings.Contains(out, "100\nnvidia/570.86.15: added") {
		t.Error(out)
	}
	k.rule("driver.dkms-amd", "driver.dkms-intel")
	if out := k.bash(lin, "dkms status"); !strings.Contains(out, "intel-i915-dkms/1.24.3.23.240710.26, 6.8.0-41-generic, x86_64: installed (Original modules exist)") {
		t.Error(out)
	}
	if out := k.bash(lin, "sudo apt-get install -y amdgpu-dkms; echo $?; dkms status; modinfo -F version amdgpu; grep implicit /var/lib/dkms/amdgpu/6.8.5-2041575.24.04/build/make.log"); !strings.Contains(out, "exit status 10") || !strings.Contains(out, "\n100\n") ||
		!strings.HasSuffix(strings.TrimSpace(out), "amdgpu/6.8.5-2041575.24.04: added\nintel-i915-dkms/1.24.3.23.240710.26, 6.8.0-41-generic, x86_64: installed (Original modules exist)\nerror: implicit declaration") {
		t.Error(out)
	}
	k.Control(t, "POST", "/set", map[string]any{"vm": "lin", "dkms_fails": ""})
	if out := k.bash(lin, "sudo apt-get install -y amdgpu-dkms; echo $?; modinfo -F version amdgpu"); !strings.Contains(out, "\n0\n6.8.5") {
		t.Error(out)
	}
	k.rule("windows.certutil")
	k.program(win, windowsAuth, `C:\Windows\System32\cmd.exe`, `/c echo a>"C:\a b.txt"& certutil -hashfile "C:\a b.txt" SHA256 >C:\h.txt& certutil -hashfile C:\none SHA256 >>C:\h.txt`)
	if out := k.fetch(win, windowsAuth, `C:\h.txt`); !strings.Contains(out, `SHA256 hash of C:\a b.txt:`) || !strings.Contains(out, "8e4621379786ef42a4fec155cd525c291dd7db3c1fde3478522f4f61c03fd1bd") || !strings.Contains(out, "0x80070002") {
		t.Error(out)
	}
	k.program(win, windowsAuth, `C:\Windows\System32\cmd.exe`, `/c pnputil /enum-devices /connected >C:\d.txt`)
	if out := k.fetch(win, windowsAuth, `C:\d.txt`); !strings.Contains(out, "28 (0x1C) [CM_PROB_FAILED_INSTALL]") {
		t.Error(out)
	}
}
