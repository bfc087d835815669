package vm_test

// capacity_test.go: what the server itself says of free devices and of who has them.

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

func query(target, label string) string {
	if label != "" {
		label = "<customLabel>" + label + "</customLabel>"
	}
	return target + `<querySpec xsi:type="DirectPathProfileManagerCapacityQueryByDeviceConfig">` +
		`<deviceConfig xsi:type="DirectPathProfileManagerDynamicDirectPathConfig"><dynamicDirectPathBacking><deviceName></deviceName>` +
		`<allowedDevice><vendorId>4318</vendorId><deviceId>8373</deviceId></allowedDevice>` + label +
		`</dynamicDirectPathBacking></deviceConfig></querySpec>`
}

func TestCapacityOfAClusterAndWhoHasADevice(t *testing.T) {
	k := startVersion(t, "9.1.0.0", func(f *fleet.Fleet) {
		f.Clusters[0].Hosts = append(f.Clusters[0].Hosts, fleet.Host{Name: "esx-a-2", Cards: cards(a100("0000:3b:00.0"))})
	}, cards(a100("0000:3b:00.0"))...)
	k.rule("capacity.query", "host.bindings")
	manager := "DirectPathProfileManager:DirectPathProfileManager"
	if a := k.c.Must("RetrieveServiceContent", "ServiceInstance:ServiceInstance", ""); !strings.Contains(a.Body, `<directPathProfileManager type="DirectPathProfileManager">`) {
		t.Fatal(a.Body)
	}
	cluster := vctest.Ref("cluster", k.c.Find("/DC0/host/gpu-a"))
	ask := func(label, want string) {
		t.Helper()
		a := k.c.Must("DirectPathProfileManagerQueryCapacity", manager, query(`<target xsi:type="DirectPathProfileManagerTargetCluster">`+cluster+`</target>`, label))
		if !strings.Contains(a.Body, want) {
			t.Errorf("%s is missing: %s", want, a.Body)
		}
	}
	ask("", "<consumed>0</consumed><remaining>2</remaining><max>2</max>")
	vm := k.vm("a", dynamic(-1, "4318:8373"))
	ask("", "<remaining>2</remaining>") // it is powered off
	k.accepted(k.on(vm))
	ask("", "<consumed>1</consumed><remaining>1</remaining><max>2</max>")
	ask("none", "<remaining>0</remaining><max>0</max>")
	read := func() string { return k.get(k.host, "config.assignableHardwareBinding") }
	if b := read(); !strings.Contains(b, "<pciId>0000:3b:00.0</pciId><deviceKey>") || !strings.Contains(b, strings.TrimPrefix(vm, "VirtualMachine:")) {
		t.Errorf("binding: %s", b)
	}
	k.c.Version = "8.0.3.0"
	if b := read(); strings.Contains(b, "pciId") || !strings.Contains(b, "instanceId") {
		t.Errorf("an older client sees %s", b)
	}
	k.c.Version = "9.1.0.0"
	k.c.Refused(k.c.Call("DirectPathProfileManagerQueryCapacity", manager, query(`<target xsi:type="DirectPathProfileManagerTargetEntity"></target>`, "")), "InvalidArgument", "target")
	unknown := k.c.Must("DirectPathProfileManagerQueryCapacity", manager, `<target xsi:type="DirectPathProfileManagerTargetCluster">`+cluster+`</target><querySpec xsi:type="DirectPathProfileManagerCapacityQueryByName"><name>x</name></querySpec>`)
	if !strings.Contains(unknown.Body, `xsi:type="DirectPathProfileManagerCapacityUnknown"`) {
		t.Error(unknown.Body)
	}
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	if b := read(); strings.Contains(b, "pciId") {
		t.Errorf("after power-off: %s", b)
	}
}
