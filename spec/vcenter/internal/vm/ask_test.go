package vm_test

import (
	"bytes"
	"image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

// What is on a console, and what a power-on or a migration would answer.
func TestAskingAVM(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Clusters[0].Hosts = append(f.Clusters[0].Hosts, fleet.Host{Name: "esx-a-2"})
		f.VMs = []fleet.VM{{Name: "off", Host: "esx-a-1", DiskGB: 1}, {Name: "on", Host: "esx-a-1", DiskGB: 1, Power: "poweredOn"},
			{Name: "gpu", Host: "esx-a-1", MemoryMB: 4096, Firmware: "efi", MemoryLock: true, Devices: []string{"0000:3b:00.0"},
				ExtraConfig: map[string]string{"pciPassthru.use64bitMMIO": "TRUE", "pciPassthru.64bitMMIOSizeGB": "256"}},
			{Name: "loose", Host: "esx-a-1", Firmware: "efi", Devices: []string{"0000:86:00.0"}}}
	})
	k.rule("vm.screenshot", "vm.ticket")
	off, on, gpu, loose := k.c.Find("/DC0/vm/off"), k.c.Find("/DC0/vm/on"), k.c.Find("/DC0/vm/gpu"), k.c.Find("/DC0/vm/loose")
	k.c.Refused(k.c.Call("CreateScreenshot_Task", off, ""), "InvalidPowerState")
	path := k.c.MustTask("CreateScreenshot_Task", on, "")
	name := path.Info[strings.Index(path.Info, "[ds-1] ")+7:]
	name = name[:strings.Index(name, ".png")+4]
	data, err := os.ReadFile(filepath.Join(k.W.DatastoreDir("ds-1"), name))
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil || img.Bounds().Dx() != 640 {
		t.Fatal("not a screen: ", err)
	}
	lit := 0
	for y := range 400 {
		for x := range 640 {
			if r, _, _, _ := img.At(x, y).RGBA(); r > 0 {
				lit++
			}
		}
	}
	if lit < 100 {
		t.Error("there is no text on the screen")
	}
	kind := func(s string) string { return "<ticketType>" + s + "</ticketType>" }
	k.c.Refused(k.c.Call("AcquireTicket", off, kind("webmks")), "InvalidState")
	k.c.Refused(k.c.Call("AcquireTicket", on, kind("door")), "InvalidArgument")
	if a := k.c.Must("AcquireTicket", on, kind("webmks")); a.Text("ticket") == "" || !strings.HasPrefix(a.Text("url"), "wss://") {
		t.Error(a.Body)
	}

	power := "VirtualMachineCompatibilityChecker:" + strings.TrimSpace(k.c.Must("RetrieveServiceContent", "ServiceInstance:ServiceInstance", "").Text("vmCompatibilityChecker"))
	check := func(vm string) string { return k.c.MustTask("CheckPowerOn_Task", power, vctest.Ref("vm", vm)).Info }
	if got := check(gpu); strings.Contains(got, "<error>") {
		t.Error("this VM would start: ", got)
	}
	if got := check(loose); !strings.Contains(got, "memory reservation") {
		t.Error("the memory of this one is not reserved: ", got)
	}
	if got := check(on); !strings.Contains(got, "InvalidPowerState") {
		t.Error("this one runs: ", got)
	}
	k.accepted(k.c.Task("PowerOnVM_Task", gpu, ""))
	move := "VirtualMachineProvisioningChecker:" + strings.TrimSpace(k.c.Must("RetrieveServiceContent", "ServiceInstance:ServiceInstance", "").Text("vmProvisioningChecker"))
	other := k.c.Find("/DC0/host/gpu-a/esx-a-2")
	motion := func(vm, host string) string {
		return k.c.MustTask("QueryVMotionCompatibilityEx_Task", move, vctest.Ref("vm", vm)+vctest.Ref("host", host)).Info
	}
	if got := motion(gpu, other); !strings.Contains(got, "DisallowedMigrationDeviceAttached") {
		t.Error("a VM with a passthrough device is not migrated: ", got)
	}
	if got := motion(on, other); strings.Contains(got, "<error>") {
		t.Error("this one can be migrated: ", got)
	}
	if got := motion(on, k.host); !strings.Contains(got, "<error>") {
		t.Error("it is on this host already: ", got)
	}
}

func TestExportingAVM(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.VMs = []fleet.VM{{Name: "off", DiskGB: 1}, {Name: "on", DiskGB: 1, Power: "poweredOn"}}
	})
	k.rule("vm.export")
	k.c.Refused(k.c.Call("ExportVm", k.c.Find("/DC0/vm/on"), ""), "InvalidPowerState")
	lease := "HttpNfcLease:" + k.c.Must("ExportVm", k.c.Find("/DC0/vm/off"), "").Text("returnval")
	got := k.c.Get(lease, "state", "info.deviceUrl")
	if got["state"] != "ready" || !strings.Contains(got["info.deviceUrl"], "https://127.") {
		t.Fatal(got)
	}
	url := got["info.deviceUrl"]
	url = url[strings.Index(url, "<url>")+5 : strings.Index(url, "</url>")]
	fetch := func() int {
		r, err := vctest.Trusting.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		_, _ = io.Copy(io.Discard, r.Body)
		return r.StatusCode
	}
	if code := fetch(); code != http.StatusOK {
		t.Fatal("the disk: ", code)
	}
	k.c.Refused(k.c.Call("HttpNfcLeaseProgress", lease, "<percent>101</percent>"), "InvalidArgument")
	k.c.Must("HttpNfcLeaseProgress", lease, "<percent>100</percent>")
	if a := k.c.Must("HttpNfcLeaseGetManifest", lease, ""); len(a.Text("sha1")) != 40 {
		t.Error(a.Body)
	}
	k.c.Must("HttpNfcLeaseComplete", lease, "")
	if code := fetch(); code != http.StatusNotFound {
		t.Error("the URL ends with the lease: ", code)
	}
	k.c.Refused(k.c.Call("HttpNfcLeaseComplete", lease, ""), "ManagedObjectNotFound")
}
