package vm_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// kit is a server with active cards, and the XML of the requests that the tests send.
type kit struct {
	t *testing.T
	*vctest.Server
	c    *vctest.Client
	pool string
	host string
	sys  string
}

func cards(list ...fleet.Device) []fleet.Device {
	yes := true
	for i := range list {
		list[i].Enabled, list[i].Active = true, &yes
	}
	return list
}

func card(address, device, name string, bars ...string) fleet.Device {
	return fleet.Device{Address: address, Vendor: "10de", Device: device, Class: "0302", Name: name, BARs: bars, Role: "gpu"}
}

func a100(address string) fleet.Device { return fleet.A100(address) }

func t4(address string) fleet.Device {
	return card(address, "1eb8", "TU104GL [Tesla T4]", "16M:32", "256M:64p", "32M:64p")
}

func l4(address string) fleet.Device {
	return card(address, "27b8", "AD104GL [L4]", "16M:32", "32G:64p", "32M:64p")
}

// start runs a server: one cluster of one host with these cards, the demo's media.
func start(t *testing.T, list ...fleet.Device) *kit { return startFleet(t, nil, list...) }

func startFleet(t *testing.T, change func(*fleet.Fleet), list ...fleet.Device) *kit {
	t.Helper()
	return startVersion(t, "", change, list...)
}

// startVersion starts a server of this API version; "" is the default one.
func startVersion(t *testing.T, version string, change func(*fleet.Fleet), list ...fleet.Device) *kit {
	t.Helper()
	if list == nil {
		list = cards(a100("0000:3b:00.0"), a100("0000:86:00.0"))
	}
	f := fleet.Demo()
	f.Clusters = []fleet.Cluster{{Name: "gpu-a", Hosts: []fleet.Host{{Name: "esx-a-1", Cards: list}}}}
	if change != nil {
		change(f)
	}
	s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 2000, Version: version})
	k := &kit{t: t, Server: s, c: s.Login(t)}
	if version != "" {
		k.c.Version = version
	}
	cluster := k.c.Find("/DC0/host/gpu-a")
	k.pool = refIn(k.c.Get(cluster, "resourcePool"), cluster, k.c, "resourcePool", "ResourcePool")
	k.host = k.c.Find("/DC0/host/gpu-a/esx-a-1")
	s.W.RLock()
	k.sys = s.W.Truth.Page()["hosts"].([]map[string]any)[0]["system_id"].(string)
	s.W.RUnlock()
	return k
}

func refIn(m map[string]string, _ string, _ *vctest.Client, path, kind string) string {
	return kind + ":" + strings.TrimSpace(m[path])
}

// spec parts -------------------------------------------------------------------

type part struct {
	order int
	xml   string
}

// order of VirtualMachineConfigSpec's fields that the tests use
var order = []string{"changeVersion", "name", "version", "guestId", "files", "flags", "numCPUs", "numCoresPerSocket", "memoryMB", "memoryHotAddEnabled",
	"cpuHotAddEnabled", "deviceChange", "memoryAllocation", "extraConfig", "bootOptions", "vAppConfig", "firmware", "memoryReservationLockedToMax", "nestedHVEnabled"}

func field(name, xml string) part {
	for i, n := range order {
		if n == name {
			return part{i, xml}
		}
	}
	panic("field " + name + " is not in the table of the tests")
}

func val(name, text string) part { return field(name, "<"+name+">"+text+"</"+name+">") }

func spec(parts ...part) string {
	out := ""
	for i := range order {
		for _, p := range parts {
			if p.order == i {
				out += p.xml
			}
		}
	}
	return out
}

func add(kind string, key int, inner string) part {
	return field("deviceChange", fmt.Sprintf(`<deviceChange><operation>add</operation><device xsi:type="%s"><key>%d</key>%s</device></deviceChange>`, kind, key, inner))
}

func change(op, kind string, key int, inner string) part {
	return field("deviceChange", fmt.Sprintf(`<deviceChange><operation>%s</operation><device xsi:type="%s"><key>%d</key>%s</device></deviceChange>`, op, kind, key, inner))
}

