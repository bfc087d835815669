package vm_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/vctest"
)

func TestUnregisteringAFolder(t *testing.T) {
	k := start(t)
	k.rule("vm.unregister-folder", "vm.tools-version")
	folder := "Folder:" + k.c.Must("CreateFolder", k.folder(), "<name>old</name>").Text("returnval")
	inner := "Folder:" + k.c.Must("CreateFolder", folder, "<name>inner</name>").Text("returnval")
	vm := k.vm("x")
	k.c.MustTask("MoveIntoFolder_Task", inner, vctest.Ref("list", vm))
	k.c.MustTask("PowerOnVM_Task", vm, "")
	k.c.FailTask("InvalidState", "UnregisterAndDestroy_Task", folder, "")
	k.c.MustTask("PowerOffVM_Task", vm, "")
	path := k.get(vm, "config.files.vmPathName")
	k.c.FailTask("NotSupported", "UnregisterAndDestroy_Task", k.folder(), "")
	k.c.FailTask("NotSupported", "UnregisterAndDestroy_Task", k.c.Find("/DC0/network"), "")
	k.c.FailTask("NotSupported", "UnregisterAndDestroy_Task", "Folder:"+k.API.W.Content.RootFolder.Value, "")
	k.c.MustTask("UnregisterAndDestroy_Task", folder, "")
	if a := k.c.Must("FindByInventoryPath", "SearchIndex:SearchIndex", "<inventoryPath>/DC0/vm/old</inventoryPath>"); a.Text("returnval") != "" {
		t.Error("the folder is gone")
	}
	k.c.MustTask("RegisterVM_Task", k.folder(), "<path>"+path+"</path><asTemplate>false</asTemplate>"+vctest.Ref("pool", k.pool)+vctest.Ref("host", k.host))
	if got := k.get(k.c.Find("/DC0/vm/x"), "config.tools.toolsVersion"); got != "0" {
		t.Errorf("toolsVersion %q", got)
	}
	if got := k.get(k.c.Find("/DC0/vm/x"), "config.tools"); !strings.Contains(got, "<toolsVersion>0</toolsVersion>") || !strings.Contains(got, "<counter>0</counter>") {
		t.Error("Tools were never installed: ", got)
	}
}
