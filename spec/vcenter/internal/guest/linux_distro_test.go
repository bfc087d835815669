package guest

import (
	"context"
	"strings"
	"testing"
)

func distroBox(t *testing.T, name string, change func(*Hardware)) *Machine {
	return running_(t, Disk{OS: "ubuntu", Distro: name, Packages: map[string]string{"open-vm-tools": "12.3.5"},
		Users: []User{{Name: "ops", Secret: "plain:pw"}, {Name: "auto", Sudo: true}}}, change)
}

type line struct {
	user, line string
	code       int
	say        string
}

func lines_(t *testing.T, m *Machine, list []line) {
	t.Helper()
	for _, x := range list {
		out, code := m.shell(context.Background(), x.line, x.user)
		if code != x.code || !strings.Contains(out, x.say) {
			t.Errorf("%s: %s: status %d, not %d: %q", x.user, x.line, code, x.code, out)
		}
	}
}

// Sources: dnf(8), zypper(8), apk-tools, rpm(8); see the rules.
func TestPackageManagers(t *testing.T) {
	lines_(t, distroBox(t, "rocky", nil), []line{
		{"ops", "dnf install -y open-vm-tools-desktop", 1, "superuser privileges"},
		{"root", "dnf install open-vm-tools-desktop", 1, "Operation aborted"},
		{"root", "dnf install -y open-vm-tools-desktop", 0, "Complete!"},
		{"root", "dnf install -y nonsense", 1, "Unable to find a match: nonsense"},
		{"root", "dnf install -y kernel-devel-$(uname -r)", 0, "Complete!"},
		{"ops", "rpm -q --qf '%{NAME}\\n' open-vm-tools-desktop nonsense", 1, "open-vm-tools-desktop\n"},
		{"ops", ". /etc/os-release; echo $ID", 0, "rocky"},
		{"ops", "systemctl is-active open-vm-tools.service vmtoolsd.service", 0, "inactive\nactive"},
		{"root", "apt-get install -y gcc", 127, ""},
		{"root", "dracut", 1, "without --force"},
		{"root", "dracut --force", 0, ""},
	})
	failing := distroBox(t, "rocky", nil)
	failing.Set(func(s *Settable) { s.DkmsFails = "nv.c:8:1: error: implicit declaration of function 'x'" })
	lines_(t, failing, []line{
		{"ops", "dkms status", 127, ""},
		{"root", "dnf install -y nvidia-open", 0, "Error! Bad return status for module build on kernel"},
		{"ops", "dkms status", 0, "nvidia/570.86.15: added"},
		{"ops", "cat /var/lib/dkms/nvidia/570.86.15/build/make.log", 0, "implicit declaration"},
		{"ops", "modinfo nvidia", 1, "not found"},
	})
	failing = distroBox(t, "", nil)
	failing.Set(func(s *Settable) { s.DkmsFails = "nv.c:8:1: error: implicit declaration of function 'x'" })
	lines_(t, failing, []line{
		{"root", "apt-get install -y nvidia-open", 100, "error processing package"},
		{"ops", "dkms status", 0, "nvidia/570.86.15: added"},
	})
	m := distroBox(t, "sles", nil)
	lines_(t, m, []line{
		{"ops", "zypper --non-interactive install gcc", 5, "Root privileges"},
		{"root", "zypper install gcc", 4, "Continue?"},
		{"root", "zypper --non-interactive install gcc kernel-default-devel", 0, "done"},
		{"root", "zypper --non-interactive install nonsense", 104, "No provider of 'nonsense' found"},
	})
	m.HoldApt(5000)
	lines_(t, m, []line{{"root", "zypper --non-interactive install make", 7, "locked"}})
	lines_(t, distroBox(t, "alpine", nil), []line{
		{"ops", "apk add open-vm-tools-gtk", 99, "Unable to lock database"},
		{"root", "apk add open-vm-tools-gtk", 0, "OK:"},
		{"root", "apk add nonsense", 1, "no such package"},
		{"ops", "apk info -e open-vm-tools nonsense", 1, "open-vm-tools\n"},
		{"ops", "rc-service open-vm-tools status", 0, "started"},
		{"ops", "systemctl is-active open-vm-tools", 127, ""},
		{"ops", "test -d /run/openrc", 0, ""},
	})
}