func fixed(key int, id, deviceID, systemID string, vendor int) part {
	return add("VirtualPCIPassthrough", key, fmt.Sprintf(`<backing xsi:type="VirtualPCIPassthroughDeviceBackingInfo"><deviceName></deviceName>`+
		`<id>%s</id><deviceId>%s</deviceId><systemId>%s</systemId><vendorId>%d</vendorId></backing>`, id, deviceID, systemID, vendor))
}

func dynamic(key int, allowed ...string) part {
	inner := ""
	for _, a := range allowed {
		v, d, _ := strings.Cut(a, ":")
		inner += "<allowedDevice><vendorId>" + v + "</vendorId><deviceId>" + d + "</deviceId></allowedDevice>"
	}
	return add("VirtualPCIPassthrough", key, `<backing xsi:type="VirtualPCIPassthroughDynamicBackingInfo"><deviceName></deviceName>`+inner+`</backing>`)
}

func extra(key, value string) part {
	return field("extraConfig", `<extraConfig xsi:type="OptionValue"><key>`+key+`</key><value xsi:type="xsd:string">`+value+`</value></extraConfig>`)
}

func memory(reservation, limit string) part {
	x := "<memoryAllocation>"
	if reservation != "" {
		x += "<reservation>" + reservation + "</reservation>"
	}
	if limit != "" {
		x += "<limit>" + limit + "</limit>"
	}
	return field("memoryAllocation", x+"</memoryAllocation>")
}

func files() part { return field("files", "<files><vmPathName>[ds-1]</vmPathName></files>") }

// disk is a controller with a blank disk; network a card; cd a drive on IDE 1.
func disk(controller string) []part {
	return []part{add(controller, -101, `<busNumber>0</busNumber><sharedBus>noSharing</sharedBus>`),
		field("deviceChange", `<deviceChange><operation>add</operation><fileOperation>create</fileOperation><device xsi:type="VirtualDisk"><key>-102</key>`+
			`<backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[ds-1]</fileName><diskMode>persistent</diskMode><thinProvisioned>true</thinProvisioned></backing>`+
			`<controllerKey>-101</controllerKey><unitNumber>0</unitNumber><capacityInKB>41943040</capacityInKB></device></deviceChange>`)}
}

func network(name string) part {
	return add("VirtualVmxnet3", -110, `<backing xsi:type="VirtualEthernetCardNetworkBackingInfo"><deviceName>`+name+`</deviceName></backing>`)
}

func cd(key int, unit int, file string) part {
	return add("VirtualCdrom", key, fmt.Sprintf(`<backing xsi:type="VirtualCdromIsoBackingInfo"><fileName>%s</fileName></backing>`+
		`<connectable><startConnected>true</startConnected><allowGuestControl>true</allowGuestControl><connected>true</connected></connectable>`+
		`<controllerKey>%d</controllerKey><unitNumber>%d</unitNumber>`, file, 200+unit/2, unit%2))
}

// rule names the rule that a test breaks.
func (k *kit) rule(ids ...string) {
	vctest.Breaks(k.t, ids...)
}

// file.names is broken by the front's tests.
func TestMain(m *testing.M) {
	// the last six are broken by tests beside their programs, in internal/guest
	os.Exit(vctest.Main(m, "vm", "power", "guest", "file", "install", "tools", "driver", "inventory", "task.busy-vm", "host.transfer-url", "host.bindings", "-file.names", "-vm.shown",
		"-guest.dnf", "-guest.zypper", "-guest.apk", "-guest.rpm", "-driver.fabric", "-tools.manifest"))
}

// calls -----------------------------------------------------------------------

func (k *kit) create(parts ...part) vctest.Result {
	k.t.Helper()
	return k.c.Task("CreateVM_Task", k.folder(), "<config>"+spec(parts...)+"</config>"+vctest.Ref("pool", k.pool)+vctest.Ref("host", k.host))
}

func (k *kit) folder() string { return k.c.Find("/DC0/vm") }

