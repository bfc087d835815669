package vm_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/vctest"
)

func (k *kit) file(path string) string {
	k.t.Helper()
	r, _ := http.NewRequest("GET", k.URL+"/folder/"+path+"?dcPath=DC0&dsName=ds-1", nil)
	r.Header.Set("Cookie", "vmware_soap_session="+k.c.Cookie)
	res, err := k.c.HTTP.Do(r)
	if err != nil {
		k.t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != 200 {
		k.t.Fatalf("%s: %d %s", path, res.StatusCode, b)
	}
	return string(b)
}

func (k *kit) put(path, text string) {
	k.t.Helper()
	if code := k.http("PUT", "/folder/"+path+"?dcPath=DC0&dsName=ds-1", text, k.c.Cookie); code != 200 && code != 201 {
		k.t.Fatalf("PUT %s: %d", path, code)
	}
}

func TestTheVMXFile(t *testing.T) {
	k := start(t)
	k.rule("vm.vmx-file")
	vm := k.vm("a", append(disk("ParaVirtualSCSIController"), network("VM Network"), cd(-120, 0, "[ds-1] iso/ubuntu-24.04.iso"),
		fixed(-1, "0000:86:00.0", "0x20b5", k.sys, 4318), extra("note", `say "a|b"`))...)
	text := k.file("a/a.vmx")
	for _, want := range []string{".encoding = \"UTF-8\"\nconfig.version = \"8\"\n", `firmware = "efi"`, `displayName = "a"`, `guestOS = "ubuntu-64"`, `memSize = "8192"`,
		`sched.mem.min = "8192"`, `sched.mem.pin = "TRUE"`, `pciPassthru.use64bitMMIO = "TRUE"`, `pciPassthru0.present = "TRUE"`, `pciPassthru0.id = "00000:134:00.0"`,
		`pciPassthru0.deviceId = "0x20b5"`, `pciPassthru0.vendorId = "0x10de"`, `pciPassthru0.systemId = "` + k.sys + `"`, `scsi0.virtualDev = "pvscsi"`,
		`scsi0:0.fileName = "a.vmdk"`, `ethernet0.virtualDev = "vmxnet3"`, `ethernet0.networkName = "VM Network"`, `ide0:0.deviceType = "cdrom-image"`,
		`ide0:0.fileName = "/vmfs/volumes/ds-1/iso/ubuntu-24.04.iso"`, `note = "say |22a|7Cb|22"`, `virtualHW.version = "21"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	k.accepted(k.reconfigure(vm, val("firmware", "bios"), extra("pciPassthru.64bitMMIOSizeGB", ""), change("remove", "VirtualPCIPassthrough", 13000, "")))
	if text := k.file("a/a.vmx"); !strings.Contains(text, `firmware = "bios"`) || strings.Contains(text, "64bitMMIOSizeGB") || strings.Contains(text, "pciPassthru0") {
		t.Errorf("after a change:\n%s", text)
	}
	if l := k.get(vm, "layoutEx"); !strings.Contains(l, fmt.Sprintf("<name>[ds-1] a/a.vmx</name><type>config</type><size>%d</size>", len(k.file("a/a.vmx")))) {
		t.Errorf("layoutEx: %s", l)
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		key, _, _ := strings.Cut(strings.ToLower(line), " = ")
		if seen[key] {
			t.Errorf("duplicate key %s", key)
		}
		seen[key] = true
	}
	k.accepted(k.on(vm))
	if log := k.log(vm); !strings.Contains(log, `DICT                firmware = "bios"`) || !strings.Contains(log, `DICT               .encoding = "UTF-8"`) {
		t.Errorf("the log's dictionary:\n%s", log)
	}
}

func TestRegister(t *testing.T) {
	t.Parallel()
	k := start(t)
	k.rule("vm.register", "vm.register-invalid", "vm.destroy-on")
	vm := k.vm("a", append(disk("VirtualLsiLogicSASController"), network("VM Network"), cd(-120, 0, "[ds-1] iso/ubuntu-24.04.iso"),
		cd(-121, 1, "[ds-1] iso/ubuntu-answer.iso"), fixed(-1, "0000:86:00.0", "20b5", k.sys, 4318), dynamic(-2, "4318:8373"), extra("note", `say "a|b"`))...)
	k.accepted(k.on(vm))
	k.until(vm, "guest.guestOperationsReady", "true")
	k.c.Refused(k.c.Call("UnregisterVM", vm, ""), "InvalidPowerState")
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	paths := []string{"config.firmware", "config.version", "config.uuid", "config.instanceUuid", "config.guestId", "config.extraConfig", "config.memoryReservationLockedToMax",
		"config.memoryAllocation.reservation", "config.hardware.numCPU", "config.hardware.memoryMB", "config.annotation"}
	before := k.c.Get(vm, paths...)
	cards := func(vm string) (out []string) {
		d := vctest.Answer{Body: "<x xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">" + k.get(vm, "config.hardware.device") + "</x>"}
		for _, n := range []string{"id", "deviceId", "systemId", "allowedDevice", "macAddress", "capacityInKB", "fileName"} {
			out = append(out, d.Texts(n)...)
		}
		return out
	}
	had := strings.Join(cards(vm), " ")
	text := k.file("a/a.vmx")
	k.c.Must("UnregisterVM", vm, "")
	if a := k.c.Call("PowerOnVM_Task", vm, ""); a.Fault() != "ManagedObjectNotFound" {
		t.Errorf("the VM is still there: %s", a.Body)
	}
	register := func(path, name string) vctest.Result {
		n := ""
		if name != "" {
			n = "<name>" + name + "</name>"
		}
		return k.c.Task("RegisterVM_Task", k.folder(), "<path>"+path+"</path>"+n+"<asTemplate>false</asTemplate>"+vctest.Ref("pool", k.pool)+vctest.Ref("host", k.host))
	}
	k.refused(register("[ds-1] a/b.vmx", ""), "NotFound")
	k.refused(register("[ds-9] a/a.vmx", ""), "InvalidDatastorePath")
	k.refused(k.c.Task("RegisterVM_Task", k.folder(), "<path>[ds-1] a/a.vmx</path><asTemplate>false</asTemplate>"+vctest.Ref("host", k.host)), "InvalidArgument", "pool")
	k.refused(k.c.Task("RegisterVM_Task", k.folder(), "<path>[ds-1] a/a.vmx</path><asTemplate>true</asTemplate>"+vctest.Ref("pool", k.pool)), "InvalidArgument", "host")
	k.put("a/a.vmx", text+"FIRMWARE = \"bios\"\n")
	k.refused(register("[ds-1] a/a.vmx", ""), "InvalidVmConfig", "already defined")
	k.put("a/a.vmx", strings.Replace(text, `memSize = "8192"`, `memSize = "8192`, 1))
	k.refused(register("[ds-1] a/a.vmx", ""), "InvalidVmConfig", "syntax error")
	k.put("a/a.vmx", text)
	k.accepted(register("[ds-1] a/a.vmx", ""))
	k.refused(register("[ds-1] a/a.vmx", "again"), "AlreadyExists")
	vm = k.c.Find("/DC0/vm/a")
	after := k.c.Get(vm, paths...)
	for _, p := range paths {
		if before[p] != after[p] {
			t.Errorf("%s was %s and is %s", p, before[p], after[p])
		}
	}
	if has := strings.Join(cards(vm), " "); has != had {
		t.Errorf("devices were\n%s\nand are\n%s", had, has)
	}
	k.accepted(k.on(vm))
	k.until(vm, "guest.guestOperationsReady", "true")
	if out := k.bash(vm, "lspci -d 10de:"); strings.Count(out, "3D controller") != 2 {
		t.Errorf("the guest after registration: %s", out)
	}
}

func TestReload(t *testing.T) {
	k := start(t)
	k.rule("vm.reload", "vm.register-invalid")
	vm := k.vm("a", fixed(-1, "0000:86:00.0", "20b5", k.sys, 4318))
	path := "<configurationPath>[ds-1] a/a.vmx</configurationPath>"
	text := k.file("a/a.vmx")
	k.accepted(k.on(vm))
	k.refused(k.c.Task("reloadVirtualMachineFromPath_Task", vm, path), "InvalidPowerState")
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	k.refused(k.c.Task("reloadVirtualMachineFromPath_Task", vm, "<configurationPath>[ds-1] a/c.vmx</configurationPath>"), "FileNotFound")
	// a manual edit: another card, another window
	edited := strings.Replace(strings.Replace(text, "00000:134:00.0", "00000:059:00.0", 1), `64bitMMIOSizeGB = "512"`, `64bitMMIOSizeGB = "256"`, 1)
	k.put("a/a.vmx", edited)
	k.accepted(k.c.Task("reloadVirtualMachineFromPath_Task", vm, path))
	if d := k.get(vm, "config.hardware.device"); !strings.Contains(d, "<id>0000:3b:00.0</id>") || strings.Contains(d, "0000:86:00.0") {
		t.Errorf("devices: %s", d)
	}
	k.accepted(k.on(vm))
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	// a backing of another host is taken as it is, and fails at power-on
	k.put("a/a.vmx", strings.Replace(text, k.sys, "0e442005-99ce-5fe4-914d-8ecfda358191", 1))
	k.accepted(k.c.Task("reloadVirtualMachineFromPath_Task", vm, path))
	k.refused(k.on(vm), onFault, "The systemId does not match")
	// a recipe that appends
	k.put("a/a.vmx", text+`pciPassthru.use64bitMMIO = "TRUE"`+"\n")
	k.refused(k.c.Task("reloadVirtualMachineFromPath_Task", vm, path), "InvalidVmConfig", "already defined")
	if s := k.get(vm, "runtime.connectionState"); s != "invalid" {
		t.Errorf("the VM is %s", s)
	}
	k.refused(k.on(vm), "InvalidState", "invalid")
	k.put("a/a.vmx", text)
	k.accepted(k.c.Task("reloadVirtualMachineFromPath_Task", vm, path))
	k.accepted(k.on(vm))
}
