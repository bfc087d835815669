package rest_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// rig is a server of 9.1 with the first host of the demo fleet.
type rig struct {
	*client
	soap *vctest.Client
	host string // HostSystem:host-1
	path string
}

func start(t *testing.T, f *fleet.Fleet) *rig {
	s := vctest.Start(t, vcenter.Options{Fleet: f, Version: "9.1.0.0"})
	r := &rig{client: login(t, s), soap: s.Login(t)}
	r.host = r.soap.Find("/DC0/host/gpu-a/esx-a-1")
	r.path = "vcenter/host/" + strings.TrimPrefix(r.host, "HostSystem:") + "/hardware/direct-path-devices"
	return r
}

type device struct {
	Device string
	Info   struct {
		Name         string
		Mode         string   `json:"current_mode"`
		Configurable []string `json:"configurable_modes"`
		VMs          []string
	}
}

type devices struct {
	Items  []device
	Marker string
}

func (r *rig) list(query string) (d devices) {
	r.t.Helper()
	r.decode(r.send("GET", r.path+query, ""), 200, &d)
	return d
}

func (r *rig) gpu() device {
	r.t.Helper()
	for _, d := range r.list("").Items {
		if strings.Contains(d.Info.Name, "A100") || strings.Contains(d.Info.Name, "NVIDIA") || strings.Contains(d.Info.Name, "GA100") {
			return d
		}
	}
	r.t.Fatal("no GPU among ", r.list(""))
	return device{}
}

func (r *rig) mode(id string) string {
	r.t.Helper()
	return r.list("?devices=" + url.QueryEscape(id)).Items[0].Info.Mode
}

type outcome struct {
	Status, Service, Operation, User string
	Start                            string `json:"start_time"`
	End                              string `json:"end_time"`
	Target                           struct{ Type, ID string }
	Result                           struct {
		Impacts []string `json:"configure_impacts"`
	}
	Error struct {
		Type     string `json:"error_type"`
		Messages []struct {
			Text string `json:"default_message"`
		}
	}
}

const configure = "?action=configure&vmw-task=true"

func (r *rig) task(body string) (o outcome) {
	r.t.Helper()
	var id string
	r.decode(r.send("POST", r.path+configure, body), 202, &id)
	vctest.Eventually(r.t, "the task ends", func() bool {
		o = outcome{}
		r.decode(r.send("GET", "cis/tasks/"+id, ""), 200, &o)
		return o.Status == "SUCCEEDED" || o.Status == "FAILED"
	})
	return o
}

// set configures a mode and gives the impact.
func (r *rig) set(id, mode string) string {
	r.t.Helper()
	o := r.task(`{"device":"` + id + `","new_mode":"` + mode + `"}`)
	if o.Status != "SUCCEEDED" || len(o.Result.Impacts) != 1 {
		r.t.Fatal(o)
	}
	return o.Result.Impacts[0]
}

func demo(rebind bool, graphics string) *fleet.Fleet {
	f := fleet.Demo()
	f.Clusters[0].Hosts[0].Rebind, f.Clusters[0].Hosts[0].Graphics = rebind, graphics
	return f
}

func TestDevicesOfOlderServers(t *testing.T) {
	vctest.Breaks(t, "rest.devices-version")
	for version, status := range map[string]int{"8.0.3.0": 404, "9.0.0.0": 404, "9.1.0.0": 200, "9.1.1.0": 200} {
		s := vctest.Start(t, vcenter.Options{Version: version})
		c := login(t, s)
		host := strings.TrimPrefix(s.Login(t).Find("/DC0/host/gpu-a/esx-a-1"), "HostSystem:")
		if a := c.send("GET", "vcenter/host/"+host+"/hardware/direct-path-devices", ""); a.status != status {
			t.Fatal(version, a)
		}
	}
}

