package vm_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
)

func geforce(address string) fleet.Device {
	d := card(address, "2204", "GA102 [GeForce RTX 3090]", "16M:32", "256M:64p", "32M:64p", "128:io")
	d.Class = "0300"
	return d
}

const codes = `Get-CimInstance Win32_PnPEntity | Where-Object { $_.DeviceID -like 'PCI\VEN_10DE*' } | ForEach-Object { $_.ConfigManagerErrorCode }`

func (k *kit) restart(vm string, parts ...part) {
	k.t.Helper()
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	k.accepted(k.reconfigure(vm, parts...))
	k.accepted(k.on(vm))
	k.until(vm, "guest.guestOperationsReady", "true")
}

func TestAWindowOfTheDefaultSize(t *testing.T) {
	t.Parallel()
	k, lin, win := guests(t, func(lin, win *fleet.VM) {
		lin.More = map[string]any{"driver": "550.107.02"}
		lin.ExtraConfig = map[string]string{"pciPassthru.use64bitMMIO": "TRUE"}
		win.ExtraConfig = lin.ExtraConfig
	}, cards(l4("0000:3b:00.0"), l4("0000:86:00.0"))...)
	k.rule("power.window-default", "driver.code-12", "driver.code-28")
	if out := k.powershell(win, codes); strings.TrimSpace(out) != "12" {
		t.Errorf("Windows: %q", out)
	}
	out := k.bash(lin, "sudo dmesg; nvidia-smi; lspci -vv -d 10de:")
	for _, want := range []string{"NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:", "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:",
		"NVIDIA-SMI has failed", "Region 1: Memory at <unassigned> (64-bit, prefetchable)"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	k.restart(lin, extra("pciPassthru.64bitMMIOSizeGB", "64"))
	k.restart(win, extra("pciPassthru.64bitMMIOSizeGB", "64"))
	if out := k.powershell(win, codes); strings.TrimSpace(out) != "28" {
		t.Errorf("Windows without a driver: %q", out)
	}
	out = k.bash(lin, "nvidia-smi --query-gpu=name,pci.bus_id,memory.total,driver_version --format=csv,noheader; lspci -d 10de: -vv")
	if !strings.HasPrefix(out, "NVIDIA L4, 00000000:") || !strings.Contains(out, "550.107.02") || !strings.Contains(out, "[size=32G]") || !strings.Contains(out, "Kernel driver in use: nvidia") {
		t.Errorf("Linux with a window:\n%s", out)
	}
}

func TestTheWindowUnderBIOS(t *testing.T) {
	t.Parallel()
	k, lin, _ := guests(t, func(lin, win *fleet.VM) {
		lin.Firmware, win.Power = "bios", "poweredOff"
		lin.More = map[string]any{"driver": "550.107.02"}
	})
	k.rule("power.bios-window")
	out := k.bash(lin, "sudo dmesg; lspci -v -d 10de:; test -d /sys/firmware/efi || echo bios")
	if !strings.Contains(out, "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:") || !strings.Contains(out, "<unassigned>") || !strings.Contains(out, "\nbios\n") {
		t.Errorf("BIOS:\n%s", out)
	}
	vm := k.vm("fresh", append(disk("VirtualLsiLogicSASController"), cd(-1, 0, ubuntu), cd(-2, 1, "[ds-1] iso/ubuntu-answer.iso"),
		fixed(-3, "0000:86:00.0", "20b5", k.sys, 4318))...)
	k.accepted(k.on(vm))
	k.until(vm, "guest.guestOperationsReady", "true")
	if out := k.bash(vm, "lspci -v -d 10de:"); strings.Contains(out, "unassigned") || !strings.Contains(out, "[size=128G]") {
		t.Errorf("EFI:\n%s", out)
	}
}

func TestCode43(t *testing.T) {
	t.Parallel()
	k, _, win := guests(t, func(lin, win *fleet.VM) {
		win.More = map[string]any{"driver": "461.92"}
		lin.Power = "poweredOff"
	}, cards(a100("0000:3b:00.0"), geforce("0000:86:00.0"))...)
	k.rule("driver.code-43")
	if out := k.powershell(win, codes); strings.TrimSpace(out) != "43" {
		t.Errorf("an old driver with the hypervisor in sight: %q", out)
	}
	if out := k.powershell(win, "nvidia-smi; $LASTEXITCODE"); !strings.Contains(out, "No devices were found") || !strings.Contains(out, "\r\n6") {
		t.Errorf("nvidia-smi: %q", out)
	}
	if out := k.powershell(win, "pnputil /enum-devices /problem 43"); !strings.Contains(out, "Problem Code:               43") {
		t.Errorf("pnputil: %q", out)
	}
	k.restart(win, extra("hypervisor.cpuid.v0", "FALSE"))
	if out := k.powershell(win, codes); strings.TrimSpace(out) != "0" {
		t.Errorf("hidden: %q", out)
	}
	k.restart(win, extra("hypervisor.cpuid.v0", ""))
	k.Control(t, "POST", "/set", map[string]any{"vm": "win", "driver": "551.61"})
	if out := k.powershell(win, codes+"; nvidia-smi -L"); !strings.HasPrefix(out, "0\r\nGPU 0: NVIDIA GeForce RTX 3090") {
		t.Errorf("a new driver: %q", out)
	}
	k.Control(t, "POST", "/set", map[string]any{"vm": "win", "problem": map[string]any{"0000:86:00.0": 43}})
	if out := k.powershell(win, "(Get-PnpDevice -Class Display | Where-Object FriendlyName -like '*GeForce*').Problem"); strings.TrimSpace(out) != "CM_PROB_FAILED_POST_START" {
		t.Errorf("set by /gpsim/set: %q", out)
	}
}

func TestNouveauBoundToTheCard(t *testing.T) {
	t.Parallel()
	k, lin, _ := guests(t, func(lin, win *fleet.VM) { win.Power = "poweredOff" }, cards(t4("0000:3b:00.0"), a100("0000:86:00.0"))...)
	k.rule("driver.nouveau", "driver.power-on", "guest.rights")
	if out := k.bash(lin, "lspci -k -d 10de:"); !strings.Contains(out, "Kernel driver in use: nouveau") {
		t.Errorf("fresh: %s", out)
	}
	if out := k.bash(lin, "apt-get install -y nvidia-driver-550-server"); !strings.Contains(out, "are you root?") {
		t.Errorf("without root: %s", out)
	}
	if out := k.bash(lin, "dmesg"); !strings.Contains(out, "Operation not permitted") {
		t.Errorf("dmesg without root: %s", out)
	}
	out := k.bash(lin, "sudo -n apt-get install -y nvidia-driver-550-server && sudo modprobe nvidia; nvidia-smi; echo $?")
	if !strings.Contains(out, "Setting up nvidia-driver-550-server (550.107.02)") || !strings.Contains(out, "could not insert 'nvidia': No such device") ||
		!strings.Contains(out, "NVIDIA-SMI has failed") || !strings.HasSuffix(out, "9\n") {
		t.Errorf("with nouveau bound to the card: %s", out)
	}
	if out := k.bash(lin, "sudo dmesg"); !strings.Contains(out, "NVRM: The NVIDIA probe routine was not called for 1 device(s).") {
		t.Errorf("dmesg: %s", out)
	}
	k.c.Must("RebootGuest", lin, "")
	k.until(lin, "guest.guestOperationsReady", "false")
	k.until(lin, "guest.guestOperationsReady", "true")
	if out := k.bash(lin, "lspci -k -d 10de:; nvidia-smi -L; cat /proc/driver/nvidia/version"); !strings.Contains(out, "Kernel driver in use: nvidia") ||
		!strings.Contains(out, "GPU 0: NVIDIA Tesla T4") || !strings.Contains(out, "Kernel Module  550.107.02") {
		t.Errorf("after the restart: %s", out)
	}
	// the device list is that of the power-on
	k.restart(lin, change("remove", "VirtualPCIPassthrough", 13000, ""))
	if out := k.bash(lin, "lspci -d 10de:; nvidia-smi; echo end"); strings.Contains(out, "NVIDIA Corporation") || !strings.HasSuffix(out, "end\n") {
		t.Errorf("without the card: %s", out)
	}
}
