package vm_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

// How an entity is named when the name contains the separator of inventory paths.
func TestNamesAreEscapedOnce(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.VMs = append(f.VMs, fleet.VM{Name: "of the file %5b1%5d 100%", DiskGB: 1})
	})
	k.rule("inventory.name")
	if got := k.get(k.c.Find("/DC0/vm/of the file %5b1%5d 100%25"), "name"); got != "of the file %5b1%5d 100%25" {
		t.Errorf("from the fleet: %s", got)
	}
	folder := func(in, name string) vctest.Answer { return k.c.Call("CreateFolder", in, "<name>"+name+"</name>") }
	for asked, want := range map[string]string{"plain": "plain", "a/b": "a%2fb", `c\d`: "c%5cd", "50%": "50%25", "e%2ff": "e%2ff", "g%2Fh": "g%2Fh",
		"i%5Cj": "i%5Cj", "k%25l": "k%25l", "m%5b1%5d": "m%5b1%5d", "n%zz": "n%25zz", "o%4": "o%254", strings.Repeat("é", 79) + "/": strings.Repeat("é", 79) + "%2f"} {
		ref := "Folder:" + k.c.Must("CreateFolder", k.folder(), "<name>"+asked+"</name>").Text("returnval")
		if got := k.get(ref, "name"); got != want {
			t.Errorf("CreateFolder %s: %s, want %s", asked, got, want)
		}
		if k.c.Find("/DC0/vm/"+want) != ref {
			t.Errorf("%s is not at its path", want)
		}
		k.c.Refused(folder(k.folder(), asked), "DuplicateName")
		k.c.Refused(folder(k.folder(), want), "DuplicateName")
	}
	k.c.Must("CreateFolder", k.folder(), "<name>a_b</name>") // is not a/b
	k.c.Refused(folder(k.folder(), strings.Repeat("x", 81)), "InvalidName")
	k.c.Refused(folder(k.folder(), ""), "InvalidName")
	plain := k.c.Find("/DC0/vm/plain")
	k.refused(k.c.Task("Rename_Task", plain, "<newName>a/b</newName>"), "DuplicateName")
	k.refused(k.c.Task("Rename_Task", plain, "<newName></newName>"), "InvalidName")
	k.accepted(k.c.Task("Rename_Task", plain, "<newName>q/r</newName>"))
	if got := k.get(plain, "name"); got != "q%2fr" {
		t.Errorf("Rename_Task of a folder: %s", got)
	}
	host := k.c.Find("/DC0/host")
	if ref := "ClusterComputeResource:" + k.c.Must("CreateClusterEx", host, "<name>x/y</name><spec/>").Text("returnval"); k.get(ref, "name") != "x%2fy" {
		t.Errorf("CreateClusterEx: %s", k.get(ref, "name"))
	}
}

func TestNamesOfVMsAreEscapedOnce(t *testing.T) {
	k := start(t)
	k.rule("inventory.name")
	is := func(vm, want string) {
		t.Helper()
		got := k.c.Get(vm, "name", "config.name", "summary.config.name")
		if got["name"] != want || got["config.name"] != want || got["summary.config.name"] != want || k.c.Find("/DC0/vm/"+want) != vm {
			t.Errorf("%v at %s, want %s", got, k.c.Find("/DC0/vm/"+want), want)
		}
	}
	create := func(name string) vctest.Result {
		return k.create(append(disk("VirtualLsiLogicSASController"), files(), val("name", name), val("memoryMB", "4096"), val("numCPUs", "2"), val("firmware", "efi"))...)
	}
	k.accepted(create("gpu_vm"))
	k.accepted(create("gpu%2fvm"))
	vm := k.c.Find("/DC0/vm/gpu%2fvm")
	is(vm, "gpu%2fvm")
	k.refused(create("gpu/vm"), "DuplicateName")
	k.accepted(create("gpu%5b1%5d"))
	is(k.c.Find("/DC0/vm/gpu%5b1%5d"), "gpu%5b1%5d")
	k.accepted(k.on(vm))
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	clone := func(name string) vctest.Result {
		return k.c.Task("CloneVM_Task", vm, vctest.Ref("folder", k.folder())+"<name>"+name+"</name><spec><location>"+vctest.Ref("pool", k.pool)+"</location><template>false</template><powerOn>true</powerOn></spec>")
	}
	k.refused(clone("gpu/vm"), "DuplicateName")
	k.accepted(clone("copy/100%"))
	is(k.c.Find("/DC0/vm/copy%2f100%25"), "copy%2f100%25")
	k.accepted(k.c.Task("Rename_Task", vm, `<newName>r\s</newName>`))
	is(vm, "r%5cs")
	k.accepted(k.reconfigure(vm, val("name", "t%2Fu")))
	is(vm, "t%2Fu")
	path := k.get(vm, "config.files.vmPathName")
	k.c.Must("UnregisterVM", vm, "")
	k.accepted(k.c.Task("RegisterVM_Task", k.folder(), "<path>"+path+"</path><name>v/w</name><asTemplate>false</asTemplate>"+vctest.Ref("pool", k.pool)))
	vm = k.c.Find("/DC0/vm/v%2fw")
	is(vm, "v%2fw")
	k.accepted(k.on(vm))
}