func TestListOfDevices(t *testing.T) {
	vctest.Breaks(t, "rest.devices-list")
	f := demo(false, "")
	f.Users = append(f.Users, fleet.User{Name: "blind@vsphere.local", Password: "b", Role: "NoAccess",
		Grants: []fleet.Grant{{Path: "/DC0/host/gpu-b", Role: "ReadOnly"}}})
	r := start(t, f)
	all := r.list("")
	if len(all.Items) < 2 || all.Marker != "" {
		t.Fatal(all)
	}
	gpu := r.gpu()
	if gpu.Info.Mode != "HOST" || strings.Join(gpu.Info.Configurable, " ") != "HOST DIRECTPATH SYSTEM_SELECT" {
		t.Fatal(gpu)
	}
	var ids []string
	for at := ""; ; {
		page := r.list("?page_size=1" + at)
		if len(page.Items) != 1 {
			t.Fatal(page)
		}
		ids = append(ids, page.Items[0].Device)
		if page.Marker == "" {
			break
		}
		at = "&marker=" + page.Marker
	}
	if len(ids) != len(all.Items) || slices.Contains(ids[1:], ids[0]) {
		t.Fatal(ids, all)
	}
	if one := r.list("?devices=" + url.QueryEscape(gpu.Device)); len(one.Items) != 1 || one.Items[0].Device != gpu.Device {
		t.Fatal(one)
	}
	for query, want := range map[string]string{"?page_size=0": "INVALID_ARGUMENT", "?page_size=x": "INVALID_ARGUMENT", "?marker=x": "INVALID_ARGUMENT",
		"?vm_class=maybe": "INVALID_ARGUMENT", "?filter.devices=x": "UNEXPECTED_INPUT"} {
		r.refused(r.send("GET", r.path+query, ""), 400, want, "")
	}
	r.refused(r.send("GET", strings.Replace(r.path, "host-", "nohost-", 1), ""), 404, "NOT_FOUND", "nohost-")
	r.refused(r.send("PUT", r.path, ""), 405, "ERROR", "PUT")
	other := &client{t: t, s: r.s}
	other.refused(other.send("GET", r.path, ""), 401, "UNAUTHENTICATED", "")
	other.decode(other.send("POST", "session", "", basic("blind@vsphere.local", "b")), 201, &other.id)
	other.refused(other.send("GET", r.path, ""), 403, "UNAUTHORIZED", "System.Read")
}

func TestConfigureADevice(t *testing.T) {
	vctest.Breaks(t, "rest.devices-configure", "rest.task")
	f := demo(true, "")
	f.Users = append(f.Users, fleet.User{Name: "reader@vsphere.local", Password: "r", Role: "ReadOnly"})
	r := start(t, f)
	gpu := r.gpu().Device
	body := `{"device":"` + gpu + `","new_mode":"DIRECTPATH"}`
	r.refused(r.send("POST", r.path, body), 404, "NOT_FOUND", "")
	r.refused(r.send("POST", r.path+"?action=configure", body), 404, "NOT_FOUND", "")
	for bad, want := range map[string]string{"": "INVALID_ARGUMENT", "[" + body + "]": "INVALID_ARGUMENT", body + body: "INVALID_ARGUMENT", `{}`: "INVALID_ARGUMENT",
		`{"device":1}`: "INVALID_ARGUMENT", `{"device":"` + gpu + `","mode":"HOST"}`: "UNEXPECTED_INPUT",
		`{"device":"` + gpu + `","new_mode":"ENHANCED_DIRECTPATH"}`: "INVALID_ARGUMENT", `{"device":"` + gpu + `","new_mode":"directpath"}`: "INVALID_ARGUMENT"} {
		r.refused(r.send("POST", r.path+configure, bad), 400, want, "")
	}
	r.refused(r.send("POST", r.path+configure, `{"device":"0000:ff:00.0"}`), 404, "NOT_FOUND", "0000:ff:00.0")
	reader := &client{t: t, s: r.s}
	reader.decode(reader.send("POST", "session", "", basic("reader@vsphere.local", "r")), 201, &reader.id)
	reader.refused(reader.send("POST", r.path+configure, body), 403, "UNAUTHORIZED", "Host.Config.PciPassthru")
	if mode := r.mode(gpu); mode != "HOST" {
		t.Fatal("a refused call set ", mode)
	}

	o := r.task(`{"device":"` + gpu + `"}`)
	if strings.Join(o.Result.Impacts, "") != "NONE" || r.mode(gpu) != "HOST" {
		t.Fatal("without new_mode: ", o)
	}
	o = r.task(body)
	if o.Status != "SUCCEEDED" || o.User != vctest.User || o.Start == "" || o.End < o.Start || "HostSystem:"+o.Target.ID != r.host ||
		o.Service != "com.vmware.vcenter.host.hardware.direct_path_devices" || r.mode(gpu) != "DIRECTPATH" {
		t.Fatal(o)
	}
	if tasks := r.soap.Get("TaskManager:TaskManager", "recentTask")["recentTask"]; strings.Count(tasks, "task-") < 2 {
		t.Fatal("TaskManager does not show them: ", tasks)
	}
	r.refused(r.send("GET", "cis/tasks/none", ""), 404, "NOT_FOUND", "none")

	state := r.soap.Get(r.host, "config.pciPassthruInfo")["config.pciPassthruInfo"]
	if !strings.Contains(state, "<passthruActive>true</passthruActive>") {
		t.Fatal("vim25 does not see it: ", state)
	}
}

