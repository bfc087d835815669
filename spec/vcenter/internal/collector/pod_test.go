package collector_test

import (
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

func TestADatastoreClusterHasASummary(t *testing.T) {
	vctest.Breaks(t, "collector.pod")
	f := fleet.Demo()
	f.Datastores = []fleet.Datastore{{Name: "a", CapacityGB: 10, FreeGB: 4}, {Name: "b", CapacityGB: 20, FreeGB: 5}, {Name: "c"}}
	f.Pods = []fleet.DatastoreCluster{{Name: "pod", Datastores: []string{"a", "b"}}}
	c := vctest.Start(t, vcenter.Options{Fleet: f}).Login(t)
	check := func(pod, name, capacity, free string) {
		t.Helper()
		got := c.Get(pod, "summary.name", "summary.capacity", "summary.freeSpace", "podStorageDrsEntry.storageDrsConfig.podConfig.defaultVmBehavior")
		if got["summary.name"] != name || got["summary.capacity"] != capacity || got["summary.freeSpace"] != free ||
			got["podStorageDrsEntry.storageDrsConfig.podConfig.defaultVmBehavior"] != "manual" {
			t.Error(got)
		}
	}
	check(c.Find("/DC0/datastore/pod"), "pod", "32212254720", "9663676416")
	c.Must("CreateStoragePod", c.Find("/DC0/datastore"), "<name>new</name>")
	check(c.Find("/DC0/datastore/new"), "new", "0", "0")
}
