package host_test

import (
	"os"
	"testing"

	"gpupt.test/vcenter/internal/vctest"
)

func TestMain(m *testing.M) {
	os.Exit(vctest.Main(m, "host", "-host.method-executer", "-host.managers", "-host.shown", "-host.transfer-url", "-host.bindings", "invariant", "switch", "task.in-progress", "task.cancel"))
}
