package vm_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

func TestKeysWrittenManually(t *testing.T) {
	k := start(t)
	k.rule("power.id-decimal", "power.actual-bases")
	vm := k.vm("a", fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318))
	k.accepted(k.reconfigure(vm, extra("pciPassthru0.id", "0000:3b:00.0")))
	k.refused(k.on(vm), onFault, "AH Failed to find a suitable device for pciPassthru0")
	if log := k.log(vm); !strings.Contains(log, "AH No device hints found") || !strings.Contains(log, "Failed to generate predicates for pciPassthru0---invalid VM configuration") {
		t.Errorf("log:\n%s", log)
	}
	k.accepted(k.reconfigure(vm, extra("pciPassthru0.id", "00000:059:00.0"), extra("pciPassthru.useActualBases", "TRUE")))
	k.refused(k.on(vm), onFault, "VERIFY bora/devices/pcipassthru/pciPassthru.c:871")
	k.accepted(k.reconfigure(vm, extra("pciPassthru.useActualBases", "")))
	k.accepted(k.on(vm))
}

func TestSlots(t *testing.T) {
	var list []fleet.Device
	for i := 0; i < 33; i++ {
		list = append(list, t4(fmt.Sprintf("0000:%02x:00.0", 0x30+i)))
	}
	k := start(t, cards(list...)...)
	k.rule("power.pcie-slots", "vm.card-limit")
	var nics, gpus []part
	for i := 0; i < 33; i++ {
		p := network("VM Network")
		nics = append(nics, part{p.order, strings.Replace(p.xml, "-110", fmt.Sprint(-110-i), 1)})
		gpus = append(gpus, dynamic(-200-i, "4318:7864"))
	}
	vm := k.vm("many", append([]part{val("version", "vmx-20")}, gpus...)...)
	k.refused(k.on(vm), onFault, "No PCIe slot available for SCSI0")
	k.accepted(k.reconfigure(vm, change("remove", "VirtualPCIPassthrough", 13000, "")))
	k.accepted(k.on(vm))
	k.refused(k.reconfigure(vm, nics[:11]...), "TooManyDevices", "at most 10")
	k.accepted(k.reconfigure(vm, nics[:10]...))
}

// catalogue is the log reader's own list of findings, read by each run: one that is provoked below and
// no longer found, or no longer in the list, fails this test.
const catalogueScript = `
package.path = "../../../../lua/?.lua;" .. package.path
package.preload["gpupt.bar.sums"] = function() return {} end
local wanted = ...
for _, entry in ipairs(require "gpupt.vmlog.catalogue") do
  if wanted == "codes" then print(entry.code) else
    local match = type(entry.match) == "table" and entry.match or { entry.match }
    for line in io.lines(wanted) do
      local hit = false
      for _, pattern in ipairs(match) do hit = hit or line:find(pattern) end
      if hit then print(entry.code) break end
    end
  end
end`

func catalogue(t *testing.T, arg string) []string {
	t.Helper()
	cmd := exec.Command("lua5.4", "-", arg)
	cmd.Stdin = strings.NewReader(catalogueScript)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("lua5.4 reads the catalogue: %v %s", err, out)
	}
	return strings.Fields(string(out))
}

