package collector_test

import (
	"os"
	"testing"

	"gpupt.test/vcenter/internal/vctest"
)

func TestMain(m *testing.M) {
	os.Exit(vctest.Main(m, "collector", "-collector.permission", "-collector.datastore-url", "-collector.empty-list", "task.queued"))
}
