package vm_test

import (
	"strings"
	"testing"
)

// The host says which running VM has a card, from the power-on to the power-off.
func TestGraphicsInfoNamesTheRunningVM(t *testing.T) {
	k := start(t)
	k.rule("host.graphics-vm")
	a := k.vm("a", fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318))
	b := k.vm("b", dynamic(-1, "4318:8373"))
	of := func(address string) string {
		for _, part := range strings.Split(k.get(k.host, "config.graphicsInfo"), "</HostGraphicsInfo>") {
			if strings.Contains(part, "<pciId>"+address+"</pciId>") {
				if !strings.Contains(part, "<graphicsType>direct<") {
					t.Error(part)
				}
				_, vm, _ := strings.Cut(part, `<vm type="VirtualMachine">`)
				vm, _, _ = strings.Cut(vm, "<")
				return vm
			}
		}
		t.Fatal("no graphicsInfo of ", address)
		return ""
	}
	want := func(first, second string) {
		t.Helper()
		for address, vm := range map[string]string{"0000:3b:00.0": first, "0000:86:00.0": second} {
			if have := of(address); have != strings.TrimPrefix(vm, "VirtualMachine:") {
				t.Errorf("%s: %q, want %q", address, have, vm)
			}
		}
	}
	want("", "") // configured, and not running
	k.accepted(k.on(a))
	want(a, "")
	k.accepted(k.on(b))
	want(a, b)
	k.accepted(k.c.Task("PowerOffVM_Task", a, ""))
	want("", b)
	k.accepted(k.c.Task("PowerOffVM_Task", b, ""))
	want("", "")
}