func TestFindingsThatCanBeProvoked(t *testing.T) {
	t.Parallel()
	ready := fleet.VM{Firmware: "efi", MemoryMB: 8192, MemoryLock: true, Power: "poweredOn", Host: "esx-a-1", Password: "Train-1-pass",
		ExtraConfig: map[string]string{"pciPassthru.use64bitMMIO": "TRUE", "pciPassthru.64bitMMIOSizeGB": "512"}}
	l, w := ready, ready
	l.Name, l.Installed, l.Username, l.Devices, l.More = "lin", "ubuntu", "ops", []string{"0000:3b:00.0"}, map[string]any{"driver": "550.107.02"}
	w.Name, w.Installed, w.Devices = "win", "windows", []string{"0000:86:00.0"}
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Clusters[0].Hosts = append(f.Clusters[0].Hosts, fleet.Host{Name: "esx-a-2"})
		f.VMs = []fleet.VM{l, w}
	}, cards(a100("0000:3b:00.0"), a100("0000:86:00.0"), fleet.Device{Address: "0000:af:00.0", Vendor: "1002", Device: "740f", Class: "0380",
		VendorTxt: "AMD", Name: "Aldebaran/MI200 [Instinct MI210]", BARs: []string{"64G:64p", "2M:64p", "512K:32"}, Role: "gpu"})...)
	lin, win := k.c.Find("/DC0/vm/lin"), k.c.Find("/DC0/vm/win")
	k.until(lin, "guest.guestOperationsReady", "true")
	k.until(win, "guest.guestOperationsReady", "true")
	vm := k.vm("a", fixed(-1, "0000:af:00.0", "740f", k.sys, 4098))
	set := func(m map[string]any) { t.Helper(); k.Control(t, "POST", "/set", m) }
	byName := func(code string) func() string { // a line that ends a power-on, or is in the log
		return func() string {
			set(map[string]any{"vm": "a", "finding": code})
			before := k.log(vm)
			if r := k.on(vm); r.State == "success" {
				k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
			}
			return before + k.log(vm)
		}
	}
	configured := func(wrong []part, right []part) func() string {
		return func() string {
			k.accepted(k.reconfigure(vm, wrong...))
			if r := k.on(vm); r.Fault != onFault {
				t.Errorf("powers on: %s %s", r.State, r.Message)
				k.c.Task("PowerOffVM_Task", vm, "")
			}
			log := k.log(vm)
			k.accepted(k.reconfigure(vm, right...))
			return log
		}
	}
	running := func(do func()) func() string {
		return func() string {
			k.accepted(k.on(vm))
			do()
			k.c.Task("PowerOffVM_Task", vm, "")
			return k.log(vm)
		}
	}
	dmesg := func(change func()) func() string {
		return func() string { change(); return k.bash(lin, "sudo dmesg; lspci -vv -d 10de:") }
	}
	noWindow, window := []part{extra("pciPassthru.64bitMMIOSizeGB", "")}, []part{extra("pciPassthru.64bitMMIOSizeGB", "512")}
	invalid := dmesg(func() { k.restart(lin, noWindow...) })
	broken := dmesg(func() {
		k.restart(lin, window...)
		set(map[string]any{"vm": "lin", "problem": map[string]any{"0000:3b:00.0": 43}})
		k.restart(lin)
	})
	gone, nvidia := change("remove", "VirtualPCIPassthrough", 13000, ""), fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318)
	code := func(n int) func() string {
		return func() string {
			set(map[string]any{"vm": "win", "problem": map[string]any{"0000:86:00.0": n}})
			return k.powershell(win, fmt.Sprintf("pnputil /enum-devices /problem %d", n))
		}
	}
	small, size := []part{extra("pciPassthru.64bitMMIOSizeGB", "64")}, window
	provoke := map[string]func() string{
		"mmio-limit":    configured([]part{extra("pciPassthru.use64bitMMIO", "FALSE")}, []part{extra("pciPassthru.use64bitMMIO", "TRUE")}),
		"mmio-firmware": configured(small, size), "device-power-on": configured(small, size),
		"no-device-hints":    configured([]part{extra("pciPassthru0.id", "0000:af:00.0")}, []part{extra("pciPassthru0.id", "")}),
		"no-predicates":      configured([]part{extra("pciPassthru0.id", "0000:af:00.0")}, []part{extra("pciPassthru0.id", "")}),
		"no-suitable-device": configured([]part{extra("pciPassthru0.id", "0000:af:00.0")}, []part{extra("pciPassthru0.id", "")}),
		"map-mmio":           configured([]part{extra("pciPassthru.useActualBases", "TRUE")}, []part{extra("pciPassthru.useActualBases", "")}),
		"vmx-panic":          configured([]part{extra("pciPassthru.useActualBases", "TRUE")}, []part{extra("pciPassthru.useActualBases", "")}),
		"memory-reservation": configured([]part{val("memoryReservationLockedToMax", "false"), memory("4096", "")}, []part{val("memoryReservationLockedToMax", "true")}),
		"nested-hv": func() string {
			k.refused(k.reconfigure(vm, val("nestedHVEnabled", "true")), onFault)
			return k.log(vm)
		},
		"no-migration": running(func() {
			k.c.FailTask("VMotionNotSupported", "MigrateVM_Task", vm, vctest.Ref("host", k.host)+"<priority>defaultPriority</priority>")
		}),
		"no-suspend": running(func() { k.refused(k.c.Task("SuspendVM_Task", vm, ""), onFault) }),
		"iommu-fault": running(func() {
			set(map[string]any{"vm": "a", "finding": "iommu-fault"})
			k.until(vm, "runtime.powerState", "poweredOff")
		}),
		"system-id": func() string {
			k.c.MustTask("RelocateVM_Task", vm, "<spec>"+vctest.Ref("host", k.c.Find("/DC0/host/gpu-a/esx-a-2"))+"</spec>")
			k.refused(k.on(vm), onFault)
			log := k.log(vm)
			k.c.MustTask("RelocateVM_Task", vm, "<spec>"+vctest.Ref("host", k.host)+"</spec>")
			return log
		},
		"nvrm-bar-invalid": invalid, "nvrm-bar-unassigned": invalid, "nvrm-probe": invalid, "nvrm-none": invalid, "bar-unassigned": invalid,
		"nvrm-init": broken,
		"nvrm-no-gpu": func() string {
			k.restart(lin, gone)
			defer k.restart(lin, nvidia)
			return k.bash(lin, "sudo modprobe nvidia; sudo dmesg")
		},
		"nvrm-region":      dmesg(func() { set(map[string]any{"vm": "lin", "finding": "nvrm-region"}) }),
		"nvrm-resized-bar": dmesg(func() { set(map[string]any{"vm": "lin", "finding": "nvrm-resized-bar"}) }),
		"amdgpu-memory": func() string {
			k.restart(lin, append(noWindow, gone)...)
			k.restart(lin, fixed(-1, "0000:af:00.0", "740f", k.sys, 4098))
			defer func() { k.restart(lin, gone); k.restart(lin, append(window, nvidia)...) }()
			return k.bash(lin, "sudo dmesg")
		},
		"windows-code-10": code(10), "windows-code-12": code(12), "windows-code-28": code(28), "windows-code-31": code(31), "windows-code-43": code(43),
	}
	for _, c := range []string{"mmio-error", "iommu-fault-host", "iommu-reason", "not-passthrough", "link-down", "domain-disabled", "device-released", "device-taken",
		"no-pcie-slot", "slot-reservation", "bar-memory", "vgpu-iommu"} {
		provoke[c] = byName(c)
	}
	// the other findings are in logs that no VM of this server writes: of hosts, of other drivers, of installers
	var elsewhere []string
	for _, c := range catalogue(t, "codes") {
		f := provoke[c]
		if f == nil {
			elsewhere = append(elsewhere, c)
			continue
		}
		delete(provoke, c)
		text := f()
		file := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := catalogue(t, file); !slices.Contains(got, c) {
			t.Errorf("%s: the log reader finds only %v in\n... %s", c, got, text[max(0, len(text)-900):])
		}
	}
	t.Logf("%d findings are not provoked here: %v", len(elsewhere), elsewhere)
	for c := range provoke {
		t.Errorf("%s is not a finding of the catalogue", c)
	}
}
