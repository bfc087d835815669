package vm_test

import (
	"strings"
	"testing"
)

// A disk that is too small is full when the installation stops, and a VM can stop at a question.
func TestDiskTooSmall(t *testing.T) {
	t.Parallel()
	k := start(t)
	k.rule("install.disk-full", "vm.question")
	small := func(controller string) []part {
		parts := disk(controller)
		for i := range parts {
			parts[i].xml = strings.Replace(parts[i].xml, "<capacityInKB>41943040<", "<capacityInKB>4194304<", 1)
		}
		return parts
	}
	boot := func(name string, parts []part, media ...string) string {
		for i, m := range media {
			parts = append(parts, cd(-120-i, i, m))
		}
		vm := k.vm(name, append(parts, network("VM Network"))...)
		k.accepted(k.on(vm))
		return vm
	}
	vm := boot("l", small("VirtualLsiLogicSASController"), ubuntu, "[ds-1] iso/ubuntu-answer.iso")
	k.wantStuck(vm, "No space left on device")
	w := boot("w", small("VirtualLsiLogicSASController"), windows, "[ds-1] iso/windows-answer.iso")
	k.wantStuck(w, "0x80070070")
	k.c.Must("RefreshStorageInfo", vm, "")
	if list := k.get(vm, "layoutEx.file"); !strings.Contains(list, "<size>4294967296</size>") {
		t.Error("the full disk: ", list)
	}
	k.Control(t, "POST", "/set", map[string]any{"vm": "l", "question": "There is no more space for virtual disk l.vmdk."})
	if q := k.get(vm, "runtime.question"); !strings.Contains(q, "no more space for virtual disk l.vmdk") || strings.Contains(k.get(vm, "disabledMethod"), "AnswerVM") {
		t.Error("the question: ", q)
	}
	k.Control(t, "POST", "/set", map[string]any{"vm": "l", "question": ""})
	if q := k.get(vm, "runtime.question"); q != "" {
		t.Error("after the answer: ", q)
	}
}
