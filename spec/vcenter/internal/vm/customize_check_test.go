package vm_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

// A specification is checked without being applied; checking, applying or cloning with one
// requires VirtualMachine.Provisioning.Customize.
func TestCheckingACustomization(t *testing.T) {
	const need = "VirtualMachine.Provisioning.Customize"
	clones := []string{"VirtualMachine.Provisioning.Clone", "VirtualMachine.Inventory.CreateFromExisting", "Resource.AssignVMToPool", "Datastore.AllocateSpace"}
	k := startFleet(t, func(f *fleet.Fleet) {
		f.VMs = []fleet.VM{{Name: "lin", Installed: "ubuntu", Firmware: "efi", MemoryMB: 4096, Power: "poweredOn", Username: "ops", Password: "Train-1-pass"}}
		f.Users = append(f.Users, fleet.User{Name: "may", Password: "may", Privileges: append(clones, need)}, fleet.User{Name: "not", Password: "not", Privileges: clones})
	})
	k.rule("guest.customize-check")
	vm := k.c.Find("/DC0/vm/lin")
	good, spec := linuxPrep("next", "")+dhcp, func(s string) string { return "<spec>" + s + "</spec>" }
	k.c.Refused(k.c.Call("CheckCustomizationSpec", vm, spec(sysprep("A", "x")+dhcp)), "UncustomizableGuest")
	k.c.Refused(k.c.Call("CheckCustomizationSpec", vm, spec(linuxPrep("next", "")+dhcp+dhcp+dhcp)), "NicSettingMismatch")
	k.c.Refused(k.c.Call("CheckCustomizationSpec", vm, spec(linuxPrep("a_b", "")+dhcp)), "InvalidArgument", "spec.identity.hostName")
	k.c.Must("CheckCustomizationSpec", vm, spec(good)) // while it runs, and twice
	k.c.Must("CheckCustomizationSpec", vm, spec(good))
	if s := k.get(vm, "guest.customizationInfo"); !strings.Contains(s, "IDLE") {
		t.Error("a check changes nothing:", s)
	}
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	clone := vctest.Ref("folder", k.c.Find("/DC0/vm")) + "<name>c</name><spec><location>" + vctest.Ref("pool", k.pool) + "</location><template>false</template>" +
		"<customization>" + good + "</customization><powerOn>false</powerOn></spec>"
	may, not := k.Login(t, "may", "may"), k.Login(t, "not", "not")
	for method, in := range map[string]string{"CheckCustomizationSpec": spec(good), "CustomizeVM_Task": spec(good), "CloneVM_Task": clone} {
		not.Refused(not.Call(method, vm, in), "NoPermission", "<privilegeId>"+need+"</privilegeId>")
		if a := may.Call(method, vm, in); a.Status != 200 {
			t.Errorf("%s: %s", method, a.Body)
		}
	}
}