// Source: nv-fabricmanager's messages in public reports.
func TestFabricManager(t *testing.T) {
	hgx := func(hw *Hardware) {
		hw.Devices = append(hw.Devices, &Device{Address: "0000:0c:00.0", Vendor: 0x10de, Device: 0x22a3, Class: 0x068000, Passthrough: true, Host: "0000:05:00.0"})
	}
	m := distroBox(t, "rocky", hgx)
	lines_(t, m, []line{
		{"root", "systemctl start nvidia-fabricmanager.service", 1, "does not exist"},
		{"root", "dnf install -y nvidia-fabric-manager-550.90.07", 0, "Complete!"},
		{"ops", "nv-fabricmanager --version", 0, "Fabric Manager version is : 550.90.07"},
	})
	m.Set(func(s *Settable) { s.Driver = "550.107.02" })
	lines_(t, m, []line{
		{"root", "systemctl enable --now nvidia-fabricmanager.service", 1, "control process exited"},
		{"root", "journalctl -u nvidia-fabricmanager.service -n 20 --no-pager", 0, "version 550.90.07 don't match with driver version 550.107.02"},
		{"root", "dnf install -y nvidia-fabric-manager-550.107.02", 0, "Complete!"},
		{"ops", "systemctl start nvidia-fabricmanager.service", 1, "authentication required"},
		{"root", "systemctl enable --now nvidia-fabricmanager.service", 0, ""},
		{"ops", "systemctl is-active nvidia-fabricmanager.service", 0, "active"},
	})
	bare := distroBox(t, "rocky", nil)
	bare.Set(func(s *Settable) { s.Driver = "550.107.02" })
	lines_(t, bare, []line{
		{"root", "dnf install -y nvidia-fabric-manager-550.107.02", 0, "Complete!"},
		{"root", "systemctl start nvidia-fabricmanager", 1, "control process exited"},
		{"root", "journalctl -u nvidia-fabricmanager.service -n 20 --no-pager", 0, "NV_WARN_NOTHING_TO_DO"},
	})
}

// Source: learn.microsoft.com, PnPUtil command syntax and return values.
func TestPnputilAddDriver(t *testing.T) {
	m := windowsBox(t)
	m.SetSeconds("driver.install", 1)
	put := func(path, text string) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if err := m.writeGuest(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args string) (string, int) {
		return m.commandLine(context.Background(), `C:\Windows\System32\pnputil.exe `+args, "Administrator")
	}
	if out, code := run(`/add-driver "C:\none\*.inf" /install`); code != 2 {
		t.Errorf("no file: %d: %s", code, out)
	}
	put(`C:\drv\other.inf`, "[Version]\r\nDriverVer = 01/02/2024, 1.0.0.1\r\n%X% = Y, PCI\\VEN_10DE&DEV_FFFF\r\n")
	if out, code := run(`/add-driver "C:\drv\*.inf" /subdirs /install`); code != 259 {
		t.Errorf("no device: %d: %s", code, out)
	}
	put(`C:\drv\Display.Driver\nv.inf`, "[Version]\r\nDriverVer = 01/02/2024, 31.0.15.5161\r\n%X% = Y, PCI\\VEN_10DE&DEV_1EB8\r\n")
	if out, code := run(`/add-driver "C:\drv\*.inf" /force`); code != 87 {
		t.Errorf("a wrong option: %d: %s", code, out)
	}
	if out, code := run(`/add-driver "C:\drv\*.inf" /subdirs /install`); code != 0 {
		t.Errorf("%d: %s", code, out)
	}
	if out, code := m.commandLine(context.Background(), `nvidia-smi --query-gpu=driver_version --format=csv,noheader`, "Administrator"); code != 0 || !strings.Contains(out, "551.61") {
		t.Errorf("%d: %s", code, out)
	}
}
