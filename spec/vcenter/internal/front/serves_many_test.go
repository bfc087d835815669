package front_test

import (
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// Managers of files work on several at once: a second call does not fail with TaskInProgress, which none of their
// methods throws (API reference: FileManager.MoveDatastoreFile_Task, HostDatastoreBrowser.SearchDatastore_Task).
func TestManagersServeMany(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{Fleet: fleet.Demo(), Speed: 20})
	c := s.Login(t)
	dc, ds := c.Find("DC0"), c.Find("DC0/datastore/ds-1")
	manager := "FileManager:" + c.Must("RetrieveServiceContent", "ServiceInstance:ServiceInstance", "").Text("fileManager")
	browser := "HostDatastoreBrowser:" + c.Get(ds, "browser")["browser"]
	var tasks []string
	for _, name := range []string{"a", "b", "c"} {
		c.Must("MakeDirectory", manager, "<name>[ds-1] "+name+"</name><datacenter type=\"Datacenter\">"+dc[len("Datacenter:"):]+"</datacenter>")
		tasks = append(tasks, c.Start("DeleteDatastoreFile_Task", manager, "<name>[ds-1] "+name+"</name><datacenter type=\"Datacenter\">"+dc[len("Datacenter:"):]+"</datacenter>"))
		tasks = append(tasks, c.Start("SearchDatastore_Task", browser, "<datastorePath>[ds-1]</datastorePath>"))
	}
	for _, task := range tasks {
		if r := c.Wait(task); r.Fault != "" {
			t.Errorf("%s: %s", r.Fault, r.Message)
		}
	}
}
