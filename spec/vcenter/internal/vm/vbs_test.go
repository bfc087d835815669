package vm_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/vctest"
)

func flags(xml string) part { return field("flags", "<flags>"+xml+"</flags>") }

const vbsOn = "<vvtdEnabled>true</vvtdEnabled><vbsEnabled>true</vbsEnabled>"

// What a VM has for VBS: vbsEnabled, vvtdEnabled, nestedHVEnabled, Secure Boot, firmware.
func (k *kit) vbs(vm string) string {
	k.t.Helper()
	flag := func(path, name string) string {
		text := k.get(vm, path)
		_, rest, _ := strings.Cut(text, "<"+name+">")
		value, _, _ := strings.Cut(rest, "<")
		return value
	}
	return strings.Join([]string{flag("config.flags", "vbsEnabled"), flag("config.flags", "vvtdEnabled"), k.get(vm, "config.nestedHVEnabled"),
		flag("config.bootOptions", "efiSecureBootEnabled"), k.get(vm, "config.firmware")}, " ")
}

func TestANewVMWithVBS(t *testing.T) {
	k := start(t)
	k.rule("vm.vbs-create")
	base := func(name string, more ...part) []part {
		return append([]part{val("name", name), val("guestId", "windows2019srvNext_64Guest"), files(), val("memoryMB", "4096"), flags("<vbsEnabled>true</vbsEnabled>")}, more...)
	}
	k.accepted(k.create(base("a")...))
	if got := k.vbs(k.c.Find("/DC0/vm/a")); got != "true true true true efi" {
		t.Error(got)
	}
	k.refused(k.create(base("b", val("firmware", "bios"))...), "InvalidArgument", "firmware")
	k.refused(k.create(base("b", val("nestedHVEnabled", "false"))...), "InvalidArgument", "nestedHVEnabled")
	k.refused(k.create(base("b", field("bootOptions", "<bootOptions><efiSecureBootEnabled>false</efiSecureBootEnabled></bootOptions>"))...), "InvalidArgument", "efiSecureBootEnabled")
	without := base("b")
	without[len(without)-1] = flags("<vvtdEnabled>false</vvtdEnabled><vbsEnabled>true</vbsEnabled>")
	k.refused(k.create(without...), "InvalidArgument", "vvtdEnabled")
}

func TestVBSOfAVM(t *testing.T) {
	k := start(t)
	k.rule("vm.vbs-change", "vm.vbs-passthrough", "vm.powered-on-change")
	vm := k.vm("a")
	if got := k.vbs(vm); got != "false false false false efi" {
		t.Fatal(got)
	}
	k.accepted(k.reconfigure(vm, flags("<vbsEnabled>true</vbsEnabled>")))
	if got := k.vbs(vm); got != "true false false false efi" {
		t.Fatal(got)
	}
	k.accepted(k.reconfigure(vm, flags(vbsOn), val("nestedHVEnabled", "true")))
	card := fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318)
	k.refused(k.reconfigure(vm, card), "GenericVmConfigFault", "Nested Hardware-Assisted Virtualization")
	k.refused(k.reconfigure(vm, card, val("nestedHVEnabled", "false")), "GenericVmConfigFault", "Virtualization Based Security")
	// not while it runs
	k.accepted(k.on(vm))
	k.refused(k.reconfigure(vm, flags("<vbsEnabled>false</vbsEnabled>")), "InvalidPowerState")
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	// off and with the card, in one
	k.accepted(k.reconfigure(vm, flags("<vvtdEnabled>false</vvtdEnabled><vbsEnabled>false</vbsEnabled>"), card, val("nestedHVEnabled", "false")))
	if got := k.vbs(vm); got != "false false false false efi" {
		t.Fatal(got)
	}
	k.refused(k.reconfigure(vm, flags(vbsOn)), "GenericVmConfigFault", "Virtualization Based Security")
	k.refused(k.reconfigure(vm, flags(vbsOn), val("nestedHVEnabled", "true")), "GenericVmConfigFault", "Nested Hardware-Assisted Virtualization")
	k.accepted(k.on(vm))
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	// and back, in one
	devices := k.get(vm, "config.hardware.device")
	_, rest, _ := strings.Cut(devices, "xsi:type=\"VirtualPCIPassthrough\"><key>")
	key, _, _ := strings.Cut(rest, "<")
	remove := field("deviceChange", `<deviceChange><operation>remove</operation><device xsi:type="VirtualPCIPassthrough"><key>`+key+`</key></device></deviceChange>`)
	k.accepted(k.reconfigure(vm, flags(vbsOn), remove, val("nestedHVEnabled", "true")))
	if got := k.vbs(vm); got != "true true true false efi" {
		t.Fatal(got)
	}
}

// A file that was registered may have both.
func TestAVMWithACardAndVBSDoesNotStart(t *testing.T) {
	k := start(t)
	k.rule("power.nested-hv")
	vm := k.vm("a", fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318))
	text := k.file("a/a.vmx")
	k.c.Must("UnregisterVM", vm, "")
	k.put("a/a.vmx", strings.Replace(text, `vhv.enable = "FALSE"`, "vhv.enable = \"TRUE\"\nvvtd.enable = \"TRUE\"\nwindows.vbs.enabled = \"TRUE\"", 1))
	k.accepted(k.c.Task("RegisterVM_Task", k.folder(), "<path>[ds-1] a/a.vmx</path><asTemplate>false</asTemplate>"+vctest.Ref("pool", k.pool)+vctest.Ref("host", k.host)))
	vm = k.c.Find("/DC0/vm/a")
	if got := k.vbs(vm); got != "true true true false efi" || !strings.Contains(k.file("a/a.vmx"), `windows.vbs.enabled = "TRUE"`) {
		t.Fatal(got, k.file("a/a.vmx"))
	}
	k.refused(k.on(vm), "GenericVmConfigFault", "Virtualization is not supported on a virtual machine with a PCI passthrough device.")
	k.accepted(k.reconfigure(vm, flags("<vbsEnabled>false</vbsEnabled>"), val("nestedHVEnabled", "false")))
	k.accepted(k.on(vm))
}
