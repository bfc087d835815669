package front_test

import (
	"os"
	"testing"

	"gpupt.test/vcenter/internal/vctest"
)

func TestMain(m *testing.M) {
	os.Exit(vctest.Main(m, "session", "collector.permission", "task", "-task.queued", "-task.in-progress", "-task.cancel"))
}
