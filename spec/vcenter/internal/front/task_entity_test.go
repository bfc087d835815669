package front_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// TaskInfo.entity is "the managed entity to which the operation applies": a file manager is not one, and pyVmomi refuses
// to read a task that names it.
func TestTasksOfManagersHaveNoEntity(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	info := func(task string) string {
		return c.Must("RetrievePropertiesEx", "PropertyCollector:propertyCollector", "<specSet><propSet><type>Task</type><pathSet>info</pathSet></propSet><objectSet>"+
			vctest.Ref("obj", task)+"</objectSet></specSet><options/>").Body
	}
	task := "Task:" + c.Must("DeleteDatastoreFile_Task", "FileManager:FileManager", "<name>[ds-1] none</name>"+vctest.Ref("datacenter", c.Find("DC0"))).Text("returnval")
	if body := info(task); strings.Contains(body, "<entity") {
		t.Error("a file manager as the entity: ", body)
	}
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	task = "Task:" + c.Must("EnterMaintenanceMode_Task", host, "<timeout>0</timeout>").Text("returnval")
	if body := info(task); !strings.Contains(body, `<entity type="HostSystem">`) {
		t.Error("no entity: ", body)
	}
}