// vm creates a VM that the rules accept: EFI, 8 GiB locked, the window of two A100.
func (k *kit) vm(name string, more ...part) string {
	k.t.Helper()
	given := map[int]bool{}
	for _, p := range more {
		given[p.order] = true
	}
	parts := append([]part{val("name", name), val("guestId", "ubuntu64Guest"), files(), val("numCPUs", "4"), val("memoryMB", "8192"),
		val("firmware", "efi"), val("memoryReservationLockedToMax", "true"), extra("pciPassthru.use64bitMMIO", "TRUE"),
		extra("pciPassthru.64bitMMIOSizeGB", "512")}, more...)
	list := field("extraConfig", "").order
	parts = append(slices.DeleteFunc(parts[:len(parts)-len(more):len(parts)-len(more)], func(p part) bool { return given[p.order] && p.order != list }), more...)
	if r := k.create(parts...); r.State != "success" {
		k.t.Fatalf("create %s: %s %s %s", name, r.Fault, r.Message, r.Info)
	}
	return k.c.Find("/DC0/vm/" + name)
}

func (k *kit) reconfigure(vm string, parts ...part) vctest.Result {
	k.t.Helper()
	return k.c.Task("ReconfigVM_Task", vm, "<spec>"+spec(parts...)+"</spec>")
}

func (k *kit) accepted(r vctest.Result) {
	k.t.Helper()
	if r.State != "success" {
		k.t.Fatalf("refused: %s %s\n%s", r.Fault, r.Message, r.Info)
	}
}

func (k *kit) refused(r vctest.Result, fault string, parts ...string) {
	k.t.Helper()
	if r.State != "error" || r.Fault != fault {
		k.t.Fatalf("wanted %s, got %s %s %s\n%s", fault, r.State, r.Fault, r.Message, r.Info)
	}
	for _, p := range parts {
		if !strings.Contains(r.Info, p) {
			k.t.Fatalf("the fault does not say %q: %s", p, r.Info)
		}
	}
}

func (k *kit) on(vm string) vctest.Result { return k.c.Task("PowerOnVM_Task", vm, "") }

func (k *kit) get(vm, path string) string { k.t.Helper(); return k.c.Get(vm, path)[path] }

// until waits for a property's value.
func (k *kit) until(vm, path, want string) {
	k.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(3 * time.Millisecond) {
		if k.get(vm, path) == want {
			return
		}
	}
	k.t.Fatalf("%s %s is %q, not %q; guest: %+v", vm, path, k.get(vm, path), want, k.guest(vm))
}

// guest is the VM's part of the truth page.
func (k *kit) guest(vm string) map[string]any {
	k.t.Helper()
	k.W.RLock()
	defer k.W.RUnlock()
	for _, m := range k.W.Truth.Page()["vms"].([]map[string]any) {
		if "VirtualMachine:"+m["ref"].(string) == vm {
			return m["guest"].(map[string]any)
		}
	}
	return nil
}

// stuck waits until the guest is stuck and returns the reason.
func (k *kit) stuck(vm string) string {
	k.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(3 * time.Millisecond) {
		if g := k.guest(vm); g["why"].(string) != "" {
			return g["why"].(string)
		}
	}
	k.t.Fatalf("the guest is not stuck: %+v", k.guest(vm))
	return ""
}

func (k *kit) log(vm string) string {
	k.t.Helper()
	name := k.get(vm, "name")
	r, _ := http.NewRequest("GET", k.URL+"/folder/"+name+"/vmware.log?dcPath=DC0&dsName=ds-1", nil)
	r.Header.Set("Cookie", "vmware_soap_session="+k.c.Cookie)
	res, err := k.c.HTTP.Do(r)
	if err != nil {
		k.t.Fatal(err)
	}
	defer res.Body.Close()
	b := new(strings.Builder)
	buf := make([]byte, 1<<16)
	for {
		n, err := res.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			break
		}
	}
	if res.StatusCode != 200 {
		k.t.Fatalf("vmware.log: %d %s", res.StatusCode, b)
	}
	return b.String()
}
