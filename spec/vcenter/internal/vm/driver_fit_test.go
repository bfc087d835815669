package vm_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
)

func p40(address string) fleet.Device {
	return card(address, "1b38", "GP102GL [Tesla P40]", "16M:32", "32G:64p", "32M:64p")
}

func b200(address string) fleet.Device {
	return card(address, "2901", "GB100 [B200]", "16M:32", "256G:64p", "32M:64p")
}

// Every card requires a driver that supports it.
func TestDriversThatDoNotFit(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name    string
		card    func(string) fleet.Device
		install string
		want    string // of the kernel's log; "" when it works
	}{
		{"too old", a100, "nvidia-driver-418", "is not supported by the|NVRM: NVIDIA 418.226.00 driver release."},
		{"right", a100, "nvidia-driver-550-server", ""},
		{"open on Pascal", p40, "nvidia-driver-550-open", "is not supported by open|NVRM: System Processor (GSP)."},
		{"closed on Pascal", p40, "nvidia-driver-550", ""},
		{"closed on Blackwell", b200, "nvidia-driver-570", "requires use of the NVIDIA open kernel modules."},
		{"open on Blackwell", b200, "nvidia-driver-570-open", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			k, lin, _ := guests(t, func(lin, win *fleet.VM) { win.Power = "poweredOff" }, cards(x.card("0000:3b:00.0"), a100("0000:86:00.0"))...)
			k.rule("driver.release")
			k.bash(lin, "sudo apt-get install -y "+x.install)
			k.c.Must("RebootGuest", lin, "")
			k.until(lin, "guest.guestOperationsReady", "false")
			k.until(lin, "guest.guestOperationsReady", "true")
			out := k.bash(lin, "sudo dmesg | grep NVRM; nvidia-smi -L; lspci -k -d 10de:")
			if works := strings.Contains(out, "GPU 0: NVIDIA") && strings.Contains(out, "in use: nvidia"); works != (x.want == "") {
				t.Errorf("%s", out)
			}
			for _, w := range strings.Split(x.want, "|") {
				if !strings.Contains(out, w) {
					t.Errorf("no %q in %s", w, out)
				}
			}
		})
	}
	k, _, win := guests(t, func(lin, win *fleet.VM) { lin.Power = "poweredOff" })
	k.send(win, windowsAuth, `C:\old.exe`, "NVIDIA Display Driver 441.66 \n")
	k.send(win, windowsAuth, `C:\new.exe`, "NVIDIA Display Driver 551.61 \n")
	if code := k.program(win, windowsAuth, `C:\old.exe`, "-s -noreboot"); code != "1" {
		t.Errorf("the old installer ended with %s", code)
	}
	if out := k.powershell(win, codes); strings.TrimSpace(out) != "28" {
		t.Errorf("Windows: %q", out)
	}
	if out := k.powershell(win, "net user Eve Eve-1 /add"); !strings.Contains(out, "success") {
		t.Fatal(out)
	}
	if code := k.program(win, as(windowsAuth, "Eve", "Eve-1"), `C:\new.exe`, "-s -noreboot"); code != "740" {
		t.Errorf("a standard user's installer ended with %s", code)
	}
	if code := k.program(win, windowsAuth, `C:\new.exe`, "-s -noreboot"); code != "0" {
		t.Errorf("the new installer ended with %s", code)
	}
	if out := k.powershell(win, codes); strings.TrimSpace(out) != "0" {
		t.Errorf("Windows: %q", out)
	}
}

