package vm_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

func TestADatastoreWithoutRoomForACopy(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Datastores = append(f.Datastores, fleet.Datastore{Name: "small", CapacityGB: 100, FreeGB: 2}, fleet.Datastore{Name: "fits", CapacityGB: 100, FreeGB: 30})
		f.VMs = append(f.VMs, fleet.VM{Name: "gold", DiskGB: 40, Installed: "ubuntu"}, fleet.VM{Name: "blank", DiskGB: 40})
	})
	k.rule("vm.disk-space")
	gold, pool := k.c.Find("/DC0/vm/gold"), vctest.Ref("pool", k.pool)
	at := func(name string) string { return vctest.Ref("datastore", k.c.Find("/DC0/datastore/"+name)) }
	clone := func(source, name, location string) vctest.Result {
		return k.c.Task("CloneVM_Task", source, vctest.Ref("folder", k.folder())+"<name>"+name+"</name><spec><location>"+location+"</location><template>false</template><powerOn>false</powerOn></spec>")
	}
	k.refused(clone(gold, "a", at("small")+pool), "NoDiskSpace", "Insufficient disk space on datastore 'small'.")
	k.refused(k.c.Task("RelocateVM_Task", gold, "<spec>"+at("small")+"</spec>"), "NoDiskSpace", "'small'")
	k.accepted(clone(gold, "b", at("fits")+pool))
	k.accepted(clone(k.c.Find("/DC0/vm/blank"), "c", at("small")+pool)) // thin, and nothing is on it
	full := disk("VirtualLsiLogicSASController")
	full[1].xml = strings.Replace(full[1].xml, "<thinProvisioned>true<", "<thinProvisioned>false<", 1)
	thick := k.vm("thick", full...)
	k.refused(clone(thick, "d", at("fits")+pool), "NoDiskSpace", "'fits'")
	k.accepted(k.c.Task("CreateSnapshot_Task", gold, "<name>s</name><memory>false</memory><quiesce>false</quiesce>"))
	snap := vctest.Ref("snapshot", "VirtualMachineSnapshot:"+k.get(gold, "snapshot.currentSnapshot"))
	k.accepted(k.c.Task("CloneVM_Task", gold, vctest.Ref("folder", k.folder())+"<name>linked</name><spec><location>"+at("small")+"<diskMoveType>createNewChildDiskBacking</diskMoveType></location><template>false</template><powerOn>false</powerOn>"+snap+"</spec>"))
}
