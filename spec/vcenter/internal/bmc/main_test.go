package bmc_test

import (
	"os"
	"testing"

	"gpupt.test/vcenter/internal/vctest"
)

func TestMain(m *testing.M) { os.Exit(vctest.Main(m, "bmc")) }