func TestSecureBoot(t *testing.T) {
	t.Parallel()
	k, lin, _ := guests(t, func(lin, win *fleet.VM) { win.Power = "poweredOff" })
	k.rule("driver.signature")
	k.restart(lin, val("bootOptions", "<efiSecureBootEnabled>true</efiSecureBootEnabled>"))
	out := k.bash(lin, "sudo apt-get install -y nvidia-driver-550-server; sudo modprobe -r nouveau; sudo modprobe nvidia; sudo dmesg | tail -1; nvidia-smi")
	if !strings.Contains(out, "could not insert 'nvidia': Key was rejected by service") || !strings.Contains(out, "unavailable key is rejected") || !strings.Contains(out, "NVIDIA-SMI has failed") {
		t.Errorf("DKMS: %s", out)
	}
	out = k.bash(lin, "sudo apt-get install -y linux-modules-nvidia-550-server-generic; sudo modprobe nvidia; nvidia-smi -L")
	if !strings.Contains(out, "GPU 0: NVIDIA") {
		t.Errorf("signed modules: %s", out)
	}
	k.restart(lin, val("bootOptions", "<efiSecureBootEnabled>false</efiSecureBootEnabled>"))
	out = k.bash(lin, "sudo apt-get remove -y linux-modules-nvidia-550-server-generic nvidia-driver-550-server; sudo apt-get install -y nvidia-driver-550-server; sudo modprobe nvidia; nvidia-smi -L")
	if !strings.Contains(out, "GPU 0: NVIDIA") {
		t.Errorf("DKMS without Secure Boot: %s", out)
	}
	// programs without modules
	out = k.bash(lin, "sudo apt-get remove -y nvidia-driver-550-server; sudo modprobe -r nvidia; sudo apt-get install -y nvidia-headless-no-dkms-550-server; sudo modprobe nvidia")
	if !strings.Contains(out, "Module nvidia not found in directory /lib/modules/") {
		t.Errorf("no modules: %s", out)
	}
}

func TestTheRunFile(t *testing.T) {
	t.Parallel()
	k, lin, _ := guests(t, func(lin, win *fleet.VM) { win.Power = "poweredOff" }, cards(t4("0000:3b:00.0"), a100("0000:86:00.0"))...)
	k.rule("driver.run-file", "guest.apt-lock")
	k.send(lin, linuxAuth, "/tmp/n.run", "#! /bin/sh\n# NVIDIA Accelerated Graphics Driver for Linux-x86_64 550.107.02\n")
	step := func(line, want string) {
		t.Helper()
		if out := k.bash(lin, line+"; echo rc=$?"); !strings.Contains(out, want) {
			t.Errorf("%s: %s", line, out)
		}
	}
	step("sh /tmp/n.run --silent", "must be run as root")
	step("sudo sh /tmp/n.run --silent --typo", "Invalid commandline")
	step("sudo sh /tmp/n.run --silent", "The Nouveau kernel driver is currently in use by your system.")
	step("echo blacklist nouveau | sudo tee /etc/modprobe.d/no.conf; sudo update-initramfs -u", "rc=0")
	k.c.Must("RebootGuest", lin, "")
	k.until(lin, "guest.guestOperationsReady", "false")
	k.until(lin, "guest.guestOperationsReady", "true")
	k.send(lin, linuxAuth, "/tmp/n.run", "#! /bin/sh\n# NVIDIA Accelerated Graphics Driver for Linux-x86_64 550.107.02\n")
	step("sudo sh /tmp/n.run --silent", "Unable to find the development tool `cc`")
	k.Control(t, "POST", "/set", map[string]any{"vm": "lin", "apt_lock": 3000})
	step("sudo apt-get install -y gcc", "rc=100")
	step("sudo apt-get install -y gcc", "Could not get lock /var/lib/dpkg/lock-frontend")
	step("sudo apt-get -o DPkg::Lock::Timeout=9000 install -y gcc", "rc=0")
	step("sudo sh /tmp/n.run --silent", "Unable to find the kernel source tree")
	step("sudo apt-get install -y linux-headers-$(uname -r)", "rc=0")
	step("chmod 755 /tmp/n.run; sudo /tmp/n.run --silent", "rc=0")
	step("nvidia-smi -L; tail -1 /var/log/nvidia-installer.log", "GPU 0: NVIDIA Tesla T4")
	step("lspci -k -d 10de:", "in use: nvidia")
	// without --silent a dialog waits
	pid := k.start(lin, linuxAuth, "/bin/bash", "-c 'sudo sh /tmp/n.run'", "").Text("returnval")
	time.Sleep(50 * time.Millisecond)
	if a := k.c.Must("ListProcessesInGuest", processes, vmRef(lin)+linuxAuth+"<pids>"+pid+"</pids>"); a.Text("endTime") != "" {
		t.Error("the dialog did not wait")
	}
	if page := fmt.Sprint(k.W.Truth.Page()["timeline"]); !strings.Contains(page, "--silent is missing") {
		t.Error("the timeline does not show the dialog")
	}
}
