package vm_test

import (
	"regexp"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/vctest"
)

var endorsement = regexp.MustCompile(`<endorsementKeyCertificateSigningRequest>([^<]+)<`)

// The vTPM of a clone is a copy with the source's secrets, unless it is replaced.
func TestTPMOfAClone(t *testing.T) {
	k := start(t)
	k.rule("vm.clone-tpm")
	crypto := "CryptoManagerKmip:CryptoManager"
	k.c.Must("RegisterKmsCluster", crypto, "<clusterId><id>keys</id></clusterId><managementType>nativeProvider</managementType>")
	k.c.Must("MarkDefault", crypto, "<clusterId><id>keys</id></clusterId>")
	gold, other := k.vm("gold", add("VirtualTPM", -1, "")), k.vm("other", add("VirtualTPM", -1, ""))
	key := func(vm string) string {
		m := endorsement.FindStringSubmatch(k.get(vm, "config.hardware.device"))
		if m == nil {
			t.Fatalf("%s has no vTPM", vm)
		}
		return m[1]
	}
	clone := func(name, policy string) vctest.Result {
		if policy != "" {
			policy = "<tpmProvisionPolicy>" + policy + "</tpmProvisionPolicy>"
		}
		return k.c.Task("CloneVM_Task", gold, vctest.Ref("folder", k.folder())+"<name>"+name+"</name><spec><location>"+vctest.Ref("pool", k.pool)+
			"</location><template>false</template><powerOn>false</powerOn>"+policy+"</spec>")
	}
	if key(gold) == key(other) {
		t.Error("two vTPMs have one key")
	}
	k.refused(clone("a", "nonsense"), "InvalidArgument", "tpmProvisionPolicy")
	k.accepted(clone("unset", ""))
	k.accepted(clone("copied", "copy"))
	k.accepted(clone("replaced", "replace"))
	for name, same := range map[string]bool{"unset": true, "copied": true, "replaced": false} {
		if (key(k.c.Find("/DC0/vm/"+name)) == key(gold)) != same {
			t.Errorf("%s: the key is the source's: %v", name, !same)
		}
	}
}

// A clone of a snapshot is what the VM was then.
func TestCloneOfASnapshot(t *testing.T) {
	k := start(t)
	k.rule("vm.clone-snapshot")
	gold := k.vm("gold", append(disk("VirtualLsiLogicSASController"), extra("site.a", "then"))...)
	k.accepted(k.c.Task("CreateSnapshot_Task", gold, "<name>s</name><memory>false</memory><quiesce>false</quiesce>"))
	a := vctest.Answer{Body: "<x>" + k.get(gold, "snapshot") + "</x>"}
	snap := vctest.Ref("snapshot", "VirtualMachineSnapshot:"+a.Text("currentSnapshot"))
	k.accepted(k.reconfigure(gold, val("numCPUs", "6"), extra("site.a", "now"), fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318)))
	clone := func(name, more string) {
		k.accepted(k.c.Task("CloneVM_Task", gold, vctest.Ref("folder", k.folder())+"<name>"+name+"</name><spec><location>"+vctest.Ref("pool", k.pool)+
			"</location><template>false</template><powerOn>false</powerOn>"+more+"</spec>"))
	}
	clone("then", snap)
	clone("now", "")
	for name, want := range map[string][2]string{"then": {">then<", "no"}, "now": {">now<", "yes"}} {
		got := k.c.Get(k.c.Find("/DC0/vm/"+name), "config.extraConfig", "config.hardware.device", "config.hardware.numCPU")
		card := map[bool]string{true: "yes", false: "no"}[strings.Contains(got["config.hardware.device"], "VirtualPCIPassthrough")]
		if !strings.Contains(got["config.extraConfig"], want[0]) || card != want[1] || (got["config.hardware.numCPU"] == "6") != (name == "now") {
			t.Errorf("%s: a card: %s, %v", name, card, got)
		}
	}
	if now := k.get(gold, "config.extraConfig"); !strings.Contains(now, ">now<") {
		t.Error("the clone of the snapshot changed its source")
	}
}
