package front_test

import (
	"os"
	"testing"

	"gpupt.test/vcenter/internal/vctest"
)

func TestMain(m *testing.M) {
	os.Exit(vctest.Main(m, "session", "scheduled", "token", "wire.version-mismatch", "wire.array-items", "collector.empty-list", "host.method-executer", "host.managers", "vm.shown", "host.shown", "wire.version-unknown", "wire.versions-page", "collector.permission", "collector.datastore-url", "file.names", "wire.well-formed", "wire.catalogs", "wire.known-counters", "wire.time-fraction", "task", "history", "event", "-task.queued", "-task.in-progress", "-task.busy-vm", "-task.cancel"))
}
