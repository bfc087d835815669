package wire_test

import (
	"os"
	"testing"

	"gpupt.test/vcenter/internal/vctest"
)

func TestMain(m *testing.M) {
	os.Exit(vctest.Main(m, "wire", "-wire.version-mismatch", "-wire.version-unknown", "-wire.versions-page", "-wire.array-items", "-wire.well-formed", "-wire.time-fraction", "-wire.catalogs", "-wire.known-counters"))
}