func TestADeviceInUseStays(t *testing.T) {
	vctest.Breaks(t, "rest.devices-configure")
	f := demo(true, "")
	f.VMs = []fleet.VM{{Name: "holder", Host: "esx-a-1", MemoryMB: 4096, MemoryLock: true, Firmware: "efi", Devices: []string{"0000:3b:00.0"},
		ExtraConfig: map[string]string{"pciPassthru.use64bitMMIO": "TRUE", "pciPassthru.64bitMMIOSizeGB": "256"}}}
	r := start(t, f)
	gpu := r.gpu().Device
	r.set(gpu, "DIRECTPATH")
	vm := r.soap.Find("/DC0/vm/holder")
	r.soap.MustTask("PowerOnVM_Task", vm, "")
	if d := r.gpu(); len(d.Info.VMs) != 1 || "VirtualMachine:"+d.Info.VMs[0] != vm {
		t.Fatal("no VM has it: ", d)
	}
	o := r.task(`{"device":"` + gpu + `","new_mode":"HOST"}`)
	if o.Status != "FAILED" || o.Error.Type != "RESOURCE_IN_USE" || !strings.Contains(o.Error.Messages[0].Text, "holder") || len(o.Result.Impacts) != 0 {
		t.Fatal(o)
	}
}

func TestWhatAChangeTakes(t *testing.T) {
	vctest.Breaks(t, "rest.devices-impact")
	r := start(t, demo(true, ""))
	gpu := r.gpu().Device
	if i := r.set(gpu, "SYSTEM_SELECT"); i != "NONE" || r.mode(gpu) != "DIRECTPATH" {
		t.Fatal("a host that rebinds: ", i, r.mode(gpu))
	}
	if i := r.set(gpu, "HOST"); i != "NONE" || r.mode(gpu) != "HOST" {
		t.Fatal("back: ", i, r.mode(gpu))
	}

	r = start(t, demo(false, ""))
	gpu = r.gpu().Device
	if i := r.set(gpu, "DIRECTPATH"); i != "HOST_REBOOT_REQUIRED" || r.mode(gpu) != "HOST" {
		t.Fatal("a host that does not: ", i, r.mode(gpu))
	}
	r.soap.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	if mode := r.mode(gpu); mode != "HOST" {
		t.Fatal("maintenance mode is no reboot: ", mode)
	}
	r.soap.MustTask("RebootHost_Task", r.host, "<force>false</force>")
	vctest.Eventually(t, "the mode of the next boot", func() bool { return r.mode(gpu) == "DIRECTPATH" })

	r = start(t, demo(true, "sharedDirect"))
	d := r.gpu()
	if d.Info.Mode != "VGPU_SAME_SIZE" || !slices.Contains(d.Info.Configurable, "VGPU_SAME_SIZE") || slices.Contains(d.Info.Configurable, "HOST") {
		t.Fatal(d)
	}
	if i := r.set(d.Device, "DIRECTPATH"); i != "HOST_MAINTENANCE_MODE_REQUIRED" || r.mode(d.Device) != "VGPU_SAME_SIZE" {
		t.Fatal("the driver has it: ", i, r.mode(d.Device))
	}
	if pending := r.soap.Get(r.host, "summary.rebootRequired")["summary.rebootRequired"]; pending != "false" {
		t.Fatal("no reboot is needed: ", pending)
	}
	r.soap.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	if mode := r.mode(d.Device); mode != "DIRECTPATH" {
		t.Fatal("in maintenance mode: ", mode)
	}
	if i := r.set(d.Device, "VGPU_SAME_SIZE"); i != "NONE" || r.mode(d.Device) != "VGPU_SAME_SIZE" {
		t.Fatal("back: ", i)
	}
	if i := r.set(d.Device, "DIRECTPATH"); i != "NONE" || r.mode(d.Device) != "DIRECTPATH" {
		t.Fatal("the host is in maintenance mode already: ", i)
	}
}
