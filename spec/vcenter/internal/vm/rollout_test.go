package vm_test

import (
	"strings"
	"testing"
)

// A whole Linux machine: blank disk, two media, installation, cards, proof.
func TestLinuxFromNothingToTheGPUs(t *testing.T) {
	k := start(t)
	parts := append(disk("VirtualLsiLogicSASController"), network("VM Network"), cd(-120, 0, "[ds-1] iso/ubuntu-24.04.iso"),
		cd(-121, 1, "[ds-1] iso/ubuntu-answer.iso"))
	vm := k.vm("train-01", parts...)
	k.accepted(k.on(vm))
	if got := k.get(vm, "guest.guestOperationsReady"); got != "false" {
		t.Fatalf("a bare machine has guest operations: %s", got)
	}
	k.until(vm, "guest.guestOperationsReady", "true")
	if got := k.get(vm, "guest.toolsRunningStatus"); got != "guestToolsRunning" {
		t.Errorf("Tools: %s", got)
	}
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	k.accepted(k.reconfigure(vm, fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318), fixed(-2, "0000:86:00.0", "0x20b5", k.sys, 4318)))
	k.accepted(k.on(vm))
	k.until(vm, "guest.guestOperationsReady", "true")
	out := k.bash(vm, "lspci -d 10de: && lspci | grep -c nvidia; lspci | grep -ci nvidia")
	if strings.Count(out, "NVIDIA Corporation GA100 [A100 PCIe 80GB] (rev a1)") != 2 || !strings.HasSuffix(out, "0\n2\n") {
		t.Errorf("lspci: %q", out)
	}
	if log := k.log(vm); !strings.Contains(log, "PCIPassthru: Device 0000:3b:00.0 barIndex 1 type 3 realaddr 0x") ||
		!strings.Contains(log, "size 137438953472 flags 12") {
		t.Errorf("vmware.log:\n%s", log)
	}
}
